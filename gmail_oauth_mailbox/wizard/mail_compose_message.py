from odoo import api, fields, models
from odoo.tools import email_normalize, formataddr


class MailComposeMessage(models.TransientModel):
    _inherit = "mail.compose.message"

    gmail_from = fields.Selection(
        "_gmail_senders",
        "Sender Address",
        compute="_compute_gmail_from",
        readonly=False,
        help="Which of your own addresses it is written from",
    )
    gmail_has_senders = fields.Boolean(compute="_compute_gmail_from")

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

    @api.model
    def _gmail_senders(self):
        addresses = self.env["gmail.compose"]._chatter_senders()
        return [(address, address) for address in dict.fromkeys(addresses)]

    @api.depends("email_from", "composition_mode", "subtype_is_log")
    @api.depends_context("uid")
    def _compute_gmail_from(self):
        own = dict(self._gmail_senders())
        for composer in self:
            address = email_normalize(composer.email_from or "")
            composer.gmail_from = address if address in own else False
            composer.gmail_has_senders = (
                bool(own)
                and composer.composition_mode == "comment"
                and not composer.subtype_is_log
            )

    @api.onchange("gmail_from")
    def _onchange_gmail_from(self):
        for composer in self.filtered("gmail_from"):
            composer.email_from = formataddr((self.env.user.name, composer.gmail_from))
