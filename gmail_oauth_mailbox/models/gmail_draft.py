from datetime import timedelta

from odoo import api, fields, models

# What was begun and never touched goes after this time.
UNTOUCHED_LIFE = timedelta(days=1)


class GmailDraft(models.Model):
    """A mail that its owner writes in the panel, kept until it has gone out.

    While it waits, for the seconds in which it can be taken back or for the time that
    she chose, it has its row in Odoo's mail queue. Whatever goes wrong there, the text
    is still here.
    """

    _name = "gmail.draft"
    _inherit = "gmail.owned"
    _description = "Gmail Draft"
    _order = "write_date desc, id desc"
    _rec_name = "subject"

    answered_id = fields.Many2one(
        "gmail.message",
        "Answered Message",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The message that it answers or passes on",
    )
    thread_id = fields.Many2one(
        "gmail.thread", readonly=True, index="btree_not_null", ondelete="set null"
    )
    mode = fields.Selection(
        [
            ("new", "New"),
            ("reply", "Reply"),
            ("reply_all", "Reply All"),
            ("forward", "Forward"),
        ],
        required=True,
        readonly=True,
    )
    # Letters and digits; its Message-ID is made of it.
    key = fields.Char(required=True, readonly=True)
    email_from = fields.Char(readonly=True, help="Its mailbox's address, or an alias")
    to = fields.Text(readonly=True)
    cc = fields.Text(readonly=True)
    bcc = fields.Text(readonly=True)
    subject = fields.Char(readonly=True)
    # Pictures stand in it: lists read the preview.
    body = fields.Html(readonly=True, sanitize_style=True, prefetch=False)
    preview = fields.Char(readonly=True)
    writer = fields.Char(readonly=True, help="Where it was changed last")
    is_quoting = fields.Boolean(readonly=True, help="The answered text goes with it.")
    is_touched = fields.Boolean(readonly=True, help="Somebody wrote in it.")
    state = fields.Selection(
        [("draft", "Draft"), ("waiting", "Waiting")],
        required=True,
        readonly=True,
        default="draft",
    )
    send_at = fields.Datetime(readonly=True)
    error_message = fields.Char(readonly=True, help="Why it did not go out")
    mail_id = fields.Many2one(
        "mail.mail", readonly=True, index="btree_not_null", ondelete="set null"
    )
    attachment_ids = fields.One2many(
        "ir.attachment",
        "res_id",
        readonly=True,
        domain=[("res_model", "=", "gmail.draft")],
    )

    @api.autovacuum
    def _gc_untouched(self):
        if self.env["gmail.version"]._is_outdated():
            return
        old = fields.Datetime.now() - UNTOUCHED_LIFE
        self.sudo().search(
            [
                ("is_touched", "=", False),
                ("state", "=", "draft"),
                ("write_date", "<", old),
            ]
        ).unlink()

    @api.model
    def panel_begin(self, mode, message_id=False, mailbox_id=False, to=False):
        """Begin a mail, or go on with the one that was begun as an answer.

        :param mode: ``new``, ``reply``, ``reply_all`` or ``forward``
        :param message_id: the message that it answers or passes on
        :param mailbox_id: the caller's mailbox that a new mail is written from
        :param to: addresses for a new mail
        :return: see ``panel_read``
        """
        return self.env["gmail.compose"]._begin(mode, message_id, mailbox_id, to)

    @api.model
    def panel_list(self):
        """Return the caller's drafts and what waits, newest first: list of dict."""
        return self.env["gmail.compose"]._list()

    @api.model
    def panel_recipients(self, text):
        """Return people to write to whose name or address has the words."""
        return self.env["gmail.compose"]._complete(text)

    def panel_read(self):
        """Return all that the writer shows."""
        return self.env["gmail.compose"]._read(self._own())

    def panel_save(self, values, writer=False, seen=False):
        """Keep what was written.

        :param values: any of to, cc, bcc, subject, body, is_quoting, email_from
        :param writer: name of the place where it is written, such as one tab
        :param seen: the ``writer`` that was read there
        :raises UserError: it was changed in another place since
        """
        return self.env["gmail.compose"]._save(self._own(), values, writer, seen)

    def panel_templates(self):
        """Return the templates that fit: [{"id", "name"}]."""
        return self.env["gmail.compose"]._templates(self._own())

    def panel_send(self, send_at=False):
        """Put the mail into the queue; it leaves after some seconds, or at a time.

        :param send_at: UTC, ``YYYY-MM-DD HH:MM:SS``
        :return: {"seconds": until it leaves, "warning": a sentence or False}
        :raises UserError: what is wrong with it; nothing is lost
        """
        return self.env["gmail.compose"]._send(self._own(), send_at)

    def panel_flush(self):
        """Have it leave now.

        :return: {"sent": bool, "state": of what did not leave, "thread_id": its
            conversation, "message": why it did not leave, or False}
        """
        return self.env["gmail.compose"]._flush(self._own())

    def panel_undo(self):
        """Take it back before it has left; return ``panel_read``, or False when it has
        gone out."""
        return self.env["gmail.compose"]._undo(self._own())

    def panel_discard(self):
        """Delete it."""
        return self.env["gmail.compose"]._discard(self._own())

    def panel_remove_file(self, attachment_id):
        """Take an attachment out; return ``panel_read``."""
        return self.env["gmail.compose"]._remove_file(self._own(), attachment_id)

    def panel_apply_template(self, template_id):
        """Write what a template says; return ``panel_read``."""
        return self.env["gmail.compose"]._apply_template(self._own(), template_id)

    def _own(self):
        """Return the draft (sudo); it may have gone out meanwhile.

        :raises AccessError: it is somebody else's
        """
        self.ensure_one()
        own = self.exists()
        own.check_access("read")
        return own.sudo()
