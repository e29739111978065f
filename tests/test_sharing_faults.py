"""What a reviewer found in sharing: each with the steps that showed it."""

from odoo.tests import tagged

from .common import ANNA, BEN, mail
from .test_export import with_file
from .test_linking import CARLA, PASS, LinkingCase


@tagged("standard", "post_install", "-at_install")
class TestSharingFaults(LinkingCase):
    def setUp(self):
        super().setUp()
        self.anna.group_ids += self.env.ref("sales_team.group_sale_salesman")

    def own(self, box):
        return self.thread(box).with_user(box.user_id)

    def trash(self, box, gmail_ids, **change):
        for gmail_id in gmail_ids:
            self.google.control(
                f"messages/{gmail_id}",
                {"account": box.email, "action": "modify", **change},
            )
        self.settle(box)

    def test_kept_private_holds_when_the_conversation_comes_back(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna, ben = self.box(), self.box(self.ben, BEN, level="everything")
        self.settle(anna, ben)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.own(anna).panel_share("nobody")
        self.own(anna).panel_unlink("res.partner", self.carla.id)
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))
        ids = self.thread(anna).message_ids.mapped("gmail_id")
        self.trash(anna, ids, add=["TRASH"], remove=["INBOX"])
        self.assertFalse(self.thread(anna).message_ids)
        page = self.env["gmail.mailbox"].with_user(self.anna).panel_threads()
        self.assertFalse(page["threads"])
        self.assertFalse(self.thread(anna).subject)
        self.trash(anna, ids, add=["INBOX"], remove=["TRASH"])
        self.assertTrue(self.thread(anna).message_ids)
        self.assertEqual(self.thread(anna).sharing_level, "nobody")
        self.assertEqual(self.thread(anna).link_ids.state, "removed")
        self.assertFalse(self.posts(self.carla))

    def test_two_files_with_one_content_id(self):
        raw = with_file("Two files", "one.pdf", b"first")
        raw = raw.replace(
            b"Content-Disposition", b"Content-ID: <same>\nContent-Disposition", 1
        )
        end = raw.rindex(b"--=")
        part = raw[raw.rindex(b"--=", 0, end) : end].replace(b"one.pdf", b"two.pdf")
        raw = raw[:end] + part + raw[end:]
        head = f"Message-ID: <two@x.test>\nAuthentication-Results: {PASS}\nFrom: "
        raw = raw.replace(b"From: ", head.encode(), 1)
        self.google.add_message(ANNA, raw)
        box = self.box(level="everything")
        self.settle(box)
        post = self.posts(self.carla)
        self.assertEqual(
            set(post.attachment_ids.mapped("name")), {"one.pdf", "two.pdf"}
        )
        on_carla = [("res_model", "=", "res.partner"), ("res_id", "=", self.carla.id)]
        files = self.env["ir.attachment"]
        self.assertEqual(files.search_count(on_carla), 2)
        self.own(box).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(files.search_count(on_carla))

    def ceiling(self, level):
        settings = self.env["res.config.settings"].create({})
        settings.gmail_sharing_ceiling = level
        settings.execute()
        self.run_cron("file")

    def test_a_ceiling_reaches_mail_that_nobody_has_any_more(self):
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        box._delete()
        self.assertIn("Hello Anna", self.posts(self.carla).body)
        self.ceiling("metadata")
        post = self.posts(self.carla)
        self.assertNotIn("Hello Anna", post.body)
        self.assertFalse(post.subject)

    def test_a_ceiling_of_nobody_is_no_veto(self):
        question = self.carla.message_post(
            body="Which?",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=self.carla.ids,
        )
        self.receive(References=question.message_id)
        box = self.box()
        self.settle(box)
        self.own(box).panel_share("everything")
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.ceiling("nobody")
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.assertFalse(self.thread(box).sharing_level)

    def merge(self, source, target):
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((source | target).ids, target)

    def test_contacts_that_are_merged(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        box = self.box(level="everything")
        self.settle(box)
        other = self.env["res.partner"].create({"name": "Carla R", "email": CARLA})
        self.merge(self.carla, other)
        self.run_cron("file")
        [post] = self.posts(other)
        self.assertEqual(self.env["gmail.entry"].search([]).res_id, other.id)
        self.assertEqual(self.thread(box).link_ids.res_id, other.id)
        self.assertEqual(other.with_user(self.ben).gmail_email_count, 1)
        self.assertTrue(other.with_user(self.ben).gmail_last_received)
        # A copy that comes later makes no second entry, and a stricter level is heard.
        self.settle(self.box(self.ben, BEN, level="metadata"))
        self.assertEqual(self.posts(other), post)
        self.assertNotIn("Hello Anna", post.body)

    def test_two_contacts_that_both_had_it_are_merged(self):
        other = self.env["res.partner"].create({"name": "Carla R"})
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        self.own(box).panel_link("res.partner", other.id)
        self.run_cron("file")
        self.assertEqual(len(self.posts(other)), 1)
        self.merge(self.carla, other)
        self.run_cron("file")
        self.assertEqual(len(self.posts(other)), 1)
        self.assertEqual(len(self.thread(box).link_ids), 1)
        self.own(box).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.posts(other))

    def test_erasing_reaches_what_was_sent_and_is_gone(self):
        self.google.add_message(
            ANNA,
            mail(sender=ANNA, to=f"Carla Roth <{CARLA}>", Message_ID="<out@corp.test>"),
            labels=["SENT"],
        )
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.posts(self.carla)), 1)
        box._delete()
        counts = self.env["gmail.exclusions"]._count_erased([CARLA])
        self.assertEqual(counts["entries"], 1)
        self.env["gmail.exclusions"]._erase([CARLA])
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))

    def test_excluding_brings_nothing_to_light(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna = self.box(level="metadata")
        self.settle(anna, self.box(self.ben, BEN, level="everything"))
        self.assertNotIn("Hello Anna", self.posts(self.carla).body)
        wizard = self.env["gmail.exclude"].with_user(self.anna)
        wizard.create({"pattern": CARLA}).action_exclude()
        self.run_cron("file")
        self.assertFalse(self.thread(anna).message_ids)
        self.assertNotIn("Hello Anna", self.posts(self.carla).body)

    def test_what_a_deleted_mailbox_said_is_its_owners_again(self):
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        box._delete()
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.own(box).panel_unlink("res.partner", self.carla.id)
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))

    def test_a_veto_outlives_the_mailbox_and_can_be_lifted(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        box = self.box()
        self.settle(box)
        self.own(box).panel_share("nobody")
        box._delete()
        self.settle(self.box(self.ben, BEN, level="everything"))
        self.assertFalse(self.posts(self.carla))
        box = self.box()
        self.settle(box)
        self.assertEqual(self.thread(box).sharing_level, "nobody")
        self.assertFalse(self.posts(self.carla))
        self.own(box).panel_share("everything")
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)

    def test_a_hidden_recipient_makes_internal_mail_no_customers(self):
        self.google.add_message(
            ANNA,
            mail(
                sender=ANNA,
                to=BEN,
                Bcc=f"Carla Roth <{CARLA}>",
                Message_ID="<in@corp.test>",
            ),
            labels=["SENT"],
        )
        box = self.box(level="everything")
        self.settle(box)
        self.own(box).panel_link("res.partner", self.carla.id)
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))

    def test_what_is_made_of_a_private_conversation_says_nothing(self):
        self.receive(Message_ID="")
        box = self.box()
        self.settle(box)
        self.own(box).panel_share("nobody")
        lead = self.env["crm.lead"].browse(
            self.own(box).panel_make("crm.lead")["res_id"]
        )
        self.assertNotIn("chairs", lead.name)
        self.assertNotIn("Hello", lead.description or "")
        lead.unlink()

    def test_nor_of_a_hidden_copy(self):
        self.receive(to="Someone <someone@else-example.test>")
        box = self.box()
        self.settle(box)
        lead = self.env["crm.lead"].browse(
            self.own(box).panel_make("crm.lead")["res_id"]
        )
        self.assertNotIn("chairs", lead.name)

    def test_what_was_deleted_by_hand_does_not_come_back(self):
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        self.posts(self.carla).unlink()
        for level in ("nobody", "everything"):
            self.own(box).panel_share(level)
            self.run_cron("file")
        self.assertFalse(self.posts(self.carla))
