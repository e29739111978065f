from odoo import fields, models


class GmailAttachment(models.Model):
    """What is known of an attachment; its bytes are fetched when first needed."""

    _name = "gmail.attachment"
    _inherit = "gmail.owned"
    _description = "Gmail Attachment"
    _order = "id"

    message_id = fields.Many2one(
        "gmail.message", required=True, readonly=True, index=True, ondelete="cascade"
    )
    part_id = fields.Char(
        required=True,
        readonly=True,
        help="Gmail's partId: lasting, unlike its attachmentId",
    )
    name = fields.Char(required=True, readonly=True)
    mimetype = fields.Char(readonly=True)
    size = fields.Integer("Size (bytes)", readonly=True)
    content_id = fields.Char(readonly=True)
    is_inline = fields.Boolean(readonly=True)
    attachment_id = fields.Many2one(
        "ir.attachment",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    def panel_open(self):
        """Fetch the bytes from Gmail when they are not here yet; return {id, name,
        mimetype, checksum} of the file, as Odoo serves it."""
        self.ensure_one()
        self.check_access("read")
        file = self.env["gmail.files"]._fetch(self.sudo()).attachment_id
        return {
            "id": file.id,
            "name": file.name,
            "mimetype": file.mimetype,
            "checksum": file.checksum,
        }

    def panel_save(self, model, res_id):
        """Save a copy to a document of the conversation; return its name."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.files"]._save(self, model, res_id)
