from odoo import api, fields, models
from odoo.exceptions import UserError


class GmailErase(models.TransientModel):
    """The dialog before an administrator erases a person's mail: counts, no content."""

    _name = "gmail.erase"
    _description = "Erase a Person's Mail"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    addresses = fields.Text(
        required=True,
        default=lambda self: self._addresses_of_contacts(),
        help="One on each line",
    )
    problem = fields.Char(compute="_compute_counts")
    messages = fields.Integer(compute="_compute_counts")
    mailboxes = fields.Integer(compute="_compute_counts")
    entries = fields.Integer(compute="_compute_counts")
    own = fields.Integer(compute="_compute_counts")
    is_understood = fields.Boolean("This cannot be undone")

    def _addresses_of_contacts(self):
        """Return the addresses of the contacts that the dialog was opened from."""
        if self.env.context.get("active_model") != "res.partner":
            return False
        partners = self.env["res.partner"].browse(self.env.context.get("active_ids"))
        found = dict.fromkeys(filter(None, partners.mapped("email_normalized")))
        return "\n".join(found)

    @api.depends("addresses")
    def _compute_counts(self):
        service = self.env["gmail.exclusions"]
        for dialog in self:
            counts = dict.fromkeys(("messages", "mailboxes", "entries", "own"), 0)
            dialog.problem = False
            if dialog.addresses:
                try:
                    addresses = service._addresses(dialog.addresses)
                    counts = service._count_erased(addresses)
                except UserError as error:
                    dialog.problem = str(error)
            dialog.update(counts)

    def action_erase(self):
        """Erase it from all mailboxes and documents, for good."""
        self.ensure_one()
        service = self.env["gmail.exclusions"]
        addresses = service._addresses(self.addresses)
        if not self.is_understood:
            raise UserError(self.env._("Tick that this cannot be undone."))
        service._erase(addresses)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "Odoo erases it now. See Erased mail for the end."
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
