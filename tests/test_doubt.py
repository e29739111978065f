"""What one answer of Google denies and another names is asked again: nothing is lost,
nothing is removed that is there, and what lasts is named to the owner."""

from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib import query
from odoo.addons.gmail_oauth_mailbox.lib.gmail_api import GmailClient

from .common import ANNA, GmailCase, mail
from .test_contacts import ContactsCase, person

NOT_FOUND = {
    "error": {
        "code": 404,
        "message": "Requested entity was not found.",
        "errors": [{"reason": "notFound", "domain": "global"}],
        "status": "NOT_FOUND",
    }
}


class DoubtCase(GmailCase):
    def setUp(self):
        super().setUp()
        self.first = self.google.add_message(ANNA, mail(subject="First"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)

    def stored(self):
        return self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])

    def subjects(self):
        return sorted(self.stored().mapped("subject"))

    def message(self, gmail_id):
        return self.stored().filtered(lambda m: m.gmail_id == gmail_id)

    def fault(self, path, **fault):
        self.google.control("faults", {"path": path, **fault})

    def change(self, gmail_id, action="modify", **values):
        given = {"account": ANNA, "action": action, **values}
        return self.google.control(f"messages/{gmail_id}", given)

    def make_due(self):
        """Have failed messages asked for at the next sync."""
        rows = self.box.quarantine_ids.filtered("retry_at")
        rows.retry_at = fields.Datetime.now()
        return rows

    def notices(self, subject):
        return self.env["mail.message"].search(
            [
                ("subject", "like", subject),
                ("partner_ids", "in", self.anna.partner_id.ids),
            ]
        )


@tagged("standard", "post_install", "-at_install")
class TestNotFoundAtFirst(DoubtCase):
    def test_it_comes_by_itself(self):
        late = self.google.add_message(ANNA, mail(subject="Late"))
        self.fault(f"/messages/{late}$", status=404, body=NOT_FOUND, count=1)
        self.sync(self.box)
        # Until it is there, its owner reads that it is missing, and why.
        row = self.box.with_user(self.anna).quarantine_ids
        self.assertEqual(row.gmail_id, late)
        self.assertIn("didn't return it", row.reason)
        self.assertLess(
            self.box.next_sync, fields.Datetime.add(fields.Datetime.now(), minutes=1)
        )
        self.sync(self.box)
        self.assertEqual(self.subjects(), ["First", "Late"])
        self.assertFalse(self.box.quarantine_ids)

    def test_pauses_grow_until_it_is_a_failed_message(self):
        late = self.google.add_message(ANNA, mail(subject="Late"))
        self.fault(f"/messages/{late}$", status=404, body=NOT_FOUND, count=10**6)
        self.sync(self.box)
        waits = []
        while self.make_due():
            self.sync(self.box)
            row = self.box.quarantine_ids
            left = (row.retry_at or row.create_date) - fields.Datetime.now()
            # A run takes a moment of its own.
            waits.append(round(left.total_seconds() / 60))
            self.assertLess(len(waits), 30)
        self.assertEqual(waits[:-1], sorted(waits[:-1]))
        # It is named, and asked for by hand.
        self.assertIn("doesn't return it", self.box.quarantine_ids.reason)
        asked = len(self.google.log())
        self.sync(self.box)
        paths = [entry["path"] for entry in self.google.log()[asked:]]
        self.assertFalse([path for path in paths if path.endswith(late)])
        self.google.control("faults?clear=1")
        self.box.with_user(self.anna).action_retry_left_out()
        self.sync(self.box)
        self.assertEqual(self.subjects(), ["First", "Late"])

    def test_history_says_that_it_was_deleted(self):
        late = self.google.add_message(ANNA, mail(subject="Late"))
        self.fault(f"/messages/{late}$", status=404, body=NOT_FOUND, count=10**6)
        self.sync(self.box)
        self.assertTrue(self.box.quarantine_ids)
        self.change(late, "delete")
        self.sync(self.box)
        self.assertFalse(self.box.quarantine_ids)

    def test_a_comparison_says_that_it_is_gone(self):
        late = self.google.add_message(ANNA, mail(subject="Late"))
        self.fault(f"/messages/{late}$", status=404, body=NOT_FOUND, count=10**6)
        self.sync(self.box)
        self.box.quarantine_ids.retry_at = "2040-01-01"
        self.change(late, "delete")
        self.expire_history()
        self.sync(self.box)
        self.sync(self.box)
        self.assertFalse(self.box.census)
        self.assertFalse(self.box.quarantine_ids)

    def test_history_names_it_again(self):
        late = self.google.add_message(ANNA, mail(subject="Late"))
        self.fault(f"/messages/{late}$", status=404, body=NOT_FOUND, count=1)
        self.sync(self.box)
        self.box.quarantine_ids.retry_at = "2040-01-01"
        self.change(late, add=["STARRED"])
        self.sync(self.box)
        self.sync(self.box)
        self.assertEqual(self.subjects(), ["First", "Late"])
        self.assertTrue(self.message(late).is_starred)

    def test_a_list_names_it(self):
        """Older mail, which a list names."""
        old = self.google.add_message(ANNA, mail(subject="Old"))
        self.box._restart_backfill()
        self.expire_history()
        self.box.history_cursor = False
        self.fault(f"/messages/{old}$", status=404, body=NOT_FOUND, count=1)
        self.sync(self.box)
        self.assertEqual(self.box.quarantine_ids.gmail_id, old)
        self.sync(self.box)
        self.assertEqual(self.subjects(), ["First", "Old"])

    def test_idle_mailboxes_are_asked_together_but_for_what_is_due(self):
        """A batch of mailboxes that have nothing new forgets no failed message."""
        other = self.connect(self.ben, "ben.schulz@corp-example.test")
        self.sync(other)
        late = self.google.add_message(ANNA, mail(subject="Late"))
        self.fault(f"/messages/{late}$", status=404, body=NOT_FOUND, count=1)
        (self.box | other).next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.make_due()
        (self.box | other).next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.assertEqual(self.subjects(), ["First", "Late"])

    def test_google_gives_it_some_seconds_later(self):
        self.google.control("settings", {"given_after": 60})
        self.google.add_message(ANNA, mail(subject="Late"))
        self.sync(self.box)
        self.assertTrue(self.box.quarantine_ids)
        self.google.control("clock", {"forward": 61})
        self.make_due()
        self.sync(self.box)
        self.assertEqual(self.subjects(), ["First", "Late"])


@tagged("standard", "post_install", "-at_install")
class TestConversationWithoutItsNewest(DoubtCase):
    def test_what_is_lacking_is_asked_for_by_itself(self):
        for number in range(4):
            headers = {"Message_ID": f"<{number}@c.test>"}
            if number:
                headers["References"] = "<0@c.test>"
            self.google.add_message(ANNA, mail(subject="Thread", **headers))
        self.fault("/threads/", lack_newest=True, count=1)
        self.sync(self.box)
        self.assertEqual(self.subjects(), ["First", *["Thread"] * 4])
        self.assertFalse(self.box.quarantine_ids)


@tagged("standard", "post_install", "-at_install")
class TestReturned(DoubtCase):
    def test_deleted_and_added_again(self):
        """Records of a history in which the last event is that it was added."""
        message = {"id": self.first, "threadId": self.first, "labelIds": ["INBOX"]}
        cursor = int(self.box.history_cursor)
        self.change(self.first, remove=["UNREAD"])
        records = [
            {"id": str(cursor + 1), "messagesDeleted": [{"message": message}]},
            {"id": str(cursor + 2), "messagesAdded": [{"message": message}]},
        ]
        body = {"history": records, "historyId": str(cursor + 2)}
        row = self.message(self.first)
        self.fault("/history$", status=200, body=body, count=1)
        self.sync(self.box)
        self.assertEqual(self.message(self.first), row)
        # What it is like now came with it.
        self.assertFalse(row.is_unread)


@tagged("standard", "post_install", "-at_install")
class TestConversationChanges(DoubtCase):
    def setUp(self):
        super().setUp()
        self.second = self.google.add_message(ANNA, mail(subject="Second"))
        self.sync(self.box)
        self.old = self.message(self.second).thread_id
        self.partner = self.env["res.partner"].create({"name": "Record"})
        documents = self.env["gmail.documents"].with_user(self.anna)
        documents._link(self.old.with_user(self.anna), "res.partner", self.partner.id)

    def joined(self):
        first, second = self.message(self.first), self.message(self.second)
        self.assertEqual(second.thread_id, first.thread_id)
        self.assertEqual(first.thread_id.message_count, 2)
        # The emptied conversation goes, and the record follows.
        self.assertFalse(self.old.exists())
        links = first.thread_id.link_ids
        self.assertIn(self.partner.id, links.mapped("res_id"))
        self.assertEqual(len(links), len(set(links.mapped("res_id"))))

    def test_by_history(self):
        self.change(self.second, "move", thread=self.first)
        self.change(self.second, add=["STARRED"])
        self.sync(self.box)
        self.joined()
        self.assertTrue(self.message(self.second).is_starred)

    def test_by_a_comparison(self):
        self.change(self.second, "move", thread=self.first)
        self.expire_history()
        self.sync(self.box)
        self.sync(self.box)
        self.joined()

    def test_by_the_list_of_older_mail(self):
        self.change(self.second, "move", thread=self.first)
        self.box._restart_backfill()
        self.sync(self.box)
        self.joined()

    def test_and_back(self):
        self.change(self.second, "move", thread=self.first)
        self.change(self.second, add=["STARRED"])
        self.sync(self.box)
        self.change(self.second, "move", thread=self.second)
        self.change(self.second, remove=["STARRED"])
        self.sync(self.box)
        first, second = self.message(self.first), self.message(self.second)
        self.assertNotEqual(second.thread_id, first.thread_id)
        self.assertEqual(second.thread_id.gmail_id, self.second)
        self.assertEqual(first.thread_id.message_count, 1)
        self.assertIn(self.partner.id, second.thread_id.link_ids.mapped("res_id"))

    def test_a_private_conversation_stays_private(self):
        self.old.with_user(self.anna).panel_share("nobody")
        self.change(self.second, "move", thread=self.first)
        self.change(self.second, add=["STARRED"])
        self.sync(self.box)
        self.joined()
        self.assertEqual(self.message(self.first).thread_id.sharing_level, "nobody")

    def test_a_shared_conversation_shares_no_other_email(self):
        self.old.with_user(self.anna).panel_share("everything")
        self.change(self.second, "move", thread=self.first)
        self.change(self.second, add=["STARRED"])
        self.sync(self.box)
        self.joined()
        self.assertFalse(self.message(self.first).thread_id.sharing_level)
        votes = self.env["gmail.vote"].search([("mailbox_id", "=", self.box.id)])
        self.assertFalse(votes.filtered(lambda vote: vote.level == "everything"))

    def test_a_draft_follows(self):
        draft = self.draft(self.message(self.second))
        self.change(self.second, "move", thread=self.first)
        self.change(self.second, add=["STARRED"])
        self.sync(self.box)
        self.assertEqual(draft.sudo().thread_id, self.message(self.first).thread_id)


@tagged("standard", "post_install", "-at_install")
class TestListThatRemovesEverything(DoubtCase):
    def setUp(self):
        super().setUp()
        for number in range(11):
            self.google.add_message(ANNA, mail(subject=f"Number {number:02}"))
        self.sync(self.box)
        self.expire_history()

    def rounds(self, number=3):
        for _round in range(number):
            self.sync(self.box)

    def test_one_empty_list_removes_nothing(self):
        self.fault("/messages$", empty_list=True, count=1)
        before = len(self.google.log())
        self.rounds()
        self.assertFalse(self.box.census or self.box.error_message)
        self.assertEqual(len(self.stored()), 12)
        self.assertFalse(self.notices("Emails removed"))
        # Nothing is downloaded again but the few that proved the list wrong.
        paths = [e["path"] for e in self.google.log()[before:] if e["status"] == 200]
        self.assertLessEqual(len([p for p in paths if "/messages/" in p]), 5)

    def test_lists_that_stay_empty_stop_nothing(self):
        self.fault("/messages$", empty_list=True, count=10**6)
        self.rounds(5)
        self.assertEqual(len(self.stored()), 12)
        self.google.add_message(ANNA, mail(subject="Later"))
        self.rounds()
        self.assertIn("Later", self.subjects())
        self.assertEqual(len(self.stored()), 13)
        # Everything is compared once more when Google's answers may agree again.
        self.google.control("faults?clear=1")
        self.change(self.first, "delete")
        self.expire_history()
        self.assertTrue(self.box.compare_at)
        self.box.compare_at = "2020-01-01"
        self.rounds()
        self.assertNotIn("First", self.subjects())
        self.assertEqual(len(self.stored()), 12)
        self.assertFalse(self.box.compare_at)

    def test_a_true_removal_is_believed_and_the_owner_reads_of_it(self):
        for message in self.google.messages(ANNA):
            self.change(message["id"], "delete")
        self.expire_history()
        self.rounds()
        self.assertFalse(self.stored() or self.box.census)
        notice = self.notices("Emails removed")
        self.assertEqual(len(notice), 1)
        self.assertIn("12", notice.body)

    def test_history_that_removes_everything_is_told_too(self):
        self.rounds()
        for message in self.google.messages(ANNA):
            self.change(message["id"], "delete")
        self.rounds()
        self.assertFalse(self.stored())
        self.assertEqual(len(self.notices("Emails removed")), 1)

    def test_the_list_of_a_label_that_is_empty_once(self):
        """The first list names all mail; the next ones are those of labels."""
        whole = {"path": "/messages$", "pass": True, "delay": 0, "count": 1}
        self.google.control("faults", whole)
        self.fault("/messages$", empty_list=True, count=1)
        self.rounds()
        self.assertFalse(self.box.census)
        inbox = self.stored().filtered(
            lambda m: "INBOX" in m.label_ids.mapped("gmail_id")
        )
        self.assertEqual(len(inbox), 12)

    def test_most_of_a_list_is_believed(self):
        self.change(self.first, "delete")
        self.expire_history()
        before = len(self.google.log())
        self.rounds()
        self.assertEqual(len(self.stored()), 11)
        paths = [entry["path"] for entry in self.google.log()[before:]]
        self.assertFalse([p for p in paths if "/messages/" in p])
        self.assertFalse(self.notices("Emails removed"))


@tagged("standard", "post_install", "-at_install")
class TestListThatEndsTooSoon(DoubtCase):
    def test_an_empty_list_does_not_end_the_search_for_older_mail(self):
        for number in range(5):
            self.google.add_message(ANNA, mail(subject=f"Old {number}"))
        self.box.history_cursor = str(int(self.box.history_cursor) + 1000)
        self.box._restart_backfill()
        self.fault("/messages$", empty_list=True, count=1)
        self.box.next_backfill = "2020-01-01"
        self.run_cron("backfill_1")
        self.assertFalse(self.box.backfill_done or self.box.error_message)
        self.box.next_backfill = "2020-01-01"
        self.run_cron("backfill_1")
        self.assertEqual(len(self.stored()), 6)
        self.assertTrue(self.box.backfill_done)

    def test_a_window_without_email_ends_it(self):
        self.box.history_start = "2026-11-24 00:00:00"
        self.box._restart_backfill()
        self.google.add_message(
            ANNA, mail(subject="Old", date="Tue, 01 Sep 2026 10:00:00 +0000")
        )
        for _time in range(3):
            self.box.next_backfill = "2020-01-01"
            self.run_cron("backfill_1")
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.error_message)


@tagged("standard", "post_install", "-at_install")
class TestContactsEmptyFullRead(ContactsCase):
    def setUp(self):
        super().setUp()
        self.add(*(person(f"P {n}", f"p{n}@firm.test") for n in range(4)))
        self.sync_contacts()

    def gone(self):
        contacts = self.env["gmail.contact"].search([("mailbox_id", "=", self.box.id)])
        self.assertEqual(len(contacts), 4)
        return contacts.filtered("is_gone")

    def full(self, problem=False):
        self.box.contact_full_at = "2020-01-01"
        self.sync_contacts(problem=problem)

    def test_an_empty_list_against_the_count(self):
        fault = {"path": "/connections$", "empty_list": True, "count": 1}
        self.google.control("faults", fault)
        self.full(problem=True)
        self.assertFalse(self.gone())
        self.box.contact_failures = 0
        self.sync_contacts()
        self.assertFalse(self.gone())
        self.assertTrue(self.box.contact_cursor)

    def test_as_long_as_it_lasts(self):
        body = {"connections": [], "nextSyncToken": "t2", "totalPeople": 2}
        fault = {"path": "/connections$", "status": 200, "body": body, "count": 9}
        self.google.control("faults", fault)
        for _time in range(4):
            self.full(problem=True)
        self.assertFalse(self.gone())
        # The owner reads that contacts aren't up to date.
        self.assertTrue(self.box.contact_problem)

    def test_without_a_count_a_second_list_decides(self):
        body = {"connections": [], "nextSyncToken": "t2"}
        fault = {"path": "/connections$", "status": 200, "body": body, "count": 1}
        self.google.control("faults", fault)
        self.full(problem=True)
        self.assertFalse(self.gone())
        self.box.contact_failures = 0
        self.google.control("faults", {**fault, "count": 2})
        self.full(problem=True)
        self.box.contact_failures = 0
        self.sync_contacts()
        self.assertEqual(len(self.gone()), 4)
        notice = self.env["mail.message"].search(
            [("subject", "like", "Google contacts of")]
        )
        self.assertEqual(len(notice), 1)

    def test_most_of_them_are_believed(self):
        name = self.google.contacts(ANNA)[0]["resourceName"]
        self.google.contacts(ANNA, delete=[name])
        self.google.contacts(ANNA, expire_sync=True)
        self.full()
        self.assertEqual(len(self.gone()), 1)


@tagged("standard", "post_install", "-at_install")
class TestRequestsHaveABound(DoubtCase):
    def labels(self, count, name="Clients/Archive of customer number"):
        labels = {f"Label_{100 + n}": f"{name} {n}" for n in range(count)}
        self.google.control("accounts", {"account": ANNA, "add_labels": labels})
        self.box.labels_taken = False
        self.sync(self.box)
        self.box.label_ids.filtered(
            lambda x: x.gmail_id.startswith("Label_")
        ).is_synced = False

    def refused(self, since):
        return [e for e in self.google.log()[since:] if e["status"] == 414]

    def test_labels_that_are_switched_off(self):
        self.labels(600)
        off = self.google.add_message(ANNA, mail(subject="Off"), ["Label_699"])
        self.google.add_message(ANNA, mail(subject="Old"))
        before = len(self.google.log())
        self.box._restart_backfill()
        self.sync(self.box)
        # What the search has no room for is left out after it was looked at.
        self.assertEqual(self.subjects(), ["First", "Old"])
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.error_message or self.message(off))
        self.assertFalse(self.refused(before))
        # The same search compares everything.
        self.expire_history()
        self.sync(self.box)
        self.assertFalse(self.box.census or self.refused(before))

    def test_a_way_on_when_google_takes_less(self):
        self.labels(40)
        self.google.control("settings", {"longest_address": 700})
        before = len(self.google.log())
        self.google.add_message(ANNA, mail(subject="Old"))
        self.box._restart_backfill()
        self.sync(self.box)
        self.assertTrue(self.refused(before))
        self.assertEqual(self.subjects(), ["First", "Old"])
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.error_message)
        self.expire_history()
        self.sync(self.box)
        self.sync(self.box)
        self.assertFalse(self.box.census or self.box.error_message)

    def test_a_search_for_people_that_google_refuses(self):
        """One address that Gmail's search can't take keeps no other out."""
        partners = self.env["res.partner"].create(
            [{"name": n, "email": f"{n}@firm.test"} for n in ("ann", "bad", "cy")]
        )
        for partner in partners:
            sender = f"{partner.name} <{partner.email}>"
            self.google.add_message(ANNA, mail(sender=sender, subject=partner.name))
        real = GmailClient.list_messages

        def refusing(self, q=None, **options):
            if "bad@firm.test" in q:
                q = f"{q} (" + "x" * 9000
            return real(self, q=q, **options)

        self.box.import_scope = "contacts"
        with patch.object(GmailClient, "list_messages", refusing):
            for _round in range(3):
                self.sync(self.box)
        self.assertLessEqual({"ann", "cy"}, set(self.subjects()))
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.error_message)

    def test_every_search_fits(self):
        """A property of the text: whatever labels and addresses are called."""
        names = ["ü" * 300, "a" * 225, "Work/Old stuff", "日本" * 100]
        terms = [query.without(f"Label_{n}", name) for n, name in enumerate(names * 60)]
        found = query.fitting(filter(None, terms), query.LABELS_ROOM)
        self.assertLessEqual(query.size(found), query.LABELS_ROOM)
        self.assertTrue(found)
        addresses = [f"{'ü' * 300}@{n}.test" for n in range(9)] + ["ann@a.test"]
        term, covered = query.people(addresses)
        self.assertEqual(covered, 10)
        self.assertIn("from:ann@a.test", term)
        self.assertLessEqual(query.size(term), query.MOST_CHARACTERS)
