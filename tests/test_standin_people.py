"""The stand-in's People API, as Google's discovery document and library see it."""

import io
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google.oauth2 import credentials as google_credentials
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from PIL import Image

from .common import ANNA
from .google_standin import contacts as book
from .google_standin import process
from .google_standin.quota import MINUTE
from .google_standin.seed import CUSTOMERS, PEOPLE
from .google_standin.store import CLIENT_ID, CLIENT_SECRET, DAY, Store
from .test_standin import READ as GMAIL
from .test_standin import (
    REDIRECT,
    change,
    each,
    error_of,
    lacks,
    later,
    post,
    refused,
    request_url,
    settings,
    someone,
    tokens_of,
)
from .test_standin import get as get_gmail
from .test_standin_quota import bearer, post_batch

SCOPE = "https://www.googleapis.com/auth/contacts.readonly"
DOCUMENT = json.loads(discovery_cache.get_static_doc("people", "v1"))
KINDS = {"string": str, "integer": int, "boolean": bool}
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"
FIELDS = (
    "metadata,names,emailAddresses,phoneNumbers,organizations,addresses,birthdays,"
    "biographies,memberships,photos,nicknames,urls"
)
SOURCE = "type id etag updateTime"
GROUP = "contactGroupMembership.contactGroupResourceName"
PERSON = (
    f"resourceName etag metadata.objectType {each('metadata.sources[]', SOURCE)} "
    f"memberships[].{GROUP} photos[].url photos[].metadata.source.type"
)
CONNECTIONS = "people/me/connections"
TEN = [{"names": [{"givenName": f"Person {number}"}]} for number in range(10)]


@pytest.fixture(scope="module")
def google():
    with process.running() as standin:
        yield standin


def granted(google, account, scopes=(SCOPE,)):
    grant = {"account": account, "action": "grant", "scopes": list(scopes)}
    return google.control("accounts", grant)


@pytest.fixture
def account(google):
    return someone(google)


@pytest.fixture
def tokens(google, account):
    return granted(google, account)


def service_of(google, tokens):
    credentials = google_credentials.Credentials(tokens["access_token"])
    return build_from_document(
        DOCUMENT, credentials=credentials, client_options={"api_endpoint": google.url}
    )


def get(google, tokens, path, **query):
    url = f"{google.url}/v1/{path}"
    return requests.get(url, params=query, headers=bearer(tokens), timeout=30)


def check(value, schema, always="", path="answer"):
    """Compare an answer with a schema of the document, all the way down.

    :param always: the fields that are never left out, which the schema does not tell
    """
    for field in always.split():
        assert not lacks(value, field), f"{field} is missing"
    check_types(value, {"$ref": schema}, path)


def check_types(value, schema, path):
    if "$ref" in schema:
        schema = DOCUMENT["schemas"][schema["$ref"]]
    kind = schema["type"]
    if kind == "object":
        assert isinstance(value, dict), path
        for name, item in value.items():
            assert name in schema["properties"], f"{path}.{name} is not Google's"
            check_types(item, schema["properties"][name], f"{path}.{name}")
    elif kind == "array":
        # Google leaves out what is empty.
        assert isinstance(value, list) and value, path
        for item in value:
            check_types(item, schema["items"], f"{path}[]")
    else:
        assert type(value) is KINDS[kind], path
        assert value in schema.get("enum", (value,)), f"{path}: {value}"
        if schema.get("format") == "google-datetime":
            assert re.fullmatch(MOMENT, value), path


def listed(google, tokens, **query):
    """Return one page of the connections; it is as the document says."""
    response = get(google, tokens, CONNECTIONS, **{"personFields": FIELDS, **query})
    assert response.status_code == 200, response.text
    answer = response.json()
    check(answer, "ListConnectionsResponse")
    for person in answer.get("connections", ()):
        deleted = person.get("metadata", {}).get("deleted")
        if deleted or "metadata" not in query.get("personFields", FIELDS):
            check(person, "Person", "resourceName etag")
        elif "personFields" not in query and "sources" not in query:
            check(person, "Person", PERSON)
    return answer


def whole(google, tokens, **query):
    """Return (people, the last page) of all pages."""
    people, page = [], {}
    while True:
        page = listed(google, tokens, **query)
        people += page.get("connections", ())
        if "nextPageToken" not in page:
            return people, page
        query["pageToken"] = page["nextPageToken"]


def synced(google, tokens, sync_token=None, **query):
    """Return (people, next sync token) of a full sync, or of one since a token."""
    kind = {"syncToken": sync_token} if sync_token else {"requestSyncToken": "true"}
    people, page = whole(google, tokens, **{**kind, **query})
    return people, page["nextSyncToken"]


def names_of(people):
    return [person.get("names", [{}])[0].get("displayName") for person in people]


def ids_of(people):
    return [person["resourceName"] for person in people]


def info_of(response):
    """Return the ErrorInfo of an answer."""
    infos = error_of(response)["details"]
    (info,) = [i for i in infos if i["@type"].endswith("google.rpc.ErrorInfo")]
    return info


def is_invalid(response):
    return refused(response, 400, "INVALID_ARGUMENT", "invalidArgument")


# -- answers -----------------------------------------------------------


def test_people_are_as_the_discovery_document_says(google):
    service = service_of(google, granted(google, ANNA))
    people = service.people()
    answer = (
        people.connections().list(resourceName="people/me", personFields=FIELDS)
    ).execute()
    always = f"totalPeople totalItems {each('connections[]', PERSON)}"
    check(answer, "ListConnectionsResponse", always)
    assert "nextSyncToken" not in answer and "nextPageToken" not in answer
    for found in answer["connections"]:
        person = people.get(resourceName=found["resourceName"], personFields=FIELDS)
        check(person.execute(), "Person", PERSON)
        assert person.execute() == found
    groups = service.contactGroups().list().execute()
    always = each("contactGroups[]", "resourceName etag groupType name formattedName")
    check(groups, "ListContactGroupsResponse", f"totalItems {always}")
    changed = people.connections().list(
        resourceName="people/me", personFields=FIELDS, requestSyncToken=True
    )
    check(changed.execute(), "ListConnectionsResponse", "nextSyncToken")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p: p.pop("etag"), "etag is missing"),
        (lambda p: p["metadata"]["sources"][0].pop("updateTime"), "is missing"),
        (lambda p: p["photos"][0].pop("url"), "is missing"),
        (lambda p: p.update(emails=[]), "is not Google's"),
        (lambda p: p.update(names=[]), "answer.names"),
        (lambda p: p["names"][0].update(givenName=1), "givenName"),
        (lambda p: p["photos"][0].update(default=1), "default"),
        (lambda p: p["metadata"].update(objectType="HUMAN"), "HUMAN"),
        (lambda p: p["metadata"]["sources"][0].update(updateTime="now"), "updateTime"),
    ],
)
def test_wrong_answer_is_noticed(google, account, tokens, change, error):
    name = google.add_contact(account, "Carla Roth")
    person = get(google, tokens, name, personFields=FIELDS).json()
    check(person, "Person", PERSON)
    change(person)
    with pytest.raises(AssertionError, match=error):
        check(person, "Person", PERSON)


def test_what_google_derives_is_there(google, account, tokens):
    name = google.add_contact(
        account,
        "Anna Maria Keller",
        "Anna@X.test",
        phoneNumbers=[{"type": "mobile", "value": "+49 (30) 1-2"}, {"value": "030 12"}],
        addresses=[{"type": "Barn", "streetAddress": "Way 1", "city": "Bonn"}],
        biographies=[{"value": "Note"}],
    )
    person = get(google, tokens, name, personFields=FIELDS).json()
    shown = person["names"][0]
    assert shown["displayName"] == "Anna Maria Keller"
    assert shown["displayNameLastFirst"] == "Keller, Anna Maria"
    mobile, other = person["phoneNumbers"]
    assert (mobile["canonicalForm"], mobile["formattedType"]) == ("+493012", "Mobile")
    assert "canonicalForm" not in other and "formattedType" not in other
    assert mobile["metadata"]["primary"] and "primary" not in other["metadata"]
    assert person["addresses"][0]["formattedValue"] == "Way 1\nBonn"
    assert person["addresses"][0]["formattedType"] == "Barn"
    assert person["biographies"][0]["contentType"] == "TEXT_PLAIN"
    assert person["emailAddresses"][0]["value"] == "Anna@X.test"
    source = person["metadata"]["sources"][0]
    assert source["type"] == "CONTACT"
    assert name == f"people/c{int(source['id'], 16)}"


def test_only_the_fields_asked_for_come(google, account, tokens):
    google.add_contact(account, "Carla Roth", "carla@x.test")
    (person,) = listed(google, tokens, personFields="names")["connections"]
    assert person.keys() == {"resourceName", "etag", "names"}
    # Who has nothing of it comes all the same.
    (person,) = listed(google, tokens, personFields="birthdays,skills")["connections"]
    assert person.keys() == {"resourceName", "etag"}
    (person,) = listed(google, tokens, personFields="metadata")["connections"]
    assert person.keys() == {"resourceName", "etag", "metadata"}


def test_nobody_is_an_empty_answer(google, tokens):
    assert listed(google, tokens) == {}
    assert listed(google, tokens, requestSyncToken="true").keys() == {"nextSyncToken"}


def test_every_field_of_the_reference_can_be_asked_for(google, account, tokens):
    google.add_contact(account, "Carla Roth")
    method = DOCUMENT["resources"]["people"]["methods"]["get"]
    about = method["parameters"]["personFields"]["description"]
    known = about.partition("Valid values are: * ")[2].split(" * ")
    assert len(known) > 25 and set(FIELDS.split(",")) < set(known)
    person = listed(google, tokens, personFields=",".join(known))["connections"][0]
    check(person, "Person", PERSON)


def test_people_get_knows_whom_there_is(google, account, tokens):
    name = google.add_contact(account, "Carla Roth")
    other = google.add_contact(someone(google), "Jonas Weber")
    assert get(google, tokens, name, personFields="names").status_code == 200
    for unknown in ("people/c1", other, f"{name}0"):
        response = get(google, tokens, unknown, personFields="names")
        assert refused(response, 404, "NOT_FOUND", "notFound")
    google.contacts(account, delete=[name])
    assert get(google, tokens, name, personFields="names").status_code == 404


# -- parameters --------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"personFields": ""},
        {"personFields": "emails"},
        {"personFields": "names,"},
        {"personFields": "names, photos"},
        {"personFields": "names.displayName"},
        {"personFields": "*"},
        {"personFields": ["names", "photos"]},
        {"personFields": "names", "person_fields": "names"},
    ],
)
def test_wrong_fields_are_refused(google, account, tokens, query):
    name = google.add_contact(account, "Carla Roth")
    for path in (CONNECTIONS, name):
        assert is_invalid(get(google, tokens, path, **query))


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": "1001"},
        {"pageSize": "-1"},
        {"pageSize": "ten"},
        {"requestSyncToken": "1"},
        {"requestSyncToken": "True"},
        {"sortOrder": "NAME"},
        {"sources": "CONTACT"},
        {"sources": "READ_SOURCE_TYPE_UNSPECIFIED"},
        {"pageToken": "x"},
        {"syncToken": "x"},
        {"syncToken": "é"},
        {"maxResults": "10"},
        {"pageSize": ["10", "10"]},
    ],
)
def test_wrong_parameters_are_refused(google, tokens, query):
    query = {"personFields": "names", **query}
    assert is_invalid(get(google, tokens, CONNECTIONS, **query))


@pytest.mark.parametrize(
    "query",
    [{"fields": "connections"}, {"alt": "media"}, {"requestMask.includeField": "x"}],
)
def test_what_is_not_done_is_said(google, tokens, query):
    query = {"personFields": "names", **query}
    response = get(google, tokens, CONNECTIONS, **query)
    assert refused(response, 501, "UNIMPLEMENTED", "notImplemented")


def test_common_parameters_are_taken(google, tokens):
    query = {"alt": "json", "prettyPrint": "false", "$.xgafv": "2", "quotaUser": "a"}
    assert listed(google, tokens, **query) == {}


def test_connections_are_those_of_the_user(google, tokens):
    for who in ("c1", "123"):
        path = f"people/{who}/connections"
        assert is_invalid(get(google, tokens, path, personFields="names"))


def test_other_methods_and_paths(google, tokens):
    for path in (
        "otherContacts",
        "otherContacts:search",
        "people:batchGet",
        "people:searchContacts",
        "people:listDirectoryPeople",
        "contactGroups:batchGet",
        "contactGroups/starred",
    ):
        # The scope is right for some of them alone.
        everything = DOCUMENT["auth"]["oauth2"]["scopes"]
        wide = granted(google, someone(google), everything)
        response = get(google, wide, path)
        assert refused(response, 501, "UNIMPLEMENTED", "notImplemented")
    assert get(google, tokens, "people/me", personFields="names").status_code == 501
    for path in ("people", "persons/c1", "people/c1/photos", "contactGroups/a/b", ""):
        assert refused(get(google, tokens, path), 404, "NOT_FOUND", "notFound")
    url = f"{google.url}/v1/{CONNECTIONS}"
    assert requests.put(url, headers=bearer(tokens), timeout=30).status_code == 404
    write = granted(google, someone(google), [SCOPE.removesuffix(".readonly")])
    for method, path in (
        ("POST", "people:createContact"),
        ("POST", "contactGroups"),
        ("PATCH", "people/c1:updateContact"),
        ("DELETE", "people/c1:deleteContact"),
    ):
        for who, status in ((tokens, 403), (write, 501)):
            response = requests.request(
                method, f"{google.url}/v1/{path}", headers=bearer(who), timeout=30
            )
            assert response.status_code == status


# -- pages -------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        "LAST_MODIFIED_ASCENDING",
        "LAST_MODIFIED_DESCENDING",
        "FIRST_NAME_ASCENDING",
        "LAST_NAME_ASCENDING",
    ],
)
def test_pages_cover_all(google, account, tokens, order):
    added = google.contacts(account, add_many={"count": 120, "seed": 5})
    connections = service_of(google, tokens).people().connections()
    request = connections.list(
        resourceName="people/me", personFields=FIELDS, pageSize=50, sortOrder=order
    )
    seen, sizes = [], []
    while request is not None:
        answer = request.execute()
        assert answer["totalPeople"] == answer["totalItems"] == 120
        sizes.append(len(answer["connections"]))
        seen += ids_of(answer["connections"])
        request = connections.list_next(request, answer)
    assert sizes == [50, 50, 20]
    assert sorted(seen) == sorted(added)
    if order.startswith("LAST_MODIFIED"):
        assert seen == (added if order.endswith("ASCENDING") else added[::-1])


def test_page_has_100_people_by_default(google, account, tokens):
    google.contacts(account, add_many={"count": 1001})
    assert len(listed(google, tokens)["connections"]) == 100
    assert len(listed(google, tokens, pageSize=0)["connections"]) == 100
    answer = listed(google, tokens, pageSize=1000)
    assert len(answer["connections"]) == 1000 and "nextPageToken" in answer


def test_people_are_sorted_by_their_names(google, account, tokens):
    for name in ("Zoë Abel", "adam Zorn", "Mia Müller"):
        google.add_contact(account, name)
    firsts = listed(google, tokens, sortOrder="FIRST_NAME_ASCENDING")["connections"]
    assert names_of(firsts) == ["adam Zorn", "Mia Müller", "Zoë Abel"]
    lasts = listed(google, tokens, sortOrder="LAST_NAME_ASCENDING")["connections"]
    assert names_of(lasts) == ["Zoë Abel", "Mia Müller", "adam Zorn"]


def test_source_asked_for(google, account, tokens):
    profile = {"type": "PROFILE", "id": "1"}
    dated = {**profile, "etag": "#1", "updateTime": "2026-11-01T12:00:00Z"}
    google.add_contact(account, "Carla Roth", "a@x.test")
    both = google.add_contact(
        account,
        "Jonas Weber",
        metadata={"sources": [dated]},
        urls=[
            {"value": "https://x.test/", "metadata": {"source": profile}},
            {"value": "https://y.test/"},
        ],
    )
    source = "READ_SOURCE_TYPE_{}".format
    (person,) = listed(google, tokens, sources=source("PROFILE"))["connections"]
    assert person["resourceName"] == both and "names" not in person
    assert [u["value"] for u in person["urls"]] == ["https://x.test/"]
    assert [s["type"] for s in person["metadata"]["sources"]] == ["PROFILE"]
    people = listed(google, tokens, sources=source("CONTACT"))["connections"]
    assert [u["value"] for u in people[1]["urls"]] == ["https://y.test/"]
    two = [source("PROFILE"), source("CONTACT")]
    assert listed(google, tokens, sources=two) == listed(google, tokens)
    assert listed(google, tokens, sources=source("OTHER_CONTACT")) == {}


BEFORE = {
    "pageSize": "4",
    "requestSyncToken": "true",
    "sortOrder": "FIRST_NAME_ASCENDING",
    "sources": "READ_SOURCE_TYPE_CONTACT",
}


@pytest.mark.parametrize(
    "other",
    [
        {"pageSize": "5"},
        {"pageSize": ""},
        {"personFields": "names"},
        {"personFields": "photos,names"},
        {"sortOrder": "LAST_NAME_ASCENDING"},
        {"sortOrder": ""},
        {"sources": ""},
        {"requestSyncToken": ""},
    ],
)
def test_parameters_stay_as_at_the_first_call(google, account, tokens, other):
    google.contacts(account, add=TEN)
    before = {**BEFORE, "personFields": "names,photos"}
    page = listed(google, tokens, **before)["nextPageToken"]
    response = get(google, tokens, CONNECTIONS, **before, pageToken=page)
    assert response.status_code == 200
    after = {**before, **other, "pageToken": page}
    assert is_invalid(get(google, tokens, CONNECTIONS, **after))
    _people, sync = synced(google, tokens, **before)
    after = {**before, **other, "syncToken": sync}
    response = get(google, tokens, CONNECTIONS, **after)
    if "requestSyncToken" in other:
        # Google's own example leaves it out from the second sync on.
        assert response.status_code == 200
    else:
        assert is_invalid(response)


def test_tokens_are_for_one_thing_and_one_user(google, account, tokens):
    google.contacts(account, add=TEN)
    page = listed(google, tokens, pageSize=5, requestSyncToken="true")["nextPageToken"]
    query = {"personFields": FIELDS, "pageSize": 5}
    _people, sync = synced(google, tokens, pageSize=5)
    other = granted(google, someone(google))
    cut = sync[:-3] + "AAA"
    for who, wrong in (
        (tokens, {"syncToken": page}),
        (tokens, {"pageToken": sync}),
        (tokens, {"syncToken": cut}),
        (tokens, {"syncToken": sync, "pageToken": page}),
        (other, {"syncToken": sync}),
        (other, {"pageToken": page, "requestSyncToken": "true"}),
    ):
        assert is_invalid(get(google, who, CONNECTIONS, **query, **wrong))


# -- sync --------------------------------------------------------------


def test_sync_token_comes_with_the_last_page_when_it_is_asked_for(
    google, account, tokens
):
    google.contacts(account, add=TEN)
    first = listed(google, tokens, pageSize=6, requestSyncToken="true")
    assert "nextSyncToken" not in first
    query = {"pageSize": 6, "pageToken": first["nextPageToken"]}
    last = listed(google, tokens, **query, requestSyncToken="true")
    assert "nextSyncToken" in last and "nextPageToken" not in last
    assert "nextSyncToken" not in listed(google, tokens)
    assert "nextSyncToken" not in listed(google, tokens, requestSyncToken="false")


def test_changes_come_once(google, account, tokens):
    added = google.contacts(account, add=TEN)
    before, token = synced(google, tokens)
    assert ids_of(before) == added
    nothing, token = synced(google, tokens, token)
    assert nothing == []
    fields = {added[3]: {"emailAddresses": [{"value": "new@x.test"}]}}
    google.contacts(account, change=fields, delete=[added[5]])
    new = google.add_contact(account, "New")
    people, newer = synced(google, tokens, token)
    assert ids_of(people) == [added[3], added[5], new]
    changed, gone, _new = people
    assert changed["emailAddresses"][0]["value"] == "new@x.test"
    assert names_of([changed]) == ["Person 3"]
    assert gone.keys() == {"resourceName", "etag", "metadata"}
    assert gone["metadata"]["deleted"] is True
    old = before[3]
    assert changed["etag"] != old["etag"]
    assert gone["etag"] != before[5]["etag"]
    moments = [p["metadata"]["sources"][0]["updateTime"] for p in (old, changed)]
    assert moments[0] < moments[1]
    assert synced(google, tokens, newer)[0] == []
    # The older token is still good, and tells the same.
    assert ids_of(synced(google, tokens, token)[0]) == ids_of(people)
    full, _token = synced(google, tokens)
    assert added[5] not in ids_of(full) and len(full) == 10


def test_field_is_taken_away(google, account, tokens):
    name = google.add_contact(account, "Carla Roth", "carla@x.test")
    google.contacts(account, change={name: {"emailAddresses": None}})
    person = get(google, tokens, name, personFields=FIELDS).json()
    assert "emailAddresses" not in person and names_of([person]) == ["Carla Roth"]


def test_only_the_metadata_tells_that_a_person_is_deleted(google, account, tokens):
    """A mask without metadata shows deleted people as if they had no name."""
    name = google.add_contact(account, "Carla Roth")
    _people, token = synced(google, tokens, personFields="names")
    google.contacts(account, delete=[name])
    (person,), _token = synced(google, tokens, token, personFields="names")
    assert person.keys() == {"resourceName", "etag"}


def test_person_who_came_and_went_between_two_syncs(google, account, tokens):
    _people, token = synced(google, tokens)
    name = google.add_contact(account, "Brief")
    google.contacts(account, delete=[name])
    (person,), token = synced(google, tokens, token)
    assert person["metadata"]["deleted"]
    # The same resource name, with another person.
    google.contacts(account, add=[{**TEN[0], "resourceName": name}])
    (person,), _token = synced(google, tokens, token)
    assert "deleted" not in person["metadata"] and person["resourceName"] == name


def test_incremental_sync_has_pages_too(google, account, tokens):
    _people, token = synced(google, tokens, pageSize=4)
    added = google.contacts(account, add=TEN)
    google.contacts(account, delete=added[:1])
    first = listed(google, tokens, pageSize=4, syncToken=token)
    assert "nextSyncToken" not in first and len(first["connections"]) == 4
    people, token = synced(google, tokens, token, pageSize=4)
    assert ids_of(people) == [*added[1:], added[0]]
    assert synced(google, tokens, token, pageSize=4)[0] == []


def test_change_between_two_pages_is_not_lost(google, account, tokens):
    added = google.contacts(account, add=TEN)
    query = {"pageSize": 5, "requestSyncToken": "true"}
    first = listed(google, tokens, **query)
    google.contacts(account, delete=added[:2], change={added[2]: TEN[9]})
    rest, last = whole(google, tokens, **query, pageToken=first["nextPageToken"])
    # What changed comes again; nobody falls between the pages.
    assert ids_of(rest) == [*added[5:], added[2]]
    people, _token = synced(google, tokens, last["nextSyncToken"], pageSize=5)
    assert ids_of(people) == [added[2], *added[:2]]


def is_expired(response, status=400):
    assert info_of(response) == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "EXPIRED_SYNC_TOKEN",
        "domain": "people.googleapis.com",
    }
    return refused(response, status, "FAILED_PRECONDITION", "failedPrecondition")


def test_sync_token_expires_seven_days_after_the_full_sync(google, account, tokens):
    google.add_contact(account, "Carla Roth")
    _people, token = synced(google, tokens)
    query = {"personFields": FIELDS}

    def asked(token):
        # The access token would be older than an hour.
        return get(google, granted(google, account), CONNECTIONS, **query, **token)

    with later(google, 4 * DAY):
        newer = asked({"syncToken": token}).json()["nextSyncToken"]
    with later(google, 7 * DAY - 60):
        assert asked({"syncToken": token}).status_code == 200
        assert asked({"syncToken": newer}).status_code == 200
    with later(google, 7 * DAY):
        assert is_expired(asked({"syncToken": token}))
        # An incremental sync wins no time.
        assert is_expired(asked({"syncToken": newer}))
        with settings(google, sync_expired_status=410):
            assert is_expired(asked({"syncToken": token}), 410)
        again = asked({"requestSyncToken": "true"}).json()["nextSyncToken"]
        assert asked({"syncToken": again}).status_code == 200


def test_all_sync_tokens_expire_when_it_is_asked_for(google, account, tokens):
    google.contacts(account, add=TEN)
    first = listed(google, tokens, pageSize=6, requestSyncToken="true")
    _people, token = synced(google, tokens, pageSize=6)
    google.contacts(account, expire_sync=True)
    query = {"personFields": FIELDS, "pageSize": 6}
    assert is_expired(get(google, tokens, CONNECTIONS, **query, syncToken=token))
    # The token of a sync that had begun is no better.
    query["requestSyncToken"] = "true"
    page = first["nextPageToken"]
    late = listed(google, tokens, **query, pageToken=page)["nextSyncToken"]
    assert is_expired(get(google, tokens, CONNECTIONS, **query, syncToken=late))
    assert synced(google, tokens, synced(google, tokens)[1])[0] == []


def test_all_are_cleared(google, account, tokens):
    added = google.contacts(account, add_groups={"g1": "Group"}, add=TEN)
    _people, token = synced(google, tokens)
    assert google.contacts(account, clear=True) == []
    people, _token = synced(google, tokens, token)
    assert ids_of(people) == added
    assert all(person["metadata"]["deleted"] for person in people)
    assert listed(google, tokens) == {} and google.contacts(account) == []
    assert get(google, tokens, "contactGroups").json()["totalItems"] == 8


# -- limits ------------------------------------------------------------


def is_over(response, value):
    info = info_of(response)
    assert (info["reason"], info["domain"]) == ("RATE_LIMIT_EXCEEDED", "googleapis.com")
    metadata = info["metadata"]
    assert metadata["service"] == "people.googleapis.com"
    assert metadata["quota_limit_value"] == str(value)
    assert metadata["quota_metric"].startswith("people.googleapis.com/")
    assert "Retry-After" not in response.headers
    return refused(response, 429, "RESOURCE_EXHAUSTED", "rateLimitExceeded")


def test_first_page_of_a_full_sync_has_its_own_limit(google, account, tokens):
    google.contacts(account, add=TEN)
    other = granted(google, someone(google))
    query = {"personFields": FIELDS, "requestSyncToken": "true", "pageSize": 5}
    with settings(google, full_syncs_per_minute=2):
        _people, token = synced(google, tokens, pageSize=5)
        first = listed(google, tokens, **query)
        assert is_over(get(google, tokens, CONNECTIONS, **query), 2)
        # Pages, increments and plain lists are no full syncs.
        listed(google, tokens, **query, pageToken=first["nextPageToken"])
        listed(google, tokens, **query, syncToken=token)
        listed(google, tokens)
        listed(google, other, **query)
        units = google.control("units")[account]["people"]
        assert (units["full_syncs"], units["refused"]) == (2, 1)
        with later(google, MINUTE):
            listed(google, tokens, **query)
        with settings(google, full_syncs_per_minute=None):
            listed(google, tokens, **query)


def test_reads_have_a_limit_for_each_user(google, account, tokens):
    assert google.control("settings")["people_reads_per_minute"] == 90
    assert google.control("settings")["full_syncs_per_minute"] == 60
    other = granted(google, someone(google))
    with settings(google, people_reads_per_minute=3):
        listed(google, tokens)
        assert get(google, tokens, "contactGroups").status_code == 200
        assert get(google, tokens, "people/c1", personFields="names").status_code == 404
        for path in (CONNECTIONS, "contactGroups", "people/c1"):
            assert is_over(get(google, tokens, path, personFields="names"), 3)
        listed(google, other)
        with later(google, MINUTE):
            listed(google, tokens)
        with settings(google, people_reads_per_minute=None):
            listed(google, tokens)


def test_calls_are_counted_and_cost_no_units(google):
    account = someone(google)
    tokens = granted(google, account, [SCOPE, GMAIL])
    for _number in range(3):
        listed(google, tokens, requestSyncToken="true")
    get(google, tokens, "contactGroups")
    units = google.control("units")[account]
    assert units == {
        "total": 0,
        "last_minute": 0,
        "refused": 0,
        "by_method": {
            "people.people.connections.list": [3, 0],
            "people.contactGroups.list": [1, 0],
        },
        "people": {"total": 4, "last_minute": 4, "full_syncs": 3, "refused": 0},
    }
    with settings(google, quota_profile="new", user_per_minute=1, most_concurrent=0):
        # Gmail has no room, the People API does not mind; and the other way round.
        listed(google, tokens)
        assert get_gmail(google, tokens, "profile").status_code == 429
    with settings(google, people_reads_per_minute=0):
        assert is_over(get(google, tokens, "contactGroups"), 0)
        assert get_gmail(google, tokens, "profile").status_code == 200
    units = google.control("units")[account]
    assert (units["total"], units["people"]["total"]) == (1, 5)
    google.control("units", {"reset": True})
    assert account not in google.control("units")


# -- who may -----------------------------------------------------------


def test_token_is_needed(google, account, tokens):
    assert refused(get(google, None, CONNECTIONS), 401, "UNAUTHENTICATED", "authError")
    with later(google, 3600):
        response = get(google, tokens, CONNECTIONS, personFields="names")
        assert refused(response, 401, "UNAUTHENTICATED", "authError")
    change(google, account, action="revoke")
    assert get(google, tokens, "contactGroups").status_code == 401


def is_insufficient(response):
    info = info_of(response)
    assert info["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    assert info["domain"] == "googleapis.com"
    assert info["metadata"]["service"] == "people.googleapis.com"
    return refused(response, 403, "PERMISSION_DENIED", "insufficientPermissions")


def test_scope_is_needed(google, account):
    name = google.add_contact(account, "Carla Roth")
    for scopes in ([GMAIL], ["openid", "email", "profile"]):
        tokens = granted(google, account, scopes)
        for path in (CONNECTIONS, "contactGroups", name):
            response = get(google, tokens, path, personFields="names")
            assert is_insufficient(response)
    for scope in (SCOPE, SCOPE.removesuffix(".readonly")):
        tokens = granted(google, account, [scope])
        assert get(google, tokens, name, personFields="names").status_code == 200
        assert get(google, tokens, "contactGroups").status_code == 200


def test_scope_belongs_to_the_token(google, account):
    """What is allowed on the consent page later is not for the tokens before."""
    before = granted(google, account, [GMAIL])
    after = granted(google, account, [GMAIL, SCOPE])
    assert is_insufficient(get(google, before, "contactGroups"))
    assert get(google, after, "contactGroups").status_code == 200


def test_scope_is_not_granted_with_gmails(google):
    tokens = tokens_of(google, someone(google))
    assert is_insufficient(get(google, tokens, "contactGroups"))


@pytest.mark.parametrize(("ticked", "status"), [(None, 200), ([GMAIL], 403)])
def test_scope_can_be_left_out_on_the_consent_page(google, account, ticked, status):
    scopes = f"openid email {GMAIL} {SCOPE}"
    url, verifier = request_url(google, scope=scopes, login_hint=account)
    answer = parse_qs(urlsplit(process.authorize(url, account, ticked)).query)
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uri": REDIRECT,
        "code": answer["code"][0],
        "code_verifier": verifier,
    }
    tokens = post(google, "/token", **form).json()
    assert (SCOPE in tokens["scope"].split()) == (status == 200)
    assert get(google, tokens, "contactGroups").status_code == status
    assert get_gmail(google, tokens, "profile").status_code == 200


def test_project_without_the_people_api(google, account):
    tokens = granted(google, account, [SCOPE, GMAIL])
    with settings(google, people_api_disabled=True):
        response = get(google, tokens, CONNECTIONS, personFields="names")
        assert get_gmail(google, tokens, "profile").status_code == 200
    assert refused(response, 403, "PERMISSION_DENIED", "accessNotConfigured")
    assert error_of(response)["message"].startswith("People API has not been used")
    info = info_of(response)
    assert info["reason"] == "SERVICE_DISABLED"
    assert info["metadata"]["service"] == "people.googleapis.com"
    with settings(google, api_disabled=True):
        assert get(google, tokens, "contactGroups").status_code == 200


def test_account_needs_no_gmail(google, account, tokens):
    google.add_contact(account, "Carla Roth")
    change(google, account, gmail=False)
    assert names_of(listed(google, tokens)["connections"]) == ["Carla Roth"]
    change(google, account, deleted=True)
    assert get(google, tokens, "contactGroups").status_code == 401


# -- groups ------------------------------------------------------------


def group(name):
    return {
        "contactGroupMembership": {"contactGroupResourceName": f"contactGroups/{name}"}
    }


def groups_of(google, tokens, **query):
    response = get(google, tokens, "contactGroups", **query)
    assert response.status_code == 200, response.text
    check(response.json(), "ListContactGroupsResponse", "totalItems")
    return response.json()


def test_groups_and_who_is_in_them(google, account, tokens):
    google.contacts(account, add_groups={"a1": "Customers", "b2": "Fair/2026"})
    name = google.add_contact(account, "Carla", memberships=[group("a1")])
    google.add_contact(account, "Jonas", memberships=[group("starred"), group("a1")])
    google.add_contact(account, "Sophie")
    found = {
        g["resourceName"].partition("/")[2]: g
        for g in groups_of(google, tokens)["contactGroups"]
    }
    system = {*"myContacts starred friends family coworkers blocked".split()}
    assert set(found) == {*system, "chatBuddies", "all", "a1", "b2"}
    kinds = {key: g["groupType"] for key, g in found.items()}
    assert {key for key, kind in kinds.items() if kind == "USER_CONTACT_GROUP"} == {
        "a1",
        "b2",
    }
    assert (found["a1"]["name"], found["a1"]["formattedName"]) == ("Customers",) * 2
    assert found["myContacts"]["formattedName"] == "My Contacts"
    counts = {key: g.get("memberCount", 0) for key, g in found.items()}
    assert {key: n for key, n in counts.items() if n} == {
        "a1": 2,
        "starred": 1,
        "myContacts": 3,
        "all": 3,
    }
    person = get(google, tokens, name, personFields="memberships").json()
    inner = [m["contactGroupMembership"] for m in person["memberships"]]
    assert inner == [
        {"contactGroupId": i, "contactGroupResourceName": f"contactGroups/{i}"}
        for i in ("myContacts", "a1")
    ]
    google.contacts(account, change={name: {"memberships": [group("b2")]}})
    person = get(google, tokens, name, personFields="memberships").json()
    ids = [m["contactGroupMembership"]["contactGroupId"] for m in person["memberships"]]
    assert ids == ["myContacts", "b2"]


def test_groups_have_pages_and_fields(google, account, tokens):
    google.contacts(account, add_groups={f"g{n}": f"Group {n}" for n in range(30)})
    first = groups_of(google, tokens)
    assert (len(first["contactGroups"]), first["totalItems"]) == (30, 38)
    last = groups_of(google, tokens, pageToken=first["nextPageToken"])
    assert len(last["contactGroups"]) == 8 and "nextPageToken" not in last
    assert len(groups_of(google, tokens, pageSize=1000)["contactGroups"]) == 38
    page = groups_of(google, tokens, groupFields="name", pageSize=9)["contactGroups"]
    assert page[8].keys() == {"resourceName", "etag", "name", "formattedName"}
    google.contacts(account, add_groups={"g1": "Renamed"})
    found = groups_of(google, tokens, pageSize=1000)["contactGroups"]
    assert [g["name"] for g in found[8:11]] == ["Group 0", "Renamed", "Group 2"]
    assert "updateTime" in found[9]["metadata"]
    page = first["nextPageToken"]
    for wrong in (
        {"pageSize": 1001},
        {"groupFields": "names"},
        {"pageToken": "x"},
        {"pageToken": page, "pageSize": 5},
        {"personFields": "names"},
    ):
        assert is_invalid(get(google, tokens, "contactGroups", **wrong))
    response = get(google, tokens, "contactGroups", syncToken="x")
    assert refused(response, 501, "UNIMPLEMENTED", "notImplemented")


# -- photos ------------------------------------------------------------


def photo_of(google, tokens, name):
    """Return Google's JSON of a person's photo."""
    (photo,) = get(google, tokens, name, personFields="photos").json()["photos"]
    return photo


def fetched(url, **more):
    return requests.get(url, timeout=30, allow_redirects=False, **more)


def test_photo_is_a_picture_of_the_person(google, account, tokens):
    names = [google.add_contact(account, n, photo=True) for n in ("Carla", "Jonas")]
    urls = [photo_of(google, tokens, name)["url"] for name in names]
    for url in urls:
        assert re.fullmatch(rf"{google.url}/photos/[\w-]+=s100", url)
        response = fetched(url)
        assert response.headers["Content-Type"] == "image/png"
        picture = Image.open(io.BytesIO(response.content))
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (100, 100))
        assert len(picture.getcolors()) == 2
        assert fetched(url).content == response.content
    assert fetched(urls[0]).content != fetched(urls[1]).content
    for size in (1, 48, 256, 5000):
        for more in ("", "-c", "-p-k"):
            response = fetched(re.sub("=s100$", f"=s{size}{more}", urls[0]))
            picture = Image.open(io.BytesIO(response.content))
            assert picture.size == (min(size, 512),) * 2
    assert fetched(urls[0].partition("=")[0]).status_code == 200
    for wrong in ("=w100", "=s", "=s100/x", "=s-1"):
        assert fetched(re.sub("=s100$", wrong, urls[0])).status_code == 404


def test_person_without_a_photo_has_googles(google, account, tokens):
    names = google.contacts(account, add=TEN[:2])
    photos = [photo_of(google, tokens, name) for name in names]
    assert all(photo["default"] is True for photo in photos)
    pictures = [fetched(photo["url"]).content for photo in photos]
    assert pictures[0] != pictures[1]
    assert len(Image.open(io.BytesIO(pictures[0])).getcolors()) == 1
    own = google.add_contact(account, "Carla", photo=True)
    assert "default" not in photo_of(google, tokens, own)


def test_another_photo_has_another_address(google, account, tokens):
    name = google.add_contact(account, "Carla", photo=True)
    _people, token = synced(google, tokens)
    old = photo_of(google, tokens, name)["url"]
    google.contacts(account, change={name: TEN[0]})
    assert photo_of(google, tokens, name)["url"] == old
    google.contacts(account, change={name: {"photo": True}})
    new = photo_of(google, tokens, name)["url"]
    assert new != old and fetched(old).status_code == 404
    assert ids_of(synced(google, tokens, token)[0]) == [name]
    google.contacts(account, change={name: {"photo": None}})
    assert photo_of(google, tokens, name)["default"]
    last = photo_of(google, tokens, name)["url"]
    google.contacts(account, delete=[name])
    assert [fetched(url).status_code for url in (new, last)] == [404, 404]


def test_photo_errs_as_it_is_asked_to(google, account, tokens):
    name = google.add_contact(account, "Carla", photo={"status": 404})
    etag = google.contacts(account)[0]["etag"]
    url = photo_of(google, tokens, name)["url"]
    assert fetched(url).status_code == 404
    target = "http://169.254.169.254/"

    def now(**errs):
        google.contacts(account, photos={name: errs})
        return fetched(url)

    response = now(redirect=target)
    assert (response.status_code, response.headers["Location"]) == (302, target)
    response = now(as_type="text/html")
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.content.startswith(b"\x89PNG")
    response = now(body="<script>", as_type="image/svg+xml")
    assert response.text == "<script>"
    assert response.headers["Content-Type"].startswith("image/svg+xml")
    response = now(bytes=3_000_000)
    assert len(response.content) == 3_000_000
    assert response.headers["Content-Length"] == "3000000"
    response = now(bytes=3_000_000, no_length=True)
    assert len(response.content) == 3_000_000
    assert "Content-Length" not in response.headers
    google.contacts(account, photos={name: None})
    assert len(fetched(url).content) < 3000
    # The person is as before.
    assert google.contacts(account)[0]["etag"] == etag


def test_photo_needs_no_token_and_is_in_the_log(google, account, tokens):
    name = google.add_contact(account, "Carla", photo=True)
    url = photo_of(google, tokens, name)["url"]
    with settings(google, people_api_disabled=True):
        assert fetched(url, headers={"Authorization": "Bearer x"}).status_code == 200
    last = google.log()[-1]
    assert (last["path"], last["status"]) == (url.removeprefix(google.url), 200)
    assert requests.post(url, timeout=30).status_code == 404
    google.control("faults", {"path": "^/photos/", "truncate": 20})
    assert len(fetched(url).content) == 20
    assert fetched(f"{google.url}/photos/other=s100").status_code == 404


# -- log, faults and batches -------------------------------------------


def test_calls_are_logged_and_can_fail(google, account, tokens):
    google.add_contact(account, "Carla Roth")
    listed(google, tokens, pageSize=7)
    last = google.log()[-1]
    assert (last["path"], last["status"]) == (f"/v1/{CONNECTIONS}", 200)
    assert "pageSize=7" in last["query"]
    fault = {"path": "/connections$", "account": account, "status": 503}
    google.control("faults", fault)
    other = granted(google, someone(google))
    assert listed(google, other) == {}
    assert get(google, tokens, CONNECTIONS, personFields="names").status_code == 503
    assert google.control("faults/hits")[-1]["account"] == account
    listed(google, tokens)
    google.control("faults", {"path": "/connections$", "truncate": 0.5})
    response = get(google, tokens, CONNECTIONS, personFields="names")
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    google.control("faults", {"path": "/contactGroups$", "drop": True})
    with pytest.raises(requests.ConnectionError):
        get(google, tokens, "contactGroups")
    assert get(google, tokens, "contactGroups").status_code == 200


def batch_of(google, path, targets, tokens):
    body = "".join(
        f"--b\r\nContent-Type: application/http\r\n\r\nGET {target}\r\n\r\n\r\n"
        for target in targets
    )
    headers = {"Content-Type": "multipart/mixed; boundary=b", **bearer(tokens)}
    url = f"{google.url}{path}"
    response = requests.post(url, data=f"{body}--b--", headers=headers, timeout=30)
    statuses = re.findall(r"HTTP/1\.1 (\d+)", response.text)
    return [int(status) for status in statuses], response.text


def test_batch_reads_people(google, account):
    tokens = granted(google, account, [SCOPE, GMAIL])
    name = google.add_contact(account, "Carla Roth", photo=True)
    person = f"/v1/{name}?personFields=names,photos"
    profile = "/gmail/v1/users/me/profile"
    with settings(google, most_concurrent=1):
        targets = [person, profile, person, "/v1/people/c1?personFields=names"]
        found, text = batch_of(google, "/batch", targets, tokens)
    assert found == [200, 200, 200, 404]
    assert text.count("Carla Roth") == text.count('"givenName": "Carla"') * 2
    assert f"{google.url}/photos/" in text
    # Gmail's address is for Gmail.
    found, _text = batch_of(google, "/batch/gmail/v1", [person, profile], tokens)
    assert found == [404, 200]
    assert post_batch(google, [("profile", tokens)]).status_code == 200


# -- control -----------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        {"remove": []},
        {"add": [{"emails": []}]},
        {"add": [{"names": [{"first": "A"}]}]},
        {"add": [{"names": {"givenName": "A"}}]},
        {"add": [{"names": [{"givenName": 1}]}]},
        {"add": [{"nicknames": [{"value": "A", "type": "PET"}]}]},
        {"add": [{"photos": [{"url": "https://x.test/"}]}]},
        {"add": [{"etag": "x"}]},
        {"add": [{"photo": {"sise": 1}}]},
        {"add": [{"memberships": [group("unknown")]}]},
        {"add": [{"resourceName": "c1"}]},
        {"change": {"people/c1": {}}},
        {"delete": ["people/c1"]},
        {"photos": {"people/c1": None}},
        {"add_groups": {"starred": "Mine"}},
    ],
)
def test_control_of_people_knows_what_it_is_asked_for(google, account, tokens, what):
    _people, token = synced(google, tokens)
    with pytest.raises(requests.HTTPError):
        google.contacts(account, **what)
    assert google.contacts(account) == []
    assert synced(google, tokens, token)[0] == []


def test_control_refuses_what_is_not_there(google):
    with pytest.raises(requests.HTTPError):
        google.contacts("nobody@x.test")
    with pytest.raises(requests.HTTPError):
        google.control("settings", {"sync_expired_status": 404})


def test_control_lists_the_people(google, account):
    name = google.add_contact(account, "Carla Roth", "carla@x.test", photo=True)
    google.contacts(account, add=[{"resourceName": "people/c77", **TEN[0]}])
    people = google.contacts(account)
    assert ids_of(people) == [name, "people/c77"]
    for person in people:
        check(person, "Person", PERSON)
    assert people[0]["photos"][0]["url"].startswith("/photos/")
    with pytest.raises(requests.HTTPError):
        google.contacts(account, add=[{"resourceName": "people/c77"}])
    found = {a["email"]: a for a in google.control("accounts")}
    assert found[account]["contacts"] == 2


def test_renamed_account_keeps_its_people(google, account, tokens):
    google.add_contact(account, "Carla Roth")
    _people, token = synced(google, tokens)
    change(google, account, rename=f"new-{account}")
    assert names_of(listed(google, tokens)["connections"]) == ["Carla Roth"]
    assert synced(google, tokens, token)[0] == []


def without(person, *names):
    return {key: value for key, value in person.items() if key not in names}


def test_many_people_are_made_up(google, account, tokens):
    google.contacts(account, add_groups={"a1": "Customers"})
    many = {"count": 3000, "seed": "x"}
    began = time.monotonic()
    added = google.contacts(account, add_many=many)
    people, _page = whole(google, tokens, pageSize=1000)
    assert time.monotonic() - began < 20
    assert ids_of(people) == added and len(set(added)) == 3000
    for field in FIELDS.split(","):
        lack = [field not in person for person in people]
        assert any(lack) != (field in ("metadata", "memberships", "photos")), field
        assert not all(lack), field
    addresses = [
        e["value"] for person in people for e in person.get("emailAddresses", ())
    ]
    assert len(set(addresses)) < len(addresses)
    named = [n for n in names_of(people) if n]
    assert any(not n.isascii() for n in named)
    kinds = {p.get("type") for one in people for p in one.get("phoneNumbers", ())}
    assert {None, "mobile", "work", "Car phone"} <= kinds
    dates = [b["date"] for person in people for b in person.get("birthdays", ())]
    assert {"year" in date for date in dates} == {True, False}
    assert {p["photos"][0].get("default") for p in people} == {None, True}
    groups = groups_of(google, tokens)["contactGroups"]
    counts = {g["name"]: g.get("memberCount", 0) for g in groups}
    assert counts["all"] == 3000 and counts["Customers"] and counts["starred"]


def test_made_up_people_are_the_same_for_the_same_seed():
    store = Store()
    anna = store.accounts[ANNA]
    other = Store()
    for one, seed in ((store, 1), (other, 1)):
        book.add_many(one, one.accounts[ANNA], 300, seed)
    mine, theirs = (
        [without(p, "metadata") for p in s.accounts[ANNA].contacts.values()]
        for s in (store, other)
    )
    assert mine == theirs
    book.clear(store, anna)
    book.add_many(store, anna, 300, 2)
    names = [p.get("names") for p in mine]
    assert names != [p.get("names") for p in anna.contacts.values()]
    for person in anna.contacts.values():
        check(person, "Person", PERSON)
        book.check(person, {"$ref": "Person"}, "person")


def test_twenty_thousand_people(google, account, tokens):
    began = time.monotonic()
    google.contacts(account, add_many={"count": 20_000})
    count, query = 0, {"pageSize": 1000, "personFields": "names,metadata"}
    with settings(google, people_reads_per_minute=None):
        while True:
            page = get(google, tokens, CONNECTIONS, **query).json()
            count += len(page["connections"])
            if "nextPageToken" not in page:
                break
            query["pageToken"] = page["nextPageToken"]
    assert count == 20_000
    assert time.monotonic() - began < 60
    google.contacts(account, clear=True)


def test_reset_forgets_the_people():
    store = Store()
    book.add_many(store, store.accounts[ANNA], 5)
    book.add_group(store, store.accounts[ANNA], "a1", "Customers")
    store.people_api_disabled = True
    store.reset()
    assert store.accounts == Store().accounts
    assert not store.photos and not store.people_api_disabled


# -- the seed ----------------------------------------------------------


def test_seeded_people(google):
    tokens = granted(google, ANNA)
    people, _page = whole(google, tokens)
    assert 8 <= len(people) <= 12
    addresses = [
        [e["value"] for e in person.get("emailAddresses", ())] for person in people
    ]
    flat = [address.lower() for each in addresses for address in each]
    assert [] in addresses
    assert sorted({a for a in flat if flat.count(a) > 1}) == ["info@weber-bau.test"]
    assert len({address for _name, address in PEOPLE} & set(flat)) >= 2
    assert [p for p in people if "default" not in p["photos"][0]]
    only = {"resourceName", "etag", "metadata", "memberships", "photos"}
    assert [p for p in people if p.keys() - only == {"organizations"}]
    assert "佐藤 花子" in names_of(people)
    groups = groups_of(google, tokens)["contactGroups"]
    customers = [g for g in groups if g["name"] == "Customers"]
    assert customers[0]["resourceName"] == f"contactGroups/{CUSTOMERS}"
    assert customers[0]["memberCount"] >= 2
    others = [a["contacts"] for a in google.control("accounts") if a["email"] != ANNA]
    assert 0 in others


def test_no_default_seed_has_no_people():
    with process.running(no_default_seed=True) as google:
        assert google.contacts(ANNA) == []
        name = google.add_contact(ANNA, "Carla Roth")
        google.control("settings", {"reset": True})
        assert google.contacts(ANNA) == []
        # The first person is the same one each time.
        assert google.add_contact(ANNA, "Carla Roth") == name


def test_error_is_read_by_googles_library(google, tokens):
    connections = service_of(google, tokens).people().connections()
    request = connections.list(
        resourceName="people/me", personFields="names", syncToken="x"
    )
    with pytest.raises(HttpError) as error:
        request.execute()
    assert error.value.resp.status == 400
    assert error.value.reason == "Invalid sync token."
