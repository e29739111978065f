"""Searches that Gmail reads as they are meant, whatever names and addresses hold."""

import re
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib import query

from tests.google_standin.query import TOKEN


def test_window():
    assert query.window().split() == [
        "-in:spam",
        "-in:trash",
        "-in:drafts",
        "-in:chats",
    ]
    # 1 November 2026, midnight UTC, whatever this machine's time zone.
    assert query.window(datetime(2026, 11, 1)).endswith(" after:1793491200")


def test_labels_left_out():
    assert query.without("CATEGORY_PROMOTIONS", "x") == "-category:promotions"
    assert query.without("CATEGORY_PERSONAL", "x") == "-category:primary"
    assert query.without("INBOX", "INBOX") == "-in:inbox"
    assert query.without("Label_1", "Work/My projects") == "-label:work-my-projects"
    for name in ('a"b', "a)b", "a{b", "R&D", "", "x y) in:spam"):
        assert query.without("Label_1", name) == "", name


def addresses_of(term):
    return re.findall(r"from:(\S+)", term)


# The first address takes long to make: it reads the list of all domains.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.emails(), max_size=80))
def test_every_address_is_named_once_or_passed_over(addresses):
    left, named = list(addresses), []
    while left:
        term, covered = query.people(left)
        assert covered >= 1
        # One longer address may stand alone; else it fits into a search.
        assert len(term) <= query.MOST_CHARACTERS + 2 or covered == 1
        named += addresses_of(term)
        left = left[covered:]
    plain = r"[a-z0-9+_=-]+(\.[a-z0-9+_=-]+)*@[a-z0-9.-]+"
    for address in addresses:
        if re.fullmatch(plain, address.lower()) and not address.startswith("-"):
            assert address.lower() in named


@pytest.mark.parametrize(
    ("address", "spelled"),
    [
        ("info@bücher.example", {"info@bücher.example", "info@xn--bcher-kva.example"}),
        (
            "info@xn--bcher-kva.example",
            {"info@bücher.example", "info@xn--bcher-kva.example"},
        ),
        (
            "jane.roe@gmail.com",
            {
                "jane.roe@gmail.com",
                "janeroe@gmail.com",
                "jane.roe@googlemail.com",
                "janeroe@googlemail.com",
            },
        ),
        ("jane.roe@customer.example", {"jane.roe@customer.example"}),
        ("mailto:Jane@Customer.example.", {"jane@customer.example"}),
    ],
)
def test_all_spellings_of_an_address_are_asked_for(address, spelled):
    term, _covered = query.people([address])
    assert set(addresses_of(term)) == spelled


@given(st.text(max_size=60))
def test_no_address_ends_the_term(text):
    """Whatever a contact's address field holds, it cannot widen the search."""
    term, _covered = query.people([text, f"{text}@a.test", "ann@a.test"])
    tokens = list(TOKEN.finditer(term))
    assert [t["kind"] for t in tokens if t["open"]] == ["{"]
    assert sum(bool(t["close"]) for t in tokens) == 1
    operators = {t["operator"] for t in tokens if t["value"]}
    assert operators == {"from", "to", "cc", "bcc"}


@given(st.text(max_size=60) | st.text('(){}" ORa-:', max_size=30))
def test_what_is_asked_stays_one_term(text):
    """Whatever is typed, what the mailbox leaves out stays left out."""
    term = query.asked(text)
    assert not term or term[0] == "(" and term[-1] == ")"
    depth = 0
    for place, mark in enumerate(term):
        depth += {"(": 1, ")": -1}.get(mark, 0)
        assert depth > 0 or place == len(term) - 1, term
    assert depth == 0
    assert term.count('"') % 2 == 0
