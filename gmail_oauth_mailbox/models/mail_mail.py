from odoo import fields, models
from odoo.tools import email_normalize, unique


class MailMail(models.Model):
    _inherit = "mail.mail"

    gmail_attempts = fields.Integer(
        "Attempts through Gmail",
        readonly=True,
        copy=False,
        help="Above 0, Gmail's sent mail is searched before the mail goes out again.",
    )

    def _gmail_mailbox(self):
        """Return the mailbox (sudo) that this mail leaves by, or an empty recordset.

        That is the one whose outgoing record is forced on the mail, else the
        author's mailbox with the mail's From address when she wrote the mail herself
        (a comment): notifications that Odoo writes in her name, mass mailings and
        mails of other users never leave by a mailbox.
        """
        self.ensure_one()
        mailbox = self.sudo().mail_server_id.gmail_mailbox_id
        if mailbox:
            return mailbox
        if self.message_type != "comment":
            return mailbox
        return self.env["gmail.sender"]._mailbox_of(
            self.sudo().mail_message_id.create_uid, self.email_from
        )

    def _gmail_may_leave_by(self, mailbox):
        """Whether the owner herself wrote the mail, from the mailbox's address."""
        self.ensure_one()
        return (
            self.sudo().mail_message_id.create_uid == mailbox.user_id
            and email_normalize(self.email_from) == email_normalize(mailbox.email)
            and not self._gmail_is_bulk()
        )

    def _gmail_is_bulk(self):
        """Whether the mail belongs to a mass mailing (addon mass_mailing)."""
        return "mailing_id" in self._fields and bool(self.mailing_id)

    def _filter_mail_mail_servers(self, mail_servers):
        mail_servers = super()._filter_mail_mail_servers(mail_servers)
        own = mail_servers.filtered("gmail_mailbox_id")
        if not own:
            return mail_servers
        allowed = own.filtered(
            lambda server: all(
                mail._gmail_mailbox() == server.gmail_mailbox_id
                and mail._gmail_may_leave_by(server.gmail_mailbox_id)
                for mail in self
            )
        )
        return mail_servers - own + allowed

    def send(self, auto_commit=False, raise_exception=False, post_send_callback=None):
        """Pin each mail to its mailbox, and hold back what cannot leave now.

        Pinned, a mail never takes another server, whatever happens to the mailbox
        meanwhile; it waits, visibly, with the reason on it.
        """
        held = self.browse()
        for mail in self.filtered(lambda m: m.state == "outgoing"):
            mailbox = mail._gmail_mailbox()
            if not mailbox:
                continue
            if not mail._gmail_may_leave_by(mailbox):
                mail._gmail_refuse(mailbox)
                held |= mail
                continue
            mail.sudo().mail_server_id = mailbox.outgoing_server_id
            if problem := self.env["gmail.sender"]._why_not(mailbox):
                mail._gmail_wait(problem)
                held |= mail
        rest = self - held
        for server in rest.sudo().mail_server_id.filtered("gmail_mailbox_id"):
            batch = rest.filtered(lambda m, s=server: m.sudo().mail_server_id == s)
            rest -= batch - batch._split_by_delayed_batch(server)
        if not rest:
            return True
        return super(MailMail, rest).send(
            auto_commit=auto_commit,
            raise_exception=raise_exception,
            post_send_callback=post_send_callback,
        )

    def _send(self, *args, smtp_session=None, **kwargs):
        result = super()._send(*args, smtp_session=smtp_session, **kwargs)
        # Only the session of services/gmail_sender.py has it.
        postponed = getattr(smtp_session, "postponed", None)
        if postponed:
            for mail in self.exists():
                pause = postponed.get(mail.message_id)
                if pause is not None:
                    mail._gmail_postpone(pause)
        return result

    def _gmail_postpone(self, pause):
        """Put a mail that Gmail could not take now back into the queue."""
        later = fields.Datetime.now() + pause
        self.write(
            {"state": "outgoing", "failure_type": False, "scheduled_date": later}
        )
        self.env["mail.notification"].sudo().search(
            [("mail_mail_id", "in", self.ids)]
        ).write({"notification_status": "ready", "failure_type": False})
        self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger(later)

    def _gmail_refuse(self, mailbox):
        reason = self.env._(
            "Only %(owner)s can send from %(address)s. Choose another sender.",
            owner=mailbox.user_id.name,
            address=mailbox.email,
        )
        self.write(
            {
                "state": "exception",
                "failure_type": "mail_from_invalid",
                "failure_reason": reason,
            }
        )
        self._postprocess_sent_message(
            success_pids=[],
            success_emails=[],
            failure_reason=reason,
            failure_type="mail_from_invalid",
        )

    def _gmail_give_up(self):
        """Stop mails whose mailbox goes away: they must not take another server."""
        if self:
            reason = self.env._(
                "The Gmail mailbox that this mail was to leave by was deleted. "
                "Write it again from another address."
            )
            self.sudo().write({"state": "cancel", "failure_reason": reason})

    def _gmail_wait(self, reason):
        """Keep the mail in the queue, and say on it why it waits."""
        self.sudo().write({"state": "outgoing", "failure_reason": reason})

    def _split_by_delayed_batch(self, mail_server):
        mailbox = mail_server.gmail_mailbox_id if mail_server else False
        if not mailbox:
            return super()._split_by_delayed_batch(mail_server)
        # One merged message per mail leaves, so mails are counted, not recipients.
        allowed = self.env["gmail.sender"]._take_turns(mailbox, len(self))
        ordered = self.sorted(lambda mail: (mail.create_date, mail.id))
        delayed = ordered[allowed:]
        if delayed:
            later = fields.Datetime.add(fields.Datetime.now(), minutes=1)
            delayed.scheduled_date = later
            self.env.ref("mail.ir_cron_mail_scheduler_action")._trigger(later)
        return ordered[:allowed]

    def _prepare_outgoing_list(self, mail_server=False, doc_to_followers=None):
        """Merge the list into one message when it leaves by a mailbox.

        Odoo makes one mail per recipient with everybody named in To and relies on
        the SMTP envelope. Gmail has none: it delivers to whom the headers name, so
        the headers must name the real recipients, once.
        """
        emails = super()._prepare_outgoing_list(
            mail_server=mail_server, doc_to_followers=doc_to_followers
        )
        mailbox = mail_server.sudo().gmail_mailbox_id if mail_server else False
        if not mailbox or not emails:
            return emails
        merged = dict(emails[0])
        for key in ("email_to", "email_cc", "email_to_normalized"):
            merged[key] = list(unique(a for email in emails for a in email[key]))
        merged["partner_id"] = False
        merged["body"] = self._personalize_outgoing_body(merged["body"])
        headers = {
            name: value
            for name, value in merged["headers"].items()
            if name.lower() not in ("x-msg-to-add", "x-forge-to", "return-path")
        }
        headers.update(self.env["gmail.sender"]._headers(self))
        merged["headers"] = headers
        if mailbox.can_read:
            # The answer then comes to Gmail, where the owner reads it.
            merged["reply_to"] = False
        self.gmail_attempts += 1
        return [merged]
