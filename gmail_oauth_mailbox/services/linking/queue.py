"""Work left for linking and sharing, done page by page by one scheduled action."""

import logging
from collections import defaultdict
from datetime import timedelta

from odoo import fields
from odoo.tools import SQL

from ...lib import errors
from ..failures import is_passing
from ..gmail_store import NOT_LINKED

_logger = logging.getLogger(__name__)

CRON = "gmail_oauth_mailbox.ir_cron_gmail_file"
# Messages linked in one transaction.
PAGE = 100
# Deaths of a worker while it worked on one row alone.
MAX_DEATHS = 2
# A mailbox whose choices can't be recorded is tried again after this time.
LONG_PAUSE = timedelta(days=1)
# Attempts to fetch attachments, or after an error of Odoo. The pauses double.
MAX_ATTEMPTS = 6
FIRST_PAUSE = timedelta(minutes=1)


class Queue:
    """Rows of gmail.pending: a message to link, an email to settle, or a mailbox whose
    choices are to be recorded anew. Adding a row blocks no other transaction.

    After a worker's death, rows are taken one at a time. Each is noted and put off
    before the work on it begins, so that it can't keep others waiting when the worker
    dies again.

    :param env_su: superuser environment
    """

    def __init__(self, env_su):
        self.env = env_su
        self.is_careful = self.has_suspects = False

    # ------------------------------------------------------------------
    # Adding
    # ------------------------------------------------------------------

    def add_emails(self, keys, mailbox=None):
        """Have emails settled that a record may show.

        :param keys: iterable of same_email.mail_key
        :param mailbox: whose act it is, or None
        """
        if not keys:
            return
        self.env.flush_all()
        self.env.cr.execute(
            """
            INSERT INTO gmail_pending (mail_key, asked_by_id)
            SELECT DISTINCT m.mail_key, %(mailbox)s::int FROM gmail_message m
              JOIN gmail_filing f ON f.message_id = m.id
             WHERE m.mail_key = ANY(%(keys)s)
               AND (f.kind <> 'note' OR EXISTS (SELECT FROM gmail_vote v
                                                 WHERE v.mail_key = m.mail_key))
             UNION
            SELECT mail_key, %(mailbox)s FROM gmail_entry WHERE mail_key = ANY(%(keys)s)
            """,
            {"keys": list(keys), "mailbox": mailbox and mailbox.id},
        )
        if self.env.cr.rowcount:
            self.wake()

    def add_mailboxes(self, mailboxes):
        """Have the choices of mailboxes recorded anew, and their emails settled."""
        if mailboxes:
            self.env["gmail.pending"].create([{"mailbox_id": m.id} for m in mailboxes])
            self.wake()

    def add_emails_of(self, mailbox):
        """Have the emails of a mailbox settled that a record may show."""
        self.env.cr.execute(
            """
            INSERT INTO gmail_pending (mail_key, asked_by_id)
            SELECT DISTINCT m.mail_key, %(mailbox)s::int FROM gmail_message m
             WHERE m.mail_key IN (SELECT mail_key FROM gmail_message
                                   WHERE mailbox_id = %(mailbox)s
                                   UNION
                                  SELECT mail_key FROM gmail_vote
                                   WHERE mailbox_id = %(mailbox)s)
               AND EXISTS (SELECT FROM gmail_filing f WHERE f.message_id = m.id)
             UNION
            SELECT e.mail_key, %(mailbox)s FROM gmail_entry e
             WHERE e.mailbox_id = %(mailbox)s
                OR EXISTS (SELECT FROM gmail_vote v WHERE v.mail_key = e.mail_key
                                                      AND v.mailbox_id = %(mailbox)s)
            """,
            {"mailbox": mailbox.id},
        )

    def add_all_entries(self):
        """Have all emails settled that a record shows."""
        self.env.cr.execute(
            "INSERT INTO gmail_pending (mail_key)"
            " SELECT DISTINCT mail_key FROM gmail_entry"
        )
        self.wake()

    def wake(self, at=None):
        """Have the scheduled action run.

        :param at: moment in UTC, or None for now
        """
        cron = self.env.ref(CRON, raise_if_not_found=False)
        if cron:
            cron._trigger(at)

    # ------------------------------------------------------------------
    # Doing
    # ------------------------------------------------------------------

    def run(self):
        """Do what is left, in committed pages, until the time of the pass ends."""
        self.is_careful = self.env["gmail.scheduler"]._is_after_death()
        self.env.cr.execute(
            "SELECT EXISTS (SELECT FROM gmail_pending WHERE deaths > 0)"
        )
        self.has_suspects = self.is_careful or self.env.cr.fetchone()[0]
        commit_progress = self.env["ir.cron"]._commit_progress
        steps = (
            self._sweep_page,
            # Emails are linked by what their owners have chosen.
            self._record_page,
            self._link_page,
            self._settle_page,
        )
        for step in steps:
            more = True
            while more:
                more = self._step(step)
                if not commit_progress(1):
                    self.wake()
                    return
        self._wake_later()

    def _step(self, step):
        """Do a page of a step; return whether there may be more of it. One step that
        fails keeps back no other: what is withdrawn is withdrawn."""
        try:
            return step()
        except Exception as error:  # noqa: BLE001
            if is_passing(error):
                raise
            _logger.error("A page of linking: %s", errors.place(error))
            self.wake(fields.Datetime.now() + FIRST_PAUSE)
            return False

    def _sweep_page(self):
        return self.env["gmail.exclusions"]._sweep_page(self.is_careful)

    def _wake_later(self):
        self.env.cr.execute("SELECT min(retry_at) FROM gmail_pending")
        (later,) = self.env.cr.fetchone()
        if later:
            self.wake(max(later, fields.Datetime.now()))

    def _transaction(self):
        return self.env["gmail.connect"]._short_transaction()

    def _claim(self, env, what, limit, row_id=None):
        """Return rows of gmail.pending that are due, locked. Others skip them.

        :param row_id: of the row that was noted, which is put off already
        """
        which = SQL(
            "COALESCE(deaths, 0) = 0 AND (retry_at IS NULL OR retry_at <= %s)",
            fields.Datetime.now(),
        )
        if row_id:
            which = SQL("id = %s", row_id)
        env.cr.execute(
            SQL(
                """
                SELECT id, mailbox_id, message_id, is_new, mail_key, attempts
                  FROM gmail_pending
                 WHERE %s AND %s
                 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
                """,
                what,
                which,
                limit,
            )
        )
        return env.cr.dictfetchall()

    def _note_suspect(self, what):
        """Note a row that may have killed a worker, in a transaction of its own; return
        its id, 0 when it was given up, or None when there is none that is due.

        :param what: SQL condition on gmail_pending
        """
        if not self.has_suspects:
            return None
        with self._transaction() as env:
            env.cr.execute(
                SQL(
                    """
                    SELECT id, mailbox_id, message_id, mail_key,
                           COALESCE(deaths, 0) AS deaths
                      FROM gmail_pending
                     WHERE %s AND (%s OR deaths > 0)
                       AND (retry_at IS NULL OR retry_at <= %s)
                     ORDER BY deaths NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED
                    """,
                    what,
                    self.is_careful,
                    fields.Datetime.now(),
                )
            )
            row = env.cr.dictfetchone()
            if not row:
                return None
            if row["deaths"] >= MAX_DEATHS:
                self._give_up(env, row)
                return 0
            pause = FIRST_PAUSE * 2 ** row["deaths"]
            env.cr.execute(
                "UPDATE gmail_pending SET deaths = %s, retry_at = %s WHERE id = %s",
                [row["deaths"] + 1, fields.Datetime.now() + pause, row["id"]],
            )
        # A run that has done something is not one that timed out: Odoo would fail the
        # scheduled action.
        self.env["ir.cron"]._commit_progress(1)
        return row["id"]

    def _give_up(self, env, row):
        """Stop working on a row, and say so to the owner of each copy of its email and
        in the log; what has no email is tried again much later."""
        _logger.error("Row %s of the linking queue is given up", row["id"])
        copies = env["gmail.message"].browse(row["message_id"] or ())
        if row["mail_key"]:
            copies = copies.search([("mail_key", "=", row["mail_key"])])
        for copy in copies:
            env["gmail.store"]._quarantine(copy.mailbox_id, copy.gmail_id, NOT_LINKED)
        if copies or row["message_id"] or row["mail_key"]:
            self._done(env, [row])
            return
        env.cr.execute(
            "UPDATE gmail_pending SET deaths = 1, retry_at = %s WHERE id = %s",
            [fields.Datetime.now() + LONG_PAUSE, row["id"]],
        )

    def _done(self, env, rows):
        env.cr.execute(
            "DELETE FROM gmail_pending WHERE id = ANY(%s)", [[r["id"] for r in rows]]
        )

    def _link_page(self):
        """Link a page of messages; return whether there may be more."""
        what = SQL("message_id IS NOT NULL")
        suspect = self._note_suspect(what)
        if suspect == 0:
            return True
        with self._transaction() as env:
            rows = self._claim(env, what, PAGE, suspect)
            if not rows:
                return bool(suspect)
            by_mailbox = defaultdict(list)
            for row in rows:
                by_mailbox[row["mailbox_id"]].append(row)
            for mailbox_id, of_mailbox in by_mailbox.items():
                mailbox = env["gmail.mailbox"].browse(mailbox_id)
                self._link_rows(env, mailbox, of_mailbox)
        return True

    def _link_rows(self, env, mailbox, rows):
        """Link messages of a mailbox. When one can't be linked, the others are."""
        try:
            with env.cr.savepoint():
                messages = env["gmail.message"].browse(r["message_id"] for r in rows)
                is_new = {r["message_id"] for r in rows if r["is_new"]}
                env["gmail.linker"]._file(mailbox, messages, is_new)
                self._done(env, rows)
        except Exception as error:  # noqa: BLE001
            if is_passing(error):
                raise
            env.invalidate_all(flush=False)
            if len(rows) > 1:
                for row in rows:
                    self._link_rows(env, mailbox, [row])
                return
            self._note_error(env, rows[0], error)

    def _note_error(self, env, row, error):
        """Log the place of an error without its text, which may quote email, and try
        again later, a few times."""
        _logger.error("Filing %s: %s", row["id"], errors.place(error))
        self._postpone(env, row)

    def _postpone(self, env, row):
        """Try again later, or give up after MAX_ATTEMPTS."""
        attempts = row["attempts"] or 0
        if attempts + 1 >= MAX_ATTEMPTS:
            self._give_up(env, row)
            return
        env.cr.execute(
            "UPDATE gmail_pending SET attempts = %s, retry_at = %s, deaths = NULL"
            " WHERE id = %s",
            [
                attempts + 1,
                fields.Datetime.now() + FIRST_PAUSE * 2**attempts,
                row["id"],
            ],
        )

    def _record_page(self):
        """Record the choices of one mailbox; return whether there may be more."""
        what = SQL("message_id IS NULL AND mail_key IS NULL")
        suspect = self._note_suspect(what)
        if suspect == 0:
            return True
        with self._transaction() as env:
            rows = self._claim(env, what, 1, suspect)
            for row in rows:
                self._record_row(env, row)
        return bool(rows or suspect)

    def _record_row(self, env, row):
        """Record the choices of a mailbox. When that fails, those of others are."""
        try:
            with env.cr.savepoint():
                mailbox = env["gmail.mailbox"].browse(row["mailbox_id"])
                if mailbox.exists():
                    env["gmail.linking"]._record_choices(mailbox)
                self._done(env, [row])
        except Exception as error:  # noqa: BLE001
            if is_passing(error):
                raise
            env.invalidate_all(flush=False)
            self._note_error(env, row, error)

    def _settle_page(self):
        """Settle one email; return whether there may be more."""
        what = SQL("mail_key IS NOT NULL")
        suspect = self._note_suspect(what)
        if suspect == 0:
            return True
        with self._transaction() as env:
            rows = self._claim(env, what, 1, suspect)
            if not rows:
                return bool(suspect)
            [row] = rows
            key = row["mail_key"]
            # One settlement does for all rows that were there before it.
            env.cr.execute(
                "SELECT id FROM gmail_pending WHERE mail_key = %s AND retry_at IS NULL"
                " FOR UPDATE SKIP LOCKED",
                [key],
            )
            rows = [row, *({"id": i} for (i,) in env.cr.fetchall())]
            try:
                with env.cr.savepoint():
                    # Another worker on this email commits first, and is seen then.
                    env.cr.execute(
                        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key]
                    )
                    give_up = (row["attempts"] or 0) + 1 >= MAX_ATTEMPTS
                    if env["gmail.linking"]._settle(key, give_up):
                        self._done(env, rows)
                    else:
                        self._done(env, rows[1:])
                        self._postpone(env, row)
            except Exception as error:  # noqa: BLE001
                if is_passing(error):
                    raise
                env.invalidate_all(flush=False)
                self._note_error(env, row, error)
        return True
