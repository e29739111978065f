"""Which stored messages are copies of one email, and which look the same to a reader.

Two questions with two answers:

* ``mail_key`` joins copies loosely, by what their sender wrote into the headers. The
  owner of a mailbox can insert any message into it, so the key proves nothing: it only
  says which copies are compared.
* ``digest`` is the same for copies that show the same to a reader, whatever servers on
  the way add: the tag of a mailing list in the subject, its footer, the banner of a
  mail gateway, links that the gateway leads through itself.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import parse_qs, unquote, urlsplit

from ..sanitize import CLEAN_TAG, VOID, clean_html_to_text

WORD = re.compile(r"\w+")
# "[list]" behind any number of "Re:": added by lists and gateways.
REPLY = r"(?:(?:re|aw|sv|vs|antw|fwd?|wg|tr|rv)\s*:\s*)"
SUBJECT_TAG = re.compile(
    rf"^(\s*{REPLY}*)"
    r"\[(?:extern\w*(?: e-?mail| sender| message)?|[a-z][\w.-]{0,29})\]\s*",
    re.I,
)
MAX_SUBJECT_TAGS = 3

ANCHOR = re.compile(r'<a\b[^<>]{0,4000}?\shref="([^"]{0,8000})"', re.I)
LINK = re.compile(
    r'<a\b[^<>]{0,4000}?\shref="([^"]{0,8000})"[^<>]{0,4000}>([^<>]{0,8000})</a>', re.I
)
PREFORMATTED = re.compile(r"<pre\b[^<>]{0,4000}>.*?(?:</pre>|\Z)", re.I | re.S)
# Of plain text (RFC 3676, 4.5).
QUOTE_MARKS = re.compile(r"^[ \t\xa0]*>[> \t\xa0]*", re.M)
# What Odoo's gateway calls a file without a name.
NAMELESS = "attachment"
# Up to the sign behind it.
URL = re.compile(r"https?://[^\s<>\"'\ue000-\uf8ff]{1,4000}", re.I)
# Tags that leave words where and as they are, without an attribute. Others strike
# words out, move, quote or hide them, or put numbers before them.
PLAIN_TAGS = frozenset(
    "a abbr address article b br center cite code col colgroup dd div dl dt em figure"
    " font footer header hr i img ins kbd li main nav p pre samp section span strong"
    " table tbody td th time tr tt u ul var wbr".split()
)
HREF = re.compile(r'\s*\bhref="[^"]{0,8000}"', re.I)
# Unicode's private use area.
FIRST_SIGN, SIGNS = 0xE000, 0xF8FF - 0xE000

# Gateways that lead a link through themselves, and the parameter with its target.
REWRITERS = {
    "safelinks.protection.outlook.com": "url",
    "linkprotect.cudasvc.com": "a",
    "clicktime.symantec.com": "u",
    "urldefense.proofpoint.com": "u",
    "urldefense.com": "u",
    "www.google.com": "q",
}
TARGETS = frozenset({"a", "q", "u", "url"})
# Ways of writing the target in the path.
PROOFPOINT_V3 = re.compile(r"/v3/__(.+?)__;")
CISCO_HOST = "secure-web.cisco.com"
MAX_UNWRAPPED = 4
# Characters of a link.
MAX_URL = 4_000

# What a gateway says before the text, and a list below it: sentences of these words
# and a few others, such as a name. Whatever else stands there is the email's.
BANNER_ZONE = 1500
MAX_BANNER_SENTENCES = 12
BANNER_WORDS = frozenset(
    """
    a absender achtung an and anhänge any are atención attachment attachments
    attention attenzione auf außer außerhalb avertissement be been before came
    careful caution cautious ce cet cette check click clicking company content
    correo courriel d'extern dans de dem den der des di die diese dieser do don't e
    e-mail e-mails el email emails en exercise expected expéditeur ext extern
    external externe externen from gesendet has have hinweis identify if important
    in is ist it it's its keine klicken know known kommt la le les like link links
    look mail mensaje message messages n'ouvrez nachricht ne never not notice of on
    open opening or organisation organization origin originated our outside pièces
    please precaución provenant prudence que recognise recognize reply safe sender
    sent sie source stammt suspicious t'extern that the think this trust trusted
    twice unbekannten unexpected unknown unless use verify vient von vorsicht
    warning was wenn were with wurde you your öffnen
    """.split()
)
BANNER_KEYS = frozenset(
    """
    achtung atención attachment attachments attention attenzione avertissement
    careful caution click clicking ext extern external externe externen hinweis
    links open opening outside precaución prudence unknown unless vorsicht warning
    öffnen
    """.split()
)
MAX_OTHER_WORDS = 2
# Blanks, brackets, rules, and the signs of tags around a banner.
AROUND = re.compile(r"[\s\ue000-\uf8ff\[\](){}*_=|:.!-]*")
SENTENCE = re.compile(r"[^\n.!?:]{0,300}[\n.!?:\]]?")
FOOTER_ZONE = 2500
MAX_FOOTER = 1500
MAX_FOOTERS = 4
FOOTER_WORDS = frozenset(
    """
    a abbestellen abmelden all an and archive archives are at aus baja because been
    by click contact correo darse de del der desabonner die diese diesem diesen
    dieser discussion disiscriversi désabonner désinscrire email emails following
    for from google group groups groups.io here if in info is it la leave link links
    list list-info lista liste listinfo lists mail mailing mailing-list mailinglist
    mailingliste manage message messages more mute newsletter of on online options
    or owner please post preferences receive received reply send sent settings sie
    stop subscribed subscribing subscription survey the this to topic uitschrijven
    unsub unsubscribe unsubscribing unsubscription update use verteiler view visit
    vom von want was web were with you your zu zum
    """.split()
)
FOOTER_KEYS = frozenset(
    """
    abbestellen abmelden baja disiscriversi désabonner désinscrire google groups.io
    list-info listinfo mailing mailing-list mailinglist mailingliste subscribed
    subscription uitschrijven unsub unsubscribe verteiler
    """.split()
)
MAX_OTHER_FOOTER_WORDS = 3
ADDRESS = re.compile(r"\S+@\S+|(?:https?://)?[\w-]+(?:\.[\w-]+)+(?:/\S*)?")
NAME = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*")
SEPARATOR = re.compile(r"\n[\s\ue000-\uf8ff]*[_=*~#-]{2}[_=*~# \t-]*(?=\n|$)")
END = re.compile(r"[_=*~#\s\ue000-\uf8ff-]+\Z")
LIST_SENTENCE = re.compile(
    r"\n[^\n]{0,40}(?:you received this (?:e-?mail|message) because you are subscribed"
    r"|to unsubscribe (?:from this (?:list|group)|send))",
    re.I,
)


def mail_key(message_id, sender, of_one_copy=""):
    """Return what copies of one email share: Message-ID and From.

    :param message_id: Message-ID (RFC 5322, 3.6.4), or empty
    :param sender: normalized address of From
    :param of_one_copy: text that only this copy has; it stands for a missing
        Message-ID, so that the email has no other copies
    :return: 32 hexadecimal digits

    >>> mail_key("<a@x.test>", "carla@x.test") == mail_key("<a@x.test>", "eve@x.test")
    False
    """
    return _hash("id" if message_id else "copy", message_id or of_one_copy, sender)


def earlier_key(message_id, sender, date, body):
    """Return the key that version 19.0.1.0.0 gave an email, by which its choices and
    entries are found whose copies were gone before the update.

    :param date: the Date header
    :param body: plain text
    :return: 32 hexadecimal digits, or None for an email without a Message-ID
    """
    if not message_id:
        return None
    moment = header_date(date)
    words = "".join(WORD.findall(body or ""))
    return _hash(message_id, sender, moment.isoformat() if moment else "", words)


def header_date(header):
    """Return a Date header (RFC 5322, 3.3) in UTC without its zone, whole seconds, or
    None when it can't be read.

    :rtype: datetime.datetime or None
    """
    try:
        date = parsedate_to_datetime(header or "")
        if date.tzinfo:
            date = date.astimezone(timezone.utc).replace(tzinfo=None)
        return date.replace(microsecond=0)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def digest(subject, people, html, files):
    """Return a digest of what a reader would be shown of a copy.

    :param subject: str or None
    :param people: (role, address, name) of From, To, and Cc
    :param html: the stored text, as ``sanitize.clean_html`` returned it
    :param files: (name, size in bytes)
    :return: 32 hexadecimal digits
    """
    return _hash(
        spaced(bare_subject(subject)),
        "\n".join(sorted(f"{r} {a} {letters(name)}" for r, a, name in people)),
        spaced(bare_text(marked(html))),
        "\n".join(sorted(f"{size} {name}" for name, size in files)),
    )


def letters(text):
    """Return a text without what mail servers change: blanks and line ends.

    >>> letters("Hello,\\r\\n Anna!")
    'Hello,Anna!'
    """
    return "".join((text or "").split())


def spaced(text):
    """Return a text with one blank wherever it has any: where a word or a number ends
    is part of what it says.

    >>> spaced("1 000\\r\\n now  here")
    '1 000 now here'
    """
    return " ".join((text or "").split())


def marked(html):
    """Return clean HTML with a sign before and behind what an element makes look
    different: by a style or a color, as struck out, quoted, or a picture's text.

    The sign, of Unicode's private use area, depends on all of the tag.
    """
    signs = []

    def mark(match):
        is_end, name = match[1], match[2]
        if is_end:
            return f"{signs.pop() if signs else ''}{match[0]}"
        # Where a link leads is in the text already.
        tag = HREF.sub("", match[0])
        is_plain = name in PLAIN_TAGS and "=" not in tag
        sign = "" if is_plain else _sign(tag)
        if name not in VOID:
            signs.append(sign)
        return f"{match[0]}{sign}"

    return CLEAN_TAG.sub(mark, html or "")


def _sign(tag):
    digits = hashlib.sha256(tag.encode("utf-8", "replace")).hexdigest()[:8]
    return chr(FIRST_SIGN + int(digits, 16) % SIGNS)


def same_words(html, other):
    """Whether two pieces of HTML say the same and lead to the same places, even when
    different programs made them: of a plain text, one shows addresses as links and
    quotes as blocks, another one leaves it as it is.

    >>> same_words("<p>Hello <b>Anna</b></p>", "<div>Hello Anna</div>")
    True
    >>> same_words('<a href="https://a.test">pay</a>', '<a href="https://b.test">pay</a>')
    False
    >>> same_words("<blockquote>old</blockquote>new", "<pre>&gt; old\nnew</pre>")
    True
    """
    return _words(html) == _words(other)


def _words(html):
    """Return the letters of a text without the marks of plain text."""
    html = PREFORMATTED.sub(lambda match: match[0].replace("\n", "<br>"), html or "")
    html = LINK.sub(
        lambda match: match[2] if _names_itself(match[1], match[2]) else match[0], html
    )
    return letters(_bare(QUOTE_MARKS.sub("", _text_of(html))))


def _names_itself(href, text):
    """Whether the text of a link is where it leads."""
    return target(unescape(href)) == target(unescape(text.strip()))


@dataclass(frozen=True, slots=True)
class File:
    """An attachment of a copy.

    :ivar size: in bytes
    :ivar raw: its bytes when they are stored, or None
    """

    name: str
    mimetype: str
    size: int
    raw: bytes | None = None


def same_at_gateway(copy, files, other, other_files):
    """Whether what Odoo's gateway made of an email is the same as a mailbox's copy.

    Odoo decodes texts anew, calls files without a name "attachment", and adds the texts
    of an attached email to those of the email (``mail.thread.message_parse``).

    :param copy: (subject, HTML)
    :param files: of File
    :param other: (subject, HTML) of the gateway's
    :param other_files: (name, bytes, str, or email.message.EmailMessage)
    """
    if spaced(copy[0]) != spaced(other[0]):
        return False
    left = list(other_files)
    for file in files:
        same = next((x for x in left if _is_file(file, *x)), None)
        if same is None:
            return False
        left.remove(same)
    if left:
        return False
    if any(file.mimetype.startswith("message/") for file in files):
        words = _words(copy[1])
        return bool(words) and _words(other[1]).startswith(words)
    return same_words(copy[1], other[1])


def _is_file(file, name, content):
    """Whether a file at the gateway is one of a copy."""
    if name not in (file.name, NAMELESS):
        return False
    if file.mimetype.startswith("message/"):
        # It is written anew, header by header.
        return True
    if not isinstance(content, (str, bytes)):
        return not content and not file.size
    if isinstance(content, bytes) and not file.mimetype.startswith("text/"):
        return content == file.raw if file.raw else len(content) == file.size
    return any(
        form == file.raw if file.raw else len(form) == file.size
        for form in _forms(content)
    )


def _forms(content):
    """Yield the bytes that a text can have had before it was decoded."""
    if isinstance(content, bytes):
        yield content
        content = content.decode("utf-8", "replace")
    lines = content.replace("\r\n", "\n")
    for text in dict.fromkeys((content, lines, lines.replace("\n", "\r\n"))):
        for charset in ("utf-8", "cp1252", "utf-16-le"):
            try:
                yield text.encode(charset)
            except UnicodeEncodeError:
                continue


def bare_subject(subject):
    """Return a subject without the tags that lists and gateways put before it.

    >>> bare_subject("Re: [EXTERNAL] [sales] Blue chairs")
    'Re: Blue chairs'
    """
    subject = (subject or "")[:1000]
    for _tag in range(MAX_SUBJECT_TAGS):
        subject, found = SUBJECT_TAG.subn(r"\1", subject, count=1)
        if not found:
            break
    return subject


def bare_text(html):
    """Return the text of clean HTML with the targets of its links, without a gateway's
    banner and a list's footer."""
    return _bare(_text_of(html))


def _text_of(html):
    """Return the text of clean HTML with the targets of its links."""
    marked = ANCHOR.sub(lambda match: f" {match[1]} {match[0]}", html or "")
    # Entities are resolved with the rest of the text.
    return URL.sub(lambda match: target(match[0]), clean_html_to_text(marked))


def _bare(text):
    return _without_footer(_without_banner(text))


def target(url):
    """Return where a link leads that a known mail gateway leads through itself.

    >>> target("https://eu.safelinks.protection.outlook.com/?url=https%3A%2F%2Fx.test%2Fa")
    'x.test/a'
    """
    url = url[:MAX_URL]
    for _round in range(MAX_UNWRAPPED):
        inner = _unwrapped(url)
        if not inner or inner == url:
            break
        url = inner
    return url.partition("://")[2].rstrip("/") or url


def _unwrapped(url):
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if match := PROOFPOINT_V3.search(url) if host == "urldefense.com" else None:
            return match[1]
        if host == CISCO_HOST:
            return unquote(parts.path.rpartition("/")[2])
        for suffix, parameter in REWRITERS.items():
            if host == suffix or host.endswith(f".{suffix}"):
                if suffix == "www.google.com" and parts.path != "/url":
                    return None
                asked = parse_qs(parts.query)
                [found, *more] = asked.get(parameter) or [""]
                if more or len(TARGETS & asked.keys()) > 1:
                    # Which of them it leads to, the gateway alone knows.
                    return None
                if "/v2/" in parts.path:
                    found = unquote(found.replace("-", "%").replace("_", "/"))
                return found if URL.fullmatch(found) else None
    except ValueError:
        return None
    return None


def _without_banner(text):
    head, rest = text[:BANNER_ZONE], text[BANNER_ZONE:]
    for _sentence in range(MAX_BANNER_SENTENCES):
        match = SENTENCE.match(head)
        sentence = match[0]
        if not NAME.search(sentence):
            if not sentence or not AROUND.fullmatch(sentence):
                break
        elif not _is_of(sentence, BANNER_WORDS, BANNER_KEYS, MAX_OTHER_WORDS):
            break
        head = head[match.end() :]
    return head + rest


def _is_of(text, words, keys, most):
    """Whether a text is made of words of a list, one of them a key, and few others."""
    if re.search(r"\d", text):
        return False
    found = [word.lower() for word in NAME.findall(text)]
    others = sum(word not in words for word in found)
    return others <= most and any(word in keys for word in found)


def _is_footer(text):
    """Whether a text is what a mailing list adds: addresses, and lines of its words."""
    if len(text) > MAX_FOOTER:
        return False
    bare = ADDRESS.sub(" ", text)
    if re.search(r"\d", bare):
        return False
    has_key = False
    for line in bare.splitlines():
        found = [word.lower() for word in NAME.findall(line)]
        if sum(word not in FOOTER_WORDS for word in found) > MAX_OTHER_FOOTER_WORDS:
            return False
        has_key = has_key or any(word in FOOTER_KEYS for word in found)
    return has_key


def _without_footer(text):
    head, tail = text[:-FOOTER_ZONE], text[-FOOTER_ZONE:]
    for _footer in range(MAX_FOOTERS):
        starts = (
            match.start()
            for pattern in (SEPARATOR, LIST_SENTENCE)
            for match in pattern.finditer(tail)
        )
        # The last one first: the sender's signature is above the footer.
        for start in sorted(starts, reverse=True):
            if _is_footer(tail[start:]):
                tail = tail[:start]
                break
        else:
            break
    # What an element ends there that is around all of the text says nothing.
    return END.sub("", head + tail)


def _hash(*parts):
    total = hashlib.sha256()
    for part in parts:
        total.update((part or "").encode("utf-8", "surrogatepass"))
        total.update(b"\0")
    return total.hexdigest()[:32]
