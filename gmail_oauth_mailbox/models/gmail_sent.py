from odoo import fields, models


class GmailSent(models.Model):
    """An email that Odoo sent through a mailbox, noted before it leaves.

    The header X-Odoo-Gmail-Send can be computed by anyone, and an owner can insert any
    message with the label SENT. Only a row here proves that a message is Odoo's.
    """

    _name = "gmail.sent"
    _description = "Email Sent Through Gmail"
    _allow_sudo_commands = False
    _log_access = False

    user_id = fields.Many2one(
        "res.users", required=True, index=True, ondelete="cascade"
    )
    email = fields.Char(required=True, help="Address of the mailbox")
    message_id = fields.Char(required=True, help="Odoo's Message-ID")
    gmail_id = fields.Char(
        help="The one message that it became; empty until Google or a sync names it"
    )

    _once = models.Constraint(
        "UNIQUE(user_id, email, message_id)", "An email is noted once."
    )
