import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.exceptions import NotFound

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from ..log_filters import CALLBACK

HEADERS = [("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store")]


class GmailOauthController(http.Controller):
    """The two doors of the OAuth road, which answer with a redirect at once, and the
    page for those who cannot be sent back to where they were."""

    @http.route(
        "/gmail_oauth_mailbox/start/<int:authorization_id>",
        type="http",
        auth="user",
        methods=["GET"],
    )
    def start(self, authorization_id):
        if not request.env.user._is_internal():
            raise NotFound()
        try:
            url = request.env["gmail.connect"]._start(
                authorization_id, request.session, self._return_url()
            )
        except UserError:
            return self._redirect("/gmail_oauth_mailbox/ended/start")
        return self._redirect(url, local=False)

    # Public, so that a lost session gets a sentence instead of a login page with the
    # code in its address; gmail.connect checks session, user and state itself.
    @http.route(CALLBACK, type="http", auth="public", methods=["GET"], csrf=False)
    def callback(self, **params):
        attempt, ending = (
            request.env["gmail.connect"].sudo()._finish(params, request.session)
        )
        if ending:
            # Not here: the address of this page holds code and state.
            return self._redirect(f"/gmail_oauth_mailbox/ended/{ending}")
        parts = urlsplit(attempt.return_url or "/odoo")
        query = dict(parse_qsl(parts.query))
        query["gmail_oauth_mailbox"] = str(attempt.id)
        return self._redirect(urlunsplit(("", "", parts.path, urlencode(query), "")))

    @http.route(
        "/gmail_oauth_mailbox/ended/<string:ending>",
        type="http",
        auth="public",
        methods=["GET"],
    )
    def ended(self, ending):
        response = request.render(
            "gmail_oauth_mailbox.outcome_page",
            {
                "message": request.env["gmail.wording"].sudo()._ending(ending),
                "test_mode": request.env["gmail.setup"].sudo()._test_mode(),
            },
        )
        response.headers.extend(HEADERS)
        return response

    @staticmethod
    def _return_url():
        """Return where the user was, when that is a page of this Odoo's client."""
        referrer = urlsplit(request.httprequest.referrer or "")
        here = referrer.netloc == request.httprequest.host
        if here and re.fullmatch(r"/odoo(/.*)?|/web", referrer.path):
            return urlunsplit(("", "", referrer.path, referrer.query, ""))
        return "/odoo"

    @staticmethod
    def _redirect(url, local=True):
        response = request.redirect(url, local=local)
        response.headers.extend(HEADERS)
        return response
