from odoo import models

from ..lib.cells import as_text


class MailMessage(models.Model):
    _inherit = "mail.message"

    def write(self, vals):
        result = super().write(vals)
        if "res_id" in vals or "model" in vals:
            # Documents were merged.
            self.env["gmail.linking"].sudo()._posts_moved(self)
        return result

    def _export_rows(self, fields, *, _is_toplevel_call=True):
        # Subjects are written by strangers.
        rows = super()._export_rows(fields, _is_toplevel_call=_is_toplevel_call)
        return [list(map(as_text, row)) for row in rows]
