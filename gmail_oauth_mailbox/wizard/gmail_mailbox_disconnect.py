from odoo import api, fields, models


class GmailMailboxDisconnect(models.TransientModel):
    """The dialog before a mailbox is disconnected: what stops, and what stays."""

    _name = "gmail.mailbox.disconnect"
    _description = "Disconnect Mailbox"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    mailbox_id = fields.Many2one("gmail.mailbox", required=True, ondelete="cascade")
    keep_mail = fields.Selection(
        [("keep", "Keep it in Odoo"), ("delete", "Delete it from Odoo")],
        "Stored mail",
        default="keep",
        required=True,
    )
    message_count = fields.Integer(compute="_compute_consequences")
    waiting_count = fields.Integer(compute="_compute_consequences")
    next_default = fields.Char(compute="_compute_consequences")
    other_users = fields.Char(compute="_compute_consequences")

    @api.depends("mailbox_id")
    def _compute_consequences(self):
        for dialog in self:
            mailbox = dialog.mailbox_id._own() if dialog.mailbox_id else False
            dialog.message_count = mailbox and mailbox.message_count
            dialog.waiting_count = mailbox and self.env[
                "mail.mail"
            ].sudo().search_count(
                [("gmail_mailbox_id", "=", mailbox.id), ("state", "=", "outgoing")]
            )
            heir = mailbox and mailbox.is_default and mailbox._next_default()
            dialog.next_default = heir.email if heir else False
            others = mailbox and self.env["gmail.oauth"]._others_of(mailbox)
            dialog.other_users = ", ".join(others or ())

    def action_confirm(self):
        """Disconnect, and delete the stored mail when that was chosen."""
        self.ensure_one()
        if self.keep_mail == "delete":
            return self.mailbox_id.action_delete()
        action = self.mailbox_id.action_disconnect()
        return {**action, "tag": "gmail_oauth_mailbox.closed"}
