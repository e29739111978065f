"""Calls of the People API: contacts that the owner has in Google, read only.

Source: Google's People API, people.connections.list and contactGroups.list.
"""

import re
from urllib.parse import urlsplit

from . import errors
from .api_client import ApiClient, resource
from .contact import parse_person
from .types import ContactGroup, ContactPage

# Google's largest.
PAGE = 1000
FIELDS = (
    "names,emailAddresses,phoneNumbers,organizations,addresses,photos,birthdays,"
    "biographies,memberships,metadata"
)
GROUP_FIELDS = "name,groupType,memberCount"
# Google serves contacts' photos from these hosts alone.
PHOTO_HOST = re.compile(r"(?:[a-z0-9-]+\.)*googleusercontent\.com")
PHOTO_SIZE = re.compile(r"=s\d+(?=-|$)")
PIXELS = 512
MOST_PHOTO_BYTES = 1_000_000


def _total(answer):
    """Return how many people Google counts, by totalItems or its older name, or
    None."""
    counts = [answer.get(name) for name in ("totalItems", "totalPeople")]
    return max((n for n in counts if isinstance(n, int)), default=None)


class PeopleClient(ApiClient):
    """The contacts of one account. Each method raises errors.GoogleError.

    :param photos: Transport for photos, which takes no more than their largest size
    """

    def __init__(self, transport, endpoints, access_token, renew=None, *, photos=None):
        super().__init__(transport, access_token, renew)
        self._endpoints = endpoints
        self._photos = photos or transport

    def _on(self, *path):
        return resource("people", self._endpoints.people, *path)

    def connections(self, page_token=None, sync_token=None, guard=None):
        """Return a ContactPage: of all contacts, or of what changed.

        :param sync_token: where the last synchronisation ended; other pages of one
            synchronisation are asked for with the same
        :param guard: called with the resource name of each person before it is read;
            returns whether it is read at all
        :raises errors.CursorExpired: the token is older than Google's seven days
        """
        answer = self._call(
            self._on("people", "connections").list(
                resourceName="people/me",
                personFields=FIELDS,
                pageSize=PAGE,
                requestSyncToken=True,
                syncToken=sync_token or None,
                pageToken=page_token or None,
            )
        )
        people = answer.get("connections")
        contacts = [
            parse_person(person)
            for person in (people if isinstance(people, list) else ())
            if isinstance(person, dict)
            and (guard is None or guard(str(person.get("resourceName") or "")))
        ]
        return ContactPage(
            contacts=tuple(c for c in contacts if c.resource_name),
            next_page_token=answer.get("nextPageToken") or None,
            next_sync_token=answer.get("nextSyncToken") or None,
            total=_total(answer),
        )

    def groups(self):
        """Return the labels of contacts as a list of ContactGroup."""
        found, token = [], None
        while True:
            answer = self._call(
                self._on("contactGroups").list(
                    pageSize=PAGE, groupFields=GROUP_FIELDS, pageToken=token
                )
            )
            found += [
                ContactGroup(
                    resource_name=item["resourceName"],
                    name=item.get("formattedName") or item.get("name") or "",
                    kind="user"
                    if item.get("groupType") == "USER_CONTACT_GROUP"
                    else "system",
                    count=int(item.get("memberCount") or 0),
                )
                for item in answer.get("contactGroups") or ()
                if item.get("resourceName")
            ]
            token = answer.get("nextPageToken")
            if not token:
                return found

    def photo(self, url):
        """Return the bytes of a photo, or None when there is none to be had.

        It is public, so no token goes along; only Google's own host is asked, and a
        redirect is not followed.

        :raises errors.RetryLater: no answer came
        """
        if not self._is_photo(url):
            return None
        try:
            answer = self._photos.request("GET", PHOTO_SIZE.sub(f"=s{PIXELS}", url))
        except errors.RequestRefused:
            return None
        if answer.status == 429 or answer.status >= 500:
            raise errors.RetryLater("no photo now", status=answer.status)
        kind = answer.headers.get("Content-Type", "")
        is_picture = answer.status == 200 and kind.startswith("image/")
        return answer.body if is_picture else None

    def _is_photo(self, url):
        parts = urlsplit(url)
        origin = self._endpoints.origin
        if origin:
            return f"{parts.scheme}://{parts.netloc}" == origin.rstrip("/")
        return parts.scheme == "https" and bool(
            PHOTO_HOST.fullmatch(parts.netloc.lower())
        )
