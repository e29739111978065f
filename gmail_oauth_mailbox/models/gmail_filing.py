from odoo import fields, models


class GmailFiling(models.Model):
    """A mailbox links its copy of an email to a record.

    It goes with the copy. What the record shows by then stays: see gmail.entry.
    """

    _name = "gmail.filing"
    _description = "Linked Gmail Message"
    _allow_sudo_commands = False
    _log_access = False

    message_id = fields.Many2one("gmail.message", required=True, ondelete="cascade")
    mailbox_id = fields.Many2one(
        "gmail.mailbox", required=True, index=True, ondelete="cascade"
    )
    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)
    kind = fields.Selection(
        [("note", "Note"), ("reply", "Answer"), ("sent", "Sent from it")], required=True
    )
    is_wanted = fields.Boolean(
        help="The owner wrote the email that it answers, or linked the answer by hand."
    )
    is_internal = fields.Boolean(
        help="Its people were all colleagues once: the record never shows it, even "
        "after one of them leaves."
    )
    notify = fields.Boolean(help="Followers are notified of the answer.")
    parent_id = fields.Integer(help="The mail.message that it answers")
    offer_id = fields.Many2one(
        "gmail.offer",
        index="btree_not_null",
        ondelete="set null",
        help="Its owner is asked first, so the record doesn't show it.",
    )

    # Deleting a message looks it up by the first column.
    _once = models.Constraint(
        "UNIQUE(message_id, res_model, res_id)", "A message is linked to a record once."
    )
    _document_idx = models.Index("(res_model, res_id)")
