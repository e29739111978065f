"""Calls of the Gmail API: plain arguments in, values of ``types`` out.

Requests are built by google-api-python-client from the discovery document that it
ships, and sent through ``transport``. Costs in quota units: Google's "Usage limits".
"""

import base64
import functools
import json
import secrets
import time

from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

from . import batch, errors
from .message import decode_data, find_part, parse_message, part_of_raw
from .transport import ApiHttp
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
CHANGE_KINDS = (
    ("messagesAdded", "added"),
    ("labelsAdded", "labels_added"),
    ("labelsRemoved", "labels_removed"),
    ("messagesDeleted", "deleted"),
)


class _NoHttp:
    """Takes the place of an http object while requests are only built."""

    def request(self, *_args, **_kwargs):
        raise RuntimeError("requests are sent with a client's own http object")


@functools.lru_cache(maxsize=8)
def _users(root):
    """Return the API's users() resource at ``root``; it is shared by all threads."""
    document = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
    # api_endpoint alone leaves uploads at https, whatever the endpoint's scheme.
    document["rootUrl"] = root
    service = build_from_document(
        document, http=_NoHttp(), client_options={"api_endpoint": root}
    )
    return service.users()


@functools.lru_cache(maxsize=8)
def _resource(root, *path):
    """Return a resource such as users().messages(); making one takes a while."""
    resource = _users(root)
    for name in path:
        resource = getattr(resource, name)()
    return resource


class GmailClient:
    """The Gmail of one mailbox.

    Each method raises errors.GoogleError, the class saying what to do about it.

    :param access_token: valid now
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
        sleep=time.sleep,
    ):
        self._transport = transport
        self._endpoints = endpoints
        self._access_token = access_token
        self._user = user
        self._renew = renew
        self._sleep = sleep
        self._size = 0
        self._good_batches = 0

    # ------------------------------------------------------------------
    # Single calls
    # ------------------------------------------------------------------

    def _on(self, *path):
        return _resource(self._endpoints.gmail, *path)

    def _call(self, request):
        """Send a request of google-api-python-client; return its JSON as a dict."""
        try:
            return self._call_once(request)
        except errors.AccessTokenRejected as error:
            self._renew_token(error)
        try:
            return self._call_once(request)
        except errors.AccessTokenRejected as error:
            raise self._rejected_twice(error) from error

    def _call_once(self, request):
        try:
            answer = request.execute(http=ApiHttp(self._transport, self._access_token))
        except HttpError as error:
            raise errors.from_response(
                request.methodId, int(error.resp.status), error.resp, error.content
            ) from None
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict):
            return answer
        kind = errors.RetryLater
        if request.methodId == errors.SEND:
            kind = errors.Unreachable
        elif request.methodId in errors.ITEM_METHODS:
            kind = errors.BadItem
        raise kind("Google's answer is not readable", kind="unreadable")

    def _renew_token(self, error):
        if self._renew is None:
            raise error
        self._access_token = self._renew()

    @staticmethod
    def _rejected_twice(error):
        return errors.ReconnectNeeded(
            "Google rejects a fresh access token",
            status=error.status,
            reason=error.reason,
            kind="rejected",
        )

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

    def get_message(self, gmail_id):
        """Return the ParsedMessage (20 units; 5 in projects from before May 2026)."""
        return parse_message(self._full(gmail_id))

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
        answer = self._call(
            self._on("messages", "attachments").get(
                userId=self._user, messageId=message_id, id=attachment_id
            )
        )
        return decode_data(answer.get("data"))

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
            )
            for item in answer.get("sendAs") or ()
            if item.get("sendAsEmail")
        ]

    # ------------------------------------------------------------------
    # Many messages
    # ------------------------------------------------------------------

    def get_messages(self, ids):
        """Yield (id, ParsedMessage or GoogleError) for each id, each once.

        Batches shrink when Google complains of too much at once and grow back; only
        parts that failed are asked for again, after a short pause. When Google asks
        for a longer one, the rest gets that error and no more requests are sent.
        """
        waiting = list(dict.fromkeys(ids))
        rounds = dict.fromkeys(waiting, 0)
        renewed = False
        while waiting:
            size = BATCH_SIZES[self._size]
            chunk, waiting = waiting[:size], waiting[size:]
            results = self._get_batch(chunk)
            rejected = [
                i for i in chunk if isinstance(results[i], errors.AccessTokenRejected)
            ]
            if rejected:
                results.update(self._after_rejection(rejected, results, renewed))
                renewed = True
            again, stop = [], None
            for gmail_id in chunk:
                result = results[gmail_id]
                if result is None:
                    again.append(gmail_id)
                    continue
                if isinstance(result, errors.RetryLater):
                    rounds[gmail_id] += 1
                    patient = (result.seconds or 0) <= SHORT_WAIT
                    if patient and rounds[gmail_id] < ROUNDS:
                        again.append(gmail_id)
                        continue
                    stop = result
                if self._ends_all(result):
                    stop = result
                yield gmail_id, result
            if stop is not None:
                for gmail_id in [*again, *waiting]:
                    yield gmail_id, stop
                return
            self._adapt([results[i] for i in chunk])
            if any(isinstance(results[i], errors.RetryLater) for i in again):
                self._sleep(min(0.25 * 2 ** max(rounds[i] for i in again), SHORT_WAIT))
            waiting = again + waiting

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
        if any(isinstance(result, errors.RetryLater) for result in results):
            self._size = min(self._size + 1, len(BATCH_SIZES) - 1)
            self._good_batches = 0
            return
        self._good_batches += 1
        if self._size and self._good_batches >= GROW_AFTER:
            self._size -= 1
            self._good_batches = 0

    def _get_batch(self, ids):
        """Return {id: ParsedMessage or GoogleError} of one batch."""
        messages = self._on("messages")
        uris = {
            str(number): messages.get(userId=self._user, id=i, format="full").uri
            for number, i in enumerate(ids)
        }
        try:
            parts = self._post_batch(uris)
        except errors.RequestRefused as error:
            if error.code != "too_large":
                return dict.fromkeys(ids, error)
            return self._get_in_halves(ids)
        except errors.GoogleError as error:
            return dict.fromkeys(ids, error)
        results = {}
        for number, gmail_id in enumerate(ids):
            part = parts.get(str(number))
            if part is None:
                results[gmail_id] = errors.RetryLater(
                    "Google's answer lacks this message", kind="missing_part"
                )
            else:
                results[gmail_id] = self._read_part(part)
        return results

    def _get_in_halves(self, ids):
        """Too large together; one that is too large alone is left out."""
        if len(ids) == 1:
            too_large = errors.BadItem("the message is too large", kind="too_large")
            return {ids[0]: too_large}
        half = len(ids) // 2
        return {**self._get_batch(ids[:half]), **self._get_batch(ids[half:])}

    def _post_batch(self, uris):
        content_type, body = batch.encode(uris)
        answer = self._transport.request(
            "POST",
            self._endpoints.batch,
            headers={
                "Content-Type": content_type,
                "Authorization": f"Bearer {self._access_token}",
                "Accept-Encoding": "gzip, deflate",
            },
            data=body,
            repeatable=True,
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

    def _read_part(self, part):
        if not 200 <= part.status < 300:
            return errors.from_response(GET, part.status, part.headers, part.body)
        try:
            content = json.loads(part.body)
        except (ValueError, RecursionError):
            return errors.BadItem("Google's answer is not readable", kind="unreadable")
        if not isinstance(content, dict) or not content.get("id"):
            return errors.BadItem("Google's answer is not readable", kind="unreadable")
        return parse_message(content)
