"""A connection that dies later: said once, in words, with Reconnect in place."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import ANNA, BEN, ConnectingCase

SEND = "https://www.googleapis.com/auth/gmail.send"


@tagged("standard", "post_install", "-at_install")
class TestConnectionDies(ConnectingCase):
    def setUp(self):
        super().setUp()
        self.before = self.env["mail.message"].search([], order="id desc", limit=1).id

    def age(self, mailbox, **delta):
        """Have the access token out of date, last renewed ``delta`` ago."""
        past = fields.Datetime.now() - timedelta(**(delta or {"hours": 2}))
        self.env["gmail.credential"].search(
            [("mailbox_id", "=", mailbox.id)]
        ).access_token_expiry = past

    def run_sync(self, mailbox):
        mailbox.next_sync = "2020-01-01"
        self.run_cron("sync_1")

    def trouble(self, user):
        """Return what the panel says of all mailboxes."""
        return self.env["gmail.mailbox"].with_user(user).panel_state()["trouble"]

    def notices(self):
        """Return Anna's notifications since the test began."""
        return self.env["mail.message"].search(
            [
                ("id", ">", self.before),
                ("notified_partner_ids", "in", self.anna.partner_id.ids),
            ]
        )

    def dies(self, mailbox, sentence):
        self.age(mailbox)
        self.run_sync(mailbox)
        self.assertEqual(mailbox.state, "reconnect")
        self.assertIn(sentence, mailbox.error_message)
        state = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
        self.assertEqual(state["mailboxes"][0]["state"], "reconnect")
        self.assertIn(sentence, state["mailboxes"][0]["error_message"])
        (notice,) = self.notices()
        self.assertIn("needs reconnecting", notice.subject)
        self.assertIn(f"/{mailbox.id}", notice.body)
        # It stays at one, and the workers leave the mailbox alone.
        asked = len(self.google.log())
        self.run_sync(mailbox)
        self.assertEqual(len(self.google.log()), asked)
        self.assertEqual(len(self.notices()), 1)

    def lives(self, mailbox):
        attempt = self.authorize(self.anna, ANNA, mailbox=mailbox)
        self.assertEqual(attempt.status, "success", attempt.outcome)
        self.assertEqual(mailbox.state, "connected")
        self.assertFalse(mailbox.error_message)
        self.sync(mailbox)

    def test_password_changed(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "action": "password"})
        self.dies(mailbox, "as it does after a new password")
        self.lives(mailbox)

    def test_access_withdrawn_at_google(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        self.dies(mailbox, "Google ended Odoo's access")
        self.lives(mailbox)

    def test_account_deleted(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "deleted": True})
        self.dies(mailbox, "this account was deleted")

    def test_new_sign_in_asked_for(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "rapt": True})
        self.dies(mailbox, "asks for a new sign-in")

    def test_blocked_by_the_workspace(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "blocked": True})
        self.dies(mailbox, "Workspace administrator does not allow")
        self.google.control("accounts", {"account": ANNA, "blocked": False})
        self.lives(mailbox)

    def test_blocked_by_a_domain_policy(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "domain_policy": True})
        self.dies(mailbox, "Workspace administrator does not allow")

    def test_six_months_unused(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("clock", {"forward": 184 * 86400})
        self.addCleanup(self.google.control, "clock", {"forward": -184 * 86400})
        self.age(mailbox, days=184)
        self.run_sync(mailbox)
        self.assertEqual(mailbox.state, "reconnect")
        self.assertIn("nobody used for six months", mailbox.error_message)

    def test_seven_days_of_testing(self):
        self.google.control("settings", {"testing": True})
        mailbox = self.connect(self.anna, ANNA)
        week = fields.Datetime.now() + timedelta(days=7)
        self.assertLess(abs(mailbox.access_ends - week), timedelta(minutes=1))
        self.run_cron("check")
        self.assertFalse(self.notices())
        # Two days before the end, it is announced once.
        mailbox.access_ends -= timedelta(days=5, minutes=1)
        for _day in range(2):
            self.run_cron("check")
        (notice,) = self.notices()
        self.assertIn("Reconnect", notice.subject)
        state = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
        self.assertIn("Google ends Odoo's access", state["mailboxes"][0]["ending"])
        self.assertIn("Google ends", mailbox.with_user(self.anna).ending_warning)
        self.before = notice.id
        # Then it ends.
        self.google.control("clock", {"forward": 7 * 86400})
        self.addCleanup(self.google.control, "clock", {"forward": -7 * 86400})
        mailbox.access_ends = fields.Datetime.now() - timedelta(minutes=1)
        self.dies(mailbox, "the Google application is still in Testing")

    def test_reconnecting_in_time_begins_anew(self):
        self.google.control("settings", {"testing": True})
        mailbox = self.connect(self.anna, ANNA)
        mailbox.access_ends -= timedelta(days=6)
        self.run_cron("check")
        self.assertTrue(mailbox.ending_announced)
        self.lives(mailbox)
        self.assertFalse(mailbox.ending_announced)
        self.assertFalse(mailbox.with_user(self.anna).ending_warning)

    def test_transient_answers_end_nothing(self):
        mailbox = self.connect(self.anna, ANNA)
        for fault in (
            {"status": 500},
            {"status": 503, "body": "<html>busy</html>"},
            {"status": 429},
            {"status": 408},
            {"status": 403, "body": "<html>proxy</html>"},
            {"status": 302},
            {"status": 200, "body": {"no": "token"}},
            {"status": 400, "body": {"error": "temporarily_unavailable"}},
            {"drop": True},
        ):
            with self.subTest(**fault):
                self.age(mailbox)
                self.google.control("faults", {"path": "^/token$", **fault})
                self.run_sync(mailbox)
                self.assertEqual(mailbox.state, "connected")
                self.assertTrue(self.env["gmail.oauth"]._has_credential(mailbox))
                self.google.control("faults?clear=1")
        self.assertFalse(self.notices())
        self.sync(mailbox)
        self.assertFalse(mailbox.error_message)

    def test_a_wrong_client_keeps_the_tokens(self):
        mailbox = self.connect(self.anna, ANNA)
        other = self.connect(self.ben, BEN)
        other.next_sync = "2100-01-01"
        self.age(mailbox)
        self.google.control("settings", {"client_secret": "another"})
        self.run_sync(mailbox)
        self.assertEqual(mailbox.state, "connected")
        self.assertIn("Ask your administrator", mailbox.error_message)
        self.assertFalse(self.notices())
        # Nobody else asks Google now, and the administrators know.
        before = len(self.google.log())
        self.run_sync(other)
        self.assertEqual(len(self.google.log()), before)
        self.assertIn("right now (invalid_client)", self.trouble(self.anna))
        admin = self.env.ref("base.user_admin").partner_id
        told = self.env["mail.message"].search([("partner_ids", "=", admin.id)])
        self.assertIn("rest for a while", "".join(told.mapped("subject")))
        # It goes on by itself when the pause is over.
        self.google.control("settings", {"client_secret": "standin-secret"})
        self.env["gmail.quota"].search(
            [("mailbox_id", "=", False)]
        ).paused_until = "2020-01-01"
        self.sync(mailbox)
        self.assertFalse(mailbox.error_message or self.trouble(self.anna))

    def test_a_mailbox_that_only_sends_is_looked_after(self):
        mailbox = self.connect(self.anna, ANNA, scopes=[SEND])
        self.run_cron("check")
        self.assertEqual(mailbox.state, "connected")
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        self.run_cron("check")
        self.assertEqual(mailbox.state, "reconnect")
        self.assertEqual(len(self.notices()), 1)

    def test_testing_the_connection_notices_too(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        with self.assertRaisesRegex(UserError, "Reconnect it"):
            mailbox.with_user(self.anna).action_test()
        self.env.invalidate_all()
        self.assertEqual(mailbox.state, "reconnect")
        self.assertEqual(len(self.notices()), 1)

    def test_her_mail_waits_and_says_so(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        self.dies(mailbox, "Reconnect it")
        partner = self.env["res.partner"].create(
            {"name": "Carla", "email": "carla@customer-example.test"}
        )
        self.anna.group_ids |= self.env.ref("base.group_partner_manager")
        message = partner.with_user(self.anna).message_post(
            body="Hello Carla",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=partner.ids,
        )
        mail = self.env["mail.mail"].search([("mail_message_id", "=", message.id)])
        mail.send()
        self.assertEqual(mail.state, "outgoing")
        self.assertIn("Reconnect it in the preferences", mail.failure_reason)

    def test_the_sentence_is_in_the_owners_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.anna.lang = "fr_FR"
        words = self.env["gmail.scheduler"]._words(self.connect(self.anna, ANNA))
        self.assertEqual(words.env.lang, "fr_FR")
        self.assertEqual(words.env.user, self.anna)
