"""What goes wrong on request: whom a fault hits, and what it makes of an answer."""

import json
import random
import re

from werkzeug.wrappers import Response

BOUNDARY = "batch_standin"
# A page token that leads to the beginning.
FIRST_PAGE = "Zmlyc3Q="
# These change the true answer; the others stand in its place.
CHANGES = (
    "truncate",
    "lose_parts",
    "shuffle",
    "unmatched",
    "repeat_history",
    "reorder_history",
    "empty_page",
    "empty_list",
    "lack_newest",
)
# Which requests a fault is for, and how often it comes.
AIMS = ("method", "path", "account", "in_batch", "count", "chance", "seed", "name")
ANSWERS = ("status", "body", "headers", "delay", "pass", "drop", "as_type")
KNOWN = {*AIMS, *ANSWERS, *CHANGES}
HTML = "<!DOCTYPE html><title>Error</title><p>That’s an error.</p>"


def content_of(body):
    """Return the bytes of an answer's body: of JSON, or as they are."""
    if isinstance(body, bytes):
        return body
    return b"" if body is None else json.dumps(body, ensure_ascii=False).encode()


def as_json(status, body, headers=None):
    response = Response(content_of(body), status=status, mimetype="application/json")
    response.headers.update(headers or {})
    return response


class Parts(list):
    """The answer of a batch: its parts, not yet put together."""

    def response(self):
        end = f"--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/mixed; boundary={BOUNDARY}"
        return Response(b"".join([*self, end]), content_type=kind)


def part_of(content_id, status, body, headers):
    """Return one part of a batch's answer."""
    content = content_of(body)
    headers = {"Content-Type": "application/json; charset=UTF-8", **headers}
    lines = [
        f"--{BOUNDARY}",
        "Content-Type: application/http",
        f"Content-ID: <response-{content_id}>",
        "",
        f"HTTP/1.1 {status} {'OK' if status < 300 else 'Error'}",
        *(f"{k}: {v}" for k, v in headers.items()),
        f"Content-Length: {len(content)}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + content + b"\r\n"


def new(given):
    status = 200 if "as_type" in given else 500
    counted = {"hits": 0, "seen": 0}
    return {"method": "*", "count": 1, "body": {}, "status": status, **given, **counted}


def meant(fault, method, path, account, in_batch):
    """Whether a fault is for a request.

    :param account: a function that returns the address of whose request it is
    """
    return (
        fault["method"] in ("*", method)
        and fault.get("in_batch") in (None, in_batch)
        and re.search(fault["path"], path)
        and fault.get("account") in (None, account())
    )


def hits(fault):
    """Throw the dice for a fault; the same seed gives the same row of throws."""
    fault["seen"] += 1
    dice = random.Random(f"{fault.get('seed', 0)}:{fault['seen']}")  # noqa: S311
    if dice.random() >= fault.get("chance", 1):
        return False
    fault["hits"] += 1
    fault["count"] -= 1
    return True


def is_true(fault):
    """Whether the work is done: the answer is Google's own, or made of it."""
    return fault.get("pass") or any(name in fault for name in CHANGES)


def instead(fault):
    """Return the answer that stands in the place of the true one."""
    headers = dict(fault.get("headers", {}))
    body = fault["body"]
    if "as_type" in fault:
        headers["Content-Type"] = fault["as_type"]
        body = (body if isinstance(body, str) else HTML).encode()
    return fault["status"], body, headers


def changed(fault, answer):
    """Return a true answer as the fault has it."""
    if isinstance(answer, Parts):
        answer = changed_parts(fault, answer)
    elif isinstance(answer, tuple) and isinstance(answer[1], dict):
        answer = (answer[0], changed_history(fault, answer[1]), *answer[2:])
        answer = (answer[0], changed_list(fault, answer[1]), *answer[2:])
    elif isinstance(answer, tuple) and fault.get("lack_newest"):
        answer = (answer[0], without_newest(answer[1]), *answer[2:])
    if "truncate" in fault:
        answer = truncated(answer, fault["truncate"])
    return answer


def changed_parts(fault, parts):
    lost = fault.get("lose_parts", 0)
    if isinstance(lost, int):
        lost = range(len(parts) - lost, len(parts))
    parts = [part for number, part in enumerate(parts) if number not in lost]
    if fault.get("shuffle"):
        parts = shuffled(fault, parts)
    if fault.get("unmatched"):
        foreign = {"id": "f0f0", "threadId": "f0f0"}
        parts.insert(0, part_of("foreign", 200, foreign, {}))
    return Parts(parts)


def changed_history(fault, body):
    records = body.get("history")
    if not records:
        return body
    if fault.get("empty_page"):
        return {"historyId": body["historyId"], "nextPageToken": FIRST_PAGE}
    if fault.get("repeat_history"):
        records = records + records
    if fault.get("reorder_history"):
        records = shuffled(fault, records)
    return {**body, "history": records}


def changed_list(fault, body):
    """Return a list of messages or of people as if there were none of them."""
    if not fault.get("empty_list"):
        return body
    kept = {k: v for k, v in body.items() if k not in ("messages", "connections")}
    kept.pop("nextPageToken", None)
    if "resultSizeEstimate" in kept:
        kept["resultSizeEstimate"] = 0
    return kept


def without_newest(content):
    """Return a conversation (JSON in bytes) without its newest message."""
    body = json.loads(content)
    return content_of({**body, "messages": body["messages"][:-1]})


def shuffled(fault, items):
    """Return the items in another order."""
    found = list(items)
    random.Random(f"{fault.get('seed', 0)}:{fault['hits']}").shuffle(found)  # noqa: S311
    return found if found != items else found[::-1]


def truncated(answer, limit):
    """Return an answer cut to so many bytes, or to a share of them below 1; it reads as
    complete."""
    if isinstance(answer, Parts):
        answer = answer.response()
    if isinstance(answer, Response):
        data = answer.get_data()
    else:
        data = content_of(answer[1])
    data = data[: int(limit if limit >= 1 else limit * len(data))]
    if isinstance(answer, Response):
        answer.set_data(data)
        return answer
    return (answer[0], data, *answer[2:])
