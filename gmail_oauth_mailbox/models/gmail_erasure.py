from odoo import fields, models


class GmailErasure(models.Model):
    """A person's mail that an administrator erased from all mailboxes and documents.

    What is kept of the address is a keyed hash: mail up to that moment stays away, in
    a mailbox that is connected later too.
    """

    _name = "gmail.erasure"
    _description = "Erased Mail"
    _order = "id desc"
    _rec_name = "create_date"
    _allow_sudo_commands = False

    address = fields.Char(readonly=True, help="Until its mail is erased")
    address_hash = fields.Char(required=True, readonly=True)
    until = fields.Datetime(
        required=True, readonly=True, help="Later mail of the person comes in."
    )
    messages = fields.Integer(readonly=True)
    entries = fields.Integer("In Documents", readonly=True)
    is_pending = fields.Boolean("Erasing", readonly=True)

    retry_at = fields.Datetime(
        readonly=True, help="When it is tried again, after an error"
    )

    _pending_idx = models.Index("(id) WHERE is_pending")
    _hash_idx = models.Index("(address_hash, until)")
