from odoo import fields, models


class GmailParticipant(models.Model):
    """An address on a message: one indexed look-up finds all mail with a contact."""

    _name = "gmail.participant"
    _inherit = "gmail.owned"
    _description = "Gmail Participant"
    _order = "id"
    _rec_name = "address"

    # Every look-up by mailbox has the index below.
    mailbox_id = fields.Many2one(index=False)
    message_id = fields.Many2one(
        "gmail.message", required=True, readonly=True, index=True, ondelete="cascade"
    )
    role = fields.Selection(
        [("from", "From"), ("to", "To"), ("cc", "Cc"), ("bcc", "Bcc")],
        required=True,
        readonly=True,
    )
    name = fields.Char(readonly=True)
    address = fields.Char(required=True, readonly=True, help="Normalized, for display")
    address_key = fields.Char(
        readonly=True, help="What all spellings of it share: lib.mime.addresses"
    )
    partner_id = fields.Many2one(
        "res.partner",
        "Contact",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )

    _key_idx = models.Index("(address_key, mailbox_id)")
    # The operator class finds the beginning of an address under any collation.
    _correspondent_idx = models.Index("(mailbox_id, address text_pattern_ops)")
