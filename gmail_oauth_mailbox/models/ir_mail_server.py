from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..lib.mime.addresses import address_key
from ..parsers import email_normalize


class IrMailServer(models.Model):
    """The outgoing record of a mailbox.

    ``owner_user_id`` stays empty (it is unique per user, wants the user's own
    address, and Odoo deletes such records daily), so the overrides below keep the
    record from becoming everybody's fallback server.
    """

    _inherit = "ir.mail_server"

    smtp_authentication = fields.Selection(
        selection_add=[("gmail_mailbox", "Gmail mailbox")],
        ondelete={"gmail_mailbox": "cascade"},
    )
    gmail_mailbox_id = fields.Many2one(
        "gmail.mailbox", readonly=True, copy=False, index=True, ondelete="cascade"
    )

    def _compute_smtp_authentication_info(self):
        own = self.filtered(lambda s: s.smtp_authentication == "gmail_mailbox")
        own.smtp_authentication_info = self.env._(
            "Made when a user connected a Gmail mailbox. Only mail that its owner "
            "writes from this address leaves through it."
        )
        return super(IrMailServer, self - own)._compute_smtp_authentication_info()

    @api.onchange("smtp_authentication", "smtp_encryption")
    def _onchange_gmail_mailbox(self):
        if self.smtp_authentication == "gmail_mailbox" and not self.gmail_mailbox_id:
            self.smtp_authentication = "login"
            return {
                "warning": {
                    "title": self.env._("Gmail mailbox"),
                    "message": self.env._(
                        "Such a server is made when a user connects a mailbox: "
                        "choose Add new mailbox in the preferences."
                    ),
                }
            }
        return None

    @api.constrains("smtp_authentication", "gmail_mailbox_id", "from_filter")
    def _check_gmail_mailbox(self):
        for server in self:
            own = server.smtp_authentication == "gmail_mailbox"
            if own != bool(server.gmail_mailbox_id):
                raise UserError(
                    self.env._(
                        "The outgoing record of a Gmail mailbox is made and removed "
                        "with its mailbox."
                    )
                )
            if own and server.from_filter != server.gmail_mailbox_id.email:
                raise UserError(
                    self.env._("A Gmail mailbox sends from its own address only.")
                )

    def _find_mail_server_allowed_domain(self):
        return super()._find_mail_server_allowed_domain() & Domain(
            "gmail_mailbox_id", "=", False
        )

    @api.model
    def _filter_mail_servers_fallback(self, servers):
        servers = super()._filter_mail_servers_fallback(servers)
        return servers.filtered(lambda server: not server.gmail_mailbox_id)

    def _check_forced_mail_server(self, mail_server, allow_archived, smtp_from):
        super()._check_forced_mail_server(mail_server, allow_archived, smtp_from)
        mailbox = mail_server.gmail_mailbox_id
        if not mailbox:
            return
        self.env["gmail.version"]._check()
        sender = address_key(email_normalize(smtp_from))
        if sender not in map(address_key, mailbox._addresses()):
            raise UserError(
                self.env._(
                    "%(server)s sends from %(address)s only.",
                    server=mail_server.display_name,
                    address=mailbox.email,
                )
            )
        problem = self.env["gmail.sender"]._why_not(mailbox)
        if problem:
            raise UserError(problem)

    def _connect__(  # noqa: PLW3201
        self,
        host=None,
        port=None,
        user=None,
        password=None,
        encryption=None,
        smtp_from=None,
        ssl_certificate=None,
        ssl_private_key=None,
        smtp_debug=False,
        mail_server_id=None,
        allow_archived=False,
    ):
        server = self.sudo().browse(mail_server_id or ())
        if not server.gmail_mailbox_id or self._disable_send():
            return super()._connect__(
                host=host,
                port=port,
                user=user,
                password=password,
                encryption=encryption,
                smtp_from=smtp_from,
                ssl_certificate=ssl_certificate,
                ssl_private_key=ssl_private_key,
                smtp_debug=smtp_debug,
                mail_server_id=mail_server_id,
                allow_archived=allow_archived,
            )
        self._check_forced_mail_server(server, allow_archived, smtp_from)
        return self.env["gmail.sender"]._session(server.gmail_mailbox_id, smtp_from)
