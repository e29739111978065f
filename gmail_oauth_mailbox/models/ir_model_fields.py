from odoo import models


class IrModelFields(models.Model):
    """Fields that administrators add read as superuser where they are related ones."""

    _inherit = "ir.model.fields"

    def _instanciate_attrs(self, field_data):
        if self.env["gmail.guard"]._is_refused_field(field_data):
            # It stays in the list of fields, without effect.
            return None
        return super()._instanciate_attrs(field_data)
