"""Which documents a mail belongs to, and what of it stands there."""

import re
import time

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from .common import ANNA, BEN, GmailCase, mail

CARLA = "carla.roth@customer-example.test"
LEVELS = (False, "metadata", "subject", "everything")
PASS = (
    "mx.google.com; dkim=pass header.i=@customer-example.test;"
    " spf=pass smtp.mailfrom=carla.roth@customer-example.test;"
    " dmarc=pass (p=NONE) header.from=customer-example.test"
)


class LinkingCase(GmailCase):
    def setUp(self):
        super().setUp()
        self.carla = self.env["res.partner"].create(
            {"name": "Carla Roth", "email": CARLA}
        )

    def receive(self, *accounts, **values):
        """Let a mail from Carla arrive, which Gmail vouches for."""
        values.setdefault("Authentication_Results", PASS)
        values.setdefault("Message_ID", "<one@customer-example.test>")
        raw = mail(**values)
        for account in accounts or (ANNA,):
            self.google.add_message(account, raw)

    def box(self, user=None, email=ANNA, level=False):
        mailbox = self.connect(user or self.anna, email)
        mailbox.sharing_steps = [[None, level]]
        mailbox.sharing_level = level
        return mailbox

    def settle(self, *mailboxes):
        for mailbox in mailboxes:
            self.sync(mailbox)
        self.run_cron("file")

    def posts(self, record):
        return record.message_ids.filtered(lambda m: m.message_type == "email")

    def thread(self, mailbox):
        return self.env["gmail.thread"].search([("mailbox_id", "=", mailbox.id)])


@tagged("standard", "post_install", "-at_install")
class TestLinking(LinkingCase):
    def test_private_by_default(self):
        self.receive()
        box = self.box()
        self.settle(box)
        link = self.thread(box).link_ids
        self.assertEqual((link.res_model, link.res_id), ("res.partner", self.carla.id))
        self.assertEqual((link.state, link.origin), ("linked", "contact"))
        self.assertFalse(self.posts(self.carla))
        self.assertFalse(self.env["gmail.pending"].search_count([]))

    def test_levels(self):
        for level, subject, text in (
            ("metadata", False, False),
            ("subject", True, False),
            ("everything", True, True),
        ):
            with self.subTest(level=level):
                self.receive(body="The secret is blue", Message_ID=f"<{level}@x.test>")
                box = self.box(level=level)
                self.settle(box)
                post = self.posts(self.carla)
                self.assertEqual(len(post), 1)
                self.assertEqual(bool(post.subject), subject)
                self.assertEqual("secret is blue" in post.body, text)
                self.assertTrue(post.is_internal)
                self.assertFalse(post.notification_ids)
                self.assertEqual(post.author_id, self.carla)
                post.unlink()
                box._delete()

    def test_nothing_of_an_unverified_sender(self):
        self.receive(Authentication_Results="mx.google.com; dmarc=fail")
        box = self.box(level="everything")
        self.settle(box)
        self.assertFalse(self.thread(box).link_ids)
        self.assertFalse(self.posts(self.carla))

    def test_mail_to_another_address_of_the_account_is_no_hidden_copy(self):
        alias = "sales@corp-example.test"
        self.google.control("accounts", {"account": ANNA, "aliases": [alias]})
        self.receive(to=alias)
        self.receive(to="else@x.test", Message_ID="<two@customer-example.test>")
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(box.alias_addresses, alias)
        messages = self.env["gmail.message"].search([("mailbox_id", "=", box.id)])
        self.assertEqual(messages.sorted("message_id").mapped("is_bcc"), [False, True])
        self.assertEqual(len(self.posts(self.carla)), 1)
        # It is taken away again.
        self.google.control("accounts", {"account": ANNA, "aliases": []})
        box.labels_taken = "2026-01-01"
        self.sync(box)
        self.assertFalse(box.alias_addresses)

    def test_share_and_keep_private(self):
        self.receive()
        box = self.box()
        self.settle(box)
        thread = self.thread(box).with_user(self.anna)
        state = thread.panel_share("everything")
        self.assertTrue(state["is_working"])
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)
        state = thread.panel_documents()
        self.assertFalse(state["is_working"])
        self.assertIn("Carla Roth", state["statement"])
        thread.panel_share("subject")
        self.run_cron("file")
        self.assertIn("not shared", self.posts(self.carla).body)
        thread.panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))

    def test_the_strictest_of_two_mailboxes(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna = self.box(level="everything")
        ben = self.box(self.ben, BEN, level="subject")
        self.settle(anna, ben)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.assertIn("text is not shared", self.posts(self.carla).body)


@tagged("standard", "post_install", "-at_install")
class TestReplies(LinkingCase):
    """Answers to what Odoo sent, and those who pretend to be one."""

    def setUp(self):
        super().setUp()
        self.document = self.env["res.partner"].create({"name": "Blue chairs"})
        self.follower = self._user("gmail_fred", "Fred", "fred@corp-example.test")
        self.document.message_subscribe(self.follower.partner_id.ids)
        self.question = self.document.message_post(
            body="Which colour?",
            partner_ids=self.carla.ids,
            subtype_xmlid="mail.mt_comment",
            message_type="comment",
        )

    def answer(self, *accounts, **values):
        values.setdefault("References", self.question.message_id)
        values.setdefault("body", "Blue, please")
        self.receive(*accounts, **values)

    def answers(self):
        return self.posts(self.document)

    def state(self, box):
        """Return {(state, reason)} of the links to the record that asked."""
        links = self.thread(box).link_ids.filtered(
            lambda x: x.res_id == self.document.id
        )
        return {(link.state, link.reason) for link in links}

    def ask(self, user):
        """Have a user write the email that is answered."""
        self.question = (
            self.document.with_user(user)
            .sudo()
            .message_post(
                body="Which colour?",
                partner_ids=self.carla.ids,
                subtype_xmlid="mail.mt_comment",
                message_type="comment",
            )
        )

    def test_it_is_posted_at_every_level_but_nobody(self):
        for level in LEVELS:
            with self.subTest(level=level):
                self.answer(Message_ID=f"<{level}@customer-example.test>")
                box = self.box(level=level)
                self.settle(box)
                post = self.answers()[:1]
                self.assertEqual(len(self.answers()), 1 + LEVELS.index(level))
                self.assertIn("Blue, please", post.body)
                self.assertEqual(post.subtype_id, self.env.ref("mail.mt_comment"))
                self.assertEqual(post.author_id, self.carla)
                self.assertEqual(post.parent_id, self.question)
                # It arrived with older email.
                self.assertFalse(post.notification_ids)
                self.assertEqual(self.state(box), {("linked", False)})
                box._delete()

    def test_at_nobody_its_owner_is_asked(self):
        self.answer()
        box = self.box(level="nobody")
        self.settle(box)
        self.assertFalse(self.answers() | self.posts(self.carla))
        self.assertEqual(self.state(box), {("suggested", "private")})
        thread = self.thread(box).with_user(self.anna)
        suggestion = thread.panel_documents()["suggestions"][0]
        self.assertEqual(suggestion["res_id"], self.document.id)
        self.assertIn("sharing setting", suggestion["reason"])
        thread.panel_link("res.partner", self.document.id)
        self.run_cron("file")
        self.assertIn("Blue, please", self.answers().body)
        self.assertEqual(self.answers().subtype_id, self.env.ref("mail.mt_comment"))
        thread.panel_unlink("res.partner", self.document.id)
        self.run_cron("file")
        self.assertFalse(self.answers())

    def test_at_nobody_an_answer_to_its_owners_own_email_is_posted(self):
        for user, count in ((self.ben, 0), (self.anna, 1)):
            with self.subTest(user=user.login):
                self.ask(user)
                self.answer(Message_ID=f"<{user.id}@customer-example.test>")
                box = self.box(level="nobody")
                self.settle(box)
                self.assertEqual(len(self.answers()), count)
                # The owner wrote it, and still keeps this conversation private.
                self.thread(box).with_user(self.anna).panel_share_all("nobody")
                self.run_cron("file")
                self.assertFalse(self.answers())
                box._delete()

    def test_a_level_that_changes_asks_and_posts(self):
        self.answer()
        box = self.box()
        self.settle(box)
        self.assertEqual(len(self.answers()), 1)
        box.with_user(self.anna).sharing_level = "nobody"
        self.run_cron("file")
        self.assertFalse(self.answers())
        self.assertEqual(self.state(box), {("suggested", "private")})
        self.thread(box).with_user(self.anna).panel_share("metadata")
        self.run_cron("file")
        self.assertEqual(len(self.answers()), 1)
        self.assertEqual(self.state(box), {("linked", False)})

    def test_an_answer_of_one_mailbox_decides_nothing_about_another(self):
        self.answer(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna = self.box(level="nobody")
        ben = self.box(self.ben, BEN)
        self.settle(anna, ben)
        entry = self.env["gmail.entry"].search([])
        self.assertEqual(entry.mailbox_id, ben)
        self.assertEqual(self.state(anna), {("suggested", "private")})
        self.thread(ben).with_user(self.ben).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.answers())

    def test_followers_learn_of_a_new_one_once(self):
        outside = self.env["res.partner"].create({"name": "Dan", "email": "d@x.test"})
        self.document.message_subscribe(outside.ids)
        boxes = self.box(), self.box(self.ben, BEN)
        self.settle(*boxes)
        self.env["gmail.message"].search([]).unlink()
        now = self.env.cr.now()
        date = now.strftime("%a, %d %b %Y %H:%M:%S +0000")
        # Its clock stands still at a fixed date; this mail is of just now.
        ahead = time.time() - self.google.control("clock")["now"]
        self.google.control("clock", {"forward": ahead})
        self.addCleanup(self.google.control, "clock", {"forward": -ahead})
        self.answer(ANNA, BEN, to=f"{ANNA}, {BEN}", date=date)
        for box in boxes:
            box.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.run_cron("file")
        post = self.answers()
        self.assertEqual(len(post), 1)
        notified = post.notification_ids.res_partner_id
        self.assertEqual(notified, self.follower.partner_id | outside)
        # The panel tells of followers from outside.
        thread = self.thread(boxes[0]).with_user(self.anna)
        sentence = thread.panel_documents()["statement"]
        self.assertIn("1 follower from outside received it by email.", sentence)

    def test_kept_private_it_goes(self):
        self.answer()
        box = self.box()
        self.settle(box)
        self.assertEqual(len(self.answers()), 1)
        self.thread(box).with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.answers())

    def gateway(self, **values):
        values.setdefault("References", self.question.message_id)
        values.setdefault("Message_ID", "<one@customer-example.test>")
        values.setdefault("body", "Blue, please")
        raw = mail(**values)
        self.env["mail.thread"].message_process(False, raw)
        self.env.flush_all()

    def test_the_gateway_first(self):
        self.gateway()
        self.assertEqual(len(self.answers()), 1)
        self.answer()
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.answers()), 1)

    def test_the_mailbox_first(self):
        self.answer()
        self.settle(self.box(level="everything"))
        self.gateway()
        self.assertEqual(len(self.answers()), 1)
        # Another text under the same id is another mail.
        self.gateway(body="Red, please")
        self.assertEqual(len(self.answers()), 2)

    def test_nothing_attaches_that_is_forged(self):
        evil = (
            "mx.google.com; spf=pass smtp.mailfrom=eve@evil-example.test;"
            " dmarc=pass header.from=evil-example.test"
        )
        for name, values in {
            "a stranger": {
                "sender": "Eve <eve@evil-example.test>",
                "Authentication_Results": evil,
            },
            "a forged From": {"Authentication_Results": evil},
            "no proof": {"Authentication_Results": "mx.google.com; dmarc=fail"},
        }.items():
            with self.subTest(name=name):
                self.answer(Message_ID=f"<{len(name)}@evil-example.test>", **values)
                box = self.box(level="everything")
                self.settle(box)
                self.assertFalse(self.answers())
                self.assertFalse(self.posts(self.carla))
                link = self.thread(box).link_ids
                self.assertEqual(set(link.mapped("state")), {"suggested"})
                box._delete()

    def test_a_document_of_another_company_is_not_hinted_at(self):
        company = self.env["res.company"].create({"name": "Other"})
        self.document.company_id = company
        self.answer()
        box = self.box(level="everything")
        self.settle(box)
        self.assertFalse(self.answers())
        documents = self.thread(box).link_ids.mapped("res_id")
        self.assertNotIn(self.document.id, documents)

    def test_a_hidden_copy_is_never_revealed(self):
        self.receive(to="Someone <someone@else-example.test>")
        box = self.box(level="everything")
        self.settle(box)
        self.assertTrue(self.thread(box).link_ids)
        self.assertFalse(self.posts(self.carla))
        self.assertFalse(self.env["gmail.vote"].search_count([]))

    def test_machines_are_shared_when_asked(self):
        self.receive(List_Unsubscribe="<https://x.test>")
        box = self.box(level="everything")
        self.settle(box)
        self.assertFalse(self.posts(self.carla))
        self.thread(box).with_user(self.anna).panel_share("everything")
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)

    def test_more_acts_on_what_comes_and_less_on_all(self):
        self.receive()
        box = self.box()
        self.settle(box)
        box.with_user(self.anna).sharing_level = "everything"
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))
        box.sharing_steps = [[None, "everything"]]
        self.env["gmail.linking"]._enqueue_mailboxes(box)
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)
        box.with_user(self.anna).sharing_level = "metadata"
        self.run_cron("file")
        self.assertIn("subject and text are not shared", self.posts(self.carla).body)

    def test_shared_mail_stays_when_its_owner_deletes_it(self):
        self.receive()
        box = self.box(level="subject")
        self.settle(box)
        box._delete()
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)

    def test_by_hand(self):
        self.receive(Authentication_Results="mx.google.com; dmarc=fail")
        box = self.box(level="everything")
        self.settle(box)
        thread = self.thread(box).with_user(self.anna)
        found = thread.panel_find_documents("Blue chairs")
        self.assertIn(self.document.id, [x["res_id"] for x in found])
        thread.panel_link("res.partner", self.document.id)
        self.run_cron("file")
        self.assertEqual(len(self.answers()), 1)
        thread.panel_unlink("res.partner", self.document.id)
        self.run_cron("file")
        self.assertFalse(self.answers())
        with self.assertRaises(AccessError):
            thread.panel_link("res.users", self.anna.id)


@tagged("standard", "post_install", "-at_install")
class TestOtherRoads(LinkingCase):
    """Companies by their domain, subject rules, conversations that go on."""

    def linked(self, mailbox):
        links = self.thread(mailbox).link_ids.filtered(lambda x: x.state == "linked")
        return self.env["res.partner"].browse(links.mapped("res_id"))

    def test_a_company_by_its_domain(self):
        company = self.env["res.partner"].create(
            {"name": "Customer", "is_company": True}
        )
        self.carla.parent_id = company
        self.receive(sender="Dora <dora@customer-example.test>")
        self.receive(sender="info@customer-example.test", Message_ID="<i@x.test>")
        box = self.box()
        self.settle(box)
        self.assertEqual(self.linked(box), company)
        self.assertEqual(self.thread(box).link_ids.origin, "company")

    def test_a_subject_names_a_document(self):
        model = self.env.ref("base.model_res_partner")
        rule = {"name": "BC{digits}", "model_id": model.id}
        self.env["gmail.link.rule"].create(rule)
        with self.assertRaises(ValidationError):
            self.env["gmail.link.rule"].create({**rule, "name": "{digits}"})
        ours = self.env["res.partner"].create({"name": "BC42"})
        others = self.env["res.partner"].create({"name": "BC43"})
        ours.message_subscribe(self.carla.ids)
        self.receive(subject="bc42 and BC43, please")
        box = self.box()
        self.settle(box)
        links = {x.res_id: x.state for x in self.thread(box).link_ids}
        self.assertEqual(links[ours.id], "linked")
        self.assertEqual(links[others.id], "suggested")
        state = self.thread(box).with_user(self.anna).panel_documents()
        self.assertIn("takes no part", state["suggestions"][0]["reason"])

    def test_a_conversation_goes_on_with_those_who_are_in_it(self):
        project = self.env["res.partner"].create({"name": "Blue chairs"})
        first = "<one@customer-example.test>"
        self.receive(cc="Dora <dora@else-example.test>")
        box = self.box(level="everything")
        self.settle(box)
        thread = self.thread(box).with_user(self.anna)
        thread.panel_link("res.partner", project.id)
        self.run_cron("file")
        for name, count in (("dora@else-example.test", 2), ("eve@evil.test", 2)):
            self.receive(
                sender=name,
                subject="Re: Offer for blue chairs",
                References=first,
                In_Reply_To=first,
                Message_ID=f"<{name}>",
                date="Mon, 23 Nov 2026 11:00:00 +0000",
                Authentication_Results="mx.google.com; dmarc=pass"
                f" header.from={name.partition('@')[2]}",
            )
            self.settle(box)
            self.assertEqual(len(self.thread(box)), 1)
            self.assertEqual(len(self.posts(project)), count, name)

    def test_a_contact_is_made_in_one_click(self):
        self.receive(
            sender="Dora <dora@customer-example.test>", Message_ID="<d@x.test>"
        )
        box = self.box()
        self.settle(box)
        self.anna.group_ids += self.env.ref("base.group_partner_manager")
        made = self.thread(box).with_user(self.anna).panel_make("res.partner")
        partner = self.env["res.partner"].browse(made["res_id"])
        self.assertEqual(
            (partner.name, partner.email), ("Dora", "dora@customer-example.test")
        )
        self.assertEqual(self.linked(box), partner)


@tagged("standard", "post_install", "-at_install")
class TestAdministrator(LinkingCase):
    """What the administrator sets: ceiling, own domains, mail of those who left."""

    def set_up(self, **values):
        self.env["res.config.settings"].create(values).execute()
        self.env.flush_all()
        self.run_cron("file")

    def test_a_lower_ceiling_acts_on_what_is_shared(self):
        self.receive(body="The secret is blue")
        self.receive(Message_ID="<two@customer-example.test>", subject="Two")
        box = self.box(level="everything")
        self.settle(box)
        chosen = self.thread(box).filtered(lambda t: t.subject == "Two")
        chosen.with_user(self.anna).panel_share("everything")
        settings = self.env["res.config.settings"].create(
            {"gmail_sharing_ceiling": "metadata"}
        )
        self.assertIn("Mailboxes: 1, conv", settings.gmail_ceiling_preview)
        self.assertIn("own: 1.", settings.gmail_ceiling_preview)
        settings.gmail_sharing_ceiling = False
        self.assertFalse(settings.gmail_ceiling_preview)
        self.set_up(gmail_sharing_ceiling="metadata")
        self.assertEqual(box.sharing_level, "metadata")
        self.assertEqual(chosen.sharing_level, "metadata")
        posts = self.posts(self.carla)
        self.assertEqual(len(posts), 2)
        for post in posts:
            self.assertFalse(post.subject)
            self.assertNotIn("secret", post.body)
        # More is for her to choose.
        self.set_up(gmail_sharing_ceiling=False)
        self.assertFalse(self.posts(self.carla).filtered("subject"))
        self.assertEqual(box.sharing_level, "metadata")

    def test_what_cannot_be_set(self):
        for values, sentence in (
            (
                {
                    "gmail_sharing_default": "everything",
                    "gmail_sharing_ceiling": "subject",
                },
                "cannot share more",
            ),
            ({"gmail_own_domains": "corp"}, "is no domain"),
            ({"gmail_leaver_days": -1}, "0 (never) or more"),
        ):
            with self.assertRaisesRegex(ValidationError, re.escape(sentence)):
                self.set_up(**values)

    def test_own_domains_are_no_customers(self):
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.set_up(gmail_own_domains="customer-example.test")
        self.assertFalse(self.posts(self.carla))

    def test_private_mail_goes_when_its_owner_has_left(self):
        self.receive(to=f"{ANNA}, {BEN}")
        self.receive(Message_ID="<two@customer-example.test>", subject="Two")
        box = self.box()
        self.settle(box)
        thread = self.thread(box).filtered(lambda t: t.subject != "Two")
        thread.with_user(self.anna).panel_share("everything")
        kept = self.thread(box) - thread
        kept.with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.anna.active = False
        self.assertTrue(box.left_at)
        self.run_cron("leaving")
        self.assertEqual(len(self.thread(box)), 2)
        # Back in time: she finds it again.
        self.anna.active = True
        self.assertFalse(box.left_at)
        self.anna.active = False
        box.left_at = "2026-01-01"
        self.set_up(gmail_leaver_days=0)
        self.run_cron("leaving")
        self.assertTrue(box.exists())
        self.set_up(gmail_leaver_days=30)
        self.run_cron("leaving")
        self.assertFalse(box.exists())
        self.assertFalse(self.env["gmail.message"].search_count([]))
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.assertEqual(self.posts(self.carla).subject, "Offer for blue chairs")
        # What she kept private stays so when a colleague's copy arrives.
        self.receive(BEN, Message_ID="<two@customer-example.test>", subject="Two")
        self.settle(self.box(self.ben, BEN, "everything"))
        self.assertEqual(len(self.posts(self.carla)), 1)

    def test_a_rule_is_tried_on_sample_subjects(self):
        self.env["res.partner"].create({"name": "K00042"})
        rules = self.env["gmail.link.rule"].with_user(self.env.ref("base.user_admin"))
        values = {
            "name": "K{digits}",
            "model_id": self.env["ir.model"]._get("res.partner").id,
            "samples": "Re: K00042 and more\nk00099\nnothing",
        }
        rule = rules.new(values)
        lines = rule.try_out.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("K00042: found", lines[0])
        self.assertIn("no such document", lines[1])
        self.assertIn("does not match", lines[2])
        self.assertIn("partner", rules.new({**values, "name": "K{"}).try_out)
        with self.assertRaises(AccessError):
            self.env["gmail.link.rule"].with_user(self.anna).search([])
