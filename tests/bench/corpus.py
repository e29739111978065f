"""Mail as a salesperson gets it, made up from a seed: the same bytes each time.

Half of it is HTML (newsletters with tables and inline styles, people's own mail), a
quarter has attachments of 10 KB to 1 MB, a third answers an earlier message. A few
senders write much, many write little; four languages in their own character sets.
"""

import base64
import json
import math
import quopri
import random
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.utils import format_datetime

SEED = 1904
OWNER = ("Anna Keller", "anna.keller@corp-example.test")
SENDERS = 240
FIRST = datetime(2026, 2, 2, 7, 30, tzinfo=timezone.utc)
# Changes whenever other bytes come out, so that no old folder is used.
VERSION = 1

# language: (character set, share of the senders, given names, family names, words)
LANGUAGES = {
    "en": (
        "utf-8",
        60,
        "Alice Bernard Carol Dennis Edith Frank Grace Henry Irene Jack Kate Leo",
        "Abbott Barker Clarke Dawson Ellis Foster Graham Hughes Irving Jenkins",
        "the order arrived on time and our warehouse has counted every pallet we need "
        "a quotation for sixty chairs with oak legs before Friday could you call back "
        "when the buyer returns from leave delivery to the second gate is possible "
        "after nine please send the signed contract together with the price list",
    ),
    "de": (
        "iso-8859-1",
        20,
        "Jürgen Käthe Björn Zoë Günter Sören Ulrike Anneliese",
        "Größler Köhler Müller-Lüdenscheidt Weiß Jäger Schönfeld",
        "über den Auftrag möchten wir später sprechen für die Stühle gäbe es größere "
        "Rabatte der Geschäftsführer grüßt schönes Wochenende natürlich prüfen wir "
        "die Höhe der Rückvergütung bitte bestätigen Sie den Empfang der Gehäuse",
    ),
    "ru": (
        "koi8-r",
        10,
        "Алексей Вера Глеб Дарья Игорь Ксения Лев Нина",
        "Белов Громов Зайцева Козлов Морозова Фёдоров",
        "просим прислать расчёт стоимости стульев и столов до пятницы склад готов "
        "принять груз после девяти утра договор подписан директором ждём ответа "
        "скидка для постоянных покупателей действует весь месяц",
    ),
    "ja": (
        "iso-2022-jp",
        10,
        "一郎 恵子 直樹 由美 翼 彩",
        "山田 井上 松本 林 清水 森",
        "お見積もりをお願いします 椅子を六十脚 納品は金曜日まで 契約書を送ります "
        "倉庫は九時から開きます ご返信をお待ちしております 価格表を添付しました "
        "担当の者が確認いたします",
    ),
}
HOSTS = [
    f"{name}.test"
    for name in (
        "oakworks bluequay hillfarm nordholz papermill sevenhills kitahama volgatrade "
        "lampshop teahouse cityprint railfreight"
    ).split()
]
COLOURS = ("#20313f", "#7a1f5c", "#ffffff", "#f2efe9", "#0a6b52", "#c2571a")
FONTS = ("Verdana,Geneva,sans-serif", "Georgia,'Times New Roman',serif", "Tahoma")


class Maker:
    """Makes messages one after the other.

    :param seed: decides every byte
    """

    def __init__(self, seed=SEED):
        self.random = random.Random(seed)
        self.senders = [self._sender(number) for number in range(SENDERS)]
        self.weights = [1 / (place + 6) ** 0.7 for place in range(SENDERS)]
        self.open = []
        self.when = FIRST
        self.number = 0

    def _sender(self, number):
        languages = list(LANGUAGES)
        shares = [LANGUAGES[language][1] for language in languages]
        (language,) = self.random.choices(languages, shares)
        _charset, _share, given, family, _words = LANGUAGES[language]
        name = [self.random.choice(given.split()), self.random.choice(family.split())]
        host = self.random.choice(HOSTS)
        return {
            "language": language,
            "name": " ".join(name),
            "address": f"writer{number}@{host}",
            "host": host,
        }

    # -- words ---------------------------------------------------------

    def words(self, language, count):
        choice, known = self.random.choice, LANGUAGES[language][4].split()
        blank = "" if language == "ja" else " "
        return blank.join(choice(known) for _ in range(count))

    def paragraph(self, language, count):
        return "\n".join(
            self.words(language, self.random.randint(7, 13)) + "."
            for _ in range(max(1, count // 10))
        )

    def link(self):
        return (
            f"https://go.example.test/{self.random.getrandbits(90):x}"
            f"?campaign={self.random.randint(1, 400)}&amp;medium=mail"
        )

    # -- HTML ----------------------------------------------------------

    def style(self):
        choice, number = self.random.choice, self.random.randint
        return (
            f"font-family:{choice(FONTS)};font-size:{number(11, 18)}px;"
            f"line-height:{number(16, 26)}px;color:{choice(COLOURS)};"
            f"padding:{number(0, 20)}px {number(0, 30)}px;"
        )

    def row(self, language):
        """Return one row of a newsletter: a text, a picture, a button or a list."""
        kind = self.random.choice(("text", "text", "picture", "button", "list"))
        if kind == "text":
            inner = f"<p style='margin:0'>{self.paragraph(language, 30)}</p>"
        elif kind == "picture":
            inner = (
                f'<a href="{self.link()}"><img src="https://pictures.example.test/'
                f'{self.random.getrandbits(70):x}.jpg" width="560" border="0" '
                f'alt="{self.words(language, 3)}" style="display:block;width:100%">'
                "</a>"
            )
        elif kind == "button":
            inner = (
                f'<a href="{self.link()}" target="_blank" style="background:'
                f"{self.random.choice(COLOURS)};border-radius:3px;{self.style()}"
                f'text-decoration:none"><b>{self.words(language, 2)}</b></a>'
            )
        else:
            items = "".join(
                f'<li style="{self.style()}">{self.words(language, 8)}</li>'
                for _ in range(self.random.randint(2, 6))
            )
            inner = f"<ul>{items}</ul>"
        return (
            '<tr><td align="left" valign="top"><table width="100%" cellspacing="0" '
            f'cellpadding="0" bgcolor="{self.random.choice(COLOURS)}"><tr>'
            f'<td style="{self.style()}">{inner}</td></tr></table></td></tr>\n'
        )

    def newsletter(self, language, size):
        charset = LANGUAGES[language][0]
        pieces = [
            "<!DOCTYPE html>\n<html><head>"
            f'<meta http-equiv="Content-Type" content="text/html; charset={charset}">'
            f"<title>{self.words(language, 4)}</title><style>"
            "@media (max-width:600px){.w{width:100%!important}} a:hover{color:#c2571a}"
            ".w td{border-collapse:collapse}</style>\n<!--[if mso]><style>td{"
            "mso-line-height-rule:exactly}</style><![endif]--></head>\n"
            '<body style="margin:0;background:#f2efe9"><center>'
            '<table class="w" width="600" cellspacing="0" cellpadding="0">\n'
        ]
        length = len(pieces[0])
        while length < size:
            pieces.append(self.row(language))
            length += len(pieces[-1])
        pieces.append(
            f'</table><a href="{self.link()}">{self.words(language, 1)}</a>'
            f'<img src="https://seen.example.test/{self.random.getrandbits(80):x}.gif" '
            'width="1" height="1" alt=""></center></body></html>\n'
        )
        return "".join(pieces)

    def letter(self, language, text, quoted):
        """Return the HTML that a mail program makes of somebody's own text."""
        lines = "".join(
            f'<div style="font-size:13px">{line or "<br>"}</div>\n'
            for line in text.split("\n")
        )
        quote = (
            '<div class="gmail_quote"><blockquote style="margin:0 0 0 .8ex;'
            f'border-left:1px solid #cccccc">{self.paragraph(language, 60)}'
            "</blockquote></div>"
            if quoted
            else ""
        )
        return f'<html><body><div dir="ltr">{lines}</div>{quote}</body></html>\n'

    # -- MIME ----------------------------------------------------------

    def part(self, text, subtype, language):
        charset = LANGUAGES[language][0]
        if self.random.random() < 0.4:
            charset = "utf-8"
        data = text.replace("\n", "\r\n").encode(charset, "replace")
        if charset == "iso-2022-jp":
            coding = "7bit"
        elif language in ("en", "de"):
            coding = "quoted-printable"
            data = quopri.encodestring(data.replace(b"\r\n", b"\n"))
            data = data.replace(b"\n", b"\r\n")
        else:
            coding, data = "base64", lines_of(data)
        head = (
            f"Content-Type: text/{subtype}; charset={charset}\r\n"
            f"Content-Transfer-Encoding: {coding}\r\n\r\n"
        )
        return head.encode() + data + b"\r\n"

    def attachment(self, size):
        kind, suffix, start = self.random.choice(
            (
                ("application/pdf", "pdf", b"%PDF-1.7\n"),
                ("image/jpeg", "jpg", b"\xff\xd8\xff\xe0"),
                ("application/zip", "zip", b"PK\x03\x04"),
            )
        )
        name = f"document-{self.random.randint(100, 999)}.{suffix}"
        head = (
            f'Content-Type: {kind}; name="{name}"\r\n'
            f'Content-Disposition: attachment; filename="{name}"\r\n'
            "Content-Transfer-Encoding: base64\r\n\r\n"
        )
        data = start + self.random.randbytes(size)
        return head.encode() + lines_of(data) + b"\r\n"

    def parts(self, subtype, parts):
        boundary = f"=_{self.random.getrandbits(96):x}"
        body = b"".join(b"--%s\r\n%s" % (boundary.encode(), part) for part in parts)
        head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'
        return head.encode() + body + f"--{boundary}--\r\n".encode()

    def body(self, kind, language, quoted):
        number = self.random.randint
        text = self.paragraph(language, number(20, 300))
        if quoted:
            text += "\n\n> " + self.paragraph(language, 60).replace("\n", "\n> ")
        if kind == "plain":
            return self.part(text, "plain", language)
        if kind == "newsletter":
            size = int(math.exp(self.random.uniform(math.log(8e3), math.log(6e4))))
            shown = self.newsletter(language, size)
        else:
            shown = self.letter(language, text, quoted)
        both = [
            self.part(text, "plain", language),
            self.part(shown, "html", language),
        ]
        body = self.parts("alternative", both)
        if kind == "attached":
            (count,) = self.random.choices((1, 2, 3), (70, 20, 10))
            sizes = [
                int(math.exp(self.random.uniform(math.log(1e4), math.log(1e6))))
                for _ in range(count)
            ]
            body = self.parts("mixed", [body, *map(self.attachment, sizes)])
        return body

    # -- messages ------------------------------------------------------

    def conversation(self, kind):
        """Return the conversation to write into, which may be a new one."""
        if kind != "newsletter" and self.open and self.random.random() < 0.45:
            found = self.random.choice(self.open[-80:])
            if len(found["ids"]) >= 8:
                self.open.remove(found)
            return found
        (sender,) = self.random.choices(self.senders, self.weights)
        subject = self.words(sender["language"], self.random.randint(3, 7))
        found = {"sender": sender, "subject": subject, "ids": []}
        if kind != "newsletter":
            self.open.append(found)
        return found

    def headers(self, sender, conversation, kind):
        random_ = self.random
        charset = LANGUAGES[sender["language"]][0]
        date = format_datetime(self.when)
        rows = [f"Delivered-To: {OWNER[1]}"]
        for _hop in range(random_.randint(2, 4)):
            relay = f"relay{random_.randint(1, 60)}.{random_.choice(HOSTS)}"
            rows.append(
                f"Received: from {relay} ({relay} [198.51.100.{random_.randint(1, 250)}"
                f"])\r\n by mx.corp-example.test with ESMTPS id "
                f"{random_.getrandbits(64):x}\r\n for <{OWNER[1]}>; {date}"
            )
        signature = base64.b64encode(random_.randbytes(256)).decode()
        rows += [
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={sender['host']};"
            "\r\n s=key1; h=from:to:subject:date:message-id;\r\n bh="
            f"{signature[:43]}=;\r\n b={signature[:60]}\r\n {signature[60:130]}",
            f"Authentication-Results: mx.corp-example.test;\r\n dkim=pass header.i=@"
            f"{sender['host']};\r\n spf=pass smtp.mailfrom={sender['address']};\r\n "
            f"dmarc=pass header.from={sender['host']}",
            f"From: {encoded(sender['name'], charset)} <{sender['address']}>",
            f"To: {OWNER[0]} <{OWNER[1]}>",
        ]
        if random_.random() < 0.25:
            others = random_.sample(self.senders, random_.randint(1, 3))
            copies = ",\r\n ".join(
                f"{encoded(o['name'], LANGUAGES[o['language']][0])} <{o['address']}>"
                for o in others
            )
            rows.append(f"Cc: {copies}")
        ids = conversation["ids"]
        subject = ("Re: " if ids else "") + conversation["subject"]
        rows += [f"Subject: {encoded(subject, charset)}", f"Date: {date}"]
        own = f"<{random_.getrandbits(72):x}.{self.number}@mail.{sender['host']}>"
        rows.append(f"Message-ID: {own}")
        if ids:
            references = "\r\n ".join(ids)
            rows += [f"In-Reply-To: {ids[-1]}", f"References: {references}"]
        if kind == "newsletter":
            rows.append(
                f"List-Unsubscribe: <https://go.example.test/off/"
                f"{random_.getrandbits(90):x}>"
            )
        rows.append("MIME-Version: 1.0")
        ids.append(own)
        return rows

    def message(self, kind):
        """Return (bytes, address of the sender) of the next message."""
        self.when += timedelta(seconds=self.random.randint(120, 9000))
        conversation = self.conversation(kind)
        quoted = bool(conversation["ids"])
        sender = conversation["sender"]
        rows = self.headers(sender, conversation, kind)
        body = self.body(kind, sender["language"], quoted)
        self.number += 1
        return ("\r\n".join(rows) + "\r\n").encode("ascii") + body, sender["address"]


def lines_of(data):
    """Return base64 in lines of 76 characters."""
    text = base64.b64encode(data)
    return b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def encoded(text, charset):
    """Return a header's value in ASCII."""
    if text.isascii():
        return text
    return Header(text, charset, maxlinelen=72).encode(linesep="\r\n")


def mixed(count, seed=SEED):
    """Yield (bytes, sender) of `count` mixed messages."""
    maker = Maker(seed)
    for place in range(count):
        # A quarter by its place, so that small samples hold it as well.
        if place % 4 == 3:
            kind = "attached"
        else:
            kind = maker.random.choices(("plain", "newsletter", "letter"), (40, 35, 25))
            kind = kind[0]
        yield maker.message(kind)


def small(count, seed=SEED):
    """Yield (bytes, sender) of `count` short plain messages."""
    maker = Maker(seed)
    for _place in range(count):
        yield maker.message("plain")


def large(_count=1, seed=SEED):
    """Yield the one message with an attachment of 35 MB, 50 MB as it travels."""
    maker = Maker(seed)
    sender = maker.senders[0]
    conversation = {"sender": sender, "subject": "The drawings", "ids": []}
    rows = maker.headers(sender, conversation, "letter")
    text = maker.part("See the file.", "plain", "en")
    body = maker.parts("mixed", [text, maker.attachment(36_500_000)])
    yield ("\r\n".join(rows) + "\r\n").encode("ascii") + body, sender["address"]


def write(folder, messages):
    """Write messages as .eml files, and senders.json: who wrote which."""
    senders = []
    for number, (raw, sender) in enumerate(messages):
        # A folder a thousand: some file systems are slow with more.
        place = folder / "mail" / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}.eml").write_bytes(raw)
        senders.append(sender)
    (folder / "senders.json").write_text(json.dumps(senders))
