import base64

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools.mimetypes import guess_mimetype

from .. import plain
from ..lib.mime.filenames import file_name

# What a browser shows and cannot run.
RASTER = frozenset({"image/png", "image/gif", "image/jpeg", "image/webp", "image/bmp"})
# Odoo would serve a stranger's HTML or SVG as such; as plain text it is inert. And it
# would shrink photos.
AS_IT_IS = {"attachments_mime_plainxml": True, "image_no_postprocess": True}
# Bytes of the pictures within one text; larger ones are attachments to open.
MOST_PICTURES = 10_000_000


class GmailFiles(models.AbstractModel):
    """Bytes of attachments: fetched from Gmail on first need, then kept."""

    _name = "gmail.files"
    _description = "Gmail Files"

    @api.model
    def _shown_inline(self, attachments):
        """Return the attachments (gmail.attachment) that are pictures in the text."""
        return attachments.filtered(lambda a: a.is_inline and a.mimetype in RASTER)

    @api.model
    def _pictures(self, message):
        """Return {Content-ID: data URL} of the pictures in the text of a message.

        :param message: gmail.message under sudo
        :raises UserError: Gmail cannot give them now
        """
        wanted, room = self._shown_inline(message.attachment_ids), MOST_PICTURES
        for attachment in wanted:
            room -= attachment.size
            if room < 0:
                wanted -= attachment
        pictures = {}
        for attachment in self._fetch(wanted):
            content = attachment.attachment_id.raw or b""
            # Whatever its sender calls it.
            mimetype = guess_mimetype(content)
            if mimetype in RASTER:
                data = base64.b64encode(content).decode()
                pictures[attachment.content_id] = f"data:{mimetype};base64,{data}"
        return pictures

    @api.model
    def _save(self, attachment, model, res_id):
        """Save a copy of an attachment to a document of its conversation.

        :param attachment: gmail.attachment of the caller
        :return: the document's name
        :raises UserError: it is no document of the conversation any more, the caller
            may not change it, or Gmail cannot give the bytes now
        """
        thread = attachment.sudo().message_id.thread_id
        env = self.env["gmail.linker"]._as_owner(thread.mailbox_id)
        is_linked = thread.link_ids.filtered(
            lambda x: (x.state, x.res_model, x.res_id) == ("linked", model, res_id)
        )
        document = is_linked and env[model].browse(res_id).exists()
        if not document or not document.has_access("write"):
            raise UserError(
                self.env._("You cannot save to this document. Reload the page.")
            )
        message = attachment.sudo().message_id
        if self.env["gmail.linking"]._limit_of(message) != "everything":
            raise UserError(
                self.env._(
                    "This mail is kept private by you, by a colleague who has it, or "
                    "by your administrator, so its files stay here. Download the file."
                )
            )
        file = self._fetch(attachment.sudo()).attachment_id
        files = env["ir.attachment"]
        is_there = files.search_count(
            [
                ("res_model", "=", model),
                ("res_id", "=", res_id),
                ("checksum", "=", file.checksum),
                ("name", "=", file.name),
            ],
            limit=1,
        )
        if not is_there:
            plain.create(
                files.with_context(**AS_IT_IS),
                [
                    {
                        "name": file.name,
                        "raw": file.raw,
                        "mimetype": file.mimetype,
                        "res_model": model,
                        "res_id": res_id,
                    }
                ],
            )
        return document.display_name

    @api.model
    def _fetch(self, attachments):
        """Bring the bytes of attachments of one message here; return them.

        :param attachments: gmail.attachment under sudo; each then has its
            ``ir.attachment``
        :raises UserError: Gmail cannot give them now
        """
        missing = attachments.filtered(lambda a: not a.attachment_id)
        if not missing:
            return attachments
        message = missing.message_id
        gone = self.env._("This attachment is not in Gmail any more.")
        with self.env["gmail.oauth"]._asking(message.mailbox_id, gone) as client:
            contents = client.attachment_bytes(
                message.gmail_id, missing.mapped("part_id")
            )
        stored = plain.create(
            self.env["ir.attachment"].sudo().with_context(**AS_IT_IS),
            [
                {
                    "name": file_name(attachment.name),
                    "raw": contents[attachment.part_id],
                    "mimetype": attachment.mimetype,
                    "res_model": attachment._name,
                    "res_id": attachment.id,
                    "public": False,
                }
                for attachment in missing
            ],
        )
        for attachment, file in zip(missing, stored, strict=True):
            attachment.attachment_id = file
        return attachments
