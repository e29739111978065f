from odoo import models


class MergePartnerAutomatic(models.TransientModel):
    """What is filed in contacts that are merged is filed in the one that stays."""

    _inherit = "base.partner.merge.automatic.wizard"

    def _update_reference_fields_generic(
        self, referenced_model, src_records, dst_record, additional_update_records=None
    ):
        result = super()._update_reference_fields_generic(
            referenced_model,
            src_records,
            dst_record,
            additional_update_records=additional_update_records,
        )
        self.env["gmail.linking"]._records_merged(
            referenced_model, src_records.ids, dst_record.id
        )
        if referenced_model == "res.partner":
            # One of them may have been everybody's.
            self.env["gmail.contact.visibility"].sudo()._open(dst_record.sudo())
        return result
