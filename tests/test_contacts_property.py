"""Whatever the order in which mailboxes are read, the same contacts are there."""

import os
import random

from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib.types import (
    ContactPage,
    ParsedContact,
    Phone,
    PostalAddress,
)

from .common import ANNA, BEN, PRIVATE
from .test_contacts import ContactsCase

SEEDS = int(os.environ.get("GMAIL_OAUTH_MAILBOX_SEEDS", 60))
ORDERS = 4
FIRM = "orders-example.test"
NAMES = ("Ada", "Bo", "Cy", "Dee", "ada", "")
ADDRESSES = [f"{letter}@{FIRM}" for letter in "abcdef"] + [f"info@{FIRM}"]
ADDRESSES.append("orders.example.1@gmail.com")
PHONES = ("+49 30 1111111", "030/1111111", "+49 30 2222222", "123")
# Which of several completed a contact first is no matter.
KINDS = {"update": "match", **{n: n for n in ("conflict", "create", "match", "skip")}}
COMPANIES = ("", "", "Acme", "ACME", "Beta", "Ada")
CITIES = ("", "", "Rome", "Oslo")
TITLES = ("", "Buyer", "Seller")


def made_up(rnd, number):
    """Return a contact of Google; some lack everything."""
    emails = rnd.sample(ADDRESSES, rnd.choice((0, 1, 1, 1, 2, 3)))
    phones = rnd.sample(PHONES, rnd.choice((0, 0, 1, 2)))
    city = rnd.choice(CITIES)
    return ParsedContact(
        f"people/c{number}",
        etag=f"{number}",
        name=rnd.choice(NAMES),
        emails=tuple(emails),
        phones=tuple(Phone(phone) for phone in phones),
        title=rnd.choice(TITLES),
        company=rnd.choice(COMPANIES),
        address=city and PostalAddress(city=city) or None,
    )


@tagged("standard", "post_install", "-at_install")
class TestAnyOrder(ContactsCase):
    def setUp(self):
        super().setUp()
        self.boxes = [self.box, self.connect(self.anna, PRIVATE)]
        self.boxes.append(self.connect(self.ben, BEN))
        for box in self.boxes:
            box.write({"contact_policy": "all", "contact_state": "active"})

    def take(self, box, *contacts):
        page = ContactPage(contacts, next_sync_token="t")
        self.env["gmail.contacts"]._take_page(box, page)

    def outcome(self, before):
        """Return the contacts that there are, and what became of Google's."""
        self.env.invalidate_all()
        partners = self.env["res.partner"].search([("id", "not in", before)])
        # Nobody is there twice.
        same = partners.grouped(lambda p: (p.name, p.email, not p.email and p.phone))
        made = self.env["gmail.contact.origin"].search([("created_key", "!=", False)])
        for twins in same.values():
            self.assertLessEqual(len(twins & made.partner_id), 1, twins.mapped("name"))
        found = [
            (
                *(p.name or "", p.email or "", p.phone or "", p.function or ""),
                *(p.parent_id.name or "", p.company_name or "", p.city or ""),
                *(p.is_company, p.gmail_is_private, sorted(p.gmail_owner_ids.ids)),
            )
            for p in partners
        ]
        contacts = self.env["gmail.contact"].search([])
        rows = [
            (c.mailbox_id.id, c.resource_name, KINDS[c.outcome], c.partner_id.name)
            for c in contacts
        ]
        return sorted(found), sorted(rows)

    def test_any_order_with_contacts_that_owners_keep(self):
        self.env["ir.config_parameter"].sudo().set_param(
            "gmail_oauth_mailbox.contact_visibility", "owner"
        )
        self.compare(1000)

    def test_any_order(self):
        self.compare(0)

    def compare(self, start):
        before = self.env["res.partner"].search([]).ids
        kinds = set()
        for seed in range(start, start + SEEDS):
            rnd = random.Random(seed)
            natives = [
                {
                    "name": rnd.choice(NAMES) or "Native",
                    "email": rnd.choice((False, *ADDRESSES)),
                    "phone": rnd.choice((False, *PHONES)),
                }
                for _number in range(rnd.choice((0, 1, 2)))
            ]
            if rnd.random() < 0.3:
                natives.append({"name": rnd.choice(COMPANIES[2:]), "is_company": True})
            people = [
                (rnd.choice(self.boxes), made_up(rnd, number))
                for number in range(rnd.randint(2, 8))
            ]
            ends = []
            for _order in range(ORDERS):
                rnd.shuffle(people)
                with self.env.cr.savepoint() as savepoint:
                    self.env["res.partner"].create(natives)
                    for box, contact in people:
                        self.take(box, contact)
                    ends.append(self.outcome(before))
                    savepoint.rollback()
                self.env.invalidate_all()
            for end in ends[1:]:
                self.assertEqual(end, ends[0], f"seed {seed}: {natives} {people}")
            kinds.update(row[2] for row in ends[0][1])
            kinds.update("company" for row in ends[0][0] if row[4])
        # It has met all that can become of one.
        self.assertLessEqual({"conflict", "create", "match", "skip", "company"}, kinds)
        self.assertEqual(ANNA, self.box.email)
