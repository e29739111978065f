from collections import defaultdict

from odoo import api, models
from odoo.exceptions import UserError

from ..lib.contact import plain_name
from .gmail_contact_values import is_of_company, precedence


class GmailContactCompanies(models.AbstractModel):
    """The companies that Google's contacts work for.

    A contact that Google made stands under the one company that has the name of its
    organisation, or under a new one. Only an address of the organisation's own proves
    that there is one: freemail, own domains and desks become no companies.
    """

    _name = "gmail.contact.companies"
    _description = "Companies of Google Contacts"

    @api.model
    def _parents(self, persons):
        """Return the ids of the companies that persons work for, False for none.

        :param persons: Google contacts (sudo) of one person each, of one company
        """
        own_domains = self.env["gmail.linker"]._own_domains()
        firsts = [
            min(
                person.filtered(lambda c: self._works_for_one(c, own_domains)),
                key=precedence,
                default=person.browse(),
            )
            for person in persons
        ]
        found = {}
        everybody = self.env["gmail.contact"].union(*firsts)
        for mailbox, own in everybody.grouped("mailbox_id").items():
            found[mailbox] = self._of_keys(mailbox, own.sorted(precedence))
        return [
            bool(first) and found[first.mailbox_id].get(first.company_key, False)
            for first in firsts
        ]

    def _works_for_one(self, contact, own_domains):
        return (
            contact.company_key
            and contact.email
            and plain_name(contact.name or "") not in ("", contact.company_key)
            and self.env["gmail.linker"]._is_company_domain(contact.email, own_domains)
        )

    def _of_keys(self, mailbox, contacts):
        """Return {plain name: id} of companies for Google contacts of a mailbox."""
        names = {}
        for contact in contacts:
            names.setdefault(contact.company_key, contact.company_name)
        natives = self._natives(mailbox, names)
        found = {key: ids[0] for key, ids in natives.items() if len(ids) == 1}
        keys = {
            self._created_key(mailbox.company_id, key): key
            for key in names
            if key not in natives
        }
        origins = self.env["gmail.contact.origin"].search(
            [("created_key", "in", list(keys))]
        )
        found.update(
            {
                keys[origin.created_key]: origin.partner_id.active
                and origin.partner_id.id
                for origin in origins
            }
        )
        self.env["gmail.contact.visibility"]._admit(
            [(origin.partner_id.id, mailbox.user_id.id) for origin in origins]
        )
        new = [key for key in names if key not in natives and key not in found]
        found.update(self._create(mailbox, {key: names[key] for key in new}))
        return found

    def _created_key(self, company, key):
        return f'{company.id or 0}|"{key}"'

    def _natives(self, mailbox, names):
        """Return {plain name: ids of those in use} of companies that Google did not
        make, as far as the owner of a mailbox may read them."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT p.id
              FROM res_partner p
             WHERE lower(p.name) = ANY(%s) AND p.is_company
               AND (p.company_id IS NULL OR p.company_id = %s)
               AND NOT EXISTS (SELECT FROM res_company c WHERE c.partner_id = p.id)
               AND NOT EXISTS (SELECT FROM gmail_contact_origin o
                                WHERE o.partner_id = p.id
                                  AND o.created_key IS NOT NULL)
             ORDER BY p.id
            """,
            [[name.lower() for name in names.values()], mailbox.company_id.id or None],
        )
        ids = [row_id for (row_id,) in self.env.cr.fetchall()]
        env = self.env["gmail.linker"]._as_owner(mailbox)
        found = defaultdict(list)
        for partner in env["res.partner"].browse(ids)._filtered_access("read"):
            # One that somebody archived does not come again.
            found[plain_name(partner.name)] += partner.ids if partner.active else []
        return found

    def _create(self, mailbox, names):
        """Return {plain name: id} of new companies."""
        env = self.env["gmail.linker"]._as_owner(mailbox)
        policy = self.env["gmail.setup"]._contact_policy(mailbox)
        if (
            not names
            or policy == "never"
            or not env["res.partner"].has_access("create")
        ):
            return {}
        values = [
            {"name": name, "is_company": True, "company_id": mailbox.company_id.id}
            for name in names.values()
        ]
        partners = self.env["gmail.contact.values"]._create(env, values)
        visibility = self.env["gmail.contact.visibility"]
        visibility._keep(self.env["res.partner"].union(*partners), mailbox.user_id)
        found = {}
        for key, partner in zip(names, partners, strict=True):
            if partner:
                self.env["gmail.contact.origin"].create(
                    {
                        "partner_id": partner.id,
                        "created_key": self._created_key(mailbox.company_id, key),
                        "written": {"name": partner.name},
                        "touched": partner.write_date,
                    }
                )
                found[key] = partner.id
        return found

    @api.model
    def _made(self, partners):
        """Return {company that Google made: its origin} of some contacts."""
        origins = self.env["gmail.contact.origin"].search(
            [("partner_id", "in", partners.ids)]
        )
        return {o.partner_id: o for o in origins.filtered(is_of_company)}

    @api.model
    def _fill(self, partners, countries):
        """Bring companies that Google made up to date with the contacts that work for
        them; those that nobody works for go, unless somebody used them."""
        made = self._made(partners)
        if not made:
            return
        companies = partners.browse(partner.id for partner in made)
        self.env.flush_all()
        people = self.env["res.partner"].with_context(active_test=False)
        people = people.search([("parent_id", "in", companies.ids)])
        by_company = people.grouped("parent_id")
        self.env["gmail.contact.visibility"]._follow(companies)
        sources = self.env["gmail.contact"].search(
            [("partner_id", "in", people.ids), ("is_applied", "=", True)]
        )
        by_partner = sources.grouped("partner_id")
        own_domains = self.env["gmail.linker"]._own_domains()
        left = self.env["res.partner"]
        for company in companies:
            own = by_company.get(company)
            if not own:
                left |= company
                continue
            key = made[company].created_key.partition("|")[2].strip('"')
            contacts = sources.union(
                *(by_partner.get(p, sources.browse()) for p in own)
            )
            contacts = contacts.filtered(
                lambda c, key=key: (
                    c.company_key == key and self._works_for_one(c, own_domains)
                )
            )
            if contacts:
                self._fill_one(company, own, contacts.sorted(precedence), countries)
        self.env["gmail.contact.values"]._drop(left, made)

    def _fill_one(self, company, people, contacts, countries):
        values = self.env["gmail.contact.values"]
        origins = self.env["gmail.contact.origin"]
        desired = {"name": contacts[0].company_name}
        addresses = (values._address(contact, countries) for contact in contacts)
        desired.update(next(filter(None, addresses), {}))
        origin = origins.search([("partner_id", "=", company.id)])
        if not values._changes(company, desired, origin):
            return
        # Odoo gives people the address of their company.
        theirs = origins.search([("partner_id", "in", people.ids)]).filtered(
            lambda o: values._is_ours(o.partner_id, o)
        )
        env = self.env["gmail.linker"]._as_owner(contacts[0].mailbox_id)
        if not env["res.partner"].browse(company.id).has_access("write"):
            return
        try:
            with self.env.cr.savepoint():
                # With its people, some of whom she may not see.
                values._fill_one(company, desired, origin)
        except UserError:
            # Another addon, or a rule, refuses: it stays as it is.
            return
        for one in theirs:
            one.touched = one.partner_id.write_date
