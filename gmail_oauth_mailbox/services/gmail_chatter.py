import logging
import re

from markupsafe import Markup, escape

from odoo import api, models
from odoo.tools import email_normalize, formataddr

from ..lib import sharing
from ..lib.sanitize import unremote_html
from .gmail_files import AS_IT_IS

_logger = logging.getLogger(__name__)

PICTURE = re.compile(r'<img [^>]*?data-cid="([^"]*)"[^>]*>')
# Names on one line of a note; the rest is counted.
MOST_NAMES = 10


class GmailChatter(models.AbstractModel):
    """Write what stands of a mail in the chatter of a document.

    A message has one text for all its readers, so it holds what the level allows and
    nothing else. Notes are internal and notify nobody; answers to Odoo's own mail are
    what the stock gateway would have posted.
    """

    _name = "gmail.chatter"
    _description = "Gmail Chatter Entries"

    # ------------------------------------------------------------------
    # Entries
    # ------------------------------------------------------------------

    @api.model
    def _write(self, key, document, demand, filing, copies):
        """Let a mail stand in a document, unless Odoo's gateway put it there.

        :param document: (model, id)
        :param demand: lib.sharing.Demand
        :param filing: gmail.filing
        :param copies: gmail.message (sudo) of the same mail, at least one
        """
        record = self._record(document)
        if not record:
            return
        copy = copies[0]
        post = self._of_gateway(record, copy)
        if post:
            self._note(key, document, post, "stock", "everything", copy)
            return
        if demand.is_reply:
            # Whether it is new depends on the mailbox that filed it first.
            post = self._post_reply(record, copies, filing)
        else:
            post = self._post_note(record, copies, demand.level)
        kind = "reply" if demand.is_reply else "note"
        self._note(key, document, post, kind, demand.level, copy)

    @api.model
    def _rewrite(self, entry, level, copies):
        """Let an entry (gmail.entry) show what another level allows."""
        looser = sharing.rank(level) > sharing.rank(entry.level)
        if looser and not copies:
            return
        message = entry.mail_message_id
        record = self._record((entry.res_model, entry.res_id))
        if not record:
            self._remove(entry)
            return
        message.attachment_ids.unlink()
        if copies:
            values = self._content(record, copies, level)
            values["attachment_ids"] = [(6, 0, values["attachment_ids"])]
        else:
            # Nobody has the mail any more: less of what stands.
            values = {"body": self._withheld(level)}
            if sharing.rank(level) < sharing.rank("subject"):
                values["subject"] = False
        message.write(values)
        self.env["mail.message.translation"].sudo().search(
            [("message_id", "=", message.id)]
        ).unlink()
        entry.level = level

    @api.model
    def _remove(self, entry):
        """Take an entry and its attachments out of the chatter."""
        message = entry.mail_message_id
        message.attachment_ids.unlink()
        message.unlink()
        entry.unlink()

    @api.model
    def _give_way(self, entry, copies):
        """Take out a note when Odoo's gateway has posted the same mail meanwhile;
        return whether it has."""
        record = self._record((entry.res_model, entry.res_id))
        post = copies and record and self._of_gateway(record, copies[0])
        if not post:
            return False
        note = entry.mail_message_id
        entry.write(
            {"mail_message_id": post.id, "kind": "stock", "level": "everything"}
        )
        note.attachment_ids.unlink()
        note.unlink()
        return True

    @api.model
    def _routes_left(self, copies, routes):
        """Return those routes of a mail at Odoo's gateway to documents where no mailbox
        has posted it yet, as an answer to Odoo's mail.

        :param copies: gmail.message of that mail
        """
        entries = self.env["gmail.entry"].search(
            [("mail_key", "in", copies.mapped("mail_key")), ("kind", "=", "reply")]
        )
        posted = {(entry.res_model, entry.res_id) for entry in entries}
        return [route for route in routes or () if (route[0], route[1]) not in posted]

    @api.model
    def _at_gateway(self, message_dict):
        """Return the copies (gmail.message) of a mail that came to Odoo's gateway."""
        if self.env["gmail.version"]._is_outdated():
            return self.env["gmail.message"]
        copies = self.env["gmail.message"].search(
            [
                ("message_id", "=", message_dict.get("message_id") or ""),
                ("mail_key", "!=", False),
            ]
        )
        sender = email_normalize(message_dict.get("email_from"))
        return copies.filtered(
            lambda copy: (
                email_normalize(copy.from_email) == sender
                and sharing.same_words(copy.body, message_dict.get("body"))
            )
        )

    @api.model
    def _adopt_sent(self, key, document, copies):
        """Note that a mail stands where it was sent from."""
        entries = self.env["gmail.entry"].sudo()
        if entries.search_count(
            [
                ("mail_key", "=", key),
                ("res_model", "=", document[0]),
                ("res_id", "=", document[1]),
            ]
        ):
            return
        post = (
            self.env["mail.message"]
            .sudo()
            .search(
                [
                    ("message_id", "in", copies.mapped("sent_message_id")),
                    ("model", "=", document[0]),
                    ("res_id", "=", document[1]),
                ],
                limit=1,
            )
        )
        if post:
            self._note(key, document, post, "stock", "everything", copies[0])
            self.env["gmail.correspondence"]._recount([document])

    def _note(self, key, document, post, kind, level, copy):
        self.env["gmail.entry"].sudo().create(
            {
                "mail_key": key,
                "res_model": document[0],
                "res_id": document[1],
                "mail_message_id": post.id,
                "kind": kind,
                "level": level,
                "addresses": " ".join(
                    participant.address
                    for participant in copy.participant_ids
                    if participant.role != "bcc"
                ),
                "date": copy.date,
                "direction": copy.direction,
                "is_automated": copy.is_automated,
            }
        )

    def _record(self, document):
        model, res_id = document
        if model not in self.env.registry:
            return None
        return self.env[model].sudo().browse(res_id).exists()

    def _of_gateway(self, record, copy):
        """Return what Odoo's own gateway posted of the same mail on a document."""
        posts = (
            self.env["mail.message"]
            .sudo()
            .search(
                [
                    ("message_id", "=", copy.message_id),
                    ("model", "=", record._name),
                    ("res_id", "=", record.id),
                    ("message_type", "=", "email"),
                ]
            )
        )
        return posts.filtered(
            lambda post: (
                email_normalize(post.email_from) == email_normalize(copy.from_email)
                and sharing.same_words(post.body, copy.body)
            )
        )[:1]

    # ------------------------------------------------------------------
    # Texts
    # ------------------------------------------------------------------

    def _content(self, record, copies, level):
        """Return subject, body and attachment_ids of an entry."""
        copy = copies[0]
        if level == "everything":
            files, pictures = self._attach(record, copies)
            body = self._people_line(copy) + self._body(copy, pictures)
            return {
                "subject": copy.subject or False,
                "body": body + self._missing(copies),
                "attachment_ids": files.ids,
            }
        return {
            "subject": level == "subject" and copy.subject,
            "body": self._people_line(copy) + self._withheld(level),
            "attachment_ids": [],
        }

    def _withheld(self, level):
        sentence = (
            self.env._("Its text is not shared.")
            if level == "subject"
            else self.env._("Its subject and text are not shared.")
        )
        return Markup("<p><i>{}</i></p>").format(sentence)

    def _people_line(self, copy):
        """Return who wrote to whom; never whom it was sent to in secret."""
        people = {"from": [], "to": [], "cc": []}
        for participant in copy.participant_ids:
            if participant.role in people:
                people[participant.role].append(participant.name or participant.address)
        parts = [(self.env._("From"), people["from"]), (self.env._("To"), people["to"])]
        if people["cc"]:
            parts.append((self.env._("Cc"), people["cc"]))
        return Markup("<p class='text-muted small'>{}</p>").format(
            Markup("<br/>").join(
                Markup("{}: {}").format(label, self._names(names))
                for label, names in parts
            )
        )

    def _names(self, names):
        shown = ", ".join(names[:MOST_NAMES])
        if len(names) > MOST_NAMES:
            more = self.env._("and %s more", len(names) - MOST_NAMES)
            shown = f"{shown} {more}"
        return shown

    def _body(self, copy, pictures):
        """Return the text for a page without a frame: nothing remote in it, pictures
        of the mail itself from the attachments."""

        def picture(match):
            file = pictures.get(match[1])
            return f'<img src="/web/image/{file.id}">' if file else ""

        body = PICTURE.sub(picture, unremote_html(copy.body or ""))
        if copy.is_folded:
            body += escape(self.env._("This is the beginning of a long text."))
        return Markup(body)  # nosec B704 - the sanitizer's output

    def _missing(self, copies):
        """Return a line that names attachments that Gmail did not give."""
        if any(all(a.attachment_id for a in c.attachment_ids) for c in copies):
            return Markup()
        names = copies[0].attachment_ids.filtered(lambda a: not a.attachment_id)
        return Markup("<p><i>{}</i></p>").format(
            self.env._(
                "Not here, as Gmail did not give them: %s",
                ", ".join(names.mapped("name")),
            )
        )

    def _attach(self, record, copies):
        """Return the files (ir.attachment) on the document, made of what the owner's
        copy has, and {Content-ID: file}. A stranger may give one id to many."""
        copy = next(
            (c for c in copies if all(a.attachment_id for a in c.attachment_ids)),
            copies[0],
        )
        files, by_content_id = self.env["ir.attachment"].sudo(), {}
        for attachment in copy.attachment_ids.filtered("attachment_id"):
            source = attachment.attachment_id
            # Odoo would serve a stranger's HTML or SVG as such; as text it is inert.
            file = files.with_context(**AS_IT_IS).create(
                {
                    "name": attachment.name,
                    "raw": source.raw,
                    "mimetype": source.mimetype,
                    "res_model": record._name,
                    "res_id": record.id,
                    "public": False,
                }
            )
            files |= file.with_env(files.env)
            if attachment.content_id:
                by_content_id[attachment.content_id] = file
        return files, by_content_id

    # ------------------------------------------------------------------
    # Posting
    # ------------------------------------------------------------------

    def _author(self, copy):
        """Return (partner id or False, From) of a mail."""
        email_from = formataddr((copy.from_name or "", copy.from_email or ""))
        if not copy.is_authentic:
            return False, email_from
        if copy.direction == "out":
            return copy.mailbox_id.user_id.partner_id.id, email_from
        sender = copy.participant_ids.filtered(lambda p: p.role == "from")[:1]
        return sender.partner_id.id, email_from

    def _post_note(self, record, copies, level):
        """Let a silent internal note stand in a document."""
        copy = copies[0]
        author, email_from = self._author(copy)
        content = self._content(record, copies, level)
        return (
            self.env["mail.message"]
            .sudo()
            .create(
                {
                    **content,
                    "attachment_ids": [(6, 0, content["attachment_ids"])],
                    "model": record._name,
                    "res_id": record.id,
                    "author_id": author,
                    "email_from": email_from,
                    "date": copy.date,
                    "message_type": "email",
                    "subtype_id": self.env.ref("mail.mt_note").id,
                    "is_internal": True,
                    "reply_to": False,
                }
            )
        )

    def _post_reply(self, record, copies, filing):
        """Post an answer to Odoo's mail as the stock gateway would; followers learn of
        it when it is new, and not those who got the mail themselves."""
        copy = copies[0]
        author, email_from = self._author(copy)
        files, pictures = self._attach(record, copies)
        values = {
            "subject": copy.subject or False,
            "body": self._body(copy, pictures) + self._missing(copies),
            "author_id": author,
            "email_from": email_from,
            "date": copy.date,
            "message_type": "email",
            "parent_id": filing.parent_id or False,
            "incoming_email_to": self._addresses(copy, "to"),
            "incoming_email_cc": self._addresses(copy, "cc"),
        }
        if not filing.notify:
            return (
                self.env["mail.message"]
                .sudo()
                .create(
                    {
                        **values,
                        "attachment_ids": [(6, 0, files.ids)],
                        "model": record._name,
                        "res_id": record.id,
                        "subtype_id": self.env.ref("mail.mt_comment").id,
                    }
                )
            )
        record = record.with_user(self.env.ref("base.user_root")).with_context(
            mail_create_nosubscribe=True,
            mail_post_autofollow_author_skip=not author,
        )
        record.message_update(self._as_parsed(copy, values))
        return record.message_post(
            **values, subtype_xmlid="mail.mt_comment", attachment_ids=files.ids
        )

    def _as_parsed(self, copy, values):
        """Return what the stock gateway hands to ``message_update``."""
        return {
            **{k: v for k, v in values.items() if not k.startswith("incoming")},
            "message_id": copy.message_id,
            "in_reply_to": copy.in_reply_to or "",
            "references": copy.references or "",
            "from": values["email_from"],
            "to": values["incoming_email_to"],
            "cc": values["incoming_email_cc"],
            "recipients": ",".join(
                filter(None, (values["incoming_email_to"], values["incoming_email_cc"]))
            ),
            "attachments": [],
            "is_internal": False,
        }

    def _addresses(self, copy, role):
        return ",".join(
            formataddr((p.name or "", p.address))
            for p in copy.participant_ids
            if p.role == role
        )
