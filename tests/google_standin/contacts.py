"""The people of an account, kept in the shape in which the People API shows them.

What Google derives is derived here too: names as they are shown, the kinds of
addresses in words, whose each value is. A person is never altered in place, as an
answer that holds it may be on its way.
"""

import functools
import hashlib
import json
import random
import re

from googleapiclient import discovery_cache

from . import quota
from .store import b64

SYSTEM_GROUPS = {
    "myContacts": "My Contacts",
    "starred": "Starred",
    "friends": "Friends",
    "family": "Family",
    "coworkers": "Coworkers",
    "blocked": "Blocked",
    "chatBuddies": "Chat contacts",
    "all": "All Contacts",
}
PHOTO_KEYS = {"status", "redirect", "as_type", "body", "bytes", "no_length"}
# Set here, whatever was given.
OWN = ("etag", "photos")
NAME = re.compile(r"people/[^/:]+")
KINDS = {"string": str, "integer": int, "boolean": bool}
TYPED = (
    "addresses",
    "emailAddresses",
    "organizations",
    "phoneNumbers",
    "relations",
    "urls",
)
WORDS = {
    "home": "Home",
    "work": "Work",
    "other": "Other",
    "mobile": "Mobile",
    "main": "Main",
    "homeFax": "Home Fax",
    "workFax": "Work Fax",
    "homePage": "Home Page",
    "spouse": "Spouse",
    "assistant": "Assistant",
}


class Wrong(ValueError):
    """What was given is no person, or names one that is not there."""


@functools.cache
def document():
    return json.loads(discovery_cache.get_static_doc("people", "v1"))


def check(value, schema, path):
    """Raise Wrong where a value is not as the discovery document has it."""
    if "$ref" in schema:
        schema = document()["schemas"][schema["$ref"]]
    kind = schema["type"]
    if kind == "object":
        if not isinstance(value, dict):
            raise Wrong(path)
        for name in value:
            if name not in schema["properties"]:
                raise Wrong(f"{path}.{name}")
            check(value[name], schema["properties"][name], f"{path}.{name}")
    elif kind == "array":
        if not isinstance(value, list) or not value:
            raise Wrong(path)
        for item in value:
            check(item, schema["items"], f"{path}[]")
    elif type(value) is not KINDS[kind] or value not in schema.get("enum", (value,)):
        raise Wrong(f"{path}: {value}")


def mark(*parts):
    """Return what looks random and is the same for the same parts."""
    text = ":".join(str(part) for part in parts)
    return b64(hashlib.sha256(text.encode()).digest()[:24])


# -- changes -----------------------------------------------------------


def add(store, account, given, *, checked=False):
    """Add a person; return the resource name.

    :param given: Google's JSON, but for what is derived, and ``photo``: True or how
        the photo errs; also a ``resourceName``, which is made up otherwise
    :param checked: it is known to be valid
    """
    given = dict(given)
    name = given.pop("resourceName", None)
    if name is None:
        digest = hashlib.sha256(f"{account.sub}:{account.contact_change}".encode())
        name = f"people/c{int.from_bytes(digest.digest()[:8]) >> 1}"
    if name in account.contacts or not NAME.fullmatch(name):
        raise Wrong(name)
    _put(store, account, name, given, {"photo": None, **given}, checked)
    return name


def change(store, account, name, fields):
    """Give a person other values; None takes a field away."""
    _known(account, name)
    kept = {**account.contacts[name], **fields}
    kept.pop("photo", None)
    given = {key: value for key, value in kept.items() if value not in (None, [])}
    _put(store, account, name, given, fields, False)


def delete(store, account, name):
    _known(account, name)
    person = account.contacts.pop(name)
    _forget_photo(store, person)
    number = _next_change(account, name)
    source = {
        **person["metadata"]["sources"][0],
        "etag": f"#{mark(name, number, 'source')[:16]}",
        "updateTime": quota.moment(store.now()),
    }
    account.contacts_deleted[name] = {
        "resourceName": name,
        "etag": f"%{mark(name, number)}",
        "metadata": {"sources": [source], "deleted": True, "objectType": "PERSON"},
    }


def clear(store, account):
    """Delete all people and the groups of the user."""
    for name in list(account.contacts):
        delete(store, account, name)
    account.contact_groups.clear()


def add_group(store, account, group, name):
    """Add a group of the user, or give it another name."""
    if group in SYSTEM_GROUPS or not re.fullmatch(r"\w+", group):
        raise Wrong(group)
    now = quota.moment(store.now())
    etag = mark(account.sub, group, name, now)
    account.contact_groups[group] = {"name": name, "etag": etag, "updateTime": now}


def set_photo(store, account, name, errs):
    """Have the picture at a person's photo's address err; the person stays."""
    _known(account, name)
    key = photo_id(account.contacts[name])
    store.photos[key] = _photo(errs, store.photos[key]["own"])


def expire_sync(account):
    """End all sync tokens that were given so far."""
    account.sync_epoch += 1


def photo_id(person):
    return person["photos"][0]["url"].removeprefix("/photos/").partition("=")[0]


def _known(account, name):
    if name not in account.contacts:
        raise Wrong(name)


def _next_change(account, name):
    account.contact_change += 1
    account.contact_changes.pop(name, None)
    account.contact_changes[name] = account.contact_change
    return account.contact_change


def _photo(errs, own):
    errs = errs if isinstance(errs, dict) else {}
    for key in errs.keys() - PHOTO_KEYS:
        raise Wrong(f"photo.{key}")
    return {"own": own, **errs}


def _forget_photo(store, person):
    del store.photos[photo_id(person)]


def _put(store, account, name, given, changed, checked):
    """Store a person who has ``given``; of ``changed`` its photo is new."""
    photo = changed.get("photo")
    new_photo = "photo" in changed and _photo(photo, bool(photo))
    given = {k: v for k, v in given.items() if k not in ("photo", "resourceName")}
    if not checked:
        for key in changed.keys() & {*OWN, "resourceName"}:
            if key in OWN or changed[key] != name:
                raise Wrong(key)
        given = json.loads(json.dumps(given))
        check(given, {"$ref": "Person"}, "person")
    given["memberships"] = _memberships(account, given)
    # From here on nothing is refused: what changes, changes as a whole.
    old = account.contacts.get(name)
    number = _next_change(account, name)
    if new_photo:
        if old:
            _forget_photo(store, old)
        key = mark(account.sub, name, number).replace("=", "")
        store.photos[key] = new_photo
        given["photos"] = [{"url": f"/photos/{key}=s100"}]
        if not new_photo["own"]:
            given["photos"][0]["default"] = True
    account.contacts_deleted.pop(name, None)
    account.contacts[name] = _completed(store, name, given, number)


def _completed(store, name, given, number):
    """Return a person with all that Google derives."""
    digest = hashlib.sha256(name.encode()).digest()
    tail = name.removeprefix("people/c")
    number_of = int(tail) if tail.isdecimal() else int.from_bytes(digest[:7])
    source = {"type": "CONTACT", "id": f"{number_of:x}"}
    others = [
        other
        for other in given.get("metadata", {}).get("sources", ())
        if other["type"] != "CONTACT"
    ]
    dated = {
        **source,
        "etag": f"#{mark(name, number, 'source')[:16]}",
        "updateTime": quota.moment(store.now()),
    }
    person = {
        "resourceName": name,
        "etag": f"%{mark(name, number)}",
        "metadata": {"sources": [dated, *others], "objectType": "PERSON"},
    }
    for field, items in given.items():
        if field in ("resourceName", "etag", "metadata"):
            continue
        if not isinstance(items, list):
            person[field] = items
            continue
        derive = DERIVED.get(field, dict)
        found = [derive(item) for item in items]
        for place, item in enumerate(found):
            if field in TYPED and item.get("type"):
                item["formattedType"] = WORDS.get(item["type"], item["type"])
            own = {"source": source}
            if place == 0 and field != "memberships":
                own = {"primary": True, "source": source}
            item["metadata"] = {**own, **item.get("metadata", {})}
        person[field] = found
    return person


def _memberships(account, given):
    """Return where a person belongs; all belong to the user's contacts."""
    found = {"myContacts": {}}
    for item in given.get("memberships", ()):
        if "domainMembership" in item:
            found[""] = item
            continue
        inner = item.get("contactGroupMembership", {})
        path = inner.get("contactGroupResourceName", "")
        group = inner.get("contactGroupId") or path.removeprefix("contactGroups/")
        if group not in SYSTEM_GROUPS and group not in account.contact_groups:
            raise Wrong(f"group {group}")
        found[group] = {}
    return [item or _membership(group) for group, item in found.items()]


def _membership(group):
    return {
        "contactGroupMembership": {
            "contactGroupId": group,
            "contactGroupResourceName": f"contactGroups/{group}",
        }
    }


def groups_of(person):
    """Return the ids of a person's groups."""
    return [
        item["contactGroupMembership"]["contactGroupId"]
        for item in person["memberships"]
        if "contactGroupMembership" in item
    ]


# -- what is derived ---------------------------------------------------


def _name(given):
    order = ("honorificPrefix", "givenName", "middleName", "familyName")
    parts = {key: given[key] for key in order if given.get(key)}
    suffix = f", {given['honorificSuffix']}" if given.get("honorificSuffix") else ""
    whole = given.get("unstructuredName") or " ".join(parts.values()) + suffix
    first = " ".join(v for k, v in parts.items() if k != "familyName")
    turned = ", ".join(v for v in (parts.get("familyName"), first) if v)
    derived = {
        "displayName": whole,
        "displayNameLastFirst": (turned + suffix) or whole,
        "unstructuredName": whole,
    }
    return {**derived, **given}


def _phone(given):
    """Without its country a number has no canonical form."""
    value = given.get("value", "")
    if value.strip().startswith("+"):
        canonical = f"+{re.sub('[^0-9]', '', value)}"
        return {"canonicalForm": canonical, **given}
    return dict(given)


def _address(given):
    place = " ".join(given[k] for k in ("postalCode", "city") if given.get(k))
    street = [given.get(k) for k in ("poBox", "streetAddress", "extendedAddress")]
    lines = [*street, place, given.get("region"), given.get("country")]
    whole = "\n".join(line for line in lines if line)
    return {**({"formattedValue": whole} if whole else {}), **given}


def _biography(given):
    return {"contentType": "TEXT_PLAIN", **given}


DERIVED = {
    "names": _name,
    "phoneNumbers": _phone,
    "addresses": _address,
    "biographies": _biography,
}


# -- many people -------------------------------------------------------

GIVEN_NAMES = (
    *("Anna", "Ben", "Carla", "Jürgen", "Zoë", "Łukasz", "Søren", "Mary-Ann", "José"),
    *("Иван", "Ольга", "太郎", "花子", "ليلى", "שרה", "Γιώργος", "민준", "प्रिया"),
)
FAMILY_NAMES = (
    *("Keller", "Müller", "O'Brien", "van der Berg", "Nguyễn", "Çelik", "Smith"),
    *("Петрова", "山田", "حداد", "כהן", "Παπαδόπουλος", "김", "नायर", "Smith-Jones 🌻"),
)
COMPANIES = (
    *("Blumenhof GmbH", "Weber & Söhne", "Atelier Lyon", "Север Торг", "桜商事"),
    *("Nour Group", "Harbour Foods Ltd.", "Drewex sp. z o.o."),
)
TITLES = ("Sales", "Buyer", "Managing Director", "Einkauf", "Directrice", "Бухгалтер")
CITIES = (
    ("10115", "Berlin", "Germany", "DE"),
    ("69001", "Lyon", "France", "FR"),
    ("150-0001", "東京都", "Japan", "JP"),
    ("80331", "München", "Germany", "DE"),
    ("D02 X285", "Dublin", "Ireland", "IE"),
)
PHONE_TYPES = ("mobile", "work", "home", "main", "workFax", "other", "Car phone", "")
MAIL_TYPES = ("work", "home", "other", "Newsletter", "")
NOTE = "Met at the fair. Prefers e-mail to the phone.\nДень рождения в мае 🎂 "


class Crowd:
    """Makes up people; the same seed gives the same ones."""

    def __init__(self, seed, groups=()):
        self.random = random.Random(f"people {seed}")
        self.groups = tuple(groups)
        self.addresses = []
        self.last = []

    def people(self, count):
        for number in range(1, count + 1):
            if self.last and self.random.random() < 0.04:
                # The same person a second time.
                yield dict(self.random.choice(self.last))
                continue
            person = self.person(number)
            self.last = [*self.last[-50:], person]
            yield person

    def person(self, number):
        rnd = self.random
        makers = (
            (0.92, "names", self.names),
            (0.85, "emailAddresses", self.mails),
            (0.55, "phoneNumbers", self.phones),
            (0.40, "organizations", self.organizations),
            (0.30, "addresses", self.places),
            (0.20, "birthdays", self.birthdays),
            (0.10, "biographies", self.notes),
            (0.05, "nicknames", self.nicknames),
            (0.05, "urls", self.links),
            (0.10, "memberships", self.memberships),
        )
        person = {}
        for chance, field, maker in makers:
            if rnd.random() < chance:
                person[field] = maker(number)
        if rnd.random() < 0.2:
            person["photo"] = True
        return person

    def names(self, _number):
        rnd = self.random
        name = {"givenName": rnd.choice(GIVEN_NAMES)}
        if rnd.random() < 0.9:
            name["familyName"] = rnd.choice(FAMILY_NAMES)
        if rnd.random() < 0.05:
            name["honorificPrefix"] = "Dr."
        return [name]

    def mails(self, number):
        rnd = self.random
        found = []
        for place in range(rnd.choice((1, 1, 1, 2, 3))):
            address = f"person{number}.{place}@{rnd.choice(('crowd', 'work'))}.test"
            if self.addresses and rnd.random() < 0.03:
                # Somebody else has it too.
                address = rnd.choice(self.addresses)
            elif rnd.random() < 0.05:
                address = f"Person{number}.{place}@Crowd.TEST"
            elif rnd.random() < 0.01:
                address = f"jörg{number}.{place}@bücher.test"
            self.addresses = [*self.addresses[-50:], address]
            found.append(self.typed({"value": address}, MAIL_TYPES))
        return found

    def phones(self, number):
        rnd = self.random
        forms = (f"+49 170 {number:07}", f"0170/{number:07}", f"+1 (555) {number:07}")
        count = rnd.choice((1, 1, 2, 3))
        return [
            self.typed({"value": rnd.choice(forms)}, PHONE_TYPES) for _ in range(count)
        ]

    def typed(self, value, kinds):
        kind = self.random.choice(kinds)
        return {**value, "type": kind} if kind else value

    def organizations(self, _number):
        found = {"name": self.random.choice(COMPANIES)}
        if self.random.random() < 0.6:
            found["title"] = self.random.choice(TITLES)
        if self.random.random() < 0.1:
            found["department"] = "Logistics"
        return [found]

    def places(self, number):
        code, city, country, short = self.random.choice(CITIES)
        place = {
            "streetAddress": f"Hauptstraße {number}",
            "postalCode": code,
            "city": city,
            "country": country,
            "countryCode": short,
        }
        return [self.typed(place, ("home", "work", ""))]

    def birthdays(self, _number):
        rnd = self.random
        date = {"month": rnd.randint(1, 12), "day": rnd.randint(1, 28)}
        # Google keeps the birthdays of those whose age is not known.
        return [{"date": date if rnd.random() < 0.3 else {"year": 1980, **date}}]

    def notes(self, _number):
        return [{"value": NOTE * self.random.choice((1, 1, 1, 40))}]

    def nicknames(self, number):
        return [{"value": f"Nick {number}"}]

    def links(self, number):
        return [{"value": f"https://crowd.test/{number}", "type": "homePage"}]

    def memberships(self, _number):
        return [_membership(self.random.choice(("starred", *self.groups)))]


def add_many(store, account, count, seed=0):
    """Add so many people who are made up; return their resource names."""
    crowd = Crowd(seed, account.contact_groups)
    return [add(store, account, person, checked=True) for person in crowd.people(count)]
