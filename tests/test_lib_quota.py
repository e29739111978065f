"""Quota units: what calls cost, and the window of a minute."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.quota import PROFILES, Window

NOW = 1_795_000_000.0


def test_costs_of_both_profiles():
    new, legacy = PROFILES["new"], PROFILES["legacy"]
    assert new.cost("gmail.users.messages.get") == 20
    assert new.cost("gmail.users.threads.get") == 40
    assert legacy.cost("gmail.users.messages.get") == 5
    assert legacy.cost("gmail.users.threads.get") == 10
    for profile in (new, legacy):
        assert profile.cost("gmail.users.messages.list") == 5
        assert profile.cost("gmail.users.history.list") == 2
        assert profile.cost("gmail.users.messages.send") == 100
    assert (new.user_per_minute, legacy.user_per_minute) == (6_000, 15_000)
    assert (new.per_day, legacy.per_day) == (80_000_000, None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 40), st.integers(1, 700)), min_size=1, max_size=150
    ),
    st.integers(1, 9),
)
def test_no_minute_ever_holds_more_than_the_ceiling(steps, divisor):
    """Whatever is spent within ``room`` and given back, stored and read in between."""
    now, spent, stored = NOW, [], None
    for pause, wanted in steps:
        now += pause
        window = Window.load(stored, now)
        units = min(wanted, window.room(now, 1_000))
        window.add(now, units)
        spent.append((now, units - units // divisor))
        later = Window.load(window.dump(), now + 0.5)
        later.add(now + 0.5, -(units // divisor))
        stored = later.dump()
    for start, _units in spent:
        assert sum(u for at, u in spent if start <= at < start + 60) <= 1_000


def test_who_takes_all_there_is_comes_near_the_ceiling():
    window, now, total = Window(), NOW, 0
    while now < NOW + 3_600:
        room = window.room(now, 6_000)
        if room < 20:
            now += window.wait(now, 6_000, 20)
            continue
        window.add(now, room)
        total += room
    assert total >= 0.97 * 6_000 * 60


def test_wait_is_long_enough_and_no_longer():
    window = Window()
    window.add(NOW, 600)
    window.add(NOW + 10, 400)
    assert window.wait(NOW + 20, 1_000, 1) == pytest.approx(41)
    for at, fits in ((NOW + 60.9, False), (NOW + 61, True)):
        assert (window.room(at, 1_000) >= 600) is fits
    assert window.wait(NOW + 20, 1_000, 700) == pytest.approx(51)
    assert Window().wait(NOW, 1_000, 5_000) == 60


@pytest.mark.parametrize(
    "broken", [None, [], "x", {"a": 1}, {"1": None}, {"1": 1e999}, 7]
)
def test_what_is_no_window_is_an_empty_one(broken):
    assert Window.load(broken, NOW).used(NOW) == 0


def test_what_comes_back_is_of_the_last_spending():
    window = Window()
    window.add(NOW, 1_000)
    window.add(NOW + 5, -900)
    window.add(NOW + 6, 900)
    assert window.room(NOW + 61, 1_000) == 100
    window.add(NOW + 61, -5_000)
    assert window.used(NOW + 61) == 0


def test_a_host_whose_clock_is_a_little_behind_forgets_nothing():
    window = Window()
    window.add(NOW + 1.5, 400)
    assert Window.load(window.dump(), NOW).room(NOW, 1_000) == 600


def test_a_clock_that_was_put_back_locks_nobody_out():
    window = Window()
    window.add(NOW + 7_200, 6_000)
    assert Window.load(window.dump(), NOW).room(NOW, 6_000) == 6_000
