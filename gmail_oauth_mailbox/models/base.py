from odoo import api, models


class Base(models.AbstractModel):
    """Records that say which model something is about, or which fields it reads, don't
    name those that hold email. What users name by its id, they see."""

    _inherit = "base"

    @api.constrains(lambda self: self.env["gmail.guard"]._fields_of(self._name))
    def _check_gmail_guard(self):
        self.env["gmail.guard"]._check(self)

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            self.env["gmail.named"]._check(self, vals_list)
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su:
            self.env["gmail.named"]._check(self, [vals])
        return super().write(vals)

    @api.model
    def default_get(self, fields):
        if not self.env.su:
            self.env["gmail.named"]._check_context(self)
        return super().default_get(fields)

    def onchange(self, values, field_names, fields_spec):
        """Odoo computes fields that read as superuser of what values name."""
        if not self.env.su:
            self.env["gmail.named"]._check(self, [values])
        return super().onchange(values, field_names, fields_spec)
