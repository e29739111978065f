from collections import defaultdict

from odoo import api, models
from odoo.tools import SQL

from ..lib.contact import plain_name
from .gmail_contact_values import is_of_company, precedence

# Google contacts that are asked for the name of a company, its address.
MOST_SOURCES = 20


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
        names, addresses = {}, {}
        for contact in contacts:
            names.setdefault(contact.company_key, contact.company_name)
            if contact.card["address"]:
                addresses.setdefault(contact.company_key, contact)
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
        found.update({keys[origin.created_key]: False for origin in origins})
        usable = self.env["gmail.contact.values"]._within_reach(origins, mailbox)
        usable = usable.filtered("partner_id.active")
        found.update({keys[o.created_key]: o.partner_id.id for o in usable})
        self.env["gmail.contact.visibility"]._admit(
            [(origin.partner_id.id, mailbox.user_id.id) for origin in usable]
        )
        new = {k: n for k, n in names.items() if k not in natives and k not in found}
        found.update(self._create(mailbox, new, addresses))
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

    def _create(self, mailbox, names, addresses):
        """Return {plain name: id} of new companies.

        :param names: {plain name: name}
        :param addresses: {plain name: Google contact whose address it is}
        """
        env = self.env["gmail.linker"]._as_owner(mailbox)
        policy = self.env["gmail.setup"]._contact_policy(mailbox)
        if (
            not names
            or policy == "never"
            or not env["res.partner"].has_access("create")
        ):
            return {}
        service = self.env["gmail.contact.values"]
        countries = service._countries([addresses.values()])
        values = [
            {
                "name": name,
                "is_company": True,
                "company_id": mailbox.company_id.id,
                # Its people have it from the start, and no note of a change.
                **(
                    service._address(addresses[key], countries)
                    if key in addresses
                    else {}
                ),
            }
            for key, name in names.items()
        ]
        service._take_turn(mailbox.company_id)
        partners = service._create(env, values)
        visibility = self.env["gmail.contact.visibility"]
        visibility._keep(self.env["res.partner"].union(*partners), mailbox.user_id)
        found = {
            key: (partner, made)
            for key, partner, made in zip(names, partners, values, strict=True)
            if partner
        }
        service._note_origins(
            [
                (partner, self._created_key(mailbox.company_id, key), made)
                for key, (partner, made) in found.items()
            ]
        )
        return {key: partner.id for key, (partner, _made) in found.items()}

    @api.model
    def _made(self, partners):
        """Return {company that Google made: its origin} of some contacts."""
        origins = self.env["gmail.contact.origin"].search(
            [("partner_id", "in", partners.ids)]
        )
        return {o.partner_id: o for o in origins.filtered(is_of_company)}

    @api.model
    def _fill(self, partners, countries, mailboxes):
        """Bring companies that Google made up to date with the contacts that work for
        them; those that nobody works for go, unless somebody used them.

        :param mailboxes: those whose owners' rights count
        """
        made = self._made(partners)
        if not made:
            return
        companies = partners.browse(partner.id for partner in made)
        self.env["gmail.contact.visibility"]._follow(companies)
        peopled = self._with_people(companies)
        named = self._sources(peopled, made, SQL("TRUE"))
        addressed = self._sources(peopled, made, SQL("c.card->>'address' IS NOT NULL"))
        for company in peopled & partners.browse(named):
            first = named[company.id]
            self._fill_one(company, first, addressed.get(company.id), countries)
        values = self.env["gmail.contact.values"]
        empty = companies - peopled
        for mailbox in mailboxes if empty else ():
            env = self.env["gmail.linker"]._as_owner(mailbox)
            own = env["res.partner"].browse(empty.ids)
            values._drop(own._filtered_access("unlink").sudo(), made)
            empty = empty.exists()

    def _with_people(self, companies):
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT parent_id FROM res_partner WHERE parent_id = ANY(%s)",
                companies.ids,
            )
        )
        return companies.browse(row_id for (row_id,) in rows)

    def _sources(self, companies, origins, condition):
        """Return {id of a company: the first Google contact that works for it}."""
        own_domains = self.env["gmail.linker"]._own_domains()
        keys = [
            origins[company].created_key.partition("|")[2].strip('"')
            for company in companies
        ]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT x.company, found.id
                  FROM unnest(%s::int[], %s::text[]) AS x(company, key)
                 CROSS JOIN LATERAL (
                       SELECT c.id
                         FROM gmail_contact c
                         JOIN res_partner p ON p.id = c.partner_id
                        WHERE p.parent_id = x.company AND c.company_key = x.key
                          AND c.is_applied AND %s
                        ORDER BY c.is_gone IS TRUE, c.mailbox_id, c.resource_name
                        LIMIT %s) AS found
                """,
                companies.ids,
                keys,
                condition,
                MOST_SOURCES,
            )
        )
        contacts = self.env["gmail.contact"].browse(row_id for _c, row_id in rows)
        first = {}
        for company, row_id in rows:
            contact = contacts.browse(row_id).with_prefetch(contacts.ids)
            if (
                company not in first
                and self._works_for_one(contact, own_domains)
                and self._may_write(contact.mailbox_id, company)
            ):
                first[company] = contact
        return first

    def _may_write(self, mailbox, company_id):
        env = self.env["gmail.linker"]._as_owner(mailbox)
        return env["res.partner"].browse(company_id).has_access("write")

    def _fill_one(self, company, named, addressed, countries):
        values = self.env["gmail.contact.values"]
        origins = self.env["gmail.contact.origin"]
        desired = {"name": named.company_name}
        if addressed:
            desired.update(values._address(addressed, countries))
        origin = origins.search([("partner_id", "=", company.id)])
        if not values._changes(company, desired, origin):
            return
        # Odoo gives people the address of their company.
        theirs = origins.search([("partner_id.parent_id", "=", company.id)]).filtered(
            lambda o: values._is_ours(o.partner_id, o)
        )
        # With its people, some of whom she may not see.
        if values._tried(company, lambda: values._fill_one(company, desired, origin)):
            for one in theirs:
                one.touched = one.partner_id.write_date
