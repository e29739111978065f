from odoo import api, fields, models
from odoo.exceptions import UserError

OUTCOMES = [
    ("conflict", "You decide"),
    ("create", "New contact"),
    ("update", "Completes a contact"),
    ("match", "Is a contact already"),
    ("skip", "Left out"),
]
# Why an outcome is what it is.
REASONS = [
    ("address", "Same address"),
    ("other_address", "Another of the addresses"),
    ("name_phone", "Same name and phone"),
    ("new", "No contact is like it"),
    ("chosen", "You chose it"),
    ("several", "Several contacts are like it"),
    ("policy", "New contacts are not created"),
    ("not_written_to", "You have not written to them"),
    ("no_right", "You may not create contacts"),
    ("label", "Without the chosen label"),
    ("colleague", "A colleague"),
    ("excluded", "Kept out of Odoo"),
    ("archived", "Archived in Odoo"),
    ("gone", "Deleted in Google"),
    ("refused", "Odoo refuses it"),
    ("unreachable", "No address, and no name with a phone"),
    ("left_out", "You left it out"),
    ("undone", "The import was undone"),
    ("kept", "Undone, but the contact is in use"),
]


class GmailContact(models.Model):
    """A contact that the owner has in Google, and which contact in Odoo it is."""

    _name = "gmail.contact"
    _inherit = "gmail.owned"
    _description = "Google Contact"
    _order = "outcome, name, id"

    # Every look-up by mailbox has the unique index below.
    mailbox_id = fields.Many2one(index=False)
    resource_name = fields.Char("Google's Name", required=True, readonly=True)
    etag = fields.Char(readonly=True)
    name = fields.Char(readonly=True)
    email = fields.Char(readonly=True, help="The main one")
    email_key = fields.Char(
        readonly=True,
        groups="base.group_system",
        help="What all spellings of it share: lib.mime.addresses",
    )
    phone = fields.Char(readonly=True)
    company_name = fields.Char("Company", readonly=True)
    # Large, and wanted of few: who is who follows from the keys.
    card = fields.Json(
        readonly=True,
        prefetch=False,
        groups="base.group_system",
        help="What Google has of it: lib.types.ParsedContact",
    )
    found = fields.Json(
        readonly=True,
        groups="base.group_system",
        help="Ids of the contacts in Odoo that are like it, and why: [ids, reason]",
    )
    company_key = fields.Char(
        readonly=True, index="btree_not_null", groups="base.group_system"
    )
    key_ids = fields.One2many(
        "gmail.contact.key", "contact_id", groups="base.group_system"
    )
    seen = fields.Integer(
        readonly=True, groups="base.group_system", help="In which full synchronisation"
    )
    is_gone = fields.Boolean("Deleted in Google", readonly=True)
    outcome = fields.Selection(OUTCOMES, readonly=True)
    reason = fields.Selection(REASONS, readonly=True)
    choice = fields.Selection(
        [("skip", "Leave out"), ("create", "Create"), ("link", "Is this contact")],
        readonly=True,
        help="What the owner decided, against what was found",
    )
    chosen_id = fields.Many2one(
        "res.partner",
        "Chosen Contact",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    partner_id = fields.Many2one(
        "res.partner",
        "Contact in Odoo",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    candidate_ids = fields.Many2many(
        "res.partner", string="Candidates", compute="_compute_candidate_ids"
    )
    is_applied = fields.Boolean(
        readonly=True, help="It has part in the contact in Odoo."
    )

    photo_url = fields.Char(readonly=True, groups="base.group_system")
    photo_taken = fields.Char(
        readonly=True,
        groups="base.group_system",
        help="The address of the photo that was looked at",
    )
    is_pending = fields.Boolean(readonly=True, groups="base.group_system")

    _resource_unique = models.UniqueIndex("(mailbox_id, resource_name)")
    _photo_idx = models.Index(
        "(mailbox_id, id) WHERE photo_url IS NOT NULL AND is_applied"
    )
    _pending_idx = models.Index("(mailbox_id, id) WHERE is_pending")

    @api.depends("name", "email")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        for contact in self.filtered(lambda c: c.mailbox_id.user_id == self.env.user):
            contact.display_name = (
                contact.name or contact.email or contact.resource_name
            )
        return result

    @api.depends("found", "outcome")
    def _compute_candidate_ids(self):
        """As far as the reader may see them."""
        partners = self.env["res.partner"]
        for contact in self:
            ids = (contact.sudo().found or [[]])[0]
            like = [("id", "in", ids)]
            if not ids and contact.outcome == "conflict":
                emails = contact.sudo().card["emails"]
                ids = self.env["gmail.addresses"]._partner_ids(emails)
                like = [("id", "in", ids)]
            contact.candidate_ids = partners.search(like)

    def action_leave_out(self):
        """Leave them out of Odoo."""
        return self.env["gmail.contacts"]._choose(self._own(), "skip")

    def action_create(self):
        """Have a contact of its own for each."""
        return self.env["gmail.contacts"]._choose(self._own(), "create")

    def action_as_found(self):
        """Forget what the owner decided."""
        return self.env["gmail.contacts"]._choose(self._own(), False)

    def action_link(self, partner_id):
        """Say which contact in Odoo it is."""
        return self.env["gmail.contacts"]._choose(self._own(), "link", partner_id)

    def action_import(self):
        """Import what the list shows, whatever is selected: its mailbox is the action's
        active record.

        :raises AccessError: it is not the caller's
        """
        mailbox = self.env["gmail.mailbox"].browse(self.env.context.get("active_id"))
        if not mailbox.exists():
            raise UserError(
                self.env._("Open your mailbox's settings, and import there.")
            )
        mailbox.action_import_contacts()
        return self.env["gmail.contacts"]._said(
            self.env._("Odoo writes it now. This takes a moment.")
        )

    def action_ask_link(self):
        """Open the dialog that asks which contact in Odoo it is."""
        self.ensure_one()
        self._own()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Which contact is it?"),
            "res_model": "gmail.contact.link",
            "views": [[False, "form"]],
            "target": "new",
            "context": {"default_contact_id": self.id},
        }

    def _own(self):
        """Return them under sudo, after checking that they are the caller's."""
        self.check_access("read")
        return self.sudo()


class GmailContactKey(models.Model):
    """What tells persons apart: Google contacts that share a key are one."""

    _name = "gmail.contact.key"
    _description = "Key of a Google Contact"
    _rec_name = "key"
    _allow_sudo_commands = False

    contact_id = fields.Many2one(
        "gmail.contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    key = fields.Char(required=True, readonly=True, index=True)


class GmailContactGroup(models.Model):
    """A label of contacts in Google."""

    _name = "gmail.contact.group"
    _inherit = "gmail.owned"
    _description = "Label of Google Contacts"
    _order = "name, id"

    mailbox_id = fields.Many2one(index=False)
    resource_name = fields.Char(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    count = fields.Integer("Contacts", readonly=True)

    _resource_unique = models.UniqueIndex("(mailbox_id, resource_name)")


class GmailContactOrigin(models.Model):
    """What of a contact in Odoo came from Google: what stands there as it was written
    follows Google, all else is Odoo's."""

    _name = "gmail.contact.origin"
    _description = "Origin of Contact Values"
    _rec_name = "partner_id"
    _allow_sudo_commands = False

    partner_id = fields.Many2one(
        "res.partner", required=True, readonly=True, ondelete="cascade"
    )
    created_key = fields.Char(readonly=True, help="It was created for this key.")
    written = fields.Json(readonly=True, help="{field: value as it was written}")
    touched = fields.Datetime(
        readonly=True,
        help="The contact's write date after our last write; empty once somebody else "
        "has changed it",
    )

    _partner_unique = models.UniqueIndex("(partner_id)")
    # No two workers create one person.
    _key_unique = models.UniqueIndex("(created_key) WHERE created_key IS NOT NULL")


class GmailContactTurn(models.Model):
    """Who creates contacts of a company now; see gmail.contact.values."""

    _name = "gmail.contact.turn"
    _description = "Turn to Create Contacts"
    _rec_name = "company_id"
    _allow_sudo_commands = False

    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade")
    number = fields.Integer(readonly=True)

    _company_unique = models.UniqueIndex("((COALESCE(company_id, 0)))")
