from odoo import api, fields, models

from .gmail_owned import SHARING_LEVELS


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
    sharing_level = fields.Selection(
        SHARING_LEVELS,
        "Shared",
        readonly=True,
        help="The owner's choice for this conversation, in place of the mailbox's",
    )
    sharing_chosen_at = fields.Datetime(
        readonly=True, help="When the owner last chose how much of it to share"
    )
    link_ids = fields.One2many("gmail.link", "thread_id", "Documents", readonly=True)
    message_ids = fields.One2many("gmail.message", "thread_id", readonly=True)

    _mailbox_gmail_id_unique = models.Constraint(
        "UNIQUE(mailbox_id, gmail_id)", "A conversation is stored once per mailbox."
    )
    _list_idx = models.Index("(mailbox_id, last_date DESC, id DESC)")
    # What the panel shows alone.
    _unread_idx = models.Index(
        "(mailbox_id, last_date DESC, id DESC) WHERE unread_count > 0"
    )
    _starred_idx = models.Index(
        "(mailbox_id, last_date DESC, id DESC) WHERE is_starred"
    )
    _files_idx = models.Index(
        "(mailbox_id, last_date DESC, id DESC) WHERE has_attachments"
    )

    def panel_read(self):
        """Return the conversation with its messages for the panel."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.panel"]._read_thread(self)

    def panel_remove(self):
        """Remove conversations from Odoo for good; Gmail keeps its own."""
        self.check_access("read")
        self.env["gmail.panel"]._remove_threads(self.sudo())

    def panel_documents(self):
        """Return the documents of the conversation, and who can read it."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.documents"]._state(self)

    def panel_find_documents(self, text):
        """Return documents to link it to: [{model, res_id, name, model_name}]."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.documents"]._find(self, text)

    def panel_link(self, model, res_id):
        """Link the conversation to a document; return ``panel_documents``."""
        self.ensure_one()
        self.check_access("read")
        self.env["gmail.documents"]._link(self, model, res_id)
        return self.panel_documents()

    def panel_unlink(self, model, res_id):
        """Take it out of a document, or refuse a suggestion."""
        self.ensure_one()
        self.check_access("read")
        self.env["gmail.documents"]._unlink(self, model, res_id)
        return self.panel_documents()

    def panel_make(self, model):
        """Create a document from the conversation; return {"res_id": its id, …
        ``panel_documents``}."""
        self.ensure_one()
        self.check_access("read")
        res_id = self.env["gmail.documents"]._make(self, model)
        return {"res_id": res_id, **self.panel_documents()}

    def panel_card(self, address):
        """Return what the card of somebody on the conversation shows."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.people"]._card(self, address)

    def panel_make_contact(self, address):
        """Create the contact of somebody on it; return ``panel_card``."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.people"]._make_contact(self, address)

    def panel_share(self, level):
        """Set how much of it colleagues see; False for what the mailbox says."""
        self.ensure_one()
        self.check_access("read")
        self.env["gmail.documents"]._share(self, level)
        return self.panel_documents()

    def panel_share_all(self, level):
        """Set how much of each colleagues see; False for what the mailbox says."""
        self.check_access("read")
        self.env["gmail.documents"]._share(self, level)

    @api.model
    def panel_emails(self, model, res_id, before=None):
        """Return a page of the emails of a document that the caller may see."""
        return self.env["gmail.emails"]._page(model, res_id, before)
