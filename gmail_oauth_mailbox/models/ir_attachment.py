from odoo import SUPERUSER_ID, api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import Query


class IrAttachment(models.Model):
    """The files of an entry are those of its email."""

    _inherit = "ir.attachment"

    def write(self, vals):
        if not self.env.su and self.env["gmail.linking"]._are_of_entries(self):
            raise AccessError(
                self.env._(
                    "This file belongs to an email of a mailbox and can't be changed."
                )
            )
        return super().write(vals)

    def _delete_and_notify(self, message=None):
        """Odoo deletes the files of a message that is emptied, whatever else they are
        files of."""
        kept = self.env["gmail.linking"]._files_of_others(self)
        return super(IrAttachment, self - kept)._delete_and_notify(message)

    @api.depends_context("uid")
    def _compute_display_name(self):
        """Odoo looks names up as superuser, such as that of the file that another one
        was made from."""
        result = super()._compute_display_name()
        for file in self.env["gmail.linking"]._files_with_email(self):
            if not self._gmail_is_own(file):
                file.display_name = f"{file._name},{file.id}"
        return result

    def _gmail_is_own(self, file):
        """Whether the user may read what a file of ours belongs to."""
        file = file.sudo()
        owner = self.env.get(file.res_model)
        if self.env.uid == SUPERUSER_ID or owner is None:
            return True
        return owner.sudo(False).browse(file.res_id).has_access("read")

    def _search(
        self, domain, offset=0, limit=None, order=None, *, bypass_access=False, **kwargs
    ):
        """Odoo searches files as superuser and then leaves out those that the user may
        not read: what stands behind a relation of theirs is looked up first, with the
        rights of the user."""
        if not (self.env.su or bypass_access):
            domain = Domain(domain).map_conditions(self._gmail_with_rights)
        return super()._search(
            domain, offset, limit, order, bypass_access=bypass_access, **kwargs
        )

    def _gmail_with_rights(self, condition):
        name, _dot, path = condition.field_expr.partition(".")
        field = self._fields.get(name)
        if field is None or not field.relational:
            return condition
        operator, value = condition.operator, condition.value
        if path:
            behind = Domain(path, operator, value)
        elif operator in ("any", "not any"):
            behind = Domain(value) if not isinstance(value, Query) else None
        elif isinstance(value, str):
            behind = Domain("display_name", operator, value)
        else:
            behind = None
        if behind is None:
            return condition
        found = self.env[field.comodel_name]._search(behind)
        return Domain(name, "not in" if operator == "not any" else "in", found)
