from odoo import models


class IrCron(models.Model):
    _inherit = "ir.cron"

    def _callback(self, cron_name, server_action_id):
        """While the database is older than the code, an action of ours can name a model
        that the code no longer has: it waits for the update, and isn't an error."""
        if self.env["gmail.version"]._is_outdated():
            action = self.env["ir.actions.server"].browse(server_action_id)
            if action.model_name not in self.env.registry:
                return None
        return super()._callback(cron_name, server_action_id)
