from odoo import SUPERUSER_ID, models
from odoo.exceptions import AccessError


class IrAttachment(models.Model):
    """The files of an entry are those of its email."""

    _inherit = "ir.attachment"

    def write(self, vals):
        if not self.env.su:
            # Only Odoo itself makes files of entries; those of users need no look.
            of_odoo = self.sudo().filtered(lambda a: a.create_uid.id == SUPERUSER_ID)
            if of_odoo and self.env["gmail.linking"]._are_of_entries(of_odoo):
                raise AccessError(
                    self.env._(
                        "This file belongs to an email of a mailbox and can't be "
                        "changed."
                    )
                )
        return super().write(vals)
