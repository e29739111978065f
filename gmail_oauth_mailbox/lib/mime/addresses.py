"""One key for all spellings of an email address.

Two addresses reach the same mailbox when their keys are equal. The written address
stays for display and for sending; keys are compared, stored, and searched for.

Sources: RFC 5321, 2.4 and 4.1.2 (local parts, quoted strings); RFC 6068 (``mailto:``);
RFC 5890 and Unicode's UTS 46 (both spellings of an internationalized domain); Google's
help pages "Dots don't matter in Gmail addresses" and "Add or remove another email
address" (googlemail.com).
"""

import re
import unicodedata
from contextlib import suppress
from functools import lru_cache
from urllib.parse import unquote

import idna

# RFC 5321, 4.5.3.1: 64 + 1 + 255 octets.
MAX_ADDRESS = 320
# RFC 1035, 2.3.4. A longer text isn't a domain, and the parsers below take their time.
MAX_DOMAIN = 255
# Characters that are read: an address with what surrounds it, and a pasted text.
MAX_TEXT = 1_000
MAX_PASTED = 2_000
GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
PLAIN = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
ATOMS = re.compile(r"[^\s\"(),:;<>@\[\\\]]+")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
MAILTO = "mailto:"
# A word of a pasted text, or what separates words; a quoted string is whole.
SEPARATORS = "<>,;|\n\u3001\uff0c\uff1b"
PIECE = re.compile(
    rf'"(?:[^"\\]|\\.)*"[^\s"{SEPARATORS}]*|[{SEPARATORS}]|[^\s"{SEPARATORS}]+',
    re.DOTALL,
)
ASCII_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[a-z0-9.:]+\]")
BRACKETS = "()[]{}'`“”‘’„«»"
# "Email:", or Exchange's "SMTP:".
LABEL = re.compile(r"[^\W\d_][\w-]{0,20}:(?!/)")
FULL_WIDTH_AT = "\uff20"


def address_key(address, gmail=True):
    """Return what all spellings of an address share, or "" for an empty one, and for a
    text that is too long to be one.

    It isn't validated: what has no domain is its own key.

    :param gmail: whether spellings that only Gmail delivers to one mailbox share a key
        too: dots in the local part, and googlemail.com

    >>> address_key("mailto:Info@Bücher.example. ")
    'info@xn--bcher-kva.example'
    >>> address_key("Jane.Roe@googlemail.com")
    'janeroe@gmail.com'
    >>> address_key("Jane.Roe@googlemail.com", gmail=False)
    'jane.roe@googlemail.com'
    """
    return _key(address, gmail) if address and len(address) <= MAX_TEXT else ""


def mailbox_key(address):
    """Return the key of the mailbox that an address delivers to, tags left out: what
    follows a "+" is its owner's own choice.

    :return: (local part, domain)

    >>> mailbox_key("anna.keller+shop@gmail.com")
    ('annakeller', 'gmail.com')
    """
    local, _at, domain = address_key(address).rpartition("@")
    return local.partition("+")[0], domain


def same_mailbox(one, other):
    """Whether two addresses reach one mailbox, as far as they tell.

    >>> same_mailbox("anna.keller+shop@gmail.com", "annakeller@googlemail.com")
    True
    """
    return bool(one and other) and mailbox_key(one) == mailbox_key(other)


def domain_of(address):
    """Return the domain of an address as ``ascii_domain`` gives it, "" for none.

    >>> domain_of("Carla@Müller.example")
    'xn--mller-kva.example'
    """
    _local, at, domain = address_key(address, gmail=False).rpartition("@")
    return domain if at else ""


def spellings(address):
    """Return the spellings of an address that a text search has to ask for, the written
    one first: the domain in ASCII and in Unicode, and Gmail's own ones.

    >>> spellings("info@bücher.example")
    ['info@bücher.example', 'info@xn--bcher-kva.example']
    >>> spellings("jane.roe@gmail.com")[1:]
    ['janeroe@gmail.com', 'jane.roe@googlemail.com', 'janeroe@googlemail.com']
    """
    exact = address_key(address, gmail=False)
    local, at, domain = exact.rpartition("@")
    if not at:
        return [exact] if exact else []
    written = bare(address).lower()
    found = [exact, f"{local}@{unicode_domain(domain)}"]
    found.sort(key=lambda spelled: spelled != written)
    if domain in GMAIL_DOMAINS:
        plain = local.replace(".", "")
        others = [domain, *sorted(GMAIL_DOMAINS - {domain})]
        found += [f"{x}@{name}" for name in others for x in (local, plain)]
    return list(dict.fromkeys(found))


def ascii_domain(domain):
    """Return a domain in lower case as DNS spells it, or "" for none.

    A label that IDNA refuses (an emoji) is encoded all the same, so that both of its
    spellings have one key.

    >>> ascii_domain("Straße.example."), ascii_domain("☕.example")
    ('xn--strae-oqa.example', 'xn--53h.example')
    """
    if not domain or len(domain) > MAX_TEXT:
        return ""
    domain = clean(domain).strip(".").lower()
    if domain.isascii():
        return domain
    if len(domain) > MAX_DOMAIN:
        return ""
    try:
        # Without the transitional mapping: browsers and registries keep ß apart.
        domain = idna.uts46_remap(domain, std3_rules=False, transitional=False)
    except idna.IDNAError:
        domain = unicodedata.normalize("NFKC", domain).lower()
    labels = [_ascii_label(label) for label in domain.strip(".").split(".")]
    return ".".join(labels) if all(labels) else ""


def unicode_domain(domain):
    """Return a domain in lower case as its owner writes it; a label that can't be
    decoded stays in ASCII.

    >>> unicode_domain("xn--bcher-kva.example")
    'bücher.example'
    """
    if "xn--" not in domain or len(domain) > MAX_DOMAIN:
        return domain
    return ".".join(map(_unicode_label, domain.split(".")))


def clean(text):
    """Return a text without invisible characters: controls, zero-width ones, and those
    that turn the direction of writing; other blanks at its ends go too.

    >>> clean("\\u202ajane@example.com\\u200b ")
    'jane@example.com'
    """
    text = text or ""
    if text.isascii() and text.isprintable():
        return text.strip()
    kept = (c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl"))
    return "".join(kept).strip()


def bare(text):
    """Return an address without invisible characters, ``mailto:``, and brackets; ""
    for a text that is too long to be one."""
    if not text or len(text) > MAX_TEXT:
        return ""
    text = unicodedata.normalize("NFC", clean(text))
    if text[:1] == "<" and text[-1:] == ">":
        text = clean(text[1:-1])
    if text[: len(MAILTO)].lower() == MAILTO:
        text = clean(unquote(text[len(MAILTO) :].partition("?")[0]))
    # It isn't typed on purpose where there is no other.
    return text if "@" in text else text.replace(FULL_WIDTH_AT, "@")


def pasted(text):
    """Return the addresses in a text that a person typed or pasted, as they are
    written, in lower case, without repetitions.

    Not for headers, which have a grammar. The words before an address in angle brackets
    are its name, and name nobody else.

    >>> pasted('"Jane" <Jane@example.com>; mailto:bob@example.com.')
    ['jane@example.com', 'bob@example.com']
    >>> pasted('"ceo@customer.example" <x@other.example>')
    ['x@other.example']
    """
    found, words = [], []
    for piece in PIECE.findall((text or "")[:MAX_PASTED].replace("\r", "\n")):
        if piece == "<":
            words = []
        elif piece in SEPARATORS:
            found += words
            words = []
        elif piece[0] == '"':
            words += _quoted(piece)
        elif piece.count("@") > 1 and "/" in piece:
            words += filter(None, map(_pasted_address, piece.split("/")))
        elif address := _pasted_address(piece):
            words.append(address)
    return list(dict.fromkeys(found + words))


@lru_cache(maxsize=8192)
def _key(address, gmail):
    if not PLAIN.fullmatch(address):
        address = _normal(address)
    local, at, domain = address.rpartition("@")
    if gmail and at and domain in GMAIL_DOMAINS:
        return f"{local.replace('.', '')}@gmail.com"
    return address


def _normal(address):
    """Return an address in its normal form, whatever surrounds it."""
    address = bare(address)
    local, at, domain = address.rpartition("@")
    if not at:
        return address.lower()
    domain = "".join(domain.split())
    return f"{_local(local)}@{ascii_domain(domain) or domain.lower()}"


def _local(local):
    """Return a local part in lower case, without quotes that it doesn't need."""
    local = local.strip()
    if len(local) > 1 and local[0] == local[-1] == '"':
        inner = ESCAPED.sub(r"\1", local[1:-1])
        return (inner if ATOMS.fullmatch(inner) else local).lower()
    return "".join(local.split()).lower()


def _ascii_label(label):
    if label.isascii():
        return label
    with suppress(idna.IDNAError, UnicodeError):
        return idna.alabel(label).decode()
    try:
        return "xn--" + label.encode("punycode").decode()
    except UnicodeError:
        return ""


def _unicode_label(label):
    if not label.startswith("xn--"):
        return label
    with suppress(idna.IDNAError, UnicodeError):
        return idna.ulabel(label)
    try:
        written = label[4:].encode().decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
    # Other text in Unicode could take the shape of the address around it.
    return written if ascii_domain(written) == label else label


def _quoted(piece):
    """Return the addresses in a quoted string of a pasted text: none when it is the
    local part of another address."""
    text, _quote, rest = piece[1:].rpartition('"')
    return [] if rest.startswith("@") else pasted(text.replace('"', " "))


def _pasted_address(word):
    """Return the address that a word of a pasted text is, or ""."""
    word = clean(word).strip(BRACKETS)
    while (label := LABEL.match(word)) and label[0].lower() != MAILTO:
        word = word[label.end() :]
    if word[: 2 * len(MAILTO)].lower() == MAILTO * 2:
        word = word[len(MAILTO) :]
    word = bare(word).lower()
    local, at, domain = word.rpartition("@")
    ascii_name = ascii_domain(domain)
    if (
        not at
        or len(word) > MAX_ADDRESS
        or not ATOMS.fullmatch(local)
        or not ASCII_DOMAIN.fullmatch(ascii_name)
    ):
        return ""
    is_written_in_ascii = domain.isascii()
    return (
        f"{local}@{ascii_name if is_written_in_ascii else unicode_domain(ascii_name)}"
    )
