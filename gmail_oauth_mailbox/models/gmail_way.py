from odoo import fields, models


class GmailWay(models.Model):
    """What leads emails to a record without their owner's act, and whose act made it
    lead there: see lib/rules/consent.py.

    A snapshot, compared with contacts and settings in the background, so that writing
    a contact costs nothing. A way that ends stays as a row: what it led somewhere is
    still asked about.
    """

    _name = "gmail.way"
    _description = "Way from Emails to a Record"
    _rec_name = "key"
    _allow_sudo_commands = False
    _log_access = False

    key = fields.Char(
        required=True,
        help="Such as address:carla@customer.example, domain:customer.example, rule:7",
    )
    signature = fields.Char(help="Where it leads; empty when it ended")
    since = fields.Datetime(help="Since when; empty for before it was first compared")
    actor_id = fields.Many2one(
        "res.users",
        ondelete="set null",
        help="Whose act made it lead there; empty when unknown",
    )

    _key_unique = models.Constraint("UNIQUE(key)", "A way is noted once.")
    # Those that every email is compared with; most rows are addresses.
    _general_idx = models.Index(
        "(id) WHERE split_part(key, ':', 1) IN ('own', 'exclusion')"
    )
