"""New contacts are everybody's, or their owners' until a document needs them."""

from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ANNA, BEN, PRIVATE, mail
from .test_contacts import FIRM, ContactsCase, person
from .test_contacts_companies import at

VISIBILITY = "gmail_oauth_mailbox.contact_visibility"


DOCUMENT = "x_gmail_document"
CUSTOMER = "x_customer_id"


@tagged("standard", "post_install", "-at_install")
class TestContactVisibility(ContactsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        model = cls.env["ir.model"].create(
            {
                "name": "Offer",
                "model": DOCUMENT,
                "is_mail_thread": True,
                "field_id": [
                    Command.create({"name": "x_name", "ttype": "char"}),
                    Command.create(
                        {
                            "name": "x_customer_id",
                            "ttype": "many2one",
                            "relation": "res.partner",
                        }
                    ),
                ],
            }
        )
        cls.env["ir.model.access"].create(
            {
                "name": "offer",
                "model_id": model.id,
                "group_id": cls.env.ref("base.group_user").id,
                **{f"perm_{name}": True for name in ("read", "write", "create")},
            }
        )

    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].sudo().set_param(VISIBILITY, "owner")
        self.google.contacts(BEN, clear=True)
        # In developer mode, too, whose refusals tell more.
        for name in ("allow_export", "no_one"):
            self.ben.group_ids += self.env.ref(f"base.group_{name}")

    def import_dan(self):
        self.add(at("Acme", "Dan Low", f"dan@{FIRM}", phone="+49 30 1234567"))
        self.imported()
        dan = self.contact("Dan Low").partner_id
        self.assertTrue(dan.parent_id)
        return dan

    def test_an_email_handed_in_shows_no_contact_that_its_bringer_does_not_see(self):
        dan = self.import_dan()
        for sender in (ANNA, BEN):
            raw = mail(sender=sender, to="x@y.test", Message_ID=f"<{sender}>").decode()
            values = {
                "name": "Lunch",
                "start": "2026-11-24 10:00:00",
                "stop": "2026-11-24 11:00:00",
                "partner_ids": [(6, 0, dan.ids)],
            }
            with self.assertRaises(AccessError), self.cr.savepoint():
                self.env["mail.thread"].with_user(self.ben).message_process(
                    "calendar.event", raw, custom_values=values
                )
            self.assertTrue(dan.gmail_is_private)
            self.assertFalse(self.sees(self.ben, dan))

    def sees(self, user, partners):
        """Return those of some contacts that a user sees; all roads say the same."""
        own = self.env["res.partner"].with_user(user)
        found = own.search([("id", "in", partners.ids)])
        self.assertEqual(found, own.browse(partners.ids)._filtered_access("read"))
        named = own.name_search("", [("id", "in", partners.ids)])
        self.assertEqual(sorted(i for i, _n in named), sorted(found.ids))
        groups = own.formatted_read_group(
            [("id", "in", partners.ids)], ["name"], ["__count"]
        )
        self.assertEqual(sum(group["__count"] for group in groups), len(found))
        document = self.env[DOCUMENT].with_user(user).create({"x_name": "Offer"})
        for partner in own.browse((partners - found.sudo()).ids):
            for road in (
                lambda p: p.read(["name"]),
                lambda p: p.web_read({"name": {}}),
                lambda p: p.export_data(["name"]),
                lambda p: p.write({"phone": "1"}),
                lambda p: p.action_gmail_open(),
                lambda p: p.message_post(body="Hello"),
                lambda p: p.copy(),
                lambda p: p.unlink(),
                # Whoever guesses an id learns nothing.
                lambda p: self.env[DOCUMENT].with_user(user).create({CUSTOMER: p.id}),
                lambda p: document.write({CUSTOMER: p.id}),
                lambda p: document.message_subscribe(p.ids),
            ):
                with self.assertRaises(AccessError) as refused:
                    road(partner)
                self.assertNotIn(partner.sudo().name, str(refused.exception))
        return found.sudo()

    def test_all_users_by_default(self):
        self.env["ir.config_parameter"].sudo().set_param(VISIBILITY, False)
        dan = self.import_dan()
        self.assertEqual(self.sees(self.ben, dan), dan)
        self.assertFalse(dan.with_user(self.anna).gmail_is_mine)

    def test_only_her_owner_sees_her(self):
        dan = self.import_dan()
        both = dan | dan.parent_id
        self.assertEqual(self.sees(self.anna, both), both)
        self.assertTrue(dan.with_user(self.anna).gmail_is_mine)
        self.assertFalse(self.sees(self.ben, both))
        self.assertFalse(self.sees(self.env.ref("base.user_admin"), both))
        # What was in Odoo before is everybody's.
        self.assertEqual(self.sees(self.ben, self.ben.partner_id), self.ben.partner_id)

    def test_nobody_hides_a_contact_or_adopts_one(self):
        dan = self.import_dan()
        mine = self.env["res.partner"].create({"name": "Everybody's"})
        for user in (self.ben, self.env.ref("base.user_admin")):
            for values in (
                {"gmail_is_private": True},
                {"gmail_owner_ids": [(4, user.id)]},
            ):
                for partner in (mine, dan):
                    with self.assertRaises(AccessError):
                        partner.with_user(user).write(values)
                with self.assertRaises(AccessError):
                    mine.with_user(user).create({"name": "Hidden", **values})
            with self.assertRaises(AccessError):
                mine.with_user(user).read(["gmail_owner_ids"])
            with self.assertRaises(AccessError):
                mine.with_user(user).search([("gmail_owner_ids", "=", self.anna.id)])

    def test_a_document_needs_her(self):
        dan = self.import_dan()
        acme = dan.parent_id
        offer = self.env[DOCUMENT].with_user(self.anna).create({"x_name": "Offer"})
        self.assertFalse(self.sees(self.ben, dan | acme))
        offer.x_customer_id = dan
        self.assertEqual(self.sees(self.ben, dan | acme), dan | acme)
        self.assertFalse(dan.with_user(self.anna).gmail_is_mine)

    def test_anything_else_refers_to_her(self):
        dan = self.import_dan()
        self.run_cron("contact_visibility")
        self.assertFalse(self.sees(self.ben, dan))
        # A tag, or whoever follows her, is no document.
        dan.category_id = self.env["res.partner.category"].create({"name": "VIP"})
        dan.message_subscribe(self.anna.partner_id.ids)
        self.run_cron("contact_visibility")
        self.assertFalse(self.sees(self.ben, dan))
        offer = self.env[DOCUMENT].create({"x_name": "Offer"})
        offer.message_subscribe(dan.ids)
        self.run_cron("contact_visibility")
        self.assertEqual(self.sees(self.ben, dan), dan)

    def test_contacts_that_fail_keep_back_no_others(self):
        dan = self.import_dan()
        fine = self.env[DOCUMENT].create({"x_name": "Offer"})
        fine.message_subscribe(dan.ids)
        visibility = type(self.env["gmail.contact.visibility"])
        on_documents = visibility._on_documents

        def fail(service, partners):
            if dan.parent_id in partners:
                raise ValueError("a table of another addon")
            return on_documents(service, partners)

        module = "odoo.addons.gmail_oauth_mailbox.services.gmail_contact_visibility"
        with (
            patch.object(visibility, "_on_documents", fail),
            patch(f"{module}.AT_ONCE", 1),
            mute_logger(module),
        ):
            self.run_cron("contact_visibility")
            self.run_cron("contact_visibility")
        self.assertFalse(dan.gmail_is_private)

    def test_she_says_so(self):
        dan = self.import_dan()
        dan.with_user(self.anna).action_gmail_open()
        self.assertEqual(self.sees(self.ben, dan), dan)

    def test_in_two_address_books(self):
        dan = self.import_dan()
        other = self.connect(self.ben, BEN)
        self.add(at("Acme", "Daniel", f"dan@{FIRM}"), account=BEN)
        # Whoever has imported none learns of none.
        other.contact_policy = "all"
        self.sync_contacts(other)
        self.assertEqual(other.contact_ids.outcome, "create")
        self.assertFalse(other.contact_ids.partner_id)
        # Nor whoever takes none over.
        self.imported(other, policy="never")
        self.assertEqual(
            (other.contact_ids.outcome, other.contact_ids.reason), ("skip", "policy")
        )
        self.assertFalse(self.sees(self.ben, dan))
        other.with_user(self.ben).contact_policy = "all"
        self.sync_contacts(other)
        both = dan | dan.parent_id
        self.assertEqual(other.contact_ids.partner_id, dan)
        self.assertEqual(self.sees(self.ben, both), both)
        self.assertEqual(self.sees(self.anna, both), both)
        # Who takes it back sees it no more; the other does.
        other.with_user(self.ben).action_undo_contacts()
        self.sync_contacts(other)
        self.assertFalse(self.sees(self.ben, dan))
        self.assertEqual(self.sees(self.anna, both), both)

    def test_two_mailboxes_of_one_owner(self):
        dan = self.import_dan()
        self.google.contacts(PRIVATE, clear=True)
        other = self.connect(self.anna, PRIVATE)
        self.add(person("Dan", f"dan@{FIRM}"), account=PRIVATE)
        self.imported(other)
        other.with_user(self.anna).action_undo_contacts()
        self.sync_contacts(other)
        self.assertEqual(self.sees(self.anna, dan), dan)

    def test_undo_and_again(self):
        dan = self.import_dan()
        acme = dan.parent_id
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertFalse((dan | acme).exists())
        self.box.with_user(self.anna).action_review_contacts()
        self.imported()
        dan = self.contact("Dan Low").partner_id
        self.assertEqual(self.sees(self.anna, dan), dan)
        self.assertFalse(self.sees(self.ben, dan))

    def test_the_mailbox_is_deleted(self):
        dan = self.import_dan()
        self.box._delete()
        self.assertEqual(self.sees(self.anna, dan), dan)
        self.assertFalse(self.sees(self.ben, dan))

    def test_its_owner_leaves(self):
        dan = self.import_dan()
        acme = dan.parent_id
        self.add(person("Eva May", f"eva@{FIRM}"), person("Tom", f"tom@{FIRM}"))
        self.sync_contacts()
        eva, tom = self.contact("Eva May").partner_id, self.contact("Tom").partner_id
        eva.with_user(self.anna).phone = "1"
        offers = self.env[DOCUMENT].with_user(self.anna)
        offers.create({"x_name": "Offer", "x_customer_id": tom.id})
        self.anna.unlink()
        self.assertFalse((dan | acme).exists())
        # What somebody changed or used is the company's.
        self.assertEqual(self.sees(self.ben, eva | tom), eva | tom)

    def test_merged_with_another(self):
        dan = self.import_dan()
        other = self.env["res.partner"].create({"name": "Dan", "email": f"dan@{FIRM}"})
        merge = self.env["base.partner.merge.automatic.wizard"].create({})
        merge._merge((dan | other).ids, dan)
        self.assertEqual(self.sees(self.ben, dan), dan)

    def test_a_colleagues_mailbox_links_no_mail_to_her(self):
        dan = self.import_dan()
        linker = self.env["gmail.linker"]
        other = self.connect(self.ben, BEN)
        for box, found in ((self.box, {("res.partner", dan.id)}), (other, set())):
            env = linker._as_owner(box)
            self.assertEqual(linker._readable(env, [("res.partner", dan.id)]), found)

    def test_a_company_follows_who_works_there(self):
        dan = self.import_dan()
        acme = dan.parent_id
        native = self.env["res.partner"].create({"name": "Beta", "is_company": True})
        dan.with_user(self.anna).action_gmail_open()
        self.assertEqual(self.sees(self.ben, acme), acme)
        # Google names another employer of somebody whom everybody sees.
        name = self.contact("Dan Low").resource_name
        self.google.contacts(
            ANNA, change={name: {"organizations": [{"name": "Gamma"}]}}
        )
        self.sync_contacts()
        self.assertEqual(dan.parent_id.name, "Gamma")
        self.assertEqual(self.sees(self.ben, dan.parent_id), dan.parent_id)
        self.assertFalse(native.child_ids)

    def test_the_address_of_a_company_is_its_hidden_peoples_too(self):
        self.ben.group_ids += self.env.ref("base.group_partner_manager")
        acme = self.env["res.partner"].create(
            {"name": "Acme", "is_company": True, "street": "Old 1"}
        )
        dan = self.import_dan()
        self.assertEqual((dan.parent_id, dan.street), (acme, "Old 1"))
        acme.with_user(self.ben).street = "New 2"
        self.assertEqual(dan.street, "New 2")
        dan.with_user(self.anna).city = "Berlin"
        self.assertEqual(acme.street, "New 2")

    def test_who_becomes_a_user_is_no_secret(self):
        dan = self.import_dan()
        user = self.env["res.users"].create(
            {
                "login": "dan",
                "partner_id": dan.id,
                "group_ids": [Command.set(self.env.ref("base.group_portal").ids)],
            }
        )
        self.assertEqual(dan.with_user(user).read(["name"])[0]["name"], "Dan Low")
        self.assertTrue(user.with_user(self.ben).read(["name"]))

    def test_its_owner_leaves_after_her_mailbox(self):
        dan = self.import_dan()
        self.env["ir.config_parameter"].sudo().set_param(
            "gmail_oauth_mailbox.leaver_days", "1"
        )
        self.box._delete()
        self.anna.active = False
        self.run_cron("leaving")
        self.assertTrue(dan.exists())
        self.env.flush_all()
        self.cr.execute(
            "UPDATE res_users SET write_date = '2020-01-01' WHERE id = %s",
            [self.anna.id],
        )
        self.run_cron("leaving")
        self.assertFalse(dan.exists())

    def test_nobodys_contacts_are_everybodys(self):
        dan = self.import_dan()
        self.cr.execute("DELETE FROM gmail_contact_owner_rel")
        self.env.invalidate_all()
        self.run_cron("contact_visibility")
        self.assertEqual(self.sees(self.ben, dan), dan)
