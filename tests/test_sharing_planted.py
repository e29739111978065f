"""What colleagues plant, change, or delete in Odoo itself to see, hide, or forge what a
mailbox shares: posts at the gateway, types and authors of posts, files, copies that are
gone, answers of machines."""

import importlib.util
import random
import string
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import ANNA, BEN, CUSTOMER, mail
from .test_linking import PASS
from .test_sharing_hostile import FORGED, MESSAGE_ID, OLD, SECRET, AttackCase, rich

ADDON = Path(__file__).resolve().parent.parent / "gmail_oauth_mailbox"


class PlantCase(AttackCase):
    def plant(self, record, **values):
        """Have Ben hand an email to Odoo's gateway; return its post."""
        values = {"sender": f"Ben <{BEN}>", "to": "x@y.test", "body": "hi", **values}
        raw = mail(**values).decode()
        threads = self.env["mail.thread"].with_user(self.ben)
        threads.message_process(record._name, raw, thread_id=record.id)
        posts = self.env["mail.message"]
        return posts.search([("message_id", "=", values["Message_ID"])], limit=1)

    def again(self, box):
        """Have the emails of a mailbox settled again."""
        keys = self.thread(box).message_ids.mapped("mail_key")
        self.env["gmail.linking"]._enqueue(keys)
        self.run_cron("file")

    def linked(self, box, record):
        thread = self.thread(box).with_user(box.user_id)
        thread.panel_link(record._name, record.id)
        self.run_cron("file")
        return self.shown(box).filtered(
            lambda m: (m.model, m.res_id) == (record._name, record.id)
        )


@tagged("standard", "post_install", "-at_install")
class TestPlantedPosts(PlantCase):
    def test_a_post_does_not_become_one_that_private_email_answers(self):
        event = self.event()
        post = self.plant(event, Message_ID=OLD)
        with self.assertRaises(AccessError):
            post.with_user(self.ben).write({"message_type": "comment"})
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level=False))
        self.assertFalse(self.read_by_ben(event))

    def test_a_post_does_not_hide_what_a_mailbox_sent(self):
        known = "<sent@corp-example.test>"
        post = self.plant(self.event(), Message_ID=known)
        with self.assertRaises(AccessError):
            post.with_user(self.ben).write({"message_type": "comment"})
        values = {"sender": f"Anna <{ANNA}>", "to": CUSTOMER, "Message_ID": known}
        self.google.add_message(ANNA, mail(**values, body=SECRET), labels=["SENT"])
        self.settle(self.box(level="everything"))
        self.assertIn(SECRET, self.on_record())

    def test_what_a_user_hands_in_replaces_no_entry(self):
        anna = self.genuine("everything")
        entry = self.shown(anna)
        self.plant(
            self.carla,
            sender=f"Carla Roth <{CUSTOMER}>",
            to=BEN,
            body=SECRET,
            Message_ID=MESSAGE_ID,
        )
        self.again(anna)
        self.assertTrue(entry.exists())
        self.assertEqual(self.shown(anna), entry)
        # And what it shows can still be withdrawn.
        self.thread(anna).with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(entry.exists())

    def test_what_a_user_hands_in_first_keeps_no_entry_away(self):
        self.plant(
            self.carla,
            sender=f"Carla Roth <{CUSTOMER}>",
            body=SECRET,
            Message_ID=MESSAGE_ID,
        )
        anna = self.genuine("everything")
        self.assertTrue(self.shown(anna))

    def test_what_the_mail_server_brings_still_does(self):
        anna = self.genuine("everything")
        self.env["mail.thread"].message_process(
            self.carla._name,
            mail(body=SECRET, Message_ID=MESSAGE_ID).decode(),
            thread_id=self.carla.id,
        )
        self.again(anna)
        [post] = self.posts(self.carla)
        self.assertEqual(post.message_id, MESSAGE_ID)
        # What stands for an entry isn't rewritten.
        with self.assertRaises(AccessError):
            post.with_user(self.ben).write({"body": "<p>Please pay</p>"})

    def test_the_panel_says_that_the_gateway_shows_it(self):
        question = self.post(self.carla)
        anna = self.genuine(False)
        raw = mail(
            to="catchall@corp-example.test",
            body=SECRET,
            Message_ID=MESSAGE_ID,
            References=question.message_id,
        )
        self.env["mail.thread"].message_process(False, raw)
        self.run_cron("file")
        self.assertIn(SECRET, self.on_record())
        statement = (
            self.thread(anna).with_user(self.anna).panel_documents()["statement"]
        )
        self.assertNotIn("Only you", statement)
        self.assertIn("Carla Roth", statement)


@tagged("standard", "post_install", "-at_install")
class TestChangedEntries(PlantCase):
    def test_an_entry_has_no_guest_for_an_author(self):
        event = self.event()
        post = self.linked(self.genuine("everything", Authentication_Results=""), event)
        guest = self.env["mail.guest"].create({"name": "The Boss"})
        for values in (
            {"author_guest_id": guest.id},
            {"incoming_email_to": "eve@evil.test"},
            {"reply_to": "eve@evil.test"},
            {"parent_id": False},
            {"partner_ids": [(5,)]},
            {"create_date": "2020-01-01"},
        ):
            with self.assertRaises(AccessError):
                post.with_user(self.ben).write(values)
        post.with_user(self.ben).toggle_message_starred()
        self.assertTrue(post.with_user(self.ben).starred)

    def test_the_files_of_an_entry_stay_what_they_are(self):
        event = self.event()
        self.google.add_message(
            ANNA,
            rich(
                body=SECRET,
                Message_ID=MESSAGE_ID,
                Authentication_Results=PASS,
                files=[("invoice.pdf", b"IBAN 1111")],
            ),
        )
        anna = self.box(level="everything")
        self.settle(anna)
        file = self.linked(anna, event).attachment_ids
        for values in ({"raw": b"IBAN 9999"}, {"name": "other.pdf"}, {"public": True}):
            with self.assertRaises(AccessError):
                file.with_user(self.ben).write(values)
        self.assertEqual(file.raw, b"IBAN 1111")
        own = self.env["ir.attachment"].with_user(self.ben).create({"name": "a"})
        own.write({"raw": b"b", "res_model": event._name, "res_id": event.id})
        self.assertEqual(own.raw, b"b")

    def test_open_pages_drop_what_shows_less(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        for level, is_told in (("metadata", True), ("everything", False)):
            with patch.object(type(self.env["res.groups"]), "_bus_send") as sent:
                self.thread(anna).with_user(self.anna).panel_share(level)
                self.run_cron("file")
            told = [call.args for call in sent.call_args_list]
            payload = ("mail.message/delete", {"message_ids": post.ids})
            self.assertEqual(payload in told, is_told, level)
        with patch.object(type(self.env["res.groups"]), "_bus_send") as sent:
            self.thread(anna).with_user(self.anna).panel_share("nobody")
            self.run_cron("file")
        sent.assert_any_call("mail.message/delete", {"message_ids": post.ids})

    def test_a_private_contact_is_nobodys_author(self):
        private = self.env["res.partner"].create(
            {"name": "Carla the awful", "email": "awful@customer-example.test"}
        )
        private.write({"gmail_is_private": True, "gmail_owner_ids": self.anna.ids})
        self.receive(sender=f"Carla <{private.email}>", body=SECRET)
        anna = self.box(level="everything")
        self.settle(anna)
        place = self.env["res.partner"].create({"name": "Blue"})
        post = self.linked(anna, place)
        self.assertFalse(post.author_id)
        self.assertNotIn("awful", post.email_from.split("<")[0])


@tagged("standard", "post_install", "-at_install")
class TestCopiesThatAreGone(PlantCase):
    def test_a_forged_copy_that_is_gone_stands_behind(self):
        anna = self.genuine("everything")
        ben = self.forge("everything", to=BEN, body=FORGED)
        self.gone(ben)
        self.again(anna)
        self.assertNotIn("<details>", self.shown(anna).body)
        ben.with_user(self.ben).sharing_level = "everything"
        self.run_cron("file")
        ben._delete()
        self.again(anna)
        self.assertNotIn("<details>", self.shown(anna).body)

    def test_a_forged_choice_removes_no_entry_of_an_earlier_version(self):
        anna = self.genuine("everything")
        post = self.posts(self.carla)
        entry = self.env["gmail.entry"].search([("mail_message_id", "=", post.id)])
        self.gone(anna)
        entry.write(
            dict.fromkeys(("digest", "former", "mailbox_id", "message_id"), False)
        )
        self.again_keys({entry.mail_key})
        self.assertTrue(post.exists())
        self.forge("nobody", to=BEN, body="other")
        self.assertTrue(post.exists())

    def again_keys(self, keys):
        self.env["gmail.linking"]._enqueue(keys)
        self.run_cron("file")


@tagged("standard", "post_install", "-at_install")
class TestMachines(PlantCase):
    def test_an_automatic_answer_at_nobody_is_a_suggestion(self):
        question = self.post(self.project, partner_ids=self.carla.ids)
        for number, header in enumerate(
            ({"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"})
        ):
            self.receive(
                body=SECRET,
                References=question.message_id,
                Message_ID=f"<{number}@customer-example.test>",
                **header,
            )
        self.settle(self.box(level="nobody"))
        self.assertFalse(self.posts(self.project))

    def test_nobody_restrains_email_of_machines(self):
        people = f"{ANNA}, {BEN}"
        self.receive(ANNA, BEN, to=people, body=SECRET, Precedence="bulk")
        anna, ben = self.box(level="nobody"), self.box(self.ben, BEN)
        self.settle(anna, ben)
        self.thread(ben).with_user(self.ben).panel_share("everything")
        self.run_cron("file")
        self.assertNotIn(SECRET, self.on_record())

    def test_a_stranger_who_writes_twice_is_still_one(self):
        anna = self.genuine("everything")
        place = self.env["res.partner"].create({"name": "Blue"})
        self.linked(anna, place)
        for number in (1, 2):
            self.receive(
                sender="Eve <eve@evil-example.test>",
                Authentication_Results=PASS.replace("customer-ex", "evil-ex"),
                subject="Re: Offer for blue chairs",
                References=MESSAGE_ID,
                In_Reply_To=MESSAGE_ID,
                Message_ID=f"<{number}@evil-example.test>",
                body=f"EVIL{number}",
                date=f"Mon, 23 Nov 2026 1{number}:00:00 +0000",
            )
        anna.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.run_cron("file")
        self.assertEqual(self.thread(anna).message_count, 3)
        self.assertNotIn("EVIL", self.on_record(place))

    def test_private_email_tells_nobody_that_its_sender_can_be_reached(self):
        self.carla.message_bounce = 7
        self.receive(body=SECRET)
        box = self.box(level="nobody")
        self.settle(box)
        for level, left in (("nobody", 7), (False, 7), ("everything", 0)):
            box.sharing_steps = [[None, level]]
            self.receive(body="Hello", Message_ID=f"<{level}@customer-example.test>")
            box.next_sync = "2020-01-01"
            self.run_cron("sync_1")
            self.run_cron("file")
            self.assertEqual(self.carla.message_bounce, left)


@tagged("standard", "post_install", "-at_install")
class TestNothingHoldsBack(PlantCase):
    def test_an_address_too_long_for_an_index_stops_no_withdrawal(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        letters = random.Random(1).choices(string.ascii_lowercase, k=2_681)
        company = self.env["res.partner"].create({"name": "C", "is_company": True})
        self.env["res.partner"].create(
            {
                "name": "Long",
                "parent_id": company.id,
                "email": f"a@{''.join(letters)}.test",
            }
        )
        anna.with_user(self.anna).sharing_level = "nobody"
        self.run_cron("file")
        self.assertFalse(post.exists())

    def test_a_mailbox_whose_choices_cannot_be_recorded_keeps_back_no_other(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        ben = self.box(self.ben, BEN)
        linking = type(self.env["gmail.linking"])
        record = linking._record_choices

        def fails_for_ben(service, mailbox):
            if mailbox == ben:
                raise ValueError("broken")
            return record(service, mailbox)

        with patch.object(linking, "_record_choices", fails_for_ben):
            ben.with_user(self.ben).sharing_level = "metadata"
            anna.with_user(self.anna).sharing_level = "nobody"
            with self.assertLogs("odoo.addons.gmail_oauth_mailbox", "ERROR"):
                self.run_cron("file")
        self.assertFalse(post.exists())
        left = self.env["gmail.pending"].search([("mailbox_id", "=", ben.id)])
        self.assertTrue(left)

    def test_a_step_that_fails_keeps_back_no_other(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        exclusions = type(self.env["gmail.exclusions"])
        anna.with_user(self.anna).sharing_level = "nobody"
        with (
            patch.object(exclusions, "_sweep_page", side_effect=ValueError("broken")),
            self.assertLogs("odoo.addons.gmail_oauth_mailbox", "ERROR"),
        ):
            self.run_cron("file")
        self.assertFalse(post.exists())


@tagged("standard", "post_install", "-at_install")
class TestDigestsOfAnEarlierVersion(PlantCase):
    def test_an_update_gives_entries_their_new_digest(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        message = self.thread(anna).message_ids
        right = message.content_digest
        self.env.flush_all()
        for table in ("gmail_message", "gmail_entry"):
            column = "content_digest" if table == "gmail_message" else "digest"
            self.env.cr.execute(f"UPDATE {table} SET {column} = 'old'")  # noqa: S608
        self.env.invalidate_all()
        path = ADDON / "migrations" / "19.0.1.3.0" / "post-20-digests.py"
        spec = importlib.util.spec_from_file_location("digests", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual(message.content_digest, right)
        self.again(anna)
        self.assertEqual(self.shown(anna), post)
