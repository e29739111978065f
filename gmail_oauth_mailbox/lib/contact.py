"""Reading Google's contacts: what of a Person a customer database has a place for."""

import re
from datetime import date

from .types import ParsedContact, Phone, PostalAddress

# Characters kept of what a person may write without end.
MOST = 500
MOST_NOTES = 10_000
# Entries of a list; Google allows more than anybody has.
MOST_ENTRIES = 50
ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")
LONGEST_ADDRESS = 320
DIGITS = re.compile(r"[^0-9]")
# Digits at the end of a number that tell subscribers apart, however its country and
# trunk codes are written.
TELLING = 9


def parse_person(person):
    """Return the ParsedContact of a Person (People API v1)."""
    metadata = _dict(person.get("metadata"))
    name = _primary(person, "names")
    work = _primary(person, "organizations")
    photo = next((p for p in _items(person, "photos") if not p.get("default")), {})
    return ParsedContact(
        resource_name=_text(person.get("resourceName")),
        etag=_text(person.get("etag")),
        is_deleted=metadata.get("deleted") is True,
        was=tuple(
            x for x in metadata.get("previousResourceNames") or () if isinstance(x, str)
        ),
        name=_text(name.get("displayName")) or _text(name.get("unstructuredName")),
        emails=_emails(person),
        phones=_phones(person),
        company=_text(work.get("name")),
        title=_text(work.get("title")),
        address=_address(_primary(person, "addresses")),
        photo_url=_text(photo.get("url"), 2000),
        birthday=_birthday(person),
        notes=_text(
            _primary(person, "biographies").get("value"), MOST_NOTES, lines=True
        ),
        groups=tuple(
            group
            for item in _items(person, "memberships")
            if (
                group := _text(
                    _dict(item.get("contactGroupMembership")).get(
                        "contactGroupResourceName"
                    )
                )
            )
        ),
    )


def plain_phone(number):
    """Return what tells a number from others, or "" when it is too short for that.

    >>> plain_phone("+49 (30) 123 45 67"), plain_phone("030/1234567")
    ('301234567', '301234567')
    """
    return DIGITS.sub("", number)[-TELLING:] if len(DIGITS.sub("", number)) > 6 else ""


def plain_name(name):
    """Return a name as it is compared: case and blanks say nothing.

    >>> plain_name("  Carla  ROTH ") == plain_name("carla roth")
    True
    """
    return " ".join(name.casefold().split())


def _dict(value):
    return value if isinstance(value, dict) else {}


def _text(value, most=MOST, lines=False):
    if not isinstance(value, str):
        return ""
    # PostgreSQL keeps neither NUL nor half a surrogate pair.
    value = value.replace("\0", "").encode("utf-8", "ignore").decode()
    return (value.strip() if lines else " ".join(value.split()))[:most]


def _items(person, name):
    """Return the entries of a list, the primary one first."""
    entries = person.get(name)
    if not isinstance(entries, list):
        return []
    found = [entry for entry in entries[:MOST_ENTRIES] if isinstance(entry, dict)]
    return sorted(
        found, key=lambda entry: _dict(entry.get("metadata")).get("primary") is not True
    )


def _primary(person, name):
    return next(iter(_items(person, name)), {})


def _emails(person):
    found = {}
    for entry in _items(person, "emailAddresses"):
        address = _text(entry.get("value")).lower()
        if len(address) <= LONGEST_ADDRESS and ADDRESS.fullmatch(address):
            found[address] = True
    return tuple(found)


def _phones(person):
    found = {}
    for entry in _items(person, "phoneNumbers"):
        number = _text(entry.get("value"))
        if number:
            found.setdefault(number, Phone(number, _text(entry.get("type")).lower()))
    return tuple(found.values())


def _address(entry):
    """Return the PostalAddress of an entry, or None when nothing of it is known."""
    street = [
        line.strip() for line in str(entry.get("streetAddress") or "").split("\n")
    ]
    street = [_text(line) for line in street if line]
    code = _text(entry.get("countryCode")).upper()
    address = PostalAddress(
        street=street[0] if street else _text(entry.get("poBox")),
        street2=", ".join(
            [*street[1:], *filter(None, [_text(entry.get("extendedAddress"))])]
        ),
        zip=_text(entry.get("postalCode")),
        city=_text(entry.get("city")),
        region=_text(entry.get("region")),
        country_code=code if re.fullmatch("[A-Z]{2}", code) else "",
    )
    return address if address != PostalAddress() else None


def _birthday(person):
    """Return the birthday; one without a year is none that a date can hold."""
    day = _dict(_primary(person, "birthdays").get("date"))
    try:
        return date(int(day["year"]), int(day["month"]), int(day["day"]))
    except (KeyError, TypeError, ValueError):
        return None
