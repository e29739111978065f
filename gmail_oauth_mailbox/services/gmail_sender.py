import logging
from datetime import timedelta, timezone

import psycopg2
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import unique

from ..lib import errors
from ..lib.mime.addresses import address_key
from ..lib.outgoing import prepare_outgoing
from ..lib.sanitize import well_formed
from ..parsers import email_normalize, getaddresses, is_html_empty
from .gmail_store import send_ref

_logger = logging.getLogger(__name__)

SEND_HEADER = "X-Odoo-Gmail-Send"
# Inside Odoo only: this mail may have gone out before. Removed before it leaves.
CHECK_HEADER = "X-Odoo-Gmail-Check"
RETRY_PAUSE = timedelta(minutes=5)


def unix_time(moment):
    """Return a naive UTC datetime in whole seconds since 1970."""
    return int(moment.replace(tzinfo=timezone.utc).timestamp())


class NotSentYet(Exception):
    """Gmail could not take the mail now; it stays in the queue.

    :ivar pause: how long, a timedelta
    """

    def __init__(self, sentence, pause):
        super().__init__(sentence)
        self.pause = pause


class GmailSession:
    """What Odoo takes for an smtplib connection; it sends through the Gmail API.

    :param sender: gmail.sender under the current user
    :param mailbox: gmail.mailbox under sudo
    """

    def __init__(self, sender, mailbox, smtp_from):
        self._sender = sender
        self._mailbox = mailbox
        self.smtp_from = smtp_from
        self.from_filter = ",".join(mailbox._addresses())
        self.problems = {}

    def send_message(self, message, smtp_from, smtp_to_list):
        """Send one message to exactly ``smtp_to_list``.

        :raises NotSentYet: to be tried again
        :raises UserError: refused for good
        """
        try:
            self._sender._transmit(self._mailbox, message, smtp_to_list)
        except (NotSentYet, UserError) as error:
            pause = getattr(error, "pause", None)
            self.problems[message["Message-Id"]] = str(error), pause
            raise

    # The rest of smtplib's surface that Odoo's own callers touch.
    esmtp_features = {}

    def has_extn(self, _name):
        return False

    def mail(self, _sender, _options=()):
        return 250, b"OK"

    def rcpt(self, _recipient, _options=()):
        return 250, b"OK"

    def putcmd(self, _command, _arguments=""):
        """The stock connection test says DATA and hangs up."""

    def getreply(self):
        return 354, b"OK"

    def quit(self):
        """The Gmail API has no session."""

    def close(self):
        """The Gmail API has no session."""


class GmailSender(models.AbstractModel):
    """Which mail leaves by which mailbox, and how."""

    _name = "gmail.sender"
    _description = "Gmail Sender"

    # ------------------------------------------------------------------
    # Which mailbox
    # ------------------------------------------------------------------

    @api.model
    def _is_off(self):
        get_param = self.env["ir.config_parameter"].sudo().get_param
        value = get_param("mail.disable_personal_mail_servers") or ""
        return value.strip().lower() in ("1", "true", "yes")

    @api.model
    def _mailboxes_of(self, user):
        """Return the mailboxes (sudo) that mail of ``user`` may leave by."""
        mailboxes = self.env["gmail.mailbox"].sudo()
        if (
            self.env["gmail.version"]._is_outdated()
            or not user._is_internal()
            or self._is_off()
        ):
            return mailboxes
        return mailboxes.search(
            [
                ("user_id", "=", user.id),
                ("state", "!=", "draft"),
                ("can_send", "=", True),
            ]
        )

    @api.model
    def _default_mailbox(self, user):
        """Return the mailbox (sudo) that ``user`` posts from; it may be empty."""
        return self._mailboxes_of(user).filtered("is_default")[:1]

    @api.model
    def _mailbox_of(self, user, email_from):
        """Return the mailbox (sudo) of ``user`` with that address; it may be empty."""
        key = address_key(email_normalize(email_from))
        if not key:
            return self.env["gmail.mailbox"].sudo()
        own = self._mailboxes_of(user)
        return (
            own.filtered(lambda mailbox: address_key(mailbox.email) == key)
            or own.filtered(lambda m: key in map(address_key, m._addresses()))
        )[:1]

    @api.model
    def _is_for_mail(self, model, message_type, subtype):
        """Whether a post is a mail that its author writes: a comment on a document.
        Notes and chats are Odoo's own, though they may notify by mail."""
        return (
            message_type == "comment"
            and model != "discuss.channel"
            and bool(subtype)
            and not subtype.sudo().internal
        )

    @api.model
    def _mailbox_of_message(self, message):
        """Return the mailbox (sudo) that a message leaves by: the owner wrote it
        herself, in the chatter of a document, from the mailbox's address."""
        if message.is_internal or not self._is_for_mail(
            message.model, message.message_type, message.subtype_id
        ):
            return self.env["gmail.mailbox"].sudo()
        return self._mailbox_of(message.sudo().create_uid, message.email_from)

    @api.model
    def _why_not(self, mailbox):
        """Return the sentence that says why nothing leaves by ``mailbox`` now, or
        False."""
        if self.env["gmail.setup"]._disabled():
            return self.env["gmail.setup"]._switched_off()
        if problem := self.env["gmail.keys"]._problem():
            return problem
        if mailbox.state in ("reconnect", "draft"):
            return self.env._(
                "%s needs reconnecting. Reconnect it in the preferences, then the "
                "mail goes out.",
                mailbox.email,
            )
        if mailbox.state == "paused":
            return self.env._(
                "%s is paused. Resume it in the preferences, then the mail goes out.",
                mailbox.email,
            )
        if not mailbox.can_send:
            return self.env._(
                "Sending from %s was not allowed at Google. Reconnect it and leave "
                "the tick for sending on.",
                mailbox.email,
            )
        if not mailbox.outgoing_server_id.active:
            return self.env._(
                "The outgoing mail server of %s is missing or archived. Ask your "
                "administrator to restore it, or reconnect the mailbox.",
                mailbox.email,
            )
        return False

    @api.model
    def _take_turns(self, mailbox, wanted):
        """Return how many of ``wanted`` mails may leave in this minute, and count
        them; the limit is Odoo's own for personal mail servers."""
        limit = self.env["ir.mail_server"]._get_personal_mail_servers_limit()
        minute = fields.Datetime.now().replace(second=0, microsecond=0)
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                "SELECT send_minute, send_count FROM gmail_mailbox"
                " WHERE id = %s FOR NO KEY UPDATE",
                [mailbox.id],
            )
            last, count = env.cr.fetchone() or (None, 0)
            count = (count or 0) if last == minute else 0
            granted = max(0, min(wanted, limit - count))
            env.cr.execute(
                "UPDATE gmail_mailbox SET send_minute = %s, send_count = %s"
                " WHERE id = %s",
                [minute, count + granted, mailbox.id],
            )
        return granted

    @api.model
    def _take_signature(self, mailbox):
        """Copy the signature that the account has in Gmail.

        :param mailbox: gmail.mailbox of the caller
        :raises UserError: there is none, or Gmail cannot be asked now
        """
        with self.env["gmail.oauth"]._asking(mailbox.sudo()) as client:
            aliases = client.send_as()
        own = [x for x in aliases if address_key(x.email) == address_key(mailbox.email)]
        signature = (own or aliases)[0].signature if aliases else ""
        if is_html_empty(signature):
            raise UserError(
                self.env._(
                    "%s has no signature in Gmail. Write one here, or leave it empty "
                    "to use the one of your preferences.",
                    mailbox.email,
                )
            )
        # The field cleans it.
        mailbox.signature = well_formed(signature)

    @api.model
    def _signature(self, mailbox):
        """Return the mailbox's signature, or its owner's when that is empty."""
        if not is_html_empty(mailbox.signature):
            return mailbox.signature
        return mailbox.user_id.signature or Markup()

    # ------------------------------------------------------------------
    # Sending
    # ------------------------------------------------------------------

    @api.model
    def _session(self, mailbox, smtp_from):
        return GmailSession(self, mailbox, smtp_from)

    @api.model
    def _problems(self, session):
        """Return {Message-ID: (sentence, pause)} of what did not leave by a session,
        which may be of somebody else's making; without a pause, it is refused."""
        return session.problems if isinstance(session, GmailSession) else {}

    @api.model
    def _headers(self, mail):
        """Return the headers that let an uncertain attempt be found again.

        A mail that was made in an earlier transaction may have been sent by a worker
        that died before it could say so.
        """
        headers = {SEND_HEADER: send_ref(mail.message_id)}
        created = mail.create_date
        if mail.gmail_attempts or (created and created < self.env.cr.now()):
            since = created or fields.Datetime.now()
            # The same text may have been sent from a request that left no trace.
            drafts = self.env["gmail.compose"]._drafts_of(mail)
            since = min([since, *drafts.mapped("create_date")])
            headers[CHECK_HEADER] = str(unix_time(since))
        return headers

    def _transmit(self, mailbox, message, recipients):
        """Send ``message`` to ``recipients``, once; see GmailSession.send_message."""
        oauth, words = self.env["gmail.oauth"], self.env["gmail.wording"]
        message_id = (message["Message-Id"] or "").strip()
        ref = message[SEND_HEADER] or send_ref(message_id)
        check = int(message[CHECK_HEADER] or 0)
        for header in (SEND_HEADER, CHECK_HEADER, "Return-Path"):
            del message[header]
        if mailbox.can_read:
            # Without one the answer comes to Gmail, where the owner reads it.
            del message["Reply-To"]
        thread = self._thread_of(mailbox, message)
        visible = getaddresses(
            str(value) for h in ("To", "Cc") for value in message.get_all(h, ())
        )
        named = {address_key(address) for _name, address in visible}
        try:
            raw = prepare_outgoing(
                message,
                allowed_recipients=recipients,
                bcc=[a for a in recipients if address_key(a) not in named],
                send_id=ref,
                message_id_domain=mailbox.email.partition("@")[2],
            )
        except ValueError as error:
            raise UserError(
                self.env._(
                    "This mail names a recipient that it is not meant for, so it was "
                    "not sent. Check its To and Cc."
                )
            ) from error
        try:
            with oauth._client(mailbox) as client:
                gmail_id = check and self._find_sent(mailbox, client, ref, check)
                if not gmail_id:
                    self._note_sending(mailbox, message_id)
                    gmail_id = self._send(mailbox, client, raw, thread, ref)
                self._note_sending(mailbox, message_id, gmail_id)
                self._read_back(mailbox, client, gmail_id, message_id)
        except errors.RetryLater as error:
            pause = max(RETRY_PAUSE, timedelta(seconds=error.seconds or 0))
            raise NotSentYet(words._of(error, mailbox), pause) from error
        except errors.ReconnectNeeded as error:
            self.env["gmail.scheduler"]._note_reconnect(mailbox, error)
            raise NotSentYet(words._of(error, mailbox), timedelta()) from error
        except errors.ConfigurationWrong as error:
            raise NotSentYet(words._of(error, mailbox), RETRY_PAUSE) from error
        except errors.GoogleError as error:
            raise UserError(words._of(error, mailbox)) from error

    def _note_sending(self, mailbox, message_id, gmail_id=None):
        """Note that an email is being sent, even if this transaction fails."""
        with self.env["gmail.connect"]._short_transaction() as env:
            env["gmail.store"]._note_sent(mailbox, message_id, gmail_id)

    def _send(self, mailbox, client, raw, thread, ref):
        """Send, and settle an answer that never came; return the Gmail id."""
        try:
            return self._send_in_thread(client, raw, thread)
        except errors.Unreachable as error:
            if not error.sent_maybe:
                raise
            if not mailbox.can_read:
                raise UserError(
                    self.env._(
                        "Google did not confirm this mail. Look into Sent in Gmail, "
                        "and send it again only when it is not there."
                    )
                ) from error
            since = unix_time(fields.Datetime.now() - RETRY_PAUSE)
            gmail_id = self._find_sent(mailbox, client, ref, since)
            if not gmail_id:
                raise
            return gmail_id

    @staticmethod
    def _send_in_thread(client, raw, thread):
        try:
            return client.send(raw, thread_id=thread or None).gmail_id
        except (errors.Gone, errors.RequestRefused):
            # The conversation was deleted in Gmail: the mail begins a new one.
            if not thread:
                raise
            return client.send(raw).gmail_id

    def _find_sent(self, mailbox, client, ref, since):
        """Return the Gmail id of the sent message that carries ``ref``, or False.

        :param since: Unix time; it was not sent before
        """
        messages = self.env["gmail.message"].sudo()
        stored = messages.search(
            [("mailbox_id", "=", mailbox.id), ("send_ref", "=", ref)], limit=1
        )
        if stored or not mailbox.can_read:
            return stored.gmail_id
        candidates = self._sent_lately(mailbox, client, since)
        known = self.env["gmail.store"].sudo()._stored(mailbox, candidates)
        for gmail_id, result in client.get_messages(set(candidates) - known.keys()):
            if isinstance(result, errors.RetryLater):
                raise result
            if getattr(result, "odoo_send_id", None) == ref:
                return gmail_id
        return False

    def _sent_lately(self, mailbox, client, since):
        """Return the ids of messages sent since the cursor, and since a Unix time:
        history knows the newest, the search what the cursor has passed."""
        found = []
        try:
            if mailbox.history_cursor:
                pages = self.env["gmail.sync"]._history_pages(
                    client, mailbox.history_cursor
                )
                found = [
                    change.gmail_id
                    for page in pages
                    for change in page.changes
                    if change.kind == "added"
                    and ("SENT" in change.label_ids or not change.label_ids)
                ]
        except errors.CursorExpired:
            _logger.info("Mailbox %s: sent mail is searched by date", mailbox.id)
        # Clocks differ a little, and mail is dated when it arrives at Gmail.
        page = client.list_messages(q=f"in:sent after:{since - 300}", page_size=100)
        return [*found, *(ref.gmail_id for ref in page.refs)]

    def _read_back(self, mailbox, client, gmail_id, message_id):
        """Take in what was sent, under the Message-ID that Gmail gave it.

        The mail is out: whatever fails here must not make it look unsent. The
        synchronisation brings it in then.
        """
        if not mailbox.can_read:
            return
        try:
            with self.env.cr.savepoint():
                sync = self.env["gmail.sync"].sudo()
                sync._take_in_sent(mailbox, client, gmail_id, message_id)
        except (errors.GoogleError, psycopg2.Error) as error:
            self.env.invalidate_all(flush=False)
            _logger.info(
                "Sent message %s is taken in later: %s",
                gmail_id,
                type(error).__name__,
            )

    def _thread_of(self, mailbox, message):
        """Return the Gmail thread that ``message`` answers in, or False.

        Puts the ids that Gmail gave into References and In-Reply-To beside ours, so
        that the recipient's mail program finds the conversation too (RFC 5322, 3.6.4).
        """
        references = list(
            unique(
                f"{message['References'] or ''} {message['In-Reply-To'] or ''}".split()
            )
        )
        if not references:
            return False
        posted = self._posted_answers(references)
        known = (
            self.env["gmail.message"]
            .sudo()
            .search(
                [
                    ("mailbox_id", "=", mailbox.id),
                    "|",
                    ("message_id", "in", [*references, *posted.values()]),
                    ("sent_message_id", "in", references),
                ]
            )
        )
        real = {m.sent_message_id: m.message_id for m in known if m.sent_message_id}
        real.update(posted)
        chain = list(
            unique(
                item
                for reference in references
                for item in (reference, real.get(reference))
                if item
            )
        )
        # Odoo names the mail itself last in References; it does not answer itself.
        own = (message["Message-Id"] or "").strip()
        earlier = [reference for reference in chain if reference != own]
        answered = (message["In-Reply-To"] or "").strip()
        if not answered and earlier:
            answered = self._last_mail(known, earlier)
        del message["References"]
        del message["In-Reply-To"]
        message["References"] = " ".join(chain)
        if answered:
            message["In-Reply-To"] = real.get(answered) or answered
        return known.sorted("date")[-1:].thread_id.gmail_id

    def _posted_answers(self, references):
        """Return {Message-ID in Odoo: real one} of answers that mailboxes brought into
        a document."""
        entries = (
            self.env["gmail.entry"]
            .sudo()
            .search(
                [
                    ("mail_message_id.message_id", "in", references),
                    ("kind", "=", "reply"),
                ]
            )
        )
        copies = (
            self.env["gmail.message"]
            .sudo()
            .search([("mail_key", "in", entries.mapped("mail_key"))])
        )
        ids = {copy.mail_key: copy.message_id for copy in copies}
        return {
            entry.mail_message_id.message_id: ids[entry.mail_key]
            for entry in entries
            if entry.mail_key in ids
        }

    def _last_mail(self, known, references):
        """Return the last reference that a recipient can know, or False; Odoo's list
        holds notes and notifications too."""
        mails = (
            self.env["mail.message"]
            .sudo()
            .search(
                [
                    ("message_id", "in", references),
                    ("message_type", "in", ("comment", "email", "email_outgoing")),
                    ("is_internal", "=", False),
                ]
            )
        )
        ids = {*known.mapped("message_id"), *mails.mapped("message_id")}
        return next((r for r in reversed(references) if r in ids), False)
