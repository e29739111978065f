"""The People API: what reads the contacts; all else of it is not known here."""

import json
import re
import zlib
from collections import Counter

from werkzeug.wrappers import Response

from . import contacts, gmail, picture
from .faults import HTML
from .gmail import ApiError, not_found
from .oauth import LONG
from .store import DAY, b64, unb64

SERVICE = "people.googleapis.com"
ROUTES = []
SYNC_LIFE = 7 * DAY
# What the values of ``sources`` stand for (reference, ReadSourceType).
SOURCES = {
    "READ_SOURCE_TYPE_PROFILE": {"ACCOUNT", "DOMAIN_PROFILE", "PROFILE"},
    "READ_SOURCE_TYPE_CONTACT": {"CONTACT"},
    "READ_SOURCE_TYPE_DOMAIN_CONTACT": {"DOMAIN_CONTACT"},
    "READ_SOURCE_TYPE_OTHER_CONTACT": {"OTHER_CONTACT"},
}
DEFAULT_SOURCES = ("READ_SOURCE_TYPE_CONTACT", "READ_SOURCE_TYPE_PROFILE")
GROUP_FIELDS = ("clientData", "groupType", "memberCount", "metadata", "name")
DEFAULT_GROUP_FIELDS = ("metadata", "groupType", "memberCount", "name")
# These would change the answer, which is not done here.
NOT_DONE = ("requestMask.includeField", "fields", "callback")
LIMITS = {
    "people_reads": (
        "critical_read_requests",
        "Critical read requests (Contact and Profile Reads)",
    ),
    "full_syncs": ("full_sync_requests", "Full sync requests (Contact Reads)"),
}
CONTACTS = {
    "https://www.googleapis.com/auth/contacts",
    "https://www.googleapis.com/auth/contacts.readonly",
}
PHOTO = re.compile(r"/photos/([\w-]+)(?:=s(\d{1,5})(?:-[a-z]+)*)?")


def error_info(reason, domain="googleapis.com", **metadata):
    found = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    found["domain"] = domain
    if metadata:
        found["metadata"] = {"service": SERVICE, **metadata}
    return found


def invalid(text):
    return ApiError(400, "invalidArgument", text)


def insufficient():
    return ApiError(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        {"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        details=[error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service=SERVICE)],
    )


def spent(name, limit):
    """Return the error over a limit; it does not tell when there is room again."""
    metric, title = LIMITS[name]
    text = (
        f"Quota exceeded for quota metric '{title}' and limit '{title} per minute per "
        f"user' of service '{SERVICE}' for consumer 'project_number:1'."
    )
    info = error_info(
        "RATE_LIMIT_EXCEEDED",
        consumer="projects/1",
        quota_metric=f"{SERVICE}/{metric}",
        quota_limit_value=str(limit),
    )
    return ApiError(429, "rateLimitExceeded", text, details=[info])


def expired(store):
    return ApiError(
        store.sync_expired_status,
        "failedPrecondition",
        "Sync token is expired. Clear local cache and retry call without the sync "
        "token.",
        status="FAILED_PRECONDITION",
        details=[error_info("EXPIRED_SYNC_TOKEN", SERVICE)],
    )


class Call(gmail.Call):
    """A call of the People API.

    :ivar origin: where the stand-in is reached, for the addresses of photos
    :ivar parameters: what the discovery document says of the method's parameters
    """

    origin = ""
    parameters = None

    def check(self, method):
        """Refuse what the method does not take, and what is given twice."""
        for name, values in self.query.items():
            if name not in method["parameters"]:
                text = f'Invalid JSON payload received. Unknown name "{name}"'
                raise invalid(text)
            if name in NOT_DONE or (name == "alt" and values != ["json"]):
                text = f"The stand-in does not know the parameter {name}"
                raise ApiError(501, "notImplemented", text)
            known = self.parameters.get(name, {})
            if len(values) > 1 and not known.get("repeated"):
                raise invalid(f'Invalid value at "{name}", it is not repeating')
            for value in values:
                if value not in known.get("enum", (value,)):
                    raise invalid(f'Invalid value at "{name}", "{value}"')

    def size(self, default):
        """Return ``pageSize``; zero is the same as none."""
        value = self.first("pageSize", "0")
        if not value.isdecimal() or int(value) > 1000:
            raise invalid("Page size must be between 1 and 1000.")
        return int(value) or default

    def flag(self, name):
        value = self.first(name, "false")
        if value not in ("true", "false"):
            raise invalid(f'Invalid value at "{name}", "{value}"')
        return value == "true"

    def sources(self):
        found = sorted(set(self.query.get("sources", DEFAULT_SOURCES)))
        if set(found) - SOURCES.keys():
            raise invalid("Invalid sources")
        return found

    def fields(self):
        """Return the names in ``personFields``; the document tells which there are."""
        about = self.parameters["personFields"]["description"]
        where = (
            "Valid paths are documented at https://developers.google.com/people/api/"
            "rest/v1/people.connections/list."
        )
        mask = self.first("personFields")
        if not mask:
            text = "personFields mask is required. Please specify one or more valid"
            raise invalid(f"{text} paths. {where}")
        names = mask.split(",")
        for name in names:
            if name not in re.findall(r"\* (\w+)", about):
                raise invalid(f'Invalid personFields mask path: "{name}". {where}')
        return names


def route(pattern):
    """Register a function that answers GET for a path below /v1/."""

    def register(function):
        ROUTES.append((re.compile(f"/v1/{pattern}"), function))
        return function

    return register


def count(call, name, method_id):
    """Count a call for one of the user's limits, or refuse it."""
    meter, now = getattr(call.account, name), call.store.now()
    limit = getattr(call.store, f"{name}_per_minute")
    if limit is not None and meter.free_at(now, 1, limit) > now:
        meter.refused += 1
        raise spent(name, limit)
    meter.spend(now, method_id, 1)


def dispatch(call):
    """Return (status, body) of a call; raises ApiError."""
    store = call.store
    access = gmail.access_of(store, call.headers.get("authorization", ""))
    if not access:
        raise gmail.unauthenticated()
    if store.people_api_disabled:
        raise gmail.api_disabled("People API", SERVICE)
    method = gmail.method_of(call.method, call.path, "people")
    if not method:
        raise ApiError(404, "notFound", "Not Found")
    call.account = access[0]
    call.granted = frozenset(LONG.get(scope, scope) for scope in access[1])
    if call.granted.isdisjoint(method["scopes"]):
        raise insufficient()
    function, values = handler(call)
    with store.lock:
        count(call, "people_reads", method["id"])
        for meter in (call.account.meter, store.project_meter):
            meter.spend(store.now(), method["id"], 0)
        call.parameters = parameters_of(method["id"])
        call.check(method)
        return function(call, *values)


def handler(call):
    """Return the function for a call, and what it takes from the path."""
    for pattern, function in ROUTES:
        match = pattern.fullmatch(call.path)
        if match and call.method == "GET":
            return function, match.groups()
    raise ApiError(501, "notImplemented", "The stand-in does not know this method")


def parameters_of(method_id):
    """Return a method's parameters as the discovery document describes them."""
    found = contacts.document()
    _api, *above, name = method_id.split(".")
    for resource in above:
        found = found["resources"][resource]
    return found["methods"][name]["parameters"]


# -- tokens ------------------------------------------------------------


def sealed(kind, *values):
    """Return a token that can be told from one that was made up."""
    text = json.dumps([kind, *values])
    return b64(f"{zlib.crc32(text.encode()):08x}{text}".encode()).rstrip("=")


def opened(kind, token, number):
    """Return the ``number`` of values that a token was made of."""
    try:
        text = unb64(token).decode()
        values = json.loads(text[8:])
        good = text[:8] == f"{zlib.crc32(text[8:].encode()):08x}"
    except ValueError:
        good, values = False, []
    if not good or values[0] != kind or len(values) != number + 1:
        raise invalid(f"Invalid {kind} token.")
    return values[1:]


def asked(*values):
    """Return what stands in a token for the parameters that must stay."""
    return zlib.crc32(repr(values).encode())


def same(call, owner, before, now):
    """Refuse another user's token, or one that other parameters led to."""
    if owner != call.account.sub:
        raise invalid("Request contains an invalid argument.")
    if before != now:
        raise invalid("All other parameters must match those of the first call.")


# -- people ------------------------------------------------------------


def shown(call, person, fields, sources):
    """Return what a call asked to see of a person."""
    types = set().union(*(SOURCES[name] for name in sources))
    answer = {"resourceName": person["resourceName"], "etag": person["etag"]}
    for field in fields:
        found = person.get(field)
        if field == "metadata":
            kept = [s for s in found["sources"] if s["type"] in types]
            found = {**found, "sources": kept}
        elif isinstance(found, list):
            found = [i for i in found if i["metadata"]["source"]["type"] in types]
        if field == "photos" and found:
            found = [{**i, "url": call.origin + i["url"]} for i in found]
        if found:
            answer[field] = found
    return answer


def place_of(account, order):
    """Return the function that gives a person's place in an order."""
    if order.startswith("LAST_MODIFIED"):
        return lambda person: account.contact_changes[person["resourceName"]]
    part = "givenName" if order.startswith("FIRST") else "familyName"

    def by_name(person):
        name = person.get("names", [{}])[0]
        shown_name = name.get(part) or name.get("displayName") or ""
        return [shown_name.casefold(), person["resourceName"]]

    return by_name


def selected(call, since, sources):
    """Return the people who come, or who changed after the change ``since``."""
    account = call.account
    types = set().union(*(SOURCES[name] for name in sources))
    found = []
    for name, number in account.contact_changes.items():
        person = account.contacts.get(name)
        if since is not None and number > since:
            person = person or account.contacts_deleted[name]
        elif since is not None:
            continue
        if person and types & {s["type"] for s in person["metadata"]["sources"]}:
            found.append(person)
    return found


def synced(call, parameters):
    """Return what a sync token says: the last change known, the full sync's day."""
    token = call.first("syncToken")
    owner, before, since, day, epoch = opened("sync", token, 5)
    same(call, owner, before, parameters)
    store = call.store
    if epoch != call.account.sync_epoch or store.now() - day >= SYNC_LIFE:
        raise expired(store)
    return since, day


@route("people/([^/]+)/connections")
def connections_list(call, who):
    """Pages go on after the last person's place: who changes between two pages comes
    a second time, nobody is left out. The sync token knows what was so at the first
    page."""
    if who != "me":
        raise invalid('Only "people/me" is valid.')
    account, store = call.account, call.store
    fields, sources, size = call.fields(), call.sources(), call.size(100)
    order = call.first("sortOrder", "LAST_MODIFIED_ASCENDING")
    wanted = call.flag("requestSyncToken")
    sync_token, page_token = call.first("syncToken"), call.first("pageToken")
    # The order of the fields, too, is what the first call gave.
    fixed = asked(call.first("personFields"), sources, size, order)
    paged = asked(fixed, wanted, sync_token)
    since, day = synced(call, fixed) if sync_token else (None, store.now())
    upto, epoch, last = account.contact_change, account.sync_epoch, None
    if page_token:
        owner, before, upto, day, epoch, last = opened("page", page_token, 6)
        same(call, owner, before, paged)
    elif wanted and not sync_token:
        count(call, "full_syncs", "people.people.connections.list")
    down = order.endswith("DESCENDING")
    place = place_of(account, order)
    people = sorted(selected(call, since, sources), key=place, reverse=down)
    total = len(people)
    if page_token:
        people = [p for p in people if (place(p) < last if down else place(p) > last)]
    answer = {}
    page = people[:size]
    if page:
        answer["connections"] = [shown(call, p, fields, sources) for p in page]
    if len(people) > size:
        last = place(page[-1])
        answer["nextPageToken"] = sealed(
            "page", account.sub, paged, upto, day, epoch, last
        )
    elif wanted or sync_token:
        answer["nextSyncToken"] = sealed("sync", account.sub, fixed, upto, day, epoch)
    if since is None and total:
        answer["totalPeople"] = answer["totalItems"] = total
    return 200, answer


@route("people/([^/]+)")
def people_get(call, who):
    fields, sources = call.fields(), call.sources()
    if who == "me":
        raise ApiError(501, "notImplemented", "The stand-in knows no people/me")
    if call.granted.isdisjoint(CONTACTS):
        # The other scopes are for profiles.
        raise insufficient()
    person = call.account.contacts.get(f"people/{who}")
    if not person:
        raise not_found()
    return 200, shown(call, person, fields, sources)


# -- groups ------------------------------------------------------------


def group_json(account, group, fields, counts):
    kept = account.contact_groups.get(group)
    name = kept["name"] if kept else group
    kind = "USER_CONTACT_GROUP" if kept else "SYSTEM_CONTACT_GROUP"
    etag = kept["etag"] if kept else contacts.mark(account.sub, group)
    answer = {"resourceName": f"contactGroups/{group}", "etag": etag}
    if "metadata" in fields and kept:
        answer["metadata"] = {"updateTime": kept["updateTime"]}
    if "groupType" in fields:
        answer["groupType"] = kind
    if "name" in fields:
        answer["name"] = name
        answer["formattedName"] = contacts.SYSTEM_GROUPS.get(group, name)
    # As with all of Google's numbers, zero is left out.
    if "memberCount" in fields and counts[group]:
        answer["memberCount"] = counts[group]
    return answer


@route("contactGroups")
def groups_list(call):
    if call.first("syncToken"):
        text = "The stand-in does not sync groups"
        raise ApiError(501, "notImplemented", text)
    account, size = call.account, call.size(30)
    mask = call.first("groupFields")
    fields = mask.split(",") if mask else DEFAULT_GROUP_FIELDS
    for name in fields:
        if name not in GROUP_FIELDS:
            raise invalid(f'Invalid groupFields mask path: "{name}".')
    parameters, start = asked(mask, size), 0
    if token := call.first("pageToken"):
        owner, before, start = opened("group page", token, 3)
        same(call, owner, before, parameters)
    people = account.contacts.values()
    counts = Counter(group for p in people for group in contacts.groups_of(p))
    counts["all"] = len(people)
    groups = [*contacts.SYSTEM_GROUPS, *account.contact_groups]
    answer = {"totalItems": len(groups)}
    page = groups[start : start + size]
    if page:
        answer["contactGroups"] = [group_json(account, g, fields, counts) for g in page]
    if start + size < len(groups):
        answer["nextPageToken"] = sealed(
            "group page", account.sub, parameters, start + size
        )
    return 200, answer


# -- photos ------------------------------------------------------------


def photo(store, path):
    """Answer for a photo's address, for everybody who knows it; at Google it is on
    another host."""
    match = PHOTO.fullmatch(path)
    found = match and store.photos.get(match[1])
    if not found:
        return Response(HTML, status=404, mimetype="text/html")
    if "redirect" in found:
        return Response(status=302, headers={"Location": found["redirect"]})
    if "status" in found:
        return Response(HTML, status=found["status"], mimetype="text/html")
    content = picture.portrait(match[1], int(match[2] or 100), found["own"])
    if "body" in found:
        content = found["body"].encode()
    content = content.ljust(found.get("bytes", 0), b"\0")
    kind = found.get("as_type", "image/png")
    # A generator has no length: the answer comes in chunks, and ends when it ends.
    body = (piece for piece in [content]) if found.get("no_length") else content
    headers = {"Cache-Control": "public, max-age=86400, no-transform"}
    return Response(body, content_type=kind, headers=headers)


def usage(account, now):
    """Return what control tells of an account's calls, if there were any."""
    reads, syncs = account.people_reads, account.full_syncs
    if not reads.total and not reads.refused:
        return {}
    return {
        "people": {
            "total": reads.total,
            "last_minute": reads.shown(now)["last_minute"],
            "full_syncs": syncs.shown(now)["last_minute"],
            "refused": reads.refused + syncs.refused,
        }
    }
