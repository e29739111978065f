from odoo import api, models
from odoo.exceptions import AccessError

from ..lib.cells import as_text

# What users may change of a message that shows an email: none of it is content.
OF_READERS = frozenset({"pinned_at", "starred_partner_ids"})


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
        posts = self.sudo()
        if any(
            m.message_type != vals.get("message_type", m.message_type) for m in posts
        ):
            # Answers to what Odoo's users wrote are treated as such, and only those.
            raise AccessError(self.env._("The type of a message can't be changed."))
        if OF_READERS.issuperset(vals):
            return
        emails = posts.filtered(lambda m: m.message_type == "email")
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
