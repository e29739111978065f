"""Every way in which connecting can fail: one sentence, nothing half-made."""

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.gmail_oauth_mailbox.lib import oauth

from .common import ANNA, BEN, PRIVATE, ConnectingCase
from .google_standin import process

SERVICE = "odoo.addons.gmail_oauth_mailbox.services.gmail_connect"


@tagged("standard", "post_install", "-at_install")
class TestConnectingFailures(ConnectingCase):
    def fails(self, sentence, kind="danger", withdrawn=True, **how):
        """Connect as Anna; it fails with ``sentence``, and Google keeps no grant."""
        attempt = self.authorize(self.anna, ANNA, **how)
        self.assertEqual(attempt.status, kind, attempt.outcome)
        self.assertIn(sentence, attempt.outcome)
        self.assertFalse(self.mailbox())
        self.assertFalse(attempt.verifier or attempt.nonce or attempt.refresh_token)
        if withdrawn:
            self.run_cron("revoke")
            self.assertFalse(self.connected_at_google())
        self.assertFalse(self.env["gmail.revocation"].search_count([]))
        return attempt

    def fault(self, path, **fault):
        self.google.control("faults", {"path": path, **fault})

    # -- who may -------------------------------------------------------

    def test_not_set_up(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("google_gmail_client_id", False)
        with self.assertRaisesRegex(UserError, "not set up yet. Ask your admin"):
            self.begin()
        dialog = self.env["gmail.mailbox.connect"].with_user(self.anna).new({})
        self.assertFalse(dialog.redirect_uri)
        admin = self._user("gmail_boss", "Boss", BEN, "base.group_system")
        dialog = self.env["gmail.mailbox.connect"].with_user(admin).new({})
        self.assertIn("Open the Gmail settings", dialog.setup_problem)
        self.assertTrue(dialog.redirect_uri.endswith("/gmail_oauth_mailbox/callback"))
        action = dialog.action_open_settings()
        self.assertEqual(action["res_model"], "res.config.settings")

    def test_only_a_group_may_connect(self):
        group = self.env["res.groups"].create({"name": "Gmail users"})
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.connect_group_id", group.id)
        with self.assertRaisesRegex(UserError, "not open to you"):
            self.begin()
        panel = self.env["gmail.mailbox"].with_user(self.anna)
        self.assertFalse(panel.panel_state()["enabled"])
        group.user_ids = self.anna
        self.assertEqual(self.authorize(self.anna, ANNA).status, "success")
        self.assertTrue(panel.panel_state()["enabled"])
        # A group that is gone lets nobody in, and does not go unawares.
        with self.assertRaisesRegex(UserError, "says who may connect"):
            group.unlink()
        set_param("gmail_oauth_mailbox.connect_group_id", "999999")
        with self.assertRaisesRegex(UserError, "not open to you"):
            self.begin(email=PRIVATE)

    def test_who_is_thrown_out_on_the_way(self):
        group = self.env["res.groups"].create({"name": "Gmail users"})
        self.authenticate("gmail_anna", "gmail_anna")
        answer = process.authorize(self.at_google(self.begin()), ANNA)
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.connect_group_id", group.id)
        self.env.flush_all()
        self.callback(answer)
        self.assertFalse(self.mailbox())

    def test_the_choice_is_made_under_the_present_rules(self):
        attempt = self.authorize(self.anna, ANNA, picks=PRIVATE)
        group = self.env["res.groups"].create({"name": "Gmail users"})
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.connect_group_id", group.id)
        self.env.flush_all()
        model = self.env["gmail.mailbox"].with_user(self.anna)
        outcome = model.action_connect_picked(attempt.id)
        self.assertEqual(outcome["type"], "danger")
        self.assertIn("not open to you", outcome["message"])
        self.env.invalidate_all()
        self.assertFalse(self.mailbox())
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google(PRIVATE))

    def test_an_answer_that_odoo_never_finished(self):
        attempt = self.authorize(self.anna, ANNA)
        attempt.write({"status": "claimed", "expires_at": "2026-01-01"})
        panel = self.env["gmail.mailbox"].with_user(self.anna)
        outcome = panel.panel_outcome(attempt.id)
        self.assertEqual(outcome["type"], "danger")
        self.assertIn("Connect again", outcome["message"])

    def test_only_allowed_domains(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.allowed_domains", "Corp-Example.test, x.test")
        with self.assertRaisesRegex(UserError, "Only accounts of corp-example.test"):
            self.begin(email=PRIVATE)
        # Typed one, picked another: the account counts.
        attempt = self.authorize(self.anna, ANNA, picks=PRIVATE)
        self.assertEqual(attempt.status, "danger")
        self.assertIn("Only accounts of", attempt.outcome)
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google(PRIVATE))
        self.assertEqual(self.authorize(self.anna, ANNA).status, "success")

    # -- the account ---------------------------------------------------

    def test_connected_already_by_oneself(self):
        self.connect(self.anna, ANNA)
        with self.assertRaisesRegex(UserError, "is connected already"):
            self.begin()

    def test_connected_already_by_a_colleague(self):
        mailbox = self.connect(self.ben, ANNA)
        attempt = self.authorize(self.anna, ANNA)
        self.assertEqual(attempt.status, "danger")
        self.assertIn("connected already, by Ben Schulz", attempt.outcome)
        self.assertFalse(self.mailbox())
        # Hers is not cut off by what was given to the refused attempt.
        self.run_cron("revoke")
        self.assertTrue(mailbox.with_user(self.ben).action_test())
        mailbox.with_user(self.ben).action_disconnect()
        self.assertEqual(self.authorize(self.anna, ANNA).status, "success")

    def test_account_without_gmail(self):
        self.google.control("accounts", {"account": ANNA, "gmail": False})
        self.fails("this Google account has no Gmail")

    def test_application_blocked_for_the_workspace(self):
        self.google.control("accounts", {"account": ANNA, "domain_policy": True})
        self.fails("administrator does not allow this application")

    def test_blocked_at_the_consent_page(self):
        self.google.control("accounts", {"account": ANNA, "blocked": True})
        with self.assertRaisesRegex(ValueError, "admin_policy_enforced"):
            self.authorize(self.anna, ANNA)
        self.assertFalse(self.mailbox())

    def test_unverified_address(self):
        self.google.control("accounts", {"account": ANNA, "email_verified": False})
        self.fails("Verify it at Google")

    # -- Google --------------------------------------------------------

    def test_each_word_of_refusal_has_its_sentence(self):
        for word, kind, sentence in (
            ("access_denied", "info", "access was not allowed"),
            ("admin_policy_enforced", "danger", "Workspace administrator"),
            ("org_internal", "danger", "an account of your company"),
            ("temporarily_unavailable", "danger", "does not answer right now"),
            ("server_error", "danger", "does not answer right now"),
            ("invalid_request", "danger", "Check set-up"),
            ("<script>", "danger", "Check set-up"),
        ):
            with self.subTest(word):
                lies = {"callback": {"error": word}}
                self.google.control("settings", {"lies": lies})
                self.fails(sentence, kind=kind, withdrawn=False)

    def test_client_secret_wrong(self):
        self.google.control("settings", {"client_secret": "another"})
        self.fails("Ask your administrator", withdrawn=False)

    def test_client_secret_wrong_for_an_administrator(self):
        self.anna.group_ids |= self.env.ref("base.group_system")
        self.google.control("settings", {"client_secret": "another"})
        self.fails("copy both again", withdrawn=False)

    def test_api_not_enabled(self):
        self.google.control("settings", {"api_disabled": True})
        self.fails("Gmail API is not enabled")

    def test_no_refresh_token(self):
        lies = {"withheld": ["refresh_token"]}
        self.google.control("settings", {"lies": lies})
        self.fails("gave no lasting permission", withdrawn=False)

    def test_neither_reading_nor_sending_allowed(self):
        self.fails("neither reading nor sending", scopes=[])

    def test_google_does_not_answer(self):
        for fault in (
            {"path": "^/token$", "status": 503},
            {"path": "^/token$", "status": 429},
            {"path": "^/token$", "status": 500, "body": "<html>"},
            {"path": "^/token$", "drop": True},
            {"path": "^/oauth2/v1/certs$", "status": 500, "count": 2},
        ):
            with self.subTest(**fault):
                self.forget_certificates()
                self.fault(**fault)
                self.fails("does not answer right now", withdrawn=False)
                self.google.control("faults?clear=1")

    def test_gmail_does_not_answer_yet(self):
        """The mailbox is connected; its mail comes when Gmail answers."""
        self.fault("^/gmail/v1/users/me/profile$", status=503)
        self.assertEqual(self.authorize(self.anna, ANNA).status, "success")

    @staticmethod
    def forget_certificates():
        oauth._certs.clear()

    @mute_logger(SERVICE)
    def test_a_fault_of_our_own(self):
        set_param = self.env["ir.config_parameter"].set_param
        # The mailbox's own record is refused by the database.
        set_param("gmail_oauth_mailbox.default_history_days", str(2**40))
        with self.assertLogs(SERVICE, "ERROR") as log:
            attempt = self.authorize(self.anna, ANNA)
        self.assertIn("a fault of its own", attempt.outcome)
        self.assertNotIn(str(2**40), "".join(log.output))
        self.assertFalse(self.mailbox())

    # -- who is it -----------------------------------------------------

    def test_an_address_that_went_to_another_account(self):
        former = self.connect(self.anna, ANNA)
        self.sync(former)
        self.google.control("accounts", {"account": ANNA, "sub": "9" * 21})
        former.with_user(self.anna).action_pause()
        attempt = self.authorize(self.anna, ANNA)
        self.assertEqual(attempt.status, "success", attempt.outcome)
        self.assertNotEqual(attempt.mailbox_id, former)
        self.assertEqual(former.state, "reconnect")
        self.assertIn("another Google account now", former.error_message)
        self.assertTrue(attempt.mailbox_id.is_default)
        self.assertFalse(former.is_default)
        # Reconnecting the former one finds the new account, and is refused.
        again = self.authorize(self.anna, ANNA, mailbox=former)
        self.assertEqual(again.status, "danger")
        self.assertIn("another Google account now", again.outcome)
        self.run_cron("revoke")
        self.assertTrue(attempt.mailbox_id.with_user(self.anna).action_test())

    def test_an_account_that_got_another_address(self):
        mailbox = self.connect(self.anna, ANNA)
        new = "anna.new@corp-example.test"
        self.google.control("accounts", {"account": ANNA, "rename": new})
        attempt = self.authorize(self.anna, ANNA, mailbox=mailbox, picks=new)
        self.assertEqual(attempt.status, "success", attempt.outcome)
        self.assertEqual(attempt.mailbox_id, mailbox)
        self.assertEqual(mailbox.email, new)
        self.assertEqual(mailbox.outgoing_server_id.from_filter, new)
        self.assertEqual(mailbox.incoming_server_id.user, new)

    def test_reconnecting_with_another_account(self):
        mailbox = self.connect(self.anna, ANNA)
        # Google does not know the address any more, so it lets her choose.
        elsewhere = {"account": ANNA, "rename": "else@corp-example.test"}
        self.google.control("accounts", elsewhere)
        attempt = self.authorize(self.anna, ANNA, mailbox=mailbox, picks=PRIVATE)
        self.assertEqual(attempt.status, "danger")
        self.assertIn(f"this mailbox is {ANNA}", attempt.outcome)
        self.assertEqual(self.mailbox(), mailbox)
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google(PRIVATE))
        self.assertTrue(mailbox.with_user(self.anna).action_test())

    def test_a_disconnected_mailbox_remembers_its_account(self):
        mailbox = self.connect(self.anna, ANNA)
        mailbox.with_user(self.anna).action_disconnect()
        self.google.control("accounts", {"account": ANNA, "sub": "9" * 21})
        attempt = self.authorize(self.anna, ANNA, mailbox=mailbox)
        self.assertEqual(attempt.status, "danger")
        self.assertEqual(mailbox.state, "draft")

    def test_connecting_again_finds_the_disconnected_mailbox(self):
        mailbox = self.connect(self.anna, ANNA)
        self.sync(mailbox)
        mailbox.with_user(self.anna).action_disconnect()
        attempt = self.authorize(self.anna, ANNA)
        self.assertEqual(attempt.mailbox_id, mailbox)
        # What still waits to be withdrawn does not cut the new access off.
        self.run_cron("revoke")
        self.assertTrue(mailbox.with_user(self.anna).action_test())
