"""Organisations of Google's contacts: companies in Odoo, or only a name."""

from odoo.tests import tagged

from .common import ANNA, BEN
from .test_contacts import FIRM, ContactsCase, person

STREET = {"streetAddress": "Long Street 1", "city": "Berlin", "countryCode": "DE"}


def at(company, name, email, **more):
    """Return a Person who works for an organisation."""
    return person(name, email, organizations=[{"name": company}], **more)


@tagged("standard", "post_install", "-at_install")
class TestContactCompanies(ContactsCase):
    def test_people_of_one_organisation(self):
        self.add(
            at("Acme Ltd", "Dan Low", f"dan@{FIRM}", addresses=[STREET]),
            at("ACME  Ltd", "Eva May", f"eva@{FIRM}"),
        )
        self.imported()
        dan, eva = self.partners(f"dan@{FIRM}"), self.partners(f"eva@{FIRM}")
        acme = dan.parent_id
        self.assertEqual(eva.parent_id, acme)
        self.assertTrue(acme.is_company)
        self.assertEqual((acme.name, acme.company_id), ("Acme Ltd", dan.company_id))
        # A company's people have its address.
        self.assertEqual((acme.street, acme.country_id.code), ("Long Street 1", "DE"))
        self.assertEqual((dan.street, eva.city), ("Long Street 1", "Berlin"))
        self.assertFalse(dan.company_name)
        # Undone, nothing of it is left.
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertFalse((acme | dan | eva).exists())

    def test_who_becomes_no_company(self):
        self.env["ir.config_parameter"].sudo().set_param(
            "gmail_oauth_mailbox.own_domains", "own-example.test"
        )
        self.add(
            at("Freemail Org", "Dan Low", "dan.low.1@gmail.com"),
            at("Desk Org", "Desk", f"info@{FIRM}"),
            at("Own Org", "Eva May", "eva@own-example.test"),
            at("Nameless Org", "", f"someone@{FIRM}"),
            at("Self Org", "self org", f"self@{FIRM}"),
            person("Tom", phone="+353 85 555 0199", organizations=[{"name": "Tom"}]),
        )
        before = self.env["res.partner"].search_count([("is_company", "=", True)])
        self.imported()
        after = self.env["res.partner"].search_count([("is_company", "=", True)])
        self.assertEqual(after, before)
        made = self.box.contact_ids.partner_id
        self.assertEqual(len(made), 6)
        self.assertFalse(made.parent_id)
        self.assertEqual(
            self.partners("dan.low.1@gmail.com").company_name, "Freemail Org"
        )

    def test_the_company_that_there_is(self):
        acme = self.env["res.partner"].create(
            {"name": "Acme Ltd", "is_company": True, "city": "Paris"}
        )
        self.add(at("acme ltd", "Dan Low", f"dan@{FIRM}", addresses=[STREET]))
        self.imported()
        dan = self.partners(f"dan@{FIRM}")
        self.assertEqual(dan.parent_id, acme)
        # Odoo's value wins.
        self.assertEqual(
            (acme.name, acme.city, acme.street), ("Acme Ltd", "Paris", False)
        )
        self.assertEqual(dan.city, "Paris")

    def test_two_companies_of_one_name(self):
        self.env["res.partner"].create(
            [{"name": "Acme", "is_company": True} for _time in range(2)]
        )
        self.add(at("Acme", "Dan Low", f"dan@{FIRM}"))
        self.imported()
        dan = self.partners(f"dan@{FIRM}")
        self.assertEqual((dan.parent_id.id, dan.company_name), (False, "Acme"))

    def test_an_archived_company_does_not_come_again(self):
        self.env["res.partner"].create(
            {"name": "Acme", "is_company": True, "active": False}
        )
        self.add(at("Acme", "Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.assertFalse(self.partners(f"dan@{FIRM}").parent_id)

    def test_the_company_of_another_company_is_not_known(self):
        other = self.env["res.company"].sudo().create({"name": "Other"})
        hidden = self.env["res.partner"].create(
            {"name": "Acme", "is_company": True, "company_id": other.id}
        )
        own = self.env.company.partner_id.name
        self.add(
            at("Acme", "Dan Low", f"dan@{FIRM}"), at(own, "Eva May", f"eva@{FIRM}")
        )
        self.imported()
        acme = self.partners(f"dan@{FIRM}").parent_id
        self.assertNotEqual(acme, hidden)
        self.assertEqual(acme.company_id, self.box.company_id)
        # Nor is anybody under the company that keeps these books.
        parent = self.partners(f"eva@{FIRM}").parent_id
        self.assertNotEqual(parent, self.env.company.partner_id)

    def test_who_was_in_odoo_stays_where_she_was(self):
        dan = self.env["res.partner"].create(
            {"name": "Dan Low", "email": f"dan@{FIRM}", "city": "Rome"}
        )
        self.add(at("Acme", "Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.assertEqual((dan.parent_id.id, dan.company_name), (False, "Acme"))
        self.assertEqual(dan.city, "Rome")
        self.assertFalse(self.env["res.partner"].search([("name", "=", "Acme")]))

    def test_somebody_changes_her_job(self):
        [dan, _eva] = self.add(
            at("Acme", "Dan Low", f"dan@{FIRM}", addresses=[STREET]),
            at("Acme", "Eva May", f"eva@{FIRM}"),
        )
        self.imported()
        partner, eva = self.partners(f"dan@{FIRM}"), self.partners(f"eva@{FIRM}")
        acme = partner.parent_id
        change = {"organizations": [{"name": "Beta"}], "addresses": None}
        self.google.contacts(ANNA, change={dan: change})
        self.sync_contacts()
        beta = partner.parent_id
        self.assertEqual(beta.name, "Beta")
        self.assertFalse(partner.city or beta.city)
        # Nobody at Acme has the address in Google any more.
        self.assertEqual((eva.parent_id, acme.city), (acme, False))
        self.google.contacts(
            ANNA, change={dan: {"organizations": None, "addresses": [STREET]}}
        )
        self.sync_contacts()
        self.assertEqual((partner.parent_id.id, partner.city), (False, "Berlin"))
        self.assertFalse(beta.exists())
        # Somebody put her where she belongs: it is Odoo's now.
        partner.parent_id = acme
        self.google.contacts(ANNA, change={dan: {"organizations": [{"name": "Beta"}]}})
        self.sync_contacts()
        self.assertEqual(partner.parent_id, acme)

    def test_undo_keeps_what_somebody_used(self):
        self.add(
            at("Acme", "Dan Low", f"dan@{FIRM}"),
            at("Beta", "Eva May", f"eva@{FIRM}"),
            at("Gamma", "Ed", f"ed@{FIRM}", addresses=[STREET]),
            at("Gamma", "Ella", f"ella@{FIRM}"),
        )
        self.imported()
        dan, eva = self.partners(f"dan@{FIRM}"), self.partners(f"eva@{FIRM}")
        ed, ella = self.partners(f"ed@{FIRM}"), self.partners(f"ella@{FIRM}")
        acme, beta, gamma = dan.parent_id, eva.parent_id, ed.parent_id
        dan.with_user(self.ben).message_post(body="Called him.", message_type="comment")
        beta.with_user(self.ben).message_post(body="Good.", message_type="comment")
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertTrue((dan | acme | beta) <= (dan | acme | beta).exists())
        self.assertFalse((eva | ed | ella | gamma).exists())

    def test_two_mailboxes_one_company(self):
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(at("ACME", "Dan Low", f"dan@{FIRM}"), account=BEN)
        self.imported(other)
        acme = self.partners(f"dan@{FIRM}").parent_id
        self.assertEqual(acme.name, "ACME")
        self.add(at("Acme", "Eva May", f"eva@{FIRM}"))
        self.imported()
        self.assertEqual(self.partners(f"eva@{FIRM}").parent_id, acme)
        # That of the mailbox that was connected first counts.
        self.assertEqual(acme.name, "Acme")
        # A contact that the owner says is the company makes it Odoo's.
        self.add(
            person("Acme Head Office", "head@acme-example.test", phone="123456789")
        )
        self.sync_contacts()
        head = self.contact("Acme Head Office")
        head.with_user(self.anna).action_link(acme.id)
        self.assertEqual((acme.name, acme.phone), ("Acme", "123456789"))
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertEqual((acme.name, acme.phone), ("Acme", False))
        self.assertEqual(self.partners(f"dan@{FIRM}").parent_id, acme)

    def test_no_company_is_made_of_a_policy_that_makes_none(self):
        [dan] = self.add(at("Acme", "Dan Low", f"dan@{FIRM}"))
        self.imported(policy="never")
        self.contact("Dan Low").with_user(self.anna).action_create()
        partner = self.partners(f"dan@{FIRM}")
        self.assertEqual((partner.parent_id.id, partner.company_name), (False, "Acme"))
        self.assertTrue(dan)

    def test_who_has_papers_stays_where_she_is(self):
        [eva, tom] = self.add(
            person("Eva May", f"eva@{FIRM}"), person("Tom", f"tom@{FIRM}")
        )
        self.imported()
        beta = self.env["res.partner"].create({"name": "Beta", "is_company": True})
        partner, other = self.partners(f"eva@{FIRM}"), self.partners(f"tom@{FIRM}")
        # A tax number would become the company's; documents are for whom they are for.
        partner.vat = "BE0477472701"
        self.env["res.partner.bank"].create({"acc_number": "1", "partner_id": other.id})
        works = {"organizations": [{"name": "Beta", "title": "Buyer"}]}
        self.google.contacts(ANNA, change={eva: works, tom: works})
        self.sync_contacts()
        self.assertFalse((partner | other).parent_id)
        self.assertFalse(beta.vat)
        self.assertEqual((partner | other).mapped("function"), ["Buyer", "Buyer"])
