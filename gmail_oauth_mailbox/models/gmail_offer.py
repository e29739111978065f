from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class GmailOffer(models.Model):
    """An owner is asked before an act of somebody else shares more of their email."""

    _name = "gmail.offer"
    _inherit = "gmail.owned"
    _description = "Sharing Request"
    _order = "state, id desc"
    _rec_name = "name"
    # What its activities open: cards fit on a phone.
    _systray_view = "kanban"

    way = fields.Char(required=True, readonly=True)
    kind = fields.Selection(
        [
            ("address", "Contact"),
            ("domain", "Company Domain"),
            ("rule", "Subject Rule"),
            ("own", "Company's Own Domain"),
            ("exclusion", "Exclusion"),
            ("record", "Record"),
            ("company", "Company"),
            ("limit", "Maximum Sharing"),
        ],
        required=True,
        readonly=True,
    )
    name = fields.Char("Emails", readonly=True)
    actor_id = fields.Many2one("res.users", "Changed By", readonly=True)
    question = fields.Char(compute="_compute_reason")
    reason = fields.Text(compute="_compute_reason")
    is_repeated = fields.Boolean(
        readonly=True, help="The owner agreed once, before something changed again"
    )
    is_final = fields.Boolean(
        compute="_compute_is_final", help="The answer can't be taken back here."
    )
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

    @api.depends("kind", "name", "actor_id", "is_repeated")
    def _compute_reason(self):
        for offer in self:
            offer.question, offer.reason = self.env["gmail.linking"]._offer_texts(offer)

    @api.depends("kind", "state")
    def _compute_is_final(self):
        for offer in self:
            offer.is_final = offer.kind == "limit" and offer.state == "accepted"

    # ------------------------------------------------------------------
    # What activities ask of their document; a request has no chatter
    # ------------------------------------------------------------------

    @api.private
    def message_subscribe(self, partner_ids=None, subtype_ids=None):
        """Nobody follows a request."""
        return True

    @api.private
    def message_post_with_source(self, source_ref, **kwargs):
        """Post nothing when the activity is done."""
        return self.env["mail.message"]

    # ------------------------------------------------------------------
    # Answering
    # ------------------------------------------------------------------

    def _own(self):
        """Return the offers under sudo, after checking that they are the caller's."""
        self.check_access("read")
        if any(o.sudo().mailbox_id.user_id != self.env.user for o in self):
            raise AccessError(self.env._("Only its owner can answer this request."))
        return self.sudo()

    def action_share(self):
        """Share these emails from now on."""
        return self._answered("accepted")

    def action_decline(self):
        """Keep these emails private.

        :raises UserError: the owner's mailbox shares more by now
        """
        if any(self.sudo().mapped("is_final")):
            raise UserError(
                self.env._(
                    "You agreed to this request. To share less, open the mailbox and "
                    "change its sharing."
                )
            )
        return self._answered("declined")

    def _answered(self, state):
        """Note an answer; return the action that confirms it."""
        sentences = self.env["gmail.linking"]._answer(self._own(), state)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": " ".join(sentences),
                "type": "success",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
