"""Whose mail stays out of Odoo: exclusions, and the erasure of a person's mail."""

from contextlib import suppress
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib.exclusion import PatternError, parse_pattern
from odoo.addons.gmail_oauth_mailbox.services import gmail_exclusions

from .common import ANNA, BEN, mail
from .test_linking import CARLA, LinkingCase

SHOP = "News <news@mail.shop.test>"


class ExclusionCase(LinkingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = cls._user(
            "gmail_admin",
            "Administrator",
            "admin@corp-example.test",
            "base.group_user,base.group_system",
        )

    def setUp(self):
        super().setUp()
        # Workers that began before have ended.
        later = patch.object(gmail_exclusions, "LATECOMERS", timedelta(minutes=-1))
        later.start()
        self.addCleanup(later.stop)

    def exclude(self, pattern, user=None, for_all=False):
        dialog = (
            self.env["gmail.exclude"]
            .with_user(user or self.anna)
            .create({"pattern": pattern, "is_for_all": for_all})
        )
        sentence = dialog.problem or dialog.sentence
        dialog.action_exclude()
        self.run_cron("file")
        return sentence

    def messages(self, mailbox):
        return self.env["gmail.message"].search([("mailbox_id", "=", mailbox.id)])

    def look_through_again(self, mailbox):
        mailbox._restart_backfill()
        self.sync(mailbox)


@tagged("standard", "post_install", "-at_install")
class TestExclusions(ExclusionCase):
    def test_what_is_stored_leaves_and_stays_away(self):
        self.receive(sender=SHOP, Message_ID="<shop@x.test>")
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.messages(box)), 2)
        sentence = self.exclude("mail.shop.test")
        self.assertIn("leave Odoo: 1", sentence)
        self.assertEqual(self.messages(box).from_email, CARLA)
        self.assertEqual(len(self.thread(box)), 1)
        exclusion = self.env["gmail.exclusion"].search([])
        self.assertEqual((exclusion.removed, exclusion.is_pending), (1, False))
        self.look_through_again(box)
        self.expire_history()
        self.sync(box)
        self.google.add_message(ANNA, mail(sender=SHOP, Message_ID="<2@x.test>"))
        self.settle(box)
        self.assertEqual(len(self.messages(box)), 1)

    def test_what_stays_out_is_downloaded_once(self):
        self.exclude("news@mail.shop.test")
        self.receive(sender=SHOP, Message_ID="<shop@x.test>")
        box = self.box()
        self.settle(box)
        self.google.control("log", {})
        before = self.google.control("units")
        self.look_through_again(box)
        spent = self.google.control("units")
        gained = spent["project"]["total"] - before["project"]["total"]
        self.assertLess(gained, 20)
        self.assertFalse(self.messages(box))

    def test_shared_mail_leaves_its_document(self):
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.exclude(CARLA)
        self.assertFalse(self.posts(self.carla))
        self.assertFalse(self.env["gmail.vote"].search_count([]))

    def test_what_somebody_else_shares_stays(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna, ben = (
            self.box(level="everything"),
            self.box(self.ben, BEN, "everything"),
        )
        self.settle(anna, ben)
        self.exclude(CARLA)
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.assertFalse(self.messages(anna))
        self.assertTrue(self.messages(ben))

    def test_what_was_kept_private_does_not_come_to_light(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna, ben = self.box(), self.box(self.ben, BEN, "everything")
        self.settle(anna)
        self.thread(anna).with_user(self.anna).panel_share("nobody")
        self.settle(anna, ben)
        self.assertFalse(self.posts(self.carla))
        self.exclude(CARLA)
        self.assertFalse(self.messages(anna))
        self.assertFalse(self.posts(self.carla))

    def test_ones_own_address_excludes_nothing(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna, ben = self.box(), self.box(self.ben, BEN)
        self.settle(anna, ben)
        self.exclude(f"@{ANNA.partition('@')[2]}")
        # Ben is on it too, and his mailbox is not hers.
        self.assertFalse(self.messages(anna))
        self.assertTrue(self.messages(ben))
        self.receive(ANNA, to=ANNA, Message_ID="<two@customer-example.test>")
        self.settle(anna)
        self.assertTrue(self.messages(anna))

    def test_for_everybody(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna, ben = self.box(), self.box(self.ben, BEN)
        self.settle(anna, ben)
        with self.assertRaises(AccessError):
            self.exclude(CARLA, for_all=True)
        self.assertIn("mailboxes: 2", self.exclude(CARLA, self.admin, for_all=True))
        self.assertFalse(self.messages(anna) | self.messages(ben))

    def test_mail_sent_from_odoo_to_an_excluded_address_is_kept(self):
        box = self.box()
        self.exclude(CARLA)
        self.sync(box)
        self.anna.group_ids += self.env.ref("base.group_partner_manager")
        self.carla.with_user(self.anna).message_post(
            body="An offer",
            message_type="comment",
            partner_ids=self.carla.ids,
            subtype_xmlid="mail.mt_comment",
        )
        self.env.cr.postcommit.run()
        self.env["mail.mail"].search([("state", "=", "outgoing")]).send()
        self.sync(box)
        self.assertEqual(self.messages(box).direction, "out")

    def test_lists_are_personal(self):
        self.exclude("doctor@clinic.test")
        self.exclude("all@shop.test", self.admin, for_all=True)
        exclusions = self.env["gmail.exclusion"]
        names = exclusions.with_user(self.anna).search([]).mapped("pattern")
        self.assertEqual(names, ["doctor@clinic.test"])
        self.assertFalse(exclusions.with_user(self.ben).search([]))
        names = exclusions.with_user(self.admin).search([]).mapped("pattern")
        self.assertEqual(names, ["all@shop.test"])
        hers = exclusions.search([("user_id", "=", self.anna.id)])
        with self.assertRaises(AccessError):
            hers.with_user(self.admin).unlink()
        with self.assertRaises(AccessError):
            exclusions.with_user(self.anna).create({"pattern": "x@y.test"})
        with self.assertRaisesRegex(UserError, "already"):
            self.exclude("Doctor@clinic.test")
        # The way out.
        hers.with_user(self.anna).unlink()

    def test_patterns(self):
        for written, matched, others in (
            ("a@b.test", ("a@b.test",), ("aa@b.test", "a@b.test.x")),
            ("B.test", ("a@b.test",), ("a@x.b.test", "a@bb.test")),
            ("@b.test", ("a@b.test",), ("b.test@x.test",)),
            ("*@*.b.test", ("a@x.b.test",), ("a@b.test",)),
            ("a_b@c.test", ("a_b@c.test",), ("axb@c.test",)),
            ("x.test", ("a@x.test",), ("a@xx.test",)),
            ("newsletter@*.*", ("newsletter@a.test",), ("a@newsletter.test",)),
            ("bill*-no*@c.test", ("bill-1-not@c.test",), ("billno@c.test",)),
            ("müller.test", ("a@müller.test", "a@xn--mller-kva.test"), ()),
        ):
            pattern = parse_pattern(written)
            for address in (*matched, *others):
                likes = " OR ".join(["%s LIKE %s"] * len(pattern.likes))
                self.env.cr.execute(
                    f"SELECT {likes}", [x for y in pattern.likes for x in (address, y)]
                )
                found = {pattern.matches(address), self.env.cr.fetchone()[0]}
                self.assertEqual(found, {address in matched}, (written, address))
        for written, code in (
            ("", "empty"),
            ("nobody", "wrong"),
            ("a b@c.test", "wrong"),
            ("*@*.*", "all"),
            ("*@*.test", "all"),
            ("a*" * 9 + "@x.test", "wrong"),
        ):
            with self.assertRaises(PatternError) as caught:
                parse_pattern(written)
            self.assertEqual(caught.exception.code, code, written)

    def test_a_long_way_round_takes_no_time(self):
        pattern = parse_pattern("*a*a*a@x.test")
        started = datetime.now()
        self.assertFalse(pattern.matches("a" * 10**6 + "@y.test"))
        self.assertLess(datetime.now() - started, timedelta(seconds=1))


@tagged("standard", "post_install", "-at_install")
class TestErasure(ExclusionCase):
    def dialog(self, addresses, user=None):
        return (
            self.env["gmail.erase"]
            .with_user(user or self.admin)
            .create({"addresses": addresses, "is_understood": True})
        )

    def erase(self, addresses):
        self.dialog(addresses).action_erase()
        self.run_cron("file")

    def test_it_leaves_all_mailboxes_and_documents(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        self.receive(sender=SHOP, Message_ID="<shop@x.test>")
        anna, ben = (
            self.box(level="everything"),
            self.box(self.ben, BEN, "everything"),
        )
        self.settle(anna, ben)
        self.assertEqual(len(self.posts(self.carla)), 1)
        dialog = self.dialog(f"Carla Roth <{CARLA.upper()}>\n")
        self.assertEqual(
            (dialog.messages, dialog.mailboxes, dialog.entries, dialog.own),
            (2, 2, 1, 0),
        )
        dialog.action_erase()
        self.run_cron("file")
        self.assertEqual(self.messages(anna).from_email, "news@mail.shop.test")
        self.assertFalse(self.messages(ben))
        self.assertFalse(self.posts(self.carla))
        kept = self.messages(anna).mapped("mail_key")
        self.assertEqual(self.env["gmail.vote"].search([]).mapped("mail_key"), kept)
        for model in ("filing", "entry"):
            self.assertFalse(self.env[f"gmail.{model}"].search_count([]), model)
        row = self.env["gmail.erasure"].search([])
        self.assertEqual((row.messages, row.entries, row.is_pending), (2, 1, False))
        self.assertFalse(row.address)
        self.assertNotIn("carla", str(row.read()))
        for box in (anna, ben):
            self.look_through_again(box)
        self.assertFalse(self.messages(ben))

    def test_a_new_connection_does_not_bring_it_back(self):
        self.receive()
        box = self.box()
        self.settle(box)
        self.erase(CARLA)
        box._delete()
        box = self.box()
        self.settle(box)
        self.assertFalse(self.messages(box))
        # Later mail is another matter.
        row = self.env["gmail.erasure"].search([])
        row.until = "2001-01-01"
        box._delete()
        box = self.box()
        self.settle(box)
        self.assertTrue(self.messages(box))

    def test_what_stands_though_nobody_has_it_any_more(self):
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        box._delete()
        self.assertEqual(len(self.posts(self.carla)), 1)
        self.assertEqual(self.dialog(CARLA).entries, 1)
        self.assertEqual(self.dialog("arla.roth@customer-example.test").entries, 0)
        self.erase(CARLA)
        self.assertFalse(self.posts(self.carla))

    def test_what_fails_keeps_back_no_other(self):
        self.receive()
        self.receive(sender=SHOP, Message_ID="<shop@x.test>")
        box = self.box()
        self.settle(box)
        service = type(self.env["gmail.exclusions"])
        with (
            patch.object(service, "_sweep_exclusion", side_effect=ValueError(SHOP)),
            self.assertLogs("odoo.addons.gmail_oauth_mailbox", "ERROR") as log,
        ):
            self.exclude("mail.shop.test", self.anna)
            self.erase(CARLA)
        self.assertNotIn("shop", str(log.output))
        self.assertEqual(self.messages(box).from_email, "news@mail.shop.test")
        exclusion = self.env["gmail.exclusion"].search([])
        self.assertTrue(exclusion.is_pending)
        self.assertGreater(exclusion.retry_at, datetime.now() + timedelta(minutes=30))
        # An hour later it is tried again.
        exclusion.retry_at = datetime.now() - timedelta(seconds=1)
        self.env.flush_all()
        self.run_cron("file")
        self.env.invalidate_all()
        self.assertFalse(self.messages(box))
        self.assertEqual((exclusion.is_pending, exclusion.retry_at), (False, False))

    def test_what_a_worker_died_of_is_put_off_before_it_is_tried(self):
        self.receive(sender=SHOP, Message_ID="<shop@x.test>")
        box = self.box()
        self.settle(box)
        service = self.env["gmail.exclusions"]
        exclusions = self.env["gmail.exclusion"].create(
            [
                {"pattern": pattern, "user_id": self.anna.id, "is_pending": True}
                for pattern in ("*@shop.test", "*@other.test")
            ]
        )
        self.env.flush_all()
        seen = []

        def dies(_service, exclusion):
            seen.append((exclusion, bool(exclusion.retry_at)))
            raise KeyboardInterrupt

        crons = patch.object(type(self.env["ir.cron"]), "_commit_progress")
        crons.start()
        self.addCleanup(crons.stop)
        with patch.object(type(service), "_sweep_exclusion", dies):
            for _run in range(3):
                with suppress(KeyboardInterrupt):
                    service._sweep_page(is_careful=True)
        self.assertEqual(seen, [(one, True) for one in exclusions])
        # When nothing dies, each is done at once.
        self.env.invalidate_all()
        exclusions.retry_at = False
        self.env.flush_all()
        service._sweep_page(is_careful=True)
        self.env.invalidate_all()
        self.assertFalse(any(exclusions.mapped("is_pending")))

    def test_only_administrators(self):
        with self.assertRaises(AccessError):
            self.dialog(CARLA, self.anna)
        with self.assertRaises(AccessError):
            self.env["gmail.exclusions"].with_user(self.anna)._erase([CARLA])
        with self.assertRaises(AccessError):
            self.env["gmail.erasure"].with_user(self.anna).search([])
        self.assertFalse(self.env["gmail.erasure"].search_count([]))

    def test_what_cannot_be_meant(self):
        self.box()
        for written, sentence in (
            (ANNA, "is a mailbox here"),
            ("nobody", "is no email address"),
            ("\n", "at least one"),
            ("\n".join(f"a{n}@x.test" for n in range(51)), "at most 50"),
        ):
            dialog = self.dialog(written)
            self.assertIn(sentence, dialog.problem or "Write at least one")
            with self.assertRaisesRegex(UserError, sentence):
                dialog.action_erase()
        dialog = self.dialog(CARLA)
        dialog.is_understood = False
        with self.assertRaisesRegex(UserError, "cannot be undone"):
            dialog.action_erase()

    def test_from_the_contact(self):
        action = self.env.ref("gmail_oauth_mailbox.gmail_erase_action")
        self.assertEqual(action.binding_model_id.model, "res.partner")
        dialog = (
            self.env["gmail.erase"]
            .with_user(self.admin)
            .with_context(active_model="res.partner", active_ids=self.carla.ids)
            .create({})
        )
        self.assertEqual(dialog.addresses, CARLA)
