"""One address in several spellings is one: linked, counted, excluded, answered once."""

import importlib.util
import pathlib
import unicodedata

from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.gmail_oauth_mailbox.lib.mime.addresses import address_key
from odoo.addons.gmail_oauth_mailbox.services.partner_keys import (
    key_sql,
    matching,
    partner_ids,
    with_domain,
)

from .common import ANNA, mail
from .test_contacts import ContactsCase, person
from .test_linking import LinkingCase

ADDON = pathlib.Path(__file__).resolve().parent.parent / "gmail_oauth_mailbox"
PASS = "mx.google.com; dmarc=pass (p=NONE) header.from={}"
# (as the contact has it, as the email has it)
SPELLINGS = [
    ("info@bücher.example.com", "info@xn--bcher-kva.example.com"),
    ("info@xn--bcher-kva.example.com", "info@bücher.example.com"),
    ("Info@BÜCHER.example.com", "info@xn--bcher-kva.example.com"),
    ("jane.roe@gmail.com", "janeroe@googlemail.com"),
    ("janeroe@googlemail.com", "jane.roe@gmail.com"),
    ("mailto:jane@customer.example.com", "jane@customer.example.com"),
    ("jane@customer.example.com\u200b", "jane@customer.example.com"),
    ('"Jane" <jane@customer.example.com>', "Jane@Customer.example.com."),
]


def script(name):
    """Return a migration script of this version as a module."""
    path = ADDON / "migrations" / "19.0.1.2.0" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OneAddressCase(LinkingCase):
    def hear_from(self, address, **values):
        """Let a message arrive that Gmail vouches for."""
        self.count = getattr(self, "count", 0) + 1
        values.setdefault("Message_ID", f"<{self.count}@sender.test>")
        domain = address_key(address, gmail=False).rpartition("@")[2]
        values["Authentication_Results"] = PASS.format(domain)
        raw = mail(sender="sender@placeholder.test", **values)
        # As a server with SMTPUTF8 sends it.
        raw = raw.replace(b"sender@placeholder.test", address.encode())
        self.google.add_message(ANNA, raw)


@tagged("standard", "post_install", "-at_install")
class TestSpellings(OneAddressCase):
    def test_a_contact_is_recognised(self):
        box = self.box()
        for known, written in SPELLINGS:
            with self.subTest(known=known, written=written):
                partner = self.env["res.partner"].create({"name": "X", "email": known})
                self.hear_from(written)
                self.settle(box)
                message = self.env["gmail.message"].search(
                    [("mailbox_id", "=", box.id)], order="id desc", limit=1
                )
                sender = message.participant_ids.filtered(lambda p: p.role == "from")
                self.assertEqual(sender.partner_id, partner)
                link = message.thread_id.link_ids
                self.assertEqual(
                    (link.res_model, link.res_id), ("res.partner", partner.id)
                )
                card = message.thread_id.with_user(self.anna).panel_card(sender.address)
                self.assertEqual(card["contact"]["id"], partner.id)
                partner.active = False

    def test_all_spellings_are_counted(self):
        box = self.box()
        for address in ("jane.roe@gmail.com", "janeroe@googlemail.com"):
            self.hear_from(address)
        self.hear_from("jane.roe@customer.example.com")
        self.settle(box)
        thread = (
            self.env["gmail.participant"]
            .search([("address", "=", "janeroe@googlemail.com")])
            .message_id.thread_id
        )
        card = thread.with_user(self.anna).panel_card("janeroe@googlemail.com")
        self.assertEqual(card["mails"], 2)
        self.assertEqual(card["address"], "janeroe@googlemail.com")

    def test_all_spellings_are_excluded(self):
        box = self.box()
        for known, written in SPELLINGS[:5]:
            with self.subTest(known=known, written=written):
                service = self.env["gmail.exclusions"].with_user(self.anna)
                self.hear_from(written)
                self.settle(box)
                own = [("mailbox_id", "=", box.id)]
                self.assertEqual(self.env["gmail.message"].search_count(own), 1)
                pattern = service._pattern(known)
                self.assertEqual(service._count_excluded(pattern, self.anna), (1, 1))
                service._exclude(pattern, self.anna)
                self.run_cron("file")
                self.hear_from(written)
                self.settle(box)
                self.assertEqual(self.env["gmail.message"].search_count(own), 0)
                self.env["gmail.exclusion"].search([]).unlink()

    def test_all_spellings_are_erased(self):
        carla = self.env["res.partner"].create(
            {"name": "Jane", "email": "jane.roe@gmail.com"}
        )
        box = self.box(level="everything")
        self.hear_from("janeroe@googlemail.com")
        self.settle(box)
        self.assertEqual(len(self.posts(carla)), 1)
        service = self.env["gmail.exclusions"]
        addresses = service._addresses("Jane <J.anero.e@gmail.com>")
        found = service._count_erased(addresses)
        self.assertEqual((found["messages"], found["entries"]), (1, 1))
        service.with_user(self.env.ref("base.user_admin"))._erase(addresses)
        self.run_cron("file")
        self.assertFalse(self.posts(carla))
        self.google.add_message(ANNA, mail(sender="jane.roe@gmail.com"))
        self.sync(box)
        left = [("address_key", "=", "janeroe@gmail.com")]
        self.assertFalse(self.env["gmail.participant"].search_count(left))

    def test_an_earlier_exclusion_of_half_the_world_stops_no_mailbox(self):
        box = self.box()
        self.env["gmail.exclusion"].create(
            {"pattern": "*@*.co.uk", "user_id": self.anna.id, "is_pending": True}
        )
        self.hear_from("a@pub.co.uk")
        self.hear_from("jane@customer.example.com")
        self.settle(box)
        self.assertFalse(box.error_message)
        found = self.env["gmail.message"].search([("mailbox_id", "=", box.id)])
        self.assertEqual(found.mapped("from_email"), ["jane@customer.example.com"])

    def test_all_spellings_are_searched_for(self):
        self.box().import_scope = "contacts"
        box = self.env["gmail.mailbox"].search([("email", "=", ANNA)])
        for email in ("info@bücher.example.com", "jane.roe@gmail.com"):
            self.env["res.partner"].create({"name": "X", "email": email})
        self.env.flush_all()
        self.env["gmail.addresses"]._refresh()
        box.address_cursor = 0
        term, _last = self.env["gmail.addresses"]._next_search(box)
        for spelled in (
            *("info@bücher.example.com", "info@xn--bcher-kva.example.com"),
            *("jane.roe@gmail.com", "janeroe@gmail.com", "janeroe@googlemail.com"),
        ):
            self.assertIn(f"from:{spelled} ", term)
        self.assertFalse(self.env["gmail.addresses"]._refresh(), "nothing is new")

    def test_own_addresses_are_not_written_to(self):
        self.google.control(
            "accounts", {"account": ANNA, "aliases": ["shop@bücher.example.com"]}
        )
        box = self.box()
        self.hear_from(
            "jane@customer.example.com",
            to=f"{ANNA}, shop@xn--bcher-kva.example.com, jane.roe@gmail.com",
            cc="janeroe@googlemail.com",
        )
        self.settle(box)
        compose = self.env["gmail.compose"]
        message = self.env["gmail.message"].search([("mailbox_id", "=", box.id)])
        own = compose._own_addresses(self.anna)
        to, cc = compose._recipients(message, "reply_all", own)
        self.assertEqual([a for _n, a in to], ["jane@customer.example.com"])
        self.assertEqual([a for _n, a in cc], ["jane.roe@gmail.com"])
        self.assertFalse(message.is_bcc)

    def test_strangers_domains_are_no_companys(self):
        box = self.box()
        linker = self.env["gmail.linker"]
        for domain in ("co.uk", "github.io", "gmail.com", "xn--55qx5d.cn"):
            with self.subTest(domain=domain):
                company = self.env["res.partner"].create(
                    {"name": "Firm", "is_company": True, "email": f"anna@{domain}"}
                )
                self.assertFalse(linker._is_company_domain(f"bob@{domain}", set()))
                self.hear_from(f"bob@{domain}")
                self.settle(box)
                links = self.env["gmail.link"].search([("res_id", "=", company.id)])
                self.assertFalse(links)
        self.assertTrue(linker._is_company_domain("bob@shop.co.uk", set()))
        box.email = "anna@github.io"
        self.env.flush_all()
        self.assertNotIn("github.io", linker._own_domains())

    def test_the_database_finds_what_python_compares(self):
        emails = [email for pair in SPELLINGS for email in pair]
        emails += [
            "a@b.test; c@d.test",
            "x@\uff43ustomer.example",
            unicodedata.normalize("NFD", "info@bücher.example.com"),
            "info@straße.example",
            "info@xn--strae-oqa.example",
        ]
        partners = self.env["res.partner"].create(
            [{"name": "X", "email": email} for email in emails]
        )
        self.env.flush_all()
        expected = {p.id: address_key(p.email_normalized) for p in partners}
        rows = self.env.execute_query(
            SQL(
                "SELECT p.id, %s FROM res_partner p WHERE p.id = ANY(%s)",
                key_sql(self.env),
                partners.ids,
            )
        )
        self.assertEqual(dict(rows), expected)
        for partner in partners:
            same = [i for i, key in expected.items() if key == expected[partner.id]]
            found = partner_ids(self.env, [partner.email_normalized])
            self.assertLessEqual(set(same), set(found))
            self.assertEqual(
                {expected.get(i, expected[partner.id]) for i in found},
                {expected[partner.id]},
            )
        self.assertEqual(partner_ids(self.env, ["", "nobody", None]), [])

    def test_every_spelling_has_an_index(self):
        self.env.flush_all()
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        for condition in (
            matching(["jane.roe@gmail.com", "info@bücher.example"]),
            with_domain(["xn--bcher-kva.example"]),
        ):
            rows = self.env.execute_query(
                SQL("EXPLAIN SELECT p.id FROM res_partner p WHERE %s", condition)
            )
            plan = "\n".join(line for (line,) in rows)
            self.assertNotIn("Seq Scan", plan)
            self.assertIn("gmail_", plan)

    def test_an_update_fills_the_keys(self):
        box = self.box()
        jane, ways = "jane.roe@googlemail.com", self.env["gmail.way"]
        self.hear_from(jane)
        self.hear_from("info@bücher.example.com")
        self.settle(box)
        people = self.env["gmail.participant"].search([("mailbox_id", "=", box.id)])
        expected = people.mapped("address_key")
        ways.search([]).unlink()
        ways.create(
            [
                {"key": f"address:{jane}", "signature": "1"},
                {"key": "address:janeroe@gmail.com", "signature": "2"},
                {"key": "domain:bücher.example.com", "signature": "3"},
                {"key": "record:res.partner,7", "signature": "4"},
            ]
        )
        for address in (jane, "janeroe@gmail.com"):
            self.env["gmail.image.sender"].create(
                {"user_id": self.anna.id, "address": address}
            )
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE gmail_participant DROP COLUMN address_key")
        script("pre-10-address-keys").migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual(people.mapped("address_key"), expected)
        self.assertEqual(
            {way.key: way.signature for way in ways.search([])},
            {
                "address:janeroe@gmail.com": "2",
                "domain:xn--bcher-kva.example.com": "3",
                "record:res.partner,7": "4",
            },
        )
        senders = self.env["gmail.image.sender"].search([])
        self.assertEqual(senders.mapped("address"), ["janeroe@gmail.com"])


@tagged("standard", "post_install", "-at_install")
class TestContactsOfOneAddress(ContactsCase):
    def found(self, name="Jane Roe"):
        contact = self.contact(name)
        return contact.outcome, contact.reason, contact.sudo().found

    def partner(self, email="", **values):
        return self.env["res.partner"].create(
            {"name": "Jane Roe", "email": email, **values}
        )

    def test_a_google_contact_is_recognised(self):
        pairs = SPELLINGS[:5]
        partners = [self.partner(known) for known, _written in pairs]
        for partner, (_known, written) in zip(partners, pairs, strict=True):
            with self.subTest(written=written):
                (self.env["res.partner"].concat(*partners) - partner).active = False
                partner.active = True
                self.google.contacts(
                    ANNA, clear=True, add=[person("Jane Roe", written)]
                )
                self.box.contact_ids.unlink()
                self.box.write({"contact_cursor": False, "contact_page": False})
                self.sync_contacts()
                self.assertEqual(
                    self.found()[1:], ("address", [[partner.id], "address"])
                )

    def test_two_with_one_address_are_a_question(self):
        one = self.partner("jane.roe@gmail.com")
        two = self.partner("janeroe@googlemail.com", name="J. Roe")
        self.add(person("Jane Roe", "Jane.Roe@Gmail.com"))
        self.imported()
        self.assertEqual(self.found()[:2], ("conflict", "several"))
        self.assertFalse(self.contact("Jane Roe").partner_id)
        self.assertEqual(self.contact("Jane Roe").candidate_ids, one + two)

    def test_two_google_contacts_with_one_address_are_not_merged(self):
        self.add(
            person("Jane Roe", "jane.roe@gmail.com"),
            person("John Doe", "janeroe@googlemail.com"),
        )
        self.imported()
        made = self.box.contact_ids.partner_id
        self.assertFalse(made, "nobody knows who of them has the address")
        reasons = self.box.contact_ids.mapped(lambda c: (c.outcome, c.reason))
        self.assertEqual(set(reasons), {("conflict", "several")})

    def test_a_phone_is_compared_with_its_country(self):
        norway, germany = self.env.ref("base.no"), self.env.ref("base.de")
        company = self.box.company_id or self.anna.company_id
        for country, companys, phone, googles, is_same in (
            (norway, germany, "22 12 34 56", "+47 22 12 34 56", True),
            (norway, germany, "0047 22123456", "22 12 34 56", True),
            (False, norway, "22 12 34 56", "+47 22 12 34 56", True),
            (False, germany, "030 1234567", "+49 (0)30 1234567 ext. 5", True),
            (False, germany, "22 12 34 56", "+47 22 12 34 56", False),
            (False, germany, "+49 212 555 0100", "+1 212 555 0100", False),
            (False, False, "22 12 34 56", "2212 3456", True),
            (False, False, "22 12 34 56", "+47 22 12 34 56", False),
        ):
            with self.subTest(phone=phone, googles=googles, country=country):
                company.country_id = companys
                partner = self.partner(
                    phone=phone, country_id=country and country.id, company_id=False
                )
                self.google.contacts(
                    ANNA, clear=True, add=[person("Jane Roe", phone=googles)]
                )
                self.box.contact_ids.unlink()
                self.box.write({"contact_cursor": False, "contact_page": False})
                self.sync_contacts()
                found = self.found()[2]
                expected = [[partner.id], "name_phone"] if is_same else [[], False]
                self.assertEqual(found or [[], False], expected)
                partner.unlink()

    def test_the_present_employer_is_imported(self):
        jobs = [
            {"name": "Old Ltd", "current": False, "endDate": {"year": 2019}},
            {"name": "New Ltd", "title": "Director", "current": True},
        ]
        self.add(person("Jane Roe", "jane@customer-example.test", organizations=jobs))
        self.imported()
        jane = self.partners("jane@customer-example.test")
        self.assertEqual(jane.function, "Director")
        self.assertEqual(jane.parent_id.name or jane.company_name, "New Ltd")

    def test_an_update_compares_what_has_other_keys(self):
        self.add(
            person("Jane Roe", "jane.roe@gmail.com"),
            person("Bob Low", phone="+47 22 12 34 56"),
            person("Dan Low", "dan@customer-example.test"),
        )
        self.imported()
        jane, bob, dan = (
            self.contact(name).sudo() for name in ("Jane Roe", "Bob Low", "Dan Low")
        )
        origins = (
            self.env["gmail.contact.origin"]
            .search([])
            .grouped(lambda o: o.partner_id.name)
        )
        new = {name: origin.created_key for name, origin in origins.items()}
        company = new["Jane Roe"].partition("|")[0]
        # As 19.0.1.1.0 kept them.
        jane.key_ids.key = "jane.roe@gmail.com"
        bob.key_ids.key = "bob low|722123456"
        origins["Jane Roe"].created_key = f"{company}|jane.roe@gmail.com"
        origins["Bob Low"].created_key = f"{company}|bob low|722123456"
        self.env.flush_all()
        script("post-10-contact-keys").migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual(jane.key_ids.key, "janeroe@gmail.com")
        self.assertEqual(bob.key_ids.key, "bob low|+4722123456")
        found = {
            o.partner_id.name: o.created_key for o in origins["Jane Roe"].search([])
        }
        self.assertEqual(found, new)
        self.assertEqual([c.is_pending for c in (jane, bob, dan)], [True, True, False])
        partners = jane.partner_id + bob.partner_id + dan.partner_id
        self.sync_contacts()
        self.assertEqual(jane.partner_id + bob.partner_id + dan.partner_id, partners)
