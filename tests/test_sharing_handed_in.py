"""What users hand to Odoo's mail gateway, and what aliases add to an email: posts and
followers for the chatter, in the name of whoever From names."""

from unittest.mock import patch

from odoo import SUPERUSER_ID, Command
from odoo.exceptions import AccessError
from odoo.sql_db import Cursor
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services.linking import gateway

from .common import ANNA, BEN, CUSTOMER, mail
from .test_linking import CARLA, PASS
from .test_sharing_hostile import FORGED, MESSAGE_ID, OLD, SECRET, rich
from .test_sharing_offers import DORA, OffersCase
from .test_sharing_planted import PlantCase

LUNCH = {
    "name": "Lunch",
    "start": "2026-11-24 10:00:00",
    "stop": "2026-11-24 11:00:00",
}


class HandedInCase(PlantCase):
    def rpc(self, login, model, method, *args, **kwargs):
        self.authenticate(login, login)
        response = self.ask_rpc(model, method, list(args), kwargs).json()
        self.env.invalidate_all()
        return response

    def hand_in(self, model, custom_values, context=None, **values):
        """Have Ben hand in an email over RPC; return the record that it makes."""
        values = {
            "sender": f"Anna <{ANNA}>",
            "to": "x@y.test",
            "Message_ID": "<handed@in.test>",
            **values,
        }
        answer = self.rpc(
            "gmail_ben",
            "mail.thread",
            "message_process",
            model,
            mail(**values).decode(),
            custom_values=custom_values,
            context=context or {},
        )
        return self.env[model].browse(answer.get("result") or ())

    def planted(self, message_id=OLD, **values):
        """Return a command that makes a post which private email would answer."""
        return Command.create(
            {
                "model": "calendar.event",
                "message_id": message_id,
                "message_type": "comment",
                "subtype_id": self.env.ref("mail.mt_comment").id,
                "body": "x",
                "partner_ids": [Command.set(self.carla.ids)],
                **values,
            }
        )

    def posted(self, record, user, **values):
        """Return a post of a user's."""
        return self.post(record.with_user(user).sudo(), **values).sudo(False)

    def hidden(self):
        """Return Anna's entry, shared on a lead that Ben can't read."""
        sales = self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.anna.group_ids = [Command.link(sales.id)]
        lead = self.env["crm.lead"].create({"name": "L", "type": "opportunity"})
        anna = self.genuine(False)
        thread = self.thread(anna).with_user(self.anna)
        thread.panel_link("crm.lead", lead.id)
        thread.panel_unlink("res.partner", self.carla.id)
        thread.panel_share("everything")
        self.run_cron("file")
        return self.shown(anna)

    def with_id(self, message_id):
        return self.env["mail.message"].search([("message_id", "=", message_id)])


@tagged("standard", "post_install", "-at_install")
class TestPosts(HandedInCase):
    def test_it_brings_no_post_in_the_name_of_an_owner(self):
        event = self.hand_in(
            "calendar.event", {**LUNCH, "message_ids": [self.planted()]}
        )
        self.assertEqual(event.name, "Lunch")
        self.assertFalse(self.with_id(OLD))
        self.receive(References=OLD, body=SECRET)
        self.settle(self.box(level="nobody"))
        self.assertFalse(self.read_by_ben(event))

    def test_it_brings_no_post_in_the_users_own_name(self):
        self.hand_in(
            "calendar.event",
            {**LUNCH, "message_ids": [self.planted()]},
            sender=f"Ben <{BEN}>",
        )
        self.assertTrue(self.with_id("<handed@in.test>"))
        self.assertFalse(self.with_id(OLD))

    def test_it_brings_no_post_by_a_record_that_it_makes_or_changes(self):
        lead = self.env["crm.lead"].create({"name": "L", "type": "opportunity"})
        planted = [self.planted(model="crm.lead")]
        for number, command in enumerate(
            (
                Command.create({"name": "New", "message_ids": planted}),
                Command.update(lead.id, {"name": "Changed", "message_ids": planted}),
            )
        ):
            partner = self.hand_in(
                "res.partner",
                {"name": "X", "opportunity_ids": [command]},
                Message_ID=f"<{number}@in.test>",
            )
            self.assertEqual(partner.name, "X")
            self.assertFalse(self.with_id(OLD))
        # Nor does it change what is there.
        self.assertEqual(lead.name, "L")

    def test_a_user_does_not_claim_that_nobody_handed_it_in(self):
        self.hand_in("calendar.event", LUNCH, context={gateway.HANDED_IN: {}})
        handed_in = self.env["gmail.handed.in"].search([])
        self.assertLessEqual(
            self.with_id("<handed@in.test>"), handed_in.mail_message_id
        )

    def test_what_the_mail_server_brings_is_nobodys_act(self):
        self.env["mail.thread"].message_process(
            "calendar.event",
            mail(sender=f"Anna <{ANNA}>", to="x@y.test", Message_ID=OLD).decode(),
            custom_values=LUNCH,
        )
        [post] = self.with_id(OLD)
        self.assertEqual(post.message_type, "email")
        handed_in = self.env["gmail.handed.in"].search([]).mail_message_id
        self.assertFalse(post & handed_in)

    def test_it_hides_nothing_that_a_mailbox_sent(self):
        known = "<sent@corp-example.test>"
        self.hand_in("calendar.event", {**LUNCH, "message_ids": [self.planted(known)]})
        values = {"sender": f"Anna <{ANNA}>", "to": CUSTOMER, "Message_ID": known}
        self.google.add_message(ANNA, mail(**values, body=SECRET), labels=["SENT"])
        self.settle(self.box(level="everything"))
        self.assertIn(SECRET, self.on_record())

    def test_the_defaults_of_an_alias_bring_no_post(self):
        manager = self.env.ref("sales_team.group_sale_manager")
        self.ben.group_ids = [Command.link(manager.id)]
        domains = self.env["mail.alias.domain"]
        domains.search([], limit=1) or domains.create({"name": "corp-example.test"})
        teams = self.env["crm.team"].with_user(self.ben)
        team = teams.create({"name": "T", "alias_name": "planted", "use_leads": True})
        *_command, planted = self.planted(model="crm.lead", partner_ids=[])
        values = {"name": "L", "team_id": team.id, "message_ids": [(0, 0, planted)]}
        team.alias_defaults = repr(values)
        self.env["mail.thread"].message_process(
            False,
            mail(
                sender=f"Anna <{ANNA}>",
                to=team.alias_id.alias_full_name,
                Message_ID="<go@in.test>",
            ).decode(),
        )
        lead = self.env["crm.lead"].browse(self.with_id("<go@in.test>").res_id)
        self.assertEqual((lead.name, lead.team_id.id), ("L", team.id))
        self.assertFalse(self.with_id(OLD))


@tagged("standard", "post_install", "-at_install")
class TestEntries(HandedInCase):
    def test_an_entry_is_not_changed_or_taken(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        body = post.body
        event = self.event()
        for number, command in enumerate(
            (
                Command.update(post.id, {"body": FORGED}),
                Command.update(post.id, {"author_id": self.anna.partner_id.id}),
                Command.update(post.id, {"model": event._name, "res_id": event.id}),
                Command.link(post.id),
                Command.delete(post.id),
            )
        ):
            found = self.hand_in(
                "calendar.event",
                {**LUNCH, "message_ids": [command]},
                Message_ID=f"<{number}@in.test>",
            )
            self.assertTrue(found)
            self.assertTrue(post.exists())
            self.assertEqual(
                (post.body, post.author_id, post.model, post.res_id),
                (body, self.carla, "res.partner", self.carla.id),
            )

    def test_an_entry_is_not_moved_from_where_the_user_cannot_read_it(self):
        post = self.hidden()
        self.assertEqual(post.model, "crm.lead")
        event = self.event()
        where = {"model": event._name, "res_id": event.id}
        self.hand_in(
            "res.partner",
            {"name": "X", "message_ids": [Command.update(post.id, where)]},
        )
        self.run_cron("file")
        self.assertEqual(post.model, "crm.lead")
        self.assertFalse(self.read_by_ben(event))

    def test_no_post_is_made_that_an_entry_gives_way_to(self):
        anna = self.genuine("everything", subject="Chairs")
        entry = self.shown(anna)
        self.hand_in(
            "res.partner",
            {
                "name": "X",
                "message_ids": [
                    self.planted(
                        MESSAGE_ID,
                        model="res.partner",
                        message_type="email",
                        email_from=CUSTOMER,
                        subject="Chairs",
                        date="2026-11-23 10:00:00",
                        body=f"<pre>{SECRET}</pre>",
                    )
                ],
            },
        )
        self.assertEqual(self.with_id(MESSAGE_ID) - entry, self.env["mail.message"])
        self.again(anna)
        self.assertTrue(entry.exists())

    def test_a_file_of_an_entry_is_not_taken(self):
        file = self.env["ir.attachment"].create({"name": "a.txt", "raw": b"mine"})
        values = {
            **LUNCH,
            "attachment_ids": [Command.update(file.id, {"raw": b"theirs"})],
            "alarm_ids": [Command.create({"name": "A", "alarm_type": "email"})],
        }
        left = self.env["gmail.linking"]._for_record("mail.scheduled.message", values)
        self.assertEqual(left, {k: v for k, v in values.items() if k[:2] != "at"})

    def test_commands_of_a_record_change_no_message(self):
        anna = self.genuine("everything")
        post = self.shown(anna)
        event = self.event()
        for commands in (
            [Command.update(post.id, {"body": FORGED})],
            [Command.link(post.id)],
            [self.planted()],
        ):
            for records in (
                event.with_user(self.ben),
                event.with_user(self.ben).sudo(),
            ):
                with self.assertRaises(AccessError):
                    records.write({"message_ids": commands})
            # The same by a user's own call.
            answer = self.rpc(
                "gmail_ben",
                "calendar.event",
                "write",
                event.ids,
                {"message_ids": commands},
            )
            planted = self.with_id(OLD)
            self.assertTrue("error" in answer or commands[0][0] == Command.CREATE)
            self.assertFalse(planted)
            self.assertNotIn(FORGED, post.body)
            self.assertEqual(post.model, "res.partner")


@tagged("standard", "post_install", "-at_install")
class TestCustomers(HandedInCase):
    """Portal users find no entry, whatever they may read."""

    def setUp(self):
        super().setUp()
        self.portal, _administrator = self._outsiders()
        company = self.env["res.partner"].create({"name": "C", "is_company": True})
        self.carla.parent_id = self.portal.partner_id.parent_id = company

    def test_they_read_no_entry(self):
        post = self.shown(self.genuine("everything"))
        self.assertTrue(self.carla.with_user(self.portal).has_access("read"))
        answer = self.rpc("gmail_portal", "mail.message", "read", post.ids, ["body"])
        self.assertNotIn(SECRET, str(answer))
        self.assertIn("error", answer)
        self.assertTrue(post.with_user(self.ben).has_access("read"))

    def test_they_search_no_entry(self):
        self.genuine("everything")
        for name, user, found in (
            ("message_ids.body", self.portal, False),
            ("message_ids.subject", self.portal, False),
            ("message_ids.body", self.ben, True),
        ):
            word = "Walnut" if name.endswith("body") else "chairs"
            partners = self.env["res.partner"].with_user(user)
            self.assertEqual(bool(partners.search([(name, "ilike", word)])), found)

    def test_they_read_no_entry_of_their_own_email(self):
        """It may lie on a record that they don't know of."""
        self.portal.partner_id.email = CARLA
        self.carla.email = False
        self.carla = self.portal.partner_id
        sales = self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.anna.group_ids = [Command.link(sales.id)]
        lead = self.env["crm.lead"].create({"name": "Secret", "type": "opportunity"})
        anna = self.genuine("everything")
        post = self.linked(anna, lead)
        self.assertEqual(post.author_id, self.portal.partner_id)
        for operation in ("read", "write", "unlink"):
            self.assertFalse(post.with_user(self.portal).has_access(operation))

    def test_they_read_what_odoo_posts_for_them(self):
        post = self.carla.message_post(
            body="Hello",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=self.portal.partner_id.ids,
        )
        mine = post.with_user(self.portal)
        self.assertTrue(mine.has_access("read"))
        self.assertEqual(mine.search([("id", "=", post.id)]), mine)

    def test_internal_users_pay_no_statement(self):
        post = self.shown(self.genuine("everything")).with_user(self.ben)
        partners = self.carla.with_user(self.ben)
        ran = []

        def execute(cursor, query, *args, **kwargs):
            ran.append(str(getattr(query, "code", query)))
            return original(cursor, query, *args, **kwargs)

        original = Cursor.execute
        with patch.object(Cursor, "execute", execute):
            post.read(["body"])
            post.search([("model", "=", "res.partner")])
            partners.search([("message_ids.body", "ilike", "W")])
            post.with_user(self.portal).search([("id", "=", post.id)])
        *internal, customers = ran
        self.assertGreater(len(internal), 3)
        self.assertFalse([query for query in internal if "gmail_entry" in query])
        self.assertIn("gmail_entry", customers)


@tagged("standard", "post_install", "-at_install")
class TestRecipients(HandedInCase):
    """Users make nobody the author or a recipient of what others posted."""

    def test_a_post_keeps_its_author_and_its_record(self):
        administrator = self._outsiders()[1]
        event, other = self.event(), self.event()
        event.partner_ids = administrator.partner_id
        for poster in (self.anna, self.ben, administrator):
            post = self.posted(event, poster)
            for user, values in (
                (self.ben, {"author_id": self.carla.id}),
                (administrator, {"author_id": self.carla.id}),
                (administrator, {"model": "res.partner", "res_id": self.carla.id}),
                (administrator, {"res_id": other.id}),
            ):
                self.assertTrue(event.with_user(user).has_access("write"))
                with self.assertRaises(AccessError):
                    post.with_user(user).write(values)
            self.assertEqual(post.author_id, poster.partner_id)
            self.assertEqual((post.model, post.res_id), (event._name, event.id))

    def test_others_posts_get_no_recipients(self):
        dora = self.env["res.partner"].create({"name": "Dora", "email": DORA})
        post = self.posted(self.event(), self.anna)
        for values in (
            {"partner_ids": [Command.link(dora.id)]},
            {"notified_partner_ids": [Command.link(dora.id)]},
            {"notification_ids": [Command.create({"res_partner_id": dora.id})]},
            {"outgoing_email_to": DORA},
            {"subtype_id": self.env.ref("mail.mt_note").id},
        ):
            with self.assertRaises(AccessError):
                post.with_user(self.ben).write(values)
        notifications = self.env["mail.notification"].with_user(self.ben)
        for values in ({"res_partner_id": dora.id}, {"mail_email_address": DORA}):
            with self.assertRaises(AccessError):
                notifications.create(
                    {
                        "mail_message_id": post.id,
                        "notification_type": "email",
                        **values,
                    }
                )
        self.assertFalse(dora & post.partner_ids)

    def test_a_notification_keeps_its_recipient(self):
        administrator = self._outsiders()[1]
        post = self.posted(self.event(), self.anna, partner_ids=self.ben.partner_id.ids)
        row = post.notification_ids.filtered(
            lambda n: n.res_partner_id == self.ben.partner_id
        )
        self.assertTrue(row)
        for user, values in (
            (self.ben, {"mail_email_address": DORA}),
            (administrator, {"res_partner_id": self.carla.id}),
        ):
            with self.assertRaises(AccessError):
                row.with_user(user).write(values)
        row.with_user(self.ben).write({"is_read": True})
        self.assertTrue(row.is_read)

    def test_users_change_the_mentions_of_their_own_posts(self):
        event = self.event()
        post = self.posted(event, self.ben)
        event.with_user(self.ben)._message_update_content(
            post.with_user(self.ben),
            body="Changed",
            partner_ids=self.anna.partner_id.ids,
        )
        self.assertIn("Changed", post.body)
        self.assertEqual(post.partner_ids, self.anna.partner_id)

    def test_odoo_moves_messages(self):
        target = self.env["res.partner"].create({"name": "Target"})
        post = self.post(self.carla)
        self.carla.with_user(self.ben).message_change_thread(target)
        self.assertEqual(post.res_id, target.id)


@tagged("standard", "post_install", "-at_install")
class TestFiles(HandedInCase):
    def test_files_of_entries_stay_when_the_job_has_another_user(self):
        cron = self.env.ref("gmail_oauth_mailbox.ir_cron_gmail_file")
        cron.user_id = self._outsiders()[1]
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
        file = self.linked(anna, self.event()).attachment_ids
        self.assertEqual(file.create_uid, cron.user_id)
        for values in ({"raw": b"IBAN 9999"}, {"name": "other.pdf"}):
            with self.assertRaises(AccessError):
                file.with_user(self.ben).write(values)
        self.assertEqual(file.raw, b"IBAN 1111")


@tagged("standard", "post_install", "-at_install")
class TestActs(OffersCase):
    """What the gateway does in an owner's name is no act of theirs."""

    def rule(self):
        rules = self.env["gmail.link.rule"].with_user(self.admin)
        model = self.env["ir.model"]._get_id("crm.lead")
        return rules.create({"name": "Ticket #{digits}", "model_id": model})

    def take_in(self, model, values, user=None, **headers):
        """Have the gateway take in an email in Anna's name; return its record."""
        headers = {
            "sender": f"Anna <{ANNA}>",
            "to": "x@y.test",
            "Message_ID": "<handed@in.test>",
            **headers,
        }
        threads = self.env["mail.thread"]
        if user:
            threads = threads.with_user(user)
        found = threads.message_process(
            model, mail(**headers).decode(), custom_values=values
        )
        self.env.flush_all()
        self.env.invalidate_all()
        return self.env[model].browse(found)

    def acts(self, record):
        acts = self.env["gmail.act"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id)]
        )
        return [act.user_id.login for act in acts]

    def shows(self, record, word=SECRET):
        return word in str(record.message_ids.mapped("body"))

    def long_past(self):
        self.env.flush_all()
        self.env.cr.execute("UPDATE gmail_act SET at = '2020-01-01'")
        self.env.cr.execute("UPDATE mail_message SET create_date = '2020-01-01'")
        self.env.invalidate_all()

    def test_a_record_is_made_by_whoever_handed_the_email_in(self):
        self.rule()
        dora = self.dora(email=DORA)
        self.long_ago()
        box = self.choose("everything")
        for number, (user, login) in enumerate(
            ((self.ben, "gmail_ben"), (None, False))
        ):
            lead = self.take_in(
                "crm.lead",
                {
                    "name": f"Ticket #4{number}",
                    "type": "opportunity",
                    "user_id": self.anna.id,
                    "message_partner_ids": [Command.link(dora.id)],
                },
                user,
                Message_ID=f"<{number}@in.test>",
            )
            self.assertEqual(self.acts(lead), [login])
            self.assertIn(dora, lead.message_partner_ids)
            self.mail(box, subject=f"Ticket #4{number}", body=SECRET)
            self.assertFalse(self.shows(lead))
        rule = self.env["gmail.link.rule"].search([], limit=1, order="id desc")
        self.assertEqual(
            set(self.offers(box).mapped("way")),
            {f"rule:{rule.id}:{self.ben.id}", f"rule:{rule.id}:0"},
        )

    def test_an_email_brings_no_followers_of_its_own_choice(self):
        self.rule()
        dora = self.dora(email=DORA)
        self.long_ago()
        box = self.choose("everything")
        lead = self.take_in(
            "crm.lead",
            {
                "name": "Ticket #42",
                "type": "opportunity",
                "message_follower_ids": [
                    Command.create({"res_model": "crm.lead", "partner_id": partner.id})
                    for partner in (dora, self.anna.partner_id)
                ],
            },
            self.ben,
        )
        self.assertFalse(dora & lead.message_partner_ids)
        self.mail(box, subject="Ticket #42", body=SECRET)
        self.assertFalse(self.shows(lead))

    def test_a_contact_is_made_by_whoever_handed_the_email_in(self):
        box = self.choose("everything")
        for number, user in enumerate((self.ben, None)):
            address = f"dora{number}@dora-example.test"
            linking = self.env["gmail.linking"].with_user(user or SUPERUSER_ID)
            contacts = self.env["res.partner"].with_user(self.anna).sudo()
            contacts = linking._take_in(contacts)
            dora = contacts.create({"name": "Dora", "email": address}).sudo(False)
            self.assertEqual(dora.create_uid, self.anna)
            self.mail(box, sender=address, body=SECRET)
            self.assertFalse(self.shows(dora))

    def test_a_post_of_the_gateways_is_not_an_owners(self):
        """An answer to what they wrote is shown whatever they chose."""
        lead = self.env["crm.lead"].create({"name": "L", "type": "opportunity"})
        lead.message_subscribe(self.dora(email=DORA).ids)
        linking = self.env["gmail.linking"].with_user(self.ben)
        post = linking._take_in(lead.with_user(self.anna).sudo())
        post = post.message_post(
            body="x", message_type="comment", subtype_xmlid="mail.mt_comment"
        )
        self.assertEqual(post.create_uid, self.anna)
        box = self.choose("nobody")
        self.mail(box, References=post.message_id, body=SECRET)
        self.assertFalse(self.shows(lead))

    def test_an_old_post_gets_no_recipient_without_a_question(self):
        self.rule()
        dora = self.dora(email=DORA)
        self.long_ago()
        lead = self.env["crm.lead"].create(
            {"name": "Ticket #42", "type": "opportunity", "user_id": self.ben.id}
        )
        old = lead.with_user(self.ben).message_post(
            body="x", message_type="comment", subtype_xmlid="mail.mt_comment"
        )
        self.long_past()
        box = self.choose("everything")
        self.env["mail.notification"].with_user(self.ben).create(
            {
                "mail_message_id": old.id,
                "res_partner_id": dora.id,
                "notification_type": "inbox",
            }
        )
        self.mail(box, subject="Ticket #42", body=SECRET)
        self.assertFalse(self.shows(lead))
        self.assertTrue(self.offers(box))

    def test_posts_that_move_bring_nobody_without_a_question(self):
        self.rule()
        dora = self.dora(email=DORA)
        self.long_ago()
        leads = self.env["crm.lead"].create(
            [{"name": name, "type": "opportunity"} for name in ("Other", "Ticket #42")]
        )
        leads[0].message_post(body="x", author_id=dora.id, message_type="comment")
        self.long_past()
        box = self.choose("everything")
        leads[0].with_user(self.ben).message_change_thread(leads[1])
        self.mail(box, subject="Ticket #42", body=SECRET)
        self.assertFalse(self.shows(leads[1]))
        self.assertTrue(self.offers(box))

    def test_acts_and_posts_of_deleted_users_are_of_unknown_ones(self):
        self.rule()
        dora = self.dora(email=DORA)
        self.long_ago()
        groups = "base.group_user,sales_team.group_sale_salesman_all_leads"
        users = [
            self._user(f"gmail_{n}", "Temp", f"temp{n}@corp-example.test", groups)
            for n in range(2)
        ]
        old = self.env["crm.lead"].create({"name": "Ticket #41", "type": "opportunity"})
        self.long_past()
        box = self.choose("everything")
        leads = self.env["crm.lead"].with_user(users[0]).sudo()
        new = leads.create(
            {"name": "Ticket #42", "type": "opportunity", "partner_id": dora.id}
        )
        new.with_user(users[1]).write({"name": "Ticket #42 "})
        new.with_user(users[1]).write({"name": "Ticket #42"})
        old.with_user(users[0]).message_post(
            body="x", message_type="comment", partner_ids=dora.ids
        )
        self.env.flush_all()
        for user in users:
            user.with_user(self.admin).unlink()
        self.assertFalse(any(user.exists() for user in users))
        # A transaction's clock stands still in a test.
        self.env.cr.execute(
            "UPDATE mail_message SET create_date = clock_timestamp() AT TIME ZONE 'UTC'"
            " WHERE create_date > '2021-01-01'"
        )
        self.env.invalidate_all()
        self.mail(box, subject="Ticket #41", body=SECRET)
        self.mail(box, subject="Ticket #42", body=SECRET)
        self.assertFalse(self.shows(old))
        self.assertFalse(self.shows(new.sudo()))
        self.assertTrue(self.offers(box))
        # A later act of nobody's still counts, and there is one row for it.
        linking = self.env["gmail.linking"]
        taken_in = linking._take_in(linking)
        before = self.acts(old)
        self.assertNotIn(False, before)
        for _twice in range(2):
            taken_in._note_changed(old)
        self.assertEqual(self.acts(old), [*before, False])
