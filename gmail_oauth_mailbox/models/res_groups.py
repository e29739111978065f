from odoo import api, models
from odoo.exceptions import UserError


class ResGroups(models.Model):
    _inherit = "res.groups"

    @api.ondelete(at_uninstall=False)
    def _unlink_except_gmail(self):
        """The group that says who may connect is not deleted unawares."""
        if self & self.env["gmail.setup"]._connect_group():
            raise UserError(
                self.env._(
                    "This group says who may connect Gmail mailboxes. Choose another "
                    "one in Settings, Gmail, then delete it."
                )
            )
