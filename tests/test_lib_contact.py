"""What of a Google Person is kept, whatever it holds."""

from datetime import date

import pytest
from googleapiclient import discovery_cache  # noqa: F401 - what the client ships
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.contact import (
    MOST,
    may_be_one,
    parse_person,
    plain_name,
)
from odoo.addons.gmail_oauth_mailbox.lib.types import ParsedContact, Phone

CARLA = {
    "resourceName": "people/c1",
    "etag": "%E1",
    "metadata": {"previousResourceNames": ["people/c0"]},
    "names": [
        {"displayName": "C. Roth"},
        {"metadata": {"primary": True}, "displayName": "Carla  Roth"},
    ],
    "emailAddresses": [
        {"value": "carla@home.test"},
        {"value": "Carla.Roth@Customer.TEST ", "metadata": {"primary": True}},
        {"value": "carla@home.test"},
        {"value": "no address"},
    ],
    "phoneNumbers": [
        {"value": "+49 30 123", "type": "Home"},
        {"value": "+49 40 456", "type": "work", "metadata": {"primary": True}},
    ],
    "organizations": [{"name": "Customer Ltd", "title": "Buyer"}],
    "addresses": [
        {
            "streetAddress": "Long Street 1\nBack door",
            "postalCode": "10115",
            "city": "Berlin",
            "region": "Berlin",
            "countryCode": "de",
        }
    ],
    "photos": [
        {"url": "https://lh3.googleusercontent.com/a", "default": True},
        {"url": "https://lh3.googleusercontent.com/b=s100"},
    ],
    "birthdays": [{"date": {"year": 1980, "month": 2, "day": 29}}],
    "biographies": [{"value": "Likes oak.\nCalls on Mondays."}],
    "memberships": [
        {"contactGroupMembership": {"contactGroupResourceName": "contactGroups/x"}}
    ],
}


def test_all_that_there_is():
    carla = parse_person(CARLA)
    assert carla.name == "Carla Roth"
    assert carla.was == ("people/c0",)
    assert carla.emails == ("carla.roth@customer.test", "carla@home.test")
    assert carla.phones == (Phone("+49 40 456", "work"), Phone("+49 30 123", "home"))
    assert (carla.company, carla.title) == ("Customer Ltd", "Buyer")
    assert (carla.address.street, carla.address.street2) == (
        "Long Street 1",
        "Back door",
    )
    assert (carla.address.city, carla.address.country_code) == ("Berlin", "DE")
    assert carla.photo_url == "https://lh3.googleusercontent.com/b=s100"
    assert carla.birthday.isoformat() == "1980-02-29"
    assert carla.notes == "Likes oak.\nCalls on Mondays."
    assert carla.groups == ("contactGroups/x",)


@pytest.mark.parametrize(
    "person",
    [
        {},
        {"names": None, "emailAddresses": "x", "metadata": []},
        {"names": [None, 3, {"displayName": 4}], "photos": [{"url": 7}]},
        {"addresses": [{"streetAddress": None, "countryCode": "GERMANY"}]},
        {"birthdays": [{"date": {"month": 2, "day": 29}}, {"text": "soon"}]},
        {"memberships": [{"contactGroupMembership": None}]},
    ],
)
def test_what_is_odd_is_nothing(person):
    found = parse_person({**person, "resourceName": "people/c1"})
    assert found == ParsedContact("people/c1")


def test_deleted():
    person = {"resourceName": "people/c1", "metadata": {"deleted": True}}
    assert parse_person(person).is_deleted


def test_half_a_surrogate_pair_is_dropped():
    person = parse_person({"names": [{"displayName": "Dan \ud83d Low\0"}]})
    assert person.name == "Dan Low"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.fixed_dictionaries({}, optional={name: JSON for name in CARLA}))
def test_anything_is_read(person):
    found = parse_person(person)
    assert len(found.name) <= MOST
    assert all(address == address.lower() for address in found.emails)


@pytest.mark.parametrize(
    ("pasted", "emails"),
    [
        ("jane@example.com; bob@example.com", "jane@example.com bob@example.com"),
        ("jane@example.com, bob@example.com", "jane@example.com bob@example.com"),
        ("jane@example.com\nbob@example.com", "jane@example.com bob@example.com"),
        ("jane@example.com / bob@example.com", "jane@example.com bob@example.com"),
        ('"Jane" <jane@example.com>', "jane@example.com"),
        ("Roe, Jane <Jane@Example.com>", "jane@example.com"),
        ("<jane@example.com>", "jane@example.com"),
        ("jane@example.com\u200b", "jane@example.com"),
        ("\u202ajane@example.com\u202c", "jane@example.com"),
        ("jane\u00ad@example.com\ufeff", "jane@example.com"),
        ("mailto:jane@example.com", "jane@example.com"),
        ("MAILTO:jane%40example.com?subject=Hi", "jane@example.com"),
        ("jane@example.com.", "jane@example.com"),
        ("jane@example.com (private)", "jane@example.com"),
        ("jane\uff20example.com", "jane@example.com"),
        # The address in a name is the name, and not an address.
        ('"ceo@customer.example" <x@other.example>', "x@other.example"),
        ('"ceo@customer.example"@other.example', ""),
        ("jane at example dot com", ""),
        ("jane@example.com/bob@example.com", "jane@example.com bob@example.com"),
        ("Email:jane@example.com", "jane@example.com"),
        ("SMTP:jane@example.com", "jane@example.com"),
        ("mailto:mailto:jane@example.com", "jane@example.com"),
        ("https://jane@example.com/a", ""),
    ],
)
def test_what_people_paste_into_an_address_field(pasted, emails):
    person = parse_person({"emailAddresses": [{"value": pasted}]})
    assert " ".join(person.emails) == emails


def test_two_spellings_of_an_address_are_one():
    values = (
        "info@bücher.example",
        "info@xn--bcher-kva.example",
        "Info@BÜCHER.example",
    )
    person = parse_person({"emailAddresses": [{"value": v} for v in values]})
    assert person.emails == ("info@bücher.example",)


PRIMARY = {"metadata": {"primary": True}}


@pytest.mark.parametrize(
    ("jobs", "company"),
    [
        # A sample of what Google has of somebody who changed jobs.
        (
            [
                {"name": "Old", "current": False, "endDate": {"year": 2019}},
                {"name": "New", "current": True},
            ],
            "New",
        ),
        ([{"name": "Old", "current": False, **PRIMARY}, {"name": "New"}], "New"),
        (
            [{"name": "Old", "endDate": {"year": 2026, "month": 10}}, {"name": "New"}],
            "New",
        ),
        (
            [
                {"name": "Odd", "current": True, "endDate": {"year": 2020}},
                {"name": "New"},
            ],
            "New",
        ),
        # Not over yet.
        ([{"name": "Old", "endDate": {"year": 2026}}, {"name": "Other"}], "Old"),
        ([{"name": "Old", "endDate": {"month": 3}}, {"name": "Other"}], "Old"),
        ([{"name": "A"}, {"name": "B", **PRIMARY}], "B"),
        ([{"name": "A", **PRIMARY}, {"name": "B", "current": True}], "B"),
        ([{"name": "Old", "endDate": {"year": 2019}}], "Old"),
        (
            [{"name": "A", "endDate": "2019"}, {"name": "B", "endDate": {"year": "x"}}],
            "A",
        ),
    ],
)
def test_the_present_employer_comes_first(jobs, company):
    person = parse_person({"organizations": jobs}, today=date(2026, 11, 30))
    assert person.company == company


def test_names_are_compared_loosely():
    assert plain_name(" Æsa  ÞÓR ") == plain_name("æsa þór")


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("Carla Roth", "carla  ROTH", True),
        ("Carla Roth", "Roth, Carla", True),
        ("Carla Roth", "C. Roth", True),
        ("Carla Roth", "Carla Roth-Meier (Customer Ltd)", True),
        ("Dan Low", "Daniel", True),
        ("", "Carla", True),
        ("Jane Roe", "John Roe", False),
        ("Jane Roe", "Bob Low", False),
        ("王 芳", "李 明", False),
    ],
)
def test_one_persons_names(one, other, is_one):
    assert may_be_one(one, other) is may_be_one(other, one) is is_one
