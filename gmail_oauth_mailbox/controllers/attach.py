import json

from odoo import http
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import request


class GmailAttachController(http.Controller):
    """Files that the owner puts into a draft: as a form, since JSON would hold them
    in memory three times."""

    @http.route(
        "/gmail_oauth_mailbox/attach/<int(min=1, max=2147483647):draft_id>",
        type="http",
        auth="user",
        methods=["POST"],
    )
    def attach(self, draft_id, **_form):
        files = (
            (file.filename, file.read(), file.mimetype)
            for file in request.httprequest.files.getlist("ufile")
        )
        try:
            answer = request.env["gmail.compose"]._attach(draft_id, files)
        except (AccessError, MissingError, UserError) as error:
            # Nothing of what came before stays.
            request.env.cr.rollback()
            answer = {"error": str(error)}
        return request.make_response(
            json.dumps(answer),
            [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
        )
