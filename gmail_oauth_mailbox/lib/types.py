"""Values that lib hands out. All are frozen; all moments are naive UTC, as in Odoo."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave. The tokens never show in ``repr``.

    :ivar refresh_token: None when Google keeps the one it gave before
    :ivar scopes: what was granted, in the spelling of ``oauth.SCOPE_…``
    :ivar access_ends: when the whole access ends, however often it is renewed, or
        None: an application in Testing gets seven days, and a user may allow access
        for a limited time
    """

    access_token: str = field(repr=False)
    expires_at: datetime
    refresh_token: str | None = field(default=None, repr=False)
    scopes: frozenset[str] = frozenset()
    id_token: str | None = field(default=None, repr=False)
    access_ends: datetime | None = None

    @property
    def lasting(self):
        """Whether the access outlives the first hour."""
        return bool(self.refresh_token)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who consented, from a verified id_token.

    :ivar sub: Google's lasting identifier of the account
    :ivar hosted_domain: the Workspace's domain, or None for a personal account
    """

    sub: str
    email: str
    email_verified: bool
    hosted_domain: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """``users.getProfile``. The historyId can exceed 64 bits, hence text."""

    email: str
    messages_total: int
    threads_total: int
    history_id: str


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the mailbox."""

    gmail_id: str
    name: str
    kind: Literal["system", "user"]


@dataclass(frozen=True, slots=True)
class MessageRef:
    """A message in a list: ids only."""

    gmail_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A page of ``messages.list``; ``estimate`` is Google's guess of the total."""

    refs: tuple[MessageRef, ...]
    next_page_token: str | None = None
    estimate: int = 0


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """One thing that happened to one message.

    :ivar label_ids: for label changes the labels added or removed; else the labels
        that the message had then, which Google often but not always tells
    :ivar history_id: the record's id, which is a cursor too
    """

    kind: Literal["added", "deleted", "labels_added", "labels_removed"]
    gmail_id: str
    thread_id: str = ""
    label_ids: tuple[str, ...] = ()
    history_id: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of ``history.list``; its changes are in the order in which they
    happened, and it may be empty though more pages follow."""

    changes: tuple[HistoryChange, ...]
    history_id: str
    next_page_token: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A name, which may be empty, and an address as the sender wrote it; "" only for a
    sender who wrote none."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ParsedAttachment:
    """A part of a message that is not its text.

    :ivar part_id: Gmail's partId, lasting; "" for a message without parts
    :ivar size: bytes
    :ivar content_id: without angle brackets, or ""
    :ivar is_inline: shown within the text rather than below it
    :ivar attachment_id: Gmail's attachmentId, good for the moment only, or None
    :ivar data: the bytes when the message held them, else None
    """

    part_id: str
    filename: str
    mimetype: str
    size: int
    content_id: str = ""
    is_inline: bool = False
    attachment_id: str | None = None
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """A message, read and made safe.

    :ivar date: when Gmail received it
    :ivar message_id: RFC Message-ID with its angle brackets, or ""
    :ivar references: Message-IDs, oldest first
    :ivar body_html: sanitised; made of the text when there is no HTML
    :ivar is_folded: body_html is only the beginning of a long one
    :ivar body_text: at most 100,000 characters
    :ivar is_bulk: a list or a mass mailing sent it
    :ivar auto_submitted: RFC 3834 value such as ``auto-replied``; "" for people
    :ivar calendar: the text of an invitation (iCalendar), or ""
    :ivar size: bytes, as Gmail estimates
    :ivar authentication_results: the topmost header, which Gmail itself wrote, or ""
    :ivar odoo_send_id: our header X-Odoo-Gmail-Send on mail sent by the account, or ""
    :ivar list_id: List-Id (RFC 2919), or ""
    :ivar date_header: the sender's Date, or ""
    :ivar failed: addresses that a mail did not reach, of a report on it
    :ivar text_part_id: of the part that holds the text and has to be fetched, or None
    """

    gmail_id: str
    thread_id: str
    history_id: str
    label_ids: tuple[str, ...]
    date: datetime
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    subject: str
    from_: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    snippet: str
    body_html: str = field(repr=False)
    is_folded: bool
    body_text: str = field(repr=False)
    is_bulk: bool
    auto_submitted: str
    calendar: str = field(repr=False)
    attachments: tuple[ParsedAttachment, ...]
    size: int
    authentication_results: str
    odoo_send_id: str
    list_id: str
    date_header: str = ""
    failed: tuple[str, ...] = ()
    text_part_id: str | None = None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What Gmail says of a message that it has just sent."""

    gmail_id: str
    thread_id: str
    label_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SendAs:
    """An address that the owner may send from; ``signature`` is HTML, unsanitised.

    :ivar is_verified: its owner confirmed it to Gmail
    """

    email: str
    display_name: str
    is_default: bool
    is_primary: bool
    signature: str
    reply_to: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """Of a contact; ``country_code`` is ISO 3166-1 alpha-2 in upper case, or ""."""

    street: str = ""
    street2: str = ""
    zip: str = ""
    city: str = ""
    region: str = ""
    country_code: str = ""


@dataclass(frozen=True, slots=True)
class Phone:
    """A number as it was written, and its type such as ``work``, or "".

    :ivar canonical: the number in E.164 as Google reads it, or ""
    """

    number: str
    kind: str = ""
    canonical: str = ""


@dataclass(frozen=True, slots=True)
class ParsedContact:
    """A person of Google's address book, each list with the primary one first.

    :ivar resource_name: Google's name of it, such as ``people/c42``
    :ivar was: the names that it had before contacts were merged in Google
    :ivar emails: normalised, each once
    :ivar photo_url: "" without one of her own
    :ivar groups: resource names of its labels
    """

    resource_name: str
    etag: str = ""
    is_deleted: bool = False
    was: tuple[str, ...] = ()
    name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[Phone, ...] = ()
    company: str = ""
    title: str = ""
    address: PostalAddress | None = None
    photo_url: str = ""
    birthday: date | None = None
    notes: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactPage:
    """A page of ``people.connections.list``.

    :ivar total: how many contacts there are by Google's own count, on a page of a full
        synchronization, or None
    :ivar next_sync_token: on the last page: where the next synchronisation begins
    """

    contacts: tuple[ParsedContact, ...]
    next_page_token: str | None = None
    next_sync_token: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ContactGroup:
    """A label of contacts; ``kind`` as for labels of mail."""

    resource_name: str
    name: str
    kind: Literal["system", "user"]
    count: int = 0
