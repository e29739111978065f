"""Who may see and do what with Google's contacts: reader × road, and every decision
within the rights of the mailbox's owner."""

import json

import pytest

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import ANNA, BEN, PRIVATE
from .test_contacts import FIRM, ContactsCase, person

SUPPORT = "support@corp-example.test"
# One of them is in whatever tells of the Google contact or its label.
TOLD = ("alnut", "7654321")
WALNUT = f"walnut@{FIRM}"
ACCESS = "odoo.exceptions.AccessError"
EXPIRED = "odoo.http.SessionExpiredException"
# Who may export nothing at all is told so.
REFUSED = (ACCESS, "odoo.exceptions.UserError")
NAMED = {"display_name": {}}
READABLE = (
    "display_name",
    "name",
    "email",
    "phone",
    "company_name",
    "outcome",
    "reason",
    "choice",
    "is_gone",
    "is_applied",
)
OF_PARTNERS = ("partner_id", "chosen_id", "candidate_ids")
# Fields for administrators, of their own contacts.
INNER = ("card", "found", "company_key", "seen", "photo_url", "photo_taken")
SPECIFICATION = {
    **{name: {} for name in READABLE},
    **{name: {"fields": NAMED} for name in OF_PARTNERS},
}
OF_MAILBOX = {
    "contact_summary": {},
    "contact_ids": {"fields": {"name": {}, **NAMED}},
    "contact_group_id": {"fields": NAMED},
}
OF_DIALOG = {
    "contact_id": {"fields": NAMED},
    **{name: {} for name in ("name", "email", "phone", "company_name")},
    "candidate_ids": {"fields": NAMED},
    "partner_id": {"fields": NAMED},
}
LABELLED = [
    {"contactGroupMembership": {"contactGroupResourceName": "contactGroups/walnut"}}
]


class RightsCase(ContactsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Without the right to create contacts, which ContactsCase gives Ben.
        cls.plain = cls._user("gmail_plain", "Plain", "plain@corp-example.test")
        cls.portal, cls.admin = cls._outsiders()

    def setUp(self):
        super().setUp()
        # Else each export would be refused for that.
        export = self.env.ref("base.group_allow_export")
        for user in self.anna | self.ben | self.plain | self.admin:
            user.group_ids += export

    def log_in(self, user):
        """Log in, in developer mode, whose error messages tell more.

        :param user: empty for the public
        """
        login = user.login if user else None
        self.authenticate(login, login, session_extra={"debug": "1"})

    def ask(self, model, method, *arguments, **keywords):
        """Return what RPC answers, as text, and the name of the error or False."""
        response = self.ask_rpc(model, method, arguments, keywords)
        error = response.json().get("error")
        return response.text, error and error["data"]["name"] or False

    def settled(self, mailbox):
        """Have all contacts of a mailbox settled anew."""
        self.env["gmail.contacts"]._settle_later(mailbox)
        self.sync_contacts(mailbox)

    def known(self, name="Known", email=f"dan@{FIRM}", **values):
        return self.env["res.partner"].create({"name": name, "email": email, **values})

    def hide(self, partner, user, **permissions):
        """Have a record rule hide a contact from a user."""
        self.env["ir.rule"].create(
            {
                "name": "Hidden contact",
                "model_id": self.env.ref("base.model_res_partner").id,
                "domain_force": f"[('id', '!=', {partner.id})] "
                f"if user.id == {user.id} else [(1, '=', 1)]",
                **permissions,
            }
        )
        self.env.flush_all()

    def of(self, mailbox):
        """Return (outcome, reason, contact in Odoo) of a mailbox's one contact."""
        [contact] = mailbox.contact_ids
        return contact.outcome, contact.reason, contact.partner_id


# Old methods are asked too.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@tagged("standard", "post_install", "-at_install")
class TestContactsRightsMatrix(RightsCase):
    def setUp(self):
        super().setUp()
        self.google.contacts(ANNA, add_groups={"walnut": "Walnutlabel"})
        self.add(
            person(
                "Walnutname",
                WALNUT,
                phone="+49 30 7654321",
                memberships=LABELLED,
                organizations=[{"name": "Walnutfirm", "title": "Buyer"}],
            )
        )
        self.box.contact_policy = "all"
        self.sync_contacts()
        self.contact = self.box.contact_ids
        self.label = self.env["gmail.contact.group"].search([])
        self.assertEqual(self.label.name, "Walnutlabel")
        self.box.with_user(self.anna).contact_group_id = self.label
        self.dialog = (
            self.env["gmail.contact.link"]
            .with_user(self.anna)
            .create({"contact_id": self.contact.id})
        )
        self.env.flush_all()
        self.others = (
            self.ben,
            self.plain,
            self.admin,
            self.portal,
            self.env["res.users"],
        )

    def reading(self):
        """Yield (road, what RPC answers) of whoever is logged in."""
        for model, row, specification, by in (
            ("gmail.contact", self.contact, SPECIFICATION, "email"),
            ("gmail.contact.group", self.label, {"name": {}, **NAMED}, "name"),
        ):
            ids, plain = row.ids, [n for n in specification if n not in OF_PARTNERS]
            domain = [["name", "ilike", "Walnut"]]
            for road, *arguments in (
                ("web_read", ids, specification),
                ("read", ids, plain),
                ("read", ids, ["display_name"]),
                ("search_read", domain, plain),
                ("web_search_read", domain, specification),
                ("name_search", "Walnut"),
                ("formatted_read_group", [], [by], ["__count"]),
                ("web_read_group", [], [by]),
                ("read_group", [], [by], [by]),
                ("export_data", ids, plain),
            ):
                yield f"{model} {road}", self.ask(model, road, *arguments)
        box = self.box.ids
        yield "mailbox form", self.ask("gmail.mailbox", "web_read", box, OF_MAILBOX)
        export = ["contact_ids/name", "contact_group_id"]
        yield "mailbox export", self.ask("gmail.mailbox", "export_data", box, export)
        by = ["contact_group_id"]
        yield "mailboxes", self.ask("gmail.mailbox", "formatted_read_group", [], by)
        yield (
            "user",
            self.ask(
                "res.users",
                "web_read",
                self.anna.ids,
                {"gmail_mailbox_ids": {"fields": OF_MAILBOX}},
            ),
        )
        yield (
            "dialog as it opens",
            self.ask(
                "gmail.contact.link",
                "onchange",
                [],
                {},
                [],
                OF_DIALOG,
                context={"default_contact_id": self.contact.id},
            ),
        )
        yield (
            "dialog after a change",
            self.ask(
                "gmail.contact.link",
                "onchange",
                [],
                {"contact_id": self.contact.id},
                ["contact_id"],
                OF_DIALOG,
            ),
        )
        values = {"contact_id": self.contact.id}
        yield (
            "dialog saved",
            self.ask("gmail.contact.link", "web_save", [], values, OF_DIALOG),
        )
        yield (
            "her dialog",
            self.ask("gmail.contact.link", "web_read", self.dialog.ids, OF_DIALOG),
        )
        yield (
            "dialogs",
            self.ask("gmail.contact.link", "search_read", [], ["name", "contact_id"]),
        )

    def counting(self):
        """Yield (road, number or refusal): a count tells too."""
        for model, name in (
            ("gmail.contact", "name"),
            ("gmail.contact", "mailbox_id.contact_ids.email"),
            ("gmail.contact", "mailbox_id.contact_group_id.name"),
            ("gmail.contact.group", "name"),
            ("gmail.mailbox", "contact_ids.name"),
            ("gmail.mailbox", "contact_group_id.name"),
            ("res.users", "gmail_mailbox_ids.contact_ids.name"),
            ("res.users", "gmail_mailbox_ids.contact_group_id.name"),
        ):
            domain = [[name, "ilike", "walnut"]]
            text, refused = self.ask(model, "search_count", domain)
            yield f"{model} {name}", json.loads(text).get("result"), refused

    def test_every_road_is_the_owners_alone(self):
        self.log_in(self.anna)
        for road, (text, refused) in self.reading():
            self.assertFalse(refused, (road, text))
            self.assertTrue(any(part in text for part in TOLD), (road, text))
        for road, count, _refused in self.counting():
            self.assertTrue(count, road)
        for user in self.others:
            self.log_in(user)
            for road, (text, refused) in self.reading():
                cell = user.login, road, text
                self.assertFalse(any(part in text for part in TOLD), cell)
                if not user:
                    self.assertEqual(refused, EXPIRED, cell)
                elif user == self.portal and road != "user":
                    self.assertIn(refused, REFUSED, cell)
            for road, count, refused in self.counting():
                self.assertTrue(refused or count == 0, (user.login, road, count))

    def test_onchange_tells_nothing(self):
        """No form of others', and no value slipped into one's own, tells anything."""
        own = self.connect(self.ben, BEN)
        self.env.flush_all()
        for user in self.others:
            self.log_in(user)
            for model, ids, values, specification in (
                ("gmail.contact", self.contact.ids, {"choice": "skip"}, SPECIFICATION),
                ("gmail.contact", [], {"mailbox_id": self.box.id}, SPECIFICATION),
                ("gmail.mailbox", self.box.ids, {"name": "x"}, OF_MAILBOX),
                (
                    "gmail.mailbox",
                    own.ids,
                    {"contact_group_id": self.label.id},
                    {"contact_group_id": {"fields": {"name": {}, **NAMED}}},
                ),
                (
                    "gmail.mailbox",
                    own.ids,
                    {"contact_ids": [[4, self.contact.id]]},
                    {"contact_ids": {"fields": SPECIFICATION}},
                ),
            ):
                # As a form that opens: all values come back.
                text, _refused = self.ask(
                    model, "onchange", ids, values, [], specification
                )
                cell = user.login, model, ids, text
                self.assertFalse(any(part in text for part in TOLD), cell)

    def doing(self):
        """Yield (model, method, arguments) of what is the owner's to do."""
        contact, box = self.contact.ids, self.box.ids
        partner = self.env.user.partner_id.id
        yield "gmail.contact", "action_ask_link", [contact]
        yield "gmail.contact", "action_leave_out", [contact]
        yield "gmail.contact", "action_create", [contact]
        yield "gmail.contact", "action_link", [contact, partner]
        yield "gmail.contact", "action_as_found", [contact]
        yield "gmail.contact.link", "action_confirm", [self.dialog.ids]
        yield "gmail.mailbox", "action_review_contacts", [box]
        yield "gmail.mailbox", "action_import_contacts", [box]
        yield "gmail.mailbox", "action_undo_contacts", [box]
        for values in (
            {"contact_policy": "written_to"},
            {"contact_group_id": False},
            {"contact_group_id": self.label.id},
            {"contact_notes": True},
            {"contact_birthdays": True},
        ):
            yield "gmail.mailbox", "write", [box, values]
            yield "gmail.mailbox", "web_save", [box, values, {"name": {}}]
        yield (
            "gmail.contact.link",
            "write",
            [self.dialog.ids, {"contact_id": contact[0]}],
        )

    def forbidden(self):
        """Yield (model, method, arguments) of what nobody does by hand."""
        for model, row, values in (
            ("gmail.contact", self.contact, {"name": "x", "choice": "create"}),
            ("gmail.contact.group", self.label, {"name": "x"}),
        ):
            yield model, "write", [row.ids, values]
            yield model, "web_save", [row.ids, values, {}]
            yield model, "unlink", [row.ids]
            yield model, "copy", [row.ids]
            made = {"mailbox_id": self.box.id, "resource_name": "people/x", **values}
            yield model, "create", [[made]]
        commands = [
            [0, 0, {"resource_name": "people/x"}],
            [1, self.contact.id, {"choice": "skip"}],
            [2, self.contact.id],
            [5],
        ]
        for command in commands:
            yield "gmail.mailbox", "write", [self.box.ids, {"contact_ids": [command]}]
        for name, value in (
            ("contact_state", "active"),
            ("can_contacts", False),
            ("contact_cursor", False),
            ("contact_imported_at", "2026-01-01"),
        ):
            yield "gmail.mailbox", "write", [self.box.ids, {name: value}]

    def state(self):
        self.env.invalidate_all()
        rows = []
        for query in (
            "SELECT * FROM gmail_contact ORDER BY id",
            "SELECT * FROM gmail_contact_group ORDER BY id",
            "SELECT * FROM gmail_contact_link ORDER BY id",
            "SELECT contact_policy, contact_group_id, contact_notes, contact_state,"
            " contact_birthdays, next_contacts FROM gmail_mailbox ORDER BY id",
            "SELECT id, name, email, phone, active FROM res_partner ORDER BY id",
        ):
            self.env.cr.execute(query)
            rows.append(self.env.cr.fetchall())
        return rows

    def test_nobody_else_does_anything(self):
        self.dialog.partner_id = self.env.user.partner_id
        self.env.flush_all()
        before = self.state()
        for user in self.others:
            self.log_in(user)
            for model, method, arguments in (*self.doing(), *self.forbidden()):
                text, refused = self.ask(model, method, *arguments)
                cell = user.login, model, method, arguments, text
                self.assertEqual(refused, ACCESS if user else EXPIRED, cell)
                self.assertFalse(any(part in text for part in TOLD), cell)
            self.assertEqual(self.state(), before, user.login)
        self.log_in(self.anna)
        for model, method, arguments in self.forbidden():
            text, refused = self.ask(model, method, *arguments)
            self.assertEqual(refused, ACCESS, (model, method, arguments, text))
        self.assertEqual(self.state(), before)
        # Else the same calls could be refused for what is wrong with them.
        for model, method, arguments in self.doing():
            text, refused = self.ask(model, method, *arguments)
            self.assertFalse(refused, (model, method, arguments, text))

    def test_a_label_of_another_mailbox(self):
        own = self.connect(self.ben, BEN)
        self.env.flush_all()
        self.log_in(self.ben)
        given = {"contact_group_id": self.label.id}
        shown = {"contact_group_id": {"fields": {"name": {}, **NAMED}}}
        for method, arguments in (("write", [given]), ("web_save", [given, shown])):
            text, refused = self.ask("gmail.mailbox", method, own.ids, *arguments)
            self.assertIn("odoo.exceptions", refused, text)
            self.assertFalse(any(part in text for part in TOLD), text)
        self.env.invalidate_all()
        self.assertFalse(own.contact_group_id)
        # Nor one's own of another account.
        second = self.connect(self.anna, PRIVATE)
        with self.assertRaises(ValidationError):
            second.with_user(self.anna).write(given)

    def test_a_mailbox_that_goes_to_nobody_through_its_contacts(self):
        """Ids of others' rows, given where one may write, bring nothing over."""
        own = self.connect(self.ben, BEN)
        mine = self.env["gmail.contact.link"].with_user(self.ben)
        for command in ((4, self.contact.id), (6, 0, self.contact.ids)):
            with self.assertRaises(AccessError):
                own.with_user(self.ben).write({"contact_ids": [command]})
        with self.assertRaises(AccessError):
            mine.create({"contact_id": self.contact.id})
        self.assertEqual(self.contact.mailbox_id, self.box)

    def test_what_tells_persons_apart_is_for_nobody(self):
        """Not for the owner, not for administrators, whomever they are of."""
        own = self.connect(self.admin, SUPPORT)
        self.google.contacts(SUPPORT, clear=True)
        self.add(person("Hazel", f"hazel@{FIRM}"), account=SUPPORT)
        self.imported(own)
        self.imported()
        for model in ("gmail.contact.key", "gmail.contact.origin"):
            self.assertTrue(self.env[model].sudo().search([]), model)
            ids = self.env[model].sudo().search([]).ids
            for user in (self.anna, *self.others):
                self.log_in(user)
                for method, arguments in (
                    ("search_read", [[], []]),
                    ("search_count", [[]]),
                    ("name_search", ["hazel"]),
                    ("read", [ids, ["display_name"]]),
                    ("web_read", [ids, NAMED]),
                    ("export_data", [ids, ["display_name"]]),
                    ("formatted_read_group", [[], [], ["__count"]]),
                    ("write", [ids, {}]),
                    ("create", [[{}]]),
                    ("unlink", [ids]),
                ):
                    text, refused = self.ask(model, method, *arguments)
                    cell = user.login, model, method, text
                    self.assertIn(refused, REFUSED if user else [EXPIRED], cell)
        for user, contact in (
            (self.anna, self.contact),
            (self.admin, own.contact_ids),
        ):
            self.log_in(user)
            contacts = self.env["gmail.contact"].with_user(user)
            with self.assertRaises(AccessError):
                contacts.search_count([("key_ids.key", "like", "@")])
            text, refused = self.ask(
                "gmail.contact",
                "web_read",
                contact.ids,
                {"key_ids": {"fields": {"key": {}}}},
            )
            self.assertEqual(refused, ACCESS, text)

    def test_inner_fields_are_administrators_of_their_own(self):
        for name in INNER:
            for user in (self.anna, self.ben, self.admin):
                with self.assertRaises(AccessError, msg=(name, user.login)):
                    self.contact.with_user(user).read([name])
            with self.assertRaises(AccessError, msg=name):
                self.env["gmail.contact"].with_user(self.anna).search(
                    [(name, "!=", False)]
                )
        own = self.connect(self.admin, SUPPORT)
        self.google.contacts(SUPPORT, clear=True)
        self.add(person("Hazel", f"hazel@{FIRM}"), account=SUPPORT)
        self.sync_contacts(own)
        [row] = own.contact_ids.with_user(self.admin).read(INNER)
        self.assertEqual(row["card"]["emails"], [f"hazel@{FIRM}"])
        found = self.env["gmail.contact"].with_user(self.admin).search([])
        self.assertEqual(found, own.contact_ids)


@tagged("standard", "post_install", "-at_install")
class TestContactsRightsOfCompanies(RightsCase):
    """The owner decides about what she may read, and in her mailbox's company."""

    def setUp(self):
        super().setUp()
        self.here = self.box.company_id
        self.elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.fay = self._user("gmail_fay", "Fay Moore", SUPPORT)
        self.fay.write(
            {
                "company_ids": [(6, 0, self.elsewhere.ids)],
                "company_id": self.elsewhere.id,
                "group_ids": [(4, self.env.ref("base.group_partner_manager").id)],
            }
        )

    def fays(self):
        box = self.connect(self.fay, SUPPORT)
        self.google.contacts(SUPPORT, clear=True)
        self.assertEqual(box.company_id, self.elsewhere)
        return box

    def test_another_companys_contact_is_not_matched(self):
        foreign = self.known("Hiddenname", company_id=self.elsewhere.id)
        self.add(person("Dan Low", f"dan@{FIRM}", phone="2"))
        self.box.contact_policy = "all"
        self.sync_contacts()
        self.assertEqual(self.of(self.box), ("create", "new", self.env["res.partner"]))
        contact = self.box.contact_ids
        self.assertFalse(contact.found)
        self.assertFalse(contact.with_user(self.anna).candidate_ids)
        with self.assertRaises(UserError):
            contact.with_user(self.anna).action_link(foreign.id)
        self.assertFalse(contact.choice)
        self.imported()
        [mine] = self.partners(f"dan@{FIRM}") - foreign
        self.assertEqual(mine.company_id, self.here)
        self.assertEqual(contact.partner_id, mine)
        self.assertFalse(foreign.phone)

    def test_another_companys_twin_is_no_candidate(self):
        mine = self.known("Mine", company_id=self.here.id)
        twin = self.known("Hiddenname", company_id=self.elsewhere.id)
        self.add(person("Dan Low", f"dan@{FIRM}", phone="2"))
        self.sync_contacts()
        self.assertEqual(self.of(self.box), ("update", "address", mine))
        self.assertFalse(twin.phone)
        # With a second one that she may read she is asked, about those two.
        other = self.known("Other", company_id=False)
        self.settled(self.box)
        self.assertEqual(self.of(self.box)[:2], ("conflict", "several"))
        contact = self.box.contact_ids.with_user(self.anna)
        self.assertEqual(contact.candidate_ids, mine | other)
        with self.assertRaises(UserError):
            contact.action_link(twin.id)

    def test_another_companys_contact_by_name_and_phone(self):
        foreign = self.known(
            "Dan Low", False, phone="030 7654321", company_id=self.elsewhere.id
        )
        self.add(person("Dan Low", phone="+49 30 7654321"))
        self.imported()
        _outcome, _reason, mine = self.of(self.box)
        self.assertNotEqual(mine, foreign)
        self.assertEqual((mine.name, mine.company_id), ("Dan Low", self.here))

    def test_one_person_in_two_companies(self):
        other = self.fays()
        self.add(person("Dan Low", f"dan@{FIRM}", phone="1"))
        self.add(person("Daniel", f"dan@{FIRM}", phone="2"), account=SUPPORT)
        self.imported()
        self.imported(other)
        mine, theirs = self.of(self.box)[2], self.of(other)[2]
        self.assertEqual(self.partners(f"dan@{FIRM}"), mine | theirs)
        self.assertEqual(len(mine | theirs), 2)
        self.assertEqual((mine.company_id, mine.phone), (self.here, "1"))
        self.assertEqual((theirs.company_id, theirs.phone), (self.elsewhere, "2"))
        self.assertEqual((mine.name, theirs.name), ("Dan Low", "Daniel"))
        for user, own, foreign in (
            (self.anna, mine, theirs),
            (self.fay, theirs, mine),
        ):
            found = self.env["res.partner"].with_user(user)
            found = found.search([("email", "=", f"dan@{FIRM}")])
            self.assertEqual(found, own)
            with self.assertRaises(AccessError):
                foreign.with_user(user).read(["name"])
        # What one changes in Google goes to her own company's only.
        [row] = self.google.contacts(ANNA)
        phones = [{"value": "11", "type": "work"}]
        changed = {row["resourceName"]: {"phoneNumbers": phones}}
        self.google.contacts(ANNA, change=changed)
        self.sync_contacts()
        self.sync_contacts(other)
        self.assertEqual((mine.phone, theirs.phone), ("11", "2"))

    def test_firms_of_two_companies(self):
        other = self.fays()
        works = {"organizations": [{"name": "Acme Ltd"}]}
        self.add(person("Dan Low", f"dan@{FIRM}", **works))
        self.add(person("Eve Low", f"eve@{FIRM}", **works), account=SUPPORT)
        self.imported()
        self.imported(other)
        mine, theirs = self.of(self.box)[2], self.of(other)[2]
        self.assertEqual(mine.parent_id.name, "Acme Ltd")
        self.assertEqual(theirs.parent_id.name, "Acme Ltd")
        self.assertEqual(mine.parent_id.company_id, self.here)
        self.assertEqual(theirs.parent_id.company_id, self.elsewhere)

    def test_a_contact_of_all_companies_is_everybodys(self):
        shared = self.known(company_id=False)
        other = self.fays()
        self.add(person("Dan Low", f"dan@{FIRM}", phone="1"))
        self.add(person("Dan Low", f"dan@{FIRM}"), account=SUPPORT)
        self.imported()
        self.imported(other)
        self.assertEqual(self.of(self.box)[2] | self.of(other)[2], shared)
        self.assertEqual(self.partners(f"dan@{FIRM}"), shared)

    def test_new_contacts_are_of_the_mailboxs_company(self):
        """Whichever company its owner works in just now."""
        self.anna.write(
            {
                "company_ids": [(4, self.elsewhere.id)],
                "company_id": self.elsewhere.id,
            }
        )
        self.add(person("Dan Low", f"dan@{FIRM}"), person("Eve", f"eve@{FIRM}"))
        self.imported(policy="never")
        self.assertFalse(self.partners(f"dan@{FIRM}", f"eve@{FIRM}"))
        by_hand = self.box.contact_ids.filtered(lambda c: c.name == "Dan Low")
        allowed = by_hand.with_user(self.anna).with_context(
            allowed_company_ids=self.elsewhere.ids
        )
        allowed.action_create()
        self.imported_again("all")
        found = self.partners(f"dan@{FIRM}", f"eve@{FIRM}")
        self.assertEqual(len(found), 2)
        self.assertEqual(found.company_id, self.here)

    def imported_again(self, policy):
        self.box.contact_policy = policy
        self.settled(self.box)

    def test_who_left_the_company_creates_nothing_there(self):
        self.anna.write(
            {
                "company_id": self.elsewhere.id,
                "company_ids": [(6, 0, self.elsewhere.ids)],
            }
        )
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.assertEqual(self.of(self.box)[:2], ("skip", "refused"))
        self.assertFalse(self.partners(f"dan@{FIRM}"))

    def test_a_contact_that_moves_to_another_company(self):
        known = self.known(company_id=self.here.id)
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported(policy="never")
        self.assertEqual(self.of(self.box)[2], known)
        known.company_id = self.elsewhere
        self.settled(self.box)
        self.assertEqual(self.of(self.box), ("skip", "policy", self.env["res.partner"]))


@tagged("standard", "post_install", "-at_install")
class TestContactsRightsOfRules(RightsCase):
    """A record rule hides one contact from the owner."""

    def setUp(self):
        super().setUp()
        self.hidden = self.known("Hiddenname")
        self.add(person("Dan Low", f"dan@{FIRM}", phone="2"))

    def test_it_is_as_if_there_were_none(self):
        self.hide(self.hidden, self.anna)
        self.imported()
        outcome, reason, mine = self.of(self.box)
        self.assertEqual((outcome, reason), ("create", "new"))
        self.assertEqual(self.partners(f"dan@{FIRM}"), mine | self.hidden)
        self.assertNotEqual(mine, self.hidden)
        self.assertFalse(self.hidden.phone)
        # Who may read it finds it.
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(person("Dan", f"dan@{FIRM}"), account=BEN)
        self.imported(other)
        self.assertEqual(self.of(other)[2], self.hidden)
        self.settled(self.box)
        self.assertEqual(self.of(self.box)[2], mine)

    def test_nothing_about_it_is_told(self):
        self.hide(self.hidden, self.anna)
        self.box.contact_policy = "all"
        self.sync_contacts()
        contact = self.box.contact_ids
        self.assertFalse(contact.found)
        self.log_in(self.anna)
        for model, method, arguments in (
            ("gmail.contact", "web_read", [contact.ids, SPECIFICATION]),
            ("gmail.contact", "web_search_read", [[], SPECIFICATION]),
            ("gmail.contact", "export_data", [contact.ids, ["partner_id", "reason"]]),
            ("gmail.contact", "formatted_read_group", [[], ["partner_id"]]),
            ("gmail.contact", "action_ask_link", [contact.ids]),
            (
                "gmail.contact.link",
                "onchange",
                [[], {"contact_id": contact.id}, ["contact_id"], OF_DIALOG],
            ),
            ("gmail.mailbox", "web_read", [self.box.ids, OF_MAILBOX]),
        ):
            text, refused = self.ask(model, method, *arguments)
            self.assertFalse(refused, (method, text))
            self.assertNotIn("Hiddenname", text, method)
        texts = set()
        for partner_id in (self.hidden.id, 2**30):
            text, refused = self.ask(
                "gmail.contact", "action_link", contact.ids, partner_id
            )
            self.assertTrue(refused)
            texts.add(json.loads(text)["error"]["data"]["message"])
        # That there is one is not told either.
        self.assertEqual(len(texts), 1, texts)
        self.assertNotIn("Hiddenname", texts.pop())
        self.assertFalse(contact.choice)

    def test_hidden_candidates(self):
        mine = self.known("Mine")
        self.hide(self.hidden, self.anna)
        self.imported()
        self.assertEqual(self.of(self.box), ("update", "address", mine))

    def test_hidden_after_it_was_a_candidate(self):
        mine = self.known("Mine")
        self.sync_contacts()
        contact = self.box.contact_ids.with_user(self.anna)
        self.assertEqual(contact.candidate_ids, mine | self.hidden)
        self.hide(self.hidden, self.anna)
        self.env.invalidate_all()
        self.assertEqual(contact.candidate_ids, mine)

    def test_hidden_and_archived(self):
        """It does not keep the Google contact out, as an archived one would that she
        may read."""
        self.hidden.active = False
        self.sync_contacts()
        self.assertEqual(self.of(self.box)[1], "archived")
        self.hide(self.hidden, self.anna)
        self.box.contact_policy = "all"
        self.settled(self.box)
        self.assertEqual(self.of(self.box)[:2], ("create", "new"))

    def test_hidden_after_it_was_linked(self):
        self.imported(policy="never")
        self.assertEqual(self.of(self.box)[2], self.hidden)
        self.hide(self.hidden, self.anna)
        [row] = self.google.contacts(ANNA)
        phones = [{"value": "3", "type": "work"}]
        changed = {row["resourceName"]: {"phoneNumbers": phones}}
        self.google.contacts(ANNA, change=changed)
        self.sync_contacts()
        self.assertEqual(self.of(self.box), ("skip", "policy", self.env["res.partner"]))
        self.assertNotEqual(self.hidden.phone, "3")

    def test_hidden_after_she_chose_it(self):
        self.imported(policy="never")
        self.box.contact_ids.with_user(self.anna).action_link(self.hidden.id)
        self.assertEqual(self.of(self.box)[1:], ("chosen", self.hidden))
        self.hide(self.hidden, self.anna)
        self.settled(self.box)
        self.assertFalse(self.of(self.box)[2])

    def test_a_hidden_firm_is_not_joined(self):
        firm = self.known("Acme Ltd", False, is_company=True)
        self.hide(firm, self.anna)
        self.google.contacts(ANNA, clear=True)
        works = {"organizations": [{"name": "Acme Ltd"}]}
        self.add(person("Eve Low", f"eve@{FIRM}", **works))
        self.imported()
        eve = self.partners(f"eve@{FIRM}")
        self.assertEqual(eve.parent_id.name, "Acme Ltd")
        self.assertNotEqual(eve.parent_id, firm)
        self.assertFalse(firm.child_ids)

    def test_what_may_only_be_read_stays_as_it_is(self):
        self.hide(self.hidden, self.anna, perm_read=False)
        self.imported()
        self.assertEqual(self.of(self.box), ("match", "address", self.hidden))
        self.assertFalse(self.hidden.phone)
        self.box.contact_ids.with_user(self.anna).action_link(self.hidden.id)
        self.assertFalse(self.hidden.phone)
        self.assertEqual(self.hidden.name, "Hiddenname")


@tagged("standard", "post_install", "-at_install")
class TestContactsRightsOfGroups(RightsCase):
    """The owner has no right to create or change contacts."""

    def setUp(self):
        super().setUp()
        self.anna.group_ids -= self.env.ref("base.group_partner_manager")

    def rows(self):
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT id, name, email, phone, parent_id, write_date FROM res_partner"
            " ORDER BY id"
        )
        return self.env.cr.fetchall()

    def test_who_may_not_create_creates_nobody(self):
        works = {"organizations": [{"name": "Acme Ltd"}]}
        self.add(person("Dan Low", f"dan@{FIRM}", **works))
        before = self.rows()
        self.imported()
        contact = self.box.contact_ids
        self.assertEqual(self.of(self.box)[:2], ("skip", "no_right"))
        contact.with_user(self.anna).action_create()
        self.assertEqual(self.of(self.box)[:2], ("skip", "no_right"))
        self.settled(self.box)
        self.assertEqual(self.rows(), before)
        # The ceiling of an administrator widens no right.
        self.anna.group_ids += self.env.ref("base.group_partner_manager")
        self.settled(self.box)
        self.assertEqual(self.partners(f"dan@{FIRM}").parent_id.name, "Acme Ltd")

    def test_who_may_not_change_changes_nobody(self):
        known = self.known()
        works = {"organizations": [{"name": "Acme Ltd", "title": "Buyer"}]}
        self.add(person("Dan Low", f"dan@{FIRM}", phone="2", photo=True, **works))
        before = self.rows()
        self.imported()
        self.assertEqual(self.of(self.box), ("match", "address", known))
        contact = self.box.contact_ids.with_user(self.anna)
        for action in ("action_as_found", "action_create", "action_leave_out"):
            getattr(contact, action)()
        contact.action_link(known.id)
        dialog = self.env["gmail.contact.link"].with_user(self.anna)
        dialog.create(
            {"contact_id": contact.id, "partner_id": known.id}
        ).action_confirm()
        self.assertEqual(self.of(self.box), ("match", "chosen", known))
        self.sync_contacts()
        self.box.with_user(self.anna).action_undo_contacts()
        self.sync_contacts()
        self.assertEqual(self.rows(), before)
        self.assertFalse(known.image_1920)

    def test_a_colleagues_rights_create_nothing_of_hers(self):
        """Another owner of the company may create: only his own people come."""
        other = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(person("Dan Low", f"dan@{FIRM}"), person("Eve", f"eve@{FIRM}"))
        self.add(person("Dan", f"dan@{FIRM}"), account=BEN)
        self.imported()
        self.imported(other)
        self.assertFalse(self.partners(f"eve@{FIRM}"))
        [dan] = self.partners(f"dan@{FIRM}")
        self.assertEqual(self.of(other)[2], dan)
        self.assertEqual(dan.create_uid, self.ben)


@tagged("standard", "post_install", "-at_install")
class TestRightsOfOthers(RightsCase):
    """Nobody acts with the rights of a colleague who has the same contact."""

    def bens(self, *people):
        box = self.connect(self.ben, BEN)
        self.google.contacts(BEN, clear=True)
        self.add(*people, account=BEN)
        return box

    def without_rights(self):
        self.anna.group_ids -= self.env.ref("base.group_partner_manager")

    def test_refusals_name_no_google_contact(self):
        self.add(person("Walnutname", f"walnut@{FIRM}"))
        self.sync_contacts()
        self.log_in(self.ben)
        text, _refused = self.ask(
            "gmail.contact.link",
            "create",
            [{"contact_id": self.box.contact_ids.id}],
        )
        self.assertNotIn("Walnutname", text)

    def test_nobody_writes_with_a_colleagues_rights(self):
        self.without_rights()
        known = self.known(email=f"dan@{FIRM}")
        other = self.bens(person("Dan", f"dan@{FIRM}"))
        self.add(person("Dan Low", f"dan@{FIRM}", phone="0900 666"))
        self.imported()
        self.assertFalse(known.phone)
        self.imported(other)
        self.assertFalse(known.phone)

    def test_nor_names_what_a_colleague_made(self):
        self.without_rights()
        other = self.bens(person("Dan", f"dan@{FIRM}", phone="1"))
        self.add(person("Evil", f"dan@{FIRM}", phone="0900 666"))
        self.imported()
        self.imported(other)
        [dan] = self.partners(f"dan@{FIRM}")
        self.assertEqual((dan.name, dan.phone), ("Dan", "1"))
        self.sync_contacts()
        self.settled(self.box)
        self.assertEqual((dan.name, dan.phone), ("Dan", "1"))

    def test_who_may_not_delete_deletes_nothing(self):
        self.without_rights()
        other = self.bens(person("Dan", f"dan@{FIRM}"))
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.imported(other)
        [dan] = self.partners(f"dan@{FIRM}")
        self.settled(self.box)
        other.with_user(self.ben).action_delete()
        self.assertTrue(dan.exists())
        self.box.contact_ids.with_user(self.anna).action_leave_out()
        self.assertTrue(dan.exists())

    def test_who_may_not_write_empties_nothing(self):
        self.without_rights()
        known = self.known(email=f"dan@{FIRM}")
        other = self.bens(person("Dan", f"dan@{FIRM}", phone="1"))
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        self.imported(other)
        self.assertEqual(known.phone, "1")
        other.with_user(self.ben).action_delete()
        self.assertEqual(known.phone, "1")
        self.box.contact_ids.with_user(self.anna).action_leave_out()
        self.assertEqual(known.phone, "1")

    def test_a_hidden_contact_is_not_taken_up_again(self):
        """Of a mailbox that was deleted."""
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        [hidden] = self.partners(f"dan@{FIRM}")
        self.box.with_user(self.anna).action_delete()
        hidden.name = "Hiddenname"
        self.hide(hidden, self.ben)
        other = self.bens(person("Dan", f"dan@{FIRM}"))
        self.imported(other)
        self.log_in(self.ben)
        text, _refused = self.ask(
            "gmail.contact", "web_read", other.contact_ids.ids, SPECIFICATION
        )
        self.assertNotIn("Hiddenname", text)
        self.assertNotEqual(self.of(other)[2], hidden)

    def test_one_of_another_company_is_not_taken_up_again(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.add(person("Dan Low", f"dan@{FIRM}"))
        self.imported()
        [moved] = self.partners(f"dan@{FIRM}")
        self.box.with_user(self.anna).action_delete()
        moved.company_id = elsewhere
        self.box = self.connect(self.anna, ANNA)
        self.imported()
        self.assertNotEqual(self.of(self.box)[2], moved)

    def test_a_hidden_firm_keeps_people_out(self):
        works = {"organizations": [{"name": "Acme Ltd"}]}
        self.add(person("Dan Low", f"dan@{FIRM}", **works))
        self.imported()
        firm = self.partners(f"dan@{FIRM}").parent_id
        self.assertEqual(firm.name, "Acme Ltd")
        self.hide(firm, self.ben)
        other = self.bens(person("Eve Low", f"eve@{FIRM}", **works))
        self.imported(other)
        eve = self.of(other)[2]
        self.assertTrue(eve)
        self.assertNotEqual(eve.parent_id, firm)

    def test_a_firm_of_another_company_too(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        works = {"organizations": [{"name": "Acme Ltd"}]}
        self.add(person("Dan Low", f"dan@{FIRM}", **works))
        self.imported()
        dan = self.partners(f"dan@{FIRM}")
        firm = dan.parent_id
        (dan | firm).company_id = elsewhere
        self.add(person("Eve Low", f"eve@{FIRM}", **works))
        self.sync_contacts()
        eve = self.partners(f"eve@{FIRM}")
        self.assertTrue(eve)
        self.assertNotEqual(eve.parent_id, firm)
