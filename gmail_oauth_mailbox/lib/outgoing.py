"""A message of Odoo's to the bytes that go to Gmail.

Sources: RFC 5322 (addresses, Message-ID, line lengths), RFC 2047 (encoded words),
RFC 2392 (``cid:``).
"""

import base64
import copy
import email
import email.policy
import hashlib
import re
from email.header import Header
from email.message import EmailMessage
from email.utils import formataddr, formatdate, getaddresses, make_msgid

from .headers import message_ids, parse_addresses
from .message import SEND_HEADER

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
# A picture that was pasted into the text.
PICTURE = re.compile(
    r"""(<img\b[^<>]{0,4000}?\ssrc\s{0,9}=\s{0,9})(["'])"""
    r"""data:image/(png|gif|jpeg|jpg|webp);base64,([A-Za-z0-9+/=\s]+)\2""",
    re.I,
)
PLAIN_PICTURE = re.compile(
    r"data:image/(png|gif|jpeg|jpg|webp);base64,[A-Za-z0-9+/=]+", re.I
)
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
    _embed_pictures(message, message_id_domain)
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


def _embed_pictures(message, domain):
    """Make parts of the pictures that stand in the text as ``data:`` addresses, which
    most mail programs do not show; the same picture is sent once.

    Odoo's plain text names them with all of their bytes: there the names are enough.
    """
    # Odoo makes EmailMessage; others may hand over what the old classes are.
    modern = isinstance(message, EmailMessage)
    part = message.get_body(("html",)) if modern else None
    if part is None or "data:image/" not in (text := part.get_content()):
        return
    pictures = {}

    def name(match):
        before, quote, subtype, data = match.groups()
        try:
            content = base64.b64decode(data)
        except ValueError:
            return match[0]
        cid = f"{hashlib.sha256(content).hexdigest()[:32]}@{domain}"
        pictures[cid] = subtype.lower().replace("jpg", "jpeg"), content
        return f"{before}{quote}cid:{cid}{quote}"

    text = PICTURE.sub(name, text)
    if not pictures:
        return
    part.set_content(text, subtype="html")
    plain = message.get_body(("plain",))
    if plain is not None and "data:image/" in (text := plain.get_content()):
        plain.set_content(PLAIN_PICTURE.sub(r"picture.\1", text))
    for number, (cid, (subtype, content)) in enumerate(pictures.items(), 1):
        part.add_related(
            content,
            "image",
            subtype,
            cid=f"<{cid}>",
            disposition="inline",
            filename=f"picture-{number}.{subtype}",
        )


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
    original = next(iter(message_ids(message["Message-ID"] or "")), "")
    message_id = original or make_msgid(domain=domain)
    local, _at, host = message_id.strip("<>").rpartition("@")
    if "." not in host or not local:
        message_id = f"<{local or host}@{domain}>"
    references = list(message_ids(message["References"] or ""))
    if original and original != message_id:
        references = [r for r in references if r != original] + [original]
    if message_id not in references:
        references.append(message_id)
    if len(references) > MAX_SENT_REFERENCES:
        references = references[:1] + references[1 - MAX_SENT_REFERENCES :]
    return {
        "Message-ID": message_id,
        "In-Reply-To": "\r\n ".join(message_ids(message["In-Reply-To"] or "")),
        "References": "\r\n ".join(references),
    }
