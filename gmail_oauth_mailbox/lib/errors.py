"""What can go wrong with Google: one class for each way to react.

::

    GoogleError
    ├── RetryLater              wait, then do the same again
    │   ├── QuotaSpent          our own meter says so; nothing was sent
    │   ├── ConcurrencyLimit    fewer requests at once
    │   ├── SendingLimit        sending waits, reading goes on
    │   └── Unreachable         no answer; ``sent_maybe`` tells whether it arrived
    ├── ReconnectNeeded         the owner has to consent again
    │   ├── AccessBlocked          after her Workspace's administrator allows it
    │   └── TokenContextMismatch   the stored token belongs to somewhere else
    ├── PermissionMissing       a scope was not granted, or Gmail is off for the user
    ├── CursorExpired           census and difference
    ├── Gone                    the item does not exist any more
    ├── ConfigurationWrong      stop all mailboxes, keep their tokens
    │   ├── KeyMissing             this host does not hold the encryption key
    │   └── CopiedDatabase         these tokens are another database's
    ├── BadItem                 leave this one out, go on with the others
    ├── RequestRefused          a mistake in the request; repeating does not help
    └── AccessTokenRejected     renew the access token, once

``str()`` of each is safe to show and to log: it holds no token, no address and
nothing of an answer's body but Google's short reason.

Sources: Google's guides "Resolve errors" (Gmail API) and "Using OAuth 2.0 for Web
Server Applications"; RFC 6749, 5.2; RFC 9110, 10.2.3 (Retry-After).
"""

import json
import re
import traceback
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

SAFE_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
RETRY_AFTER_TEXT = re.compile(r"retry after (\d{4}-\d\d-\d\dT[0-9:.]+)Z?", re.I)
# Google may name a time far away; nothing is put off longer than a day at once.
LONGEST_WAIT = 24 * 3600.0

ITEM_METHODS = frozenset(
    {
        "gmail.users.messages.get",
        "gmail.users.threads.get",
        "gmail.users.messages.attachments.get",
        "gmail.users.messages.send",
    }
)
HISTORY = "gmail.users.history.list"
SEND = "gmail.users.messages.send"


class GoogleError(Exception):
    """Something that Google, or the way to it, did not do.

    :ivar status: HTTP status, 0 without an answer
    :ivar reason: Google's reason, such as ``userRateLimitExceeded``, or ""
    :ivar code: short word for logs and for the user's report; never empty
    """

    default_kind = ""

    def __init__(self, message="", *, status=0, reason="", kind=""):
        self.status = status
        self.reason = reason
        self.kind = kind or self.default_kind
        super().__init__(message or self.code)

    @property
    def code(self):
        if self.kind or self.reason:
            return self.kind or self.reason
        return str(self.status) if self.status else type(self).__name__


class RetryLater(GoogleError):
    """Wait, then do the same again.

    :ivar seconds: how long Google asks to wait, or None when it does not say
    :ivar scope: who has to wait: ``mailbox`` or ``project``
    """

    def __init__(self, message="", *, seconds=None, scope="mailbox", **details):
        super().__init__(message, **details)
        self.seconds = seconds
        self.scope = scope


class QuotaSpent(RetryLater):
    """Our own meter says wait: nothing was sent."""

    default_kind = "quota"


class ConcurrencyLimit(RetryLater):
    """Too many requests of one user at once (429); send fewer at a time."""


class SendingLimit(RetryLater):
    """Gmail's limit of sent mail is reached, for up to a day. Reading goes on."""


class Unreachable(RetryLater):
    """No usable answer came.

    :ivar sent_maybe: whether Google may have acted on the request
    """

    default_kind = "unreachable"

    def __init__(self, message="", *, sent_maybe=True, **details):
        super().__init__(message, **details)
        self.sent_maybe = sent_maybe


class ReconnectNeeded(GoogleError):
    """The refresh token is dead or missing; only the owner can help.

    :ivar kind: as far as Google tells: ``invalid_rapt`` (a Workspace wants a new
        sign-in), ``account_deleted``, ``missing``, else ``invalid_grant``
    """


class AccessBlocked(ReconnectNeeded):
    """The administrator of the user's Workspace does not allow this application."""

    default_kind = "admin_policy_enforced"


class TokenContextMismatch(ReconnectNeeded):
    """A stored token was sealed for another mailbox, account, database or origin."""

    default_kind = "token_context"


class PermissionMissing(GoogleError):
    """The owner did not grant this, or her Workspace has switched it off."""


class CursorExpired(GoogleError):
    """The historyId, or the sync token of contacts, is too old: compare all of them."""


class Gone(GoogleError):
    """The message, attachment or conversation does not exist any more."""


class ConfigurationWrong(GoogleError):
    """The set-up of this Odoo or of its Google project is wrong."""


class KeyMissing(ConfigurationWrong):
    """This host does not hold the key that the tokens are encrypted with."""

    default_kind = "key_missing"


class CopiedDatabase(ConfigurationWrong):
    """This database was copied or moved: nobody said yet that it may act."""

    default_kind = "copied_database"


class BadItem(GoogleError):
    """Google, or what it answered, is unable to give this one item."""


class RequestRefused(GoogleError):
    """Google finds the request itself wrong."""


class AccessTokenRejected(GoogleError):
    """The access token is out of date or revoked (401)."""


def place(error):
    """Return where an unexpected error arose, for the log: functions and lines, and
    nothing of its text, which may quote mail or a code."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__} at {where}"


# ----------------------------------------------------------------------
# Gmail's answers
# ----------------------------------------------------------------------

CONFIGURATION_REASONS = {
    "accessnotconfigured": "api_disabled",
    "service_disabled": "api_disabled",
    "projectnotlinked": "api_disabled",
    "consumer_invalid": "project_invalid",
    "billing_disabled": "billing_disabled",
}
PERMISSION_REASONS = frozenset(
    {"insufficientpermissions", "access_token_scope_insufficient", "forbidden"}
)
PROJECT_LIMIT_REASONS = frozenset(
    {"dailylimitexceeded", "quotaexceeded", "dailylimitexceededunreg"}
)
LIMIT_REASONS = frozenset(
    {
        "ratelimitexceeded",
        "rate_limit_exceeded",
        "userratelimitexceeded",
        "resource_exhausted",
    }
)
# Of a refused send: for sent mail too, Google may only say "User-rate limit exceeded",
# and name a moment hours away.
SENDING_TEXTS = ("sending", "daily user", "user-rate limit")


def from_response(method, status, headers=None, body=b"", *, now=None):
    """Return the error that an answer of the Gmail API stands for.

    :param method: id of the method in the discovery document, such as
        ``gmail.users.history.list``
    :param headers: mapping of the answer's headers
    :param body: bytes or str of the answer
    :param now: aware datetime, for a wait that Google states as a point in time
    :return: an exception, not raised
    """
    found = _google_error(body)
    text = found.text
    details = {"status": status, "reason": found.reason}
    wait = _wait(headers, text, now)
    reason = found.reason.lower()
    if reason == "expired_sync_token":
        # 400 or 410: the reason counts.
        return CursorExpired("the sync token is too old", **details)
    if status == 401:
        return AccessTokenRejected("Google does not accept the access token", **details)
    if status in (403, 429):
        return _refused_for_now(method, status, reason, text, wait, details)
    if status >= 500 or status == 408:
        # Google's front end may fail after the mail has gone out.
        kind = Unreachable if method == SEND else RetryLater
        return kind(f"Google answered {status}", seconds=wait, **details)
    if 300 <= status < 400 or status < 200:
        return RetryLater(f"Google answered {status}", seconds=wait, **details)
    if status == 400 and reason == "failedprecondition":
        if "mail service not enabled" in text:
            return AccessBlocked(
                "Gmail is switched off for this account",
                **details,
                kind="mail_service_off",
            )
        return RetryLater(
            "Google's precondition check failed", seconds=wait or 10.0, **details
        )
    if status in (404, 410) and found.is_google:
        if method == HISTORY:
            return CursorExpired("the cursor is too old", **details)
        if method in ITEM_METHODS:
            return Gone("it does not exist any more", **details)
    if status == 400 and "inner request count exceeds" in text:
        return RequestRefused("the batch is too big", **details, kind="too_many_parts")
    if method in ITEM_METHODS and method != SEND:
        return BadItem(f"Google refuses this item ({status})", **details)
    return RequestRefused(f"Google refuses the request ({status})", **details)


def _refused_for_now(method, status, reason, text, wait, details):
    """Tell apart the answers 403 and 429."""
    if reason == "domainpolicy":
        return AccessBlocked(
            "the Workspace's administrator does not allow it",
            **details,
            kind="domain_policy",
        )
    if reason in CONFIGURATION_REASONS:
        kind = CONFIGURATION_REASONS[reason]
        return ConfigurationWrong(
            "Google's project or Workspace does not allow this", **details, kind=kind
        )
    if reason in PERMISSION_REASONS:
        return PermissionMissing("this was not granted at Google", **details)
    if "too many concurrent requests" in text:
        return ConcurrencyLimit(
            "too many requests at once", seconds=wait, **details, kind="concurrency"
        )
    if method == SEND and any(words in text for words in SENDING_TEXTS):
        return SendingLimit(
            "Gmail's sending limit is reached", seconds=wait or 3600.0, **details
        )
    if reason in PROJECT_LIMIT_REASONS:
        return RetryLater(
            "the daily quota of the Google project is spent",
            seconds=wait or 3600.0,
            scope="project",
            **details,
        )
    if status == 429 or reason in LIMIT_REASONS:
        per_user = reason == "userratelimitexceeded" or "user" in text
        return RetryLater(
            "Google's quota is spent for now",
            seconds=wait,
            scope="mailbox" if per_user or "quota" not in text else "project",
            **details,
        )
    # A proxy's page, or a reason that Google's guide does not name: nothing to ask
    # the owner for.
    return RetryLater(f"Google answered {status}", seconds=wait, **details)


# ----------------------------------------------------------------------
# Answers of the token and revocation endpoints
# ----------------------------------------------------------------------

TOKEN_CONFIGURATION = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "deleted_client",
        "disabled_client",
        "redirect_uri_mismatch",
        "invalid_scope",
        "org_internal",
    }
)
TOKEN_TRANSIENT = frozenset(
    {"temporarily_unavailable", "internal_failure", "server_error", "rate_limited"}
)


def from_token_response(status, headers=None, body=b"", *, now=None):
    """Return the error that an answer of an OAuth endpoint stands for.

    :param headers: mapping of the answer's headers
    :return: an exception, not raised
    """
    answer = _json_object(body)
    error = _code(answer.get("error"))
    details = {"status": status, "reason": error}
    wait = _wait(headers, "", now)
    if error == "admin_policy_enforced":
        return AccessBlocked(
            "the Workspace's administrator does not allow it", **details
        )
    if error == "invalid_grant":
        # invalid_rapt and the like say that a Workspace asks for a new sign-in.
        kind = _code(answer.get("error_subtype")) or error
        if "account has been deleted" in str(answer.get("error_description")).lower():
            kind = "account_deleted"
        return ReconnectNeeded("Google has ended the access", **details, kind=kind)
    if error in TOKEN_CONFIGURATION:
        return ConfigurationWrong(
            "Google refuses the client of this Odoo", **details, kind=error
        )
    if (
        error in TOKEN_TRANSIENT
        or status >= 500
        or status in (403, 408, 429)
        or status < 400
    ):
        return RetryLater(f"Google answered {status}", seconds=wait, **details)
    return RequestRefused(f"Google refuses the request ({status})", **details)


# ----------------------------------------------------------------------
# Reading Google's JSON
# ----------------------------------------------------------------------


class _Found:
    __slots__ = ("is_google", "reason", "text")

    def __init__(self, is_google, reason, text):
        self.is_google = is_google
        self.reason = reason
        self.text = text


def _json_object(body):
    try:
        answer = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(value):
    """Return ``value`` when it is a plain word, which is safe to show, else ""."""
    return value if isinstance(value, str) and SAFE_CODE.fullmatch(value) else ""


def _google_error(body):
    """Return what Google's JSON says. The text (lower case) stays in this module.

    Both of Google's shapes occur: ``errors[].reason`` (Gmail's own) and
    ``details[].reason`` of google.rpc.ErrorInfo, which is the more exact one.
    """
    error = _json_object(body).get("error")
    if not isinstance(error, dict):
        return _Found(False, "", "")
    message = error.get("message")
    texts = [message] if isinstance(message, str) else []
    reasons = []
    for key in ("details", "errors"):
        items = error.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                reasons.append(_code(item.get("reason")))
                if isinstance(item.get("message"), str):
                    texts.append(item["message"])
    reasons.append(_code(error.get("status")))
    reason = next(filter(None, reasons), "")
    if reason == "FAILED_PRECONDITION":
        reason = "failedPrecondition"
    return _Found(True, reason, " ".join(texts)[:2000].lower())


def _wait(headers, text, now):
    """Return the seconds that Google asks to wait, or None."""
    now = now or datetime.now(timezone.utc)
    until = None
    value = ""
    for name, content in (headers or {}).items():
        if name.lower() == "retry-after":
            value = str(content).strip()
    try:
        if value.isdigit():
            return min(float(value[:9]), LONGEST_WAIT)
        if value:
            until = parsedate_to_datetime(value)
        elif match := RETRY_AFTER_TEXT.search(text):
            # Python 3.10 reads no trailing Z and no fraction of one digit.
            until = datetime.fromisoformat(match[1].partition(".")[0].upper())
    except (ValueError, TypeError, OverflowError):
        return None
    if until is None:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)
