"""What users name by its id, or write on before it leaves: files, messages, and
contacts of others are neither read nor changed that way."""

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from .common import ANNA, BEN, CUSTOMER, mail
from .test_linking import PASS
from .test_sending import SendingCase
from .test_sharing_hostile import FORGED, MESSAGE_ID, SECRET, rich
from .test_sharing_lookups import FILE, LookupCase


@tagged("standard", "post_install", "-at_install")
class TestNamed(LookupCase):
    def refused(self, user, function):
        with self.assertRaises(AccessError) as refusal, self.cr.savepoint():
            function(self.env(user=user))
            self.env.flush_all()
        for word in (FILE, SECRET, "Hidden"):
            self.assertNotIn(word, str(refusal.exception))

    def private(self):
        partner = self.env["res.partner"].create(
            {"name": "Hidden Dan", "email": "dan@x.test", "is_company": True}
        )
        owners = [Command.link(self.anna.id)]
        partner.sudo().write({"gmail_is_private": True, "gmail_owner_ids": owners})
        self.env.flush_all()
        self.env.invalidate_all()
        self.env.registry.clear_cache()
        return partner

    def check_all_fields(self, record):
        """Check that Ben can't name a record in a field of any model's form."""
        count = 0
        for name, model in self.env.registry.items():
            if model._abstract or name.startswith("gmail."):
                continue
            for field in model._fields.values():
                if field.comodel_name != record._name or field.type == "one2many":
                    continue
                if (name, field.name) == ("mail.compose.message", "parent_id"):
                    # The composer leaves it out: see test_sharing_lookups.
                    continue
                is_list = field.type == "many2many"
                value = [Command.link(record.id)] if is_list else record.id
                values = {field.name: value}
                default = {f"default_{field.name}": [record.id] if is_list else value}
                for road in (
                    lambda m, v=values: m.onchange(v, list(v), {}),
                    lambda m, d=default: m.with_context(**d).default_get([]),
                ):
                    with self.subTest(model=name, field=field.name):
                        self.refused(self.ben, lambda env, r=road, n=name: r(env[n]))
                    count += 1
        self.assertGreater(count, 10)

    def test_no_field_names_a_file_of_a_private_email(self):
        self.check_all_fields(self.file())

    def test_no_field_names_a_private_contact(self):
        self.check_all_fields(self.private())

    def test_no_field_names_a_message_on_its_way(self):
        self.check_all_fields(self.waiting())

    def test_lists_of_new_records_name_nothing_either(self):
        partner = self.private()
        for values in (
            {"child_ids": [Command.create({"name": "x", "parent_id": partner.id})]},
            {"child_ids": [Command.link(partner.id)]},
            {"child_ids": [Command.set(partner.ids)]},
            {"bank_ids": [Command.create({"partner_id": partner.id})]},
        ):
            self.refused(
                self.ben,
                lambda env, v=values: env["res.partner"].create({"name": "x", **v}),
            )

    def waiting(self):
        """Return the mail.message of a private email that waits to be sent."""
        anna = self.env["gmail.mailbox"].search([("email", "=", ANNA)])
        anna = anna or self.box(level="nobody")
        self.settle(anna)
        drafts = self.env["gmail.draft"].with_user(self.anna)
        drafts.panel_begin("new", False, anna.id)
        draft = drafts.search([], limit=1)
        draft.panel_save({"to": CUSTOMER, "subject": "Hidden", "body": SECRET})
        draft.panel_send("2031-01-01 10:00:00")
        return self.env["mail.mail"].search([("is_gmail", "=", True)]).mail_message_id

    def test_names_are_told_to_those_who_read(self):
        file, post, partner = self.file(), self.waiting(), self.private()
        portal = self._user("gmail_p", "P", "p@x.test", "base.group_portal")
        for record in (file, post, partner):
            self.assertNotIn(",", record.with_user(self.anna).display_name)
            hidden = record.with_user(self.ben).sudo().display_name
            self.assertEqual(hidden, f"{record._name},{record.id}")
            values = {"model": record._name, "res_id": record.id}
            for user in (self.ben, portal):
                messages = self.env["mail.message"].with_user(user)
                found = messages.onchange(values, list(values), {"record_name": {}})
                for word in ("Hidden", FILE):
                    self.assertNotIn(word, str(found))

    def test_an_emptied_message_deletes_no_file_of_an_email(self):
        raw = rich(
            files=[("offer.pdf", b"%PDF-1.4 x")],
            body=SECRET,
            Message_ID=MESSAGE_ID,
            Authentication_Results=PASS,
        )
        self.google.add_message(ANNA, raw)
        box = self.box(level="everything")
        self.settle(box)
        file = self.shown(box).attachment_ids
        event = self.event().with_user(self.ben)
        own = event.message_post(body="x", message_type="comment")
        own.sudo().attachment_ids = [Command.link(file.id)]
        event._message_update_content(own, body="", attachment_ids=[])
        self.assertTrue(file.exists())
        self.assertIn(file, self.shown(box).attachment_ids)

    def test_labels_of_others_say_nothing(self):
        anna = self.box(level="nobody")
        self.settle(anna)
        label = anna.label_ids[:1]
        self.assertTrue(label)
        dialogs = self.env["gmail.label.switch"].with_user(self.ben)
        with self.assertRaises(AccessError):
            dialogs.create({"label_id": label.id}).read(["is_synced"])


@tagged("standard", "post_install", "-at_install")
class TestAnswersAtTheGateway(LookupCase):
    def test_an_answer_stays_its_owners_when_its_words_go_elsewhere(self):
        question = self.post(self.project, partner_ids=self.carla.ids)
        self.receive(References=question.message_id, body=SECRET)
        box = self.box(level="everything")
        self.settle(box)
        other = self.env["res.partner"].create({"name": "Other"})
        self.env["mail.thread"].message_process(
            "res.partner",
            mail(body=SECRET, Message_ID=MESSAGE_ID).decode(),
            thread_id=other.id,
        )
        self.run_cron("file")
        self.thread(box).with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertNotIn(SECRET, self.on_record(self.project))

    def test_a_forged_copy_keeps_no_genuine_answer_away(self):
        question = self.post(self.project, partner_ids=self.carla.ids)
        headers = {
            "Message_ID": MESSAGE_ID,
            "References": question.message_id,
            "cc": BEN,
        }
        text = "<p>We do not agree</p>"
        forged = rich(
            text.replace("not", "<s>not</s>"), Authentication_Results=PASS, **headers
        )
        self.google.add_message(BEN, forged)
        self.settle(self.box(self.ben, BEN, "everything"))
        self.env["mail.thread"].message_process(False, rich(text, **headers))
        self.run_cron("file")
        bodies = self.posts(self.project).mapped("body")
        self.assertTrue(any("<s>" not in body for body in bodies))


@tagged("standard", "post_install", "-at_install")
class TestOnItsWay(SendingCase):
    def changes(self):
        file = self.env["ir.attachment"].create({"name": "evil.pdf", "raw": b"evil"})
        return (
            {"subject": FORGED},
            {"body": FORGED},
            {"reply_to": "eve@evil.test"},
            {"email_from": "eve@evil.test"},
            {"attachment_ids": [Command.link(file.id)]},
            {"attachment_ids": [Command.clear()]},
            {"date": "2020-01-01 00:00:00"},
            {"email_add_signature": False},
        )

    def people_who_see_it(self):
        portal = self._user(
            "gmail_portal", "P", "portal@customer-example.test", "base.group_portal"
        )
        return self.ben, portal

    def check_unchanged(self, message):
        for user in self.people_who_see_it():
            for values in self.changes():
                with self.subTest(user=user.name, values=list(values)):
                    with self.assertRaises(AccessError), self.cr.savepoint():
                        message.with_user(user).write(values)
                        self.env.flush_all()

    def test_what_waits_is_its_authors_to_change(self):
        self.box.with_user(self.anna).action_pause()
        users = self.ben, self.people[0]
        message = self.post(partners=users[0].partner_id | users[1])
        self.check_unchanged(message)
        message.with_user(self.anna).write({"subject": "Better"})

    def test_what_was_sent_is_not_rewritten_by_recipients(self):
        message = self.post(partners=self.ben.partner_id | self.people[0])
        self.flush_mails()
        self.sync(self.box)
        self.run_cron("file")
        self.assertTrue(self.env["gmail.entry"].search([]))
        self.check_unchanged(message)
