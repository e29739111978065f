from odoo import models


class IrActionsServer(models.Model):
    """Actions run as superuser, also for an automation rule: none on email."""

    _inherit = "ir.actions.server"

    def run(self):
        allowed = self.filtered(self.env["gmail.guard"]._may_act)
        return super(IrActionsServer, allowed).run() if allowed else False
