"""Attacks of a fresh review. Ben has the lowest rights, and acts over RPC and in his
own Gmail, where he inserts what he likes."""

from email import message_from_bytes, policy

from odoo.exceptions import AccessError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services.gmail_store import send_ref

from . import test_sharing_attacks as base
from .common import ANNA, BEN, CUSTOMER, mail
from .test_linking import CARLA, PASS, LinkingCase

MESSAGE_ID, SECRET, FORGED = base.MESSAGE_ID, base.SECRET, base.FORGED
OLD = "<old@customer-example.test>"


def rich(html=None, files=(), **values):
    message = message_from_bytes(mail(**values), policy=policy.default)
    if html:
        message.set_content(html, subtype="html")
    for name, data in files:
        message.add_attachment(
            data, maintype="application", subtype="pdf", filename=name
        )
    return message.as_bytes()


class AttackCase(LinkingCase):
    genuine = base.TestForgedCopies.genuine
    forge = base.TestForgedCopies.forge
    shown = base.TestForgedCopies.shown

    def setUp(self):
        super().setUp()
        self.project = self.env["res.partner"].create({"name": "Blue chairs"})

    def event(self):
        """What the lowest rights suffice for: a record of Ben's that Anna can read."""
        event = self.env["calendar.event"].with_user(self.ben)
        values = {"name": "Lunch", "start": "2026-11-24 10:00:00"}
        event = event.create({**values, "stop": "2026-11-24 11:00:00"})
        event.message_subscribe(self.carla.ids)
        return event

    def post(self, record, **values):
        values.setdefault("body", "Hi")
        return record.message_post(
            message_type="comment", subtype_xmlid="mail.mt_comment", **values
        )

    def claim(self, known, **values):
        """Have Ben insert a SENT message that claims to be Odoo's post ``known``."""
        values = {"sender": f"Ben Schulz <{BEN}>", "to": BEN, **values}
        headers = {"References": known, "X_Odoo_Gmail_Send": send_ref(known)}
        self.google.add_message(BEN, mail(**values, **headers), labels=["SENT"])
        self.settle(self.box(self.ben, BEN))

    def read_by_ben(self, record):
        posts = record.with_user(self.ben).message_ids
        return posts.filtered(lambda m: SECRET in (m.body or ""))

    def on_record(self, record=None):
        return str(self.posts(record or self.carla).mapped("body"))

    def gone(self, box):
        """The copies are deleted in Gmail."""
        ids = self.thread(box).message_ids.mapped("gmail_id")
        self.env["gmail.store"]._forget(box, ids)
        self.run_cron("file")


@tagged("standard", "post_install", "-at_install")
class TestReadPrivateMail(AttackCase):
    """What is private is posted as an answer to Odoo's mail."""

    def test_a_by_a_forged_send_reference_without_any_post_of_his_own(self):
        post = self.post(self.carla)
        self.claim(post.with_user(self.ben).message_id, Message_ID=OLD)
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level=False))
        self.assertFalse(self.read_by_ben(self.carla))

    def test_b_even_at_nobody_by_annas_own_post(self):
        post = self.post(self.carla, author_id=self.anna.partner_id.id)
        self.claim(post.with_user(self.ben).message_id, Message_ID=OLD)
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level="nobody"))
        self.assertFalse(self.read_by_ben(self.carla))

    def test_c_by_a_post_with_a_chosen_message_id(self):
        event = self.event()
        self.post(event, message_id=OLD)
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level=False))
        self.assertFalse(self.read_by_ben(event))

    def test_d_even_at_nobody_by_a_post_with_annas_name(self):
        event = self.event()
        post = self.post(event)
        post.sudo().author_id = self.anna.partner_id
        with self.assertRaises(AccessError):
            post.write({"message_id": OLD})
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level="nobody"))
        self.assertFalse(self.read_by_ben(event))

    def test_e_answers_to_odoos_mail_are_led_to_another_record(self):
        question = self.post(self.project, partner_ids=self.carla.ids)
        event = self.event()
        self.post(event, message_id=question.message_id)
        self.receive(References=question.message_id, body=SECRET)
        self.settle(self.box(level=False))
        self.assertFalse(self.read_by_ben(event))
        self.assertIn(SECRET, self.on_record(self.project))

    def test_f_a_sent_mail_is_taken_for_an_echo_and_never_linked(self):
        post = self.post(self.event())
        self.claim(post.message_id, Message_ID="<sent@corp-example.test>")
        values = {"sender": f"Anna Keller <{ANNA}>", "to": CUSTOMER}
        for name, body in (("sent", SECRET), ("control", "Control")):
            raw = mail(
                **values,
                Message_ID=f"<{name}@corp-example.test>",
                body=body,
                subject=f"Subject of {name}",
            )
            self.google.add_message(ANNA, raw, labels=["SENT"])
        self.settle(self.box(level="everything"))
        self.assertIn("Control", self.on_record())
        self.assertIn(SECRET, self.on_record())

    def test_g_mail_among_colleagues(self):
        """What is never shared at any level: personnel to Anna, and Ben reads it."""
        dora = self._user("gmail_dora", "Dora", "dora@corp-example.test")
        event = self.event()
        event.message_subscribe(dora.partner_id.ids)
        post = self.post(event)
        self.claim(post.message_id, Message_ID=OLD)
        values = {"sender": "Dora <dora@corp-example.test>", "to": ANNA}
        raw = mail(**values, Message_ID=MESSAGE_ID, References=OLD, body=SECRET)
        self.google.add_message(ANNA, raw)
        self.settle(self.box(level=False))
        self.assertFalse(self.read_by_ben(event))

    def test_h_control_without_the_claim(self):
        event = self.event()
        self.post(event)
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level=False))
        self.assertFalse(self.read_by_ben(event) | self.read_by_ben(self.carla))


@tagged("standard", "post_install", "-at_install")
class TestHide(AttackCase):
    def test_a_own_email_address_set_to_the_customers(self):
        anna = self.genuine("everything")
        self.assertTrue(self.shown(anna))
        self.ben.with_user(self.ben).write({"email": CARLA})
        self.forge(False, to=BEN)
        self.assertTrue(self.shown(anna))

    def test_b_a_mailbox_in_the_customers_domain(self):
        anna = self.genuine("everything")
        other = "ben@customer-example.test"
        account = {"action": "add", "email": other, "name": "Ben"}
        self.google.control("accounts", account)
        self.connect(self.ben, other)
        keys = self.thread(anna).message_ids.mapped("mail_key")
        self.env["gmail.linking"]._enqueue(keys)
        self.run_cron("file")
        self.assertTrue(self.shown(anna))

    def own_mail(self):
        return {
            "sender": f"Ben Schulz <{BEN}>",
            "to": f"{CUSTOMER}, {ANNA}",
            "Message_ID": "<ben@corp-example.test>",
            "body": SECRET,
        }

    def anna_has_it(self, level="everything"):
        self.google.add_message(ANNA, mail(**self.own_mail()))
        anna = self.box(level=level)
        self.settle(anna)
        self.thread(anna).with_user(self.anna).panel_link("res.partner", self.carla.id)
        self.run_cron("file")
        return anna

    def test_c_a_sender_claims_that_the_record_shows_it_already(self):
        self.anna_has_it()
        self.assertIn(SECRET, self.on_record())
        post = self.post(self.carla, body="Another thing")
        self.claim(post.with_user(self.ben).message_id, **self.own_mail())
        self.assertIn(SECRET, self.on_record())

    def ben_shares_his(self):
        self.google.add_message(BEN, mail(**self.own_mail()), labels=["SENT"])
        ben = self.box(self.ben, BEN, "everything")
        self.settle(ben)
        return self.env["mail.message"].with_user(self.ben).browse(self.shown(ben).id)

    def test_d_the_author_rewrites_the_common_entry(self):
        post = self.ben_shares_his()
        with self.assertRaises(AccessError):
            post.write({"body": "I never wrote that"})
        self.anna_has_it()
        self.assertIn(SECRET, self.on_record())

    def test_e_the_author_makes_the_common_entry_unreadable(self):
        post = self.ben_shares_his()
        self.anna_has_it(False)
        threads = self.env["gmail.thread"].with_user(self.anna)
        place = ("res.partner", self.carla.id)
        self.assertEqual(len(threads.panel_emails(*place)["emails"]), 1)
        with self.assertRaises(AccessError):
            post.write({"message_type": "user_notification"})
        self.env.invalidate_all()
        self.assertEqual(len(threads.panel_emails(*place)["emails"]), 1)

    def test_f_fold_away_by_an_earlier_date(self):
        anna = self.genuine("everything")
        self.assertNotIn("<details>", self.shown(anna).body)
        values = {"to": BEN, "body": FORGED, "Authentication_Results": PASS}
        self.forge(
            "everything", ("INBOX",), **values, date="Mon, 23 Nov 2020 9:00:00 +0000"
        )
        self.assertNotIn("<details>", self.shown(anna).body)

    def test_g_fold_away_what_gmail_does_not_vouch_for(self):
        self.receive(Authentication_Results="mx.google.com; dmarc=fail", body=SECRET)
        anna = self.box(level="everything")
        self.settle(anna)
        self.thread(anna).with_user(self.anna).panel_link("res.partner", self.carla.id)
        self.run_cron("file")
        self.assertNotIn("<details>", self.shown(anna).body)
        values = {"to": BEN, "body": FORGED, "Authentication_Results": PASS}
        self.forge(
            "everything", ("INBOX",), **values, date="Mon, 23 Nov 2026 12:00:00 +0000"
        )
        self.assertNotIn("<details>", self.shown(anna).body)

    def test_h_a_gone_copy_squats(self):
        ben = self.forge("everything")
        self.gone(ben)
        self.genuine("everything")
        ben.with_user(self.ben).sharing_level = "metadata"
        self.run_cron("file")
        self.assertIn(SECRET, self.on_record())

    def test_i_a_deleted_mailbox_squats(self):
        self.forge("metadata")._delete()
        self.genuine("everything")
        self.assertIn(SECRET, self.on_record())


@tagged("standard", "post_install", "-at_install")
class TestWithdraw(AttackCase):
    """Anna withdraws, and her entry stays."""

    def withdraw(self, anna):
        self.thread(anna).with_user(self.anna).panel_share("nobody")
        for _round in range(8):
            self.env["gmail.pending"].search([]).write({"retry_at": False})
            self.run_cron("file")
        self.assertFalse(self.env["gmail.pending"].search_count([]))

    def test_a_never_after_a_forged_answer_to_a_deleted_post(self):
        question = self.post(self.event())
        anna = self.genuine("everything")
        post = self.shown(anna)
        raw = mail(
            to=BEN,
            body=FORGED,
            Message_ID=MESSAGE_ID,
            References=question.message_id,
            Authentication_Results=PASS,
        )
        self.google.add_message(BEN, raw)
        ben = self.box(self.ben, BEN)
        self.sync(ben)
        self.thread(ben).with_user(self.ben).panel_share("nobody")
        self.run_cron("file")
        question.unlink()
        self.thread(ben).with_user(self.ben).panel_share("everything")
        self.withdraw(anna)
        self.assertFalse(post.exists())

    def test_b_half_an_hour_later_after_a_file_that_cannot_be_fetched(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        raw = rich(
            to=BEN,
            body=FORGED,
            Message_ID=MESSAGE_ID,
            Authentication_Results=PASS,
            files=[("x.pdf", b"123")],
        )
        self.google.add_message(BEN, raw)
        ben = self.box(self.ben, BEN)
        self.settle(ben)
        ben.state = "reconnect"
        self.thread(ben).with_user(self.ben).panel_share("everything")
        self.thread(anna).with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(post.exists())

    def test_c_unset_after_the_copy_is_gone(self):
        anna = self.genuine("everything")
        self.gone(anna)
        self.assertTrue(self.shown(anna))
        anna.with_user(self.anna).sharing_level = False
        self.run_cron("file")
        self.assertFalse(self.shown(anna))

    def test_d_an_exclusion_after_a_colleagues_forged_choice(self):
        anna = self.genuine("subject")
        post = self.shown(anna)
        self.forge("metadata", to=BEN)
        exclusions = self.env["gmail.exclusions"].with_user(self.anna)
        exclusions._exclude(exclusions._pattern(CARLA), self.anna)
        self.run_cron("file")
        self.assertFalse(post.exists())

    def test_e_the_same_email_twice_in_one_mailbox(self):
        for _copy in range(2):
            self.receive(body=SECRET)
        anna = self.box(level="everything")
        self.settle(anna)
        self.thread(anna)[:1].with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.shown(anna))

    def test_f_a_link_preview_outlives_the_text(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        preview = self.env["mail.link.preview"].create(
            {"source_url": "https://secret.test/x", "og_title": SECRET}
        )
        self.env["mail.message.link.preview"].create(
            {"message_id": post.id, "link_preview_id": preview.id}
        )
        self.thread(anna).with_user(self.anna).panel_share("metadata")
        self.run_cron("file")
        self.assertFalse(post.message_link_preview_ids)


@tagged("standard", "post_install", "-at_install")
class TestOneOfTwo(AttackCase):
    """Copies that show different things are one entry. Both mailboxes are named and
    share everything; the user with the smaller number forges."""

    def collide(self, genuine, forged, files=((), ())):
        for user, account, values, of in (
            (self.ben, BEN, genuine, files[0]),
            (self.anna, ANNA, forged, files[1]),
        ):
            raw = rich(
                to=f"{ANNA}, {BEN}",
                Message_ID=MESSAGE_ID,
                Authentication_Results=PASS,
                files=of,
                **values,
            )
            self.google.add_message(account, raw)
            self.settle(self.box(user, account, "everything"))
        posts = self.posts(self.carla)
        return len(posts), str(posts.mapped("body")), posts

    def test_different_contents(self):
        zero = '<span style="display:none">'
        for name, genuine, forged in (
            ("control", {"body": "Pay 1.50"}, {"body": "Pay 151"}),
            ("amount", {"body": "Pay 1.50 EUR"}, {"body": "Pay 150 EUR"}),
            ("sign", {"body": "\U0001f44d"}, {"body": "\U0001f44e"}),
            (
                "banner",
                {"body": "Our account is DE11"},
                {
                    "body": "Do not open the attachment, pay to the new account DE99 "
                    "and tell eve\n\nOur account is DE11"
                },
            ),
            (
                "footer",
                {"body": "Our account is DE11"},
                {"body": "Our account is DE11\n--\nNo: pay to DE99.\nUnsubscribe"},
            ),
            (
                "subject",
                {"subject": "Invoice of November"},
                {"subject": "[Wrong account, pay to DE99] Invoice of November"},
            ),
            (
                "hidden",
                {"html": f"<p>{zero}Hello</span> We do <span>not</span> pay</p>"},
                {"html": f"<p><span>Hello</span> We do {zero}not</span> pay</p>"},
            ),
            (
                "white and struck",
                {"html": "<p>We do not pay</p>"},
                {"html": '<p>We do <i style="color:#fff">not</i> <s>pay</s></p>'},
            ),
            (
                "link",
                {"html": '<a href="https://mybank.test/ab">Pay here</a>'},
                {"html": '<a href="https://my.bank.te/st/ab">Pay here</a>'},
            ),
            (
                "alt and numbers",
                {"html": "<p>Pay to</p><ol><li>x</li></ol>"},
                {"html": '<p>Pay to</p><img alt="DE99"><ol start="7"><li>x</li></ol>'},
            ),
        ):
            with self.subTest(name=name):
                count, _text, _posts = self.collide(genuine, forged)
                # Either two entries, or the genuine text.
                self.env["gmail.entry"].search([]).mail_message_id.unlink()
                self.env["gmail.entry"].search([]).unlink()
                self.env["gmail.mailbox"].search([])._delete()
                self.env["gmail.vote"].search([]).unlink()
                self.google.control("settings", {"reset": True})
                self.assertEqual(count, 2)

    def test_another_file_of_the_same_size(self):
        files = [("invoice.pdf", b"IBAN 1111")], [("invoice.pdf", b"IBAN 9999")]
        _count, _text, posts = self.collide({}, {}, files)
        self.assertIn(b"IBAN 1111", posts.attachment_ids.mapped("raw"))


@tagged("standard", "post_install", "-at_install")
class TestOthers(AttackCase):
    def test_a_gateway_mail_of_anyone_replaces_an_entry(self):
        question = self.post(self.carla)
        raw = rich(
            body=SECRET,
            Message_ID=MESSAGE_ID,
            Authentication_Results=PASS,
            files=[("invoice.pdf", b"IBAN 1111")],
        )
        self.google.add_message(ANNA, raw)
        self.settle(self.box(level="everything"))
        self.assertTrue(self.posts(self.carla).attachment_ids)
        # From anywhere; Odoo's gateway proves no sender.
        raw = rich(
            to="catchall@corp-example.test",
            body=SECRET,
            Message_ID=MESSAGE_ID,
            References=question.message_id,
            files=[("invoice.pdf", b"IBAN 9999")],
        )
        self.env["mail.thread"].message_process(False, raw)
        self.run_cron("file")
        files = self.posts(self.carla).attachment_ids.mapped("raw")
        self.assertIn(b"IBAN 1111", files)

    def test_b_a_withdrawal_takes_what_the_gateway_received(self):
        question = self.post(self.carla)
        anna = self.genuine(False, References=question.message_id)
        raw = mail(
            to="catchall@corp-example.test",
            body=SECRET,
            Message_ID=MESSAGE_ID,
            References=question.message_id,
        )
        self.env["mail.thread"].message_process(False, raw)
        self.assertIn(SECRET, self.on_record())
        self.thread(anna).with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertIn(SECRET, self.on_record())

    def test_c_an_answer_whose_question_was_deleted_is_posted(self):
        question = self.post(self.carla, partner_ids=self.carla.ids)
        anna = self.genuine("nobody", References=question.message_id)
        question.unlink()
        self.thread(anna).with_user(self.anna).panel_link("res.partner", self.carla.id)
        self.run_cron("file")
        self.assertTrue(self.shown(anna))

    def test_d_private_spreads_to_another_conversation(self):
        """By an outsider whose first mail Anna keeps private."""
        spam = {
            "sender": "Eve <eve@evil-example.test>",
            "Message_ID": "<spam@evil-example.test>",
            "Authentication_Results": PASS.replace("customer-ex", "evil-ex"),
        }
        self.receive(**spam, subject="Spam")
        anna = self.genuine("everything")
        first = self.thread(anna).filtered(lambda t: t.subject == "Spam")
        first.with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.receive(
            **spam, subject="Re: Offer for blue chairs", In_Reply_To=MESSAGE_ID
        )
        anna.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.run_cron("file")
        other = self.thread(anna) - first
        self.assertEqual(other.message_count, 2)
        self.assertFalse(other.sharing_level)

    def test_e_posts_moved_to_another_model_keep_their_entries(self):
        self.genuine("everything")
        lead = self.env["crm.lead"].create({"name": "Blue chairs"})
        self.carla.message_change_thread(lead)
        self.run_cron("file")
        self.assertIn(SECRET, self.on_record(lead))

    def test_f_orphans_of_the_earlier_version_next_to_a_private_copy(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}")
        anna, ben = self.box(level="everything"), self.box(self.ben, BEN)
        self.settle(anna, ben)
        post = self.posts(self.carla)
        entry = self.env["gmail.entry"].search([("mail_message_id", "=", post.id)])
        self.gone(anna)
        # As the update leaves an entry whose copy was gone before it.
        names = ("digest", "former", "mailbox_id", "message_id")
        entry.write(dict.fromkeys(names, False))
        self.env["gmail.linking"]._enqueue({entry.mail_key})
        self.run_cron("file")
        self.assertTrue(post.exists())

    def test_h_a_forged_report_marks_a_customer_as_out_of_reach(self):
        post = self.post(self.project, partner_ids=self.carla.ids)
        self.claim(post.with_user(self.ben).message_id, Message_ID="<p@x.test>")
        raw = mail(
            sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
            to=BEN,
            Message_ID="<report@googlemail.com>",
            In_Reply_To=post.message_id,
            Auto_Submitted="auto-replied",
            X_Failed_Recipients=CARLA,
            Authentication_Results="mx.google.com; dmarc=pass"
            " header.from=googlemail.com",
        )
        self.google.add_message(BEN, raw)
        ben = self.env["gmail.mailbox"].search([("user_id", "=", self.ben.id)])
        ben.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.run_cron("file")
        self.assertEqual(self.env["gmail.message"].search_count([]), 2)
        self.assertFalse(self.carla.message_bounce)

    def test_g_work_of_a_colleague_does_not_tell_that_anna_has_it(self):
        self.receive(body=SECRET)
        anna = self.box(level=False)
        self.settle(anna)
        thread = self.thread(self.forge(False, to=BEN)).with_user(self.ben)
        self.assertFalse(thread.panel_documents()["is_working"])
        anna.with_user(self.anna).sharing_level = "metadata"
        self.env["gmail.linking"]._make_queue(self.env(su=True))._record_page()
        self.env.invalidate_all()
        self.assertFalse(thread.panel_documents()["is_working"])

    def test_i_a_forged_answer_keeps_the_gateways_out(self):
        question = self.post(self.carla)
        common = {
            "body": SECRET,
            "Message_ID": MESSAGE_ID,
            "References": question.message_id,
        }
        raw = rich(
            to=BEN,
            Authentication_Results=PASS,
            files=[("invoice.pdf", b"IBAN 9999")],
            **common,
        )
        self.google.add_message(BEN, raw)
        self.settle(self.box(self.ben, BEN))
        raw = rich(
            to="catchall@corp-example.test",
            files=[("invoice.pdf", b"IBAN 1111")],
            **common,
        )
        self.env["mail.thread"].message_process(False, raw)
        self.run_cron("file")
        files = self.posts(self.carla).attachment_ids.mapped("raw")
        self.assertIn(b"IBAN 1111", files)

    def test_k_a_rpc_loop_fills_the_queue_for_all(self):
        anna = self.genuine("everything")
        key = self.thread(anna).message_ids.mail_key
        ben = self.thread(self.forge("everything")).with_user(self.ben)
        for _call in range(20):
            ben.panel_share("everything")
        rows = [("mail_key", "=", key)]
        queue = self.env["gmail.linking"]._make_queue(self.env(su=True))
        self.assertTrue(queue._settle_page())
        self.env.invalidate_all()
        # One settlement is enough for all of them.
        self.assertFalse(self.env["gmail.pending"].search_count(rows))
