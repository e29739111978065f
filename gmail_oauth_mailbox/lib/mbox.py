"""Mail to an mbox file that any mail program reads.

Sources: RFC 4155 and the mboxrd convention (separators), RFC 5322 (headers), RFC 2045
(quoted-printable, base64), RFC 2047 and 2231 (text beyond ASCII), RFC 6532 (addresses
beyond ASCII), Google Takeout (X-Gmail-Labels).

The kinds of mbox differ in how they quote a line of a text that begins with "From ",
with any number of ">" before it, and not all readers undo it. Here no line does but the
separators: texts and files are encoded so that none can. So the file is exact mboxrd,
and any other kind's reader finds the same.
"""

import base64
import binascii
import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from urllib.parse import quote

from .mime.filenames import file_name
from .types import Address

# What could end a line for some reader, or a text; none belongs into a header.
NOT_IN_HEADER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
SURROGATE = re.compile("[\ud800-\udfff]")
PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
WORD = re.compile(r"[!-~]+")
ATOMS = re.compile(r"[\w !#$%&'*+/=?^`{|}~-]+", re.A)
PLAIN_NAME = re.compile(r"[\w !#$%&'()+,.@\[\]{}~-]{1,200}", re.A)
# No address needs a quoted name in practice; what has one is named elsewhere.
_SIDE = r"[^\x00-\x20\x7f-\x9f\s<>()\[\],;:\"\\@]+"
ADDRESS = re.compile(rf"{_SIDE}@(?:{_SIDE}|\[[0-9A-Za-z.:]+\])")
MIMETYPE = re.compile(
    r"(?!multipart/|message/)[a-z0-9][\w!#$&^.+-]*/[a-z0-9][\w!#$&^.+-]*", re.A | re.I
)
FROM_LINE = re.compile(rb"^(>*)From ", re.M)
# A name and its value stay below the 998 characters of RFC 5322, 2.1.1.
MAX_LINE = 900
# RFC 2047, 2: an encoded word has at most 75 characters.
WORD_BYTES = 45
# RFC 2045, 6.7: neither quoted-printable nor base64 ever has "=_".
BOUNDARY = b"=_odoo_gmail_oauth_mailbox"
ASCII = bytes(range(128))
ROLES = ("from", "to", "cc", "bcc")
# Google Takeout's names of Gmail's own labels, English whatever the user's language:
# programs that read the header know these.
TAKEOUT = {
    "INBOX": "Inbox",
    "SENT": "Sent",
    "IMPORTANT": "Important",
    "STARRED": "Starred",
    "UNREAD": "Unread",
    "CATEGORY_PERSONAL": "Category Personal",
    "CATEGORY_SOCIAL": "Category Social",
    "CATEGORY_PROMOTIONS": "Category Promotions",
    "CATEGORY_UPDATES": "Category Updates",
    "CATEGORY_FORUMS": "Category Forums",
}


@dataclass(frozen=True, slots=True)
class File:
    """An attachment with its bytes."""

    name: str
    mimetype: str
    content: bytes = field(repr=False)
    content_id: str = ""
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What is kept of a message.

    :ivar date: naive UTC, or None
    :ivar references: Message-IDs, separated by blanks; so is ``in_reply_to``
    :ivar people: {role: Address objects}
    :ivar labels: their names, as Google Takeout has them
    :ivar is_folded: ``body_html`` is only the beginning
    :ivar people_left_out: how many more it named
    :ivar left_in_gmail: (name, size in bytes) of attachments without bytes here
    """

    date: datetime | None = None
    message_id: str = ""
    in_reply_to: str = ""
    references: str = ""
    subject: str = ""
    people: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    body_html: str = field(default="", repr=False)
    is_folded: bool = False
    people_left_out: int = 0
    files: tuple[File, ...] = ()
    left_in_gmail: tuple[tuple[str, int], ...] = ()


def entry(message):
    """Return the bytes of one StoredMessage in an mbox file, separator included."""
    head = [_separator(message), *_head(message), b"MIME-Version: 1.0\n"]
    html = _html_part(message.body_html)
    if not message.files:
        return b"".join([*head, html, b"\n\n"])
    head.append(b'Content-Type: multipart/mixed; boundary="%s"\n\n' % BOUNDARY)
    for part in (html, *map(_file_part, message.files)):
        head += [b"--%s\n" % BOUNDARY, part, b"\n"]
    return b"".join([*head, b"--%s--\n\n" % BOUNDARY])


def takeout_labels(labels):
    """Return the names that Google Takeout writes for the labels of a message, which
    mark what was read too.

    :param labels: pairs of (Gmail id, name)

    >>> takeout_labels([("INBOX", "INBOX"), ("Label_1", "Chairs")])
    ('Inbox', 'Chairs', 'Opened')
    """
    names = {gmail_id: TAKEOUT.get(gmail_id, name) for gmail_id, name in labels}
    read = () if "UNREAD" in names else ("Opened",)
    return (*names.values(), *read)


def one_line(text):
    """Return a text as it can stand in a header: line ends and other controls are one
    blank."""
    return NOT_IN_HEADER.sub(" ", SURROGATE.sub("\ufffd", text or ""))


def _separator(message):
    """Return the line that begins an entry: RFC 4155, appendix A."""
    senders = message.people.get("from") or ()
    sender = senders[0].address if senders else ""
    if not (sender.isascii() and ADDRESS.fullmatch(sender)):
        sender = "MAILER-DAEMON"
    moment = (message.date or datetime(1970, 1, 1)).timetuple()
    return f"From {sender} {time.asctime(moment)}\n".encode("ascii")


def _head(message):
    """Yield the headers but those of MIME."""
    unwritten = []
    for role in ROLES:
        people = message.people.get(role) or ()
        found = [person for person in people if ADDRESS.fullmatch(person.address)]
        unwritten += [(role, person) for person in people if person not in found]
        if found:
            value = ",\n ".join(map(_person, found))
            yield f"{role.title()}: {value}\n".encode("utf-8", "replace")
    yield _header("Subject", message.subject)
    if message.date:
        moment = message.date.replace(tzinfo=timezone.utc)
        yield _header("Date", format_datetime(moment))
    for name, value in (
        ("Message-ID", message.message_id),
        ("In-Reply-To", message.in_reply_to),
        ("References", message.references),
    ):
        if words := one_line(value).split():
            yield f"{name}: {_joined(map(_word, words))}\n".encode("ascii")
    if message.labels:
        yield _header("X-Gmail-Labels", ",".join(map(_label, message.labels)))
    if message.is_folded:
        yield _header("X-Odoo-Folded", "only the beginning of the text is stored")
    if message.people_left_out:
        yield _header("X-Odoo-People-Left-Out", str(message.people_left_out))
    for role, person in unwritten:
        value = f"{role.title()}; {person.name}; {person.address}"
        yield _header("X-Odoo-Unusual-Address", value)
    for name, size in message.left_in_gmail:
        yield _header("X-Odoo-Attachment-In-Gmail", f"{name}; {size}")


def _header(name, value):
    """Return the line, or folded lines, of a header with text."""
    value = one_line(value)
    if value and not _is_plain(value):
        value = _joined(_encoded_words(value))
    return f"{name}: {value}\n".encode("ascii")


def _is_plain(value):
    return len(value) <= MAX_LINE and "=?" not in value and PLAIN.fullmatch(value)


def _joined(words):
    return "\n ".join(words)


def _encoded_words(value):
    """Yield RFC 2047 words, each with whole characters."""
    word = b""
    for character in value:
        more = character.encode("utf-8", "replace")
        if len(word) + len(more) > WORD_BYTES:
            yield _encoded_word(word)
            word = b""
        word += more
    yield _encoded_word(word)


def _encoded_word(raw):
    return f"=?utf-8?b?{base64.b64encode(raw).decode()}?="


def _word(text):
    return text if WORD.fullmatch(text) else _joined(_encoded_words(text))


def _person(person):
    name, address = " ".join(one_line(person.name).split()), person.address
    if not name:
        return address
    if not _is_plain(name):
        name = _joined(_encoded_words(name))
    elif not ATOMS.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{address}>"


def _label(name):
    """Return the name of a label for a list with commas between."""
    return '"' + name.replace('"', '""') + '"' if set('",') & set(name) else name


def _html_part(html):
    encoding, content = _encoded(SURROGATE.sub("\ufffd", html).encode())
    return (
        b"Content-Type: text/html; charset=utf-8\n"
        b"Content-Transfer-Encoding: %s\n\n%s" % (encoding, content)
    )


def _encoded(data):
    """Return (encoding, bytes) of a text, readable when it mostly is ASCII; no line of
    it can be taken for a separator or a boundary."""
    if len(data.translate(None, delete=ASCII)) * 6 > len(data):
        return b"base64", base64.encodebytes(data)
    lines = (binascii.b2a_qp(line, istext=False) for line in data.split(b"\n"))
    # A line that ends in "=" goes on in the next one.
    content = FROM_LINE.sub(rb"\1=46=\nrom ", b"\n".join(lines))
    # The line end that follows is none of the text.
    return b"quoted-printable", content + b"="


def _file_part(file):
    mimetype = file.mimetype or ""
    if not MIMETYPE.fullmatch(mimetype) or len(mimetype) > 200:
        # Also what would have to be written without encoding (RFC 2046, 5.2.1).
        mimetype = "application/octet-stream"
    place = "inline" if file.is_inline else "attachment"
    lines = [
        f"Content-Type: {mimetype}",
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: {place};\n {_file_name(file.name)}",
    ]
    content_id = file.content_id or ""
    if WORD.fullmatch(content_id) and not set("<>") & set(content_id):
        lines.append(f"Content-ID: <{content_id}>")
    head = "\n".join(lines).encode("ascii")
    return head + b"\n\n" + base64.encodebytes(file.content)


def _file_name(name):
    """Return the parameter(s) of Content-Disposition with a file's name."""
    name = file_name(one_line(name))
    if PLAIN_NAME.fullmatch(name):
        return f'filename="{name}"'
    pieces = re.findall(r"(?:%..|[^%]){1,60}", quote(name.encode("utf-8"), safe=""))
    if len(pieces) < 2:
        return f"filename*=utf-8''{''.join(pieces)}"
    # RFC 2231, 3: pieces are put together, then read.
    pieces[0] = f"utf-8''{pieces[0]}"
    return ";\n ".join(f"filename*{n}*={piece}" for n, piece in enumerate(pieces))
