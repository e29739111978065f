from odoo import api, fields, models
from odoo.fields import Domain

from odoo.addons.mail.models.fetchmail import MAIL_SERVER_DOMAIN


class FetchmailServer(models.Model):
    """The incoming record of a mailbox: a handle for administrators.

    A personal mailbox never goes through ``message_process``: it would mark mail as
    read, drop it without a route, or create records. Every road of the stock
    gateway therefore leads to the mailbox's own synchronisation, or nowhere.
    """

    _inherit = "fetchmail.server"

    server_type = fields.Selection(
        selection_add=[("gmail_mailbox", "Gmail mailbox")],
        ondelete={"gmail_mailbox": "cascade"},
    )
    gmail_mailbox_id = fields.Many2one(
        "gmail.mailbox", readonly=True, copy=False, index=True, ondelete="cascade"
    )

    def _compute_server_type_info(self):
        own = self.filtered(lambda server: server.server_type == "gmail_mailbox")
        own.server_type_info = self.env._(
            "Made when a user connected a Gmail mailbox. Mail is synchronised by "
            "scheduled actions and stays private to its owner."
        )
        return super(FetchmailServer, self - own)._compute_server_type_info()

    def _connect__(self, allow_archived=False):  # noqa: PLW3201
        self.ensure_one()
        if self.server_type != "gmail_mailbox":
            return super()._connect__(allow_archived=allow_archived)
        return self.env["gmail.oauth"]._test_connection(self.sudo().gmail_mailbox_id)

    def _fetch_mail(self, batch_limit=50):
        own = self.filtered(lambda server: server.server_type == "gmail_mailbox")
        # The stock gateway's cron passes its id; the mailboxes have crons of their
        # own. "Fetch Now" of an administrator wakes those.
        if not self.env.context.get("cron_id"):
            self.env["gmail.scheduler"]._wake(own.sudo().gmail_mailbox_id)
        others = self - own
        if others or not own:
            return super(FetchmailServer, others)._fetch_mail(batch_limit=batch_limit)
        return None

    @api.model
    def _update_cron(self):
        # Stock switches its cron on for every confirmed server, ours included.
        if self.env.context.get("fetchmail_cron_running"):
            return
        cron = self.env.ref(
            "mail.ir_cron_mail_gateway_action", raise_if_not_found=False
        )
        if cron:
            cron.toggle(
                model=self._name,
                domain=MAIL_SERVER_DOMAIN
                & Domain("server_type", "!=", "gmail_mailbox"),
            )
