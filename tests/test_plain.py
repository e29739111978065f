"""What is sent, shown or shared has no defaults of users or of a caller."""

from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox import plain

from .common import GmailCase


@tagged("standard", "post_install", "-at_install")
class TestPlain(GmailCase):
    def test_defaults_change_nothing_that_is_created(self):
        defaults = self.env["ir.default"]
        defaults.set("mail.mail", "email_cc", "eve@evil.test")
        defaults.set("mail.mail", "gmail_bcc", "eve@evil.test")
        defaults.set("mail.message", "subject", "Theirs")
        defaults.set("mail.message", "is_internal", True)
        caller = {"default_reply_to": "eve@evil.test", "default_email_to": "e@x.test"}
        mails = self.env["mail.mail"].with_context(**caller)
        usual = mails.create({"body_html": "x"})
        self.assertEqual(usual.gmail_bcc, "eve@evil.test")
        self.assertEqual(usual.email_to, "e@x.test")
        mail = plain.create(mails, [{"body_html": "x"}])
        for name in ("email_cc", "gmail_bcc", "email_to"):
            self.assertFalse(mail[name], name)
        self.assertNotEqual(mail.subject, "Theirs")
        self.assertFalse(mail.is_internal)
        self.assertNotIn("evil", mail.reply_to or "")
        self.assertEqual(mail.env.context, mails.env.context)

    def test_what_is_given_stands(self):
        self.env["ir.default"].set("mail.mail", "email_cc", "eve@evil.test")
        values = {"body_html": "x", "email_cc": "carla@x.test"}
        mail = plain.create(self.env["mail.mail"], [values])
        self.assertEqual(mail.email_cc, "carla@x.test")
