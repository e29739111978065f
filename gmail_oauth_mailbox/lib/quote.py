"""The quoted text at the end of a message, folded as mail programs do.

Works on what ``clean_html`` returns, which is well-formed. A ``details`` element opens
and closes without a script.

Mail programs mark what they quote in one of these ways, all of which are read:

* ``blockquote``, mostly behind a line such as "On Monday, Ann wrote:" (Gmail, Apple
  Mail, Thunderbird, Proton Mail);
* that line alone, everything below being the quote (Yahoo Mail, phones);
* the headers of the answered message, behind a line, a border or "Original Message"
  (Outlook in all its forms);
* lines that begin with ">" (plain text).

One pass over the tags, one over the lines. The library quotequail (0.5.4) is not used:
it folds forwarded messages, answers between quotes, and what follows a sentence that
ends in "escribió:", it misses Outlook on the web, writes the whole text anew with lxml,
and takes 2 seconds for 40,000 paragraphs.
"""

import re
from dataclasses import dataclass, field

from .html.hostile import MAX_TAGS

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
WORD = re.compile(r"\w")
REFERENCE = re.compile(r"&(?:#\w{1,8}|\w{1,32});")
REFERENCES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&nbsp;": " "}
VOID = frozenset({"br", "col", "hr", "img", "wbr"})
INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code del dfn em font i img ins kbd mark q s samp"
    " small span strike strong sub sup time tt u var wbr".split()
)
# Outlook draws the line above the headers in this way.
BORDER = re.compile(r"border-top(?:-style)?: ?[^;\"]*\bsolid\b")
# Characters of a line, of which the rest says nothing new.
MAX_LINE = 400
MAX_PARTS = 50
# Lines from the first header to the last one: long ones are broken.
MAX_HEADERS = 12

FROM = frozenset(
    """
    from von de da van od fra från lähettäjä kimden feladó от от:кого 差出人 发件人
    寄件者 보낸사람 보낸:사람 od:koho avsender expéditeur mittente remitente remetente
    afzender gönderen отправитель nadawca από מאת من від de:la šalje nuo
    saatja dari จาก từ
    """.replace(":", "\0").split()
)
SENT = frozenset(
    """
    sent date gesendet datum envoyé inviato data enviado enviado:el fecha enviada:em
    enviada verzonden sendt dato skickat lähetetty päivämäärä gönderildi tarih
    elküldve dátum отправлено дата wysłano odesláno 送信日時 日付 日時 发送时间 日期
    寄件日期 傳送時間 보낸날짜 보낸:날짜 날짜 enviado:em inviato:il envoyé:le
    gesendet:am sent:at στάλθηκε נשלח تم:الإرسال надіслано trimis odoslané poslano
    poslato изпратено išsiųsta saadetud enviat dikirim ส่ง đã:gửi
    """.replace(":", "\0").split()
)
OTHER = frozenset(
    """
    to cc subject an kopie betreff à objet pour copie a oggetto para asunto
    assunto aan onderwerp til emne kopi till ämne kopia vastaanottaja aihe kime
    konu címzett tárgy másolatot:kap кому копия тема do dw temat komu předmět 宛先
    件名 收件人 收件者 副本 抄送 主题 主旨 받는사람 받는:사람 참조 제목 destinatario
    sujet
    προς κοιν θέμα אל נושא إلى الموضوع către subiect predmet prima za zadeva до
    относно kam adressaat teema per:a assumpte kepada subjek ถึง เรื่อง tới đến chủ:đề
    """.replace(":", "\0").split()
)
LABEL = re.compile(r"[\s*>]*([^\W\d_][^:：]{0,24}?)[\s*]*[:：](.*)", re.S)
DASHES = r"[-_=–— ]{2,}"
ORIGINAL = re.compile(
    rf"{DASHES}\s*(?:original message|reply message|ursprüngliche nachricht|"
    r"originalnachricht|original-nachricht|message d.origine|message original|"
    r"mensaje original|messaggio originale|oorspronkelijk bericht|"
    r"origineel bericht|mensagem original|mensagem de origem|opprinnelig melding|"
    r"oprindelig meddelelse|ursprungligt meddelande|originalmeddelande|"
    r"alkuperäinen viesti|oryginalna wiadomość|wiadomość oryginalna|"
    r"исходное сообщение|původní zpráva|eredeti üzenet|orijinal mesaj|"
    rf"元のメッセージ|原始邮件|原始郵件|원본 메시지)\s*{DASHES}",
    re.I,
)
FORWARDED = re.compile(
    rf"(?:{DASHES}|begin |anfang der |début du |inicio del |inizio |início da )\s*"
    r"(?:forwarded message|forwarded by|weitergeleitete nachricht|"
    r"weitergeleiteten (?:nachricht|e-mail)|message transféré|message réexpédié|"
    r"mensaje reenviado|messaggio inoltrato|doorgestuurd bericht|mensagem encaminhada|"
    r"mensagem reencaminhada|videresendt (?:melding|meddelelse)|"
    r"vidarebefordrat (?:meddelande|brev)|välitetty viesti|"
    r"przekazana wiadomość|пересылаемое сообщение|转发的邮件|轉寄郵件|"
    r"転送されたメッセージ|iletilmiş mesaj)",
    re.I,
)
FORWARD_SUBJECT = re.compile(
    r"\s*(?:fwd?|wg|tr|rv|i|inoltro|doorst|enc|vs|vb|vl|pd|转发|轉寄|転送)\s*[:：]",
    re.I,
)
# A line that introduces a quote, in one of these languages.
VERB = (
    r"(?:wrote|schrieb|a écrit|escribió|ha scritto|scrisse|schreef|geschreven|escreveu"
    r"|skrev|kirjoitti|yazdı|napsala?(?:\(a\))?|napisała?(?:\(a\))?|пишет|писала?"
    r"|написала?(?:\(а\))?|írta|のメール|さんは書きました|写道|寫道|님이 작성)"
)
WROTE = re.compile(VERB, re.I)
WROTE_AT_END = re.compile(rf"{VERB}\s*[:：]$", re.I)
WROTE_START = re.compile(r"(?:on|am|le|el|il|op|em|den|dne|w dniu|dnia|på|vào)\b", re.I)
# Of that line: a time or an address.
DATED = re.compile(r"\d[:.h]\d\d|@")
COLONS = (":", "：")
DASH_LINE = re.compile(r"[-_=–—*]{8,}")
# Within these, only their own kind of element may stand.
CLOSED = frozenset("table tbody thead tfoot tr colgroup ul ol dl".split())


@dataclass(slots=True)
class _Element:
    """An element of the text.

    :ivar tag: its first tag, which begins at ``start``
    :ivar line: how many lines with words begin before it
    :ivar inner_end: where its last tag begins
    :ivar end: where its last tag ends
    """

    name: str
    tag: str
    start: int
    parent: "_Element | None"
    line: int
    inner_end: int = 0
    end: int = 0


@dataclass(slots=True)
class _Line:
    """A line with words, outside of any ``blockquote``.

    :ivar start: where it begins
    :ivar element: the innermost one in which it begins
    :ivar label: what stands before its colon, once it was looked for
    :ivar mark: (start, element) of the rule or border right above it, or None
    """

    start: int
    element: _Element
    text: str = ""
    mark: tuple | None = None
    label: str | None = None
    parts: list = field(default_factory=list)


def fold_quote(clean, title, subject=""):
    """Return a message with the quote at its end folded.

    A quote that the writer answers line by line stays open, one that is all there is
    and a forwarded message, too.

    :param clean: HTML as ``clean_html`` returned it
    :param title: what the button is called, HTML-escaped
    :param subject: of the message: it tells Outlook's forwarded messages from answers

    >>> fold_quote("<p>Yes</p><blockquote>Well?</blockquote>", "Quoted")[:22]
    '<p>Yes</p><details><su'
    """
    if clean.count("<") > MAX_TAGS:
        return clean
    page = _Page(clean)
    found = _find(page, bool(FORWARD_SUBJECT.match(subject or "")))
    if not found:
        return clean
    start, end, element = found
    rest, closing, opening = end, "", ""
    # A paragraph cannot hold a ``details``: it ends before it, and begins again in it.
    for parent in _up_to_paragraph(element):
        closing, opening = f"{closing}</{parent.name}>", f"{parent.tag}{opening}"
        rest = parent.end
    return (
        f'{clean[:start]}{closing}<details><summary title="{title}"'
        f' aria-label="{title}">•••</summary>{opening}{clean[start:end]}{closing}'
        f"</details>{clean[rest:]}"
    )


def _up_to_paragraph(element):
    """Return an element and those around it up to a paragraph, or none of them."""
    found = []
    while element.parent and element.name not in ("td", "th", "li", "div"):
        found.append(element)
        if element.name == "p":
            return found
        element = element.parent
    return []


class _Page:
    """A text as elements and lines.

    :ivar lines: those with words
    :ivar quotes: the ``blockquote`` elements that are in no other
    :ivar signature: how many lines stand before the last "-- ", or None
    """

    def __init__(self, clean):
        self._clean = clean
        self.lines, self.quotes = [], []
        self._root = self._element = _Element("", "", 0, None, 0)
        self._quote = self._line = None
        self.signature = None
        # The rule or border above the next line.
        self._mark = None
        position = 0
        for tag in TAG.finditer(clean):
            self._text(clean, position, tag.start())
            position = tag.end()
            if tag[1]:
                self._close(tag)
            else:
                self._open(tag)
        self._text(clean, position, len(clean))
        self._end_line()
        element = self._element
        while element:
            element.inner_end = element.end = len(clean)
            element = element.parent

    def is_forwarded(self, quote):
        """Whether a ``blockquote`` says that it was forwarded (Apple Mail)."""
        text = TAG.sub(" ", self._clean[quote.start : quote.start + MAX_LINE])
        return bool(FORWARDED.match(text.strip()))

    def _open(self, tag):
        name = tag[2].lower()
        if name not in INLINE:
            self._end_line()
        if name in VOID:
            if name == "hr" and not self._quote:
                self._mark = tag.start(), self._element
            return
        line = len(self.lines) + (self._line is not None)
        element = _Element(name, tag[0], tag.start(), self._element, line)
        if not self._quote:
            if name == "blockquote":
                self._quote = element
                self.quotes.append(element)
            elif BORDER.search(tag[3]):
                self._mark = tag.start(), self._element
        self._element = element

    def _close(self, tag):
        name = tag[2].lower()
        if name not in INLINE:
            self._end_line()
        element = self._element
        # Clean HTML is well-formed; an end without a beginning changes nothing.
        if element.name == name:
            element.inner_end, element.end = tag.start(), tag.end()
            self._element = element.parent
            if element is self._quote:
                self._quote = None

    def _text(self, clean, start, end):
        if start == end or self._quote or clean[start:end].isspace():
            return
        if self._line is None:
            self._line = _Line(start, self._element)
        if len(self._line.parts) < MAX_PARTS:
            self._line.parts.append(clean[start : min(end, start + MAX_LINE)])

    def _end_line(self):
        line, self._line = self._line, None
        if line is None:
            return
        text = REFERENCE.sub(
            lambda match: REFERENCES.get(match[0], "_"), "".join(line.parts)
        )
        line.parts.clear()
        line.text = " ".join(text.split())[:MAX_LINE]
        if line.text == "--" or line.text.startswith("-- "):
            self.signature = len(self.lines)
        if DASH_LINE.fullmatch(line.text):
            self._mark = line.start, line.element
        elif WORD.search(line.text):
            line.mark, self._mark = self._mark, None
            self.lines.append(line)


def _find(page, is_forward):
    """Return (start, end, element around it) of what is folded, or None."""
    lines, quote = page.lines, page.quotes[-1] if page.quotes else None
    if quote and not quote.end:
        quote = None
    if quote and quote.line < len(lines) and quote.line != page.signature:
        # Something else than a signature follows.
        quote = None
    marked = len(lines) if quote else _first_marked(lines)
    for number, line in enumerate(lines):
        if FORWARDED.match(line.text):
            return None
        if number == marked:
            return _marked(page, number)
        if _begins_quote(page, number):
            is_answer = not is_forward or _is_introduction(lines, number)
            return _to_the_end(page, number) if is_answer else None
    return _introduced(page, quote) if quote else None


def _first_marked(lines):
    """Return the number of the first of the lines at the end that begin with ">"."""
    number = len(lines)
    while number and lines[number - 1].text.startswith(">"):
        number -= 1
    return number


def _begins_quote(page, number):
    """Whether all that follows a line is what a program quoted, the line included."""
    lines = page.lines
    if ORIGINAL.match(lines[number].text) or _has_headers(lines, number):
        return True
    if size := _is_introduction(lines, number):
        # What has its own marks ends where they do.
        rest = number + size
        is_marked = any(quote.line == rest for quote in page.quotes[-1:])
        return (
            rest < len(lines) and not is_marked and not lines[rest].text.startswith(">")
        )
    return False


def _is_introduction(lines, number):
    """Return of how many lines, 1 or 2, "On Monday, Ann wrote:" is made, or 0."""
    text, has_start = lines[number].text, bool(WROTE_START.match(lines[number].text))
    if _is_dated_verb(text) and (has_start or WROTE_AT_END.search(text)):
        return 1
    if has_start and number + 1 < len(lines):
        return 2 if _is_dated_verb(f"{text} {lines[number + 1].text}") else 0
    return 0


def _is_dated_verb(text):
    return text.endswith(COLONS) and WROTE.search(text) and DATED.search(text)


def _has_headers(lines, number):
    """Whether the headers of a message begin at a line: with its sender, or with its
    date and then its sender (GMX)."""
    labels = [_label(line) for line in lines[number : number + 2]]
    if labels[0] not in FROM:
        if labels[0] not in SENT or labels[-1] not in FROM:
            return False
        number += 1
    found = [_label(line) for line in lines[number + 1 : number + MAX_HEADERS]]
    others = {label for label in found if label in OTHER}
    has_date = labels[0] in SENT or any(label in SENT for label in found[:6])
    return has_date and len(others) >= (1 if lines[number].mark else 2)


def _label(line):
    if line.label is None:
        match = LABEL.match(line.text)
        line.label = "\0".join(match[1].lower().split()) if match else ""
    return line.label


def _marked(page, number):
    """Return what is folded of lines that begin with ">", or None."""
    lines = page.lines
    if any(line.text.startswith(">") for line in lines[:number]):
        # Answered line by line.
        return None
    for size in (2, 1):
        if number > size and _is_introduction(lines, number - size) == size:
            return _to_the_end(page, number - size)
    if number > 1 and lines[number - 1].text.endswith(COLONS):
        number -= 1
    return _to_the_end(page, number)


def _introduced(page, quote):
    """Return what is folded of a ``blockquote`` at the end, or None."""
    lines, last = page.lines, quote.line - 1
    if last < 0 or page.is_forwarded(quote):
        return None
    number = None
    if last and _is_introduction(lines, last - 1) == 2:
        number = last - 1
    elif lines[last].text.endswith(COLONS):
        number = last
    elif any(other.line < quote.line for other in page.quotes[:-1] if other.line):
        # Answered line by line: the first piece had the introduction.
        return None
    if number == 0:
        return None
    if number:
        start, element = _outermost(lines, number, quote.parent)
        if element is quote.parent:
            return start, quote.end, element
    return quote.start, quote.end, quote.parent


def _to_the_end(page, number):
    """Return what is folded from a line to the end, or None when nothing would be
    left, or when the elements are in the way."""
    if not number:
        return None
    start, element = _outermost(page.lines, number, None)
    end = element.inner_end
    last = max(page.lines[-1].start, page.quotes[-1].start if page.quotes else 0)
    if last >= end or element.name in CLOSED:
        return None
    return start, end, element


def _outermost(lines, number, most):
    """Return (start, element around it) of the largest element that begins with a
    line, but for ``most`` and what is around that."""
    line = lines[number]
    start, element = line.mark or (line.start, line.element)
    while element.parent and element is not most and element.line == number:
        start, element = element.start, element.parent
    return start, element
