from odoo import fields, models


class GmailVote(models.Model):
    """An owner's explicit choice how much of an email is shared. No row is no choice.

    It outlives the message, so that an email that an owner keeps private stays private
    after they delete it in Gmail.
    """

    _name = "gmail.vote"
    _description = "Sharing Choice for a Gmail Message"
    _allow_sudo_commands = False
    _log_access = False

    mail_key = fields.Char(required=True)
    mailbox_id = fields.Many2one("gmail.mailbox", index=True, ondelete="set null")
    former = fields.Char(
        index="btree_not_null", help="User and address of the deleted mailbox"
    )
    addresses = fields.Char(help="Verified addresses of the deleted mailbox")
    header_date = fields.Datetime(
        help="Date header of the copies; empty when unknown or when they differ"
    )
    level = fields.Char(required=True)
    is_veto = fields.Boolean(help="Its conversation is always private.")

    _once = models.Constraint(
        "UNIQUE(mail_key, mailbox_id)", "A mailbox has one choice for an email."
    )
