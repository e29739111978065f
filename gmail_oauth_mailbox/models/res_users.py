from odoo import api, fields, models


class ResUsers(models.Model):
    _inherit = "res.users"

    # Readable by the user herself, never in SELF_WRITEABLE_FIELDS: through a
    # writeable One2many she could adopt a colleague's mailbox.
    gmail_mailbox_ids = fields.One2many(
        "gmail.mailbox", "user_id", "Gmail Mailboxes", readonly=True
    )

    @property
    def SELF_READABLE_FIELDS(self):
        return super().SELF_READABLE_FIELDS + ["gmail_mailbox_ids"]

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        # Whoever is a user is no secret.
        self.env["gmail.contact.visibility"].sudo()._open(users.sudo().partner_id)
        return users

    def write(self, vals):
        result = super().write(vals)
        if "partner_id" in vals:
            self.env["gmail.contact.visibility"].sudo()._open(self.sudo().partner_id)
        if "active" in vals or "group_ids" in vals:
            # Who has left reads no more mail: the access goes, what is stored stays.
            gone = self.filtered(lambda user: not user.active or user.share)
            mailboxes = self.env["gmail.mailbox"].sudo()
            for mailbox in mailboxes.search(
                [("user_id", "in", gone.ids), ("state", "!=", "draft")]
            ):
                self.env["gmail.oauth"]._disconnect(mailbox)
            self.env["gmail.oauth"]._discard_waiting(gone)
            self.env["gmail.leaving"]._note(self)
        return result

    @api.ondelete(at_uninstall=True)
    def _unlink_gmail_mailboxes(self):
        """A user's mailboxes go with her: access at Google, mail and attachments."""
        mailboxes = self.env["gmail.mailbox"].sudo()
        for mailbox in mailboxes.search([("user_id", "in", self.ids)]):
            self.env["gmail.oauth"]._disconnect(mailbox)
            mailbox._delete()
        for user in self.sudo():
            while self.env["gmail.contact.visibility"]._leave(user):
                continue
        self.env["gmail.oauth"]._discard_waiting(self)
