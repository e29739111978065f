"""Which copies are one email, and which of them show the same: without a database."""

import email
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules.same_email import (
    File,
    bare_text,
    digest,
    header_date,
    mail_key,
    same_at_gateway,
    same_words,
    target,
)
from odoo.addons.gmail_oauth_mailbox.lib.sanitize import clean_html, text_to_html

ADDRESS = "carla@customer-example.test"
PEOPLE = (("from", ADDRESS, "Carla Roth"), ("to", "anna@corp.test", "Anna"))
FILES = (("offer.pdf", 1200),)
LINK = "https://customer-example.test/offer?id=7&lang=en"
TEXT = (
    f"Dear Anna,\n\nthe offer is at {LINK} until Friday.\n\n-- \nCarla Roth\n+49 123\n"
)
HTML = (
    "<div>Dear Anna,</div><p>the <b>offer</b> is"
    f' <a href="{LINK.replace("&", "&amp;")}">here</a>.</p><p>Carla</p>'
)
BANNERS = (
    "CAUTION: This email originated from outside of the organization. Do not click"
    " links or open attachments unless you recognize the sender and know the content"
    " is safe.",
    "[EXTERNAL EMAIL]",
    "External email: be careful.",
    "This message was sent from outside the company. Please do not click links or open"
    " attachments unless you recognise the source.",
    "Achtung: Diese E-Mail kommt von extern. Öffnen Sie keine Anhänge.",
    "WARNING! This e-mail came from an external sender.",
)
FOOTERS = (
    "_______________________________________________\nSales mailing list\n"
    "sales@lists.corp.test\nhttps://lists.corp.test/listinfo/sales",
    "-- \nYou received this message because you are subscribed to the Google Groups"
    ' "Sales" group.\nTo unsubscribe from this group and stop receiving emails from it,'
    " send an email to sales+unsubscribe@corp.test.\nTo view this discussion visit"
    " https://groups.google.com/d/msgid/sales/1.",
    "-=-=-=-=-=-=-=-=-=-=-=-\nGroups.io Links: You receive all messages sent to this"
    " group.\nUnsubscribe: https://groups.io/g/sales/unsub",
    "--\nAbmelden vom Verteiler: https://lists.corp.test/abmelden",
)
TAGS = ("[Sales] ", "[EXTERNAL] ", "[EXT][Sales] ", "Re: [Sales] ")
PROOFPOINT = (
    "https://urldefense.com/v3/__https://customer-example.test/offer?id=7&lang=en"
    "__;!!AbC!xyz$"
)
SAFELINKS = (
    "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2F"
    "customer-example.test%2Foffer%3Fid%3D7%26lang%3Den&data=05%7Canna"
)


def of_text(text, subject="Your offer", people=PEOPLE, files=FILES):
    return digest(subject, people, clean_html(text_to_html(text)), files)


def of_html(html, subject="Your offer", people=PEOPLE, files=FILES):
    return digest(subject, people, clean_html(html), files)


def test_a_key_joins_message_id_and_sender():
    first = mail_key("<a@b.test>", ADDRESS)
    assert mail_key("<a@b.test>", ADDRESS, "of another copy") == first
    assert len(first) == 32
    for other in (
        mail_key("<x@b.test>", ADDRESS),
        mail_key("<a@b.test>", "eve@x.test"),
        mail_key("", ADDRESS),
    ):
        assert other != first


def test_an_email_without_a_message_id_has_no_other_copies():
    one, other = (mail_key("", ADDRESS, f"anna {number}") for number in (1, 2))
    assert one != other
    # What a sender writes as a Message-ID does not name such a copy.
    assert mail_key("anna 1", ADDRESS) != one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mon, 23 Nov 2026 10:00:00 +0100", "Mon, 23 Nov 2026 09:00:00 +0000"),
        ("Mon, 23 Nov 2026 10:00:00 +0100", "23 Nov 2026 09:00:00 GMT"),
        ("no date", ""),
        (None, "Mon, 99 Nov 2026 99:00:00"),
    ],
)
def test_dates_are_compared_in_utc(one, other):
    assert header_date(one) == header_date(other)


@pytest.mark.parametrize("kind", ["text", "html"])
@pytest.mark.parametrize(
    ("tag", "banner", "footer"),
    list(itertools.product(("", *TAGS[:3]), ("", *BANNERS[:3]), ("", *FOOTERS[:2]))),
)
def test_what_servers_add_makes_no_other_email(kind, tag, banner, footer):
    if kind == "text":
        plain = of_text(TEXT)
        added = of_text(f"{banner}\n\n{TEXT}\n{footer}", f"{tag}Your offer")
    else:
        plain = of_html(HTML)
        box = f'<table><tr><td style="background:#ff0">{banner}</td></tr></table>'
        below = f"<div><br>{footer}</div>".replace("\n", "<br>")
        added = of_html(f"{box}{HTML}{below}", f"{tag}Your offer")
    assert added == plain


@pytest.mark.parametrize("banner", BANNERS)
def test_banners(banner):
    assert of_text(f"{banner}\n\n{TEXT}") == of_text(TEXT)


@pytest.mark.parametrize("footer", FOOTERS)
def test_footers(footer):
    assert of_text(f"{TEXT}\n{footer}\n") == of_text(TEXT)


@pytest.mark.parametrize("tag", TAGS)
def test_subject_tags(tag):
    subject = "Re: Your offer" if tag.startswith("Re") else "Your offer"
    assert of_text(TEXT, f"{tag}Your offer") == of_text(TEXT, subject)


@pytest.mark.parametrize("rewritten", [PROOFPOINT, SAFELINKS])
def test_links_that_a_gateway_leads_through_itself(rewritten):
    assert target(rewritten) == target(LINK)
    assert of_text(TEXT.replace(LINK, rewritten)) == of_text(TEXT)
    escaped = [link.replace("&", "&amp;") for link in (LINK, rewritten)]
    assert of_html(HTML.replace(*escaped)) == of_html(HTML)


@pytest.mark.parametrize(
    "other",
    [
        TEXT.replace("Friday", "Monday"),
        TEXT.replace("the offer", "pay to another account, the offer"),
        TEXT.replace("customer-example", "evil-example"),
        TEXT + "Pay to another account.",
        "Pay to another account.\n" + TEXT,
        TEXT + "\n_______\nPay to another account.",
        TEXT.replace("Carla Roth", ""),
        TEXT.replace("until Friday", "until \u202eFriday\u202c"),
        # A link that only seems to lead through a gateway.
        TEXT.replace(LINK, f"https://evil.test/?url={LINK}"),
    ],
)
def test_another_text_is_another_email(other):
    assert of_text(other) != of_text(TEXT)


@pytest.mark.parametrize(
    "other",
    [
        HTML.replace("offer</b>", "refusal</b>"),
        HTML.replace("customer-example", "evil-example"),
        HTML.replace("<p>Carla", '<p style="display:none">Carla'),
        HTML.replace("<p>Carla", '<p style="font-size:0">Carla'),
        HTML + "<p>Pay to another account</p>",
        HTML.replace("<p>", "<blockquote>", 1).replace("</p>", "</blockquote>", 1),
    ],
)
def test_another_html_is_another_email(other):
    assert of_html(other) != of_html(HTML)


@pytest.mark.parametrize(
    "element",
    [
        "s",
        "del",
        "blockquote",
        "h1",
        "span style='display: none'",
        "font color='#fff'",
        "a href='https://x.test'",
    ],
)
def test_how_far_a_look_goes_is_a_part_of_the_email(element):
    begin, end = f"<{element}>", f"</{element.split()[0]}>"
    one, other = (
        of_html(f"<div>We do {text} pay</div>")
        for text in (f"{begin}not{end} agree to", f"{begin}not agree{end} to")
    )
    assert one != other


def test_other_people_subjects_and_files_make_another_email():
    plain = of_text(TEXT)
    for change in (
        {"subject": "Your invoice"},
        {"people": PEOPLE[:1]},
        {"people": (*PEOPLE, ("cc", "eve@x.test", ""))},
        {"people": (PEOPLE[0], ("cc", *PEOPLE[1][1:]))},
        {"people": (("from", ADDRESS, "Eve"), PEOPLE[1])},
        {"files": ()},
        {"files": (("offer.pdf", 1201),)},
        {"files": (*FILES, ("more.pdf", 1))},
    ):
        assert of_text(TEXT, **change) != plain, change


def test_the_order_of_people_and_files_is_nothing():
    files = (*FILES, ("a.png", 5))
    assert of_text(TEXT, people=PEOPLE[::-1], files=files[::-1]) == of_text(
        TEXT, files=files
    )


def test_same_words_whoever_cleaned_them():
    assert same_words("<p>pay <b>100</b></p>", "<pre>pay\n100</pre>")
    assert not same_words("<p>pay 100</p>", "<p>pay 900</p>")


@given(st.text(), st.text(max_size=30))
def test_anything_has_a_digest(body, subject):
    html = clean_html(text_to_html(body))
    assert digest(subject, (), html, ()) == digest(subject, (), html, ())


@pytest.mark.parametrize(
    "shape",
    [
        "_" * 400_000,
        "\n_ " * 150_000,
        "CAUTION " * 50_000,
        "this email " * 40_000,
        "https://x.test/" * 30_000,
        "https://urldefense.com/v3/__" * 15_000,
        "[a" * 100_000,
        "<a " * 60_000,
        '<a href="' * 40_000,
        "&" * 300_000,
        "<p>" * 50_000,
    ],
    ids=lambda shape: shape[:20].strip(),
)
def test_the_work_grows_with_the_size(shape):
    def seconds(html):
        started = time.process_time()
        bare_text(html)
        digest(html[:5000], (), "", ())
        return time.process_time() - started

    half = min(seconds(shape[: len(shape) // 4]) for _run in range(3))
    whole = min(seconds(shape) for _run in range(3))
    # Four times the size: 16 times the work would be its square.
    assert whole < max(0.5, 10 * half)


# What Odoo's gateway makes of plain text: escaped, in <pre>, quotes marked.
@pytest.mark.parametrize(
    ("text", "gateway"),
    [
        (
            "one\n> two",
            '<pre>one<span data-o-mail-quote="1">\n&gt; two</span>\n</pre>\n',
        ),
        ("> one\n>> two\nthree", "<pre>&gt; one\n&gt;&gt; two\nthree</pre>"),
        (">one\n> > two", "<pre>&gt;one\n&gt; &gt; two</pre>"),
        (
            "see https://x.test/a?b=1&c=2.",
            "<pre>see https://x.test/a?b=1&amp;c=2.</pre>",
        ),
        ("see <https://x.test/a>", "<pre>see &lt;https://x.test/a&gt;</pre>"),
        ("a & b < c\n-- \nCarla", "<pre>a &amp; b &lt; c\n-- \nCarla</pre>"),
        (f"Hi\n{FOOTERS[0]}", f"<pre>Hi\n{FOOTERS[0]}</pre>"),
    ],
)
def test_plain_text_at_the_gateway(text, gateway):
    ours = clean_html(text_to_html(text))
    assert same_words(ours, gateway)
    assert same_words(gateway, ours)
    assert not same_words(ours, gateway.replace("<pre>", "<pre>Pay now "))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("> one", "<pre>&gt; two</pre>"),
        ("https://x.test/a", "<pre>https://x.test/b</pre>"),
        ("https://x.test/a", '<a href="https://y.test/a">https://x.test/a</a>'),
        ("1 > 2", "<pre>1 2</pre>"),
        ("a", "<pre>a</pre><pre>&gt; b</pre>"),
    ],
)
def test_other_words_at_the_gateway(one, other):
    assert not same_words(clean_html(text_to_html(one)), other)


INNER = email.message_from_string("Subject: Inner\n\ninner text\n")
PDF = File("offer.pdf", "application/pdf", 4)
NOTES = File("notes.txt", "text/plain", 7)


@pytest.mark.parametrize(
    ("subjects", "files", "gateways", "html", "is_same"),
    [
        (("A  B ", "A B"), [], [], "<p>Hi</p>", True),
        ((None, ""), [], [], "<p>Hi</p>", True),
        (("A B", "AB"), [], [], "<p>Hi</p>", False),
        (("A", "A"), [PDF], [("offer.pdf", b"1234")], "<p>Hi</p>", True),
        (("A", "A"), [PDF], [("offer.pdf", b"12345")], "<p>Hi</p>", False),
        (("A", "A"), [PDF], [("other.pdf", b"1234")], "<p>Hi</p>", False),
        (("A", "A"), [PDF], [], "<p>Hi</p>", False),
        (("A", "A"), [], [("offer.pdf", b"1234")], "<p>Hi</p>", False),
        (("A", "A"), [PDF], [("offer.pdf", b"1234")] * 2, "<p>Hi</p>", False),
        (
            ("A", "A"),
            [File("offer.pdf", "application/pdf", 4, b"1234")],
            [("offer.pdf", b"9999")],
            "<p>Hi</p>",
            False,
        ),
        # A text is decoded and written as UTF-8.
        (("A", "A"), [NOTES], [("notes.txt", "Gr\xfc\xdfe\r\n")], "<p>Hi</p>", True),
        (("A", "A"), [NOTES], [("notes.txt", "Gr\xfc\xdfe\n")], "<p>Hi</p>", True),
        (
            ("A", "A"),
            [NOTES],
            [("notes.txt", b"Gr\xc3\xbc\xc3\x9fe\n")],
            "<p>Hi</p>",
            True,
        ),
        (("A", "A"), [NOTES], [("notes.txt", "something else")], "<p>Hi</p>", False),
        # An invitation has no name.
        (
            ("A", "A"),
            [File("invite.ics", "text/calendar", 5)],
            [("attachment", "BEGIN")],
            "<p>Hi</p>",
            True,
        ),
        # An attached email: its text is added to the other.
        (
            ("A", "A"),
            [File("message.eml", "message/rfc822", 99)],
            [("attachment", INNER)],
            "<p>Hi</p><pre>inner text</pre>",
            True,
        ),
        (
            ("A", "A"),
            [File("message.eml", "message/rfc822", 99)],
            [("attachment", b"Subject: Inner")],
            "<p>Pay</p><p>Hi</p><pre>inner text</pre>",
            False,
        ),
        (("A", "A"), [PDF], [("offer.pdf", INNER)], "<p>Hi</p>", False),
    ],
)
def test_what_the_gateway_makes_of_an_email(subjects, files, gateways, html, is_same):
    one, other = subjects
    found = same_at_gateway((one, "<div>Hi</div>"), files, (other, html), gateways)
    assert found == is_same
