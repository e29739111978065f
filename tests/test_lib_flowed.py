"""Lines that a sender broke softly are joined (RFC 3676), and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.mime.flowed import flowed


@pytest.mark.parametrize(
    ("text", "delsp", "expected"),
    [
        ("See \nthere\nBye", False, "See there\nBye"),
        ("See \r\nthere\r\n", False, "See there\n"),
        ("https://a.test/b/ \nc?id=1\nBye", True, "https://a.test/b/c?id=1\nBye"),
        ("見積 \n書\n", True, "見積書\n"),
        # The blank belongs to the text unless the part says otherwise.
        ("a \nb \nc", False, "a b c"),
        # Stuffed.
        (" From here\n > no quote\n  two", False, "From here\n> no quote\n two"),
        # Each depth by itself (4.5).
        ("> a \n> b\nc", False, "> a b\nc"),
        ("> a \n>> b\n> c", False, "> a \n>> b\n> c"),
        (">> a \n>> b", True, ">> ab"),
        # A signature (4.3), quoted too.
        ("Bye \n-- \nAnn \nB", False, "Bye \n-- \nAnn B"),
        ("> Bye\n> -- \n> Ann", False, "> Bye\n> -- \n> Ann"),
        # The last line has no end.
        ("a \n", False, "a "),
        ("a ", True, "a"),
        ("", False, ""),
    ],
)
def test_examples(text, delsp, expected):
    assert flowed(text, delsp) == expected


@given(st.text(st.sampled_from("a >-\n"), max_size=40), st.booleans())
def test_nothing_is_lost_but_blanks_and_line_ends(text, delsp):
    def letters(value):
        return value.replace(" ", "").replace("\n", "").replace(">", "")

    assert letters(flowed(text, delsp)) == letters(text)


@given(st.text(st.sampled_from("a\n"), max_size=40))
def test_lines_without_a_blank_at_their_end_stay(text):
    assert flowed(text) == text
