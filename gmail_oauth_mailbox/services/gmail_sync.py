import logging
from datetime import timedelta
from itertools import chain

from odoo import api, fields, models

from ..lib import errors, sync_plan
from ..lib.rules import doubt
from ..lib.types import MessageRef
from ..parsers import email_normalize
from .gmail_store import POISON, text

_logger = logging.getLogger(__name__)

CHANGED = "gmail_oauth_mailbox/changed"
# Downloads of one step of history, after which the cursor moves.
STEP = 25
# Messages that leave Odoo in one step.
REMOVED_AT_ONCE = 200
# What came is stored after so many messages, or after a second.
STORE_PAGE = 250
LABELS_EVERY = timedelta(hours=1)
# lib's NEVER is not mirrored, whatever the owner switches on.
OFF_AT_FIRST = sync_plan.NEVER | {
    "CATEGORY_PROMOTIONS",
    "CATEGORY_SOCIAL",
    "CATEGORY_FORUMS",
    "CATEGORY_UPDATES",
}


class GmailSync(models.AbstractModel):
    """Keep the stored mail of a mailbox equal to what Gmail holds: new mail and
    changes here, older mail in gmail_backfill.py.

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
                if mailbox.import_scope == "contacts":
                    self.env["gmail.addresses"]._refresh()
                self._take_labels(mailbox, client)
                self._take_aliases(mailbox, client)
                # The cursor is taken before the first list: what arrives in between
                # is then seen twice rather than never.
                mailbox.history_cursor = client.profile().history_id
                mailbox.history_start = self._window_start(mailbox)
                mailbox.progress_since = fields.Datetime.now()
                self._announce(mailbox, ())
                lease.commit()
                self._backfill_page(mailbox, client, lease)
                return False
            if lease.lane == "backfill":
                return self._backfill(mailbox, client, lease)
            if not self._leave_labels(mailbox, lease):
                return True
            if not mailbox.census and self._is_compared_again(mailbox):
                self._begin_census(mailbox, client, lease)
            if mailbox.census and not self._take_census(mailbox, client, lease):
                return True
            self._retry_left_out(mailbox, client, lease)
            return not self._follow_history(mailbox, client, lease)

    def _take_labels(self, mailbox, client):
        """Bring the labels up to date; a new one is synchronised."""
        known = {label.gmail_id: label for label in mailbox.label_ids}
        fresh = self._listed_labels(client)
        lost = [i for i in known if i.startswith("Label_") and i not in fresh]
        own = [i for i in known if i.startswith("Label_")]
        if len(lost) > 1 and doubt.removes_nearly_all(len(lost), len(own)):
            # Nearly all are gone: a second list decides.
            fresh |= self._listed_labels(client)
        if "INBOX" not in fresh:
            # Every mailbox has one, so the list is not believed.
            return
        gone = mailbox.label_ids.filtered(lambda label: label.gmail_id not in fresh)
        if not all(gone.mapped("is_synced")):
            # What it kept in Gmail is wanted now.
            mailbox.write(self._from_the_start())
        gone.unlink()
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

    @staticmethod
    def _listed_labels(client):
        """Return {Gmail id: Label} of Gmail's labels."""
        return {label.gmail_id: label for label in client.labels()}

    def _take_aliases(self, mailbox, client):
        """Bring the other addresses of the account up to date: mail to one of them is
        no hidden copy."""
        # An address that is still to be confirmed may be anyone's.
        own = (
            email_normalize(alias.email)
            for alias in client.send_as()
            if alias.is_verified
        )
        others = sorted({address for address in own if address} - {mailbox.email})
        aliases = " ".join(others) or False
        if mailbox.alias_addresses != aliases:
            mailbox.alias_addresses = aliases

    def _is_compared_again(self, mailbox):
        """Whether a comparison that Google's lists did not allow is due."""
        due = mailbox.compare_at
        return bool(due) and due <= fields.Datetime.now()

    def _keep_labels(self, mailbox, client, changes):
        """Ask for the labels again when history names one that is not known, and now
        and then for new names."""
        named = {gmail_id for change in changes for gmail_id in change.label_ids}
        old = fields.Datetime.now() - LABELS_EVERY
        is_old = not mailbox.labels_taken or mailbox.labels_taken < old
        if is_old:
            self._take_aliases(mailbox, client)
        if is_old or named - set(mailbox.label_ids.mapped("gmail_id")):
            self._take_labels(mailbox, client)

    def _leave_labels(self, mailbox, lease):
        """Remove stored mail of labels that were switched off.

        :return: False when the slice ended first
        """
        off = mailbox.label_ids.filtered("is_leaving")
        while off and (
            messages := self.env["gmail.message"].search(
                [("mailbox_id", "=", mailbox.id), ("label_ids", "in", off.ids)],
                limit=REMOVED_AT_ONCE,
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
            self._begin_census(mailbox, client, lease)
            return False
        changes = sync_plan.in_order(chain.from_iterable(p.changes for p in pages))
        self._keep_labels(mailbox, client, changes)
        excluded = self.env["gmail.store"]._excluded(mailbox)
        steps = sync_plan.history_steps(changes, size=STEP, unwanted=excluded)
        for number, (plan, cursor) in enumerate(steps, 1):
            touched = self._apply(mailbox, client, plan, excluded, lease)
            mailbox.history_cursor = cursor or mailbox.history_cursor
            self._announce(mailbox, touched)
            lease.commit(steps[number][0].fetch if number < len(steps) else None)
            if lease.is_over and number < len(steps):
                return False
        # Not that of the last page, which may know of what happened since the first.
        mailbox.history_cursor = sync_plan.latest(
            mailbox.history_cursor, pages[0].history_id
        )
        return True

    def _apply(self, mailbox, client, plan, excluded, lease):
        """Apply one step of history; return the ids of the conversations touched."""
        store = self.env["gmail.store"]
        stored = store._stored(
            mailbox, {*plan.fetch, *plan.delete, *plan.label_changes}
        )
        back = [
            gmail_id
            for gmail_id, (_added, removed) in plan.label_changes.items()
            if excluded & removed
        ]
        fetch = dict.fromkeys([*plan.fetch, *back])
        known = store._known(mailbox, fetch) - (plan.returned & stored.keys())
        named = {g for g in (*fetch, *plan.label_changes) if g not in stored}
        if named:
            store._named_again(mailbox, named)
        wanted = [
            MessageRef(g, plan.threads.get(g) or "") for g in fetch if g not in known
        ]
        touched = self._fetch(mailbox, client, wanted, lease, is_new=True)
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
        # What was downloaded just now names its conversation itself.
        asked = {ref.gmail_id for ref in wanted}
        touched |= store._move(
            mailbox,
            {g: t for g, t in plan.threads.items() if g in stored and g not in asked},
        )
        self._tell_of_removal(mailbox, len(leaving))
        touched |= store._forget(mailbox, leaving)
        store._forget_left_out(mailbox, plan.delete)
        store._refresh_threads(touched)
        return touched

    def _tell_of_removal(self, mailbox, removed):
        """Tell the owner when Gmail has removed most of what is stored, or very much.

        :param removed: messages that are about to be removed
        """
        if removed < 2:
            return
        # Twice as many are not nearly all, so no more are counted.
        stored = self.env["gmail.message"].search_count(
            [("mailbox_id", "=", mailbox.id)], limit=2 * removed
        )
        if doubt.is_bulk(removed, stored):
            scheduler = self.env["gmail.scheduler"]
            words = scheduler._words(mailbox)
            scheduler._tell_owner_of(
                mailbox,
                words.env._("Emails removed from %s", mailbox.email),
                words._of_removal(removed),
            )

    def _history_pages(self, client, start):
        token = None
        while True:
            page = client.history(start, page_token=token)
            yield page
            token = page.next_page_token
            if not token:
                return

    # ------------------------------------------------------------------
    # Taking in
    # ------------------------------------------------------------------

    def _fetch(
        self, mailbox, client, refs, lease, shown=None, is_new=False, is_retry=False
    ):
        """Download and store messages; return the ids of their conversations.

        What is left when it ends is the caller's to commit, with the place reached;
        before, messages are committed without it, and not downloaded again.

        :param shown: of the progress, messages checked before these
        :param is_new: they are new mail
        :param is_retry: they failed before; what the lane reads comes after them
        :raises errors.RetryLater: Google gives the rest later; what came is committed
        """
        touched, messages, late = set(), [], None
        store = self.env["gmail.store"]
        left = {ref.gmail_id: ref for ref in refs}
        alone = [i for i in left if lease.suspicion.is_suspect(lease.lane, i)]
        if alone:
            touched |= self._fetch_alone(mailbox, client, alone, lease, is_new)
            for gmail_id in alone:
                del left[gmail_id]
            if not is_retry:
                # The place is committed with each window, so that the one in which a
                # worker died is the first to come.
                lease.suspicion.clear_lane(lease.lane)
        for gmail_id, result in client.fetch(list(left.values())):
            del left[gmail_id]
            if self._note_failure(mailbox, gmail_id, result):
                continue
            if isinstance(result, errors.GoogleError):
                late = result
            else:
                messages.append(result)
            if len(messages) >= STORE_PAGE or (messages and lease.wants_commit):
                found = store._store_all(mailbox, messages, is_new)
                if shown is not None:
                    shown += len(messages)
                    mailbox.progress_done = shown
                self._announce(mailbox, found)
                lease.commit(left)
                touched, messages = touched | found, []
        found = store._store_all(mailbox, messages, is_new)
        if late:
            self._announce(mailbox, found)
            lease.commit()
            raise late
        return touched | found

    def _note_failure(self, mailbox, gmail_id, result):
        """Note a message that Gmail does not give; return whether it is one.

        :param result: of the download
        """
        store = self.env["gmail.store"]
        if isinstance(result, errors.Gone):
            # Another answer has just named it.
            store._note_not_found(mailbox, gmail_id)
        elif isinstance(result, errors.BadItem):
            store._quarantine(mailbox, gmail_id, result.code)
        else:
            return False
        return True

    def _fetch_alone(self, mailbox, client, gmail_ids, lease, is_new):
        """Download and store messages one at a time that may have killed a worker; one
        that did so twice while it was alone has failed.

        :return: the ids of their conversations
        :raises errors.RetryLater: Google gives the rest later; what came is committed
        """
        touched, store = set(), self.env["gmail.store"]
        suspicion = lease.suspicion
        gmail_ids = suspicion.in_order(gmail_ids)
        for number, gmail_id in enumerate(gmail_ids, 1):
            if suspicion.is_fatal(gmail_id):
                _logger.error(
                    "Mailbox %s: message %s stopped workers", mailbox.id, gmail_id
                )
                store._quarantine(mailbox, gmail_id, POISON)
            else:
                lease.commit([gmail_id], "download")
                try:
                    content = client.content(gmail_id)
                    lease.commit([gmail_id], "read")
                    message = client.parsed(content)
                except (errors.Gone, errors.BadItem) as error:
                    self._note_failure(mailbox, gmail_id, error)
                else:
                    found = store._store_all(mailbox, [message], is_new)
                    self._announce(mailbox, found)
                    touched |= found
            suspicion.clear(gmail_id)
            if lease.is_over and number < len(gmail_ids):
                lease.end_slice()
        lease.commit()
        return touched

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
