from odoo import fields, models


class GmailTombstone(models.Model):
    """A message that its owner removed from Odoo: nothing brings it back."""

    _name = "gmail.tombstone"
    _description = "Removed Gmail Message"
    _rec_name = "gmail_id"
    _allow_sudo_commands = False

    # Every look-up by mailbox has the unique index below.
    mailbox_id = fields.Many2one("gmail.mailbox", required=True, ondelete="cascade")
    gmail_id = fields.Char("Gmail Id", required=True)

    _mailbox_gmail_id_unique = models.Constraint(
        "UNIQUE(mailbox_id, gmail_id)", "A message is removed once."
    )
