"""Bounds of strangers' HTML: what is left of it is right, and of a sane size."""

import html as html_lib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.html import hostile, sizes, stylesheet
from odoo.addons.gmail_oauth_mailbox.lib.sanitize import (
    clean_html,
    clean_html_to_text,
    well_formed,
)

REFERENCES = (
    "&",
    "&a",
    "&#",
    "&#x",
    "&amp;",
    "&nbsp;",
    "&#38;",
    "&#xa0;",
    "&lt;",
    "\xa0",
    "&shy;",
    "&#183;",
    "&copy",
    "\xad",
    "\xb7",
    "\xe9",
)


@pytest.mark.parametrize("unit", REFERENCES)
def test_runs_of_references_keep_their_text(unit):
    """A run so long that it is sealed says what a short one says."""
    count = 150_000
    clean = clean_html(f"<p>a {unit * count} b</p>")
    assert html_lib.unescape(clean) == f"<p>a {html_lib.unescape(unit) * count} b</p>"


def sealed(html):
    """Return HTML that is sealed whatever its size."""
    found = hostile.Sealed("&" * 70_000 + html)
    assert found.html != "&" * 70_000 + html
    return found


@given(
    st.lists(
        st.sampled_from(
            ["&", "&amp;", "&amp", "&lt;b&gt;", "&copy;", "&nbsp", "\xa0", "&#38;", "a"]
            + [
                "&nosuch;",
                "&notit;",
                "<p>",
                "<br>",
                '<a href="https://a.test/?b=1&c">x</a>',
                '<a href="https://a.test/?b=1&copy=2&notify=3&reg">x</a>',
                "\xad",
                "\xb7",
                "&copyright",
            ]
            + ["\ue000", "\ue001", "=", ";", "&#0;", "<img title='&amp;\xa0'>"]
        ),
        max_size=20,
    )
)
def test_a_sealed_text_is_cleaned_like_any(pieces):
    html = "".join(pieces)
    clean = clean_html(html)
    work, hostile.MAX_REFERENCE_WORK = hostile.MAX_REFERENCE_WORK, -1
    try:
        assert clean_html(html) == clean
    finally:
        hostile.MAX_REFERENCE_WORK = work


def test_a_text_and_its_images_have_one_cap():
    image = f'<img src="data:image/png;base64,{"A" * 300_000}">'
    clean = clean_html(f"{image * 10}<p>{'word ' * 100_000}</p>end")
    assert clean.endswith("end")
    assert "data:image/png" in clean
    assert len(clean) <= hostile.MAX_HTML + 1_000
    assert len(clean_html("a" * 5_000_000)) == hostile.MAX_HTML


@pytest.mark.parametrize(
    "html",
    [
        "<table>" + "<br>a" * 40_000,
        "<br>" * 200_000 + "<table>" + "a<tr>" * 40_000,
        "<table><tr><td>a</td></tr>" + "<b>a</b>" * 40_000,
        "<table><style><td></style>" + "<b>a</b>" * 40_000,
        "<table><!--><td><-->" + "<b>a</b>" * 40_000,
        "<table><!-- --!>" + "<b>a</b>" * 40_000 + "<!-- <td> -->",
    ],
)
def test_what_is_moved_out_of_tables_is_hostile(html):
    assert hostile.is_hostile(html)


def test_large_tables_are_not_hostile():
    row = "\n<tr>\n<td>a <b>b</b></td>\n<td><p>c</p></td>\n</tr>"
    assert not hostile.is_hostile(f"<table><tbody>{row * 8_000}</tbody></table>")
    style = "<style>td{color:red}</style>"
    assert not hostile.is_hostile(
        f"<table><tr><td>{style}{row * 300}</td></tr></table>"
    )


SIZED = [
    ('<td rowspan="1000000000">', "rowspan"),
    ('<td colspan="1000000000">', "colspan"),
    ('<img height="1000000000">', "height"),
    ('<img width="99999999999999999999999">', "width"),
    ('<img vspace="100000">', "vspace"),
    ('<table cellpadding="1000000">', "cellpadding"),
    ('<table border="1000000">', "border"),
    ('<hr size="1000000">', "size"),
    ('<td height="100000%">', "height"),
    *(
        (f'<p style="{name}: {value}">', value)
        for name in ("height", "min-height", "padding-top", "margin", "font-size")
        for value in ("1000000px", "1e9px", "99999999pt", "100000em", "1000000%")
    ),
    ('<p style="line-height: 100000">', "line-height"),
    ('<p style="border-top: 100000px solid red">', "border"),
    ('<p style="padding: 5px 1000000px">', "padding"),
]


@pytest.mark.parametrize(("html", "gone"), SIZED)
def test_absurd_sizes_go(html, gone):
    assert gone not in clean_html(f"<table><tr><td>{html}a")


@pytest.mark.parametrize(
    "style",
    [
        "margin: 0cm",
        "margin: 0 auto",
        "font: 14px/1.5 Arial, sans-serif",
        "line-height: 150%",
        "width: 100%",
        "max-width: 600px",
        "border: 1px solid #999999",
        "border-radius: 9999px",
        "color: rgb(255, 255, 255)",
        "color: #123456",
        "font-weight: 700",
        "padding: .5em 1.5em",
        "letter-spacing: 0.5px",
    ],
)
def test_usual_sizes_stay(style):
    assert clean_html(f'<p style="{style}">a</p>') == f'<p style="{style}">a</p>'


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("width", "600", True),
        ("width", "100%", True),
        ("width", "*", True),
        ("height", "5000", True),
        ("height", "5001", False),
        ("size", "+2", True),
        ("colspan", "1000", False),
        ("align", "1000000", True),
    ],
)
def test_sizing_attributes(name, value, kept):
    assert (sizes.attribute(name, value) == value) is kept


OUTLOOK = """<style><!-- /* Style Definitions */
p.MsoNormal, li.MsoNormal, div.MsoNormal
	{margin:0cm; font-size:11.0pt; font-family:"Calibri",sans-serif; position:fixed;}
@media print{p{margin:90px}}
@import url(x); .big {margin-left:3.0pt; background:url(x)}
@page WordSection1{margin:70.85pt}
td p {margin:7px} p:hover {margin:8px} * {margin:9px}
--></style>"""


def test_paragraphs_keep_their_spacing():
    clean = clean_html(
        "<style>p.MsoNormal{margin:0cm}</style><p class=MsoNormal>One</p>"
    )
    assert clean == '<p style="margin: 0cm">One</p>'
    clean = clean_html(f"{OUTLOOK}<p class='MsoNormal big' style='color:red'>a</p>")
    assert clean == (
        '<p style="margin-left: 3.0pt; margin: 0cm; font-size: 11.0pt; font-family: '
        '&quot;Calibri&quot;,sans-serif; color: red">a</p>'
    )
    assert clean_html(f"{OUTLOOK}<p>a</p><p class=other>b</p>") == "<p>a</p><p>b</p>"
    clean = clean_html("<style type=a style='display:none'>P{margin:0}</style><p>a</p>")
    assert clean == '<p style="margin: 0">a</p>'


@pytest.mark.parametrize(
    "html",
    [
        "<p class=a>b</p>",
        "<!-- <style>.a{margin:0}</style> --><p class=a>b</p>",
        "<style media=print>.a{margin:0}</style><p class=a>b</p>",
        "<style>.a{margin:0<p class=a>b</p>",
        "<style>.a{margin:-100px;margin:url(x);position:fixed}</style><p class=a>b</p>",
        "<style>.a{margin:1000000px}</style><p class=a>b</p>",
        "<style>.b{margin:0}</style><p class=a>b</p>",
    ],
)
def test_no_other_style_sheet_acts(html):
    assert "class" not in clean_html(html)
    assert "style" not in clean_html(html)


def test_style_sheets_are_bounded():
    many = "".join(f".a{i}{{margin:0}}" for i in range(5_000))
    assert (
        len(stylesheet.read(f"<style>{many}</style>").classes) <= stylesheet.MAX_RULES
    )
    long = "<style>.a{" + "font-family:b;" * 20 + "}</style>"
    clean = clean_html(long + "<p class=a>b</p>" * 50_000)
    assert len(clean) <= 50_000 * len("<p>b</p>") + 2 * stylesheet.MAX_ADDED
    assert "class" not in clean


@pytest.mark.parametrize(
    "html",
    ["<a " * 50_000, "<!--" * 50_000, "<p>a</p>" + "<x:y" * 50_000, "&" * 300_000],
)
def test_text_for_other_parsers_is_well_formed(html):
    result = well_formed(html)
    assert not hostile.ODD.search(result)
    assert clean_html_to_text(result) in (clean_html_to_text(clean_html(html)), "a")


def test_usual_html_is_left_as_it_is():
    html = (
        '<p class="o_x" data-a="1" style="color:red" id=b>a<br/><a href=\'c\'>d</a></p>'
    )
    assert well_formed(html) == html
