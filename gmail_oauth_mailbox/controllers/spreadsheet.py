from odoo.addons.web.controllers.export import ExcelExport

from ..lib.cells import as_text


class GmailExcelExport(ExcelExport):
    """Odoo writes the titles of groups as they are, without asking the model."""

    def from_group_data(self, fields, columns_headers, groups):
        name = groups._model._name
        if name.startswith("gmail.") or name == "mail.message":
            _make_text(groups)
        return super().from_group_data(fields, columns_headers, groups)


def _make_text(groups):
    """Make titles that could run as formulas text, in all levels of a tree."""
    children = list(groups.children.items())
    groups.children.clear()
    for title, child in children:
        name = title[1] if isinstance(title, tuple) and len(title) > 1 else title
        if as_text(name) != name:
            # Odoo shows the second of a pair; the first keeps groups apart.
            title = (title, as_text(name))
        groups.children[title] = child
        _make_text(child)
