from lxml import etree

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

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        arch, view = super()._get_view(view_id, view_type, **options)
        version = self.env["gmail.version"]
        for page in arch.iterfind(".//page[@name='gmail_mailboxes']"):
            if version._is_outdated():
                # In place of what reads mailboxes. A view is cached for all users.
                for child in list(page):
                    page.remove(child)
                for groups, sentence in (
                    ("base.group_system", version._admin_sentence()),
                    ("!base.group_system", version._user_sentence()),
                ):
                    text = etree.SubElement(page, "p", groups=groups)
                    text.text = sentence
        return arch, view

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
        if self.env["gmail.version"]._is_outdated():
            # A daily scheduled action ends the access of users who left meanwhile.
            return result
        if "company_ids" in vals:
            self.env["gmail.linking"]._companies_changed(self)
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
        self.env["gmail.version"]._check()
        mailboxes = self.env["gmail.mailbox"].sudo()
        for mailbox in mailboxes.search([("user_id", "in", self.ids)]):
            self.env["gmail.oauth"]._disconnect(mailbox)
            mailbox._delete()
        for user in self.sudo():
            while self.env["gmail.contact.visibility"]._leave(user):
                continue
        self.env["gmail.oauth"]._discard_waiting(self)
