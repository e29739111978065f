from werkzeug.exceptions import NotFound

from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request


class GmailExportController(http.Controller):
    """The owner's download of her own mail."""

    @http.route(
        "/gmail_oauth_mailbox/export/<int(min=1, max=2147483647):mailbox_id>",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def export(self, mailbox_id):
        try:
            name, entries = request.env["gmail.export"]._file(mailbox_id)
        except (AccessError, MissingError):
            # The same whether there is such a mailbox or not.
            raise NotFound() from None
        return request.make_response(
            entries,
            [
                ("Content-Type", "application/mbox"),
                ("Content-Disposition", content_disposition(name)),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
