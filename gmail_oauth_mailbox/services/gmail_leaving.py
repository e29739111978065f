from datetime import timedelta

from odoo import api, fields, models

# Messages deleted in one transaction.
PAGE = 1000


class GmailLeaving(models.AbstractModel):
    """What becomes of mail whose owner left: what she shared stays, what was private is
    deleted after a while, and nobody sees it before."""

    _name = "gmail.leaving"
    _description = "Gmail of Users who Left"

    @api.model
    def _note(self, users):
        """Note which of the users left now, and which are back."""
        mailboxes = self.env["gmail.mailbox"].sudo()
        mailboxes = mailboxes.search([("user_id", "in", users.ids)])
        gone = mailboxes.filtered(lambda m: not m.user_id.active or m.user_id.share)
        gone.filtered(lambda m: not m.left_at).left_at = fields.Datetime.now()
        (mailboxes - gone).filtered("left_at").left_at = False

    @api.model
    def _cron_delete(self):
        """Delete the mailboxes whose owners left long enough ago, page by page."""
        days = self.env["gmail.setup"]._leaver_days()
        if not days or self.env["gmail.setup"]._disabled():
            return
        commit_progress = self.env["ir.cron"]._commit_progress
        limit = fields.Datetime.now() - timedelta(days=days)
        due = self.env["gmail.mailbox"].sudo().search([("left_at", "<=", limit)])
        store = self.env["gmail.store"].sudo()
        for mailbox in due:
            while (
                messages := self.env["gmail.message"]
                .sudo()
                .search([("mailbox_id", "=", mailbox.id)], limit=PAGE)
            ):
                gmail_ids = messages.mapped("gmail_id")
                store._refresh_threads(store._forget(mailbox, gmail_ids))
                if not commit_progress(1):
                    return
            while self.env["gmail.contact.visibility"]._leave(mailbox.user_id):
                if not commit_progress(1):
                    return
            mailbox._delete()
            if not commit_progress(1):
                return
        visibility = self.env["gmail.contact.visibility"].sudo()
        for user in visibility._left(limit):
            while visibility._leave(user):
                if not commit_progress(1):
                    return
