from odoo import api, models
from odoo.exceptions import AccessError

# Whom a notification makes a recipient of a message.
OF_RECIPIENT = ("mail_message_id", "res_partner_id", "mail_email_address")


class MailNotification(models.Model):
    """Whoever was notified of a post takes part in its record, and may answer it: users
    choose that for their own posts only."""

    _inherit = "mail.notification"
    _allow_sudo_commands = False

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            posts = {vals.get("mail_message_id") for vals in vals_list} - {None, False}
            posts = self.env["mail.message"].sudo().browse(posts).exists()
            if any(post.create_uid != self.env.user for post in posts):
                raise AccessError(
                    self.env._("Others can't be made recipients of this message.")
                )
            self.env["gmail.linking"]._note_changed_by(posts)
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su and any(
            (vals[name] or False) != row._fields[name].convert_to_write(row[name], row)
            for name in OF_RECIPIENT
            if name in vals
            for row in self.sudo()
        ):
            raise AccessError(
                self.env._("The recipient of a notification can't be changed.")
            )
        return super().write(vals)
