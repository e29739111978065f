from odoo import api, models, tools
from odoo.exceptions import AccessError

PRIVATE = frozenset({"ir.attachment", "mail.message", "res.partner"})
DEFAULT = "default_"
# Lists in lists of new records.
MAX_DEPTH = 5


class GmailNamed(models.AbstractModel):
    """What users name by its id: Odoo checks no access to it, and shows of it what
    superuser reads, in a form that is not saved yet or in a field of another model.

    Files and messages with email, and contacts that are their owners' alone, can't be
    named by those who don't see them.
    """

    _name = "gmail.named"
    _description = "Records Named by Their Id"

    @api.model
    @tools.ormcache("model_name")
    def _fields_of(self, model_name):
        """Return {name: name of its model} of the fields that can name such records,
        or lead to lists that do."""
        return {
            name: field.comodel_name
            for name, field in self.env[model_name]._fields.items()
            if field.type in ("many2one", "many2many", "one2many")
            and (field.comodel_name in PRIVATE or field.type == "one2many")
        }

    @api.model
    def _check_context(self, model):
        """See ``_check``; of the defaults that a caller gives."""
        values = {
            key[len(DEFAULT) :]: value
            for key, value in self.env.context.items()
            if isinstance(key, str) and key.startswith(DEFAULT)
        }
        if values:
            self._check(model, [values])

    @api.model
    def _check(self, model, vals_list):
        """Check that the user sees what values name.

        :param model: of which the values are
        :param vals_list: as for ``create``, or as a form gives them
        :raises AccessError: they do not
        """
        found = {}
        self._gather(model._name, vals_list, found, MAX_DEPTH)
        for model_name, ids in found.items():
            if self._hidden(model_name, ids):
                raise AccessError(self._sentence(model_name))

    def _sentence(self, model_name):
        if model_name == "res.partner":
            return self.env._("This contact is not shared with you.")
        return self.env._("This belongs to an email that is not shared with you.")

    def _gather(self, model_name, vals_list, found, depth):
        """Add the ids that values name to ``found``: {name of their model: ids}."""
        names = self._fields_of(model_name)
        for values in vals_list:
            if not isinstance(values, dict):
                continue
            for name in names.keys() & values.keys():
                self._gather_value(names[name], values[name], found, depth)

    def _gather_value(self, comodel, value, found, depth):
        if isinstance(value, list | tuple):
            self._gather_list(comodel, value, found, depth)
        elif isinstance(value, dict):
            value = value.get("id")
        if comodel in PRIVATE and self._is_id(value):
            found.setdefault(comodel, set()).add(value)

    def _gather_list(self, comodel, value, found, depth):
        """Add the ids of commands, of a list of ids, or of a pair of id and name."""
        for entry in value:
            if self._is_id(entry):
                ids = [entry]
            elif not isinstance(entry, list | tuple) or not entry:
                continue
            else:
                ids = [x for x in entry[1:2] if entry[0] in (1, 2, 3, 4)]
                if entry[0] == 6 and len(entry) > 2:
                    ids += entry[2] if isinstance(entry[2], list | tuple) else []
                if entry[0] in (0, 1) and len(entry) > 2 and depth:
                    self._gather(comodel, [entry[2]], found, depth - 1)
            if comodel in PRIVATE:
                found.setdefault(comodel, set()).update(filter(self._is_id, ids))

    def _is_id(self, value):
        return isinstance(value, int) and not isinstance(value, bool) and value > 0

    def _hidden(self, model_name, ids):
        """Whether some of the ids are of private records that the user doesn't see."""
        if self.env["gmail.version"]._is_outdated():
            return False
        records = self.env[model_name].browse(ids)
        if model_name == "res.partner":
            visibility = self.env["gmail.contact.visibility"]
            if not visibility._has_private():
                return False
            private = records.sudo().exists().filtered("gmail_is_private")
        elif model_name == "ir.attachment":
            private = self.env["gmail.linking"]._files_with_email(records)
        else:
            private = self.env["gmail.linking"]._emails_among(records)
        private = private.sudo(False)
        return bool(private) and len(private._filtered_access("read")) < len(private)
