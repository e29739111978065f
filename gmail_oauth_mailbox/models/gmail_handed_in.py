from odoo import fields, models


class GmailHandedIn(models.Model):
    """A message that a user handed to Odoo's mail gateway themselves.

    Any user may call the gateway with an email of their own making. What the mail
    server's job or an administrator's script brings stands for an email; this doesn't.
    """

    _name = "gmail.handed.in"
    _description = "Email Handed In by a User"
    _allow_sudo_commands = False
    _log_access = False

    mail_message_id = fields.Many2one(
        "mail.message", required=True, index=True, ondelete="cascade"
    )
