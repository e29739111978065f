"""The Gmail API: paths, answers and errors as Google's reference gives them."""

import base64
import functools
import html
import json
import re
import secrets
import zlib

from googleapiclient import discovery_cache

from . import quota
from .faults import FIRST_PAGE
from .query import BadQuery, compile_query
from .store import SYSTEM_LABELS, b64, unb64

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    501: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
INLINE_TEXT = ("text/plain", "text/html")
LARGEST = 36_700_160
# Stands for an attachment's id until it is thrown; no message can hold it.
MARK = secrets.token_hex(16)
MARKED = re.compile(f'{MARK}([0-9.]*)"'.encode())


class ApiError(Exception):
    """An answer in Google's error JSON.

    :param more: what else the error holds, or holds instead of what its code implies
    """

    def __init__(self, code, reason, text, headers=None, *, domain="global", **more):
        super().__init__(text)
        self.status = code
        self.headers = headers or {}
        error = {
            "code": code,
            "message": text,
            "errors": [{"message": text, "domain": domain, "reason": reason}],
            "status": STATUS.get(code, "UNKNOWN"),
        }
        if reason == "insufficientPermissions":
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                    "domain": "googleapis.com",
                    "metadata": {"service": "gmail.googleapis.com"},
                }
            ]
        error.update(more)
        self.body = {"error": error}


def unauthenticated():
    return ApiError(
        401,
        "authError",
        "Request had invalid authentication credentials. Expected OAuth 2 access "
        "token, login cookie or other valid authentication credential.",
        {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
    )


def api_disabled(title="Gmail API", service="gmail.googleapis.com"):
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project=1"
    return ApiError(
        403,
        "accessNotConfigured",
        f"{title} has not been used in project 1 before or it is disabled. Enable it "
        f"by visiting {url} then retry. If you enabled this API recently, wait a few "
        "minutes for the action to propagate to our systems and retry.",
        domain="usageLimits",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [
                    {
                        "description": "Google developers console API activation",
                        "url": url,
                    }
                ],
            },
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {
                    "service": service,
                    "consumer": "projects/1",
                },
            },
        ],
    )


RATE_LIMITS = {
    "user_per_minute": "Queries per minute per user",
    "project_per_minute": "Queries per minute",
}


def spent(store, limit, free):
    """Return the error of a call that the quota does not allow.

    :param free: when there is room again, in seconds
    """
    if limit == "project_per_day":
        text = (
            "Daily Limit Exceeded. The quota will be reset at midnight Pacific Time "
            "(PT)."
        )
        return ApiError(403, "dailyLimitExceeded", text, domain="usageLimits")
    if limit == "user_per_minute" and store.quota_answer == "retry_after_text":
        text = f"User-rate limit exceeded.  Retry after {quota.moment(free)}"
        return ApiError(403, "userRateLimitExceeded", text, domain="usageLimits")
    name = RATE_LIMITS[limit]
    return ApiError(
        429,
        "rateLimitExceeded",
        f"Quota exceeded for quota metric 'Queries' and limit '{name}' of service "
        "'gmail.googleapis.com' for consumer 'project_number:1'.",
        domain="global",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "googleapis.com",
                "metadata": {
                    "service": "gmail.googleapis.com",
                    "consumer": "projects/1",
                    "quota_metric": "gmail.googleapis.com/default",
                    "quota_limit_value": str(quota.limits_of(store)[limit]),
                },
            }
        ],
    )


def too_many():
    text = "Too many concurrent requests for user"
    return ApiError(429, "rateLimitExceeded", text, domain="usageLimits")


def not_found():
    return ApiError(404, "notFound", "Requested entity was not found.")


def check_id(value):
    """Ids are hexadecimal numbers of 64 bits; others are no ids at all."""
    if not re.fullmatch("[0-9a-f]{1,16}", value):
        raise ApiError(400, "invalidArgument", "Invalid id value")


class Call:
    """One call: who, with what, on what."""

    def __init__(self, store, method, path, query, headers, body):
        self.store = store
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.account = None
        self.granted = frozenset()
        # Whether there is room for it beside the user's other calls.
        self.room = True

    def first(self, name, default=None):
        values = self.query.get(name)
        return values[0] if values else default

    def number(self, name, default, most):
        value = self.first(name)
        if value is None:
            return default
        if not value.isdigit():
            raise ApiError(400, "invalidArgument", f"Invalid value for {name}")
        return max(1, min(int(value), most))

    def json(self):
        if not self.body:
            return {}
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise ApiError(400, "parseError", "Parse Error") from error
        if not isinstance(found, dict):
            raise ApiError(400, "parseError", "Parse Error")
        return found

    def message(self, message_id):
        check_id(message_id)
        message = self.account.messages.get(message_id)
        if not message or message.given_at > self.store.now():
            raise not_found()
        return message


ROUTES = []


@functools.cache
def _methods(api):
    """Return (compiled path, method) of all methods of a discovery document, uploads
    too, by HTTP method and depth of the path: their scopes and parameters are what is
    allowed here."""
    document = json.loads(discovery_cache.get_static_doc(api, "v1"))
    common = set(document["parameters"]) | {"uploadType", "upload_protocol"}
    found = {}

    def walk(resource):
        for method in resource.get("methods", {}).values():
            paths = [f"/{method.get('flatPath', method['path'])}"]
            protocols = method.get("mediaUpload", {}).get("protocols", {})
            paths += [protocol["path"] for protocol in protocols.values()]
            parameters = set(method["parameters"]) | common
            for path in paths:
                pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
                found.setdefault((method["httpMethod"], path.count("/")), []).append(
                    (re.compile(pattern), {**method, "parameters": parameters})
                )
        for child in resource.get("resources", {}).values():
            walk(child)

    walk(document)
    return found


def method_of(http_method, path, api="gmail"):
    """Return the discovery document's method for a path, or None."""
    for pattern, method in _methods(api).get((http_method, path.count("/")), ()):
        if pattern.fullmatch(path):
            return method
    return None


def route(method, pattern):
    """Register a function for a method and a path below users/{user}."""

    def register(function):
        ROUTES.append((method, re.compile(f"/{pattern}"), function))
        return function

    return register


def access_of(store, authorization):
    """Return (account, scopes) of a request's Authorization, or None."""
    kind, _blank, token = authorization.partition(" ")
    return store.access(token) if kind.lower() == "bearer" else None


def dispatch(call):
    """Return (status, body or None) of a call; raises ApiError."""
    access = access_of(call.store, call.headers.get("authorization", ""))
    if not access:
        raise unauthenticated()
    account, granted = access
    if call.store.api_disabled:
        raise api_disabled()
    if account.domain_policy:
        text = "The domain administrators have disabled Gmail apps."
        raise ApiError(403, "domainPolicy", text)
    if not account.gmail:
        text = "Mail service not enabled"
        raise ApiError(400, "failedPrecondition", text, status="FAILED_PRECONDITION")
    found = re.fullmatch(r"(?:/upload)?/gmail/v1/users/([^/]+)(/.*)", call.path)
    method = method_of(call.method, call.path)
    if not found or not method:
        raise ApiError(404, "notFound", "Not Found")
    user, rest = found.groups()
    user = user.replace("%40", "@").lower()
    if user not in ("me", account.email):
        raise ApiError(403, "forbidden", f"Delegation denied for {account.email}")
    if granted.isdisjoint(method["scopes"]):
        raise ApiError(
            403,
            "insufficientPermissions",
            "Request had insufficient authentication scopes.",
            {"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )
    if not call.room:
        raise too_many()
    refused = quota.spend(call.store, account, method["id"])
    if refused:
        raise spent(call.store, *refused)
    for name in call.query:
        if name not in method["parameters"]:
            text = f'Invalid JSON payload received. Unknown name "{name}"'
            raise ApiError(400, "invalidArgument", text)
    call.account, call.granted = account, granted
    for verb, pattern, function in ROUTES:
        match = pattern.fullmatch(rest)
        if match and verb == call.method:
            with call.store.lock:
                return function(call, *match.groups())
    raise ApiError(501, "notImplemented", "The stand-in does not know this method")


# -- answers -----------------------------------------------------------


def attachment_id(message_id, part_id):
    """Return an id of an attachment; it differs each time."""
    key = f"{secrets.token_hex(12)}|{message_id}|{part_id}"
    return f"ANGjdJ{b64(key.encode())}"


def part_json(part):
    """Return one part of the payload, with marks in the place of attachment ids."""
    content = part.content()
    answer = {
        "partId": part.part_id,
        "mimeType": part.mimetype,
        "filename": part.filename,
        "headers": part.headers(),
        "body": {"size": len(content)},
    }
    if part.children:
        answer["parts"] = [part_json(child) for child in part.children]
    elif content:
        inline = part.mimetype in INLINE_TEXT and not part.filename
        if inline:
            content = recoded(part, content)
            answer["body"] = {"size": len(content), "data": b64(content)}
        else:
            answer["body"]["attachmentId"] = f"{MARK}{part.part_id}"
    return answer


def payload(message):
    """Return the payload as JSON; but for attachment ids it is made once."""
    if "payload" not in message.kept:
        whole = as_bytes(part_json(message.root))
        message.kept["payload"] = MARKED.split(whole)
    pieces = list(message.kept["payload"])
    for number in range(1, len(pieces), 2):
        found = attachment_id(message.id, pieces[number].decode())
        pieces[number] = f'{found}"'.encode()
    return b"".join(pieces)


def as_bytes(value):
    return json.dumps(value, ensure_ascii=False).encode()


def recoded(part, content):
    """Return text as UTF-8, as Gmail delivers it; its headers stay as they were."""
    if part_json.original:
        return content
    charset = part.message.get_content_charset() or "utf-8"
    try:
        return content.decode(charset, "replace").encode()
    except LookupError:
        return content.decode("utf-8", "replace").encode()


part_json.original = False


def snippet(message):
    """Return the beginning of the text, HTML-escaped as Gmail gives it."""
    if "snippet" not in message.kept:
        message.kept["snippet"] = html.escape(message.text()[:200])
    return message.kept["snippet"]


def prepare(account):
    """Make ahead what answers about the account's messages need."""
    for message in account.messages.values():
        snippet(message)
        payload(message)


def message_json(message, style, names=()):
    """Return a message as JSON, in bytes: most of it is made once, as benches ask for
    thousands."""
    answer = {
        "id": message.id,
        "threadId": message.thread_id,
        "labelIds": sorted(message.labels),
        "snippet": snippet(message),
        "sizeEstimate": message.size,
        "historyId": str(message.history_id),
        "internalDate": str(message.internal_date),
    }
    if style == "raw":
        more = b', "raw": "' + base64.urlsafe_b64encode(message.raw) + b'"}'
    elif style == "full":
        more = b', "payload": ' + payload(message) + b"}"
    elif style == "metadata":
        wanted = {name.lower() for name in names}
        headers = message.root.headers()
        if wanted:
            headers = [h for h in headers if h["name"].lower() in wanted]
        found = {"mimeType": message.root.mimetype, "headers": headers}
        more = b', "payload": ' + as_bytes(found) + b"}"
    elif style == "minimal":
        more = b"}"
    else:
        raise ApiError(400, "invalidArgument", "Invalid format")
    return as_bytes(answer).removesuffix(b"}") + more


def reference(message):
    return {"id": message.id, "threadId": message.thread_id}


def label_json(account, label_id, counts=False):
    name = account.labels[label_id]
    answer = {
        "id": label_id,
        "name": name,
        "type": "system" if label_id in SYSTEM_LABELS else "user",
    }
    if counts:
        members = [m for m in account.messages.values() if label_id in m.labels]
        unread = [m for m in members if "UNREAD" in m.labels]
        answer.update(
            messagesTotal=len(members),
            messagesUnread=len(unread),
            threadsTotal=len({m.thread_id for m in members}),
            threadsUnread=len({m.thread_id for m in unread}),
        )
    return answer


# -- reading -----------------------------------------------------------


@route("GET", "profile")
def profile(call):
    account = call.account
    return 200, {
        "emailAddress": account.email,
        "messagesTotal": len(account.messages),
        "threadsTotal": len({m.thread_id for m in account.messages.values()}),
        "historyId": str(call.account.history_id),
    }


@route("GET", "labels")
def labels_list(call):
    return 200, {"labels": [label_json(call.account, i) for i in call.account.labels]}


@route("GET", "labels/([^/]+)")
def labels_get(call, label_id):
    if label_id not in call.account.labels:
        raise not_found()
    return 200, label_json(call.account, label_id, counts=True)


@route("POST", "labels")
def labels_create(call):
    name = call.json().get("name")
    if not name or name in call.account.labels.values():
        raise ApiError(409, "aborted", "Label name exists or conflicts")
    label_id = f"Label_{len(call.account.labels)}"
    call.account.labels[label_id] = name
    return 200, label_json(call.account, label_id)


def selected(call):
    try:
        test, named = compile_query(call.first("q"), call.store, call.account)
    except (BadQuery, ValueError, TypeError) as error:
        raise ApiError(400, "invalidArgument", "Invalid query") from error
    labels = set(call.query.get("labelIds") or ())
    if labels - call.account.labels.keys():
        raise ApiError(400, "invalidArgument", "Invalid label")
    hidden = {"SPAM", "TRASH"} - labels
    if named or call.first("includeSpamTrash") == "true":
        hidden = set()
    messages = [
        m
        for m in call.account.messages.values()
        if labels <= m.labels and not hidden & m.labels and test(m)
    ]
    return sorted(messages, key=lambda m: (-m.internal_date, m.id))


def page_of(call, items, key):
    size = call.number("maxResults", 100, 500)
    start = 0
    token = call.first("pageToken")
    # A token belongs to the list that gave it.
    asked = {
        k: v for k, v in call.query.items() if k not in ("pageToken", "maxResults")
    }
    key = f"{key}{zlib.crc32(repr(sorted(asked.items())).encode()):x}"
    if token and token != FIRST_PAGE:
        try:
            owner, _colon, place = unb64(token).decode().partition(":")
            start = int(place)
        except (ValueError, UnicodeError) as error:
            raise ApiError(400, "invalidArgument", "Invalid pageToken") from error
        if owner != key:
            raise ApiError(400, "invalidArgument", "Invalid pageToken")
    answer = {"resultSizeEstimate": len(items)}
    page = items[start : start + size]
    if start + size < len(items):
        answer["nextPageToken"] = b64(f"{key}:{start + size}".encode())
    return page, answer


@route("GET", "messages")
def messages_list(call):
    page, answer = page_of(call, selected(call), "m")
    if page:
        answer["messages"] = [reference(m) for m in page]
    return 200, answer


@route("GET", "messages/([^/]+)")
def messages_get(call, message_id):
    message = call.message(message_id)
    style = call.first("format", "full").lower()
    return 200, message_json(message, style, call.query.get("metadataHeaders", ()))


@route("GET", "messages/([^/]+)/attachments/([^/]+)")
def attachments_get(call, message_id, attachment_id):
    message = call.message(message_id)
    try:
        key = unb64(attachment_id.removeprefix("ANGjdJ")).decode().split("|")
    except ValueError:
        key = []
    part_id = key[2] if len(key) == 3 and key[1] == message_id else None
    for part in message.root.walk():
        if part.part_id == part_id:
            content = part.content()
            return 200, {"size": len(content), "data": b64(content)}
    raise ApiError(400, "invalidArgument", "Invalid attachment token")


@route("GET", "threads")
def threads_list(call):
    messages = selected(call)
    newest = {}
    for message in messages:
        newest.setdefault(message.thread_id, message)
    page, answer = page_of(call, list(newest.values()), "t")
    if page:
        answer["threads"] = [
            {
                "id": m.thread_id,
                "snippet": snippet(m),
                "historyId": str(m.history_id),
            }
            for m in page
        ]
    return 200, answer


@route("GET", "threads/([^/]+)")
def threads_get(call, thread_id):
    check_id(thread_id)
    messages = call.store.thread(call.account, thread_id)
    messages = [m for m in messages if m.given_at <= call.store.now()]
    if not messages:
        raise not_found()
    style = call.first("format", "full").lower()
    names = call.query.get("metadataHeaders", ())
    answer = {
        "id": thread_id,
        "historyId": str(max(m.history_id for m in messages)),
    }
    members = b", ".join(message_json(m, style, names) for m in messages)
    whole = as_bytes(answer).removesuffix(b"}") + b', "messages": [' + members + b"]}"
    return 200, whole


@route("GET", "history")
def history_list(call):
    start = call.first("startHistoryId")
    if not start or not start.isdigit():
        raise ApiError(400, "invalidArgument", "Invalid startHistoryId")
    records = call.store.since(call.account, int(start))
    if records is None:
        raise not_found()
    kinds = {
        "messageAdded": "messagesAdded",
        "messageDeleted": "messagesDeleted",
        "labelAdded": "labelsAdded",
        "labelRemoved": "labelsRemoved",
    }
    wanted = {kinds[k] for k in call.query.get("historyTypes", kinds) if k in kinds}
    label = call.first("labelId")
    records = [
        r
        for r in records
        if r["kind"] in wanted and (not label or label in r["labels"] + r["changed"])
    ]
    page, answer = page_of(call, records, "h")
    del answer["resultSizeEstimate"]
    answer["historyId"] = str(call.account.history_id)
    if page:
        answer["history"] = [history_json(call.account, r) for r in page]
    return 200, answer


def history_json(account, record):
    message = account.messages.get(record["message"])
    thread = message.thread_id if message else record["thread"]
    message = {
        "id": record["message"],
        "threadId": thread,
        "labelIds": record["labels"],
    }
    item = {"message": message}
    if record["kind"].startswith("labels"):
        item["labelIds"] = record["changed"]
    return {
        "id": str(record["id"]),
        "messages": [{"id": record["message"], "threadId": thread}],
        record["kind"]: [item],
    }


@route("GET", "settings/sendAs")
def send_as_list(call):
    account = call.account
    return 200, {
        "sendAs": [
            {
                "sendAsEmail": address,
                "displayName": account.name,
                "replyToAddress": "",
                "signature": account.signature if address == account.email else "",
                "isPrimary": address == account.email,
                "isDefault": address == account.email,
                # Gmail says so of the addresses that a user added.
                **(
                    {}
                    if address == account.email
                    else {
                        "verificationStatus": (
                            "pending"
                            if address in account.pending_aliases
                            else "accepted"
                        )
                    }
                ),
            }
            for address in (account.email, *account.aliases)
        ]
    }


# -- writing -----------------------------------------------------------


def incoming_raw(call):
    """Return (resource, bytes) of an upload or of JSON with ``raw``."""
    content_type = call.headers.get("content-type", "")
    if not call.path.startswith("/upload/"):
        resource = call.json()
        try:
            raw = unb64(resource.get("raw") or "")
        except (ValueError, TypeError, AttributeError) as error:
            raise ApiError(400, "invalidArgument", "Invalid value for raw") from error
    elif content_type.startswith("message/rfc822"):
        resource, raw = {}, call.body
    elif content_type.startswith("multipart/related"):
        resource, raw = related(content_type, call.body)
    else:
        raise ApiError(400, "badContent", f"Media type '{content_type}' not supported")
    if not raw:
        raise ApiError(400, "invalidArgument", "'raw' RFC822 payload message string")
    if len(raw) > LARGEST:
        raise ApiError(413, "uploadTooLarge", "Request entity too large")
    return resource, raw


def related(content_type, body):
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    pieces = body.split(b"--" + boundary[1].encode())[1:3] if boundary else []
    if len(pieces) != 2:
        raise ApiError(400, "badContent", "Malformed multipart body.")
    contents = [re.split(rb"\r?\n\r?\n", piece, maxsplit=1)[1] for piece in pieces]
    try:
        resource = json.loads(contents[0])
    except ValueError as error:
        raise ApiError(400, "parseError", "Parse Error") from error
    return resource, contents[1].removesuffix(b"\n").removesuffix(b"\r")


@route("POST", "messages/send")
def messages_send(call):
    resource, raw = incoming_raw(call)
    thread_id = resource.get("threadId")
    if thread_id:
        joins = call.store.may_join(call.account, thread_id, raw)
        if joins is None:
            raise not_found()
        thread_id = thread_id if joins else None
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    if not re.search(rb"(?im)^(to|cc|bcc):", head):
        raise ApiError(400, "invalidArgument", "Recipient address required")
    message, _to = call.store.send(call.account, raw, thread_id)
    return 200, {**reference(message), "labelIds": sorted(message.labels)}


def put_in(call):
    from .store import date_of

    resource, raw = incoming_raw(call)
    labels = set(resource.get("labelIds") or ())
    if labels - call.account.labels.keys():
        raise ApiError(400, "invalidArgument", "Invalid label")
    date = None
    if call.first("internalDateSource", "receivedTime") == "dateHeader":
        date = date_of(raw, None)
    message = call.store.add(
        call.account, raw, labels, date=date, thread_id=resource.get("threadId")
    )
    return 200, {**reference(message), "labelIds": sorted(message.labels)}


@route("POST", "messages/import")
def messages_import(call):
    return put_in(call)


@route("POST", "messages")
def messages_insert(call):
    return put_in(call)


@route("POST", "messages/([^/]+)/modify")
def messages_modify(call, message_id):
    message = call.message(message_id)
    changes = call.json()
    add = changes.get("addLabelIds") or ()
    remove = changes.get("removeLabelIds") or ()
    if {*add, *remove} - call.account.labels.keys():
        raise ApiError(400, "invalidArgument", "Invalid label")
    call.store.modify(call.account, message, add, remove)
    return 200, {**reference(message), "labelIds": sorted(message.labels)}


@route("POST", "messages/([^/]+)/trash")
def messages_trash(call, message_id):
    message = call.message(message_id)
    call.store.modify(call.account, message, ("TRASH",), ("INBOX",))
    return 200, {**reference(message), "labelIds": sorted(message.labels)}


@route("POST", "messages/([^/]+)/untrash")
def messages_untrash(call, message_id):
    message = call.message(message_id)
    call.store.modify(call.account, message, (), ("TRASH",))
    return 200, {**reference(message), "labelIds": sorted(message.labels)}


@route("DELETE", "messages/([^/]+)")
def messages_delete(call, message_id):
    call.store.delete(call.account, call.message(message_id))
    return 204, None
