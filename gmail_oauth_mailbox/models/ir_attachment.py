from odoo import models
from odoo.exceptions import AccessError


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
