from odoo import fields, models


class GmailMessage(models.Model):
    """A message of a mailbox, as Gmail holds it.

    ``body`` was sanitised when it was taken in (lib/sanitize.py); it is shown in a
    sandboxed frame only, never in a view.
    """

    _name = "gmail.message"
    _inherit = "gmail.owned"
    _description = "Gmail Message"
    _order = "date desc, id desc"
    _rec_name = "subject"

    # Every look-up by mailbox has the unique index below.
    mailbox_id = fields.Many2one(index=False)
    thread_id = fields.Many2one(
        "gmail.thread", required=True, readonly=True, ondelete="cascade"
    )
    gmail_id = fields.Char("Gmail Id", required=True, readonly=True)
    message_id = fields.Char("Message-ID", readonly=True, index="btree_not_null")
    sent_message_id = fields.Char(
        "Message-ID in Odoo",
        readonly=True,
        index="btree_not_null",
        help="Gmail may replace the Message-ID of what it sends; this is Odoo's own.",
    )
    send_ref = fields.Char(
        "Send Reference",
        readonly=True,
        index="btree_not_null",
        help="X-Odoo-Gmail-Send of mail that left through Odoo",
    )
    in_reply_to = fields.Char(readonly=True)
    references = fields.Text(readonly=True)
    subject = fields.Char(readonly=True)
    date = fields.Datetime(readonly=True)
    direction = fields.Selection(
        [("in", "Received"), ("out", "Sent")], required=True, readonly=True
    )
    from_name = fields.Char(readonly=True)
    from_email = fields.Char(readonly=True)
    reply_to = fields.Char(readonly=True, help="Names and addresses of Reply-To")
    snippet = fields.Char(readonly=True)
    # Large: not read along with what a list shows.
    body = fields.Html(readonly=True, sanitize=False, prefetch=False)
    is_folded = fields.Boolean(
        readonly=True, help="The text is long; only its beginning is stored."
    )
    participants_left_out = fields.Integer(
        readonly=True, help="How many people it names beyond those that are stored"
    )
    has_remote_images = fields.Boolean(readonly=True)
    size = fields.Integer("Size (bytes)", readonly=True)
    is_unread = fields.Boolean(readonly=True)
    is_starred = fields.Boolean(readonly=True)
    has_attachments = fields.Boolean(readonly=True)
    label_ids = fields.Many2many("gmail.label", readonly=True)
    participant_ids = fields.One2many("gmail.participant", "message_id", readonly=True)
    attachment_ids = fields.One2many("gmail.attachment", "message_id", readonly=True)
    mail_key = fields.Char(
        readonly=True,
        index="btree_not_null",
        help="What copies of one email in several mailboxes share: Message-ID and From",
    )
    header_date = fields.Datetime(
        readonly=True, help="The Date header; empty when unknown"
    )
    content_digest = fields.Char(
        readonly=True,
        help="The same for copies that show the same; computed when they are compared",
    )
    is_authentic = fields.Boolean(
        readonly=True,
        help="Sent from one of the owner's verified addresses, or Gmail vouches for it",
    )
    is_bcc = fields.Boolean(readonly=True, help="It doesn't name the owner.")
    is_list = fields.Boolean("By List", readonly=True, help="A mailing list sent it.")
    is_automated = fields.Boolean(
        readonly=True, help="No person wrote it, or it went to very many."
    )
    failed_recipients = fields.Text(
        readonly=True, help="Addresses that a mail did not reach, of a report on it"
    )
    search_text = fields.Text(
        readonly=True,
        prefetch=False,
        help="Subject, people and words, for the full-text index",
    )

    _mailbox_gmail_id_unique = models.Constraint(
        "UNIQUE(mailbox_id, gmail_id)", "A message is stored once per mailbox."
    )
    _search_idx = models.Index("USING gin (search_vector)")
    _thread_date_idx = models.Index("(thread_id, date, id)")
    # How many left in a day.
    _sent_idx = models.Index("(mailbox_id, date) WHERE direction = 'out'")

    def _add_sql_constraints(self):
        # The words of a message, made once: looking through the newest messages takes
        # a tenth of what making them anew for each would. The index is on it.
        self.env.cr.execute(
            "ALTER TABLE gmail_message ADD COLUMN IF NOT EXISTS search_vector tsvector"
            " GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, search_text))"
            " STORED"
        )
        return super()._add_sql_constraints()

    def panel_pictures(self):
        """Return the pictures in the text, {Content-ID: data URL}."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.files"]._pictures(self.sudo())

    def panel_images(self, always=False):
        """Return the document of the frame with its remote images.

        :param always: for all mail of this sender, from now on
        """
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.panel"]._with_images(self.sudo(), bool(always))

    def panel_whole(self):
        """Return the document of the frame with all of a folded text."""
        self.ensure_one()
        self.check_access("read")
        return self.env["gmail.panel"]._whole(self.sudo())
