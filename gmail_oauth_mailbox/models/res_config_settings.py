from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .gmail_mailbox import HISTORY_WINDOWS

CLIENT_ID = "google_gmail_client_id"
CLIENT_SECRET = "google_gmail_client_secret"  # nosec B105: its name
PREFIX = "gmail_oauth_mailbox."


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    # Not by config_parameter: Odoo's google_gmail has fields of its own on the same
    # parameters, and of two fields in one form the one that did not change would win.
    gmail_client_id = fields.Char("Client ID")
    gmail_client_secret = fields.Char(
        "Client Secret", help="Never shown again. Leave empty to keep the stored one."
    )
    gmail_secret_source = fields.Selection(
        [
            ("server", "Set by the server's configuration"),
            ("database", "Stored in the database"),
            ("none", "Missing"),
        ],
        readonly=True,
    )
    gmail_stored_secret = fields.Boolean(readonly=True)
    gmail_redirect_uri = fields.Char("Redirect URI", readonly=True)
    gmail_test_mode = fields.Boolean(readonly=True)
    gmail_connect_group_id = fields.Many2one(
        "res.groups",
        "Who may connect",
        config_parameter=PREFIX + "connect_group_id",
        help="Empty means every internal user.",
    )
    gmail_allowed_domains = fields.Char(
        "Allowed domains",
        config_parameter=PREFIX + "allowed_domains",
        help="Only accounts of these domains can be connected. Empty means any. "
        "Mailboxes that are connected already stay.",
    )
    gmail_default_contacts = fields.Boolean("Ask for contacts too")
    gmail_default_history = fields.Selection(HISTORY_WINDOWS, "Mail of the last")
    gmail_default_interval = fields.Integer("Synchronise every (minutes)")
    gmail_privacy_url = fields.Char(
        "Privacy policy",
        config_parameter=PREFIX + "privacy_url",
        help="Linked in the dialog in which users connect. Google asks for one.",
    )

    @api.model
    def get_values(self):
        values = super().get_values()
        setup = self.env["gmail.setup"]
        defaults = setup._defaults()
        stored = bool(self.env["ir.config_parameter"].sudo().get_param(CLIENT_SECRET))
        source = "database" if stored else "none"
        return {
            **values,
            "gmail_client_id": setup._client_id(),
            "gmail_secret_source": "server" if setup._server_secret() else source,
            "gmail_stored_secret": stored,
            "gmail_redirect_uri": setup._redirect_uri(),
            "gmail_test_mode": setup._test_mode(),
            "gmail_default_contacts": defaults["contacts"],
            "gmail_default_history": str(defaults["history_days"]),
            "gmail_default_interval": defaults["sync_interval"],
        }

    @api.constrains("gmail_default_interval", "gmail_allowed_domains")
    def _check_gmail(self):
        for settings in self:
            if not 1 <= settings.gmail_default_interval <= 1440:
                raise ValidationError(
                    self.env._("Synchronise every 1 to 1440 minutes, please.")
                )
            wrong = self.env["gmail.setup"]._wrong_domains(
                settings.gmail_allowed_domains
            )
            for domain in wrong:
                raise ValidationError(
                    self.env._(
                        "%s is no domain. Write domains such as example.com, "
                        "separated by commas.",
                        domain,
                    )
                )

    def set_values(self):
        parameters = self.env["ir.config_parameter"].sudo()
        before = parameters.get_param(CLIENT_ID) or ""
        result = super().set_values()
        changed = False
        client_id = (self.gmail_client_id or "").strip()
        if client_id != before:
            parameters.set_param(CLIENT_ID, client_id)
            changed = True
        if self.gmail_client_secret:
            parameters.set_param(CLIENT_SECRET, self.gmail_client_secret.strip())
            changed = True
        parameters.set_param(
            PREFIX + "default_contacts", "1" if self.gmail_default_contacts else "0"
        )
        parameters.set_param(
            PREFIX + "default_history_days", self.gmail_default_history or "30"
        )
        parameters.set_param(
            PREFIX + "default_sync_interval", str(self.gmail_default_interval)
        )
        if changed:
            # Mailboxes that rest since the former ones were refused go on at once.
            self.env["gmail.scheduler"]._wake(
                self.env["gmail.mailbox"].sudo().search([("state", "=", "connected")])
            )
        return result

    def action_gmail_check(self):
        """Test each point that connecting rests on, and say what to do."""
        return self.env["gmail.setup.check"].action_check()

    def action_gmail_forget_secret(self):
        """Remove the client secret from the database."""
        self.env["gmail.setup.check"]._check_admin()
        self.env["ir.config_parameter"].sudo().set_param(CLIENT_SECRET, False)
        return {"type": "ir.actions.client", "tag": "reload"}
