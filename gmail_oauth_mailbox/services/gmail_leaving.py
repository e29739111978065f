import logging
from datetime import timedelta

from odoo import api, fields, models

from ..lib import errors

_logger = logging.getLogger(__name__)

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
        self.env["ir.cron"]._commit_progress()
        limit = fields.Datetime.now() - timedelta(days=days)
        due = self.env["gmail.mailbox"].sudo().search([("left_at", "<=", limit)])
        visibility = self.env["gmail.contact.visibility"].sudo()
        for mailbox in due:
            if not self._try(self._delete_mailbox, mailbox):
                return
        for user in visibility._left(limit):
            if not self._try(self._delete_contacts, user):
                return

    def _try(self, delete, record):
        """Run a deletion page by page; one that fails keeps back no other.

        :param delete: function of a record, which yields at the end of each page
        :return: whether there is time left
        """
        commit_progress = self.env["ir.cron"]._commit_progress
        record_id = record.id
        try:
            for _page in delete(record):
                if not commit_progress(1):
                    return False
        except Exception as error:  # noqa: BLE001
            self.env.cr.rollback()
            place = errors.place(error)
            _logger.error("%s %s isn't deleted: %s", record._name, record_id, place)
        return True

    def _delete_mailbox(self, mailbox):
        store = self.env["gmail.store"].sudo()
        while (
            messages := self.env["gmail.message"]
            .sudo()
            .search([("mailbox_id", "=", mailbox.id)], limit=PAGE)
        ):
            gmail_ids = messages.mapped("gmail_id")
            store._refresh_threads(store._forget(mailbox, gmail_ids))
            yield
        yield from self._delete_contacts(mailbox.user_id)
        mailbox._delete()
        yield

    def _delete_contacts(self, user):
        while self.env["gmail.contact.visibility"].sudo()._leave(user):
            yield
