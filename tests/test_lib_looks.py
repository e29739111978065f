"""Whether two pieces of HTML look the same to a reader."""

import pytest

from odoo.addons.gmail_oauth_mailbox.lib.rules.looks import same_looks
from odoo.addons.gmail_oauth_mailbox.lib.rules.same_email import target
from odoo.addons.gmail_oauth_mailbox.lib.sanitize import clean_html, text_to_html

WORDS = "<p>We do <b>not</b> pay</p>"


def same(html, other, names=None, other_names=None):
    return same_looks(html, other, target, names or {}, other_names or {})


@pytest.mark.parametrize(
    ("html", "other"),
    [
        (WORDS, "<div>We do <strong>not</strong><br>pay</div>"),
        (WORDS, "<pre>We do\nnot\npay</pre>"),
        (WORDS, WORDS.replace("<p>", '<p class="MsoNormal x_gmail_default">')),
        (WORDS, WORDS.replace("<p>", '<p style="margin:0cm 0cm 8pt">')),
        (WORDS, WORDS.replace("<p>", '<p style="font-family:Calibri, serif">')),
        (WORDS, WORDS.replace("<p>", '<p style="FONT-SIZE: 11PT !important">')),
        (WORDS, WORDS.replace("<p>", '<p dir="ltr" align="left" lang="de">')),
        ('<b style="color:red">a</b>', '<b style="color : red ; ">a</b>'),
        ("<s>a</s> <s>b</s>", "<s>a b</s>"),
        ("<a href='https://x.test/a'>https://x.test/a</a>", "https://x.test/a"),
        ("<blockquote><p>a</p>\n<p>b</p></blockquote>", "<pre>> a\n> b</pre>"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "<pre>>a\n>> b</pre>"),
    ],
)
def test_what_no_reader_sees(html, other):
    assert same(html, other)
    assert same(other, html)


@pytest.mark.parametrize(
    ("former", "latter"),
    [
        ("not", "<s>not</s>"),
        ("not", "<u class='d-none'>not</u>"),
        ("not", "<span hidden>not</span>"),
        ("not", "<span data-x='1'>not</span>"),
        ("not", "<span style='color: white'>not</span>"),
        ("not", "<span style='line-height: 0'>not</span>"),
        ("not", "<span style='margin-left: -90px'>not</span>"),
        ("not", "<span style='text-indent: 9999px'>not</span>"),
        ("not", "<span style='position: absolute'>not</span>"),
        ("not", "<span style='an-unknown-one: 1'>not</span>"),
        ("not", "<span style='font-family: Webdings'>not</span>"),
        ("not", "<span style='font-size: 90%'>not</span>"),
        ("not", "<bdo dir='rtl'>not</bdo>"),
        ("not", "<q>not</q>"),
        ("not", "<sub>not</sub>"),
        ("not", "not<img src='https://x.test/a.png'>"),
        ("not", "not<img alt='really'>"),
        ("not", "not<hr>"),
        ("not", "not<input value='a'>"),
        ("not", "not<iframe></iframe><button>a</button>"),
        ("not", f"{'<div style=padding:50px>' * 9}not"),
        ("not", f"{'<b>' * 400}not"),
        ("not", "<a href='https://x.test'>not</a>"),
        ("<p>", f"{'<p></p>' * 90}<p>"),
        ("We do ", "Wed o "),
        ("We do ", "We do"),
        ("pay", "pay."),
    ],
)
def test_what_a_reader_sees(former, latter):
    other = WORDS.replace(former, latter, 1)
    assert other != WORDS
    assert not same(WORDS, other)
    assert not same(other, WORDS)


@pytest.mark.parametrize(
    ("html", "other"),
    [
        ("<s>not</s> agreed", "<s>not agreed</s>"),
        ("<blockquote>a</blockquote>b", "a<blockquote>b</blockquote>"),
        ("<pre>> a\nb</pre>", "<pre>a\n> b</pre>"),
        ("<pre>> a</pre>", "<pre>>> a</pre>"),
        ("<ol><li>a</ol>", "<ul><li>a</ul>"),
        ("<ol><li>a</ol>", "<ol start=2><li>a</ol>"),
        ("<a href='https://x.test'>a</a> b", "<a href='https://x.test'>a b</a>"),
        ("<a href='https://x.test'>a</a>", "<a href='https://y.test'>a</a>"),
        ("<a href='https://y.test'>https://x.test</a>", "https://x.test"),
        ("<img src='https://x.test/a'>", "<img src='https://x.test/b'>"),
        ("<b style='color:red'>a</b>", "<b style='color:blue'>a</b>"),
    ],
)
def test_where_and_how(html, other):
    assert not same(html, other)


def test_attached_pictures_are_compared_by_their_files():
    html, other = '<img data-cid="a">', '<img src="/web/image/7">'
    assert same(html, other, {"a": "a.png"}, {"/web/image/7": "a.png"})
    assert not same(html, other, {"a": "a.png"}, {"/web/image/7": "b.png"})


@pytest.mark.parametrize("text", ["one\n> two\n> > three\n\nfour", "a  b\tc\n-- \nd"])
def test_plain_text(text):
    escaped = text.replace(">", "&gt;")
    assert same(clean_html(text_to_html(text)), f"<pre>{escaped}</pre>")
