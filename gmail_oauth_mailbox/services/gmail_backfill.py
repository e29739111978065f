import logging
from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from ..lib import errors, query
from ..lib.rules import doubt
from ..lib.types import MessageRef, ParsedMessage
from .gmail_store import NOT_FOUND, NOT_LINKED, POISON

_logger = logging.getLogger(__name__)

# A list call costs the same for 1 id as for 500. The first page is small, so that
# something is on the screen at once; each is stored as a whole.
FIRST_PAGE = 50
LIST_PAGE = 250
CENSUS_PAGE = 500
RETRIED_AT_ONCE = 25
# What is refused with so few characters is asked for without labels, and by one
# address.
LEAST_ROOM = 250
# HTTP's "URI Too Long".
TOO_LONG = 414
# Labels of fewer messages are believed to be empty at the first list.
LEAST_LABELLED = 10
COMPARED_AGAIN = timedelta(days=1)
# Pages that somebody waits for.
MOST_LISTS = 10


class GmailBackfill(models.AbstractModel):
    """Older mail: what the mailbox wants, how much of it, comparing all that is stored
    with what Gmail has, and what was left out."""

    _inherit = "gmail.sync"

    # ------------------------------------------------------------------
    # What is wanted
    # ------------------------------------------------------------------

    def _window_start(self, mailbox):
        """Return the moment from which on mail is wanted, or False for all mail."""
        most = self.env["gmail.setup"]._ceilings()["history_days"]
        days = mailbox.history_days or most
        days = min(days, most) if most else days
        return days and fields.Datetime.now() - timedelta(days=days)

    def _query(self, mailbox, since=None, on=None):
        """Return the search that names the mail wanted, as far as Gmail can and as far
        as it fits into an address.

        :param since: instead of the mailbox's own window
        :param on: labels that count as switched on
        """
        labels = mailbox.label_ids.sorted("gmail_id")
        off = labels.filtered(lambda label: not label.is_synced and label != on)
        # "Work/Old" and "Work-Old" are written alike.
        kept = {query.without(x.gmail_id, x.name) for x in labels - off}
        terms = [query.without(x.gmail_id, x.name) for x in off]
        window = query.window(since or mailbox.history_start or None)
        room = mailbox.search_room or query.LABELS_ROOM
        terms = [x for x in terms if x and x not in kept]
        return f"{window} {query.fitting(terms, room)}".rstrip()

    def _room(self, mailbox):
        """Return how many more messages the administrator's ceilings allow (None: any
        number), and which ceiling it is: ``messages`` or ``size``."""
        ceilings = self.env["gmail.setup"]._ceilings()
        if ceilings["megabytes"]:
            stored = self.env["gmail.store"]._bytes(mailbox)
            if stored >= ceilings["megabytes"] * 1_000_000:
                return 0, "size"
        if not ceilings["messages"]:
            return None, False
        stored = self.env["gmail.message"].search_count(
            [("mailbox_id", "=", mailbox.id)]
        )
        return max(0, ceilings["messages"] - stored), "messages"

    def _preview(self, mailbox, label):
        """Return (how many messages switching a label on would bring in, whether these
        are all of them): ids are listed, as far as MOST_LISTS go.

        :raises errors.GoogleError: Google cannot be asked now
        """
        search, store = self._query(mailbox, on=label), self.env["gmail.store"]
        count, token = 0, None
        with self.env["gmail.oauth"]._client(mailbox, "interactive") as client:
            for _page in range(MOST_LISTS):
                page = client.list_messages(
                    q=search,
                    label_ids=[label.gmail_id],
                    page_token=token,
                    page_size=CENSUS_PAGE,
                )
                ids = {ref.gmail_id for ref in page.refs}
                count += len(ids - store._known(mailbox, ids))
                token = page.next_page_token
                if not token:
                    return count, True
        return count, False

    def _obey_ceilings(self):
        """The ceilings were changed: shorten windows that are too long, and look again
        where one kept mail out. What is in Odoo stays."""
        most = self.env["gmail.setup"]._ceilings()["history_days"]
        mailboxes = self.env["gmail.mailbox"].search([("state", "!=", "draft")])
        if most:
            mailboxes.filtered(
                lambda m: not 1 <= m.history_days <= most
            ).history_days = most
        mailboxes.filtered("stopped_by")._restart_backfill()

    # ------------------------------------------------------------------
    # Page by page
    # ------------------------------------------------------------------

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
        if not (mailbox.progress_done or mailbox.backfill_page):
            # The search names labels by their names of now.
            self._take_labels(mailbox, client)
        term, last = "", None
        if mailbox.import_scope == "contacts":
            term, last = self.env["gmail.addresses"]._next_search(mailbox)
            if not term:
                self._reach(mailbox, None, last)
                self._announce(mailbox, ())
                lease.commit()
                return
        page = self._list_page(mailbox, client, term, last, lease)
        if not page:
            lease.commit()
            return
        is_end = not (term or page.refs or page.next_page_token)
        if is_end and self._doubts_end(mailbox, client, lease):
            return
        store = self.env["gmail.store"]
        known = store._known(mailbox, [r.gmail_id for r in page.refs])
        moved = store._move(
            mailbox, {r.gmail_id: r.thread_id for r in page.refs if r.gmail_id in known}
        )
        store._refresh_threads(moved)
        wanted = [ref for ref in page.refs if ref.gmail_id not in known]
        seen = shown = None
        if not last:
            seen = mailbox.progress_done + len(page.refs)
            shown = seen - len(wanted)
            # Google's guess, while it is possible.
            more = LIST_PAGE if page.next_page_token else 0
            likely = page.estimate > seen or not more
            mailbox.progress_total = max(page.estimate, seen) if likely else seen + more
        touched, ceiling = self._fill(mailbox, client, wanted, lease, shown)
        if not last:
            mailbox.progress_done = seen
        if ceiling:
            self._stop(mailbox, ceiling, page.refs)
        else:
            self._reach(mailbox, page.next_page_token, last)
        # Searches that find nothing come by the dozen a second.
        if wanted or not last or lease.wants_commit:
            self._announce(mailbox, touched | moved)
            lease.commit()

    def _fill(self, mailbox, client, wanted, lease, shown):
        """Take in messages as far as the ceilings allow.

        :param shown: as for ``_fetch``
        :return: the ids of their conversations, and the ceiling that kept some of
            them out, or False
        """
        touched = set()
        while wanted:
            room, ceiling = self._room(mailbox)
            if room == 0:
                return touched, ceiling
            # Some of them may turn out to be unwanted, and leave room for others.
            piece, wanted = wanted[:room], wanted[len(wanted[:room]) :]
            touched |= self._fetch(mailbox, client, piece, lease, shown)
            shown = shown and shown + len(piece)
        return touched, False

    def _list_page(self, mailbox, client, term, last, lease):
        """Return the next MessagePage of the search, or None when it begins again.

        A search that Gmail refuses is asked for again with half of its terms, down to
        one address; when that is refused too, the address is passed over. What is
        refused for another reason than its length is asked for again in the next run:
        the owner reads of it until then.

        :param term: that names people, or ""
        :param last: id of the last address that it covers
        """
        first = not (mailbox.progress_done or term)
        try:
            return client.list_messages(
                q=f"{self._query(mailbox)} {term}".strip(),
                page_token=mailbox.backfill_page or None,
                page_size=FIRST_PAGE if first else LIST_PAGE,
            )
        except errors.RequestRefused as error:
            if not mailbox.backfill_page:
                room = mailbox.search_room or query.LABELS_ROOM
                if room > 1:
                    mailbox.search_room = room // 2 if room > LEAST_ROOM else 1
                    if error.status != TOO_LONG and not term:
                        lease.commit()
                        raise
                elif term:
                    _logger.warning(
                        "Mailbox %s: Gmail refuses to search for address %s",
                        mailbox.id,
                        last,
                    )
                    self._reach(mailbox, None, last)
                else:
                    raise
                return None
            # A page token does not last for ever: begin again, by difference.
            mailbox.backfill_page = False
            if not term:
                mailbox.progress_done = 0
            return None

    def _doubts_end(self, mailbox, client, lease):
        """Return whether an empty list, which would end the search for older mail, is
        asked for again, since the profile counts more email than Odoo has.

        :raises errors.RetryLater: Gmail is asked again after a pause
        """
        stored = self.env["gmail.message"].search_count(
            [("mailbox_id", "=", mailbox.id)]
        )
        if mailbox.list_doubts + 1 >= doubt.MAX_LISTS or doubt.counts_confirm(
            stored, client.profile().messages_total
        ):
            mailbox.list_doubts = 0
            return False
        if lease.lane == "backfill":
            mailbox.list_doubts += 1
            lease.commit()
            raise errors.RetryLater("Gmail's list is not whole", kind="list")
        # The lane of older mail asks for it next.
        lease.commit()
        return True

    def _reach(self, mailbox, page_token, last):
        """Note the place reached.

        :param page_token: of the next page, if there is one
        :param last: id of the last address of a search for people; None for the
            search for all mail, or when all people were searched for
        """
        mailbox.backfill_page = page_token or False
        if page_token:
            return
        if last:
            mailbox.address_cursor = last
            done, total = self.env["gmail.addresses"]._reached(mailbox)
            mailbox.write({"progress_done": done, "progress_total": total})
        else:
            mailbox.backfill_done = True

    def _stop(self, mailbox, ceiling, refs):
        """The administrator allows no more: older mail stays in Gmail.

        :param refs: of the page that was taken in last
        """
        store = self.env["gmail.store"]
        ids = [ref.gmail_id for ref in refs]
        mailbox.write(
            {
                "backfill_done": True,
                "backfill_page": False,
                "stopped_by": ceiling,
                # What its owner asked for may be much older.
                "stopped_at": store._oldest(mailbox, ids) or store._oldest(mailbox),
            }
        )

    @staticmethod
    def _from_the_start():
        """Return the values of a mailbox whose older mail is looked through again."""
        return {
            "backfill_done": False,
            "backfill_page": False,
            "address_cursor": 0,
            "progress_done": 0,
            "progress_total": 0,
            "progress_since": fields.Datetime.now(),
            "next_backfill": fields.Datetime.now(),
            "stopped_by": False,
            "stopped_at": False,
            "search_room": 0,
        }

    # ------------------------------------------------------------------
    # Comparing everything
    # ------------------------------------------------------------------

    def _begin_census(self, mailbox, client, lease):
        """Google has forgotten the cursor: compare all ids, and those of each label.

        So what was deleted, read, starred or moved meanwhile is found, back to the
        oldest message that is stored, and nothing is downloaded again. A large mailbox
        takes more than the quota of a minute, hence page by page, each committed.
        """
        cursor = client.profile().history_id
        self._take_labels(mailbox, client)
        store = self.env["gmail.store"]
        since, oldest = mailbox.history_start, store._oldest(mailbox)
        labels = set(mailbox.label_ids.mapped("gmail_id")) - store._excluded(mailbox)
        labels = sorted(labels)
        self._forget_listed(mailbox)
        mailbox.census = {
            "cursor": cursor,
            "newest": store._newest(mailbox),
            "search": self._query(mailbox, since and min(since, oldest or since)),
            "labels": ["", *labels],
            "compared": labels,
            "failed": max(mailbox.quarantine_ids.ids, default=0),
            "page": None,
        }
        mailbox.compare_at = False
        lease.commit()

    def _take_census(self, mailbox, client, lease):
        """Go on with a census.

        :return: False when the slice ended first
        """
        store = self.env["gmail.store"]
        while mailbox.census["labels"]:
            census = dict(mailbox.census)
            label, *rest = census["labels"]
            try:
                page = client.list_messages(
                    q=census["search"],
                    label_ids=[label] if label else (),
                    page_token=census["page"],
                    page_size=CENSUS_PAGE,
                )
            except errors.RequestRefused:
                self._list_again(mailbox, census)
                lease.commit()
                continue
            self._note_listed(mailbox, label, page.refs)
            token = page.next_page_token
            if not token and not self._is_believed(mailbox, client, census, label):
                self._doubt_list(mailbox, census, label, lease)
                if lease.is_over:
                    return False
                continue
            mailbox.census = {
                **census,
                "page": token,
                "labels": census["labels"] if token else rest,
            }
            lease.commit()
            if lease.is_over:
                return False
        census = mailbox.census
        self._forget_unlisted(mailbox, census.get("failed", 0))
        touched = self._apply_census(mailbox, census["compared"], census["newest"])
        store._refresh_threads(touched)
        mailbox.write(
            {
                "history_cursor": census["cursor"],
                "census": False,
                **self._from_the_start(),
            }
        )
        self._announce(mailbox, touched)
        lease.commit()
        return True

    # ------------------------------------------------------------------
    # Lists that would remove nearly everything
    # ------------------------------------------------------------------

    def _is_believed(self, mailbox, client, census, label):
        """Whether a list is confirmed, or needs no confirmation since it leaves most
        of what is stored as it is.

        :param label: Gmail id of the label that was listed to its end, or ""
        """
        if not label:
            gone = self._unlisted(mailbox, census["newest"])
            stored = self.env["gmail.message"].search_count(
                [("mailbox_id", "=", mailbox.id), ("id", "<=", census["newest"])],
            )
            if not doubt.removes_nearly_all(len(gone), stored):
                return True
            return self._is_confirmed(mailbox, client, gone)
        if label in census.get("doubted", ()):
            # This is the second list.
            return True
        removed, stored = self._losing(mailbox, label)
        few = stored < LEAST_LABELLED
        return few or not doubt.removes_nearly_all(removed, stored)

    def _is_confirmed(self, mailbox, client, gone):
        """Whether Gmail says in another way too that messages are gone: its profile
        counts no more than the list has, or none of a few of them exists.

        :param gone: Gmail ids of stored messages that the list lacks
        """
        [(listed,)] = self.env.execute_query(
            SQL(
                "SELECT count(DISTINCT gmail_id) FROM gmail_census"
                " WHERE mailbox_id = %s AND label = ''",
                mailbox.id,
            )
        )
        if doubt.counts_confirm(listed, client.profile().messages_total):
            return True
        excluded = self.env["gmail.store"]._excluded(mailbox)
        step = max(1, len(gone) // doubt.SAMPLE)
        is_there = False
        for _gmail_id, result in client.get_messages(gone[::step][: doubt.SAMPLE]):
            if isinstance(result, ParsedMessage):
                is_there |= excluded.isdisjoint(result.label_ids)
            elif not isinstance(result, errors.Gone | errors.BadItem):
                raise result
        return not is_there

    def _doubt_list(self, mailbox, census, label, lease):
        """Have a list read again that isn't believed. When lists keep contradicting
        Gmail's other answers, all that is stored is kept, history is followed, and
        everything is compared again later.

        :raises errors.RetryLater: Gmail is asked again after a pause
        """
        self._forget_listed(mailbox, label)
        doubted = [*census.get("doubted", ()), label]
        census = {**census, "page": None, "doubted": doubted}
        is_given_up = not label and doubted.count("") >= doubt.MAX_LISTS
        if is_given_up:
            # An empty comparison: nothing is changed.
            census.update(labels=[], compared=[], newest=0, failed=0)
            mailbox.compare_at = fields.Datetime.now() + COMPARED_AGAIN
        mailbox.census = census
        lease.commit()
        _logger.warning(
            "Mailbox %s: a list of Gmail contradicts its other answers", mailbox.id
        )
        if not label and not is_given_up:
            raise errors.RetryLater("Gmail's list is not whole", kind="list")

    def _losing(self, mailbox, label):
        """Return (how many of the stored messages with a label the list of that label
        lacks, how many there are), of those that Gmail still has.

        :param label: Gmail id of the label
        """
        table, message, column = self.env["gmail.store"]._label_table()
        row = mailbox.label_ids.filtered(lambda x: x.gmail_id == label)
        [(removed, stored)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FILTER (WHERE NOT EXISTS (
                           SELECT FROM gmail_census c
                            WHERE c.mailbox_id = %(id)s AND c.label = %(gmail_id)s
                              AND c.gmail_id = m.gmail_id)),
                       count(*)
                  FROM gmail_message m
                  JOIN %(table)s r ON r.%(message)s = m.id AND r.%(column)s = %(label)s
                 WHERE m.mailbox_id = %(id)s
                   AND EXISTS (SELECT FROM gmail_census c
                                WHERE c.mailbox_id = %(id)s AND c.label = ''
                                  AND c.gmail_id = m.gmail_id)
                """,
                table=table,
                message=message,
                column=column,
                label=row.id or None,
                gmail_id=label,
                id=mailbox.id,
            )
        )
        return removed, stored

    def _unlisted(self, mailbox, newest):
        """Return the Gmail ids of stored messages that the list of all mail lacks,
        newest first.

        :param newest: id of the message stored last when the comparison began; the
            list may lack what came later
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT gmail_id FROM gmail_message m
                 WHERE mailbox_id = %(id)s AND id <= %(newest)s
                   AND NOT EXISTS (SELECT FROM gmail_census c
                                    WHERE c.mailbox_id = %(id)s AND c.label = ''
                                      AND c.gmail_id = m.gmail_id)
                 ORDER BY date DESC, id DESC
                """,
                id=mailbox.id,
                newest=newest,
            )
        )
        return [gmail_id for (gmail_id,) in rows]

    def _list_again(self, mailbox, census):
        """Google refused a list: begin it again, for a page token does not last for
        ever, ask for it by a shorter search, or pass over a label that is there no
        more."""
        label, *rest = census["labels"]
        self._forget_listed(mailbox, label)
        if census["page"]:
            mailbox.census = {**census, "page": None}
        elif label:
            compared = [other for other in census["compared"] if other != label]
            mailbox.census = {**census, "labels": rest, "compared": compared}
        elif census["search"].startswith(f"{query.HIDDEN} "):
            # More mail than is wanted is listed then, which removes nothing.
            mailbox.census = {**census, "search": query.HIDDEN}
        else:
            raise errors.RequestRefused("Google refuses to list", kind="list")

    # ------------------------------------------------------------------
    # Rows of gmail.census: what a census listed
    # ------------------------------------------------------------------

    def _note_listed(self, mailbox, label, refs):
        """Note what a census listed.

        :param label: Gmail id of the label, or "" for all mail
        :param refs: of MessageRef
        """
        self.env.cr.execute(
            "INSERT INTO gmail_census (mailbox_id, label, gmail_id, thread_id)"
            " SELECT %s, %s, * FROM unnest(%s::text[], %s::text[])",
            [
                mailbox.id,
                label,
                [ref.gmail_id for ref in refs],
                [ref.thread_id for ref in refs],
            ],
        )

    def _forget_listed(self, mailbox, label=None):
        """Drop what a census listed, of one label or all of it."""
        self.env.cr.execute(
            "DELETE FROM gmail_census"
            " WHERE mailbox_id = %s AND (%s::text IS NULL OR label = %s)",
            [mailbox.id, label, label],
        )

    def _apply_census(self, mailbox, labels, newest):
        """Make stored mail, its labels, and its conversations equal to what a census
        listed.

        :param labels: Gmail ids of the labels compared
        :param newest: id of the message stored last when the census began; it may
            have missed what came in later
        :return: the ids of the conversations touched
        """
        store = self.env["gmail.store"]
        gone = self._unlisted(mailbox, newest)
        self._tell_of_removal(mailbox, len(gone))
        touched = store._forget(mailbox, gone)
        touched |= store._move(mailbox, self._listed_elsewhere(mailbox))
        changes = {}
        table, message, column = store._label_table()
        for label in mailbox.label_ids.filtered(lambda x: x.gmail_id in labels):
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT m.id, m.thread_id, c.gmail_id IS NOT NULL
                      FROM gmail_message m
                      LEFT JOIN %(table)s r
                             ON r.%(message)s = m.id AND r.%(column)s = %(label)s
                      LEFT JOIN (SELECT DISTINCT gmail_id FROM gmail_census
                                  WHERE mailbox_id = %(id)s
                                    AND label = %(gmail_id)s) c
                             ON c.gmail_id = m.gmail_id
                     WHERE m.mailbox_id = %(id)s
                       AND (r.%(message)s IS NULL) <> (c.gmail_id IS NULL)
                    """,
                    table=table,
                    message=message,
                    column=column,
                    label=label.id,
                    gmail_id=label.gmail_id,
                    id=mailbox.id,
                )
            )
            for row_id, thread_id, is_listed in rows:
                change = changes.setdefault(row_id, (set(), set()))
                change[0 if is_listed else 1].add(label.gmail_id)
                touched.add(thread_id)
        if changes:
            store._change_labels(mailbox, changes)
        self._forget_listed(mailbox)
        return touched

    def _listed_elsewhere(self, mailbox):
        """Return {Gmail id: Gmail's id of the conversation} of stored messages that a
        census listed in another conversation."""
        moved = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT c.gmail_id, c.thread_id
                  FROM gmail_census c
                  JOIN gmail_message m
                    ON m.mailbox_id = c.mailbox_id AND m.gmail_id = c.gmail_id
                  JOIN gmail_thread t ON t.id = m.thread_id
                 WHERE c.mailbox_id = %s AND c.label = ''
                   AND c.thread_id <> '' AND c.thread_id <> t.gmail_id
                """,
                mailbox.id,
            )
        )
        return dict(moved)

    def _forget_unlisted(self, mailbox, failed):
        """Drop failed messages that a census did not list: Gmail has them no longer.

        :param failed: id of the last failed message when the census began
        """
        self.env.cr.execute(
            """
            DELETE FROM gmail_quarantine q
             WHERE q.mailbox_id = %(id)s AND q.id <= %(failed)s AND q.code = %(code)s
               AND NOT EXISTS (SELECT FROM gmail_census c
                                WHERE c.mailbox_id = %(id)s AND c.label = ''
                                  AND c.gmail_id = q.gmail_id)
            """,
            {"id": mailbox.id, "failed": failed, "code": NOT_FOUND},
        )
        self.env["gmail.quarantine"].invalidate_model()

    # ------------------------------------------------------------------
    # What was left out
    # ------------------------------------------------------------------

    def _retry_left_out(self, mailbox, client, lease):
        """Ask once more for messages that could not be taken in, a few at a time:
        those that their owner asks for, and those that Gmail named and didn't
        return."""
        store = self.env["gmail.store"]
        while rows := self.env["gmail.quarantine"].search(
            [("mailbox_id", "=", mailbox.id), *store._is_due()],
            limit=RETRIED_AT_ONCE,
        ):
            for row in rows.filtered(lambda r: r.code == POISON):
                lease.suspicion.suspect_again(row.gmail_id)
            unlinked = rows.filtered(lambda r: r.code == NOT_LINKED)
            stored = store._stored(mailbox, unlinked.mapped("gmail_id"))
            store._have_filed(
                mailbox, [row_id for row_id, _t in stored.values()], False
            )
            refs = [MessageRef(row.gmail_id, "") for row in rows - unlinked]
            touched = self._fetch(mailbox, client, refs, lease, is_retry=True)
            rows.invalidate_recordset()
            # Those that fail again are due later, or not at all; the others came in, or
            # are not wanted any more.
            rows.filtered_domain(store._is_due()).unlink()
            self._announce(mailbox, touched)
            lease.commit()
