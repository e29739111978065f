import hashlib
import re
import uuid
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_datetime, formataddr

from .. import plain
from ..lib import signature
from ..lib.domains import is_freemail
from ..lib.headers import parse_addresses
from ..lib.mime.addresses import address_key, spellings
from ..lib.mime.filenames import file_name
from ..lib.sanitize import quotable_html
from ..models.mail_mail import deliverable
from ..parsers import (
    email_normalize,
    getaddresses,
    html2plaintext,
    html_sanitize,
    is_html_empty,
)
from .gmail_files import AS_IT_IS
from .partner_keys import partner_ids

QUOTE = Markup('<div class="gmail_quote">')
# Seconds in which a mail can be taken back.
UNDO_SECONDS = 10
# Gmail's limits. Of recipients its help names 500 for the API in one place and 100 in
# another; of mail a day, 500 for consumers and 2,000 for Workspace.
MOST_RECIPIENTS = 100
MOST_BYTES = 25_000_000
DAY_LIMIT = {True: 500, False: 2000}
MOST_FOUND = 8
MOST_LISTED = 100
MOST_PREVIEW = 200
MOST_SUBJECT = 500
MOST_WRITER = 64
# Characters; beyond some ten million the parser of HTML drops what follows.
MOST_TEXT = 8_000_000
WRITTEN = ("to", "cc", "bcc", "subject", "body", "is_quoting", "email_from")
ROLES = ("to", "cc", "bcc")
PICTURE = re.compile(r"<img\b[^>]*>")


class GmailCompose(models.AbstractModel):
    """Mail written in the panel: drafts, and how they become mail. It goes out once,
    or is still here with the reason."""

    _name = "gmail.compose"
    _description = "Gmail Writing"

    # ------------------------------------------------------------------
    # Beginning
    # ------------------------------------------------------------------

    @api.model
    def _begin(self, mode, message_id, mailbox_id, to):
        """See gmail.draft.panel_begin."""
        if mode not in ("new", "reply", "reply_all", "forward"):
            raise UserError(self.env._("Choose Reply, Reply all or Forward."))
        message = self._answered(mode, message_id)
        mailbox = message.mailbox_id if message else self._chosen(mailbox_id)
        if not mailbox:
            raise UserError(self.env._("Add a mailbox first, then write from it."))
        if mode == "reply_all" and message.participants_left_out:
            raise UserError(
                self.env._(
                    "This message names more people than Odoo keeps. Reply all in "
                    "Gmail, or reply here to its sender alone."
                )
            )
        drafts = self.env["gmail.draft"].sudo()
        # Whoever comes back to an answer finds what she wrote.
        begun = message and drafts.search(
            [
                ("answered_id", "=", message.id),
                # She may have chosen another mailbox to send it from.
                ("mailbox_id.user_id", "=", self.env.uid),
                ("mode", "=", mode),
                ("state", "=", "draft"),
            ],
            limit=1,
        )
        if begun:
            return self._read(begun)
        draft = plain.create(
            drafts,
            [
                {
                    "mailbox_id": mailbox.id,
                    "mode": mode,
                    "key": uuid.uuid4().hex,
                    "email_from": mailbox.email,
                    **self._prefilled(mode, message, mailbox, to),
                }
            ],
        )
        if mode == "forward":
            self._take_files(draft, message)
        return self._read(draft)

    def _answered(self, mode, message_id):
        """Return the message (sudo) that a mail answers, which is the caller's."""
        messages = self.env["gmail.message"]
        if mode == "new":
            return messages.sudo()
        message = messages.browse(int(message_id or 0)).exists()
        if not message:
            raise UserError(self.env._("This message is not in Odoo any more."))
        message.check_access("read")
        return message.sudo()

    def _chosen(self, mailbox_id):
        """Return the caller's mailbox (sudo) of that id, else her default one."""
        own = self.env["gmail.mailbox"].search([("user_id", "=", self.env.uid)])
        chosen = own.filtered(lambda mailbox: mailbox.id == mailbox_id)
        return (chosen or own.filtered("is_default") or own[:1]).sudo()

    def _prefilled(self, mode, message, mailbox, to):
        values = {"body": self._signature_block(mailbox)}
        if mode == "new":
            return {**values, "to": ", ".join(map(self._written, self._people(to)))}
        values.update(
            answered_id=message.id,
            thread_id=message.thread_id.id,
            is_quoting=True,
            subject=self._subject(message, "Fwd" if mode == "forward" else "Re"),
        )
        if mode != "forward":
            own = self._own_addresses(mailbox.user_id)
            recipients = self._recipients(message, mode, own)
            if not any(recipients):
                raise UserError(self.env._("This message names nobody to answer."))
            for role, people in zip(("to", "cc"), recipients, strict=True):
                values[role] = ", ".join(map(self._written, people))
            values["email_from"] = self._alias_written_to(message, mailbox)
        return values

    def _alias_written_to(self, message, mailbox):
        """Return the own address that a message was written to; an answer comes from
        the same."""
        written = set(map(address_key, message.participant_ids.mapped("address")))
        own = mailbox._addresses()
        return next((a for a in own if address_key(a) in written), mailbox.email)

    @staticmethod
    def _written(person):
        return formataddr((person[0] or "", person[1]))

    @staticmethod
    def _people(text):
        """Return (name, address) of all whom a text names; what is no address is
        among them."""
        text = (text or "").replace("\n", ",")
        pairs = getaddresses([text])
        found = [(name, address) for name, address in pairs if name or address]
        if len(found) < len(pairs):
            # The standard library drops what it cannot read.
            pieces = filter(None, map(str.strip, text.split(",")))
            found += [("", p) for p in pieces if not getaddresses([p])[0][1]]
        return found

    @api.model
    def _own_addresses(self, user):
        """Return the keys of the addresses of the user's mailboxes, as a set."""
        mailboxes = self.env["gmail.mailbox"].sudo().search([("user_id", "=", user.id)])
        return {address_key(a) for mailbox in mailboxes for a in mailbox._addresses()}

    @api.model
    def _unknown_own(self, emails):
        """Return those of some addresses that mailboxes here have and no contact has:
        whoever writes from them is known by another address.

        :param emails: normalised
        """
        emails = set(filter(None, emails))
        if not emails or self.env["gmail.version"]._is_outdated():
            return set()
        mailboxes = self.env["gmail.mailbox"].sudo()
        spelled = [one for email in emails for one in spellings(email)]
        aliases = [Domain("alias_addresses", "like", one) for one in spelled]
        mailboxes = mailboxes.search(
            Domain.OR([Domain("email", "in", spelled), *aliases])
        )
        own = {address_key(a) for box in mailboxes for a in box._addresses()}
        contacts = self.env["res.partner"].sudo().with_context(active_test=False)
        keys = {key: e for e in emails if (key := address_key(e)) in own}
        known = contacts.browse(partner_ids(self.env, keys)).mapped("email_normalized")
        return {keys[key] for key in keys.keys() - set(map(address_key, known))}

    @api.model
    def _recipients(self, message, mode, own):
        """Return the To and Cc of an answer to ``message``, lists of (name, address).

        :param message: gmail.message under sudo
        :param mode: ``reply`` or ``reply_all``
        :param own: keys of the owner's addresses, left out of their own answers
        """
        people = {role: [] for role in ("from", "to", "cc", "bcc")}
        for participant in message.participant_ids:
            people[participant.role].append((participant.name, participant.address))
        if message.direction == "out":
            to = people["to"]
        else:
            to = self._reply_to(message, people) or people["from"]
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
                key = address_key(address)
                if email_normalize(address) and key not in taken:
                    taken.add(key)
                    yield name or "", address

        # An answer to oneself goes to oneself, else own addresses are left out.
        to = list(chosen([p for p in to if address_key(p[1]) not in own] or to))
        cc = list(chosen([p for p in cc if address_key(p[1]) not in own]))
        return to, cc

    def _reply_to(self, message, people):
        """Return whom Reply-To names, a list of (name, address) (RFC 5322, 3.6.2)."""
        names = {
            address: name
            for pairs in people.values()
            for name, address in pairs
            if name
        }
        found = []
        for person in parse_addresses(message.reply_to):
            if address := email_normalize(person.address):
                found.append((person.name or names.get(address), address))
        return found

    def _subject(self, message, prefix):
        subject = message.subject or ""
        if subject.lower().startswith(f"{prefix.lower()}:"):
            return subject
        return f"{prefix}: {subject}"

    def _signature(self, mailbox):
        """Return the HTML of a mailbox's signature, or ""."""
        text = self.env["gmail.sender"]._signature(mailbox)
        return "" if is_html_empty(text) else text

    @api.model
    def _signed_by(self, body, address):
        """Return what the caller writes in the full composer with the signature of
        another of her addresses, in the place of the one that stands there."""
        user = self.env.user
        mailbox = self.env["gmail.sender"]._mailbox_of(user, address)
        if not mailbox:
            return body
        return signature.exchange(
            body, self._signatures(user), self._signature(mailbox)
        )

    def _signatures(self, user):
        """Return the signatures that a mail of a user may have, as a set of HTML."""
        mailboxes = self.env["gmail.mailbox"].sudo().search([("user_id", "=", user.id)])
        return {user.signature or "", *map(self._signature, mailboxes)}

    def _signature_block(self, mailbox):
        # The field has cleaned it.
        return Markup(signature.block(self._signature(mailbox)))  # nosec B704

    def _quote(self, draft):
        """Return the answered text below the mail, as mail programs do; by its class
        they know what to fold."""
        message = draft.answered_id
        if not (message and draft.is_quoting):
            return Markup()
        quoted = Markup(quotable_html(message.body or ""))  # nosec B704 - sanitized
        date = (
            format_datetime(self.env, message.date, dt_format="short")
            if message.date
            else ""
        )
        sender = message.from_name or message.from_email or ""
        if draft.mode == "forward":
            people = {"to": [], "cc": []}
            for person in message.participant_ids:
                if person.role in people:
                    people[person.role].append(person.name or person.address)
            lines = [
                self.env._("---------- Forwarded message ----------"),
                self.env._("From: %s", self._written((sender, message.from_email))),
                self.env._("Date: %s", date),
                self.env._("Subject: %s", message.subject or ""),
                self.env._("To: %s", ", ".join(people["to"])),
            ]
            if people["cc"]:
                lines.append(self.env._("Cc: %s", ", ".join(people["cc"])))
            head = Markup("<br/>").join(lines)
            return Markup("<br/>{}<div>{}</div><br/>{}</div>").format(
                QUOTE, head, quoted
            )
        intro = self.env._("On %(date)s, %(name)s wrote:", date=date, name=sender)
        return Markup(
            '<br/>{}<div>{}</div><blockquote style="margin:0 0 0 .8ex;'
            'border-left:1px solid #ccc;padding-left:1ex">{}</blockquote></div>'
        ).format(QUOTE, intro, quoted)

    def _take_files(self, draft, message):
        """Copy the attachments of a message that is passed on."""
        files = self.env["gmail.files"]
        for attachment in files._fetch(message.attachment_ids):
            self._keep_file(
                draft,
                attachment.name,
                attachment.attachment_id.raw,
                attachment.mimetype,
            )

    # ------------------------------------------------------------------
    # Reading and keeping
    # ------------------------------------------------------------------

    @api.model
    def _list(self):
        drafts = self.env["gmail.draft"].search(
            ["|", ("is_touched", "=", True), ("state", "=", "waiting")],
            limit=MOST_LISTED,
        )
        return [self._summary(draft.sudo()) for draft in drafts]

    @api.model
    def _of_thread(self, thread):
        """Return the drafts of a conversation of the caller, oldest first."""
        drafts = self.env["gmail.draft"].sudo()
        drafts = drafts.search(
            [
                ("thread_id", "=", thread.id),
                "|",
                ("is_touched", "=", True),
                ("state", "=", "waiting"),
            ],
            order="id desc",
            limit=MOST_LISTED,
        )
        return [self._summary(draft) for draft in reversed(drafts)]

    def _summary(self, draft):
        return {
            "id": draft.id,
            "mailbox_id": draft.mailbox_id.id,
            "thread_id": draft.thread_id.id,
            "answered_id": draft.answered_id.id,
            "mode": draft.mode,
            "to": draft.to or "",
            "subject": draft.subject or "",
            "preview": draft.preview or "",
            "date": fields.Datetime.to_string(draft.write_date),
            "state": draft.state,
            "send_at": fields.Datetime.to_string(draft.send_at) or False,
            "error": draft.error_message or draft.mail_id.failure_reason or "",
        }

    @api.model
    def _read(self, draft):
        """See gmail.draft.panel_read."""
        return {
            **self._summary(draft),
            "people": {
                role: [
                    {"name": name, "email": address}
                    for name, address in self._people(draft[role])
                ]
                for role in ROLES
            },
            "body": draft.body or "",
            "is_quoting": draft.is_quoting,
            "quote": self._shown_quote(draft),
            "email_from": draft.email_from or draft.mailbox_id.email,
            "senders": self._senders(draft.mailbox_id.user_id),
            "writer": draft.writer or "",
            "attachments": [
                {"id": file.id, "name": file.name, "size": file.file_size}
                for file in draft.attachment_ids.sorted("id")
            ],
        }

    def _shown_quote(self, draft):
        """Return the document of a sandboxed frame, or ""."""
        quote = self._quote(draft)
        panel = self.env["gmail.panel"]
        return panel._frame(draft.answered_id, quote) if quote else ""

    @api.model
    def _chatter_senders(self):
        """Return the addresses that what the caller posts may leave from."""
        mailboxes = self.env["gmail.sender"]._mailboxes_of(self.env.user)
        return [address for mailbox in mailboxes for address in mailbox._addresses()]

    @api.model
    def _chatter_sender(self, address):
        """Return ``address``, one of ``_chatter_senders``.

        :raises UserError: it is not
        """
        if address not in self._chatter_senders():
            raise UserError(self._not_own())
        return address

    def _not_own(self):
        return self.env._("Choose one of your own addresses to write from.")

    def _senders(self, user):
        """Return the addresses that the owner may write from."""
        mailboxes = self.env["gmail.mailbox"].sudo().search([("user_id", "=", user.id)])
        return [
            {"address": address, "mailbox_id": mailbox.id}
            for mailbox in mailboxes
            if mailbox.can_send
            for address in mailbox._addresses()
        ]

    @api.model
    def _sender(self, user, address):
        """Return the one of ``_senders`` with an address.

        :raises UserError: it is not the user's
        """
        for sender in self._senders(user):
            if sender["address"] == address:
                return sender
        raise UserError(self._not_own())

    @api.model
    def _save(self, draft, values, writer=False, seen=False):
        """See gmail.draft.panel_save."""
        if writer and draft.writer not in (False, writer, seen):
            raise UserError(
                self.env._(
                    "This mail was changed in another tab. Copy what you need of what "
                    "stands here, then reload the page."
                )
            )
        if draft.state != "draft":
            raise UserError(
                self.env._("This mail waits to go out: take it back first.")
            )
        kept = {name: values[name] for name in WRITTEN if name in values}
        if len(kept.get("body") or "") > MOST_TEXT:
            raise UserError(
                self.env._(
                    "The pictures in the text are too large together. Take one out, "
                    "or attach it as a file."
                )
            )
        if "body" in kept:
            kept["body"] = html_sanitize(kept["body"] or "", sanitize_style=True)
            kept["preview"] = self._preview(kept["body"])
        for name in ROLES:
            if name in kept:
                kept[name] = str(kept[name] or "")[:20_000]
        if "subject" in kept:
            subject = " ".join(str(kept["subject"] or "").split())
            kept["subject"] = subject[:MOST_SUBJECT]
        if "email_from" in kept:
            kept.update(self._from(draft, kept["email_from"]))
            kept["body"] = self._resigned(draft, kept)
        if writer:
            kept["writer"] = str(writer)[:MOST_WRITER]
        draft.write({**kept, "is_touched": True, "error_message": False})
        return {"date": fields.Datetime.to_string(draft.write_date)}

    def _from(self, draft, address):
        """Return the values of a draft that is written from another own address."""
        sender = self._sender(draft.mailbox_id.user_id, address)
        return {"email_from": address, "mailbox_id": sender["mailbox_id"]}

    def _resigned(self, draft, values):
        """Return the text with the signature of the mailbox that ``values`` name, where
        that of another one stands as it was."""
        body = values.get("body", draft.body) or ""
        mailbox = draft.mailbox_id.browse(values["mailbox_id"])
        is_new = mailbox != draft.mailbox_id
        return signature.exchange(
            body,
            self._signatures(draft.mailbox_id.user_id),
            self._signature(mailbox),
            may_append=is_new and not self._signature(draft.mailbox_id),
        )

    def _preview(self, body):
        """Return the beginning of a text, without its pictures."""
        text = html2plaintext(PICTURE.sub("", body), include_references=False)
        return text[:MOST_PREVIEW]

    @api.model
    def _discard(self, draft):
        if draft.state == "waiting" and not self._undo(draft):
            raise UserError(self.env._("This mail is on its way, or has gone out."))
        draft.unlink()
        return True

    # ------------------------------------------------------------------
    # Attachments
    # ------------------------------------------------------------------

    @api.model
    def _attach(self, draft_id, files):
        """Put files that the caller has uploaded into her draft.

        :param files: of (name, bytes, type)
        :return: see gmail.draft.panel_read
        """
        draft = self.env["gmail.draft"].browse(int(draft_id))._own()
        if not draft or draft.state != "draft":
            raise UserError(self.env._("This mail has gone out already."))
        room = MOST_BYTES - sum(draft.attachment_ids.mapped("file_size"))
        for name, content, mimetype in files:
            room -= len(content)
            if room < 0:
                raise UserError(self._too_large())
            self._keep_file(draft, name, content, mimetype)
        draft.is_touched = True
        return self._read(draft)

    def _too_large(self):
        return self.env._(
            "Gmail takes attachments of at most 25 MB in one mail. Send a link, or "
            "several mails."
        )

    def _keep_file(self, draft, name, content, mimetype):
        plain.create(
            self.env["ir.attachment"].sudo().with_context(**AS_IT_IS),
            [
                {
                    "name": file_name(name, self.env._("attachment")),
                    "raw": content or b"",
                    "mimetype": mimetype,
                    "res_model": draft._name,
                    "res_id": draft.id,
                    "public": False,
                }
            ],
        )

    @api.model
    def _remove_file(self, draft, attachment_id):
        if draft.state == "draft":
            draft.attachment_ids.filtered(lambda f: f.id == attachment_id).unlink()
            draft.invalidate_recordset(["attachment_ids"])
        return self._read(draft)

    # ------------------------------------------------------------------
    # Templates and recipients
    # ------------------------------------------------------------------

    def _records(self, draft):
        """Return the records that a template may be about: documents of the
        conversation, and the contact written to, as far as the owner may read them."""
        env = self.env["gmail.linker"]._as_owner(draft.mailbox_id)
        links = draft.thread_id.link_ids.filtered(lambda link: link.state == "linked")
        documents = [(link.res_model, link.res_id) for link in links]
        addresses = [address for _name, address in self._people(draft.to)]
        partner = env["res.partner"].search(
            [("id", "in", partner_ids(env, addresses))], limit=1
        )
        if partner:
            documents.append((partner._name, partner.id))
        readable = self.env["gmail.linker"]._readable(env, documents)
        return [
            env[model].browse(res_id)
            for model, res_id in dict.fromkeys(documents)
            if (model, res_id) in readable
        ]

    @api.model
    def _templates(self, draft):
        """See gmail.draft.panel_templates."""
        found = []
        for record in self._records(draft):
            templates = record.env["mail.template"].search(
                [("model", "=", record._name)], limit=20
            )
            found += [
                {"id": template.id, "name": template.name} for template in templates
            ]
        return found

    @api.model
    def _apply_template(self, draft, template_id):
        """Write what a template says of a record into a draft, above what stands there;
        rendered with the owner's rights."""
        for record in self._records(draft):
            template = record.env["mail.template"].search(
                [("id", "=", int(template_id)), ("model", "=", record._name)]
            )
            if not template:
                continue
            made = template._generate_template(record.ids, ("subject", "body_html"))
            made = made[record.id]
            body = Markup(made.get("body_html") or "")  # nosec B704 - rendered safely
            values = {"body": body + (draft.body or Markup())}
            if not draft.subject and made.get("subject"):
                values["subject"] = made["subject"]
            self._save(draft, values)
            return self._read(draft)
        raise UserError(self.env._("This template does not fit this mail any more."))

    @api.model
    def _complete(self, text):
        """Return people to write to: [{"name", "email", "partner_id"}], contacts that
        the caller may read first, then those whom she had mail with."""
        text = (text or "").strip()[:100]
        if len(text) < 2:
            return []
        partners = self.env["res.partner"].search(
            [
                ("email_normalized", "!=", False),
                "|",
                ("name", "ilike", text),
                ("email_normalized", "ilike", text),
            ],
            limit=MOST_FOUND,
        )
        found = {
            partner.email_normalized: {
                "name": partner.name or "",
                "email": partner.email_normalized,
                "partner_id": partner.id,
            }
            for partner in partners
        }
        if len(found) < MOST_FOUND:
            for address, name in self._correspondents(text):
                found.setdefault(
                    address,
                    {"name": name or "", "email": address, "partner_id": False},
                )
        return list(found.values())[:MOST_FOUND]

    def _correspondents(self, text):
        """Return (address, name) of people on the caller's own mail whose address
        begins so."""
        own = self.env["gmail.mailbox"].search([("user_id", "=", self.env.uid)])
        begin = text.lower().replace("\\", r"\\").replace("%", r"\%")
        begin = begin.replace("_", r"\_")
        self.env.cr.execute(
            """
            SELECT address, max(name) FROM gmail_participant
             WHERE mailbox_id = ANY(%s) AND address LIKE %s AND address LIKE '%%@%%'
             GROUP BY address ORDER BY count(*) DESC LIMIT %s
            """,
            [own.ids, f"{begin}%", MOST_FOUND],
        )
        return self.env.cr.fetchall()

    # ------------------------------------------------------------------
    # Sending
    # ------------------------------------------------------------------

    @api.model
    def _send(self, draft, send_at):
        """See gmail.draft.panel_send."""
        if not draft:
            raise UserError(self.env._("This mail has gone out already."))
        if draft.state == "waiting":
            return self._waiting(draft)
        mailbox = draft.mailbox_id.with_user(self.env.user)._own().sudo()
        people = self._checked_people(draft)
        if is_html_empty(draft.body) and not (draft.attachment_ids or draft.is_quoting):
            raise UserError(self.env._("Write something first."))
        # Pictures stand in the text until it leaves.
        size = sum(draft.attachment_ids.mapped("file_size")) + len(draft.body or "")
        if size > MOST_BYTES:
            raise UserError(self._too_large())
        now = fields.Datetime.now()
        later = fields.Datetime.to_datetime(send_at) if send_at else False
        if later and later <= now:
            raise UserError(self.env._("Choose a time that is still to come."))
        if not later and (problem := self.env["gmail.sender"]._why_not(mailbox)):
            raise UserError(problem)
        when = later or now + timedelta(seconds=UNDO_SECONDS)
        draft.write(
            {
                "state": "waiting",
                "is_touched": True,
                "send_at": when,
                "error_message": False,
                "mail_id": self._make_mail(draft, mailbox, people, when).id,
            }
        )
        queue = self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()
        queue._trigger(when)
        return self._waiting(draft)

    def _waiting(self, draft):
        left = (draft.send_at - fields.Datetime.now()).total_seconds()
        return {
            "seconds": max(0, round(left)),
            "warning": self._day_warning(draft.mailbox_id),
        }

    def _day_warning(self, mailbox):
        """Return a sentence when Google's limit of a day is near, else False."""
        limit = DAY_LIMIT[is_freemail(mailbox.email.rpartition("@")[2])]
        since = fields.Datetime.now() - timedelta(days=1)
        sent = (
            self.env["gmail.message"]
            .sudo()
            .search_count(
                [
                    ("mailbox_id", "=", mailbox.id),
                    ("direction", "=", "out"),
                    ("date", ">=", since),
                ],
                limit=limit,
            )
        )
        if sent < limit:
            return False
        return self.env._(
            "%(count)s mails have left %(address)s in a day, which is Google's limit. "
            "What Google does not take now goes out later by itself.",
            count=sent,
            address=mailbox.email,
        )

    def _checked_people(self, draft):
        """Return {role: [(name, address)]} of a draft.

        :raises UserError: nobody is named, too many are, or one cannot be sent to
        """
        people, taken = {}, set()
        for role in ROLES:
            people[role] = []
            for name, address in self._people(draft[role]):
                sendable = deliverable(address)
                if not sendable or len(address.split()) > 1:
                    raise UserError(
                        self.env._(
                            "“%s” is no address that Gmail sends to.", address or name
                        )
                    )
                if sendable[1] not in taken:
                    taken.add(sendable[1])
                    people[role].append((name, sendable[1]))
        if not (people["to"] or people["cc"]):
            raise UserError(self.env._("Say whom it goes to: To or Cc is needed."))
        if len(taken) > MOST_RECIPIENTS:
            raise UserError(
                self.env._(
                    "Gmail takes %(most)s recipients in one mail, and this one has "
                    "%(count)s. Send it in parts.",
                    most=MOST_RECIPIENTS,
                    count=len(taken),
                )
            )
        return people

    def _message_id(self, draft, mailbox, people):
        """Return the Message-ID of a mail: the same whenever the same mail is sent
        again, so that it goes out once; another one for other words."""
        digest = hashlib.sha256(draft.key.encode())
        files = draft.attachment_ids.sorted("id").mapped("checksum")
        for part in (
            draft.email_from,
            people,
            draft.subject,
            draft.body,
            draft.is_quoting,
            files,
        ):
            digest.update(repr(part).encode())
        domain = mailbox.email.partition("@")[2]
        return f"<{digest.hexdigest()[:32]}.{draft.id}@{domain}>"

    def _make_mail(self, draft, mailbox, people, when):
        """Return the mail.mail (sudo) of a draft."""
        message_id = self._message_id(draft, mailbox, people)
        mails = self.env["mail.mail"].sudo()
        mails.search(
            [("message_id", "=", message_id), ("gmail_mailbox_id", "=", mailbox.id)]
        ).unlink()
        answered = draft.answered_id
        return plain.create(
            mails,
            [
                {
                    "message_id": message_id,
                    "subject": draft.subject or "",
                    "body_html": (draft.body or Markup()) + self._quote(draft),
                    "email_from": formataddr(
                        (self.env.user.name, draft.email_from or mailbox.email)
                    ),
                    "author_id": self.env.user.partner_id.id,
                    "email_to": ", ".join(map(formataddr, people["to"])),
                    "email_cc": ", ".join(map(formataddr, people["cc"])),
                    "gmail_bcc": ", ".join(map(formataddr, people["bcc"])),
                    "reply_to": False,
                    "references": " ".join(
                        filter(None, [answered.references, answered.message_id])
                    ),
                    "attachment_ids": [(6, 0, draft.attachment_ids.ids)],
                    "is_gmail": True,
                    "gmail_mailbox_id": mailbox.id,
                    "gmail_answered_id": answered.id,
                    # A request may be repeated after Gmail took the mail.
                    "gmail_attempts": 1,
                    "mail_server_id": mailbox.outgoing_server_id.id,
                    "scheduled_date": when,
                    "auto_delete": True,
                }
            ],
        )

    @api.model
    def _flush(self, draft):
        """See gmail.draft.panel_flush."""
        if mail := draft.mail_id:
            mail.scheduled_date = False
            mail.send()
            draft = draft.exists()
        return {
            "sent": not draft,
            "state": draft.state,
            "thread_id": draft.thread_id.id,
            "message": draft.error_message or draft.mail_id.failure_reason or False,
        }

    @api.model
    def _undo(self, draft):
        """See gmail.draft.panel_undo."""
        mail = draft.mail_id
        if draft.state == "waiting" and mail:
            if not mail.try_lock_for_update():
                # It is on its way just now.
                return False
            mail.unlink()
        if not draft.exists():
            return False
        draft.write({"state": "draft", "send_at": False, "mail_id": False})
        # Other tabs still count the seconds.
        owner = draft.mailbox_id.user_id
        owner._bus_send("gmail_oauth_mailbox/undone", {"draft_id": draft.id})
        return self._read(draft)

    @api.model
    def _drafts_of(self, mails):
        """Return the drafts (sudo) that mails were made of."""
        drafts = self.env["gmail.draft"].sudo()
        if self.env["gmail.version"]._is_outdated():
            return drafts
        return drafts.search([("mail_id", "in", mails.ids)])

    @api.model
    def _settle_mails(self, mails):
        if mails:
            self._settle(self._drafts_of(mails))

    @api.model
    def _settle(self, drafts):
        """Mails of drafts (sudo) were dealt with: what went out is no draft any more,
        what was refused is one again, with the reason."""
        for draft in drafts:
            mail = draft.mail_id.exists()
            if not mail or mail.state == "sent":
                mailbox, thread = draft.mailbox_id, draft.thread_id
                draft.unlink()
                self._announce(mailbox, thread)
            elif mail.state in ("exception", "cancel"):
                reason = mail.failure_reason or self.env._(
                    "Gmail refused the mail. Nothing was sent; try again."
                )
                draft.write(
                    {"state": "draft", "send_at": False, "error_message": reason}
                )
                mail.unlink()
                self._announce(draft.mailbox_id, draft.thread_id)

    def _announce(self, mailbox, thread):
        self.env["gmail.sync"].sudo()._announce(mailbox, thread.ids)
