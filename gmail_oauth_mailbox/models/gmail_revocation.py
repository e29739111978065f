from odoo import fields, models


class GmailRevocation(models.Model):
    """A token that waits to be revoked at Google; it outlives its mailbox."""

    _name = "gmail.revocation"
    _description = "Gmail Revocation"
    _rec_name = "email"
    _allow_sudo_commands = False

    email = fields.Char(required=True)
    sub = fields.Char(required=True, groups=fields.NO_ACCESS)
    user_id = fields.Many2one("res.users", ondelete="set null", help="Whose account")
    mailbox_ref = fields.Integer(
        help="The id that the mailbox had: part of the encryption"
    )
    attempt_ref = fields.Integer(
        help="The id of the attempt instead, when no mailbox came of it"
    )
    token = fields.Char(required=True, groups=fields.NO_ACCESS)
    attempts = fields.Integer()
