"""Gmail's payload of a message to ParsedMessage, and a message to bytes for Gmail.

Sources: Gmail API, "users.messages"; RFC 5322 (addresses, Message-ID), RFC 2045 to
2047 (MIME, encoded words), RFC 2369 and 2919 (lists), RFC 3834 (automatic answers).
"""

import base64
import binascii
import contextlib
import copy
import email
import email.policy
import html as html_lib
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.utils import (
    formataddr,
    formatdate,
    getaddresses,
    make_msgid,
    parsedate_to_datetime,
)

from .sanitize import clean_html, clean_html_to_text, text_to_html
from .types import Address, ParsedAttachment, ParsedMessage

SEND_HEADER = "X-Odoo-Gmail-Send"
MAX_BODY_TEXT = 100_000
MAX_TEXT_PART = 5_000_000
MAX_CALENDAR = 1_000_000
MAX_HEADER = 100_000
MAX_ADDRESSES = 2_000
MAX_REFERENCES = 200
# Bytes of one Message-ID; PostgreSQL's index takes 2,704.
MAX_ID = 1_000
MAX_PARTS = 2_000
MAX_DEPTH = 60
EPOCH = datetime(1970, 1, 1)

# ----------------------------------------------------------------------
# Headers
# ----------------------------------------------------------------------

ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
WORDS_APART = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
FOLD = re.compile(r"[\r\n\t]+[ \t]*|\x00")
MESSAGE_ID = re.compile(r"<[^<>]{1,900}>")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]")


def _text(value):
    """Return ``value`` when it is text, without lone surrogates, else ""."""
    if not isinstance(value, str):
        return ""
    if SURROGATE.search(value):
        # Bytes that a parser kept as surrogates: they are the sender's raw text.
        try:
            value = _decode(value.encode("utf-8", "surrogateescape"), "")
        except UnicodeEncodeError:
            value = SURROGATE.sub("\ufffd", value)
    return value


def decode_header(value):
    """Return a header's text: unfolded, encoded words read (RFC 2047), never failing.

    Gmail mostly decodes headers itself, but not broken ones.

    >>> decode_header("=?utf-8?q?caf=C3=A9?= =?iso-8859-1?Q?_=FC?=")
    'café ü'
    """
    value = FOLD.sub(" ", _text(value)[:MAX_HEADER])
    if "=?" in value:
        value = ENCODED_WORD.sub(_decode_word, WORDS_APART.sub(r"\1", value))
        # An encoded word may hold line ends.
        value = FOLD.sub(" ", value)
    return CONTROL.sub("", value).strip()


def _decode_word(match):
    charset, encoding, content = match.groups()
    raw = content.encode("utf-8", "replace")
    try:
        if encoding in "bB":
            raw = base64.b64decode(raw + b"=" * (-len(raw) % 4))
        else:
            raw = binascii.a2b_qp(raw.replace(b"_", b"=20"), header=False)
    except (binascii.Error, ValueError):
        return match[0]
    # RFC 2231, 5: a language may follow the charset.
    return _decode(raw, charset.partition("*")[0])


STATEFUL = ("iso-2022", "iso2022", "hz", "utf-7", "utf7", "utf-16", "utf-32", "utf16")
ALIASES = {
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "x-unknown": "cp1252",
    "unicode-1-1-utf-7": "utf-7",
}


def _decode(raw, charset):
    """Return bytes as text.

    UTF-8 goes first whatever the part declares: Gmail hands out text in UTF-8 while
    the part's header keeps the original charset. Charsets that shift with escapes
    look like ASCII and are therefore read as declared.
    """
    charset = charset.strip(" \"'\t").lower()
    charset = ALIASES.get(charset, charset)
    stateful = charset.startswith(STATEFUL)
    if stateful and (b"\x1b" in raw or b"~{" in raw or not charset.startswith("iso")):
        candidates = (charset, "utf-8")
    else:
        candidates = ("utf-8", charset)
    for candidate in candidates:
        try:
            return raw.decode(candidate)
        except (LookupError, ValueError, UnicodeError):
            continue
    return _decode_as_much(raw, charset)


def _decode_as_much(raw, charset):
    """Return text of bytes that fit neither UTF-8 nor their charset exactly."""
    for candidate in (charset, "cp1252"):
        try:
            text = raw.decode(candidate, "replace")
        except (LookupError, ValueError, UnicodeError):
            continue
        if text.count("\ufffd") * 10 <= len(text) + 10:
            return text
    return raw.decode("latin-1")


TOKEN = re.compile(
    r"""
    (?P<quoted>"(?:[^"\\]|\\.)*"?)
  | (?P<comment>\()
  | <(?P<angle>[^<>,;"]*|[^<>]*)>
  | (?P<mark>[,;:<>])
  | (?P<word>[^",;:<>(]+)
    """,
    re.X | re.S,
)
NOT_ADDRESS = re.compile(r"[\s<>()\[\],;:\"]+")


def parse_addresses(value):
    """Return the Address objects of a header such as To, in order.

    Groups are dissolved, comments become names when there is none, and what holds
    no address is left out. Broken headers give what can be read of them.

    >>> parse_addresses('Ann <a@x.org>, team: b@x.org, "C, D" <c@x.org>;')[2].name
    'C, D'
    """
    return _AddressReader(FOLD.sub(" ", _text(value)[:MAX_HEADER])).entries()


class _AddressReader:
    """Reads the tokens of an address header, one pass, whatever they are."""

    def __init__(self, value):
        self._value = value
        self._found = []
        # A name without an address that a comma ended, as in "Doe, John <j@x.org>".
        self._carried = ""
        self._clear()

    def _clear(self):
        self._words, self._comments, self._angle = [], [], None

    def entries(self):
        value, position = self._value, 0
        while position < len(value) and len(self._found) < MAX_ADDRESSES:
            match = TOKEN.match(value, position)
            if match is None:
                position += 1
                continue
            position = match.end()
            kind = match.lastgroup
            if kind == "quoted":
                self._words.append(_unquote(match[0]))
            elif kind == "word":
                self._words.append(match[0])
            elif kind == "comment":
                comment, position = _comment(value, position)
                self._comments.append(comment)
            elif kind == "angle":
                if self._angle is not None:
                    self._finish()
                self._angle = match["angle"]
            else:
                self._mark(match[0])
        self._finish()
        return tuple(self._found)

    def _mark(self, mark):
        if mark == ":":
            if self._angle is None and not any("@" in word for word in self._words):
                # The name of a group ends.
                self._clear()
                self._carried = ""
            else:
                self._words.append(":")
        elif mark in ",;":
            self._finish()
            if mark == ";":
                self._carried = ""

    def _finish(self):
        """End one entry."""
        name, address = _name(self._words), self._angle
        if address is None:
            words = NOT_ADDRESS.split(name)
            address = next((w for w in words if "@" in w.strip("@")), None)
            if address:
                name = " ".join(name.replace(address, " ", 1).split()).strip(" '\"<>")
        address = _bare(address or "")
        if "@" in address:
            if self._carried and name:
                name = f"{self._carried}, {name}"
            name = name or _name(self._comments)
            self._found.append(Address(name[:500], address[:320]))
            self._carried = ""
        else:
            self._carried = name if self._angle is None else ""
        self._clear()


def _name(words):
    return decode_header(" ".join(w.strip() for w in words if w.strip())).strip(" '")


def _unquote(quoted):
    content = quoted[1:-1] if len(quoted) > 1 and quoted.endswith('"') else quoted[1:]
    return re.sub(r"\\(.)", r"\1", content)


def _comment(value, position):
    """Return the comment that begins at ``position`` and where it ends."""
    depth, start = 1, position
    while position < len(value):
        character = value[position]
        if character == "\\":
            position += 1
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return value[start:position], position + 1
        position += 1
    return value[start:], position


def _bare(address):
    """Return an address without blanks, source route and remains of mailto."""
    address = re.sub(r"\s+", "", decode_header(address)).strip("'\"")
    if address.startswith("@") and ":" in address:
        address = address.rpartition(":")[2]
    return address.removeprefix("mailto:").removeprefix("MAILTO:")


def _message_ids(value):
    value = FOLD.sub(" ", _text(value)[:MAX_HEADER])
    ids = MESSAGE_ID.findall(value)
    if not ids:
        ids = [word for word in value.split() if "@" in word]
    return tuple(dict.fromkeys(_cut(re.sub(r"\s+", "", item), MAX_ID) for item in ids))


def _cut(text, size):
    """Return as much of ``text`` as fits into ``size`` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


class _Headers:
    """The headers of a part, looked up without regard to case, first one first."""

    def __init__(self, part):
        self._values = {}
        headers = part.get("headers")
        for header in headers if isinstance(headers, list) else ():
            if isinstance(header, dict):
                name = _text(header.get("name")).strip().lower()
                self._values.setdefault(name, []).append(_text(header.get("value")))

    def raw(self, name):
        return self._values.get(name, [""])[0]

    def text(self, name):
        return decode_header(self.raw(name))

    def all(self, name):
        return self._values.get(name, [])

    def word(self, name):
        """Return the first word of a structured header, in lower case."""
        return re.split(r"[\s;(]", self.text(name).lower(), maxsplit=1)[0]

    def parameter(self, name, parameter):
        match = re.search(
            rf"(?:^|[;\s]){parameter}\s*=\s*(\"[^\"]*\"|[^\s;]+)", self.raw(name), re.I
        )
        return match[1].strip('"') if match else ""


# ----------------------------------------------------------------------
# Parts
# ----------------------------------------------------------------------


def decode_data(data):
    """Return the bytes of Gmail's base64url text; b"" when it is not that."""
    if not isinstance(data, str):
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


class _Body:
    """Gathers texts and attachments while it walks through the parts."""

    def __init__(self):
        self.html = []
        self.text = []
        self.calendar = ""
        self.attachments = []
        self._left = MAX_PARTS

    def walk(self, part, depth=0):
        """Take in a part: alternatives show their richest, mixtures show all."""
        self._left -= 1
        if self._left < 0:
            return
        mimetype = _mimetype(part)
        children = _parts_of(part)
        if mimetype == "message/rfc822" or not children or depth >= MAX_DEPTH:
            self._leaf(part, mimetype)
            return
        if mimetype == "multipart/alternative":
            self._alternative(children, depth)
            return
        for child in children:
            self.walk(child, depth + 1)

    def _alternative(self, children, depth):
        """Show the last alternative that has HTML; keep its text for the search."""
        bodies = []
        for child in children:
            body = _Body()
            body._left = self._left
            body.walk(child, depth + 1)
            self._left = body._left
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
            self.attachments += body.attachments

    def _leaf(self, part, mimetype):
        headers = _Headers(part)
        content = part.get("body") if isinstance(part.get("body"), dict) else {}
        filename = decode_header(part.get("filename")) or decode_header(
            headers.parameter("content-disposition", "filename")
            or headers.parameter("content-type", "name")
        )
        disposition = headers.word("content-disposition")
        raw = decode_data(content.get("data"))
        data = raw or None
        is_text = mimetype in ("text/plain", "text/html") and (
            not filename or (disposition == "inline" and mimetype == "text/plain")
        )
        if mimetype == "text/calendar" and data and not self.calendar:
            self.calendar = _part_text(data[:MAX_CALENDAR], headers)
        if is_text and disposition != "attachment" and not content.get("attachmentId"):
            text = _part_text(raw[:MAX_TEXT_PART], headers)
            if mimetype == "text/html":
                self._add_html(text)
            else:
                self._add_text(text)
            return
        if not (data or content.get("attachmentId") or filename):
            if mimetype != "message/rfc822":
                return
        self.attachments.append(
            ParsedAttachment(
                part_id=_text(part.get("partId")),
                filename=filename[:255] or _filename(mimetype),
                mimetype=mimetype,
                size=_int(content.get("size")) or len(raw),
                content_id=headers.text("content-id").strip("<> ")[:500],
                is_inline=disposition == "inline",
                attachment_id=_text(content.get("attachmentId")) or None,
                data=data,
            )
        )

    def _add_html(self, html):
        if self.text and not self.html:
            # A text before the first HTML, beside it and not instead of it.
            self.html.append(text_to_html("\n".join(self.text)))
        self.html.append(html)

    def _add_text(self, text):
        if self.html:
            self.html.append(text_to_html(text))
        self.text.append(text)


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
    mimetype = _text(part.get("mimeType")).strip().lower()
    if "/" not in mimetype or len(mimetype) > 120:
        return "text/plain" if not mimetype else "application/octet-stream"
    return mimetype


def _part_text(raw, headers):
    text = _decode(raw, headers.parameter("content-type", "charset"))
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def find_part(payload, part_id):
    """Return the part with Gmail's ``part_id`` of a payload, or None."""
    stack = [payload] if isinstance(payload, dict) else []
    seen = 0
    while stack and seen < MAX_PARTS:
        seen += 1
        part = stack.pop()
        if _text(part.get("partId")) == part_id:
            return part
        stack.extend(_parts_of(part))
    return None


def part_of_raw(raw, part_id):
    """Return the bytes of a part of an RFC 5322 message, or None.

    Gmail numbers parts by their place: "" is the whole, "0" the first part, "0.1"
    the second part within it.
    """
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


def parse_message(message):
    """Return the ParsedMessage of a ``users.messages`` resource (format ``full``).

    Never fails: whatever is missing or broken becomes empty.

    :param message: dict as Gmail's JSON gives it
    """
    message = message if isinstance(message, dict) else {}
    payload = message.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    headers = _Headers(payload)
    body = _Body()
    body.walk(payload)
    text, html = "\n".join(body.text).strip(), "\n".join(body.html)
    snippet = decode_header(_unescape(_text(message.get("snippet"))))
    if html.strip():
        body_html = clean_html(html)
        body_text = text or clean_html_to_text(body_html[:2_000_000])
    else:
        body_html = text_to_html(text) if text else ""
        body_text = text
    label_ids = message.get("labelIds")
    senders = parse_addresses(headers.raw("from"))
    if not senders:
        senders = parse_addresses(headers.raw("sender"))
    return ParsedMessage(
        gmail_id=_text(message.get("id")),
        thread_id=_text(message.get("threadId")) or _text(message.get("id")),
        history_id=str(message.get("historyId") or ""),
        label_ids=tuple(
            dict.fromkeys(
                label
                for label in (label_ids if isinstance(label_ids, list) else ())
                if isinstance(label, str)
            )
        ),
        date=_date(message, headers),
        message_id=next(iter(_message_ids(headers.raw("message-id"))), ""),
        in_reply_to=next(iter(_message_ids(headers.raw("in-reply-to"))), ""),
        references=_message_ids(" ".join(headers.all("references")))[-MAX_REFERENCES:],
        subject=headers.text("subject")[:2000],
        from_=senders[0] if senders else None,
        reply_to=parse_addresses(headers.raw("reply-to")),
        to=parse_addresses(", ".join(headers.all("to"))),
        cc=parse_addresses(", ".join(headers.all("cc"))),
        bcc=parse_addresses(", ".join(headers.all("bcc"))),
        snippet=(snippet or " ".join(body_text[:400].split()))[:300],
        body_html=body_html,
        body_text=_storable(body_text)[:MAX_BODY_TEXT],
        is_bulk=bool(
            headers.raw("list-id")
            or headers.raw("list-unsubscribe")
            or headers.raw("list-post")
            or headers.word("precedence") in BULK_PRECEDENCE
        ),
        auto_submitted=_auto_submitted(headers, payload),
        calendar=body.calendar,
        attachments=_attachments(body.attachments, body_html),
        size=_int(message.get("sizeEstimate")),
        authentication_results=headers.text("authentication-results")[:5000],
        odoo_send_id=headers.text(SEND_HEADER.lower())[:100],
        list_id=headers.text("list-id")[:500],
    )


def _unescape(text):
    # Gmail's snippet is HTML-escaped.
    for entity, character in (
        ("&#39;", "'"),
        ("&quot;", '"'),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ):
        text = text.replace(entity, character)
    return text


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


def _auto_submitted(headers, payload):
    value = headers.word("auto-submitted")
    if value and value != "no":
        return value[:60]
    if _mimetype(payload) == "multipart/report":
        return "auto-replied"
    if headers.raw("x-autoreply") or headers.raw("x-autorespond"):
        return "auto-replied"
    if headers.word("precedence") == "auto_reply":
        return "auto-replied"
    return ""


def _attachments(attachments, body_html):
    """Return the attachments; inline are those that the text shows. A disposition
    ``inline`` alone does not make one: Apple Mail gives it to what it puts below."""
    return tuple(
        replace(attachment, is_inline=f'data-cid="{_escaped(cid)}"' in body_html)
        if (cid := attachment.content_id)
        else replace(attachment, is_inline=False)
        for attachment in attachments
    )


def _escaped(text):
    return html_lib.escape(text, quote=False).replace('"', "&quot;")


# ----------------------------------------------------------------------
# Outgoing
# ----------------------------------------------------------------------

SEND_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
# Odoo's own notes to itself, and what the recipient's server or Gmail writes.
INTERNAL_HEADERS = frozenset(
    {"bcc", "return-path", "x-msg-to-add", "x-forge-to", "x-odoo-message-id"}
)
INTERNAL_PREFIXES = ("x-odoo-gmail-", "resent-")
LINE_END = re.compile(r"\s*[\r\n]+\s*")
ADDRESS_HEADERS = ("From", "To", "Cc", "Bcc")
RECIPIENTS = ("To", "Cc", "Bcc")
ID_HEADERS = ("Message-ID", "In-Reply-To", "References")
# RFC 5322, 2.1.1: a line has at most 998 characters; long chains are cut in the
# middle, since programs look at the first and the latest.
MAX_SENT_REFERENCES = 30


def prepare_outgoing(message, *, allowed_recipients, bcc, send_id, message_id_domain):
    """Return the bytes that go to Gmail, which delivers to whom the headers name.

    :param message: email.message.EmailMessage; it is left as it is
    :param allowed_recipients: the only addresses that may receive it
    :param bcc: addresses to put back into Bcc, each of them allowed
    :param send_id: reference for the header X-Odoo-Gmail-Send
    :param message_id_domain: a real domain; Gmail replaces a Message-ID whose domain
        has no dot, so ours gets this one and the first one stands in References
    :raises ValueError: a header names somebody who is not allowed, or nobody is left
    """
    if not SEND_ID.fullmatch(send_id or ""):
        raise ValueError("the reference is not a plain word")
    message = copy.deepcopy(message)
    for name in set(message.keys()):
        lower = name.lower()
        if lower in INTERNAL_HEADERS or lower.startswith(INTERNAL_PREFIXES):
            del message[name]
        elif any(LINE_END.search(str(value)) for value in message.get_all(name, ())):
            _make_single_lines(message, name)
    people = _checked_people(message, allowed_recipients, bcc)
    message[SEND_HEADER] = send_id
    if not message["Date"]:
        message["Date"] = formatdate()
    ids = _outgoing_ids(message, message_id_domain)
    for name in (*ID_HEADERS, *ADDRESS_HEADERS):
        del message[name]
    # Written by hand. The standard library folds long ids into encoded words, and
    # takes the quotes off a name that it decodes: what stood in the name would be
    # addresses then.
    head = "".join(f"{name}: {value}\r\n" for name, value in ids.items() if value)
    head = head.encode("ascii", "replace") + _address_lines(people)
    return head + message.as_bytes(policy=email.policy.SMTP)


def _make_single_lines(message, name):
    values = [LINE_END.sub(" ", str(value)) for value in message.get_all(name)]
    del message[name]
    for value in values:
        message[name] = value


def _checked_people(message, allowed_recipients, bcc):
    """Return {header: Address objects} of a message whose recipients are allowed."""
    people = {
        name: parse_addresses(", ".join(str(v) for v in message.get_all(name, ())))
        for name in ("From", "To", "Cc")
    }
    people["Bcc"] = parse_addresses(", ".join(str(value) for value in bcc))
    allowed = parse_addresses(", ".join(str(value) for value in allowed_recipients))
    named = {_ascii(p.address) for name in RECIPIENTS for p in people[name]}
    if not named:
        raise ValueError("the mail names no recipient")
    if not named <= {_ascii(person.address) for person in allowed}:
        raise ValueError("the mail names a recipient that it is not meant for")
    return people


def _ascii(address):
    """Return an address as it travels, in lower case: its domain in IDNA.

    :raises ValueError: a local part beyond ASCII, which needs SMTPUTF8
    """
    local, _at, domain = address.lower().rpartition("@")
    if not local.isascii():
        raise ValueError("an address is not in ASCII")
    if not domain.isascii():
        domain = domain.encode("idna").decode("ascii")
    return f"{local}@{domain}"


def _address_lines(people):
    """Return the address headers as bytes, after reading them once more: whoever
    reads them finds exactly the people that were checked."""
    lines = [
        f"{name}: " + ",\r\n ".join(map(_format, found)) + "\r\n"
        for name, found in people.items()
        if found
    ]
    head = "".join(lines).encode("ascii")
    read = email.message_from_bytes(head, policy=email.policy.compat32)
    for name, found in people.items():
        values = [LINE_END.sub(" ", value) for value in read.get_all(name, ())]
        addresses = {address.lower() for _name, address in getaddresses(values)}
        if addresses != {_ascii(person.address) for person in found}:
            raise ValueError("an address cannot be written so that all read it alike")
    return head


def _format(person):
    name, address = " ".join(person.name.split()), person.address
    local, _at, _domain = address.rpartition("@")
    address = f"{local}@{_ascii(address).rpartition('@')[2]}"
    if name and (not name.isascii() or "=?" in name):
        # RFC 2047, 2: at most 75 characters a word, and every character within it.
        encoded = Header(name, "utf-8", maxlinelen=70).encode(linesep="\r\n")
        return f"{encoded} <{address}>"
    return formataddr((name, address))


def _outgoing_ids(message, domain):
    """Return the values of Message-ID, In-Reply-To and References."""
    original = next(iter(_message_ids(message["Message-ID"] or "")), "")
    message_id = original or make_msgid(domain=domain)
    local, _at, host = message_id.strip("<>").rpartition("@")
    if "." not in host or not local:
        message_id = f"<{local or host}@{domain}>"
    references = list(_message_ids(message["References"] or ""))
    if original and original != message_id:
        references = [r for r in references if r != original] + [original]
    if message_id not in references:
        references.append(message_id)
    if len(references) > MAX_SENT_REFERENCES:
        references = references[:1] + references[1 - MAX_SENT_REFERENCES :]
    return {
        "Message-ID": message_id,
        "In-Reply-To": "\r\n ".join(_message_ids(message["In-Reply-To"] or "")),
        "References": "\r\n ".join(references),
    }
