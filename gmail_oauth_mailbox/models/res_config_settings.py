from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..lib.rules.sharing import capped
from .gmail_mailbox import CONTACT_POLICIES, HISTORY_WINDOWS
from .gmail_owned import SHARING_LEVELS

CLIENT_ID = "google_gmail_client_id"
CLIENT_SECRET = "google_gmail_client_secret"  # nosec B105: its name
PREFIX = "gmail_oauth_mailbox."
PARAMETERS = {
    "gmail_connect_group_id": PREFIX + "connect_group_id",
    "gmail_allowed_domains": PREFIX + "allowed_domains",
    "gmail_privacy_url": PREFIX + "privacy_url",
    "gmail_default_contacts": PREFIX + "default_contacts",
    "gmail_contact_ceiling": PREFIX + "contact_ceiling",
    "gmail_contact_visibility": PREFIX + "contact_visibility",
    "gmail_default_history": PREFIX + "default_history_days",
    "gmail_default_interval": PREFIX + "default_sync_interval",
    "gmail_default_scope": PREFIX + "default_import_scope",
    "gmail_quota_profile": PREFIX + "quota_profile",
    "gmail_max_history": PREFIX + "max_history_days",
    "gmail_max_messages": PREFIX + "max_messages",
    "gmail_max_megabytes": PREFIX + "max_megabytes",
    "gmail_sharing_default": PREFIX + "default_sharing_level",
    "gmail_sharing_ceiling": PREFIX + "max_sharing_level",
    "gmail_own_domains": PREFIX + "own_domains",
    "gmail_leaver_days": PREFIX + "leaver_days",
}
CEILINGS = ("gmail_max_history", "gmail_max_messages", "gmail_max_megabytes")


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
        help="Empty means every internal user.",
    )
    gmail_allowed_domains = fields.Char(
        "Allowed domains",
        help="Only accounts of these domains can be connected. Empty means any. "
        "Mailboxes that are connected already stay.",
    )
    gmail_default_contacts = fields.Boolean("Ask for contacts too")
    gmail_contact_ceiling = fields.Selection(CONTACT_POLICIES, "Create Contacts")
    gmail_contact_visibility = fields.Selection(
        [("all", "All users"), ("owner", "Their owner, until a document needs them")],
        "New contacts are seen by",
    )
    gmail_default_history = fields.Selection(HISTORY_WINDOWS, "Mail of the last")
    gmail_default_scope = fields.Selection(
        [("all", "All mail"), ("contacts", "Mail with my contacts")], "Bring in"
    )
    gmail_default_interval = fields.Integer("Synchronise every (minutes)")
    gmail_max_history = fields.Integer("Most days of mail")
    gmail_max_messages = fields.Integer("Most messages")
    gmail_max_megabytes = fields.Integer("Most MB")
    gmail_sharing_default = fields.Selection(SHARING_LEVELS, "New mailboxes share")
    gmail_sharing_ceiling = fields.Selection(SHARING_LEVELS, "The most to share")
    gmail_ceiling_preview = fields.Char(compute="_compute_gmail_ceiling_preview")
    gmail_own_domains = fields.Char("Own domains")
    gmail_leaver_days = fields.Integer("Days until private mail is deleted")
    gmail_quota_profile = fields.Selection(
        [("new", "Since May 2026"), ("legacy", "Before May 2026")],
        "Google project made",
        help="Google gives projects that used the Gmail API before May 2026 more calls "
        "a minute. When in doubt, leave the newer one.",
    )
    gmail_workers = fields.Integer("Workers of each lane")
    gmail_privacy_url = fields.Char(
        "Privacy policy",
        help="Linked in the dialog in which users connect. Google asks for one.",
    )

    @api.depends("gmail_sharing_ceiling")
    def _compute_gmail_ceiling_preview(self):
        for settings in self:
            mailboxes, threads = self.env["gmail.linking"]._looser_than(
                settings.gmail_sharing_ceiling
            )
            settings.gmail_ceiling_preview = False
            if mailboxes or threads:
                settings.gmail_ceiling_preview = self.env._(
                    "Will share less at once. Mailboxes: %(mailboxes)s, conversations "
                    "with a choice of their own: %(conversations)s.",
                    mailboxes=len(mailboxes),
                    conversations=len(threads),
                )

    @api.model
    def get_values(self):
        values = super().get_values()
        setup = self.env["gmail.setup"]
        get_param = self.env["ir.config_parameter"].sudo().get_param
        stored = bool(get_param(CLIENT_SECRET))
        source = "database" if stored else "none"
        return {
            **values,
            **self._gmail_choices(),
            "gmail_client_id": setup._client_id(),
            "gmail_secret_source": "server" if setup._server_secret() else source,
            "gmail_stored_secret": stored,
            "gmail_redirect_uri": setup._redirect_uri(),
            "gmail_test_mode": setup._test_mode(),
            "gmail_workers": self.env["gmail.scheduler"]._rows(),
        }

    @api.model
    def _gmail_choices(self):
        """Return the choices as they are stored, by field."""
        setup = self.env["gmail.setup"]
        get_param = self.env["ir.config_parameter"].sudo().get_param
        defaults, ceilings = setup._defaults(), setup._ceilings()
        days = str(defaults["history_days"])
        profile = self.env["gmail.meter"]._profile_name()
        return {
            "gmail_connect_group_id": setup._connect_group().id,
            "gmail_allowed_domains": get_param(PREFIX + "allowed_domains") or False,
            "gmail_privacy_url": get_param(PREFIX + "privacy_url") or False,
            "gmail_default_contacts": defaults["contacts"],
            "gmail_contact_ceiling": setup._contact_ceiling(),
            "gmail_contact_visibility": setup._contact_visibility(),
            "gmail_default_history": days if days in dict(HISTORY_WINDOWS) else False,
            "gmail_default_scope": defaults["import_scope"],
            "gmail_default_interval": defaults["sync_interval"],
            "gmail_max_history": ceilings["history_days"],
            "gmail_max_messages": ceilings["messages"],
            "gmail_max_megabytes": ceilings["megabytes"],
            "gmail_quota_profile": "legacy" if profile == "legacy" else "new",
            "gmail_sharing_default": setup._sharing_default(),
            "gmail_sharing_ceiling": setup._sharing_ceiling(),
            "gmail_own_domains": get_param(PREFIX + "own_domains") or False,
            "gmail_leaver_days": setup._leaver_days(),
        }

    def set_values(self):
        """Write what the administrator changed, and only that: this page is saved as a
        whole, whichever part of it she meant."""
        parameters = self.env["ir.config_parameter"].sudo()
        before = self._gmail_choices()
        client_id = parameters.get_param(CLIENT_ID) or ""
        result = super().set_values()
        wanted = {
            "gmail_connect_group_id": self.gmail_connect_group_id.id,
            "gmail_allowed_domains": (self.gmail_allowed_domains or "").strip(),
            "gmail_privacy_url": (self.gmail_privacy_url or "").strip(),
            "gmail_default_contacts": self.gmail_default_contacts,
            "gmail_contact_ceiling": self.gmail_contact_ceiling,
            "gmail_contact_visibility": self.gmail_contact_visibility,
            "gmail_default_history": self.gmail_default_history,
            "gmail_default_scope": self.gmail_default_scope,
            "gmail_default_interval": self.gmail_default_interval,
            **{name: self[name] for name in CEILINGS},
            "gmail_quota_profile": self.gmail_quota_profile,
            "gmail_sharing_default": self.gmail_sharing_default,
            "gmail_sharing_ceiling": self.gmail_sharing_ceiling,
            "gmail_own_domains": (self.gmail_own_domains or "").strip(),
            "gmail_leaver_days": self.gmail_leaver_days,
        }
        changed = {n: v for n, v in wanted.items() if (v or False) != before[n]}
        if changed:
            self.env["gmail.version"]._check()
        self._check_gmail_choices(changed)
        for name, value in changed.items():
            if name == "gmail_default_contacts":
                value = "1" if value else "0"
            if name == "gmail_leaver_days":
                # No parameter means the default, not never.
                value = str(value)
            parameters.set_param(PARAMETERS[name], value or False)
        scheduler = self.env["gmail.scheduler"]
        if self.gmail_workers != scheduler._rows():
            scheduler._set_rows(self.gmail_workers)
        if changed.keys() & set(CEILINGS):
            self.env["gmail.sync"].sudo()._obey_ceilings()
        if "gmail_contact_ceiling" in changed:
            self.env["gmail.contacts"].sudo()._look_again()
        self._set_gmail_client(client_id)
        return result

    def _set_gmail_client(self, before):
        parameters = self.env["ir.config_parameter"].sudo()
        client_id = (self.gmail_client_id or "").strip()
        secret = (self.gmail_client_secret or "").strip()
        if client_id != before:
            if client_id and not self.env["gmail.setup"]._is_client_id(client_id):
                raise ValidationError(
                    self.env._(
                        "This is no client ID: it ends in .apps.googleusercontent.com. "
                        "Copy it again from the Google Cloud console."
                    )
                )
            parameters.set_param(CLIENT_ID, client_id)
        if secret:
            parameters.set_param(CLIENT_SECRET, secret)
            # This row stays for a while.
            self.gmail_client_secret = False
        if secret or client_id != before:
            # Mailboxes that rest since the former ones were refused go on at once.
            self.env["gmail.meter"]._project_works()
            self.env["gmail.scheduler"]._wake(
                self.env["gmail.mailbox"].sudo().search([("state", "=", "connected")])
            )

    def _check_gmail_choices(self, changed):
        setup = self.env["gmail.setup"]
        if not 1 <= changed.get("gmail_default_interval", 1) <= 1440:
            raise ValidationError(
                self.env._("Synchronise every 1 to 1440 minutes, please.")
            )
        if changed.get("gmail_leaver_days", 0) < 0:
            raise ValidationError(
                self.env._("Days until mail is deleted: 0 (never) or more, please.")
            )
        ceiling = self.gmail_sharing_ceiling
        if capped(self.gmail_sharing_default, ceiling) != self.gmail_sharing_default:
            raise ValidationError(
                self.env._("New mailboxes cannot share more than anybody may.")
            )
        if any(changed.get(name, 0) < 0 for name in CEILINGS):
            raise ValidationError(self.env._("A ceiling is 0 (none) or more, please."))
        written = [
            changed.get("gmail_allowed_domains"),
            changed.get("gmail_own_domains"),
        ]
        for domain in setup._wrong_domains(",".join(filter(None, written))):
            raise ValidationError(
                self.env._(
                    "%s is no domain. Write domains such as example.com, separated by "
                    "commas.",
                    domain,
                )
            )
        url = changed.get("gmail_privacy_url")
        if url and not setup._is_web_address(url):
            raise ValidationError(
                self.env._(
                    "The privacy policy is a web address, such as "
                    "https://example.com/privacy."
                )
            )

    def action_gmail_check(self):
        """Test each point that connecting rests on, and say what to do."""
        return self.env["gmail.setup.check"].action_check()

    def action_gmail_forget_secret(self):
        """Remove the client secret from the database."""
        self.env["gmail.setup.check"]._check_admin()
        self.env["ir.config_parameter"].sudo().set_param(CLIENT_SECRET, False)
        return {"type": "ir.actions.client", "tag": "reload"}
