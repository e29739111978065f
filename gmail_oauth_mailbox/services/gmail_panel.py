from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, html_escape

from ..lib.mime.addresses import address_key
from ..lib.quote import fold_quote
from ..lib.sanitize import remote_html
from ..lib.search import words
from .gmail_connect import OUTCOMES
from .gmail_scheduler import ENDING_AHEAD

LIMIT = 100
# What a list can be narrowed to.
ONLY = {
    "unread": SQL("t.unread_count > 0"),
    "starred": SQL("t.is_starred"),
    "attachments": SQL("t.has_attachments"),
}
# The newest conversations of a mailbox that are looked through for words or a label
# before an index is asked for all that have them, which is slow for frequent words.
NEWEST = 600
# Gmail's own labels that a list of them shows, in its order; then the user's.
SHOWN_LABELS = ("INBOX", "SENT", "IMPORTANT")
# Where images may come from: nowhere, or wherever the reader lets them.
NO_IMAGES, ALL_IMAGES = "data: blob:", "data: blob: https:"
FRAME_HEAD = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "img-src {images}; style-src 'unsafe-inline'\">"
    '<meta name="referrer" content="no-referrer">'
    '<meta charset="utf-8"><base target="_blank">'
    "<style>html{color-scheme:light}body{margin:0;padding:2px;background:#fff;"
    "color:#202124;font:14px/1.5 system-ui,sans-serif;overflow-wrap:break-word;"
    "overflow-x:auto}"
    "p,li{unicode-bidi:plaintext}"
    "body>:first-child,body>:first-child>:first-child{margin-top:0}"
    "img{max-width:100%;height:auto}img:not([src]){display:none}"
    "table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex}"
    "summary{display:inline-block;list-style:none;cursor:pointer;padding:0 8px;"
    "margin:8px 0;border:1px solid #dadce0;border-radius:8px;background:#f1f3f4;"
    "font-size:10px;line-height:14px;color:#5f6368}"
    "summary::-webkit-details-marker{display:none}"
    "</style>"
)


class GmailPanel(models.AbstractModel):
    """What the Email panel of the web client shows: the caller's own mail only."""

    _name = "gmail.panel"
    _description = "Gmail Panel"

    # ------------------------------------------------------------------
    # Around the mail
    # ------------------------------------------------------------------

    @api.model
    def _state(self):
        setup = self.env["gmail.setup"]
        admin = setup._is_admin()
        internal = self.env.user._is_internal()
        if sentence := self.env["gmail.version"]._sentence():
            return self._stopped(sentence, internal, admin)
        mailboxes = (
            self.env["gmail.mailbox"].search([("user_id", "=", self.env.uid)])
            if internal
            else self.env["gmail.mailbox"]
        )
        unread = self._unread(mailboxes)
        # Each looks at the key file: who has a mailbox is told what stops it, anybody
        # else what stops connecting.
        problem = not mailboxes and setup._problem()
        return {
            "enabled": bool(mailboxes) or setup._may_connect(self.env.user),
            "configured": not problem,
            "setup_message": problem,
            "redirect_uri": bool(problem) and admin and setup._redirect_uri(),
            "test_mode": setup._test_mode(),
            "is_admin": admin,
            "choice": internal and self._choice(),
            "senders": self.env["gmail.compose"]._chatter_senders()
            if mailboxes
            else [],
            "levels": self.env["gmail.documents"]._level_choices(),
            "trouble": bool(mailboxes) and self._trouble(),
            "drafts": self.env["gmail.draft"].search_count(
                ["|", ("is_touched", "=", True), ("state", "=", "waiting")]
            )
            if internal
            else 0,
            "mailboxes": [
                {
                    "id": mailbox.id,
                    "name": mailbox.name,
                    "email": mailbox.email,
                    "state": mailbox.state,
                    "is_default": mailbox.is_default,
                    "error_message": mailbox.error_message,
                    "unread": unread.get(mailbox.id, 0),
                    "last_sync": fields.Datetime.to_string(mailbox.last_sync),
                    "progress": self._progress(mailbox),
                    "can_read": mailbox.can_read,
                    "can_send": mailbox.can_send,
                    "ending": self._ending(mailbox),
                    "ceiling": self.env["gmail.wording"]._of_ceiling(mailbox),
                    "labels": self._labels(mailbox),
                    "contacts_wait": self._contacts_wait(mailbox),
                }
                for mailbox in mailboxes
            ],
        }

    def _stopped(self, sentence, internal, admin):
        """Return the state of a panel that shows a sentence, without reading mail."""
        return {
            "enabled": internal,
            "configured": False,
            "setup_message": sentence,
            "redirect_uri": False,
            "test_mode": self.env["gmail.setup"]._test_mode(),
            "is_admin": admin,
            "choice": False,
            "senders": [],
            "levels": [],
            "trouble": False,
            "drafts": 0,
            "mailboxes": [],
        }

    def _contacts_wait(self, mailbox):
        """Whether Google's contacts wait for the owner to review them."""
        return mailbox.contact_state == "preview" and bool(
            self.env["gmail.contact"].search_count(
                [("mailbox_id", "=", mailbox.id)], limit=1
            )
        )

    def _labels(self, mailbox):
        """Return the labels of a mailbox that the panel lists."""
        labels = mailbox.label_ids.filtered("is_synced")
        by_id = {label.gmail_id: label for label in labels}
        own = labels.filtered(lambda label: label.kind == "user").sorted("name")
        return [
            {"id": label.id, "name": label.title}
            for label in (
                *(by_id[gmail_id] for gmail_id in SHOWN_LABELS if gmail_id in by_id),
                *own,
            )
        ]

    def _choice(self):
        """Return the attempt whose account the caller has still to choose, or False:
        she may have reloaded the page that asked."""
        attempt = (
            self.env["gmail.authorization"]
            .sudo()
            .search(
                [
                    ("user_id", "=", self.env.uid),
                    ("status", "=", "choice"),
                    ("expires_at", ">", fields.Datetime.now()),
                ],
                order="id desc",
                limit=1,
            )
        )
        outcome = bool(attempt) and self._outcome(attempt.id)
        return bool(outcome) and {"id": attempt.id, **outcome}

    def _ending(self, mailbox):
        """Return the warning that Google is about to end the access, or False."""
        soon = fields.Datetime.now() + ENDING_AHEAD
        ends = mailbox.state == "connected" and mailbox.access_ends
        return bool(ends and ends <= soon) and self.env["gmail.wording"]._ending_soon(
            mailbox
        )

    def _unread(self, mailboxes):
        """Return {mailbox id: number of conversations with unread mail}."""
        groups = self.env["gmail.thread"]._read_group(
            [("mailbox_id", "in", mailboxes.ids), ("unread_count", ">", 0)],
            ["mailbox_id"],
            ["__count"],
        )
        return {mailbox.id: count for mailbox, count in groups}

    def _trouble(self):
        """Return the sentence for what stops every mailbox, or False."""
        setup = self.env["gmail.setup"]
        if setup._disabled():
            return setup._switched_off()
        pause = self.env["gmail.meter"]._project_pause()
        if pause:
            return self.env["gmail.wording"]._of_pause(*pause)
        return self.env["gmail.keys"]._problem()

    @api.model
    def _progress(self, mailbox):
        """Return how far the first synchronisation is, and what it waits for.

        ``minutes`` is what the rest takes at the pace so far; ``share`` the per cent
        of Google's quota in use; ``waits`` the sentence that says why nothing happens
        just now, or False.
        """
        running = (
            mailbox.state == "connected"
            and mailbox.can_read
            and not mailbox.backfill_done
        )
        return {
            "running": running,
            "done": mailbox.progress_done,
            "total": mailbox.progress_total,
            "of_contacts": mailbox.import_scope == "contacts",
            "minutes": running and self.env["gmail.meter"]._minutes(mailbox),
            "share": running and round(self.env["gmail.meter"]._share(mailbox)),
            "waits": running and self.env["gmail.wording"]._of_wait(mailbox),
        }

    @api.model
    def _outcome(self, authorization_id):
        attempt = (
            self.env["gmail.authorization"]
            .sudo()
            .search(
                [("id", "=", int(authorization_id)), ("user_id", "=", self.env.uid)]
            )
        )
        late = attempt.expires_at and attempt.expires_at <= fields.Datetime.now()
        if attempt.status not in ("claimed", *OUTCOMES):
            return False
        if attempt.status == "choice" and late:
            return False
        if attempt.status == "claimed" and late:
            return {
                "type": "danger",
                "message": self.env._(
                    "Nothing was connected: Odoo stopped while it worked on Google's "
                    "answer. Connect again."
                ),
                "picked": False,
                "mailbox_id": attempt.mailbox_id.id,
            }
        return {
            # The answer came, and is being dealt with.
            "type": "pending" if attempt.status == "claimed" else attempt.status,
            "message": attempt.outcome,
            "picked": attempt.status == "choice" and attempt.picked_email,
            "mailbox_id": attempt.mailbox_id.id,
        }

    # ------------------------------------------------------------------
    # Conversations
    # ------------------------------------------------------------------

    @api.model
    def _threads(self, mailbox_id, search, before, limit, only=False, label_id=False):
        """Return one page of conversations, newest first.

        :param mailbox_id: one of the caller's mailboxes, or False for all
        :param search: words; each must begin a word of one of the messages
        :param before: the token that the page before gave, or False
        :param limit: conversations per page, at most 100
        :param only: ``unread``, ``starred`` or ``attachments``
        :param label_id: one of the caller's labels
        """
        own = self.env["gmail.mailbox"].search([("user_id", "=", self.env.uid)])
        if mailbox_id:
            own = own.filtered(lambda mailbox: mailbox.id == mailbox_id)
        limit = max(1, min(int(limit or 30), LIMIT))
        begin, pieces = words((search or "")[:200])
        if (search or "").strip() and not (begin or pieces):
            return {"threads": [], "before": False}
        which = [SQL("t.message_count > 0"), ONLY.get(only) or SQL("TRUE")]
        if before:
            date, row_id = self._parse_token(before)
            which.append(SQL("(t.last_date, t.id) < (%s, %s)", date, row_id))
        has = [self._matching(own, begin[:10], pieces[:10])] if begin or pieces else []
        if label_id:
            has.append(self._with_label(own, int(label_id)))
        threads = self.env["gmail.thread"].browse(
            self._newest(own, SQL(" AND ").join(which), has, limit + 1)
        )
        page = threads[:limit]
        last = page[-1:]
        return {
            "threads": [
                {
                    "id": thread.id,
                    "mailbox_id": thread.mailbox_id.id,
                    "subject": thread.subject or "",
                    "participants": self._participants(thread),
                    "snippet": thread.snippet or "",
                    "date": fields.Datetime.to_string(thread.last_date),
                    "unread": thread.unread_count > 0,
                    "starred": thread.is_starred,
                    "has_attachments": thread.has_attachments,
                    "message_count": thread.message_count,
                }
                for thread in page
            ],
            "before": f"{fields.Datetime.to_string(last.last_date)}|{last.id}"
            if len(threads) > limit
            else False,
        }

    def _participants(self, thread):
        """Return who wrote a conversation, as the list shows it."""
        is_written = thread.participants is not False
        return thread.participants or (
            self.env._("Unknown sender") if is_written else ""
        )

    def _newest(self, mailboxes, which, has, limit):
        """Return the ids of conversations, newest first.

        :param which: SQL condition on gmail_thread ``t``
        :param has: sub-queries of messages ``m``, of each of which they have one
        """
        self.env.flush_all()
        looked_at = max(NEWEST, limit) if has else limit
        recent = SQL(
            """
            SELECT n.id, n.last_date
              FROM unnest(%s::int[]) AS b(id)
        CROSS JOIN LATERAL (SELECT t.id, t.last_date FROM gmail_thread t
                             WHERE t.mailbox_id = b.id AND %s
                             ORDER BY t.last_date DESC, t.id DESC LIMIT %s) n
            """,
            mailboxes.ids,
            which,
            looked_at,
        )
        # OFFSET keeps the planner from asking the index for all of them.
        each = [SQL("EXISTS (%s AND m.thread_id = n.id OFFSET 0)", one) for one in has]
        found = self.env.execute_query(
            SQL(
                "SELECT n.id FROM (%s) n WHERE %s"
                " ORDER BY n.last_date DESC, n.id DESC LIMIT %s",
                recent,
                SQL(" AND ").join(each) if each else SQL("TRUE"),
                limit,
            )
        )
        if has and len(found) < limit:
            # Its bitmap must not become a lossy one, which looks at each text again.
            self.env.cr.execute("SET LOCAL work_mem = '64MB'")
            sets = [SQL("t.id IN (%s)", self._threads_of(one)) for one in has[1:]]
            found = self.env.execute_query(
                SQL(
                    """
                    WITH found AS MATERIALIZED (%s)
                    SELECT t.id
                      FROM found f
                      JOIN gmail_thread t ON t.id = f.thread_id
                     WHERE %s
                     ORDER BY t.last_date DESC, t.id DESC LIMIT %s
                    """,
                    self._threads_of(has[0]),
                    SQL(" AND ").join([which, *sets]),
                    limit,
                )
            )
        return [row_id for (row_id,) in found]

    def _threads_of(self, messages):
        return SQL("SELECT DISTINCT x.thread_id FROM (%s) x", messages)

    def _matching(self, mailboxes, begin, pieces):
        """Return the sub-query of messages that have the words.

        :param begin: each begins a word; the index finds them
        :param pieces: each stands anywhere, for scripts without blanks
        """
        wanted = [SQL("m.mailbox_id = ANY(%s)", mailboxes.ids)]
        if begin:
            query = " & ".join(f"{word}:*" for word in begin)
            wanted.append(
                SQL("m.search_vector @@ to_tsquery('simple'::regconfig, %s)", query)
            )
        wanted += [SQL("m.search_text LIKE %s", f"%{piece}%") for piece in pieces]
        return SQL(
            "SELECT m.thread_id FROM gmail_message m WHERE %s",
            SQL(" AND ").join(wanted),
        )

    def _with_label(self, mailboxes, label_id):
        """Return the sub-query of messages that have a label."""
        table, message, label = self.env["gmail.store"]._label_table()
        return SQL(
            "SELECT m.thread_id FROM gmail_message m JOIN %s l ON l.%s = m.id"
            " WHERE m.mailbox_id = ANY(%s) AND l.%s = %s",
            table,
            message,
            mailboxes.ids,
            label,
            label_id,
        )

    def _parse_token(self, before):
        date, _sep, row_id = str(before).partition("|")
        try:
            return fields.Datetime.to_datetime(date), int(row_id)
        except ValueError as error:
            raise UserError(
                self.env._("This list has changed. Close the panel and open it again.")
            ) from error

    # ------------------------------------------------------------------
    # One conversation
    # ------------------------------------------------------------------

    @api.model
    def _read_thread(self, thread):
        """Return a conversation, its messages oldest first."""
        mailbox = thread.mailbox_id
        messages = thread.message_ids.sorted(lambda m: (m.date, m.id))
        own = self.env["gmail.compose"]._own_addresses(mailbox.user_id)
        return {
            "id": thread.id,
            "subject": thread.subject or "",
            "mailbox_id": mailbox.id,
            "email": mailbox.email,
            "can_send": mailbox.can_send and mailbox.state == "connected",
            "messages": [self._read_message(message, own) for message in messages],
            "drafts": self.env["gmail.compose"]._of_thread(thread),
        }

    @api.model
    def _remove_threads(self, threads):
        """Remove conversations (sudo) and have their messages stay away; what comes
        later in them comes in."""
        store = self.env["gmail.store"].sudo()
        for mailbox, own in threads.grouped("mailbox_id").items():
            touched = store._bury(mailbox, own.message_ids.mapped("gmail_id"))
            store._refresh_threads(touched)
            self.env["gmail.sync"].sudo()._announce(mailbox, touched)

    def _read_message(self, message, own):
        people = {"to": [], "cc": [], "bcc": []}
        for person in message.participant_ids:
            if person.role in people:
                people[person.role].append(
                    {"name": person.name or person.address, "address": person.address}
                )
        compose = self.env["gmail.compose"]
        pictures = self.env["gmail.files"]._shown_inline(message.attachment_ids)
        shows_images = message.has_remote_images and self._trusts_images(message)

        def shown(people):
            return ", ".join(f"{n} <{a}>" if n else a for n, a in people)

        def recipients(mode):
            to, cc = compose._recipients(message.sudo(), mode, own)
            return {"to": shown(to), "cc": shown(cc)}

        return {
            "id": message.id,
            "from_name": message.from_name
            or message.from_email
            or self.env._("Unknown sender"),
            "from_email": message.from_email or "",
            "people": people,
            "date": fields.Datetime.to_string(message.date),
            "direction": message.direction,
            "is_unread": message.is_unread,
            "is_starred": message.is_starred,
            "snippet": message.snippet or "",
            "srcdoc": self._frame(message, shows_images=shows_images),
            "shows_images": shows_images,
            "is_authentic": message.is_authentic,
            "is_folded": message.is_folded,
            "people_left_out": message.participants_left_out,
            "has_remote_images": message.has_remote_images,
            "has_pictures": bool(pictures),
            "reply": recipients("reply"),
            "reply_all": recipients("reply_all"),
            "attachments": [
                {
                    "id": attachment.id,
                    "name": attachment.name,
                    "mimetype": attachment.mimetype or "",
                    "size": attachment.size,
                }
                for attachment in message.attachment_ids - pictures
            ],
        }

    def _whole(self, message):
        """Return the frame with all of a folded text, which Gmail is asked for.

        :param message: gmail.message (sudo)
        :raises UserError: Gmail cannot give it now
        """
        gone = self.env._("This message is not in Gmail any more.")
        with self.env["gmail.oauth"]._asking(message.mailbox_id, gone) as client:
            whole = client.get_message(message.gmail_id, whole=True)
        return self._frame(message, whole.body_html)

    def _trusts_images(self, message):
        """Whether the caller wants to see the remote images of a message's sender, who
        must be beyond doubt."""
        return bool(message.is_authentic and message.from_email) and bool(
            self.env["gmail.image.sender"]
            .sudo()
            .search_count(
                [
                    ("user_id", "=", self.env.uid),
                    ("address", "=", address_key(message.from_email)),
                ],
                limit=1,
            )
        )

    def _with_images(self, message, always):
        """Return the frame of a message (sudo) with its remote images."""
        address = address_key(message.from_email)
        if always and address and not self._trusts_images(message):
            if not message.is_authentic:
                raise UserError(
                    self.env._(
                        "Gmail does not vouch for this sender, so the images of this "
                        "message alone can be shown."
                    )
                )
            self.env["gmail.image.sender"].sudo().create(
                {"user_id": self.env.uid, "address": address}
            )
        return self._frame(message, shows_images=True)

    def _frame(self, message, body=None, shows_images=False):
        """Return the document of the sandboxed frame: its first element is a policy
        that lets it load nothing from anywhere, or images where the reader said so.

        :param body: sanitised, instead of the one that is stored
        """
        body = message.body or "" if body is None else body
        if shows_images:
            body = remote_html(body)
        title = html_escape(self.env._("Quoted text"))
        body = fold_quote(body, title, message.subject or "")
        title = html_escape(message.subject or "")
        images = ALL_IMAGES if shows_images else NO_IMAGES
        head = FRAME_HEAD.replace("{images}", images)
        return (
            f"<!DOCTYPE html><html><head>{head}<title>{title}</title></head>"
            f"<body dir='auto'>{body}</body></html>"
        )
