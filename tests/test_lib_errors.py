"""Each answer of Google leads to the error that says what to do about it."""

import json
from datetime import datetime, timezone

import pytest

from odoo.addons.gmail_oauth_mailbox.lib import errors

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
GET = "gmail.users.messages.get"
LIST = "gmail.users.messages.list"
HISTORY = "gmail.users.history.list"
SEND = "gmail.users.messages.send"


def google(message="", reason="", info=None, status=""):
    """Return Google's JSON of an error."""
    error = {"code": 0, "message": message, "status": status}
    if reason:
        error["errors"] = [{"reason": reason, "message": message, "domain": "x"}]
    if info:
        error["details"] = [{"@type": "google.rpc.ErrorInfo", "reason": info}]
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("method", "status", "body", "kind"),
    [
        (GET, 400, google("Invalid id value", "invalidArgument"), errors.BadItem),
        (LIST, 400, google("Invalid query", "badRequest"), errors.RequestRefused),
        (
            LIST,
            400,
            google("Mail service not enabled", "failedPrecondition"),
            errors.AccessBlocked,
        ),
        (
            LIST,
            400,
            google("Precondition check failed.", status="FAILED_PRECONDITION"),
            errors.RetryLater,
        ),
        (LIST, 401, google("Invalid", "authError"), errors.AccessTokenRejected),
        (LIST, 401, b"", errors.AccessTokenRejected),
        (
            LIST,
            403,
            google("Insufficient", "insufficientPermissions"),
            errors.PermissionMissing,
        ),
        (
            LIST,
            403,
            google("x", "forbidden", info="ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
            errors.PermissionMissing,
        ),
        (LIST, 403, google("x", "userRateLimitExceeded"), errors.RetryLater),
        (LIST, 403, google("x", "rateLimitExceeded"), errors.RetryLater),
        (LIST, 403, google("x", "dailyLimitExceeded"), errors.RetryLater),
        (LIST, 403, google("x", "domainPolicy"), errors.AccessBlocked),
        (LIST, 403, google("x", "somethingNew"), errors.RetryLater),
        (LIST, 403, b"<html>a proxy's page</html>", errors.RetryLater),
        (LIST, 403, google("x", "accessNotConfigured"), errors.ConfigurationWrong),
        (
            LIST,
            403,
            google("x", "forbidden", info="SERVICE_DISABLED"),
            errors.ConfigurationWrong,
        ),
        (HISTORY, 404, google("not found", "notFound"), errors.CursorExpired),
        (HISTORY, 404, b"<html>", errors.RequestRefused),
        (GET, 404, google("not found", "notFound"), errors.Gone),
        (GET, 410, google("gone", "deleted"), errors.Gone),
        (SEND, 404, google("not found", "notFound"), errors.Gone),
        (LIST, 404, google("not found", "notFound"), errors.RequestRefused),
        (
            GET,
            429,
            google("Too many concurrent requests for user", "rateLimitExceeded"),
            errors.ConcurrencyLimit,
        ),
        (
            SEND,
            429,
            google("User-rate limit exceeded (Mail sending)", "rateLimitExceeded"),
            errors.SendingLimit,
        ),
        (
            SEND,
            403,
            google("User-rate limit exceeded.  Retry after x", "rateLimitExceeded"),
            errors.SendingLimit,
        ),
        (LIST, 429, b"", errors.RetryLater),
        (LIST, 500, google("x", "backendError"), errors.RetryLater),
        (LIST, 503, b"", errors.RetryLater),
        (SEND, 502, b"", errors.Unreachable),
        (SEND, 400, google("Invalid To header", "invalidArgument"), None),
        (SEND, 413, b"", errors.RequestRefused),
        (LIST, 302, b"", errors.RetryLater),
    ],
)
def test_gmail_answers(method, status, body, kind):
    error = errors.from_response(method, status, {}, body, now=NOW)
    assert type(error) is (kind or errors.RequestRefused)
    assert error.status == status
    assert error.code


def test_the_longest_wait_that_google_names_is_kept():
    """Retry-After in seconds or as a date, or the moment within the text."""
    text = "User-rate limit exceeded.  Retry after 2026-11-24T12:15:00.123Z"
    for headers, body, seconds in [
        ({"Retry-After": "30"}, b"", 30),
        ({"retry-after": "Tue, 24 Nov 2026 12:01:00 GMT"}, b"", 60),
        ({}, google(text, "userRateLimitExceeded"), 900),
        ({"Retry-After": "999999999"}, b"", 24 * 3600),
        ({"Retry-After": "soon"}, b"", None),
        ({"Retry-After": "Tue, 24 Nov 2026 11:00:00 GMT"}, b"", 0),
    ]:
        error = errors.from_response(LIST, 429, headers, body, now=NOW)
        assert error.seconds == seconds


def test_who_has_to_wait():
    per_user = google(
        "Quota exceeded for quota metric 'Queries' and limit "
        "'Queries per minute per user'",
        "rateLimitExceeded",
    )
    per_project = google(
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'",
        "rateLimitExceeded",
    )
    for body, scope in [
        (per_user, "mailbox"),
        (per_project, "project"),
        (google("x", "userRateLimitExceeded"), "mailbox"),
        (google("x", "dailyLimitExceeded"), "project"),
        (b"", "mailbox"),
    ]:
        status = 429 if not body else 403
        assert errors.from_response(LIST, status, {}, body).scope == scope


def test_a_failed_upload_may_have_gone_out():
    assert errors.from_response(SEND, 503, {}, b"").sent_maybe is True


@pytest.mark.parametrize(
    ("status", "content", "kind", "code"),
    [
        (400, {"error": "invalid_grant"}, errors.ReconnectNeeded, "invalid_grant"),
        (
            400,
            {"error": "invalid_grant", "error_subtype": "invalid_rapt"},
            errors.ReconnectNeeded,
            "invalid_rapt",
        ),
        (401, {"error": "invalid_client"}, errors.ConfigurationWrong, "invalid_client"),
        (
            401,
            {"error": "unauthorized_client"},
            errors.ConfigurationWrong,
            "unauthorized_client",
        ),
        (
            400,
            {"error": "redirect_uri_mismatch"},
            errors.ConfigurationWrong,
            "redirect_uri_mismatch",
        ),
        (400, {"error": "invalid_request"}, errors.RequestRefused, "invalid_request"),
        (503, None, errors.RetryLater, "503"),
        (429, {"error": "rate_limited"}, errors.RetryLater, "rate_limited"),
        (400, {"error": "internal_failure"}, errors.RetryLater, "internal_failure"),
        (200, None, errors.RetryLater, "200"),
        (400, ["odd"], errors.RequestRefused, "400"),
    ],
)
def test_token_answers(status, content, kind, code):
    body = json.dumps(content).encode() if content is not None else b"<html>"
    error = errors.from_token_response(status, {}, body)
    assert type(error) is kind
    assert error.code == code


def test_nothing_of_the_body_shows():
    """Neither text nor a reason that is no plain word reaches str(), repr or code."""
    secret = "anna@example.com ya29.secret"
    for body in (
        google(secret, secret, info=secret, status=secret),
        json.dumps({"error": secret, "error_subtype": secret}).encode(),
        secret.encode(),
    ):
        for status in (200, 302, 400, 401, 403, 404, 429, 500):
            for error in (
                errors.from_response(GET, status, {}, body),
                errors.from_response(SEND, status, {}, body),
                errors.from_token_response(status, {}, body),
            ):
                shown = f"{error} {error!r} {error.code} {error.reason} {error.args}"
                assert "secret" not in shown
                assert "anna" not in shown


def test_reactions_are_inherited():
    """What treats a RetryLater treats its special cases too."""
    for special in (errors.ConcurrencyLimit, errors.Unreachable, errors.SendingLimit):
        assert issubclass(special, errors.RetryLater)
    assert issubclass(errors.KeyMissing, errors.ConfigurationWrong)
    assert issubclass(errors.TokenContextMismatch, errors.ReconnectNeeded)
    assert errors.ReconnectNeeded("no token", kind="missing").code == "missing"
    assert str(errors.KeyMissing("no key")) == "no key"
    assert errors.BadItem().code == "BadItem"
