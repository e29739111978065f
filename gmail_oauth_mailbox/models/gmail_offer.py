from odoo import api, fields, models
from odoo.exceptions import AccessError


class GmailOffer(models.Model):
    """An owner is asked before an act of somebody else shares more of their email."""

    _name = "gmail.offer"
    _inherit = "gmail.owned"
    _description = "Sharing Request"
    _order = "state, id desc"
    _rec_name = "name"

    way = fields.Char(required=True, readonly=True)
    kind = fields.Selection(
        [
            ("address", "Contact"),
            ("domain", "Company Domain"),
            ("rule", "Subject Rule"),
            ("own", "Company's Own Domain"),
            ("exclusion", "Exclusion"),
            ("record", "Record"),
            ("limit", "Maximum Sharing"),
        ],
        required=True,
        readonly=True,
    )
    name = fields.Char("Emails", readonly=True)
    actor_id = fields.Many2one("res.users", "Changed By", readonly=True)
    reason = fields.Char(compute="_compute_reason")
    state = fields.Selection(
        [("asked", "Not answered"), ("accepted", "Shared"), ("declined", "Not shared")],
        default="asked",
        required=True,
        readonly=True,
    )
    answered_at = fields.Datetime("Since", readonly=True)
    activity_id = fields.Many2one("mail.activity", readonly=True, ondelete="set null")

    _way_unique = models.Constraint(
        "UNIQUE(mailbox_id, way)", "A way is offered once to a mailbox."
    )

    @api.depends("kind", "name", "actor_id")
    def _compute_reason(self):
        for offer in self:
            offer.reason = self.env["gmail.linking"]._offer_reason(offer)

    def _own(self):
        """Return the offers under sudo, after checking that they are the caller's."""
        self.check_access("read")
        if any(o.sudo().mailbox_id.user_id != self.env.user for o in self):
            raise AccessError(self.env._("Only its owner can answer this request."))
        return self.sudo()

    def action_share(self):
        """Share these emails from now on."""
        self.env["gmail.linking"]._answer(self._own(), "accepted")

    def action_decline(self):
        """Keep these emails private."""
        self.env["gmail.linking"]._answer(self._own(), "declined")
