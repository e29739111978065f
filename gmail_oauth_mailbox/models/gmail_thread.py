from odoo import fields, models


class GmailThread(models.Model):
    """A conversation of a mailbox; its counters are kept by services/gmail_store.py."""

    _name = "gmail.thread"
    _inherit = "gmail.owned"
    _description = "Gmail Conversation"
    _order = "last_date desc, id desc"
    _rec_name = "subject"

    # Every look-up by mailbox has the unique index below.
    mailbox_id = fields.Many2one(index=False)
    gmail_id = fields.Char("Gmail Id", required=True, readonly=True)
    subject = fields.Char(readonly=True)
    participants = fields.Char(readonly=True)
    snippet = fields.Char(readonly=True)
    last_date = fields.Datetime(readonly=True)
    message_count = fields.Integer(readonly=True)
    unread_count = fields.Integer(readonly=True)
    is_starred = fields.Boolean(readonly=True)
    has_attachments = fields.Boolean(readonly=True)
    message_ids = fields.One2many("gmail.message", "thread_id", readonly=True)

    _mailbox_gmail_id_unique = models.Constraint(
        "UNIQUE(mailbox_id, gmail_id)", "A conversation is stored once per mailbox."
    )
    _list_idx = models.Index("(mailbox_id, last_date DESC, id DESC)")
    _unread_idx = models.Index("(mailbox_id) WHERE unread_count > 0")

    def panel_read(self):
        """Return the conversation with its messages for the panel."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.panel"]._read_thread(self)

    def panel_remove(self):
        """Remove the conversation from Odoo for good; Gmail keeps its own."""
        self.ensure_one()
        self.check_access("read")
        self.env["gmail.panel"]._remove_thread(self.sudo())

    def panel_outbox(self, mail_id, action):
        """Deal with an answer in this conversation that has not gone out.

        :param mail_id: as ``panel_read`` gave it
        :param action: ``send`` or ``discard``
        """
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.panel"]._deal_with(self, mail_id, action)
