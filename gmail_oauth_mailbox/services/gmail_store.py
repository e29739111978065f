import logging
import re
import uuid
from functools import lru_cache
from itertools import chain

import psycopg2
from psycopg2.errors import (
    DeadlockDetected,
    LockNotAvailable,
    ProgramLimitExceeded,
    SerializationFailure,
    UniqueViolation,
)

from odoo import fields, models
from odoo.tools import SQL, formataddr

from ..lib import sync_plan
from ..lib.authentication import is_authentic
from ..lib.domains import is_automated_address, is_shared
from ..lib.mime.addresses import address_key, mailbox_key, same_mailbox
from ..lib.rules import doubt, sharing
from ..lib.rules.same_email import earlier_key, header_date, mail_key
from ..lib.search import fold
from ..parsers import email_normalize

_logger = logging.getLogger(__name__)

SEND_NAMESPACE = uuid.UUID("5f0f8e0c-58d3-4d4e-9d2c-6b1c6a3f1c55")
ROLES = ("from", "to", "cc", "bcc")
# Kept of one message, in that order.
MOST_PEOPLE = 500
MOST_REPLY_TO = 50
# PostgreSQL's tsvector holds 1 MB.
MOST_SEARCHED = 100_000
MOST_BYTES = 2**31 - 1
# Somebody else was quicker: the same again in a new transaction will do.
CONFLICTS = (
    SerializationFailure,
    DeadlockDetected,
    LockNotAvailable,
    UniqueViolation,
)
# Of a failed message that Google names and doesn't return.
NOT_FOUND = "not_found"
# Of one that killed the workers that read it.
POISON = "poison"
# Of one that is stored, and can't be linked to records.
NOT_LINKED = "not_linked"
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MESSAGE_COLUMNS = {
    "thread_id": "int",
    "gmail_id": "text",
    "message_id": "text",
    "sent_message_id": "text",
    "send_ref": "text",
    "in_reply_to": "text",
    "references": "text",
    "subject": "text",
    "date": "timestamp",
    "direction": "text",
    "from_name": "text",
    "from_email": "text",
    "reply_to": "text",
    "snippet": "text",
    "body": "text",
    "is_folded": "bool",
    "participants_left_out": "int",
    "has_remote_images": "bool",
    "size": "int",
    "is_unread": "bool",
    "is_starred": "bool",
    "has_attachments": "bool",
    "mail_key": "text",
    "header_date": "timestamp",
    "is_authentic": "bool",
    "is_bcc": "bool",
    "is_list": "bool",
    "is_automated": "bool",
    "failed_recipients": "text",
    "search_text": "text",
}
PARTICIPANT_COLUMNS = {
    "message_id": "int",
    "role": "text",
    "name": "text",
    "address": "text",
    "address_key": "text",
    "partner_id": "int",
}
ATTACHMENT_COLUMNS = {
    "message_id": "int",
    "part_id": "text",
    "name": "text",
    "mimetype": "text",
    "size": "int",
    "content_id": "text",
    "is_inline": "bool",
}


def text(value):
    """Return ``value`` as PostgreSQL takes it: no NUL, no lone surrogate."""
    value = value or ""
    if value.isascii() and "\x00" not in value:
        return value
    return UNSTORABLE.sub("\ufffd", value)


# Odoo's takes a parser of whole headers to an address, and the same ones come often.
_normalized = lru_cache(maxsize=4096)(email_normalize)


def send_ref(message_id):
    """Return the reference that mail with Odoo's ``message_id`` carries in its
    header X-Odoo-Gmail-Send: the same for each attempt to send it."""
    return str(uuid.uuid5(SEND_NAMESPACE, message_id or ""))


class GmailStore(models.AbstractModel):
    """Rows of mail: put in, changed and removed in bulk, a handful of statements for
    any number of messages. Nobody else writes them, so no ORM is asked per row."""

    _name = "gmail.store"
    _description = "Gmail Store"

    def _stored(self, mailbox, gmail_ids):
        """Return {gmail_id: (id, thread id)} of those that are stored."""
        gmail_ids = list(gmail_ids)
        if not gmail_ids:
            return {}
        rows = self.env.execute_query(
            SQL(
                "SELECT gmail_id, id, thread_id FROM gmail_message"
                " WHERE mailbox_id = %s AND gmail_id = ANY(%s)",
                mailbox.id,
                gmail_ids,
            )
        )
        return {gmail_id: (row_id, thread_id) for gmail_id, row_id, thread_id in rows}

    def _known(self, mailbox, gmail_ids):
        """Return those ids of which nothing is left to do: stored, left out, or
        removed by the owner."""
        gmail_ids = list(gmail_ids)
        if not gmail_ids:
            return set()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT gmail_id FROM gmail_message
                 WHERE mailbox_id = %(mailbox)s AND gmail_id = ANY(%(ids)s)
                 UNION ALL
                SELECT gmail_id FROM gmail_quarantine
                 WHERE mailbox_id = %(mailbox)s AND gmail_id = ANY(%(ids)s)
                 UNION ALL
                SELECT gmail_id FROM gmail_tombstone
                 WHERE mailbox_id = %(mailbox)s AND gmail_id = ANY(%(ids)s)
                """,
                mailbox=mailbox.id,
                ids=gmail_ids,
            )
        )
        return {gmail_id for (gmail_id,) in rows}

    def _count_with(self, label):
        """Return how many stored messages carry a label."""
        table, _message, column = self._label_table()
        [(count,)] = self.env.execute_query(
            SQL("SELECT count(*) FROM %s WHERE %s = %s", table, column, label.id)
        )
        return count

    def _oldest(self, mailbox, gmail_ids=None):
        """Return the moment of the oldest message that is stored, or None.

        :param gmail_ids: of these alone
        """
        among = SQL("gmail_id = ANY(%s)", gmail_ids) if gmail_ids else SQL("TRUE")
        [(oldest,)] = self.env.execute_query(
            SQL(
                "SELECT min(date) FROM gmail_message WHERE mailbox_id = %s AND %s",
                mailbox.id,
                among,
            )
        )
        return oldest

    def _newest(self, mailbox):
        """Return the id of the message that was stored last, or 0."""
        [(newest,)] = self.env.execute_query(
            SQL("SELECT max(id) FROM gmail_message WHERE mailbox_id = %s", mailbox.id)
        )
        return newest or 0

    def _bytes(self, mailbox):
        """Return how much of the database and of the file store a mailbox takes:
        texts as PostgreSQL holds them, and attachments that were opened."""
        [(size,)] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE((SELECT sum(pg_column_size(body)
                                            + pg_column_size(search_text))
                                   FROM gmail_message WHERE mailbox_id = %(id)s), 0)
                     + COALESCE((SELECT sum(f.file_size)
                                   FROM gmail_attachment a
                                   JOIN ir_attachment f ON f.id = a.attachment_id
                                  WHERE a.mailbox_id = %(id)s), 0)
                """,
                id=mailbox.id,
            )
        )
        return int(size)

    def _excluded(self, mailbox):
        """Return the Gmail ids of the labels whose mail stays in Gmail."""
        off = mailbox.label_ids.filtered(lambda label: not label.is_synced)
        return sync_plan.NEVER | set(off.mapped("gmail_id"))

    def _quarantine(self, mailbox, gmail_id, code):
        """Note a message that could not be taken in; the others go on."""
        self.env.cr.execute(
            """
            INSERT INTO gmail_quarantine (mailbox_id, gmail_id, code, is_retried,
                        create_uid, write_uid, create_date, write_date)
            VALUES (%(mailbox)s, %(gmail_id)s, %(code)s, false, %(uid)s, %(uid)s,
                    now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
                ON CONFLICT (mailbox_id, gmail_id)
                DO UPDATE SET code = EXCLUDED.code, is_retried = false,
                              attempts = 0, retry_at = NULL
            """,
            {
                "mailbox": mailbox.id,
                "gmail_id": gmail_id,
                "code": code or "error",
                "uid": self.env.uid,
            },
        )
        self.env["gmail.quarantine"].invalidate_model()
        mailbox.invalidate_recordset(["quarantine_ids", "quarantine_count"])

    def _note_not_found(self, mailbox, gmail_id):
        """Note a message that one answer of Google names and another denies: it is
        asked for again by itself, with growing pauses."""
        self.env.cr.execute(
            "SELECT attempts FROM gmail_quarantine"
            " WHERE mailbox_id = %s AND gmail_id = %s",
            [mailbox.id, gmail_id],
        )
        row = self.env.cr.fetchone()
        # One that failed before, in whatever way, has had its first attempt.
        attempts = max(row[0] or 0, 1) + 1 if row else 1
        pause = doubt.pause(attempts)
        self._quarantine(mailbox, gmail_id, NOT_FOUND)
        self.env.cr.execute(
            "UPDATE gmail_quarantine SET attempts = %s, retry_at = %s"
            " WHERE mailbox_id = %s AND gmail_id = %s",
            [
                attempts,
                None if pause is None else fields.Datetime.now() + pause,
                mailbox.id,
                gmail_id,
            ],
        )

    def _named_again(self, mailbox, gmail_ids):
        """Have messages asked for at the next sync that Google has named once more."""
        self.env.cr.execute(
            "UPDATE gmail_quarantine SET retry_at = %s, attempts = 1"
            " WHERE mailbox_id = %s AND gmail_id = ANY(%s) AND code = %s",
            [fields.Datetime.now(), mailbox.id, list(gmail_ids), NOT_FOUND],
        )
        self.env["gmail.quarantine"].invalidate_model()

    def _next_retry(self, mailbox):
        """Return when the next failed message is due, or None."""
        [(due,)] = self.env.execute_query(
            SQL(
                "SELECT min(retry_at) FROM gmail_quarantine WHERE mailbox_id = %s",
                mailbox.id,
            )
        )
        return due

    def _with_retries(self, mailboxes):
        """Return those of some mailboxes that have failed messages to ask for now."""
        rows = self.env["gmail.quarantine"]._read_group(
            [("mailbox_id", "in", mailboxes.ids), *self._is_due()], ["mailbox_id"]
        )
        return mailboxes.browse(mailbox.id for (mailbox,) in rows)

    def _is_due(self):
        """Return the domain of failed messages that are asked for now."""
        now = fields.Datetime.now()
        return ["|", ("is_retried", "=", True), ("retry_at", "<=", now)]

    def _forget_left_out(self, mailbox, gmail_ids):
        """Messages that are gone in Gmail need no second try."""
        if gmail_ids:
            self.env["gmail.quarantine"].search(
                [("mailbox_id", "=", mailbox.id), ("gmail_id", "in", list(gmail_ids))]
            ).unlink()

    def _bury(self, mailbox, gmail_ids):
        """Have messages stay away for good, and remove those that are stored; Gmail
        keeps its own.

        :return: the ids of their conversations
        """
        self.env.cr.execute(
            """
            INSERT INTO gmail_tombstone (mailbox_id, gmail_id, create_uid, write_uid,
                        create_date, write_date)
            SELECT %(mailbox)s, x, %(uid)s, %(uid)s, now() AT TIME ZONE 'UTC',
                   now() AT TIME ZONE 'UTC'
              FROM unnest(%(ids)s) AS x
                ON CONFLICT DO NOTHING
            """,
            {"mailbox": mailbox.id, "uid": self.env.uid, "ids": list(gmail_ids)},
        )
        return self._forget(mailbox, gmail_ids)

    # ------------------------------------------------------------------
    # Taking in
    # ------------------------------------------------------------------

    def _store_all(self, mailbox, messages, is_new=False, is_asked=False):
        """Store messages; one that cannot be stored is left out, the others go on.

        :param is_new: they came as new mail, not with older mail
        :param is_asked: their owner asks for them, whatever the mailbox wants
        :return: the ids of their conversations
        :raises psycopg2.Error: a conflict with another transaction, or no database
        """
        if not messages:
            return set()
        try:
            with self.env.cr.savepoint():
                return self._store(mailbox, messages, is_new=is_new, is_asked=is_asked)
        except (*CONFLICTS, psycopg2.InterfaceError):
            raise
        except Exception as error:
            if isinstance(error, psycopg2.OperationalError) and not isinstance(
                error, ProgramLimitExceeded
            ):
                raise
            if type(error) is Exception:
                # Odoo's limit of CPU time, which may strike any message.
                raise
            if len(messages) == 1:
                gmail_id = messages[0].gmail_id
                _logger.warning("Message %s: %s", gmail_id, type(error).__name__)
                self._quarantine(mailbox, gmail_id, type(error).__name__)
                return set()
        half = len(messages) // 2
        touched = set()
        for part in (messages[:half], messages[half:]):
            touched |= self._store_all(mailbox, part, is_new, is_asked)
        return touched

    def _store(
        self, mailbox, messages, sent_message_ids=None, is_new=False, is_asked=False
    ):
        """Store messages in bulk; return the ids of their conversations.

        :param messages: lib's ParsedMessage, stored already or not
        :param sent_message_ids: {gmail id: Odoo's own Message-ID} of mail just sent
        """
        sent_message_ids = sent_message_ids or {}
        people = {m.gmail_id: self._people_of(m) for m in messages}
        partners = self.env["gmail.addresses"]._partners(
            mailbox, {address for rows in people.values() for _r, address, _n in rows}
        )
        stays_out = self._stays_out(mailbox, people, sent_message_ids)
        if out := [m.gmail_id for m in messages if stays_out(m)]:
            # No census has it downloaded again.
            self._refresh_threads(self._bury(mailbox, out))
            messages = [m for m in messages if m.gmail_id not in set(out)]
        is_wanted = self._wanted(mailbox, people, partners, sent_message_ids, is_asked)
        wanted = {m.gmail_id: m for m in messages if is_wanted(m)}
        if not wanted:
            return set()
        thread_ids = self._ensure_threads(
            mailbox, {m.thread_id for m in wanted.values()}
        )
        ids = dict(
            self._insert(
                "gmail_message",
                MESSAGE_COLUMNS,
                [
                    {
                        **self._message_values(mailbox, message),
                        "thread_id": thread_ids[message.thread_id],
                        "participants_left_out": max(
                            0, len(people[gmail_id]) - MOST_PEOPLE
                        ),
                        "sent_message_id": self._own_message_id(
                            mailbox, message, sent_message_ids.get(gmail_id)
                        ),
                    }
                    for gmail_id, message in wanted.items()
                ],
                mailbox,
                SQL(" ON CONFLICT (mailbox_id, gmail_id) DO NOTHING"),
                SQL(" RETURNING gmail_id, id"),
            )
        )
        new = [(ids[gmail_id], m) for gmail_id, m in wanted.items() if gmail_id in ids]
        old = [m for gmail_id, m in wanted.items() if gmail_id not in ids]
        touched = set(thread_ids.values()) | self._renew(mailbox, old)
        labels = {label.gmail_id: label.id for label in mailbox.label_ids}
        self._add_labels(
            (row_id, labels[g]) for row_id, m in new for g in m.label_ids if g in labels
        )
        self._insert(
            "gmail_participant",
            PARTICIPANT_COLUMNS,
            [
                {
                    "message_id": row_id,
                    "role": role,
                    "name": name or None,
                    "address": address,
                    "address_key": address_key(address) or None,
                    "partner_id": partners.get(address_key(address), {}).get("id"),
                }
                for row_id, message in new
                for role, address, name in people[message.gmail_id][:MOST_PEOPLE]
            ],
            mailbox,
        )
        self._insert(
            "gmail_attachment",
            ATTACHMENT_COLUMNS,
            [
                {
                    "message_id": row_id,
                    "part_id": text(attachment.part_id),
                    "name": text(attachment.filename) or self.env._("attachment"),
                    "mimetype": text(attachment.mimetype),
                    "size": min(attachment.size or 0, MOST_BYTES),
                    "content_id": text(attachment.content_id),
                    "is_inline": attachment.is_inline,
                }
                for row_id, message in new
                for attachment in message.attachments
            ],
            mailbox,
        )
        self._find_earlier(mailbox, [message for _row_id, message in new])
        self._have_filed(mailbox, [row_id for row_id, _m in new], is_new)
        self._refresh_threads(touched)
        self._changed()
        return touched

    def _renew(self, mailbox, messages):
        """Have stored messages carry the labels, and belong to the conversations, that
        a new download shows; return the ids of the conversations touched.

        :param messages: lib's ParsedMessage, all stored
        """
        if not messages:
            return set()
        stored = self._stored(mailbox, [message.gmail_id for message in messages])
        all_labels = frozenset(mailbox.label_ids.mapped("gmail_id"))
        changes = {
            stored[m.gmail_id][0]: (
                frozenset(m.label_ids),
                all_labels.difference(m.label_ids),
            )
            for m in messages
            if m.gmail_id in stored
        }
        if changes:
            self._change_labels(mailbox, changes)
        return self._move(mailbox, {m.gmail_id: m.thread_id for m in messages})

    def _find_earlier(self, mailbox, messages):
        """Find what 19.0.1.0.0 kept of messages that are imported again."""
        if not self.env["gmail.setup"]._has_earlier_keys():
            return
        keys = {
            earlier_key(
                text(message.message_id),
                _normalized(text(message.from_.address)) if message.from_ else "",
                message.date_header,
                message.body_text,
            ): self._mail_key(mailbox, message)
            for message in messages
            if message.message_id
        }
        if keys:
            self.env["gmail.linking"]._rename_earlier(keys)

    def _mail_key(self, mailbox, message):
        sender = text(message.from_.address) if message.from_ else ""
        return mail_key(
            text(message.message_id),
            _normalized(sender) or sender,
            f"{mailbox.email} {message.gmail_id}",
        )

    def _have_filed(self, mailbox, ids, is_new):
        """Have messages filed in documents, by the scheduled action."""
        if ids:
            self.env.cr.execute(
                """
                INSERT INTO gmail_pending (mailbox_id, message_id, is_new)
                SELECT %s, x, %s FROM unnest(%s) AS x
                """,
                [mailbox.id, is_new, ids],
            )
            self.env["gmail.linking"]._wake()

    def _insert(self, table, columns, rows, mailbox, conflict=None, returning=None):
        """Insert rows of a mailbox with one statement; return what it returns.

        :param columns: {name: PostgreSQL's type}
        :param rows: list of {name: value}; what is missing is NULL
        """
        if not rows:
            return []
        names = list(columns)
        arrays = [
            SQL("%s::" + f"{columns[name]}[]", [row.get(name) for row in rows])
            for name in names
        ]
        return self.env.execute_query(
            SQL(
                "INSERT INTO %s (mailbox_id, create_uid, write_uid, create_date,"
                " write_date, %s) SELECT %s, %s, %s, now() AT TIME ZONE 'UTC',"
                " now() AT TIME ZONE 'UTC', x.* FROM unnest(%s) AS x%s%s",
                SQL.identifier(table),
                SQL(", ").join(map(SQL.identifier, names)),
                mailbox.id,
                self.env.uid,
                self.env.uid,
                SQL(", ").join(arrays),
                conflict or SQL(),
                # execute_query reads what a statement returns.
                returning or SQL(" RETURNING id"),
            )
        )

    def _message_values(self, mailbox, message):
        sender = message.from_
        from_email = text(sender.address) if sender else ""
        is_sent = "SENT" in message.label_ids
        # The label proves nothing of others: an owner can insert any message.
        vouched = (
            mailbox_key(from_email) in map(mailbox_key, mailbox._addresses())
            if is_sent
            else self._is_authentic(mailbox, message, from_email)
        )
        own = vouched and address_key(from_email) == address_key(mailbox.email)
        reply_to = ", ".join(
            formataddr((text(person.name), text(person.address)))
            for person in message.reply_to[:MOST_REPLY_TO]
        )
        body = text(message.body_html)
        return {
            "gmail_id": message.gmail_id,
            "message_id": text(message.message_id) or None,
            "send_ref": text(message.odoo_send_id) or None,
            "in_reply_to": text(message.in_reply_to) or None,
            "references": text(" ".join(message.references)) or None,
            "subject": text(message.subject) or None,
            "date": message.date,
            "direction": "out" if own or is_sent else "in",
            "from_name": (text(sender.name) if sender else "") or None,
            "from_email": from_email or None,
            "reply_to": reply_to or None,
            "snippet": text(message.snippet) or None,
            "body": body or None,
            "is_folded": message.is_folded,
            "has_remote_images": "data-remote-src" in body,
            "size": min(message.size or 0, MOST_BYTES),
            "is_unread": "UNREAD" in message.label_ids,
            "is_starred": "STARRED" in message.label_ids,
            "has_attachments": any(not a.is_inline for a in message.attachments),
            "mail_key": self._mail_key(mailbox, message),
            "header_date": header_date(message.date_header),
            "is_authentic": vouched,
            "is_bcc": self._is_bcc(mailbox, message),
            "is_list": bool(message.list_id),
            "is_automated": message.is_bulk
            or bool(message.auto_submitted)
            or is_automated_address(from_email),
            "failed_recipients": text(" ".join(message.failed)) or None,
            "search_text": self._search_text(message) or None,
        }

    def _is_authentic(self, mailbox, message, from_email):
        """Whether Gmail vouches for the sender. An account of a domain of its own is a
        Workspace's; mail within one carries no proof, and needs none."""
        domain = mailbox.email.rpartition("@")[2]
        workspace = None if is_shared(domain) else domain
        return is_authentic(message.authentication_results, from_email, workspace)

    def _is_bcc(self, mailbox, message):
        """Whether the mail came though it names the owner nowhere. What a mailing list
        or a group brought names that instead."""
        if "SENT" in message.label_ids or message.list_id:
            return False
        own = [mailbox.email, *(mailbox.alias_addresses or "").split()]
        named = [message.from_, *message.to, *message.cc]
        return not any(
            same_mailbox(address.address, mine)
            for address in named
            if address
            for mine in own
        )

    def _search_text(self, message):
        """Return what the search reads; see lib/search.py."""
        words = [message.subject or ""]
        for person in self._people(message):
            words += [person.name or "", person.address or ""]
        words += [a.filename or "" for a in message.attachments]
        words.append(message.body_text or "")
        return fold(text("\n".join(words)))[:MOST_SEARCHED]

    def _note_sent(self, mailbox, message_id, gmail_id=None):
        """Note that Odoo sends an email through a mailbox.

        :param gmail_id: of the message that it became, once Google says so
        """
        self.env.cr.execute(
            """
            INSERT INTO gmail_sent (user_id, email, message_id, gmail_id)
            VALUES (%s, %s, %s, %s)
                ON CONFLICT (user_id, email, message_id)
                DO UPDATE SET gmail_id = COALESCE(EXCLUDED.gmail_id,
                                                  gmail_sent.gmail_id)
            """,
            [mailbox.user_id.id, mailbox.email, message_id, gmail_id],
        )

    def _own_message_id(self, mailbox, message, known=None):
        """Return Odoo's Message-ID of an email that left through Odoo, as References
        keeps it.

        :param known: Odoo's Message-ID when Google has just answered with this message
        """
        if known or not message.odoo_send_id:
            return known
        ids = (message.message_id, *reversed(message.references))
        matching = (i for i in ids if i and send_ref(i) == message.odoo_send_id)
        known = next(matching, None)
        if not known:
            return None
        # One message each: a second one with the same header isn't Odoo's.
        self.env.cr.execute(
            """
            UPDATE gmail_sent SET gmail_id = %(gmail_id)s
             WHERE user_id = %(user)s AND email = %(email)s
               AND message_id = %(message_id)s
               AND (gmail_id IS NULL OR gmail_id = %(gmail_id)s)
            """,
            {
                "gmail_id": message.gmail_id,
                "user": mailbox.user_id.id,
                "email": mailbox.email,
                "message_id": known,
            },
        )
        return known if self.env.cr.rowcount else None

    def _people(self, message):
        senders = (message.from_,) if message.from_ else ()
        return chain(senders, message.to, message.cc, message.bcc)

    def _ensure_threads(self, mailbox, gmail_ids):
        """Return {gmail id: id} of conversations, making those that are missing."""
        return dict(
            self.env.execute_query(
                SQL(
                    """
                    WITH made AS (
                        INSERT INTO gmail_thread (mailbox_id, gmail_id, create_uid,
                                    write_uid, create_date, write_date)
                        SELECT %(mailbox)s, gmail_id, %(uid)s, %(uid)s,
                               now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                          FROM unnest(%(ids)s) AS gmail_id
                            ON CONFLICT (mailbox_id, gmail_id) DO NOTHING
                     RETURNING gmail_id, id)
                    SELECT gmail_id, id FROM made
                     UNION ALL
                    SELECT gmail_id, id FROM gmail_thread
                     WHERE mailbox_id = %(mailbox)s AND gmail_id = ANY(%(ids)s)
                    """,
                    mailbox=mailbox.id,
                    uid=self.env.uid,
                    ids=sorted(gmail_ids),
                )
            )
        )

    def _people_of(self, message):
        """Return (role, normalised address, name) of all people, each once in a
        role.
        """
        people = {
            "from": (message.from_,) if message.from_ else (),
            "to": message.to,
            "cc": message.cc,
            "bcc": message.bcc,
        }
        found = {}
        for role in ROLES:
            for person in people[role]:
                written = text(person.address)
                address = _normalized(written) or written
                if address:
                    found.setdefault((role, address), text(person.name))
        return [(role, address, name) for (role, address), name in found.items()]

    def _stays_out(self, mailbox, people, sent):
        """Return a test whether somebody on a message is excluded, or was erased."""
        keeps_out = self.env["gmail.exclusions"]._keeps_out(mailbox)

        def test(message):
            is_sent_here = message.gmail_id in sent or bool(message.odoo_send_id)
            addresses = {address for _r, address, _n in people[message.gmail_id]}
            return keeps_out(message.date, addresses, is_sent_here)

        return test

    def _wanted(self, mailbox, people, partners, sent, is_asked=False):
        """Return a test whether the mailbox wants a message: with no label that is
        switched off, within its window, and, if it wants only such, with a contact.
        What leaves through Odoo is always wanted, and so is what its owner asks for.

        :param people: {gmail id: as ``_people_of`` gives them}
        :param partners: as gmail.addresses gives them
        :param sent: Gmail ids of mail just sent
        """
        excluded = self._excluded(mailbox)
        since = mailbox.history_start
        all_mail = mailbox.import_scope != "contacts"
        contacts = {a for a, partner in partners.items() if partner["partner_share"]}

        def test(message):
            if not excluded.isdisjoint(message.label_ids):
                return False
            if is_asked or message.gmail_id in sent or message.odoo_send_id:
                return True
            if since and message.date < since:
                return False
            return all_mail or any(
                address_key(address) in contacts
                for _r, address, _n in people[message.gmail_id]
            )

        return test

    # ------------------------------------------------------------------
    # Changing and removing
    # ------------------------------------------------------------------

    def _label_table(self):
        """Return the names of the table of labels on messages and of its columns."""
        field = self.env["gmail.message"]._fields["label_ids"]
        names = (field.relation, field.column1, field.column2)
        return tuple(map(SQL.identifier, names))

    def _on_labels(self, statement, pairs):
        """Run a statement on the labels of messages.

        :param statement: with places for the table, its two columns, and the arrays of
            message ids and of label ids
        :param pairs: of (message id, label id)
        """
        pairs = set(pairs)
        if pairs:
            messages, labels = map(list, zip(*pairs, strict=True))
            self.env.cr.execute(SQL(statement, *self._label_table(), messages, labels))

    def _add_labels(self, pairs):
        """Put labels on messages: pairs of (message id, label id)."""
        self._on_labels(
            "INSERT INTO %s (%s, %s) SELECT * FROM unnest(%s::int[], %s::int[])"
            " ON CONFLICT DO NOTHING",
            pairs,
        )

    def _remove_labels(self, pairs):
        """Take labels off messages: pairs of (message id, label id)."""
        self._on_labels(
            "DELETE FROM %s WHERE (%s, %s) IN"
            " (SELECT * FROM unnest(%s::int[], %s::int[]))",
            pairs,
        )

    def _change_labels(self, mailbox, changes):
        """Put labels on stored messages and take them off; unread and starred follow.

        :param changes: {message id: (Gmail ids of labels added, of those removed)}
        """
        labels = {label.gmail_id: label.id for label in mailbox.label_ids}
        added = (
            (m, labels[g]) for m, (on, _) in changes.items() for g in on & labels.keys()
        )
        removed = (
            (m, labels[g])
            for m, (_, off) in changes.items()
            for g in off & labels.keys()
        )
        self._remove_labels(removed)
        self._add_labels(added)
        table, message, label = self._label_table()
        self.env.cr.execute(
            SQL(
                """
                UPDATE gmail_message m
                   SET is_unread = EXISTS (SELECT FROM %(table)s t
                        WHERE t.%(message)s = m.id AND t.%(label)s = %(unread)s),
                       is_starred = EXISTS (SELECT FROM %(table)s t
                        WHERE t.%(message)s = m.id AND t.%(label)s = %(starred)s)
                 WHERE id = ANY(%(ids)s)
                """,
                table=table,
                message=message,
                label=label,
                unread=labels.get("UNREAD"),
                starred=labels.get("STARRED"),
                ids=list(changes),
            )
        )
        self._changed()

    def _move(self, mailbox, threads):
        """Have stored messages belong to the conversations that Gmail names now, since
        Gmail joins and splits conversations.

        Records and drafts follow, and so does the owner's sharing choice, as
        lib.rules.sharing's ``joined`` says.

        :param threads: {gmail id: Gmail's id of the conversation, or ""}
        :return: the ids of the conversations left and joined
        """
        named = {gmail_id: thread for gmail_id, thread in threads.items() if thread}
        if not named:
            return set()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT m.id, m.thread_id, x.thread
                  FROM unnest(%s::text[], %s::text[]) AS x(gmail_id, thread)
                  JOIN gmail_message m
                    ON m.mailbox_id = %s AND m.gmail_id = x.gmail_id
                  JOIN gmail_thread t ON t.id = m.thread_id
                 WHERE t.gmail_id <> x.thread
                """,
                list(named),
                list(named.values()),
                mailbox.id,
            )
        )
        if not rows:
            return set()
        self.env.flush_all()
        targets = self._ensure_threads(mailbox, {thread for _id, _old, thread in rows})
        moves = {(old, targets[thread]) for _id, old, thread in rows}
        self._join_choices(mailbox, moves)
        ids = [row_id for row_id, _old, _thread in rows]
        self.env.cr.execute(
            "UPDATE gmail_message m SET thread_id = x.thread"
            "  FROM unnest(%s, %s) AS x(id, thread) WHERE m.id = x.id",
            [ids, [targets[thread] for _id, _old, thread in rows]],
        )
        olds, news = map(list, zip(*moves, strict=True))
        self.env.cr.execute(
            """
            UPDATE gmail_draft d SET thread_id = m.thread_id
              FROM gmail_message m
             WHERE m.id = d.answered_id AND m.id = ANY(%(ids)s);

            INSERT INTO gmail_link (mailbox_id, thread_id, res_model, res_id, state,
                        origin, reason, way, create_uid, write_uid, create_date,
                        write_date)
            SELECT l.mailbox_id, x.new, l.res_model, l.res_id, l.state, l.origin,
                   l.reason, l.way, l.create_uid, l.write_uid, l.create_date,
                   l.write_date
              FROM unnest(%(olds)s, %(news)s) AS x(old, new)
              JOIN gmail_link l ON l.thread_id = x.old
             ORDER BY l.id
                ON CONFLICT (thread_id, res_model, res_id) DO NOTHING
            """,
            {"ids": ids, "olds": olds, "news": news},
        )
        # Nothing is left to decide about a conversation that was joined to another.
        self.env.cr.execute(
            """
            DELETE FROM gmail_link l
             WHERE l.thread_id = ANY(%(olds)s)
               AND NOT EXISTS (SELECT FROM gmail_message m
                                WHERE m.thread_id = l.thread_id);

            UPDATE gmail_thread t SET sharing_level = NULL, sharing_chosen_at = NULL
             WHERE t.id = ANY(%(olds)s)
               AND NOT EXISTS (SELECT FROM gmail_message m WHERE m.thread_id = t.id)
            """,
            {"olds": olds},
        )
        self._changed()
        for model in ("link", "draft"):
            self.env[f"gmail.{model}"].invalidate_model()
        self._have_filed(mailbox, ids, False)
        linking = self.env["gmail.linking"]
        messages = self.env["gmail.message"].search([("thread_id", "in", news)])
        linking._record_messages(mailbox, SQL("m.thread_id = ANY(%s)", news))
        linking._enqueue(list(filter(None, messages.mapped("mail_key"))), mailbox)
        return {*olds, *news}

    def _join_choices(self, mailbox, moves):
        """Have conversations that messages move to keep what their owner chose for the
        ones that they come from.

        :param moves: pairs of ids of gmail.thread: (from, to)
        """
        threads = self.env["gmail.thread"]
        for old, new in sorted(moves):
            source, target = threads.browse(old), threads.browse(new)
            if not source.sharing_level:
                continue
            level = sharing.joined(
                source.sharing_level,
                target.sharing_level,
                mailbox.sharing_level,
                bool(target.message_ids),
            )
            if level != target.sharing_level:
                target.write(
                    {
                        "sharing_level": level,
                        "sharing_chosen_at": source.sharing_chosen_at,
                    }
                )
        threads.flush_model()

    def _forget(self, mailbox, gmail_ids):
        """Remove messages that left Gmail or the labels chosen; return the ids of
        their conversations."""
        if not gmail_ids:
            return set()
        self.env.flush_all()
        stored = self._stored(mailbox, gmail_ids)
        ids = [row_id for row_id, _thread in stored.values()]
        self.env["gmail.attachment"].search(
            [("message_id", "in", ids), ("attachment_id", "!=", False)]
        ).attachment_id.unlink()
        # Not by the ORM, which would read each with its body.
        self.env.cr.execute("DELETE FROM gmail_message WHERE id = ANY(%s)", [ids])
        self._changed()
        return {thread_id for _row, thread_id in stored.values()}

    def _changed(self):
        """What the ORM remembers of mail is out of date."""
        for model in ("thread", "message", "participant", "attachment"):
            self.env[f"gmail.{model}"].invalidate_model()

    def _refresh_threads(self, thread_ids):
        """Recount conversations from their messages; empty ones go."""
        if not thread_ids:
            return
        self.env.flush_all()
        ids = list(thread_ids)
        kept = self.env.execute_query(
            SQL(
                """
                UPDATE gmail_thread t
                   SET subject = s.subjects[1],
                       snippet = s.snippets[1],
                       last_date = s.last_date,
                       message_count = s.message_count,
                       unread_count = s.unread_count,
                       is_starred = s.is_starred,
                       has_attachments = s.has_attachments,
                       participants = COALESCE(p.senders, r.recipients)
                  FROM (SELECT thread_id,
                               array_agg(subject ORDER BY date, id) AS subjects,
                               array_agg(snippet ORDER BY date DESC, id DESC)
                                   AS snippets,
                               max(date) AS last_date,
                               count(*) AS message_count,
                               count(*) FILTER (WHERE is_unread) AS unread_count,
                               bool_or(is_starred) AS is_starred,
                               bool_or(has_attachments) AS has_attachments
                          FROM gmail_message
                         WHERE thread_id = ANY(%(ids)s)
                         GROUP BY thread_id) s
                  LEFT JOIN (SELECT thread_id,
                                    COALESCE(string_agg(NULLIF(who, ''), ', '
                                                        ORDER BY first), '')
                                        AS senders
                               FROM (SELECT thread_id,
                                            COALESCE(NULLIF(from_name, ''), from_email,
                                                     '') AS who,
                                            min(date) AS first
                                       FROM gmail_message
                                      WHERE thread_id = ANY(%(ids)s)
                                        AND direction = 'in'
                                      GROUP BY 1, 2) x
                              GROUP BY thread_id) p USING (thread_id)
                  LEFT JOIN (SELECT m.thread_id,
                                    string_agg(DISTINCT COALESCE(a.name, a.address),
                                               ', ') AS recipients
                               FROM gmail_message m
                               JOIN gmail_participant a
                                 ON a.message_id = m.id AND a.role = 'to'
                              WHERE m.thread_id = ANY(%(ids)s)
                              GROUP BY m.thread_id) r USING (thread_id)
                 WHERE t.id = s.thread_id
             RETURNING t.id
                """,
                ids=ids,
            )
        )
        threads = self.env["gmail.thread"].browse(ids)
        threads.invalidate_recordset()
        empty = threads - threads.browse(thread_id for (thread_id,) in kept)
        # What its owner decided holds when the conversation comes back.
        decided = (
            empty.filtered("sharing_level")
            | empty.link_ids.filtered(lambda link: link.state == "removed").thread_id
        )
        decided.write(
            {
                "subject": False,
                "participants": False,
                "snippet": False,
                "message_count": 0,
                "unread_count": 0,
                "is_starred": False,
                "has_attachments": False,
            }
        )
        (empty - decided).unlink()
