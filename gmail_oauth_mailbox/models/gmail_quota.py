from odoo import fields, models


class GmailQuota(models.Model):
    """What was spent of Google's quota lately: one row for each mailbox, and one,
    without a mailbox, for the Google project. Kept by services/gmail_meter.py.

    Not on the mailbox itself: these rows change in transactions of their own, many
    times while a page of mail is being stored.
    """

    _name = "gmail.quota"
    _description = "Gmail Quota"
    _rec_name = "mailbox_id"
    _allow_sudo_commands = False

    mailbox_id = fields.Many2one("gmail.mailbox", ondelete="cascade", index=True)
    quota_window = fields.Json(help="Units of the last minute; see lib/quota.py")
    day = fields.Char(help="The day, in Google's time zone, that day_units are of")
    day_units = fields.Integer("Units Today")
    paused_until = fields.Datetime(help="Google asked for silence until then.")
    paused_code = fields.Char(help="Google's reason, or the kind of our error")
    failures = fields.Integer(help="In a row, of the project")

    _mailbox_unique = models.UniqueIndex("((COALESCE(mailbox_id, 0)))")
