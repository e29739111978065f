"""How much mail comes in: the window, contacts only, ceilings, labels, long mail."""

import random
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services import gmail_scheduler

from .common import ANNA, BEN, GmailCase, mail

OLD = "Tue, 01 Sep 2026 10:00:00 +0000"
CARLA = "carla.roth@customer-example.test"


class BackfillCase(GmailCase):
    def setUp(self):
        super().setUp()
        self.env["res.partner"].create({"name": "Carla", "email": CARLA})

    def stored(self, box=None):
        return (
            self.env["gmail.message"]
            .search([("mailbox_id", "=", (box or self.box).id)])
            .mapped("subject")
        )

    def calls(self, since=0):
        """Return {what: how often} of the calls of Google since then."""
        counts = {}
        for entry in self.google.log()[since:]:
            for what in ("/messages/", "/threads/", "/messages", "/history"):
                if entry["path"].endswith(what.rstrip()) or (
                    what.endswith("/") and what in entry["path"]
                ):
                    counts[what] = counts.get(what, 0) + 1
                    break
        return counts

    def set_param(self, name, value):
        self.env["ir.config_parameter"].set_param(f"gmail_oauth_mailbox.{name}", value)


@tagged("standard", "post_install", "-at_install")
class TestContactsOnly(BackfillCase):
    def connect_for_contacts(self):
        self.box = self.connect(self.anna, ANNA)
        self.box.with_user(self.anna).import_scope = "contacts"

    def test_only_mail_with_contacts_comes_in(self):
        self.google.add_message(ANNA, mail(subject="From a contact"))
        self.google.add_message(ANNA, mail(sender="x@else.test", subject="Stranger"))
        self.google.add_message(
            ANNA, mail(sender=ANNA, to=CARLA, subject="To a contact"), ["SENT"]
        )
        self.google.add_message(
            ANNA, mail(sender="x@else.test", Cc=CARLA, subject="Copied")
        )
        # A name that looks like a contact is none; nor is an address that contains it.
        self.google.add_message(
            ANNA, mail(sender=f'"{CARLA}" <x@else.test>', subject="Pretends")
        )
        self.google.add_message(ANNA, mail(sender=f"x{CARLA}", subject="Longer"))
        # Colleagues are no contacts.
        self.google.add_message(ANNA, mail(sender=BEN, subject="From a colleague"))
        self.connect_for_contacts()
        before = len(self.google.log())
        self.sync(self.box)
        self.assertEqual(
            sorted(self.stored()), ["Copied", "From a contact", "To a contact"]
        )
        # One search for all contacts of this database, and one get for each.
        self.assertEqual(self.calls(before)["/messages/"], 3)
        self.assertTrue(self.box.backfill_done)

    def test_new_mail_of_strangers_is_not_kept(self):
        self.connect_for_contacts()
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="New"))
        self.google.add_message(ANNA, mail(sender="x@else.test", subject="Stranger"))
        self.sync(self.box)
        self.assertEqual(self.stored(), ["New"])

    def test_a_new_contact_brings_its_mail(self):
        self.google.add_message(ANNA, mail(sender="dora@else.test", subject="Before"))
        self.connect_for_contacts()
        self.sync(self.box)
        self.assertFalse(self.stored())
        dora = self.env["res.partner"].create(
            {"name": "Dora", "email": "Dora <DORA@else.test>"}
        )
        self.run_cron("addresses")
        self.assertFalse(self.box.backfill_done)
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Before"])
        # Nothing new: nothing is asked.
        before = len(self.google.log())
        self.run_cron("addresses")
        self.assertTrue(self.box.backfill_done)
        self.assertEqual(len(self.google.log()), before)
        # Away and back again: what came in between is found.
        dora.active = False
        self.run_cron("addresses")
        self.google.add_message(ANNA, mail(sender="dora@else.test", subject="Between"))
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Before"])
        dora.active = True
        self.run_cron("addresses")
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["Before", "Between"])

    def test_a_contact_that_the_owner_may_not_read_is_none(self):
        other = self.env["res.company"].create({"name": "Other company"})
        self.env["res.partner"].create(
            {"name": "Hidden", "email": "hid@else.test", "company_id": other.id}
        )
        self.google.add_message(ANNA, mail(sender="hid@else.test", subject="Hidden"))
        self.connect_for_contacts()
        self.sync(self.box)
        self.assertFalse(self.stored())

    def test_many_contacts_are_searched_for_in_few_calls(self):
        self.env["res.partner"].create(
            [
                {"name": f"Contact {n}", "email": f"contact{n}@customer-example.test"}
                for n in range(60)
            ]
        )
        for number in (0, 29, 59):
            self.google.add_message(
                ANNA,
                mail(sender=f"contact{number}@customer-example.test", subject="Found"),
            )
        for number in range(30):
            self.google.add_message(ANNA, mail(sender=f"{number}@x.test"))
        self.connect_for_contacts()
        before = len(self.google.log())
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Found"] * 3)
        calls = self.calls(before)
        self.assertEqual(calls["/messages/"], 3)
        self.assertLessEqual(calls["/messages"], 8)

    def test_what_is_sent_from_odoo_is_kept(self):
        self.connect_for_contacts()
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Question"))
        self.sync(self.box)
        question = self.env["gmail.message"].search([("subject", "=", "Question")])
        self.answer(question, "<p>Yes</p>")
        # She is no contact any more: the answer, which is Odoo's own, stays.
        self.env["res.partner"].search([("email", "=", CARLA)]).active = False
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["Question", "Re: Question"])

    def test_changing_the_mind(self):
        self.google.add_message(ANNA, mail(subject="From a contact"))
        self.google.add_message(ANNA, mail(sender="x@else.test", subject="Stranger"))
        self.connect_for_contacts()
        self.sync(self.box)
        self.assertEqual(self.stored(), ["From a contact"])
        self.box.with_user(self.anna).import_scope = "all"
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["From a contact", "Stranger"])
        # What is here stays, also when the cursor expires.
        self.box.with_user(self.anna).import_scope = "contacts"
        self.sync(self.box)
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["From a contact", "Stranger"])

    def test_administrators_choose_what_new_mailboxes_begin_with(self):
        self.set_param("default_import_scope", "contacts")
        self.box = self.connect(self.anna, ANNA)
        self.assertEqual(self.box.import_scope, "contacts")


@tagged("standard", "post_install", "-at_install")
class TestWindow(BackfillCase):
    def setUp(self):
        super().setUp()
        self.google.add_message(ANNA, mail(subject="Old", date=OLD))
        self.google.add_message(ANNA, mail(subject="New"))
        self.box = self.connect(self.anna, ANNA)

    def begin_between(self):
        """Have the mailbox begin between the two messages."""
        self.sync(self.box)
        self.env["gmail.message"].search([("subject", "=", "Old")]).unlink()
        self.box.write({"history_days": 60, "history_start": "2026-10-01 00:00:00"})

    def test_mail_from_before_the_window_stays_in_gmail(self):
        self.begin_between()
        self.assertEqual(self.stored(), ["New"])
        # Imported into Gmail now, but old.
        self.google.add_message(ANNA, mail(subject="Imported", date=OLD))
        self.google.add_message(ANNA, mail(subject="Newer"))
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["New", "Newer"])

    def test_a_wider_window_brings_older_mail_once(self):
        self.begin_between()
        before = len(self.google.log())
        self.box.with_user(self.anna).history_window = "0"
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["New", "Old"])
        self.assertEqual(self.calls(before)["/messages/"], 1)

    def test_a_narrower_window_leaves_what_is_there_and_keeps_it_up_to_date(self):
        self.sync(self.box)
        self.box.write({"history_days": 7, "history_start": "2026-11-20 00:00:00"})
        old = self.env["gmail.message"].search([("subject", "=", "Old")])
        self.google.control(
            f"messages/{old.gmail_id}",
            {"account": ANNA, "action": "modify", "remove": ["UNREAD"]},
        )
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["New", "Old"])
        self.assertFalse(old.is_unread)

    def test_administrators_limit_the_window(self):
        self.set_param("max_history_days", "30")
        own = self.box.with_user(self.anna)
        with self.assertRaises(ValidationError):
            own.history_window = "90"
        with self.assertRaises(ValidationError):
            own.history_window = "0"
        own.history_window = "7"
        self.box.history_days = 30
        self.set_param("default_history_days", "365")
        other = self.authorize(self.ben, BEN).mailbox_id
        self.assertEqual(other.history_days, 30)

    def test_a_limit_set_later_shortens_what_is_longer(self):
        self.assertEqual(self.box.history_days, 0)
        settings = self.env["res.config.settings"].create({"gmail_max_history": 90})
        settings.set_values()
        self.assertEqual(self.box.history_days, 90)
        self.assertTrue(self.box.history_start)


@tagged("standard", "post_install", "-at_install")
class TestCeilings(BackfillCase):
    def setUp(self):
        super().setUp()
        for day in range(1, 9):
            self.google.add_message(
                ANNA,
                mail(subject=f"Day {day}", date=f"{day:02} Nov 2026 10:00:00 +0000"),
            )
        self.box = self.connect(self.anna, ANNA)

    def settings(self, **values):
        self.env["res.config.settings"].create(values).set_values()

    def test_number_of_messages(self):
        self.set_param("max_messages", "5")
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), [f"Day {day}" for day in range(4, 9)])
        note = self.box.with_user(self.anna).stopped_note
        self.assertIn("5 messages", note)
        self.assertIn("11/04/2026", note)
        panel = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
        self.assertEqual(panel["mailboxes"][0]["ceiling"], note)
        # New mail is never held back.
        self.google.add_message(ANNA, mail(subject="New"))
        self.sync(self.box)
        self.assertIn("New", self.stored())
        # With the ceiling raised, the rest comes in by itself.
        self.settings(gmail_max_messages=100)
        self.sync(self.box)
        self.assertEqual(len(self.stored()), 9)
        self.assertFalse(self.box.stopped_note)

    def test_as_many_as_there_are(self):
        self.set_param("max_messages", "8")
        self.sync(self.box)
        self.assertEqual(len(self.stored()), 8)
        self.assertFalse(self.box.stopped_by)

    def test_size(self):
        self.set_param("max_megabytes", "1")
        chance = random.Random(4)
        for number in range(3):
            # What cannot be compressed.
            body = "\n".join(chance.randbytes(35).hex() for _line in range(10_000))
            self.google.add_message(ANNA, mail(subject=f"Large {number}", body=body))
        self.sync(self.box)
        self.assertTrue(self.box.backfill_done)
        self.box._restart_backfill()
        self.google.add_message(
            ANNA, mail(subject="Older", date="01 Oct 2026 10:00:00 +0000")
        )
        self.expire_history()
        self.sync(self.box)
        self.assertNotIn("Older", self.stored())
        self.assertIn("1 MB", self.box.with_user(self.anna).stopped_note)

    def test_a_ceiling_is_no_negative_number(self):
        with self.assertRaises(ValidationError):
            self.settings(gmail_max_messages=-1)


@tagged("standard", "post_install", "-at_install")
class TestStaysAway(BackfillCase):
    def setUp(self):
        super().setUp()
        self.first = self.google.add_message(ANNA, mail(subject="First"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)

    def test_what_the_owner_removed_is_not_brought_back(self):
        thread = self.env["gmail.message"].search([("gmail_id", "=", self.first)])
        thread = thread.thread_id.with_user(self.anna)
        with self.assertRaises(AccessError):
            thread.with_user(self.ben).panel_remove()
        thread.panel_remove()
        self.assertFalse(self.stored())
        before = len(self.google.log())
        self.box._restart_backfill()
        self.sync(self.box)
        self.expire_history()
        self.sync(self.box)
        self.google.control(
            f"messages/{self.first}",
            {"account": ANNA, "action": "modify", "add": ["TRASH"]},
        )
        self.google.control(
            f"messages/{self.first}",
            {"account": ANNA, "action": "modify", "remove": ["TRASH"]},
        )
        self.sync(self.box)
        self.assertFalse(self.stored())
        self.assertFalse(self.calls(before).get("/messages/"))
        # Gmail keeps it, and what comes later comes in.
        self.assertIn(self.first, [m["id"] for m in self.google.messages(ANNA)])
        self.google.add_message(ANNA, mail(subject="Later"))
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Later"])

    def test_what_is_left_out_is_shown_and_tried_again(self):
        refusal = {"error": {"code": 400, "message": "Bad"}}
        self.google.control(
            "faults", {"path": "/messages/", "status": 400, "body": refusal, "count": 1}
        )
        hard = self.google.add_message(ANNA, mail(subject="Hard"))
        soft = self.google.add_message(ANNA, mail(subject="Soft"))
        self.sync(self.box)
        own = self.box.with_user(self.anna)
        left_out = own.quarantine_ids
        self.assertEqual(len(left_out), 1)
        self.assertIn(left_out.gmail_id, (hard, soft))
        self.assertEqual(own.quarantine_count, 1)
        self.assertTrue(left_out.reason)
        link = left_out.action_open_in_gmail()["url"]
        self.assertTrue(link.startswith("https://mail.google.com/"))
        self.assertIn(left_out.gmail_id, link)
        with self.assertRaises(AccessError):
            left_out.with_user(self.ben).action_open_in_gmail()
        # An administrator sees how many, not which.
        admin = self.env.ref("base.user_admin")
        self.assertEqual(self.box.with_user(admin).quarantine_count, 1)
        self.assertFalse(self.box.with_user(admin).quarantine_ids)
        # The cursor moved on: it is not asked for again by itself.
        before = len(self.google.log())
        self.sync(self.box)
        self.assertFalse(self.calls(before).get("/messages/"))
        own.action_retry_left_out()
        self.assertTrue(own.quarantine_ids.is_retried)
        self.sync(self.box)
        self.assertFalse(own.quarantine_ids)
        self.assertEqual(sorted(self.stored()), ["First", "Hard", "Soft"])

    def test_deleted_in_gmail_is_no_longer_left_out(self):
        self.env["gmail.store"]._quarantine(self.box, self.first, "unreadable")
        self.env["gmail.store"]._quarantine(self.box, self.first, "too_large")
        self.assertEqual(self.box.quarantine_ids.code, "too_large")
        self.google.control(
            f"messages/{self.first}", {"account": ANNA, "action": "delete"}
        )
        self.sync(self.box)
        self.assertFalse(self.box.quarantine_ids)


@tagged("standard", "post_install", "-at_install")
class TestCensus(BackfillCase):
    """Gmail forgot the cursor, and the mailbox is larger than a minute's quota."""

    def one_list(self):
        """Run a slice that ends after one list, as if the quota were spent."""
        self.box.next_sync = "2020-01-01"
        once = patch.dict(gmail_scheduler.SLICES, new=0)
        with once, patch.dict(gmail_scheduler.CRON_SECONDS, new=0):
            self.run_cron("sync_1")

    def test_it_goes_on_where_the_quota_stopped_it(self):
        gone = self.google.add_message(ANNA, mail(subject="Gone"))
        read = self.google.add_message(ANNA, mail(subject="Read"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.expire_history()
        self.google.control(f"messages/{gone}", {"account": ANNA, "action": "delete"})
        change = {"account": ANNA, "action": "modify", "remove": ["UNREAD"]}
        self.google.control(f"messages/{read}", change)
        self.google.add_message(ANNA, mail(subject="Meanwhile"))
        self.expire_history()
        before, left = len(self.google.log()), []
        for _slice in range(40):
            self.one_list()
            if not self.box.census:
                break
            left.append(len(self.box.census["labels"]))
        # Its place is kept: no list is asked for twice.
        self.assertGreater(left[0], 3)
        self.assertEqual(left, list(range(left[0], -1, -1)))
        self.assertEqual(self.calls(before)["/messages"], left[0])
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["Meanwhile", "Read"])
        message = self.env["gmail.message"].search([("gmail_id", "=", read)])
        self.assertFalse(message.is_unread)
        self.assertFalse(self.env["gmail.census"].search_count([]))

    def test_a_label_that_is_deleted_meanwhile_is_passed_over(self):
        self.google.add_message(ANNA, mail(subject="Labelled"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.expire_history()
        self.one_list()
        # Its labels were read; one of them is deleted in Gmail before it is listed.
        census = self.box.census
        labels = ["", "Label_404", "UNREAD"]
        self.box.census = {**census, "labels": labels, "compared": labels[1:]}
        before = len(self.google.log())
        self.sync(self.box)
        refused = [e for e in self.google.log()[before:] if e["status"] == 400]
        self.assertEqual(len(refused), 1)
        self.assertFalse(self.box.census or self.box.error_message)
        self.assertEqual(self.stored(), ["Labelled"])
        self.assertTrue(self.env["gmail.message"].search([]).is_unread)


@tagged("standard", "post_install", "-at_install")
class TestSwitchingLabels(BackfillCase):
    """Before a label is switched, its owner reads how much mail that is about."""

    def setUp(self):
        super().setUp()
        labels = ["INBOX", "CATEGORY_PROMOTIONS"]
        for number in range(3):
            self.google.add_message(ANNA, mail(subject=f"Buy {number}"), labels)
        self.google.add_message(ANNA, mail(subject="Old", date=OLD), labels)
        self.google.add_message(ANNA, mail(subject="Spam"), [*labels[1:], "SPAM"])
        self.google.add_message(ANNA, mail(subject="Hello"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.box.history_start = "2026-10-01 00:00:00"
        self.label = self.label_of("CATEGORY_PROMOTIONS")

    def label_of(self, gmail_id):
        labels = self.box.with_user(self.anna).label_ids
        return labels.filtered(lambda label: label.gmail_id == gmail_id)

    def ask(self, label):
        action = label.action_ask_switch()
        return (
            self.env[action["res_model"]].with_user(self.anna).browse(action["res_id"])
        )

    def test_on(self):
        self.assertEqual(self.label.where, "Gmail only")
        before = len(self.google.log())
        dialog = self.ask(self.label)
        self.assertIn("not in Odoo yet: 3.", dialog.sentence)
        self.assertIn("about 1 min", dialog.sentence)
        # Asking costs one list and changes nothing.
        self.assertEqual(self.calls(before), {"/messages": 1})
        self.assertFalse(self.label.is_synced)
        dialog.action_confirm()
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["Buy 0", "Buy 1", "Buy 2", "Hello"])
        self.assertEqual(self.calls(before)["/messages/"], 3)

    def test_off(self):
        inbox = self.label_of("INBOX")
        dialog = self.ask(inbox)
        self.assertIn("leave Odoo: 1.", dialog.sentence)
        dialog.action_confirm()
        self.sync(self.box)
        self.assertFalse(self.stored())

    def test_google_cannot_be_asked(self):
        self.google.control("faults", {"path": "/messages$", "status": 503, "count": 9})
        dialog = self.ask(self.label)
        self.assertIn("cannot be told now", dialog.sentence)
        self.google.control("faults?clear=1")
        dialog.action_confirm()
        self.assertTrue(self.label.is_synced)

    def test_nobody_else_asks_or_switches(self):
        dialog = self.ask(self.label)
        for user in (self.ben, self.env.ref("base.user_admin")):
            with self.assertRaises(AccessError):
                self.label.with_user(user).action_ask_switch()
            with self.assertRaises(AccessError):
                dialog.with_user(user).action_confirm()
            own = self.env["gmail.label.switch"].with_user(user)
            with self.assertRaises(AccessError):
                own.create({"label_id": self.label.id}).action_confirm()
        self.assertFalse(self.label.is_synced)


@tagged("standard", "post_install", "-at_install")
class TestLongMessages(BackfillCase):
    """What is longer than Odoo keeps is shown, and nothing is lost silently."""

    def take_in(self, raw):
        self.google.add_message(ANNA, raw)
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        message = self.env["gmail.message"].search([]).with_user(self.anna)
        return message, message.thread_id.panel_read()["messages"][0]

    def test_a_long_text_is_folded_and_shown_on_request(self):
        raw = mail(subject="Long").replace(b"text/plain", b"text/html")
        text = b"<p>First</p>" + b"<p>line of a long text</p>\n" * 50_000
        raw = raw.replace(b"Hello Anna", text + b"<p>Last</p>")
        message, shown = self.take_in(raw)
        self.assertTrue(shown["is_folded"])
        self.assertLess(len(message.body), 101_000)
        self.assertNotIn("Last", shown["srcdoc"])
        before = len(self.google.log())
        whole = message.panel_whole()
        self.assertEqual(len(self.google.log()) - before, 1)
        self.assertTrue(
            whole.startswith("<!DOCTYPE html><html><head><meta http-equiv=")
        )
        self.assertIn("<p>Last</p>", whole)
        # It is not kept, and not given to anybody else.
        self.assertLess(len(message.body), 101_000)
        for user in (self.ben, self.env.ref("base.user_admin")):
            with self.assertRaises(AccessError):
                message.with_user(user).panel_whole()
        self.google.control(
            f"messages/{message.gmail_id}", {"account": ANNA, "action": "delete"}
        )
        with self.assertRaisesRegex(UserError, "not in Gmail any more"):
            message.panel_whole()

    def test_many_people(self):
        people = ", ".join(f"person{n}@firm.test" for n in range(600))
        message, shown = self.take_in(mail(to=people, Cc="carl@firm.test"))
        self.assertEqual(len(message.participant_ids), 500)
        self.assertIn("from", message.participant_ids.mapped("role"))
        self.assertEqual(shown["people_left_out"], 102)
        with self.assertRaisesRegex(UserError, "more people than Odoo keeps"):
            self.draft(message, mode="reply_all")
        self.answer(message)
        sent = [m for m in self.google.messages(ANNA) if "SENT" in m["labelIds"]]
        self.assertEqual(len(sent), 1)
