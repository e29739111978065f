from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError

# What decides where the emails of an address lead.
LEADING = frozenset({"active", "company_id", "email", "is_company", "parent_id"})


class ResPartner(models.Model):
    """Contacts are looked up by their address, its domain and by name; those that
    Google made may be their owners' alone until a document needs them."""

    _inherit = "res.partner"

    # Out of everybody's reach: who may write them could hide any contact.
    gmail_is_private = fields.Boolean(
        "Seen by Its Owners Only", readonly=True, copy=False, groups=fields.NO_ACCESS
    )
    gmail_owner_ids = fields.Many2many(
        "res.users",
        "gmail_contact_owner_rel",
        "partner_id",
        "user_id",
        "Who Has It in Google",
        readonly=True,
        copy=False,
        groups=fields.NO_ACCESS,
    )
    gmail_is_mine = fields.Boolean(
        "Seen by Me Only", compute="_compute_gmail_is_mine", exportable=False
    )

    _gmail_domain_idx = models.Index("(split_part(email_normalized, '@', 2))")
    # A hash, since an address or a name may be longer than a tree takes.
    _gmail_email_idx = models.Index("USING hash (email_normalized)")
    # See services/partner_keys: Gmail ignores dots, and few addresses aren't ASCII.
    _gmail_dotless_idx = models.Index(
        "(replace(split_part(email_normalized, '@', 1), '.', '')) WHERE"
        " split_part(email_normalized, '@', 2) IN ('gmail.com', 'googlemail.com')"
    )
    _gmail_odd_idx = models.Index("(id) WHERE email_normalized ~ '[^!-~]|[.]$'")
    _gmail_name_idx = models.Index("USING hash (lower(name))")
    _gmail_private_idx = models.Index("(id) WHERE gmail_is_private")

    @api.depends_context("uid")
    def _compute_gmail_is_mine(self):
        # Whoever reads one that is private is one of them.
        for partner in self:
            partner.gmail_is_mine = partner.sudo().gmail_is_private

    @api.depends_context("uid")
    def _compute_display_name(self):
        """Odoo looks names up as superuser, such as that of a record that a message
        stands on."""
        result = super()._compute_display_name()
        if self.env.uid == SUPERUSER_ID:
            return result
        if not self.env["gmail.contact.visibility"]._has_private():
            return result
        private = self.filtered("id").sudo().filtered("gmail_is_private").sudo(False)
        for partner in self & (private - private._filtered_access("read")):
            partner.display_name = f"{partner._name},{partner.id}"
        return result

    @api.model_create_multi
    def create(self, vals_list):
        """Whoever is said to have created a contact did, but at Odoo's mail gateway."""
        partners = super().create(vals_list)
        if self.env["gmail.linking"]._is_taking_in():
            self.env["gmail.linking"]._note_changed(partners)
        return partners

    def write(self, vals):
        """Note who changes where emails lead; any other change costs no statement."""
        names = LEADING & vals.keys()
        before = self._gmail_leads(names) if names else {}
        result = super().write(vals)
        if before:
            after = self._gmail_leads(names)
            changed = self.filtered(lambda p: before[p.id] != after[p.id])
            self.env["gmail.linking"]._note_changed(changed)
        return result

    def _gmail_leads(self, names):
        """Return {contact id: its values of some fields}."""
        return {p.id: [p[name] for name in sorted(names)] for p in self.sudo()}

    def _check_access(self, operation):
        """Odoo's refusals name records in developer mode; of private contacts they
        tell nothing."""
        result = super()._check_access(operation)
        if not result:
            return result
        forbidden, refusal = result

        def refuse():
            if forbidden.exists().sudo().filtered("gmail_is_private"):
                return AccessError(self.env._("This contact is not shared with you."))
            return refusal()

        return forbidden, refuse

    def _children_sync(self, values):
        """Odoo gives people the address of their company: those too whom the caller
        does not see, or what they have would come back to the company later."""
        if self.sudo().child_ids.filtered("gmail_is_private"):
            return super(ResPartner, self.sudo())._children_sync(values)
        return super()._children_sync(values)

    def action_gmail_open(self):
        """Let everybody see contacts that only the caller sees.

        :raises AccessError: she does not see them
        """
        self.check_access("read")
        if self.env.user.share:
            raise AccessError(self.env._("Only internal users can do this."))
        self.env["gmail.contact.visibility"].sudo()._open(self.sudo())
        return True
