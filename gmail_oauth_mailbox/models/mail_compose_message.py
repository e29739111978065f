from odoo import api, models


class MailComposeMessage(models.TransientModel):
    """What is answered in the full composer is an email that the user may read."""

    _inherit = "mail.compose.message"

    def _gmail_checked(self, vals):
        """Return values without a parent that is an entry which the user may not read:
        the composer would take over its subject, its record and its people."""
        parent = vals.get("parent_id")
        if self.env["mail.message"]._gmail_hidden({parent}):
            return {**vals, "parent_id": False}
        return vals

    @api.model
    def default_get(self, fields):
        return self._gmail_checked(super().default_get(fields))

    @api.model_create_multi
    def create(self, vals_list):
        return super().create(list(map(self._gmail_checked, vals_list)))

    def write(self, vals):
        return super().write(self._gmail_checked(vals))

    def onchange(self, values, field_names, fields_spec):
        return super().onchange(self._gmail_checked(values), field_names, fields_spec)
