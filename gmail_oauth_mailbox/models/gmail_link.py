from odoo import fields, models


class GmailLink(models.Model):
    """A document that a conversation belongs to, or might.

    It says nothing about who may read the mail: see gmail.vote and gmail.entry.
    """

    _name = "gmail.link"
    _inherit = "gmail.owned"
    _description = "Document of a Gmail Conversation"
    _order = "id"
    # Not the document's name: whoever may read the link need not read that.
    _rec_name = "res_model"

    thread_id = fields.Many2one(
        "gmail.thread", required=True, readonly=True, ondelete="cascade"
    )
    res_model = fields.Char("Document Model", required=True, readonly=True)
    res_id = fields.Many2oneReference(
        "Document", model_field="res_model", required=True, readonly=True
    )
    state = fields.Selection(
        [("linked", "Linked"), ("suggested", "Suggested"), ("removed", "Removed")],
        required=True,
        readonly=True,
        help="What its owner removed is not linked by itself again.",
    )
    origin = fields.Selection(
        [
            ("sent", "Sent from it"),
            ("reply", "Answers its mail"),
            ("contact", "Contact"),
            ("company", "Company"),
            ("rule", "Rule"),
            ("hand", "By hand"),
            ("made", "Made from it"),
        ],
        required=True,
        readonly=True,
    )
    reason = fields.Selection(
        [
            ("unverified", "The sender could not be verified"),
            ("stranger", "The sender isn't involved in this record"),
            ("named", "It answers another email"),
            ("private", "Your sharing setting keeps it private"),
            ("several", "Several records have this name"),
        ],
        readonly=True,
        help="Why it is only suggested",
    )
    way = fields.Char(readonly=True, help="What led here: see gmail.way")

    # Every look-up by conversation has it too.
    _document_unique = models.Constraint(
        "UNIQUE(thread_id, res_model, res_id)", "A document is linked once."
    )
    _document_idx = models.Index("(res_model, res_id)")
