"""Which addresses a mail did not reach, read from the report on it.

Sources: RFC 3464 (delivery status notifications), RFC 6522 (multipart/report). Gmail's
own reports name the addresses in X-Failed-Recipients too; their subject tells a failure
from a delay.
"""

import re

from .headers import Headers, message_ids, parse_addresses, text_of

MOST_PARTS = 50
MOST_FAILED = 100
MOST_REPORT = 100_000
BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
FOLD = re.compile(r"\r?\n[ \t]+")
RECIPIENTS = ("original-recipient", "final-recipient")
ORIGINAL = ("message/rfc822", "text/rfc822-headers", "message/global")


def read_bounce(payload, text_of_part):
    """Return (addresses that failed for good, Message-IDs of the mail), or ((), ()).

    :param payload: of a ``users.messages`` resource
    :param text_of_part: returns the text of a part that holds its own, else ""
    """
    headers = Headers(payload)
    is_report = (
        headers.word("content-type") == "multipart/report"
        and "delivery-status" in headers.raw("content-type").lower()
    )
    if not (is_report or headers.raw("x-failed-recipients")):
        return (), ()
    groups, ids = [], []
    for part in _parts(payload):
        mimetype = text_of(part.get("mimeType")).strip().lower()
        if mimetype == "message/delivery-status":
            groups += _groups(part, text_of_part(part)[:MOST_REPORT])
        elif mimetype in ORIGINAL:
            ids += _ids(part, text_of_part(part)[:MOST_REPORT])
    if groups:
        failed = [address for group in groups for address in _failed(group)]
    elif "delay" in headers.text("subject").lower():
        failed = []
    else:
        failed = [
            a.address for a in parse_addresses(headers.raw("x-failed-recipients"))
        ]
    addresses = dict.fromkeys(a.strip().lower() for a in failed if "@" in a)
    return tuple(addresses)[:MOST_FAILED], tuple(dict.fromkeys(ids))


def _parts(payload):
    """Yield the parts of a report, the way to the original included."""
    stack, left = [payload], MOST_PARTS
    while stack and left:
        part, left = stack.pop(0), left - 1
        yield part
        children = part.get("parts")
        if isinstance(children, list):
            stack += [child for child in children if isinstance(child, dict)]


def _groups(part, text):
    """Return the fields on each recipient: of the report's text, or where groups of
    fields came as parts."""
    groups = [_fields(group) for group in BLANK_LINE.split(FOLD.sub(" ", text))]
    groups += [
        {name: headers.text(name) for name in ("action", *RECIPIENTS)}
        for headers in map(Headers, _parts(part))
    ]
    return [group for group in groups if group.get("action")]


def _failed(fields):
    """Return the addresses of one recipient that a mail did not reach for good."""
    if fields["action"].strip().lower() != "failed":
        return []
    # "rfc822; someone@example.com"
    return [fields.get(name, "").partition(";")[2].strip(" <>") for name in RECIPIENTS]


def _fields(text):
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _colon, value in pairs}


def _ids(part, text):
    """Return the Message-ID of the original, from its headers or its text."""
    found = []
    for inner in _parts(part):
        headers = Headers(inner)
        found += message_ids(headers.raw("message-id"))
    head = BLANK_LINE.split(FOLD.sub(" ", text.lstrip()), maxsplit=1)[0]
    found += message_ids(_fields(head).get("message-id", ""))
    return found[:3]
