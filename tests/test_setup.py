"""The settings page and its check, as an administrator sees them."""

import os
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import ANNA, ConnectingCase

SECRET = "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET"


@tagged("standard", "post_install", "-at_install")
class TestSetup(ConnectingCase):
    def setUp(self):
        super().setUp()
        self.admin = self._user(
            "gmail_boss", "Boss", "boss@corp-example.test", "base.group_system"
        )
        # No scheduled action runs in a test, and the test database may be old.
        self.env["gmail.scheduler"]._crons().nextcall = self.env.cr.now()

    def settings(self, **values):
        return self.env["res.config.settings"].with_user(self.admin).create(values)

    def param(self, name):
        return self.env["ir.config_parameter"].get_param(name)

    def points(self):
        found = self.env["gmail.check"].with_user(self.admin)._points()
        return {name: (status, sentence) for status, name, sentence in found}

    # -- settings ------------------------------------------------------

    def test_what_the_page_shows(self):
        settings = self.settings()
        self.assertEqual(
            settings.gmail_client_id, "standin-client.apps.googleusercontent.com"
        )
        self.assertFalse(settings.gmail_client_secret)
        self.assertEqual(settings.gmail_secret_source, "database")
        self.assertTrue(
            settings.gmail_redirect_uri.endswith("/gmail_oauth_mailbox/callback")
        )
        with patch.dict(os.environ, {SECRET: "from-outside"}):
            self.assertEqual(self.settings().gmail_secret_source, "server")
            self.assertEqual(self.env["gmail.setup"]._client_secret(), "from-outside")

    def test_the_secret_never_comes_back(self):
        read = self.settings().read()[0]
        self.assertNotIn(
            "standin-secret", str({**read, "google_gmail_client_secret": 0})
        )

    def test_saving(self):
        group = self.env.ref("base.group_partner_manager")
        self.settings(
            gmail_client_id=" other.apps.googleusercontent.com ",
            gmail_client_secret="new-secret",
            gmail_connect_group_id=group.id,
            gmail_allowed_domains="corp-example.test",
            gmail_default_contacts=False,
            gmail_default_history="90",
            gmail_default_interval=15,
            gmail_default_scope="contacts",
            gmail_max_messages=5000,
            gmail_privacy_url="https://corp-example.test/privacy",
        ).execute()
        setup = self.env["gmail.setup"]
        self.assertEqual(setup._client_id(), "other.apps.googleusercontent.com")
        self.assertEqual(setup._client_secret(), "new-secret")
        self.assertEqual(
            setup._defaults(),
            {
                "contacts": False,
                "history_days": 90,
                "import_scope": "contacts",
                "sync_interval": 15,
            },
        )
        self.assertEqual(
            setup._ceilings(), {"history_days": 0, "messages": 5000, "megabytes": 0}
        )
        self.assertFalse(setup._may_connect(self.anna))
        again = self.settings()
        self.assertFalse(again.gmail_default_contacts or again.gmail_client_secret)
        self.assertEqual(again.gmail_connect_group_id, group)
        self.assertEqual(again.gmail_default_history, "90")
        # An empty secret keeps the one that is stored.
        again.execute()
        self.assertEqual(setup._client_secret(), "new-secret")

    def test_odoos_own_gmail_settings_and_ours_agree(self):
        self.settings(gmail_client_id="ours.apps.googleusercontent.com").execute()
        self.assertEqual(
            self.settings().google_gmail_client_identifier,
            "ours.apps.googleusercontent.com",
        )
        theirs = "theirs.apps.googleusercontent.com"
        self.settings(google_gmail_client_identifier=theirs).execute()
        self.assertEqual(self.settings().gmail_client_id, theirs)

    def test_wrong_values_are_refused(self):
        for values in (
            {"gmail_default_interval": 0},
            {"gmail_default_interval": 1441},
            {"gmail_allowed_domains": "corp-example.test, nonsense"},
            {"gmail_allowed_domains": "me@corp-example.test"},
            {"gmail_privacy_url": "javascript:alert(1)"},
            {"gmail_privacy_url": "http://["},
        ):
            with self.subTest(**values), self.assertRaises(ValidationError):
                self.settings(**values).execute()

    def test_what_was_mistyped_elsewhere_breaks_nothing(self):
        set_param = self.env["ir.config_parameter"].set_param
        for name, value in (
            ("connect_group_id", "garbage"),
            ("default_history_days", "abc"),
            ("default_history_days", "60"),
            ("default_sync_interval", "0"),
            ("allowed_domains", "no domain @@"),
            ("privacy_url", "http://["),
        ):
            with self.subTest(name, value=value):
                name = f"gmail_oauth_mailbox.{name}"
                set_param(name, value)
                panel = self.env["gmail.mailbox"].with_user(self.anna)
                panel.panel_state()
                self.env["gmail.mailbox.connect"].with_user(self.anna).create({})
                self.points()
                # Saving this page for another reason changes nothing of it.
                self.settings().execute()
                self.assertEqual(self.param(name), value)
                set_param(name, False)
        set_param("web.base.url", "http://[::1")
        self.assertEqual(self.points()["Address of this Odoo"][0], "wrong")

    def test_a_key_that_cannot_be_had_is_noticed_before_it_is_needed(self):
        keys = {"GMAIL_OAUTH_MAILBOX_KEYS": "garbage"}
        with patch.dict(os.environ, keys):
            self.assertEqual(self.points()["Key of the stored tokens"][0], "wrong")
            with self.assertRaisesRegex(UserError, "is not valid"):
                self.begin()

    def test_nothing_of_the_secret_stays_in_the_dialogs_row(self):
        settings = self.settings(gmail_client_secret="new-secret")
        settings.execute()
        self.env.flush_all()
        self.env.cr.execute("SELECT gmail_client_secret FROM res_config_settings")
        self.assertNotIn(("new-secret",), self.env.cr.fetchall())

    def test_results_of_the_check_are_ones_own(self):
        other = self._user("gmail_boss2", "Boss", "b2@x.test", "base.group_system")
        action = self.settings().action_gmail_check()
        check = self.env["gmail.setup.check"].with_user(other)
        self.assertFalse(check.search([("id", "=", action["res_id"])]))
        with self.assertRaises(AccessError):
            check.browse(action["res_id"]).read(["verdict"])

    def test_new_mailboxes_begin_with_the_defaults(self):
        self.settings(
            gmail_default_contacts=False,
            gmail_default_history="7",
            gmail_default_interval=60,
        ).execute()
        dialog = self.env["gmail.mailbox.connect"].with_user(self.anna).create({})
        self.assertFalse(dialog.contacts)
        mailbox = self.authorize(self.anna, ANNA).mailbox_id
        self.assertEqual((mailbox.history_days, mailbox.sync_interval), (7, 60))

    def test_privacy_policy_is_a_web_address(self):
        set_param = self.env["ir.config_parameter"].set_param
        setup = self.env["gmail.setup"]
        set_param("gmail_oauth_mailbox.privacy_url", "javascript:alert(1)")
        self.assertFalse(setup._privacy_url())
        set_param("gmail_oauth_mailbox.privacy_url", "https://x.test/p")
        dialog = self.env["gmail.mailbox.connect"].with_user(self.anna).new({})
        self.assertEqual(dialog.privacy_url, "https://x.test/p")

    def test_a_stored_secret_can_be_removed(self):
        with self.assertRaises(AccessError):
            self.settings().with_user(self.anna).action_gmail_forget_secret()
        self.settings().action_gmail_forget_secret()
        self.assertFalse(self.param("google_gmail_client_secret"))

    def test_a_corrected_client_wakes_the_mailboxes(self):
        mailbox = self.connect(self.anna, ANNA)
        self.sync(mailbox)
        mailbox.next_sync = "2030-01-01"
        self.settings(gmail_client_secret="standin-secret").execute()
        self.assertLess(mailbox.next_sync.year, 2030)

    # -- Check set-up --------------------------------------------------

    def test_everything_right(self):
        points = self.points()
        wrong = {name: point for name, point in points.items() if point[0] == "wrong"}
        self.assertEqual(wrong, {})
        self.assertEqual(points["Google knows client and secret"][0], "ok")
        self.assertEqual(points["Redirect URI registered"][0], "ok")
        # The stand-in's time is fixed; its Date header is the machine's.
        self.assertNotIn("Clock", points)

    def test_dialog(self):
        action = self.settings().action_gmail_check()
        check = self.env["gmail.setup.check"].browse(action["res_id"])
        self.assertEqual(check.verdict, "warning")
        self.assertGreater(len(check.line_ids), 8)
        with self.assertRaises(AccessError):
            self.env["gmail.setup.check"].with_user(self.anna).action_check()

    def test_wrong_secret(self):
        self.google.control("settings", {"client_secret": "another"})
        status, sentence = self.points()["Google knows client and secret"]
        self.assertEqual(status, "wrong")
        self.assertIn("Copy client ID and secret", sentence)

    def test_missing_and_odd_client(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("google_gmail_client_id", "me@example.com")
        self.assertEqual(self.points()["Client ID"][0], "wrong")
        set_param("google_gmail_client_id", False)
        set_param("google_gmail_client_secret", False)
        points = self.points()
        self.assertEqual(points["Client ID"][0], "wrong")
        self.assertEqual(points["Client secret"][0], "wrong")
        self.assertNotIn("Redirect URI registered", points)

    def test_unregistered_redirect(self):
        uris = ["http://127.0.0.1:1/gmail_oauth_mailbox/callback"]
        self.google.control("settings", {"redirect_uris": uris})
        status, sentence = self.points()["Redirect URI registered"]
        self.assertEqual(status, "wrong")
        self.assertIn(self.env["gmail.setup"]._redirect_uri(), sentence)

    def test_google_unreachable(self):
        self.google.control("faults", {"path": "^/token$", "drop": True, "count": 3})
        status, sentence = self.points()["Google knows client and secret"]
        self.assertEqual(status, "wrong")
        self.assertIn("port 443", sentence)

    def test_address(self):
        set_param = self.env["ir.config_parameter"].set_param
        for base, frozen, status in (
            ("http://odoo.example.com", "", "wrong"),
            ("https://odoo.example.com", "", "warning"),
            ("https://odoo.example.com", "True", "ok"),
            ("http://127.0.0.1:8069", "", "ok"),
        ):
            set_param("web.base.url", base)
            set_param("web.base.url.freeze", frozen)
            self.assertEqual(self.points()["Address of this Odoo"][0], status, base)

    def test_switched_off(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.disabled", "1")
        self.assertEqual(self.points()["Switched on"][0], "wrong")

    def test_scheduled_actions(self):
        crons = self.env["gmail.scheduler"]._crons()
        self.assertEqual(len(crons), 5)
        self.assertEqual(self.points()["Scheduled actions"][0], "ok")
        revoke = self.env.ref("gmail_oauth_mailbox.ir_cron_gmail_revoke")
        revoke.active = False
        self.assertIn("switched off", self.points()["Scheduled actions"][1])
        revoke.active = True
        # One of a lane is enough.
        crons[0].active = False
        self.assertEqual(self.points()["Scheduled actions"][0], "ok")
        self.env["gmail.scheduler"]._crons(["new"]).active = False
        self.assertIn("switched off", self.points()["Scheduled actions"][1])
        crons.active = True
        crons.nextcall = "2020-01-01"
        self.assertIn("max_cron_threads", self.points()["Scheduled actions"][1])

    def test_api_with_a_mailbox_of_ones_own(self):
        self.assertEqual(self.points()["Gmail API"][0], "warning")
        self.connect(self.admin, ANNA)
        self.assertEqual(self.points()["Gmail API"][0], "ok")
        self.google.control("settings", {"api_disabled": True})
        self.assertIn("Enable it", self.points()["Gmail API"][1])

    def test_an_application_in_testing_is_noticed(self):
        self.google.control("settings", {"testing": True})
        self.connect(self.anna, ANNA)
        self.assertIn("seven days", self.points()["Lasting access"][1])
