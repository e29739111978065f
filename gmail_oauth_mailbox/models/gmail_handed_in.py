from odoo import fields, models


class GmailHandedIn(models.Model):
    """A message that is no act of the user who is said to have made it.

    Any user may call the mail gateway with an email of their own making. What the mail
    server's job or an administrator's script brings stands for an email; this doesn't.
    Neither does what the gateway posts besides, in the name of whoever From names.
    """

    _name = "gmail.handed.in"
    _description = "Email Handed In by a User"
    _allow_sudo_commands = False
    _log_access = False

    mail_message_id = fields.Many2one(
        "mail.message", required=True, index=True, ondelete="cascade"
    )
