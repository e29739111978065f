"""Gmail's payload of a message to ParsedMessage.

Sources: Gmail API, "users.messages"; RFC 2045 and 2046 (MIME), RFC 2369 and 2919
(lists), RFC 3834 (automatic answers).
"""

import base64
import binascii
import contextlib
import email
import email.policy
import html as html_lib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from .bounce import read_bounce
from .headers import (
    CONTROL,
    Headers,
    decode_header,
    message_ids,
    name_of,
    parse_addresses,
    text_of,
)
from .html.hostile import MAX_HTML
from .mime import charsets
from .mime.automatic import automatic
from .mime.filenames import file_name
from .mime.flowed import flowed
from .sanitize import clean_html, clean_html_to_text, folded_html, text_to_html
from .types import Address, ParsedAttachment, ParsedMessage

SEND_HEADER = "X-Odoo-Gmail-Send"
MAX_BODY_TEXT = 100_000
MAX_TEXT_PART = 5_000_000
MAX_CALENDAR = 1_000_000
MAX_REFERENCES = 200
MAX_PARTS = 2_000
MAX_DEPTH = 50
# The standard library looks at each line once for each part around it, and calls
# itself for each. What may begin a part counts.
LEVEL = re.compile(rb"boundary[*\d]*\s*=|message/", re.I)
MAX_LEVELS = 200
MAX_LINE_WORK = 4_000_000
# Parameters of a header, which it reads in time quadratic in their number.
LONG_HEADER = re.compile(rb"^content-[\w-]{1,40}:(?:[^\n]|\n[ \t]){10000}", re.I | re.M)
# In clean HTML: a picture, or a letter outside of its tags.
SHOWN = re.compile(r"<img |(?:^|>)(?:\s|&nbsp;)*(?!&nbsp;)[^<\s]")
CONTENT_ID = re.compile(r' data-cid="([^"]*)"')
# Characters of cleaned HTML; larger ones keep their beginning.
FOLDED_ABOVE = 1_000_000
FOLDED_TO = 100_000
EPOCH = datetime(1970, 1, 1)

# ----------------------------------------------------------------------
# Parts
# ----------------------------------------------------------------------


def decode_data(data):
    """Return the bytes of Gmail's base64url text; b"" when it is not that."""
    if not data or not isinstance(data, str):
        return b""
    try:
        raw = data.rstrip("=").encode("ascii")
        # Without validation, so that a stray character costs nothing.
        return base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (ValueError, binascii.Error):
        return b""


def _int(value):
    try:
        return max(0, int(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _parts_of(part):
    parts = part.get("parts")
    return [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of a message; ``part_id`` names the part whose bytes aren't here."""

    mimetype: str
    text: str
    part_id: str | None = None


class _Body:
    """Gathers texts and attachments while it walks through the parts.

    :ivar named: texts with a name, which are files unless there is no other text
    :ivar unshown: forms of the text that are files when no form of it is shown
    """

    def __init__(self):
        self.html = []
        self.text = []
        self.named = []
        self.calendar = ""
        self.method = ""
        self.attachments = []
        self.unshown = []
        self._left = MAX_PARTS
        # Bytes of text, of all parts together.
        self._room = MAX_TEXT_PART

    def walk(self, part, depth=0, is_choice=False):
        """Take in a part: alternatives show their richest, mixtures show all.

        :param is_choice: it is one of several alternatives
        """
        self._left -= 1
        if self._left < 0:
            return
        mimetype = _mimetype(part)
        children = _parts_of(part)
        if mimetype == "message/rfc822" or not children:
            self._leaf(part, mimetype, is_choice)
            return
        if depth >= MAX_DEPTH:
            self._flat(children)
            return
        if mimetype == "multipart/alternative":
            self._alternative(children, depth)
            return
        for child in children:
            self.walk(child, depth + 1)

    def _flat(self, children):
        """Take in the parts below the deepest level as if they were one mixture."""
        stack = children[::-1]
        while stack and self._left > 0:
            part, self._left = stack.pop(), self._left - 1
            mimetype, inner = _mimetype(part), _parts_of(part)
            if mimetype == "message/rfc822" or not inner:
                self._leaf(part, mimetype, is_choice=False)
            else:
                stack += inner[::-1]

    def _alternative(self, children, depth):
        """Show the last alternative that has HTML; keep its text for the search."""
        bodies = []
        for child in children:
            body = _Body()
            body._left, body._room = self._left, self._room
            body.walk(child, depth + 1, is_choice=True)
            self._left, self._room = body._left, body._room
            bodies.append(body)
        rich = next((body for body in reversed(bodies) if body.html), None)
        plain = next((body for body in bodies if body.text and not body.html), None)
        if rich:
            self.html += [*rich.html]
            self.text += plain.text if plain else rich.text
        elif plain:
            self.text += plain.text
            self.html += [text_to_html("\n".join(plain.text))] if self.html else []
        for body in bodies:
            self.calendar = self.calendar or body.calendar
            self.method = self.method or body.method
            self.named += body.named
            self.attachments += body.attachments
            if not (rich or plain):
                # No alternative stands for another.
                self.attachments += body.unshown

    def _leaf(self, part, mimetype, is_choice):
        headers = Headers(part)
        content = part.get("body") if isinstance(part.get("body"), dict) else {}
        written = text_of(part.get("filename"))
        if not written or "\ufffd" in written:
            written = (
                headers.parameter("content-disposition", "filename")
                or headers.parameter("content-type", "name")
                or written
            )
        disposition = headers.word("content-disposition")
        raw = decode_data(content.get("data"))
        data = raw or None
        is_text = mimetype in ("text/plain", "text/html")
        is_apart = bool(content.get("attachmentId"))
        apart = text_of(part.get("partId")) if is_apart else None
        if mimetype == "text/calendar":
            self._take_calendar(headers, raw)
        if is_text and disposition != "attachment":
            is_shown = not written or (
                disposition == "inline" and mimetype == "text/plain"
            )
            if not is_apart and is_shown:
                self._add(mimetype, self._text(mimetype, raw, headers))
                return
            if is_choice and not is_apart and not (self.html or self.text):
                # One of several forms of the text, which its name doesn't change.
                self._add(mimetype, self._text(mimetype, raw, headers))
                return
            text = self._text(mimetype, raw, headers)
            self.named.append(_Text(mimetype, text, apart))
        elif _is_unknown_text(mimetype, written, disposition):
            # Shown as plain text when the email has no other text (RFC 2046, 4.1.4).
            text = self._text("text/plain", raw, headers)
            self.named.append(_Text("text/plain", text, apart))
        if not (data or content.get("attachmentId") or written):
            if mimetype != "message/rfc822":
                return
        content_id = headers.text("content-id").strip("<> ")[:500]
        is_form = is_choice and not (written or content_id)
        is_form = is_form and mimetype.startswith(("text/", "application/x-amp"))
        # A form of the text that isn't shown, such as that of AMP, is no file.
        is_form = is_form and mimetype != "text/calendar"
        (self.unshown if is_form else self.attachments).append(
            ParsedAttachment(
                part_id=text_of(part.get("partId")),
                filename=file_name(decode_header(written), _filename(mimetype)),
                mimetype=mimetype,
                size=_int(content.get("size")) or len(raw),
                content_id=content_id,
                is_inline=disposition == "inline",
                attachment_id=text_of(content.get("attachmentId")) or None,
                data=data,
            )
        )

    def _text(self, mimetype, raw, headers):
        """Return the text of a part, as far as all texts together may go."""
        raw = raw[: self._room]
        self._room -= len(raw)
        return _readable(mimetype, raw, headers)

    def _take_calendar(self, headers, raw):
        """Note the first invitation, and what it is for (RFC 5546)."""
        if raw and not self.calendar:
            self.calendar = _part_text(raw[:MAX_CALENDAR], headers)
        method = headers.parameter("content-type", "method")
        if not method and (found := METHOD.search(self.calendar[:MAX_METHOD])):
            method = found[1]
        self.method = self.method or method.upper()

    def use_named(self):
        """Show texts that have a name, when there is no other text.

        :return: id of the part whose bytes are to be fetched for that, or None
        """
        if self.html or self.text:
            return None
        for named in self.named:
            if named.part_id is not None:
                return named.part_id
            self._add(named.mimetype, named.text)
        return None

    def _add(self, mimetype, text):
        if mimetype == "text/html":
            if self.text and not self.html:
                # A text before the first HTML, beside it and not instead of it.
                self.html.append(text_to_html("\n".join(self.text)))
            self.html.append(text)
            return
        # What follows more than that is cut.
        if self.html and sum(map(len, self.html)) <= MAX_HTML:
            self.html.append(text_to_html(text))
        self.text.append(text)


# Text formats that are not read as sentences.
FORMATS = frozenset(
    "text/calendar text/css text/csv text/directory text/html text/javascript"
    " text/rfc822-headers text/rtf text/tab-separated-values text/vcard text/x-amp-html"
    " text/x-vcalendar text/x-vcard text/xml".split()
)


def _is_unknown_text(mimetype, written, disposition):
    is_text = mimetype.startswith("text/") and mimetype not in FORMATS
    return is_text and not written and disposition != "attachment"


METHOD = re.compile(r"^METHOD:\s*([A-Za-z]{1,20})", re.I | re.M)
MAX_METHOD = 5_000

NAMES = {
    "message/rfc822": "message.eml",
    "message/delivery-status": "delivery-status.txt",
    "text/calendar": "invite.ics",
    "text/html": "message.html",
    "text/plain": "message.txt",
    "text/rfc822-headers": "headers.txt",
    "application/ms-tnef": "winmail.dat",
    "application/pdf": "attachment.pdf",
    "image/jpeg": "image.jpg",
    "image/png": "image.png",
    "image/gif": "image.gif",
}


def _filename(mimetype):
    return NAMES.get(mimetype, "attachment")


def _mimetype(part):
    mimetype = text_of(part.get("mimeType")).strip().lower()
    if "/" not in mimetype or len(mimetype) > 120:
        return "text/plain" if not mimetype else "application/octet-stream"
    return mimetype


def _readable(mimetype, raw, headers):
    """Return the text of a part that is shown, its soft line ends joined (RFC 3676)."""
    text = _part_text(raw, headers)
    if mimetype != "text/plain":
        return text
    if headers.parameter("content-type", "format").lower() == "flowed":
        delsp = headers.parameter("content-type", "delsp").lower() == "yes"
        return flowed(text, delsp)
    return text


def _part_text(raw, headers):
    text = charsets.decode(raw, headers.parameter("content-type", "charset"))
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def find_part(payload, part_id):
    """Return the part with Gmail's ``part_id`` of a payload, or None."""
    stack = [payload] if isinstance(payload, dict) else []
    seen = 0
    while stack and seen < MAX_PARTS:
        seen += 1
        part = stack.pop()
        if text_of(part.get("partId")) == part_id:
            return part
        stack.extend(_parts_of(part))
    return None


def part_of_raw(raw, part_id):
    """Return the bytes of a part of an RFC 5322 message, or None.

    Gmail numbers parts by their place: "" is the whole, "0" the first part, "0.1"
    the second part within it. A message made to keep the parser busy has no parts.
    """
    levels = sum(1 for _level in LEVEL.finditer(raw))
    work = levels * raw.count(b"\n")
    if levels > MAX_LEVELS or work > MAX_LINE_WORK or LONG_HEADER.search(raw):
        return None
    part = email.message_from_bytes(raw, policy=email.policy.compat32)
    for number in part_id.split(".") if part_id else ():
        if not part.is_multipart() or not number.isdigit():
            return None
        if part.get_content_type() == "message/rfc822":
            part = part.get_payload()[0]
        children = part.get_payload()
        if not isinstance(children, list) or int(number) >= len(children):
            return None
        part = children[int(number)]
    if part.get_content_type() == "message/rfc822":
        return part.get_payload()[0].as_bytes()
    return part.get_payload(decode=True)


# ----------------------------------------------------------------------
# A whole message
# ----------------------------------------------------------------------

BULK_PRECEDENCE = frozenset({"bulk", "list", "junk"})


def parse_message(message, whole=False):
    """Return the ParsedMessage of a ``users.messages`` resource (format ``full``).

    Never fails: whatever is missing or broken becomes empty.

    :param message: dict as Gmail's JSON gives it
    :param whole: with all of a long body, for whoever reads it just now
    """
    message = message if isinstance(message, dict) else {}
    payload = message.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    headers = Headers(payload)
    body = _Body()
    body.walk(payload)
    text_part_id = body.use_named()
    text, html = "\n".join(body.text).strip(), "\n".join(body.html)
    snippet = decode_header(_unescape(text_of(message.get("snippet"))))
    if html.strip():
        body_html = clean_html(html)
        if text and not SHOWN.search(body_html):
            # Some programs write an empty form of the text beside the plain one.
            body_html = text_to_html(text)
        body_text = text or clean_html_to_text(body_html[:2_000_000])
    else:
        body_html = text_to_html(text) if text else ""
        body_text = text
    attachments = _attachments(body.attachments, body_html)
    is_folded = len(body_html) > FOLDED_ABOVE and not whole
    if is_folded:
        body_html = folded_html(body_html, FOLDED_TO)
    label_ids = _label_ids(message.get("labelIds"))
    mimetypes = _mimetypes(payload)
    subject = headers.text("subject")[:2000]
    failed, bounced_ids = read_bounce(payload, headers, mimetypes, _own_text)
    return ParsedMessage(
        gmail_id=text_of(message.get("id")),
        thread_id=text_of(message.get("threadId")) or text_of(message.get("id")),
        history_id=str(message.get("historyId") or ""),
        label_ids=label_ids,
        date=_date(message, headers),
        message_id=next(iter(message_ids(headers.raw("message-id"))), ""),
        in_reply_to=next(iter(message_ids(headers.raw("in-reply-to"))), ""),
        references=(
            *message_ids(" ".join(headers.all("references"))),
            *bounced_ids,
        )[-MAX_REFERENCES:],
        subject=subject,
        from_=_sender(headers),
        reply_to=parse_addresses(headers.raw("reply-to")),
        to=parse_addresses(", ".join(headers.all("to"))),
        cc=parse_addresses(", ".join(headers.all("cc"))),
        bcc=parse_addresses(", ".join(headers.all("bcc"))),
        snippet=(snippet or " ".join(body_text[:400].split()))[:300],
        body_html=body_html,
        is_folded=is_folded,
        body_text=_storable(body_text)[:MAX_BODY_TEXT],
        is_bulk=bool(
            headers.raw("list-id")
            or headers.raw("list-unsubscribe")
            or headers.raw("list-post")
            or headers.word("precedence") in BULK_PRECEDENCE
        ),
        auto_submitted=automatic(headers, subject, mimetypes, body.method),
        calendar=body.calendar,
        attachments=attachments,
        size=_int(message.get("sizeEstimate")),
        authentication_results=headers.text("authentication-results")[:5000],
        # Whoever has got a mail of ours knows the header; Gmail's label is its proof.
        odoo_send_id=(
            headers.text(SEND_HEADER.lower())[:100] if "SENT" in label_ids else ""
        ),
        list_id=headers.text("list-id")[:500],
        date_header=headers.text("date")[:100],
        failed=failed,
        text_part_id=text_part_id,
    )


def _own_text(part):
    content = part.get("body") if isinstance(part.get("body"), dict) else {}
    return _part_text(decode_data(content.get("data")), Headers(part))


def _label_ids(given):
    labels = given if isinstance(given, list) else ()
    return tuple(dict.fromkeys(label for label in labels if isinstance(label, str)))


def _unescape(text):
    # Gmail's snippet is HTML-escaped.
    return html_lib.unescape(text)


def _storable(text):
    return CONTROL.sub("", text)


def _date(message, headers):
    internal = message.get("internalDate")
    if internal is not None:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return EPOCH + timedelta(milliseconds=int(internal))
    try:
        date = parsedate_to_datetime(headers.text("date"))
        if date.tzinfo:
            date = date.astimezone(timezone.utc).replace(tzinfo=None)
        return date
    except (TypeError, ValueError, OverflowError, IndexError):
        return EPOCH


def _sender(headers):
    """Return the Address of the sender; one without an address has at least a name."""
    for name in ("from", "sender"):
        if found := parse_addresses(headers.raw(name)):
            return found[0]
    name = name_of(headers.raw("from"))
    return Address(name, "") if name else None


def _mimetypes(payload):
    """Return the types of a message's own parts, not of mail attached to it."""
    found, stack, left = set(), [payload], MAX_PARTS
    while stack and left:
        part, left = stack.pop(), left - 1
        mimetype = _mimetype(part)
        found.add(mimetype)
        if mimetype != "message/rfc822":
            stack += _parts_of(part)
    return found


def _attachments(attachments, body_html):
    """Return the attachments; inline are those that the text shows. A disposition
    ``inline`` alone does not make one: Apple Mail gives it to what it puts below."""
    shown = set(CONTENT_ID.findall(body_html)) if attachments else ()
    return tuple(
        replace(attachment, is_inline=_escaped(cid) in shown)
        if (cid := attachment.content_id)
        else replace(attachment, is_inline=False)
        for attachment in attachments
    )


def _escaped(text):
    return html_lib.escape(text, quote=False).replace('"', "&quot;")
