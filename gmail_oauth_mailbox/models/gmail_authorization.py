from datetime import timedelta

from odoo import api, fields, models

from .gmail_owned import SHARING_LEVELS


class GmailAuthorization(models.Model):
    """A pending attempt to connect a Google account.

    The state and the session's secret are kept as SHA-256 hashes, so that a copy of
    this table completes no attempt. A row can be claimed once, within ten minutes.
    """

    _name = "gmail.authorization"
    _description = "Gmail Authorization"
    _rec_name = "email"
    _allow_sudo_commands = False

    user_id = fields.Many2one("res.users", required=True, ondelete="cascade")
    email = fields.Char(required=True)
    contacts = fields.Boolean()
    sharing_level = fields.Selection(SHARING_LEVELS)
    mailbox_id = fields.Many2one("gmail.mailbox", ondelete="cascade")
    status = fields.Selection(
        [
            ("new", "New"),
            ("started", "At Google"),
            ("claimed", "Answered"),
            ("success", "Connected"),
            ("warning", "Connected in part"),
            ("info", "Cancelled"),
            ("danger", "Failed"),
            ("choice", "Another Account Picked"),
        ],
        default="new",
        required=True,
    )
    outcome = fields.Char(help="The sentence that tells the user how it ended")
    return_url = fields.Char()
    redirect_uri = fields.Char()
    expires_at = fields.Datetime(required=True, index=True)
    state_hash = fields.Char(index=True, groups=fields.NO_ACCESS)
    session_hash = fields.Char(groups=fields.NO_ACCESS)
    verifier = fields.Char(groups=fields.NO_ACCESS)
    nonce = fields.Char(groups=fields.NO_ACCESS)
    # Of another account than typed, until its user has chosen; ciphertext.
    picked_email = fields.Char()
    sub = fields.Char(groups=fields.NO_ACCESS)
    refresh_token = fields.Char(groups=fields.NO_ACCESS)
    access_token = fields.Char(groups=fields.NO_ACCESS)
    access_token_expiry = fields.Datetime(groups=fields.NO_ACCESS)
    access_ends = fields.Datetime(groups=fields.NO_ACCESS)
    scopes = fields.Char(groups=fields.NO_ACCESS)

    @api.autovacuum
    def _gc_authorizations(self):
        if self.env["gmail.version"]._is_outdated():
            return
        self.search(
            [
                ("expires_at", "<", fields.Datetime.now() - timedelta(days=1)),
                ("refresh_token", "=", False),
            ],
            limit=10000,
        ).unlink()
