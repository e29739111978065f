import os
import re
from urllib.parse import urlsplit

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import config, str2bool

from ..lib import oauth
from ..lib.mime.addresses import ascii_domain, domain_of
from ..lib.rules import sharing
from ..lib.transport import Transport
from ..parsers import email_normalize

URL_VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
SECRET_VARIABLE = "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET"  # nosec B105: its name
CLIENT_ID = re.compile(r"[0-9A-Za-z_-]+\.apps\.googleusercontent\.com")
DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
GROUP = "gmail_oauth_mailbox.connect_group_id"
DOMAINS = "gmail_oauth_mailbox.allowed_domains"
CONTACTS = "gmail_oauth_mailbox.default_contacts"
CONTACT_CEILING = "gmail_oauth_mailbox.contact_ceiling"
CONTACT_VISIBILITY = "gmail_oauth_mailbox.contact_visibility"
# From the least to the most.
CONTACT_POLICIES = ("never", "written_to", "all")
HISTORY_DAYS = "gmail_oauth_mailbox.default_history_days"
SYNC_INTERVAL = "gmail_oauth_mailbox.default_sync_interval"
IMPORT_SCOPE = "gmail_oauth_mailbox.default_import_scope"
CEILINGS = {
    "history_days": "gmail_oauth_mailbox.max_history_days",
    "messages": "gmail_oauth_mailbox.max_messages",
    "megabytes": "gmail_oauth_mailbox.max_megabytes",
}
SHARING = "gmail_oauth_mailbox.default_sharing_level"
SHARING_CEILING = "gmail_oauth_mailbox.max_sharing_level"
OWN_DOMAINS = "gmail_oauth_mailbox.own_domains"
LEAVER_DAYS = "gmail_oauth_mailbox.leaver_days"
DISABLED = "gmail_oauth_mailbox.disabled"
EARLIER_KEYS = "gmail_oauth_mailbox.earlier_keys"
BATCH_POLLING = "gmail_oauth_mailbox.batch_polling"
PRIVACY_URL = "gmail_oauth_mailbox.privacy_url"
# A user waits for these: shorter than what mail may take.
ASKING = Transport(read_timeout=15.0, total_timeout=25.0, max_bytes=2**20)


class GmailSetup(models.AbstractModel):
    """What the administrator set up: the Google application, who may connect, the
    defaults of new mailboxes."""

    _name = "gmail.setup"
    _description = "Gmail Set-up"

    def _param(self, name, default=""):
        return self.env["ir.config_parameter"].sudo().get_param(name) or default

    # ------------------------------------------------------------------
    # The Google application
    # ------------------------------------------------------------------

    @api.model
    def _google_url(self):
        """Return the origin that stands in for Google, or None for the real one.

        It comes from the server's environment or odoo.conf, never from the
        database, and must be this machine unless odoo.conf says otherwise.

        :raises UserError: an origin that is not allowed
        """
        url = os.environ.get(URL_VARIABLE) or config.get(
            "gmail_oauth_mailbox_google_url"
        )
        if not url:
            return None
        allow_remote = config.get("gmail_oauth_mailbox_allow_remote_standin")
        if urlsplit(url).hostname not in LOOPBACK and not allow_remote:
            raise UserError(
                self.env._("The stand-in for Google must run on this machine.")
            )
        return url.rstrip("/")

    @api.model
    def _test_mode(self):
        return bool(
            os.environ.get(URL_VARIABLE) or config.get("gmail_oauth_mailbox_google_url")
        )

    @api.model
    def _endpoints(self):
        return oauth.Endpoints.for_origin(self._google_url())

    @api.model
    def _client_id(self):
        return self._param("google_gmail_client_id").strip()

    @api.model
    def _is_client_id(self, text):
        return bool(CLIENT_ID.fullmatch(text))

    @api.model
    def _server_secret(self):
        """Return the client secret that the server's configuration sets, or ""."""
        return (
            os.environ.get(SECRET_VARIABLE)
            or config.get("gmail_oauth_mailbox_client_secret")
            or ""
        )

    @api.model
    def _client_secret(self):
        return self._server_secret() or self._param("google_gmail_client_secret")

    @api.model
    def _redirect_uri(self):
        """Return the callback's address on the configured base, never on the host
        that a request happens to name."""
        return f"{self._param('web.base.url').rstrip('/')}/gmail_oauth_mailbox/callback"

    @api.model
    def _scopes(self, contacts):
        """Return the full list wanted. Google joins nothing to it: the same client
        may hold the broader scope of Odoo's google_gmail."""
        wanted = [
            oauth.SCOPE_OPENID,
            oauth.SCOPE_EMAIL,
            oauth.SCOPE_READ,
            oauth.SCOPE_SEND,
        ]
        return wanted + [oauth.SCOPE_CONTACTS] if contacts else wanted

    # ------------------------------------------------------------------
    # The administrator's choices
    # ------------------------------------------------------------------

    @api.model
    def _has_earlier_keys(self):
        """Whether choices or entries of 19.0.1.0.0 wait for their email to be imported
        again; see lib/rules/same_email."""
        return bool(self._param(EARLIER_KEYS))

    @api.model
    def _disabled(self):
        """Whether everything is stopped: by the administrator, or until the database is
        updated.

        Read from the database: of a parameter that is changed while another thread
        reads it, Odoo may remember the old value for ever.
        """
        if self.env["gmail.version"]._is_outdated():
            return True
        self.env["ir.config_parameter"].flush_model(["key", "value"])
        self.env.cr.execute(
            "SELECT value FROM ir_config_parameter WHERE key = %s", [DISABLED]
        )
        row = self.env.cr.fetchone()
        return bool(row) and str2bool(row[0] or "0", False)

    @api.model
    def _batch_polling(self):
        """Whether one request may ask for the changes of many mailboxes."""
        return str2bool(self._param(BATCH_POLLING, "1"), True)

    @api.model
    def _may_connect(self, user):
        """Whether the user belongs to those who may connect mailboxes.

        A group that was deleted lets nobody in, rather than everybody.
        """
        if not user._is_internal():
            return False
        if not self._param(GROUP):
            return True
        return self._connect_group() in user.sudo().all_group_ids

    @api.model
    def _connect_group(self):
        """Return the group (sudo) of those who may connect; it may be empty."""
        groups = self.env["res.groups"].sudo()
        return groups.browse(self._number(GROUP, 0) or ()).exists()

    @api.model
    def _allowed_domains(self):
        """Return the domains whose accounts may be connected; empty means all."""
        return split_domains(self._param(DOMAINS))

    @api.model
    def _wrong_domains(self, text):
        """Return what of a list of domains is no domain."""
        return [d for d in split_domains(text) if not DOMAIN.fullmatch(d)]

    @api.model
    def _address_allowed(self, email):
        domains = self._allowed_domains()
        domain = domain_of(email_normalize(email) or "")
        return not domains or domain in domains

    @api.model
    def _defaults(self):
        """Return what a new mailbox begins with: contacts (the tick in the dialog),
        history_days, import_scope, sync_interval (minutes)."""
        days = max(0, self._number(HISTORY_DAYS, 30))
        most = self._ceilings()["history_days"]
        return {
            "contacts": str2bool(self._param(CONTACTS, "1"), True),
            "history_days": min(days or most, most) if most else days,
            "import_scope": (
                "contacts" if self._param(IMPORT_SCOPE) == "contacts" else "all"
            ),
            "sync_interval": min(max(1, self._number(SYNC_INTERVAL, 5)), 1440),
        }

    @api.model
    def _contact_policy(self, mailbox):
        """Return which of Google's contacts are created in Odoo: what the owner
        chose, within what the administrator allows."""
        ranks = map(
            CONTACT_POLICIES.index,
            (mailbox.contact_policy or "never", self._contact_ceiling()),
        )
        return CONTACT_POLICIES[min(ranks)]

    @api.model
    def _contact_ceiling(self):
        most = self._param(CONTACT_CEILING)
        return most if most in CONTACT_POLICIES else CONTACT_POLICIES[-1]

    @api.model
    def _contact_visibility(self):
        """Return who sees new contacts: all, or their owner until a document needs
        them."""
        return "owner" if self._param(CONTACT_VISIBILITY) == "owner" else "all"

    @api.model
    def _ceilings(self):
        """Return the most that a mailbox may hold: history_days, messages, megabytes
        (10^6 bytes); 0 is no ceiling. New mail is never held back."""
        return {
            name: max(0, self._number(parameter, 0))
            for name, parameter in CEILINGS.items()
        }

    @api.model
    def _sharing_ceiling(self):
        """Return the most that anybody may share, one of lib.rules.sharing's LEVELS, or
        False for no ceiling."""
        level = self._param(SHARING_CEILING)
        return level if level in sharing.LEVELS else False

    @api.model
    def _sharing_choices(self):
        """Return the levels that an owner may choose: [(value, label)]."""
        most = sharing.rank(self._sharing_ceiling() or "everything")
        levels = self.env["gmail.thread"]._fields["sharing_level"]
        return [
            (value, label)
            for value, label in levels._description_selection(self.env)
            if sharing.rank(value) <= most
        ]

    @api.model
    def _sharing_default(self):
        """Return the level that a new mailbox begins with, or False."""
        level = self._param(SHARING)
        return sharing.capped(
            level if level in sharing.LEVELS else False, self._sharing_ceiling()
        )

    @api.model
    def _own_domains(self):
        """Return the company's further domains: mail within them is never shared."""
        return split_domains(self._param(OWN_DOMAINS))

    @api.model
    def _parameters_changed(self, keys):
        """Apply system parameters that limit sharing, wherever they were changed."""
        if not {OWN_DOMAINS, SHARING_CEILING}.intersection(keys):
            return
        if self.env["gmail.version"]._is_outdated():
            # The update compares all of it.
            return
        if SHARING_CEILING in keys:
            self.env["gmail.linking"]._obey_limit()
        if OWN_DOMAINS in keys:
            self.env["gmail.linking"]._own_domains_changed()

    @api.model
    def _leaver_days(self):
        """Return after how many days the private mail of who left is deleted; 0 is
        never."""
        return max(0, self._number(LEAVER_DAYS, 90))

    def _number(self, name, default):
        """Return a parameter as int, or ``default`` for what somebody mistyped."""
        try:
            return int(self._param(name, default))
        except ValueError:
            return default

    @api.model
    def _privacy_url(self):
        """Return the link to the company's privacy policy, or False."""
        url = self._param(PRIVACY_URL)
        return url if self._is_web_address(url) else False

    @api.model
    def _is_web_address(self, url):
        parts = split_url(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname)

    @api.model
    def _switched_off(self):
        return self.env["gmail.version"]._sentence() or self.env._(
            "Gmail mailboxes are switched off on this database. Ask your administrator."
        )

    @api.model
    def _problem(self):
        """Return the sentence that says why this user cannot connect, or False.

        :return: for administrators it names what to do, for others whom to ask
        """
        if self._disabled():
            return self._switched_off()
        if not self._may_connect(self.env.user):
            return self.env._(
                "Connecting a mailbox is not open to you. Ask your administrator to "
                "add you to the group that may."
            )
        admin = self._is_admin()
        if not (self._client_id() and self._client_secret()):
            if admin:
                return self.env._(
                    "Google sign-in is not set up yet. Open the Gmail settings, enter "
                    "the client ID and secret, and register the redirect URI at Google."
                )
            return self.env._(
                "Google sign-in is not set up yet. Ask your administrator."
            )
        return self.env["gmail.keys"]._problem()

    @api.model
    def _is_admin(self):
        return self.env.user.has_group("base.group_system")


def split_url(url):
    """Return the parts of an address; all empty when it is none."""
    try:
        return urlsplit(url or "")
    except ValueError:
        return urlsplit("")


def split_domains(text):
    """Return the domains in a text, separated by commas, blanks or lines.

    >>> split_domains("Corp.test, @else.test")
    ['corp.test', 'else.test']
    """
    names = [d.lstrip("@").lower() for d in re.split(r"[\s,;]+", text or "") if d]
    return [ascii_domain(name) or name for name in names]
