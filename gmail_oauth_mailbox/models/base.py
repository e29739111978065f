from odoo import api, models


class Base(models.AbstractModel):
    """Records that say which model something is about, or which fields it reads, don't
    name those that hold email."""

    _inherit = "base"

    @api.constrains(lambda self: self.env["gmail.guard"]._fields_of(self._name))
    def _check_gmail_guard(self):
        self.env["gmail.guard"]._check(self)
