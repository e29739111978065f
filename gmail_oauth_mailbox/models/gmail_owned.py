from odoo import api, fields, models

from ..lib.cells import as_text

# How much of a mail the readers of its documents see; empty is private, no choice.
SHARING_LEVELS = [
    ("nobody", "Nobody"),
    ("metadata", "Who wrote to whom, and when"),
    ("subject", "The subject too"),
    ("everything", "Everything"),
]


class GmailOwned(models.AbstractModel):
    """Content of a mailbox: for its owner alone.

    Names of records are too. Odoo looks them up as superuser in places, such as the
    access error of developer mode, which names what it refuses.
    """

    _name = "gmail.owned"
    _description = "Content of a Gmail Mailbox"
    _allow_sudo_commands = False

    mailbox_id = fields.Many2one(
        "gmail.mailbox", required=True, readonly=True, index=True, ondelete="cascade"
    )

    @api.depends("mailbox_id")
    @api.depends_context("uid")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        for record in self:
            if record.sudo().mailbox_id.user_id != self.env.user:
                record.display_name = f"{self._name},{record.id}"
        return result

    def _check_access(self, operation):
        refusal = self.env["gmail.version"]._refusal(self)
        return refusal or super()._check_access(operation)

    def _export_rows(self, fields, *, _is_toplevel_call=True):
        # Odoo itself takes care of some beginnings, in CSV only.
        rows = super()._export_rows(fields, _is_toplevel_call=_is_toplevel_call)
        return [list(map(as_text, row)) for row in rows]
