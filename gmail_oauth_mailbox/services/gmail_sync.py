import logging
import re
import uuid
from itertools import chain

import psycopg2
from psycopg2.errors import (
    DeadlockDetected,
    LockNotAvailable,
    ProgramLimitExceeded,
    SerializationFailure,
    UniqueViolation,
)

from odoo import api, fields, models
from odoo.tools import SQL, email_normalize

from ..lib import errors, sync_plan
from ..lib.search import fold

_logger = logging.getLogger(__name__)

CHANGED = "gmail_oauth_mailbox/changed"
SEND_NAMESPACE = uuid.UUID("5f0f8e0c-58d3-4d4e-9d2c-6b1c6a3f1c55")
# Gmail's own limit for one batch of messages.get without errors: google's advice is
# 50 at most; 25 keeps below the concurrency limit of one user.
PAGE = 25
# A list call costs the same for 1 id as for 500; small pages keep the progress bar
# moving, and each is stored as a whole.
LIST_PAGE = 50
# lib's NEVER is not mirrored, whatever the owner switches on.
OFF_AT_FIRST = sync_plan.NEVER | {
    "CATEGORY_PROMOTIONS",
    "CATEGORY_SOCIAL",
    "CATEGORY_FORUMS",
    "CATEGORY_UPDATES",
}
CATEGORY_QUERY = {
    "CATEGORY_PROMOTIONS": "promotions",
    "CATEGORY_SOCIAL": "social",
    "CATEGORY_FORUMS": "forums",
    "CATEGORY_UPDATES": "updates",
}
ROLES = ("from", "to", "cc", "bcc")
# PostgreSQL's tsvector holds 1 MB.
MOST_SEARCHED = 100_000
# Somebody else was quicker: the same again in a new transaction will do.
CONFLICTS = (
    SerializationFailure,
    DeadlockDetected,
    LockNotAvailable,
    UniqueViolation,
)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def text(value):
    """Return ``value`` as PostgreSQL takes it: no NUL, no lone surrogate."""
    return UNSTORABLE.sub("\ufffd", value or "")


def send_ref(message_id):
    """Return the reference that mail with Odoo's ``message_id`` carries in its
    header X-Odoo-Gmail-Send: the same for each attempt to send it."""
    return str(uuid.uuid5(SEND_NAMESPACE, message_id or ""))


class GmailSync(models.AbstractModel):
    """Keep the stored mail of a mailbox equal to what Gmail holds.

    Each page is one transaction: rows in bulk and the place reached, together or not
    at all. Knows nothing of HTTP and nothing of other mailboxes.
    """

    _name = "gmail.sync"
    _description = "Gmail Synchronisation"

    # ------------------------------------------------------------------
    # One slice
    # ------------------------------------------------------------------

    def _run(self, mailbox, lease):
        """Bring ``mailbox`` up to date for one slice.

        :return: whether more is left to do at once
        :raises errors.GoogleError: as Google answered
        """
        with self.env["gmail.oauth"]._client(mailbox) as client:
            self._take_labels(mailbox, client)
            if mailbox.history_cursor:
                if not self._follow_history(mailbox, client, lease):
                    return True
            else:
                # The cursor is taken before the first list: what arrives in between
                # is then seen twice rather than never.
                mailbox.history_cursor = client.profile().history_id
                self._announce(mailbox, ())
                lease.commit()
            return self._backfill(mailbox, client, lease)

    def _take_labels(self, mailbox, client):
        """Bring the labels up to date; a new one is synchronised."""
        known = {label.gmail_id: label for label in mailbox.label_ids}
        fresh = {label.gmail_id: label for label in client.labels()}
        gone = [known[gmail_id] for gmail_id in known.keys() - fresh.keys()]
        if gone:
            self.env["gmail.label"].concat(*gone).unlink()
        for gmail_id in known.keys() & fresh.keys():
            if known[gmail_id].name != fresh[gmail_id].name:
                known[gmail_id].name = text(fresh[gmail_id].name)
        self.env["gmail.label"].create(
            [
                {
                    "mailbox_id": mailbox.id,
                    "gmail_id": gmail_id,
                    "name": text(fresh[gmail_id].name) or gmail_id,
                    "kind": fresh[gmail_id].kind,
                    "is_synced": gmail_id not in OFF_AT_FIRST,
                }
                for gmail_id in fresh
                if gmail_id not in known
            ]
        )

    # ------------------------------------------------------------------
    # New mail and changes
    # ------------------------------------------------------------------

    def _follow_history(self, mailbox, client, lease):
        """Apply what changed since the cursor, step by step, each with its cursor.

        :return: False when the slice ended first
        """
        try:
            pages = list(self._history_pages(client, mailbox.history_cursor))
        except errors.CursorExpired:
            self._restart_census(mailbox, client, lease)
            return True
        excluded = self._excluded(mailbox)
        steps = sync_plan.history_steps(
            list(chain.from_iterable(page.changes for page in pages)),
            size=PAGE,
            unwanted=excluded,
        )
        for number, (plan, cursor) in enumerate(steps, 1):
            touched = self._apply(mailbox, client, plan, excluded, lease)
            mailbox.history_cursor = cursor or mailbox.history_cursor
            self._announce(mailbox, touched)
            lease.commit()
            if lease.is_over and number < len(steps):
                return False
        if pages[-1].history_id != mailbox.history_cursor:
            mailbox.history_cursor = pages[-1].history_id
        lease.commit()
        return True

    def _apply(self, mailbox, client, plan, excluded, lease):
        """Apply one step of history; return the ids of the conversations touched."""
        stored = self._stored(mailbox, {*plan.fetch, *plan.delete, *plan.label_changes})
        back = [
            gmail_id
            for gmail_id, (_added, removed) in plan.label_changes.items()
            if gmail_id not in stored and excluded & removed
        ]
        wanted = [g for g in dict.fromkeys([*plan.fetch, *back]) if g not in stored]
        touched = self._fetch(mailbox, client, wanted, lease)
        touched |= self._apply_labels(mailbox, plan.label_changes, stored, excluded)
        touched |= self._forget(mailbox, [g for g in plan.delete if g in stored])
        self._refresh_threads(touched)
        return touched

    def _history_pages(self, client, start):
        token = None
        while True:
            page = client.history(start, page_token=token)
            yield page
            token = page.next_page_token
            if not token:
                return

    def _restart_census(self, mailbox, client, lease):
        """Google has forgotten the cursor: compare ids, download only what is new.

        What was deleted, read or starred meanwhile is found by comparing all ids of
        the window.
        """
        cursor = client.profile().history_id
        query = self._query(mailbox)
        present = self._all_ids(client, query)
        since = fields.Datetime.subtract(
            fields.Datetime.now(), days=max(mailbox.history_days - 1, 0)
        )
        domain = [("mailbox_id", "=", mailbox.id)]
        if mailbox.history_days:
            # One day of margin: Gmail's window ends at its own midnight.
            domain.append(("date", ">=", since))
        stored = self.env["gmail.message"].search(domain)
        gone = stored.filtered(lambda m: m.gmail_id not in present)
        touched = self._set_flags(mailbox, client, query, stored - gone)
        touched |= self._forget(mailbox, gone.mapped("gmail_id"))
        self._refresh_threads(touched)
        mailbox.history_cursor = cursor
        mailbox.backfill_done = False
        mailbox.backfill_page = False
        mailbox.progress_done = 0
        self._announce(mailbox, touched)
        lease.commit()

    def _all_ids(self, client, query, label_ids=()):
        """Return the ids of all messages that a search finds, as a set."""
        found, token = set(), None
        while True:
            page = client.list_messages(
                q=query, label_ids=label_ids, page_token=token, page_size=500
            )
            found.update(ref.gmail_id for ref in page.refs)
            token = page.next_page_token
            if not token:
                return found

    def _set_flags(self, mailbox, client, query, messages):
        """Set unread and starred as Gmail has them; return the ids of the
        conversations touched."""
        touched = set()
        labels = {label.gmail_id: label.id for label in mailbox.label_ids}
        for gmail_label, field in (("UNREAD", "is_unread"), ("STARRED", "is_starred")):
            marked = self._all_ids(client, query, (gmail_label,))
            for message in messages:
                is_marked = message.gmail_id in marked
                if is_marked != message[field]:
                    label = labels.get(gmail_label)
                    command = [(4 if is_marked else 3, label, 0)] if label else []
                    message.write({field: is_marked, "label_ids": command})
                    touched.add(message.thread_id.id)
        return touched

    def _apply_labels(self, mailbox, label_changes, stored, excluded):
        """Change labels of stored messages as history says, without reading them
        again; return the ids of the conversations touched."""
        if not stored.keys() & label_changes.keys():
            return set()
        labels = {label.gmail_id: label.id for label in mailbox.label_ids}
        touched, leaving = set(), []
        messages = self.env["gmail.message"].browse(
            [stored[g][0] for g in label_changes if g in stored]
        )
        for message in messages:
            added, removed = label_changes[message.gmail_id]
            if excluded & set(added):
                leaving.append(message.gmail_id)
                continue
            current = set(message.label_ids.mapped("gmail_id"))
            new = (current | set(added)) - set(removed)
            touched.add(message.thread_id.id)
            if new != current:
                message.write(
                    {
                        "label_ids": [(6, 0, [labels[g] for g in new if g in labels])],
                        "is_unread": "UNREAD" in new,
                        "is_starred": "STARRED" in new,
                    }
                )
        return touched | self._forget(mailbox, leaving)

    def _forget(self, mailbox, gmail_ids):
        """Remove messages that left Gmail or the labels chosen; return the ids of
        their conversations."""
        if not gmail_ids:
            return set()
        messages = self.env["gmail.message"].search(
            [("mailbox_id", "=", mailbox.id), ("gmail_id", "in", gmail_ids)]
        )
        touched = set(messages.thread_id.ids)
        messages.attachment_ids.attachment_id.unlink()
        messages.unlink()
        return touched

    # ------------------------------------------------------------------
    # Backfill
    # ------------------------------------------------------------------

    def _excluded(self, mailbox):
        """Return the Gmail ids of the labels whose mail stays in Gmail."""
        off = mailbox.label_ids.filtered(lambda label: not label.is_synced)
        return sync_plan.NEVER | set(off.mapped("gmail_id"))

    def _query(self, mailbox):
        """Return the search that names the mail wanted, as far as Gmail can."""
        excluded = self._excluded(mailbox)
        return " ".join(
            [
                sync_plan.backfill_query(mailbox.history_days),
                *(
                    f"-category:{name}"
                    for label, name in CATEGORY_QUERY.items()
                    if label in excluded
                ),
            ]
        ).strip()

    def _backfill(self, mailbox, client, lease):
        """Take in older mail, newest first, page by page, until the slice is over."""
        while not mailbox.backfill_done:
            try:
                page = client.list_messages(
                    q=self._query(mailbox),
                    page_token=mailbox.backfill_page or None,
                    page_size=LIST_PAGE,
                )
            except errors.RequestRefused:
                if not mailbox.backfill_page:
                    raise
                # A page token does not last for ever: begin again, by difference.
                mailbox.backfill_page = False
                mailbox.progress_done = 0
                continue
            gmail_ids = [ref.gmail_id for ref in page.refs]
            seen = mailbox.progress_done + len(gmail_ids)
            mailbox.progress_total = max(
                page.estimate or 0, seen + (LIST_PAGE if page.next_page_token else 0)
            )
            stored = self._stored(mailbox, gmail_ids)
            known = stored.keys() | (mailbox.quarantine or {}).keys()
            wanted = [g for g in gmail_ids if g not in known]
            touched = self._fetch(mailbox, client, wanted, lease)
            mailbox.progress_done = seen
            mailbox.backfill_page = page.next_page_token
            mailbox.backfill_done = not page.next_page_token
            self._announce(mailbox, touched)
            lease.commit()
            if lease.is_over:
                break
        return not mailbox.backfill_done

    # ------------------------------------------------------------------
    # Taking in
    # ------------------------------------------------------------------

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

    def _fetch(self, mailbox, client, gmail_ids, lease):
        """Download and store messages; return the ids of their conversations.

        The caller commits them with the place reached.

        :raises errors.RetryLater: Google gives the rest later; what came is committed
        """
        touched = set()
        for page in self._pages(gmail_ids):
            messages, late = [], None
            for gmail_id, result in client.get_messages(page):
                if isinstance(result, errors.Gone):
                    continue
                if isinstance(result, errors.BadItem):
                    self._quarantine(mailbox, gmail_id, result.code)
                elif isinstance(result, errors.GoogleError):
                    late = result
                else:
                    messages.append(result)
            touched |= self._store_all(mailbox, messages)
            if late:
                self._announce(mailbox, touched)
                lease.commit()
                raise late
        return touched

    @staticmethod
    def _pages(gmail_ids):
        return [gmail_ids[i : i + PAGE] for i in range(0, len(gmail_ids), PAGE)]

    def _quarantine(self, mailbox, gmail_id, code):
        """Note a message that Gmail could not deliver; the others go on."""
        mailbox.quarantine = {**(mailbox.quarantine or {}), gmail_id: code or "error"}

    def _store_all(self, mailbox, messages):
        """Store messages; one that cannot be stored is left out, the others go on.

        :return: the ids of their conversations
        :raises psycopg2.Error: a conflict with another transaction, or no database
        """
        try:
            with self.env.cr.savepoint():
                return self._store(mailbox, messages)
        except (*CONFLICTS, psycopg2.InterfaceError):
            raise
        except Exception as error:
            if isinstance(error, psycopg2.OperationalError) and not isinstance(
                error, ProgramLimitExceeded
            ):
                raise
            if len(messages) == 1:
                gmail_id = messages[0].gmail_id
                _logger.warning("Message %s: %s", gmail_id, type(error).__name__)
                self._quarantine(mailbox, gmail_id, type(error).__name__)
                return set()
        stored = [self._store_all(mailbox, [message]) for message in messages]
        return set().union(*stored)

    def _store(self, mailbox, messages, sent_message_ids=None):
        """Store messages in bulk; return the ids of their conversations.

        :param messages: lib's ParsedMessage, stored already or not
        :param sent_message_ids: {gmail id: Odoo's own Message-ID} of mail just sent
        """
        excluded = self._excluded(mailbox)
        stored = self._stored(mailbox, [m.gmail_id for m in messages])
        messages = [
            m
            for m in messages
            if m.gmail_id not in stored and not excluded & set(m.label_ids)
        ]
        if not messages:
            return set()
        thread_ids = self._ensure_threads(mailbox, {m.thread_id for m in messages})
        labels = {label.gmail_id: label.id for label in mailbox.label_ids}
        rows = [
            {
                **self._message_values(mailbox, message, labels),
                "thread_id": thread_ids[message.thread_id],
                "sent_message_id": (sent_message_ids or {}).get(message.gmail_id)
                or self._own_message_id(message),
            }
            for message in messages
        ]
        records = self.env["gmail.message"].create(rows)
        self._store_participants(mailbox, records, messages)
        self.env["gmail.attachment"].create(
            [
                {
                    "message_id": record.id,
                    "mailbox_id": mailbox.id,
                    "part_id": text(attachment.part_id),
                    "name": text(attachment.filename) or self.env._("attachment"),
                    "mimetype": text(attachment.mimetype),
                    "size": min(attachment.size or 0, 2**31 - 1),
                    "content_id": text(attachment.content_id),
                    "is_inline": attachment.is_inline,
                }
                for record, message in zip(records, messages, strict=True)
                for attachment in message.attachments
            ]
        )
        touched = set(thread_ids.values())
        self._refresh_threads(touched)
        return touched

    def _message_values(self, mailbox, message, labels):
        sender = message.from_
        from_email = text(sender.address) if sender else ""
        own = email_normalize(from_email) == email_normalize(mailbox.email)
        reply_to = message.reply_to[0].address if message.reply_to else False
        return {
            "mailbox_id": mailbox.id,
            "gmail_id": message.gmail_id,
            "message_id": text(message.message_id) or False,
            "send_ref": text(message.odoo_send_id) or False,
            "in_reply_to": text(message.in_reply_to) or False,
            "references": text(" ".join(message.references)) or False,
            "subject": text(message.subject) or False,
            "date": message.date,
            "direction": "out" if own or "SENT" in message.label_ids else "in",
            "from_name": text(sender.name) if sender else False,
            "from_email": from_email or False,
            "reply_to": text(reply_to) if reply_to else False,
            "snippet": text(message.snippet) or False,
            "body": text(message.body_html),
            "has_remote_images": "data-remote-src" in (message.body_html or ""),
            "size": min(message.size or 0, 2**31 - 1),
            "is_unread": "UNREAD" in message.label_ids,
            "is_starred": "STARRED" in message.label_ids,
            "has_attachments": any(not a.is_inline for a in message.attachments),
            "label_ids": [
                (6, 0, [labels[g] for g in message.label_ids if g in labels])
            ],
            "search_text": self._search_text(message),
        }

    def _search_text(self, message):
        """Return what the search reads; see lib/search.py."""
        words = [message.subject or ""]
        for person in self._people(message):
            words += [person.name or "", person.address or ""]
        words += [a.filename or "" for a in message.attachments]
        words.append(message.body_text or "")
        return fold(text("\n".join(words)))[:MOST_SEARCHED]

    def _own_message_id(self, message):
        """Return Odoo's Message-ID of mail that left through Odoo, as References
        keeps it; the reference in the header proves that it is the right one."""
        if not message.odoo_send_id:
            return False
        for message_id in (message.message_id, *reversed(message.references)):
            if message_id and send_ref(message_id) == message.odoo_send_id:
                return message_id
        return False

    def _people(self, message):
        senders = (message.from_,) if message.from_ else ()
        return chain(senders, message.to, message.cc, message.bcc)

    def _ensure_threads(self, mailbox, gmail_ids):
        """Return {gmail id: id} of conversations, making those that are missing."""
        threads = self.env["gmail.thread"]
        known = {
            thread.gmail_id: thread.id
            for thread in threads.search(
                [("mailbox_id", "=", mailbox.id), ("gmail_id", "in", list(gmail_ids))]
            )
        }
        missing = sorted(gmail_ids - known.keys())
        created = threads.create(
            [{"mailbox_id": mailbox.id, "gmail_id": gmail_id} for gmail_id in missing]
        )
        return known | dict(zip(missing, created.ids, strict=True))

    def _store_participants(self, mailbox, records, messages):
        rows = []
        for record, message in zip(records, messages, strict=True):
            people = {
                "from": (message.from_,) if message.from_ else (),
                "to": message.to,
                "cc": message.cc,
                "bcc": message.bcc,
            }
            seen = set()
            for role in ROLES:
                for person in people[role]:
                    address = email_normalize(text(person.address)) or text(
                        person.address
                    )
                    if address and (role, address) not in seen:
                        seen.add((role, address))
                        rows.append((record.id, role, text(person.name), address))
        partners = self._partners(mailbox, {row[3] for row in rows})
        self.env["gmail.participant"].create(
            [
                {
                    "message_id": message_id,
                    "mailbox_id": mailbox.id,
                    "role": role,
                    "name": name or False,
                    "address": address,
                    "partner_id": partners.get(address),
                }
                for message_id, role, name, address in rows
            ]
        )

    def _partners(self, mailbox, addresses):
        """Return {address: partner id} of contacts that the owner may read."""
        partners = (
            self.env["res.partner"]
            .with_user(mailbox.user_id)
            .search_read(
                [("email_normalized", "in", list(addresses))],
                ["email_normalized"],
                order="id desc",
            )
        )
        return {partner["email_normalized"]: partner["id"] for partner in partners}

    def _refresh_threads(self, thread_ids):
        """Recount conversations from their messages; empty ones go."""
        if not thread_ids:
            return
        self.env.flush_all()
        ids = list(thread_ids)
        self.env.execute_query(
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
                                    string_agg(who, ', ' ORDER BY first) AS senders
                               FROM (SELECT thread_id,
                                            COALESCE(NULLIF(from_name, ''), from_email)
                                                AS who,
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
        threads.filtered(lambda thread: not thread.message_ids).unlink()

    @api.model
    def _announce(self, mailbox, thread_ids):
        """Tell the owner's open panels, by ids only."""
        mailbox.user_id._bus_send(
            CHANGED,
            {
                "mailbox_id": mailbox.id,
                "threads": bool(thread_ids),
                "thread_ids": sorted(thread_ids),
                "progress": self.env["gmail.panel"]._progress(mailbox),
            },
        )

    # ------------------------------------------------------------------
    # Single messages
    # ------------------------------------------------------------------

    def _take_in_sent(self, mailbox, client, gmail_id, message_id):
        """Store a message that was just sent, under both of its Message-IDs."""
        parsed = client.get_message(gmail_id)
        touched = self._store(mailbox, [parsed], {gmail_id: message_id})
        self._announce(mailbox, touched)
