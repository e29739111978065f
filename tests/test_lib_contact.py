"""What of a Google Person is kept, whatever it holds."""

import pytest
from googleapiclient import discovery_cache  # noqa: F401 - what the client ships
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.contact import (
    MOST,
    parse_person,
    plain_name,
    plain_phone,
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


def test_phones_and_names_are_compared_loosely():
    assert plain_phone("+49 (30) 1234567") == plain_phone("030 / 123 45 67")
    assert plain_phone("110") == ""
    assert plain_name(" Æsa  ÞÓR ") == plain_name("æsa þór")
