from odoo import fields, models


class GmailCensus(models.Model):
    """An id that Gmail listed while all of a mailbox was compared, page by page; gone
    when that is over. Kept by services/gmail_backfill.py."""

    _name = "gmail.census"
    _description = "Gmail Census"
    _rec_name = "gmail_id"
    _log_access = False
    _allow_sudo_commands = False

    mailbox_id = fields.Many2one("gmail.mailbox", required=True, ondelete="cascade")
    label = fields.Char(help="Gmail id of the label listed; empty for all mail")
    gmail_id = fields.Char("Gmail Id", required=True)
    thread_id = fields.Char(help="Gmail id of the conversation, as listed")

    _list_idx = models.Index("(mailbox_id, label, gmail_id)")
