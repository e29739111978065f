from urllib.parse import quote

from odoo import api, fields, models


class GmailQuarantine(models.Model):
    """A message that could not be taken in, by its Gmail id; the others went on."""

    _name = "gmail.quarantine"
    _inherit = "gmail.owned"
    _description = "Gmail Message Left Out"
    _order = "id desc"
    _rec_name = "gmail_id"

    # Every look-up by mailbox has the unique index below.
    mailbox_id = fields.Many2one(index=False)
    gmail_id = fields.Char("Gmail Id", required=True, readonly=True)
    code = fields.Char(required=True, readonly=True)
    reason = fields.Char(compute="_compute_reason")
    is_retried = fields.Boolean(
        readonly=True, help="It is asked for again at the next synchronisation."
    )

    attempts = fields.Integer(
        readonly=True, help="How often Gmail was asked for it in vain"
    )
    retry_at = fields.Datetime(
        readonly=True, help="When it is asked for again by itself"
    )

    _mailbox_gmail_id_unique = models.Constraint(
        "UNIQUE(mailbox_id, gmail_id)", "A message is left out once."
    )

    @api.depends("code", "is_retried", "retry_at")
    def _compute_reason(self):
        for row in self:
            row.reason = self.env["gmail.wording"]._of_left_out(row)

    def action_open_in_gmail(self):
        """Open the message in Gmail, in another tab."""
        self.ensure_one()
        self.check_access("read")
        email = quote(self.sudo().mailbox_id.email, safe="")
        return {
            "type": "ir.actions.act_url",
            "url": f"https://mail.google.com/mail/u/?authuser={email}"
            f"#all/{quote(self.gmail_id, safe='')}",
            "target": "new",
        }
