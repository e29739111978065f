from odoo import api, models

from ..lib.mime.addresses import address_key, spellings
from ..parsers import email_normalize


class GmailBounces(models.AbstractModel):
    """Reports that a mail did not arrive come to Gmail, as its answers do: have Odoo
    know what its own gateway would have told it."""

    _name = "gmail.bounces"
    _description = "Bounces of Gmail"

    @api.model
    def _note(self, mail, addresses):
        """Note that a mail did not reach some of those whom it was sent to.

        Each counts once, however often it is reported, and in how many mailboxes.
        Odoo's own method would write addresses into the log.

        :param mail: mail.message (sudo) that Odoo sent
        :param addresses: as the report names them
        """
        failed = set(map(address_key, addresses)) - {""}
        for notification in mail.notification_ids:
            address = email_normalize(
                notification.mail_email_address
                or notification.res_partner_id.email_normalized
            )
            if (
                address_key(address) in failed
                and notification.notification_status != "bounce"
            ):
                notification.write(
                    {
                        "failure_type": "mail_bounce",
                        "failure_reason": self.env._(
                            "Gmail reports that it could not be delivered to this "
                            "address; the report is in the sender's mailbox."
                        ),
                        "notification_status": "bounce",
                    }
                )
                self._count(mail, address, notification.res_partner_id)

    def _count(self, mail, address, partner):
        """Count a bounce where Odoo counts it: on all that has the address, else on
        the document of the mail."""
        counted = set()
        for name in self._counting():
            records = self.env[name].sudo()
            records = records.search([("email_normalized", "in", spellings(address))])
            records._message_receive_bounce(address, partner)
            counted |= {(name, record.id) for record in records}
        if mail.model in self.env.registry and (mail.model, mail.res_id) not in counted:
            record = self.env[mail.model].sudo().browse(mail.res_id).exists()
            if record and hasattr(record, "_message_receive_bounce"):
                record._message_receive_bounce(address, partner)

    @api.model
    def _forget(self, addresses):
        """What comes from an address shows that mail reaches it.

        :param addresses: in all their spellings
        """
        for name in self._counting():
            records = (
                self.env[name]
                .sudo()
                .search(
                    [
                        ("message_bounce", ">", 0),
                        ("email_normalized", "in", list(addresses)),
                    ]
                )
            )
            for record in records:
                record._message_reset_bounce(record.email_normalized)

    def _counting(self):
        """Return the models that count bounces of an address."""
        models_ = self.env["ir.model"].sudo().search([("is_mail_blacklist", "=", True)])
        return [
            name
            for name in models_.mapped("model")
            if name in self.env.registry and not self.env[name]._abstract
        ]
