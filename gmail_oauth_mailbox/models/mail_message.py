from odoo import api, models
from odoo.exceptions import AccessError

from ..lib.cells import as_text

# What an entry shows, and as what.
CONTENT = frozenset(
    {
        "attachment_ids",
        "author_id",
        "body",
        "date",
        "email_from",
        "is_internal",
        "message_type",
        "model",
        "res_id",
        "subject",
        "subtype_id",
    }
)


class MailMessage(models.Model):
    """Answers to Odoo's mail are found by Message-ID, and entries show what a mailbox
    holds: users choose neither."""

    _inherit = "mail.message"

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            vals_list = [
                {name: value for name, value in vals.items() if name != "message_id"}
                for vals in vals_list
            ]
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su:
            self._gmail_check_write(vals)
        result = super().write(vals)
        if "res_id" in vals or "model" in vals:
            # Documents were merged.
            self.env["gmail.linking"].sudo()._posts_moved(self)
        return result

    def _gmail_check_write(self, vals):
        """Refuse what would make a post another email than it is.

        :raises AccessError: it would
        """
        if "message_id" in vals:
            raise AccessError(
                self.env._("The Message-ID of a message can't be changed.")
            )
        if not CONTENT & vals.keys():
            return
        emails = self.sudo().filtered(lambda m: m.message_type == "email")
        if emails and self.env["gmail.linking"]._are_entries(emails):
            raise AccessError(
                self.env._(
                    "This message shows an email of a mailbox and can't be changed. "
                    "Change how much of it is shared instead."
                )
            )

    def _export_rows(self, fields, *, _is_toplevel_call=True):
        # Subjects are written by strangers.
        rows = super()._export_rows(fields, _is_toplevel_call=_is_toplevel_call)
        return [list(map(as_text, row)) for row in rows]
