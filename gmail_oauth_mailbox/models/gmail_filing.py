from odoo import fields, models


class GmailFiling(models.Model):
    """A mailbox says that a mail belongs to a document.

    It outlives the message: who deletes a mail in Gmail, or leaves, does not take it
    out of the company's records.
    """

    _name = "gmail.filing"
    _description = "Filed Gmail Message"
    _allow_sudo_commands = False
    _log_access = False

    mail_key = fields.Char(required=True)
    mailbox_id = fields.Many2one("gmail.mailbox", index=True, ondelete="set null")
    former = fields.Char(
        index="btree_not_null", help="User and address of the mailbox that is gone"
    )
    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)
    kind = fields.Selection(
        [("note", "Note"), ("reply", "Answer"), ("sent", "Sent from it")], required=True
    )
    notify = fields.Boolean(help="Followers learn of the answer.")
    parent_id = fields.Integer(help="The mail.message that it answers")

    _once = models.Constraint(
        "UNIQUE(mail_key, mailbox_id, res_model, res_id)", "A mail is filed once."
    )
    _document_idx = models.Index("(res_model, res_id)")
