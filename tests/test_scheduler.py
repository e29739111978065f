"""Who synchronises what and when: lanes, leases, quota, pauses."""

from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib import errors
from odoo.addons.gmail_oauth_mailbox.lib.gmail_api import Ways
from odoo.addons.gmail_oauth_mailbox.services import gmail_oauth, gmail_scheduler
from odoo.addons.gmail_oauth_mailbox.services.gmail_scheduler import LeaseLost

from .common import ANNA, BEN, GmailCase, mail

PAST = "2020-01-01"


@tagged("standard", "post_install", "-at_install")
class TestScheduler(GmailCase):
    def setUp(self):
        super().setUp()
        self.scheduler = self.env["gmail.scheduler"].sudo()
        self.meter = self.env["gmail.meter"]

    def due(self, mailbox):
        mailbox.next_sync = mailbox.next_backfill = PAST
        self.env.flush_all()

    def claim(self, lane, most=1):
        self.env.flush_all()
        leases = self.scheduler._claim(lane, most)
        self.env.invalidate_all()
        return leases

    @contextmanager
    def worker(self):
        """Yield the scheduler on a cursor of its own, as a worker has it."""
        with self.registry.cursor() as cr:
            yield self.env(cr=cr, su=True)["gmail.scheduler"]
        self.env.invalidate_all()

    @staticmethod
    def loses(lease):
        """Whether a worker that commits now finds that its lease is another's."""
        # Odoo's assertRaises opens a savepoint, which two cursors of a test dislike.
        try:
            lease.commit()
        except LeaseLost:
            return True
        return False

    @staticmethod
    def drain(meter):
        """Spend what there is; return how much, and the error at the end."""
        # Odoo's assertRaises would take back what was reserved.
        spent = 0
        while True:
            try:
                spent += meter.take(100, 1)
            except errors.QuotaSpent as error:
                return spent, error

    def stored(self, mailbox):
        return self.env["gmail.message"].search([("mailbox_id", "=", mailbox.id)])

    def asked(self, before, word):
        return [e for e in self.google.log()[before:] if word in e["path"]]

    # -- lanes and leases ----------------------------------------------

    def test_new_mail_does_not_wait_for_older_mail(self):
        for number in range(70):
            self.google.add_message(ANNA, mail(subject=f"Older {number}"))
        box = self.connect(self.anna, ANNA)
        self.due(box)
        self.assertFalse(self.claim("backfill"))
        self.run_cron("sync_1")
        # The first page is there at once, the rest is the other lane's.
        self.assertEqual(len(self.stored(box)), 50)
        self.assertFalse(box.backfill_done)
        fresh = self.google.add_message(ANNA, mail(subject="Fresh from a customer"))
        box.next_sync = PAST
        self.run_cron("sync_1")
        self.assertIn(fresh, self.stored(box).mapped("gmail_id"))
        self.assertEqual(len(self.stored(box)), 51)
        self.due(box)
        self.run_cron("backfill_1")
        self.assertEqual(len(self.stored(box)), 71)
        self.assertTrue(box.backfill_done)
        self.assertFalse(self.claim("backfill"))

    def test_older_mail_gives_way(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.quota_profile", "unmetered")
        for number in range(310):
            self.google.add_message(ANNA, mail(subject=f"Older {number}"))
        box = self.connect(self.anna, ANNA)
        self.due(box)
        self.run_cron("sync_1")
        box.next_backfill = PAST
        self.env.flush_all()
        with self.worker() as scheduler:
            (lease,) = scheduler._claim("backfill")
            scheduler._wake(lease.mailbox)
            scheduler._run(lease)
        # One page of 250, and the mailbox is free for its new mail.
        self.assertEqual(len(self.stored(box)), 300)
        self.assertFalse(box.lease_until)
        self.assertTrue(self.claim("new"))

    def test_a_dead_workers_mailbox_is_taken_over(self):
        box = self.connect(self.anna, ANNA)
        self.due(box)
        with self.worker() as scheduler:
            (dead,) = scheduler._claim("new")
        self.due(box)
        self.assertFalse(self.claim("new"))
        box.lease_until = fields.Datetime.now() - timedelta(seconds=1)
        self.env.flush_all()
        with self.worker() as scheduler:
            (lease,) = scheduler._claim("new")
            self.assertGreater(lease.token, dead.token)
            late = gmail_scheduler.Lease(scheduler.env, "new", box.id, dead.token)
            self.assertTrue(self.loses(late))
            scheduler._release(late, {"error_message": "late"}, timedelta())
            lease.mailbox.invalidate_recordset()
            self.assertFalse(lease.mailbox.error_message)
            self.assertTrue(lease.mailbox.lease_until)
            scheduler._run(lease)
        self.assertFalse(box.lease_until)
        self.assertTrue(box.last_sync)

    def test_the_last_worker_is_left_to_new_mail(self):
        box = self.connect(self.anna, ANNA)
        self.due(box)
        self.run_cron("sync_1")
        self.due(box)
        box.backfill_done = False
        with patch.dict(gmail_scheduler.config.options, max_cron_threads=2):
            self.run_cron("backfill_2")
            self.assertFalse(box.backfill_done)
        with patch.dict(gmail_scheduler.config.options, max_cron_threads=3):
            self.run_cron("backfill_2")
        self.assertTrue(box.backfill_done)

    def test_many_idle_mailboxes_cost_one_request(self):
        boxes = self.connect(self.anna, ANNA) | self.connect(self.ben, BEN)
        for box in boxes:
            self.sync(box)
        before = len(self.google.log())
        boxes.next_sync = PAST
        self.run_cron("sync_1")
        self.assertEqual(len(self.asked(before, "/batch")), 1)
        self.assertEqual(len(self.asked(before, "/history")), 2)
        self.assertEqual(len(self.google.log()) - before, 3)
        self.assertFalse(any(boxes.mapped("lease_until")))
        self.assertGreater(min(boxes.mapped("next_sync")), fields.Datetime.now())
        # What is new comes in, of that mailbox alone.
        fresh = self.google.add_message(BEN, mail(to=BEN, subject="Only for Ben"))
        before = len(self.google.log())
        boxes.next_sync = PAST
        self.run_cron("sync_1")
        self.assertIn(fresh, self.stored(boxes[1]).mapped("gmail_id"))
        self.assertFalse(self.stored(boxes[0]))
        # One by one, when the administrator prefers it.
        param = "gmail_oauth_mailbox.batch_polling"
        self.env["ir.config_parameter"].set_param(param, "0")
        before = len(self.google.log())
        boxes.next_sync = PAST
        self.run_cron("sync_1")
        self.assertFalse(self.asked(before, "/batch"))
        self.assertEqual(len(self.asked(before, "/history")), 2)

    def test_google_may_not_let_mailboxes_be_asked_together(self):
        boxes = self.connect(self.anna, ANNA) | self.connect(self.ben, BEN)
        for box in boxes:
            self.sync(box)
        refusal = {"path": "^/batch", "status": 403, "body": {"error": {}}}
        for status, asked in ((503, True), (400, False)):
            # What passes is tried again the next time; what is refused, is not.
            self.google.control("faults", {**refusal, "status": status})
            ways = Ways()
            with patch.object(gmail_oauth, "WAYS", ways):
                before = len(self.google.log())
                boxes.next_sync = PAST
                self.run_cron("sync_1")
            self.assertEqual(len(self.asked(before, "/history")), 2)
            self.assertEqual(len(self.asked(before, "/batch")), 1)
            self.assertEqual(ways.polling, asked)
            self.assertFalse(any(boxes.mapped("error_message")))

    # -- labels --------------------------------------------------------

    def label(self, box, gmail_id):
        return box.label_ids.filtered(lambda label: label.gmail_id == gmail_id)

    def test_a_label_switched_off_takes_its_mail_along(self):
        marked = self.google.add_message(
            ANNA, mail(subject="Marked"), ["INBOX", "IMPORTANT"]
        )
        plain = self.google.add_message(ANNA, mail(subject="Plain"))
        box = self.connect(self.anna, ANNA)
        self.sync(box)
        label = self.label(box, "IMPORTANT").with_user(self.anna)
        label.is_synced = False
        self.sync(box)
        self.assertEqual(self.stored(box).mapped("gmail_id"), [plain])
        self.assertFalse(label.sudo().is_leaving)
        before = len(self.google.log())
        label.is_synced = True
        self.sync(box)
        self.assertIn(marked, self.stored(box).mapped("gmail_id"))
        # What had stayed was not downloaded a second time.
        self.assertFalse(self.asked(before, f"/messages/{plain}"))

    def test_a_label_made_meanwhile_is_known_when_it_is_used(self):
        gmail_id = self.google.add_message(ANNA, mail(subject="To be filed"))
        box = self.connect(self.anna, ANNA)
        self.sync(box)
        self.google.control(
            "accounts", {"account": ANNA, "add_labels": {"Label_7": "Customers"}}
        )
        self.google.control(
            f"messages/{gmail_id}",
            {"account": ANNA, "action": "modify", "add": ["Label_7"]},
        )
        self.sync(box)
        self.assertIn("Customers", self.stored(box).label_ids.mapped("name"))

    def test_an_expired_cursor_compares_every_label(self):
        gmail_id = self.google.add_message(ANNA, mail(subject="Filed elsewhere"))
        box = self.connect(self.anna, ANNA)
        self.sync(box)
        self.google.control(
            f"messages/{gmail_id}",
            {
                "account": ANNA,
                "action": "modify",
                "add": ["IMPORTANT"],
                "remove": ["INBOX"],
            },
        )
        self.expire_history()
        before = len(self.google.log())
        self.sync(box)
        labels = set(self.stored(box).label_ids.mapped("gmail_id"))
        self.assertEqual(labels, {"IMPORTANT", "UNREAD"})
        self.assertFalse(self.asked(before, f"/messages/{gmail_id}"))
        self.assertFalse(box.census or self.env["gmail.census"].search_count([]))

    # -- quota ---------------------------------------------------------

    def test_the_quota_is_never_overdrawn_and_says_so(self):
        box = self.connect(self.anna, ANNA)
        self.sync(box)
        with self.meter._meter(box, "backfill") as meter:
            spent, error = self.drain(meter)
        self.assertLessEqual(spent, 6000)
        self.assertGreater(spent, 5800)
        self.assertTrue(0 < error.seconds <= 61)
        # The mailbox waits, without an error, and tells until when.
        self.google.add_message(ANNA, mail(subject="A little later"))
        box.next_sync = PAST
        self.run_cron("sync_1")
        self.assertEqual(box.waits_for, "quota")
        self.assertFalse(box.error_message or box.failure_count)
        box.backfill_done = False
        state = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
        self.assertIn("quota is used up", state["mailboxes"][0]["progress"]["waits"])
        self.env["gmail.quota"].search([]).quota_window = False
        self.sync(box)
        self.assertEqual(self.stored(box).subject, "A little later")
        self.assertFalse(box.waits_for)

    def test_google_has_nothing_to_refuse(self):
        for number in range(330):
            self.google.add_message(ANNA, mail(subject=f"Number {number}"))
        self.google.control("settings", {"quota_profile": "new"})
        box = self.connect(self.anna, ANNA)
        for _time in range(3):
            self.due(box)
            self.run_cron("sync_1")
            self.run_cron("backfill_1")
        units = self.google.control("units")[ANNA]
        self.assertEqual(units["refused"], 0)
        self.assertTrue(5800 < units["total"] <= 6000)
        self.assertTrue(280 < len(self.stored(box)) < 300)
        self.assertEqual(box.waits_for, "quota")
        progress = self.env["gmail.panel"]._progress(box)
        self.assertEqual((progress["total"], progress["minutes"]), (330, 1))

    def test_what_was_not_spent_goes_back(self):
        box = self.connect(self.anna, ANNA)
        with self.meter._meter(box, "new") as meter:
            meter.take(10)
        rows = self.env["gmail.quota"].search([])
        rows.invalidate_recordset()
        self.assertEqual(rows.mapped("day_units")[0], 10)
        self.assertAlmostEqual(self.meter._share(box), 1000 / 6000, places=2)

    def test_backfill_leaves_room_for_an_owner_at_work(self):
        box = self.connect(self.anna, ANNA)
        self.env["mail.presence"].create({"user_id": self.anna.id, "status": "online"})
        self.env.flush_all()
        with self.meter._meter(box, "backfill") as meter:
            spent, _error = self.drain(meter)
        self.assertTrue(5300 < spent <= 5400)
        with self.meter._meter(box, "interactive") as meter:
            self.assertEqual(meter.take(100), 100)

    def test_the_days_quota_stops_backfill_first(self):
        box = self.connect(self.anna, ANNA)
        with self.meter._meter(box, "new") as meter:
            meter.take(1)
        project = self.env["gmail.quota"].search([("mailbox_id", "=", False)])
        project.day_units = 75_000_000
        self.env.flush_all()
        with (
            self.meter._meter(box, "backfill") as meter,
            self.assertRaises(errors.QuotaSpent) as caught,
        ):
            meter.take(20)
        self.assertEqual(caught.exception.scope, "project")
        with self.meter._meter(box, "new") as meter:
            self.assertEqual(meter.take(20), 20)

    def test_a_pause_that_google_asks_for_holds_for_all(self):
        box = self.connect(self.anna, ANNA)
        error = errors.RetryLater("later", seconds=90.0)
        with self.meter._meter(box, "new") as meter:
            meter.told(error)
        with (
            self.meter._meter(box, "interactive") as meter,
            self.assertRaises(errors.QuotaSpent) as caught,
        ):
            meter.take(1)
        self.assertEqual(caught.exception.kind, "paused")
        self.assertTrue(85 < caught.exception.seconds <= 90)
        # A sending limit stops no reading.
        other = self.connect(self.ben, BEN)
        with self.meter._meter(other, "interactive") as meter:
            meter.told(errors.SendingLimit("enough", seconds=3600.0))
            self.assertEqual(meter.take(1), 1)

    def test_a_faulty_project_rests_longer_each_time(self):
        error = errors.ConfigurationWrong("no", kind="invalid_client")
        now = fields.Datetime.now()
        pauses = []
        for _time in range(3):
            with freeze_time(now):
                self.meter._pause_project(error)
                until, code = self.meter._project_pause()
            pauses.append((until - now).total_seconds())
            self.assertEqual(code, "invalid_client")
            now = until
        self.assertEqual(pauses, [60, 120, 240])
        self.meter._project_works()
        self.assertFalse(self.meter._project_pause())

    # -- history -------------------------------------------------------

    def test_history_twice_and_out_of_order(self):
        gmail_id = self.google.add_message(ANNA, mail(subject="On and off"))
        box = self.connect(self.anna, ANNA)
        self.sync(box)
        for _time in range(4):
            for change in ("add", "remove"):
                self.google.control(
                    f"messages/{gmail_id}",
                    {"account": ANNA, "action": "modify", change: ["STARRED"]},
                )
        faults = {"path": "/history", "count": 9, "pass": True}
        for fault in ({"reorder_history": True}, {"repeat_history": True}):
            self.google.control("faults", {**faults, **fault})
        self.sync(box)
        self.assertFalse(self.stored(box).is_starred)
        self.assertFalse(self.env["gmail.message"].search([("is_starred", "=", True)]))

    def test_idle_mailboxes_end_a_projects_faults_too(self):
        boxes = self.connect(self.anna, ANNA) | self.connect(self.ben, BEN)
        for box in boxes:
            self.sync(box)
        with self.meter._rows(None) as (_row, project):
            project.update(failures=3, paused_until=fields.Datetime.to_datetime(PAST))
        boxes.next_sync = PAST
        before = len(self.google.log())
        self.run_cron("sync_1")
        # One batch, and no mailbox had anything to do: Google works.
        self.assertEqual(len(self.asked(before, "/batch")), 1)
        project = self.env["gmail.quota"].search([("mailbox_id", "=", False)])
        self.assertFalse(project.failures)

    # -- several workers -----------------------------------------------

    def test_administrators_choose_how_many_workers_a_lane_has(self):
        scheduler = self.env["gmail.scheduler"]
        settings = self.env["res.config.settings"].create({"gmail_workers": 4})
        self.assertEqual(scheduler._rows(), 2)
        settings.set_values()
        for lane, code in (("new", "_cron_sync()"), ("backfill", "_cron_backfill(4)")):
            crons = scheduler._crons([lane])
            self.assertEqual(len(crons), 4)
            self.assertTrue(all(crons.mapped("active")))
            self.assertIn(code, crons[-1].code)
            self.assertIn("(4)", crons[-1].name)
        box = self.connect(self.anna, ANNA)
        scheduler._wake(box)
        triggers = self.env["ir.cron.trigger"].search([])
        self.assertLessEqual(scheduler._crons(), triggers.cron_id)
        # The new rows do the work as well as the others.
        self.google.add_message(ANNA, mail(subject="By the fourth"))
        scheduler._crons(["new"])[-1].method_direct_trigger()
        self.assertIn("By the fourth", self.stored(box).mapped("subject"))
        for number in (1, 3):
            scheduler._set_rows(number)
            self.assertEqual(scheduler._rows(), number)
            self.assertEqual(len(scheduler._crons()), 9)
        for number in (0, 33):
            with self.assertRaises(UserError):
                scheduler._set_rows(number)
