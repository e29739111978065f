import hashlib
import os
import re
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import config, email_normalize, ormcache, str2bool

from ..lib import crypto, errors, oauth
from ..lib.transport import Transport

URL_VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
SECRET_VARIABLE = "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET"  # nosec B105: its name
KEYS_VARIABLE = "GMAIL_OAUTH_MAILBOX_KEYS"
CLIENT_ID = re.compile(r"[0-9A-Za-z_-]+\.apps\.googleusercontent\.com")
DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FINGERPRINT = "gmail_oauth_mailbox.key_fingerprint"
KEY_NAME = "gmail_oauth_mailbox.key_name"
IDENTITY = "gmail_oauth_mailbox.database_identity"
GROUP = "gmail_oauth_mailbox.connect_group_id"
DOMAINS = "gmail_oauth_mailbox.allowed_domains"
CONTACTS = "gmail_oauth_mailbox.default_contacts"
HISTORY_DAYS = "gmail_oauth_mailbox.default_history_days"
SYNC_INTERVAL = "gmail_oauth_mailbox.default_sync_interval"
PRIVACY_URL = "gmail_oauth_mailbox.privacy_url"
# A user waits for these: shorter than what mail may take.
ASKING = Transport(read_timeout=15.0, total_timeout=25.0, max_bytes=2**20)
MOST_SKEW = 30.0


class GmailSetup(models.AbstractModel):
    """What the administrator set up: the Google application, who may connect, the
    defaults of new mailboxes, the keys of this server."""

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
    def _disabled(self):
        """Whether the administrator stopped everything at once."""
        return str2bool(self._param("gmail_oauth_mailbox.disabled", "0"), False)

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
        domain = (email_normalize(email) or "").rpartition("@")[2]
        return not domains or domain in domains

    @api.model
    def _defaults(self):
        """Return what a new mailbox begins with: contacts (the tick in the dialog),
        history_days, sync_interval (minutes)."""
        return {
            "contacts": str2bool(self._param(CONTACTS, "1"), True),
            "history_days": max(0, self._number(HISTORY_DAYS, 30)),
            "sync_interval": min(max(1, self._number(SYNC_INTERVAL, 5)), 1440),
        }

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
        return self.env._(
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
        return self._key_problem()

    @api.model
    def _key_problem(self):
        """Return the sentence that says why no stored token can be used, or False."""
        try:
            if not self.env["gmail.oauth"]._cipher(create=False):
                self._check_keys()
        except errors.GoogleError as error:
            return self.env["gmail.wording"]._of(error)
        return False

    @api.model
    def _is_admin(self):
        return self.env.user.has_group("base.group_system")

    # ------------------------------------------------------------------
    # This server
    # ------------------------------------------------------------------

    @api.model
    @ormcache()
    def _database_identity(self):
        """Return what tells this database from a copy of it: the cluster's identifier
        and the database's oid.

        A new name keeps both; a copy or a restored dump does not. A physical copy of
        the whole cluster does: neutralize that one.
        """
        cr = self.env.cr
        cr.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        (oid,) = cr.fetchone()
        cr.execute("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
        cluster = 0
        if cr.fetchone()[0]:
            cr.execute("SELECT system_identifier FROM pg_control_system()")
            (cluster,) = cr.fetchone()
        return f"{cluster}/{oid}"

    @api.model
    def _is_copy(self):
        """Whether this database was copied from the one that its tokens are for."""
        if not self._param(FINGERPRINT):
            return False
        return self._param(IDENTITY) != self._database_identity()

    @api.model
    def _server_keys(self):
        """Return the keys that the server's configuration sets, or ""."""
        return (
            os.environ.get(KEYS_VARIABLE)
            or config.get("gmail_oauth_mailbox_keys")
            or ""
        ).strip()

    @api.model
    def _key_file(self):
        """Return the path of this database's key file, in Odoo's data directory."""
        name = re.sub(r"[^0-9A-Za-z-]", "_", self._key_name())
        return os.path.join(config["data_dir"], "gmail_oauth_mailbox", f"{name}.key")

    @api.model
    def _key_name(self):
        """Return the name that the key file got when it was made: a database that is
        moved keeps it, and a neutralized copy makes one of its own."""
        digest = hashlib.sha256(self._database_identity().encode()).hexdigest()
        return self._param(KEY_NAME) or f"{self._param('database.uuid')}-{digest[:8]}"

    def _check_keys(self):
        """Check that the first key can be had, before anybody needs it.

        :raises errors.KeyMissing: it cannot
        """
        path = self._key_file()
        if self._server_keys() or os.path.exists(path):
            self._keys(create=False)
        else:
            crypto.check_creatable(path)

    @api.model
    def _keys(self, create):
        """Return the keys of this host, the one for sealing first.

        :raises errors.KeyMissing: there is none, or it is no key
        """
        return crypto.load_keys(self._server_keys(), self._key_file(), create=create)

    # ------------------------------------------------------------------
    # Check set-up
    # ------------------------------------------------------------------

    @api.model
    def _points(self):
        """Test each point that connecting rests on.

        :return: a list of (status, name, sentence); status is ``ok``, ``warning`` or
            ``wrong``, the sentence says what to do
        """
        points = [
            self._point_switch(),
            self._point_client(),
            self._point_secret(),
            self._point_address(),
            self._point_key(),
            *self._points_google(),
            self._point_api(),
            self._point_lifetime(),
            self._point_workers(),
        ]
        return [point for point in points if point]

    def _point_switch(self):
        name = self.env._("Switched on")
        if self._disabled():
            return (
                "wrong",
                name,
                self.env._(
                    "Everything is stopped by the system parameter "
                    "gmail_oauth_mailbox.disabled. Set it to 0 to go on."
                ),
            )
        if self._test_mode():
            return (
                "warning",
                name,
                self.env._(
                    "Test mode: a stand-in answers instead of Google. Remove "
                    "GMAIL_OAUTH_MAILBOX_GOOGLE_URL from the server's environment and "
                    "configuration to use the real one."
                ),
            )
        return "ok", name, self.env._("Mailboxes can be connected and used.")

    def _point_client(self):
        name = self.env._("Client ID")
        client_id = self._client_id()
        if not client_id:
            sentence = self.env._(
                "Enter the client ID from the Google Cloud console: Google Auth "
                "Platform, Clients, type Web application."
            )
            return "wrong", name, sentence
        if not CLIENT_ID.fullmatch(client_id):
            sentence = self.env._(
                "This does not look like a client ID: it ends in "
                ".apps.googleusercontent.com. Copy it again from the console."
            )
            return "wrong", name, sentence
        return "ok", name, client_id

    def _point_secret(self):
        name = self.env._("Client secret")
        if self._server_secret():
            sentence = self.env._("It is set by the server's configuration.")
            return "ok", name, sentence
        if self._client_secret():
            sentence = self.env._(
                "It is stored in the database. To keep it out of database dumps, set "
                "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET in the server's environment and "
                "remove it here."
            )
            return "warning", name, sentence
        return "wrong", name, self.env._("Enter the client secret from the console.")

    def _point_address(self):
        name = self.env._("Address of this Odoo")
        base = split_url(self._param("web.base.url"))
        if not base.hostname:
            sentence = self.env._(
                "The system parameter web.base.url is empty. Enter the address that "
                "users open, with https."
            )
            return "wrong", name, sentence
        if base.scheme != "https" and base.hostname not in LOOPBACK:
            sentence = self.env._(
                "Google accepts only https. Set the system parameter web.base.url to "
                "the https address that users open, now it is %s.",
                base.geturl(),
            )
            return "wrong", name, sentence
        if not self._param("web.base.url.freeze") and base.scheme == "https":
            sentence = self.env._(
                "%s; it changes when an administrator logs in by another address. Set "
                "the system parameter web.base.url.freeze to True.",
                base.geturl(),
            )
            return "warning", name, sentence
        return "ok", name, base.geturl()

    def _point_key(self):
        name = self.env._("Key of the stored tokens")
        if problem := self._key_problem():
            return "wrong", name, problem
        self.env["gmail.oauth"]._cipher()
        lost = self.env["gmail.oauth"]._count_lost_keys()
        if lost:
            sentence = self.env._(
                "The tokens of %s mailboxes are encrypted with a key that this server "
                "does not hold. Put it back behind the present one; if it is lost, say "
                "so below, and their users reconnect.",
                lost,
            )
            return "wrong", name, sentence
        old = self.env["gmail.oauth"]._count_old_keys()
        if old:
            sentence = self.env._(
                "%s stored tokens still wait to be encrypted with the new key. Keep "
                "the old one until they are: a scheduled action does it.",
                old,
            )
            return "warning", name, sentence
        if self._server_keys():
            sentence = self.env._("It is set by the server's configuration.")
            return "ok", name, sentence
        sentence = self.env._(
            "It is in the file %s. Back it up apart from the database, and share it "
            "between the hosts of this database.",
            os.path.join("gmail_oauth_mailbox", os.path.basename(self._key_file())),
        )
        return "ok", name, sentence

    def _points_google(self):
        """Test what Google has to say about the client, its secret and its URI."""
        if not (self._client_id() and self._client_secret()):
            return []
        wording = self.env["gmail.wording"]
        secret, redirect = (
            self.env._("Google knows client and secret"),
            self.env._("Redirect URI registered"),
        )
        try:
            skew = oauth.check_client(
                ASKING,
                self._endpoints(),
                client_id=self._client_id(),
                client_secret=self._client_secret(),
                redirect_uri=self._redirect_uri(),
            )
        except errors.ConfigurationWrong:
            sentence = self.env._(
                "Google does not know this pair. Copy client ID and secret of the same "
                "client again from the console."
            )
            return [("wrong", secret, sentence)]
        except errors.GoogleError as error:
            return [("wrong", secret, wording._of_question(error))]
        points = [("ok", secret, self.env._("Google accepts them."))]
        try:
            refusal = oauth.check_redirect(
                ASKING,
                self._endpoints(),
                client_id=self._client_id(),
                redirect_uri=self._redirect_uri(),
                scopes=self._scopes(True),
            )
        except errors.GoogleError as error:
            points.append(("wrong", redirect, wording._of_question(error)))
        else:
            points.append(self._point_redirect(redirect, refusal))
        if skew is not None and abs(skew) > MOST_SKEW:
            sentence = self.env._(
                "This server's clock differs from Google's by %s seconds, so proofs "
                "of identity may be refused. Have it set by NTP.",
                round(abs(skew)),
            )
            points.append(("wrong", self.env._("Clock"), sentence))
        return points

    def _point_redirect(self, name, refusal):
        if not refusal:
            return "ok", name, self._redirect_uri()
        if refusal == "redirect_uri_mismatch":
            sentence = self.env._(
                "Google does not know %s. Add exactly this line to the authorized "
                "redirect URIs of the client.",
                self._redirect_uri(),
            )
        else:
            sentence = self.env._(
                "Google shows its error page for the sign-in of this application "
                "(%s). Check the client, its consent screen and its scopes.",
                refusal,
            )
        return "wrong", name, sentence

    def _point_api(self):
        """Test the Gmail API with a mailbox of the caller's own."""
        name = self.env._("Gmail API")
        mailbox = (
            self.env["gmail.mailbox"]
            .search([("user_id", "=", self.env.uid), ("state", "=", "connected")])
            .sudo()
            .filtered("can_read")[:1]
        )
        if not mailbox:
            sentence = self.env._(
                "Not tested: that takes a mailbox of yours. Connect one; if the API "
                "is not enabled in the Google project, it says so."
            )
            return "warning", name, sentence
        try:
            self.env["gmail.oauth"]._test_connection(mailbox)
        except UserError as error:
            return "wrong", name, str(error)
        return "ok", name, self.env._("Your own mailbox answers.")

    def _point_lifetime(self):
        """Tell a client in Testing by the end that Google gave to its accesses."""
        name = self.env._("Lasting access")
        ending = (
            self.env["gmail.mailbox"]
            .sudo()
            .search_count([("state", "=", "connected"), ("access_ends", "!=", False)])
        )
        if not ending:
            return None
        sentence = self.env._(
            "Google ends the access of %s mailboxes by itself. An application in the "
            "status Testing gets seven days: publish it in the console, or make it "
            "Internal, then have the users reconnect.",
            ending,
        )
        return "warning", name, sentence

    def _point_workers(self):
        name = self.env._("Scheduled actions")
        crons = self.env["gmail.scheduler"]._crons()
        late = fields.Datetime.subtract(fields.Datetime.now(), minutes=15)
        if not crons or not all(cron.active for cron in crons):
            sentence = self.env._(
                "A scheduled action of the Gmail mailboxes is switched off. Switch it "
                "on in Settings, Technical, Scheduled Actions."
            )
            return "wrong", name, sentence
        if all(cron.nextcall < late for cron in crons):
            sentence = self.env._(
                "They are due and do not run. Start Odoo with max_cron_threads of at "
                "least 2."
            )
            return "wrong", name, sentence
        return "ok", name, self.env._("They run.")


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
    return [d.lstrip("@").lower() for d in re.split(r"[\s,;]+", text or "") if d]
