from odoo import fields, models


class GmailContactLink(models.TransientModel):
    """The dialog that asks which contact in Odoo a Google contact is."""

    _name = "gmail.contact.link"
    _description = "Link Google Contact"
    # Odoo's refusals name records, whoever asks: a Google contact tells its name to
    # its owner alone.
    _rec_name = "contact_id"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    contact_id = fields.Many2one("gmail.contact", required=True, ondelete="cascade")
    name = fields.Char(related="contact_id.name", related_sudo=False)
    email = fields.Char(related="contact_id.email", related_sudo=False)
    phone = fields.Char(related="contact_id.phone", related_sudo=False)
    company_name = fields.Char(related="contact_id.company_name", related_sudo=False)
    candidate_ids = fields.Many2many(
        related="contact_id.candidate_ids", related_sudo=False
    )
    partner_id = fields.Many2one("res.partner", "Contact in Odoo")

    def action_confirm(self):
        """It is this one."""
        self.ensure_one()
        self.contact_id.action_link(self.partner_id.id)
        return {"type": "ir.actions.act_window_close"}
