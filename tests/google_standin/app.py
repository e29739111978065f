"""The WSGI application: routing, batches, faults, control and the human page."""

import base64
import email
import email.policy
import html
import json
import re
import threading
import time
from email.message import EmailMessage
from urllib.parse import parse_qs, urlsplit

from werkzeug.wrappers import Request, Response

from . import gmail, oauth
from .store import date_of, text_of

BATCH_LIMIT = 100
REQUEST_LINE = re.compile(rb"(GET|POST|PUT|PATCH|DELETE)\s+(\S+)(?:\s+HTTP/1\.1)?\s*$")


def as_json(status, body, headers=None):
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    response = Response(content, status=status, mimetype="application/json")
    response.headers.extend(headers or {})
    return response


class Standin:
    """One Google on one origin."""

    def __init__(self, store, *, latency=0.0, fill=None):
        self.store = store
        self.fill = fill or (lambda: None)
        self.oauth = oauth.OAuth(store)
        self.latency = latency
        self._log_lock = threading.Lock()

    def __call__(self, environ, start_response):
        request = Request(environ)
        request.max_content_length = 64 * 1024 * 1024
        if self.latency and not request.path.startswith("/__standin__"):
            time.sleep(self.latency)
        try:
            response = self.answer(request)
        except oauth.Refused as error:
            text = oauth.page("Access blocked", f"<p>{html.escape(str(error))}</p>")
            response = Response(text, status=400, mimetype="text/html")
        if not request.path.startswith("/__standin__"):
            self.note(request.method, request.path, response.status_code)
        return response(environ, start_response)

    def note(self, method, path, status, account=None, batch=False):
        with self._log_lock:
            self.store.requests.append(
                {
                    "method": method,
                    "path": path,
                    "status": status,
                    "account": account,
                    "batch": batch,
                }
            )

    def answer(self, request):
        path = request.path
        if path.startswith("/__standin__/"):
            return self.control(request, path.removeprefix("/__standin__/"))
        fault = self.fault(request.method, path)
        if fault:
            return fault
        if path.startswith(("/gmail/", "/upload/gmail/")):
            return self.api(request)
        if path in ("/batch", "/batch/gmail/v1"):
            return self.batch(request)
        query = parse_qs(request.query_string.decode(), keep_blank_values=True)
        if request.method == "GET":
            return self.get(path, query)
        form = parse_qs(request.get_data().decode("utf-8", "replace"))
        if request.method == "POST":
            return self.post(path, form, query)
        return as_json(405, {"error": "method_not_allowed"})

    def fault(self, method, path):
        """Return the answer of a fault that control asked for, once per count."""
        with self.store.lock:
            for fault in self.store.faults:
                if fault["method"] in ("*", method) and re.search(fault["path"], path):
                    fault["count"] -= 1
                    if fault["count"] <= 0:
                        self.store.faults.remove(fault)
                    return as_json(fault["status"], fault["body"], fault.get("headers"))
        return None

    def get(self, path, query):
        if path == "/o/oauth2/v2/auth":
            return Response(self.oauth.start(query), mimetype="text/html")
        if path == "/oauth2/v3/certs":
            return as_json(
                200, self.oauth.keys.jwks(), {"Cache-Control": "public, max-age=3600"}
            )
        if path == "/oauth2/v1/certs":
            return as_json(
                200,
                {oauth.KEY_ID: self.oauth.keys.pem},
                {"Cache-Control": "public, max-age=3600"},
            )
        if path == "/":
            return Response(self.home(), mimetype="text/html")
        return as_json(404, {"error": {"code": 404, "message": "Not Found"}})

    def post(self, path, form, query):
        pages = {
            "/standin/choose": self.oauth.choose,
            "/standin/verify": self.oauth.verify,
        }
        redirects = {
            "/standin/consent": self.oauth.allow,
            "/standin/cancel": self.oauth.cancel,
        }
        with self.store.lock:
            if path in pages:
                return Response(pages[path](form), mimetype="text/html")
            if path in redirects:
                return Response(status=302, headers={"Location": redirects[path](form)})
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
        return as_json(*self.call(request.method, request.path, query, headers, body))

    def call(self, method, path, query, headers, body):
        call = gmail.Call(self.store, method, path, query, headers, body)
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
            head.encode() + request.get_data(), policy=email.policy.HTTP
        )
        parts = message.get_payload() if message.is_multipart() else []
        if not parts or len(parts) > BATCH_LIMIT:
            text = "The batch request is empty or has too many calls"
            error = gmail.ApiError(400, "badRequest", text)
            return as_json(400, error.body)
        boundary = "batch_standin"
        pieces = []
        for part in parts:
            outer = request.headers.get("Authorization", "")
            status, body, headers = self.part(part, outer)
            content = (
                b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
            )
            lines = [
                f"--{boundary}",
                "Content-Type: application/http",
                f"Content-ID: <response-{(part['Content-ID'] or '').strip('<> ')}>",
                "",
                f"HTTP/1.1 {status} {'OK' if status < 300 else 'Error'}",
                "Content-Type: application/json; charset=UTF-8",
                *(f"{k}: {v}" for k, v in headers.items()),
                f"Content-Length: {len(content)}",
                "",
                "",
            ]
            pieces.append("\r\n".join(lines).encode() + content + b"\r\n")
        pieces.append(f"--{boundary}--\r\n".encode())
        return Response(
            b"".join(pieces), content_type=f"multipart/mixed; boundary={boundary}"
        )

    def part(self, part, outer):
        inner = part.get_payload(decode=True) or b""
        line, _end, rest = inner.replace(b"\r\n", b"\n").partition(b"\n")
        match = REQUEST_LINE.match(line)
        if not match:
            error = gmail.ApiError(400, "badRequest", "Failed to parse batch part")
            return 400, error.body, {}
        head, _end, body = rest.partition(b"\n\n")
        headers = {"authorization": outer}
        for row in head.decode("latin-1").splitlines():
            name, colon, value = row.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        method, target = match[1].decode(), urlsplit(match[2].decode())
        fault = self.fault(method, target.path)
        if fault:
            status, found, extra = fault.status_code, json.loads(fault.data), {}
        else:
            answer = self.call(
                method, target.path, parse_qs(target.query), headers, body
            )
            status, found = answer[:2]
            extra = answer[2] if len(answer) > 2 else {}
        self.note(method, target.path, status, batch=True)
        return status, found, extra

    # -- control -------------------------------------------------------

    def control(self, request, path):
        given = {}
        if request.method == "POST" and request.is_json:
            given = request.get_json()
        with self.store.lock:
            return as_json(200, self.controlled(path, request.args, given))

    def controlled(self, path, args, given):  # noqa: C901
        store = self.store
        name, _slash, rest = path.partition("/")
        if name == "accounts":
            if given.get("action") == "revoke":
                store.grants.pop(store.accounts[given["account"]].sub, None)
            for key in ("sub", "email_verified"):
                if key in given:
                    setattr(store.accounts[given["account"]], key, given[key])
            return [
                {
                    "email": a.email,
                    "name": a.name,
                    "messages": len(a.messages),
                    "connected": a.sub in store.grants,
                }
                for a in store.accounts.values()
            ]
        if name == "messages":
            account = store.accounts[given.get("account") or args.get("account")]
            if not given:
                return [shown(m) for m in account.messages.values()]
            if rest:
                return self.change(account, account.messages[rest], given)
            raw = base64.b64decode(given["raw"])
            date = min(date_of(raw, store.now()), store.now())
            labels = given.get("labels")
            labels = ["INBOX", "UNREAD"] if labels is None else labels
            message = store.add(account, raw, labels, date=date)
            return shown(message)
        if name == "faults":
            if given:
                store.faults.append(
                    {"method": "*", "count": 1, "body": {}, "status": 500, **given}
                )
            elif args.get("clear"):
                store.faults.clear()
            return store.faults
        if name == "clock":
            store.offset += float(given.get("forward", 0))
            return {"now": store.now()}
        if name == "log":
            return store.requests
        if name == "settings":
            if given.get("reset"):
                store.reset()
                self.fill()
            for key in (
                "keep_message_id",
                "history_retention",
                "token_lifetime",
                "lies",
                "rotate_refresh_tokens",
            ):
                if key in given:
                    setattr(store, key, given[key])
            return {"keep_message_id": store.keep_message_id}
        return {"error": "unknown"}

    def change(self, account, message, given):
        if given["action"] == "delete":
            self.store.delete(account, message)
            return {}
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
