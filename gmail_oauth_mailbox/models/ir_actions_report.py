from odoo import api, models


class IrActionsReport(models.Model):
    """Reports are drawn as superuser in places, such as templates of emails."""

    _inherit = "ir.actions.report"

    @api.model
    def _get_rendering_context(self, report, docids, data):
        self.env["gmail.guard"]._check_acts(report)
        return super()._get_rendering_context(report, docids, data)
