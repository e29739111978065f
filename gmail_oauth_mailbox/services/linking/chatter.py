"""The entries that the chatter of a record has for emails.

A chatter message has one text for all its readers, so an entry holds what its level
allows and nothing else, and all of it comes from one copy. Notes are internal and
notify no one. Answers to Odoo's own mail are what the stock gateway would have posted.
"""

import re

from markupsafe import Markup, escape

from odoo.tools import SQL, formataddr

from ... import plain
from ...lib.message import NAMES
from ...lib.mime.addresses import address_key
from ...lib.rules import looks, same_email, sharing
from ...lib.rules.same_email import NAMELESS
from ...lib.sanitize import clean_html, unremote_html
from ...parsers import email_normalize, email_split_tuples
from ..gmail_files import AS_IT_IS

PICTURE = re.compile(r'<img [^>]*?data-cid="([^"]*)"[^>]*>')
# Names on one line of a note; more are counted.
MAX_NAMES = 10


def _sender(written):
    """Return the key of the address that a message is from, or "" for none."""
    return address_key(email_normalize(written or "") or "")


class Chatter:
    """Writes, rewrites, and removes entries.

    :param env_su: superuser environment
    """

    def __init__(self, env_su):
        self.env = env_su

    # ------------------------------------------------------------------
    # Entries
    # ------------------------------------------------------------------

    def post(self, key, record, target, copy):
        """Post an entry, unless Odoo's gateway posted the email already.

        :param key: of the email
        :param record: (model, id)
        :param target: lib.rules.sharing.Target
        :param copy: gmail.message that the entry is made from
        """
        document = self._browse(record)
        if not document:
            return
        post = self.gateway_post(document, copy)
        if post:
            self.note_stock(key, record, post, copy)
            return
        is_reply = target.place.kind == "reply"
        if is_reply:
            post = self._post_reply(document, copy, target)
        else:
            post = self._post_note(document, copy, target)
        self.env["gmail.entry"].create(
            {
                **self._facts(key, record, copy),
                **self._source(target, copy),
                "mail_message_id": post.id,
                "kind": "reply" if is_reply else "note",
                "level": target.level,
                "is_folded": target.is_folded,
            }
        )

    def rewrite(self, entry, target, copy):
        """Have an entry show what its target says.

        :param copy: gmail.message that the entry is made from; empty when it is gone
        """
        document = self._browse((entry.res_model, entry.res_id))
        if not document:
            self.remove(entry)
            return
        message = entry.mail_message_id
        if not copy:
            self._reduce(entry, target.level)
            return
        is_less = sharing.rank(target.level) < sharing.rank(entry.level)
        if is_less or entry.message_id != copy:
            self._drop_in_clients(message)
        message.attachment_ids.unlink()
        values = self._content(document, copy, target)
        values["attachment_ids"] = [(6, 0, values["attachment_ids"])]
        author, email_from = self._author(copy)
        message.write(
            {**values, "author_id": author, "email_from": email_from, "date": copy.date}
        )
        self._forget_derived(message)
        facts = self._facts(entry.mail_key, (entry.res_model, entry.res_id), copy)
        entry.write(
            {
                **facts,
                **self._source(target, copy),
                "level": target.level,
                "is_folded": target.is_folded,
            }
        )

    def remove(self, entry):
        """Remove an entry and its attachments from the chatter."""
        message = entry.mail_message_id
        self._drop_in_clients(message)
        message.attachment_ids.unlink()
        message.unlink()
        entry.unlink()

    def give_way(self, entry, copy):
        """Remove a note when Odoo's gateway has posted the same email since; return
        whether it has."""
        document = self._browse((entry.res_model, entry.res_id))
        post = copy and document and self.gateway_post(document, copy)
        if not post:
            return False
        note = entry.mail_message_id
        entry.write(
            {"mail_message_id": post.id, "kind": "stock", "level": "everything"}
        )
        self._drop_in_clients(note)
        note.attachment_ids.unlink()
        note.unlink()
        return True

    def adopt_sent(self, key, record, copy):
        """Note that a record shows an email that was sent from it.

        :param copy: gmail.message of the mailbox that sent it
        """
        model, res_id = record
        if self.env["gmail.entry"].search_count(
            [
                ("mail_key", "=", key),
                ("res_model", "=", model),
                ("res_id", "=", res_id),
                ("digest", "in", (copy.content_digest, False)),
            ],
            limit=1,
        ):
            return False
        post = self.env["mail.message"].search(
            [
                ("message_id", "=", copy.sent_message_id),
                ("model", "=", model),
                ("res_id", "=", res_id),
                ("message_type", "!=", "email"),
            ],
            order="id",
            limit=1,
        )
        if post:
            self.note_stock(key, record, post, copy)
        return bool(post)

    def note_stock(self, key, record, post, copy):
        """Note that a message of Odoo's own shows an email.

        :param post: mail.message
        """
        self.env["gmail.entry"].create(
            {
                **self._facts(key, record, copy),
                "mail_message_id": post.id,
                "kind": "stock",
                "level": "everything",
            }
        )

    # ------------------------------------------------------------------
    # Odoo's gateway
    # ------------------------------------------------------------------

    def gateway_post(self, document, copy):
        """Return the mail.message that Odoo's gateway posted of the same email on a
        record, and that shows all that the copy shows as the copy does."""
        return self._gateway_posts(document, copy).filtered(
            lambda post: self._looks_same(copy, post)
        )[:1]

    def _gateway_posts(self, document, copy):
        """Return the mail.message records that Odoo's gateway posted of the same words
        on a record."""
        if not copy.message_id:
            return self.env["mail.message"]
        posts = self.env["mail.message"].search(
            [
                ("message_id", "=", copy.message_id),
                ("model", "=", document._name),
                ("res_id", "=", document.id),
                ("message_type", "=", "email"),
            ]
        )
        handed_in = self.env["gmail.handed.in"].search(
            [("mail_message_id", "in", posts.ids)]
        )
        posts -= handed_in.mail_message_id
        return posts.filtered(
            lambda post: (
                _sender(post.email_from) == _sender(copy.from_email)
                and self._is_same(
                    copy,
                    post.subject,
                    post.body,
                    [(f.name, f.raw) for f in post.attachment_ids],
                )
            )
        )

    def _looks_same(self, copy, post):
        """Whether a post of the same words shows them as a copy does. A sender who
        knows an email can send its words to the gateway again, struck out or hidden."""
        [[name, _address]] = email_split_tuples(post.email_from or "")[:1] or [["", ""]]
        files = copy.attachment_ids
        return (
            same_email.letters(name) == same_email.letters(copy.from_name)
            and copy.header_date in (post.date, False)
            and (not copy.is_authentic or self._has_author(post, copy))
            and self._has_recipients(post, copy)
            # An attached email is written anew, and what isn't here can't be compared.
            and all(
                file.attachment_id and not (file.mimetype or "").startswith("message/")
                for file in files
            )
            and self._has_names(post, files)
            and looks.same_looks(
                copy.body,
                post.body,
                same_email.target,
                self._pictures(copy),
                {
                    match[0]: file.checksum
                    for file in post.attachment_ids
                    for match in re.finditer(
                        rf"/web/image/{file.id}\b[^\s\"<>]*", post.body or ""
                    )
                },
            )
        )

    def _has_names(self, post, files):
        """Whether the files of a post have the names that a copy shows. Odoo and we
        give names of our own to those without one."""

        def names(records):
            written = records.mapped("name")
            return sorted(
                NAMELESS if name in NAMES.values() else name for name in written
            )

        return names(files) == names(post.attachment_ids)

    def _pictures(self, copy):
        """Return {Content-ID: checksum} of a copy's attachments."""
        return {
            file.content_id: file.attachment_id.checksum
            for file in copy.attachment_ids
            if file.content_id
        }

    def _has_author(self, post, copy):
        """Whether a post shows whom a copy shows as its author, or a name alone."""
        return not post.author_id or post.author_id.id == self._author(copy)[0]

    def _has_recipients(self, post, copy):
        """Whether a post names the recipients that a copy names, if it names any."""
        written = f"{post.incoming_email_to or ''},{post.incoming_email_cc or ''}"
        named = {
            address_key(address)
            for _name, address in email_split_tuples(written)
            if address
        }
        shown = copy.participant_ids.filtered(lambda p: p.role in ("to", "cc"))
        return not named or named == set(shown.mapped("address_key"))

    def records_by_gateway(self, copies):
        """Return the (model, id) of the records where the gateway posted the same
        emails as copies (gmail.message)."""
        ids = [message_id for message_id in copies.mapped("message_id") if message_id]
        posts = self.env["mail.message"].search(
            [
                ("message_id", "in", ids),
                ("message_type", "=", "email"),
                ("model", "!=", False),
                ("res_id", "!=", False),
                # Users can hand in any number of the same.
                ("id", "not in", SQL("(SELECT mail_message_id FROM gmail_handed_in)")),
            ]
        )
        found = set()
        for post in posts:
            document = self._browse((post.model, post.res_id))
            for copy in copies.filtered(lambda c, p=post: c.message_id == p.message_id):
                if document and self._gateway_posts(document, copy):
                    found.add((post.model, post.res_id))
        return found

    def _is_same(self, copy, subject, body, files):
        """Whether what the gateway has of an email is the same as a copy.

        :param files: (name, bytes, text, or EmailMessage)
        """
        return same_email.same_at_gateway(
            (copy.subject, copy.body),
            [
                same_email.File(
                    a.name, a.mimetype or "", a.size, a.attachment_id.raw or None
                )
                for a in copy.attachment_ids
            ],
            (subject, body),
            files,
        )

    def at_gateway(self, message_dict):
        """Return the copies (gmail.message) of an email that Odoo's gateway received.

        :param message_dict: as ``mail.thread.message_parse`` returns it
        """
        message_id = message_dict.get("message_id")
        if not message_id:
            return self.env["gmail.message"]
        copies = self.env["gmail.message"].search([("message_id", "=", message_id)])
        sender = _sender(message_dict.get("email_from"))
        files = [file[:2] for file in message_dict.get("attachments") or ()]
        # Odoo cleans it when it posts it.
        body = clean_html(str(message_dict.get("body") or ""))
        return copies.filtered(
            lambda copy: (
                _sender(copy.from_email) == sender
                and self._is_same(copy, message_dict.get("subject"), body, files)
                # The genuine email is not dropped for a copy that its owner forged.
                and self._looks_same_at_gateway(copy, body)
            )
        )

    def _looks_same_at_gateway(self, copy, body):
        """Whether a text at the gateway, cleaned as copies are, looks as a copy does.
        Odoo adds the texts of attached emails below."""
        has_emails = any(
            (file.mimetype or "").startswith("message/") for file in copy.attachment_ids
        )
        return looks.same_looks(
            copy.body, body, same_email.target, {}, {}, may_go_on=has_emails
        )

    def routes_left(self, copies, routes):
        """Return the gateway's routes of an email to records where no mailbox has
        posted these copies of it as an answer to Odoo's mail.

        :param copies: gmail.message of that email
        """
        entries = self.env["gmail.entry"].search(
            [
                ("message_id", "in", copies.ids),
                ("kind", "=", "reply"),
                ("mail_message_id", "!=", False),
            ]
        )
        # What came by the gateway, too, is Odoo's own: nobody can withdraw it.
        named = {(route[0], route[1]) for route in routes or ()}
        entries = entries.filtered(lambda e: (e.res_model, e.res_id) in named)
        entries.write({"kind": "stock"})
        posted = {(entry.res_model, entry.res_id) for entry in entries}
        return [route for route in routes or () if (route[0], route[1]) not in posted]

    # ------------------------------------------------------------------
    # Texts
    # ------------------------------------------------------------------

    def _facts(self, key, record, copy):
        """Return what an entry notes of its copy."""
        return {
            "mail_key": key,
            "digest": copy.content_digest,
            "res_model": record[0],
            "res_id": record[1],
            "addresses": " ".join(
                address_key(p.address) for p in copy.participant_ids if p.role != "bcc"
            ),
            "date": copy.date,
            "header_date": copy.header_date,
            # A sender that Gmail doesn't vouch for may be anyone.
            "direction": copy.direction if copy.is_authentic else "in",
            "is_automated": copy.is_automated,
            "is_list": copy.is_list,
        }

    def _source(self, target, copy):
        return {
            "message_id": copy.id,
            "copy_number": copy.id,
            "mailbox_id": copy.mailbox_id.id,
            "former": False,
            "is_wanted": target.place.is_wanted,
        }

    def _content(self, document, copy, target):
        """Return subject, body and attachment_ids of an entry."""
        if target.place.kind == "reply":
            files, pictures = self._attach(document, copy)
            content = {
                "subject": copy.subject or False,
                "body": self._body(copy, pictures) + self._missing(copy),
                "attachment_ids": files.ids,
            }
        elif target.level == "everything":
            files, pictures = self._attach(document, copy)
            content = {
                "subject": copy.subject or False,
                "body": self._people_line(copy)
                + self._body(copy, pictures)
                + self._missing(copy),
                "attachment_ids": files.ids,
            }
        else:
            content = {
                "subject": target.level == "subject" and copy.subject,
                "body": self._people_line(copy) + self._withheld(target.level),
                "attachment_ids": [],
            }
        if target.is_folded:
            content["body"] = self._fold(copy, content["body"])
        return content

    def _fold(self, copy, body):
        """Return a body that a click opens, below a line that says what it is."""
        return Markup("<details><summary>{}</summary>{}</details>").format(
            self.env._(
                "Another version of this email, shared from %s",
                copy.mailbox_id.email,
            ),
            body,
        )

    def _withheld(self, level):
        sentence = (
            self.env._("Its text is not shared.")
            if level == "subject"
            else self.env._("Its subject and text are not shared.")
        )
        return Markup("<p><i>{}</i></p>").format(sentence)

    def _people_line(self, copy):
        """Return who wrote to whom, without Bcc, and from whose mailbox it is."""
        people = {"from": [], "to": [], "cc": []}
        for participant in copy.participant_ids:
            if participant.role in people:
                people[participant.role].append(participant.name or participant.address)
        parts = [(self.env._("From"), people["from"]), (self.env._("To"), people["to"])]
        if people["cc"]:
            parts.append((self.env._("Cc"), people["cc"]))
        parts.append((self.env._("Shared from"), [copy.mailbox_id.email]))
        return Markup("<p class='text-muted small'>{}</p>").format(
            Markup("<br/>").join(
                Markup("{}: {}").format(label, self._names(names))
                for label, names in parts
            )
        )

    def _names(self, names):
        shown = ", ".join(names[:MAX_NAMES])
        if len(names) > MAX_NAMES:
            more = self.env._("and %s more", len(names) - MAX_NAMES)
            shown = f"{shown} {more}"
        return shown

    def _body(self, copy, pictures):
        """Return the text for a page without a frame: nothing remote in it, pictures
        of the email itself from the attachments."""

        def picture(match):
            file = pictures.get(match[1])
            return f'<img src="/web/image/{file.id}">' if file else ""

        body = PICTURE.sub(picture, unremote_html(copy.body or ""))
        if copy.is_folded:
            body += escape(self.env._("This is the beginning of a long text."))
        return Markup(body)  # nosec B704 - the sanitizer's output

    def _missing(self, copy):
        """Return a line that names attachments that Gmail did not give."""
        names = copy.attachment_ids.filtered(lambda a: not a.attachment_id)
        if not names:
            return Markup()
        return Markup("<p><i>{}</i></p>").format(
            self.env._(
                "Not here, as Gmail did not give them: %s",
                ", ".join(names.mapped("name")),
            )
        )

    def _attach(self, document, copy):
        """Return (files, by_content_id): the copy's attachments as ir.attachment on
        the record, and {Content-ID: file}. A stranger may give one id to many."""
        files, by_content_id = self.env["ir.attachment"], {}
        for attachment in copy.attachment_ids.filtered("attachment_id"):
            source = attachment.attachment_id
            # Odoo would serve a stranger's HTML or SVG as such; as text it is inert.
            file = plain.create(
                files.with_context(**AS_IT_IS),
                [
                    {
                        "name": attachment.name,
                        "raw": source.raw,
                        "mimetype": source.mimetype,
                        "res_model": document._name,
                        "res_id": document.id,
                        "public": False,
                    }
                ],
            )
            files |= file.with_env(files.env)
            if attachment.content_id:
                by_content_id[attachment.content_id] = file
        return files, by_content_id

    def _reduce(self, entry, level):
        """Have an entry whose copy is gone show less of what it shows."""
        message = entry.mail_message_id
        if sharing.rank(level) >= sharing.rank(entry.level):
            return
        self._drop_in_clients(message)
        message.attachment_ids.unlink()
        values = {"body": self._withheld(level)}
        if sharing.rank(level) < sharing.rank("subject"):
            values["subject"] = False
        message.write(values)
        self._forget_derived(message)
        entry.level = level

    def _drop_in_clients(self, messages):
        """Have open pages drop messages that now show less, or nothing: a chatter
        asks for new messages only. Nobody is told more than ids."""
        if messages:
            self.env.ref("base.group_user")._bus_send(
                "mail.message/delete", {"message_ids": messages.ids}
            )

    def _forget_derived(self, message):
        """Forget what Odoo made of the text that a message had."""
        message.message_link_preview_ids.unlink()
        self.env["mail.message.translation"].search(
            [("message_id", "=", message.id)]
        ).unlink()

    def _browse(self, record):
        model, res_id = record
        if model not in self.env.registry:
            return None
        return self.env[model].browse(res_id).exists()

    # ------------------------------------------------------------------
    # Posting
    # ------------------------------------------------------------------

    def _author(self, copy):
        """Return (partner id or False, From) of a copy.

        An internal user is the author only of what their own mailbox sent, a contact
        only of what Gmail vouches for. Everything else has a name and no author.
        """
        email_from = formataddr((copy.from_name or "", copy.from_email or ""))
        if not copy.is_authentic:
            return False, email_from
        if copy.direction == "out":
            return copy.mailbox_id.user_id.partner_id.id, email_from
        sender = copy.participant_ids.filtered(lambda p: p.role == "from")[:1]
        partner = sender.partner_id
        # The name of a contact that is its owner's alone is, too.
        is_known = partner.partner_share and not partner.gmail_is_private
        return is_known and partner.id, email_from

    def _post_note(self, document, copy, target):
        """Post a silent internal note on a record."""
        author, email_from = self._author(copy)
        content = self._content(document, copy, target)
        return plain.create(
            self.env["mail.message"],
            [
                {
                    **content,
                    "attachment_ids": [(6, 0, content["attachment_ids"])],
                    "model": document._name,
                    "res_id": document.id,
                    "author_id": author,
                    "email_from": email_from,
                    "date": copy.date,
                    "message_type": "email",
                    "subtype_id": self.env.ref("mail.mt_note").id,
                    "is_internal": True,
                    "reply_to": False,
                }
            ],
        )

    def _post_reply(self, document, copy, target):
        """Post an answer to Odoo's mail as the stock gateway would. Followers are
        notified when it is new, except those who received the email themselves."""
        author, email_from = self._author(copy)
        content = self._content(document, copy, target)
        attachment_ids = content.pop("attachment_ids")
        values = {
            **content,
            "author_id": author,
            "email_from": email_from,
            "date": copy.date,
            "message_type": "email",
            "parent_id": self.env["mail.message"]
            .browse(target.place.parent or ())
            .exists()
            .id,
            "incoming_email_to": self._addresses(copy, "to"),
            "incoming_email_cc": self._addresses(copy, "cc"),
        }
        if not target.place.notify or target.is_folded:
            return plain.create(
                self.env["mail.message"],
                [
                    {
                        **values,
                        "attachment_ids": [(6, 0, attachment_ids)],
                        "model": document._name,
                        "res_id": document.id,
                        "subtype_id": self.env.ref("mail.mt_comment").id,
                    }
                ],
            )
        document = document.with_user(self.env.ref("base.user_root")).with_context(
            mail_create_nosubscribe=True,
            mail_post_autofollow_author_skip=not author,
        )
        document.message_update(self._as_parsed(copy, values))
        return document.message_post(
            **values, subtype_xmlid="mail.mt_comment", attachment_ids=attachment_ids
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
