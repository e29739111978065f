import logging
from datetime import timedelta

import idna

from odoo import fields, models
from odoo.exceptions import AccessError
from odoo.tools import formataddr, unique

from ..lib.mime.addresses import address_key
from ..parsers import email_normalize, email_split_and_format, email_split_tuples

_logger = logging.getLogger(__name__)
# Deaths of a worker while it sent one mail alone.
MAX_DEATHS = 2
FIRST_PAUSE = timedelta(minutes=1)
# What of a mail is its owner's own.
CONTENT = frozenset(
    {
        "attachment_ids",
        "author_id",
        "body",
        "body_html",
        "email_cc",
        "email_from",
        "email_to",
        "gmail_bcc",
        "gmail_mailbox_id",
        "headers",
        "is_gmail",
        "mail_message_id",
        "mail_server_id",
        "recipient_ids",
        "reply_to",
        "subject",
    }
)


def deliverable(address):
    """Return ``address`` (with or without a name) as it can be sent to: (name, address
    in ASCII), or None when it is no address that Gmail's API takes."""
    for name, email in email_split_tuples(address or "")[:1]:
        normalized = email_normalize(email)
        if normalized and not normalized.startswith("@"):
            try:
                ascii_address = formataddr(("", normalized), "ascii")
            except idna.IDNAError:
                return None
            if ascii_address.isascii():
                return name, ascii_address
    return None


class MailMail(models.Model):
    """Mails that leave by a mailbox are marked when they are made.

    Marked, a mail never takes another server, whatever happens to the mailbox or to
    its outgoing record meanwhile: it waits, or is given up, with the reason on it.
    """

    _inherit = "mail.mail"

    is_gmail = fields.Boolean(
        "Leaves by a Gmail Mailbox",
        readonly=True,
        copy=False,
        help="It leaves by that mailbox or not at all.",
    )
    gmail_mailbox_id = fields.Many2one(
        "gmail.mailbox",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    gmail_answered_id = fields.Many2one(
        "gmail.message",
        "Answered Message",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    gmail_bcc = fields.Char("Bcc of Gmail", readonly=True, copy=False)
    # Not read along with the others: a database that isn't updated yet lacks it.
    gmail_deaths = fields.Integer(
        readonly=True,
        copy=False,
        prefetch=False,
        help="How often sending it alone has begun after a worker's death",
    )
    gmail_attempts = fields.Integer(
        "Attempts through Gmail",
        readonly=True,
        copy=False,
        help="Above 0, Gmail's sent mail is searched before the mail goes out again.",
    )

    def write(self, vals):
        if not self.env.su and not CONTENT.isdisjoint(vals):
            theirs = self.sudo().filtered(lambda m: m.is_gmail)
            if theirs.filtered(lambda mail: mail.create_uid != self.env.user):
                raise AccessError(
                    self.env._("Only its author can change a mail from her mailbox.")
                )
        return super().write(vals)

    def _gmail_mailbox(self):
        """Return the mailbox (sudo) that this mail leaves by, or an empty recordset."""
        self.ensure_one()
        mail = self.sudo()
        return mail.gmail_mailbox_id or mail.mail_server_id.gmail_mailbox_id

    def _gmail_may_leave_by(self, mailbox):
        """Whether the owner herself wrote the mail, from the mailbox's address."""
        self.ensure_one()
        mail = self.sudo()
        return (
            mail.create_uid == mailbox.user_id
            and mail.mail_message_id.create_uid == mailbox.user_id
            and address_key(email_normalize(mail.email_from))
            in map(address_key, mailbox._addresses())
            and not mail._gmail_is_bulk()
        )

    def _gmail_is_bulk(self):
        """Whether the mail belongs to a mass mailing (addon mass_mailing)."""
        return "mailing_id" in self._fields and bool(self.mailing_id)

    def _filter_mail_mail_servers(self, mail_servers):
        mail_servers = super()._filter_mail_mail_servers(mail_servers)
        own = mail_servers.filtered("gmail_mailbox_id")
        if not own:
            return mail_servers
        mailboxes = {mail._gmail_mailbox() for mail in self}
        mailbox = mailboxes.pop() if len(mailboxes) == 1 else False
        if not mailbox or not all(mail._gmail_may_leave_by(mailbox) for mail in self):
            return mail_servers - own
        return mail_servers.filtered(
            lambda server: server.gmail_mailbox_id in (mailbox, mailbox.browse())
        )

    def send(self, auto_commit=False, raise_exception=False, post_send_callback=None):
        """Put each mail of a mailbox on its server, and hold back what cannot leave
        now."""
        if self.env["gmail.version"]._is_outdated():
            # They wait as they are.
            others = self.filtered(lambda mail: not mail.sudo().is_gmail)
            if not others:
                return True
            return super(MailMail, others).send(
                auto_commit=auto_commit,
                raise_exception=raise_exception,
                post_send_callback=post_send_callback,
            )
        held = self.browse()
        for mail in self.filtered(lambda m: m.state == "outgoing"):
            mailbox = mail._gmail_mailbox()
            if not mailbox:
                if mail.is_gmail:
                    mail._gmail_give_up()
                    held |= mail
                continue
            if not mail._gmail_may_leave_by(mailbox):
                mail._gmail_refuse(mailbox)
                held |= mail
                continue
            if problem := self.env["gmail.sender"]._why_not(mailbox):
                mail._gmail_wait(problem)
                held |= mail
                continue
            if mail.sudo().mail_server_id != mailbox.outgoing_server_id:
                mail.sudo().mail_server_id = mailbox.outgoing_server_id
        self.env["gmail.compose"]._settle_mails(held)
        rest = self - held
        if auto_commit:
            rest -= rest._gmail_send_suspects(raise_exception, post_send_callback)
        # A worker of the queue and a person may have the same in hand. Odoo's own lock
        # comes with the first flush, which may be after the mail has left.
        theirs = rest.filtered(lambda m: m.sudo().gmail_mailbox_id)
        rest -= theirs - theirs.sudo().try_lock_for_update().with_env(self.env)
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

    def _gmail_send_suspects(self, raise_exception, post_send_callback):
        """Send mails of mailboxes one at a time that may have killed the worker that
        sends; return them. Each is noted and put off before it is sent, and given up
        after two deaths.

        :return: the mails that were sent, put off, or given up
        """
        is_after_death = self.env["gmail.scheduler"]._is_after_death()
        suspects = self.filtered(
            lambda mail: (
                mail.sudo().gmail_mailbox_id
                and (is_after_death or mail.sudo().gmail_deaths)
            )
        )
        for mail in suspects.sorted("gmail_deaths"):
            if mail.gmail_deaths >= MAX_DEATHS:
                mail._gmail_stopped_workers()
                self.env["ir.cron"]._commit_progress()
                continue
            deaths = mail.gmail_deaths + 1
            later = fields.Datetime.now() + FIRST_PAUSE * 2**deaths
            scheduled = mail.scheduled_date
            mail.sudo().write({"gmail_deaths": deaths, "scheduled_date": later})
            self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger(later)
            # A run that has done something is not one that timed out: Odoo would fail
            # the scheduled action for all mail.
            self.env["ir.cron"]._commit_progress(1)
            # Noted, it is sent by the road of all others.
            mail.sudo().write({"gmail_deaths": 0, "scheduled_date": scheduled})
            mail._gmail_send_one(raise_exception, post_send_callback)
            self.env["ir.cron"]._commit_progress()
        return suspects

    def _gmail_send_one(self, raise_exception, post_send_callback):
        """Send one mail that was noted."""
        self.with_context(ir_cron_progress_id=False).send(
            auto_commit=True,
            raise_exception=raise_exception,
            post_send_callback=post_send_callback,
        )

    def _gmail_stopped_workers(self):
        """Give a mail up, and say so on it and to its author."""
        reason = self.env._(
            "Odoo stopped twice while sending this email. Write it again, and ask your "
            "administrator to check the log."
        )
        _logger.error("Mail %s stopped workers", self.id)
        self.write(
            {
                "state": "exception",
                "failure_type": "unknown",
                "failure_reason": reason,
                "gmail_deaths": 0,
            }
        )
        self._postprocess_sent_message(
            success_pids=[],
            success_emails=[],
            failure_reason=reason,
            failure_type="unknown",
        )

    def _send(self, *args, smtp_session=None, **kwargs):
        drafts = self.env["gmail.compose"]._drafts_of(self)
        result = super()._send(*args, smtp_session=smtp_session, **kwargs)
        problems = self.env["gmail.sender"]._problems(smtp_session)
        for mail in self.exists() if problems else ():
            sentence, pause = problems.get(mail.message_id, (None, None))
            if pause is not None:
                mail._gmail_postpone(sentence, pause)
            elif sentence:
                mail._gmail_failed(sentence)
        self.env["gmail.compose"]._settle(drafts)
        return result

    def _gmail_postpone(self, sentence, pause):
        """Put a mail that Gmail could not take now back into the queue."""
        later = fields.Datetime.now() + pause
        self.write(
            {
                "state": "outgoing",
                "failure_type": False,
                "failure_reason": sentence,
                "scheduled_date": later,
            }
        )
        self.env["mail.notification"].sudo().search(
            [("mail_mail_id", "in", self.ids)]
        ).write({"notification_status": "ready", "failure_type": False})
        self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger(later)

    def _gmail_failed(self, sentence):
        """Put Google's refusal into words, in place of Odoo's about an SMTP server."""
        self.write({"failure_reason": sentence})
        self.env["mail.notification"].sudo().search(
            [
                ("mail_mail_id", "in", self.ids),
                ("notification_status", "=", "exception"),
            ]
        ).write({"failure_reason": sentence})

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
        reason = self.env._(
            "The Gmail mailbox that this mail was to leave by was deleted. "
            "Write it again from another address."
        )
        for mail in self.sudo():
            mail.write({"state": "cancel", "failure_reason": reason})
            mail._postprocess_sent_message(
                success_pids=[],
                success_emails=[],
                failure_reason=reason,
                failure_type="mail_from_invalid",
            )

    def _gmail_wait(self, reason):
        """Keep the mail in the queue, and say on it why it waits."""
        self.sudo().write({"state": "outgoing", "failure_reason": reason})

    def _postprocess_sent_message(
        self, success_pids, success_emails, failure_reason=False, failure_type=None
    ):
        # One merged mail went out: to everybody that it could be sent to.
        if len(self) == 1 and self.is_gmail and not failure_type:
            partners = self.sudo().recipient_ids
            reached = partners.filtered(lambda partner: deliverable(partner.email))
            if partners - reached:
                success_pids, failure_type = list(reached), "mail_email_invalid"
                failure_reason = self.env._("This address cannot be sent to.")
        return super()._postprocess_sent_message(
            success_pids,
            success_emails,
            failure_reason=failure_reason,
            failure_type=failure_type,
        )

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
        for key in ("email_to", "email_cc"):
            merged[key] = list(unique(a for email in emails for a in email[key]))
        reached = {
            key: list(filter(None, map(deliverable, merged[key])))
            for key in ("email_to", "email_cc")
        }
        if any(reached.values()):
            for key, people in reached.items():
                merged[key] = [formataddr(person) for person in people]
            merged["email_to_normalized"] = list(
                unique(address for people in reached.values() for _n, address in people)
            )
        merged["partner_id"] = False
        merged["body"] = self._personalize_outgoing_body(merged["body"])
        headers = {
            name: value
            for name, value in merged["headers"].items()
            if name.lower() not in ("x-msg-to-add", "x-forge-to", "return-path")
        }
        headers.update(self.env["gmail.sender"]._headers(self))
        merged["headers"] = headers
        bcc = email_split_and_format(self.sudo().gmail_bcc or "")
        if bcc := list(filter(None, map(deliverable, bcc))):
            merged["email_to_normalized"] += [address for _name, address in bcc]
            merged["headers"]["Bcc"] = ", ".join(map(formataddr, bcc))
        if mailbox.can_read:
            # The answer then comes to Gmail, where the owner reads it.
            merged["reply_to"] = False
        self.gmail_attempts += 1
        return [merged]
