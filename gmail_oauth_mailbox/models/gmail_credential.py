from odoo import fields, models


class GmailCredential(models.Model):
    """Tokens of a mailbox, and which Google account it is of.

    Without tokens, it keeps the account of a mailbox that is not connected now.

    Nobody has access to it; services/gmail_oauth.py alone has its tokens in clear, and
    hands out an authorised client instead of tokens. The two token columns hold
    ciphertext (lib/crypto.py).
    """

    _name = "gmail.credential"
    _description = "Gmail Credential"
    _rec_name = "mailbox_id"
    _allow_sudo_commands = False

    mailbox_id = fields.Many2one(
        "gmail.mailbox", required=True, ondelete="cascade", index=True
    )
    sub = fields.Char(
        required=True,
        index=True,
        copy=False,
        groups=fields.NO_ACCESS,
        help="Google's lasting identifier of the account",
    )
    refresh_token = fields.Char(copy=False, groups=fields.NO_ACCESS)
    access_token = fields.Char(copy=False, groups=fields.NO_ACCESS)
    access_token_expiry = fields.Datetime(copy=False, groups=fields.NO_ACCESS)
    scopes = fields.Char(
        copy=False, groups=fields.NO_ACCESS, help="What Google granted, by spaces"
    )

    key_fingerprint = fields.Char(
        copy=False,
        index=True,
        groups=fields.NO_ACCESS,
        help="Which key the tokens are encrypted with",
    )

    _mailbox_unique = models.Constraint(
        "UNIQUE(mailbox_id)", "A mailbox has one credential."
    )
