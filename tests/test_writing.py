"""Mail written in the panel: drafts, taking back, later, with files, from an alias."""

import json

from freezegun import freeze_time

from odoo import fields, http
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, JsonRpcException, tagged

from .common import ANNA, BEN, PRIVATE, mail
from .test_export import with_file
from .test_lib_message import PIXEL
from .test_sending import FIRM, SendingCase

ALIAS = "sales@corp-example.test"
DORA = f"dora@{FIRM}"


@tagged("standard", "post_install", "-at_install")
class TestWriting(SendingCase):
    def question(self, **values):
        values.setdefault("Message_ID", f"<q@{FIRM}>")
        self.google.add_message(ANNA, mail(subject="Question", **values))
        self.sync(self.box)
        return self.env["gmail.message"].search([("subject", "=", "Question")])

    def test_a_new_mail(self):
        self.box.signature = "<p>Anna of Sales</p>"
        draft = self.draft(
            html="<p>Hello Dora</p>",
            to=f"Dora <{DORA}>, Emil <emil@{FIRM}>",
            cc=f"cc@{FIRM}",
            bcc=f"Hidden <hidden@{FIRM}>, {BEN}",
            subject="The offer\nfor you",
        )
        self.assertEqual(draft.panel_send()["seconds"], 10)
        # It waits for a moment, and nothing has left.
        self.assertFalse(self.sent())
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertFalse(draft.exists())
        [sent] = self.sent()
        self.assertEqual(self.header(sent, "Subject"), "The offer for you")
        for name, wanted in (("To", DORA), ("Cc", f"cc@{FIRM}"), ("Bcc", BEN)):
            self.assertIn(wanted, self.header(sent, name))
        self.assertNotIn("hidden", self.header(sent, "To"))
        self.assertIn("Anna of Sales", sent["text"])
        self.assertEqual(len(self.google.messages(BEN)), 1)
        stored = self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])
        self.assertEqual(len(stored), 1)
        self.assertEqual(stored.direction, "out")
        self.assertFalse(self.env["mail.mail"].search([("is_gmail", "=", True)]))

    def test_another_mailbox_brings_its_signature(self):
        other = self.connect(self.anna, PRIVATE)
        self.box.signature, other.signature = "<p>Anna of Sales</p>", "<p>Help desk</p>"
        draft = self.draft(to=DORA, subject="Offer")
        written = "<p>Hello &lt;Dora&gt;</p>"
        draft.panel_save({"body": f"{written}{draft.body}"})
        draft.panel_save({"email_from": PRIVATE})
        read = draft.panel_read()
        self.assertEqual(read["mailbox_id"], other.id)
        self.assertIn("Help desk", read["body"])
        self.assertIn(written, read["body"])
        self.assertNotIn("Anna of Sales", read["body"])
        other.signature = False
        draft.panel_save({"email_from": ANNA})
        self.assertIn("Anna of Sales", draft.panel_read()["body"])
        # There was none: the new one comes below the text.
        self.anna.signature = False
        draft.panel_save({"email_from": PRIVATE, "body": written})
        draft.panel_save({"email_from": ANNA})
        self.assertIn("Anna of Sales", draft.panel_read()["body"])
        self.assertIn(written, draft.panel_read()["body"])
        # What was changed by hand stays.
        own = read["body"].replace("Help desk", "Help desk, Anna")
        draft.panel_save({"email_from": PRIVATE, "body": own})
        self.assertIn("Help desk, Anna", draft.panel_read()["body"])

    def test_an_answer_from_another_mailbox_is_found_again(self):
        self.connect(self.anna, PRIVATE)
        question = self.question()
        drafts = self.env["gmail.draft"].with_user(self.anna)
        draft = drafts.browse(drafts.panel_begin("reply", question.id)["id"])
        draft.panel_save({"email_from": PRIVATE, "body": "<p>From home</p>"})
        again = drafts.panel_begin("reply", question.id)
        self.assertEqual(again["id"], draft.id)
        self.assertIn("From home", again["body"])

    def test_two_tabs_overwrite_nothing(self):
        draft = self.draft(to=DORA, subject="Offer")
        seen = draft.panel_read()["writer"]
        draft.panel_save({"body": "<p>In tab one</p>"}, "one", seen)
        # Its own next word, and one whose answer got lost.
        draft.panel_save({"body": "<p>In tab one, more</p>"}, "one", seen)
        with self.assertRaisesRegex(UserError, "in another tab"):
            draft.panel_save({"body": "<p>In tab two</p>"}, "two", seen)
        self.assertIn("In tab one, more", draft.body)
        seen = draft.panel_read()["writer"]
        draft.panel_save({"body": "<p>In tab two</p>"}, "two", seen)
        self.assertIn("In tab two", draft.body)

    def test_a_preview_has_no_pictures(self):
        picture = f'<img src="data:image/png;base64,{"A" * 5000}">'
        draft = self.draft(to=DORA)
        draft.panel_save({"body": f"<p>Look: {picture}</p><p>Nice?</p>"})
        [shown] = draft.panel_list()
        self.assertEqual(shown["preview"].split(), ["Look:", "Nice?"])
        self.assertNotIn("body", shown)

    def test_nobody_who_is_named_is_dropped(self):
        for odd in ("no address@", "@x.test", "a@@b.test", "Anna", "a b@c.test"):
            draft = self.draft(to=f"{DORA}, {odd}")
            with self.assertRaisesRegex(UserError, "is no address"):
                draft.panel_send()
            self.assertIn(odd, str(draft.panel_read()["people"]["to"]))

    def test_a_mail_is_taken_back(self):
        draft = self.draft(to=DORA, subject="Wrong")
        draft.panel_send()
        with self.assertRaisesRegex(UserError, "take it back"):
            draft.panel_save({"subject": "Too late"})
        read = draft.panel_undo()
        self.assertEqual((read["state"], read["to"]), ("draft", DORA))
        self.assertEqual(read["people"]["to"], [{"name": "", "email": DORA}])
        draft.panel_save({"subject": "Right"})
        draft.panel_send()
        draft.panel_flush()
        [sent] = self.sent()
        self.assertEqual(self.header(sent, "Subject"), "Right")
        self.assertFalse(draft.panel_undo())

    def test_the_queue_sends_when_the_browser_is_gone(self):
        draft = self.draft(to=DORA)
        draft.panel_send()
        queue = self.env["mail.mail"]
        queue.process_email_queue()
        self.assertFalse(self.sent())
        triggers = self.env["ir.cron.trigger"].search([])
        self.assertIn(draft.sudo().send_at, triggers.mapped("call_at"))
        with freeze_time(fields.Datetime.add(fields.Datetime.now(), seconds=11)):
            queue.process_email_queue()
        self.assertEqual(len(self.sent()), 1)
        self.assertFalse(draft.exists())

    def test_a_mail_for_later(self):
        draft = self.draft(to=DORA)
        later = fields.Datetime.add(fields.Datetime.now(), days=2)
        draft.panel_send(fields.Datetime.to_string(later))
        [waiting] = self.env["gmail.draft"].with_user(self.anna).panel_list()
        self.assertEqual(waiting["state"], "waiting")
        self.assertEqual(waiting["send_at"], fields.Datetime.to_string(later))
        self.env["mail.mail"].process_email_queue()
        self.assertFalse(self.sent())
        with freeze_time(fields.Datetime.add(later, minutes=1)):
            self.env["mail.mail"].process_email_queue()
        self.assertEqual(len(self.sent()), 1)

    def test_a_draft_is_gone_on_with(self):
        question = self.question()
        draft = self.draft(question, "<p>Half an ans</p>")
        again = self.env["gmail.draft"].with_user(self.anna)
        again = again.panel_begin("reply", question.id)
        self.assertEqual(again["id"], draft.id)
        self.assertIn("Half an ans", again["body"])
        self.assertIn("Hello Anna", again["quote"])
        self.assertIn("default-src 'none'", again["quote"])
        shown = question.thread_id.with_user(self.anna).panel_read()["drafts"]
        self.assertEqual([one["id"] for one in shown], [draft.id])
        draft.panel_discard()
        self.assertFalse(draft.exists())

    def test_what_was_never_touched_goes(self):
        drafts = self.env["gmail.draft"].with_user(self.anna)
        drafts.panel_begin("new")
        self.assertFalse(drafts.panel_list())
        kept = self.draft(to=DORA)
        with freeze_time(fields.Datetime.add(fields.Datetime.now(), days=2)):
            self.env["gmail.draft"]._gc_untouched()
        self.assertEqual(drafts.search([]), kept)

    def test_a_message_is_passed_on_with_its_files(self):
        raw = with_file("Question", "plan.pdf", b"%PDF-1.4 bytes")
        self.google.add_message(ANNA, raw)
        self.sync(self.box)
        message = self.env["gmail.message"].search([("subject", "=", "Question")])
        draft = self.draft(message, "<p>See below</p>", "forward", to=DORA)
        read = draft.panel_read()
        self.assertEqual(read["subject"], "Fwd: Question")
        self.assertEqual([f["name"] for f in read["attachments"]], ["plan.pdf"])
        draft.panel_send()
        self.assertTrue(draft.panel_flush()["sent"])
        [sent] = self.sent()
        for piece in ("See below", "Forwarded message", "see the file"):
            self.assertIn(piece, sent["text"])
        stored = self.env["gmail.message"].search([("direction", "=", "out")])
        self.assertEqual(stored.attachment_ids.mapped("name"), ["plan.pdf"])
        left = [("res_model", "=", "gmail.draft")]
        self.assertFalse(self.env["ir.attachment"].search_count(left))

    def test_an_answer_without_the_quoted_text(self):
        draft = self.draft(self.question(), is_quoting=False)
        draft.panel_send()
        draft.panel_flush()
        self.assertNotIn("Hello Anna", self.sent()[0]["text"])

    def alias(self):
        self.google.control("accounts", {"account": ANNA, "aliases": [ALIAS]})
        self.box.alias_addresses = ALIAS

    def test_from_an_alias(self):
        self.alias()
        question = self.question(to=f"Sales <{ALIAS}>")
        drafts = self.env["gmail.draft"].with_user(self.anna)
        begun = drafts.panel_begin("reply", question.id)
        self.assertEqual(begun["email_from"], ALIAS)
        self.assertEqual({s["address"] for s in begun["senders"]}, {ANNA, ALIAS})
        draft = self.draft(question)
        draft.panel_send()
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertIn(ALIAS, self.header(self.sent()[0], "From"))

    def test_the_alias_in_the_chatter(self):
        self.alias()
        self.post(partners=self.people[0], email_from=f"Sales <{ALIAS}>")
        self.flush_mails()
        [sent] = self.sent()
        self.assertIn(ALIAS, self.header(sent, "From"))

    def chat(self, user=None, **values):
        """Post as the chatter does; return the message."""
        user = user or self.anna
        self.authenticate(user.login, user.login)
        post = {
            "body": "Hello",
            "message_type": "comment",
            "subtype_xmlid": "mail.mt_comment",
            "partner_ids": self.people[0].ids,
            **values,
        }
        answer = self.make_jsonrpc_request(
            "/mail/message/post",
            {
                "thread_model": self.document._name,
                "thread_id": self.document.id,
                "post_data": post,
            },
        )
        return self.env["mail.message"].browse(answer["message_id"])

    def test_the_chatters_choice_of_an_address(self):
        self.alias()
        self.assertIn(ANNA, self.chat().email_from)
        message = self.chat(gmail_from=ALIAS)
        self.assertIn(ALIAS, message.email_from)
        self.assertEqual(message.author_id, self.anna.partner_id)
        self.flush_mails()
        self.assertIn(ALIAS, self.header(self.sent()[-1], "From"))
        # A note is no mail; and what was posted keeps its sender.
        note = self.chat(gmail_from=ALIAS, subtype_xmlid="mail.mt_note")
        self.assertNotIn(ALIAS, note.email_from)
        self.make_jsonrpc_request(
            "/mail/message/update_content",
            {"message_id": note.id, "update_data": {"body": "x", "gmail_from": ALIAS}},
        )
        self.assertNotIn(ALIAS, note.email_from)

    def test_the_chatter_takes_no_address_of_others(self):
        self.connect(self.ben, BEN)
        before = self.document.message_ids
        for address in (BEN, "ceo@corp-example.test", ["x"], {"a": 1}):
            with self.assertRaises(JsonRpcException):
                self.chat(gmail_from=address)
        with self.assertRaises(JsonRpcException):
            self.chat(user=self.ben, gmail_from=ANNA)
        self.assertEqual(self.document.message_ids, before)

    def test_the_full_composers_choice(self):
        self.alias()

        def composer(user, **context):
            return Form(
                self.env["mail.compose.message"]
                .with_user(user)
                .with_context(
                    default_model=self.document._name,
                    default_res_ids=self.document.ids,
                    default_partner_ids=self.people[0].ids,
                    **context,
                )
            )

        form = composer(self.anna)
        self.assertEqual(form.gmail_from, ANNA)
        form.gmail_from = ALIAS
        form.subject, form.body = "The offer", "Hello"
        form.save().action_send_mail()
        self.flush_mails()
        [sent] = self.sent()
        self.assertIn(ALIAS, self.header(sent, "From"))
        self.assertFalse(composer(self.ben).gmail_has_senders)
        note = composer(self.anna, default_subtype_xmlid="mail.mt_note")
        self.assertFalse(note.gmail_has_senders)
        mass = composer(self.anna, default_composition_mode="mass_mail")
        self.assertFalse(mass.gmail_has_senders)

    def test_signature_taken_from_gmail(self):
        box = self.box.with_user(self.anna)
        with self.assertRaisesRegex(UserError, "no signature in Gmail"):
            box.action_take_signature()
        self.google.control(
            "accounts",
            {
                "account": ANNA,
                "signature": "<div><b>Anna Keller</b><br>Corp Example"
                "<script>alert(1)</script><img src=x onerror=alert(1)></div>",
            },
        )
        box.action_take_signature()
        self.assertIn("<b>Anna Keller</b>", box.signature)
        self.assertNotIn("script", box.signature)
        self.assertNotIn("onerror", box.signature)
        draft = self.env["gmail.draft"].with_user(self.anna).panel_begin("new")
        self.assertIn("Corp Example", draft["body"])
        with self.assertRaises(AccessError):
            self.box.with_user(self.ben).action_take_signature()
        self.google.control(
            "faults", {"path": "sendAs", "status": 503, "body": {}, "count": 20}
        )
        with self.assertRaises(UserError):
            box.action_take_signature()
        self.assertIn("Corp Example", box.signature)

    def test_a_pasted_picture(self):
        draft = self.draft(to=DORA)
        draft.panel_save(
            {"body": f'<p>See <img src="data:image/png;base64,{PIXEL}"></p>'}
        )
        self.assertIn(PIXEL, draft.panel_read()["body"])
        draft.panel_send()
        self.assertTrue(draft.panel_flush()["sent"])
        message = self.env["gmail.message"].search([("direction", "=", "out")])
        [picture] = message.attachment_ids
        self.assertTrue(picture.is_inline)
        self.assertIn("data-cid", message.body)
        pictures = message.with_user(self.anna).panel_pictures()
        self.assertEqual(list(pictures), [picture.content_id])

    def test_pictures_count_for_the_size(self):
        draft = self.draft(to=DORA)

        def text(size):
            picture = f'<img src="data:image/png;base64,{"A" * size}">'
            return f"<p>Before</p>{picture}<p>After</p>"

        draft.panel_save({"body": text(7_900_000)})
        self.assertIn("After", draft.body)
        # The parser would drop what follows.
        with self.assertRaisesRegex(UserError, "Take one out"):
            draft.panel_save({"body": text(11_000_000)})
        self.assertIn("After", draft.body)
        self.attach(draft, self.anna, ("a.bin", b"x" * 20_000_000))
        with self.assertRaisesRegex(UserError, "at most 25 MB"):
            draft.panel_send()

    def test_from_another_mailbox(self):
        other = self.connect(self.anna, BEN)
        draft = self.draft(to=DORA)
        draft.panel_save({"email_from": BEN})
        self.assertEqual(draft.mailbox_id, other)
        draft.panel_send()
        draft.panel_flush()
        self.assertEqual(len(self.sent(BEN)), 1)
        self.assertFalse(self.sent())

    def attach(self, draft, user, *files):
        self.authenticate(user.login, user.login)
        data = {"csrf_token": http.Request.csrf_token(self)}
        answer = self.url_open(
            f"/gmail_oauth_mailbox/attach/{draft.id}",
            data=data,
            files=[("ufile", file) for file in files],
        )
        return json.loads(answer.content)

    def test_files_are_put_in_and_taken_out(self):
        draft = self.draft(to=DORA)
        page = ("page.html", b"<script>x</script>", "text/html")
        self.attach(draft, self.anna, ("a.txt", b"one"), page)
        read = draft.panel_read()
        self.assertEqual(
            [f["name"] for f in read["attachments"]], ["a.txt", "page.html"]
        )
        types = draft.sudo().attachment_ids.mapped("mimetype")
        self.assertEqual(set(types), {"text/plain"})
        read = draft.panel_remove_file(read["attachments"][0]["id"])
        self.assertEqual([f["name"] for f in read["attachments"]], ["page.html"])
        self.assertIn("error", str(self.attach(draft, self.ben, ("b.txt", b"x"))))
        draft.invalidate_recordset()
        self.assertEqual(len(draft.sudo().attachment_ids), 1)
        draft.panel_send()
        draft.panel_flush()
        self.assertIn("page.html", str(self.sent()[0]["raw"]))

    def test_too_much_is_said_before(self):
        draft = self.draft(to=DORA)
        service = self.env["gmail.compose"].with_user(self.anna)
        with self.assertRaisesRegex(UserError, "at most 25 MB"):
            service._attach(draft.id, [("big.bin", b"x" * 25_000_001, "x/y")])
        self.assertFalse(draft.sudo().attachment_ids)
        self.assertTrue(draft.panel_read()["to"])

    def test_people_are_completed(self):
        self.question(cc="Zita Zett <zita@else-example.test>")
        drafts = self.env["gmail.draft"].with_user(self.anna)
        self.assertEqual(
            drafts.panel_recipients("two"),
            [
                {
                    "name": "Two",
                    "email": f"two@{FIRM}",
                    "partner_id": self.people[1].id,
                }
            ],
        )
        [zita] = drafts.panel_recipients("zit")
        self.assertEqual((zita["name"], zita["partner_id"]), ("Zita Zett", False))
        # Of her own mail only.
        theirs = self.env["gmail.draft"].with_user(self.ben)
        self.assertFalse(theirs.panel_recipients("zit"))
        for odd in ("%", "__", "'", "a\\", None, ""):
            self.assertFalse(
                [p for p in drafts.panel_recipients(odd) if "zita" in p["email"]]
            )

    def test_a_template(self):
        template = self.env["mail.template"].create(
            {
                "name": "Thanks",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "subject": "Thanks, {{ object.name }}",
                "body_html": "<p>Dear <t t-out='object.name'/></p>",
            }
        )
        draft = self.draft(to=self.people[0].email)
        self.assertIn("Thanks", [one["name"] for one in draft.panel_templates()])
        written = draft.body
        read = draft.panel_apply_template(template.id)
        # It stands above what was written.
        self.assertRegex(read["body"], "Dear One.*Hello")
        self.assertTrue(read["body"].endswith(written))
        self.assertEqual(read["subject"], "Thanks, One")
        with self.assertRaisesRegex(UserError, "does not fit"):
            draft.panel_apply_template(0)

    def test_googles_limit_of_a_day_is_said(self):
        thread = self.env["gmail.thread"].create(
            {"mailbox_id": self.box.id, "gmail_id": "t"}
        )
        self.env["gmail.message"].create(
            [
                {
                    "mailbox_id": self.box.id,
                    "thread_id": thread.id,
                    "gmail_id": f"m{number}",
                    "direction": "out",
                    "date": fields.Datetime.now(),
                }
                for number in range(2000)
            ]
        )
        draft = self.draft(to=DORA)
        self.assertIn("Google's limit", draft.panel_send()["warning"])

    def test_what_goes_wrong_is_told_and_kept(self):
        draft = self.draft(to=DORA)
        draft.panel_send()
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        result = draft.panel_flush()
        self.assertFalse(result["sent"])
        self.assertTrue(result["message"])
        self.assertEqual(draft.panel_read()["state"], "waiting")
        # Reconnected, it goes out.
        self.box.state = "reconnect"
        self.connect(self.anna, ANNA)
        draft.sudo().mail_id.scheduled_date = False
        self.assertTrue(draft.panel_flush()["sent"])
        self.assertEqual(len(self.sent()), 1)

    def test_a_mailbox_that_goes_takes_its_drafts(self):
        draft = self.draft(to=DORA)
        service = self.env["gmail.compose"].with_user(self.anna)
        service._attach(draft.id, [("a.txt", b"one", "text/plain")])
        draft.panel_send()
        self.box._delete()
        self.assertFalse(draft.exists())
        left = [("res_model", "=", "gmail.draft")]
        self.assertFalse(self.env["ir.attachment"].search_count(left))

    def test_drafts_are_nobody_elses(self):
        draft = self.draft(to=DORA)
        for user in (self.ben, self.env.ref("base.user_admin")):
            theirs = draft.with_user(user)
            for road in (
                theirs.panel_read,
                theirs.panel_send,
                theirs.panel_discard,
                lambda d=theirs: d.read(["to"]),
            ):
                with self.assertRaises(AccessError):
                    road()
            self.assertFalse(theirs.search([]))
