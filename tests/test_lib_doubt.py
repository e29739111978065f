"""What is believed when two answers of Google contradict each other."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules import doubt, sharing

COUNTS = st.integers(0, 10**6)


def test_the_pauses_grow_and_end():
    pauses = []
    while (pause := doubt.pause(len(pauses) + 1)) is not None:
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(0)
    # A message that Google gives within a few days comes by itself.
    assert sum(pauses, timedelta()) > timedelta(days=5)
    assert doubt.pause(0) is None


@given(COUNTS, COUNTS)
def test_a_list_that_keeps_most_is_believed(removed, stored):
    if removed <= 0.5 * stored:
        assert not doubt.removes_nearly_all(removed, stored)


@given(st.integers(1, 10**6))
def test_a_list_that_keeps_nothing_is_confirmed_first(stored):
    assert doubt.removes_nearly_all(stored, stored)
    assert doubt.is_bulk(stored, stored) == (stored > 1)


@given(COUNTS, COUNTS, COUNTS)
def test_what_is_confirmed_stays_confirmed_when_more_is_listed(listed, more, total):
    if doubt.counts_confirm(listed, total):
        assert doubt.counts_confirm(listed + more, total)
    assert doubt.counts_confirm(listed, None) is None


LEVELS = st.sampled_from([*sharing.LEVELS])
MAYBE = st.sampled_from([False, *sharing.LEVELS])


@given(LEVELS, MAYBE, MAYBE, st.booleans())
def test_joined_conversations_share_no_more_than_their_owner_chose(
    source, target, default, has_emails
):
    level = sharing.joined(source, target, default, has_emails)
    # The emails that move: by the choice for them, or by less.
    assert sharing.rank(level or default) <= sharing.rank(source)
    # The emails that are there: by what held for them, or by less.
    if has_emails:
        held = target or default
        assert sharing.rank(level or default) <= sharing.rank(held)
