"""What the stand-in knows: accounts, grants, messages, history. All in memory."""

import base64
import email
import email.policy
import hashlib
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime

from .quota import Meter

CLIENT_ID = "standin-client.apps.googleusercontent.com"
CLIENT_SECRET = "standin-secret"
SYSTEM_LABELS = (
    "INBOX",
    "SENT",
    "DRAFT",
    "SPAM",
    "TRASH",
    "CHAT",
    "UNREAD",
    "STARRED",
    "IMPORTANT",
    "CATEGORY_PERSONAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_SOCIAL",
    "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
)
ACCOUNTS = (
    ("anna.keller@corp-example.test", "Anna Keller", "corp-example.test", False),
    ("anna.private@gmail.com", "Anna Keller", None, True),
    ("ben.schulz@corp-example.test", "Ben Schulz", "corp-example.test", False),
    ("support@corp-example.test", "Support", "corp-example.test", False),
)
DAY = 86400
TESTING_LIFE = 7 * DAY - 1
UNUSED_LIFE = 183 * DAY
MOST_REFRESH_TOKENS = 100
IDENTITY = {
    "openid",
    "email",
    "profile",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
}
# What control can set, each as it is after a reset.
SETTINGS = {
    # Seconds in which a new message is in the history, and not found when asked for.
    "given_after": 0,
    # Addresses of more bytes are refused (414), as Google's front end does.
    "longest_address": 8192,
    # Addresses that are registered, compared as they are; None: the callback's path
    # on any loopback origin.
    "redirect_uris": None,
    # The Workspace domain that an internal client is for.
    "internal": None,
    # The client is published as "Testing": its refresh tokens live for 7 days.
    "testing": False,
    # The user allows access for so many seconds.
    "refresh_expires_in": None,
    "token_lifetime": 3599,
    "rotate_refresh_tokens": False,
    "client_secret": CLIENT_SECRET,
    # The project has not switched on the Gmail API.
    "api_disabled": False,
    # Google's usage limits: "new" or "legacy"; None counts units as of a new project
    # and refuses none. A limit of None is the profile's.
    "quota_profile": None,
    "user_per_minute": None,
    "project_per_minute": None,
    "project_per_day": None,
    # How a user over the limit is refused: "retry_after_text" or "rate_limit".
    "quota_answer": "retry_after_text",
    # How many requests of one user may run at once; the parts of a batch do.
    "most_concurrent": None,
    # The project has not switched on the People API.
    "people_api_disabled": False,
    # The People API's limits for each user; None: none.
    "people_reads_per_minute": 90,
    "full_syncs_per_minute": 60,
    # With which status an expired sync token is refused: 400, or 410.
    "sync_expired_status": 400,
    # Seconds that each request takes.
    "latency": 0.0,
    # What a hostile or broken Google would say instead; see OAuth.
    "lies": {},
}
MESSAGE_ID = re.compile(r"<[^<>\s]+>")
REPLY_PREFIX = re.compile(r"^\s*((re|aw|fw|fwd|antw|sv)\s*:\s*)+", re.IGNORECASE)


def b64(data):
    return base64.urlsafe_b64encode(data).decode()


def unb64(text):
    text = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def utf8(value):
    """Return a raw header as text: bytes above ASCII are taken for UTF-8."""
    data = str(value).encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "replace")


def text_of(value):
    """Return a header's value decoded, whatever it holds."""
    value = utf8(value)
    try:
        return utf8(make_header(decode_header(value)))
    except (ValueError, LookupError, UnicodeError):
        return value


def plain_subject(subject):
    """Return a subject without the prefixes of answers."""
    return REPLY_PREFIX.sub("", text_of(subject or "")).strip().lower()


class Part:
    """One node of a parsed message, numbered as Gmail numbers parts."""

    def __init__(self, message, part_id=""):
        self.message = message
        self.part_id = part_id
        self.children = []
        content = message.get_payload()
        prefix = f"{part_id}." if part_id else ""
        if isinstance(content, list):
            self.children = [
                Part(child, f"{prefix}{number}") for number, child in enumerate(content)
            ]

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def mimetype(self):
        return self.message.get_content_type()

    @property
    def filename(self):
        try:
            return text_of(self.message.get_filename() or "")
        except (ValueError, LookupError, TypeError):
            return ""

    def content(self):
        """Return the decoded bytes of a leaf."""
        if self.children:
            return b""
        try:
            return self.message.get_payload(decode=True) or b""
        except (ValueError, LookupError, TypeError):
            return b""

    def headers(self):
        return [
            {"name": utf8(name), "value": re.sub(r"\r?\n", "", utf8(value)).strip()}
            for name, value in self.message.raw_items()
        ]


@dataclass
class Message:
    id: str
    thread_id: str
    raw: bytes
    labels: set
    internal_date: int
    history_id: int
    source: str = ""
    size: int = 0
    parsed: object = None
    root: Part = None
    # From when on Google gives it, though its history names it at once.
    given_at: float = 0.0
    # What an answer needs and the bytes alone tell, once it was made.
    kept: dict = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self):
        self.parsed = email.message_from_bytes(self.raw, policy=email.policy.compat32)
        self.root = Part(self.parsed)
        self.size = len(self.raw)

    def header(self, name):
        for key, value in self.parsed.raw_items():
            if key.lower() == name.lower():
                return utf8(value)
        return ""

    def addresses(self, *names):
        values = [self.header(name) for name in names]
        return [a.lower() for _n, a in getaddresses([v for v in values if v]) if a]

    def text(self):
        """Return the readable text, for the snippet and the search."""
        for wanted in ("text/plain", "text/html"):
            for part in self.root.walk():
                if part.mimetype == wanted and not part.filename and not part.children:
                    charset = part.message.get_content_charset() or "utf-8"
                    try:
                        found = part.content().decode(charset, "replace")
                    except LookupError:
                        found = part.content().decode("latin-1")
                    if wanted == "text/html":
                        found = re.sub(
                            r"(?s)<(style|script).*?</\1>|<[^>]*>", " ", found
                        )
                    return " ".join(found.split())
        return ""

    def has_attachment(self):
        return any(part.filename for part in self.root.walk())


@dataclass
class Account:
    email: str
    name: str
    hosted_domain: str | None
    two_step: bool
    sub: str = ""
    messages: dict = field(default_factory=dict)
    labels: dict = field(default_factory=dict)
    # The messages that have a Message-ID, by it.
    known_ids: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    drafts: dict = field(default_factory=dict)
    # Its other addresses.
    aliases: list = field(default_factory=list)
    # Those of them that their owner has not confirmed yet.
    pending_aliases: list = field(default_factory=list)
    signature: str = ""
    history_floor: int = 0
    # The last number of its history; each account counts for itself.
    history_id: int = 0
    verified: bool = False
    email_verified: bool = True
    # Whether it has a mailbox; a Google account need not.
    gmail: bool = True
    # The administrator does not allow the client, or not Gmail's API.
    blocked: bool = False
    domain_policy: bool = False
    deleted: bool = False
    # The Workspace asks for a new sign-in.
    rapt: bool = False
    # Its people by resource name, as the People API shows them; see contacts.py.
    contacts: dict = field(default_factory=dict)
    contact_groups: dict = field(default_factory=dict)
    # The number of the last change to the people, and that of each person's last
    # change, in their order: of the deleted ones too, of whom little else is left.
    contact_change: int = 0
    contact_changes: dict = field(default_factory=dict)
    contacts_deleted: dict = field(default_factory=dict)
    # Sync tokens of another epoch than this one have expired.
    sync_epoch: int = 0
    meter: Meter = field(default_factory=Meter, compare=False)
    # Its calls of the People API, which cost no units.
    people_reads: Meter = field(default_factory=Meter, compare=False)
    full_syncs: Meter = field(default_factory=Meter, compare=False)
    # How many of its requests run now.
    running: int = 0

    def __post_init__(self):
        digest = hashlib.sha256(self.email.encode()).digest()
        self.sub = self.sub or str(10**20 + int.from_bytes(digest[:8]))
        self.history_id = 100_000 + int.from_bytes(digest[8:10])
        self.labels = {name: name for name in SYSTEM_LABELS}


@dataclass
class Token:
    """A refresh or access token: what it is for, and until when.

    :ivar code: the authorization code that it goes back to
    """

    scopes: frozenset
    code: str
    used: float
    expires: float | None


@dataclass
class Grant:
    """What one account allowed one client; revoking any of its tokens ends it."""

    account: Account
    scopes: set = field(default_factory=set)
    refresh_tokens: dict = field(default_factory=dict)
    access_tokens: dict = field(default_factory=dict)

    def forget(self, code=None):
        """End the tokens that go back to ``code``, or all."""
        for tokens in (self.refresh_tokens, self.access_tokens):
            for name, token in list(tokens.items()):
                if code in (None, token.code):
                    del tokens[name]

    def for_gmail(self):
        return any("mail.google.com" in s or "/gmail." in s for s in self.scopes)


class Store:
    """All state, behind one lock."""

    def __init__(
        self,
        *,
        keep_message_id=False,
        history_retention=7 * 86400,
        now=None,
        latency=0.0,
    ):
        self.lock = threading.RLock()
        self.start = {
            "keep_message_id": keep_message_id,
            "history_retention": history_retention,
            "offset": (now - time.time()) if now else 0.0,
            "latency": latency,
        }
        self.reset()

    def reset(self):
        """Forget everything: as at the start, before any seed."""
        self.accounts = {
            address: Account(address, *rest) for address, *rest in ACCOUNTS
        }
        self.grants = {}
        # The grant of each token; the grant itself tells whether it is alive.
        self.holders = {}
        self.codes = {}
        self.pages = {}
        # What the pictures of people are, by the ids in their addresses.
        self.photos = {}
        for name, value in {**SETTINGS, **self.start}.items():
            setattr(self, name, value)
        self.project_meter = Meter()
        self.faults = []
        self.fault_hits = []
        self.requests = []
        self._number = int(hashlib.sha256(b"gmail").hexdigest()[:12], 16)

    def now(self):
        return time.time() + self.offset

    def forget_units(self):
        """Begin to count at nothing, for the limits too."""
        self.project_meter = Meter()
        for account in self.accounts.values():
            account.meter = Meter()
            account.people_reads, account.full_syncs = Meter(), Meter()

    # -- accounts ------------------------------------------------------

    def add_account(self, address, name, hosted_domain=None, sub=""):
        address = address.lower()
        if address in self.accounts:
            raise ValueError(f"{address} exists")
        account = Account(address, name, hosted_domain, False, sub)
        # The address may have been another account's before.
        while account.sub in {a.sub for a in self.accounts.values()}:
            account.sub = str(int(account.sub) + 1)
        self.accounts[address] = account
        return account

    def add_accounts(self, prefix, domain, count):
        """Add accounts by their number from 1 on; return their addresses."""
        added = {}
        for number in range(1, count + 1):
            address = f"{prefix}{number}@{domain}".lower()
            added[address] = Account(address, f"User {number}", domain, False)
        if taken := added.keys() & self.accounts.keys():
            raise ValueError(f"{min(taken)} exists")
        self.accounts.update(added)
        return list(added)

    def rename(self, account, address):
        """Give an account another address; all else stays."""
        address = address.lower()
        if address in self.accounts:
            raise ValueError(f"{address} exists")
        del self.accounts[account.email]
        account.email = address
        self.accounts[address] = account

    def change_password(self, account):
        """End the tokens for Gmail, as Google does; what was allowed stays so."""
        grant = self.grants.get(account.sub)
        if grant and grant.for_gmail():
            grant.forget()

    # -- ids -----------------------------------------------------------

    def _next_id(self):
        self._number += 7919
        return f"{self._number:016x}"

    @staticmethod
    def _next_history(account):
        account.history_id += 3
        return account.history_id

    # -- messages ------------------------------------------------------

    def add(
        self,
        account,
        raw,
        labels,
        *,
        date=None,
        thread_id=None,
        record=True,
        source="",
    ):
        """Store a message; return it.

        :param source: the file that it was seeded from
        """
        with self.lock:
            now = self.now()
            message = Message(
                id=self._next_id(),
                thread_id="",
                raw=raw,
                labels=set(labels),
                internal_date=int(1000 * (now if date is None else date)),
                history_id=self._next_history(account),
                source=source,
                given_at=now + self.given_after if self.given_after else 0.0,
            )
            message.thread_id = thread_id or self._thread_for(account, message)
            account.messages[message.id] = message
            for name in self.message_ids(message):
                account.known_ids.setdefault(name, []).append(message)
            if not record and message.internal_date < 1000 * (
                now - self.history_retention
            ):
                # Google has forgotten what happened then.
                account.history_floor = message.history_id
            if record:
                self._record(account, "messagesAdded", message, now=now)
            return message

    def _thread_for(self, account, message):
        """Return the thread of a message by its references, or a new one."""
        wanted = set(
            MESSAGE_ID.findall(
                f"{message.header('References')} {message.header('In-Reply-To')}"
            )
        )
        found = [m for name in wanted for m in account.known_ids.get(name, ())]
        subject = plain_subject(message.header("Subject"))
        for other in sorted(found, key=lambda m: m.id):
            if plain_subject(other.header("Subject")) == subject:
                return other.thread_id
        return message.id

    @staticmethod
    def message_ids(message):
        return set(
            MESSAGE_ID.findall(
                f"{message.header('Message-ID')}"
                f" {message.header('X-Google-Original-Message-ID')}"
            )
        )

    def _record(self, account, kind, message, labels=None, now=None):
        if kind != "messagesAdded":
            message.history_id = self._next_history(account)
        account.history.append(
            {
                "id": message.history_id,
                "at": self.now() if now is None else now,
                "kind": kind,
                "message": message.id,
                "thread": message.thread_id,
                "labels": sorted(message.labels),
                "changed": sorted(labels or ()),
            }
        )

    def modify(self, account, message, add=(), remove=()):
        with self.lock:
            added = set(add) - message.labels
            removed = set(remove) & message.labels
            message.labels = (message.labels | added) - removed
            if added:
                self._record(account, "labelsAdded", message, added)
            if removed:
                self._record(account, "labelsRemoved", message, removed)

    def delete(self, account, message):
        with self.lock:
            account.messages.pop(message.id, None)
            for name in self.message_ids(message):
                if message in account.known_ids.get(name, ()):
                    account.known_ids[name].remove(message)
            self._record(account, "messagesDeleted", message)

    def since(self, account, start):
        """Return the history after ``start``, or None when that is forgotten."""
        with self.lock:
            limit = self.now() - self.history_retention
            while account.history and account.history[0]["at"] < limit:
                account.history_floor = account.history.pop(0)["id"]
            if not account.history_floor <= start <= account.history_id:
                return None
            return [record for record in account.history if record["id"] > start]

    def expire_history(self, account):
        """Forget what happened so far: no number that was given before is known."""
        with self.lock:
            account.history.clear()
            account.history_floor = self._next_history(account)

    def thread(self, account, thread_id):
        found = [m for m in account.messages.values() if m.thread_id == thread_id]
        return sorted(found, key=lambda m: (m.internal_date, m.id))

    def move(self, message, thread_id):
        """Have a message belong to another conversation. No record names that; later
        ones do, and lists."""
        with self.lock:
            message.thread_id = thread_id

    # -- sending -------------------------------------------------------

    def send(self, account, raw, thread_id=None):
        """Send a message as the account; deliver it to local accounts, once each."""
        with self.lock:
            parsed = email.message_from_bytes(raw, policy=email.policy.compat32)
            original = str(parsed.get("Message-ID") or "").strip()
            sender = getaddresses([str(parsed.get("From") or "")])
            own = {account.email, *account.aliases} - {*account.pending_aliases}
            if not sender or sender[0][1].lower() not in own:
                del parsed["From"]
                parsed["From"] = f"{account.name} <{account.email}>"
            host = original.strip("<>").rpartition("@")[2]
            if not self.keep_message_id or "." not in host:
                del parsed["Message-ID"]
                token = secrets.token_urlsafe(24)
                parsed["Message-ID"] = f"<CA{token}@mail.gmail.com>"
                if original:
                    parsed["X-Google-Original-Message-ID"] = original
            if not parsed.get("Date"):
                parsed["Date"] = email.utils.formatdate(self.now())
            recipients = {
                address.lower()
                for name in ("To", "Cc", "Bcc")
                for _n, address in getaddresses(
                    [str(value) for value in parsed.get_all(name, ())]
                )
                if address
            }
            kept = parsed.as_bytes()
            message = self.add(account, kept, {"SENT"}, thread_id=thread_id)
            del parsed["Bcc"]
            copy = parsed.as_bytes()
            for address in sorted(recipients):
                other = self.accounts.get(address)
                if other is account:
                    self.modify(account, message, add=("INBOX", "UNREAD"))
                elif other and other.gmail and not other.deleted:
                    self.add(other, copy, {"INBOX", "UNREAD"})
            return message, sorted(recipients)

    def may_join(self, account, thread_id, raw):
        """Whether Gmail puts a message into the thread: references and subject match
        (guide "Managing threads")."""
        members = self.thread(account, thread_id)
        if not members:
            return None
        parsed = email.message_from_bytes(raw, policy=email.policy.compat32)
        references = set(
            MESSAGE_ID.findall(
                f"{parsed.get('References')} {parsed.get('In-Reply-To')}"
            )
        )
        known = set().union(*(self.message_ids(m) for m in members))

        subjects = {plain_subject(m.header("Subject")) for m in members}
        return bool(references & known) and (
            plain_subject(parsed.get("Subject")) in subjects
        )

    # -- grants --------------------------------------------------------

    def grant(self, account, scopes):
        grant = self.grants.setdefault(account.sub, Grant(account))
        grant.scopes.update(scopes)
        return grant

    def end_grant(self, account):
        grant = self.grants.pop(account.sub, None)
        if grant:
            grant.forget()

    def new_access_token(self, grant, scopes, code):
        token = f"ya29.{secrets.token_urlsafe(40)}"
        self.holders[token] = grant
        now = self.now()
        grant.access_tokens[token] = Token(
            frozenset(scopes), code, now, now + self.token_lifetime
        )
        return token

    def new_refresh_token(self, grant, scopes, code):
        """Return a refresh token; the oldest of too many ends without a word."""
        now = self.now()
        life = self.refresh_expires_in
        if self.testing and set(scopes) - IDENTITY:
            life = min(life or TESTING_LIFE, TESTING_LIFE)
        token = f"1//{secrets.token_urlsafe(40)}"
        self.holders[token] = grant
        grant.refresh_tokens[token] = Token(
            frozenset(scopes), code, now, now + life if life else None
        )
        live = [t for t in grant.refresh_tokens if self.refreshable(t)]
        for oldest in live[:-MOST_REFRESH_TOKENS]:
            del grant.refresh_tokens[oldest]
        return token

    def rotate(self, grant, old):
        """Return a refresh token in place of another one."""
        token = f"1//{secrets.token_urlsafe(40)}"
        self.holders[token] = grant
        grant.refresh_tokens[token] = grant.refresh_tokens.pop(old)
        return token

    def refreshable(self, name):
        """Return (grant, token) of a refresh token that is alive, or None."""
        grant = self.holders.get(name)
        token = grant and grant.refresh_tokens.get(name)
        now = self.now()
        if token and now - token.used < UNUSED_LIFE:
            if token.expires is None or now < token.expires:
                return grant, token
        return None

    def access(self, name):
        """Return (account, scopes) of a valid access token, or None."""
        grant = self.holders.get(name)
        token = grant and grant.access_tokens.get(name)
        if token and token.expires > self.now() and not grant.account.deleted:
            return grant.account, token.scopes
        return None

    def forget_code(self, code):
        """End what a code gave: it was shown a second time (RFC 6749 4.1.2)."""
        for grant in self.grants.values():
            grant.forget(code)

    def revoke(self, token):
        grant = self.holders.get(token)
        if grant and (token in grant.refresh_tokens or token in grant.access_tokens):
            del self.grants[grant.account.sub]
            grant.forget()
            return True
        return False


def date_of(raw, default):
    """Return the Date header's time in seconds, or ``default``."""
    parsed = email.message_from_bytes(raw, policy=email.policy.compat32)
    try:
        return parsedate_to_datetime(str(parsed["Date"])).timestamp()
    except (TypeError, ValueError, OverflowError, AttributeError):
        return default
