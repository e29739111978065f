"""Google's contacts: read, told apart, reviewed, written, taken back."""

import base64
import hashlib
import io
import itertools

from PIL import Image

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import ANNA, BEN, GmailCase, mail
from .test_connecting import READ, SEND

FIRM = "customer-example.test"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def png(seed):
    """Return a PNG in a colour of its own."""
    data = io.BytesIO()
    Image.new("RGB", (64, 64), tuple(hashlib.sha256(seed).digest()[:3])).save(
        data, "PNG"
    )
    return data.getvalue()


def person(name, *emails, phone=None, **more):
    """Return a Person as Google has it."""
    found = {"names": [{"displayName": name, "unstructuredName": name}]} if name else {}
    if emails:
        found["emailAddresses"] = [{"value": email} for email in emails]
    if phone:
        found["phoneNumbers"] = [{"value": phone, "type": "work"}]
    return {**found, **more}


class ContactsCase(GmailCase):
    def setUp(self):
        super().setUp()
        group = self.env.ref("base.group_partner_manager")
        (self.anna | self.ben).group_ids += group
        self.google.contacts(ANNA, clear=True)
        self.box = self.connect(self.anna, ANNA)

    def add(self, *people, account=ANNA):
        return self.google.contacts(account, add=list(people))

    def sync_contacts(self, mailbox=None, problem=False):
        mailbox = mailbox or self.box
        for _round in range(30):
            mailbox.next_contacts = "2020-01-01"
            self.run_cron("contacts")
            if mailbox.contact_problem or mailbox.contact_failures:
                self.assertTrue(problem, mailbox.contact_problem)
                return
            if not mailbox.contact_page:
                return
        self.fail("not up to date")

    def imported(self, mailbox=None, policy="all"):
        """Read, review, import."""
        mailbox = mailbox or self.box
        mailbox.contact_policy = policy
        self.sync_contacts(mailbox)
        mailbox.with_user(mailbox.user_id).action_import_contacts()
        self.sync_contacts(mailbox)

    def contact(self, name):
        return self.box.contact_ids.filtered(lambda c: c.name == name)

    def partners(self, *emails):
        return self.env["res.partner"].search([("email", "in", emails)])


@tagged("standard", "post_install", "-at_install")
class TestContacts(ContactsCase):
    def test_nothing_is_written_before_it_was_reviewed(self):
        known = self.env["res.partner"].create(
            {"name": "Carla Roth", "email": f"carla@{FIRM}"}
        )
        before = self.env["res.partner"].search_count([])
        self.add(
            person("Carla Roth", f"carla@{FIRM}", phone="+49 30 1234567"),
            person("Dan Low", f"dan@{FIRM}"),
            person("Ben", BEN),
            person("Nobody"),
        )
        self.box.contact_policy = "all"
        self.sync_contacts()
        self.assertEqual(self.box.contact_state, "preview")
        found = {c.name: (c.outcome, c.reason) for c in self.box.contact_ids}
        self.assertEqual(
            found,
            {
                "Carla Roth": ("update", "address"),
                "Dan Low": ("create", "new"),
                "Ben": ("skip", "colleague"),
                "Nobody": ("skip", "unreachable"),
            },
        )
        self.assertEqual(self.env["res.partner"].search_count([]), before)
        self.assertFalse(known.phone)
        self.box.with_user(self.anna).action_import_contacts()
        self.sync_contacts()
        self.assertEqual(known.phone, "+49 30 1234567")
        dan = self.partners(f"dan@{FIRM}")
        self.assertEqual((dan.name, dan.company_id), ("Dan Low", self.box.company_id))
        self.assertEqual(self.env["res.partner"].search_count([]), before + 1)

    def test_odoos_value_wins_and_googles_follow_google(self):
        known = self.env["res.partner"].create(
            {"name": "Carla", "email": f"carla@{FIRM}", "phone": "1"}
        )
        carla = person("Carla Roth", f"carla@{FIRM}", phone="2")
        carla["organizations"] = [{"name": "Customer Ltd", "title": "Buyer"}]
        [name] = self.add(carla)
        self.imported()
        self.assertEqual((known.name, known.phone), ("Carla", "1"))
        self.assertEqual(known.function, "Buyer")
        titles = [{"name": "Customer Ltd", "title": "Head of Purchasing"}]
        self.google.contacts(ANNA, change={name: {"organizations": titles}})
        self.sync_contacts()
        self.assertEqual(known.function, "Head of Purchasing")
        # Somebody has changed it in Odoo: it is Odoo's now.
        known.function = "Director"
        titles = [{"name": "Customer Ltd", "title": "Retired"}]
        self.google.contacts(ANNA, change={name: {"organizations": titles}})
        self.sync_contacts()
        self.assertEqual(known.function, "Director")

    def test_notes_birthdays_and_addresses(self):
        self.box.with_user(self.anna).write(
            {"contact_notes": True, "contact_birthdays": True}
        )
        dan = person(
            "Dan Low",
            f"dan@{FIRM}",
            biographies=[{"value": "Likes oak & ash.\nCalls <often>."}],
            birthdays=[{"date": {"year": 1980, "month": 2, "day": 29}}],
            addresses=[
                {
                    "streetAddress": "Long Street 1\nBack door",
                    "postalCode": "94105",
                    "city": "San Francisco",
                    "region": "CA",
                    "countryCode": "US",
                }
            ],
        )
        [name] = self.add(dan)
        self.imported()
        partner = self.partners(f"dan@{FIRM}")
        for words in ("Likes oak &amp; ash.", "&lt;often&gt;", "Birthday: 1980-02-29"):
            self.assertIn(words, partner.comment)
        self.assertEqual(
            (partner.street, partner.street2), ("Long Street 1", "Back door")
        )
        self.assertEqual((partner.zip, partner.city), ("94105", "San Francisco"))
        self.assertEqual(partner.state_id.code, "CA")
        self.assertEqual(partner.country_id.code, "US")
        # A change of one thing writes nothing else.
        self.google.contacts(ANNA, change={name: {"birthdays": None}})
        self.sync_contacts()
        self.assertNotIn("Birthday", partner.comment)
        self.assertIn("Likes oak", partner.comment)
        # What Google has no more goes, if it is Google's still.
        partner.city = "Oakland"
        self.google.contacts(
            ANNA, change={name: {"biographies": None, "addresses": None}}
        )
        self.sync_contacts()
        self.assertFalse(partner.comment)
        self.assertEqual((partner.street, partner.city), ("Long Street 1", "Oakland"))

    def test_the_same_again_writes_nothing(self):
        self.box.contact_notes = True
        self.add(
            person(
                "Dan Low",
                f"dan@{FIRM}",
                phone="1",
                biographies=[{"value": "One & two\nthree"}],
                photo=True,
            )
        )
        self.imported()
        partner = self.partners(f"dan@{FIRM}")
        self.env.flush_all()
        contacts = self.box.contact_ids
        self.assertFalse(self.env["gmail.contact.values"]._completing(contacts))
        self.assertTrue(partner.comment)

    def test_never_is_the_default(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported(policy="never")
        self.assertFalse(self.partners(f"dan@{FIRM}"))
        self.assertEqual(self.box.contact_ids.reason, "policy")

    def test_the_administrators_ceiling(self):
        self.env["ir.config_parameter"].sudo().set_param(
            "gmail_oauth_mailbox.contact_ceiling", "never"
        )
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported(policy="all")
        self.assertFalse(self.partners(f"dan@{FIRM}"))

    def test_who_may_create_no_contacts_creates_none(self):
        self.anna.group_ids -= self.env.ref("base.group_partner_manager")
        known = self.env["res.partner"].create(
            {"name": "Carla", "email": f"carla@{FIRM}"}
        )
        self.add(
            person("Dan Low", f"dan@{FIRM}"), person("C", f"carla@{FIRM}", phone="2")
        )
        self.imported()
        self.assertFalse(self.partners(f"dan@{FIRM}"))
        self.assertEqual(self.contact("Dan Low").reason, "no_right")
        # What she may not change stays as it is.
        self.assertFalse(known.phone)
        self.assertEqual(self.contact("C").partner_id, known)

    def test_several_contacts_are_like_it(self):
        twins = self.env["res.partner"].create(
            [{"name": name, "email": f"twin@{FIRM}"} for name in ("One", "Two")]
        )
        self.add(person("Twin", f"twin@{FIRM}", phone="2"))
        self.imported()
        twin = self.contact("Twin")
        self.assertEqual(twin.outcome, "conflict")
        self.assertEqual(twin.with_user(self.anna).candidate_ids, twins)
        self.assertFalse(any(twins.mapped("phone")))
        twin.with_user(self.anna).action_link(twins[1].id)
        self.assertEqual((twin.outcome, twin.partner_id), ("update", twins[1]))
        self.assertEqual(twins.mapped("phone"), [False, "2"])
        # Undone, and imported again: the decision stands.
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertEqual((twin.outcome, twin.reason), ("skip", "undone"))
        self.assertFalse(any(twins.mapped("phone")))
        self.box.with_user(self.anna).action_review_contacts()
        self.sync_contacts()
        self.assertEqual((twin.outcome, twin.reason), ("update", "chosen"))
        self.imported()
        self.assertEqual((twin.reason, twin.partner_id), ("chosen", twins[1]))
        # Another decision takes back what the first one wrote.
        twin.with_user(self.anna).action_leave_out()
        self.assertEqual(twin.outcome, "skip")
        self.assertFalse(any(twins.mapped("phone")))

    def test_two_mailboxes_one_person(self):
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.add(
            person("Daniel", "dan@home.test", f"dan@{FIRM}", phone="3"), account=BEN
        )
        self.imported()
        self.imported(other)
        [dan] = self.partners(f"dan@{FIRM}", "dan@home.test")
        self.assertEqual((dan.name, dan.phone), ("Dan Low", "3"))

    def test_a_desks_address_is_several_peoples(self):
        firm = self.env["res.partner"].create(
            {"name": "Weber Bau", "email": f"info@{FIRM}", "is_company": True}
        )
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        jonas = person("Jonas Weber", f"info@{FIRM}", phone="1")
        self.add(jonas, person("Petra Weber", f"info@{FIRM}"))
        self.add(person("Weber Bau", f"info@{FIRM}", phone="2"))
        self.add(jonas, account=BEN)
        self.imported()
        self.imported(other)
        found = self.partners(f"info@{FIRM}")
        names = ["Jonas Weber", "Petra Weber", "Weber Bau"]
        self.assertEqual(sorted(found.mapped("name")), names)
        self.assertEqual(firm.phone, "2")

    def test_nobody_without_an_address_is_there_twice(self):
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.anna.company_id.country_id = self.env.ref("base.ie")
        self.add(person("Tom O'Hara", phone="+353 85 555 0199"))
        self.add(person("Tom O'Hara", phone="085 555 0199"), account=BEN)
        self.imported()
        self.imported(other)
        [tom] = self.env["res.partner"].search([("name", "=", "Tom O'Hara")])
        self.assertEqual(tom.phone, "+353 85 555 0199")

    def test_who_was_archived_does_not_come_again(self):
        self.env["res.partner"].create(
            {"name": "Dan", "email": f"dan@{FIRM}", "active": False}
        )
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.assertFalse(self.partners(f"dan@{FIRM}"))
        self.assertEqual(self.contact("Dan Low").reason, "archived")
        self.contact("Dan Low").with_user(self.anna).action_create()
        self.assertTrue(self.partners(f"dan@{FIRM}"))

    def test_the_permission_is_withdrawn_later(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        refusal = {
            "error": {
                "code": 403,
                "status": "PERMISSION_DENIED",
                "message": "Request had insufficient authentication scopes.",
                "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}],
            }
        }
        fault = {"path": "/connections", "status": 403, "body": refusal, "count": 1}
        self.google.control("faults", fault)
        self.sync_contacts()
        self.assertFalse(self.box.can_contacts)
        self.assertEqual(self.box.state, "connected")
        # Mail goes on, and what was imported stays.
        self.google.add_message(ANNA, mail(subject="A mail after that"))
        self.sync(self.box)
        stored = self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])
        self.assertIn("A mail after that", stored.mapped("subject"))
        self.assertTrue(self.partners(f"dan@{FIRM}"))

    def test_google_does_not_answer(self):
        fault = {"path": "/connections", "status": 503, "body": {}, "count": 9}
        self.google.control("faults", fault)
        for _time in range(4):
            self.box.next_contacts = "2020-01-01"
            self.run_cron("contacts")
        self.assertIn("tries again by itself", self.box.contact_problem)
        self.assertFalse(self.box.error_message)
        self.google.control("faults?clear=1")
        self.sync_contacts()
        self.box.next_contacts = "2020-01-01"
        self.run_cron("contacts")
        self.assertFalse(self.box.contact_problem)
        self.assertEqual(self.box.contact_state, "preview")

    def test_the_api_is_switched_off(self):
        self.google.control("settings", {"people_api_disabled": True})
        self.addCleanup(self.google.control, "settings", {"people_api_disabled": False})
        self.sync_contacts(problem=True)
        self.assertIn("People API is switched off", self.box.contact_problem)
        self.sync(self.box)
        self.assertFalse(self.box.error_message)

    def test_merged_in_google(self):
        names = self.add(
            person("Dan Low", f"dan@{FIRM}"), person("Dan L.", f"low@{FIRM}")
        )
        self.imported()
        self.contact("Dan L.").with_user(self.anna).action_leave_out()
        merged = person("Dan Low", f"dan@{FIRM}", f"low@{FIRM}")
        merged["metadata"] = {"previousResourceNames": names}
        self.google.contacts(ANNA, delete=names, add=[merged])
        self.sync_contacts()
        alive = self.box.contact_ids.filtered(lambda c: not c.is_gone)
        self.assertEqual(alive.name, "Dan Low")
        self.assertEqual(alive.partner_id, self.partners(f"dan@{FIRM}"))

    def test_deleted_in_google(self):
        [name] = self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.google.contacts(ANNA, delete=[name])
        self.sync_contacts()
        self.assertTrue(self.contact("Dan Low").is_gone)
        self.assertTrue(self.partners(f"dan@{FIRM}"))

    def test_a_token_that_is_too_old(self):
        [name, _other] = self.add(
            person("Dan Low", f"dan@{FIRM}"), person("Eve", f"eve@{FIRM}")
        )
        self.imported()
        round_before = self.box.contact_round
        self.google.contacts(ANNA, delete=[name])
        self.google.contacts(ANNA, expire_sync=True)
        self.sync_contacts()
        self.assertEqual(self.box.contact_round, round_before + 1)
        self.assertTrue(self.contact("Dan Low").is_gone)
        self.assertFalse(self.contact("Eve").is_gone)
        self.assertEqual(len(self.partners(f"dan@{FIRM}", f"eve@{FIRM}")), 2)

    def test_undo(self):
        known = self.env["res.partner"].create(
            {"name": "Carla", "email": f"carla@{FIRM}"}
        )
        self.add(
            person("Carla", f"carla@{FIRM}", phone="2"),
            person("Dan Low", f"dan@{FIRM}"),
            person("Eve", f"eve@{FIRM}"),
        )
        self.imported()
        eve = self.partners(f"eve@{FIRM}")
        eve.message_post(body="Called", message_type="comment")
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertFalse(known.phone)
        self.assertFalse(self.partners(f"dan@{FIRM}"))
        # Somebody has used it.
        self.assertTrue(eve.exists())
        self.assertEqual(self.box.contact_state, "undone")
        self.assertFalse(self.box.contact_ids.partner_id)

    def test_contacts_are_not_allowed(self):
        self.google.contacts(ANNA, clear=True)
        box = self.connect(self.ben, BEN, scopes=[READ, SEND])
        self.assertFalse(box.can_contacts)
        self.sync(box)
        self.assertEqual(box.state, "connected")
        self.assertFalse(box.contact_state)
        self.assertEqual(
            box.with_user(self.ben).action_allow_contacts()["type"][:10], "ir.actions"
        )

    def test_photos(self):
        own = base64.b64encode(png(b"own"))
        known = self.env["res.partner"].create(
            {"name": "Carla", "email": f"carla@{FIRM}", "image_1920": own}
        )
        photo = known.image_1920
        names = self.add(
            person("Carla", f"carla@{FIRM}", photo=True),
            person("Dan", f"dan@{FIRM}", photo=True),
            person("Eve", f"eve@{FIRM}", photo={"bytes": 1_200_000}),
            person("Fay", f"fay@{FIRM}", photo={"redirect": "/photos/x"}),
            person("Gus", f"gus@{FIRM}", photo={"as_type": "text/html", "body": "x"}),
            person("Hal", f"hal@{FIRM}", photo={"as_type": "image/png", "body": SVG}),
            person("Ida", f"ida@{FIRM}", photo={"status": 404}),
        )
        self.imported()
        self.assertEqual(known.image_1920, photo)
        dan = self.partners(f"dan@{FIRM}")
        first = dan.image_1920
        self.assertTrue(first)
        others = [f"{name}@{FIRM}" for name in ("eve", "fay", "gus", "hal", "ida")]
        self.assertEqual(len(self.partners(*others)), 5)
        self.assertFalse(any(self.partners(*others).mapped("image_1920")))
        # Another photo in Google, and then one in Odoo.
        self.google.contacts(ANNA, change={names[1]: {"photo": True}})
        self.sync_contacts()
        second = dan.image_1920
        self.assertNotEqual(first, second)
        dan.image_1920 = own
        self.google.contacts(ANNA, change={names[1]: {"photo": True}})
        self.sync_contacts()
        self.assertEqual(dan.image_1920, photo)

    def test_a_photo_is_taken_back(self):
        known = self.env["res.partner"].create(
            {"name": "Carla", "email": f"carla@{FIRM}"}
        )
        self.add(person("Carla", f"carla@{FIRM}", photo=True))
        self.imported()
        self.assertTrue(known.image_1920)
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertFalse(known.image_1920)

    def test_only_a_label(self):
        self.google.contacts(ANNA, add_groups={"cust": "Customers"})
        of_label = {
            "contactGroupMembership": {"contactGroupResourceName": "contactGroups/cust"}
        }
        self.add(
            person("Dan Low", f"dan@{FIRM}", memberships=[of_label]),
            person("Eve", f"eve@{FIRM}"),
        )
        self.sync_contacts()
        label = self.env["gmail.contact.group"].search([("name", "=", "Customers")])
        self.box.with_user(self.anna).contact_group_id = label
        self.imported()
        self.assertEqual(self.contact("Eve").reason, "label")
        self.assertEqual(self.partners(f"dan@{FIRM}", f"eve@{FIRM}").name, "Dan Low")

    def test_the_dialog_tells_nothing_of_others(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.sync_contacts()
        dialogs = self.env["gmail.contact.link"].with_user(self.ben)
        with self.assertRaises(AccessError):
            dialogs.create({"contact_id": self.box.contact_ids.id}).read(["name"])
        with self.assertRaises(AccessError):
            self.assertFalse(dialogs.new({"contact_id": self.box.contact_ids.id}).name)

    def test_imported_from_a_mailbox_that_was_deleted(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        dan = self.partners(f"dan@{FIRM}")
        self.box.with_user(self.anna).action_delete()
        self.box = self.connect(self.anna, ANNA)
        self.imported()
        self.assertEqual(self.contact("Dan Low").partner_id, dan)
        self.assertEqual(self.partners(f"dan@{FIRM}"), dan)

    def test_who_has_a_new_address_is_still_the_same(self):
        known = self.env["res.partner"].create(
            {"name": "Carla", "email": f"carla@{FIRM}"}
        )
        [name] = self.add(person("Carla", f"carla@{FIRM}", phone="2"))
        self.imported()
        new = [{"value": f"carla.new@{FIRM}"}]
        self.google.contacts(ANNA, change={name: {"emailAddresses": new}})
        self.sync_contacts()
        self.assertEqual(self.contact("Carla").partner_id, known)
        self.assertEqual((known.email, known.phone), (f"carla@{FIRM}", "2"))
        self.assertFalse(self.partners(f"carla.new@{FIRM}"))

    def test_an_address_that_goes_to_somebody_else(self):
        [dan, _eve] = self.add(person("Dan", f"dan@{FIRM}"), person("E", f"e@{FIRM}"))
        self.imported()
        old = self.partners(f"dan@{FIRM}")
        new = [{"value": f"dan.new@{FIRM}"}]
        self.google.contacts(ANNA, change={dan: {"emailAddresses": new}})
        self.add(person("Dana", f"dan@{FIRM}"))
        self.sync_contacts()
        self.assertEqual(self.contact("Dan").partner_id, old)
        self.assertEqual(old.email, f"dan.new@{FIRM}")
        self.assertEqual(self.partners(f"dan@{FIRM}").name, "Dana")

    def test_undo_keeps_what_somebody_edited(self):
        [name] = self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        dan = self.partners(f"dan@{FIRM}")
        self.env.cr.execute(
            "UPDATE res_partner SET write_date = '2026-01-01' WHERE id = %s", [dan.id]
        )
        self.env.invalidate_all()
        titles = [{"title": "Buyer"}]
        self.google.contacts(ANNA, change={name: {"organizations": titles}})
        self.sync_contacts()
        self.assertEqual(dan.function, "Buyer")
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertTrue(dan.exists())
        # It is Odoo's, and found as such.
        self.box.with_user(self.anna).action_review_contacts()
        self.imported()
        self.assertEqual(self.contact("Dan Low").partner_id, dan)
        self.assertEqual(self.partners(f"dan@{FIRM}"), dan)

    def test_what_odoo_refuses_keeps_nobody_back(self):
        colleague = self.env["res.partner"].create(
            {"name": "Ben Schulz", "email": "ben@home.test", "phone": "+49 30 7654321"}
        )
        self.ben.partner_id = colleague
        self.anna.company_id.country_id = self.env.ref("base.de")
        self.add(
            person("Ben Schulz", "b@home.test", phone="030 7654321"),
            person("Dan Low", f"dan@{FIRM}"),
        )
        self.imported()
        self.assertEqual(self.contact("Ben Schulz").reason, "colleague")
        self.assertTrue(self.partners(f"dan@{FIRM}"))
        self.assertFalse(self.box.contact_problem)

    def test_a_label_that_goes_lets_nobody_in(self):
        self.google.contacts(ANNA, add_groups={"cust": "Customers"})
        of_label = {
            "contactGroupMembership": {"contactGroupResourceName": "contactGroups/cust"}
        }
        [name] = self.add(person("Dan Low", f"dan@{FIRM}", memberships=[of_label]))
        self.add(person("Eve", f"eve@{FIRM}"))
        self.sync_contacts()
        label = self.env["gmail.contact.group"].search([("name", "=", "Customers")])
        self.box.with_user(self.anna).contact_group_id = label
        self.imported()
        self.google.contacts(ANNA, change={name: {"memberships": None}})
        self.env["gmail.contacts"]._take_groups(self.box, [])
        self.google.contacts(ANNA, expire_sync=True)
        self.sync_contacts()
        self.assertTrue(self.partners(f"dan@{FIRM}"))
        self.assertFalse(self.partners(f"eve@{FIRM}"))

    def test_who_went_before_the_import_is_not_created(self):
        [name] = self.add(person("Dan Low", f"dan@{FIRM}"))
        self.sync_contacts()
        self.google.contacts(ANNA, delete=[name])
        self.sync_contacts()
        self.assertEqual(self.contact("Dan Low").reason, "gone")
        self.imported()
        self.assertFalse(self.partners(f"dan@{FIRM}"))

    def test_undone_without_a_connection(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.box.with_user(self.anna).action_pause()
        self.box.with_user(self.anna).action_undo_contacts()
        self.run_cron("contacts")
        self.assertFalse(self.partners(f"dan@{FIRM}"))

    def test_an_unconfirmed_address_book_steers_nobody(self):
        self.env["res.partner"].create({"name": "N", "email": f"a@{FIRM}"})
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(person("N", f"a@{FIRM}", f"b@{FIRM}"))
        self.add(person("B", f"b@{FIRM}", phone="7"), account=BEN)
        self.sync_contacts()
        self.imported(other)
        self.assertEqual(self.partners(f"b@{FIRM}").name, "B")

    def test_whom_she_has_written_to(self):
        self.add(person("Dan Low", f"dan@{FIRM}"), person("Eve", f"eve@{FIRM}"))
        self.imported(policy="written_to")
        self.assertFalse(self.partners(f"dan@{FIRM}"))
        self.google.control(
            "messages",
            {
                "account": ANNA,
                "raw": base64.b64encode(
                    mail(sender=ANNA, to=f"dan@{FIRM}", subject="Your order")
                ).decode(),
                "labels": ["SENT"],
            },
        )
        self.sync(self.box)
        self.sync_contacts()
        self.assertTrue(self.partners(f"dan@{FIRM}"))
        self.assertFalse(self.partners(f"eve@{FIRM}"))

    def test_nobody_elses(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.sync_contacts()
        contact = self.box.contact_ids
        with self.assertRaises(AccessError):
            contact.with_user(self.ben).read(["name"])
        with self.assertRaises(AccessError):
            contact.with_user(self.ben).action_create()
        with self.assertRaises(AccessError):
            self.box.with_user(self.ben).action_import_contacts()
        stranger = self.env["res.partner"].create({"name": "X", "company_id": False})
        with self.assertRaises(UserError):
            contact.with_user(self.anna).action_link(stranger.id + 10_000)

    def test_any_order_ends_the_same(self):
        """Three mailboxes with overlapping people, in every order."""
        accounts = {ANNA: self.anna, BEN: self.ben}
        ends = set()
        people = {
            ANNA: [
                person("Dan", f"dan@{FIRM}"),
                person("Eve", f"eve@{FIRM}", phone="1"),
            ],
            BEN: [
                person("Daniel", f"dan@{FIRM}", "dan@home.test", phone="2"),
                person("E.", "eve@home.test"),
                person("Eve B", f"eve@{FIRM}", "eve@home.test", phone="3"),
            ],
        }
        boxes = {ANNA: self.box, BEN: self.connect(self.ben, BEN)}
        for account in accounts:
            self.google.contacts(account, clear=True)
            self.google.contacts(account, add=people[account])
        for order in itertools.permutations(accounts):
            with self.env.cr.savepoint(flush=True) as savepoint:
                for account in order:
                    self.imported(boxes[account])
                found = self.env["res.partner"].search(
                    [("email", "=like", f"%@{FIRM}")]
                )
                ends.add(tuple(sorted((p.name, p.email, p.phone or "") for p in found)))
                savepoint.rollback()
            self.env.invalidate_all()
        self.assertEqual(len(ends), 1, ends)

    def test_an_undo_says_what_it_left(self):
        self.add(person("Dan Low", f"dan@{FIRM}"), person("Eva May", f"eva@{FIRM}"))
        self.imported()
        dan = self.partners(f"dan@{FIRM}")
        dan.with_user(self.ben).message_post(body="Called.", message_type="comment")
        self.box.with_user(self.anna).action_undo_contacts()
        for _time in range(2):
            self.sync_contacts()
            self.assertEqual(self.contact("Dan Low").reason, "kept")
            self.assertEqual(self.contact("Eva May").reason, "undone")
            self.box.contact_ids.is_pending = True
        summary = self.box.with_user(self.anna).contact_summary
        self.assertIn("still in Odoo since they are in use: 1.", summary)

    def test_deletions_are_shown(self):
        [name] = self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.google.contacts(ANNA, delete=[name])
        self.sync_contacts()
        self.assertTrue(self.partners(f"dan@{FIRM}").active)
        summary = self.box.with_user(self.anna).contact_summary
        self.assertIn("Deleted in Google, but still in Odoo: 1.", summary)

    def test_a_label_that_is_new(self):
        [name] = self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.google.contacts(ANNA, add_groups={"fair": "Fair 2026"})
        group = "contactGroups/fair"
        labels = [{"contactGroupMembership": {"contactGroupResourceName": group}}]
        self.google.contacts(ANNA, change={name: {"memberships": labels}})
        self.sync_contacts()
        found = self.env["gmail.contact.group"].search([])
        self.assertIn("Fair 2026", found.mapped("name"))

    def test_many_chosen_at_once_are_left_to_the_workers(self):
        self.google.contacts(ANNA, add_many={"count": 501, "seed": 1})
        self.imported(policy="never")
        result = self.box.contact_ids.with_user(self.anna).action_create()
        self.assertEqual(result["tag"], "display_notification")
        self.assertFalse(self.box.contact_ids.filtered("partner_id"))
        self.sync_contacts()
        self.assertFalse(self.box.contact_problem)
        self.assertGreater(len(self.box.contact_ids.partner_id), 400)

    def test_nobody_is_created_of_nothing(self):
        self.add({"biographies": [{"value": "Who?"}]}, person("", phone="123"))
        self.add(person("", organizations=[{"name": "Weber Bau"}]))
        self.imported()
        self.box.contact_ids.with_user(self.anna).action_create()
        found = self.box.contact_ids.sorted("resource_name")
        self.assertEqual(
            [(c.outcome, c.reason, c.partner_id.name) for c in found],
            [
                ("skip", "unreachable", False),
                ("create", "chosen", "123"),
                ("create", "chosen", "Weber Bau"),
            ],
        )

    def test_rules_that_change_later(self):
        ceiling = "gmail_oauth_mailbox.contact_ceiling"
        self.env["ir.config_parameter"].sudo().set_param(ceiling, "never")
        self.add(
            person("Dan Low", f"dan@{FIRM}"),
            person("Eva May", f"eva@{FIRM}"),
            person("Tom", f"tom@{FIRM}"),
        )
        self.imported()
        reasons = self.box.contact_ids.mapped("reason")
        self.assertEqual(reasons, ["policy"] * 3)
        # A colleague makes a contact by hand.
        eva = self.env["res.partner"].create({"name": "E", "email": f"eva@{FIRM}"})
        self.env.flush_all()
        self.cr.execute(
            "UPDATE gmail_contact SET write_date = write_date - interval '1 minute'"
        )
        self.sync_contacts()
        self.assertEqual(self.contact("Eva May").partner_id, eva)
        # The owner keeps somebody out, the administrator lets others in.
        pattern = self.env["gmail.exclusions"]._pattern(f"tom@{FIRM}")
        exclusions = self.env["gmail.exclusions"].with_user(self.anna)
        exclusions._exclude(pattern, self.anna)
        settings = self.env["res.config.settings"].create({})
        settings.gmail_contact_ceiling = "all"
        settings.set_values()
        self.sync_contacts()
        self.assertTrue(self.contact("Dan Low").partner_id)
        self.assertEqual(self.contact("Tom").reason, "excluded")
        self.env["gmail.exclusion"].search([]).unlink()
        self.sync_contacts()
        self.assertEqual(self.contact("Tom").outcome, "create")

    def test_a_team_makes_one_of_nobody(self):
        """One entry with the addresses of two people, whom a colleague tells apart."""
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(
            person("Xaver", f"xaver@{FIRM}"),
            person("Yvonne", f"yvonne@{FIRM}"),
            account=BEN,
        )
        self.add(person("Team", f"xaver@{FIRM}", f"yvonne@{FIRM}"))
        self.imported(other)
        people = other.contact_ids.partner_id
        self.assertEqual(sorted(people.mapped("name")), ["Xaver", "Yvonne"])
        self.imported()
        self.sync_contacts(other)
        self.assertEqual(sorted(people.exists().mapped("name")), ["Xaver", "Yvonne"])
        team = self.contact("Team")
        self.assertEqual((team.outcome, team.reason), ("conflict", "several"))
        self.assertEqual(team.with_user(self.anna).candidate_ids, people)
        team.with_user(self.anna).action_create()
        self.assertEqual(team.partner_id.name, "Team")

    def test_what_was_imported_stays(self):
        known = self.env["res.partner"].create({"name": "C", "email": f"carla@{FIRM}"})
        carla = person("Carla", f"carla@{FIRM}", phone="2")
        dan = person("Dan Low", f"dan@{FIRM}")
        names = self.add(carla, dan)
        self.imported()
        made = self.partners(f"dan@{FIRM}")
        self.assertEqual(known.phone, "2")
        # Their addresses are removed in Google.
        none = {"emailAddresses": None}
        self.google.contacts(ANNA, change=dict.fromkeys(names, none))
        self.sync_contacts()
        self.assertEqual((made.name, made.email), ("Dan Low", False))
        self.assertEqual((known.phone, known.email), ("2", f"carla@{FIRM}"))
        # Somebody archives one: it is left alone.
        known.active = False
        self.google.contacts(ANNA, change={names[0]: {"phoneNumbers": None}})
        self.sync_contacts()
        self.assertEqual((known.active, known.phone), (False, "2"))
        # A second one that is like her comes later.
        self.google.contacts(ANNA, change={names[0]: carla})
        known.active = True
        known.copy({"email": known.email})
        self.sync_contacts()
        self.assertEqual(self.contact("Carla").partner_id, known)

    def test_what_the_database_refuses_holds_up_nobody(self):
        taken = self.env["res.partner"].create({"name": "Taken", "phone": "2"})
        known = self.env["res.partner"].create({"name": "C", "email": f"carla@{FIRM}"})
        self.env.flush_all()
        self.cr.execute("CREATE UNIQUE INDEX ON res_partner (phone)")
        self.add(
            person("Carla", f"carla@{FIRM}", phone="2"),
            person("Dan Low", f"dan@{FIRM}", phone="2"),
            person("Eva May", f"eva@{FIRM}"),
        )
        self.imported()
        self.assertFalse(self.box.contact_problem)
        self.assertFalse(known.phone)
        self.assertEqual(self.contact("Dan Low").reason, "refused")
        self.assertTrue(self.contact("Eva May").partner_id)
        self.assertEqual(taken.phone, "2")

    def test_nobody_loses_her_name(self):
        known = self.env["res.partner"].create({"name": "C", "email": f"carla@{FIRM}"})
        [name] = self.add(person("Carla", f"carla@{FIRM}", phone="2"))
        self.imported()
        self.contact("Carla").with_user(self.anna).action_link(known.id)
        gone = dict.fromkeys(("names", "emailAddresses", "phoneNumbers"))
        self.google.contacts(ANNA, change={name: gone})
        self.sync_contacts()
        self.assertFalse(self.box.contact_problem)
        self.assertEqual((known.name, known.phone), ("C", False))

    def test_a_page_that_google_has_forgotten(self):
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.box.write({"contact_page": "gone-for-long", "contact_cursor": False})
        self.add(person("Eva May", f"eva@{FIRM}"))
        self.sync_contacts()
        self.assertFalse(self.box.contact_problem)
        self.assertTrue(self.contact("Eva May").partner_id)


@tagged("standard", "post_install", "-at_install")
class TestManyMailboxes(ContactsCase):
    def test_an_address_that_everybody_knows(self):
        """Reading one more address book asks nothing about each of the others."""
        supplier = person("Supplier", f"supplier@{FIRM}", phone="+49 30 1234567")
        self.add(supplier)
        self.imported()
        counts = []
        for size in (5, 20):
            while len(self.env["gmail.contact"].search([])) < size:
                self.one_more()
            contact = self.one_more()
            # The rights of all owners are in Odoo's cache then, as in a worker.
            self.env["gmail.contacts"]._settle(self.box.contact_ids)
            contact.write({"partner_id": False, "is_applied": False, "outcome": False})
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            self.env["gmail.contacts"]._settle(contact)
            self.env.flush_all()
            counts.append(self.cr.sql_log_count - before)
        found = self.env["gmail.contact"].search([])
        self.assertEqual(found.partner_id, self.partners(f"supplier@{FIRM}"))
        self.assertLessEqual(counts[1], counts[0] + 2, counts)

    def one_more(self):
        number = self.env["gmail.mailbox"].search_count([])
        user = self._user(f"gmail_u{number}", f"U{number}", f"u{number}@corp.test")
        box = self.env["gmail.mailbox"].create(
            {
                "name": f"u{number}",
                "email": f"u{number}@gmail.com",
                "user_id": user.id,
                "company_id": self.box.company_id.id,
            }
        )
        box.write({"contact_policy": "never", "contact_state": "active"})
        row = self.box.contact_ids
        contact = row.copy(
            {"mailbox_id": box.id, "outcome": False, "partner_id": False}
        )
        contact.write({"is_applied": False, "reason": False, "found": False})
        self.env["gmail.contacts"]._keep_keys(contact)
        self.env["gmail.contacts"]._settle(contact)
        return contact
