from odoo import fields, models


class GmailAct(models.Model):
    """Who last changed where a contact or a record leads emails: see gmail.way.

    A record's own "last updated by" doesn't tell: Odoo writes there, too, as whoever
    happens to trigger a computation. A row is of one user, so that no transaction waits
    for another.
    """

    _name = "gmail.act"
    _description = "Change of Where Emails Lead"
    _allow_sudo_commands = False
    _log_access = False

    res_model = fields.Char(required=True)
    res_id = fields.Integer(required=True)
    user_id = fields.Many2one(
        "res.users",
        ondelete="set null",
        help="Empty when unknown, or when the user was deleted since",
    )
    at = fields.Datetime(required=True, help="Of the last such change, in UTC")
    is_compared = fields.Boolean(help="The snapshot of all contacts has it.")

    _once = models.Constraint(
        "UNIQUE(res_model, res_id, user_id)", "A user has one row for a record."
    )
    _fresh_idx = models.Index("(res_id) WHERE is_compared IS NOT TRUE")
