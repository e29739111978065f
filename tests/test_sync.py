"""Taking in mail: complete, once, private, and up to date with Gmail."""

from email.message import EmailMessage
from unittest.mock import patch

from freezegun import freeze_time

from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services import gmail_scheduler

from .common import ANNA, CUSTOMER, GmailCase, mail
from .google_standin.seed import png


@tagged("standard", "post_install", "-at_install")
class TestSync(GmailCase):
    def setUp(self):
        super().setUp()
        self.first = self.google.add_message(ANNA, mail(subject="First"))
        self.box = self.connect(self.anna, ANNA)

    def stored(self):
        return self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])

    def modify(self, gmail_id, **changes):
        return self.google.control(
            f"messages/{gmail_id}", {"account": ANNA, "action": "modify", **changes}
        )

    def test_first_sync_takes_in_what_is_there(self):
        self.sync(self.box)
        message = self.stored().filtered(lambda m: m.subject == "First")
        self.assertEqual(message.gmail_id, self.first)
        self.assertEqual(message.direction, "in")
        self.assertEqual(message.from_email, "carla.roth@customer-example.test")
        self.assertIn("Hello Anna", message.body)
        self.assertTrue(message.is_unread)
        self.assertEqual(message.thread_id.message_count, 1)
        self.assertTrue(self.box.last_sync)
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.error_message)

    def test_new_mail_arrives_by_history_without_a_list(self):
        self.sync(self.box)
        before = len(self.google.log())
        self.google.add_message(ANNA, mail(subject="Second"))
        self.sync(self.box)
        self.assertIn("Second", self.stored().mapped("subject"))
        paths = [entry["path"] for entry in self.google.log()[before:]]
        self.assertFalse([p for p in paths if p.endswith("/messages")])

    def test_nothing_is_taken_in_twice(self):
        self.sync(self.box)
        count = len(self.stored())
        self.box.write({"backfill_done": False, "backfill_page": False})
        self.sync(self.box)
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(len(self.stored()), count)

    def test_google_is_not_changed(self):
        before = self.google.messages(ANNA)
        self.sync(self.box)
        after = self.google.messages(ANNA)
        self.assertEqual(
            {m["id"]: sorted(m["labelIds"]) for m in before},
            {m["id"]: sorted(m["labelIds"]) for m in after},
        )
        methods = {
            entry["method"]
            for entry in self.google.log()
            if entry["path"].startswith("/gmail/")
        }
        self.assertEqual(methods, {"GET"})

    def test_expired_cursor_downloads_nothing_again(self):
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Meanwhile"))
        self.expire_history()
        before = len(self.google.log())
        self.sync(self.box)
        self.assertIn("Meanwhile", self.stored().mapped("subject"))
        fetched = [
            entry["path"]
            for entry in self.google.log()[before:]
            if "/messages/" in entry["path"]
        ]
        self.assertFalse([p for p in fetched if self.first in p])

    def test_conversation_keeps_together(self):
        self.google.add_message(
            ANNA, mail(subject="Order", Message_ID="<order@customer-example.test>")
        )
        self.google.add_message(
            ANNA,
            mail(
                subject="Re: Order",
                In_Reply_To="<order@customer-example.test>",
                References="<order@customer-example.test>",
                date="Mon, 23 Nov 2026 11:00:00 +0000",
            ),
        )
        self.sync(self.box)
        order = self.stored().filtered(lambda m: "Order" in m.subject)
        self.assertEqual(len(order), 2)
        self.assertEqual(len(order.thread_id), 1)
        self.assertEqual(order.thread_id.message_count, 2)
        self.assertEqual(order.thread_id.subject, "Order")

    def test_participant_is_matched_with_the_owners_rights(self):
        partner = self.env["res.partner"].create(
            {"name": "Carla", "email": "carla.roth@customer-example.test"}
        )
        other = self.env["res.company"].create({"name": "Other company"})
        self.env["res.partner"].create(
            {
                "name": "Hidden",
                "email": "hidden@customer-example.test",
                "company_id": other.id,
            }
        )
        self.google.add_message(
            ANNA, mail(sender="hidden@customer-example.test", subject="Hidden")
        )
        self.sync(self.box)
        people = {
            p.address: p.partner_id
            for p in self.env["gmail.participant"].search(
                [("mailbox_id", "=", self.box.id), ("role", "=", "from")]
            )
        }
        self.assertEqual(people["carla.roth@customer-example.test"], partner)
        self.assertFalse(people["hidden@customer-example.test"])

    def test_search_finds_address_subject_and_words(self):
        self.google.add_message(
            ANNA, mail(subject="Rechnung Übersicht", body="Das Angebot für Köln")
        )
        self.sync(self.box)
        panel = self.env["gmail.mailbox"].with_user(self.anna)
        for words in (
            "Rechnung",
            "übers",
            "köln angebot",
            "carla.roth",
            "customer-exam",
            "ubersicht",
            "KOLN",
        ):
            found = panel.panel_threads(self.box.id, words)["threads"]
            self.assertIn("Rechnung Übersicht", [t["subject"] for t in found], words)
        for words in ("Hamburg", "' & | !", "x') --"):
            self.assertFalse(panel.panel_threads(self.box.id, words)["threads"], words)

    def test_search_finds_words_within_scripts_without_blanks(self):
        self.google.add_message(ANNA, mail(subject="お見積りのお願い", body="納期の件"))
        self.sync(self.box)
        panel = self.env["gmail.mailbox"].with_user(self.anna)
        for wanted in ("見積", "納期 お願い", "見積 carla"):
            found = panel.panel_threads(self.box.id, wanted)["threads"]
            self.assertEqual([t["subject"] for t in found], ["お見積りのお願い"])
        self.assertFalse(panel.panel_threads(self.box.id, "見積 hamburg")["threads"])

    def test_pages_of_the_list_are_complete(self):
        for number in range(7):
            self.google.add_message(ANNA, mail(subject=f"Page {number}"))
        self.sync(self.box)
        panel = self.env["gmail.mailbox"].with_user(self.anna)
        seen, before = [], False
        while True:
            page = panel.panel_threads(self.box.id, "", before, 3)
            seen += [thread["id"] for thread in page["threads"]]
            before = page["before"]
            if not before:
                break
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(len(seen), 8)

    def test_panel_reads_a_conversation(self):
        self.google.add_message(
            ANNA,
            mail(subject="Reply to me", Reply_To="Desk <desk@customer-example.test>"),
        )
        self.sync(self.box)
        message = self.stored().filtered(lambda m: m.subject == "Reply to me")
        thread = message.thread_id.with_user(self.anna).panel_read()
        self.assertTrue(thread["can_send"])
        shown = thread["messages"][0]
        self.assertIn("desk@customer-example.test", shown["reply"]["to"])
        self.assertTrue(
            shown["srcdoc"].startswith(
                "<!DOCTYPE html><html><head><meta "
                'http-equiv="Content-Security-Policy" content="default-src \'none\''
            )
        )

    def test_hostile_html_is_inert(self):
        raw = (
            f"From: {CUSTOMER}\r\nTo: {ANNA}\r\nSubject: Hostile\r\n"
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/html; charset=utf-8\r\n\r\n"
            "<p onclick=alert(1)>Hi<script>alert(2)</script>"
            "<img src=https://track.example/x.png><iframe src=//x></iframe>"
            "<a href='javascript:alert(3)'>x</a><form action=//x><input></form></p>"
        ).encode()
        self.google.add_message(ANNA, raw)
        self.sync(self.box)
        message = self.stored().filtered(lambda m: m.subject == "Hostile")
        for word in ("script", "onclick", "javascript", "<iframe", "<form", " src="):
            self.assertNotIn(word, message.body)
        self.assertTrue(message.has_remote_images)

    def test_attachment_is_fetched_when_it_is_opened(self):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = CUSTOMER, ANNA, "File"
        message.set_content("see the file")
        message.add_attachment(
            b"<script>alert(1)</script>", "text", "html", filename="page.html"
        )
        self.google.add_message(ANNA, message.as_bytes())
        self.sync(self.box)
        attachment = self.stored().attachment_ids
        self.assertEqual(attachment.name, "page.html")
        self.assertFalse(attachment.attachment_id)
        file = attachment.with_user(self.anna).panel_open()
        url = f"/web/content/{file['id']}?download=true"
        stored = attachment.attachment_id
        self.assertEqual(stored.raw, b"<script>alert(1)</script>")
        self.assertEqual(stored.mimetype, "text/plain")
        self.assertEqual(
            (stored.res_model, stored.res_id), (attachment._name, attachment.id)
        )
        self.assertFalse(stored.public or stored.access_token)
        self.authenticate("gmail_anna", "gmail_anna")
        response = self.url_open(url)
        self.assertEqual(response.content, b"<script>alert(1)</script>")
        self.assertIn("attachment", response.headers["Content-Disposition"])
        self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")

    def picture_mail(self, cids, **changes):
        """Return the bytes of a mail whose text shows pictures."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = CUSTOMER, ANNA, "Photos"
        message.set_content("see them")
        shown = "".join(f"<img src='cid:{cid}'>" for cid in cids)
        message.add_alternative(f"<p>see</p>{shown}", subtype="html")
        for number, cid in enumerate(cids):
            message.get_payload()[1].add_related(
                changes.get("content", png(9 * number, 60, 60)),
                "image",
                "png",
                cid=f"<{cid}>",
                filename=f"{number}.png",
            )
        message.add_attachment(b"x", "image", "png", filename="below.png")
        return message.as_bytes()

    def test_pictures_of_the_text_are_shown_in_it(self):
        self.google.add_message(ANNA, self.picture_mail(["one@x", "two@x"]))
        self.sync(self.box)
        message = self.stored().filtered(lambda m: m.subject == "Photos")
        own = message.with_user(self.anna)
        shown = message.thread_id.with_user(self.anna).panel_read()["messages"][0]
        self.assertTrue(shown["has_pictures"])
        self.assertEqual([a["name"] for a in shown["attachments"]], ["below.png"])
        before = len(self.google.log())
        pictures = own.panel_pictures()
        self.assertEqual(set(pictures), {"one@x", "two@x"})
        self.assertTrue(pictures["one@x"].startswith("data:image/png;base64,iVBOR"))
        # One raw get for both, and none the second time.
        self.assertEqual(len(self.google.log()) - before, 1)
        self.assertEqual(own.panel_pictures(), pictures)
        self.assertEqual(len(self.google.log()) - before, 1)

    def test_what_only_claims_to_be_a_picture_is_not_shown(self):
        content = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
        self.google.add_message(ANNA, self.picture_mail(["one@x"], content=content))
        self.sync(self.box)
        message = self.stored().filtered(lambda m: m.subject == "Photos")
        self.assertEqual(message.with_user(self.anna).panel_pictures(), {})

    def test_what_happens_in_gmail_reaches_odoo(self):
        other = self.google.add_message(ANNA, mail(subject="Other"))
        self.sync(self.box)
        self.modify(self.first, remove=["UNREAD"], add=["STARRED"])
        self.google.control(f"messages/{other}", {"account": ANNA, "action": "delete"})
        self.sync(self.box)
        message = self.stored()
        self.assertEqual(message.gmail_id, self.first)
        self.assertTrue(message.is_starred)
        self.assertFalse(message.is_unread)
        self.assertFalse(message.thread_id.unread_count)
        self.modify(self.first, add=["TRASH"])
        self.sync(self.box)
        self.assertFalse(self.stored())
        self.assertFalse(self.env["gmail.thread"].search_count([]))
        self.modify(self.first, remove=["TRASH"])
        self.sync(self.box)
        self.assertEqual(self.stored().gmail_id, self.first)

    def test_deleted_while_the_cursor_was_expired(self):
        other = self.google.add_message(ANNA, mail(subject="Other"))
        self.sync(self.box)
        self.google.control(f"messages/{other}", {"account": ANNA, "action": "delete"})
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(self.stored().gmail_id, self.first)

    def test_mail_of_categories_and_labels_switched_off_stays_in_gmail(self):
        labels = ["INBOX", "CATEGORY_PROMOTIONS"]
        promotion = self.google.add_message(ANNA, mail(subject="Buy"), labels)
        spam = self.google.add_message(ANNA, mail(subject="Spam"), ["SPAM"])
        self.sync(self.box)
        stored = self.stored().mapped("gmail_id")
        self.assertNotIn(promotion, stored)
        self.assertNotIn(spam, stored)
        label = self.box.with_user(self.anna).shown_label_ids.filtered(
            lambda label: label.gmail_id == "CATEGORY_PROMOTIONS"
        )
        label.is_synced = True
        self.sync(self.box)
        self.assertIn(promotion, self.stored().mapped("gmail_id"))
        self.assertNotIn(spam, self.stored().mapped("gmail_id"))

    def test_newest_mail_comes_first(self):
        for day in range(1, 29):
            date = f"{day:02} Nov 2026 10:00:00 +0000" if day < 24 else None
            if date:
                self.google.add_message(ANNA, mail(subject=f"Day {day}", date=date))
        lists = []
        for day in range(40):
            lists.append(
                self.google.add_message(
                    ANNA,
                    mail(subject=f"Old {day}", date="30 Oct 2026 10:00:00 +0000"),
                )
            )
        self.sync(self.box)
        newest = self.stored().filtered(lambda m: m.subject == "Day 23")
        oldest = self.stored().filtered(lambda m: m.gmail_id == lists[-1])
        self.assertLess(newest.id, oldest.id)

    def test_promotions_do_not_hold_up_new_mail(self):
        self.sync(self.box)
        labels = ["INBOX", "CATEGORY_PROMOTIONS"]
        for number in range(60):
            self.google.add_message(ANNA, mail(subject=f"Buy {number}"), labels)
        good = self.google.add_message(ANNA, mail(subject="From a customer"))
        before = len(self.google.log())
        with patch.dict(gmail_scheduler.SLICES, new=0, backfill=0):
            self.sync(self.box)
        self.assertIn(good, self.stored().mapped("gmail_id"))
        paths = [entry["path"] for entry in self.google.log()[before:]]
        self.assertEqual(len([p for p in paths if "/messages/" in p]), 1)

    def test_mail_with_endless_headers_comes_in_like_any_other(self):
        hostile = [
            mail(subject="No brackets", Message_ID="x" * 6000 + "@y"),
            mail(subject="Long id", X_Id="id").replace(
                b"X-Id: id", b"Message-ID: <" + "ü".encode() * 850 + b"@y>"
            ),
        ]
        many = EmailMessage()
        many["From"], many["To"], many["Subject"] = CUSTOMER, ANNA, "Many files"
        many.set_content("files")
        for number in range(300):
            name = " ".join(f"{number}x{i}" for i in range(40))
            many.add_attachment(b"x", "text", "csv", filename=f"{name}.csv")
        hostile.append(many.as_bytes())
        wanted = {self.google.add_message(ANNA, raw) for raw in hostile}
        self.sync(self.box)
        self.assertLessEqual(wanted, set(self.stored().mapped("gmail_id")))
        self.assertFalse(self.box.error_message or self.box.quarantine_ids)

    def test_one_message_that_cannot_be_stored_is_left_out(self):
        self.env.cr.execute(
            "ALTER TABLE gmail_message ADD CONSTRAINT poison"
            " CHECK (subject <> 'Poison')"
        )
        bad = self.google.add_message(ANNA, mail(subject="Poison", body="Private"))
        good = self.google.add_message(ANNA, mail(subject="Good"))
        with self.assertLogs("odoo.sql_db", "ERROR") as log:
            self.sync(self.box)
        self.assertNotIn("Poison", " ".join(log.output))
        self.assertNotIn("Private", " ".join(log.output))
        self.assertIn("gmail_message", log.output[0])
        self.assertIn(good, self.stored().mapped("gmail_id"))
        left_out = self.box.with_user(self.anna).quarantine_ids
        self.assertEqual(left_out.gmail_id, bad)
        self.assertIn("CheckViolation", left_out.reason)
        self.assertTrue(self.box.backfill_done)
        self.assertFalse(self.box.error_message)
        # With the cause gone, one click brings it in.
        self.env.cr.execute("ALTER TABLE gmail_message DROP CONSTRAINT poison")
        self.box.with_user(self.anna).action_retry_left_out()
        self.sync(self.box)
        self.assertIn(bad, self.stored().mapped("gmail_id"))
        self.assertFalse(self.box.quarantine_ids)

    def test_expired_cursor_brings_flags_up_to_date(self):
        self.sync(self.box)
        self.modify(self.first, remove=["UNREAD"], add=["STARRED"])
        self.expire_history()
        self.sync(self.box)
        message = self.stored()
        self.assertFalse(message.is_unread)
        self.assertTrue(message.is_starred)
        self.assertIn("STARRED", message.label_ids.mapped("gmail_id"))
        self.assertFalse(message.thread_id.unread_count)

    def test_many_changes_are_not_lost_when_slices_end(self):
        self.sync(self.box)
        wanted = {
            self.google.add_message(ANNA, mail(subject=f"Number {number}"))
            for number in range(60)
        }
        with patch.dict(gmail_scheduler.SLICES, new=0, backfill=0):
            self.sync(self.box)
        self.assertLessEqual(wanted, set(self.stored().mapped("gmail_id")))

    def test_paused_mailbox_is_left_alone_and_resumes(self):
        self.sync(self.box)
        self.box.with_user(self.anna).action_pause()
        self.google.add_message(ANNA, mail(subject="While paused"))
        self.sync(self.box)
        self.assertNotIn("While paused", self.stored().mapped("subject"))
        self.box.with_user(self.anna).action_resume()
        self.sync(self.box)
        self.assertIn("While paused", self.stored().mapped("subject"))

    def test_withdrawn_access_asks_for_reconnecting(self):
        self.sync(self.box)
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        self.box.next_sync = "2020-01-01"
        self.sync(self.box)
        self.assertEqual(self.box.state, "reconnect")
        self.assertIn("Reconnect", self.box.error_message)

    def test_switch_stops_everything(self):
        self.env["ir.config_parameter"].set_param("gmail_oauth_mailbox.disabled", "1")
        before = len(self.google.log())
        self.env.flush_all()
        self.env.ref("gmail_oauth_mailbox.ir_cron_gmail_sync_1").method_direct_trigger()
        self.assertEqual(len(self.google.log()), before)
        self.assertFalse(self.stored())

    def test_stock_gateway_leaves_the_mailbox_alone(self):
        server = self.box.incoming_server_id
        self.assertIsNone(server._fetch_mail())
        self.assertTrue(server._connect__())
        self.env["fetchmail.server"]._update_cron()
        self.assertFalse(self.env.ref("mail.ir_cron_mail_gateway_action").active)

    def test_history_window_limits_the_backfill(self):
        old = self.google.add_message(
            ANNA, mail(subject="Old", date="Tue, 01 Sep 2026 10:00:00 +0000")
        )
        with freeze_time("2026-11-24 12:00:00"):
            self.box.history_days = 30
            self.box.history_cursor = False
            self.sync(self.box)
        self.assertNotIn(old, self.stored().mapped("gmail_id"))
        self.box.with_user(self.anna).history_window = "0"
        self.assertFalse(self.box.backfill_done)
        self.sync(self.box)
        self.assertIn(old, self.stored().mapped("gmail_id"))
