import logging
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import escape_psql

from ..lib import crypto, errors, oauth
from ..lib.gmail_api import GmailClient, PollAsk, Ways, poll_history
from ..lib.people_api import MOST_PHOTO_BYTES, PeopleClient
from ..lib.transport import Transport
from ..lib.types import Identity, Tokens
from .failures import alone
from .gmail_keys import FINGERPRINT
from .gmail_setup import ASKING

_logger = logging.getLogger(__name__)

# The columns of a row whose tokens are forgotten.
FORGOTTEN = dict.fromkeys(
    ("refresh_token", "access_token", "access_token_expiry", "scopes"), False
)
# How long tokens may wait for their user to say that she meant this account.
CHOICE_LIFE = timedelta(minutes=10)
# An access token is renewed this long before it ends, so that no call is cut off.
RENEW_AHEAD = timedelta(minutes=5)
# All revocations of an uninstallation together may take this long.
UNINSTALL_SECONDS = 60

# One pooled transport per process; it is thread-safe.
TRANSPORT = Transport()
PHOTOS = Transport(max_bytes=MOST_PHOTO_BYTES, total_timeout=20)
# What Google turned out to understand, for this process.
WAYS = Ways()


def _revoke_all(endpoints, tokens):
    """Revoke in parallel what can be revoked within the time; best effort. What is
    left, the user withdraws at myaccount.google.com/permissions."""
    pool = ThreadPoolExecutor(max_workers=8)
    futures = [pool.submit(oauth.revoke, ASKING, endpoints, t) for t in tokens]
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
    """Tokens and authorised clients: the one place that has tokens in clear."""

    _name = "gmail.oauth"
    _description = "Gmail OAuth"

    # ------------------------------------------------------------------
    # Connecting
    # ------------------------------------------------------------------

    def _exchange(self, attempt, code):
        """Exchange a code; return (Tokens, Identity), both checked by lib.

        Where the identity is not proved, the tokens are dropped and not revoked:
        whose grant that would end is not known.

        :raises errors.GoogleError: as Google answered
        """
        setup = self.env["gmail.setup"]
        tokens = oauth.exchange_code(
            ASKING,
            setup._endpoints(),
            client_id=setup._client_id(),
            client_secret=setup._client_secret(),
            redirect_uri=attempt.redirect_uri,
            code=code,
            verifier=attempt.verifier,
            now=fields.Datetime.now(),
        )
        identity = oauth.verify_id_token(
            ASKING,
            setup._endpoints(),
            tokens.id_token or "",
            client_id=setup._client_id(),
            nonce=attempt.nonce,
        )
        return tokens, identity

    def _check_gmail(self, tokens):
        """Ask Gmail one question with new tokens, so that an account without Gmail, or
        a project without its API, is not connected.

        :raises errors.GoogleError: Gmail will not serve this account
        """
        if oauth.SCOPE_READ not in tokens.scopes:
            return
        endpoints = self.env["gmail.setup"]._endpoints()
        try:
            GmailClient(ASKING, endpoints, tokens.access_token).profile()
        except errors.RetryLater as error:
            # Later is soon enough: the mailbox is synchronised when Gmail answers.
            _logger.info("A new mailbox waits for Gmail: %s", error.code)
        except errors.AccessTokenRejected as error:
            raise errors.RequestRefused(
                "the access was withdrawn meanwhile", kind="code_refused"
            ) from error

    @api.model
    def _mailbox_of_sub(self, sub):
        """Return the mailboxes (sudo) of a Google account, with or without tokens."""
        return (
            self.env["gmail.credential"].sudo().search([("sub", "=", sub)]).mailbox_id
        )

    @api.model
    def _sub(self, mailbox):
        """Return Google's identifier of the mailbox's account, or False."""
        return self._credential(mailbox).sub

    def _sealed(self, tokens, sub, **place):
        """Return the values of the token columns."""
        cipher = self.env["gmail.keys"]._cipher()
        context = self.env["gmail.keys"]._seal_context(sub, **place)
        values = {
            "access_token": cipher.seal(tokens.access_token, context=context),
            "access_token_expiry": tokens.expires_at,
            "scopes": " ".join(sorted(tokens.scopes)),
        }
        if tokens.refresh_token:
            values["refresh_token"] = cipher.seal(tokens.refresh_token, context=context)
        return values

    def _keep_waiting(self, attempt, identity, tokens):
        """Keep the tokens of another account than typed until its user has chosen."""
        until = fields.Datetime.now() + CHOICE_LIFE
        attempt.write(
            {
                **self._sealed(tokens, identity.sub, authorization_id=attempt.id),
                "sub": identity.sub,
                "picked_email": identity.email,
                "access_ends": tokens.access_ends,
                "expires_at": until,
            }
        )
        self._revoke_soon(until)

    def _take_waiting(self, attempt):
        """Return (Identity, Tokens) of an attempt whose user has chosen.

        :raises errors.GoogleError: they do not open, or Google took them back
        """
        cipher = self.env["gmail.keys"]._cipher()
        context = self.env["gmail.keys"]._seal_context(
            attempt.sub, authorization_id=attempt.id
        )
        identity = Identity(
            sub=attempt.sub, email=attempt.picked_email, email_verified=True
        )
        tokens = Tokens(
            access_token=cipher.open(attempt.access_token, context=context),
            expires_at=attempt.access_token_expiry,
            refresh_token=cipher.open(attempt.refresh_token, context=context),
            scopes=frozenset(attempt.scopes.split()),
            access_ends=attempt.access_ends or None,
        )
        self._check_gmail(tokens)
        return identity, tokens

    def _forget_waiting(self, attempts):
        attempts.write(FORGOTTEN)

    def _discard_later(self, attempts):
        """Have the tokens of attempts that came to nothing revoked."""
        for attempt in attempts.filtered("refresh_token"):
            self._revoke_later(
                attempt.picked_email,
                attempt.sub,
                attempt.refresh_token,
                attempt_ref=attempt.id,
                user_id=attempt.user_id.id,
            )
        self._forget_waiting(attempts)

    @api.model
    def _discard_waiting(self, users=None):
        """Have tokens revoked that wait for a choice, of the users or of anybody."""
        domain = [("refresh_token", "!=", False)]
        if users is not None:
            domain.append(("user_id", "in", users.ids))
        self._discard_later(self.env["gmail.authorization"].sudo().search(domain))

    def _discard(self, attempt, tokens, identity):
        """Have new tokens revoked that are not wanted after all."""
        if not tokens.lasting:
            return
        try:
            sealed = self._sealed(tokens, identity.sub, authorization_id=attempt.id)
        except errors.GoogleError:
            # Without a key they cannot wait.
            if not self._other_users(identity.sub, identity.email, attempt.user_id):
                with suppress(errors.GoogleError):
                    endpoints = self.env["gmail.setup"]._endpoints()
                    oauth.revoke(ASKING, endpoints, tokens.refresh_token)
            return
        self._revoke_later(
            identity.email,
            identity.sub,
            sealed["refresh_token"],
            attempt_ref=attempt.id,
            user_id=attempt.user_id.id,
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

    @api.model
    def _last_use(self, mailbox):
        """Return about when the access was last renewed, or None."""
        expiry = self._credential(mailbox).access_token_expiry
        return expiry - timedelta(hours=1) if expiry else None

    @api.model
    def _forget(self, credentials):
        """Forget the tokens of credentials (sudo); the accounts stay known."""
        credentials.write(FORGOTTEN)

    def _store_tokens(self, mailbox, sub, tokens):
        values = {
            "sub": sub,
            "key_fingerprint": self.env["gmail.keys"]._cipher().fingerprint,
            **self._sealed(tokens, sub, mailbox_id=mailbox.id),
        }
        credential = self._credential(mailbox)
        if credential:
            # Against what is stored now, not against what was read before.
            self.env.cr.execute(
                "SELECT id FROM gmail_credential WHERE id = %s FOR UPDATE",
                [credential.id],
            )
            credential.invalidate_recordset()
            credential.write(values)
        else:
            credential.create({**values, "mailbox_id": mailbox.id})

    def _access_token(self, mailbox, force=False, credential=None):
        """Return a valid access token, renewing it under a row lock.

        :param credential: the mailbox's, for whoever has it already
        :raises errors.ReconnectNeeded: no token, or Google takes it back
        :raises errors.QuotaSpent: a pause of the whole project
        """
        credential = credential or self._credential(mailbox)
        if not credential.refresh_token:
            raise errors.ReconnectNeeded("no token is stored", kind="missing")
        context = self.env["gmail.keys"]._seal_context(
            credential.sub, mailbox_id=mailbox.id
        )
        cipher = self.env["gmail.keys"]._cipher()
        stale, stale_expiry = credential.access_token, credential.access_token_expiry
        limit = fields.Datetime.now() + RENEW_AHEAD
        if not force and stale and stale_expiry > limit:
            return cipher.open(stale, context=context)
        setup = self.env["gmail.setup"]
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                SELECT refresh_token, access_token, access_token_expiry,
                       key_fingerprint
                  FROM gmail_credential WHERE id = %s FOR UPDATE
                """,
                [credential.id],
            )
            row = env.cr.fetchone()
            if not row or not row[0]:
                raise errors.ReconnectNeeded("no token is stored", kind="missing")
            refresh_token, access_token, expiry, fingerprint = row
            if expiry != stale_expiry and expiry > limit:
                # Another worker renewed it meanwhile.
                return cipher.open(access_token, context=context)
            env["gmail.meter"]._refuse_while_paused()
            tokens = oauth.refresh(
                ASKING,
                setup._endpoints(),
                client_id=setup._client_id(),
                client_secret=setup._client_secret(),
                refresh_token=cipher.open(refresh_token, context=context),
                now=fields.Datetime.now(),
            )
            if tokens.refresh_token:
                # Google may replace it; the old one ends then (RFC 6749, 6).
                refresh_token = cipher.seal(tokens.refresh_token, context=context)
                fingerprint = cipher.fingerprint
            env.cr.execute(
                """
                UPDATE gmail_credential
                   SET access_token = %s, access_token_expiry = %s,
                       refresh_token = %s, key_fingerprint = %s
                 WHERE id = %s
                """,
                [
                    cipher.seal(tokens.access_token, context=context),
                    tokens.expires_at,
                    refresh_token,
                    fingerprint,
                    credential.id,
                ],
            )
        return tokens.access_token

    @contextmanager
    def _client(self, mailbox, lane="interactive"):
        """Yield a GmailClient that acts for the mailbox.

        :param lane: whose quota it spends: interactive, new or backfill
        :raises errors.GoogleError: as the calls do
        """
        setup = self.env["gmail.setup"]
        if setup._disabled():
            raise errors.ConfigurationWrong("switched off", kind="disabled")
        token = self._access_token(mailbox)
        with self.env["gmail.meter"]._meter(mailbox, lane) as meter:
            yield GmailClient(
                TRANSPORT,
                setup._endpoints(),
                token,
                renew=lambda: self._access_token(mailbox, force=True),
                profile=meter.profile,
                meter=meter,
                ref=str(mailbox.id),
                ways=WAYS,
            )

    @api.model
    def _people(self, mailbox):
        """Return a PeopleClient that acts for the mailbox.

        :raises errors.GoogleError: there is no token to act with
        """
        setup = self.env["gmail.setup"]
        if setup._disabled():
            raise errors.ConfigurationWrong("switched off", kind="disabled")
        return PeopleClient(
            TRANSPORT,
            setup._endpoints(),
            self._access_token(mailbox),
            lambda: self._access_token(mailbox, force=True),
            photos=PHOTOS,
        )

    @contextmanager
    def _asking(self, mailbox, gone=""):
        """Yield a GmailClient for what a user waits for.

        :param gone: the sentence for something that is not in Gmail any more
        :raises UserError: for every error of the calls, with its remedy
        """
        try:
            with self._client(mailbox) as client:
                yield client
        except errors.GoogleError as error:
            is_gone = bool(gone) and isinstance(error, errors.Gone)
            sentence = gone if is_gone else self.env["gmail.wording"]._of(error)
            raise UserError(sentence) from error

    @api.model
    def _poll(self, mailboxes):
        """Ask for the changes of many mailboxes by few requests.

        :param mailboxes: gmail.mailbox (sudo) with a cursor
        :return: {mailbox id: HistoryPage} of those that answered; the others have
            something to be dealt with one by one
        :raises errors.QuotaSpent: the project's quota does not allow it now
        :raises errors.ConfigurationWrong: no mailbox would get a token
        """
        allowed = WAYS.polling and self.env["gmail.setup"]._batch_polling()
        if not mailboxes or not allowed:
            return {}
        credentials = self.env["gmail.credential"].sudo()
        by_mailbox = {
            credential.mailbox_id.id: credential
            for credential in credentials.search([("mailbox_id", "in", mailboxes.ids)])
        }
        asks = []
        for mailbox in self.env["gmail.meter"]._not_paused(mailboxes):
            try:
                token = self._access_token(
                    mailbox, credential=by_mailbox.get(mailbox.id)
                )
            except errors.ConfigurationWrong:
                raise
            except errors.GoogleError as error:
                _logger.info(
                    "Mailbox %s is asked by itself: %s", mailbox.id, error.code
                )
            else:
                asks.append(PollAsk(mailbox.id, token, mailbox.history_cursor))
        if not asks:
            return {}
        profile = self.env["gmail.meter"]._profile()
        units = len(asks) * profile.cost("gmail.users.history.list")
        self.env["gmail.meter"]._reserve(False, "new", units, units, False)
        endpoints = self.env["gmail.setup"]._endpoints()
        try:
            results = poll_history(TRANSPORT, endpoints, asks)
        except (
            errors.RequestRefused,
            errors.AccessTokenRejected,
            errors.PermissionMissing,
        ) as error:
            _logger.info("Mailboxes are not asked together: %s", error.code)
            WAYS.polling = False
            return {}
        if all(isinstance(r, errors.AccessTokenRejected) for r in results.values()):
            WAYS.polling = len(results) < 3
        return {
            key: page
            for key, page in results.items()
            if not isinstance(page, errors.GoogleError)
        }

    @api.model
    def _test_connection(self, mailbox):
        """Ask Gmail who it is; return an object that can be disconnected.

        :raises UserError: the sentence that says what is wrong
        """
        try:
            self._ask(mailbox)
        except errors.GoogleError as error:
            if isinstance(error, errors.ReconnectNeeded):
                self.env["gmail.scheduler"]._note_reconnect(mailbox, error)
            sentence = self.env["gmail.wording"]._of(error, mailbox)
            raise UserError(sentence) from error
        return ConnectionHandle()

    def _ask(self, mailbox):
        """Use the access once, for nothing but to see that it holds.

        :raises errors.GoogleError: it does not
        """
        if mailbox.can_read:
            with self._client(mailbox) as client:
                client.profile()
        else:
            # Sending alone allows no question to Gmail: Google's word will do.
            self._access_token(mailbox, force=True)

    # ------------------------------------------------------------------
    # Leaving
    # ------------------------------------------------------------------

    @api.model
    def _other_users(self, sub, email, user, mailbox=None):
        """Return what else of this database uses that Google account, as words.

        Revoking one token ends the whole grant of account and client, so it would
        cut off Odoo's own google_gmail and google_calendar too.

        :param user: whose account it is
        :param mailbox: the one that does not count
        """
        found = []
        domain = [
            ("sub", "=", sub),
            ("refresh_token", "!=", False),
            # Of those, Google has ended the access already.
            ("mailbox_id.state", "!=", "reconnect"),
        ]
        if mailbox:
            domain.append(("mailbox_id", "!=", mailbox.id))
        if self.env["gmail.credential"].sudo().search_count(domain, limit=1):
            found.append(self.env._("another mailbox"))
        for model, address, word in (
            ("ir.mail_server", "smtp_user", self.env._("an outgoing mail server")),
            ("fetchmail.server", "user", self.env._("an incoming mail server")),
        ):
            records = self.env[model].sudo().with_context(active_test=False)
            if "google_gmail_refresh_token" in records._fields and records.search_count(
                [
                    ("google_gmail_refresh_token", "!=", False),
                    (address, "=ilike", escape_psql(email)),
                ],
                limit=1,
            ):
                found.append(word)
        get_param = self.env["ir.config_parameter"].sudo().get_param
        settings = user.sudo().res_users_settings_id
        # google_calendar does not say which account its token is for: the user's own
        # counts when both belong to the same Google client.
        if (
            "google_calendar_rtoken" in settings._fields
            and settings.google_calendar_rtoken
            and get_param("google_calendar_client_id")
            == self.env["gmail.setup"]._client_id()
        ):
            found.append(self.env._("the Google calendar"))
        return found

    @api.model
    def _others_of(self, mailbox):
        """Return, as words, for whom the access at Google stays when the mailbox
        (sudo) is disconnected."""
        sub = self._credential(mailbox).sub
        return self._other_users(sub, mailbox.email, mailbox.user_id, mailbox)

    def _revoke_later(self, email, sub, sealed, **place):
        """Put a token into the outbox of revocations."""
        self.env["gmail.revocation"].sudo().create(
            {"email": email, "sub": sub, "token": sealed, **place}
        )
        self._revoke_soon()

    def _revoke_soon(self, at=None):
        cron = self.env.ref(
            "gmail_oauth_mailbox.ir_cron_gmail_revoke", raise_if_not_found=False
        )
        if cron:
            cron.sudo()._trigger(at)

    @api.model
    def _disconnect(self, mailbox):
        """Forget the tokens; have them revoked at Google by the outbox.

        The account's identity stays with the mailbox, so that only the same account
        can be connected to it again.
        """
        credential = self._credential(mailbox)
        if credential.refresh_token and not self._others_of(mailbox):
            self._revoke_later(
                mailbox.email,
                credential.sub,
                credential.refresh_token,
                mailbox_ref=mailbox.id,
                user_id=mailbox.user_id.id,
            )
        credential.write(FORGOTTEN)
        mailbox.write(
            {
                "state": "draft",
                "can_read": False,
                "can_send": False,
                "can_contacts": False,
                "next_sync": False,
                "access_ends": False,
                "error_message": False,
            }
        )
        if mailbox.is_default:
            mailbox.is_default = False
            mailbox._next_default().is_default = True

    @api.model
    def _cron_revoke(self):
        """Send the revocations that wait; give up on one after ten attempts."""
        if self.env["gmail.setup"]._disabled():
            return
        expired = (
            self.env["gmail.authorization"]
            .sudo()
            .search(
                [
                    ("status", "=", "choice"),
                    ("expires_at", "<=", fields.Datetime.now()),
                    ("refresh_token", "!=", False),
                ],
                limit=100,
            )
        )
        for attempt in expired:
            with alone(self.env, _logger, "Attempt %s", attempt.id):
                self._discard_later(attempt)
        waiting = self.env["gmail.revocation"].sudo().search([], limit=100)
        try:
            self.env["gmail.keys"]._cipher(create=False)
        except errors.GoogleError as error:
            # This host lacks the key, or this database is a copy.
            _logger.warning("Revocations wait: %s", error.code)
            return
        commit_progress = self.env["ir.cron"]._commit_progress
        commit_progress(remaining=len(waiting))
        for revocation_id in waiting.ids:
            # It sees what is committed while it waits for the lock of the account.
            try:
                with self.env["gmail.connect"]._short_transaction() as env:
                    env["gmail.oauth"]._revoke_row(revocation_id)
            except Exception as error:  # noqa: BLE001
                # One row that fails must not keep the others waiting.
                _logger.error("Revocation %s: %s", revocation_id, errors.place(error))
            if not commit_progress(1):
                break

    def _revoke_row(self, revocation_id):
        revocation = self.env["gmail.revocation"].browse(revocation_id).exists()
        if not revocation:
            return
        if self._revoke(revocation) or revocation.attempts >= 9:
            revocation.unlink()
        else:
            revocation.attempts += 1

    def _waiting_token(self, revocation):
        place = (
            {"mailbox_id": revocation.mailbox_ref}
            if revocation.mailbox_ref
            else {"authorization_id": revocation.attempt_ref}
        )
        context = self.env["gmail.keys"]._seal_context(revocation.sub, **place)
        return self.env["gmail.keys"]._cipher().open(revocation.token, context=context)

    @api.model
    def _revoke_after_commit(self):
        """Have every waiting token revoked once the transaction is committed: an
        uninstallation, after which nobody could open them, may still fail. The key
        goes then, too."""
        tokens = []
        for revocation in self.env["gmail.revocation"].sudo().search([], limit=10000):
            if self._other_users(revocation.sub, revocation.email, revocation.user_id):
                continue
            try:
                tokens.append(self._waiting_token(revocation))
            except errors.GoogleError as error:
                _logger.info("Revocation %s is lost: %s", revocation.id, error.code)
        keys = self.env["gmail.keys"]
        endpoints, key_file = self.env["gmail.setup"]._endpoints(), keys._key_file()

        # A copy of the database may name the original's key.
        owns_key = bool(keys._param(FINGERPRINT)) and not keys._is_copy()

        def leave():
            _revoke_all(endpoints, tokens)
            if owns_key:
                crypto.remove_key_file(key_file)

        self.env.cr.postcommit.add(leave)

    def _revoke(self, revocation):
        """Revoke one token; return whether it needs no further attempt."""
        # An account that was connected again meanwhile would be cut off.
        self.env["gmail.connect"]._lock_account(revocation)
        if self._other_users(revocation.sub, revocation.email, revocation.user_id):
            return True
        try:
            token = self._waiting_token(revocation)
        except errors.GoogleError as error:
            # Of a key that is lost: the user withdraws the access at Google.
            _logger.warning("Revocation %s is lost: %s", revocation.id, error.code)
            return True
        try:
            oauth.revoke(ASKING, self.env["gmail.setup"]._endpoints(), token)
        except errors.GoogleError as error:
            _logger.info("Revocation %s waits: %s", revocation.id, error.code)
            return False
        return True
