from odoo import fields, models


class GmailVote(models.Model):
    """An owner's explicit choice how much of a mail is shared; no row is no vote.

    It outlives the message, so that a mail that somebody kept private does not come to
    light when she deletes it in Gmail.
    """

    _name = "gmail.vote"
    _description = "Choice for a Gmail Message"
    _allow_sudo_commands = False
    _log_access = False

    mail_key = fields.Char(required=True)
    mailbox_id = fields.Many2one("gmail.mailbox", index=True, ondelete="set null")
    former = fields.Char(
        index="btree_not_null", help="User and address of the mailbox that is gone"
    )
    level = fields.Char(required=True)
    is_veto = fields.Boolean()
    is_vouched = fields.Boolean(help="Her copy is from whom it says.")

    _once = models.Constraint("UNIQUE(mail_key, mailbox_id)", "A mailbox votes once.")
