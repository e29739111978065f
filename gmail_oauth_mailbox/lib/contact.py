"""Reading Google's contacts: what of a Person a customer database has a place for."""

import re
from datetime import date

from .mime.addresses import address_key, pasted
from .types import ParsedContact, Phone, PostalAddress

# Characters kept of what a person may write without end.
MOST = 500
MOST_NOTES = 10_000
# Entries of a list; Google allows more than anybody has.
MOST_ENTRIES = 50
# Words of a name that are compared.
MOST_WORDS = 20
WORDS = re.compile(r"[^\W_]+")


def parse_person(person, today=None):
    """Return the ParsedContact of a Person (People API v1).

    :param today: date that tells which jobs have ended; the server's by default
    """
    metadata = _dict(person.get("metadata"))
    name = _primary(person, "names")
    work = _work(person, today)
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


def plain_name(name):
    """Return a name as it is compared: case and blanks say nothing.

    >>> plain_name("  Carla  ROTH ") == plain_name("carla roth")
    True
    """
    return " ".join(name.casefold().split())


def may_be_one(name, other):
    """Whether two names may be one person's: each word of the shorter one begins a word
    of the longer one, or is begun by it. Case, order, and initials say nothing.

    >>> may_be_one("C. Roth", "Roth, Carla"), may_be_one("Jane Roe", "John Roe")
    (True, False)
    """
    short, long = sorted((_words(name), _words(other)), key=len)
    return all(
        any(x.startswith(word) or word.startswith(x) for x in long) for word in short
    )


def _words(name):
    return WORDS.findall(name.casefold())[:MOST_WORDS]


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


def _work(person, today):
    """Return the organization that a person works for now, else the one they left.

    Source: People API v1, Organization: ``current``, ``startDate``, and ``endDate``;
    all of them are optional, and a date may lack its day, month, or year.
    """
    today = today or date.today()
    return min(
        _items(person, "organizations"),
        key=lambda job: (
            _ends_before(job.get("endDate"), today),
            job.get("current") is False,
            job.get("current") is not True,
        ),
        default={},
    )


def _ends_before(day, today):
    """Whether a date of Google's is over; what it lacks counts as its last."""
    day = _dict(day)
    parts = [day.get(name) for name in ("year", "month", "day")]
    year, month, number = (x if isinstance(x, int) else 0 for x in parts)
    return 0 < year and (year, month or 12, number or 31) < (
        today.year,
        today.month,
        today.day,
    )


def _emails(person):
    """Return the addresses: Google keeps what a user pastes, several ones in a field
    and names included. Two spellings of one address are one."""
    found = {}
    for entry in _items(person, "emailAddresses"):
        for address in pasted(_text(entry.get("value"))):
            found.setdefault(address_key(address), address)
    return tuple(found.values())[:MOST_ENTRIES]


def _phones(person):
    found = {}
    for entry in _items(person, "phoneNumbers"):
        number = _text(entry.get("value"))
        if number:
            kind = _text(entry.get("type")).lower()
            canonical = _text(entry.get("canonicalForm"))
            found.setdefault(number, Phone(number, kind, canonical))
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
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
