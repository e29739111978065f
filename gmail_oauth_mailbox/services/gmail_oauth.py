import hashlib
import hmac
import logging
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

from psycopg2 import OperationalError
from psycopg2.extensions import STATUS_READY

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import config, email_normalize

from ..lib import crypto, errors, oauth
from ..lib.gmail_api import GmailClient
from ..lib.transport import Transport

_logger = logging.getLogger(__name__)

URL_VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
SECRET_VARIABLE = "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET"
KEYS_VARIABLE = "GMAIL_OAUTH_MAILBOX_KEYS"
KEY_FILE = "gmail_oauth_mailbox.key"
FINGERPRINT = "gmail_oauth_mailbox.key_fingerprint"
SESSION_KEY = "gmail_oauth_mailbox"
COMPLETE_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# How an attempt ends that has no user to tell: sentences of ``_ending``.
ENDINGS = ("start", "session", "unexpected")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ATTEMPT_LIFE = timedelta(minutes=10)
# An access token is renewed this long before it ends, so that no call is cut off.
RENEW_AHEAD = timedelta(minutes=5)

# All revocations of an uninstallation together may take this long.
UNINSTALL_SECONDS = 60

# One pooled transport per process; it is thread-safe.
TRANSPORT = Transport()


def _revoke_all(endpoints, tokens):
    """Revoke in parallel what can be revoked within the time; best effort. What is
    left, the user withdraws at myaccount.google.com/permissions."""
    pool = ThreadPoolExecutor(max_workers=8)
    futures = [pool.submit(oauth.revoke, TRANSPORT, endpoints, t) for t in tokens]
    done, late = wait(futures, timeout=UNINSTALL_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    failed = sum(future.exception() is not None for future in done)
    if failed or late:
        _logger.info("%s of %s accesses not withdrawn", failed + len(late), len(tokens))


class ConnectionHandle:
    """What ``fetchmail.server`` wants back from a successful test."""

    def disconnect(self):
        """Nothing stays open: the Gmail API has no session."""


class GmailOauth(models.AbstractModel):
    """Connecting, tokens, and authorised clients: the one reader of tokens."""

    _name = "gmail.oauth"
    _description = "Gmail OAuth"

    # ------------------------------------------------------------------
    # Set-up
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
    def _disabled(self):
        """Whether the administrator stopped everything at once."""
        value = (
            self.env["ir.config_parameter"]
            .sudo()
            .get_param("gmail_oauth_mailbox.disabled", "")
        )
        return value.strip().lower() in ("1", "true", "yes")

    @api.model
    def _client_id(self):
        get_param = self.env["ir.config_parameter"].sudo().get_param
        return get_param("google_gmail_client_id") or ""

    @api.model
    def _client_secret(self):
        get_param = self.env["ir.config_parameter"].sudo().get_param
        return (
            os.environ.get(SECRET_VARIABLE)
            or config.get("gmail_oauth_mailbox_client_secret")
            or get_param("google_gmail_client_secret")
            or ""
        )

    @api.model
    def _setup_problem(self):
        """Return the sentence that says why nobody can connect, or False."""
        if self._disabled():
            return self.env._(
                "Gmail mailboxes are switched off on this database. "
                "Ask your administrator."
            )
        if self._client_id() and self._client_secret():
            return False
        if self.env.user.has_group("base.group_system"):
            return self.env._(
                "Google sign-in is not set up yet. Enter the Google client ID and "
                "secret in Settings, Discuss, Custom email servers, and register "
                "the redirect URI %s at Google.",
                self._redirect_uri(),
            )
        return self.env._("Google sign-in is not set up yet. Ask your administrator.")

    @api.model
    def _redirect_uri(self):
        """Return the callback's address on the configured base, never on the host
        that a request happens to name."""
        base = self.env["ir.config_parameter"].sudo().get_param("web.base.url") or ""
        return f"{base.rstrip('/')}/gmail_oauth_mailbox/callback"

    # ------------------------------------------------------------------
    # Encryption
    # ------------------------------------------------------------------

    @api.model
    def _cipher(self):
        """Return the cipher of this host.

        The key file is created once for the database; a host whose key differs from
        the fingerprint in the database refuses, and never makes a new key.

        :raises errors.ConfigurationWrong: no key, or another one than the database's
        """
        parameters = self.env["ir.config_parameter"].sudo()
        known = parameters.get_param(FINGERPRINT)
        keys = crypto.load_keys(
            os.environ.get(KEYS_VARIABLE) or config.get("gmail_oauth_mailbox_keys"),
            os.path.join(config["data_dir"], KEY_FILE),
            create=not known,
        )
        cipher = crypto.TokenCipher(keys)
        fingerprints = {crypto.fingerprint([key]) for key in keys}
        if not known:
            parameters.set_param(FINGERPRINT, crypto.fingerprint(keys[:1]))
        elif known not in fingerprints:
            raise errors.KeyMissing(
                "this host does not hold the key of this database's tokens"
            )
        return cipher

    def _seal_context(self, mailbox_id, sub):
        """What a token is bound to: moved elsewhere, it does not open."""
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        return {
            "database_uuid": uuid,
            "mailbox_id": mailbox_id,
            "sub": sub,
            "origin": self._google_url() or "https://accounts.google.com",
        }

    # ------------------------------------------------------------------
    # Connecting
    # ------------------------------------------------------------------

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

    @api.model
    def _begin(self, email, contacts=True, mailbox=None):
        """Note the attempt of the current user; return the action that goes on.

        :raises UserError: no address, nothing set up, mailbox of somebody else
        """
        if not self.env.user._is_internal():
            raise AccessError(self.env._("Only internal users connect a mailbox."))
        if problem := self._setup_problem():
            raise UserError(problem)
        address = email_normalize(email or "")
        if not address or not COMPLETE_ADDRESS.fullmatch(address):
            raise UserError(
                self.env._("Type one complete email address, such as you@example.com.")
            )
        own = self.env["gmail.mailbox"].sudo()
        if mailbox is None:
            mailbox = own.search(
                [("user_id", "=", self.env.uid), ("email", "=", address)]
            )
            if mailbox.state == "connected" and mailbox.can_read and mailbox.can_send:
                raise UserError(self.env._("%s is connected already.", mailbox.email))
        attempt = (
            self.env["gmail.authorization"]
            .sudo()
            .create(
                {
                    "user_id": self.env.uid,
                    "email": address,
                    "contacts": contacts,
                    "mailbox_id": mailbox.id,
                    "expires_at": fields.Datetime.now() + ATTEMPT_LIFE,
                }
            )
        )
        return {
            "type": "ir.actions.act_url",
            "url": f"/gmail_oauth_mailbox/start/{attempt.id}",
            "target": "self",
        }

    @api.model
    def _start(self, authorization_id, session, return_url):
        """Bind the attempt to the browser session; return Google's address.

        :param session: Odoo's session object; a random secret is kept in it, since
            the session id itself is rotated
        :raises UserError: an attempt of somebody else, used or out of date
        """
        attempt = (
            self.env["gmail.authorization"]
            .sudo()
            .search(
                [
                    ("id", "=", authorization_id),
                    ("user_id", "=", self.env.uid),
                    ("status", "=", "new"),
                    ("expires_at", ">", fields.Datetime.now()),
                ]
            )
        )
        if not attempt:
            raise UserError(self._ending("start"))
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = oauth.new_verifier()
        session_secret = session.get(SESSION_KEY) or secrets.token_urlsafe(32)
        session[SESSION_KEY] = session_secret
        redirect_uri = self._redirect_uri()
        attempt.write(
            {
                "status": "started",
                "state_hash": self._hash(state),
                "session_hash": self._hash(session_secret),
                "verifier": verifier,
                "nonce": nonce,
                "return_url": return_url,
                "redirect_uri": redirect_uri,
            }
        )
        reconnecting = bool(attempt.mailbox_id)
        return oauth.authorization_url(
            self._endpoints(),
            client_id=self._client_id(),
            redirect_uri=redirect_uri,
            scopes=self._scopes(attempt.contacts),
            state=state,
            nonce=nonce,
            code_challenge=oauth.challenge(verifier),
            login_hint=attempt.email,
            prompt="consent" if reconnecting else "select_account consent",
        )

    @staticmethod
    def _hash(secret):
        return hashlib.sha256(secret.encode()).hexdigest()

    @api.model
    def _claim(self, state):
        """Take the attempt that belongs to ``state``; it can be taken once.

        The claim is committed by itself: of two answers that race, one wins, and
        whatever follows, the state stays used.
        """
        if not state or len(state) > 200:
            return self.env["gmail.authorization"].sudo()
        try:
            with self.env.registry.cursor() as cr:
                cr.execute(
                    """
                    UPDATE gmail_authorization SET status = 'claimed'
                     WHERE state_hash = %s AND status = 'started'
                       AND expires_at > now() AT TIME ZONE 'UTC'
                 RETURNING id
                    """,
                    [self._hash(state)],
                )
                row = cr.fetchone()
        except OperationalError:
            # The other answer committed first.
            row = None
        return self.env["gmail.authorization"].sudo().browse(row or ())

    @api.model
    def _finish(self, params, session):
        """Deal with Google's answer.

        :param params: the query of the callback
        :param session: Odoo's session object
        :return: (attempt (sudo), None), or (None, one of ``ENDINGS``) when there is
            no attempt that this browser may end
        """
        attempt = self._claim(params.get("state") or "")
        if not attempt:
            return None, "unexpected"
        # A transaction of its own: the one of the request may be older than the claim,
        # and would then be repeated as a whole, with a code that is used.
        with self._short_transaction() as env:
            ending = env["gmail.oauth"]._settle(attempt.id, params, session)
        attempt.invalidate_recordset()
        return (None, ending) if ending else (attempt, None)

    def _settle(self, attempt_id, params, session):
        """Connect, and note on the attempt how it ended; see ``_finish``."""
        attempt = self.env["gmail.authorization"].browse(attempt_id)
        session_secret = session.get(SESSION_KEY) or ""
        same_session = hmac.compare_digest(
            self._hash(session_secret), attempt.session_hash or ""
        )
        if not same_session or attempt.user_id.id != session.uid:
            return "session"
        try:
            with self.env.cr.savepoint():
                kind, text, mailbox = self._connect(attempt, params)
        except errors.GoogleError as error:
            _logger.info("Attempt %s to connect failed: %s", attempt.id, error.code)
            kind, text, mailbox = "danger", self._sentence(error), None
        except UserError as error:
            kind, text, mailbox = "danger", str(error), None
        attempt.write(
            {
                "status": kind,
                "outcome": text,
                "mailbox_id": mailbox.id if mailbox else attempt.mailbox_id.id,
                "state_hash": False,
                "session_hash": False,
                "verifier": False,
                "nonce": False,
            }
        )
        return None

    @api.model
    def _ending(self, name):
        """Return the sentence for one of ``ENDINGS``, or for none of them."""
        if name == "session":
            return self.env._(
                "This answer from Google belongs to another session. Log in to Odoo "
                "in this browser and click Add new mailbox again."
            )
        if name == "start":
            return self.env._("This attempt has ended. Click Add new mailbox again.")
        return self.env._(
            "This answer from Google is not expected any more. "
            "Go back to Odoo and click Add new mailbox again."
        )

    def _connect(self, attempt, params):
        """Exchange the code, check who it is, and make or renew the mailbox."""
        if params.get("error"):
            if params["error"] == "access_denied":
                return (
                    "info",
                    self.env._(
                        "Nothing was connected, since access was not allowed at "
                        "Google. You can click Add new mailbox again at any time."
                    ),
                    None,
                )
            raise UserError(
                self.env._(
                    "Google refused to connect this account. Ask your administrator "
                    "to allow this application in the Google Workspace console."
                )
            )
        if params.get("iss") not in (None, "", *oauth.ISSUERS):
            raise UserError(
                self.env._(
                    "The answer did not come from Google. Nothing was connected."
                )
            )
        if self._disabled():
            raise UserError(self._setup_problem())
        endpoints, now = self._endpoints(), fields.Datetime.now()
        tokens = oauth.exchange_code(
            TRANSPORT,
            endpoints,
            client_id=self._client_id(),
            client_secret=self._client_secret(),
            redirect_uri=attempt.redirect_uri,
            code=params.get("code") or "",
            verifier=attempt.verifier,
            now=now,
        )
        identity = oauth.verify_id_token(
            TRANSPORT,
            endpoints,
            tokens.id_token or "",
            client_id=self._client_id(),
            nonce=attempt.nonce,
        )
        try:
            self._check_identity(attempt, identity)
            self._check_scopes(tokens)
        except UserError:
            self._discard(tokens, identity, endpoints)
            raise
        mailbox = self._make_mailbox(attempt, identity, tokens)
        if mailbox.can_read and mailbox.can_send:
            return (
                "success",
                self.env._("%s is connected. Your mail is on its way.", mailbox.email),
                mailbox,
            )
        missing = (
            self.env._("reading") if not mailbox.can_read else self.env._("sending")
        )
        return (
            "warning",
            self.env._(
                "%(address)s is connected, but %(missing)s was not allowed at Google. "
                "Click Allow it to add that.",
                address=mailbox.email,
                missing=missing,
            ),
            mailbox,
        )

    def _check_identity(self, attempt, identity):
        mailbox = attempt.mailbox_id
        if not identity.email_verified:
            raise UserError(
                self.env._(
                    "Google has not verified the address %s. Verify it at Google, "
                    "then connect again.",
                    identity.email,
                )
            )
        if email_normalize(identity.email) != attempt.email:
            raise UserError(
                self.env._(
                    "You typed %(typed)s but picked %(picked)s at Google. Connect "
                    "again, with the same account in both places.",
                    typed=attempt.email,
                    picked=identity.email,
                )
            )
        credential = self._credential(mailbox)
        if credential and credential.sub != identity.sub:
            raise UserError(
                self.env._(
                    "%s is another Google account now than the one that is connected "
                    "here. Delete the mailbox, then connect it anew.",
                    attempt.email,
                )
            )

    def _check_scopes(self, tokens):
        if not {oauth.SCOPE_READ, oauth.SCOPE_SEND} & tokens.scopes:
            raise UserError(
                self.env._(
                    "Neither reading nor sending mail was allowed at Google, so "
                    "nothing was connected. Connect again and leave the ticks on."
                )
            )
        if not tokens.refresh_token:
            raise UserError(
                self.env._(
                    "Google gave no lasting permission. Remove this application at "
                    "myaccount.google.com/permissions, then connect again."
                )
            )

    def _discard(self, tokens, identity, endpoints):
        """Revoke what an unfinished attempt obtained, unless the account is in use."""
        if not self._account_in_use(identity.sub, identity.email):
            try:
                oauth.revoke(TRANSPORT, endpoints, tokens.refresh_token)
            except errors.GoogleError as error:
                _logger.info("Tokens of a refused attempt not revoked: %s", error.code)

    def _make_mailbox(self, attempt, identity, tokens):
        user = attempt.user_id
        mailboxes = self.env["gmail.mailbox"].sudo()
        # Another attempt for the same address may have been quicker.
        mailbox = attempt.mailbox_id or mailboxes.search(
            [("user_id", "=", user.id), ("email", "=", attempt.email)]
        )
        scopes = tokens.scopes
        values = {
            "state": "connected",
            "error_message": False,
            "failure_count": 0,
            "can_read": oauth.SCOPE_READ in scopes,
            "can_send": oauth.SCOPE_SEND in scopes,
            "can_contacts": oauth.SCOPE_CONTACTS in scopes,
            "next_sync": fields.Datetime.now(),
        }
        if mailbox:
            mailbox.write(values)
        else:
            mailbox = mailboxes.create(
                {
                    **values,
                    "name": attempt.email,
                    "email": attempt.email,
                    "user_id": user.id,
                    "company_id": user.company_id.id,
                    "is_default": not mailboxes.search_count(
                        [("user_id", "=", user.id), ("is_default", "=", True)], limit=1
                    ),
                }
            )
        self._store_tokens(mailbox, identity.sub, tokens)
        self._make_servers(mailbox)
        self.env["gmail.scheduler"]._wake(mailbox)
        return mailbox

    def _make_servers(self, mailbox):
        """Make the native records that are missing, complete and without a password."""
        if mailbox.can_read and not mailbox.incoming_server_id:
            mailbox.incoming_server_id = self.env["fetchmail.server"].create(
                {
                    "name": mailbox.email,
                    "server_type": "gmail_mailbox",
                    "gmail_mailbox_id": mailbox.id,
                    "server": "gmail.googleapis.com",
                    "port": 443,
                    "is_ssl": True,
                    "user": mailbox.email,
                    "state": "done",
                }
            )
        if mailbox.can_send and not mailbox.outgoing_server_id:
            mailbox.outgoing_server_id = self.env["ir.mail_server"].create(
                {
                    "name": mailbox.email,
                    "smtp_authentication": "gmail_mailbox",
                    "gmail_mailbox_id": mailbox.id,
                    "smtp_host": "gmail.googleapis.com",
                    "smtp_port": 443,
                    "smtp_encryption": "ssl_strict",
                    "smtp_user": mailbox.email,
                    "from_filter": mailbox.email,
                    # Gmail takes 35 MB of upload: discovery document, messages.send.
                    "max_email_size": 25,
                    "sequence": 1000,
                }
            )

    # ------------------------------------------------------------------
    # Tokens
    # ------------------------------------------------------------------

    def _credential(self, mailbox):
        credentials = self.env["gmail.credential"].sudo()
        if not mailbox:
            return credentials
        return credentials.search([("mailbox_id", "=", mailbox.id)])

    @api.model
    def _has_credential(self, mailbox):
        return bool(self._credential(mailbox).refresh_token)

    def _store_tokens(self, mailbox, sub, tokens):
        cipher = self._cipher()
        context = self._seal_context(mailbox.id, sub)
        values = {
            "sub": sub,
            "access_token": cipher.seal(tokens.access_token, context=context),
            "access_token_expiry": tokens.expires_at,
            "scopes": " ".join(sorted(tokens.scopes)),
        }
        if tokens.refresh_token:
            values["refresh_token"] = cipher.seal(tokens.refresh_token, context=context)
        credential = self._credential(mailbox)
        if credential:
            credential.write(values)
        else:
            credential.create({**values, "mailbox_id": mailbox.id})

    @contextmanager
    def _short_transaction(self):
        """A cursor of its own, READ COMMITTED, so that it sees what others commit
        while it waits for a row."""
        with self.env.registry.cursor() as cr:
            # Within a test the cursor shares a transaction that has begun.
            if cr._cnx.status == STATUS_READY:
                cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            yield self.env(cr=cr, su=True)

    def _access_token(self, mailbox, force=False):
        """Return a valid access token, renewing it under a row lock.

        :raises errors.ReconnectNeeded: no token, or Google takes it back
        """
        credential = self._credential(mailbox)
        if not credential.refresh_token:
            raise errors.ReconnectNeeded("no token is stored", kind="missing")
        context = self._seal_context(mailbox.id, credential.sub)
        cipher = self._cipher()
        stale = credential.access_token
        limit = fields.Datetime.now() + RENEW_AHEAD
        if not force and stale and credential.access_token_expiry > limit:
            return cipher.open(stale, context=context)
        with self._short_transaction() as env:
            env.cr.execute(
                """
                SELECT refresh_token, access_token, access_token_expiry
                  FROM gmail_credential WHERE id = %s FOR UPDATE
                """,
                [credential.id],
            )
            row = env.cr.fetchone()
            if not row or not row[0]:
                raise errors.ReconnectNeeded("no token is stored", kind="missing")
            refresh_token, access_token, expiry = row
            if access_token != stale and expiry > limit:
                # Another worker renewed it meanwhile.
                return cipher.open(access_token, context=context)
            tokens = oauth.refresh(
                TRANSPORT,
                self._endpoints(),
                client_id=self._client_id(),
                client_secret=self._client_secret(),
                refresh_token=cipher.open(refresh_token, context=context),
                now=fields.Datetime.now(),
            )
            if tokens.refresh_token:
                # Google may replace it; the old one ends then (RFC 6749, 6).
                refresh_token = cipher.seal(tokens.refresh_token, context=context)
            env.cr.execute(
                """
                UPDATE gmail_credential
                   SET access_token = %s, access_token_expiry = %s, refresh_token = %s
                 WHERE id = %s
                """,
                [
                    cipher.seal(tokens.access_token, context=context),
                    tokens.expires_at,
                    refresh_token,
                    credential.id,
                ],
            )
        return tokens.access_token

    @contextmanager
    def _client(self, mailbox):
        """Yield a GmailClient that acts for the mailbox.

        :raises errors.GoogleError: as the calls do
        """
        if self._disabled():
            raise errors.ConfigurationWrong("switched off", kind="disabled")
        token = self._access_token(mailbox)
        yield GmailClient(
            TRANSPORT,
            self._endpoints(),
            token,
            renew=lambda: self._access_token(mailbox, force=True),
        )

    @api.model
    def _test_connection(self, mailbox):
        """Ask Gmail who it is; return an object that can be disconnected.

        :raises UserError: the sentence that says what is wrong
        """
        try:
            if mailbox.can_read:
                with self._client(mailbox) as client:
                    client.profile()
            else:
                # Sending alone allows no question to Gmail: Google's word will do.
                self._access_token(mailbox, force=True)
        except errors.GoogleError as error:
            raise UserError(self._sentence(error)) from error
        return ConnectionHandle()

    # ------------------------------------------------------------------
    # Leaving
    # ------------------------------------------------------------------

    def _account_in_use(self, sub, email, but=None):
        """Whether another credential of this database holds that Google account.

        Revoking one token ends the whole grant of account and client, so it would
        cut off Odoo's own google_gmail and google_calendar too.
        """
        domain = [("sub", "=", sub)]
        if but:
            domain.append(("mailbox_id", "!=", but.id))
        if self.env["gmail.credential"].sudo().search_count(domain, limit=1):
            return True
        for model, address in (
            ("ir.mail_server", "smtp_user"),
            ("fetchmail.server", "user"),
        ):
            records = self.env[model].sudo().with_context(active_test=False)
            if "google_gmail_refresh_token" in records._fields and records.search_count(
                [
                    ("google_gmail_refresh_token", "!=", False),
                    (address, "=ilike", email),
                ],
                limit=1,
            ):
                return True
        settings = self.env["res.users.settings"].sudo()
        # google_calendar does not say which account its token is for.
        return "google_calendar_rtoken" in settings._fields and bool(
            settings.search_count([("google_calendar_rtoken", "!=", False)], limit=1)
        )

    @api.model
    def _disconnect(self, mailbox):
        """Forget the tokens; have them revoked at Google by the outbox."""
        credential = self._credential(mailbox)
        if credential.refresh_token and not self._account_in_use(
            credential.sub, mailbox.email, but=mailbox
        ):
            self.env["gmail.revocation"].sudo().create(
                {
                    "email": mailbox.email,
                    "sub": credential.sub,
                    "mailbox_ref": mailbox.id,
                    "token": credential.refresh_token,
                }
            )
            self.env.ref("gmail_oauth_mailbox.ir_cron_gmail_revoke").sudo()._trigger()
        credential.unlink()
        mailbox.write(
            {
                "state": "draft",
                "can_read": False,
                "can_send": False,
                "can_contacts": False,
                "next_sync": False,
                "error_message": False,
            }
        )

    @api.model
    def _cron_revoke(self):
        """Send the revocations that wait; give up on one after ten attempts."""
        waiting = self.env["gmail.revocation"].sudo().search([], limit=100)
        commit_progress = self.env["ir.cron"]._commit_progress
        commit_progress(remaining=len(waiting))
        for revocation in waiting:
            done = self._revoke(revocation)
            if done or revocation.attempts >= 9:
                revocation.unlink()
            else:
                revocation.attempts += 1
            if not commit_progress(1):
                break

    def _waiting_token(self, revocation):
        context = self._seal_context(revocation.mailbox_ref, revocation.sub)
        return self._cipher().open(revocation.token, context=context)

    @api.model
    def _revoke_after_commit(self):
        """Have every waiting token revoked once the transaction is committed: an
        uninstallation, after which nobody could open them, may still fail."""
        tokens = []
        for revocation in self.env["gmail.revocation"].sudo().search([], limit=1000):
            try:
                tokens.append(self._waiting_token(revocation))
            except errors.GoogleError as error:
                _logger.info("Revocation %s is lost: %s", revocation.id, error.code)
        if tokens:
            endpoints = self._endpoints()
            self.env.cr.postcommit.add(lambda: _revoke_all(endpoints, tokens))

    def _revoke(self, revocation):
        try:
            oauth.revoke(TRANSPORT, self._endpoints(), self._waiting_token(revocation))
        except errors.GoogleError as error:
            _logger.info("Revocation %s waits: %s", revocation.id, error.code)
            return False
        return True

    # ------------------------------------------------------------------
    # Sentences
    # ------------------------------------------------------------------

    @api.model
    def _sentence(self, error):
        """Return what a user reads for an error of lib: one sentence and its remedy."""
        if isinstance(error, errors.ReconnectNeeded):
            return self.env._(
                "Google ended Odoo's access to this mailbox. Reconnect it."
            )
        if isinstance(error, errors.PermissionMissing):
            return self.env._(
                "This was not allowed at Google. Reconnect the mailbox and leave the "
                "ticks on."
            )
        if isinstance(error, errors.KeyMissing):
            return self.env._(
                "This server lacks the key of the stored tokens. Ask your "
                "administrator to restore the key file."
            )
        if isinstance(error, errors.ConfigurationWrong):
            return self.env._(
                "Google refuses this Odoo's set-up. Ask your administrator to check "
                "the Google client ID, its secret and the Gmail API."
            )
        if isinstance(error, errors.SendingLimit):
            return self.env._(
                "Gmail's sending limit is reached. The mail goes out later."
            )
        if isinstance(error, errors.RetryLater):
            return self.env._(
                "Google does not answer right now. Odoo tries again by itself."
            )
        return self.env._(
            "Google refused this request. Try again; if it persists, tell your "
            "administrator the code %s.",
            error.code,
        )
