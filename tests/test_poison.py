"""A message that kills the worker that reads it becomes a failed message; everything
else comes in, and a worker that is killed for another reason fails none."""

import importlib.util
import pathlib
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.models import BaseModel
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib import gmail_api, people_api
from odoo.addons.gmail_oauth_mailbox.services import gmail_scheduler

from .common import ANNA, GmailCase, mail
from .test_contacts import ContactsCase, person

MIGRATION = (
    pathlib.Path(gmail_scheduler.__file__).parents[1]
    / "migrations"
    / "0.0.0"
    / "post-90-retry-failed.py"
)


class Killed(BaseException):
    """Ends a worker as a kill does: nothing of ours catches it."""


@tagged("standard", "post_install", "-at_install")
class TestPoison(GmailCase):
    def setUp(self):
        super().setUp()
        self.box = self.connect(self.anna, ANNA)
        self.deaths = 0

    def subjects(self):
        messages = self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])
        return sorted(messages.mapped("subject"))

    @contextmanager
    def deadly(self, subject, error=Killed):
        """Have a message kill the worker that reads it."""
        real = gmail_api.parse_message

        def parse_message(item, *options):
            parsed = real(item, *options)
            if parsed.subject == subject:
                raise error
            return parsed

        with patch.object(gmail_api, "parse_message", parse_message):
            yield

    def work(self, lane, most=10):
        """Run workers of a lane until one lives; each is killed at its end else."""
        for _life in range(most):
            self.box[gmail_scheduler.DUE[lane]] = "2020-01-01"
            if self.box.lease_until:
                # That of a dead worker has run out.
                past = fields.Datetime.now() - timedelta(seconds=1)
                self.box.lease_until = past
            self.env.flush_all()
            try:
                self.run_worker(lane)
                return
            except Killed:
                self.deaths += 1
                self.env.invalidate_all()
        self.fail("it kills for ever")

    def run_worker(self, lane):
        with self.registry.cursor() as cr:
            scheduler = self.env(cr=cr, su=True)["gmail.scheduler"]
            leases = scheduler._claim(lane)
            for lease in leases:
                scheduler._run(lease)
        self.env.invalidate_all()

    def failed(self):
        return self.box.quarantine_ids

    def test_new_mail(self):
        self.sync(self.box)
        for number in range(3):
            self.google.add_message(ANNA, mail(subject=f"Good {number}"))
        bad = self.google.add_message(ANNA, mail(subject="Poison"))
        self.google.add_message(ANNA, mail(subject="Good 3"))
        with self.deadly("Poison"):
            self.work("new")
        self.assertEqual(self.subjects(), [f"Good {n}" for n in range(4)])
        self.assertEqual(self.failed().gmail_id, bad)
        self.assertIn("stopped twice", self.failed().with_user(self.anna).reason)
        # Once with the others, twice alone.
        self.assertEqual(self.deaths, 3)
        self.assertFalse(self.box.suspects or self.box.at_work)

    def test_older_mail(self):
        for number in range(60):
            self.google.add_message(ANNA, mail(subject=f"Good {number:02}"))
        self.sync(self.box)
        late = "Mon, 23 Nov 2026 11:00:00 +0000"
        bad = self.google.add_message(ANNA, mail(subject="Poison", date=late))
        self.google.add_message(ANNA, mail(subject="Last", date=late))
        self.box.history_cursor = str(int(self.box.history_cursor) + 1000)
        self.box._restart_backfill()
        # Older mail gives way to new mail after each message that is taken alone.
        self.box.next_sync = "2040-01-01"
        with self.deadly("Poison"):
            self.work("backfill")
        self.assertEqual(self.failed().gmail_id, bad)
        self.assertIn("Last", self.subjects())
        self.assertEqual(self.deaths, 3)
        self.work("backfill")
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.suspects)

    def test_the_next_window_is_noted_in_the_statement_that_renews_the_lease(self):
        """A slice that commits after each message notes what is left, with no
        statement of its own."""
        self.sync(self.box)
        wanted = [
            self.google.add_message(ANNA, mail(subject=f"Number {n}")) for n in range(4)
        ]
        noted = []
        real = gmail_scheduler.Lease.commit

        def commit(lease, *window):
            real(lease, *window)
            noted.append(lease.note.get("ids"))

        with (
            patch.object(gmail_scheduler, "COMMIT_EVERY", 0),
            patch.object(gmail_scheduler.Lease, "commit", commit),
        ):
            self.work("new")
        self.assertIn(wanted[1:], noted)
        self.assertIn(wanted[3:], noted)

    def test_a_random_kill_fails_no_message(self):
        self.sync(self.box)
        for number in range(5):
            self.google.add_message(ANNA, mail(subject=f"Number {number}"))
        real = gmail_api.parse_message
        # The worker dies at its third message, whichever that is.
        for death in (3, 5, 2):
            left = [death]

            def parse_message(item, *options, left=left):
                left[0] -= 1
                if not left[0]:
                    raise Killed
                return real(item, *options)

            with patch.object(gmail_api, "parse_message", parse_message):
                self.work("new")
            self.google.add_message(ANNA, mail(subject=f"After {death}"))
        self.work("new")
        self.assertEqual(len(self.subjects()), 8)
        self.assertFalse(self.failed())

    def test_a_death_is_counted_once(self):
        """Workers that die before they do anything count nothing once more."""
        self.sync(self.box)
        bad = self.google.add_message(ANNA, mail(subject="Innocent"))
        self.box.suspects = False
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE gmail_mailbox SET lease_until = '2020-01-01', suspects = NULL,"
            " at_work = %s WHERE id = %s",
            [
                '{"lane": "new", "ids": ["%s"], "stage": "read"}' % bad,  # noqa: UP031
                self.box.id,
            ],
        )
        scheduler = self.env["gmail.scheduler"].sudo()
        for _claim in range(5):
            self.box.next_sync = self.box.lease_until = "2020-01-01"
            self.env.flush_all()
            (lease,) = scheduler._claim("new")
            self.env.invalidate_all()
        self.assertEqual(lease.suspicion.weights, {bad: 2})
        self.work("new")
        self.assertEqual(self.subjects(), ["Innocent"])
        self.assertFalse(self.failed() or self.box.suspects)

    def test_by_hand_and_after_an_update(self):
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Poison"))
        with self.deadly("Poison"):
            self.work("new")
            self.deaths = 0
            self.box.with_user(self.anna).action_retry_left_out()
            self.work("new")
            # It is known by now: one more death is enough.
            self.assertEqual(self.deaths, 1)
            self.assertFalse(self.failed().is_retried)
        spec = importlib.util.spec_from_file_location("retry_failed", MIGRATION)
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        script.migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertTrue(self.failed().is_retried)
        self.work("new")
        self.assertEqual(self.subjects(), ["Poison"])
        self.assertFalse(self.failed())

    def test_an_error_that_nobody_expected_is_as_good_as_a_death(self):
        """Odoo ends work at its limit of CPU time by an exception."""
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Poison"))
        self.google.add_message(ANNA, mail(subject="Good"))
        error = Exception("CPU time limit exceeded.")
        with (
            self.deadly("Poison", error),
            self.assertLogs("odoo.addons.gmail_oauth_mailbox", "ERROR"),
        ):
            for _life in range(4):
                self.work("new")
        self.assertEqual(self.subjects(), ["Good"])
        self.assertEqual(self.failed().code, "poison")

    def test_the_limit_of_cpu_time_while_a_message_is_stored(self):
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Innocent"))
        store = type(self.env["gmail.store"])
        real, times = store._store, []

        def struck(self, *arguments, **options):
            times.append(1)
            if len(times) == 1:
                raise Exception("CPU time limit exceeded.")  # noqa: TRY002
            return real(self, *arguments, **options)

        with (
            patch.object(store, "_store", struck),
            self.assertLogs("odoo.addons.gmail_oauth_mailbox", "ERROR"),
        ):
            self.work("new")
            self.work("new")
        self.assertEqual(self.subjects(), ["Innocent"])
        self.assertFalse(self.failed())


@tagged("standard", "post_install", "-at_install")
class TestPoisonedQueues(ContactsCase):
    """One row of a queue that kills workers keeps no other waiting, and ends."""

    def due(self):
        """Have what was put off be due, and the scheduled actions' runs be over."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE gmail_pending SET retry_at = '2020-01-01'"
            " WHERE retry_at IS NOT NULL;"
            " UPDATE gmail_mailbox SET lease_until = '2020-01-01'"
            " WHERE lease_until IS NOT NULL;"
            " UPDATE gmail_mailbox SET next_contacts = '2020-01-01'"
        )
        self.env.invalidate_all()

    def deaths(self, cron, most=12):
        """Run a scheduled action until nothing kills it; return how often it died."""
        deaths = 0
        for _life in range(most):
            if self.dies(cron):
                deaths += 1
            elif not self.pending(cron):
                return deaths
            self.due()
        self.fail("it kills for ever")

    def dies(self, cron):
        """Run a scheduled action; return whether it is killed."""
        try:
            if cron == "contacts":
                self.run_contacts()
            else:
                self.run_cron(cron)
        except Killed:
            self.bury(cron)
            return True
        return False

    def run_contacts(self):
        """Run a worker; Odoo's scheduled action would store what it had begun."""
        with self.registry.cursor() as cr:
            scheduler = self.env(cr=cr, su=True)["gmail.scheduler"]
            for lease in scheduler._claim("contacts"):
                scheduler._run(lease)
        self.env.invalidate_all()

    def bury(self, cron):
        """Odoo takes note of the end of a run, which a process that is killed does
        not reach."""
        self.env.cr.execute(
            "UPDATE ir_cron_progress SET timed_out_counter = 1 WHERE id = ("
            " SELECT max(id) FROM ir_cron_progress WHERE cron_id = %s)",
            [self.env.ref(f"gmail_oauth_mailbox.ir_cron_gmail_{cron}").id],
        )
        self.env.invalidate_all()

    def pending(self, cron="file"):
        """Return how much is left for a scheduled action."""
        if cron == "contacts":
            return self.env["gmail.contact"].search_count([("is_pending", "=", True)])
        return self.env["gmail.pending"].search_count([])

    @contextmanager
    def deadly(self, service, method, name):
        """Have a service's method kill the worker when a record of a name is in it."""
        model = type(self.env[service])
        real, done = getattr(model, method), []

        def killing(self, *arguments, **options):
            for argument in arguments:
                if isinstance(argument, BaseModel) and argument._name in (
                    "gmail.message",
                    "gmail.contact",
                ):
                    names = argument.mapped(argument._rec_name or "name")
                    if name in names:
                        raise Killed
                    done.extend(names)
            return real(self, *arguments, **options)

        with patch.object(model, method, killing):
            yield done

    def test_linking(self):
        for subject in ("One", "Poison", "Two", "Three"):
            self.google.add_message(ANNA, mail(subject=subject))
        self.sync(self.box)
        messages = self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])
        bad = messages.filtered(lambda m: m.subject == "Poison")
        with self.deadly("gmail.linker", "_file", "Poison") as done:
            deaths = self.deaths("file")
        # Once with the others, twice alone.
        self.assertEqual(deaths, 3)
        self.assertEqual(sorted(done), ["One", "Three", "Two"])
        row = self.box.quarantine_ids
        self.assertEqual(row.gmail_id, bad.gmail_id)
        self.assertIn("couldn't link it", row.with_user(self.anna).reason)
        # With the cause gone, one click links it.
        self.box.with_user(self.anna).action_retry_left_out()
        self.sync(self.box)
        with self.deadly("gmail.linker", "_file", "nothing") as done:
            self.run_cron("file")
        self.assertEqual(done, ["Poison"])
        self.assertFalse(self.box.quarantine_ids or self.pending())

    def test_others_come_first_after_a_death(self):
        for subject in ("Poison", "One", "Two"):
            self.google.add_message(ANNA, mail(subject=subject))
        self.sync(self.box)
        with self.deadly("gmail.linker", "_file", "Poison"):
            for _life in range(2):
                self.assertTrue(self.dies("file"))
            # It was put off before it killed, so the next run has the others.
            self.run_cron("file")
        left = self.env["gmail.pending"].search([])
        self.assertEqual(left.message_id.subject, "Poison")
        self.assertEqual(left.deaths, 1)

    def test_a_run_that_was_killed_by_chance_gives_nothing_up(self):
        for number in range(4):
            self.google.add_message(ANNA, mail(subject=f"Number {number}"))
        self.sync(self.box)
        with self.deadly("gmail.linker", "_file", "Number 2"):
            self.assertTrue(self.dies("file"))
        self.due()
        self.run_cron("file")
        self.assertFalse(self.pending() or self.box.quarantine_ids)

    def test_contacts_that_are_settled(self):
        people = [person(f"P {n}", f"p{n}@firm.test") for n in range(3)]
        self.add(person("Poison", "poison@firm.test"), *people)
        with self.deadly("gmail.contacts", "_settle", "Poison"):
            deaths = self.deaths("contacts")
        self.assertGreaterEqual(deaths, 3)
        self.assertLessEqual(deaths, 4)
        contacts = self.env["gmail.contact"].search([("mailbox_id", "=", self.box.id)])
        self.assertEqual(len(contacts), 4)
        bad = contacts.filtered(lambda c: c.name == "Poison")
        self.assertEqual((bad.outcome, bad.reason), ("skip", "refused"))
        self.assertNotIn("refused", (contacts - bad).mapped("reason"))

    def test_contacts_that_are_read(self):
        people = [person(f"P {n}", f"p{n}@firm.test") for n in range(3)]
        self.add(*people, person("Poison", "poison@firm.test"))
        real = people_api.parse_person

        def parse_person(item):
            if (item.get("names") or [{}])[0].get("displayName") == "Poison":
                raise Killed
            return real(item)

        with patch.object(people_api, "parse_person", parse_person):
            deaths = self.deaths("contacts")
            self.assertEqual(deaths, 3)
            contacts = self.env["gmail.contact"].search(
                [("mailbox_id", "=", self.box.id)]
            )
            self.assertEqual(
                sorted(c.name or "" for c in contacts), ["", "P 0", "P 1", "P 2"]
            )
            bad = contacts.filtered(lambda c: not c.name)
            self.assertEqual((bad.outcome, bad.reason), ("skip", "refused"))
            # The next full synchronization does not read it, nor drop it.
            self.box.contact_full_at = "2020-01-01"
            self.assertEqual(self.deaths("contacts"), 0)
            self.assertFalse(bad.is_gone)
