"""When an owner is asked before somebody else's act shares more: without a database."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules.consent import (
    ASK,
    CLOSED,
    OPEN,
    Answer,
    Way,
    decide,
)

NOON = datetime(2026, 11, 30, 12)
OWNER, OTHER = 1, 2
moments = st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours))
answers = st.builds(Answer, st.sampled_from(("asked", "accepted", "declined")), moments)


def test_a_table():
    early, late = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
    others, standing = Way(NOON, OTHER), Way(NOON, OTHER, is_standing=True)
    for way, chosen_at, answer, decision in (
        # Nothing is known of it.
        (None, late, None, ASK),
        (None, late, Answer("asked", late), CLOSED),
        (None, late, Answer("declined", late), CLOSED),
        (None, early, Answer("accepted", late), ASK),
        (Way(), None, None, OPEN),
        (Way(NOON, OWNER), early, None, OPEN),
        (others, late, None, OPEN),
        (others, NOON, None, OPEN),
        (others, early, None, ASK),
        (others, None, None, ASK),
        (Way(NOON), early, None, ASK),
        (others, early, Answer("asked", late), CLOSED),
        (others, early, Answer("accepted", late), OPEN),
        (others, early, Answer("declined", late), CLOSED),
        # It leads elsewhere since.
        (others, early, Answer("accepted", early), ASK),
        (others, early, Answer("asked", early), ASK),
        # No is no.
        (others, early, Answer("declined", early), CLOSED),
        (others, late, Answer("declined", early), CLOSED),
        (Way(NOON, OWNER), early, Answer("declined", early), CLOSED),
        (Way(NOON, OWNER), late, Answer("declined", early), CLOSED),
        (Way(), late, Answer("declined", early), CLOSED),
        # An answer about a user holds for what they do later.
        (standing, early, Answer("accepted", early), OPEN),
        (standing, early, Answer("asked", early), CLOSED),
        (standing, early, None, ASK),
    ):
        assert decide(way, OWNER, chosen_at, answer) == decision, (way, answer)


@given(moments, st.none() | moments, st.none() | answers)
def test_nothing_of_others_is_open_without_a_later_yes(since, chosen_at, answer):
    decision = decide(Way(since, OTHER), OWNER, chosen_at, answer)
    chose = chosen_at is not None and chosen_at >= since
    agreed = answer and answer.state == "accepted" and answer.at >= since
    assert (decision == OPEN) <= bool(chose or agreed)


@given(st.none() | moments, st.none() | answers)
def test_what_nothing_is_known_of_is_never_open(chosen_at, answer):
    assert decide(None, OWNER, chosen_at, answer) != OPEN


@given(moments, st.none() | moments, st.none() | answers)
def test_own_acts_are_not_asked_about(since, chosen_at, answer):
    decision = decide(Way(since, OWNER), OWNER, chosen_at, answer)
    declined = answer and answer.state == "declined"
    assert decision == (CLOSED if declined else OPEN)
