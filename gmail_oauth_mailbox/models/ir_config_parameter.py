from odoo import api, models


class IrConfigParameter(models.Model):
    """What limits sharing acts when it changes, wherever an administrator changes it:
    in the settings or among the system parameters."""

    _inherit = "ir.config_parameter"

    @api.model_create_multi
    def create(self, vals_list):
        parameters = super().create(vals_list)
        self.env["gmail.setup"]._parameters_changed(parameters.mapped("key"))
        return parameters

    def write(self, vals):
        keys = self.mapped("key")
        result = super().write(vals)
        self.env["gmail.setup"]._parameters_changed([*keys, vals.get("key")])
        return result

    def unlink(self):
        keys = self.mapped("key")
        result = super().unlink()
        self.env["gmail.setup"]._parameters_changed(keys)
        return result
