import logging
import re
from contextlib import contextmanager
from dataclasses import replace

from odoo import api, models
from odoo.modules.registry import Registry
from odoo.tools import split_every

from ..lib.mbox import File, StoredMessage, entry, takeout_labels
from ..lib.types import Address

_logger = logging.getLogger(__name__)

# Messages in memory at a time; of their files only those of one.
PAGE = 100
UNSAFE = re.compile(r"[^\w@.+-]", re.A)
# Those that are read, and no others: the text for the search is as long as the text.
MESSAGE_FIELDS = [
    "date",
    "message_id",
    "in_reply_to",
    "references",
    "subject",
    "from_name",
    "from_email",
    "body",
    "is_folded",
    "participants_left_out",
    "label_ids",
    "participant_ids",
    "attachment_ids",
]


class GmailExport(models.AbstractModel):
    """The owner's copy of the mail that Odoo stores of her mailbox: an mbox file.

    Everything is read with her own rights, so the record rules hold here as well.
    """

    _name = "gmail.export"
    _description = "Gmail Export"

    @api.model
    def _file(self, mailbox_id):
        """Return (name, generator of bytes) of the mbox file of a mailbox.

        :raises AccessError, MissingError: it is none of the caller's
        """
        mailbox = self.env["gmail.mailbox"].browse(mailbox_id)._own()
        _logger.info("User %d exports the mail of mailbox %d", self.env.uid, mailbox.id)
        name = UNSAFE.sub("_", mailbox.email) + ".mbox"
        return name, _entries(self.env.cr.dbname, self.env.uid, mailbox.id)

    @api.model
    def _message_ids(self, mailbox_id):
        """Return the ids of all messages of a mailbox, oldest first."""
        domain = [("mailbox_id", "=", mailbox_id)]
        return self.env["gmail.message"].search(domain, order="date, id").ids

    @api.model
    def _page(self, ids):
        """Return pairs of (StoredMessage without files, ids of the attachments whose
        bytes are in Odoo); what was removed meanwhile is left out."""
        found = self.env["gmail.message"].search_fetch(
            [("id", "in", ids)], MESSAGE_FIELDS, order="date, id"
        )
        return [self._values(message) for message in found]

    def _values(self, message):
        people = {}
        for person in message.participant_ids:
            address = Address(person.name or "", person.address)
            people.setdefault(person.role, []).append(address)
        if message.from_email or message.from_name:
            # As the sender wrote it.
            people["from"] = [
                Address(message.from_name or "", message.from_email or "")
            ]
        here = message.attachment_ids.filtered("attachment_id")
        labels = message.label_ids
        stored = StoredMessage(
            date=message.date or None,
            message_id=message.message_id or "",
            in_reply_to=message.in_reply_to or "",
            references=message.references or "",
            subject=message.subject or "",
            people={role: tuple(found) for role, found in people.items()},
            labels=takeout_labels((label.gmail_id, label.name) for label in labels),
            # Markup would escape what is put together with it.
            body_html=str(message.body or ""),
            is_folded=message.is_folded,
            people_left_out=message.participants_left_out,
            left_in_gmail=tuple(
                (file.name, file.size) for file in message.attachment_ids - here
            ),
        )
        return stored, here.ids

    @api.model
    def _files(self, attachment_ids):
        """Return the File objects of attachments of one message."""
        found = self.env["gmail.attachment"].search([("id", "in", attachment_ids)])
        return tuple(
            File(
                name=file.name,
                # As the sender called it; Odoo's own copy is inert plain text.
                mimetype=file.mimetype or "",
                content=file.attachment_id.raw or b"",
                content_id=file.content_id or "",
                is_inline=file.is_inline,
            )
            for file in found
        )


def _entries(database, uid, mailbox_id):
    """Yield the file, message by message.

    It runs while the answer is being sent, when the request and its cursor have ended.
    Cursors of its own are open only while something is read: a slow download keeps no
    transaction and no connection.
    """

    @contextmanager
    def export():
        with Registry(database).cursor(readonly=True) as cr:
            yield api.Environment(cr, uid, {})["gmail.export"]

    with export() as service:
        ids = service._message_ids(mailbox_id)
    for some in split_every(PAGE, ids):
        with export() as service:
            page = service._page(some)
        for message, attachment_ids in page:
            if attachment_ids:
                with export() as service:
                    message = replace(message, files=service._files(attachment_ids))
            yield entry(message)
