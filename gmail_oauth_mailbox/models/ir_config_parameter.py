from odoo import api, models

from ..services.gmail_setup import OWN_DOMAINS, SHARING_CEILING


class IrConfigParameter(models.Model):
    """What limits sharing acts when it changes, wherever an administrator changes it:
    in the settings or among the system parameters."""

    _inherit = "ir.config_parameter"

    @api.model_create_multi
    def create(self, vals_list):
        parameters = super().create(vals_list)
        self._gmail_obey(parameters.mapped("key"))
        return parameters

    def write(self, vals):
        keys = self.mapped("key")
        result = super().write(vals)
        self._gmail_obey([*keys, vals.get("key")])
        return result

    def unlink(self):
        keys = self.mapped("key")
        result = super().unlink()
        self._gmail_obey(keys)
        return result

    def _gmail_obey(self, keys):
        """Apply changed parameters with these keys."""
        if not {OWN_DOMAINS, SHARING_CEILING}.intersection(keys):
            return
        if self.env["gmail.version"]._is_outdated():
            # The update compares all of it.
            return
        if SHARING_CEILING in keys:
            self.env["gmail.linking"]._obey_limit()
        if OWN_DOMAINS in keys:
            self.env["gmail.linking"]._own_domains_changed()
