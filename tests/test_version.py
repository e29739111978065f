"""Until a database is updated to the installed version, Gmail is stopped."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services.gmail_version import OUTDATED

from .common import ANNA, ConnectingCase, mail

SENTENCE = "Gmail is being updated. Ask your administrator to finish the update."


@tagged("standard", "post_install", "-at_install")
class TestVersion(ConnectingCase):
    def setUp(self):
        super().setUp()
        self.version = self.env["gmail.version"]
        self.admin = self._user(
            "gmail_boss", "Boss", "boss@corp-example.test", "base.group_system"
        )

    def outdate(self):
        """Have the registry say what it does when it loads an older database."""
        self.addCleanup(setattr, self.env.registry, OUTDATED, False)
        setattr(self.env.registry, OUTDATED, True)

    def test_versions_are_compared_as_numbers(self):
        for installed, code, is_older in (
            ("19.0.1.0.0", "19.0.1.1.0", True),
            ("19.0.1.9.0", "19.0.1.10.0", True),
            ("19.0.1.1.0", "19.0.1.1.0", False),
            ("19.0.2.0.0", "19.0.1.1.0", False),
            (False, "19.0.1.1.0", False),
        ):
            self.assertEqual(self.version._is_older(installed, code), is_older)

    def test_the_registry_says_it(self):
        module = self.env["ir.module.module"]._get("gmail_oauth_mailbox")
        self.addCleanup(setattr, self.env.registry, OUTDATED, False)
        # Odoo updates it just now, and writes its version at the end.
        module.write({"latest_version": "19.0.0.0.1", "state": "to upgrade"})
        self.version._register_hook()
        self.assertFalse(self.version._is_outdated())
        module.state = "installed"
        logger = "odoo.addons.gmail_oauth_mailbox.services.gmail_version"
        with self.assertLogs(logger, "ERROR") as log:
            self.version._register_hook()
        command = f"odoo -d {self.env.cr.dbname} -u gmail_oauth_mailbox"
        self.assertIn(f"{command} --stop-after-init", log.output[0])
        with self.assertQueryCount(0):
            self.assertTrue(self.version._is_outdated())
        self.assertTrue(self.env["gmail.setup"]._disabled())
        module.latest_version = module.installed_version
        self.version._register_hook()
        self.assertFalse(self.version._is_outdated())

    def test_what_users_and_administrators_read(self):
        box = self.connect(self.anna, ANNA)
        self.outdate()
        state = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
        self.assertEqual((state["setup_message"], state["mailboxes"]), (SENTENCE, []))
        dialog = self.env["gmail.mailbox.connect"].with_user(self.anna)
        with self.assertRaisesRegex(UserError, SENTENCE):
            dialog.create({"email": ANNA}).action_continue()
        with self.assertRaisesRegex(AccessError, SENTENCE):
            box.with_user(self.anna).action_sync_now()
        [point] = self.env["gmail.check"].with_user(self.admin)._points()
        self.assertEqual(point[0], "wrong")
        self.assertIn("-u gmail_oauth_mailbox --stop-after-init", point[2])

    def test_what_would_be_lost_is_refused(self):
        self.connect(self.anna, ANNA)
        partners = self.env["res.partner"].create([{"name": "A"}, {"name": "B"}])
        merge = self.env["base.partner.merge.automatic.wizard"].create({})
        exclude = self.env["gmail.exclude"].with_user(self.anna)
        exclude = exclude.create({"pattern": "news@shop.example"})
        settings = self.env["res.config.settings"].with_user(self.admin)
        settings = settings.create({"gmail_leaver_days": 7})
        self.outdate()
        for call in (
            lambda: merge._merge(partners.ids, partners[0]),
            self.anna.unlink,
            exclude.action_exclude,
            settings.execute,
        ):
            with self.assertRaisesRegex(UserError, "updated"):
                call()

    def test_the_callback_has_an_ending(self):
        path = self.begin()
        self.authenticate("gmail_anna", "gmail_anna")
        google = self.at_google(path)
        self.outdate()
        self.assertIn("/ended/start", self.at_google(path))
        params = {"state": "x" * 40, "code": "y"}
        ending = self.env["gmail.connect"]._finish(params, {})
        self.assertEqual(ending, (None, "outdated"))
        self.assertTrue(google)
        page = self.url_open("/gmail_oauth_mailbox/ended/outdated")
        self.assertIn(SENTENCE, page.text)

    def test_mail_of_a_mailbox_waits_as_it_is(self):
        box = self.connect(self.anna, ANNA)
        draft = self.draft(to="carla@else.test", subject="Our offer")
        draft.panel_send()
        waiting = draft.sudo().mail_id
        self.outdate()
        before = waiting.read(["state", "failure_reason", "write_date"])
        waiting.send()
        self.env.invalidate_all()
        self.assertEqual(
            waiting.read(["state", "failure_reason", "write_date"]), before
        )
        server = box.outgoing_server_id
        with self.assertRaisesRegex(UserError, "updated"):
            server._check_forced_mail_server(server, False, ANNA)

    def test_odoo_keeps_working(self):
        self.connect(self.anna, ANNA)
        partner = self.env["res.partner"].create({"name": "Carla"})
        self.anna.group_ids += self.env.ref("base.group_partner_manager")
        self.outdate()
        post = partner.with_user(self.anna).message_post(
            body="Hello", message_type="comment", subtype_xmlid="mail.mt_comment"
        )
        self.assertEqual(post.author_id, self.anna.partner_id)
        self.assertEqual(partner.with_user(self.anna).gmail_email_count, 0)
        self.env["mail.thread"].message_process(
            "res.partner", mail(Message_ID="<new@customer-example.test>")
        )
        self.ben.active = False
        self.assertFalse(self.ben.active)

    def test_what_odoo_calls_reads_no_table_of_the_addon(self):
        self.connect(self.anna, ANNA)
        mails = self.env["mail.mail"].search([], limit=1)
        partners = self.anna.partner_id
        posts = self.env["mail.message"].search([], limit=1)
        self.assertTrue(self.env["gmail.sender"]._mailboxes_of(self.anna))
        self.outdate()
        self.env.flush_all()
        compose = self.env["gmail.compose"]
        with self.assertQueryCount(0):
            self.assertFalse(self.env["gmail.sender"]._mailboxes_of(self.anna))
            self.assertFalse(compose._unknown_own([ANNA]))
            self.assertFalse(compose._drafts_of(mails))
            self.assertFalse(self.env["gmail.emails"]._counts(partners))
            self.assertFalse(self.env["gmail.linking"]._at_gateway({}))
            self.assertFalse(any(self.env["gmail.linking"]._looser_than("nobody")))
            self.env["gmail.linking"]._posts_moved(posts)
            self.env["gmail.scheduler"]._wake(self.env["gmail.mailbox"])

    def test_a_user_who_left_meanwhile_is_noted(self):
        box = self.connect(self.anna, ANNA)
        self.outdate()
        self.anna.active = False
        self.assertFalse(box.left_at)
        setattr(self.env.registry, OUTDATED, False)
        self.env["gmail.scheduler"]._end_gone(box.id)
        self.env.invalidate_all()
        self.assertTrue(box.left_at)
        self.assertEqual(box.state, "draft")
