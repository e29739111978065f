import logging
import time
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..lib import errors
from .gmail_sync import CONFLICTS

_logger = logging.getLogger(__name__)

# A lease outlives the longest silence between two pages; a dead worker's mailbox is
# taken over when it ends.
LEASE = timedelta(minutes=5)
# A mailbox is put back after this many seconds, so that a long backfill does not
# keep the new mail of others waiting.
SLICE = 10
CRON_SECONDS = 60
LONGEST_PAUSE = timedelta(hours=1)
# An access that Google limits is announced to end this long before.
ENDING_AHEAD = timedelta(days=2)
# More of them in a row are no accident.
MOST_CONFLICTS = 5
CRONS = (
    "gmail_oauth_mailbox.ir_cron_gmail_sync_1",
    "gmail_oauth_mailbox.ir_cron_gmail_sync_2",
)


class LeaseLost(Exception):
    """Another worker holds the mailbox, or its owner paused or disconnected it."""


class Lease:
    """The right of one worker to synchronise one mailbox.

    :param env: of the worker, superuser
    :param mailbox_id: the mailbox
    :param token: fencing token: the claim's number, checked in each transaction
    """

    def __init__(self, env, mailbox_id, token):
        self.env = env
        self.mailbox = env["gmail.mailbox"].browse(mailbox_id)
        self.token = token
        self.ends = time.monotonic() + SLICE

    @property
    def is_over(self):
        """Whether the mailbox should be put back at the next chance."""
        return time.monotonic() >= self.ends

    def commit(self):
        """Commit what was stored, if the lease still holds, and prolong it.

        :raises LeaseLost: nothing is committed then
        """
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE gmail_mailbox
               SET lease_until = %s
             WHERE id = %s AND lease_token = %s AND state = 'connected'
         RETURNING id
            """,
            [fields.Datetime.now() + LEASE, self.mailbox.id, self.token],
        )
        if not self.env.cr.rowcount:
            raise LeaseLost
        self.env["ir.cron"]._commit_progress(1)


class GmailScheduler(models.AbstractModel):
    """Claim mailboxes that are due, have them synchronised, react to errors."""

    _name = "gmail.scheduler"
    _description = "Gmail Scheduler"

    @api.model
    def _wake(self, mailboxes):
        """Have the mailboxes (sudo) synchronised as soon as a worker is free."""
        due = mailboxes.filtered(lambda m: m.state == "connected" and m.can_read)
        if due:
            due.write({"next_sync": fields.Datetime.now()})
            self._trigger()

    @api.model
    def _crons(self):
        """Return the scheduled actions (sudo) that synchronise, switched off or not."""
        crons = self.env["ir.cron"].sudo().with_context(active_test=False)
        for xmlid in CRONS:
            crons |= self.env.ref(xmlid, raise_if_not_found=False) or crons
        return crons

    @api.model
    def _trigger(self):
        for cron in self._crons():
            cron._trigger()

    @api.model
    def _cron_sync(self):
        """Synchronise the mailboxes that are due, for at most a minute."""
        if not self._is_able():
            return
        ends = time.monotonic() + CRON_SECONDS
        commit_progress = self.env["ir.cron"]._commit_progress
        while time.monotonic() < ends:
            # Ends the transaction too: the claim must be older than the next one's
            # snapshot.
            commit_progress(remaining=0)
            lease = self._claim()
            if not lease:
                return
            self._run(lease)
        self._trigger()

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
    def _claim(self):
        """Take the mailbox that is due longest; return its lease or None."""
        now = fields.Datetime.now()
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                UPDATE gmail_mailbox
                   SET lease_until = %(until)s,
                       next_sync = %(until)s,
                       lease_token = COALESCE(lease_token, 0) + 1
                 WHERE id = (
                        SELECT m.id
                          FROM gmail_mailbox m
                          JOIN res_users u
                            ON u.id = m.user_id AND u.active AND NOT u.share
                         WHERE m.state = 'connected'
                           AND m.can_read
                           AND m.next_sync <= %(now)s
                           AND (m.lease_until IS NULL OR m.lease_until <= %(now)s)
                         ORDER BY m.next_sync, m.id
                         LIMIT 1
                           FOR UPDATE OF m SKIP LOCKED)
             RETURNING id, lease_token
                """,
                {"now": now, "until": now + LEASE},
            )
            row = env.cr.fetchone()
        return Lease(self.env(su=True), *row) if row else None

    @api.model
    def _run(self, lease):
        """Synchronise one mailbox for one slice. Errors end here, and only here."""
        mailbox = lease.mailbox
        mailbox.invalidate_recordset()
        try:
            more = self.env["gmail.sync"].sudo()._run(mailbox, lease)
            values = {"error_message": None, "failure_count": 0}
            if not more:
                values["last_sync"] = fields.Datetime.now()
            pause = timedelta(minutes=0 if more else mailbox.sync_interval)
            lease.commit()
        except LeaseLost:
            self.env.cr.rollback()
            values, pause = {}, timedelta()
        except CONFLICTS as error:
            # Somebody changed the same rows; the page is taken again.
            self.env.cr.rollback()
            if not mailbox.exists():
                return
            failures = (mailbox.failure_count or 0) + 1
            values, pause = {"failure_count": failures}, timedelta(seconds=failures)
            if failures > MOST_CONFLICTS:
                values, pause = self._react_unexpected(mailbox, error)
        except (errors.GoogleError, UserError) as error:
            self.env.cr.rollback()
            if not mailbox.exists():
                return
            values, pause = self._react(mailbox, error)
        except Exception as error:  # noqa: BLE001
            self.env.cr.rollback()
            if not mailbox.exists():
                return
            values, pause = self._react_unexpected(mailbox, error)
        self._release(lease, values, pause)

    def _react(self, mailbox, error):
        """Turn an error into the mailbox's next state; return values and pause."""
        failures = (mailbox.failure_count or 0) + 1
        values = {"failure_count": failures}
        pause = self._back_off(failures)
        if isinstance(error, UserError):
            return {**values, "error_message": str(error)}, pause
        _logger.info(
            "Mailbox %s: %s (%s)", mailbox.id, type(error).__name__, error.code
        )
        if isinstance(error, errors.RetryLater):
            pause = max(pause, timedelta(seconds=error.seconds or 0))
            if failures < 3:
                # It mends itself: nothing an owner needs to know yet.
                return values, pause
        elif isinstance(error, errors.ReconnectNeeded):
            values["state"] = "reconnect"
        elif isinstance(error, errors.PermissionMissing):
            values["can_read"] = False
        elif isinstance(error, errors.ConfigurationWrong):
            pause = LONGEST_PAUSE
        values["error_message"] = self._words(mailbox)._of(error, mailbox)
        return values, pause

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
            env["gmail.oauth"]._disconnect(env["gmail.mailbox"].browse(mailbox_id))

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
        return min(timedelta(seconds=15 * 2 ** min(failures, 10)), LONGEST_PAUSE)

    def _release(self, lease, values, pause):
        """Put the mailbox back and note how it went.

        A wake that came meanwhile set ``next_sync`` into the past, and wins.
        """
        now = fields.Datetime.now()
        assignments = SQL().join(
            SQL("%s = %s, ", SQL.identifier(name), value)
            for name, value in values.items()
        )
        parameters = {
            "now": now,
            "next": now + pause,
            "id": lease.mailbox.id,
            "token": lease.token,
        }
        with self.env["gmail.connect"]._short_transaction() as env:
            env.cr.execute(
                """
                UPDATE gmail_mailbox SET lease_until = NULL
                 WHERE id = %(id)s AND lease_token = %(token)s
                """,
                parameters,
            )
            # Paused or disconnected meanwhile: that stands.
            env.cr.execute(
                SQL(
                    """
                    UPDATE gmail_mailbox
                       SET %(assignments)s
                           next_sync = CASE WHEN next_sync <= %(now)s THEN next_sync
                                            ELSE %(next)s END
                     WHERE id = %(id)s AND lease_token = %(token)s
                       AND state = 'connected'
                    """,
                    assignments=assignments,
                    **parameters,
                )
            )
            died = env.cr.rowcount and values.get("state") == "reconnect"
        if died:
            self._tell_in_time(lease.mailbox.id, values["error_message"])
        lease.mailbox.invalidate_recordset()
        if "error_message" in values and lease.mailbox.exists():
            self.env["gmail.sync"].sudo()._announce(lease.mailbox, ())
