from odoo import fields, models


class GmailPending(models.Model):
    """Work left for filing and sharing: insert-only, so that no mailbox waits for
    another.

    A row names a message to be filed, or a mail whose entries are to be compared with
    what they should be, or, with neither, a mailbox whose votes are to be counted anew.
    """

    _name = "gmail.pending"
    _description = "Pending Gmail Work"
    _allow_sudo_commands = False
    _log_access = False

    mailbox_id = fields.Many2one("gmail.mailbox", index=True, ondelete="cascade")
    message_id = fields.Many2one("gmail.message", index=True, ondelete="cascade")
    is_new = fields.Boolean(help="It came as new mail, not with older mail.")
    asked_by_id = fields.Many2one(
        "gmail.mailbox",
        index="btree_not_null",
        ondelete="set null",
        help="Whose act it is: other mailboxes with the email don't learn of it.",
    )
    mail_key = fields.Char(index="btree_not_null")
    attempts = fields.Integer()
    retry_at = fields.Datetime()
    deaths = fields.Integer(
        help="How often the work on it alone has begun after a worker's death"
    )
