"""Quoted text at the end of a message is folded, and nothing else."""

import time

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.quote import TAG, fold_quote
from odoo.addons.gmail_oauth_mailbox.lib.sanitize import clean_html, text_to_html

QUOTE = "<blockquote>Hello Anna</blockquote>"
INTRO = "<div>On Monday, Carla wrote:<br></div>"


def folded(html):
    """Return the part that is folded, or ""."""
    result = fold_quote(html, "Quoted text")
    return result.partition("</summary>")[2].partition("</details>")[0]


def test_the_quote_and_what_introduces_it():
    assert folded(f"<p>Yes</p>{INTRO}{QUOTE}") == f"{INTRO}{QUOTE}"
    assert folded(f"<div>Yes<br>{QUOTE}</div>") == QUOTE
    inner = f"<blockquote>One{QUOTE}</blockquote>"
    assert folded(f"<p>Yes</p>{inner}<br><p> </p>") == inner
    text = text_to_html("Fine.\n\nOn Monday, Carla wrote:\n> Well?\n>> Or not?\n")
    assert "Well?" in folded(clean_html(text))
    assert "Fine." not in folded(clean_html(text))


def test_what_stays_open():
    for html in (
        "",
        "<p>Yes</p>",
        QUOTE,
        f"{INTRO}{QUOTE}",
        # Answered line by line.
        f"<p>Hi</p>{QUOTE}<p>Yes</p>",
        "<p>a</p></blockquote>",
    ):
        assert folded(html) == "", html


@given(
    st.lists(
        st.sampled_from(
            [
                "<p>a</p>",
                "<blockquote>",
                "</blockquote>",
                "x:",
                "<br>",
                "<div>",
                "</div>",
            ]
        ),
        max_size=30,
    )
)
def test_nothing_is_lost_and_it_stays_well_formed(pieces):
    clean = clean_html("".join(pieces))
    result = fold_quote(clean, "Quoted")
    assert TAG.sub("", result).replace("•••", "") == TAG.sub("", clean)
    # A browser reads it as it is written.
    if result != clean:
        inside = result.partition("</summary>")[2].rpartition("</details>")[0]
        assert inside.count("<blockquote") == inside.count("</blockquote")
        assert inside.count("<div") == inside.count("</div")


def test_it_takes_no_time():
    started = time.perf_counter()
    fold_quote("<p>a</p>" + "<blockquote>:" * 20_000, "Quoted")
    fold_quote("<div>" * 20_000 + "a:" + QUOTE, "Quoted")
    assert time.perf_counter() - started < 2
