from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools.sql import column_exists, create_column

from ..lib.mime.addresses import address_key, pasted

# Partners whose keys are computed at once when the column is new.
MAX_ROWS = 10_000
# Addresses that are their own key.
PLAIN = r"^[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)+$"


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

    gmail_address_key = fields.Char(
        compute="_compute_gmail_address_key",
        store=True,
        exportable=False,
        help="What all spellings of the email address share: lib.mime.addresses",
    )

    _gmail_key_domain_idx = models.Index("(split_part(gmail_address_key, '@', 2))")
    # A hash, since an address or a name may be longer than a tree takes.
    _gmail_key_idx = models.Index("USING hash (gmail_address_key)")
    _gmail_name_idx = models.Index("USING hash (lower(name))")
    _gmail_private_idx = models.Index("(id) WHERE gmail_is_private")

    def _auto_init(self):
        """Fill the new column by SQL: through the ORM, a million contacts take long."""
        if not column_exists(self.env.cr, self._table, "gmail_address_key"):
            create_column(self.env.cr, self._table, "gmail_address_key", "varchar")
            self._fill_gmail_address_key()
        return super()._auto_init()

    def _fill_gmail_address_key(self):
        self.env.cr.execute(
            """
            UPDATE res_partner SET gmail_address_key = email_normalized
             WHERE email_normalized ~ %s
               AND split_part(email_normalized, '@', 2)
                   NOT IN ('gmail.com', 'googlemail.com')
            """,
            [PLAIN],
        )
        last = 0
        while True:
            self.env.cr.execute(
                """
                SELECT id, email, email_normalized FROM res_partner
                 WHERE id > %s AND email <> '' AND gmail_address_key IS NULL
                 ORDER BY id LIMIT %s
                """,
                [last, MAX_ROWS],
            )
            rows = self.env.cr.fetchall()
            if not rows:
                return
            last = rows[-1][0]
            keys = [_key(email, normalized) or None for _id, email, normalized in rows]
            self.env.cr.execute(
                """
                UPDATE res_partner p SET gmail_address_key = x.key
                  FROM unnest(%s, %s) AS x(id, key)
                 WHERE x.id = p.id AND x.key IS NOT NULL
                """,
                [[row[0] for row in rows], keys],
            )

    @api.depends("email", "email_normalized")
    def _compute_gmail_address_key(self):
        for partner in self:
            key = _key(partner.email, partner.email_normalized)
            partner.gmail_address_key = key or False

    @api.depends_context("uid")
    def _compute_gmail_is_mine(self):
        # Whoever reads one that is private is one of them.
        for partner in self:
            partner.gmail_is_mine = partner.sudo().gmail_is_private

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


def _key(email, normalized):
    """Return the key of a contact's address. What is pasted into the field is no
    address to Odoo, and one to us if it holds a single one."""
    if normalized:
        return address_key(normalized)
    found = pasted(email or "")
    return address_key(found[0]) if len(found) == 1 else ""
