"""Disconnecting, leaving, copies of the database, and the keys."""

import os
from unittest.mock import patch

from cryptography.fernet import Fernet

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import file_open, mute_logger

from odoo.addons.gmail_oauth_mailbox.lib import crypto

from .common import ANNA, BEN, PRIVATE, ConnectingCase

OAUTH = "odoo.addons.gmail_oauth_mailbox.services.gmail_oauth"
KEYS_SERVICE = "odoo.addons.gmail_oauth_mailbox.services.gmail_keys"
SCHEDULER = "odoo.addons.gmail_oauth_mailbox.services.gmail_scheduler"
KEYS = "GMAIL_OAUTH_MAILBOX_KEYS"
IDENTITY = "gmail_oauth_mailbox.database_identity"


@tagged("standard", "post_install", "-at_install")
class TestDisconnecting(ConnectingCase):
    def dialog(self, mailbox, user=None, **values):
        owner = user or self.anna
        action = mailbox.with_user(owner).action_ask_disconnect()
        return (
            self.env["gmail.mailbox.disconnect"]
            .with_user(owner)
            .with_context(**action["context"])
            .create(values)
        )

    def test_the_dialog_names_what_stops(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.add_message(ANNA, b"From: a@b.test\r\nSubject: x\r\n\r\nx")
        self.sync(mailbox)
        self.connect(self.anna, PRIVATE)
        dialog = self.dialog(mailbox)
        self.assertEqual(dialog.message_count, 1)
        self.assertEqual(dialog.next_default, PRIVATE)
        self.assertFalse(dialog.other_users or dialog.waiting_count)

    def test_the_dialog_of_an_only_mailbox_names_no_other(self):
        dialog = self.dialog(self.connect(self.anna, ANNA))
        self.assertFalse(dialog.next_default)

    def test_only_the_owner_is_asked(self):
        mailbox = self.connect(self.anna, ANNA)
        with self.assertRaises(AccessError):
            mailbox.with_user(self.ben).action_ask_disconnect()
        foreign = (
            self.env["gmail.mailbox.disconnect"]
            .with_user(self.ben)
            .create({"mailbox_id": mailbox.id})
        )
        with self.assertRaises(AccessError):
            foreign.message_count  # noqa: B018
        with self.assertRaises(AccessError):
            foreign.action_confirm()
        self.assertEqual(mailbox.state, "connected")

    def test_stored_mail_stays_or_goes(self):
        mailbox = self.connect(self.anna, ANNA)
        self.google.add_message(ANNA, b"From: a@b.test\r\nSubject: x\r\n\r\nx")
        self.sync(mailbox)
        self.dialog(mailbox).action_confirm()
        self.assertEqual(mailbox.state, "draft")
        self.assertEqual(mailbox.message_count, 1)
        self.authorize(self.anna, ANNA, mailbox=mailbox)
        self.dialog(mailbox, keep_mail="delete").action_confirm()
        self.assertFalse(mailbox.exists())
        self.assertFalse(self.env["gmail.message"].search_count([]))

    def test_a_mailbox_that_cannot_be_deleted_keeps_back_no_other(self):
        """Odoo would switch the scheduled action off, and no email would go."""
        stuck = self.connect(self.anna, ANNA)
        other = self.connect(self.ben, BEN)
        (self.anna | self.ben).active = False
        (stuck | other).left_at = "2020-01-01"
        delete = type(stuck)._delete

        def refuse(mailbox):
            if mailbox.id == stuck.id:
                raise UserError("A record needs it")
            return delete(mailbox)

        with (
            patch.object(type(stuck), "_delete", refuse),
            mute_logger("odoo.addons.gmail_oauth_mailbox.services.gmail_leaving"),
        ):
            self.run_cron("leaving")
        self.assertTrue(stuck.exists())
        self.assertFalse(other.exists())

    def test_archived_by_a_number(self):
        mailbox = self.connect(self.anna, ANNA)
        attempt = self.authorize(self.anna, ANNA, mailbox=mailbox)
        waiting = self.authorize(self.anna, "x@corp-example.test", picks=PRIVATE)
        self.assertEqual(waiting.status, "choice", attempt.outcome)
        self.anna.write({"active": 0})
        self.assertEqual(mailbox.state, "draft")
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google(PRIVATE))

    def test_an_attempt_that_fails_keeps_back_no_other(self):
        vault = type(self.env["gmail.oauth"])
        discard = vault._discard_later
        first = self.authorize(self.anna, "x@corp-example.test", picks=PRIVATE)
        first.expires_at = "2020-01-01"
        second = self.authorize(self.ben, "y@corp-example.test", picks=BEN)
        second.expires_at = "2020-01-01"

        def fail(service, attempts):
            if first in attempts:
                raise ValueError("a broken row")
            return discard(service, attempts)

        with (
            patch.object(vault, "_discard_later", fail),
            mute_logger("odoo.addons.gmail_oauth_mailbox.services.gmail_oauth"),
        ):
            self.run_cron("revoke")
        self.assertTrue(first.refresh_token)
        self.assertFalse(second.refresh_token)
        self.assertFalse(self.connected_at_google(BEN))

    def test_only_a_connected_mailbox_is_paused(self):
        mailbox = self.connect(self.anna, ANNA)
        mailbox.with_user(self.anna).action_disconnect()
        with self.assertRaisesRegex(UserError, "connected mailbox can be paused"):
            mailbox.with_user(self.anna).action_pause()

    def test_the_next_one_becomes_the_default(self):
        first = self.connect(self.anna, ANNA)
        first.with_user(self.anna).action_disconnect()
        second = self.connect(self.anna, PRIVATE)
        self.assertTrue(second.is_default)
        self.assertFalse(first.is_default)

    def test_the_default_passes_on(self):
        first = self.connect(self.anna, ANNA)
        second = self.connect(self.anna, PRIVATE)
        self.dialog(first).action_confirm()
        self.assertTrue(second.is_default)
        self.assertFalse(first.is_default)

    def test_what_else_holds_the_account_is_not_cut_off(self):
        mailbox = self.connect(self.anna, ANNA)
        server = self.env["ir.mail_server"].create(
            {
                "name": "Stock",
                "smtp_host": "smtp.gmail.com",
                "smtp_authentication": "gmail",
                "smtp_encryption": "starttls",
                "smtp_user": ANNA,
                "google_gmail_refresh_token": "1//stock",
            }
        )
        self.assertIn("outgoing mail server", self.dialog(mailbox).other_users)
        mailbox.with_user(self.anna).action_disconnect()
        self.run_cron("revoke")
        self.assertTrue(self.connected_at_google())
        self.assertEqual(server.google_gmail_refresh_token, "1//stock")

    def test_an_underscore_is_no_wildcard(self):
        self.google.control(
            "accounts",
            {"action": "add", "email": "a_b@corp-example.test", "name": "A"},
        )
        mailbox = self.connect(self.anna, "a_b@corp-example.test")
        self.env["ir.mail_server"].create(
            {
                "name": "Another",
                "smtp_host": "smtp.gmail.com",
                "smtp_authentication": "gmail",
                "smtp_encryption": "starttls",
                "smtp_user": "axb@corp-example.test",
                "google_gmail_refresh_token": "1//stock",
            }
        )
        self.assertFalse(self.dialog(mailbox).other_users)

    def test_who_is_no_internal_user_any_more_is_disconnected(self):
        mailbox = self.connect(self.anna, ANNA)
        self.anna.group_ids = self.env.ref("base.group_portal")
        self.assertEqual(mailbox.state, "draft")
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google())

    def test_demoted_from_the_groups_side(self):
        mailbox = self.connect(self.anna, ANNA)
        self.env.ref("base.group_user").user_ids -= self.anna
        self.env.ref("base.group_portal").user_ids += self.anna
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertTrue(self.anna.share)
        before = len(self.google.log())
        mailbox.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.assertEqual(len(self.google.log()), before)
        self.assertFalse(self.env["gmail.sender"]._mailbox_of(self.anna, ANNA))
        self.run_cron("check")
        self.assertEqual(mailbox.state, "draft")
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google())

    def test_switched_off_revokes_nothing_yet(self):
        self.connect(self.anna, ANNA).with_user(self.anna).action_disconnect()
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.disabled", "1")
        self.run_cron("revoke")
        self.assertTrue(self.connected_at_google())
        set_param("gmail_oauth_mailbox.disabled", "0")
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google())

    def test_a_revocation_waits_for_google(self):
        mailbox = self.connect(self.anna, ANNA)
        mailbox.with_user(self.anna).action_delete()
        self.google.control("faults", {"path": "^/revoke$", "status": 503})
        self.run_cron("revoke")
        self.assertTrue(self.connected_at_google())
        self.assertEqual(self.env["gmail.revocation"].search([]).attempts, 1)
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google())
        self.assertFalse(self.env["gmail.revocation"].search_count([]))

    def test_a_late_revocation_spares_the_new_connection(self):
        mailbox = self.connect(self.anna, ANNA)
        mailbox.with_user(self.anna).action_disconnect()
        self.authorize(self.anna, ANNA, mailbox=mailbox)
        self.run_cron("revoke")
        self.assertTrue(self.connected_at_google())
        self.assertFalse(self.env["gmail.revocation"].search_count([]))


@tagged("standard", "post_install", "-at_install")
class TestCopies(ConnectingCase):
    def as_copy(self):
        """Have the database look as a copy does: its tokens are another's."""
        self.env["ir.config_parameter"].set_param(IDENTITY, "1/2")

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_a_copy_does_nothing(self):
        mailbox = self.connect(self.anna, ANNA)
        self.connect(self.anna, PRIVATE).with_user(self.anna).action_disconnect()
        self.as_copy()
        before = len(self.google.log())
        mailbox.next_sync = "2020-01-01"
        for cron in ("sync_1", "revoke", "check", "keys"):
            self.run_cron(cron)
        with self.assertRaisesRegex(UserError, "is a copy, or was moved"):
            mailbox.with_user(self.anna).action_test()
        with self.assertRaisesRegex(UserError, "is a copy, or was moved"):
            self.begin(email="other@corp-example.test")
        partner = self.env["res.partner"].create(
            {"name": "Carla", "email": "carla@customer-example.test"}
        )
        message = (
            partner.with_user(self.anna)
            .sudo()
            .message_post(
                body="Hello",
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
                partner_ids=partner.ids,
                email_from=ANNA,
            )
        )
        mail = self.env["mail.mail"].search([("mail_message_id", "=", message.id)])
        mail.send()
        self.assertEqual(mail.state, "outgoing")
        self.assertEqual(len(self.google.log()), before)
        # It still has everything, and nobody was asked to reconnect.
        self.assertEqual(mailbox.state, "connected")
        self.assertTrue(self.env["gmail.oauth"]._has_credential(mailbox))
        self.assertEqual(self.env["gmail.revocation"].search_count([]), 1)
        state = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
        self.assertIn("is a copy", state["trouble"])

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_a_database_that_was_moved_is_taken_over(self):
        mailbox = self.connect(self.anna, ANNA)
        self.as_copy()
        check = self.env["gmail.setup.check"]
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        with self.assertRaises(AccessError):
            check.with_user(self.anna).action_take_over()
        action = check.with_user(admin).action_check()
        self.assertTrue(check.browse(action["res_id"]).is_copy)
        check.with_user(admin).action_take_over()
        self.assertTrue(mailbox.with_user(self.anna).action_test())

    def test_another_uuid_opens_no_token(self):
        """Odoo's own duplication gives the copy another one."""
        mailbox = self.connect(self.anna, ANNA)
        with patch.dict(os.environ, {KEYS: self.key()}):
            self.env["ir.config_parameter"].set_param("database.uuid", "other")
            with self.assertRaisesRegex(UserError, "no usable access"):
                mailbox.with_user(self.anna).action_test()

    def key(self):
        with open(self.env["gmail.keys"]._key_file()) as file:
            return file.read()


@tagged("standard", "post_install", "-at_install")
class TestKeys(ConnectingCase):
    def setUp(self):
        super().setUp()
        self.old, self.new = (Fernet.generate_key().decode() for _ in range(2))

    def keys(self, *keys):
        return patch.dict(os.environ, {KEYS: ",".join(keys)})

    def sealed(self):
        self.env.cr.execute(
            "SELECT refresh_token, access_token FROM gmail_credential ORDER BY id"
        )
        return self.env.cr.fetchall()

    def opened_by(self, key):
        fernet = Fernet(key)
        for row in self.sealed():
            for token in filter(None, row):
                fernet.decrypt(token)

    def test_rotation(self):
        with self.keys(self.old):
            mailboxes = self.connect(self.anna, ANNA) | self.connect(self.anna, PRIVATE)
            mailboxes |= self.connect(self.ben, "ben.schulz@corp-example.test")
            self.opened_by(self.old)
            left = self.connect(self.ben, "support@corp-example.test")
            left.with_user(self.ben).action_disconnect()
        with self.keys(self.new, self.old):
            # Before anything is rotated, all goes on.
            self.sync(mailboxes[0])
            self.assertEqual(self.env["gmail.keys"]._count_old_keys(), 3)
            with patch(f"{KEYS_SERVICE}.ROTATION_STEP", 2):
                self.run_cron("keys")
            self.assertEqual(self.env["gmail.keys"]._count_old_keys(), 0)
            self.opened_by(self.new)
            self.sync(mailboxes[0])
        with self.keys(self.new):
            # What was waiting to be revoked can be.
            self.run_cron("revoke")
            self.assertFalse(self.connected_at_google("support@corp-example.test"))
            # The old key is not needed any more.
            for mailbox in mailboxes:
                mailbox.with_user(mailbox.user_id).action_test()
        with self.keys(self.old), mute_logger(OAUTH):
            with self.assertRaisesRegex(UserError, "lacks the key"):
                mailboxes[0].with_user(self.anna).action_test()

    def test_a_step_is_bounded(self):
        with self.keys(self.old):
            self.connect(self.anna, ANNA)
            self.connect(self.anna, PRIVATE)
        with self.keys(self.new, self.old):
            service = self.env["gmail.keys"]
            cipher = service._cipher()
            with patch(f"{KEYS_SERVICE}.ROTATION_STEP", 1):
                last, done = service._rotate_step(cipher, 0)
                self.assertEqual((bool(last), done), (True, 1))
                self.env.invalidate_all()
                self.assertEqual(service._count_old_keys(), 1)

    def test_the_check_says_how_far_it_is(self):
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        with self.keys(self.old):
            self.connect(self.anna, ANNA)
        with self.keys(self.new, self.old):
            points = self.env["gmail.check"].with_user(admin)._points()
            (point,) = (p for p in points if p[1] == "Key of the stored tokens")
            self.assertEqual(point[0], "warning")
            self.assertIn("Keep the old one", point[2])

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_a_host_without_the_key_touches_nothing(self):
        with self.keys(self.old):
            mailbox = self.connect(self.anna, ANNA)
        for keys, sentence in (
            ((self.new,), "lacks the key"),
            (("no key",), "is not valid"),
        ):
            with self.subTest(keys), self.keys(*keys):
                before = self.sealed()
                mailbox.next_sync = "2020-01-01"
                for cron in ("sync_1", "revoke", "check", "keys"):
                    self.run_cron(cron)
                self.assertEqual(mailbox.state, "connected")
                self.assertFalse(mailbox.error_message)
                # Due still: a host that has the key takes it.
                self.assertEqual(str(mailbox.next_sync.year), "2020")
                self.assertEqual(self.sealed(), before)
                state = self.env["gmail.mailbox"].with_user(self.anna).panel_state()
                self.assertIn(sentence, state["trouble"])
                with self.assertRaisesRegex(UserError, sentence):
                    self.begin(email=PRIVATE)
        with self.keys(self.old):
            self.sync(mailbox)

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_a_lost_key(self):
        with self.keys(self.old):
            mailbox = self.connect(self.anna, ANNA)
            self.connect(self.anna, PRIVATE).with_user(self.anna).action_disconnect()
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        check = self.env["gmail.setup.check"]
        with self.keys(self.old):
            # Where the key is there, nothing is forgotten.
            check.with_user(admin).action_forget_key()
            self.assertTrue(self.env["gmail.oauth"]._has_credential(mailbox))
        with self.keys(self.new):
            with self.assertRaises(AccessError):
                check.with_user(self.anna).action_forget_key()
            check.with_user(admin).action_forget_key()
            self.env.invalidate_all()
            self.assertFalse(self.env["gmail.oauth"]._has_credential(mailbox))
            self.assertFalse(self.env["gmail.revocation"].search_count([]))
            self.run_cron("sync_1")
            self.assertEqual(mailbox.state, "reconnect")
            self.assertIn("Reconnect it", mailbox.error_message)
            attempt = self.authorize(self.anna, ANNA, mailbox=mailbox)
            self.assertEqual(attempt.status, "success", attempt.outcome)
            self.opened_by_new = self.sealed()
            Fernet(self.new).decrypt(self.sealed()[0][0])

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_an_old_key_that_was_removed_too_early(self):
        with self.keys(self.old):
            first = self.connect(self.anna, ANNA)
            self.connect(self.ben, "ben.schulz@corp-example.test").with_user(
                self.ben
            ).action_disconnect()
        # The database's own key is the new one, yet a row was left behind.
        fingerprint = crypto.fingerprint([self.new])
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.key_fingerprint", fingerprint)
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        check = self.env["gmail.setup.check"].with_user(admin)
        with self.keys(self.new):
            second = self.connect(self.anna, PRIVATE)
            with self.assertRaisesRegex(UserError, "lacks the key"):
                first.with_user(self.anna).action_test()
            self.assertEqual(first.state, "connected")
            # The revocation that does not open does not stop the others.
            self.run_cron("revoke")
            self.assertFalse(self.env["gmail.revocation"].search_count([]))
            check.action_forget_key()
            self.assertEqual(self.env["gmail.keys"]._count_lost_keys(), 0)
            first.next_sync = "2020-01-01"
            self.run_cron("sync_1")
            self.assertEqual(first.state, "reconnect")
            self.assertTrue(second.with_user(self.anna).action_test())

    def test_uninstalling_a_copy_spares_the_originals_key(self):
        self.connect(self.anna, ANNA)
        path = self.env["gmail.keys"]._key_file()
        set_param = self.env["ir.config_parameter"].set_param
        set_param(IDENTITY, "1/2")
        with mute_logger(OAUTH):
            self.env["gmail.oauth"]._revoke_after_commit()
        self.env.cr.postcommit.run()
        self.assertTrue(os.path.exists(path))
        # A neutralized one has no key yet.
        self.env.flush_all()
        with file_open("gmail_oauth_mailbox/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()
        self.registry.clear_cache()
        self.env["gmail.oauth"]._revoke_after_commit()
        self.env.cr.postcommit.run()
        self.assertTrue(os.path.exists(path))

    def test_a_neutralized_copy_makes_a_key_of_its_own(self):
        self.connect(self.anna, ANNA)
        keys = self.env["gmail.keys"]
        path = keys._key_file()
        with patch.object(type(keys), "_database_identity", lambda self: "1/2"):
            for name in ("key_fingerprint", "key_name", "database_identity"):
                self.env["ir.config_parameter"].set_param(
                    f"gmail_oauth_mailbox.{name}", False
                )
            self.assertNotEqual(keys._key_file(), path)

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_a_key_file_that_is_no_use_is_set_aside(self):
        self.connect(self.anna, ANNA)
        path = self.env["gmail.keys"]._key_file()
        with open(path) as file:
            key = file.read()
        folder = os.path.dirname(path)
        before = set(os.listdir(folder))
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        check = self.env["gmail.setup.check"].with_user(admin)
        try:
            with open(path, "w") as file:
                file.write("")
            check.action_check()
            check.action_forget_key()
            self.env.invalidate_all()
            attempt = self.authorize(self.anna, PRIVATE)
            self.assertEqual(attempt.status, "success", attempt.outcome)
        finally:
            for name in set(os.listdir(folder)) - before:
                os.unlink(os.path.join(folder, name))
            crypto.remove_key_file(path)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(key)

    @mute_logger(OAUTH, KEYS_SERVICE, SCHEDULER)
    def test_a_mistyped_key_is_no_lost_one(self):
        with self.keys(self.old):
            mailbox = self.connect(self.anna, ANNA)
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        check = self.env["gmail.setup.check"].with_user(admin)
        with self.keys("mistyped"):
            action = check.action_check()
            self.assertFalse(check.browse(action["res_id"]).lacks_key)
            check.action_forget_key()
            self.assertTrue(self.env["gmail.oauth"]._has_credential(mailbox))
            with self.assertRaisesRegex(UserError, "is not valid"):
                mailbox.with_user(self.anna).action_test()

    def test_deleting_a_user_withdraws_what_waits_for_her_choice(self):
        user = self._user("gmail_leaver", "Leaver", "leaver@x.test")
        attempt = self.authorize(user, ANNA, picks=PRIVATE)
        self.assertEqual(attempt.status, "choice")
        self.env["res.users"].browse(user.id).unlink()
        self.run_cron("revoke")
        self.assertFalse(self.connected_at_google(PRIVATE))

    def test_the_key_file_is_for_its_owner_alone(self):
        self.connect(self.anna, ANNA)
        path = self.env["gmail.keys"]._key_file()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertIn(self.env["gmail.setup"]._param("database.uuid"), path)

    def test_the_quicker_host_decides_which_key_it_is(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.key_fingerprint", "of-the-other-host")
        self.env.flush_all()
        noted = self.env["gmail.keys"]._note_first_key("of-this-host")
        self.assertEqual(noted, "of-the-other-host")

    def test_the_key_file_stays_in_its_folder(self):
        folder = os.path.dirname(self.env["gmail.keys"]._key_file())
        for uuid in ("../../evil", "/etc/passwd", "a b"):
            self.env["ir.config_parameter"].set_param("database.uuid", uuid)
            path = self.env["gmail.keys"]._key_file()
            self.assertEqual(os.path.dirname(os.path.normpath(path)), folder)

    def test_uninstalling_removes_the_key_after_the_commit(self):
        self.connect(self.anna, ANNA)
        path = self.env["gmail.keys"]._key_file()
        with open(path) as file:
            key = file.read()
        try:
            self.env["gmail.oauth"]._revoke_after_commit()
            self.assertTrue(os.path.exists(path))
            self.env.cr.postcommit.run()
            self.assertFalse(os.path.exists(path))
        finally:
            crypto.remove_key_file(path)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(key)
