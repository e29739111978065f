"""The Emails button of documents, and who waits for our answer."""

from datetime import datetime

from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tests import tagged

from .common import ANNA, BEN, mail
from .test_linking import CARLA, PASS, LinkingCase


@tagged("standard", "post_install", "-at_install")
class TestEmails(LinkingCase):
    def setUp(self):
        super().setUp()
        self.portal = self._user(
            "gmail_portal",
            "Portal",
            "portal@customer-example.test",
            "base.group_portal",
        )
        self.admin = self._user(
            "gmail_admin",
            "Administrator",
            "admin@corp-example.test",
            "base.group_user,base.group_system",
        )

    def count(self, user, record=None):
        record = (record or self.carla).with_user(user)
        record.invalidate_recordset(["gmail_email_count"])
        return record.gmail_email_count

    def page(self, user, record=None, before=None):
        record = record or self.carla
        threads = self.env["gmail.thread"].with_user(user)
        return threads.panel_emails(record._name, record.id, before)

    def test_own_mail_is_counted_for_its_owner_alone(self):
        self.receive()
        self.settle(self.box())
        self.assertEqual(self.count(self.anna), 1)
        [email] = self.page(self.anna)["emails"]
        self.assertFalse(email["is_shared"])
        self.assertEqual(email["people"], "Carla Roth")
        self.assertTrue(email["thread_id"])
        for user in (self.ben, self.admin):
            self.assertEqual(self.count(user), 0)
            self.assertEqual(self.page(user)["emails"], [])
        self.assertEqual(
            self.env["gmail.emails"].with_user(self.portal)._counts(self.carla), {}
        )
        with self.assertRaises(AccessError):
            self.page(self.portal)

    def test_shared_mail_is_counted_once_for_everybody(self):
        self.receive(ANNA, BEN, to=f"{ANNA}, {BEN}", body="The secret is blue")
        anna = self.box(level="subject")
        ben = self.box(self.ben, BEN, "everything")
        self.settle(anna, ben)
        for user in (self.anna, self.ben, self.admin):
            self.assertEqual(self.count(user), 1)
            [email] = self.page(user)["emails"]
            self.assertTrue(email["is_shared"])
            # As it stands in the document, to its owner too.
            self.assertNotIn("secret", str(email))
        self.assertFalse(self.page(self.admin)["emails"][0]["thread_id"])
        thread = self.page(self.ben)["emails"][0]["thread_id"]
        self.assertEqual(thread, self.thread(ben).id)

    def test_a_document_that_one_may_not_read(self):
        self.receive()
        self.settle(self.box(level="everything"))
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.carla.company_id = company
        for user in (self.ben, self.anna):
            with self.assertRaises(AccessError):
                self.page(user)
        with self.assertRaises(AccessError):
            self.page(self.anna, self.env["ir.cron"].search([], limit=1))

    def test_a_company_shows_the_mail_of_its_people(self):
        firm = self.env["res.partner"].create({"name": "Roth", "is_company": True})
        self.carla.parent_id = firm
        self.receive()
        box = self.box(level="everything")
        self.settle(box)
        self.receive(
            sender="x@else.test", Message_ID="<own@x.test>", Authentication_Results=""
        )
        self.sync(box)
        self.assertEqual(self.count(self.ben, firm), 1)
        self.assertEqual(self.count(self.anna, firm), 1)
        # Not those of her whom the reader may not see.
        self.carla.sudo().write({"company_id": False})
        self.env["ir.rule"].create(
            {
                "name": "No Carla",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "domain_force": f"[('id', '!=', {self.carla.id})]",
                "groups": [(4, self.env.ref("base.group_user").id)],
            }
        )
        self.assertEqual(self.count(self.ben, firm), 0)
        self.assertEqual(self.page(self.ben, firm)["emails"], [])

    def test_pages(self):
        for number in range(45):
            self.receive(
                subject=f"No {number}",
                Message_ID=f"<{number}@x.test>",
                date=f"Mon, 23 Nov 2026 10:{number // 2:02}:00 +0000",
            )
        box = self.box(level="everything")
        self.settle(box)
        found, before = [], None
        while before is not False:
            page = self.page(self.ben, before=before)
            found += [email["subject"] for email in page["emails"]]
            before = page["before"]
        self.assertEqual(len(found), 45)
        self.assertEqual(len(set(found)), 45)
        self.assertEqual(found[0], "No 44")
        self.assertEqual(self.count(self.ben), 45)

    def test_linked_by_hand(self):
        self.receive()
        box = self.box()
        self.settle(box)
        other = self.env["res.partner"].create({"name": "Project X"})
        thread = self.thread(box).with_user(self.anna)
        thread.panel_link("res.partner", other.id)
        self.assertEqual(self.count(self.anna, other), 1)
        self.assertEqual(self.count(self.ben, other), 0)
        thread.panel_unlink("res.partner", other.id)
        self.assertEqual(self.count(self.anna, other), 0)

    def test_every_document_has_the_button(self):
        for model in ("res.partner", "crm.lead", "mail.blacklist"):
            if model not in self.env:
                continue
            arch = self.env[model].sudo().get_view(view_type="form")
            self.assertEqual(arch["arch"].count("action_gmail_emails"), 1, model)
        action = self.carla.with_user(self.ben).action_gmail_emails()
        self.assertEqual(action["params"]["res_id"], self.carla.id)

    def test_the_count_costs_little(self):
        self.receive()
        self.settle(self.box(level="everything"))
        self.count(self.ben)
        with self.assertQueryCount(4):
            self.count(self.ben)


@tagged("standard", "post_install", "-at_install")
class TestAwaiting(LinkingCase):
    """When mail last came and went: fields, filters, groups, and the manager's list."""

    def setUp(self):
        super().setUp()
        self.dora = self.env["res.partner"].create(
            {"name": "Dora", "email": "dora@customer-example.test"}
        )
        self.idle = self.env["res.partner"].create({"name": "Idle"})
        self.receive(date="Mon, 02 Nov 2026 10:00:00 +0000")
        self.receive(
            sender="dora@customer-example.test",
            Message_ID="<dora@x.test>",
            date="Tue, 10 Nov 2026 10:00:00 +0000",
        )
        self.people = self.carla | self.dora | self.idle
        self.mailbox = self.box(level="metadata")
        self.settle(self.mailbox)
        self.domain = Domain("id", "in", self.people.ids)

    def waiting(self, user=None):
        partners = self.env["res.partner"].with_user(user or self.ben)
        return partners.search(
            self.domain & Domain("gmail_awaiting_since", "!=", False),
            order="gmail_awaiting_since",
        )

    def test_fields(self):
        for partner, received in (
            (self.carla, datetime(2026, 11, 2, 10)),
            (self.dora, datetime(2026, 11, 10, 10)),
            (self.idle, False),
        ):
            partner = partner.with_user(self.ben)
            self.assertEqual(partner.gmail_last_received, received)
            self.assertEqual(partner.gmail_awaiting_since, received)
            self.assertFalse(partner.gmail_last_sent)

    def test_who_waits(self):
        self.assertEqual(self.waiting(), self.carla | self.dora)
        self.assertEqual(self.waiting().ids, [self.carla.id, self.dora.id])
        self.google.add_message(
            ANNA,
            mail(
                sender=ANNA,
                to=CARLA,
                Message_ID="<answer@corp-example.test>",
                date="Wed, 11 Nov 2026 10:00:00 +0000",
            ),
            labels=["SENT"],
        )
        self.settle(self.mailbox)
        self.assertEqual(self.waiting(), self.dora)
        carla = self.carla.with_user(self.ben)
        self.assertEqual(carla.gmail_last_sent, datetime(2026, 11, 11, 10))
        # She writes again, on two days.
        for day in (12, 13):
            self.receive(
                Message_ID=f"<{day}@x.test>", date=f"{day} Nov 2026 10:00:00 +0000"
            )
        self.settle(self.mailbox)
        self.assertEqual(carla.gmail_awaiting_since, datetime(2026, 11, 12, 10))
        self.assertEqual(carla.gmail_last_received, datetime(2026, 11, 13, 10))

    def test_private_mail_says_nothing(self):
        for thread in self.thread(self.mailbox).with_user(self.anna):
            thread.panel_share("nobody")
        self.run_cron("file")
        self.assertFalse(self.waiting())
        self.assertFalse(self.waiting(self.anna))

    def test_filters_and_sorting(self):
        partners = self.env["res.partner"].with_user(self.ben)
        for condition, wanted in (
            (("gmail_awaiting_since", ">=", "2026-11-05"), self.dora),
            (("gmail_awaiting_since", "<", "2026-11-05 00:00:00"), self.carla),
            (("gmail_awaiting_since", "=", False), self.idle),
            (("gmail_last_received", "!=", False), self.carla | self.dora),
            (("gmail_last_sent", "!=", False), partners),
        ):
            found = partners.search(self.domain & Domain(*condition))
            self.assertEqual(found, wanted, condition)
        found = partners.search(
            self.domain, order="gmail_last_received desc nulls last"
        )
        self.assertEqual(found.ids, [self.dora.id, self.carla.id, self.idle.id])

    def test_groups(self):
        partners = self.env["res.partner"].with_user(self.ben)
        groups = partners.formatted_read_group(
            self.domain, ["gmail_awaiting_since:week"], ["__count"]
        )
        self.assertEqual([group["__count"] for group in groups], [1, 1, 1])
        for group in groups:
            domain = Domain(group["__extra_domain"]) & self.domain
            self.assertEqual(partners.search_count(domain), 1)
        described = partners.fields_get(["gmail_awaiting_since"])
        facts = described["gmail_awaiting_since"]
        self.assertTrue(facts["searchable"] and facts["sortable"])
        self.assertTrue(facts["groupable"])

    def test_lists_offer_it(self):
        for model in ("res.partner", "crm.lead"):
            if model not in self.env:
                continue
            documents = self.env[model].with_user(self.anna).sudo()
            search = documents.get_view(view_type="search")["arch"]
            self.assertIn("gmail_awaiting_since:week", search)
            self.assertIn('name="gmail_awaiting"', search)
            listed = documents.get_view(view_type="list")["arch"]
            self.assertEqual(listed.count('name="gmail_awaiting_since"'), 1)

    def test_the_managers_list(self):
        action = self.env.ref("gmail_oauth_mailbox.res_partner_action_awaiting")
        partners = self.env["res.partner"].with_user(self.ben)
        view = self.env.ref("gmail_oauth_mailbox.res_partner_view_list_awaiting")
        arch = partners.get_view(view.id, "list")["arch"]
        self.assertIn("gmail_awaiting_since", arch)
        found = partners.web_search_read(
            self.domain & Domain([("gmail_awaiting_since", "!=", False)]),
            {"display_name": {}, "gmail_awaiting_since": {}},
            order="gmail_awaiting_since",
        )
        self.assertEqual(
            [row["id"] for row in found["records"]], [self.carla.id, self.dora.id]
        )
        self.assertIn("gmail_awaiting_since", action.domain)

    def test_eighty_contacts_cost_one_query(self):
        many = self.env["res.partner"].create([{"name": f"P {n}"} for n in range(80)])
        many = (many | self.people).with_user(self.ben)
        many.mapped("name")
        self.env.invalidate_all()
        many.mapped("name")
        # The reader's groups are known.
        self.assertFalse(self.anna.partner_id.with_user(self.ben).gmail_last_sent)
        with self.assertQueryCount(1):
            many.mapped("gmail_awaiting_since")
            many.mapped("gmail_last_sent")

    def test_the_portal_sees_none_of_it(self):
        portal = self._user(
            "gmail_p", "P", "p@customer-example.test", "base.group_portal"
        )
        with self.assertRaises(AccessError):
            portal.partner_id.with_user(portal).read(["gmail_awaiting_since"])
        self.assertEqual(PASS.count("dmarc=pass"), 1)
