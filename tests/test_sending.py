"""Mail leaves by the mailbox of its author, once, to exactly its recipients."""

import base64
import time
from unittest.mock import MagicMock

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import ANNA, BEN, PRIVATE, GmailCase, mail

FIRM = "customer-example.test"


class Undone(Exception):
    """Ends a transaction; nothing of it stays."""


class SendingCase(GmailCase):
    def setUp(self):
        super().setUp()
        # Whoever posts on a contact must be allowed to write on it.
        group = self.env.ref("base.group_partner_manager")
        (self.anna | self.ben).group_ids += group
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.document = self.env["res.partner"].create({"name": "A document"})
        names = ("one", "two", "three", "four", "five")
        self.people = self.env["res.partner"].create(
            [{"name": name.title(), "email": f"{name}@{FIRM}"} for name in names]
        )

    def sent(self, account=ANNA):
        return [m for m in self.google.messages(account) if "SENT" in m["labelIds"]]

    def header(self, message, name):
        for header in message["headers"]:
            if header["name"].lower() == name.lower():
                return header["value"]
        return None

    def post(self, user=None, partners=None, **values):
        document = self.document.with_user(user or self.anna)
        return document.message_post(
            body=values.pop("body", "Hello all"),
            subject=values.pop("subject", "The offer"),
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=(self.people[:3] if partners is None else partners).ids,
            **values,
        )

    def flush_mails(self):
        """Send what waits for the commit, as the commit would."""
        self.env.cr.postcommit.run()
        self.env["mail.mail"].search([("state", "=", "outgoing")]).send()


@tagged("standard", "post_install", "-at_install")
class TestSending(SendingCase):
    def test_a_session_of_somebody_elses_making(self):
        """Odoo's own tests, and other addons, pass what answers to any name."""
        plain = self.env["mail.mail"].create({})
        plain._send(smtp_session=MagicMock())
        # Whatever that session did, it is the mail that says so.
        self.assertIn(plain.state, ("outgoing", "exception"))

    def test_three_customers_and_two_followers_get_it_once(self):
        self.document.message_subscribe(self.people[3:].ids)
        message = self.post()
        self.flush_mails()
        sent = self.sent()
        self.assertEqual(len(sent), 1)
        recipients = self.header(sent[0], "To") + (self.header(sent[0], "Cc") or "")
        for person in self.people:
            self.assertEqual(recipients.count(person.email), 1, recipients)
        self.assertIn(ANNA, self.header(sent[0], "From"))
        self.assertFalse(self.header(sent[0], "Reply-To"))
        self.assertFalse(self.header(sent[0], "Return-Path"))
        self.assertFalse(self.header(sent[0], "X-Odoo-Gmail-Check"))
        statuses = message.notification_ids.mapped("notification_status")
        self.assertEqual(set(statuses), {"sent"})
        self.assertEqual(len(statuses), 5)

    def test_sent_mail_is_taken_in_by_its_real_id(self):
        message = self.post()
        self.flush_mails()
        stored = self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])
        self.assertEqual(len(stored), 1)
        self.assertEqual(stored.direction, "out")
        self.assertEqual(stored.sent_message_id, message.message_id)
        self.assertEqual(stored.message_id, self.header(self.sent()[0], "Message-ID"))
        self.sync(self.box)
        self.assertEqual(
            self.env["gmail.message"].search_count([("mailbox_id", "=", self.box.id)]),
            1,
        )

    def test_second_post_stays_in_the_conversation(self):
        self.post()
        self.flush_mails()
        self.post(body="One more thing")
        self.flush_mails()
        sent = self.sent()
        self.assertEqual(len(sent), 2)
        self.assertEqual(len({m["threadId"] for m in sent}), 1)
        real = {self.header(m, "Message-ID") for m in sent}
        self.assertIn(
            self.header(sent[0], "In-Reply-To") or self.header(sent[1], "In-Reply-To"),
            real,
        )

    def test_what_answers_a_customer_names_her_mail(self):
        self.post(partners=self.people[0])
        self.flush_mails()
        [first] = self.sent()
        answer = mail(
            sender=f"One <{self.people[0].email}>",
            subject="Re: The offer",
            Message_ID=f"<answer@{FIRM}>",
            In_Reply_To=self.header(first, "Message-ID"),
            References=self.header(first, "Message-ID"),
            Authentication_Results=f"mx.google.com; dmarc=pass header.from={FIRM}",
        )
        self.google.add_message(ANNA, answer)
        self.sync(self.box)
        self.run_cron("file")
        [entry] = self.document.message_ids.filtered(
            lambda m: m.message_type == "email"
        )
        self.post(partners=self.people[0], parent_id=entry.id)
        self.flush_mails()
        [second] = [m for m in self.sent() if m["id"] != first["id"]]
        self.assertEqual(self.header(second, "In-Reply-To"), f"<answer@{FIRM}>")
        self.assertEqual(second["threadId"], first["threadId"])

    def test_signature_of_the_mailbox_then_of_the_user(self):
        self.anna.signature = "<p>From the user</p>"
        self.post()
        self.flush_mails()
        self.box.signature = "<p>From the mailbox</p>"
        self.post()
        self.flush_mails()
        bodies = [m["text"] for m in self.sent()]
        self.assertTrue(any("From the user" in b for b in bodies))
        self.assertTrue(any("From the mailbox" in b for b in bodies))
        self.assertFalse(
            any("From the user" in b and "From the mailbox" in b for b in bodies)
        )

    def test_mail_of_a_stranger_never_leaves_through_it(self):
        self.env["ir.mail_server"].search([("gmail_mailbox_id", "=", False)]).unlink()
        self.post(user=self.ben)
        with mute_logger("odoo.addons.mail.models.mail_mail"):
            self.flush_mails()
        mails = self.env["mail.mail"].search([])
        self.assertFalse(mails.mail_server_id.gmail_mailbox_id)
        found, _address = self.env["ir.mail_server"]._find_mail_server(BEN)
        self.assertFalse(found and found.gmail_mailbox_id)
        found, _address = self.env["ir.mail_server"]._find_mail_server(ANNA)
        self.assertFalse(found and found.gmail_mailbox_id)
        self.assertFalse(self.sent())

    def test_server_of_another_cannot_be_forced(self):
        values = {
            "email_to": f"x@{FIRM}",
            "subject": "Not mine",
            "body_html": "x",
            "mail_server_id": self.box.outgoing_server_id.id,
        }
        mails = self.env["mail.mail"].with_user(self.ben).sudo()
        for email_from in (BEN, ANNA):
            with self.assertRaises(ValidationError):
                mails.create({**values, "email_from": email_from})

    @mute_logger("odoo.addons.mail.models.mail_mail")
    def test_server_forced_behind_the_checks_is_refused_when_sending(self):
        mails = self.env["mail.mail"].with_user(self.ben).sudo()
        forced = mails.create(
            {"email_from": ANNA, "email_to": f"x@{FIRM}", "body_html": "x"}
        )
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE mail_message SET mail_server_id = %s WHERE id = %s",
            [self.box.outgoing_server_id.id, forced.mail_message_id.id],
        )
        self.env.invalidate_all()
        self.assertEqual(forced.mail_server_id, self.box.outgoing_server_id)
        forced.send()
        self.assertEqual(forced.state, "exception")
        self.assertIn("Only Anna Keller", forced.failure_reason)
        self.assertFalse(self.sent())

    def test_direct_connection_with_another_sender_is_refused(self):
        with self.assertRaises(UserError):
            self.env["ir.mail_server"]._connect__(
                mail_server_id=self.box.outgoing_server_id.id, smtp_from=BEN
            )

    def test_its_mail_waits_and_never_takes_another_server(self):
        self.env["ir.mail_server"].create(
            {"name": "Everybody's", "smtp_host": "smtp.example", "sequence": 1}
        )
        self.box.write({"state": "reconnect"})
        self.post()
        self.flush_mails()
        waiting = self.env["mail.mail"].search([("state", "=", "outgoing")])
        self.assertEqual(waiting.mail_server_id, self.box.outgoing_server_id)
        self.assertIn("reconnecting", waiting.failure_reason)
        self.assertFalse(self.sent())
        self.authorize(self.anna, ANNA, mailbox=self.box)
        self.flush_mails()
        self.assertEqual(len(self.sent()), 1)

    def test_deleted_mailbox_stops_its_waiting_mail(self):
        self.box.write({"state": "reconnect"})
        self.post()
        self.flush_mails()
        waiting = self.env["mail.mail"].search([("state", "=", "outgoing")])
        self.box.with_user(self.anna).action_delete()
        self.assertEqual(waiting.state, "cancel")
        statuses = waiting.mail_message_id.notification_ids.mapped(
            "notification_status"
        )
        self.assertEqual(set(statuses), {"exception"})

    def test_personal_servers_switched_off(self):
        self.env["ir.config_parameter"].set_param(
            "mail.disable_personal_mail_servers", "True"
        )
        message = self.post()
        self.assertIn(self.anna.email, message.email_from)
        mails = self.env["mail.mail"].search([("mail_message_id", "=", message.id)])
        self.assertFalse(mails.mail_server_id.gmail_mailbox_id)

    def test_post_comes_from_the_default_mailbox(self):
        second = self.connect(self.anna, PRIVATE)
        second.with_user(self.anna).action_set_default()
        message = self.post()
        self.assertIn(PRIVATE, message.email_from)
        self.flush_mails()
        self.assertFalse(self.sent())
        self.assertEqual(len(self.sent(PRIVATE)), 1)

    def compose(self, mode, partners):
        return (
            self.env["mail.compose.message"]
            .with_user(self.anna)
            .with_context(
                default_composition_mode=mode,
                default_model="res.partner",
                default_res_ids=self.document.ids,
                default_partner_ids=partners.ids,
                default_subtype_xmlid="mail.mt_comment",
            )
            .create({"subject": "Composed", "body": "<p>Hello</p>"})
        )

    def test_full_composer_comes_from_the_default_mailbox(self):
        second = self.connect(self.anna, PRIVATE)
        second.with_user(self.anna).action_set_default()
        self.compose("comment", self.people[:1])._action_send_mail()
        self.flush_mails()
        self.assertEqual(len(self.sent(PRIVATE)), 1)
        self.assertFalse(self.sent())

    def test_her_other_address_is_no_recipient_and_no_contact(self):
        self.connect(self.anna, PRIVATE)
        document = self.document.with_user(self.anna)
        document.message_post(
            body="Hello",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=self.people[:1].ids,
            gmail_from=PRIVATE,
        )
        partners = self.env["res.partner"]

        def suggested(user=self.anna):
            rows = document.with_user(user)._message_get_suggested_recipients(
                reply_discussion=True, no_create=False
            )
            return {row["email"] for row in rows}

        self.assertIn(self.people[0].email, suggested())
        self.assertNotIn(PRIVATE, suggested())
        self.assertNotIn(PRIVATE, suggested(self.ben))
        self.assertFalse(partners.search([("email_normalized", "=", PRIVATE)]))
        found = document._partner_find_from_emails_single([PRIVATE, f"new@{FIRM}"])
        self.assertEqual(found.mapped("email"), [f"new@{FIRM}"])
        # Somebody has made one: that is hers to decide.
        contact = partners.create({"name": "Anna at home", "email": PRIVATE})
        self.assertEqual(document._partner_find_from_emails_single([PRIVATE]), contact)

    def test_full_composer_has_the_signature_of_its_sender(self):
        second = self.connect(self.anna, PRIVATE)
        self.anna.signature = "<p>Anna of preferences</p>"
        second.signature = "<p>Anna at home</p>"
        composer = self.env["mail.compose.message"].with_user(self.anna)
        sign = '<div data-o-mail-quote="1"><br>-- <br><p>Anna of preferences</p></div>'
        context = {
            "default_model": "res.partner",
            "default_res_ids": self.document.ids,
            "default_body": f"<div>Hello{sign}</div>",
            "default_email_add_signature": False,
        }

        def opened(**more):
            return Form(composer.with_context(**context, **more))

        self.assertIn("Anna of preferences", opened().body)
        form = opened(default_email_from=f"Anna <{PRIVATE}>")
        self.assertIn("Anna at home", form.body)
        self.assertNotIn("preferences", form.body)
        form.gmail_from = ANNA
        self.assertIn("Anna of preferences", form.body)
        form.gmail_from = PRIVATE
        self.assertIn("Anna at home", form.body)
        self.assertIn("Hello", form.body)
        # A template that names no sender changes nothing of it.
        form.template_id = self.env["mail.template"].create(
            {
                "name": "Thanks",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "body_html": "<p>Thanks</p>",
            }
        )
        self.assertIn(PRIVATE, form.email_from)
        self.assertEqual(form.gmail_from, PRIVATE)
        # A note is no mail.
        form = opened(
            default_email_from=f"Anna <{PRIVATE}>", default_subtype_xmlid="mail.mt_note"
        )
        self.assertIn("preferences", form.body)

    def test_mass_mailing_is_from_the_user_and_leaves_by_odoo(self):
        second = self.connect(self.anna, PRIVATE)
        second.with_user(self.anna).action_set_default()
        self.document.email = f"document@{FIRM}"
        mails, _messages = self.compose(
            "mass_mail", self.env["res.partner"]
        )._action_send_mail(auto_commit=False)
        self.assertTrue(mails)
        self.assertIn(ANNA, mails.email_from)
        self.assertFalse(mails.mail_server_id)
        self.assertFalse(self.sent() + self.sent(PRIVATE))

    def test_what_odoo_writes_in_her_name_is_from_her_own_address(self):
        second = self.connect(self.anna, PRIVATE)
        second.with_user(self.anna).action_set_default()
        message = self.document.with_user(self.anna).message_post(
            body="Stage changed",
            message_type="notification",
            subtype_xmlid="mail.mt_comment",
            partner_ids=self.people[:1].ids,
        )
        self.assertIn(ANNA, message.email_from)
        self.flush_mails()
        self.assertFalse(self.sent() + self.sent(PRIVATE))

    def test_notification_of_odoo_is_not_sent_by_the_mailbox(self):
        self.document.with_user(self.anna).message_notify(
            body="A notification", subject="N", partner_ids=self.people[:1].ids
        )
        self.assertFalse(
            self.env["mail.mail"].search([]).mail_server_id.gmail_mailbox_id
        )

    def test_templates_of_others_and_of_odoo_itself_use_no_mailbox(self):
        template = self.env["mail.template"].create(
            {
                "name": "Reminder",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "email_from": f"Anna Keller <{ANNA}>",
                "email_to": f"x@{FIRM}",
                "subject": "Reminder",
                "body_html": "<p>Reminder</p>",
            }
        )
        root = self.env.ref("base.user_root")
        for user in (self.ben, self.anna, root):
            mail_id = template.with_user(user).sudo().send_mail(self.document.id)
            created = self.env["mail.mail"].browse(mail_id)
            self.assertFalse(created.mail_server_id.gmail_mailbox_id, user.login)
            self.assertFalse(created.gmail_mailbox_id, user.login)
            created.send()
        self.document.with_user(self.ben).sudo().message_post_with_source(
            template, message_type="comment", subtype_xmlid="mail.mt_comment"
        )
        self.flush_mails()
        self.assertFalse(self.sent())

    def test_throttle_spreads_mail_over_minutes(self):
        self.env["ir.config_parameter"].set_param(
            "mail.server.personal.limit.minutes", "2"
        )
        limit = self.env["ir.mail_server"]._get_personal_mail_servers_limit()
        for number in range(limit + 1):
            self.post(body=f"Number {number}", partners=self.people[:1])
        with freeze_time(fields.Datetime.now()):  # all in one minute
            self.flush_mails()
        self.assertLessEqual(len(self.sent()), limit)
        waiting = self.env["mail.mail"].search([("state", "=", "outgoing")])
        self.assertTrue(waiting.scheduled_date)

    def test_answer_from_the_panel(self):
        self.google.add_message(
            ANNA,
            mail(
                subject="Question",
                Message_ID=f"<q@{FIRM}>",
                Cc=f"Colleague <colleague@{FIRM}>",
            ),
        )
        self.sync(self.box)
        message = self.env["gmail.message"].search([("subject", "=", "Question")])
        self.answer(message, "<p>The answer</p>", "reply_all")
        sent = self.sent()[0]
        self.assertEqual(sent["threadId"], message.thread_id.gmail_id)
        self.assertEqual(self.header(sent, "In-Reply-To"), f"<q@{FIRM}>")
        self.assertEqual(self.header(sent, "Subject"), "Re: Question")
        self.assertIn("carla.roth@", self.header(sent, "To"))
        self.assertIn("colleague@", self.header(sent, "Cc"))
        self.assertEqual(message.thread_id.message_count, 2)

    def question(self, **headers):
        """Take in a customer's question; return it as its owner."""
        self.google.add_message(ANNA, mail(subject="Question", **headers))
        self.sync(self.box)
        message = self.env["gmail.message"].search([("subject", "=", "Question")])
        return message.with_user(self.anna)

    def test_name_of_the_asker_is_no_address(self):
        name = base64.b64encode(f"Zoë <{BEN}>, Zoe".encode()).decode()
        raw = mail(subject="Question", sender=f"Carla <carla@{FIRM}>")
        raw = raw.replace(b"From: Carla", f"From: =?utf-8?b?{name}?=".encode())
        self.google.add_message(ANNA, raw)
        self.sync(self.box)
        message = self.env["gmail.message"].search([("subject", "=", "Question")])
        own = message.with_user(self.anna)
        self.assertEqual(own.from_email, f"carla@{FIRM}")
        self.answer(own, "<p>Only for Carla</p>")
        self.assertEqual(len(self.sent()), 1)
        self.assertFalse(self.google.messages(BEN))

    def test_answer_carries_the_signature_and_the_quoted_mail(self):
        self.box.signature = "<p>Anna of Sales</p>"
        self.answer(self.question(), "<p>The answer</p>")
        (sent,) = self.sent()
        for piece in ("The answer", "Anna of Sales", "Hello Anna"):
            self.assertIn(piece, sent["text"])

    def test_nothing_leaves_while_all_is_switched_off(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.disabled", "1")
        self.post()
        self.flush_mails()
        self.assertFalse(self.sent())
        set_param("gmail_oauth_mailbox.disabled", "")
        self.flush_mails()
        self.assertEqual(len(self.sent()), 1)

    def test_mailbox_that_only_sends_keeps_odoos_reply_to(self):
        self.box.can_read = False
        domain = self.env["mail.alias.domain"].create({"name": "corp-example.test"})
        self.env.company.alias_domain_id = domain
        self.post()
        self.flush_mails()
        self.assertIn("corp-example.test", self.header(self.sent()[0], "Reply-To"))

    def test_the_same_answer_goes_out_once(self):
        own = self.question()
        draft = self.draft(own, "<p>The answer</p>")
        for _time in range(2):
            # Pressed twice.
            draft.panel_send()
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertFalse(draft.exists())
        self.assertEqual(len(self.sent()), 1)
        with self.assertRaisesRegex(UserError, "gone out already"):
            draft.panel_send()
        self.answer(own, "<p>The answer</p>")
        self.assertEqual(len(self.sent()), 2)

    def test_sent_mail_is_found_again_though_sent_is_switched_off(self):
        own = self.question()
        clock = self.google.control("clock")["now"]
        self.google.control("clock", {"forward": time.time() - clock})
        self.box.label_ids.filtered(lambda m: m.gmail_id == "SENT").is_synced = False
        draft = self.draft(own, "<p>The answer</p>")
        draft.panel_send()
        mail_id = draft.sudo().mail_id
        with self.assertRaises(Undone), self.env.cr.savepoint():
            # The worker dies when Gmail has it.
            draft.panel_flush()
            raise Undone
        self.env.invalidate_all()
        self.assertEqual(mail_id.state, "outgoing")
        self.sync(self.box)
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertEqual(len(self.sent()), 1)

    def waiting_answer(self):
        """Answer while Gmail is out of order; return the question, the draft and the
        mail."""
        own = self.question()
        path = "/messages/send"
        self.google.control("faults", {"path": path, "status": 503, "count": 9})
        draft = self.draft(own, "<p>Secret answer</p>")
        draft.panel_send()
        result = draft.panel_flush()
        self.assertFalse(result["sent"])
        self.assertIn("tries again", result["message"])
        self.assertNotIn("NotSentYet", result["message"])
        self.google.control("faults?clear=1")
        waiting = self.env["mail.mail"].search([("gmail_answered_id", "=", own.id)])
        self.assertEqual(waiting.state, "outgoing")
        return own, draft, waiting

    def test_waiting_answer_is_shown_and_sent(self):
        own, draft, waiting = self.waiting_answer()
        (shown,) = own.thread_id.panel_read()["drafts"]
        self.assertEqual((shown["id"], shown["state"]), (draft.id, "waiting"))
        self.assertIn("Secret answer", shown["preview"])
        self.assertEqual(shown["error"], waiting.failure_reason)
        draft.panel_flush()
        self.assertEqual(len(self.sent()), 1)
        self.assertFalse(own.thread_id.panel_read()["drafts"])

    def test_waiting_answer_is_taken_back_and_discarded(self):
        own, draft, waiting = self.waiting_answer()
        self.assertIn("Secret answer", draft.panel_undo()["body"])
        self.assertFalse(waiting.exists())
        draft.panel_discard()
        self.assertFalse(draft.exists())
        self.assertFalse(own.thread_id.panel_read()["drafts"])

    def test_waiting_answer_is_nobody_elses(self):
        own, draft, waiting = self.waiting_answer()
        admin = self._user("send_admin", "A", "a@b.test", "base.group_system")
        theirs = self.env["mail.mail"].with_user(admin)
        self.assertFalse(theirs.search([("id", "=", waiting.id)]))
        for road in (
            lambda: theirs.browse(waiting.id).read(["body_html"]),
            lambda: theirs.browse(waiting.id).write({"email_to": BEN}),
            lambda: waiting.mail_message_id.with_user(admin).read(["body"]),
            lambda: draft.with_user(admin).panel_flush(),
            lambda: draft.with_user(admin).panel_read(),
            lambda: draft.with_user(self.ben).panel_undo(),
            lambda: draft.with_user(self.ben).panel_save({"to": BEN}),
            lambda: draft.with_user(self.ben).read(["body"]),
            lambda: (
                self.env["gmail.draft"].with_user(self.ben).panel_begin("reply", own.id)
            ),
        ):
            with self.assertRaises(AccessError):
                road()

    def test_answer_waits_when_its_server_record_is_deleted(self):
        self.env["ir.mail_server"].create(
            {"name": "Everybody's", "smtp_host": "smtp.example", "sequence": 1}
        )
        _own, _draft, waiting = self.waiting_answer()
        self.box.outgoing_server_id.unlink()
        waiting.scheduled_date = False
        waiting.send()
        self.assertEqual(waiting.state, "outgoing")
        self.assertIn("outgoing mail server", waiting.failure_reason)
        self.assertFalse(self.sent())

    def test_nobody_writes_with_another_hand(self):
        """A mail on somebody's message, made by another user, does not leave."""
        message = self.post(partners=self.people[:1])
        values = {
            "body_html": "<p>Forged</p>",
            "email_to": f"x@{FIRM}",
            "email_from": ANNA,
            "is_gmail": True,
            "gmail_mailbox_id": self.box.id,
        }
        mails = self.env["mail.mail"].with_user(self.ben).sudo()
        with self.assertRaises(ValidationError):
            mails.create({**values, "mail_message_id": message.id})
        forged = mails.create(values)
        forged.send()
        self.assertIn("Only Anna Keller", forged.failure_reason)
        self.assertFalse([m for m in self.sent() if "Forged" in m["text"]])

    def test_content_of_a_waiting_post_is_its_authors(self):
        self.box.write({"state": "reconnect"})
        message = self.post()
        self.flush_mails()
        waiting = self.env["mail.mail"].search([("mail_message_id", "=", message.id)])
        admin = self._user("send_admin", "A", "a@b.test", "base.group_system")
        for values in ({"body_html": "x"}, {"email_to": BEN}, {"is_gmail": False}):
            with self.assertRaises(AccessError):
                waiting.with_user(admin).write(values)
        waiting.with_user(admin).write({"state": "cancel"})

    def test_attachments_and_other_addresses_go_along(self):
        message = self.post(
            partners=self.people[:1],
            attachments=[("offer.txt", b"four percent")],
            outgoing_email_to=f"New <new@{FIRM}>",
        )
        self.flush_mails()
        (sent,) = self.sent()
        self.assertIn("offer.txt", sent["raw"])
        self.assertIn(base64.b64encode(b"four percent").decode(), sent["raw"])
        self.assertIn(f"new@{FIRM}", self.header(sent, "To"))
        statuses = message.notification_ids.mapped("notification_status")
        self.assertEqual(set(statuses), {"sent"})

    def test_note_of_the_full_composer_is_from_the_user(self):
        second = self.connect(self.anna, PRIVATE)
        second.with_user(self.anna).action_set_default()
        composer = self.compose("comment", self.people[:1])
        composer.subtype_id = self.env.ref("mail.mt_note")
        composer.email_from = False
        composer._compute_authorship()
        self.assertIn(ANNA, composer.email_from)

    def test_note_is_not_sent_from_the_mailbox(self):
        message = self.document.with_user(self.anna).message_post(
            body="Only inside",
            message_type="comment",
            subtype_xmlid="mail.mt_note",
            partner_ids=self.people[:1].ids,
        )
        self.flush_mails()
        mails = self.env["mail.mail"].search([("mail_message_id", "=", message.id)])
        self.assertFalse(mails.filtered("is_gmail") or self.sent())

    def test_international_and_impossible_addresses(self):
        self.people[0].email = "info@bücher.example"
        self.people[1].email = f"jö@{FIRM}"
        message = self.post()
        self.flush_mails()
        (sent,) = self.sent()
        self.assertIn("info@xn--bcher-kva.example", self.header(sent, "To"))
        self.assertNotIn("jö", self.header(sent, "To"))
        statuses = {
            n.res_partner_id: n.notification_status for n in message.notification_ids
        }
        self.assertEqual(statuses[self.people[0]], "sent")
        self.assertEqual(statuses[self.people[1]], "exception")
        self.assertEqual(statuses[self.people[2]], "sent")

    def test_refusal_is_told_in_words(self):
        path = "/messages/send"
        fault = {"path": path, "status": 400, "count": 9, "body": {"error": {}}}
        own = self.question()
        self.google.control("faults", fault)
        draft = self.draft(own)
        draft.panel_send()
        result = draft.panel_flush()
        self.assertFalse(result["sent"])
        self.assertRegex(result["message"], "^Google refused this request")
        # It is back with its text, and goes out when sent again.
        self.google.control("faults?clear=1")
        shown = draft.panel_read()
        self.assertEqual((shown["state"], shown["error"]), ("draft", result["message"]))
        self.assertIn("Hello", shown["body"])
        draft.panel_send()
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertEqual(len(self.sent()), 1)

    def test_mailbox_goes_with_its_user(self):
        self.sync(self.box)
        servers = self.box.outgoing_server_id, self.box.incoming_server_id
        self.anna.unlink()
        self.assertFalse(
            self.box.exists() or servers[0].exists() or servers[1].exists()
        )
        self.assertTrue(self.env["gmail.revocation"].search_count([]))

    def test_answer_is_refused_with_a_sentence(self):
        self.google.add_message(ANNA, mail(subject="Question"))
        self.sync(self.box)
        message = self.env["gmail.message"].search([("subject", "=", "Question")])
        own = message.with_user(self.anna)
        with self.assertRaisesRegex(UserError, "Choose Reply"):
            self.draft(own, mode="all")
        draft = self.draft(own)
        for values, sentence in (
            ({"to": ""}, "Say whom"),
            ({"to": "Carla"}, "“Carla” is no address"),
            ({"cc": "x@y.test, ünï@x.test"}, "“ünï@x.test” is no address"),
            ({"to": ", ".join(f"p{n}@x.test" for n in range(101))}, "has 101"),
            ({"to": "a@x.test", "body": "<p><br></p>", "is_quoting": False}, "Write"),
        ):
            draft.panel_save({"to": "a@x.test", "cc": "", **values})
            with self.assertRaisesRegex(UserError, sentence):
                draft.panel_send()
        with self.assertRaisesRegex(UserError, "your own addresses"):
            draft.panel_save({"email_from": BEN})
        draft.panel_save({"to": "a@x.test", "cc": "", "body": "<p>x</p>"})
        with self.assertRaisesRegex(UserError, "still to come"):
            draft.panel_send("2020-01-01 10:00:00")
        self.box.state = "paused"
        with self.assertRaisesRegex(UserError, "paused"):
            draft.panel_send()
        self.assertFalse(self.sent())

    def test_inbox_of_a_colleague_gets_it(self):
        self.post(partners=self.env["res.partner"].create({"name": "B", "email": BEN}))
        self.flush_mails()
        self.assertEqual(len(self.google.messages(BEN)), 1)


@tagged("standard", "post_install", "-at_install")
class TestSendingKeptMessageId(SendingCase):
    """The other way Gmail may behave: it keeps the Message-ID it was given."""

    standin_options = {**SendingCase.standin_options, "keep_message_id": True}

    def test_conversation_holds_together(self):
        self.post()
        self.flush_mails()
        self.post(body="One more thing")
        self.flush_mails()
        sent = self.sent()
        self.assertEqual(len(sent), 2)
        self.assertEqual(len({m["threadId"] for m in sent}), 1)
