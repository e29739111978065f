from odoo import api, models
from odoo.tools import formataddr, is_html_empty


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    def message_post(
        self,
        *,
        message_type="notification",
        author_id=None,
        email_from=None,
        **kwargs,
    ):
        """What a user posts herself is From her default mailbox."""
        sender = self.env["gmail.sender"]
        if (
            not author_id
            and not email_from
            and sender._is_for_mail(
                self._name, message_type, self._gmail_subtype(kwargs)
            )
        ):
            mailbox = sender._default_mailbox(self.env.user)
            if mailbox:
                partner = self.env.user.partner_id
                author_id = partner.id
                email_from = formataddr((partner.name or "", mailbox.email))
        return super().message_post(
            message_type=message_type,
            author_id=author_id,
            email_from=email_from,
            **kwargs,
        )

    @api.model
    def _message_route_process(self, message, message_dict, routes):
        """An answer that a mailbox brought first is not posted twice."""
        chatter = self.env["gmail.chatter"].sudo()
        copies = chatter._at_gateway(message_dict)
        if copies:
            routes = chatter._routes_left(copies, routes)
        thread_id = super()._message_route_process(message, message_dict, routes)
        if copies:
            self.env["gmail.sharing"].sudo()._enqueue(set(copies.mapped("mail_key")))
        return thread_id

    def _gmail_subtype(self, values):
        """Return the subtype that a post will have; Odoo's default is a note."""
        if xmlid := values.get("subtype_xmlid"):
            return self.env.ref(xmlid, raise_if_not_found=False)
        return self.env["mail.message.subtype"].browse(values.get("subtype_id") or ())

    def _notify_thread_by_email(
        self, message, recipients_data, *, msg_vals=False, **kwargs
    ):
        """Write one personal mail to all recipients when it leaves by a mailbox.

        Odoo splits recipients into groups, each with its own layout and its own
        links; the sender's Gmail would hold as many copies. A mail from one's own
        address looks like one: the text, the signature, nothing else.
        """
        sender = self.env["gmail.sender"]
        mailbox = sender._mailbox_of_message(message)
        by_email = [r for r in recipients_data if r["notif"] == "email"]
        if not mailbox or not by_email:
            return super()._notify_thread_by_email(
                message, recipients_data, msg_vals=msg_vals, **kwargs
            )
        values = self._notify_by_email_get_base_mail_values(
            message,
            by_email,
            additional_values={
                "auto_delete": kwargs.get("mail_auto_delete", True),
                **(
                    {"headers": kwargs["mail_headers"]}
                    if kwargs.get("mail_headers")
                    else {}
                ),
            },
        )
        partner_ids = [r["id"] for r in by_email if r["id"]]
        others = [
            formataddr((r.get("name") or "", r["email_normalized"]))
            for r in by_email
            if not r["id"] and r.get("email_normalized")
        ]
        body = message.body
        if message.email_add_signature:
            signature = sender._signature(mailbox)
            if not is_html_empty(signature):
                body += signature
        mail = (
            self.env["mail.mail"]
            .sudo()
            .create(
                {
                    **self._notify_by_email_get_final_mail_values(partner_ids, values),
                    "body_html": body,
                    "email_to": ",".join(others),
                    "is_notification": True,
                    "is_gmail": True,
                    "gmail_mailbox_id": mailbox.id,
                    "mail_server_id": mailbox.outgoing_server_id.id,
                }
            )
        )
        notification = self._notify_by_email_get_base_notification_values(message)
        self.env["mail.notification"].sudo().create(
            [
                {**notification, "mail_mail_id": mail.id, **recipient}
                for recipient in [
                    *({"res_partner_id": partner} for partner in partner_ids),
                    *({"mail_email_address": address} for address in others),
                ]
            ]
        )
        if kwargs.get("force_send", True):
            if kwargs.get("send_after_commit", True):
                mail.send_after_commit()
            else:
                mail.send()
        return True
