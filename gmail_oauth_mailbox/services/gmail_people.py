from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..lib.mime.addresses import address_key
from .partner_keys import partner_ids

MOST_COUNTED = 100


class GmailPeople(models.AbstractModel):
    """Who stands on a conversation, and the contact that the caller knows them as."""

    _name = "gmail.people"
    _description = "People on Gmail Conversations"

    @api.model
    def _card(self, thread, address):
        """Return what the card of a person shows.

        :param thread: gmail.thread of the caller, which the address is on
        :return: {"name", "address", "is_own", "mails", "may_create", "contact": dict
            or False}; ``mails`` counts to MOST_COUNTED
        """
        person = self._person(thread, address)
        env = self.env["gmail.linker"]._as_owner(thread.sudo().mailbox_id)
        contact = self._contact(env, person.address)
        own = self.env["gmail.compose"]._own_addresses(thread.sudo().mailbox_id.user_id)
        return {
            "name": person.name or "",
            "address": person.address,
            "is_own": address_key(person.address) in own,
            "mails": self._count(thread, person.address),
            "may_create": env["res.partner"].has_access("create"),
            "contact": bool(contact)
            and {
                "id": contact.id,
                "name": contact.display_name,
                "detail": self._detail(contact),
                "phone": contact.phone or "",
            },
        }

    @api.model
    def _make_contact(self, thread, address):
        """Create the contact of a person, linked to the conversation; return the card.

        :raises UserError: there is one already, or the caller may not create any
        """
        person = self._person(thread, address)
        env = self.env["gmail.linker"]._as_owner(thread.sudo().mailbox_id)
        if self._contact(env, person.address):
            raise UserError(self.env._("%s is a contact already.", person.address))
        if not env["res.partner"].has_access("create"):
            raise UserError(self.env._("You cannot create contacts."))
        contact = env["res.partner"].create(
            {"name": person.name or person.address, "email": person.address}
        )
        documents = self.env["gmail.documents"]
        documents._recognise(thread, contact)
        documents._link(thread, "res.partner", contact.id, origin="made")
        return self._card(thread, address)

    def _person(self, thread, address):
        """Return the participant (sudo) of a conversation with an address."""
        key = address_key(str(address or ""))
        people = thread.sudo().message_ids.participant_ids
        person = people.filtered(lambda p: key and address_key(p.address) == key)
        if not person:
            raise UserError(
                self.env._("Nobody of this conversation has that address any more.")
            )
        return (person.filtered("name") or person)[-1]

    def _contact(self, env, address):
        return env["res.partner"].search(
            [("id", "in", partner_ids(env, [address]))],
            order="is_company, id",
            limit=1,
        )

    def _detail(self, contact):
        """Return what somebody does, and for whom."""
        company = contact.commercial_partner_id - contact
        names = [contact.function, company.sudo().name or contact.company_name]
        return ", ".join(filter(None, names))

    def _count(self, thread, address):
        """Return how much mail the caller has with an address."""
        own = self.env["gmail.mailbox"].search([("user_id", "=", self.env.uid)])
        [(count,)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FROM (
                    SELECT FROM gmail_participant
                     WHERE mailbox_id = ANY(%s) AND address_key = %s
                     LIMIT %s) x
                """,
                own.ids,
                address_key(address),
                MOST_COUNTED,
            )
        )
        return count
