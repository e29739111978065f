"""Looking in Gmail for what Odoo does not have, and bringing it in."""

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services import gmail_search

from .common import ANNA, BEN, PRIVATE, GmailCase, mail

OLD = "Mon, 02 Mar 2026 10:00:00 +0000"


@tagged("standard", "post_install", "-at_install")
class TestSearchGmail(GmailCase):
    def setUp(self):
        super().setUp()
        self.google.add_message(ANNA, mail(subject="Walnut table of now"))
        first = mail(
            subject="Walnut table of spring", date=OLD, Message_ID="<1@c.test>"
        )
        self.google.add_message(ANNA, first)
        answer = mail(
            sender=ANNA,
            to="carla.roth@customer-example.test",
            subject="Re: Walnut table of spring",
            date="Tue, 03 Mar 2026 10:00:00 +0000",
            In_Reply_To="<1@c.test>",
            References="<1@c.test>",
        )
        self.google.add_message(ANNA, answer, ["SENT"])
        self.box = self.connect(self.anna, ANNA)
        self.box.history_days = 30
        self.sync(self.box)
        self.boxes = self.env["gmail.mailbox"].with_user(self.anna)

    def stored(self):
        return self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])

    def find(self, text, **values):
        return self.boxes.panel_search_gmail(text, **values)

    def bring(self, row):
        return self.boxes.panel_bring(row["mailbox_id"], row["gmail_id"])

    def test_what_is_beyond_the_window_is_found_and_comes_when_it_is_opened(self):
        self.assertEqual(self.stored().mapped("subject"), ["Walnut table of now"])
        answer = self.find("walnut")
        self.assertFalse(answer["problems"])
        [row] = answer["found"]
        # One row for the conversation; what Odoo has is not among them.
        self.assertEqual(row["subject"], "Re: Walnut table of spring")
        self.assertEqual(len(self.stored()), 1)
        thread = self.env["gmail.thread"].browse(self.bring(row))
        self.assertEqual(thread.message_count, 2)
        self.assertEqual(thread.subject, "Walnut table of spring")
        self.assertEqual(self.find("walnut")["found"], [])
        # She finds it in Odoo now.
        page = self.boxes.panel_threads(self.box.id, "spring")
        self.assertEqual([row["id"] for row in page["threads"]], [thread.id])

    def test_it_stays_when_google_forgets_and_when_it_changes(self):
        [row] = self.find("walnut")["found"]
        thread = self.env["gmail.thread"].browse(self.bring(row))
        old = thread.message_ids.filtered(lambda m: m.direction == "in")
        self.google.control("accounts", {"account": ANNA, "action": "expire_history"})
        self.sync(self.box)
        self.assertEqual(thread.message_count, 2)
        self.google.control(
            f"messages/{old.gmail_id}",
            {"account": ANNA, "action": "labels", "add": ["STARRED"]},
        )
        self.sync(self.box)
        self.assertTrue(thread.is_starred)
        self.google.control(
            f"messages/{old.gmail_id}", {"account": ANNA, "action": "delete"}
        )
        self.sync(self.box)
        self.assertEqual(thread.message_count, 1)

    def test_gmails_own_language_and_nothing_hidden(self):
        for label in ("SPAM", "TRASH"):
            self.google.add_message(ANNA, mail(subject=f"Walnut in {label}"), [label])
        self.assertEqual(len(self.find("subject:spring")["found"]), 1)
        self.assertEqual(self.find("from:nobody@else.test")["found"], [])
        for text in ("walnut OR in:spam", "x) OR in:trash OR (walnut", "in:anywhere"):
            subjects = [row["subject"] for row in self.find(text)["found"]]
            self.assertFalse([s for s in subjects if "Walnut in" in s], text)
        self.assertEqual(self.find("   ")["found"], [])

    def test_what_was_removed_or_is_excluded_stays_away(self):
        [row] = self.find("walnut")["found"]
        thread = self.env["gmail.thread"].browse(self.bring(row)).with_user(self.anna)
        thread.panel_remove()
        self.assertEqual(self.find("walnut")["found"], [])
        with self.assertRaisesRegex(UserError, "stays out of Odoo"):
            self.bring(row)
        self.google.add_message(
            ANNA, mail(sender="x@secret.test", subject="Walnut secret", date=OLD)
        )
        self.assertEqual(len(self.find("secret")["found"]), 1)
        dialog = self.env["gmail.exclude"].with_user(self.anna)
        dialog.create({"pattern": "@secret.test"}).action_exclude()
        self.assertEqual(self.find("secret")["found"], [])

    def test_labels_that_are_off(self):
        self.google.add_message(
            ANNA, mail(subject="Walnut promotion", date=OLD), ["CATEGORY_SOCIAL"]
        )
        self.assertEqual(self.find("promotion")["found"], [])

    def test_the_administrators_ceilings(self):
        def set_param(name, value):
            self.env["ir.config_parameter"].set_param(
                f"gmail_oauth_mailbox.{name}", value
            )

        [row] = self.find("walnut")["found"]
        set_param("max_history_days", 60)
        self.assertEqual(self.find("walnut")["found"], [])
        with self.assertRaisesRegex(UserError, "stays out of Odoo"):
            self.bring(row)
        set_param("max_history_days", 0)
        set_param("max_messages", 1)
        with self.assertRaisesRegex(UserError, "allows no more mail"):
            self.bring(row)
        set_param("max_messages", 2)
        thread = self.env["gmail.thread"].browse(self.bring(row))
        self.assertEqual(thread.message_count, 1)

    def test_contacts_only_is_no_wall_for_what_is_asked_for(self):
        self.box.with_user(self.anna).import_scope = "contacts"
        [row] = self.find("subject:spring")["found"]
        self.assertTrue(self.bring(row))

    def test_all_mailboxes_and_one_that_fails(self):
        self.google.add_message(PRIVATE, mail(to=PRIVATE, subject="Walnut at home"))
        other = self.connect(self.anna, PRIVATE)
        other.history_days = 30
        found = self.find("walnut")["found"]
        self.assertEqual([row["mailbox_id"] for row in found], [other.id, self.box.id])
        found = self.find("walnut", mailbox_id=self.box.id)["found"]
        self.assertEqual([row["mailbox_id"] for row in found], [self.box.id])
        self.google.control("accounts", {"account": PRIVATE, "action": "revoke"})
        answer = self.find("walnut")
        self.assertEqual([r["mailbox_id"] for r in answer["found"]], [self.box.id])
        self.assertEqual(len(answer["problems"]), 1)

    def test_units_of_a_search(self):
        before = len(self.google.log())
        self.find("walnut")
        paths = [entry["path"] for entry in self.google.log()[before:]]
        self.assertEqual(len([p for p in paths if p.endswith("/messages")]), 1)
        # One list and one message: 25 units of 6,000 a minute.
        self.assertEqual(len([p for p in paths if "/messages/" in p]), 1, paths)

    def test_for_the_owner_alone(self):
        [row] = self.find("walnut")["found"]
        for user in (self.ben, self.env.ref("base.user_admin")):
            boxes = self.env["gmail.mailbox"].with_user(user)
            answer = boxes.panel_search_gmail("walnut", self.box.id)
            self.assertEqual((answer["found"], answer["problems"]), ([], []))
            with self.assertRaisesRegex(UserError, "Connect this mailbox first"):
                boxes.panel_bring(row["mailbox_id"], row["gmail_id"])
        self.assertEqual(len(self.stored()), 1)

    def test_behind_what_odoo_has(self):
        """The newest hits are all in Odoo: what is older is found all the same."""
        for number in range(5):
            self.google.add_message(ANNA, mail(subject=f"Walnut of now {number}"))
        self.sync(self.box)
        with patch.object(gmail_search, "LISTED", 2):
            answer = self.find("walnut")
        self.assertEqual(
            [row["subject"] for row in answer["found"]], ["Re: Walnut table of spring"]
        )
        self.assertFalse(answer["more"])
        with (
            patch.object(gmail_search, "LISTED", 2),
            patch.object(gmail_search, "MOST_LISTS", 2),
        ):
            answer = self.find("walnut")
        self.assertEqual((answer["found"], answer["more"]), ([], True))

    def test_a_ceiling_is_told_by_what_the_window_brought(self):
        [row] = self.find("walnut")["found"]
        self.bring(row)
        self.google.add_message(
            ANNA, mail(subject="October", date="Thu, 01 Oct 2026 10:00:00 +0000")
        )
        self.google.add_message(
            ANNA, mail(subject="September", date="Tue, 01 Sep 2026 10:00:00 +0000")
        )
        # As new mail they are outside the window.
        self.sync(self.box)
        self.env["ir.config_parameter"].set_param(
            "gmail_oauth_mailbox.max_messages", len(self.stored()) + 1
        )
        self.box.with_user(self.anna).history_days = 120
        self.sync(self.box)
        self.assertEqual(self.box.stopped_by, "messages")
        self.assertEqual(str(self.box.stopped_at)[:10], "2026-10-01")

    def test_a_conversation_that_is_gone(self):
        [row] = self.find("walnut")["found"]
        for gmail_id in ("18c0ffee18c0ffee", "../../me/profile", ""):
            with self.assertRaises(UserError):
                self.boxes.panel_bring(row["mailbox_id"], gmail_id)


@tagged("standard", "post_install", "-at_install")
class TestSeveral(GmailCase):
    def test_share_and_remove_several(self):
        for subject in ("First of three", "Second of three", "Third of three"):
            key = subject.split()[0]
            self.google.add_message(
                ANNA, mail(subject=subject, Message_ID=f"<{key}@c.test>")
            )
        self.google.add_message(
            PRIVATE, mail(to=PRIVATE, subject="At home", Message_ID="<h@c.test>")
        )
        boxes = self.connect(self.anna, ANNA) | self.connect(self.anna, PRIVATE)
        for box in boxes:
            self.sync(box)
        threads = self.env["gmail.thread"].search(
            [("mailbox_id", "in", boxes.ids), ("subject", "!=", "Third of three")]
        )
        theirs = threads.with_user(self.anna)
        theirs.panel_share_all("subject")
        self.assertEqual(threads.mapped("sharing_level"), ["subject"] * 3)
        votes = self.env["gmail.vote"].search([("mailbox_id", "in", boxes.ids)])
        self.assertEqual(
            sorted(votes.filtered("level").mapped("level")), ["subject"] * 3
        )
        with self.assertRaises(AccessError):
            threads.with_user(self.ben).panel_share_all("everything")
        with self.assertRaises(AccessError):
            threads.with_user(self.ben).panel_remove()
        theirs.panel_remove()
        left = self.env["gmail.message"].search([("mailbox_id", "in", boxes.ids)])
        self.assertEqual(left.mapped("subject"), ["Third of three"])
        for box in boxes:
            self.sync(box)
        left = self.env["gmail.message"].search([("mailbox_id", "in", boxes.ids)])
        self.assertEqual(left.mapped("subject"), ["Third of three"])

    def test_a_colleagues_among_ones_own(self):
        self.google.add_message(ANNA, mail(subject="Hers"))
        self.google.add_message(BEN, mail(to=BEN, subject="His own"))
        for user, email in ((self.anna, ANNA), (self.ben, BEN)):
            self.sync(self.connect(user, email))
        both = self.env["gmail.thread"].search([]).with_user(self.anna)
        self.assertEqual(len(both), 2)
        for call in (both.panel_remove, lambda: both.panel_share_all("everything")):
            with self.assertRaises(AccessError):
                call()
        self.assertEqual(both.sudo().mapped("message_count"), [1, 1])
