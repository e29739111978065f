import json
import logging
import random
import time
from datetime import timedelta

import psycopg2
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, config

from ..lib import errors
from ..lib.rules import poison
from .gmail_store import CONFLICTS

_logger = logging.getLogger(__name__)

# A lease outlives the longest silence between two pages; a dead worker's mailbox is
# taken over when it ends.
LEASE = timedelta(minutes=5)
# A mailbox is put back after this many seconds, so that a long backfill does not
# keep the new mail of others waiting.
SLICES = {"new": 2, "backfill": 10, "contacts": 5}
CRON_SECONDS = {"new": 2, "backfill": 60, "contacts": 30}
# What came is stored at least so often (seconds).
COMMIT_EVERY = 1.0
# Mailboxes that one batch asks for changes; Google's limit for a batch.
FLEET = 100
LONGEST_PAUSE = timedelta(hours=1)
# Before a message is asked for again that Google didn't return.
SOONEST_RETRY = timedelta(seconds=10)
# Contacts change seldom, and nobody waits for them.
CONTACTS_EVERY = timedelta(minutes=30)
LEASED_FOR = timedelta(seconds=5)
# An access that Google limits is announced to end this long before.
ENDING_AHEAD = timedelta(days=2)
# More of them in a row are no accident.
MOST_CONFLICTS = 5
# One row runs in one worker at a time, hence several rows for each lane: those whose
# code begins like this.
CRONS = {
    "new": "model._cron_sync(",
    "backfill": "model._cron_backfill(",
    "contacts": "model._cron_contacts(",
}
# When a lane comes back to a mailbox.
DUE = {"new": "next_sync", "backfill": "next_backfill", "contacts": "next_contacts"}
MOST_ROWS = 32
# What stops this host only.
OF_THIS_HOST = (errors.KeyMissing, errors.CopiedDatabase)
# The CTE is evaluated once: a subquery in the WHERE of an UPDATE may lock more rows.
# A lease that was not given back is that of a worker that died: what it noted last
# joins the suspects, and no claim that dies too can count it twice.
CLAIM = """
    WITH claimed AS MATERIALIZED (
        SELECT m.id
          FROM gmail_mailbox m
          JOIN res_users u ON u.id = m.user_id AND u.active AND NOT u.share
         WHERE m.state = 'connected'
           AND {wanted}
           AND (m.lease_until IS NULL OR m.lease_until <= %(now)s)
         ORDER BY {order}, m.id
         LIMIT %(most)s
           FOR UPDATE OF m SKIP LOCKED)
    UPDATE gmail_mailbox m
       SET lease_until = %(until)s,
           {due} = %(until)s,
           suspects = CASE WHEN m.lease_until IS NULL
                             OR jsonb_array_length(m.suspects) >= %(notes)s
                           THEN m.suspects
                           ELSE COALESCE(m.suspects, '[]') || jsonb_build_array(
                                COALESCE(m.at_work, '{{}}')) END,
           at_work = %(note)s,
           lease_token = COALESCE(lease_token, 0) + 1
      FROM claimed
     WHERE m.id = claimed.id
 RETURNING m.id, m.lease_token, m.suspects
"""
# A mailbox without a cursor, or that compares everything, is the lane of new mail's:
# the cursor comes before any list.
WANTED = {
    "new": "m.can_read AND m.next_sync <= %(now)s",
    "backfill": """m.can_read AND m.backfill_done IS NOT TRUE
           AND m.history_cursor IS NOT NULL AND m.census IS NULL
           AND (m.next_backfill IS NULL OR m.next_backfill <= %(now)s)""",
    "contacts": """m.can_contacts
           AND (m.next_contacts IS NULL OR m.next_contacts <= %(now)s)""",
}
CLAIMS = {
    lane: CLAIM.format(
        wanted=wanted,
        due=DUE[lane],
        # The index of new mail has its own order.
        order=f"m.{DUE[lane]}" + (" NULLS FIRST" if lane != "new" else ""),
    )
    for lane, wanted in WANTED.items()
}
# What a mailbox that works has.
BETTER = {
    "error_message": None,
    "failure_count": 0,
    "waits_until": None,
    "waits_for": None,
}


class SliceOver(Exception):
    """What was taken in is committed, and the rest follows in another slice."""


class LeaseLost(Exception):
    """Another worker holds the mailbox, or its owner paused or disconnected it."""


class Lease:
    """The right of one worker to synchronise one mailbox.

    :param env: of the worker, superuser
    :param lane: new, backfill or contacts
    :param mailbox_id: the mailbox
    :param token: fencing token: the claim's number, checked in each transaction
    :param suspects: notes of the workers that died on this mailbox (lib.rules.poison)
    :ivar suspicion: what follows from them
    """

    def __init__(self, env, lane, mailbox_id, token, suspects=None):
        self.env = env
        self.lane = lane
        self.mailbox = env["gmail.mailbox"].browse(mailbox_id)
        self.token = token
        self.ends = time.monotonic() + SLICES[lane]
        self.committed = time.monotonic()
        self.suspicion = poison.Suspicion.load(suspects)
        self.note = {"lane": lane}

    @property
    def is_over(self):
        """Whether the mailbox should be put back at the next chance."""
        return time.monotonic() >= self.ends

    @property
    def wants_commit(self):
        return time.monotonic() >= self.committed + COMMIT_EVERY

    def commit(self, window=None, stage=None):
        """Commit what was stored, if the lease still holds, and prolong it. Backfill
        gives way to new mail that is due, of any mailbox.

        :param window: ids of the messages that are read next, as far as they are known
        :param stage: of poison.WEIGHTS, when they are one that is taken alone
        :raises LeaseLost: nothing is committed then
        """
        self.env.flush_all()
        self.note = {"lane": self.lane}
        if window:
            self.note["ids"] = list(window)
        if stage:
            self.note["stage"] = stage
        self.env.cr.execute(
            """
            UPDATE gmail_mailbox
               SET lease_until = %(until)s, at_work = %(note)s,
                   suspects = %(suspects)s
             WHERE id = %(id)s AND lease_token = %(token)s AND state = 'connected'
         RETURNING next_sync <= %(now)s OR EXISTS (
                   SELECT FROM gmail_mailbox
                    WHERE state = 'connected' AND can_read AND next_sync <= %(late)s
                      AND (lease_until IS NULL OR lease_until <= %(now)s))
            """,
            {
                "until": fields.Datetime.now() + LEASE,
                "note": json.dumps(self.note),
                "suspects": self.suspects(),
                "now": fields.Datetime.now(),
                "late": fields.Datetime.now() - timedelta(seconds=2),
                "id": self.mailbox.id,
                "token": self.token,
            },
        )
        row = self.env.cr.fetchone()
        if not row:
            raise LeaseLost
        if self.lane != "new" and row[0]:
            self.ends = 0
        self.env["ir.cron"]._commit_progress(1)
        self.committed = time.monotonic()

    def suspects(self, is_dead=False):
        """Return what the mailbox keeps of deaths, as JSON, or None.

        :param is_dead: the work ended with an error that nobody expected, which is as
            good as a death
        """
        notes = self.suspicion.dump()
        if is_dead:
            notes = [*(notes or ()), self.note]
        return json.dumps(notes) if notes else None

    def end_slice(self):
        """Commit what was stored, and leave the rest to another slice.

        :raises SliceOver: always
        """
        self.commit()
        raise SliceOver


class GmailScheduler(models.AbstractModel):
    """Claim mailboxes that are due, have them synchronised, react to errors."""

    _name = "gmail.scheduler"
    _description = "Gmail Scheduler"

    @api.model
    def _wake(self, mailboxes):
        """Have the mailboxes (sudo) synchronised as soon as a worker is free."""
        if self.env["gmail.version"]._is_outdated():
            return
        now = fields.Datetime.now()
        connected = mailboxes.filtered(lambda m: m.state == "connected")
        due = connected.filtered("can_read")
        if due:
            due.write({"next_sync": now, "next_backfill": now})
            self._trigger("new")
            self._trigger("backfill")
        due = connected.filtered("can_contacts")
        if due:
            due.write({"next_contacts": now})
            self._trigger("contacts")

    @api.model
    def _crons(self, lanes=tuple(CRONS)):
        """Return the scheduled actions (sudo) that synchronise, switched off or not."""
        crons = (
            self.env["ir.cron"]
            .sudo()
            .with_context(active_test=False)
            .search([("model_id.model", "=", self._name)], order="id")
        )
        return crons.filtered(
            lambda cron: any(cron.code.startswith(CRONS[lane]) for lane in lanes)
        )

    @api.model
    def _trigger(self, lane, at=None):
        for cron in self._crons([lane]):
            cron._trigger(at)

    @api.model
    def _rows(self):
        """Return how many scheduled actions a lane has."""
        return len(self._crons(["new"]).filtered("active"))

    @api.model
    def _set_rows(self, number):
        """Have so many scheduled actions in each lane of mail; what is too many is
        switched off."""
        if not 1 <= number <= MOST_ROWS:
            raise UserError(self.env._("1 to %s workers of each lane.", MOST_ROWS))
        for lane in ("new", "backfill"):
            crons = self._crons([lane])
            for place, cron in enumerate(crons, 1):
                # Odoo refuses to change one that runs just now.
                if cron.active != (place <= number):
                    cron.active = place <= number
            for place in range(len(crons) + 1, number + 1):
                crons[-1].copy(
                    {
                        "name": crons[0].name.replace("(1)", f"({place})"),
                        "code": crons[0].code.replace("(1)", f"({place})"),
                        "active": True,
                    }
                )

    @api.model
    def _cron_sync(self):
        """Bring in new mail of the mailboxes that are due, for two seconds."""
        self._work("new")

    @api.model
    def _cron_backfill(self, number=1):
        """Bring in older mail, for at most a minute.

        :param number: of the scheduled action; the last of a server's workers is left
            to new mail
        """
        if number == 1 or number < config["max_cron_threads"]:
            self._work("backfill")

    @api.model
    def _cron_contacts(self):
        """Bring in the contacts of the mailboxes that are due, for half a minute."""
        self._work("contacts")
        if not self.env["gmail.setup"]._disabled():
            self.env["gmail.contacts"].sudo()._settle_offline()

    def _work(self, lane):
        if not self._is_able():
            return
        ends = time.monotonic() + CRON_SECONDS[lane]
        commit_progress = self.env["ir.cron"]._commit_progress
        while True:
            pause = self.env["gmail.meter"]._project_pause()
            if pause:
                self._trigger(lane, pause[0])
                return
            if self.env["gmail.setup"]._disabled():
                return
            # Ends the transaction too: the claim must be older than the next one's
            # snapshot.
            commit_progress(remaining=0)
            leases = self._claim(lane, FLEET if lane == "new" else 1)
            if not leases:
                self._trigger_next(lane)
                return
            if len(leases) > 1:
                leases = self._poll(leases)
            for lease in leases:
                if time.monotonic() >= ends and lease is not leases[0]:
                    # Others may have it; it is due as before.
                    self._release(lease, {}, timedelta())
                    continue
                commit_progress(remaining=0)
                if self._run(lease) and lane == "backfill":
                    # Contacts of the mailbox wait, and are few.
                    ends = 0
            if time.monotonic() >= ends:
                self._trigger(lane)
                return

    def _trigger_next(self, lane):
        """Come back when a mailbox is due, if that is within the minute after which
        this comes back anyway."""
        now = fields.Datetime.now()
        self.env.cr.execute(
            """
            SELECT min(GREATEST(next, lease_until))
              FROM (SELECT CASE %(lane)s WHEN 'new' THEN m.next_sync
                                WHEN 'backfill' THEN m.next_backfill
                                ELSE m.next_contacts END AS next, m.lease_until
                      FROM gmail_mailbox m
                      JOIN res_users u
                        ON u.id = m.user_id AND u.active AND NOT u.share
                     WHERE m.state = 'connected'
                       AND CASE %(lane)s WHEN 'new' THEN m.can_read
                                WHEN 'backfill' THEN m.can_read
                                    AND m.backfill_done IS NOT TRUE
                                    AND m.census IS NULL
                                    AND m.history_cursor IS NOT NULL
                                ELSE m.can_contacts END) x
             WHERE next <= %(soon)s
               AND (lease_until IS NULL OR lease_until <= %(soon)s)
            """,
            {"lane": lane, "soon": now + timedelta(minutes=1)},
        )
        (due,) = self.env.cr.fetchone()
        if due:
            self._trigger(lane, max(due, now))
        elif lane == "contacts":
            self._trigger_beside_mail(now)

    def _trigger_beside_mail(self, now):
        """Come back soon for contacts of a mailbox that another lane works on: a lease
        ends long before it would run out."""
        waiting = self.env["gmail.mailbox"].search_count(
            [
                ("state", "=", "connected"),
                ("can_contacts", "=", True),
                ("next_contacts", "<=", now),
                ("lease_until", ">", now),
            ],
            limit=1,
        )
        if waiting:
            self._trigger("contacts", now + LEASED_FOR)

    @api.model
    def _is_able(self):
        """Whether this host may work at all: one that lacks the key leaves the
        mailboxes to the others, as they are."""
        if self.env["gmail.setup"]._disabled():
            return False
        try:
            self.env["gmail.keys"]._cipher(create=False)
        except errors.GoogleError as error:
            _logger.warning("Gmail mailboxes rest on this host: %s", error.code)
            return False
        return True

    @api.model
    def _is_after_death(self):
        """Whether the run of the current scheduled action before this one was killed.

        Odoo counts each run as timed out when it begins, and takes that back at its
        end; see ir.cron's ``_add_progress``.
        """
        progress_id = self.env.context.get("ir_cron_progress_id")
        progress = self.env["ir.cron.progress"].sudo().browse(progress_id or ())
        return progress.timed_out_counter > 1

    @api.model
    def _claim(self, lane, most=1):
        """Take the mailboxes that are due longest in a lane; return their leases."""
        now = fields.Datetime.now()
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                CLAIMS[lane],
                {
                    "now": now,
                    "until": now + LEASE,
                    "most": most,
                    "notes": poison.MAX_NOTES,
                    "note": json.dumps({"lane": lane}),
                },
            )
            rows = env.cr.fetchall()
        return [Lease(self.env(su=True), lane, *row) for row in rows]

    def _poll(self, leases):
        """Ask for the changes of many mailboxes at once; put back those that have none.

        :return: the leases of the others
        """
        mailboxes = self.env["gmail.mailbox"].union(
            *(lease.mailbox for lease in leases)
        )
        mailboxes.invalidate_recordset()
        asked = mailboxes.filtered(lambda m: m.history_cursor and not m.census)
        asked -= asked.filtered(self.env["gmail.sync"]._is_compared_again)
        asked -= self.env["gmail.store"].sudo()._with_retries(asked)
        try:
            results = self.env["gmail.oauth"]._poll(asked)
        except errors.GoogleError as error:
            _logger.info("Mailboxes are asked one by one: %s", error.code)
            return leases
        idle, others = [], []
        for lease in leases:
            page = results.get(lease.mailbox.id)
            if page and not (page.changes or page.next_page_token):
                idle.append((lease, page.history_id))
            else:
                others.append(lease)
        self._release_idle(idle)
        return others

    def _release_idle(self, idle):
        """Put back mailboxes that had nothing new.

        :param idle: list of (lease, cursor)
        """
        if not idle:
            return
        now = fields.Datetime.now()
        mailboxes = self.env["gmail.mailbox"].union(*(x.mailbox for x, _c in idle))
        better = mailboxes.filtered(lambda m: m.error_message or m.waits_for)
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                UPDATE gmail_mailbox m
                   SET lease_until = NULL, at_work = NULL, history_cursor = x.cursor,
                       last_sync = %(now)s, failure_count = 0, error_message = NULL,
                       waits_until = NULL, waits_for = NULL,
                       next_sync = CASE
                           WHEN next_sync <= %(now)s THEN next_sync
                           ELSE %(now)s + sync_interval * interval '1 minute' END
                  FROM unnest(%(ids)s, %(tokens)s, %(cursors)s)
                       AS x(id, token, cursor)
                 WHERE m.id = x.id AND m.lease_token = x.token
                   AND m.state = 'connected'
                """,
                {
                    "now": now,
                    "ids": [lease.mailbox.id for lease, _cursor in idle],
                    "tokens": [lease.token for lease, _cursor in idle],
                    "cursors": [cursor for _lease, cursor in idle],
                },
            )
        mailboxes.invalidate_recordset()
        self.env["gmail.meter"]._project_works()
        for mailbox in better:
            self.env["gmail.sync"].sudo()._announce(mailbox, ())

    @api.model
    def _run(self, lease):
        """Synchronise one mailbox for one slice. Errors end here, and only here.

        :return: whether another lane waits for the mailbox
        """
        mailbox = lease.mailbox
        mailbox.invalidate_recordset()
        work = self._run_contacts if lease.lane == "contacts" else self._run_mail
        react = self._react_contacts if lease.lane == "contacts" else self._react
        is_dead = False
        try:
            values, pause = work(mailbox, lease)
            lease.suspicion.clear_lane(lease.lane)
            lease.commit()
            self.env["gmail.meter"]._project_works()
        except (LeaseLost, SliceOver):
            self.env.cr.rollback()
            values, pause = {}, timedelta()
        except Exception as error:  # noqa: BLE001
            self.env.cr.rollback()
            if not mailbox.exists():
                return False
            values, pause = react(mailbox, error)
            known = (errors.GoogleError, UserError, psycopg2.Error)
            is_dead = not isinstance(error, known)
        return self._release(lease, values, pause, is_dead)

    def _run_mail(self, mailbox, lease):
        """Return how a slice of mail went: values of the mailbox, and a pause."""
        more = self.env["gmail.sync"].sudo()._run(mailbox, lease)
        values, pause = {}, timedelta()
        if mailbox.error_message or mailbox.failure_count or mailbox.waits_for:
            values = dict(BETTER)
        if lease.lane == "new" and not more:
            values["last_sync"] = fields.Datetime.now()
            pause = timedelta(minutes=mailbox.sync_interval)
            due = self.env["gmail.store"].sudo()._next_retry(mailbox)
            if due:
                pause = min(pause, max(due - fields.Datetime.now(), SOONEST_RETRY))
        return values, pause

    def _run_contacts(self, mailbox, lease):
        """Return how a slice of contacts went: values of the mailbox, and a pause."""
        more = self.env["gmail.contacts"].sudo()._run(mailbox, lease)
        better = {"contact_failures": 0, "contact_problem": None}
        return better, timedelta() if more else CONTACTS_EVERY

    def _react_contacts(self, mailbox, error):
        """Return values and pause for what went wrong with contacts. Mail goes on,
        whatever it is."""
        failures = (mailbox.contact_failures or 0) + 1
        values, pause = {"contact_failures": failures}, self._back_off(failures)
        if isinstance(error, CONFLICTS) and failures <= MOST_CONFLICTS:
            return values, timedelta(seconds=failures)
        words = self._words(mailbox)
        if isinstance(error, errors.ReconnectNeeded):
            # The whole access has ended.
            ended = {"state": "reconnect", "error_message": words._of(error, mailbox)}
            return {**values, **ended}, pause
        if isinstance(error, errors.PermissionMissing):
            return {"can_contacts": False, "contact_failures": 0}, pause
        if isinstance(error, errors.RetryLater):
            pause = max(pause, timedelta(seconds=error.seconds or 0))
            if failures < 3:
                # It mends itself: nothing an owner needs to know yet.
                return values, pause
        if not isinstance(error, (errors.GoogleError, UserError)):
            _logger.error(
                "Contacts of mailbox %s: unexpected %s", mailbox.id, errors.place(error)
            )
        values["contact_problem"] = words._of_contacts(error, mailbox)
        return values, pause

    def _react(self, mailbox, error):
        """Turn an error into the mailbox's next state; return values and pause."""
        failures = (mailbox.failure_count or 0) + 1
        if isinstance(error, CONFLICTS) and failures <= MOST_CONFLICTS:
            # Somebody changed the same rows; the page is taken again.
            return {"failure_count": failures}, timedelta(seconds=failures)
        if isinstance(error, errors.QuotaSpent):
            return self._wait_for_quota(error)
        if isinstance(error, errors.GoogleError):
            return self._react_to_google(mailbox, error, failures)
        if isinstance(error, UserError):
            return {
                "failure_count": failures,
                "error_message": str(error),
            }, self._back_off(failures)
        return self._react_unexpected(mailbox, error)

    def _wait_for_quota(self, error):
        """Nothing is wrong: the mailbox says that it waits, and until when."""
        pause = timedelta(seconds=max(error.seconds or 0, 0.2))
        waits_for = "google" if error.kind == "paused" else "quota"
        return {
            "waits_until": fields.Datetime.now() + pause,
            "waits_for": "project" if error.scope == "project" else waits_for,
        }, pause

    def _react_to_google(self, mailbox, error, failures):
        """Return values and pause for what Google answered."""
        values, pause = {"failure_count": failures}, self._back_off(failures)
        _logger.info(
            "Mailbox %s: %s (%s)", mailbox.id, type(error).__name__, error.code
        )
        if isinstance(error, errors.RetryLater):
            of_project = error.scope == "project"
            pause = max(pause, timedelta(seconds=error.seconds or 0))
            values["waits_until"] = fields.Datetime.now() + pause
            values["waits_for"] = "project" if of_project else "google"
            if of_project and self.env["gmail.meter"]._pause_project(error):
                self._tell_admins(error)
            if failures < 3:
                # It mends itself: nothing an owner needs to know yet.
                return values, pause
        elif isinstance(error, errors.ReconnectNeeded):
            values["state"] = "reconnect"
        elif isinstance(error, errors.PermissionMissing):
            values["can_read"] = False
        elif isinstance(error, errors.ConfigurationWrong):
            pause = LONGEST_PAUSE
            if not isinstance(error, OF_THIS_HOST) and error.kind != "disabled":
                # All mailboxes would meet it: the project rests, not this mailbox.
                pause = timedelta()
                if self.env["gmail.meter"]._pause_project(error):
                    self._tell_admins(error)
        values["error_message"] = self._words(mailbox)._of(error, mailbox)
        return values, pause

    def _tell_admins(self, error):
        """Tell the administrators that no mailbox can be synchronised."""
        try:
            with self.env["gmail.connect"]._short_transaction() as env:
                for admin in env.ref("base.group_system").all_user_ids:
                    words = (
                        env["gmail.wording"]
                        .with_user(admin)
                        .with_context(lang=admin.lang)
                    )
                    env["mail.thread"].message_notify(
                        partner_ids=admin.partner_id.ids,
                        author_id=env.ref("base.partner_root").id,
                        subject=words.env._("All Gmail mailboxes rest for a while"),
                        body=words._of_project(error),
                        force_send=False,
                    )
        except Exception as failure:  # noqa: BLE001
            _logger.error("Administrators are not told: %s", errors.place(failure))

    def _words(self, mailbox):
        """Return gmail.wording in the language and with the rights of the owner."""
        owner = mailbox.user_id
        return self.env["gmail.wording"].with_user(owner).with_context(lang=owner.lang)

    @api.model
    def _note_reconnect(self, mailbox, error):
        """Note that Google ended the access, for whoever met it outside of a
        synchronisation. In a transaction of its own: the caller's may be older than
        the last change of the row, and goes on."""
        sentence = self._words(mailbox)._of(error, mailbox)
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                UPDATE gmail_mailbox SET state = 'reconnect', error_message = %s
                 WHERE id = %s AND state = 'connected'
                """,
                [sentence, mailbox.id],
            )
            died = env.cr.rowcount
        if died:
            self._tell_in_time(mailbox.id, sentence)

    def _tell_in_time(self, mailbox_id, sentence):
        """Tell the owner in a transaction of its own: whatever happens to it, the
        mailbox's new state stands."""
        try:
            with self.env["gmail.connect"]._short_transaction() as env:
                env["gmail.scheduler"]._tell_dead(mailbox_id, sentence)
        except Exception as error:  # noqa: BLE001
            _logger.error("Mailbox %s: %s", mailbox_id, errors.place(error))

    def _tell_dead(self, mailbox_id, sentence):
        """Tell the owner, once, that her mailbox needs reconnecting."""
        mailbox = self.env["gmail.mailbox"].sudo().browse(mailbox_id)
        mailbox.invalidate_recordset()
        words = self._words(mailbox)
        subject = words.env._("%s needs reconnecting", mailbox.email)
        self._tell_owner(mailbox, subject, sentence)
        self.env["gmail.sync"].sudo()._announce(mailbox, ())

    def _tell_owner_of(self, mailbox, subject, sentence):
        """Tell the owner what a sync did, within its transaction; that it can't be told
        stops nothing."""
        try:
            with self.env.cr.savepoint():
                self._tell_owner(mailbox, subject, sentence)
        except CONFLICTS:
            raise
        except Exception as error:  # noqa: BLE001
            _logger.error("Mailbox %s: %s", mailbox.id, errors.place(error))

    def _tell_owner(self, mailbox, subject, sentence):
        """Send the owner a notification, by Odoo's own servers or into her inbox."""
        owner = mailbox.user_id
        if not owner.active:
            return
        words = self._words(mailbox)
        url = (
            f"{mailbox.get_base_url()}/odoo/"
            f"action-gmail_oauth_mailbox.gmail_mailbox_action/{mailbox.id}"
        )
        self.env["mail.thread"].sudo().message_notify(
            partner_ids=owner.partner_id.ids,
            author_id=self.env.ref("base.partner_root").id,
            subject=subject,
            body=Markup("<p>%s</p><p><a href='%s'>%s</a></p>")
            % (sentence, url, words.env._("Open the email account")),
            force_send=False,
        )

    # ------------------------------------------------------------------
    # Once a day
    # ------------------------------------------------------------------

    @api.model
    def _check_soon(self):
        cron = self.env.ref(
            "gmail_oauth_mailbox.ir_cron_gmail_check", raise_if_not_found=False
        )
        if cron:
            cron.sudo()._trigger()

    @api.model
    def _cron_check(self):
        """Announce accesses that end soon; use those once that nothing else uses; end
        those of users who are none any more."""
        if not self._is_able():
            return
        now = fields.Datetime.now()
        ending = (
            self.env["gmail.mailbox"]
            .sudo()
            ._search(
                [
                    ("state", "=", "connected"),
                    ("ending_announced", "=", False),
                    ("access_ends", "<=", now + ENDING_AHEAD),
                ]
            )
        )
        # Sending alone has no synchronisation that would notice a dead access.
        unused = (
            self.env["gmail.mailbox"]
            .sudo()
            ._search([("state", "=", "connected"), ("can_read", "=", False)])
        )
        # Whose groups were changed from the groups' side.
        gone = (
            self.env["gmail.mailbox"]
            .sudo()
            ._search(
                [
                    ("state", "!=", "draft"),
                    "|",
                    ("user_id.active", "=", False),
                    ("user_id.share", "=", True),
                ]
            )
        )
        work = [(self._end_gone, mailbox_id) for mailbox_id in gone]
        work += [(self._tell_ending, mailbox_id) for mailbox_id in ending]
        work += [(self._try_unused, mailbox_id) for mailbox_id in unused]
        commit_progress = self.env["ir.cron"]._commit_progress
        commit_progress(remaining=len(work))
        for step, mailbox_id in work:
            try:
                step(mailbox_id)
            except Exception as error:  # noqa: BLE001
                # One row that fails must not keep the others waiting for a day.
                self.env.cr.rollback()
                _logger.error("Mailbox %s: %s", mailbox_id, errors.place(error))
            if not commit_progress(1):
                break

    def _end_gone(self, mailbox_id):
        with self.env["gmail.connect"]._short_transaction() as env:
            mailbox = env["gmail.mailbox"].browse(mailbox_id)
            env["gmail.oauth"]._disconnect(mailbox)
            env["gmail.leaving"]._note(mailbox.user_id)

    def _try_unused(self, mailbox_id):
        mailbox = self.env["gmail.mailbox"].sudo().browse(mailbox_id)
        try:
            self.env["gmail.oauth"]._ask(mailbox)
        except errors.ReconnectNeeded as error:
            self._note_reconnect(mailbox, error)
        except errors.GoogleError as error:
            _logger.info("Mailbox %s is not checked: %s", mailbox_id, error.code)

    def _tell_ending(self, mailbox_id):
        """Warn the owner, once, that Google is about to end the access."""
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                UPDATE gmail_mailbox SET ending_announced = true
                 WHERE id = %s AND ending_announced IS NOT TRUE
                   AND state = 'connected' AND access_ends <= %s
                """,
                [mailbox_id, fields.Datetime.now() + ENDING_AHEAD],
            )
            if not env.cr.rowcount:
                return
            scheduler = env["gmail.scheduler"]
            mailbox = env["gmail.mailbox"].browse(mailbox_id)
            mailbox.invalidate_recordset()
            words = scheduler._words(mailbox)
            subject = words.env._("Reconnect %s soon", mailbox.email)
            scheduler._tell_owner(mailbox, subject, words._ending_soon(mailbox))
            env["gmail.sync"]._announce(mailbox, ())

    def _react_unexpected(self, mailbox, error):
        """A fault of ours: keep the place for the log, but no text of the error,
        which may quote mail."""
        _logger.error("Mailbox %s: unexpected %s", mailbox.id, errors.place(error))
        failures = (mailbox.failure_count or 0) + 1
        return {
            "failure_count": failures,
            "error_message": self._words(mailbox).env._(
                "Odoo could not take in this mailbox and tries again by itself. "
                "Your administrator finds the place of the fault in the log."
            ),
        }, self._back_off(failures)

    @staticmethod
    def _back_off(failures):
        """Return the pause after so many failures in a row; not the same for all, so
        that they do not come back at once."""
        pause = min(timedelta(seconds=15 * 2 ** min(failures, 10)), LONGEST_PAUSE)
        return pause + timedelta(milliseconds=random.randrange(1000))  # nosec B311

    def _release(self, lease, values, pause, is_dead=False):
        """Put the mailbox back and note how it went; return whether its contacts wait.

        A wake that came meanwhile set ``next_sync`` into the past, and wins.

        :param is_dead: the work ended with an error that nobody expected
        """
        now = fields.Datetime.now()
        due = DUE[lease.lane]
        assignments = SQL().join(
            SQL("%s = %s, ", SQL.identifier(name), value)
            for name, value in values.items()
        )
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                UPDATE gmail_mailbox
                   SET lease_until = NULL, at_work = NULL, suspects = %s
                 WHERE id = %s AND lease_token = %s
                """,
                [lease.suspects(is_dead), lease.mailbox.id, lease.token],
            )
            # Paused or disconnected meanwhile: that stands.
            env.cr.execute(
                SQL(
                    """
                    UPDATE gmail_mailbox
                       SET %(assignments)s
                           %(due)s = CASE WHEN %(due)s <= %(now)s THEN %(due)s
                                          ELSE %(next)s END
                     WHERE id = %(id)s AND lease_token = %(token)s
                       AND state = 'connected'
                 RETURNING next_sync <= %(now)s, backfill_done,
                           can_contacts AND next_contacts <= %(now)s
                    """,
                    assignments=assignments,
                    due=SQL.identifier(due),
                    now=now,
                    next=now + pause,
                    id=lease.mailbox.id,
                    token=lease.token,
                )
            )
            row = env.cr.fetchone()
            scheduler = env["gmail.scheduler"]
            if row and lease.lane != "new" and row[0]:
                scheduler._trigger("new")
            elif row and lease.lane == "new" and not row[1]:
                scheduler._trigger("backfill")
            contacts_wait = bool(row and lease.lane != "contacts" and row[2])
            if contacts_wait:
                scheduler._trigger("contacts")
            died = row and values.get("state") == "reconnect"
        if died:
            self._tell_in_time(lease.mailbox.id, values["error_message"])
        lease.mailbox.invalidate_recordset()
        told = values.keys() & {
            "error_message",
            "waits_for",
            "state",
            "contact_problem",
            "can_contacts",
        }
        if told and lease.mailbox.exists():
            self.env["gmail.sync"].sudo()._announce(lease.mailbox, ())
        return contacts_wait
