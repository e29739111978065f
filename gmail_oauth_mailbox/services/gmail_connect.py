import hashlib
import hmac
import logging
import re
import secrets
from contextlib import contextmanager
from datetime import timedelta

from psycopg2 import OperationalError
from psycopg2.extensions import STATUS_READY

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from .. import plain
from ..lib import errors, oauth
from ..lib.rules import sharing
from ..parsers import email_normalize

_logger = logging.getLogger(__name__)

SESSION_KEY = "gmail_oauth_mailbox"
COMPLETE_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# How an attempt ends that has no user to tell: sentences of ``gmail.wording``.
ENDINGS = ("start", "session", "unexpected", "outdated")
ATTEMPT_LIFE = timedelta(minutes=10)
# How an attempt may end, for its user.
OUTCOMES = ("success", "warning", "info", "danger", "choice")


class GmailConnect(models.AbstractModel):
    """The road from "Add new mailbox" to a mailbox: attempts, Google's answer, who it
    was. Tokens stay in gmail.oauth."""

    _name = "gmail.connect"
    _description = "Gmail Connect"

    # ------------------------------------------------------------------
    # To Google
    # ------------------------------------------------------------------

    @api.model
    def _begin(self, email, contacts=True, mailbox=None, sharing_level=False):
        """Note the attempt of the current user; return the action that goes on.

        :param mailbox: the one to reconnect, or None for a new one
        :raises UserError: no address, nothing set up, mailbox of somebody else
        """
        if not self.env.user._is_internal():
            raise AccessError(self.env._("Only internal users connect a mailbox."))
        setup = self.env["gmail.setup"]
        if problem := setup._problem():
            raise UserError(problem)
        address = email_normalize(email or "")
        if not address or not COMPLETE_ADDRESS.fullmatch(address):
            raise UserError(
                self.env._("Type one complete email address, such as you@example.com.")
            )
        self._check_domain(address)
        if mailbox is None:
            same = self.env["gmail.mailbox"].search(
                [("user_id", "=", self.env.uid), ("email", "=", address)]
            )
            if same.filtered(
                lambda m: (
                    m.state == "connected"
                    and m.can_read
                    and m.can_send
                    and not m.error_message
                )
            ):
                raise UserError(
                    self.env._(
                        "%s is connected already: click the envelope in the top bar. "
                        "Type another address to connect one more.",
                        address,
                    )
                )
        attempt = plain.create(
            self.env["gmail.authorization"].sudo(),
            [
                {
                    "user_id": self.env.uid,
                    "email": address,
                    "contacts": contacts,
                    "sharing_level": sharing_level,
                    "mailbox_id": mailbox.id if mailbox else False,
                    "expires_at": fields.Datetime.now() + ATTEMPT_LIFE,
                }
            ],
        )
        return {
            "type": "ir.actions.act_url",
            "url": f"/gmail_oauth_mailbox/start/{attempt.id}",
            "target": "self",
        }

    def _check_domain(self, address):
        setup = self.env["gmail.setup"]
        if not setup._address_allowed(address):
            raise UserError(
                self.env._(
                    "Only accounts of %(domains)s can be connected here; "
                    "%(address)s is not one of them. Connect one of those, or ask "
                    "your administrator.",
                    domains=", ".join(setup._allowed_domains()),
                    address=address,
                )
            )

    @api.model
    def _start(self, authorization_id, session, return_url):
        """Bind the attempt to the browser session; return Google's address.

        :param session: Odoo's session object; a random secret is kept in it, since
            the session id itself is rotated
        :raises UserError: an attempt of somebody else, used or out of date
        """
        self.env["gmail.version"]._check()
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
            raise UserError(self.env["gmail.wording"]._ending("start"))
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = oauth.new_verifier()
        session_secret = session.get(SESSION_KEY) or secrets.token_urlsafe(32)
        session[SESSION_KEY] = session_secret
        setup = self.env["gmail.setup"]
        redirect_uri = setup._redirect_uri()
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
        return oauth.authorization_url(
            setup._endpoints(),
            client_id=setup._client_id(),
            redirect_uri=redirect_uri,
            scopes=setup._scopes(attempt.contacts),
            state=state,
            nonce=nonce,
            code_challenge=oauth.challenge(verifier),
            login_hint=attempt.email,
            prompt="consent" if attempt.mailbox_id else "select_account consent",
        )

    @staticmethod
    def _hash(secret):
        return hashlib.sha256(secret.encode()).hexdigest()

    # ------------------------------------------------------------------
    # Google's answer
    # ------------------------------------------------------------------

    @contextmanager
    def _short_transaction(self):
        """A cursor of its own, READ COMMITTED, so that it sees what others commit
        while it waits for a row."""
        with self.env.registry.cursor() as cr:
            # Within a test the cursor shares a transaction that has begun.
            if cr._cnx.status == STATUS_READY:
                cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            yield self.env(cr=cr, su=True)

    @api.model
    def _claim(self, state):
        """Take the attempt that belongs to ``state``; it can be taken once.

        The claim is committed by itself: of two answers that race, one wins, and
        whatever follows, the state stays used.
        """
        try:
            with self.env.registry.cursor() as cr:
                cr.execute(
                    """
                    UPDATE gmail_authorization SET status = 'claimed'
                     WHERE state_hash = %s AND status = 'started'
                       AND expires_at > clock_timestamp() AT TIME ZONE 'UTC'
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
        state = params.get("state") or ""
        if not state or len(state) > 200:
            return None, "unexpected"
        if self.env["gmail.version"]._is_outdated():
            return None, "outdated"
        attempt = self._claim(state)
        if not attempt:
            return self._answered_before(state, session)
        if not self._is_mine(attempt, session):
            self._note_failure(attempt, self.env["gmail.wording"]._ending("session"))
            return None, "session"
        # A transaction of its own: the one of the request may be older than the claim,
        # and would then be repeated as a whole, with a code that is used.
        try:
            with self._short_transaction() as env:
                env["gmail.connect"]._settle(attempt.id, params)
        except Exception as error:  # noqa: BLE001
            # The address of this page holds code and state, so no error page here;
            # and no text of the error, which may quote them.
            _logger.error(
                "Attempt %s to connect: unexpected %s",
                attempt.id,
                errors.place(error),
            )
            self._note_failure(attempt, self._fault())
        attempt.invalidate_recordset()
        return attempt, None

    def _is_mine(self, attempt, session):
        """Whether this browser session of this user began the attempt."""
        session_secret = session.get(SESSION_KEY) or ""
        return (
            hmac.compare_digest(self._hash(session_secret), attempt.session_hash or "")
            and attempt.user_id.id == session.uid
        )

    def _answered_before(self, state, session):
        """A browser that sent the answer twice is led to the outcome of the first;
        nothing is done again."""
        # This transaction may be older than the claim of the first.
        with self._short_transaction() as env:
            attempt = env["gmail.authorization"].search(
                [("state_hash", "=", self._hash(state))], limit=1
            )
            attempt.invalidate_recordset(["status"])
            # After a cancellation, an answer that allows is another one.
            answered = attempt.status in ("claimed", *OUTCOMES) and (
                attempt.status != "info"
            )
            if not (answered and self._is_mine(attempt, session)):
                return None, "unexpected"
        return self.env["gmail.authorization"].sudo().browse(attempt.id), None

    def _fault(self):
        return self.env._(
            "Nothing was connected: Odoo met a fault of its own. Connect again; if it "
            "persists, your administrator finds the place in the log."
        )

    def _note_failure(self, attempt, sentence):
        with self._short_transaction() as env:
            env["gmail.authorization"].browse(attempt.id).write(
                {
                    "status": "danger",
                    "outcome": sentence,
                    "verifier": False,
                    "nonce": False,
                }
            )

    def _settle(self, attempt_id, params):
        """Connect, and note on the attempt how it ended; see ``_finish``."""
        attempt = self.env["gmail.authorization"].browse(attempt_id)
        # In her language, and with what she may know of the set-up.
        wording = self.env["gmail.wording"].with_user(attempt.user_id)
        wording = wording.with_context(lang=attempt.user_id.lang)
        mailbox = None
        mine = self.with_env(wording.env(su=True))
        try:
            kind, text, mailbox = mine._connect(attempt.with_env(mine.env), params)
        except errors.GoogleError as error:
            _logger.info("Attempt %s to connect failed: %s", attempt.id, error.code)
            kind, text = "danger", wording._of_attempt(error)
        except UserError as error:
            kind, text = "danger", str(error)
        attempt.write(
            {
                "status": kind,
                "outcome": text,
                "mailbox_id": mailbox.id if mailbox else attempt.mailbox_id.id,
                "verifier": False,
                "nonce": False,
            }
        )

    def _connect(self, attempt, params):
        """Exchange the code, check who it is, and make or renew the mailbox.

        :return: (status, sentence, mailbox or None)
        """
        if params.get("error"):
            wording = self.env["gmail.wording"]
            mailbox = attempt.mailbox_id
            return *wording._of_authorization(params["error"], mailbox), None
        if params.get("iss") not in (None, "", *oauth.ISSUERS):
            raise UserError(
                self.env._(
                    "Nothing was connected: the answer did not come from Google. "
                    "Connect again; if it persists, tell your administrator."
                )
            )
        self._check_allowed(attempt.user_id)
        vault = self.env["gmail.oauth"]
        tokens, identity = vault._exchange(attempt, params.get("code") or "")
        self._lock_account(identity)
        try:
            with self.env.cr.savepoint():
                self._check_identity(attempt, identity)
                self._check_scopes(attempt, tokens)
                vault._check_gmail(tokens)
                return self._keep(attempt, identity, tokens)
        except (UserError, errors.GoogleError):
            vault._discard(attempt, tokens, identity)
            raise
        except Exception as error:  # noqa: BLE001
            # Raised, it would take the withdrawal of the tokens with it.
            _logger.error("Attempt %s to connect: %s", attempt.id, errors.place(error))
            vault._discard(attempt, tokens, identity)
            return "danger", self._fault(), None

    def _check_allowed(self, user):
        """Check that the user may connect now, whatever was allowed at the start."""
        setup = self.env["gmail.setup"].with_user(user)
        if setup._disabled() or not setup._may_connect(user):
            raise UserError(setup._problem())

    def _keep(self, attempt, identity, tokens):
        """Make the mailbox, or ask first when another account was picked."""
        if attempt.mailbox_id or oauth.same_address(identity.email, attempt.email):
            return self._connected(self._make_mailbox(attempt, identity, tokens))
        self.env["gmail.oauth"]._keep_waiting(attempt, identity, tokens)
        text = self.env._(
            "You typed %(typed)s but picked %(picked)s at Google. Connect that one "
            "instead, or try again: Odoo's access to %(picked)s is withdrawn then.",
            typed=attempt.email,
            picked=identity.email,
        )
        return "choice", text, None

    def _connected(self, mailbox):
        """Return the outcome for a mailbox that was connected."""
        if mailbox.can_read and mailbox.can_send and mailbox.backfill_done:
            return (
                "success",
                self.env._("%s is connected again.", mailbox.email),
                mailbox,
            )
        if mailbox.can_read and mailbox.can_send:
            return (
                "success",
                self.env._("%s is connected. Your mail is on its way.", mailbox.email),
                mailbox,
            )
        if mailbox.can_send:
            sentence = self.env._(
                "%s is connected, but reading was not allowed at Google. Click Allow "
                "it to add that.",
                mailbox.email,
            )
        else:
            sentence = self.env._(
                "%s is connected, but sending was not allowed at Google. Click Allow "
                "it to add that.",
                mailbox.email,
            )
        return "warning", sentence, mailbox

    def _check_identity(self, attempt, identity):
        if not identity.email_verified:
            raise UserError(
                self.env._(
                    "Nothing was connected: Google has not verified the address %s. "
                    "Verify it at Google, then connect again.",
                    identity.email,
                )
            )
        mailbox = attempt.mailbox_id
        if mailbox and mailbox.user_id != attempt.user_id:
            raise UserError(self.env._("Only its owner can use a mailbox."))
        known = self.env["gmail.oauth"]._sub(mailbox)
        same_address = oauth.same_address(identity.email, attempt.email)
        if mailbox and not (known == identity.sub if known else same_address):
            if same_address:
                raise UserError(
                    self.env._(
                        "%s is another Google account now than the one of this "
                        "mailbox. Connect it by Add new mailbox; the mail stored here "
                        "stays.",
                        mailbox.email,
                    )
                )
            raise UserError(
                self.env._(
                    "You picked %(picked)s at Google, but this mailbox is "
                    "%(address)s. Click Reconnect again and pick that account.",
                    picked=identity.email,
                    address=mailbox.email,
                )
            )
        self._check_domain(identity.email)
        other = (
            self.env["gmail.oauth"]
            ._mailbox_of_sub(identity.sub)
            .filtered(
                lambda m: (
                    m.user_id != attempt.user_id and m.state in ("connected", "paused")
                )
            )
        )
        if other:
            raise UserError(
                self.env._(
                    "%(address)s is connected already, by %(owner)s. One account has "
                    "one mailbox here: ask for it to be disconnected there first, or "
                    "connect another account.",
                    address=identity.email,
                    owner=other[:1].user_id.name,
                )
            )

    def _check_scopes(self, attempt, tokens):
        nothing = not {oauth.SCOPE_READ, oauth.SCOPE_SEND} & tokens.scopes
        if nothing and attempt.mailbox_id:
            raise UserError(
                self.env._(
                    "Nothing was changed: neither reading nor sending mail was "
                    "allowed at Google. Reconnect again and leave the ticks on."
                )
            )
        if nothing:
            raise UserError(
                self.env._(
                    "Nothing was connected: neither reading nor sending mail was "
                    "allowed at Google. Connect again and leave the ticks on."
                )
            )
        if not tokens.lasting:
            raise UserError(
                self.env._(
                    "Nothing was connected: Google gave no lasting permission. Remove "
                    "this application at myaccount.google.com/permissions, then "
                    "connect again."
                )
            )

    # ------------------------------------------------------------------
    # Another account than typed
    # ------------------------------------------------------------------

    @api.model
    def _connect_picked(self, attempt_id):
        """Connect the account that was picked instead of the one that was typed.

        :return: (status, sentence, id of the mailbox or False)
        """
        with self._short_transaction() as env:
            return env["gmail.connect"]._settle_choice(attempt_id)

    def _settle_choice(self, attempt_id):
        attempt = self._waiting(attempt_id)
        if not attempt:
            return "danger", self._too_late(), False
        vault = self.env["gmail.oauth"]
        try:
            self._check_allowed(attempt.user_id)
            identity, tokens = vault._take_waiting(attempt)
            self._lock_account(identity)
            self._check_identity(attempt, identity)
        except (UserError, errors.GoogleError) as error:
            vault._discard_later(attempt)
            text = (
                str(error)
                if isinstance(error, UserError)
                else self.env["gmail.wording"]._of_attempt(error)
            )
            attempt.write({"status": "danger", "outcome": text})
            return "danger", text, False
        kind, text, mailbox = self._connected(
            self._make_mailbox(attempt, identity, tokens)
        )
        vault._forget_waiting(attempt)
        attempt.write({"status": kind, "outcome": text, "mailbox_id": mailbox.id})
        return kind, text, mailbox.id

    @api.model
    def _discard_picked(self, attempt_id):
        """Withdraw the access of an account that was picked by mistake; return the
        address that had been typed."""
        with self._short_transaction() as env:
            attempt = env["gmail.connect"]._waiting(attempt_id)
            if attempt:
                env["gmail.oauth"]._discard_later(attempt)
                attempt.write({"status": "info", "outcome": False})
            return attempt.email

    def _waiting(self, attempt_id):
        """Return the caller's attempt whose tokens wait for her choice, locked, or an
        empty recordset."""
        attempt = (
            self.env["gmail.authorization"]
            .sudo()
            .search(
                [
                    ("id", "=", attempt_id),
                    ("user_id", "=", self.env.uid),
                    ("status", "=", "choice"),
                    ("expires_at", ">", fields.Datetime.now()),
                ]
            )
        )
        # Of two clicks, one has it.
        attempt = attempt.try_lock_for_update()
        attempt.invalidate_recordset()
        return attempt.filtered(lambda a: a.status == "choice")

    def _too_late(self):
        return self.env._("This choice has ended. Click Add new mailbox again.")

    def _lock_account(self, identity):
        """Of two attempts for one account that race, the second sees the first."""
        self.env.cr.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"gmail_oauth_mailbox {identity.sub}"],
        )

    # ------------------------------------------------------------------
    # The mailbox
    # ------------------------------------------------------------------

    def _make_mailbox(self, attempt, identity, tokens):
        """Make the mailbox of the account, or renew the one that the user has of it.

        Google's ``sub`` is the account; an address may change, or go to another
        account, which then is another mailbox.
        """
        user, address = attempt.user_id, email_normalize(identity.email)
        mailboxes = self.env["gmail.mailbox"].sudo()
        vault = self.env["gmail.oauth"]
        mailbox = attempt.mailbox_id.sudo() or vault._mailbox_of_sub(
            identity.sub
        ).filtered(lambda m: m.user_id == user)
        scopes = tokens.scopes
        ceiling = self.env["gmail.setup"]._sharing_ceiling()
        level = sharing.capped(attempt.sharing_level, ceiling)
        values = {
            "state": "connected",
            "error_message": False,
            "failure_count": 0,
            "can_read": oauth.SCOPE_READ in scopes,
            "can_send": oauth.SCOPE_SEND in scopes,
            "can_contacts": oauth.SCOPE_CONTACTS in scopes,
            "next_sync": fields.Datetime.now(),
            # A worker that met the former access has no say any more.
            "lease_token": (mailbox.lease_token or 0) + 1,
            "lease_until": False,
            "access_ends": tokens.access_ends,
            "ending_announced": False,
        }
        self._retire(user, address, but=mailbox)
        if mailbox:
            if mailbox.email != address:
                values["email"] = address
            if not attempt.mailbox_id:
                # Added once more: she may have been promised more privacy this time.
                values["sharing_level"] = sharing.stricter(mailbox.sharing_level, level)
            mailbox.write(values)
        else:
            defaults = self.env["gmail.setup"]._defaults()
            mailbox = plain.create(
                mailboxes,
                [
                    {
                        **values,
                        "name": address,
                        "email": address,
                        "user_id": user.id,
                        "company_id": user.company_id.id,
                        "history_days": defaults["history_days"],
                        "import_scope": defaults["import_scope"],
                        "sync_interval": defaults["sync_interval"],
                        "sharing_level": level,
                        "sharing_steps": [[None, level]],
                    }
                ],
            )
            self.env["gmail.linking"].sudo()._note_chosen(mailbox)
            self.env["gmail.linking"].sudo()._enqueue_mailboxes(mailbox)
            self.env["gmail.linking"]._mailbox_connected(mailbox)
        if not mailboxes.search_count(
            [
                ("user_id", "=", user.id),
                ("is_default", "=", True),
                ("state", "!=", "draft"),
            ],
            limit=1,
        ):
            mailbox.is_default = True
        vault._store_tokens(mailbox, identity.sub, tokens)
        self._make_servers(mailbox)
        self.env["gmail.scheduler"]._wake(mailbox)
        return mailbox

    def _retire(self, user, address, but):
        """The address went to another Google account: the user's mailboxes of the
        former one stay, with their mail, and can be reconnected under its new name."""
        former = (
            self.env["gmail.mailbox"]
            .sudo()
            .search(
                [
                    ("user_id", "=", user.id),
                    ("email", "=", address),
                    ("id", "not in", but.ids),
                ]
            )
        )
        former.filtered(lambda m: m.state != "draft").write({"state": "reconnect"})
        former.write(
            {
                "is_default": False,
                "can_read": False,
                "can_send": False,
                "error_message": self.env._(
                    "%s belongs to another Google account now. Reconnect if the "
                    "former account still exists, or delete this mailbox.",
                    address,
                ),
            }
        )

    def _make_servers(self, mailbox):
        """Make the native records that are missing, complete and without a password."""
        if mailbox.can_read and not mailbox.incoming_server_id:
            mailbox.incoming_server_id = plain.create(
                self.env["fetchmail.server"],
                [
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
                ],
            )
        if mailbox.can_send and not mailbox.outgoing_server_id:
            mailbox.outgoing_server_id = plain.create(
                self.env["ir.mail_server"],
                [
                    {
                        "name": mailbox.email,
                        "smtp_authentication": "gmail_mailbox",
                        "gmail_mailbox_id": mailbox.id,
                        "smtp_host": "gmail.googleapis.com",
                        "smtp_port": 443,
                        "smtp_encryption": "ssl_strict",
                        "smtp_user": mailbox.email,
                        "from_filter": mailbox.email,
                        # Gmail takes 35 MB of upload, with base64 and headers:
                        # discovery document, messages.send.
                        "max_email_size": 25,
                        "sequence": 1000,
                    }
                ],
            )
        if mailbox.incoming_server_id.user not in (False, mailbox.email):
            mailbox.incoming_server_id.write(
                {"name": mailbox.email, "user": mailbox.email}
            )
        if mailbox.outgoing_server_id.smtp_user not in (False, mailbox.email):
            mailbox.outgoing_server_id.write(
                {
                    "name": mailbox.email,
                    "smtp_user": mailbox.email,
                    "from_filter": mailbox.email,
                }
            )
