from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..lib.rules.sharing import base
from ..parsers import html2plaintext

PAGE = 40
# Counted no further: "1000" is a lot of mail in any case.
MOST_COUNTED = 1000
MOST_PREVIEW = 200


class GmailEmails(models.AbstractModel):
    """The emails of a document, as its reader may see them: what is shared there, and
    her own mail that belongs to it. Never mail of others."""

    _name = "gmail.emails"
    _description = "Emails of Documents"

    @api.model
    def _counts(self, records):
        """Return {record id: number of emails}, up to ``MOST_COUNTED``."""
        if self.env["gmail.version"]._is_outdated():
            return {}
        if not self.env.user._is_internal():
            return {}
        counts = {}
        self.env.flush_all()
        for record in records._origin.filtered("id"):
            self.env.cr.execute(
                SQL(
                    "SELECT count(*) FROM (%s LIMIT %s) x",
                    self._emails(record, SQL("TRUE")),
                    MOST_COUNTED,
                )
            )
            (counts[record.id],) = self.env.cr.fetchone()
        return counts

    @api.model
    def _page(self, model, res_id, before=None):
        """Return a page of the emails of a document, newest first.

        :param before: what the last page gave to go on with
        :return: {"emails": [dict], "before": for the next page, or False}
        :raises AccessError: the caller may not read the document
        """
        record = self._readable(model, res_id)
        older = SQL("TRUE")
        if before:
            moment, kind, number = before
            older = SQL(
                "(date, kind, id) < (%s, %s, %s)",
                fields.Datetime.to_datetime(moment),
                int(kind),
                int(number),
            )
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "SELECT kind, id, mail_key, date FROM (%s) x"
                " ORDER BY date DESC, kind DESC, id DESC LIMIT %s",
                self._emails(record, older),
                PAGE + 1,
            )
        )
        rows = self.env.cr.fetchall()
        emails = self._described(rows[:PAGE], record)
        last = rows[PAGE - 1] if len(rows) > PAGE else None
        return {
            "name": record.display_name,
            "emails": emails,
            "before": last
            and [fields.Datetime.to_string(last[3]), last[0], last[1]]
            or False,
        }

    def _readable(self, model, res_id):
        document = (str(model), int(res_id))
        if not self.env.user._is_internal() or document not in self.env[
            "gmail.linker"
        ]._readable(self.env, [document]):
            raise AccessError(
                self.env._("There is no such document, or it is not yours to see.")
            )
        return self.env[document[0]].browse(document[1])

    # ------------------------------------------------------------------
    # Which
    # ------------------------------------------------------------------

    def _family(self, record):
        """Return a document, and, of a company, those of its people that the caller
        may read."""
        if record._name == "res.partner" and record.is_company:
            return record | record.search(
                [("commercial_partner_id", "=", record.id), ("id", "!=", record.id)]
            )
        return record

    def _emails(self, record, condition):
        """Return the SQL for the emails of a document: kind (1 is shared, 0 is the
        caller's own), id (gmail.entry or gmail.message), mail_key, date.

        :param condition: on these columns
        """
        family = self._family(record)
        mailboxes = self.env["gmail.mailbox"].sudo()
        own = mailboxes.search([("user_id", "=", self.env.uid)]).ids
        shared = SQL(
            """
            SELECT DISTINCT ON (e.mail_key, e.digest) 1 AS kind, e.id, e.mail_key,
                   e.date
              FROM gmail_entry e
             WHERE e.res_model = %(model)s AND e.res_id = ANY(%(ids)s)
               AND e.mail_message_id IS NOT NULL
             ORDER BY e.mail_key, e.digest, e.id
            """,
            model=record._name,
            ids=family.ids,
        )
        if not own:
            return SQL("SELECT * FROM (%s) s WHERE %s", shared, condition)
        belongs = SQL(
            """
            SELECT m.id FROM gmail_link l
              JOIN gmail_message m ON m.thread_id = l.thread_id
             WHERE l.res_model = %s AND l.res_id = ANY(%s)
               AND l.mailbox_id = ANY(%s) AND l.state = 'linked'
            """,
            record._name,
            family.ids,
            own,
        )
        if record._name == "res.partner":
            belongs = SQL(
                "%s UNION SELECT p.message_id FROM gmail_participant p"
                " WHERE p.partner_id = ANY(%s) AND p.mailbox_id = ANY(%s)",
                belongs,
                family.ids,
                own,
            )
        return SQL(
            """
            SELECT * FROM (%(shared)s) s WHERE %(condition)s
             UNION ALL
            SELECT * FROM (
                SELECT 0 AS kind, m.id, m.mail_key, m.date
                  FROM gmail_message m
                 WHERE m.id IN (%(belongs)s)
                   AND NOT EXISTS (
                       SELECT FROM gmail_entry e
                        WHERE e.mail_key = m.mail_key
                          AND split_part(e.digest, ' ', 1) = m.content_digest
                          AND e.res_model = %(model)s
                          AND e.res_id = ANY(%(ids)s)
                          AND e.mail_message_id IS NOT NULL)) o
             WHERE %(condition)s
            """,
            shared=shared,
            condition=condition,
            belongs=belongs,
            model=record._name,
            ids=family.ids,
        )

    # ------------------------------------------------------------------
    # What of them
    # ------------------------------------------------------------------

    def _described(self, rows, record):
        """Return what the list shows of emails, each with what its reader may see."""
        keys = [key for _kind, _id, key, _date in rows if key]
        messages = self.env["gmail.message"]
        own = {
            (message.mail_key, message.content_digest): message
            for message in messages.search(
                [("mail_key", "in", keys), ("mailbox_id.user_id", "=", self.env.uid)]
            )
        }
        entries = (
            self.env["gmail.entry"]
            .sudo()
            .browse(number for kind, number, _key, _date in rows if kind)
        )
        posts = {
            post.id: post
            for post in self.env["mail.message"].search(
                [("id", "in", entries.mail_message_id.ids)]
            )
        }
        entries = {entry.id: entry for entry in entries}
        # Browsed at once, they are read at once.
        unshared = messages.browse(number for kind, number, *_x in rows if not kind)
        unshared = {message.id: message for message in unshared}
        found = []
        for kind, number, key, _date in rows:
            if not kind:
                found.append(self._own(unshared[number]))
            elif post := posts.get(entries[number].mail_message_id.id):
                entry = entries[number]
                mine = own.get((key, base(entry.digest or "")))
                found.append(self._shared(entry, post, mine, record))
        return found

    def _own(self, message):
        people = message.participant_ids
        roles = ("to", "cc") if message.direction == "out" else ("from",)
        return {
            "key": f"own-{message.id}",
            "is_shared": False,
            "date": fields.Datetime.to_string(message.date),
            "direction": message.direction,
            "people": ", ".join(
                p.name or p.address for p in people.filtered(lambda p: p.role in roles)
            ),
            "subject": message.subject or "",
            "preview": message.snippet or "",
            "thread_id": message.thread_id.id,
            "mailbox_id": message.mailbox_id.id,
        }

    def _shared(self, entry, post, own, record):
        return {
            "key": f"entry-{entry.id}",
            "is_shared": True,
            "date": fields.Datetime.to_string(entry.date or post.date),
            "direction": entry.direction or "out",
            "people": post.author_id.display_name or post.email_from or "",
            "subject": post.subject or "",
            "preview": " ".join(
                html2plaintext(post.body or "", include_references=False).split()
            )[:MOST_PREVIEW],
            "thread_id": own.thread_id.id if own else False,
            "mailbox_id": own.mailbox_id.id if own else False,
            "model": entry.res_model,
            "res_id": entry.res_id,
            "is_here": (entry.res_model, entry.res_id) == (record._name, record.id),
        }
