"""Whether two phone numbers are one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules.phone import phone_key

SAME = [
    # (number, country, number, country)
    ("+47 22 12 34 56", "", "22 12 34 56", "NO"),
    ("+47 22 12 34 56", "DE", "22123456", "no"),
    ("0047 22 12 34 56", "NO", "22 12 34 56", "NO"),
    ("0047 22 12 34 56", "", "+4722123456", ""),
    ("+49 (0)30 1234567", "", "030 / 123 45 67", "DE"),
    ("+49 (30) 1234567", "", "(030) 1234567", "DE"),
    ("0049 30 1234567", "AT", "+49 30 1234567", ""),
    ("+44 (0)20 7946 0018", "", "020 7946 0018", "GB"),
    ("+39 06 6982 1234", "", "06 69821234", "IT"),
    ("+7 495 123-45-67", "", "8 (495) 123-45-67", "RU"),
    ("+1 212 555 0100", "", "(212) 555-0100", "US"),
    ("+1 212 555 0100", "", "1-212-555-0100", "CA"),
    ("011 49 30 1234567", "US", "+49 30 1234567", ""),
    ("+298 201234", "", "201234", "FO"),
    ("+354 551 2345", "", "551-2345", "IS"),
    # Digits that a country no longer dials.
    ("+52 1 55 1234 5678", "", "55 1234 5678", "MX"),
    ("044 55 1234 5678", "MX", "+52 55 1234 5678", ""),
    ("045 55 1234 5678", "MX", "01 55 1234 5678", "MX"),
    # Extensions and remarks.
    ("+49 30 1234567 ext. 12", "", "+49 30 1234567", ""),
    ("+1 212 555 0100 x12", "", "+1 212 555 0100,,12#", ""),
    ("tel:+49-30-1234567;ext=9", "", "+49 30 1234567", ""),
    ("Tel. +49 30 1234567", "", "+49 30 1234567 (work)", ""),
    ("+49 30 1234567 / +49 40 7654321", "", "+49 30 1234567", ""),
    ("+49 30 1234567 App. 12", "", "+49 30 1234567", ""),
    ("+49 30 1234567 Durchwahl 12", "", "+49 30 1234567", ""),
    ("+33 1 42 68 53 00 poste 12", "", "+33 1 42 68 53 00", ""),
    ("+49 171 1234567 privat", "", "+49 171 1234567", ""),
    ("22 12 34 56 home", "NO", "+47 22 12 34 56", ""),
    ("030 1234567 oder 030 7654321", "DE", "+49 30 1234567", ""),
    # Letters of a keypad, digits of other scripts, invisible characters.
    ("1-800-FLOWERS", "US", "+1 800 356 9377", ""),
    ("+1 (800) 555-CARS", "", "+1 800 555 2277", ""),
    ("0800-REIMANN", "DE", "+49 800 7346266", ""),
    ("\uff0b４９ ３０ 1234567", "", "+49 30 1234567", ""),
    ("\u202a+49 30 1234567\u202c", "", "+49 30 1234567", ""),
    # No country at all.
    ("22 12 34 56", "", "2212-3456", ""),
    ("22 12 34 56", "", "22123456", "XX"),
]
OTHERS = [
    ("+52 1 55 1234 5678", "", "+1 551 234 5678", ""),
    ("+1 212 555 0100", "", "+49 212 555 0100", ""),
    ("22 12 34 56", "NO", "22 12 34 56", "DK"),
    ("+47 22 12 34 56", "", "22 12 34 56", ""),
    ("030 1234567", "DE", "030 1234567", ""),
    ("+49 30 1234567", "", "+49 40 1234567", ""),
    ("+49 30 1234567", "", "+49 30 12345678", ""),
]


@pytest.mark.parametrize(("one", "country", "other", "of"), SAME)
def test_one_number(one, country, other, of):
    assert phone_key(one, country) == phone_key(other, of) != ""


@pytest.mark.parametrize(("one", "country", "other", "of"), OTHERS)
def test_two_numbers(one, country, other, of):
    assert "" != phone_key(one, country) != phone_key(other, of) != ""


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("", ""),
        (None, "DE"),
        ("110", "DE"),
        ("112", ""),
        ("911", "US"),
        ("4711", "DE"),
        ("call me", "US"),
        ("+49", ""),
        ("+49 30", ""),
        ("123456", ""),
        ("1" * 40, "DE"),
        ("+" * 50, ""),
    ],
)
def test_what_names_no_subscriber(text, country):
    assert phone_key(text, country) == ""


@given(
    st.text(max_size=120) | st.text("+0()- 1239/x;,", max_size=120), st.text(max_size=3)
)
def test_anything_is_read(text, country):
    key = phone_key(text, country)
    assert key == "" or key[0] in "+~" and key[1:].isdecimal()


@pytest.mark.parametrize(
    "shape", ["1", "+", "(", ")", "a", "/ +", ";", "x1", "\u202a", "٣"]
)
def test_a_megabyte_is_no_number(shape):
    started = time.perf_counter()
    assert phone_key(shape * (1_000_000 // len(shape)), "DE") == ""
    for length in range(1, 101):
        phone_key((shape * 100)[:length], "DE")
    assert time.perf_counter() - started < 1
