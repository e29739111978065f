"""Gmail's payloads, broken ones too, and what leaves for Gmail."""

import base64
import email
import json
import time
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.headers import decode_header, parse_addresses
from odoo.addons.gmail_oauth_mailbox.lib.message import (
    find_part,
    parse_message,
    part_of_raw,
)
from odoo.addons.gmail_oauth_mailbox.lib.outgoing import prepare_outgoing
from odoo.addons.gmail_oauth_mailbox.lib.types import Address, ParsedMessage

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
FILES = sorted(CORPUS.rglob("*.eml")) if CORPUS.is_dir() else []


def part(mimetype="text/plain", content=None, headers=(), filename="", **body):
    """Return a part as Gmail's JSON has it."""
    if isinstance(content, str):
        content = content.encode()
    if content is not None:
        body.setdefault("size", len(content))
        body["data"] = base64.urlsafe_b64encode(content).decode()
    return {
        "partId": "",
        "mimeType": mimetype,
        "filename": filename,
        "headers": [{"name": name, "value": value} for name, value in headers],
        "body": body,
    }


def multipart(mimetype, *parts, headers=()):
    for number, child in enumerate(parts):
        child["partId"] = str(number)
    return {**part(mimetype, headers=headers), "parts": list(parts)}


def parse(payload, **message):
    return parse_message(
        {"id": "m", "threadId": "t", "internalDate": "1700000000123"}
        | message
        | {"payload": payload}
    )


def payload_of(raw):
    """Return the payload that Gmail would make of RFC 5322 bytes, roughly."""

    def convert(source, part_id):
        result = part(
            source.get_content_type(),
            headers=[(name, str(value)) for name, value in source._headers],
            filename=source.get_filename() or "",
        )
        result["partId"] = part_id
        if source.is_multipart():
            result["parts"] = [
                convert(child, f"{part_id}.{number}" if part_id else str(number))
                for number, child in enumerate(source.get_payload())
            ]
        else:
            content = source.get_payload(decode=True) or b""
            data = base64.urlsafe_b64encode(content).decode()
            result["body"] = {"size": len(content), "data": data}
        return result

    return convert(email.message_from_bytes(raw), "")


# ----------------------------------------------------------------------
# The parts of a message
# ----------------------------------------------------------------------


def test_a_plain_message():
    message = parse(
        part(
            content="Hello\nhttp://example.com/",
            headers=[
                ("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
                ("From", "Anna <Anna@example.com>"),
                ("To", "b@example.com, C <c@example.com>"),
                ("Reply-To", "r@example.com"),
                ("Message-ID", " <1@example.com> "),
                ("In-Reply-To", "<0@example.com>"),
                ("References", "<a@x>\r\n <b@x> <a@x>"),
                ("Authentication-Results", "mx.google.com; dmarc=pass"),
                ("Authentication-Results", "evil.example.com; dmarc=pass"),
                ("X-Odoo-Gmail-Send", "abc"),
            ],
        ),
        labelIds=["SENT", "UNREAD"],
        snippet="Hello &amp; &#39;bye&#x27;",
        historyId="123456789012345678901",
        sizeEstimate=999,
    )
    assert message.subject == "Grüße"
    assert message.from_ == Address("Anna", "Anna@example.com")
    assert message.to == (
        Address("", "b@example.com"),
        Address("C", "c@example.com"),
    )
    assert message.reply_to[0].address == "r@example.com"
    assert message.message_id == "<1@example.com>"
    assert message.in_reply_to == "<0@example.com>"
    assert message.references == ("<a@x>", "<b@x>")
    assert message.authentication_results == "mx.google.com; dmarc=pass"
    assert message.odoo_send_id == "abc"
    assert message.label_ids == ("SENT", "UNREAD")
    assert message.snippet == "Hello & 'bye'"
    assert message.history_id == "123456789012345678901"
    assert message.size == 999
    assert message.date == datetime(2023, 11, 14, 22, 13, 20, 123000)
    assert message.body_text == "Hello\nhttp://example.com/"
    assert '<a href="http://example.com/"' in message.body_html
    assert (message.is_bulk, message.auto_submitted) == (False, "")


def test_alternatives_show_html_and_search_text():
    message = parse(
        multipart(
            "multipart/alternative",
            part(content="the text"),
            multipart(
                "multipart/related",
                part("text/html", "<p>the <b>html</b></p><img src='cid:logo'>"),
                part(
                    "image/png",
                    b"png",
                    [("Content-ID", "<logo>"), ("Content-Disposition", "inline")],
                    "logo.png",
                ),
                part("image/png", b"png", [("Content-ID", "<x>")], "photo.png"),
            ),
            part("text/calendar", "BEGIN:VCALENDAR"),
        )
    )
    assert message.body_text == "the text"
    assert message.body_html.startswith("<p>the <b>html</b></p>")
    assert 'data-cid="logo"' in message.body_html
    assert message.calendar == "BEGIN:VCALENDAR"
    assert [(a.filename, a.is_inline) for a in message.attachments] == [
        ("logo.png", True),
        ("photo.png", False),
        ("invite.ics", False),
    ]


def test_only_html():
    message = parse(part("text/html", "<p>one</p><p>two</p><script>x</script>"))
    assert message.body_text == "one\ntwo"
    assert message.body_html == "<p>one</p><p>two</p>"


def test_mixed_texts_all_show():
    message = parse(
        multipart(
            "multipart/mixed",
            part(content="first"),
            part("text/html", "<i>second</i>"),
            part("application/pdf", attachmentId="A1", size=5, filename="ü.pdf"),
            part(content="third"),
        )
    )
    positions = [message.body_html.index(w) for w in ("first", "second", "third")]
    assert positions == sorted(positions)
    [attachment] = message.attachments
    assert attachment.filename == "ü.pdf"
    assert (attachment.part_id, attachment.attachment_id) == ("2", "A1")
    assert (attachment.size, attachment.data) == (5, None)


def test_texts_that_are_attachments():
    message = parse(
        multipart(
            "multipart/mixed",
            part(content="body"),
            part("text/html", "<p>file</p>", filename="page.html"),
            part(content="notes", headers=[("Content-Disposition", "attachment")]),
            part(attachmentId="A1", size=9_000_000),
        )
    )
    assert message.body_text == "body"
    assert [a.filename for a in message.attachments] == [
        "page.html",
        "message.txt",
        "message.txt",
    ]


def test_a_forwarded_mail_stays_an_attachment():
    inner = multipart("multipart/mixed", part(content="inner text"))
    message = parse(
        multipart(
            "multipart/mixed",
            part(content="see below"),
            {**part("message/rfc822"), "parts": [inner]},
            part("application/ms-tnef", b"tnef"),
        )
    )
    assert message.body_text == "see below"
    assert [a.filename for a in message.attachments] == ["message.eml", "winmail.dat"]


def test_bounces_and_lists_are_told_apart_from_people():
    report = multipart(
        "multipart/report",
        part(content="It could not be delivered."),
        part("message/delivery-status", "Status: 5.1.1"),
    )
    bounce = parse(report)
    assert bounce.auto_submitted == "auto-replied"
    assert bounce.body_text == "It could not be delivered."
    assert bounce.attachments[0].data == b"Status: 5.1.1"
    for header, bulk, auto in [
        (("List-Id", "News <news.example.com>"), True, ""),
        (("List-Unsubscribe", "<mailto:x@example.com>"), True, ""),
        (("Precedence", "bulk"), True, ""),
        (("Auto-Submitted", "auto-generated (rejected)"), False, "auto-generated"),
        (("Auto-Submitted", "No"), False, ""),
        (("X-Autoreply", "yes"), False, "auto-replied"),
    ]:
        message = parse(part(content="x", headers=[header]))
        assert (message.is_bulk, message.auto_submitted) == (bulk, auto), header
    listed = parse(part(content="x", headers=[("List-Id", "News <n.example.com>")]))
    assert listed.list_id == "News <n.example.com>"


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("utf-8", "grün".encode(), "grün"),
        # As Gmail hands it out: UTF-8, whatever the header of the part says.
        ("iso-8859-1", "grün".encode(), "grün"),
        ("iso-8859-1", "grün €".encode("cp1252"), "grün €"),
        ("iso-2022-jp", "すみません".encode("iso-2022-jp"), "すみません"),
        ("iso-2022-jp", "すみません".encode(), "すみません"),
        ("shift_jis", "あいう①".encode("cp932"), "あいう①"),
        ("gb2312", "你好".encode("gb18030"), "你好"),
        ("ks_c_5601-1987", "스티해".encode("cp949"), "스티해"),
        ("utf-7", b"gr+APw-n", "grün"),
        ("x-nonsense", "grün".encode("latin-1"), "grün"),
        ("hex", b"caf\xe9", "café"),
        ("", b"caf\xe9", "café"),
        ('"utf-8"', b"\xef\xbb\xbfbom", "bom"),
    ],
)
def test_charsets(charset, raw, text):
    headers = [("Content-Type", f"text/plain; charset={charset}")]
    assert parse(part(content=raw, headers=headers)).body_text == text


def test_bodies_are_bounded():
    message = parse(part(content="wörd " * 300_000))
    assert len(message.body_text) == 100_000
    assert len(parse(part("text/html", "<p>word</p>" * 90_000)).body_text) == 100_000


def test_long_bodies_are_folded():
    long = part("text/html", "<p>First</p>" + "<p>word</p>" * 100_000 + "<p>Last</p>")
    message = parse(long)
    assert message.is_folded
    assert len(message.body_html) < 101_000
    assert message.body_html.startswith("<p>First</p>")
    # The search reads on.
    assert len(message.body_text) == 100_000
    whole = parse_message({"id": "m", "payload": long}, whole=True)
    assert not whole.is_folded
    assert whole.body_html.endswith("<p>Last</p>")
    assert not parse(part("text/html", "<p>word</p>" * 50_000)).is_folded
    # A picture below the fold is still one of the text, not an attachment.
    image = part("image/png", b"x", [("Content-ID", "<below@x>")], filename="a.png")
    html = "<p>word</p>" * 100_000 + "<img src='cid:below@x'>"
    message = parse(multipart("multipart/related", part("text/html", html), image))
    assert message.is_folded and message.attachments[0].is_inline


# ----------------------------------------------------------------------
# Headers
# ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ("a@x.org", [("", "a@x.org")]),
        ('"Doe, John" <j@x.org>', [("Doe, John", "j@x.org")]),
        ("Doe, John <j@x.org>", [("Doe, John", "j@x.org")]),
        ("=?utf-8?q?D=C3=B6e=2C_J?= <j@x.org>", [("Döe, J", "j@x.org")]),
        ('"=?utf-8?q?D=C3=B6e?=" <j@x.org>', [("Döe", "j@x.org")]),
        ("j@x.org (John (Joe) Doe)", [("John (Joe) Doe", "j@x.org")]),
        ("a@x.org; b@x.org,,c@x.org", [("", f"{c}@x.org") for c in "abc"]),
        ("Team: A <a@x.org>, b@x.org;", [("A", "a@x.org"), ("", "b@x.org")]),
        ("undisclosed-recipients:;", []),
        ("<>", []),
        ("nobody", []),
        ("", []),
        ("<a@x.org", [("", "a@x.org")]),
        ("A <a@x.org> <b@x.org>", [("A a@x.org", "b@x.org")]),
        ("A\r\n <a@x.org>", [("A", "a@x.org")]),
        ("<@relay.org:a@x.org>", [("", "a@x.org")]),
        ("<mailto:a@x.org>", [("", "a@x.org")]),
        ("'A' <'a@x.org'>", [("A", "a@x.org")]),
        ('"open <a@x.org>', [("open", "a@x.org")]),
        ("jdöe@mächine.example", [("", "jdöe@mächine.example")]),
        ('"a@bank.org" <evil@x.org>', [("a@bank.org", "evil@x.org")]),
    ],
)
def test_addresses(value, people):
    assert [(p.name, p.address) for p in parse_addresses(value)] == people


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
        ("=?iso-8859-1*de?Q?gr=FCn?=", "grün"),
        ("=?nonsense?Q?gr=FCn?=", "grün"),
        ("=?utf-8?B?!?=", ""),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("caf\udce9", "café"),
        ("a\x00b\x07", "a b"),
        (None, ""),
        (5, ""),
    ],
)
def test_encoded_words(value, text):
    assert decode_header(value) == text


def test_the_date_header_serves_where_gmail_names_none():
    dated = part(headers=[("Date", "Tue, 24 Nov 2026 12:00:00 +0100")])
    assert parse(dated, internalDate=None).date == datetime(2026, 11, 24, 11)
    for value in ("soon", "", "Tue, 24 Nov 99999 12:00:00 +0100"):
        message = parse(part(headers=[("Date", value)]), internalDate="x")
        assert message.date.tzinfo is None


# ----------------------------------------------------------------------
# Nothing breaks it
# ----------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "id threadId labelIds payload parts headers name value body data size"
                " mimeType filename partId internalDate snippet attachmentId".split()
            ),
            children
            | st.sampled_from(
                ["multipart/alternative", "message/rfc822", "From", "text/html", "-_"]
            ),
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_read(value):
    message = parse_message(value)
    assert isinstance(message, ParsedMessage)
    parse_message({"payload": value})
    parse_message({"payload": {"headers": value, "parts": [value], "body": value}})
    find_part(value, "0")


@given(st.text())
def test_any_header_is_read(value):
    for person in parse_addresses(value):
        assert "@" in person.address
    decode_header(value)


@pytest.mark.parametrize("depth", [1, 49, 50, 51, 5_000])
def test_depth(depth):
    deep = part("text/html", "<p>x</p>")
    for _ in range(depth):
        deep = {"mimeType": "multipart/mixed", "filename": "", "parts": [deep]}
    message = parse(deep)
    assert message.body_html == ("<p>x</p>" if depth < 2_000 else "")
    assert not message.attachments


def test_deep_and_wide_messages_are_read():
    deep = part(content="x")
    for _ in range(400):
        deep = {"mimeType": "multipart/mixed", "parts": [deep]}
    assert isinstance(parse(deep), ParsedMessage)
    alternatives = part("text/html", "<p>x</p>")
    for _ in range(50):
        alternatives = multipart(
            "multipart/alternative", part(content="t"), alternatives
        )
    assert parse(alternatives).body_html == "<p>x</p>"
    wide = multipart("multipart/mixed", *[part("a/b", b"x") for _ in range(5_000)])
    assert 1_000 < len(parse(wide).attachments) <= 5_000
    headers = [("To", ", ".join(f"a{i}@x.org" for i in range(20_000)))]
    assert len(parse(part(headers=headers)).to) == 2_000
    for value in ('"' * 90_000, "(" * 90_000, "<" * 90_000, "=?a?q?" * 9_000):
        parse(part(headers=[(name, value) for name in ("To", "Subject", "References")]))


@pytest.mark.parametrize(
    "piece", ['"', "(", "<", "@", "=?", "=?a?q?", ",a", "a@", "<a "]
)
def test_hostile_headers_do_not_hang(piece):
    start = time.process_time()
    value = piece * (100_000 // len(piece))
    parse(part(headers=[(name, value) for name in ("To", "Subject", "References")]))
    assert time.process_time() - start < 3


if FILES:

    @pytest.mark.parametrize(
        "path", FILES, ids=lambda p: str(p.relative_to(CORPUS).with_suffix(""))
    )
    def test_corpus(path):
        """Real and malformed mails are read; where an independent parser's opinion
        lies beside one, the subject agrees with it."""
        raw = path.read_bytes()
        message = parse(payload_of(raw))
        assert isinstance(message, ParsedMessage)
        shown = f"{message.body_html}{message.body_text}{message.subject}"
        shown.encode()
        assert "<script" not in message.body_html.lower()
        for attachment in message.attachments:
            assert attachment.filename
            assert part_of_raw(raw, attachment.part_id) is not None
        expected = path.with_suffix(".json")
        if expected.exists() and path.parent.name == "thirdparty":
            first = json.loads(expected.read_text())["parts"][0]
            for header in first["headers"]:
                if header["name"] == "subject" and "Text" in header["value"]:
                    assert message.subject == header["value"]["Text"]


# ----------------------------------------------------------------------
# Outgoing
# ----------------------------------------------------------------------


def outgoing(**headers):
    headers = {name.replace("_", "-").title(): v for name, v in headers.items()}
    message = EmailMessage(policy=policy.SMTP)
    for name, value in {
        "From": "Änna <anna@example.com>",
        "To": '"Müller, J" <j@x.org>, b@x.org',
        "Subject": "Grüße",
        "Message-Id": "<1.2-openerp-7-crm.lead@host>",
        **headers,
    }.items():
        if value:
            message[name] = value
    message.set_content("hällo\nbye\n")
    return message


def prepare(message, **changes):
    options = {
        "allowed_recipients": ["j@x.org", "B@x.org", "c@x.org"],
        "bcc": [],
        "send_id": "abc-1",
        "message_id_domain": "example.com",
    }
    raw = prepare_outgoing(message, **(options | changes))
    return raw, email.message_from_bytes(raw, policy=policy.SMTP)


def test_headers_that_leave():
    message = outgoing(
        Bcc="secret@x.org",
        Return_Path="<bounce@host>",
        Resent_To="other@x.org",
        X_Msg_To_Add="other@x.org",
        X_Odoo_Gmail_Check="1",
        X_Odoo_Gmail_Send="forged",
        Reply_To="r@x.org",
    )
    raw, sent = prepare(message)
    assert sent["To"] == '"Müller, J" <j@x.org>, b@x.org'
    assert sent["Subject"] == "Grüße"
    assert sent["Reply-To"] == "r@x.org"
    assert sent["From"] == "Änna <anna@example.com>"
    assert sent.get_all("X-Odoo-Gmail-Send") == ["abc-1"]
    assert sent["Date"]
    for name in ("Bcc", "Return-Path", "Resent-To", "X-Msg-To-Add"):
        assert sent[name] is None
    assert sent["X-Odoo-Gmail-Check"] is None
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert sent.get_content() == "hällo\r\nbye\r\n"
    # What was handed over is left as it was.
    assert message["Bcc"] == "secret@x.org"


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)


def pasted(html, alternative=True, attachment=False):
    message = outgoing()
    # As Odoo's own plain text is made: pictures are named below it.
    message.set_content(f"hällo\n[1] data:image/png;base64,{PIXEL}\nbye\n")
    if alternative:
        message.add_alternative(html, subtype="html")
    else:
        message.set_content(html, subtype="html")
    if attachment:
        message.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    return message


@pytest.mark.parametrize("alternative", [True, False])
@pytest.mark.parametrize("attachment", [True, False])
def test_pasted_pictures_travel_as_parts(alternative, attachment):
    image = f'<img class="x" src="data:image/png;base64,{PIXEL}" alt="a">'
    message = pasted(f"<p>Grüße {image} again {image}</p>", alternative, attachment)
    raw, sent = prepare(message)
    html = sent.get_body(("html",))
    text = html.get_content()
    assert "data:" not in text and "Grüße" in text
    if alternative:
        plain = sent.get_body(("plain",)).get_content()
        assert "[1] picture.png" in plain and "bye" in plain
    [picture] = [p for p in sent.walk() if p.get_content_maintype() == "image"]
    assert picture.get_content() == base64.b64decode(PIXEL)
    assert picture.get_content_disposition() == "inline"
    assert text.count(f"cid:{picture['Content-ID'].strip('<>')}") == 2
    files = [p.get_filename() for p in sent.iter_attachments()]
    assert ("a.pdf" in files) == attachment
    # The same mail has the same bytes, but for the boundaries: it is sent once.
    again = prepare(message)[1]
    cids = [p["Content-ID"] for p in again.walk() if p["Content-ID"]]
    assert cids == [picture["Content-ID"]]
    parsed = parse(payload_of(raw))
    assert [a.is_inline for a in parsed.attachments if "png" in a.mimetype] == [True]


@pytest.mark.parametrize(
    "source",
    [
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:text/html;base64,PHN2Zy8+",
        "data:image/png;base64,abc",
        "https://a.test/data:image/png;base64,AAAA",
    ],
)
def test_what_is_no_pasted_picture_stays(source):
    html = f'<p><img src="{source}"></p>'
    _raw, sent = prepare(pasted(html))
    assert source in sent.get_body(("html",)).get_content()
    assert not [p for p in sent.walk() if p.get_content_maintype() == "image"]


def test_ids_that_leave():
    """Gmail keeps a Message-ID with a real domain; the first one stays findable."""
    _raw, sent = prepare(outgoing(References="<0@x.org> <1.2-openerp-7-crm.lead@host>"))
    assert sent["Message-ID"] == "<1.2-openerp-7-crm.lead@example.com>"
    assert sent["References"].split() == [
        "<0@x.org>",
        "<1.2-openerp-7-crm.lead@host>",
        "<1.2-openerp-7-crm.lead@example.com>",
    ]
    _raw, sent = prepare(outgoing(Message_Id="<5@mail.example.com>"))
    assert sent["Message-ID"] == "<5@mail.example.com>"
    assert sent["References"] == "<5@mail.example.com>"
    _raw, sent = prepare(outgoing(Message_Id=None, In_Reply_To="<0@x.org>"))
    assert sent["Message-ID"].endswith("@example.com>")
    assert sent["In-Reply-To"] == "<0@x.org>"


def test_long_chains_of_references():
    ids = [f"<{number}{'x' * 90}@x.org>" for number in range(100)]
    raw, sent = prepare(outgoing(References=" ".join(ids)))
    kept = sent["References"].split()
    assert kept[0] == ids[0]
    assert ids[-1] in kept
    assert len(kept) <= 30
    assert max(map(len, raw.split(b"\r\n"))) < 998
    assert b"=?" not in raw.partition(b"From:")[0]


def test_bcc_is_put_back():
    _raw, sent = prepare(outgoing(), bcc=["c@x.org"])
    assert sent["Bcc"] == "c@x.org"
    _raw, sent = prepare(outgoing(To=None), bcc=["C <c@x.org>"])
    assert sent["To"] is None
    assert sent["Bcc"] == "C <c@x.org>"


HOSTILE_NAMES = (
    "Zoë <stranger@x.org>, Zoe",
    "Ünal, stranger@x.org",
    "Jean <stranger@x.org>",
    "🎉; stranger@x.org",
    'Q "x", stranger@x.org',
    "Ü" * 80 + ", stranger@x.org",
    "=?utf-8?q?=2C_stranger=40x.org=2C?=",
    "a\r\nBcc: stranger@x.org",
    "(stranger@x.org)",
    "\\",
)


def named(name, kind=policy.SMTP):
    """Return a message to j@x.org, who calls herself ``name``."""
    encoded = base64.b64encode(name.encode("utf-8", "replace")).decode()
    head = (
        f"From: anna@example.com\r\nSubject: s\r\nTo: =?utf-8?b?{encoded}?= <j@x.org>"
    )
    return email.message_from_string(f"{head}\r\n\r\nbody", policy=kind)


@pytest.mark.parametrize("kind", [policy.SMTP, policy.compat32])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_never_becomes_an_address(name, kind):
    """The standard library takes the quotes off names that it decodes."""
    if "\r" in name:
        # Its newer policies refuse to read such a name at all.
        kind = policy.compat32
    message = named(name, kind)
    raw, sent = prepare(message)
    assert [a.addr_spec for a in sent["To"].addresses] == ["j@x.org"]
    assert sent["Bcc"] is None
    plain = email.message_from_bytes(raw)
    addresses = getaddresses([plain["To"].replace("\r\n", "")])
    assert [address for _name, address in addresses] == ["j@x.org"]
    assert [a.address for a in parse_addresses(plain["To"])] == ["j@x.org"]


@given(name=st.text(max_size=120))
def test_no_name_at_all_becomes_an_address(name):
    try:
        _raw, sent = prepare(named(name, policy.compat32))
    except ValueError:
        return
    assert [a.addr_spec for a in sent["To"].addresses] == ["j@x.org"]
    assert set(dict(sent.items())) >= {"To", "From", "Subject"}
    assert sent.get_all("To") and not sent.get_all("Bcc")


def test_international_domains_travel_in_ascii():
    _raw, sent = prepare(
        outgoing(To="Bücher <info@bücher.example>"),
        allowed_recipients=["info@xn--bcher-kva.example"],
    )
    assert sent["To"] == "Bücher <info@xn--bcher-kva.example>"


@pytest.mark.parametrize(
    ("headers", "changes"),
    [
        ({"Cc": "stranger@x.org"}, {}),
        ({"To": "j@x.org, b@x.org, <stranger@x.org>"}, {}),
        ({"To": "team: j@x.org, stranger@x.org;"}, {}),
        ({"To": '"j@x.org" <stranger@x.org>'}, {}),
        ({}, {"bcc": ["stranger@x.org"]}),
        ({}, {"bcc": ["c@x.org, stranger@x.org"]}),
        ({}, {"allowed_recipients": []}),
        ({"To": None}, {}),
        ({}, {"send_id": "a\r\nBcc: stranger@x.org"}),
        ({}, {"send_id": ""}),
        ({"To": "jö@x.org"}, {"allowed_recipients": ["jö@x.org"]}),
    ],
)
def test_nobody_else_gets_it(headers, changes):
    with pytest.raises(ValueError):
        prepare(outgoing(**headers), **changes)


def test_what_was_not_read_as_an_address_does_not_leave_as_one():
    _raw, sent = prepare(outgoing(To="j@x.org (b@x.org) stranger@x.org"))
    assert [a.addr_spec for a in sent["To"].addresses] == ["j@x.org"]


def test_a_header_cannot_bring_another_one():
    """The standard library refuses line ends; older policies do not."""
    message = email.message.Message()
    message["From"] = "anna@example.com"
    message["To"] = "j@x.org"
    message["Subject"] = "Hi\r\nBcc: stranger@x.org"
    message["X-Note"] = "a\nTo: stranger@x.org\n\nbody"
    message.set_payload("body\nline")
    raw, sent = prepare(message)
    assert sent["Bcc"] is None
    assert sent.get_all("To") == ["j@x.org"]
    assert raw.endswith(b"\r\n\r\nbody\r\nline")


def test_attachments_survive():
    message = outgoing()
    content = bytes(range(256)) * 50
    message.add_attachment(
        content, maintype="application", subtype="octet-stream", filename="ä.bin"
    )
    _raw, sent = prepare(message)
    [attachment] = sent.iter_attachments()
    assert attachment.get_content() == content
    assert attachment.get_filename() == "ä.bin"
    parsed = parse(payload_of(_raw), labelIds=["SENT"])
    assert parsed.attachments[0].data == content
    assert parsed.body_text == "hällo\nbye"
    assert parsed.odoo_send_id == "abc-1"
