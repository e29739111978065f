"""Another sender's signature takes the place of the first one's, nothing else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.signature import block, exchange

ANNA, SALES = "<p>Anna Keller</p>", "Sales<br>Corp"


@pytest.mark.parametrize(
    "body, old, new, expected",
    [
        (f"<p>Yes</p>{block(ANNA)}", ANNA, SALES, f"<p>Yes</p>{block(SALES)}"),
        # The editor has wrapped it, and what was written below stays.
        (
            f"Yes{block('<div>Anna  Keller<br></div>')}<p>P.S.</p>",
            ANNA,
            SALES,
            f"Yes{block(SALES)}<p>P.S.</p>",
        ),
        ("<p>Yes</p>", "", SALES, f"<p>Yes</p>{block(SALES)}"),
        ("", "", "", ""),
        ("", ANNA, SALES, ""),
        (f"a &amp; b{block(ANNA)}", ANNA, "", f"a &amp; b{block(' ')[:-7]}</div>"),
        # Odoo's own, of the full composer.
        (
            '<div>Yes<div data-o-mail-quote="1"><br>-- <br>Anna Keller</div></div>',
            ANNA,
            SALES,
            f'<div>Yes<div data-o-mail-quote="1">{SALES}</div></div>',
        ),
        # Changed or deleted by hand.
        (f"<p>Yes</p>{block('Anna')}", ANNA, SALES, f"<p>Yes</p>{block('Anna')}"),
        ("<p>Yes</p>", ANNA, SALES, "<p>Yes</p>"),
    ],
)
def test_exchange(body, old, new, expected):
    assert exchange(body, {old}, new, may_append=not old) == expected


def test_there_and_back_leaves_one_place_for_a_signature():
    signed = exchange("<p>Yes</p>", {"", SALES}, SALES, may_append=True)
    bare = exchange(signed, {"", SALES}, "")
    assert exchange(bare, {"", SALES}, SALES, may_append=True) == signed


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_text_that_is_no_signature_stays(text):
    body = f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>"
    changed = exchange(body + block(ANNA), {ANNA}, SALES)
    assert changed == exchange(body, {ANNA}, ANNA) + block(SALES)
    assert exchange(changed, {SALES}, ANNA) == exchange(body, {ANNA}, ANNA) + block(
        ANNA
    )
