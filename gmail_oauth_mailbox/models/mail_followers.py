from odoo import api, models

NAMES_A_RECORD = {"res_model", "res_id", "partner_id"}


class MailFollowers(models.Model):
    """Who follows a record decides which emails a subject rule links to it.

    Odoo adds followers by several methods, each of which inserts rows here.
    """

    _inherit = "mail.followers"

    @api.model_create_multi
    def create(self, vals_list):
        followers = super().create(vals_list)
        followers._gmail_note_changed()
        return followers

    def write(self, vals):
        result = super().write(vals)
        if NAMES_A_RECORD & vals.keys():
            self._gmail_note_changed()
        return result

    def _gmail_note_changed(self):
        """Note that the current user gave records followers from outside. A colleague's
        email isn't shared for being a follower's."""
        for model, followers in self.sudo().grouped("res_model").items():
            records = self.env.get(model)
            if records is None or not isinstance(
                records, self.env.registry["mail.thread"]
            ):
                continue
            if records._gmail_is_ruled():
                outside = followers.filtered("partner_id.partner_share")
                self.env["gmail.linking"]._note_changed(
                    records.browse(filter(None, outside.mapped("res_id")))
                )
