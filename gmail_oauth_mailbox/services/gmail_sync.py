from datetime import timedelta
from itertools import chain

from odoo import api, fields, models

from ..lib import errors, sync_plan
from ..lib.types import MessageRef
from .gmail_store import text

CHANGED = "gmail_oauth_mailbox/changed"
# Downloads of one step of history, after which the cursor moves.
STEP = 25
# A list call costs the same for 1 id as for 500. The first page is small, so that
# something is on the screen at once; each is stored as a whole.
FIRST_PAGE = 50
LIST_PAGE = 200
# What came is stored after so many messages, or after a second.
STORE_PAGE = 100
LABELS_EVERY = timedelta(hours=1)
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
        """Bring ``mailbox`` up to date for one slice of the lease's lane.

        The lane of new mail brings in the first page of a new mailbox too; the rest
        is the lane of backfill's.

        :return: whether more of that lane is left to do at once
        :raises errors.GoogleError: as Google answered
        """
        with self.env["gmail.oauth"]._client(mailbox, lease.lane) as client:
            if not mailbox.history_cursor:
                self._take_labels(mailbox, client)
                # The cursor is taken before the first list: what arrives in between
                # is then seen twice rather than never.
                mailbox.history_cursor = client.profile().history_id
                self._announce(mailbox, ())
                lease.commit()
                self._backfill_page(mailbox, client, lease)
                return False
            if lease.lane == "backfill":
                return self._backfill(mailbox, client, lease)
            if not self._leave_labels(mailbox, lease):
                return True
            return not self._follow_history(mailbox, client, lease)

    def _take_labels(self, mailbox, client):
        """Bring the labels up to date; a new one is synchronised."""
        known = {label.gmail_id: label for label in mailbox.label_ids}
        fresh = {label.gmail_id: label for label in client.labels()}
        gone = [known[gmail_id] for gmail_id in known.keys() - fresh.keys()]
        if gone:
            self.env["gmail.label"].concat(*gone).unlink()
        for gmail_id in known.keys() & fresh.keys():
            name = text(fresh[gmail_id].name)
            if known[gmail_id].name != name:
                known[gmail_id].name = name
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
        mailbox.labels_taken = fields.Datetime.now()

    def _keep_labels(self, mailbox, client, changes):
        """Ask for the labels again when history names one that is not known, and now
        and then for new names."""
        named = {gmail_id for change in changes for gmail_id in change.label_ids}
        old = fields.Datetime.now() - LABELS_EVERY
        if (
            not mailbox.labels_taken
            or mailbox.labels_taken < old
            or named - set(mailbox.label_ids.mapped("gmail_id"))
        ):
            self._take_labels(mailbox, client)

    def _leave_labels(self, mailbox, lease):
        """Remove stored mail of labels that were switched off.

        :return: False when the slice ended first
        """
        off = mailbox.label_ids.filtered("is_leaving")
        while off and (
            messages := self.env["gmail.message"].search(
                [("mailbox_id", "=", mailbox.id), ("label_ids", "in", off.ids)],
                limit=LIST_PAGE,
            )
        ):
            store = self.env["gmail.store"]
            touched = store._forget(mailbox, messages.mapped("gmail_id"))
            store._refresh_threads(touched)
            self._announce(mailbox, touched)
            lease.commit()
            if lease.is_over:
                return False
        off.is_leaving = False
        return True

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
        changes = sync_plan.in_order(chain.from_iterable(p.changes for p in pages))
        self._keep_labels(mailbox, client, changes)
        excluded = self.env["gmail.store"]._excluded(mailbox)
        threads = {change.gmail_id: change.thread_id for change in changes}
        steps = sync_plan.history_steps(changes, size=STEP, unwanted=excluded)
        for number, (plan, cursor) in enumerate(steps, 1):
            touched = self._apply(mailbox, client, plan, threads, excluded, lease)
            mailbox.history_cursor = cursor or mailbox.history_cursor
            self._announce(mailbox, touched)
            lease.commit()
            if lease.is_over and number < len(steps):
                return False
        if pages[-1].history_id != mailbox.history_cursor:
            mailbox.history_cursor = pages[-1].history_id
        return True

    def _apply(self, mailbox, client, plan, threads, excluded, lease):
        """Apply one step of history; return the ids of the conversations touched.

        :param threads: {gmail id: Gmail's id of the conversation}
        """
        store = self.env["gmail.store"]
        stored = store._stored(
            mailbox, {*plan.fetch, *plan.delete, *plan.label_changes}
        )
        back = [
            gmail_id
            for gmail_id, (_added, removed) in plan.label_changes.items()
            if gmail_id not in stored and excluded & removed
        ]
        wanted = [
            MessageRef(g, threads.get(g) or "")
            for g in dict.fromkeys([*plan.fetch, *back])
            if g not in stored
        ]
        touched = self._fetch(mailbox, client, wanted, lease)
        changes, leaving = {}, [g for g in plan.delete if g in stored]
        for gmail_id, (added, removed) in plan.label_changes.items():
            if gmail_id in stored and excluded & added:
                leaving.append(gmail_id)
            elif gmail_id in stored:
                row_id, thread_id = stored[gmail_id]
                changes[row_id] = (added, removed)
                touched.add(thread_id)
        if changes:
            store._change_labels(mailbox, changes)
        touched |= store._forget(mailbox, leaving)
        store._refresh_threads(touched)
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
        """Google has forgotten the cursor: compare ids and labels, download only what
        is new.

        What was deleted, read, starred or moved meanwhile is found by comparing all
        ids of the window, label by label.
        """
        cursor = client.profile().history_id
        self._take_labels(mailbox, client)
        store = self.env["gmail.store"]
        query = self._query(mailbox)
        present = self._all_ids(client, query)
        since = fields.Datetime.subtract(
            fields.Datetime.now(), days=max(mailbox.history_days - 1, 0)
        )
        domain = [("mailbox_id", "=", mailbox.id)]
        if mailbox.history_days:
            # One day of margin: Gmail's window ends at its own midnight.
            domain.append(("date", ">=", since))
        stored = {m.gmail_id: m for m in self.env["gmail.message"].search(domain)}
        kept = {g: message for g, message in stored.items() if g in present}
        touched = self._compare_labels(mailbox, client, query, kept)
        touched |= store._forget(mailbox, stored.keys() - present)
        store._refresh_threads(touched)
        mailbox.write(
            {
                "history_cursor": cursor,
                "backfill_done": False,
                "backfill_page": False,
                "progress_done": 0,
                "next_backfill": fields.Datetime.now(),
            }
        )
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

    def _compare_labels(self, mailbox, client, query, messages):
        """Set the labels of stored messages as Gmail has them; return the ids of the
        conversations touched.

        :param messages: {gmail id: gmail.message}
        """
        excluded = self.env["gmail.store"]._excluded(mailbox)
        changes, touched = {}, set()
        for label in mailbox.label_ids.filtered(lambda x: x.gmail_id not in excluded):
            marked = self._all_ids(client, query, (label.gmail_id,))
            for gmail_id, message in messages.items():
                is_marked = gmail_id in marked
                if is_marked != (label in message.label_ids):
                    change = changes.setdefault(message.id, (set(), set()))
                    change[0 if is_marked else 1].add(label.gmail_id)
                    touched.add(message.thread_id.id)
        if changes:
            self.env["gmail.store"]._change_labels(mailbox, changes)
        return touched

    # ------------------------------------------------------------------
    # Backfill
    # ------------------------------------------------------------------

    def _query(self, mailbox):
        """Return the search that names the mail wanted, as far as Gmail can."""
        off = mailbox.label_ids.filtered(lambda label: not label.is_synced)
        words = [sync_plan.backfill_query(mailbox.history_days)]
        for label in off.sorted("gmail_id"):
            if label.gmail_id in CATEGORY_QUERY:
                words.append(f"-category:{CATEGORY_QUERY[label.gmail_id]}")
            elif label.kind == "user" and '"' not in label.name:
                words.append(f'-label:"{label.name}"')
        return " ".join(words).strip()

    def _backfill(self, mailbox, client, lease):
        """Take in older mail, newest first, page by page, until the slice is over."""
        while not mailbox.backfill_done:
            self._backfill_page(mailbox, client, lease)
            if lease.is_over:
                break
        return not mailbox.backfill_done

    def _backfill_page(self, mailbox, client, lease):
        """Take in one page of older mail, with the place reached."""
        if mailbox.backfill_done:
            return
        try:
            page = client.list_messages(
                q=self._query(mailbox),
                page_token=mailbox.backfill_page or None,
                page_size=LIST_PAGE if mailbox.progress_done else FIRST_PAGE,
            )
        except errors.RequestRefused:
            if not mailbox.backfill_page:
                raise
            # A page token does not last for ever: begin again, by difference.
            mailbox.write({"backfill_page": False, "progress_done": 0})
            return
        gmail_ids = [ref.gmail_id for ref in page.refs]
        seen = mailbox.progress_done + len(gmail_ids)
        mailbox.progress_total = max(
            page.estimate or 0, seen + (LIST_PAGE if page.next_page_token else 0)
        )
        stored = self.env["gmail.store"]._stored(mailbox, gmail_ids)
        known = stored.keys() | (mailbox.quarantine or {}).keys()
        wanted = [ref for ref in page.refs if ref.gmail_id not in known]
        touched = self._fetch(mailbox, client, wanted, lease, seen - len(wanted))
        mailbox.write(
            {
                "progress_done": seen,
                "backfill_page": page.next_page_token or False,
                "backfill_done": not page.next_page_token,
            }
        )
        self._announce(mailbox, touched)
        lease.commit()

    # ------------------------------------------------------------------
    # Taking in
    # ------------------------------------------------------------------

    def _fetch(self, mailbox, client, refs, lease, shown=None):
        """Download and store messages; return the ids of their conversations.

        What is left when it ends is the caller's to commit, with the place reached;
        before, messages are committed without it, and not downloaded again.

        :param shown: of the progress, messages checked before these
        :raises errors.RetryLater: Google gives the rest later; what came is committed
        """
        touched, messages, late = set(), [], None
        store = self.env["gmail.store"]
        for gmail_id, result in client.fetch(refs):
            if isinstance(result, errors.Gone):
                continue
            if isinstance(result, errors.BadItem):
                store._quarantine(mailbox, gmail_id, result.code)
            elif isinstance(result, errors.GoogleError):
                late = result
            else:
                messages.append(result)
            if len(messages) >= STORE_PAGE or (messages and lease.wants_commit):
                found = store._store_all(mailbox, messages)
                if shown is not None:
                    shown += len(messages)
                    mailbox.progress_done = shown
                self._announce(mailbox, found)
                lease.commit()
                touched, messages = touched | found, []
        found = store._store_all(mailbox, messages)
        if late:
            self._announce(mailbox, found)
            lease.commit()
            raise late
        return touched | found

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
        touched = self.env["gmail.store"]._store(
            mailbox, [parsed], {gmail_id: message_id}
        )
        self._announce(mailbox, touched)
