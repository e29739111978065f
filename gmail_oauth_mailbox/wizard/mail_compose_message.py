from odoo import api, fields, models
from odoo.tools import formataddr

from ..lib.mime.addresses import address_key
from ..parsers import email_normalize


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
        """A message is From the address that was chosen, else the user's default
        mailbox; mass mailings and notes are not: they leave by Odoo's own servers."""
        result = super()._compute_authorship()
        user = self.env.user
        mailbox = self.env["gmail.sender"]._default_mailbox(user)
        sender = self.env.context.get("default_email_from") or (
            mailbox and formataddr((user.name, mailbox.email))
        )
        for composer in self:
            if (
                sender
                and composer.composition_mode == "comment"
                and not composer.subtype_is_log
                and not composer.template_id.email_from
                and composer.email_from == user.email_formatted
            ):
                composer.email_from = sender
        return result

    @api.model
    def _gmail_senders(self):
        addresses = self.env["gmail.compose"]._chatter_senders()
        return [(address, address) for address in dict.fromkeys(addresses)]

    @api.depends("email_from", "composition_mode", "subtype_is_log")
    @api.depends_context("uid")
    def _compute_gmail_from(self):
        own = dict(self._gmail_senders())
        by_key = {address_key(address): address for address in own}
        for composer in self:
            composer.gmail_has_senders = (
                bool(own)
                and composer.composition_mode == "comment"
                and not composer.subtype_is_log
            )
            key = address_key(email_normalize(composer.email_from or "") or "")
            is_own = composer.gmail_has_senders and key in by_key
            composer.gmail_from = by_key[key] if is_own else False

    @api.onchange("gmail_from")
    def _onchange_gmail_from(self):
        """The text ends with the signature of the mailbox that it leaves by."""
        compose = self.env["gmail.compose"]
        for composer in self.filtered("gmail_from"):
            address = composer.gmail_from
            composer.email_from = formataddr((self.env.user.name, address))
            composer.body = compose._signed_by(composer.body or "", address)

    # ------------------------------------------------------------------
    # What is answered is an email that the user may read
    # ------------------------------------------------------------------

    def _gmail_checked(self, vals):
        """Return values without a parent that is an entry which the user may not read:
        the composer would take over its subject, its record and its people."""
        parent = vals.get("parent_id")
        if self.env["mail.message"]._gmail_hidden({parent}):
            return {**vals, "parent_id": False}
        return vals

    @api.model
    def default_get(self, fields):
        return self._gmail_checked(super().default_get(fields))

    @api.model_create_multi
    def create(self, vals_list):
        return super().create(list(map(self._gmail_checked, vals_list)))

    def write(self, vals):
        return super().write(self._gmail_checked(vals))

    def onchange(self, values, field_names, fields_spec):
        return super().onchange(self._gmail_checked(values), field_names, fields_spec)
