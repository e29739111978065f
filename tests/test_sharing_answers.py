"""What counts as an answer to Odoo's email, who takes part in a record, and what the
panel says of who can read an email."""

from email.message import EmailMessage

from odoo.tests import tagged

from .common import ANNA, BEN, CUSTOMER, mail
from .test_linking import PASS
from .test_sharing_hostile import MESSAGE_ID, SECRET
from .test_sharing_offers import DORA, PASS_DORA, OffersCase
from .test_sharing_planted import PlantCase

BENS = "<ben@corp-example.test>"


def gateway_shapes():
    """Yield (name, email) in the shapes that Odoo's gateway posts otherwise."""

    def base(name):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = CUSTOMER, ANNA, name
        message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
        message["Message-ID"] = f"<{len(name)}.{name[-1]}@customer-example.test>"
        message["Authentication-Results"] = PASS
        return message

    for number, text in enumerate(
        (
            "one\n> quoted\n",
            "> all\n>> of it\n",
            "see <https://x.test/a>",
            "see https://x.test/a?b=1&c=2 and https://x.test/b.",
            "a & b < c",
            "text\n-- \nCarla",
            "On Mon, Anna wrote:\n> old\n>> older\nnew",
            "tab\there  two",
            "mail carla@x.test or www.x.test",
        )
    ):
        message = base(f"plain {number}")
        message.set_content(text)
        yield message
    message = base("Re:  Two  blanks")
    message.set_content(SECRET)
    yield message
    message = base("quoted")
    message.set_content(
        f"<div>{SECRET}</div><blockquote type='cite'>On Monday Anna wrote:"
        "<p>Old words</p></blockquote>",
        subtype="html",
    )
    yield message
    message = base("alternative")
    message.set_content("Plain words that differ")
    message.add_alternative(
        "<html><head><style>p {color: red}</style></head><body>"
        f"<p>{SECRET}</p></body></html>",
        subtype="html",
    )
    yield message
    message = base("link")
    message.set_content(
        f"<p>{SECRET} <a href='https://shop.test/a?b=1&amp;c=2'>here</a> or"
        " <a href='https://shop.test/b'>https://shop.test/b</a></p>"
        "<ul><li>one</li></ul><table><tr><td>1</td><td>2</td></tr></table>",
        subtype="html",
    )
    yield message
    message = base("calendar")
    message.set_content(SECRET)
    message.add_alternative(
        "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR", subtype="calendar"
    )
    yield message
    message = base("calendar file")
    message.set_content(SECRET)
    message.add_attachment(
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n", subtype="calendar", filename="a.ics"
    )
    yield message
    message = base("email in an email")
    message.set_content(SECRET)
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"] = "a@b.test", "c@d.test", "Inner"
    inner.set_content("inner text")
    message.add_attachment(inner)
    yield message
    message = base("files")
    message.set_content(SECRET)
    message.add_attachment("a text\nfile\n", filename="notes.txt")
    message.add_attachment(b"data", maintype="application", subtype="octet-stream")
    yield message
    message = base("picture")
    message.set_content("x")
    message.add_alternative(f'<p>{SECRET}<img src="cid:pic1"></p>', subtype="html")
    png = b"\x89PNG\r\n\x1a\n" + b"0" * 40
    message.get_payload()[1].add_related(
        png, "image", "png", cid="<pic1>", filename="pic.png"
    )
    yield message


@tagged("standard", "post_install", "-at_install")
class TestReferences(PlantCase):
    """A reference alone makes no answer: anyone can write one."""

    def linked_by(self, box, record):
        """Return {(state, origin)} of the links of a mailbox to a record."""
        links = self.thread(box).link_ids.filtered(
            lambda x: (x.res_model, x.res_id) == (record._name, record.id)
        )
        return {(link.state, link.origin) for link in links}

    def next_email(self, box, sent=False, **values):
        """Have one more email arrive, from Carla unless it is sent."""
        if sent:
            values = {"sender": f"Anna <{ANNA}>", "to": CUSTOMER, **values}
            self.google.add_message(ANNA, mail(**values), labels=["SENT"])
        else:
            self.receive(**values)
        box.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        self.run_cron("file")

    def test_an_answer_to_a_colleagues_own_email_is_private(self):
        """Ben's email refers to a comment on his event; Carla answers Anna alone."""
        for level in (False, "metadata", "nobody"):
            with self.subTest(level=level):
                event = self.event()
                post = self.post(event)
                self.google.add_message(
                    ANNA,
                    mail(
                        sender=f"Ben <{BEN}>",
                        to=f"{ANNA}, {CUSTOMER}",
                        Message_ID=BENS,
                        References=post.message_id,
                    ),
                )
                self.receive(
                    subject="Re: Walnut",
                    body=SECRET,
                    Message_ID=f"<{level}@customer-example.test>",
                    In_Reply_To=BENS,
                    References=f"{post.message_id} {BENS}",
                    date="Mon, 23 Nov 2026 11:00:00 +0000",
                )
                box = self.box(level=level)
                self.settle(box)
                self.assertFalse(self.read_by_ben(event))
                self.assertEqual(self.linked_by(box, event), {("suggested", "reply")})
                box._delete()

    def test_an_answer_to_email_that_odoo_never_sent_is_private(self):
        event = self.event()
        event.message_unsubscribe(self.carla.ids)
        post = self.post(event)
        event.message_subscribe(self.carla.ids)
        self.assertFalse(post.sudo().notification_ids)
        for number, answered in enumerate(
            ({"References": f"{post.message_id} {BENS}"}, {}), start=1
        ):
            self.receive(
                body=SECRET,
                Message_ID=f"<{number}@customer-example.test>",
                **{"In_Reply_To": post.message_id, **answered},
            )
        self.settle(self.box(level="metadata"))
        self.assertFalse(self.read_by_ben(event))

    def test_a_colleagues_email_with_the_id_of_odoos_is_no_email_of_odoos(self):
        event = self.event()
        post = self.post(event, partner_ids=self.carla.ids)
        values = {"to": f"{ANNA}, {CUSTOMER}", "Message_ID": post.message_id}
        self.google.add_message(ANNA, mail(sender=f"Ben <{BEN}>", **values))
        self.receive(
            body=SECRET,
            In_Reply_To=post.message_id,
            date="Mon, 23 Nov 2026 11:00:00 +0000",
        )
        box = self.box(level=False)
        self.settle(box)
        self.assertFalse(self.read_by_ben(event))
        self.assertEqual(self.linked_by(box, event), {("suggested", "reply")})

    def test_an_answer_to_a_colleagues_answer_is_private(self):
        """Odoo sent its email to Ben, too; what Carla answers is Ben's."""
        post = self.post(
            self.project, partner_ids=(self.carla | self.ben.partner_id).ids
        )
        self.google.add_message(
            ANNA,
            mail(
                sender=f"Ben <{BEN}>",
                to=f"{ANNA}, {CUSTOMER}",
                Message_ID=BENS,
                In_Reply_To=post.message_id,
                References=post.message_id,
            ),
        )
        self.receive(
            body=SECRET,
            In_Reply_To=BENS,
            References=f"{post.message_id} {BENS}",
            date="Mon, 23 Nov 2026 11:00:00 +0000",
        )
        self.settle(self.box(level=False))
        self.assertNotIn(SECRET, self.on_record(self.project))

    def test_what_the_owner_sends_to_others_follows_no_reference(self):
        event = self.event()
        post = self.post(event, partner_ids=self.carla.ids)
        box = self.box(level="everything")
        for number, references in enumerate(
            (f"{post.message_id} {BENS}", post.message_id)
        ):
            self.next_email(
                box,
                sent=True,
                to="Dora <dora@dora-example.test>",
                subject="Re: Walnut",
                References=references,
                body=SECRET,
                Message_ID=f"<{number}@corp-example.test>",
            )
        self.assertFalse(self.read_by_ben(event))
        self.assertEqual(self.linked_by(box, event), {("suggested", "reply")})

    def test_a_follower_whom_odoo_did_not_write_to_answers_nothing(self):
        dora = self.env["res.partner"].create({"name": "Dora", "email": DORA})
        post = self.post(self.project, partner_ids=self.carla.ids)
        self.project.message_subscribe(dora.ids)
        self.receive(
            sender=DORA,
            Authentication_Results=PASS_DORA,
            In_Reply_To=post.message_id,
            body=SECRET,
        )
        box = self.box()
        self.settle(box)
        self.assertFalse(self.posts(self.project))
        self.assertEqual(self.linked_by(box, self.project), {("suggested", "reply")})

    def test_a_conversation_with_a_customer_goes_on(self):
        """Two answers of Carla's, Anna's own email from Gmail, and Carla's to that."""
        post = self.post(self.project, partner_ids=self.carla.ids)
        box = self.box(level="everything")
        self.settle(box)
        ids = [post.message_id]
        for number, sent in enumerate((False, False, True, False), start=1):
            self.next_email(
                box,
                sent=sent,
                subject="Re: Blue chairs",
                In_Reply_To=ids[-1],
                References=" ".join(ids),
                Message_ID=f"<{number}@chain.test>",
                body=f"number {number}",
                date=f"Mon, 23 Nov 2026 1{number}:00:00 +0000",
            )
            ids.append(f"<{number}@chain.test>")
            self.assertIn(f"number {number}", self.on_record(self.project))
        comment = self.env.ref("mail.mt_comment")
        kinds = [
            p.subtype_id == comment for p in self.posts(self.project).sorted("date")
        ]
        self.assertEqual(kinds, [True, True, False, True])

    def test_an_answer_to_an_answer_need_not_name_odoos_email(self):
        """Programs cut long lists of references."""
        post = self.post(self.project, partner_ids=self.carla.ids)
        box = self.box()
        self.settle(box)
        first = "<1@chain.test>"
        self.next_email(box, In_Reply_To=post.message_id, Message_ID=first)
        self.next_email(
            box, In_Reply_To=first, Message_ID="<2@chain.test>", body=SECRET
        )
        answer = self.posts(self.project).filtered(lambda p: SECRET in p.body)
        self.assertEqual(answer.parent_id, post)
        # A stranger's is not even suggested by an id that Odoo never gave.
        dora = {"sender": DORA, "Authentication_Results": PASS_DORA}
        self.next_email(
            box, In_Reply_To=first, Message_ID="<3@chain.test>", body="x", **dora
        )
        self.assertEqual(len(self.posts(self.project)), 2)

    def test_a_private_conversation_with_a_customer_goes_on(self):
        """What Anna writes in Gmail stays private; what Carla answers is posted."""
        post = self.post(self.project, partner_ids=self.carla.ids)
        box = self.box()
        self.settle(box)
        first, own = "<1@chain.test>", "<2@chain.test>"
        self.next_email(box, In_Reply_To=post.message_id, Message_ID=first, body="one")
        self.next_email(
            box, sent=True, References=f"{post.message_id} {first}", Message_ID=own
        )
        self.assertEqual(len(self.posts(self.project)), 1)
        self.assertEqual(self.linked_by(box, self.project), {("linked", "reply")})


class RuleCase(OffersCase):
    def old_lead(self, **values):
        lead = self.env["crm.lead"].create(
            {"name": "Ticket #42", "type": "opportunity", **values}
        )
        self.old_acts()
        return lead

    def old_acts(self):
        self.env.flush_all()
        self.env.cr.execute("UPDATE gmail_act SET at = '2020-01-01'")
        self.env.cr.execute("UPDATE mail_message SET create_date = '2020-01-01'")
        self.env.invalidate_all()

    def rule(self):
        model = self.env["ir.model"]._get_id("crm.lead")
        rules = self.env["gmail.link.rule"].with_user(self.admin)
        return rules.create({"name": "Ticket #{digits}", "model_id": model})

    def ticket(self, box, text=SECRET, **values):
        self.mail(box, subject="Ticket #42", body=text, **values)

    def shown_on(self, record, text=SECRET):
        return text in str(record.sudo().message_ids.mapped("body"))


@tagged("standard", "post_install", "-at_install")
class TestAddressesOfColleagues(RuleCase):
    """What internal users write into their own preferences makes nobody known."""

    def test_a_follower_who_takes_the_senders_address(self):
        self.rule()
        lead = self.old_lead()
        lead.message_subscribe(self.ben.partner_id.ids)
        self.old_acts()
        box = self.choose("everything")
        self.ben.with_user(self.ben).write({"email": DORA})
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))

    def test_a_customer_who_takes_the_senders_address(self):
        """The record's own email follows that of its customer."""
        self.rule()
        lead = self.old_lead(partner_id=self.ben.partner_id.id)
        box = self.choose("everything")
        self.ben.with_user(self.ben).write({"email": DORA})
        self.env.flush_all()
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))

    def test_an_author_who_takes_the_senders_address(self):
        self.rule()
        lead = self.old_lead(user_id=self.ben.id)
        lead.with_user(self.ben).message_post(
            body="x", message_type="comment", subtype_xmlid="mail.mt_comment"
        )
        self.old_acts()
        box = self.choose("everything")
        self.ben.with_user(self.ben).write({"email": DORA})
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))

    def test_an_old_post_of_a_colleague_covers_no_later_post(self):
        """Ben's old post doesn't make Dora known before he writes to her."""
        self.rule()
        dora = self.dora(email=DORA)
        self.long_ago()
        lead = self.old_lead(user_id=self.ben.id)
        values = {"message_type": "comment", "subtype_xmlid": "mail.mt_comment"}
        lead.with_user(self.ben).message_post(body="x", **values)
        self.old_acts()
        box = self.choose("everything")
        self.ben.with_user(self.ben).write({"email": DORA})
        lead.with_user(self.ben).message_post(body="y", partner_ids=dora.ids, **values)
        self.env.cr.execute(
            "UPDATE mail_message SET create_date = now() AT TIME ZONE 'UTC'"
            " + interval '1 hour' WHERE body LIKE '%%y%%' AND res_id = %s"
            " AND model = 'crm.lead'",
            [lead.id],
        )
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))
        self.assertEqual(self.offers(box).actor_id, self.ben)

    def test_a_recipient_who_takes_the_senders_address(self):
        lead = self.env["crm.lead"].create({"name": "L", "type": "opportunity"})
        lead.message_subscribe(self.ben.partner_id.ids)
        question = lead.message_post(
            body="Which?",
            partner_ids=(self.carla | self.ben.partner_id).ids,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
        )
        box = self.choose(False)
        self.ben.with_user(self.ben).write({"email": DORA})
        self.mail(box, body=SECRET, References=question.message_id)
        self.assertFalse(self.shown_on(lead))

    def test_colleagues_take_part_by_login_and_mailbox(self):
        lead = self.env["crm.lead"].create({"name": "L", "type": "opportunity"})
        lead.message_subscribe((self.ben | self.anna).partner_id.ids)
        self.ben.login = "ben@login.test"
        self.box()
        self.env.flush_all()
        people = self.env["gmail.linker"]._people_of_document(("crm.lead", lead.id))
        self.assertLessEqual({"ben@login.test", ANNA}, people)

    def test_a_colleague_at_a_customers_domain_hides_no_company(self):
        company = self.dora(name="Dora Inc", is_company=True)
        self.dora(name="Dirk", email="dirk@dora-example.test", parent_id=company.id)
        own = self.env["res.partner"].create({"name": "Own", "is_company": True})
        self.ben.partner_id.parent_id = own
        self.long_ago()
        box = self.choose("everything")
        self.mail(box, body="before")
        self.assertTrue(self.shown_on(company, "before"))
        self.ben.with_user(self.ben).write({"email": "ben@dora-example.test"})
        self.mail(box, body=SECRET)
        self.assertTrue(self.shown_on(company))


@tagged("standard", "post_install", "-at_install")
class TestActsOnRecords(RuleCase):
    """Roads by which others have a subject rule find a record for a sender."""

    def setUp(self):
        super().setUp()
        self.rule()
        self.customer = self.dora(email=DORA)
        self.long_ago()

    def asked_by(self, box):
        return self.offers(box).actor_id

    def team_with_follower(self):
        team = self.env["crm.team"].create({"name": "T"})
        subtypes = self.env["mail.message.subtype"].search(
            [("res_model", "=", "crm.team"), ("parent_id", "!=", False)]
        )
        team.message_subscribe(self.customer.ids, subtypes.ids)
        return team

    def test_followers_of_a_team_come_with_it(self):
        lead = self.old_lead(team_id=False)
        team = self.team_with_follower()
        box = self.choose("everything")
        lead.with_user(self.ben).sudo().team_id = team
        self.assertIn(self.customer, lead.message_partner_ids)
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))
        self.assertEqual(self.asked_by(box), self.ben)

    def test_a_follower_made_as_a_row(self):
        lead = self.old_lead()
        other = self.dora(name="Other", email="other@else.test")
        lead.message_subscribe(other.ids)
        self.old_acts()
        box = self.choose("everything")
        rows = self.env["mail.followers"].with_user(self.ben).sudo()
        row = rows.search(
            [("res_model", "=", "crm.lead"), ("partner_id", "=", other.id)]
        )
        row.partner_id = self.customer
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))
        self.assertEqual(self.asked_by(box), self.ben)

    def merge(self, user, sources):
        wizards = self.env["base.partner.merge.automatic.wizard"]
        wizard = wizards.with_user(user).create(
            {
                "partner_ids": [(6, 0, (self.customer | sources).ids)],
                "dst_partner_id": self.customer.id,
            }
        )
        wizard.action_merge()
        self.env.invalidate_all()

    def test_customers_are_merged(self):
        other = self.dora(name="Other")
        self.long_ago()
        lead = self.old_lead(partner_id=other.id)
        box = self.choose("everything")
        self.merge(self.admin, other)
        self.assertEqual(lead.partner_id, self.customer)
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))
        self.assertEqual(self.asked_by(box), self.admin)

    def test_followers_are_merged(self):
        other = self.dora(name="Other")
        self.long_ago()
        lead = self.old_lead()
        lead.message_subscribe(other.ids)
        self.old_acts()
        box = self.choose("everything")
        self.merge(self.admin, other)
        self.assertIn(self.customer, lead.message_partner_ids)
        self.ticket(box)
        self.assertFalse(self.shown_on(lead))
        self.assertEqual(self.asked_by(box), self.admin)

    def test_a_merge_by_the_owner_is_not_asked_about(self):
        other = self.dora(name="Other")
        self.long_ago()
        lead = self.old_lead(partner_id=other.id)
        box = self.choose("everything")
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard.with_user(self.anna).sudo()._merge(
            (self.customer | other).ids, self.customer
        )
        self.env.invalidate_all()
        self.ticket(box)
        self.assertTrue(self.shown_on(lead))


@tagged("standard", "post_install", "-at_install")
class TestDeclined(OffersCase):
    def test_the_owners_other_acts_open_nothing_that_they_declined(self):
        box = self.choose("everything")
        partners = self.env["res.partner"].with_user(self.ben)
        dora = partners.create({"name": "Dora", "email": DORA})
        self.mail(box)
        offer = self.offers(box)
        offer.with_user(self.anna).action_decline()
        self.env["gmail.linking"]._compare_ways()
        self.long_ago()
        company = self.dora(name="Dora Inc", is_company=True)
        self.long_ago()
        dora.with_user(self.anna).sudo().parent_id = company
        self.mail(box, body=SECRET)
        self.assertFalse(self.entries(box))
        # To link by hand is an answer of its own.
        thread = self.thread(box).sorted("id")[-1].with_user(self.anna)
        thread.panel_link("res.partner", dora.id)
        self.run_cron("file")
        self.assertEqual(len(self.entries(box)), 1)


@tagged("standard", "post_install", "-at_install")
class TestVetoes(PlantCase):
    def test_an_email_that_shares_an_id_alone_takes_nothing_away(self):
        """Carla's name, her Message-ID, another date: anyone can send that to Anna."""
        anna = self.genuine("everything")
        self.google.add_message(
            ANNA,
            mail(
                subject="Spam",
                body="spam",
                Message_ID=MESSAGE_ID,
                date="Tue, 24 Nov 2026 10:00:00 +0000",
            ),
        )
        self.settle(anna)
        spam = self.thread(anna).filtered(lambda t: t.subject == "Spam")
        spam.with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertTrue(self.shown(anna))
        # The genuine one is still Anna's to keep private.
        genuine = self.thread(anna) - spam
        genuine.with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.shown(anna))

    def test_a_copy_that_is_gone_keeps_its_choice(self):
        anna = self.genuine("nobody")
        self.thread(anna).with_user(self.anna).panel_share("nobody")
        self.run_cron("file")
        self.gone(anna)
        self.receive(body=SECRET, Message_ID=MESSAGE_ID)
        anna.sharing_steps = [[None, "everything"]]
        anna.sharing_level = "everything"
        self.again(anna)
        self.assertFalse(self.shown(anna))


@tagged("standard", "post_install", "-at_install")
class TestWhoReads(PlantCase):
    """The panel's sentence names all who can read an email."""

    def setUp(self):
        super().setUp()
        self.place = self.env["res.partner"].create({"name": "Blue"})

    def gateway(self, raw, record=None):
        record = record or self.place
        text = raw if isinstance(raw, str) else raw.decode()
        threads = self.env["mail.thread"]
        threads.message_process(record._name, text, thread_id=record.id)

    def statement(self, thread):
        return thread.with_user(self.anna).panel_documents()["statement"]

    def test_odoo_received_what_an_entry_shows_less_of(self):
        anna = self.genuine("metadata")
        self.gateway(mail(body=SECRET, Message_ID=MESSAGE_ID))
        self.again(anna)
        sentence = self.statement(self.thread(anna))
        self.assertIn("participants and date", sentence)
        self.assertIn('access to "Blue" can read', sentence)

    def test_an_entry_of_the_gateways_own_is_named_once(self):
        anna = self.genuine("everything")
        self.gateway(mail(body=SECRET, Message_ID=MESSAGE_ID), self.carla)
        self.again(anna)
        self.assertEqual(self.statement(self.thread(anna)).count("can read"), 1)

    def test_many_posts_of_a_user_hide_no_post_of_the_gateway(self):
        self.gateway(mail(body=SECRET, Message_ID=MESSAGE_ID))
        for _number in range(11):
            self.plant(
                self.event(), sender=CUSTOMER, body=SECRET, Message_ID=MESSAGE_ID
            )
        anna = self.genuine(False)
        sentence = self.statement(self.thread(anna))
        self.assertIn('"Blue"', sentence)
        self.assertNotIn("Only you", sentence)

    def test_a_record_that_was_made_with_the_text(self):
        sales = self.env.ref("sales_team.group_sale_salesman_all_leads")
        (self.anna | self.ben).write({"group_ids": [(4, sales.id)]})
        anna = self.genuine(False)
        thread = self.thread(anna).with_user(self.anna)
        lead = self.env["crm.lead"].browse(thread.panel_make("crm.lead")["res_id"])
        self.run_cron("file")
        self.assertIn(SECRET, lead.with_user(self.ben).description)
        for _state in ("linked", "removed"):
            sentence = self.statement(thread)
            self.assertIn(f'"{lead.name}"', sentence)
            self.assertIn("its text was copied", sentence)
            self.assertNotIn("Only you", sentence)
            thread.panel_unlink("crm.lead", lead.id)
        thread.panel_share("metadata")
        self.run_cron("file")
        sentence = self.statement(thread)
        self.assertIn("participants and date", sentence)
        self.assertIn("its text was copied", sentence)
        lead.description = False
        self.assertNotIn("its text was copied", self.statement(thread))

    def test_odoo_received_the_same_email_in_any_shape(self):
        emails = list(gateway_shapes())
        for message in emails:
            self.google.add_message(ANNA, message.as_bytes())
            self.gateway(message.as_string())
        anna = self.box(level=False)
        self.settle(anna)
        missed = [
            message.subject
            for message in self.thread(anna).message_ids
            if "Odoo received it" not in self.statement(message.thread_id)
        ]
        self.assertEqual(len(self.thread(anna)), len(emails))
        self.assertEqual(missed, [])

    def test_the_gateway_posts_no_answer_twice_in_any_shape(self):
        question = self.post(self.project, partner_ids=self.carla.ids)
        emails = list(gateway_shapes())
        for message in emails:
            message["In-Reply-To"] = question.message_id
            self.google.add_message(ANNA, message.as_bytes())
        anna = self.box(level=False)
        self.settle(anna)
        self.assertEqual(len(self.posts(self.project)), len(emails))
        for message in emails:
            self.env["mail.thread"].message_process(False, message.as_string())
        subjects = self.posts(self.project).mapped("subject")
        twice = {subject for subject in subjects if subjects.count(subject) > 1}
        self.assertEqual(twice, set())

    def test_another_email_is_not_the_same_one(self):
        for number, (text, other) in enumerate(
            (
                ("see https://x.test/a", "see https://x.test/b"),
                ("one\n> two", "one\n> three"),
                ("pay 1 000", "pay 1 001"),
            )
        ):
            values = {"Message_ID": f"<{number}@x.test>", "subject": f"S{number}"}
            self.receive(body=text, **values)
            self.gateway(mail(body=other, **values))
        anna = self.box(level=False)
        self.settle(anna)
        for thread in self.thread(anna):
            self.assertIn("Only you", self.statement(thread))
