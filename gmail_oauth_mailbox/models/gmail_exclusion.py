from odoo import api, fields, models


class GmailExclusion(models.Model):
    """Addresses whose mail stays out of Odoo: of one user, or the administrator's for
    everybody. Made by the dialog that shows first how much mail it is about."""

    _name = "gmail.exclusion"
    _description = "Excluded Address"
    _order = "pattern, id"
    _rec_name = "pattern"
    _allow_sudo_commands = False

    pattern = fields.Char("Address", required=True, readonly=True)
    user_id = fields.Many2one(
        "res.users",
        "Of",
        readonly=True,
        index=True,
        ondelete="cascade",
        help="Empty is for everybody.",
    )
    removed = fields.Integer(
        "Messages Removed", readonly=True, help="When it was excluded"
    )
    is_pending = fields.Boolean(
        "Removing", readonly=True, help="What is stored is still being removed."
    )

    retry_at = fields.Datetime(
        readonly=True, help="When it is tried again, after an error"
    )

    _pattern_unique = models.UniqueIndex(
        "(pattern, COALESCE(user_id, 0))", "This is excluded already."
    )
    _pending_idx = models.Index("(id) WHERE is_pending")

    @api.ondelete(at_uninstall=False)
    def _note_withdrawn(self):
        for exclusion in self:
            self.env["gmail.linking"]._note_act(
                f"exclusion:{exclusion.user_id.id or 0}:{exclusion.pattern}"
            )

    @api.ondelete(at_uninstall=False)
    def _let_contacts_in(self):
        # Google's contacts with the address may come again.
        for exclusion in self:
            self.env["gmail.contacts"].sudo()._look_again(exclusion.user_id)
