"""What did not arrive is known in Odoo: Gmail gets the reports."""

from odoo.tests import tagged

from .common import ANNA, BEN, mail
from .test_sending import SendingCase

DAEMON = "Mail Delivery Subsystem <mailer-daemon@googlemail.com>"
PROOF = "mx.google.com; dmarc=pass header.from=googlemail.com"


@tagged("standard", "post_install", "-at_install")
class TestBounces(SendingCase):
    def setUp(self):
        super().setUp()
        self.gone, self.fine = self.people[0], self.people[1]
        self.message = self.post(partners=self.gone + self.fine)
        self.flush_mails()

    def report(self, name="one", failed=None, account=ANNA, sender=DAEMON, proof=PROOF):
        raw = mail(
            sender=sender,
            to=account,
            subject="Delivery Status Notification (Failure)",
            Message_ID=f"<{name}@googlemail.com>",
            In_Reply_To=self.header(self.sent()[0], "Message-ID"),
            Auto_Submitted="auto-replied",
            X_Failed_Recipients=failed or self.gone.email,
            Authentication_Results=proof,
        )
        self.google.add_message(account, raw)

    def settle(self, box=None):
        self.sync(box or self.box)
        self.run_cron("file")

    def statuses(self):
        return {
            n.res_partner_id: n.notification_status
            for n in self.message.notification_ids
        }

    def test_a_bounce_is_known_once(self):
        self.assertEqual(set(self.statuses().values()), {"sent"})
        self.report()
        self.settle()
        self.assertEqual(self.statuses(), {self.gone: "bounce", self.fine: "sent"})
        self.assertEqual((self.gone.message_bounce, self.fine.message_bounce), (1, 0))
        self.report("two")
        self.settle()
        self.assertEqual(self.gone.message_bounce, 1)
        # It stands in its conversation, and nowhere else.
        self.assertFalse(
            self.document.message_ids.filtered(lambda m: m.message_type == "email")
        )
        links = self.env["gmail.link"].search([])
        self.assertNotIn("suggested", links.mapped("state"))

    def test_who_writes_can_be_reached(self):
        # Of all email: what nobody may see says nothing of its sender.
        self.box.with_user(self.anna).sharing_level = "metadata"
        self.box.sharing_steps = [[None, "metadata"]]
        self.report()
        self.settle()
        self.assertEqual(self.gone.message_bounce, 1)
        self.google.add_message(
            ANNA,
            mail(
                sender=f"One <{self.gone.email}>",
                Message_ID="<back@customer-example.test>",
                Authentication_Results="mx.google.com; dmarc=pass"
                " header.from=customer-example.test",
            ),
        )
        self.settle()
        self.assertEqual(self.gone.message_bounce, 0)

    def test_only_of_what_the_mailbox_sent_and_to_whom_it_was_sent(self):
        stranger = self.people[4]
        self.report(failed=stranger.email)
        self.settle()
        box = self.connect(self.ben, BEN)
        self.report("three", account=BEN)
        self.settle(box)
        self.assertEqual(set(self.statuses().values()), {"sent"})
        self.assertFalse(sum((stranger | self.gone).mapped("message_bounce")))

    def test_who_got_the_mail_cannot_speak_for_others(self):
        evil = "mx.google.com; dmarc=pass header.from=evil-example.test"
        self.report("four", sender="mailer-daemon@evil-example.test", proof=evil)
        self.report("five", proof="mx.google.com; dmarc=fail")
        self.settle()
        self.assertEqual(set(self.statuses().values()), {"sent"})
        # The server of the address itself may.
        domain = self.gone.email.partition("@")[2]
        proof = f"mx.google.com; spf=pass smtp.mailfrom=postmaster@{domain}"
        self.report("six", sender=f"postmaster@{domain}", proof=proof)
        self.settle()
        self.assertEqual(self.statuses()[self.gone], "bounce")
