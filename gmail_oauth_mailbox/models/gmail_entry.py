from odoo import fields, models


class GmailEntry(models.Model):
    """What stands of a mail in the chatter of a document, once."""

    _name = "gmail.entry"
    _description = "Shared Gmail Message"
    _allow_sudo_commands = False
    _log_access = False

    mail_key = fields.Char(required=True)
    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)
    mail_message_id = fields.Many2one(
        "mail.message",
        index=True,
        ondelete="set null",
        help="Empty when somebody deleted it by hand: it does not come back.",
    )
    kind = fields.Selection(
        [("note", "Note"), ("reply", "Answer"), ("stock", "Odoo's own")],
        required=True,
        help="What Odoo itself posted is never changed.",
    )
    level = fields.Char()
    addresses = fields.Text(help="Who wrote to whom, normalised; for an erasure")
    date = fields.Datetime()
    direction = fields.Selection([("in", "Received"), ("out", "Sent")])
    is_automated = fields.Boolean()

    _once = models.Constraint(
        "UNIQUE(mail_key, res_model, res_id)", "A mail stands in a document once."
    )
    _document_idx = models.Index("(res_model, res_id, date)")
