from odoo import api, models


class IrActionsReport(models.Model):
    """Reports are rendered as superuser, for instance as a template's file."""

    _inherit = "ir.actions.report"

    @api.model
    def _get_rendering_context(self, report, docids, data):
        self.env["gmail.guard"]._check_acts(report)
        return super()._get_rendering_context(report, docids, data)
