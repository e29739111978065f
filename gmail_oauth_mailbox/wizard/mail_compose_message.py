from odoo import models
from odoo.tools import formataddr


class MailComposeMessage(models.TransientModel):
    _inherit = "mail.compose.message"

    def _compute_authorship(self):
        """A message is From the user's default mailbox; mass mailings and notes are
        not: they leave by Odoo's own servers."""
        super()._compute_authorship()
        if self.env.context.get("default_email_from"):
            return
        user = self.env.user
        mailbox = self.env["gmail.sender"]._default_mailbox(user)
        for composer in self:
            if (
                mailbox
                and composer.composition_mode == "comment"
                and not composer.subtype_is_log
                and not composer.template_id.email_from
                and composer.email_from == user.email_formatted
            ):
                composer.email_from = formataddr((user.name, mailbox.email))
