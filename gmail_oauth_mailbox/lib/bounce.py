"""Which addresses a mail did not reach, read from the report on it.

Sources: RFC 3464 (delivery status notifications), RFC 6522 (multipart/report). Gmail's
own reports name the addresses in X-Failed-Recipients too; their subject tells a failure
from a delay. qmail writes a text of its own (D. J. Bernstein, "The qmail-send Bounce
Message Format").
"""

import re

from .headers import Headers, message_ids, parse_addresses, text_of

MOST_PARTS = 50
MOST_FAILED = 100
MOST_REPORT = 100_000
BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
FOLD = re.compile(r"\r?\n[ \t]+")
WORD = re.compile(r"\s*([a-z]*)")
STATUS = ("message/delivery-status", "message/global-delivery-status")
RECIPIENTS = ("original-recipient", "final-recipient")
# What stands in the fields on one recipient once.
ONCE = ("action", "status", *RECIPIENTS)
# Of a report that is text for people alone.
PLAIN = frozenset({"multipart/mixed", "multipart/report", "text/plain"})
QMAIL = "Hi. This is the "
FIELDS = re.compile(r"^(?:final|original)-recipient:.*\n(?:.+\n)*action:", re.I | re.M)
ORIGINAL = ("message/rfc822", "text/rfc822-headers", "message/global")


def read_bounce(payload, headers, mimetypes, text_of_part):
    """Return (addresses that failed for good, Message-IDs of the mail), or ((), ()).

    :param payload: of a ``users.messages`` resource
    :param headers: headers.Headers of the payload
    :param mimetypes: of its parts
    :param text_of_part: returns the text of a part that holds its own, else ""
    """
    if mimetypes <= PLAIN and _is_daemon(headers):
        texts = map(text_of_part, _parts(payload, into_mail=False))
        text = "\n\n".join(filter(None, texts))[:MOST_REPORT]
        if text.startswith(QMAIL):
            return _of_qmail(text)
        if FIELDS.search(text):
            # Some programs write the fields of a report as plain text.
            return _of_fields(text)
    if mimetypes.isdisjoint(STATUS) and not headers.raw("x-failed-recipients"):
        return (), ()
    groups, ids, is_report = [], [], False
    for part in _parts(payload, into_mail=False):
        mimetype = text_of(part.get("mimeType")).strip().lower()
        if mimetype in STATUS:
            is_report = True
            groups += _groups(part, text_of_part(part)[:MOST_REPORT])
        elif mimetype in ORIGINAL:
            ids += _ids(part, text_of_part(part)[:MOST_REPORT])
    if not (is_report or headers.raw("x-failed-recipients")):
        return (), ()
    if groups:
        failed = [address for group in groups for address in _failed(group)]
    elif "delay" in headers.text("subject").lower():
        failed = []
    else:
        failed = [
            a.address for a in parse_addresses(headers.raw("x-failed-recipients"))
        ]
    addresses = dict.fromkeys(a.lower() for a in failed)
    return tuple(addresses)[:MOST_FAILED], tuple(dict.fromkeys(ids))


def _parts(payload, into_mail=True):
    """Yield the parts of a report.

    :param into_mail: those of mail attached to it, too; a report that was forwarded
        concerns the mail of others
    """
    stack, left = [payload], MOST_PARTS
    while stack and left:
        part, left = stack.pop(0), left - 1
        yield part
        if not into_mail and part is not payload and _is_mail(part):
            continue
        children = part.get("parts")
        if isinstance(children, list):
            stack += [child for child in children if isinstance(child, dict)]


def _is_mail(part):
    return text_of(part.get("mimeType")).strip().lower() in ORIGINAL


def _groups(part, text):
    """Return the fields on each recipient: of the report's text, or where groups of
    fields came as parts."""
    groups = [
        fields
        for group in BLANK_LINE.split(FOLD.sub(" ", text))
        for fields in _recipients(group)
    ]
    groups += [
        {name: headers.text(name) for name in ("action", "status", *RECIPIENTS)}
        for headers in map(Headers, _parts(part))
    ]
    return [group for group in groups if any(map(group.get, RECIPIENTS))]


def _is_daemon(headers):
    is_returned = headers.raw("return-path").strip() == "<>"
    return is_returned or "mailer-daemon" in headers.raw("from").lower()


def _recipients(text):
    """Yield the fields on each recipient; some reports have no blank line between."""
    fields = {}
    for line in text.splitlines():
        name, _colon, value = line.partition(":")
        name = name.strip().lower()
        if name in ONCE and name in fields:
            yield fields
            fields = {}
        fields[name] = value.strip()
    yield fields


def _of_qmail(text):
    """Return what ``read_bounce`` does of qmail's report: paragraphs on one recipient
    each, behind "<address>:", then a line of hyphens, then the mail."""
    failed, rest = [], ""
    for paragraph in BLANK_LINE.split(text, maxsplit=MOST_PARTS):
        if paragraph.startswith("-"):
            rest = text.partition(paragraph)[2].lstrip()
            break
        if paragraph.startswith("<"):
            line = paragraph.partition("\n")[0].rstrip("\r :")
            failed += [person.address.lower() for person in parse_addresses(line)]
    head = BLANK_LINE.split(FOLD.sub(" ", rest), maxsplit=1)[0]
    ids = message_ids(_fields(head).get("message-id", "")) if failed else ()
    return tuple(dict.fromkeys(failed))[:MOST_FAILED], ids


def _of_fields(text):
    """Return what ``read_bounce`` does of a report that is one text: fields on each
    recipient, and the headers of the mail."""
    failed = [a for group in _groups({}, text) for a in _failed(group)]
    ids = ()
    for paragraph in BLANK_LINE.split(FOLD.sub(" ", text)):
        ids = ids or message_ids(_fields(paragraph).get("message-id", ""))
    failed = dict.fromkeys(address.lower() for address in failed)
    return tuple(failed)[:MOST_FAILED], ids[:3] if failed else ()


def _failed(fields):
    """Return the addresses of one recipient that a mail did not reach for good."""
    action = WORD.match((fields.get("action") or "").lower())[1]
    if action != "failed" and (action or not _is_final(fields)):
        return []
    found = []
    for name in RECIPIENTS:
        # "rfc822; someone@example.com", or the address alone.
        kind, semicolon, written = (fields.get(name) or "").partition(";")
        people = parse_addresses(written if semicolon else kind)
        found += [person.address for person in people]
    return found


def _is_final(fields):
    """Whether a status (RFC 3463) is that of a failure for good."""
    return (fields.get("status") or "").strip().startswith("5.")


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
