from odoo import fields, models


class GmailEntry(models.Model):
    """What the chatter of a record shows of an email, made from one copy of it."""

    _name = "gmail.entry"
    _description = "Shared Gmail Message"
    _allow_sudo_commands = False
    _log_access = False

    mail_key = fields.Char(required=True)
    digest = fields.Char(
        help="Copies with this digest show the same; see gmail.message. Empty for an "
        "entry of an earlier version that was not compared since."
    )
    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)
    message_id = fields.Many2one(
        "gmail.message",
        "Made From",
        index="btree_not_null",
        ondelete="set null",
        help="The only copy that the entry shows; empty when it was deleted",
    )
    copy_number = fields.Integer(help="Id of that copy, kept when it is deleted")
    mailbox_id = fields.Many2one(
        "gmail.mailbox",
        index="btree_not_null",
        ondelete="set null",
        help="The mailbox of that copy",
    )
    former = fields.Char(
        index="btree_not_null", help="User and address of the deleted mailbox"
    )
    mail_message_id = fields.Many2one(
        "mail.message",
        index=True,
        ondelete="set null",
        help="Empty when a user deleted it: it is not posted again.",
    )
    kind = fields.Selection(
        [("note", "Note"), ("reply", "Answer"), ("stock", "Odoo's own")],
        required=True,
        help="What Odoo itself posted is never changed.",
    )
    level = fields.Char()
    is_folded = fields.Boolean(help="It differs from the entry before it.")
    is_wanted = fields.Boolean(help="As on the link of its copy")
    addresses = fields.Text(
        help="Addresses in From, To, and Cc, normalized; also used by an erasure"
    )
    is_list = fields.Boolean(help="Its copy came by a mailing list.")
    header_date = fields.Datetime(help="Date header of its copy")
    date = fields.Datetime()
    direction = fields.Selection([("in", "Received"), ("out", "Sent")])
    is_automated = fields.Boolean()

    _once = models.Constraint(
        "UNIQUE(mail_key, digest, res_model, res_id)",
        "A record shows an email once.",
    )
    _document_idx = models.Index("(res_model, res_id, date)")
