"""The WSGI application: routing, batches, faults, control and the human page."""

import base64
import email
import email.policy
import html
import re
import secrets
import socket
import threading
import time
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from urllib.parse import parse_qs, urlsplit

from werkzeug.wrappers import Request, Response

from . import contacts, faults, gmail, oauth, people, quota
from .faults import as_json
from .store import CLIENT_ID, SETTINGS, date_of, text_of

BATCH_LIMIT = 100
CHOICES = {
    "quota_profile": (None, *quota.PROFILES),
    "quota_answer": ("retry_after_text", "rate_limit"),
    "sync_expired_status": (400, 410),
}
COMMAND_LINE = ("keep_message_id", "history_retention")
ACCOUNT_KEYS = (
    "sub",
    "aliases",
    "pending_aliases",
    "signature",
    "email_verified",
    "gmail",
    "blocked",
    "domain_policy",
    "deleted",
    "rapt",
)
# What control can do to the people of an account, in the order in which it is done.
CONTACT_KEYS = (
    "clear",
    "add_groups",
    "add_many",
    "add",
    "change",
    "photos",
    "delete",
    "expire_sync",
)
REQUEST_LINE = re.compile(rb"(GET|POST|PUT|PATCH|DELETE)\s+(\S+)(?:\s+HTTP/1\.1)?\s*$")


class Dropped(ConnectionError):
    """The connection ends without an answer; werkzeug leaves it at that."""


class Unknown(Exception):
    """Control was asked for something that is not there."""


class Inner:
    """The request in one part of a batch; ``method`` is None when it is not one.

    Its own Authorization goes before that of the batch.

    :ivar of_people: it is for the People API
    """

    of_people = False

    def __init__(self, part, outer):
        inner = part.get_payload(decode=True) or b""
        line, _end, rest = inner.replace(b"\r\n", b"\n").partition(b"\n")
        match = REQUEST_LINE.match(line)
        self.method = match and match[1].decode()
        self.target = match and urlsplit(match[2].decode())
        head, _end, self.body = rest.partition(b"\n\n")
        self.headers = {"authorization": outer}
        for row in head.decode("latin-1").splitlines():
            name, colon, value = row.partition(":")
            if colon:
                self.headers[name.strip().lower()] = value.strip()


class Standin:
    """One Google on one origin."""

    def __init__(self, store, *, fill=None):
        self.store = store
        self.fill = fill or (lambda: None)
        self.oauth = oauth.OAuth(store)
        self._log_lock = threading.Lock()

    def __call__(self, environ, start_response):
        request = Request(environ)
        request.max_content_length = 64 * 1024 * 1024
        asked = request.query_string.decode("latin-1")
        try:
            response = self.answer(request)
        except oauth.Refused as error:
            text = oauth.page("Access blocked", f"<p>{html.escape(str(error))}</p>")
            response = oauth.shown(text, 400)
        except oauth.Blocked as error:
            response = oauth.sent(request.host_url.rstrip("/") + error.location)
        except Dropped:
            self.note(request.method, request.path, 0, query=asked)
            connection = environ.get("werkzeug.socket")
            if connection:
                # The client may have gone before.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            raise
        if not request.path.startswith("/__standin__"):
            self.note(request.method, request.path, response.status_code, query=asked)
        return response(environ, start_response)

    def note(self, method, path, status, account=None, batch=False, query=""):
        with self._log_lock:
            self.store.requests.append(
                {
                    "method": method,
                    "path": path,
                    "status": status,
                    "account": account,
                    "batch": batch,
                    "query": query,
                }
            )

    def answer(self, request):
        path = request.path
        if path.startswith("/__standin__/"):
            return self.control(request, path.removeprefix("/__standin__/"))
        if len(path) + len(request.query_string) + 1 > self.store.longest_address:
            self.note(request.method, path, 414)
            return Response(faults.HTML, status=414, mimetype="text/html")
        authorization = request.headers.get("Authorization", "")
        found = self.perhaps(
            request.method, path, authorization, lambda: self.route(request)
        )
        if isinstance(found, faults.Parts):
            return found.response()
        return found if isinstance(found, Response) else as_json(*found)

    def route(self, request):
        path = request.path
        if path.startswith(("/gmail/", "/upload/gmail/")):
            return self.api(request)
        if path.startswith("/v1/"):
            return self.people_api(request)
        if path in ("/batch", "/batch/gmail/v1"):
            return self.batch(request)
        time.sleep(self.store.latency)
        if path.startswith("/photos/") and request.method == "GET":
            return people.photo(self.store, path)
        query = parse_qs(request.query_string.decode(), keep_blank_values=True)
        if request.method == "GET":
            return self.get(path, query)
        form = parse_qs(request.get_data().decode("utf-8", "replace"))
        if request.method == "POST":
            return self.post(path, form, query)
        return as_json(405, {"error": "method_not_allowed"})

    def perhaps(self, method, path, authorization, answer, *, in_batch=False):
        """Return ``answer()``, or what a fault that control asked for makes of it."""
        fault = self.fault(method, path, authorization, in_batch)
        if not fault:
            return answer()
        time.sleep(fault.get("delay", 0))
        if faults.is_true(fault):
            given = faults.changed(fault, answer())
        else:
            given = faults.instead(fault)
        if fault.get("drop"):
            raise Dropped
        return given

    def fault(self, method, path, authorization, in_batch):
        """Return the fault for a request, if control asked for one; count it."""
        if not self.store.faults:
            return None

        def account():
            access = gmail.access_of(self.store, authorization)
            return access and access[0].email

        with self.store.lock:
            for fault in self.store.faults:
                if faults.meant(fault, method, path, account, in_batch):
                    if not faults.hits(fault):
                        continue
                    if fault["count"] <= 0:
                        self.store.faults.remove(fault)
                    self.store.fault_hits.append(
                        {
                            "fault": {k: fault[k] for k in fault if k in faults.KNOWN},
                            "method": method,
                            "path": path,
                            "account": account(),
                            "in_batch": in_batch,
                        }
                    )
                    return dict(fault)
        return None

    def get(self, path, query):
        if path == "/o/oauth2/v2/auth":
            with self.store.lock:
                return self.oauth.start(query)
        if path == "/signin/oauth/error":
            return oauth.shown(oauth.error_page(query.get("authError", [""])[0]), 400)
        if path == "/oauth2/v3/certs":
            return as_json(
                200, self.oauth.keys.jwks(), {"Cache-Control": "public, max-age=3600"}
            )
        if path == "/oauth2/v1/certs":
            return as_json(
                200,
                {self.oauth.keys.kid: self.oauth.keys.pem},
                {"Cache-Control": "public, max-age=3600"},
            )
        if path == "/":
            return oauth.shown(self.home())
        return as_json(404, {"error": {"code": 404, "message": "Not Found"}})

    def post(self, path, form, query):
        pages = {
            "/standin/choose": self.oauth.choose,
            "/standin/verify": self.oauth.verify,
            "/standin/consent": self.oauth.allow,
            "/standin/cancel": self.oauth.cancel,
        }
        with self.store.lock:
            if path in pages:
                return pages[path](form)
            if path == "/token":
                return as_json(*self.oauth.token(form), {"Cache-Control": "no-store"})
            if path == "/revoke":
                return as_json(*self.oauth.revoke(form, query))
            if path == "/standin/write":
                return self.write(form)
        return as_json(404, {"error": {"code": 404, "message": "Not Found"}})

    # -- API -----------------------------------------------------------

    def api(self, request):
        query = parse_qs(request.query_string.decode())
        headers = {k.lower(): v for k, v in request.headers.items()}
        body = request.get_data()
        with self.running([headers.get("authorization", "")]) as (room,):
            time.sleep(self.store.latency)
            return self.call(request.method, request.path, query, headers, body, room)

    def people_api(self, request):
        """Answer for the People API, which does not count how many calls run."""
        query = parse_qs(request.query_string.decode())
        time.sleep(self.store.latency)
        authorization = request.headers.get("Authorization", "")
        return self.people_call(
            request, request.method, request.path, query, authorization
        )

    def people_call(self, request, method, path, query, authorization):
        headers = {"authorization": authorization}
        call = people.Call(self.store, method, path, query, headers, b"")
        call.origin = request.host_url.rstrip("/")
        try:
            return people.dispatch(call)
        except gmail.ApiError as error:
            return error.status, error.body, error.headers

    @contextmanager
    def running(self, authorizations):
        """Have calls run at once; give whether there is room for each."""
        store, taken, room = self.store, [], []
        with store.lock:
            for authorization in authorizations:
                access = gmail.access_of(store, authorization)
                account = access and access[0]
                most = store.most_concurrent
                room.append(not account or most is None or account.running < most)
                if account and room[-1]:
                    account.running += 1
                    taken.append(account)
        try:
            yield room
        finally:
            with store.lock:
                for account in taken:
                    account.running -= 1

    def call(self, method, path, query, headers, body, room):
        call = gmail.Call(self.store, method, path, query, headers, body)
        call.room = room
        try:
            return gmail.dispatch(call)
        except gmail.ApiError as error:
            return error.status, error.body, error.headers

    def batch(self, request):
        """Answer a multipart/mixed request, each part by itself (batch guide)."""
        if request.method != "POST":
            return as_json(404, {"error": {"code": 404, "message": "Not Found"}})
        head = f"Content-Type: {request.headers.get('Content-Type', '')}\r\n\r\n"
        message = email.message_from_bytes(
            head.encode() + request.get_data(), policy=email.policy.compat32
        )
        parts = message.get_payload() if message.is_multipart() else []
        if not parts or len(parts) > BATCH_LIMIT:
            text = (
                "Inner request count exceeds the limit. "
                f"Received: {len(parts)}, Limit: {BATCH_LIMIT}"
            )
            text = text if parts else "Empty batch"
            error = gmail.ApiError(400, "badRequest", text)
            return as_json(400, error.body)
        outer = request.headers.get("Authorization", "")
        calls = [Inner(part, outer) for part in parts]
        # Each API has its own address for batches; one of them serves all here.
        for call in calls if request.path == "/batch" else ():
            call.of_people = bool(call.target) and call.target.path.startswith("/v1/")
        authorizations = [
            "" if call.of_people else call.headers["authorization"] for call in calls
        ]
        with self.running(authorizations) as room:
            time.sleep(self.store.latency)
            answers = [
                self.part(request, *both) for both in zip(calls, room, strict=True)
            ]
        return faults.Parts(
            faults.part_of((part["Content-ID"] or "").strip("<> "), *answer)
            for part, answer in zip(parts, answers, strict=True)
        )

    def part(self, request, inner, room):
        if not inner.method:
            error = gmail.ApiError(400, "badRequest", "Failed to parse batch part")
            return 400, error.body, {}
        method, target = inner.method, inner.target
        query = parse_qs(target.query)
        authorization = inner.headers["authorization"]

        def true_answer():
            if inner.of_people:
                return self.people_call(
                    request, method, target.path, query, authorization
                )
            return self.call(
                method, target.path, query, inner.headers, inner.body, room
            )

        answer = self.perhaps(
            method, target.path, authorization, true_answer, in_batch=True
        )
        status, found = answer[:2]
        extra = answer[2] if len(answer) > 2 else {}
        self.note(method, target.path, status, batch=True, query=target.query)
        return status, found, extra

    # -- control -------------------------------------------------------

    def control(self, request, path):
        given = {}
        if request.method == "POST" and request.is_json:
            given = request.get_json()
        with self.store.lock:
            try:
                return as_json(200, self.controlled(path, request.args, given))
            except Unknown as error:
                return as_json(404, {"error": f"unknown: {error}"})

    def controlled(self, path, args, given):
        """Read or change the state, by the path below ``/__standin__/``.

        - ``settings``: those of the store, or ``reset``;
        - ``accounts``: an ``account`` with new values, ``add_labels`` ({id: name}),
          ``rename`` or an ``action``
          (revoke, password, expire_history, prepare, which makes first answers as fast
          as later ones, or grant with ``scopes``, which gives tokens); or the action
          add with ``email`` and ``name``, add_many with ``prefix``, ``domain`` and
          ``count``, or grant_many with ``accounts`` and ``scopes``;
        - ``messages``: those of an ``account`` (with ``brief``, ids and labels alone),
          a new one, or a change of one;
        - ``contacts``: the people of an ``account``, their photos' addresses without
          the host; or changes: ``clear``, which deletes people and groups;
          ``add_groups`` ({id: name}); ``add_many`` ({count, seed}), who are made up
          and the same for the same seed; ``add`` ([person, ...] in Google's JSON, but
          for what Google derives); ``change`` ({resource name: {field: value}}, None
          takes the field away); ``photos`` ({resource name: how it errs, or None});
          ``delete`` ([resource name, ...]); ``expire_sync``, which ends the sync tokens
          given so far. It answers with the ``resourceNames`` of the new people. A
          person's ``photo`` is True, or how its address errs: ``status``,
          ``redirect`` (to an address), ``as_type``, ``body`` (a text in the place of
          the picture), ``bytes`` (filled up to so many), ``no_length`` (no
          Content-Length); whoever has none gets Google's default;
        - ``faults``: the next ``count`` requests whose path matches ``path`` get
          ``status`` and ``body``, after ``delay`` seconds; with ``pass`` the true
          answer; with ``drop`` none, whether or not the work was done; only those of
          an ``account``; only the parts of a batch with ``in_batch`` true, only whole
          requests with false; with a ``chance`` below 1, by the throws of ``seed``.
          With ``as_type`` the answer is of that content type, of status 200. The true
          answer is changed by ``truncate`` (to bytes, or a share of them),
          ``lose_parts`` (indexes, or how many from the end), ``shuffle`` and
          ``unmatched`` (parts of a batch), ``repeat_history``,
          ``reorder_history`` and ``empty_page`` (nothing yet, and a token for the
          page). ``faults/hits`` tells what was hit;
        - ``clock``: ``forward`` by seconds;
        - ``units``: what each account and the project spent, and its calls of the
          People API, which cost none; ``reset`` forgets it;
        - ``log``: the requests that came; status 0 got no answer.
        """
        name, _slash, rest = path.partition("/")
        control = getattr(self, f"control_{name}", None)
        if not control:
            raise Unknown(name)
        return control(rest, args, given)

    def control_accounts(self, _rest, _args, given):
        if given:
            answer = self.change_account(dict(given))
            if answer is not None:
                return answer
        return [
            {
                "email": a.email,
                "name": a.name,
                "messages": len(a.messages),
                "contacts": len(a.contacts),
                "connected": a.sub in self.store.grants,
                "history_id": str(a.history_id),
                **{key: getattr(a, key) for key in ACCOUNT_KEYS},
            }
            for a in self.store.accounts.values()
        ]

    def control_messages(self, rest, args, given):
        store = self.store
        account = store.accounts[given.get("account") or args.get("account")]
        if not given:
            if args.get("brief"):
                return [
                    {
                        "id": m.id,
                        "threadId": m.thread_id,
                        "labelIds": sorted(m.labels),
                    }
                    for m in account.messages.values()
                ]
            return [shown(m) for m in account.messages.values()]
        if rest:
            return self.change(account, account.messages[rest], given)
        raw = base64.b64decode(given["raw"])
        date = min(date_of(raw, store.now()), store.now())
        labels = given.get("labels")
        labels = ["INBOX", "UNREAD"] if labels is None else labels
        return shown(store.add(account, raw, labels, date=date))

    def control_contacts(self, _rest, args, given):
        store = self.store
        address = given.get("account") or args.get("account")
        account = store.accounts.get(address)
        if not account:
            raise Unknown(address)
        if not given:
            return list(account.contacts.values())
        for key in given.keys() - {"account", *CONTACT_KEYS}:
            raise Unknown(key)
        try:
            return {"resourceNames": self.change_contacts(account, given)}
        except contacts.Wrong as error:
            raise Unknown(error) from error

    def change_contacts(self, account, given):
        store, added = self.store, []
        if given.get("clear"):
            contacts.clear(store, account)
        for group, name in given.get("add_groups", {}).items():
            contacts.add_group(store, account, group, name)
        if given.get("add_many"):
            added += contacts.add_many(store, account, **given["add_many"])
        for person in given.get("add", ()):
            added.append(contacts.add(store, account, person))
        for name, fields in given.get("change", {}).items():
            contacts.change(store, account, name, fields)
        for name, errs in given.get("photos", {}).items():
            contacts.set_photo(store, account, name, errs)
        for name in given.get("delete", ()):
            contacts.delete(store, account, name)
        if given.get("expire_sync"):
            contacts.expire_sync(account)
        return added

    def control_faults(self, rest, args, given):
        store = self.store
        if rest == "hits":
            return store.fault_hits
        if given:
            for key in given.keys() - faults.KNOWN:
                raise Unknown(key)
            store.faults.append(faults.new(given))
        elif args.get("clear"):
            store.faults.clear()
        return store.faults

    def control_clock(self, _rest, _args, given):
        for key in given.keys() - {"forward"}:
            raise Unknown(key)
        self.store.offset += float(given.get("forward", 0))
        return {"now": self.store.now()}

    def control_log(self, _rest, _args, _given):
        return self.store.requests

    def control_units(self, _rest, _args, given):
        store = self.store
        if given.get("reset"):
            store.forget_units()
        now = store.now()
        units = {
            a.email: {**a.meter.shown(now), **people.usage(a, now)}
            for a in store.accounts.values()
            if a.meter.total or a.meter.refused or people.usage(a, now)
        }
        return {**units, "project": store.project_meter.shown(now)}

    def control_settings(self, _rest, _args, given):
        store = self.store
        if given.get("reset"):
            store.reset()
            self.fill()
        known = (*SETTINGS, *COMMAND_LINE)
        for key in given.keys() - {"reset"}:
            if key not in known:
                raise Unknown(key)
            if given[key] not in CHOICES.get(key, (given[key],)):
                raise Unknown(given[key])
            setattr(store, key, given[key])
        return {key: getattr(store, key) for key in known}

    def change_account(self, given):
        store, action = self.store, given.pop("action", None)
        if action == "add":
            given.pop("account", None)
            store.add_account(given.pop("email"), **given)
            return None
        if action == "add_many":
            return {"accounts": store.add_accounts(**given)}
        if action == "grant_many":
            return {
                address: self.granted(store.accounts[address], given["scopes"])
                for address in given["accounts"]
            }
        account = store.accounts[given.pop("account")]
        if action == "revoke":
            store.end_grant(account)
        elif action == "password":
            store.change_password(account)
        elif action == "prepare":
            gmail.prepare(account)
        elif action == "expire_history":
            store.expire_history(account)
        elif action == "grant":
            return self.granted(account, **given)
        elif action:
            raise Unknown(action)
        account.labels.update(given.pop("add_labels", {}))
        if "rename" in given:
            store.rename(account, given.pop("rename"))
        for key, value in given.items():
            if key not in ACCOUNT_KEYS:
                raise Unknown(key)
            setattr(account, key, value)
        return None

    def granted(self, account, scopes, client_id=CLIENT_ID):
        """Return tokens without the pages' walk, for benches that connect many."""
        if client_id != CLIENT_ID:
            raise Unknown(client_id)
        code = f"grant-{secrets.token_hex(8)}"
        grant = self.store.grant(account, scopes)
        return {
            "refresh_token": self.store.new_refresh_token(grant, scopes, code),
            "access_token": self.store.new_access_token(grant, scopes, code),
            "sub": account.sub,
            "expires_in": self.store.token_lifetime,
        }

    def change(self, account, message, given):
        if given["action"] == "delete":
            self.store.delete(account, message)
            return {}
        if given["action"] == "move":
            self.store.move(message, given["thread"])
            return shown(message)
        self.store.modify(
            account, message, given.get("add") or (), given.get("remove") or ()
        )
        return shown(message)

    # -- the page for people -------------------------------------------

    def home(self):
        rows = "".join(
            f"<tr><td>{a.email}</td><td>{len(a.messages)}</td>"
            f"<td>{'connected' if a.sub in self.store.grants else ''}</td></tr>"
            for a in self.store.accounts.values()
        )
        options = "".join(f"<option>{a}</option>" for a in self.store.accounts)
        latest = "".join(
            f"<li>{html.escape(text_of(m.header('Subject')) or '(no subject)')} "
            f"<small>{html.escape(a.email)}</small></li>"
            for a in self.store.accounts.values()
            for m in sorted(a.messages.values(), key=lambda m: -m.internal_date)[:4]
        )
        return oauth.page(
            "Stand-in Google",
            f"<table><tr><th>Account<th>Messages<th></tr>{rows}</table>"
            "<h2>Write to an account, as a customer</h2>"
            "<form method=post action=/standin/write>"
            "<p>From <input name=from value='Carla Roth &lt;carla@customer.test&gt;'>"
            f"<p>To <select name=to>{options}</select>"
            "<p>Subject <input name=subject value='A question'>"
            "<p><textarea name=body rows=4 cols=40>Hello, is my order on its way?"
            "</textarea><p><button class=primary>Send</button></form>"
            f"<h2>Newest</h2><ul>{latest}</ul>",
        )

    def write(self, form):
        def one(name):
            return " ".join((form.get(name) or [""])[0].split())

        account = self.store.accounts.get(one("to"))
        if not account:
            raise oauth.Refused("No such account.")
        message = EmailMessage()
        message["From"], message["To"] = one("from"), one("to")
        message["Subject"] = one("subject")
        message["Date"] = email.utils.formatdate(self.store.now())
        message["Message-ID"] = email.utils.make_msgid(domain="customer.test")
        message.set_content((form.get("body") or [""])[0])
        self.store.add(account, message.as_bytes(), {"INBOX", "UNREAD"})
        return Response(status=303, headers={"Location": "/"})


def shown(message):
    return {
        "id": message.id,
        "threadId": message.thread_id,
        "labelIds": sorted(message.labels),
        "source": message.source,
        "headers": message.root.headers(),
        "raw": message.raw.decode("utf-8", "replace"),
        "text": message.text(),
    }
