"""Calls of the Gmail API: plain arguments in, values of ``types`` out.

Requests are built by google-api-python-client from the discovery document that it
ships, and sent through ``transport``. Costs in quota units: Google's "Usage limits".
"""

import base64
import json
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from googleapiclient.http import MediaInMemoryUpload

from . import batch, errors, quota, sync_plan
from .api_client import ApiClient, is_free, resource
from .message import MAX_TEXT_PART, decode_data, find_part, parse_message, part_of_raw
from .types import (
    HistoryChange,
    HistoryPage,
    Label,
    MessagePage,
    MessageRef,
    Profile,
    SendAs,
    SentMessage,
)

# A batch runs all of its parts at once, so its size is what Google's limit of
# concurrent requests of one user is about.
BATCH_SIZES = (25, 10, 5)
GROW_AFTER = 4
ROUNDS = 3
# Longer waits are the scheduler's business.
SHORT_WAIT = 2.0
# Above this, a message goes up as it is instead of as base64 within JSON.
SMALL_UPLOAD = 1_000_000
HISTORY_PAGE = 500
GET = "gmail.users.messages.get"
GET_THREAD = "gmail.users.threads.get"
# Google's limit for a batch.
MOST_PARTS = 100
# The kind of the error for a part that a batch's answer lacks, whole or in part.
LOST_PART = "missing_part"
CHANGE_KINDS = (
    ("messagesAdded", "added"),
    ("labelsAdded", "labels_added"),
    ("labelsRemoved", "labels_removed"),
    ("messagesDeleted", "deleted"),
)


@dataclass
class Ways:
    """What Google turned out to understand; shared by all clients of a process.

    :ivar per_part: a batch's parts may carry an Authorization each
    :ivar polling: so one batch may ask several mailboxes
    """

    per_part: bool = True
    polling: bool = True


@dataclass(frozen=True, slots=True)
class PollAsk:
    """A mailbox that is asked for its changes."""

    key: object
    access_token: str = field(repr=False)
    start: str


@dataclass(frozen=True, slots=True)
class _Posted:
    """A batch on its way.

    :ivar keys: {Ask: Content-ID}
    :ivar answer: Future of {Content-ID: batch.Part}
    """

    asks: list
    keys: dict
    answer: Future


class GmailClient(ApiClient):
    """The Gmail of one mailbox.

    Each method raises errors.GoogleError, the class saying what to do about it.

    :param access_token: valid now
    :param profile: quota.Profile of the Google project
    :param meter: has ``take(units, least)``, which returns how many units may be spent
        now or raises errors.QuotaSpent, ``give_back(units)``, and ``told(error)`` for
        each RetryLater of Google's
    :param ref: a word that names the mailbox in batches
    :param ways: Ways
    :param renew: called without arguments when Google rejects the token; returns
        another one
    :param sleep: for the short pauses within ``get_messages``
    """

    def __init__(
        self,
        transport,
        endpoints,
        access_token,
        user="me",
        renew=None,
        *,
        profile=quota.PROFILES["new"],
        meter=None,
        ref="",
        ways=None,
        sleep=time.sleep,
    ):
        super().__init__(transport, access_token, renew, meter)
        self._profile = profile
        self._ref = ref
        self._ways = ways or Ways()
        self._endpoints = endpoints
        self._user = user
        self._sleep = sleep
        self._size = 0
        self._good_batches = 0

    # ------------------------------------------------------------------
    # Single calls
    # ------------------------------------------------------------------

    def _on(self, *path):
        return resource("gmail", self._endpoints.gmail, "users", *path)

    def _units_of(self, method_id):
        return self._profile.cost(method_id)

    def profile(self):
        """Return the Profile; its history_id is the cursor of now (1 unit)."""
        answer = self._call(self._on().getProfile(userId=self._user))
        return Profile(
            email=answer.get("emailAddress") or "",
            messages_total=int(answer.get("messagesTotal") or 0),
            threads_total=int(answer.get("threadsTotal") or 0),
            history_id=str(answer.get("historyId") or ""),
        )

    def labels(self):
        """Return the labels as a list of Label (1 unit)."""
        answer = self._call(self._on("labels").list(userId=self._user))
        return [
            Label(
                gmail_id=item["id"],
                name=item.get("name") or item["id"],
                kind="system" if item.get("type") == "system" else "user",
            )
            for item in answer.get("labels") or ()
            if item.get("id")
        ]

    def list_messages(
        self,
        q=None,
        label_ids=(),
        page_token=None,
        page_size=100,
        include_spam_trash=False,
    ):
        """Return a MessagePage, newest first (5 units, whatever its size).

        :param q: search, as in Gmail
        :param page_size: 500 at most
        """
        answer = self._call(
            self._on("messages").list(
                userId=self._user,
                q=q or None,
                labelIds=list(label_ids) or None,
                pageToken=page_token or None,
                maxResults=page_size,
                includeSpamTrash=include_spam_trash or None,
            )
        )
        return MessagePage(
            refs=tuple(
                MessageRef(item["id"], item.get("threadId") or "")
                for item in answer.get("messages") or ()
                if item.get("id")
            ),
            next_page_token=answer.get("nextPageToken") or None,
            estimate=int(answer.get("resultSizeEstimate") or 0),
        )

    def history(self, start, page_token=None):
        """Return a HistoryPage of what happened after ``start`` (2 units).

        :raises errors.CursorExpired: Google does not remember so far back
        """
        answer = self._call(
            self._on("history").list(
                userId=self._user,
                startHistoryId=str(start),
                pageToken=page_token or None,
                maxResults=HISTORY_PAGE,
            )
        )
        return history_page(answer, start)

    def get_message(self, gmail_id, whole=False):
        """Return the ParsedMessage (20 units; 5 in projects from before May 2026).

        :param whole: with all of a long body
        """
        content = self._full(gmail_id)
        return self._with_text(content, parse_message(content, whole), whole)

    def _with_text(self, content, parsed, whole=False):
        """Return a ParsedMessage with the text that Gmail keeps apart from it, because
        its part has a name (20 units; 5). There is none otherwise.

        :param content: the message's JSON, or None to ask for it
        """
        if parsed.text_part_id is None:
            return parsed
        content = content or self._full(parsed.gmail_id)
        part = find_part(content.get("payload"), parsed.text_part_id) or {}
        body = part.get("body") or {}
        if not body.get("attachmentId") or body.get("size", 0) > MAX_TEXT_PART:
            # It is a file then.
            return parsed
        answer = self._attachment(parsed.gmail_id, body["attachmentId"])
        part["body"] = {"size": body.get("size"), "data": answer.get("data")}
        return parse_message(content, whole)

    def content(self, gmail_id):
        """Return a message as Gmail's JSON, for ``parsed``: a worker that suspects
        it of killing workers notes that between the two (20 units; 5)."""
        return self._full(gmail_id)

    @staticmethod
    def parsed(content):
        """Return the ParsedMessage of what ``content`` gave.

        :raises errors.BadItem: it isn't a message
        """
        if not content.get("id"):
            raise errors.BadItem("Google's answer is not readable", kind="unreadable")
        return parse_message(content)

    def _full(self, gmail_id):
        return self._call(
            self._on("messages").get(userId=self._user, id=gmail_id, format="full")
        )

    def get_thread(self, thread_id):
        """Return the conversation's messages, oldest first (40 units; 10)."""
        answer = self._call(
            self._on("threads").get(userId=self._user, id=thread_id, format="full")
        )
        return [parse_message(item) for item in answer.get("messages") or ()]

    def get_raw(self, gmail_id):
        """Return the whole message as RFC 5322 bytes (20 units; 5)."""
        answer = self._call(
            self._on("messages").get(userId=self._user, id=gmail_id, format="raw")
        )
        return decode_data(answer.get("raw"))

    def get_attachment(self, message_id, attachment_id):
        """Return an attachment's bytes by the id of the moment (20 units; 5)."""
        return decode_data(self._attachment(message_id, attachment_id).get("data"))

    def _attachment(self, message_id, attachment_id):
        return self._call(
            self._on("messages", "attachments").get(
                userId=self._user, messageId=message_id, id=attachment_id
            )
        )

    def attachment_bytes(self, message_id, part_ids):
        """Return {partId: bytes} of attachments, by their lasting partIds.

        Two or more come from one raw get, which costs as much as one of them.

        :raises errors.Gone: the message or one of the parts does not exist any more
        """
        found = {}
        if len(part_ids) > 1:
            raw = self.get_raw(message_id)
            found = {part_id: part_of_raw(raw, part_id) for part_id in part_ids}
        for part_id in part_ids:
            if found.get(part_id) is None:
                found[part_id] = self._single_part(message_id, part_id)
            if found[part_id] is None:
                raise errors.Gone("the part does not exist", kind="no_part")
        return found

    def _single_part(self, message_id, part_id):
        part = find_part(self._full(message_id).get("payload"), part_id)
        if part is None:
            return None
        body = part.get("body") or {}
        if body.get("attachmentId"):
            return self.get_attachment(message_id, body["attachmentId"])
        if body.get("data"):
            return decode_data(body["data"])
        # Gmail unfolds a forwarded mail into parts and keeps no bytes of the whole.
        return part_of_raw(self.get_raw(message_id), part_id)

    def send(self, raw_bytes, thread_id=None):
        """Send a message; return SentMessage (100 units). Never repeated by itself,
        but for a rejected access token.

        :raises errors.Unreachable: ``sent_maybe`` tells whether it may have gone out
        :raises errors.SendingLimit: no more mail today
        :raises errors.Gone: the conversation does not exist any more
        """
        if len(raw_bytes) <= SMALL_UPLOAD:
            body = {"raw": base64.urlsafe_b64encode(raw_bytes).decode("ascii")}
            if thread_id:
                body["threadId"] = thread_id
            request = self._on("messages").send(userId=self._user, body=body)
        else:
            request = self._upload(raw_bytes, thread_id)
        answer = self._call(request)
        if not answer.get("id"):
            raise errors.Unreachable(
                "Google's answer names no message", kind="unreadable"
            )
        return SentMessage(
            gmail_id=answer["id"],
            thread_id=answer.get("threadId") or "",
            label_ids=tuple(answer.get("labelIds") or ()),
        )

    def _upload(self, raw_bytes, thread_id):
        """Return the request that uploads a large message.

        google-api-python-client fails on 8-bit text in an upload that has metadata,
        so that body is written here (Google's guide "Upload attachments", multipart).
        """
        request = self._on("messages").send(
            userId=self._user,
            media_body=MediaInMemoryUpload(raw_bytes, mimetype="message/rfc822"),
        )
        if thread_id:
            boundary = f"upload_{secrets.token_hex(12)}"
            head = (
                f"--{boundary}\r\nContent-Type: application/json\r\n\r\n"
                f"{json.dumps({'threadId': thread_id})}\r\n"
                f"--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
            )
            request.body = b"".join(
                [head.encode(), raw_bytes, f"\r\n--{boundary}--\r\n".encode()]
            )
            request.headers["content-type"] = f"multipart/related; boundary={boundary}"
            request.uri = request.uri.replace(
                "uploadType=media", "uploadType=multipart"
            )
        return request

    def send_as(self):
        """Return the addresses that the owner may send from, as a list of SendAs."""
        answer = self._call(self._on("settings", "sendAs").list(userId=self._user))
        return [
            SendAs(
                email=item["sendAsEmail"],
                display_name=item.get("displayName") or "",
                is_default=bool(item.get("isDefault")),
                is_primary=bool(item.get("isPrimary")),
                signature=item.get("signature") or "",
                reply_to=item.get("replyToAddress") or "",
                # Gmail names the state of addresses that somebody added.
                is_verified=bool(item.get("isPrimary"))
                or item.get("verificationStatus") == "accepted",
            )
            for item in answer.get("sendAs") or ()
            if item.get("sendAsEmail")
        ]

    # ------------------------------------------------------------------
    # Many messages
    # ------------------------------------------------------------------

    def get_messages(self, ids):
        """Yield (id, ParsedMessage or GoogleError) for each id, each once."""
        return self.fetch(MessageRef(gmail_id, "") for gmail_id in ids)

    def fetch(self, refs):
        """Yield (id, ParsedMessage or GoogleError) for each MessageRef, each once.

        A conversation of which three or more messages are wanted is asked for as a
        whole; what that answer lacks is asked for by itself. Batches shrink when
        Google complains of too much at once and grow back; only parts that failed are
        asked for again, after a short pause. When Google asks for a longer one, or the
        quota is spent, the rest gets that error and no more requests are sent. While
        the caller deals with one batch, the next is on its way; to close the generator
        is to wait for it and to drop it.
        """
        cost = self._profile.cost
        waiting = sync_plan.plan_fetch(refs, cost(GET), cost(GET_THREAD))
        # Its end waits for the thread: two batches at once would be too many.
        with ThreadPoolExecutor(1, "gmail_batch") as wire:
            for gmail_id, result in self._fetch(waiting, wire):
                if getattr(result, "text_part_id", None) is not None:
                    result = self._text_or_error(result)
                yield gmail_id, result

    def _fetch(self, waiting, wire):
        """Do what ``fetch`` does, for a list of Ask; ``wire`` is the thread."""
        rounds = dict.fromkeys(waiting, 0)
        renewed, posted = False, None
        while waiting or posted:
            if posted is None:
                posted, waiting, stop = self._post_next(waiting, wire)
                if stop:
                    yield from self._rest(waiting, stop)
                    return
            chunk, contents = posted.asks, self._receive(posted, wire)
            posted, stop = None, None
            rejected = [
                ask
                for ask in chunk
                if isinstance(contents[ask], errors.AccessTokenRejected)
            ]
            if rejected:
                contents.update(self._after_rejection(rejected, contents, renewed))
                renewed = True
            elif waiting and not any(map(_is_error, contents.values())):
                # Nothing to react to, so the next batch may go before this one is
                # read. Should the quota not allow it, that shows again afterwards.
                posted, waiting, _stop = self._post_next(waiting, wire)
            again = []
            for ask in chunk:
                if contents[ask] is None:
                    again.append(ask)
                    continue
                result = self._parsed(ask, contents[ask])
                if isinstance(result, errors.RetryLater):
                    rounds[ask] = rounds.get(ask, 0) + 1
                    patient = (result.seconds or 0) <= SHORT_WAIT
                    if patient and rounds[ask] < ROUNDS:
                        again.append(ask)
                        continue
                    if result.kind == LOST_PART:
                        # Batches do not bring it; a call of its own tells.
                        result = self._alone(ask)
                if ask.kind == "thread" and (
                    isinstance(result, (errors.BadItem, errors.Gone))
                    or getattr(result, "status", 0) >= 500
                ):
                    # Its messages one by one; some of them may be readable, and there.
                    again += [sync_plan.Ask("message", g, (g,)) for g in ask.gmail_ids]
                    continue
                if isinstance(result, errors.RetryLater) or self._ends_all(result):
                    stop = result
                found = dict(self._of_ask(ask, result))
                # What a conversation lacks may be there all the same: a message's own
                # answer decides.
                again += [
                    sync_plan.Ask("message", g, (g,))
                    for g in ask.gmail_ids
                    if g not in found
                ]
                yield from found.items()
            if stop is not None:
                yield from self._rest([*again, *waiting], stop)
                return
            self._adapt(contents.values())
            late = [
                ask for ask in again if isinstance(contents.get(ask), errors.RetryLater)
            ]
            if late:
                self._sleep(min(0.25 * 2 ** max(rounds[a] for a in late), SHORT_WAIT))
            waiting = again + waiting

    def _text_or_error(self, parsed):
        try:
            return self._with_text(None, parsed)
        except errors.GoogleError as error:
            return error

    def _affordable(self, waiting):
        """Return (the next calls that the quota allows, None), or ((), the error)."""
        chunk, units = [], []
        for ask in waiting[: BATCH_SIZES[self._size]]:
            chunk.append(ask)
            units.append(self._cost(ask))
        try:
            granted = self._meter.take(sum(units), units[0])
        except errors.QuotaSpent as error:
            return (), error
        while sum(units) > granted:
            chunk.pop()
            units.pop()
        self._meter.give_back(granted - sum(units))
        return chunk, None

    def _post_next(self, waiting, wire):
        """Post as much of ``waiting`` as may be now; return (_Posted, what is left,
        None), or (None, ``waiting``, the error) when the quota allows nothing."""
        chunk, stop = self._affordable(waiting)
        if stop:
            return None, waiting, stop
        return self._post(chunk, wire), waiting[len(chunk) :], None

    def _cost(self, ask):
        return self._profile.cost(GET if ask.kind == "message" else GET_THREAD)

    @staticmethod
    def _of_ask(ask, result):
        """Yield (id, result) of each message that was asked for and is in the
        answer."""
        if ask.kind == "message" or isinstance(result, errors.GoogleError):
            for gmail_id in ask.gmail_ids:
                yield gmail_id, result
            return
        found = {message.gmail_id: message for message in result}
        for gmail_id in ask.gmail_ids:
            if gmail_id in found:
                yield gmail_id, found[gmail_id]

    @staticmethod
    def _rest(asks, error):
        for ask in asks:
            for gmail_id in ask.gmail_ids:
                yield gmail_id, error

    def _alone(self, ask):
        """Return what a call of its own gives."""
        try:
            if ask.kind == "thread":
                return self.get_thread(ask.gmail_id)
            return self.get_message(ask.gmail_id)
        except errors.GoogleError as error:
            return error

    @staticmethod
    def _ends_all(result):
        return isinstance(
            result,
            (
                errors.ReconnectNeeded,
                errors.PermissionMissing,
                errors.ConfigurationWrong,
                errors.AccessTokenRejected,
            ),
        )

    def _after_rejection(self, rejected, results, renewed):
        """Renew the token once; return {id: None} to ask again, or the error."""
        first = results[rejected[0]]
        if renewed:
            return dict.fromkeys(rejected, self._rejected_twice(first))
        try:
            self._renew_token(first)
        except errors.GoogleError as error:
            return dict.fromkeys(rejected, error)
        return dict.fromkeys(rejected)

    def _adapt(self, results):
        """Shrink after a complaint, grow back after a few batches without one."""
        if any(isinstance(result, errors.ConcurrencyLimit) for result in results):
            self._size = min(self._size + 1, len(BATCH_SIZES) - 1)
            self._good_batches = 0
            return
        self._good_batches += 1
        if self._size and self._good_batches >= GROW_AFTER:
            self._size -= 1
            self._good_batches = 0

    def _post(self, asks, wire):
        """Have a batch sent; the thread does nothing but talk to Google."""
        secret = secrets.token_hex(6)
        keys = {ask: f"{self._ref}-{secret}-{n}" for n, ask in enumerate(asks)}
        uris = {keys[ask]: self._uri(ask) for ask in asks}
        return _Posted(asks, keys, wire.submit(self._post_batch, uris))

    def _receive(self, posted, wire):
        """Return {Ask: JSON as a dict, or GoogleError} of a batch."""
        asks = posted.asks
        try:
            parts = posted.answer.result()
        except errors.GoogleError as error:
            if is_free(error):
                self._give_back(asks)
            too_many = error.code == "too_many_parts" and len(asks) > 1
            if too_many or error.code == "too_large":
                return self._get_in_halves(asks, wire)
            if isinstance(error, errors.RetryLater):
                self._meter.told(error)
            return dict.fromkeys(asks, error)
        contents = {}
        for ask in asks:
            method = GET if ask.kind == "message" else GET_THREAD
            contents[ask] = read_part(method, parts.get(posted.keys[ask]))
            if _is_error(contents[ask]) and is_free(contents[ask]):
                self._give_back([ask])
        for content in contents.values():
            if isinstance(content, errors.RetryLater) and content.kind != LOST_PART:
                self._meter.told(content)
                break
        return contents

    def _give_back(self, asks):
        self._meter.give_back(sum(map(self._cost, asks)))

    def _uri(self, ask):
        if ask.kind == "thread":
            request = self._on("threads").get
        else:
            request = self._on("messages").get
        return request(userId=self._user, id=ask.gmail_id, format="full").uri

    def _get_in_halves(self, asks, wire):
        """Too large together; one that is too large alone is left out."""
        if len(asks) == 1:
            too_large = errors.BadItem("the message is too large", kind="too_large")
            return {asks[0]: too_large}
        half, contents = len(asks) // 2, {}
        for part in (asks[:half], asks[half:]):
            try:
                self._meter.take(sum(map(self._cost, part)))
            except errors.QuotaSpent as error:
                contents.update(dict.fromkeys(part, error))
            else:
                contents.update(self._receive(self._post(part, wire), wire))
        return contents

    def _post_batch(self, uris):
        token, parts, refusal = self._access_token, {}, None
        if self._ways.per_part:
            calls = {key: (uri, token) for key, uri in uris.items()}
            try:
                parts = post_batch(self._transport, self._endpoints, calls)
            except errors.AccessTokenRejected as error:
                refusal = error
            rejected = [part for part in parts.values() if part.status == 401]
            if not refusal and (not parts or len(rejected) < len(parts)):
                return parts
        # Google may want the token on the whole batch after all, or it is out of date.
        calls = {key: (uri, None) for key, uri in uris.items()}
        parts = post_batch(self._transport, self._endpoints, calls, token)
        if any(part.status != 401 for part in parts.values()):
            self._ways.per_part = False
        return parts

    @staticmethod
    def _parsed(ask, content):
        """Return ParsedMessage, list of them, or GoogleError of JSON or GoogleError."""
        if _is_error(content):
            return content
        if not content.get("id"):
            return errors.BadItem("Google's answer is not readable", kind="unreadable")
        if ask.kind == "thread":
            return [parse_message(item) for item in content.get("messages") or ()]
        return parse_message(content)


# ----------------------------------------------------------------------
# Batches
# ----------------------------------------------------------------------


def post_batch(transport, endpoints, calls, access_token=None):
    """Send a batch; return {id: batch.Part} of the answers that are there.

    :param calls: {id: (address, access token or None)}
    :param access_token: for the batch as a whole
    :raises errors.GoogleError: the batch as a whole was refused
    """
    content_type, body = batch.encode(calls)
    headers = {"Content-Type": content_type, "Accept-Encoding": "gzip, deflate"}
    if access_token:
        headers["Authorization"] = f"Bearer {access_token}"
    answer = transport.request(
        "POST", endpoints.batch, headers=headers, data=body, repeatable=True
    )
    if answer.status == 200:
        parts = batch.decode(answer.headers.get("Content-Type") or "", answer.body)
        if parts is not None:
            return parts
        raise errors.RetryLater("Google's answer is no batch", kind="no_batch")
    # Not of one message: a refusal here is about the batch as a whole.
    raise errors.from_response(
        "gmail.batch", answer.status, answer.headers, answer.body
    )


def _is_error(content):
    return isinstance(content, errors.GoogleError)


def read_part(method, part):
    """Return the JSON of a part as a dict, or the GoogleError that it stands for."""
    if part is None or not part.is_whole:
        return errors.RetryLater("Google's answer lacks this part", kind=LOST_PART)
    if not 200 <= part.status < 300:
        return errors.from_response(method, part.status, part.headers, part.body)
    try:
        content = json.loads(part.body)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    if "content-length" not in part.headers:
        return errors.RetryLater("Google's answer is cut", kind=LOST_PART)
    return errors.BadItem("Google's answer is not readable", kind="unreadable")


def history_page(answer, start):
    """Return the HistoryPage of a history.list answer (dict)."""
    changes = []
    for record in answer.get("history") or ():
        for key, kind in CHANGE_KINDS:
            for item in record.get(key) or ():
                message = item.get("message") or {}
                if not message.get("id"):
                    continue
                of_change = kind.startswith("labels_")
                labels = (item if of_change else message).get("labelIds")
                changes.append(
                    HistoryChange(
                        kind=kind,
                        gmail_id=message["id"],
                        thread_id=message.get("threadId") or "",
                        label_ids=tuple(labels or ()),
                        history_id=str(record.get("id") or ""),
                    )
                )
    return HistoryPage(
        changes=tuple(changes),
        history_id=str(answer.get("historyId") or start),
        next_page_token=answer.get("nextPageToken") or None,
    )


def poll_history(transport, endpoints, asks):
    """Ask many mailboxes for their changes, by one request each 100.

    :param asks: list of PollAsk
    :return: {key: HistoryPage or GoogleError}
    :raises errors.GoogleError: a batch as a whole was refused
    """
    results = {}
    for start in range(0, len(asks), MOST_PARTS):
        secret = secrets.token_hex(6)
        chunk = {
            f"{secret}-{number}": ask
            for number, ask in enumerate(asks[start : start + MOST_PARTS])
        }
        history = resource("gmail", endpoints.gmail, "users", "history")
        calls = {
            key: (
                history.list(
                    userId="me",
                    startHistoryId=str(ask.start),
                    maxResults=HISTORY_PAGE,
                ).uri,
                ask.access_token,
            )
            for key, ask in chunk.items()
        }
        parts = post_batch(transport, endpoints, calls)
        for key, ask in chunk.items():
            content = read_part(errors.HISTORY, parts.get(key))
            if not isinstance(content, errors.GoogleError):
                content = history_page(content, ask.start)
            results[ask.key] = content
    return results
