"""No text of a stranger keeps a parser busy: each parser with each shape that is known
to be slow for some parser.

Twice the text takes at most 2.3 times the time, and nothing takes 2 seconds of a
processor, whatever the size. Times are of the process, so that other work on the
machine does not count.
"""

import time

import pytest

from odoo.addons.gmail_oauth_mailbox import parsers
from odoo.addons.gmail_oauth_mailbox.lib import (
    authentication,
    cells,
    contact,
    domains,
    exclusion,
    headers,
    mbox,
    message,
    outgoing,
    query,
    quote,
    sanitize,
    search,
    signature,
    subject_rule,
)
from odoo.addons.gmail_oauth_mailbox.lib.bounce import read_bounce
from odoo.addons.gmail_oauth_mailbox.lib.html import stylesheet
from odoo.addons.gmail_oauth_mailbox.lib.mime import addresses, charsets, filenames
from odoo.addons.gmail_oauth_mailbox.lib.mime.flowed import flowed
from odoo.addons.gmail_oauth_mailbox.lib.rules import looks, same_email
from odoo.addons.gmail_oauth_mailbox.lib.rules.phone import phone_key
from odoo.addons.gmail_oauth_mailbox.lib.types import Address

MAX_SECONDS = 2
MAX_RATIO = 2.3
# Below this, a ratio tells more of the machine than of the parser.
NOISE = 0.06
# Characters: a text of a mail, a header or a field, the largest text.
TEXT = 200_000
FIELD = 110_000
LARGE = 4_000_000
seconds = {}


def cpu(function, argument):
    """Return the seconds of processor time that a call takes."""
    started = time.process_time()
    function(argument)
    return time.process_time() - started


def problem(function, shape, size):
    """Return what is wrong with the time that a shape takes, or None.

    What is fast enough for a small part of the size to be so for the whole, even with
    time quadratic in it, is not tried on the whole.

    :param shape: function that returns the argument of about so many characters
    """
    for part in (64, 16):
        taken = cpu(function, shape(size // part))
        if taken > MAX_SECONDS:
            return f"{taken:.1f} s for {size // part:,}"
        seconds[function, shape] = taken * part
        if taken * part**2 < MAX_SECONDS:
            return None
    large, half = shape(size // 2), shape(size // 4)
    taken, before = cpu(function, large), cpu(function, half)
    for _again in range(3):
        whole = taken + 2 * (taken - before)
        seconds[function, shape] = whole
        if whole <= MAX_SECONDS and taken <= MAX_RATIO * before + NOISE / 2:
            return None
        # A garbage collection or a cold cache is no fault of the parser.
        taken = min(taken, cpu(function, large))
        before = max(before, cpu(function, half))
    return f"{before:.2f} s for {size // 4:,}, {taken:.2f} s for {size // 2:,}"


def check(name, function, shapes, size):
    """Fail with each shape that takes a parser too long."""
    found = {}
    for shape_name, shape in shapes.items():
        if wrong := problem(function, shape, size):
            found[shape_name] = wrong
        seconds[name, shape_name] = seconds.pop((function, shape), 0)
    assert not found


def run_of(unit, before="", after=""):
    """Return the shape that repeats a piece of text."""
    return lambda size: before + unit * max(1, size // len(unit)) + after


def different(piece, before="", after=""):
    """Return the shape that repeats a piece of text with another number each time."""

    def build(size):
        count = max(1, size // (len(piece) + 4))
        return before + "".join(map(piece.format, range(count))) + after

    return build


RUNS = (
    "&",
    "&a",
    "&#",
    "&#x",
    "&amp;",
    "&nbsp;",
    "&shy;",
    "&copy=",
    "&copyx",
    "\xad",
    "\xb7a",
    "&ampx",
    "&#38;",
    "&#0000000000000038;",
    "\xa0",
    "&lt;",
    "<",
    ">",
    "> ",
    "</",
    "<a ",
    "<a b=",
    "<a b='",
    "<!--",
    "<!-->",
    "<!",
    "<?",
    "<![CDATA[",
    "<x:y",
    "<x:y>",
    "<div>",
    "<p>a",
    "<b>",
    "<b><p>",
    "a<br>",
    "<br>",
    "</p>",
    "<details>",
    "<blockquote>",
    "<blockquote>a:</blockquote>",
    "<div>a:</div>",
    "<tr><td>a",
    "<table>",
    "<hr>",
    "<style>p{margin:0}</style>",
    "<p class=a>b</p>",
    "<img src='data:image/png;base64,AAAA'>",
    "<img ",
    "<img src",
    "data:image/png;base64,",
    "https://a.test/b) ",
    "https://a.test/" + ")" * 1_900 + " ",
    "https://a.test/" + "(" * 1_900 + " ",
    "https://urldefense.com/v3/__",
    "http",
    "a\n",
    "\n",
    "\r",
    " ",
    "\x00",
    "a",
    "a ",
    "(",
    ")",
    '"',
    "\\",
    "<>",
    ",",
    ";",
    ":",
    "a:",
    "@",
    "a@b.test, ",
    '"a" <a@b.test>, ',
    "<a@b.test> ",
    "=?",
    "?=",
    "=?utf-8?q?",
    "=?utf-8?q?a?= ",
    "=?utf-8?b?YQ==?=\r\n ",
    "\r\n ",
    "1",
    "ü",
    "ü.",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ud800",
    "On Monday, Ann wrote: ",
    "From: a\nSent: b\n",
    "[a] ",
    "*",
    "-",
    "_",
    "{",
    "}",
    "{digits}",
    "/*",
    "dkim=pass ",
    "=",
    "\u0301",
    "見",
)
SHAPES = {repr(unit[:24]): run_of(unit) for unit in RUNS} | {
    "attributes": different("a{}=b ", "<p ", ">"),
    "a style": run_of("color:red;", '<p style="', '">a</p>'),
    "a style of values": run_of("1px ", '<p style="margin:', '">a</p>'),
    "a style of quotes": run_of("a:'", '<p style="', '">a</p>'),
    "classes": run_of("a ", "<style>.a{margin:0}</style><p class='", "'>a</p>"),
    "rules": different("p.a{}{{margin:0}}", "<style>", "</style><p>a</p>"),
    "rules used": run_of(
        "<p class=a>b</p>", "<style>.a{" + "margin:0;" * 20 + "}</style>"
    ),
    "selectors": run_of("p,", "<style>", "{margin:0}</style><p>a</p>"),
    "braces": run_of("{", "<style>", "</style><p>a</p>"),
    "comments of a style": run_of("/*", "<style>", "</style><p>a</p>"),
    "styles without an end": run_of("<style>"),
    "an address": run_of("&a", '<a href="https://a.test/', '">a</a>'),
    "a title": run_of("&", '<p title="', '">a</p>'),
    "a title of what nh3 is slow with": run_of("\xb7", '<p title="', '">a</p>< '),
    "a title of references": run_of("&amp;", '<p title="', '">a</p>< '),
    "an address in broken HTML": run_of("&a", '<a href="https://a.test/', '">a</a>< '),
    "titles": run_of(f'<p title="{"&" * 1_900}">'),
    "elements in a table": run_of("<br>a", "<table>"),
    "references in a table": run_of("&amp;", "<table>"),
    "elements in a table's row": run_of("<b>a</b>", "<table><tr>"),
    "text in a table after many elements": lambda size: (
        "<br>" * (size // 8) + "<table>" + "a<tr>" * (size // 10)
    ),
    "a table that hides its cell": run_of("<b>a</b>", "<table><style><td></style>"),
    "attributes of the document": different("<html a{}=b>a"),
    "nested elements": lambda size: "<div>" * 1_900 + "a" * size,
    "nested and many": lambda size: "<div>" * 1_900 + "<p>a" * (size // 4),
    "sizes": run_of('<td rowspan=1000000000 style="height:1000000000px">a'),
    "images": run_of("<img "),
    "images that have attributes": run_of('<img a="b" '),
    "images without an end": run_of('<img src="data:image/png;base64,A '),
    "an image": run_of("QUJD ", "<img src='data:image/png;base64,", "'>"),
    "references in a text that is not ASCII": run_of("ü&nbsp;"),
    "one word": run_of("a", "<p>", "</p>"),
    "answers": run_of("<div>a:<br></div>", "<p>a</p>", "<blockquote>b</blockquote>"),
    "quotes": run_of(">", "a\n"),
    "quotes of 10,000": run_of(">" * 10_000 + "a\n"),
    "lines of headers": run_of("<b>From:</b> a<br>", "<p>a</p>"),
    "lines of text that quote": run_of("&gt; a<br>", "<p>a</p>"),
    "addresses": different("a{}@b.test, "),
    "ids": different("<a{}@b.test> "),
    "labels": run_of("a" * 63 + ".", "a@"),
    "labels of IDNA": run_of("ü" * 50 + ".", "a@"),
    "one label of IDNA": run_of("ü", "a@"),
    "mixed scripts": run_of("аaα.", "a@"),
    "groups": different("g{}: a@b.test; "),
    "comments": run_of("(a) "),
    "quoted names": run_of('"a\\"b" '),
    "a signed result": run_of("; dkim=pass header.d=a.test", "mx.google.com"),
    "properties": run_of(" header.d=a.test", "mx.google.com; dkim=pass"),
    "a date": run_of("1 ", "Mon, 1 Jan 2026 "),
    "digits": run_of("0123456789"),
    "fields of a report": run_of("Action: failed\n"),
    "groups of a report": run_of(
        "Action: failed\nFinal-Recipient: rfc822;a@b.test\n\n"
    ),
}
PLAIN = Address("Ann", "ann@a.test")


def part(mimetype, text):
    raw = text.encode("utf-8", "replace")
    data = message.base64.urlsafe_b64encode(raw).decode()
    return {
        "mimeType": mimetype,
        "headers": [{"name": "Content-Type", "value": mimetype}],
        "body": {"data": data, "size": len(raw)},
    }


def with_headers(text):
    """Return a message whose headers all have one value."""
    names = (
        "From To Cc Bcc Reply-To Subject Date Message-ID References In-Reply-To List-ID"
        " Content-Type Content-Disposition Authentication-Results Auto-Submitted"
        " X-Failed-Recipients Precedence"
    ).split()
    given = [{"name": name, "value": text} for name in names]
    return {"id": "a", "snippet": text, "payload": {"headers": given}}


def failed_of(payload):
    return read_bounce(
        payload,
        headers.Headers(payload),
        message._mimetypes(payload),
        message._own_text,
    )


def report(text):
    """Return the payload of a report on mail that was not delivered."""
    kind = "multipart/report; report-type=delivery-status"
    status = part("message/delivery-status", text)
    original = part("message/rfc822", text)
    head = [{"name": "Content-Type", "value": kind}]
    return {
        "mimeType": "multipart/report",
        "headers": head,
        "parts": [status, original],
    }


def person(text):
    """Return a person of Google's contacts with one text everywhere."""
    return {
        "names": [{"displayName": text}],
        "emailAddresses": [{"value": text}],
        "phoneNumbers": [{"value": text, "type": text}],
        "organizations": [{"name": text, "title": text}],
        "addresses": [{"streetAddress": text, "city": text, "countryCode": text}],
        "birthdays": [{"date": {"year": text, "month": text, "day": text}}],
        "biographies": [{"value": text}],
        "photos": [{"url": text}],
        "memberships": [{"contactGroupMembership": {"contactGroupResourceName": text}}],
    }


def of_raw(text):
    """Read a part of a mail whose headers and body are one text."""
    raw = text.encode("utf-8", "replace")
    kind = b'Content-Type: multipart/mixed; boundary="a"\n\n--a\n'
    message.part_of_raw(kind + raw, "0")
    message.part_of_raw(raw, "0")


def pattern(text):
    try:
        exclusion.parse_pattern(text)
    except exclusion.PatternError:
        pass
    exclusion.parse_pattern("abcd*e*f*@*.test").matches(text)


RULE = subject_rule.parse_rule("[{letters}]{digits}x")


def rule(text):
    RULE.find(text)
    try:
        subject_rule.parse_rule(text)
    except subject_rule.RuleError:
        pass


def stored(text):
    people = {"from": (PLAIN,), "to": (Address(text[:500], text[:320]),)}
    mbox.entry(
        mbox.StoredMessage(
            subject=text[:2_000],
            message_id=text[:1_000],
            references=text,
            people=people,
            body_html=text[:1_000_000],
        )
    )


HTML_PARSERS = {
    "clean_html": sanitize.clean_html,
    "clean_html_to_text": sanitize.clean_html_to_text,
    "well_formed": sanitize.well_formed,
    "text_to_html": sanitize.text_to_html,
    "folded_html": lambda text: sanitize.folded_html(text, 100_000),
    "quotable_html": sanitize.quotable_html,
    "remote_html": sanitize.remote_html,
    "unremote_html": sanitize.unremote_html,
    "fold_quote": lambda text: quote.fold_quote(text, "Quoted text"),
    "stylesheet": stylesheet.read,
    "flowed": lambda text: flowed(text, delsp=True),
    "search.fold": search.fold,
    "html2plaintext": lambda text: parsers.html2plaintext(text[:1_000_000]),
    "is_html_empty": parsers.is_html_empty,
    "plaintext2html": parsers.plaintext2html,
    "html_sanitize": lambda text: parsers.html_sanitize(
        text[:1_000_000], sanitize_style=True
    ),
    "same_words": lambda text: same_email.same_words(text, ""),
    "same_looks": lambda text: looks.same_looks(text, text, str, {}, {}),
    "digest": lambda text: same_email.digest("a", (), text, ()),
    "signature": lambda text: signature.exchange(
        sanitize.clean_html(text)[:1_000_000], {"a"}, "b"
    ),
    "pictures of what is sent": lambda text: outgoing.PICTURE.sub("", text),
    "parse_message: text": lambda text: message.parse_message(
        {"payload": part("text/plain", text)}, whole=True
    ),
}
FIELD_PARSERS = {
    "decode_header": headers.decode_header,
    "charset": lambda text: charsets.decode(text.encode("utf-8", "replace"), text),
    "charset: shifting": lambda text: charsets.decode(
        text.encode("utf-8", "replace"), "iso-2022-jp"
    ),
    "charset: guessed": lambda text: charsets.decode(
        text.encode("utf-16", "replace"), ""
    ),
    "file_name": filenames.file_name,
    "balanced": headers.balanced,
    "name_of": headers.name_of,
    "Headers: in pieces": lambda text: headers.Headers(
        {"headers": [{"name": "content-type", "value": text}]}
    ).parameter("content-type", "name*0"),
    "parse_addresses": headers.parse_addresses,
    "message_ids": headers.message_ids,
    "Headers": lambda text: headers.Headers(
        {"headers": [{"name": "content-type", "value": text}]}
    ).parameter("content-type", "charset"),
    "parse_message: headers": lambda text: message.parse_message(with_headers(text)),
    "part_of_raw": of_raw,
    "read_bounce": lambda text: failed_of(report(text)),
    "is_authentic": lambda text: authentication.is_authentic(text, "a@a.test"),
    "is_authentic: address": lambda text: authentication.is_authentic("a", text),
    "header_date": same_email.header_date,
    "bare_subject": same_email.bare_subject,
    "target": same_email.target,
    "domain_of": addresses.domain_of,
    "address_key": addresses.address_key,
    "mailbox_key": addresses.mailbox_key,
    "spellings": addresses.spellings,
    "pasted": addresses.pasted,
    "is_role": domains.is_role,
    "is_shared": domains.is_shared,
    "phone_key": lambda text: phone_key(text, "NO"),
    "parse_pattern": pattern,
    "subject rule": rule,
    "query.asked": query.asked,
    "query.people": lambda text: query.people([text]),
    "query.without": lambda text: query.without("Label_1", text),
    "search.words": search.words,
    "parse_person": lambda text: contact.parse_person(person(text)),
    "plain_name": contact.plain_name,
    "cells": cells.as_text,
    "mbox": stored,
    "takeout_labels": lambda text: mbox.takeout_labels([("Label_1", text)]),
    "email_normalize": parsers.email_normalize,
    "email_normalize_all": parsers.email_normalize_all,
    "email_split_tuples": parsers.email_split_tuples,
    "email_split_and_format": parsers.email_split_and_format,
    "getaddresses": lambda text: parsers.getaddresses([text]),
}


@pytest.mark.parametrize("name", HTML_PARSERS)
def test_texts(name):
    check(name, HTML_PARSERS[name], SHAPES, TEXT)


@pytest.mark.parametrize("name", FIELD_PARSERS)
def test_fields(name):
    check(name, FIELD_PARSERS[name], SHAPES, FIELD)


@pytest.mark.parametrize(
    "unit",
    ["&", "&a", "&#", "&#x", "&nbsp;", "&shy;", "\xa0", "\xad", "<a ", "<!--"]
    + ["<p>a", "a\n", "="],
)
def test_the_largest_texts(unit):
    """Nothing grows beyond the cap of a text."""
    large = unit * (LARGE // len(unit))
    for name in ("clean_html", "text_to_html", "fold_quote", "stylesheet"):
        assert cpu(HTML_PARSERS[name], large) < MAX_SECONDS, name
    given = {"payload": part("text/html", large)}
    assert cpu(message.parse_message, given) < MAX_SECONDS


def of_parts(parts, kind="multipart/mixed"):
    return {"payload": {"mimeType": kind, "headers": [], "parts": parts}}


def nested(depth):
    payload = part("text/plain", "a")
    for _level in range(depth):
        payload = {"mimeType": "multipart/alternative", "parts": [payload, payload]}
    return {"payload": payload}


def with_pictures(count):
    """Return a message with many pictures, none of them in its text."""
    picture = part("image/png", "a")
    head = [{"name": "Content-ID", "value": "<a@b.test>"}]
    pictures = [{**picture, "headers": head} for _picture in range(count)]
    return of_parts([part("text/html", "<b>a</b>" * 60_000), *pictures])


def with_header(name, value, count):
    head = [{"name": name, "value": value.format(n)} for n in range(count)]
    return {"payload": {"mimeType": "text/plain", "headers": head}}


MESSAGES = {
    "parts": lambda size: of_parts([part("text/plain", "a")] * (size // 8)),
    "alternatives": lambda size: of_parts(
        [part("text/html", "a")] * (size // 8), "multipart/alternative"
    ),
    "texts between HTML": lambda size: of_parts(
        [part("text/html", "a"), part("text/plain", "a\n" * (size // 16))] * 40
    ),
    "depth": lambda size: nested(min(900, size // 100)),
    "pictures": lambda size: with_pictures(min(2_000, size // 50)),
    "recipients": lambda size: with_header(
        "To", "a{0}@b.test, c{0}@b.test", size // 50
    ),
    "references": lambda size: with_header("References", "<a{}@b.test>", size // 20),
    "Received lines": lambda size: with_header("Received", "from a{} by b", size // 20),
    "names of headers": lambda size: with_header("X-A", "{}", size // 4),
}


def build_raw(make):
    return lambda size: make(size).encode()


BOUNDARIES = "Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n"
RAW = {
    "depth": lambda size: "".join(map(BOUNDARIES.format, range(size // 60))),
    "depth and lines": lambda size: (
        "".join(map(BOUNDARIES.format, range(190))) + "a\n" * (size // 2)
    ),
    "messages": run_of("Content-Type: message/rfc822\n\n"),
    "boundaries": run_of("--b\n\na\n", "Content-Type: multipart/mixed; boundary=b\n\n"),
    "a boundary": run_of("b", "Content-Type: multipart/mixed; boundary=", "\n\na\n--b"),
    "a folded header": run_of("a\n ", "Subject: "),
    "parameters": run_of(";a=b", "Content-Type: multipart/mixed"),
    "semicolons": run_of(";", "Content-Type: multipart/mixed"),
    "quotes": run_of('"', "Content-Type: multipart/mixed; boundary="),
    "continued parameters": different(
        "; boundary*{}=a", "Content-Type: multipart/mixed", "\n\n--a\n\nb"
    ),
    "base64 with blanks": run_of("Q ", "Content-Transfer-Encoding: base64\n\n"),
    "base64 in lines": run_of("Q\n", "Content-Transfer-Encoding: base64\n\n"),
    "quoted-printable": run_of(
        "=\n", "Content-Transfer-Encoding: quoted-printable\n\n"
    ),
    "uuencoded": run_of("M", "Content-Transfer-Encoding: uuencode\n\nbegin 644 a\n"),
    "headers": different("A{}: b\n"),
}


def test_messages():
    check("parse_message", message.parse_message, MESSAGES, TEXT)
    check(
        "find_part",
        lambda given: message.find_part(given["payload"], "9"),
        MESSAGES,
        TEXT,
    )
    check(
        "read_bounce",
        lambda given: failed_of(given["payload"]),
        MESSAGES,
        TEXT,
    )


@pytest.mark.parametrize("part_id", ["", "0", "0.0"])
def test_raw_messages(part_id):
    shapes = {name: build_raw(make) for name, make in RAW.items()}
    check("part_of_raw", lambda raw: message.part_of_raw(raw, part_id), shapes, TEXT)
