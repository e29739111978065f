import re
import uuid

from markupsafe import Markup

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import (
    email_normalize,
    format_datetime,
    formataddr,
    html_sanitize,
    is_html_empty,
)

from ..lib.sanitize import quotable_html

QUOTE = Markup('<div class="gmail_quote">')
KEY = re.compile(r"[A-Za-z0-9-]{16,64}")


class GmailReply(models.AbstractModel):
    """Answers from the panel: to whom, with which text, once."""

    _name = "gmail.reply"
    _description = "Gmail Reply"

    @api.model
    def _own_addresses(self, user):
        """Return the addresses of the user's mailboxes, as a set."""
        mailboxes = self.env["gmail.mailbox"].sudo()
        return set(mailboxes.search([("user_id", "=", user.id)]).mapped("email"))

    @api.model
    def _recipients(self, message, mode, own):
        """Return the To and Cc of an answer to ``message``, lists of (name, address).

        :param message: gmail.message under sudo
        :param mode: ``reply`` or ``reply_all``
        :param own: the owner's addresses, who does not write to herself
        """
        people = {role: [] for role in ("from", "to", "cc", "bcc")}
        for participant in message.participant_ids:
            people[participant.role].append((participant.name, participant.address))
        if message.direction == "out":
            to = people["to"]
        elif message.reply_to and email_normalize(message.reply_to):
            names = {address: name for name, address in people["from"]}
            reply_to = email_normalize(message.reply_to)
            to = [(names.get(reply_to), reply_to)]
        else:
            to = people["from"]
        cc = []
        if mode == "reply_all":
            cc = (
                people["cc"]
                if message.direction == "out"
                else (people["to"] + people["cc"])
            )
        taken = set()

        def chosen(pairs):
            for name, address in pairs:
                if email_normalize(address) and address not in taken:
                    taken.add(address)
                    yield name or "", address

        # An answer to oneself goes to oneself, else own addresses are left out.
        to = list(chosen([p for p in to if p[1] not in own] or to))
        cc = list(chosen([p for p in cc if p[1] not in own]))
        return to, cc

    @api.model
    def _send(self, message, body_html, mode, key):
        """Send an answer; see gmail.message.panel_reply.

        :raises UserError: nothing was sent, with the reason
        """
        if mode not in ("reply", "reply_all"):
            raise UserError(self.env._("Choose Reply or Reply all."))
        body = html_sanitize(body_html or "", sanitize_style=True)
        if is_html_empty(body):
            raise UserError(self.env._("Write something first."))
        if mode == "reply_all" and message.participants_left_out:
            raise UserError(
                self.env._(
                    "This message names more people than Odoo keeps. Reply all in "
                    "Gmail, or reply here to its sender alone."
                )
            )
        mailbox = message.mailbox_id._own()
        if problem := self.env["gmail.sender"]._why_not(mailbox):
            raise UserError(problem)
        message = message.sudo()
        own = self._own_addresses(mailbox.user_id)
        to, cc = self._recipients(message, mode, own)
        if not to:
            raise UserError(self.env._("This message names nobody to answer."))
        message_id = self._message_id(mailbox, message, key)
        mails = self.env["mail.mail"].sudo()
        mail = mails.search(
            [
                ("message_id", "=", message_id),
                ("gmail_mailbox_id", "=", mailbox.id),
                ("state", "in", ("outgoing", "exception")),
            ],
            limit=1,
        ) or mails.create(
            {
                "message_id": message_id,
                "subject": self._subject(message),
                "body_html": body
                + self._signature_block(mailbox)
                + self._quote(message),
                "email_from": formataddr((self.env.user.name, mailbox.email)),
                "author_id": self.env.user.partner_id.id,
                "email_to": ", ".join(map(formataddr, to)),
                "email_cc": ", ".join(map(formataddr, cc)),
                "reply_to": False,
                "references": " ".join(
                    filter(None, [message.references, message.message_id])
                ),
                "is_gmail": True,
                "gmail_mailbox_id": mailbox.id,
                "gmail_answered_id": message.id,
                # A request may be repeated after Gmail took the mail.
                "gmail_attempts": 1,
                "mail_server_id": mailbox.outgoing_server_id.id,
                "auto_delete": True,
            }
        )
        mail.send()
        mail = mail.exists()
        if mail.state == "exception":
            raise UserError(
                mail.failure_reason
                or self.env._("Gmail refused the mail. Nothing was sent; try again.")
            )
        waits = mail.state == "outgoing"
        return {"waiting": waits, "message": waits and mail.failure_reason}

    def _message_id(self, mailbox, message, key):
        """Return the Message-ID of an answer: the same whenever the same answer is
        sent again, so that it goes out once."""
        key = key or uuid.uuid4().hex
        if not isinstance(key, str) or not KEY.fullmatch(key):
            raise UserError(self.env._("This answer cannot be sent. Write it again."))
        return f"<{key}.{message.id}@{mailbox.email.partition('@')[2]}>"

    def _subject(self, message):
        subject = message.subject or ""
        return subject if subject.lower().startswith("re:") else f"Re: {subject}"

    def _signature_block(self, mailbox):
        signature = self.env["gmail.sender"]._signature(mailbox)
        if is_html_empty(signature):
            return Markup()
        return Markup("<br/><div>{}</div>").format(signature)

    def _quote(self, message):
        """Return the answered text below the answer, as mail programs do; by its class
        they know what to fold."""
        intro = self.env._(
            "On %(date)s, %(name)s wrote:",
            date=format_datetime(self.env, message.date, dt_format="short")
            if message.date
            else "",
            name=message.from_name or message.from_email or "",
        )
        quoted = quotable_html(message.body or "")
        return Markup(
            '<br/>{}<div>{}</div><blockquote style="margin:0 0 0 .8ex;'
            'border-left:1px solid #ccc;padding-left:1ex">{}</blockquote></div>'
        ).format(QUOTE, intro, Markup(quoted))  # nosec B704 - the sanitizer's output
