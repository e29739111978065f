import json
import logging
import math
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg2

from odoo import api, fields, models

from ..lib import errors, quota

_logger = logging.getLogger(__name__)

PROFILE = "gmail_oauth_mailbox.quota_profile"
# Units are reserved in chunks, so that the project's row is no bottleneck.
CHUNK = 1000
# Units of a mailbox's minute that connecting may use, before there is a row for them.
UNCOUNTED = 10
# Backfill leaves this share of a mailbox's quota while its owner is at work, and of
# the project's always; new mail leaves a little of the project's to who is waiting.
OWNER_RESERVE = 0.10
PROJECT_SHARES = {"interactive": 1.0, "new": 0.98, "backfill": 0.9}
# Google's day; its quotas begin anew at midnight there.
GOOGLE_ZONE = ZoneInfo("America/Los_Angeles")
PAUSE = timedelta(minutes=1)
# Checked so many, for so long: enough to tell a pace.
FOR_A_PACE = 100
SECONDS_FOR_A_PACE = 20
# Of gmail.quota, as they are read and written.
COLUMNS = (
    "id",
    "quota_window",
    "day",
    "day_units",
    "paused_until",
    "paused_code",
    "failures",
)
LONGEST_PAUSE = timedelta(hours=1)


class Meter:
    """The quota that one client spends: reserved for all workers, in chunks.

    :param env: superuser
    :param lane: interactive, new or backfill
    """

    def __init__(self, env, mailbox_id, lane):
        self._service = env["gmail.meter"]
        self._mailbox_id = mailbox_id
        self._lane = lane
        self._left = 0
        self._is_here = lane == "backfill" and self._service._owner_is_here(mailbox_id)
        self.profile = self._service._profile()

    def take(self, units, least=None):
        """Return how many of ``units`` may be spent now, ``least`` at least.

        :raises errors.QuotaSpent: ``seconds`` tells when there is room
        """
        least = units if least is None else least
        if self._left < units:
            self._left += self._service._reserve(
                self._mailbox_id,
                self._lane,
                units - self._left,
                max(least - self._left, 0),
                self._is_here,
            )
        granted = min(units, self._left)
        self._left -= granted
        return granted

    def give_back(self, units):
        self._left += units

    def told(self, error):
        """Google asks for a pause: all workers obey."""
        self._service._obey(self._mailbox_id, error)

    def close(self):
        if not self._left:
            return
        try:
            self._service._return(self._mailbox_id, self._left)
        except psycopg2.Error as error:
            # The mailbox may be gone; what is not returned lapses in a minute.
            _logger.info("Units are not returned: %s", type(error).__name__)
        self._left = 0


class GmailMeter(models.AbstractModel):
    """Google's quota, as all workers together spend it, and the pauses that Google
    asks for."""

    _name = "gmail.meter"
    _description = "Gmail Quota Meter"

    @api.model
    def _profile(self):
        """Return lib's Profile of the Google project."""
        return quota.PROFILES[self._profile_name()]

    @api.model
    def _profile_name(self):
        name = self.env["ir.config_parameter"].sudo().get_param(PROFILE)
        if name == "unmetered" and not self.env["gmail.setup"]._test_mode():
            return "new"
        return name if name in quota.PROFILES else "new"

    @contextmanager
    def _meter(self, mailbox, lane):
        """Yield the Meter of a client; what it does not spend goes back."""
        meter = Meter(self.env(su=True), mailbox.id, lane)
        try:
            yield meter
        finally:
            meter.close()

    # ------------------------------------------------------------------
    # Rows
    # ------------------------------------------------------------------

    @contextmanager
    def _rows(self, mailbox_id):
        """Yield (row of a mailbox, row of the project), locked, as dicts that are
        written back at the end. Without a mailbox, both are the project's."""
        with self.env["gmail.connect"]._short_transaction() as env:
            wanted = {mailbox_id or 0, 0}
            rows = self._locked(env.cr, wanted)
            if missing := wanted - rows.keys():
                env.cr.execute(
                    "INSERT INTO gmail_quota (mailbox_id)"
                    " SELECT NULLIF(x, 0) FROM unnest(%s) AS x ON CONFLICT DO NOTHING",
                    [sorted(missing)],
                )
                rows = self._locked(env.cr, wanted)
            yield rows[mailbox_id or 0], rows[0]
            env.cr.execute(
                """
                UPDATE gmail_quota q
                   SET quota_window = x.quota_window, day = x.day,
                       day_units = x.day_units, paused_until = x.paused_until,
                       paused_code = x.paused_code, failures = x.failures
                  FROM jsonb_to_recordset(%s)
                       AS x(id int, quota_window jsonb, day text, day_units int,
                            paused_until timestamp, paused_code text, failures int)
                 WHERE q.id = x.id
                """,
                [json.dumps(list(rows.values()), default=fields.Datetime.to_string)],
            )

    def _locked(self, cr, mailbox_ids):
        """Return {mailbox id or 0: row}, locked in one order."""
        cr.execute(
            """
            SELECT COALESCE(mailbox_id, 0), id, quota_window, day, day_units,
                   paused_until, paused_code, failures
              FROM gmail_quota
             WHERE COALESCE(mailbox_id, 0) = ANY(%s)
             ORDER BY 1 DESC
               FOR UPDATE
            """,
            [list(mailbox_ids)],
        )
        return {
            key: dict(zip(COLUMNS, row, strict=True)) for key, *row in cr.fetchall()
        }

    def _today(self):
        """Return (the day at Google, as text, seconds until it ends)."""
        now = datetime.fromtimestamp(time.time(), GOOGLE_ZONE)
        midnight = (now + timedelta(days=1)).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return now.date().isoformat(), (midnight - now).total_seconds()

    def _reserve(self, mailbox_id, lane, units, least, is_here):
        """Reserve units of a mailbox and of the project; return how many.

        :param is_here: whether the owner is at work
        :raises errors.QuotaSpent: not even ``least`` fits now, or Google asked for
            silence
        """
        profile = self._profile()
        ceiling = profile.user_per_minute - UNCOUNTED
        if lane == "backfill" and is_here:
            ceiling = int(ceiling * (1 - OWNER_RESERVE))
        project_ceiling = int(profile.project_per_minute * PROJECT_SHARES[lane])
        with self._rows(mailbox_id) as (mailbox, project):
            # After the wait for the rows.
            now = time.time()
            self._refuse_in_silence(mailbox, project)
            own, total = (
                quota.Window.load(row["quota_window"], now)
                for row in (mailbox, project)
            )
            room = total.room(now, project_ceiling)
            if mailbox is not project:
                room = min(room, own.room(now, ceiling))
            room = min(room, self._day_room(project, profile, lane, least))
            if room < least:
                seconds = total.wait(now, project_ceiling, least)
                if mailbox is not project:
                    seconds = max(seconds, own.wait(now, ceiling, least))
                raise errors.QuotaSpent("the quota is spent for now", seconds=seconds)
            granted = min(room, max(units, CHUNK))
            self._add(project, total, now, granted)
            if mailbox is not project:
                self._add(mailbox, own, now, granted)
        return granted

    @staticmethod
    def _refuse_in_silence(*rows):
        now = fields.Datetime.now()
        for row in rows:
            if row["paused_until"] and row["paused_until"] > now:
                raise errors.QuotaSpent(
                    "Google asked for a pause",
                    seconds=(row["paused_until"] - now).total_seconds(),
                    kind="paused",
                )

    def _day_room(self, project, profile, lane, least):
        """Return what the project has left today."""
        if not profile.per_day:
            return 10**9
        day, seconds = self._today()
        spent = project["day_units"] or 0 if project["day"] == day else 0
        left = int(profile.per_day * PROJECT_SHARES[lane]) - spent
        if left < least:
            raise errors.QuotaSpent(
                "the day's quota of the project is spent",
                seconds=min(seconds, 3600.0),
                scope="project",
                kind="day",
            )
        return left

    def _add(self, row, window, now, units):
        window.add(now, units)
        row["quota_window"] = window.dump()
        day, _seconds = self._today()
        spent = row["day_units"] or 0 if row["day"] == day else 0
        row.update(day=day, day_units=max(0, spent + units))

    def _return(self, mailbox_id, units):
        with self._rows(mailbox_id) as rows:
            now = time.time()
            # Without a mailbox, both are the project's.
            for row in rows:
                self._add(row, quota.Window.load(row["quota_window"], now), now, -units)

    def _owner_is_here(self, mailbox_id):
        owner = self.env["gmail.mailbox"].sudo().browse(mailbox_id).user_id
        return owner.presence_ids.status == "online"

    @api.model
    def _minutes(self, mailbox):
        """Return how many minutes the rest of the older mail takes: at the pace so
        far, or, before there is one, at that of the quota."""
        mailbox = mailbox.sudo()
        done = mailbox.progress_done
        left = max(0, mailbox.progress_total - done)
        began = mailbox.progress_since
        seconds = (fields.Datetime.now() - began).total_seconds() if began else 0
        if done >= FOR_A_PACE and seconds >= SECONDS_FOR_A_PACE:
            return math.ceil(left * seconds / done / 60)
        if mailbox.import_scope == "contacts":
            # One list call for about a dozen of them.
            return self._minutes_for(left / 12, "gmail.users.messages.list")
        return self._minutes_for(left)

    @api.model
    def _minutes_for(self, calls, method="gmail.users.messages.get"):
        """Return how many minutes as many calls take at the pace of the quota."""
        profile = self._profile()
        return math.ceil(calls * profile.cost(method) / profile.user_per_minute)

    def _share(self, mailbox):
        """Return the share of a mailbox's quota that the last minute used, in per
        cent."""
        row = self.env["gmail.quota"].sudo().search([("mailbox_id", "=", mailbox.id)])
        now = time.time()
        used = quota.Window.load(row.quota_window, now).used(now)
        return min(100 * used / self._profile().user_per_minute, 100)

    # ------------------------------------------------------------------
    # Pauses
    # ------------------------------------------------------------------

    def _obey(self, mailbox_id, error):
        """Note the pause that Google asks for, of the mailbox or of the project."""
        if isinstance(
            error, (errors.QuotaSpent, errors.ConcurrencyLimit, errors.SendingLimit)
        ):
            return
        if error.scope == "project":
            if self._pause_project(error):
                self.env["gmail.scheduler"]._tell_admins(error)
        elif error.seconds:
            until = fields.Datetime.now() + timedelta(seconds=error.seconds)
            with self._rows(mailbox_id) as (mailbox, _project):
                mailbox["paused_until"] = max(mailbox["paused_until"] or until, until)
                mailbox["paused_code"] = error.code

    def _pause_project(self, error):
        """Stop all calls of all workers for a while, longer each time.

        :return: whether it is the first one in a row
        """
        now = fields.Datetime.now()
        with self._rows(None) as (_row, project):
            if project["paused_until"] and project["paused_until"] > now:
                # Another worker met the same fault a moment ago.
                return False
            failures = (project["failures"] or 0) + 1
            pause = min(PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
            asked = timedelta(seconds=getattr(error, "seconds", None) or 0)
            project.update(
                failures=failures,
                paused_until=now + max(pause, asked),
                paused_code=error.code,
            )
        return failures == 1

    def _not_paused(self, mailboxes):
        """Return the mailboxes of which Google did not ask for a pause."""
        self.env.cr.execute(
            """
            SELECT mailbox_id FROM gmail_quota
             WHERE mailbox_id = ANY(%s) AND paused_until > %s
            """,
            [mailboxes.ids, fields.Datetime.now()],
        )
        paused = {mailbox_id for (mailbox_id,) in self.env.cr.fetchall()}
        return mailboxes.filtered(lambda mailbox: mailbox.id not in paused)

    @api.model
    def _project_pause(self):
        """Return (until, code) of a pause of the whole project, or None."""
        self.env.cr.execute(
            """
            SELECT paused_until, paused_code FROM gmail_quota
             WHERE mailbox_id IS NULL AND paused_until > %s
            """,
            [fields.Datetime.now()],
        )
        return self.env.cr.fetchone()

    def _refuse_while_paused(self):
        """Ask for no token either while the whole project rests.

        :raises errors.QuotaSpent: it does
        """
        if pause := self._project_pause():
            raise errors.QuotaSpent(
                "the project rests",
                seconds=(pause[0] - fields.Datetime.now()).total_seconds(),
                scope="project",
                kind="paused",
            )

    def _project_works(self):
        """Google answered: the next fault is a first one again."""
        self.env.cr.execute(
            "SELECT FROM gmail_quota WHERE mailbox_id IS NULL AND failures > 0"
        )
        if self.env.cr.rowcount:
            with self._rows(None) as (_row, project):
                project.update(failures=0, paused_until=None, paused_code=None)
