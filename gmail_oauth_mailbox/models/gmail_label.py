from odoo import api, fields, models
from odoo.exceptions import AccessError


class GmailLabel(models.Model):
    """A label of a mailbox."""

    _name = "gmail.label"
    _inherit = "gmail.owned"
    _description = "Gmail Label"
    _order = "kind, name"

    # Every look-up by mailbox has the unique index below.
    mailbox_id = fields.Many2one(index=False)
    gmail_id = fields.Char("Gmail Id", required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    title = fields.Char("Label", compute="_compute_title")
    kind = fields.Selection(
        [("system", "Gmail"), ("user", "Own")], required=True, readonly=True
    )
    is_synced = fields.Boolean(
        "In Odoo",
        default=True,
        help="Mail that carries a label which is switched off is in Gmail only.",
    )

    where = fields.Char(compute="_compute_where")
    is_leaving = fields.Boolean(
        readonly=True,
        help="It was switched off: its mail is about to be removed from Odoo.",
    )

    _mailbox_gmail_id_unique = models.Constraint(
        "UNIQUE(mailbox_id, gmail_id)", "A label is stored once per mailbox."
    )

    @api.depends("gmail_id", "name")
    def _compute_title(self):
        """Gmail's own labels have technical names; show those that Gmail shows."""
        titles = {
            "INBOX": self.env._("Inbox"),
            "SENT": self.env._("Sent"),
            "IMPORTANT": self.env._("Important"),
            "STARRED": self.env._("Starred"),
            "UNREAD": self.env._("Unread"),
            "CATEGORY_PERSONAL": self.env._("Category Primary"),
            "CATEGORY_SOCIAL": self.env._("Category Social"),
            "CATEGORY_PROMOTIONS": self.env._("Category Promotions"),
            "CATEGORY_UPDATES": self.env._("Category Updates"),
            "CATEGORY_FORUMS": self.env._("Category Forums"),
        }
        for label in self:
            label.title = titles.get(label.gmail_id, label.name)

    @api.depends("is_synced")
    def _compute_where(self):
        for label in self:
            label.where = (
                self.env._("In Odoo") if label.is_synced else self.env._("Gmail only")
            )

    def action_ask_switch(self):
        """Open the dialog that says how much mail comes in or leaves."""
        self.ensure_one()
        mailbox = self.mailbox_id._own()
        sentence = self.env["gmail.wording"]._of_switching(mailbox, self.sudo())
        dialog = self.env["gmail.label.switch"].create(
            {"label_id": self.id, "sentence": sentence}
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.title,
            "res_model": dialog._name,
            "res_id": dialog.id,
            "views": [[False, "form"]],
            "target": "new",
        }

    def write(self, vals):
        if not self.env.su and set(vals) - {"is_synced"}:
            raise AccessError(self.env._("Labels are changed in Gmail."))
        switched = self.browse()
        if "is_synced" in vals:
            switched = self.filtered(lambda x: x.is_synced != bool(vals["is_synced"]))
        result = super().write(vals)
        if switched:
            on = bool(vals["is_synced"])
            switched.sudo().is_leaving = not on
            mailboxes = switched.mailbox_id.sudo()
            if on:
                mailboxes._restart_backfill()
            else:
                self.env["gmail.scheduler"]._wake(mailboxes)
        return result
