"""Mail as the world writes it, on its whole way from Gmail to what users see."""

from email.message import EmailMessage

from odoo.tests import tagged

from .common import ANNA, mail
from .test_linking import CARLA, PASS, LinkingCase


@tagged("standard", "post_install", "-at_install")
class TestWorldMail(LinkingCase):
    def arrived(self, raw, level=False):
        """Have an email arrive; return its message."""
        self.google.add_message(ANNA, raw)
        self.box_ = self.box(level=level)
        self.sync(self.box_)
        self.run_cron("file")
        return self.thread(self.box_).message_ids[-1]

    def row(self):
        found = self.env["gmail.mailbox"].with_user(self.anna).panel_threads()
        return found["threads"][0]

    def shown(self):
        thread = self.thread(self.box_).with_user(self.anna)
        return thread.panel_read()["messages"][0]

    def test_a_sender_without_an_address_is_shown(self):
        self.arrived(mail(sender="root (Cron Daemon)"))
        self.assertEqual(self.row()["participants"], "root (Cron Daemon)")
        self.assertEqual(self.shown()["from_name"], "root (Cron Daemon)")

    def test_a_message_without_a_sender_says_so(self):
        message = EmailMessage()
        message["To"] = ANNA
        message["Subject"] = "Nobody wrote it"
        message.set_content("hi")
        self.arrived(message.as_bytes())
        self.assertEqual(self.row()["participants"], "Unknown sender")
        self.assertEqual(self.shown()["from_name"], "Unknown sender")

    def test_an_answer_goes_to_all_of_reply_to(self):
        to = "Bob <bob@customer-example.test>, Alice <alice@customer-example.test>"
        message = self.arrived(mail(sender=CARLA, Reply_To=to))
        names = "Bob <bob@customer-example.test>, Alice <alice@customer-example.test>"
        self.assertEqual(self.shown()["reply"]["to"], names)
        self.assertEqual(self.shown()["reply_all"]["to"], names)
        drafts = self.env["gmail.draft"].with_user(self.anna)
        draft = drafts.panel_begin("reply", message.id)
        self.assertIn("bob@customer-example.test", str(draft))
        self.assertIn("alice@customer-example.test", str(draft))

    def test_an_address_in_a_name_is_nobodys(self):
        message = self.arrived(
            b'From: "carla.roth@customer-example.test"@evil.example\r\n'
            b"To: anna.keller@corp-example.test\r\nSubject: Please pay\r\n"
            b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nhi"
        )
        addresses = message.participant_ids.mapped("address")
        self.assertNotIn("carla.roth@customer-example.test", addresses)
        self.assertFalse(
            message.participant_ids.filtered(lambda p: p.role == "from").partner_id
        )

    def test_a_text_that_gmail_keeps_apart_is_read(self):
        for name, kind in (("body.txt", "plain"), ("body.html", "html")):
            message = EmailMessage()
            message["From"], message["To"] = CARLA, ANNA
            message["Subject"] = name
            message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
            message.set_content("The whole text", subtype=kind)
            message.set_param("name", name)
            self.google.add_message(ANNA, message.as_bytes())
        box = self.box()
        self.sync(box)
        for message in self.env["gmail.message"].search([("mailbox_id", "=", box.id)]):
            self.assertIn("The whole text", message.body)
            self.assertIn("whole text", message.search_text)
            self.assertEqual(message.attachment_ids.mapped("name"), [message.subject])

    def test_names_of_files_do_not_turn(self):
        message = EmailMessage()
        message["From"], message["To"] = CARLA, ANNA
        message["Subject"] = "Two files"
        message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
        message["Authentication-Results"] = PASS
        message.set_content("hi")
        message.add_attachment(
            b"x", "application", "octet-stream", filename="invoice\u202efdp.exe"
        )
        message = self.arrived(message.as_bytes(), level="everything")
        self.assertEqual(message.attachment_ids.name, "invoicefdp.exe")
        files = self.env["mail.message"].search(
            [("model", "=", "res.partner"), ("res_id", "=", self.carla.id)]
        )
        self.assertEqual(files.attachment_ids.mapped("name"), ["invoicefdp.exe"])

    def test_an_automatic_answer_awaits_nothing(self):
        self.arrived(
            mail(
                sender=CARLA,
                Authentication_Results=PASS,
                X_Autoreply_From="carla.roth@customer-example.test",
            ),
            level="everything",
        )
        self.assertFalse(self.carla.gmail_awaiting_since)
        self.assertTrue(self.thread(self.box_).message_ids.is_automated)
