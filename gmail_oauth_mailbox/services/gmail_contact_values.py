import logging
from collections import defaultdict

import psycopg2

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..parsers import plaintext2html

_logger = logging.getLogger(__name__)

# Fields of an address, which are written together or not at all.
ADDRESS = ("street", "street2", "zip", "city", "state_id", "country_id")
FIELDS = ("name", "email", "phone", "function", "comment", "company_name")
PHOTO = "image_1920"
# Google contacts of one person that are asked for its values.
MOST_SOURCES = 20
# Rows that refer to a contact because Google's contacts do.
OWN_TABLES = "gmail_"
# Which phone stands in the one field that there is.
PHONES = ("work", "workmobile", "mobile", "main", "home")


def precedence(contact):
    """Return what sorts Google contacts that are one person: one that was deleted in
    Google counts where there is no other."""
    return bool(contact.is_gone), contact.mailbox_id.id, contact.resource_name


def is_of_company(origin):
    """Whether an origin is of a company that was made for who works there."""
    # No key of a person ends with a quote.
    return bool(origin and (origin.created_key or "").endswith('"'))


def is_same(one, other):
    """Whether two dates of a row are one; columns differ in how exact they are."""
    return bool(one and other) and one.replace(microsecond=0) == other.replace(
        microsecond=0
    )


class GmailContactValues(models.AbstractModel):
    """What contacts in Odoo get from Google.

    Odoo's value wins unless it is empty; what stands there as Google's value was
    written follows Google. Of several Google contacts that are one person, that of the
    mailbox that was connected first counts.
    """

    _name = "gmail.contact.values"
    _description = "Values of Google Contacts"

    @api.model
    def _create_for(self, company, todo):
        """Create a contact for each person.

        :param todo: {gmail.contact of one person: those of them that ask for it}
        """
        contacts = self.env["gmail.contact"]
        asks, countries = defaultdict(list), self._countries(todo.values())
        for person, wanting in todo.items():
            asks[wanting[0].mailbox_id].append((person, contacts.union(*wanting)))
        for mailbox, rows in asks.items():
            rows = self._reuse(company, mailbox, rows)
            env = self.env["gmail.linker"]._as_owner(mailbox)
            parents = self.env["gmail.contact.companies"]._parents(
                [wanting for _key, wanting in rows]
            )
            values = [
                {
                    **self._under(parent, self._desired(wanting, countries)),
                    "company_id": company.id,
                }
                for (_key, wanting), parent in zip(rows, parents, strict=True)
            ]
            self._take_turn(company)
            created = self._create(env, values)
            visibility = self.env["gmail.contact.visibility"]
            visibility._keep(self.env["res.partner"].union(*created), mailbox.user_id)
            for (_key, wanting), partner in zip(rows, created, strict=True):
                if partner:
                    wanting.write({"partner_id": partner.id, "is_applied": True})
                else:
                    wanting.write({"outcome": "skip", "reason": "refused"})
            self._note_origins(
                [
                    (partner, key, made)
                    for partner, (key, _w), made in zip(
                        created, rows, values, strict=True
                    )
                    if partner
                ]
            )

    @api.model
    def _note_origins(self, rows):
        """Note of new contacts that Google made them.

        :param rows: [(contact in Odoo, key it was created for, values)]
        """
        self.env["gmail.contact.origin"].create(
            [
                {
                    "partner_id": partner.id,
                    "created_key": key,
                    "written": {name: self._plain(partner, name) for name in made},
                    "touched": partner.write_date,
                }
                for partner, key, made in rows
            ]
        )

    def _under(self, parent, values):
        """Return the values of somebody new under a company, whose address is hers."""
        if not parent:
            return values
        left = {
            name: value
            for name, value in values.items()
            if name not in (*ADDRESS, "company_name")
        }
        return {**left, "parent_id": parent}

    def _reuse(self, company, mailbox, rows):
        """Link those persons whose contact is there already, since their mailbox was
        deleted or is connected anew; return [(key, contacts)] of the others."""
        keys = [f"{company.id or 0}|{self._key(person)}" for person, _w in rows]
        origins = self.env["gmail.contact.origin"].search([("created_key", "in", keys)])
        known = set(origins.mapped("created_key"))
        origins = self._within_reach(origins, mailbox)
        taken = {origin.created_key: origin.partner_id for origin in origins}
        living = self.env["gmail.contact"].search(
            [("partner_id", "in", origins.partner_id.ids), ("is_applied", "=", True)]
        )
        left, used = [], set()
        for key, (_person, wanting) in zip(keys, rows, strict=True):
            partner = taken.get(key)
            if partner and partner not in living.partner_id and key not in used:
                for contact in wanting:
                    contact.write({"partner_id": partner.id, "is_applied": True})
            else:
                # Somebody else has it by now.
                is_free = key not in known and key not in used
                left.append((key if is_free else f"id:{wanting[0].id}", wanting))
            used.add(key)
        return left

    @api.model
    def _within_reach(self, origins, mailbox):
        """Return those of some origins whose contact the owner of a mailbox may read,
        or may join, and that is still of its company."""
        companies = (mailbox.company_id.browse(), mailbox.company_id)
        origins = origins.filtered(lambda o: o.partner_id.company_id in companies)
        env = self.env["gmail.linker"]._as_owner(mailbox)
        partners = env["res.partner"].browse(origins.partner_id.ids)
        readable = partners._filtered_access("read").sudo()
        return origins.filtered(
            lambda o: o.partner_id in readable or o.partner_id.gmail_is_private
        )

    @api.model
    def _take_turn(self, company):
        """Create contacts of a company one after the other: whoever did not see what
        another worker creates at this moment is refused by PostgreSQL (serialization
        failure), and begins anew."""
        self.env.cr.execute(
            """
            INSERT INTO gmail_contact_turn (company_id, number) VALUES (%s, 1)
                ON CONFLICT ((COALESCE(company_id, 0)))
                DO UPDATE SET number = gmail_contact_turn.number + 1
            """,
            [company.id or None],
        )

    def _create(self, env, values):
        """Return the new contacts (sudo) in their order; empty where Odoo refuses."""
        # She follows whom she writes to, not her whole address book.
        partners = env["res.partner"].with_context(mail_create_nosubscribe=True)
        try:
            with self.env.cr.savepoint():
                for vals in values:
                    self._admit_to_parent(env, vals)
                return list(partners.create(values).sudo())
        except (UserError, psycopg2.IntegrityError):
            if len(values) == 1:
                return [partners.sudo().browse()]
        return [self._create(env, [one])[0] for one in values]

    def _admit_to_parent(self, env, values):
        """Have the user of an environment, whose contact works for a company that
        others alone saw until now, see it."""
        if parent := values.get("parent_id"):
            self.env["gmail.contact.visibility"]._admit([(parent, env.uid)])

    def _key(self, person):
        """Return what no two persons share at once."""
        keys = person.key_ids.mapped("key")
        return min(keys) if keys else f"id:{min(person.ids)}"

    # ------------------------------------------------------------------
    # Filling
    # ------------------------------------------------------------------

    @api.model
    def _fill(self, partners, lost):
        """Bring contacts in Odoo up to date with the Google contacts that they are,
        as far as the owners of these may change them. One that Google made and that
        none is any more goes, unless somebody used it.

        :param lost: {gmail.contact: id of the contact in Odoo that it is no more}
        """
        partners = partners.exists()
        sources = self.env["gmail.contact"].search(
            [("partner_id", "in", partners.ids), ("is_applied", "=", True)],
            order="mailbox_id, resource_name",
        )
        origins = self.env["gmail.contact.origin"].search(
            [("partner_id", "in", partners.ids)]
        )
        by_origin = {origin.partner_id: origin for origin in origins}
        self._adopt(origins.filtered(lambda o: o.partner_id in sources.partner_id))
        by_partner = {
            partner: own[:MOST_SOURCES]
            for partner, own in self._writable(sources).grouped("partner_id").items()
        }
        counting = sources.browse().union(*by_partner.values())
        counting.with_prefetch(counting.ids).mapped("card")
        countries = self._countries([counting])
        parents = self._parents(by_partner, by_origin)
        companies = partners.parent_id | partners.browse(filter(None, parents.values()))
        for partner, own in by_partner.items():
            desired = self._desired(own, countries)
            env = self.env["gmail.linker"]._as_owner(own[0].mailbox_id)
            target = env["res.partner"].browse(partner.id)
            origin = by_origin.get(partner)
            # A company may refuse whoever works there.
            for parent in dict.fromkeys(
                (parents.get(partner, False), partner.parent_id.id)
            ):
                desired["parent_id"] = parent
                if self._tried(
                    target,
                    lambda t=target, d=desired, o=origin: self._fill_one(t, d, o),
                ):
                    break
        orphans = self._allowed(partners - sources.partner_id, lost)
        made = [p for p, origin in by_origin.items() if origin.created_key]
        made = partners.browse(partner.id for partner in made)
        for partner in orphans["write"] - made:
            if partner in by_origin:
                origin = by_origin[partner]
                self._tried(partner, lambda p=partner, o=origin: self._take_back(p, o))
        self._drop(orphans["unlink"] & made, by_origin)
        actors = self.env["gmail.contact"].union(*lost, *by_partner.values())
        self.env["gmail.contact.companies"]._fill(
            companies, countries, actors.mailbox_id
        )

    @api.model
    def _tried(self, partner, work):
        """Do something with a contact in Odoo, unless Odoo, another addon or the
        database refuses it: then it stays as it is.

        :return: whether it was done
        """
        try:
            with self.env.cr.savepoint():
                work()
        except (UserError, psycopg2.IntegrityError, psycopg2.DataError) as error:
            _logger.info("Contact %s: %s", partner.id, type(error).__name__)
            return False
        return True

    def _allowed(self, partners, lost):
        """Return {operation: contacts in Odoo} that may be done to contacts by an
        owner whose Google contacts they were.

        :param lost: {gmail.contact: id of the contact in Odoo that it is no more}
        """
        by_mailbox = defaultdict(set)
        for contact, partner_id in lost.items():
            by_mailbox[contact.mailbox_id].add(partner_id)
        found = {"write": partners.browse(), "unlink": partners.browse()}
        for mailbox, ids in by_mailbox.items():
            env = self.env["gmail.linker"]._as_owner(mailbox)
            own = env["res.partner"].browse(ids & set(partners.ids))
            for operation in found:
                found[operation] |= own._filtered_access(operation).sudo()
        return {name: partners & allowed for name, allowed in found.items()}

    def _adopt(self, origins):
        """Let a company be Odoo's, once somebody said that a Google contact is it."""
        for origin in origins.filtered(is_of_company):
            origin.created_key = False
            origin.written = {n: v for n, v in origin.written.items() if n != "name"}

    def _parents(self, by_partner, by_origin):
        """Return {contact that Google made: id of the company it works for, or False}
        of contacts that may be changed."""
        made = {
            partner: own
            for partner, own in by_partner.items()
            if partner in by_origin and by_origin[partner].created_key
        }
        found = self.env["gmail.contact.companies"]._parents(list(made.values()))
        parents = dict(zip(made, found, strict=True))
        moving = [p.id for p, parent in parents.items() if parent != p.parent_id.id]
        # Whoever stands on documents stays with the company that these are for.
        for partner in self._referred(self.env["res.partner"].browse(moving)):
            parents[partner] = partner.parent_id.id
        return parents

    @api.model
    def _writable(self, contacts):
        """Return those of some Google contacts whose owners may change the contacts in
        Odoo that they are, sorted."""
        found = set()
        for mailbox, own in contacts.grouped("mailbox_id").items():
            env = self.env["gmail.linker"]._as_owner(mailbox)
            # What somebody archived, or who has become a user, is left alone.
            partners = env["res.partner"].browse(own.partner_id.ids)
            partners = partners._filtered_access("write").sudo()
            ids = set(partners.filtered(lambda p: p.active and p.partner_share).ids)
            found.update(c.id for c in own if c.partner_id.id in ids)
        return contacts.filtered(lambda c: c.id in found).sorted(precedence)

    @api.model
    def _completing(self, contacts):
        """Return those of some Google contacts that complete their contact in Odoo."""
        origins = self.env["gmail.contact.origin"].search(
            [("partner_id", "in", contacts.partner_id.ids)]
        )
        by_partner = {origin.partner_id.id: origin for origin in origins}
        countries = self._countries([contacts])
        return self._writable(contacts).filtered(
            lambda c: self._changes(
                c.partner_id,
                self._desired(c, countries),
                by_partner.get(c.partner_id.id),
            )
        )

    def _changes(self, partner, desired, origin):
        """Return the values of Google that may stand and do not yet; False empties
        what Google has no more."""
        written = (origin.written or {}) if origin else {}
        changes = self._change_of_parent(partner, desired, origin)
        parent = changes.get("parent_id", partner.parent_id.id)
        # Odoo gives people a new address of their company.
        has_people = partner.is_company and any(
            child.type == "contact" for child in partner.child_ids
        )
        for names in (*((name,) for name in FIELDS), ADDRESS):
            if names == ADDRESS and has_people and not is_of_company(origin):
                continue
            # Odoo keeps the address of a company for its people.
            of_company = names == ADDRESS or names == ("company_name",)
            if parent and of_company:
                continue
            is_moved = names == ADDRESS and "parent_id" in changes
            if is_moved or self._is_googles(partner, names, written):
                for name in names:
                    value = desired.get(name) or False
                    if value != self._plain(partner, name):
                        changes[name] = value
        if not changes.get("name", True):
            # Nobody is without.
            del changes["name"]
        return changes

    def _change_of_parent(self, partner, desired, origin):
        """Return what puts a contact that Google made under another company."""
        written = (origin.written or {}) if origin else {}
        parent = desired.get("parent_id") or False
        is_free = (
            origin
            and origin.created_key
            and not partner.is_company
            # It would become the company's.
            and not any(partner[name] for name in partner._synced_commercial_fields())
            and self._is_googles(partner, ("parent_id",), written)
            # An address that somebody gave it would become the company's.
            and (partner.parent_id or self._is_googles(partner, ADDRESS, written))
        )
        if not is_free or parent == partner.parent_id.id:
            return {}
        return {"parent_id": parent, **dict.fromkeys(ADDRESS, False)}

    def _fill_one(self, partner, desired, origin):
        """Write what Google has where it may stand."""
        changes = self._changes(partner, desired, origin)
        if not changes:
            return
        is_ours = self._is_ours(partner, origin)
        self._admit_to_parent(partner.env, changes)
        partner.write(changes)
        written = dict(origin.written or {}) if origin else {}
        written.update(
            {
                name: self._plain(partner, name)
                for name in changes
                # Under a company the address is that of the company.
                if not (partner.parent_id and name in ADDRESS)
            }
        )
        written = {name: value for name, value in written.items() if value}
        values = {"written": written, "touched": is_ours and partner.write_date}
        if origin:
            origin.write(values)
        else:
            values["partner_id"] = partner.id
            self.env["gmail.contact.origin"].create(values)

    def _is_ours(self, partner, origin):
        """Whether nobody has changed a contact since our last write."""
        return not origin or is_same(origin.touched, partner.write_date)

    def _take_back(self, partner, origin):
        """Empty what stands as it was written."""
        values = {
            name: False
            for name, value in (origin.written or {}).items()
            if name != "name" and self._plain(partner, name) == value
        }
        if values:
            partner.write(values)
        origin.unlink()

    def _is_googles(self, partner, names, written):
        """Whether fields are empty, or stand as Google's values were written."""
        return all(
            not self._plain(partner, name)
            or self._plain(partner, name) == written[name]
            if name in written
            else not self._plain(partner, name)
            for name in names
        )

    def _plain(self, partner, name):
        """Return a value as it is noted; of a photo, its checksum."""
        if name == PHOTO:
            return self.env["gmail.contact.photos"]._checksum(partner)
        value = partner[name]
        return value.id if isinstance(value, models.BaseModel) else (value or False)

    def _desired(self, contacts, countries):
        """Return the values of the first Google contact that has each."""
        found = {}
        for contact in contacts.sorted(precedence):
            for name, value in self._values(contact).items():
                if value and name not in found:
                    found[name] = value
            # An address is of one contact.
            if not any(found.get(name) for name in ADDRESS):
                found.update(self._address(contact, countries))
        if "name" not in found and "company_name" in found:
            # A firm's entry, whose people are entries of their own.
            found["name"] = found.pop("company_name")
        # Whoever has no name is called by her address.
        found.setdefault("name", found.get("email") or found.get("phone"))
        return found

    def _countries(self, groups):
        """Return {code: (id, {name or code of a state: id})} of Google contacts."""
        codes = {
            contact.card["address"]["country_code"]
            for contacts in groups
            for contact in contacts
            if contact.card["address"]
        }
        countries = self.env["res.country"].search([("code", "in", list(codes))])
        found = {}
        for country in countries:
            states = {}
            for state in country.state_ids:
                states[state.name.casefold()] = states[state.code.casefold()] = state.id
            found[country.code] = country.id, states
        return found

    def _values(self, contact):
        card, mailbox = contact.card, contact.mailbox_id
        notes = [card["notes"]] if mailbox.contact_notes and card["notes"] else []
        if mailbox.contact_birthdays and card["birthday"]:
            # In one language, whoever has it written.
            owner = self.with_context(lang=mailbox.user_id.lang)
            notes.append(owner.env._("Birthday: %s", card["birthday"]))
        return {
            "name": contact.name,
            "email": contact.email,
            "phone": self._phone(card["phones"]),
            "function": card["title"],
            "comment": self._comment(notes),
            "company_name": contact.company_name,
        }

    def _comment(self, notes):
        """Return notes as the field has them once they are written, or False."""
        if not notes:
            return False
        partners = self.env["res.partner"]
        html = plaintext2html("\n".join(notes))
        return partners._fields["comment"].convert_to_column(html, partners)

    def _phone(self, phones):
        """Return the number that stands in the one field that there is."""
        ranks = {kind: place for place, kind in enumerate(PHONES)}
        ranked = sorted(phones, key=lambda p: ranks.get(p["kind"], len(PHONES)))
        ranked = [p for p in ranked if not p["kind"].endswith("fax")]
        return ranked[0]["number"] if ranked else False

    def _address(self, contact, countries):
        address = contact.card["address"]
        if not address:
            return {}
        country, states = countries.get(address["country_code"], (False, {}))
        return {
            **{n: address[n] or False for n in ("street", "street2", "zip", "city")},
            "state_id": states.get(address["region"].casefold(), False),
            "country_id": country,
        }

    # ------------------------------------------------------------------
    # Taking back
    # ------------------------------------------------------------------

    def _drop(self, partners, origins):
        """Delete contacts that Google made and that nobody has changed or used."""
        unused = partners - self._used(partners)
        for partner in unused:
            if not self._tried(partner, partner.unlink):
                origins[partner].unlink()
        for partner in partners - unused:
            # It is Odoo's from now on.
            origins[partner].unlink()

    def _used(self, partners):
        """Return those of some contacts that somebody changed, or that anything but
        Google's contacts refers to."""
        if not partners:
            return partners
        origins = self.env["gmail.contact.origin"].search(
            [("partner_id", "in", partners.ids)]
        )
        used = {
            origin.partner_id.id
            for origin in origins
            if not is_same(origin.touched, origin.partner_id.write_date)
        }
        used.update(self._referred(partners).ids)
        said = SQL("model = 'res.partner' AND message_type IN ('comment', 'email')")
        used.update(self._referring("mail_message", "res_id", partners, said))
        files = SQL("res_model = 'res.partner' AND res_field IS NULL")
        used.update(self._referring("ir_attachment", "res_id", partners, files))
        about = SQL("res_model = 'res.partner'")
        for table in ("mail_activity", "mail_followers"):
            used.update(self._referring(table, "res_id", partners, about))
        filed = SQL("res_model = 'res.partner' AND origin IN ('hand', 'made')")
        used.update(self._referring("gmail_link", "res_id", partners, filed))
        later = SQL("model = 'res.partner'")
        used.update(
            self._referring("mail_scheduled_message", "res_id", partners, later)
        )
        return partners.filtered(lambda partner: partner.id in used)

    @api.model
    def _referred(self, partners):
        """Return those of some contacts that a row of any model refers to, but for
        private contacts and what is kept of Google's."""
        if not partners:
            return partners
        self.env.flush_all()
        relations = self.env["base.partner.merge.automatic.wizard"]._get_fk_on(
            "res_partner"
        )
        referred = set()
        for table, column in relations:
            if table.startswith(OWN_TABLES) or column == "commercial_partner_id":
                continue
            is_visible = (
                SQL("gmail_is_private IS NOT TRUE")
                if table == "res_partner"
                else SQL("TRUE")
            )
            referred.update(self._referring(table, column, partners, is_visible))
        return partners.filtered(lambda partner: partner.id in referred)

    def _referring(self, table, column, partners, condition):
        column = SQL.identifier(column)
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT %s FROM %s WHERE %s = ANY(%s) AND %s",
                column,
                SQL.identifier(table),
                column,
                partners.ids,
                condition,
            )
        )
        return [row_id for (row_id,) in rows]
