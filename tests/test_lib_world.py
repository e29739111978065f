"""Mail as the world writes it: names, charsets, addresses, which part is the text.

Each table holds samples of a kind; its first ones were found in public bug reports of
other mail programs.
"""

import base64
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.headers import (
    Headers,
    balanced,
    decode_header,
    name_of,
    parse_addresses,
)
from odoo.addons.gmail_oauth_mailbox.lib.mime import charsets
from odoo.addons.gmail_oauth_mailbox.lib.mime.filenames import file_name
from odoo.addons.gmail_oauth_mailbox.lib.types import Address

from .test_lib_message import multipart, parse, part

# ----------------------------------------------------------------------
# Addresses are parsed, not searched for (RFC 5322)
# ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "people"),
    [
        (
            '"ceo@customer.example.com"@other.example.net',
            [("", '"ceo@customer.example.com"@other.example.net')],
        ),
        ('"a@x.example b"@y.example', [("", '"a@x.example b"@y.example')]),
        ('"a@x.example" b@y.example', [("a@x.example", "b@y.example")]),
        ('"a@x.example" <b@y.example>', [("a@x.example", "b@y.example")]),
        ('<"a@x.example"@y.example>', [("", '"a@x.example"@y.example')]),
        ('"a@x.example"', []),
        ("<a@x.example>@y.example", []),
        ("a@x.example@y.example", []),
        ("<a@x.example@y.example>", []),
        ("A <a@x.example> <b@y.example>", [("A a@x.example", "b@y.example")]),
        ("a@x.example b@y.example", [("a@x.example", "b@y.example")]),
        ("a@x.example <>", []),
        # Only a name is decoded (RFC 2047, 5).
        ("=?utf-8?q?boss=40x.example?=", []),
        ("=?utf-8?q?boss=40x.example_=3Ceve=40y.example=3E?=", []),
        ("<=?utf-8?q?boss=40x.example?=>", []),
        (
            "=?utf-8?q?boss=40x.example?= <e@y.example>",
            [("boss@x.example", "e@y.example")],
        ),
        ('"anna"@x.example', [("", "anna@x.example")]),
        ('"anna keller"@x.example', [("", '"anna keller"@x.example')]),
        ("anna @ x.example", [("", "anna@x.example")]),
        ("<anna.keller@very .long.example>", [("", "anna.keller@very.long.example")]),
        ("anna@[192.0.2.1]", [("", "anna@[192.0.2.1]")]),
        ("anna@x.example (eve@y.example)", [("eve@y.example", "anna@x.example")]),
        ("<a@x.example, b@y.example>", [("", "a@x.example"), ("", "b@y.example")]),
        (r'"a\"@x.example" <b@y.example>', [('a"@x.example', "b@y.example")]),
        (
            '"open <a@x.example>, b@y.example',
            [("open", "a@x.example"), ("", "b@y.example")],
        ),
        ("@x.example", []),
        ("a@", []),
        ("MAILER-DAEMON", []),
    ],
)
def test_addresses(written, people):
    assert [(p.name, p.address) for p in parse_addresses(written)] == people


PIECES = st.sampled_from(
    [*'@ <>"\\():;[]', "b", "'", "a@x.example", '"a@x.example"', "y.example", "Ann"]
    + ["c@z.example", "=?utf-8?q?d=40w.example?="]
)


def last_domain(written):
    """Return what follows the last "@" outside of quotes and comments."""
    quoted, depth, position, found, seen = False, 0, 0, None, []
    if len(re.findall(r'(?<!\\)"', written)) % 2 or "\\" in written:
        return None
    while position < len(written):
        character = written[position]
        if character == '"' and not depth:
            quoted = not quoted
        elif not quoted and character == "(":
            depth += 1
        elif not quoted and character == ")":
            depth = max(0, depth - 1)
        elif not depth:
            seen.append(character)
            if character == "@" and not quoted:
                found = len(seen)
        position += 1
    # A comment may stand between the sign and the domain (RFC 5322, 3.4.1).
    return "" if found is None else "".join(seen[found:]).lstrip()


@given(st.lists(PIECES, max_size=8).map("".join))
@example('"ceo@customer.example.com"@other.example.net')
@example("b@()y.example")
def test_a_domain_follows_the_last_sign_that_is_not_quoted(written):
    if set(written) & set(",;:"):
        return
    follows = last_domain(written)
    if follows is None:
        return
    for person in parse_addresses(written):
        assert follows.startswith(person.address.rpartition("@")[2])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("root (Cron Daemon)", "root (Cron Daemon)"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ('"Nobody"', "Nobody"),
        ("", ""),
    ],
)
def test_a_sender_without_an_address_has_a_name(written, name):
    assert name_of(written) == name


# ----------------------------------------------------------------------
# Encoded words and charsets
# ----------------------------------------------------------------------


def word(charset, raw, encoding="b"):
    """Return an encoded word (RFC 2047)."""
    if encoding == "b":
        return f"=?{charset}?B?{base64.b64encode(raw).decode()}?="
    return f"=?{charset}?Q?{''.join(f'={byte:02X}' for byte in raw)}?="


def halves(charset, text, cut, encodings="bb"):
    """Return a text as two encoded words that are cut after ``cut`` bytes."""
    raw = text.encode(charset)
    pieces = zip((raw[:cut], raw[cut:]), encodings, strict=True)
    return "\r\n ".join(word(charset, piece, encoding) for piece, encoding in pieces)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            "=?UTF-8?Q?Gr=C3=BC=C3?=\r\n =?UTF-8?Q?=9Fe_aus_K=C3=B6ln?=",
            "Grüße aus Köln",
        ),
        (halves("utf-8", "Grüße", 3), "Grüße"),
        (halves("utf-8", "Grüße", 3, "bq"), "Grüße"),
        (halves("gb2312", "报价单", 3), "报价单"),
        (halves("iso-2022-jp", "見積書です", 7), "見積書です"),
        ("=?utf-8?B?R3LDv?= =?utf-8?B?MOfZQ==?=", "Grüße"),
        ("=?utf-8?B?R3LDvA==w59l?=", "Grüße"),
        ("=?utf-8?q?a?= =?iso-8859-1?q?=FC?= b", "aü b"),
        ("=?utf-8?Q?Really??=", "Really?"),
        ("=?utf-8?Q?Who? What??= =?utf-8?Q?Me?=", "Who? What?Me"),
        # One of two neighbours isn't what it says.
        ("=?utf-8?q?=C3=BC?= =?utf-8?q?=FC?=", "üü"),
        # Raw bytes within a word, as a parser hands them out.
        ("=?gbk?Q?\xb1\xa8\xbc\xdb?=", "报价"),
        ("=?windows-1251?Q?\udcd1\udcf7\udce5\udcf2?=", "Счет"),
        ("=?utf-8?Q?Счет?=", "Счет"),
        ("=?windows-1251?Q?Счет?=", "Счет"),
        ("\udcd1\udcf7\udce5\udcf2 \udced\udce0", "Счет на"),
    ],
)
def test_encoded_words(written, text):
    assert decode_header(written) == text


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
    st.data(),
)
def test_a_text_cut_anywhere_is_the_same(text, data):
    cut = data.draw(st.integers(0, len(text.encode())))
    encodings = data.draw(st.sampled_from(["bb", "qq", "bq", "qb"]))
    assert decode_header(halves("utf-8", text, cut, encodings)) == text


NAMES = {
    "שלום": "dos-862 cp862 ibm862 windows-1255 iso-8859-8 iso-8859-8-i iso-8859-8-e",
    "Żółć": "dos-852 cp-852 cp-1250 windows-1250 x-mac-ce iso-8859-2",
    "Grüße": "cp-850 ibm-437 ibm850 x-mac-roman macintosh latin-9 latin1 win-1252",
    "Счет": "cp-866 win-1251 windows1251 x-cp1251 x-mac-cyrillic koi8-ru koi8-r cp1251",
    "Ελλάδα": "x-mac-greek windows-1253 iso-8859-7",
    "مرحبا": "x-cp1256 windows-1256 iso-8859-6",
    "見積": "windows-31j x-ms-cp932 cp943c x-sjis x-euc-jp euc-jp iso-2022-jp",
    "견적": "windows-949 x-windows-949 ks_c_5601-1987 euc-kr iso-2022-kr",
    "报价": "windows-936 cn-gb gb-18030 gb2312 gbk gb_2312-80 hz-gb-2312",
    "報價": "cn-big5 big5 big5-hkscs",
    "สวัสดี": "windows-874 tis-620",
    "Œuvre": "iso-8859-1-windows-3.1-latin-1",
    "Žluťoučký": "iso-8859-2-windows-latin-2",
    "Işık": "iso-8859-9-windows-latin-5",
}
# What Python calls them, where that isn't what is under test.
ENCODERS = {
    "latin-9": "iso8859-15",
    "iso-8859-1-windows-3.1-latin-1": "cp1252",
    "iso-8859-2-windows-latin-2": "cp1250",
    "iso-8859-9-windows-latin-5": "cp1254",
    "x-mac-ce": "mac-latin2",
    "x-mac-greek": "mac-greek",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "windows-31j": "cp932",
    "x-ms-cp932": "cp932",
    "cp943c": "cp932",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "cn-gb": "gb18030",
    "gb_2312-80": "gb18030",
    "hz-gb-2312": "hz",
    "cn-big5": "big5",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "koi8-ru": "koi8-u",
    "ks_c_5601-1987": "cp949",
    "gb-18030": "gb18030",
    "tis-620": "cp874",
    "x-cp1251": "cp1251",
    "x-cp1256": "cp1256",
}


def encoder_of(name):
    """Return Python's name for a charset, found by its number."""
    if name in ENCODERS:
        return ENCODERS[name]
    number = re.search(r"(?:cp|dos|ibm|win|windows)-?(\d+)$", name)
    return (
        {"949": "cp949", "936": "gb18030"}.get(number[1], f"cp{number[1]}")
        if number
        else name
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [(text, name) for text, names in NAMES.items() for name in names.split()],
)
def test_names_of_charsets(text, name):
    raw = text.encode(encoder_of(name))
    assert charsets.decode(raw, name) == text
    assert decode_header(word(name, raw)) == text
    assert decode_header(word(name.upper(), raw, "q")) == text
    # Gmail hands out text in UTF-8 while the name stays.
    assert charsets.decode(text.encode(), name) == text


@pytest.mark.parametrize("text", ["Привет, мир", "Grüße", "日本語", "plain"])
@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_charsets(text, codec):
    for name in (codec, codec[:6]):
        assert charsets.decode(text.encode(codec), name).strip("\ufeff") == text
        assert charsets.decode(text.encode(), name) == text


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "Счет на оплату"),
        ("koi8-r", "Привет, как дела?"),
        ("gb18030", "关于合同的事宜"),
        ("big5", "關於合約"),
        ("cp949", "견적서를 보냅니다"),
        ("cp932", "お世話になっております"),
        ("euc_jp", "お世話になっております"),
        ("cp1252", "Grüße aus Köln"),
        ("cp1252", "Señor Muñoz, el café está"),
        ("cp1250", "Příliš žluťoučký kůň"),
        ("cp1253", "Καλημέρα σας"),
        ("cp1255", "הצעת מחיר"),
        ("cp1256", "مرحبا بكم"),
        ("cp874", "สวัสดีครับ"),
        ("iso-2022-jp", "見積書"),
    ],
)
@pytest.mark.parametrize("declared", ["", "utf-8", "us-ascii", "x-unknown"])
def test_text_that_is_not_what_it_declares(codec, text, declared):
    assert charsets.decode(text.encode(codec), declared) == text
    assert "\ufffd" not in decode_header(word(declared or "utf-8", text.encode(codec)))


def test_text_with_a_broken_letter_is_still_what_it_declares():
    text = "Grüße aus der schönen Stadt Köln, über die wir schon öfter sprachen"
    assert charsets.decode(text.encode()[:-1] + b"\xc3", "utf-8").startswith(text[:-1])
    assert charsets.decode("你好世界".encode("gb18030")[:-1], "gbk").startswith(
        "你好世"
    )
    assert charsets.decode("Счет".encode()[:-1]).startswith("Сче")


def test_signs_that_mail_programs_add_to_a_charset():
    assert charsets.decode("①㈱".encode("cp932"), "shift_jis") == "①㈱"
    row_13 = bytes(byte & 0x7F for byte in "①㈱".encode("euc_jis_2004"))
    assert charsets.decode(b"\x1b$B" + row_13 + b"\x1b(B!", "iso-2022-jp") == "①㈱!"
    assert charsets.decode("“€”".encode("cp1252"), "iso-8859-1") == "“€”"


def test_letters_of_names_and_narrow_kana_in_iso_2022_jp():
    # Rows 89 to 92, which Outlook writes.
    assert charsets.decode(b"\x1b$B\x7c\x62\x36\x36\x1b(B", "iso-2022-jp") == "髙橋"
    assert charsets.decode(b"\x1b$B-!\x1b(B \x1b(I6\x1b(B", "iso-2022-jp") == "① ｶ"


@given(st.binary(max_size=200), st.text(max_size=30))
@example(b"\xff\xfe", "utf-16")
@example(b"abc", "punycode")
def test_any_bytes_are_text(raw, charset):
    assert isinstance(charsets.decode(raw, charset), str)


# ----------------------------------------------------------------------
# Marks of direction
# ----------------------------------------------------------------------

MARKS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def open_marks(text):
    """Return how many marks of direction have no end, or no beginning."""
    opened, wrong = [], 0
    ends = {
        "\u202a": "\u202c",
        "\u202b": "\u202c",
        "\u202d": "\u202c",
        "\u202e": "\u202c",
    }
    ends |= dict.fromkeys("\u2066\u2067\u2068", "\u2069")
    for character in text:
        if character in ends:
            opened.append(ends[character])
        elif character in "\u202c\u2069":
            if opened and opened[-1] == character:
                opened.pop()
            else:
                wrong += 1
    return len(opened) + wrong


@given(st.text(st.sampled_from([*MARKS, "a", "א"])))
def test_marks_of_direction_end_within_their_text(text):
    clean = balanced(text)
    assert not open_marks(clean)
    assert not set(clean) & set("\u202d\u202e")
    assert [c for c in clean if c not in MARKS] == [c for c in text if c not in MARKS]


def test_names_and_subjects_do_not_turn_what_follows():
    [person] = parse_addresses('"Carla \u202emoc.elpmaxe\u202c" <carla@x.example>')
    assert person.name == "Carla moc.elpmaxe"
    assert not open_marks(decode_header("Re: \u2067שלום"))


# ----------------------------------------------------------------------
# Which part is the text
# ----------------------------------------------------------------------

NAMED = [("Content-Type", 'text/plain; name="body.txt"')]
ATTACHED = [("Content-Disposition", "attachment")]


@pytest.mark.parametrize(
    ("payload", "text", "files"),
    [
        (part(content="all", filename="body.txt"), "all", ["body.txt"]),
        (part("text/html", "<p>all</p>", filename="body.html"), "all", ["body.html"]),
        (part(content="all", headers=NAMED), "all", ["body.txt"]),
        (
            multipart("multipart/mixed", part(content="all", filename="a.txt")),
            "all",
            ["a.txt"],
        ),
        (
            multipart(
                "multipart/mixed",
                part("application/pdf", b"x", filename="a.pdf"),
                part(content="all", filename="a.txt"),
            ),
            "all",
            ["a.pdf", "a.txt"],
        ),
        # A disposition makes a file, whatever else there is.
        (part(content="x", filename="a.txt", headers=ATTACHED), "", ["a.txt"]),
        (part(content="x", headers=ATTACHED), "", ["message.txt"]),
        # A name makes one beside another text.
        (
            multipart(
                "multipart/mixed",
                part(content="all"),
                part(content="x", filename="a.txt"),
            ),
            "all",
            ["a.txt"],
        ),
        # One of several forms of the text is one by any name.
        (
            multipart(
                "multipart/alternative",
                part(content="plain"),
                part("text/html", "<p>rich</p>", filename="body.html"),
            ),
            "plain",
            [],
        ),
        # Forms that aren't shown are no files, unless they have a name.
        (
            multipart(
                "multipart/alternative",
                part(content="plain"),
                part("text/x-amp-html", "<html amp4email></html>"),
                part("text/watch-html", "<b>x</b>"),
                part("text/enriched", "x"),
                part("text/html", "<p>rich</p>"),
            ),
            "plain",
            [],
        ),
        (
            multipart(
                "multipart/alternative",
                part(content="plain"),
                part("text/rtf", "{}", filename="a.rtf"),
                part("text/calendar", "BEGIN:VCALENDAR"),
            ),
            "plain",
            ["a.rtf", "invite.ics"],
        ),
        # A kind of text that is not known is text when there is no other.
        (part("text/markdown", "# Hello"), "# Hello", ["attachment"]),
        (part("text/x-new", "Hello"), "Hello", ["attachment"]),
        (part("text/csv", "a;b"), "", ["attachment"]),
        (
            multipart(
                "multipart/mixed", part(content="plain"), part("text/x-new", "new")
            ),
            "plain",
            ["attachment"],
        ),
        # All there is, is not lost.
        (
            multipart(
                "multipart/alternative", part("text/x-amp-html", "<html></html>")
            ),
            "",
            ["attachment"],
        ),
    ],
)
def test_which_part_is_the_text(payload, text, files):
    message = parse(payload)
    assert message.body_text == text
    assert [a.filename for a in message.attachments] == files
    assert message.text_part_id is None


@pytest.mark.parametrize(
    "empty",
    [
        "<html><body></body></html>",
        "<div><br></div>",
        "<p>&nbsp; &#160;</p><hr>",
        "<style>p{margin:0}</style>",
    ],
)
def test_an_empty_form_of_the_text_hides_nothing(empty):
    message = parse(
        multipart(
            "multipart/alternative", part(content="plain"), part("text/html", empty)
        )
    )
    assert "plain" in message.body_html


@pytest.mark.parametrize("shown", ["<p>rich</p>", "<p>&amp;</p>", "<img src='cid:a'>"])
def test_a_form_with_anything_in_it_is_shown(shown):
    message = parse(
        multipart(
            "multipart/alternative", part(content="plain"), part("text/html", shown)
        )
    )
    assert "plain" not in message.body_html


def test_parts_below_the_deepest_level_are_kept():
    payload = multipart(
        "multipart/mixed",
        part(content="all"),
        part("application/pdf", b"x", filename="a.pdf"),
    )
    for _level in range(100):
        payload = multipart("multipart/mixed", payload)
    message = parse(payload)
    assert message.body_text == "all"
    assert [a.filename for a in message.attachments] == ["a.pdf"]


def test_lines_that_were_broken_softly():
    content = (
        "See https://shop.example.com/a/long/path/that/was/cut/ \nby/the/sender?id=1\n"
        "> quoted \n> text\nBye"
    )
    flowed = "text/plain; charset=utf-8; format=flowed; delsp=yes"
    message = parse(part(content=content, headers=[("Content-Type", flowed)]))
    assert "/cut/by/the/sender?id=1\n" in message.body_text
    assert 'href="https://shop.example.com/a/long/path/that/was/cut/by/' in (
        message.body_html
    )
    assert message.body_text.endswith("> quotedtext\nBye")
    plain = parse(part(content=content, headers=[("Content-Type", "text/plain")]))
    assert "/cut/ \nby/" in plain.body_text


def test_a_text_that_gmail_keeps_apart_is_named():
    apart = {**part(attachmentId="A1", size=5, filename="body.txt"), "partId": "7"}
    assert parse(apart).text_part_id == "7"
    assert (
        parse(multipart("multipart/mixed", part(content="x"), apart)).text_part_id
        is None
    )


# ----------------------------------------------------------------------
# Names of files
# ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\u2066b\u2069.pdf", "ab.pdf"),
        ("a\u200b.pdf", "a.pdf"),
        ("report.pdf\x00.exe", "report.pdf.exe"),
        ("../../etc/passwd", "_etc_passwd"),
        ("C:\\Users\\me\\plan.pdf", "C:_Users_me_plan.pdf"),
        ("  plan .pdf ", "plan .pdf"),
        ("plan.pdf...", "plan.pdf"),
        ("..", "file"),
        ("\u202e", "file"),
        ("", "file"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
        ("a\r\nb.txt", "a b.txt"),
        ("x" * 400 + ".pdf", "x" * 251 + ".pdf"),
        ("価" * 200 + ".docx", "価" * 83 + ".docx"),
        ("x." + "y" * 400, "x." + "y" * 253),
    ],
)
def test_names_of_files(written, name):
    assert file_name(written, "file") == name


@given(st.text())
def test_any_name_is_one_of_a_file(written):
    name = file_name(written, "file")
    assert name and len(name.encode()) <= 255
    assert not set(name) & {"/", "\\", "\x00", "\n", *MARKS}
    assert file_name(name, "file") == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("filename=\"a.pdf\"; filename*=UTF-8''%C3%A4.pdf", "ä.pdf"),
        (r'filename="a \"b\".pdf"', 'a "b".pdf'),
        (r'filename="C:\plan.pdf"', r"C:\plan.pdf"),
        ('x="; filename=evil.exe"; filename="a.pdf"', "a.pdf"),
        ('filename="a;filename=b.exe"', "a;filename=b.exe"),
        ('filename="a.pdf', "a.pdf"),
        ("FileName = a.pdf ; size=3", "a.pdf"),
        ("x=filename=a.pdf", ""),
    ],
)
def test_names_of_files_in_headers(written, name):
    given = {"name": "Content-Disposition", "value": f"attachment; {written}"}
    headers = Headers({"headers": [given]})
    assert headers.parameter("content-disposition", "filename") == name


def test_files_have_clean_names():
    headers = [
        (
            "Content-Disposition",
            "attachment; filename*0*=utf-8''invoice%E2%80%AE; filename*1=fdp.exe",
        )
    ]
    for attached in (
        part("application/octet-stream", b"x", filename="invoice\u202efdp.exe"),
        part("application/octet-stream", b"x", headers),
    ):
        [attachment] = parse(multipart("multipart/mixed", attached)).attachments
        assert attachment.filename == "invoicefdp.exe"


# ----------------------------------------------------------------------
# Programs and people
# ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Autoreply-From", "carla@customer.example.com"),
        ("X-Autoreply", "yes"),
        ("X-Autorespond", "yes"),
        ("X-Mail-Autoreply", "1"),
        ("X-FC-MachineGenerated", "true"),
        ("Preference", "auto_reply"),
        ("Precedence", "auto-reply"),
        ("Precedence", "AUTO_REPLY"),
        ("X-Precedence", "auto_reply"),
        ("Delivered-To", "Autoresponder"),
        ("X-POST-MessageClass", "9; Autoresponder"),
        ("Return-Path", "<>"),
        ("X-Failed-Recipients", "gone@customer.example.com"),
        ("Auto-Submitted", "auto-replied (vacation)"),
    ],
)
def test_automatic_answers(name, value):
    assert parse(part(content="I am away", headers=[(name, value)])).auto_submitted


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Offer",
        "Automatische Antwort: Angebot",
        "R\u00e9ponse automatique\xa0: Offre",
        "Out of Office: Offer",
        "\u81ea\u52a8\u7b54\u590d\uff1aoffer",
    ],
)
def test_subjects_of_automatic_answers(subject):
    assert parse(part(content="x", headers=[("Subject", subject)])).auto_submitted
    for other in (f"Re: {subject}", subject.replace(":", " "), f"About {subject}"):
        headers = [("Subject", other.replace("\uff1a", " "))]
        assert not parse(part(content="x", headers=headers)).auto_submitted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # It asks for none, and people's mail has it.
        ("X-Auto-Response-Suppress", "All"),
        ("Auto-Submitted", "no"),
        ("X-Autoreply", "no"),
        ("Return-Path", "<carla@customer.example.com>"),
        ("Precedence", "first-class"),
        ("Delivered-To", "anna@example.org"),
    ],
)
def test_people_are_no_programs(name, value):
    assert not parse(part(content="I am here", headers=[(name, value)])).auto_submitted


@pytest.mark.parametrize(
    ("method", "is_automatic"),
    [
        ("REQUEST", False),
        ("PUBLISH", False),
        ("REPLY", True),
        ("CANCEL", True),
        ("Reply", True),
        ("", False),
    ],
)
def test_answers_of_calendars(method, is_automatic):
    line = f"METHOD:{method}\r\n" if method else ""
    line = line.lower() if method == "Reply" else line
    invitation = part("text/calendar", f"BEGIN:VCALENDAR\r\n{line}END:VCALENDAR")
    message = parse(multipart("multipart/alternative", part(content="x"), invitation))
    assert bool(message.auto_submitted) is is_automatic
    named = part(
        "text/calendar", "", [("Content-Type", f"text/calendar; method={method}")]
    )
    message = parse(multipart("multipart/alternative", part(content="x"), named))
    assert bool(message.auto_submitted) is is_automatic


STATUS = "Reporting-MTA: dns; mx.example.com\n\n{recipient}\n{action}Status: 5.1.1\n"


@pytest.mark.parametrize(
    "recipient",
    [
        "Final-Recipient: rfc822; gone@customer.example.com",
        "Final-Recipient: gone@customer.example.com",
        "Final-Recipient: rfc822; Gone <gone@customer.example.com>",
        "Final-Recipient: rfc822;<gone@customer.example.com>",
        "Original-Recipient: rfc822;gone@customer.example.com",
        "Final-Recipient: RFC822; GONE@customer.example.com (Gone)",
    ],
)
@pytest.mark.parametrize(
    "action", ["Action: failed\n", "Action: Failed (permanent)\n", ""]
)
@pytest.mark.parametrize(
    ("mimetype", "headers"),
    [
        ("multipart/mixed", ()),
        ("multipart/report", ()),
        (
            "multipart/report",
            [("Content-Type", "multipart/report; report-type=delivery-status")],
        ),
    ],
)
def test_bounces(recipient, action, mimetype, headers):
    text = STATUS.format(recipient=recipient, action=action)
    report = multipart(
        mimetype,
        part(content="It did not arrive."),
        part("message/delivery-status", text),
        headers=headers,
    )
    message = parse(report)
    assert message.failed == ("gone@customer.example.com",)
    assert message.auto_submitted


@pytest.mark.parametrize(
    "text",
    [
        STATUS.format(
            recipient="Final-Recipient: rfc822;a@x.example", action="Action: delayed\n"
        ),
        STATUS.format(
            recipient="Final-Recipient: rfc822;a@x.example", action="Action: relayed\n"
        ),
        "Final-Recipient: rfc822; a@x.example\nAction: delivered\nStatus: 2.0.0\n",
        "Final-Recipient: rfc822; a@x.example\nStatus: 4.4.1\n",
        "Final-Recipient: rfc822; nobody\nAction: failed\n",
    ],
)
def test_other_reports(text):
    report = multipart("multipart/report", part("message/delivery-status", text))
    assert not parse(report).failed


def test_a_report_without_blank_lines_names_all():
    text = "".join(
        f"Final-Recipient: rfc822; {name}@x.example\nAction: {action}\nStatus: 5.1.1\n"
        for name, action in (("a", "failed"), ("b", "failed"), ("c", "delayed"))
    )
    report = multipart("multipart/report", part("message/delivery-status", text))
    assert parse(report).failed == ("a@x.example", "b@x.example")


QMAIL = """Hi. This is the qmail-send program at mx.x.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<gone@x.example>:
Sorry, no mailbox here by that name. (#5.1.1)

<Away@x.example>:
<eve@y.example> does not like this recipient.

--- Below this line is a copy of the message.

Return-Path: <anna@example.org>
Message-ID: <o@example.org>
To: gone@x.example

<carla@x.example>:
"""


def test_reports_of_qmail():
    daemon = [("From", "MAILER-DAEMON@mx.x.example"), ("Return-Path", "<>")]
    message = parse(part(content=QMAIL, headers=daemon))
    assert message.failed == ("gone@x.example", "away@x.example")
    assert "<o@example.org>" in message.references
    assert message.auto_submitted
    assert not parse(part(content=QMAIL, headers=[("From", "a@x.example")])).failed
    assert not parse(part(content=f"See:\n{QMAIL}", headers=daemon)).failed


@pytest.mark.parametrize("kind", ["multipart/report", "text/plain"])
def test_reports_written_as_plain_text(kind):
    status = STATUS.format(
        recipient="Final-Recipient: rfc822; Gone@x.example", action="Action: failed\n"
    )
    text = f"It did not arrive.\n\n{status}\nMessage-ID: <o@example.org>\nTo: a\n"
    daemon = [("From", "MAILER-DAEMON@mx.x.example")]

    def report(content, headers):
        if kind == "text/plain":
            return parse(part(content=content, headers=headers))
        return parse(multipart(kind, part(content=content), headers=headers))

    message = report(text, daemon)
    assert message.failed == ("gone@x.example",)
    assert "<o@example.org>" in message.references
    assert not report(text, [("From", "a@x.example")]).failed
    assert not report(text.replace(": failed", ": delayed"), daemon).failed
    assert not report("I saw Final-Recipient: and Action:", daemon).failed


def test_a_report_that_somebody_forwards_is_not_ours():
    text = STATUS.format(
        recipient="Final-Recipient: rfc822; a@x.example", action="Action: failed\n"
    )
    report = multipart("multipart/report", part("message/delivery-status", text))
    forwarded = {**part("message/rfc822"), "parts": [report]}
    message = parse(multipart("multipart/mixed", part(content="See below"), forwarded))
    assert not message.failed and not message.auto_submitted


# ----------------------------------------------------------------------
# Senders and lists
# ----------------------------------------------------------------------


def test_a_sender_without_an_address_stays_visible():
    message = parse(part(headers=[("From", "root (Cron Daemon)")]))
    assert message.from_ == Address("root (Cron Daemon)", "")
    message = parse(part(headers=[("From", "root"), ("Sender", "cron@x.example")]))
    assert message.from_ == Address("", "cron@x.example")
    assert parse(part()).from_ is None


def test_reply_to_is_a_list():
    headers = [("Reply-To", "Bob <bob@x.example>, Alice <alice@x.example>")]
    found = parse(part(headers=headers)).reply_to
    assert [person.address for person in found] == ["bob@x.example", "alice@x.example"]
