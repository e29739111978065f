"""Strangers' HTML: nothing acts, nothing loads, nothing leaves its place, in time."""

import doctest
import html
import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib import (
    headers,
    oauth,
    query,
    sanitize,
    search,
    sync_plan,
)
from odoo.addons.gmail_oauth_mailbox.lib.html import hostile
from odoo.addons.gmail_oauth_mailbox.lib.sanitize import (
    clean_html,
    folded_html,
    html_to_text,
    quotable_html,
    text_to_html,
)

LOADING = {"src", "srcset", "background", "poster", "data", "action", "formaction"}


class Reader(HTMLParser):
    """Reads the result as a page would, and objects to what must not be there."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in sanitize.TAGS, tag
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            value = value or ""
            assert not name.startswith("on"), name
            assert ":" not in name
            if name in LOADING:
                assert (tag, name) == ("img", "src")
                assert value.startswith("data:image/")
                assert "svg" not in value[:30]
            if name == "href":
                assert value.lower().startswith(("http://", "https://", "mailto:"))
            if name == "style":
                lowered = value.lower()
                for word in ("url", "expression", "import", "position", "\\", "fixed"):
                    assert word not in lowered, value


ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img/src='x'/onerror=alert(1)>",
    "<svg onload=alert(1)><a xlink:href='javascript:x'>x</a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=1 onerror"
    "=alert(1)>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe src='https://evil.example.com'></iframe><object data=x></object><embed>",
    "<iframe srcdoc='<script>x</script>'></iframe>",
    "<form action='https://evil.example.com'><input name=a><button>b</button></form>",
    "<base href='https://evil.example.com'><meta http-equiv=refresh content='0;url=x'>",
    "<link rel=stylesheet href=https://evil.example.com/a.css>",
    "<style>@import 'https://evil.example.com'; body{display:none}</style>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' java\nscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>x</script>'>x</a>",
    "<a href='vbscript:x'>x</a><a href='file:///etc/passwd'>x</a>",
    "<a href='/web/session/logout'>x</a><a href='//evil.example.com'>x</a>",
    "<a href='https://x.example.com' target=_self rel=opener>x</a>",
    "<p style='background:url(https://evil.example.com/a.png)'>x</p>",
    "<p style='background:u\\72l(https://evil.example.com/a.png)'>x</p>",
    "<p style='background:url/**/(//evil.example.com)'>x</p>",
    "<p style='width:expression(alert(1))'>x</p>",
    "<p style='position:fixed;top:0;left:0;width:100%;height:100%;z-index:9'>x</p>",
    "<p style='color:red;/*;*/position:fixed'>x</p>",
    "<p style='margin-top:-500px'>x</p>",
    "<p style='background:image-set(\"https://evil.example.com/a\" 1x)'>x</p>",
    "<p style='content:attr(x);behavior:url(x);-moz-binding:url(x)'>x</p>",
    "<table background='https://evil.example.com/a.png'><tr><td background=x>x</table>",
    "<img srcset='https://evil.example.com/a.png 1x' src='x.png'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<img src='data:text/html;base64,PHN2Zz4='>",
    "<img src='javascript:alert(1)'><img src='blob:x'><img src='file:///x'>",
    "<video src=x poster=https://evil.example.com/a.png><audio src=x></audio>",
    "<p id=x name=y class=o_home_menu data-remote-src=x data-cid=y contenteditable>x",
    "<xmp><script>alert(1)</script></xmp><plaintext><script>alert(1)</script>",
    "<template><script>alert(1)</script></template>",
    "<!--><script>alert(1)</script>--><![CDATA[<script>x</script>]]>",
    "<p title='\" onmouseover=\"alert(1)'>x</p>",
    "<a href='https://x.example.com/\" onclick=\"alert(1)'>x</a>",
    "\x00<\x00script>alert(1)</script>",
    "<img src='cid:a\" onerror=\"alert(1)'>",
    "<img src='https://x.example.com/\" onerror=\"alert(1)'>",
    '<p>src="data-remote-src="</p><img alt=\'src="x\' src="https://x.example.com/">',
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks(attack):
    for wrapped in (attack, f"<div><b>{attack}</b>", f"<table><tr><td>{attack}"):
        clean = clean_html(wrapped)
        Reader(clean)
        assert "<script" not in clean
        # What was cleaned stays as it is when a browser reads it again.
        assert "evil" not in re.sub(r'(data-remote-src|href)="[^"]*"', "", clean)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(ATTACKS),
            st.sampled_from(
                "< > \" ' & = / <a <img <p style=' <!-- --> <svg> <math> <style> </p> "
                'src= href= javascript: url( onerror=x title=" <table> <b>'.split(" ")
            ),
            st.text(max_size=8),
        ),
        max_size=12,
    )
)
def test_mixtures_of_attacks(pieces):
    Reader(clean_html("".join(pieces)))


def test_an_ordinary_mail_keeps_its_look():
    clean = clean_html(
        '<table width="600" cellpadding="0" bgcolor="#fff"><tr><td align="center" '
        'style="padding: 4px; color: rgb(1, 2, 3); font-family: Arial, sans-serif">'
        '<b>Hi</b> <font color="red">you</font></td></tr></table>'
        '<blockquote type="cite">old</blockquote>'
    )
    for kept in (
        'width="600"',
        'cellpadding="0"',
        'bgcolor="#fff"',
        "padding: 4px; color: rgb(1, 2, 3); font-family: Arial, sans-serif",
        "<b>Hi</b>",
        '<font color="red">',
        '<blockquote type="cite">old',
    ):
        assert kept in clean


def test_links_open_elsewhere():
    [(tag, attributes)] = Reader(
        clean_html("<a href='HTTPS://x.example.com/?a&b'>x")
    ).tags
    assert tag == "a"
    assert attributes["target"] == "_blank"
    assert attributes["rel"] == "noopener noreferrer"
    assert attributes["href"] == "HTTPS://x.example.com/?a&b"


def test_images_wait_for_the_reader():
    clean = clean_html(
        '<img src="https://x.example.com/a.png?b&amp;c" alt="A">'
        '<img src="//x.example.com/b.png"><img src="cid:part1@x">'
        '<img src="data:image/png;base64,AAAA"><img src="relative.png">'
    )
    images = [attributes for _tag, attributes in Reader(clean).tags]
    assert images[0] == {
        "data-remote-src": "https://x.example.com/a.png?b&c",
        "alt": "A",
    }
    assert images[1] == {"data-remote-src": "https://x.example.com/b.png"}
    assert images[2] == {"data-cid": "part1@x"}
    assert images[3] == {"src": "data:image/png;base64,AAAA"}
    assert images[4] == {}


def test_embedded_images_have_a_limit():
    one = '<img src="data:image/png;base64,{}">'
    assert "data:" in clean_html(one.format("A" * 100_000))
    assert "data:" not in clean_html(one.format("A" * 400_000))
    many = clean_html(one.format("A" * 300_000) * 20)
    assert 0 < many.count("data:") < 8
    assert "end" in clean_html(one.format("A" * 5_000_000) + "<p>end</p>")


HOSTILE = {
    "open elements": "<div>" * 1_000_000,
    "open and wrongly closed": "<div></x>" * 500_000,
    "formatting": "<b>" * 1_000_000,
    "formatting that comes back": "<p>"
    + "".join(f"<font color={i}>" for i in range(300))
    + "</p>"
    + "<p>x</p>" * 300_000,
    "different formatting": "".join(f"<font color={i}>" for i in range(100_000)),
    "misnested": "<b><p>" * 400_000 + "</b>" * 400_000,
    "tables": "<table><tr><td>" * 300_000,
    "attributes": "<p " + " ".join(f"a{i}=1" for i in range(500_000)) + ">",
    "quoted attributes": "<p " + " ".join(f'a{i}=">"' for i in range(300_000)) + ">",
    "attributes in disguise": '<p\xa0a="'
    + " ".join(map("a{}".format, range(500_000)))
    + '">',
    "attributes of an end": "</p " + " ".join(map("a{}".format, range(500_000))) + ">",
    "open quotes": '<a b="' * 800_000,
    "brackets": "<" * 5_000_000,
    "comments": "<!--" * 1_250_000,
    "blanks": " " * 5_000_000,
    "a long style": '<p style="' + "color:red;" * 400_000 + '">',
    "foreign": "<svg><math>" * 450_000,
    "quotes in a row": "> " * 2_500_000,
    "ends within a style": "<div><style></div></style>" * 40_000,
    "ends within a table": "<table><tr><td><div><table></div>" * 60_000,
    "ends within an attribute": "<div></p a='</div>'>" * 90_000,
    "paragraphs deep down": "<div><style></div></style>" * 8_000 + "<p>x" * 400_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_does_not_hang(name):
    """5 MB made to keep a parser busy; on a slow machine too, seconds at most."""
    start = time.process_time()
    clean = clean_html(HOSTILE[name])
    sanitize.clean_html_to_text(clean)
    text_to_html(HOSTILE[name])
    assert time.process_time() - start < 8


MANY = " ".join(f"a{i}" for i in range(hostile.MAX_ATTRIBUTES + 10))


@pytest.mark.parametrize(
    "html",
    [
        f"<p {MANY}>",
        f"<p {MANY}",
        f"<p/{MANY.replace(' ', '/')}/>",
        f"<p>a</p {MANY}>",
        *(
            f'<p{start}"{MANY}">'
            # A tag's name, or a value, that goes on where \\s would end it.
            for start in ("\xa0a=", "\x0ba=", '"a=', " a=\xa0", ' a=x"c=', " a=/")
        ),
        f"<p a='\"' {MANY} b='\"'>",
        f'<p a="\'" {MANY} b="\'">',
        f"<p a='>' {MANY}>",
        f"<p a=b>c</p><p a='<' {MANY}>",
        f"<!--><p {MANY}>-->",
        f"<!-- --!><p {MANY}>",
        f"<style><p a='</style><p {MANY}>'</style>",
        f"<style><x</style {MANY}>",
        "<" + "p" * hostile.MAX_NAME + f'=" {MANY}">',
    ],
)
def test_many_attributes_are_seen_wherever_they_stand(html):
    for around in ("{}", "<p class=a>{}</p>"):
        assert not hostile.is_small(around.format(html))
        assert hostile.has_many_attributes(around.format(html))


def test_many_tags_need_a_long_look():
    assert not hostile.is_small("<b>" * (hostile.FEW_TAGS + 1))


def test_ordinary_mail_needs_a_short_look_only():
    assert hostile.is_small(
        "<!DOCTYPE html><html><head><style>p > a {color: red}</style></head>"
        "<!--[if mso]><td><![endif]--><body bgcolor=#ffffff><P CLASS=MsoNormal>1 < 2"
        '<br/><img alt="" src="data:image/png;base64,AAA=" nowrap>'
        "<o:p></o:p><a\nhref='https://example.com/?a=b'>x</a></body></html>"
    )


def test_ordinary_mail_is_not_hostile():
    """Neither are hundreds of words in one value, in a comment or in a style."""
    for mail in (
        f"<p title='{MANY}'>a</p>",
        f"<!-- <p a=b>{MANY} --><style>p > a {{color: red}} {MANY}</style>",
        f"<!--[if mso]><table><tr><td {'width=1 ' * 3}><![endif]-->{MANY}",
        f"<a href=https://example.com/?a=b&c=d>{MANY}</a {MANY[:40]}>",
        "<script>w('<p a=\"' + x + '\">')</script>" + f"<p>{MANY}</p>" * 3,
    ):
        assert not hostile.is_hostile(mail)


def test_hostile_html_is_still_readable():
    clean = clean_html("<div>" * 10_000 + "the <b>text</b> &amp; more<script>x")
    assert "the text & more" in html.unescape(clean)
    Reader(clean)


def test_text_of_html():
    assert html_to_text("<p>one</p><div>two<br>three</div>") == "one\ntwo\nthree"
    assert html_to_text("<style>p{}</style><title>t</title>a&lt;b") == "a<b"
    assert html_to_text("a<img alt='x > y' title='\"'>b") == "ab"
    assert html_to_text("<table><tr><td>1</td><td>2</td></tr></table>") == "1 2"
    assert html_to_text("") == html_to_text(None) == ""


def test_text_becomes_html():
    result = text_to_html("a <b>\r\n> old\r\n>> older\r\nsee http://x.example.com/(a).")
    assert "a &lt;b&gt;" in result
    assert result.count("<blockquote") == result.count("</blockquote>") == 2
    assert 'href="http://x.example.com/(a)"' in result
    Reader(result)
    lines = [line for line in html_to_text(result).splitlines() if line]
    assert lines == ["a <b>", "old", "older", "see http://x.example.com/(a)."]


@pytest.mark.parametrize("size", ["100vh", "50.5dvh", "1vmin", "calc(1px + 9vh)"])
def test_sizes_of_the_window_are_dropped(size):
    assert "v" not in clean_html(f"<p style='height:{size};width:50vw'>a</p>").replace(
        "50vw", ""
    )


def test_quoted_mail_keeps_its_remote_pictures_only():
    clean = clean_html(
        "<p title=' data-remote-src=\"x\" data-cid=\"y\"'>a</p><img src='cid:b'>"
        "<img alt=c src=https://example.com/c.png>"
    )
    quoted = quotable_html(clean)
    assert "cid:" not in quoted
    assert 'data-cid="b"' not in quoted
    assert '<img alt="c" src="https://example.com/c.png">' in quoted
    assert quoted.startswith(clean[: clean.index("<img")])


@given(st.text())
def test_text_stays_text(text):
    Reader(text_to_html(text))


@given(st.text(alphabet='<>"& ahttp:/.', max_size=60))
def test_text_never_becomes_markup(text):
    shown = text_to_html(f"http://x/{text}")
    assert {tag for tag, _attributes in Reader(shown).tags} <= {"div", "br", "a"} | {
        "blockquote"
    }


@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<b>", "</b>", "a &amp; b", "<br>", "<table><tr><td>"]
            + [
                "</table>",
                "<img src='cid:x'>",
                "<a href='https://x.test'>",
                "</a>",
                "ü",
            ]
        ),
        max_size=60,
    ),
    st.integers(0, 400),
)
def test_a_folded_text_is_a_beginning_and_closes_its_elements(pieces, size):
    clean = clean_html("".join(pieces))
    folded = folded_html(clean, size)
    # Nothing was left open or closed twice: reading it again changes nothing.
    assert clean_html(folded).count("<") == folded.count("<")
    opening = re.sub(r"(</[a-z0-9]+>)+$", "", folded)
    assert clean.startswith(opening) or size < 400
    assert len(opening) <= size + 200
    if size >= len(clean) and "<img" not in clean:
        assert folded == clean


def test_a_long_text_is_folded_fast():
    clean = clean_html("<div><p>word &amp; word</p></div>" * 60_000)
    started = time.perf_counter()
    folded = folded_html(clean, 100_000)
    assert time.perf_counter() - started < 1
    assert 100_000 <= len(folded) < 100_100 and folded.endswith("</div>")
    picture = "<img src='data:image/png;base64," + "A" * 200_000 + "'>"
    assert folded_html(clean_html(f"<p>a{picture}b</p>"), 100_000) == "<p>ab</p>"
    # One text without any element.
    assert folded_html("x" * 500 + "&amp;", 502) == "x" * 500


@pytest.mark.parametrize(
    "module",
    [sanitize, headers, oauth, query, search, sync_plan],
    ids=lambda m: m.__name__[-12:],
)
def test_examples_in_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
