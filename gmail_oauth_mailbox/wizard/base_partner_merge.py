from odoo import models


class MergePartnerAutomatic(models.TransientModel):
    """What is filed in contacts that are merged is filed in the one that stays."""

    _inherit = "base.partner.merge.automatic.wizard"

    def _merge(self, partner_ids, dst_partner=None, extra_checks=True):
        # What others changed before isn't the act of who merges.
        merged = self.env["res.partner"].sudo().browse(partner_ids).exists()
        addresses = set(merged.mapped("email_normalized")) - {False}
        self.env["gmail.linking"]._compare_ways(addresses)
        result = super()._merge(partner_ids, dst_partner, extra_checks)
        remaining = self.env["res.partner"].sudo().browse(partner_ids).exists()
        addresses |= set(remaining.mapped("email_normalized")) - {False}
        self.env["gmail.linking"]._compare_ways(addresses, self.env.user)
        return result

    def _update_foreign_keys_generic(self, model, src_records, dst_record):
        # Odoo changes them by SQL, as no user's act.
        linking = self.env["gmail.linking"]
        changed = (
            linking._ruled_records_of(src_records) if model == "res.partner" else ()
        )
        result = super()._update_foreign_keys_generic(model, src_records, dst_record)
        for records in changed:
            linking._note_changed(records)
        return result

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
