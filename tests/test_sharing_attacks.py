"""A colleague forges copies of an email in their own mailbox, which Gmail lets them do:
they see nothing of another owner's copy, hide nothing of it, and speak for no one."""

from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services.gmail_store import send_ref

from .common import ANNA, BEN, CUSTOMER, mail
from .test_linking import CARLA, PASS, LinkingCase

MESSAGE_ID = "<one@customer-example.test>"
SECRET, FORGED = "Walnut terms", "Please pay to another account"


@tagged("standard", "post_install", "-at_install")
class TestForgedCopies(LinkingCase):
    """Anna has Carla's email; Ben, whom it doesn't name, has what he made of it."""

    def setUp(self):
        super().setUp()
        self.project = self.env["res.partner"].create({"name": "Blue chairs"})

    def genuine(self, level, **values):
        values.setdefault("body", SECRET)
        self.receive(**values)
        box = self.box(level=level)
        self.settle(box)
        return box

    def forge(self, level, labels=("SENT",), html=None, **values):
        """Have Ben insert a copy, link it to Carla, and share it."""
        values.setdefault("body", SECRET)
        values.setdefault("Message_ID", MESSAGE_ID)
        raw = mail(**values)
        if html:
            raw = raw.replace(b"text/plain", b"text/html")
        self.google.add_message(BEN, raw, labels=list(labels))
        box = self.env["gmail.mailbox"].search([("user_id", "=", self.ben.id)])
        box = box or self.box(self.ben, BEN)
        self.settle(box)
        for thread in self.thread(box).with_user(self.ben):
            thread.panel_link("res.partner", self.carla.id)
            thread.panel_share(level)
        self.run_cron("file")
        return box

    def shown(self, box):
        """Return the posts that are made from a mailbox's copies."""
        entries = self.env["gmail.entry"].search([("mailbox_id", "=", box.id)])
        return entries.mail_message_id

    def test_a_copy_word_by_word_shows_nothing_of_the_other(self):
        for level in (False, "nobody", "metadata", "subject"):
            with self.subTest(level=level):
                anna = self.genuine(
                    level, Message_ID=f"<{level}@customer-example.test>"
                )
                self.forge(
                    "everything",
                    Message_ID=f"<{level}@customer-example.test>",
                    subject="Ben's",
                )
                for post in self.posts(self.carla) - self.shown(anna):
                    self.assertNotEqual(post.subject, "Offer for blue chairs")
                for post in self.shown(anna):
                    self.assertNotIn(SECRET, post.body)
                anna._delete()

    def test_other_people_html_and_files_stay_with_their_copy(self):
        anna = self.genuine("everything", cc="Dora <dora@customer-example.test>")
        ben = self.forge(
            "everything", html=True, body=f"<p>{SECRET}</p><p>{FORGED}</p>", to=BEN
        )
        first, second = self.shown(anna), self.shown(ben)
        self.assertEqual(len(first), 1)
        self.assertEqual(len(second), 1)
        self.assertNotIn(FORGED, first.body)
        self.assertIn("Dora", first.body)
        self.assertIn(ANNA, first.body)
        self.assertNotIn("Dora", second.body)
        self.assertIn(FORGED, second.body)
        self.assertIn(f"shared from {BEN}", second.body)
        self.assertIn("<details>", second.body)
        self.assertNotIn("<details>", first.body)

    def test_a_forged_answer_shows_nothing_of_the_other(self):
        question = self.project.message_post(
            body="Which?",
            partner_ids=self.carla.ids,
            subtype_xmlid="mail.mt_comment",
            message_type="comment",
        )
        anna = self.genuine("nobody")
        self.forge(
            False,
            labels=("INBOX",),
            References=question.message_id,
            Authentication_Results=PASS,
            subject="Ben's",
        )
        self.assertFalse(self.shown(anna))
        for post in self.posts(self.carla) | self.posts(self.project):
            self.assertEqual(post.subject, "Ben's")

    def test_a_choice_of_a_mailbox_that_is_not_named_hides_nothing(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        body = post.body
        for labels in (("SENT",), ("INBOX",)):
            self.forge("nobody", labels, to=BEN)
            self.forge("nobody", labels, date="Tue, 24 Nov 2026 10:00:00 +0000")
        self.assertEqual(self.shown(anna), post)
        self.assertEqual(post.body, body)

    def test_an_address_to_be_confirmed_names_nobody(self):
        settings = {"account": BEN, "aliases": [ANNA], "pending_aliases": [ANNA]}
        self.google.control("accounts", settings)
        anna = self.genuine("everything")
        ben = self.forge("nobody")
        self.assertFalse(ben.alias_addresses)
        self.assertTrue(self.shown(anna))

    def test_who_is_named_restrains_and_withdraws(self):
        anna = self.genuine("everything", to=f"{ANNA}, {BEN}")
        self.forge("subject", to=f"{ANNA}, {BEN}")
        self.assertNotIn(SECRET, self.shown(anna).body)

    def test_own_email_stays_in_its_owners_list(self):
        anna = self.genuine(False)
        self.forge("everything", body=FORGED)
        emails = (
            self.env["gmail.thread"]
            .with_user(self.anna)
            .panel_emails("res.partner", self.carla.id)["emails"]
        )
        own = [e for e in emails if not e["is_shared"]]
        self.assertEqual([e["thread_id"] for e in own], self.thread(anna).ids)
        state = self.thread(anna).with_user(self.anna).panel_documents()
        self.assertFalse(state["is_shared"])

    def test_what_pretends_to_be_sent_from_the_record_hides_nothing(self):
        question = self.carla.message_post(
            body="Which?", subtype_xmlid="mail.mt_comment", message_type="comment"
        )
        anna = self.genuine("everything")
        self.forge(
            "everything",
            References=question.message_id,
            X_Odoo_Gmail_Send=send_ref(question.message_id),
        )
        self.assertTrue(self.shown(anna))

    def test_a_post_with_its_message_id_hides_nothing(self):
        post = self.project.message_post(body="x", message_type="comment")
        post.message_id = MESSAGE_ID
        self.assertTrue(self.shown(self.genuine("everything")))

    def test_what_an_owner_left_behind_is_not_for_others_to_remove(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        anna._delete()
        ben = self.forge("everything")
        self.thread(ben).with_user(self.ben).panel_unlink("res.partner", self.carla.id)
        self.thread(ben).with_user(self.ben).panel_share("nobody")
        self.run_cron("file")
        self.assertTrue(post.exists())
        self.assertIn(SECRET, post.body)

    def test_the_label_sent_vouches_for_nobody_else(self):
        ben = self.forge("everything", sender=f"Anna Keller <{ANNA}>", to=CUSTOMER)
        message = self.thread(ben).message_ids
        self.assertFalse(message.is_authentic)
        post = self.shown(ben)
        self.assertFalse(post.author_id)
        self.assertIn(ANNA, post.email_from)
        self.assertEqual(
            self.env["gmail.entry"].search([("mailbox_id", "=", ben.id)]).direction,
            "in",
        )

    def test_a_colleague_is_the_author_of_their_own_copy_alone(self):
        values = {
            "sender": f"Ben Schulz <{BEN}>",
            "to": f"{CUSTOMER}, {ANNA}",
            "Message_ID": "<ben@corp-example.test>",
        }
        self.google.add_message(ANNA, mail(**values))
        anna = self.box(level="everything")
        self.settle(anna)
        self.thread(anna).with_user(self.anna).panel_link("res.partner", self.carla.id)
        self.run_cron("file")
        self.assertTrue(self.thread(anna).message_ids.is_authentic)
        self.assertFalse(self.shown(anna).author_id)
        self.google.add_message(BEN, mail(**values), labels=["SENT"])
        ben = self.box(self.ben, BEN, "everything")
        self.settle(ben)
        post = self.posts(self.carla)
        self.assertEqual(post, self.shown(ben))
        self.assertEqual(post.author_id, self.ben.partner_id)

    def test_a_contact_is_the_author_when_gmail_vouches(self):
        anna = self.genuine("everything")
        self.assertEqual(self.shown(anna).author_id, self.carla)
        ben = self.forge("everything", to=BEN)
        self.assertFalse(self.shown(ben).author_id)
        self.assertIn(CARLA, self.shown(ben).email_from)


@tagged("standard", "post_install", "-at_install")
class TestOneEntry(LinkingCase):
    """Copies that servers changed on their way are one email."""

    def test_lists_banners_and_rewritten_links(self):
        link = "https://customer-example.test/offer?id=7"
        text = f"Dear all,\n\nsee {link} until Friday.\n\nCarla"
        banner = "CAUTION: This email originated from outside of the organization.\n\n"
        footer = "\n_______________________________________\nTo unsubscribe: x@y.test"
        rewritten = f"https://urldefense.com/v3/__{link}__;!!AbC!xyz$"
        people = f"{ANNA}, {BEN}"
        self.receive(ANNA, to=people, subject="Your offer", body=text)
        self.receive(
            BEN,
            to=people,
            subject="[EXTERNAL] Your offer",
            body=banner + text.replace(link, rewritten) + footer,
        )
        boxes = self.box(level="everything"), self.box(self.ben, BEN, "everything")
        self.settle(*boxes)
        self.assertEqual(len(self.posts(self.carla)), 1)
        digests = self.env["gmail.message"].search([]).mapped("content_digest")
        self.assertEqual(len(set(digests)), 1)

    def test_the_next_consenting_copy_takes_its_place(self):
        people = f"{ANNA}, {BEN}"
        self.receive(ANNA, BEN, to=people)
        anna, ben = self.box(level="everything"), self.box(self.ben, BEN, "everything")
        self.settle(anna, ben)
        entry = self.env["gmail.entry"].search([])
        first, second = (anna, ben) if entry.mailbox_id == anna else (ben, anna)
        owner = first.user_id
        self.thread(first).with_user(owner).panel_unlink("res.partner", self.carla.id)
        self.run_cron("file")
        [entry] = self.env["gmail.entry"].search([])
        self.assertEqual(entry.mailbox_id, second)
        self.assertEqual(entry.message_id.mailbox_id, second)
        self.assertIn(second.email, self.posts(self.carla).body)
        self.thread(second).with_user(second.user_id).panel_unlink(
            "res.partner", self.carla.id
        )
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))

    def test_it_is_linked_and_shared_without_a_message_id(self):
        self.receive(Message_ID="")
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.posts(self.carla)), 1)

    def test_who_can_read_counts_records_that_the_owner_cannot_read(self):
        hidden = self.env["res.partner"].create({"name": "Hidden"})
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna = self.box(level="everything")
        self.settle(anna)
        ben = self.box(self.ben, BEN, "everything")
        self.settle(ben)
        self.thread(ben).with_user(self.ben).panel_link("res.partner", hidden.id)
        self.run_cron("file")
        hidden.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        state = self.thread(anna).with_user(self.anna).panel_documents()
        self.assertIn('"Carla Roth"', state["statement"])
        self.assertIn("people with access to 1 other record", state["statement"])
        self.assertNotIn("Hidden", str(state))
