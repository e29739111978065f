from odoo import api, models


class IrFilters(models.Model):
    """A filter of email is its user's own."""

    _inherit = "ir.filters"

    @api.constrains("user_ids")
    def _check_gmail_owner(self):
        self.env["gmail.guard"]._check(self)

    @api.model
    def get_filters(self, model, *args, **kwargs):
        filters = super().get_filters(model, *args, **kwargs)
        if not self.env["gmail.guard"]._is_guarded(model):
            return filters
        return [found for found in filters if found["user_ids"] == [self.env.uid]]
