import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.exceptions import NotFound

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from ..log_filters import CALLBACK

HEADERS = [("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store")]


class GmailOauthController(http.Controller):
    """The two doors of the OAuth road. Both answer with a redirect at once."""

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
            url = request.env["gmail.oauth"]._start(
                authorization_id, request.session, self._return_url()
            )
        except UserError as error:
            return self._page(str(error))
        response = request.redirect(url, local=False)
        response.headers.extend(HEADERS)
        return response

    # Public, so that a lost session gets a sentence instead of a login page with the
    # code in its address; gmail.oauth checks session, user and state itself.
    @http.route(CALLBACK, type="http", auth="public", methods=["GET"], csrf=False)
    def callback(self, **params):
        attempt, problem = (
            request.env["gmail.oauth"].sudo()._finish(params, request.session)
        )
        if problem:
            return self._page(problem)
        parts = urlsplit(attempt.return_url or "/odoo")
        query = dict(parse_qsl(parts.query))
        query["gmail_oauth_mailbox"] = str(attempt.id)
        url = urlunsplit(("", "", parts.path, urlencode(query), ""))
        response = request.redirect(url)
        response.headers.extend(HEADERS)
        return response

    def _return_url(self):
        """Return where the user was, when that is a page of this Odoo's client."""
        referrer = urlsplit(request.httprequest.referrer or "")
        here = referrer.netloc == request.httprequest.host
        if here and re.match(r"/(odoo|web)(/|$)", referrer.path):
            return urlunsplit(("", "", referrer.path, referrer.query, ""))
        return "/odoo"

    def _page(self, message):
        response = request.render(
            "gmail_oauth_mailbox.outcome_page",
            {
                "message": message,
                "test_mode": request.env["gmail.oauth"]._test_mode(),
            },
        )
        response.headers.extend(HEADERS)
        return response
