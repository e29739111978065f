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
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, unquote, urlsplit

from ..sanitize import clean_html_to_text

WORD = re.compile(r"\w+")
# "[list]" behind any number of "Re:": added by lists and gateways.
REPLY = r"(?:(?:re|aw|sv|vs|antw|fwd?|wg|tr|rv)\s*:\s*)"
SUBJECT_TAG = re.compile(rf"^(\s*{REPLY}*)\[[^\]]{{1,60}}\]\s*", re.I)
MAX_SUBJECT_TAGS = 3

ANCHOR = re.compile(r'<a\b[^<>]{0,4000}?\shref="([^"]{0,8000})"', re.I)
URL = re.compile(r"https?://[^\s<>\"']{1,4000}", re.I)
# Styles that keep words from being seen, and characters that turn their order round.
HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:"
    r"|(?:font-size|(?:max-)?(?:height|width)|line-height)\s*:\s*0",
    re.I,
)
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")

# Gateways that lead a link through themselves, and the parameter with its target.
REWRITERS = {
    "safelinks.protection.outlook.com": "url",
    "linkprotect.cudasvc.com": "a",
    "clicktime.symantec.com": "u",
    "urldefense.proofpoint.com": "u",
    "urldefense.com": "u",
    "www.google.com": "q",
}
# Ways of writing the target in the path.
PROOFPOINT_V3 = re.compile(r"/v3/__(.+?)__;")
CISCO_HOST = "secure-web.cisco.com"
MAX_UNWRAPPED = 4

# What a gateway says before the text, a sentence at a time.
BANNER_ZONE = 1500
MAX_BANNER_SENTENCES = 8
OUTSIDE = (
    r"(?:outside|external|extern\w*|außerhalb|unknown\ sender|extérieur\w*|fuera"
    r"|esterno|buiten)"
)
BANNER = re.compile(
    rf"""[\s\W_]*(?:
      \[\s*(?:external|extern\w*|ext)\b[^\]\n]{{0,40}}\]
    | (?:external|extern\w*)\s+(?:e-?mail|message|mail|sender|nachricht)\b
      [^\n.!]{{0,60}}
    | (?:caution|warning|attention|alert|notice|important|be\s+careful|vorsicht|achtung
       |warnung|hinweis|avertissement|prudence|precaución|atención|attenzione|let\s+op
      )\b[^\w\n]*
    | (?:this|the|diese|dies|cet|cette|ce|este|esta|questa|dit)\b[^\n.!]{{0,60}}
      (?:e-?mail|message|nachricht|mail|courriel|correo|mensaje|messaggio|bericht)\b
      [^\n.!]{{0,60}}{OUTSIDE}[^\n.!]{{0,80}}
    | (?:please\s+)?(?:do\s+not|don['’]t|never|avoid|use\s+caution|exercise\s+caution
       |be\s+cautious|think\s+before|klicken\s+sie|öffnen\s+sie|ne\s+cliquez|no\s+haga)
      \b[^\n.!]{{0,60}}(?:link|attachment|click|anhang|anhänge|open|reply|lien|enlace)
      [^\n.!]{{0,120}}
    )[.!]*""",
    re.I | re.X,
)
# What a list says below the text.
FOOTER_ZONE = 2500
MAX_FOOTER = 1500
MAX_FOOTERS = 4
LIST_WORDS = (
    r"mailing\ ?-?list|unsubscribe|subscribed|subscription|listinfo|list-info"
    r"|google\ groups|groups\.io|abmelden|abbestellen|verteiler|mailingliste"
    r"|désabonner|désinscrire|liste\ de\ diffusion|darse\ de\ baja|lista\ de\ correo"
    r"|uitschrijven|disiscri"
)
SEPARATOR = re.compile(r"\n[ \t]*[_=*~#-]{2}[_=*~# \t-]*(?=\n|$)")
LIST_WORD = re.compile(LIST_WORDS, re.I | re.X)
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
        letters(bare_subject(subject)),
        "\n".join(sorted(f"{r} {a} {letters(name)}" for r, a, name in people)),
        letters(bare_text(html)),
        f"{len(HIDING.findall(html or ''))} {''.join(DIRECTION.findall(html or ''))}",
        "\n".join(sorted(f"{size} {name}" for name, size in files)),
    )


def letters(text):
    """Return the words of a text without what mail servers change: blanks, line ends,
    signs, capitals.

    >>> letters("Hello,\\r\\n> Anna!")
    'helloanna'
    """
    return "".join(WORD.findall(text or "")).lower()


def same_words(html, other):
    """Whether two pieces of HTML say the same and lead to the same places, even when
    different programs cleaned them.

    >>> same_words("<p>Hello <b>Anna</b></p>", "<div>Hello Anna</div>")
    True
    >>> same_words('<a href="https://a.test">pay</a>', '<a href="https://b.test">pay</a>')
    False
    """
    return letters(bare_text(html)) == letters(bare_text(other))


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
    marked = ANCHOR.sub(lambda match: f" {match[1]} {match[0]}", html or "")
    # Entities are resolved with the rest of the text.
    text = URL.sub(lambda match: target(match[0]), clean_html_to_text(marked))
    return _without_footer(_without_banner(text))


def target(url):
    """Return where a link leads that a known mail gateway leads through itself.

    >>> target("https://eu.safelinks.protection.outlook.com/?url=https%3A%2F%2Fx.test%2Fa")
    'x.test/a'
    """
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
                [found, *_more] = parse_qs(parts.query).get(parameter) or [""]
                if "/v2/" in parts.path:
                    found = unquote(found.replace("-", "%").replace("_", "/"))
                return found if URL.fullmatch(found) else None
    except ValueError:
        return None
    return None


def _without_banner(text):
    head, rest = text[:BANNER_ZONE], text[BANNER_ZONE:]
    for _sentence in range(MAX_BANNER_SENTENCES):
        match = BANNER.match(head)
        if not match:
            break
        head = head[match.end() :]
    return head + rest


def _without_footer(text):
    head, tail = text[:-FOOTER_ZONE], text[-FOOTER_ZONE:]
    for _footer in range(MAX_FOOTERS):
        starts = (
            m.start() for p in (SEPARATOR, LIST_SENTENCE) for m in p.finditer(tail)
        )
        # The last one first: the sender's signature is above the footer.
        for start in sorted(starts, reverse=True):
            footer = tail[start:]
            if len(footer) <= MAX_FOOTER and LIST_WORD.search(footer):
                tail = tail[:start]
                break
        else:
            break
    return head + tail


def _hash(*parts):
    total = hashlib.sha256()
    for part in parts:
        total.update((part or "").encode("utf-8", "surrogatepass"))
        total.update(b"\0")
    return total.hexdigest()[:32]
