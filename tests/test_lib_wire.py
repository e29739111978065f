"""Transport, OAuth and Gmail client against a small server on this machine."""

import base64
import contextlib
import gzip
import json
import re
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from odoo.addons.gmail_oauth_mailbox.lib import errors, oauth
from odoo.addons.gmail_oauth_mailbox.lib.gmail_api import GmailClient, Ways
from odoo.addons.gmail_oauth_mailbox.lib.transport import Transport
from odoo.addons.gmail_oauth_mailbox.lib.types import Label, MessageRef, ParsedMessage

NOW = datetime(2026, 11, 24, 12, 0, 0)
QUOTA = {"error": {"message": "slow down", "errors": [{"reason": "rateLimitExceeded"}]}}
CONCURRENT = {
    "error": {
        "message": "Too many concurrent requests for user",
        "errors": [{"reason": "rateLimitExceeded"}],
    }
}
NOT_FOUND = {"error": {"message": "no", "errors": [{"reason": "notFound"}]}}


class Wire:
    """A server whose answers are set by the test, and which notes what came.

    ``answer`` takes a request (method, path, query, headers, body) and returns
    (status, headers, body); a dict as body becomes JSON.
    """

    def __init__(self):
        wire = self
        self.requests = []
        self.answer = lambda request: (200, {}, {})

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                size = int(self.headers.get("Content-Length") or 0)
                address = urlsplit(self.path)
                request = SimpleNamespace(
                    method=self.command,
                    path=address.path,
                    query=parse_qs(address.query),
                    headers=self.headers,
                    body=self.rfile.read(size),
                    token=(self.headers.get("Authorization") or "")[7:],
                )
                wire.requests.append(request)
                status, headers, body = wire.answer(request)
                if status is None:
                    # The connection breaks without an answer.
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if isinstance(body, dict):
                    body = json.dumps(body).encode()
                    headers = {"Content-Type": "application/json", **headers}
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = serve

            def log_message(self, *_args):
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A client that hangs up is part of the tests.
        self.server.handle_error = lambda *_args: None
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.endpoints = oauth.Endpoints.for_origin(self.origin)
        threading.Thread(
            target=self.server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def transport():
    return Transport(connect_timeout=2, read_timeout=2)


# ----------------------------------------------------------------------
# Transport
# ----------------------------------------------------------------------


def test_answers_of_any_status_come_back(wire, transport):
    wire.answer = lambda request: (418, {"X-A": "b"}, b"tea")
    answer = transport.request("POST", wire.origin + "/x", data={"a": "ü"})
    assert (answer.status, answer.headers["x-a"], answer.body) == (418, "b", b"tea")
    assert parse_qs(wire.requests[0].body.decode()) == {"a": ["ü"]}


def test_point_22_redirects_are_not_followed(wire, transport):
    wire.answer = lambda request: (302, {"Location": "http://127.0.0.1:1/"}, b"")
    assert transport.request("GET", wire.origin).status == 302
    assert len(wire.requests) == 1


def test_no_cookie_and_no_password_from_a_netrc(wire, transport, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    wire.answer = lambda request: (200, {"Set-Cookie": "a=b"}, b"")
    for _ in range(2):
        transport.request("GET", wire.origin, headers={"Authorization": "Bearer x"})
    assert [r.headers["Authorization"] for r in wire.requests] == ["Bearer x"] * 2
    assert [r.headers["Cookie"] for r in wire.requests] == [None] * 2


def test_too_large_answers_are_refused_compressed_ones_too(wire):
    transport = Transport(max_bytes=10_000)
    bomb = gzip.compress(b"0" * 1_000_000)
    for headers, body in [
        ({}, b"0" * 10_001),
        ({"Content-Encoding": "gzip"}, bomb),
    ]:
        wire.answer = lambda request, h=headers, b=body: (200, h, b)
        with pytest.raises(errors.RequestRefused) as caught:
            transport.request("GET", wire.origin)
        assert caught.value.code == "too_large"


def test_nobody_listens(transport):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.Unreachable) as caught:
        transport.request("POST", f"http://127.0.0.1:{port}/?code=secret")
    assert caught.value.sent_maybe is False
    assert "secret" not in str(caught.value)


def test_point_22_silence_and_slow_drips_end(wire):
    wire.answer = lambda request: time.sleep(0.6) or (200, {}, b"late")
    with pytest.raises(errors.Unreachable) as caught:
        Transport(read_timeout=0.2).request("GET", wire.origin)
    assert caught.value.sent_maybe is True
    assert len(wire.requests) == 1
    wire.answer = lambda request: (200, {}, b"0" * 1_000_000)
    with pytest.raises(errors.Unreachable):
        Transport(total_timeout=0).request("GET", wire.origin)


def test_a_lost_connection_is_tried_again_only_where_it_does_no_harm(wire, transport):
    def broken_once(request):
        return (None, {}, b"") if len(wire.requests) == 1 else (200, {}, b"ok")

    wire.answer = broken_once
    assert transport.request("GET", wire.origin).body == b"ok"
    wire.requests.clear()
    with pytest.raises(errors.Unreachable) as caught:
        transport.request("POST", wire.origin, data=b"x")
    assert caught.value.sent_maybe is True
    assert len(wire.requests) == 1


# ----------------------------------------------------------------------
# OAuth
# ----------------------------------------------------------------------


def test_point_22_real_endpoints_are_googles_over_tls():
    endpoints = oauth.Endpoints.for_origin(None)
    assert endpoints.origin is None
    for name in ("authorization", "token", "revoke", "certs", "gmail", "batch"):
        address = urlsplit(getattr(endpoints, name))
        assert address.scheme == "https"
        assert address.hostname.endswith((".google.com", ".googleapis.com"))


def test_one_origin_stands_in_for_all():
    endpoints = oauth.Endpoints.for_origin("http://localhost:8070/")
    assert endpoints.origin == "http://localhost:8070"
    assert endpoints.authorization == "http://localhost:8070/o/oauth2/v2/auth"
    assert endpoints.batch == "http://localhost:8070/batch/gmail/v1"
    assert endpoints.gmail == "http://localhost:8070/"


def test_authorization_url():
    verifier = oauth.new_verifier()
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier)
    assert verifier != oauth.new_verifier()
    url = oauth.authorization_url(
        oauth.Endpoints.for_origin(None),
        client_id="id",
        redirect_uri="https://odoo.example.com/gmail_oauth_mailbox/callback",
        scopes=[oauth.SCOPE_OPENID, oauth.SCOPE_READ],
        state="s&t",
        nonce="n",
        code_challenge=oauth.challenge(verifier),
        login_hint="anna+x@example.com",
        prompt="select_account consent",
    )
    query = dict(parse_qsl(urlsplit(url).query))
    assert query["scope"] == f"openid {oauth.SCOPE_READ}"
    assert query["access_type"] == "offline"
    assert query["code_challenge_method"] == "S256"
    assert query["state"] == "s&t"
    assert query["login_hint"] == "anna+x@example.com"
    assert query["prompt"] == "select_account consent"
    assert "include_granted_scopes" not in query
    assert verifier not in url


def exchange(wire, transport):
    return oauth.exchange_code(
        transport,
        wire.endpoints,
        client_id="id",
        client_secret="secret",
        redirect_uri="https://o/cb",
        code="4/code",
        verifier="v",
        now=NOW,
    )


def renew(wire, transport):
    return oauth.refresh(
        transport,
        wire.endpoints,
        client_id="id",
        client_secret="secret",
        refresh_token="1//r",
        now=NOW,
    )


def test_exchange(wire, transport):
    wire.answer = lambda request: (
        200,
        {},
        {
            "access_token": "ya29.a",
            "expires_in": 3599,
            "refresh_token": "1//r",
            "scope": "openid https://www.googleapis.com/auth/userinfo.email "
            + oauth.SCOPE_READ,
            "id_token": "e.y.J",
        },
    )
    tokens = exchange(wire, transport)
    assert tokens.access_token == "ya29.a"
    assert tokens.expires_at == NOW + timedelta(seconds=3599)
    assert tokens.scopes == {oauth.SCOPE_OPENID, oauth.SCOPE_EMAIL, oauth.SCOPE_READ}
    assert "ya29" not in repr(tokens) and "1//r" not in repr(tokens)
    request = wire.requests[0]
    form = parse_qs(request.body.decode())
    assert (request.path, request.query) == ("/token", {})
    assert form["code_verifier"] == ["v"]
    assert form["grant_type"] == ["authorization_code"]


def test_refresh_keeps_silent_about_what_google_leaves_out(wire, transport):
    wire.answer = lambda request: (200, {}, {"access_token": "b", "expires_in": "60"})
    tokens = renew(wire, transport)
    assert (tokens.refresh_token, tokens.id_token) == (None, None)
    assert tokens.scopes == frozenset()
    assert tokens.expires_at == NOW + timedelta(seconds=60)


def test_a_dead_refresh_token_and_a_used_code_are_different_things(wire, transport):
    wire.answer = lambda request: (400, {}, {"error": "invalid_grant"})
    with pytest.raises(errors.ReconnectNeeded):
        renew(wire, transport)
    with pytest.raises(errors.RequestRefused) as caught:
        exchange(wire, transport)
    assert caught.value.code == "code_refused"


def test_a_token_of_another_client_asks_to_reconnect(wire, transport):
    """The administrator entered another client: its tokens are not this one's."""
    wire.answer = lambda request: (401, {}, {"error": "unauthorized_client"})
    with pytest.raises(errors.ReconnectNeeded) as caught:
        renew(wire, transport)
    assert caught.value.code == "client_changed"


@pytest.mark.parametrize(
    "body",
    [b"<html>", {}, {"access_token": "", "expires_in": 1}, {"access_token": "x"}],
)
def test_half_a_token_answer(wire, transport, body):
    wire.answer = lambda request: (200, {}, body)
    with pytest.raises(errors.RetryLater):
        renew(wire, transport)


def test_revoke(wire, transport):
    for status, body in [
        (200, {}),
        (400, {"error": "invalid_token"}),
    ]:
        wire.answer = lambda request, s=status, b=body: (s, {}, b)
        oauth.revoke(transport, wire.endpoints, "1//r")
    assert all(r.query == {} and b"token=" in r.body for r in wire.requests)
    wire.answer = lambda request: (503, {}, b"")
    with pytest.raises(errors.RetryLater):
        oauth.revoke(transport, wire.endpoints, "1//r")


class Issuer:
    """Signs id_tokens as Google does, with keys made for the test."""

    def __init__(self, wire, max_age=600):
        self.keys, self.certs, self.max_age = {}, {}, max_age
        wire.answer = lambda request: (
            200,
            {"Cache-Control": f"public, max-age={self.max_age}"},
            self.certs,
        )

    def add(self, kid):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kid)])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.certs[kid] = certificate.public_bytes(serialization.Encoding.PEM).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self.keys[kid] = crypt.RSASigner.from_string(private, key_id=kid)
        return self

    def token(self, kid, **changes):
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": "id",
            "sub": "117",
            "email": "anna@example.com",
            "email_verified": True,
            "nonce": "n",
            "iat": now,
            "exp": now + 3600,
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.keys[kid], claims).decode()


def verify(wire, transport, token, nonce="n"):
    return oauth.verify_id_token(
        transport, wire.endpoints, token, client_id="id", nonce=nonce
    )


def test_id_token(wire, transport):
    issuer = Issuer(wire).add("k1")
    identity = verify(wire, transport, issuer.token("k1", hd="example.com"))
    assert identity.sub == "117"
    assert identity.email == "anna@example.com"
    assert identity.email_verified is True
    assert identity.hosted_domain == "example.com"
    assert not verify(
        wire, transport, issuer.token("k1", email_verified=False)
    ).email_verified
    # The certificates are kept as long as Google allows, …
    assert len(wire.requests) == 1
    # … but a key that is not among them is looked for once.
    issuer.add("k2")
    assert verify(wire, transport, issuer.token("k2")).sub == "117"
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example.com"},
        {"aud": "other"},
        {"aud": ["id", "other"]},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": None},
        {"email": None},
        {"exp": 1},
        {"iat": 99999999999},
    ],
    ids=str,
)
def test_id_tokens_that_do_not_hold(wire, transport, changes):
    issuer = Issuer(wire).add("k1")
    with pytest.raises(errors.RequestRefused) as caught:
        verify(wire, transport, issuer.token("k1", **changes))
    assert caught.value.code == "id_token"


def test_id_tokens_of_somebody_else(wire, transport):
    issuer = Issuer(wire).add("k1")
    forged = Issuer(wire).add("k1").token("k1")
    wire.answer = lambda request: (200, {}, issuer.certs)
    head, claims, _signature = issuer.token("k1").split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    for token in ("", "x", "a.b.c", forged, f"{head}.{claims}.", f"{none}.{claims}."):
        with pytest.raises(errors.RequestRefused):
            verify(wire, transport, token)
    with pytest.raises(errors.RequestRefused):
        verify(wire, transport, issuer.token("k1", nonce=""), nonce="")


def test_no_certificates_means_later(wire, transport):
    token = Issuer(wire).add("k1").token("k1")
    for status, body in [(500, b""), (200, b"<html>"), (200, {"k1": 5})]:
        wire.answer = lambda request, s=status, b=body: (s, {}, b)
        with pytest.raises(errors.RetryLater):
            verify(wire, transport, token)


# ----------------------------------------------------------------------
# Gmail
# ----------------------------------------------------------------------


def message(gmail_id, text="hello"):
    data = base64.urlsafe_b64encode(text.encode()).decode()
    return {
        "id": gmail_id,
        "threadId": f"t-{gmail_id}",
        "labelIds": ["INBOX"],
        "internalDate": "1700000000000",
        "payload": {
            "mimeType": "text/plain",
            "headers": [{"name": "Subject", "value": f"No {gmail_id}"}],
            "body": {"size": len(text), "data": data},
        },
    }


class Gmail:
    """Serves batches of messages.get; ``part`` decides on each part."""

    def __init__(self, wire):
        self.wire = wire
        self.sizes = []
        self.part = lambda gmail_id, count: (200, message(gmail_id))
        self.single = lambda request: (503, {}, b"")
        self.asked = {}
        wire.answer = self.answer

    def answer(self, request):
        if request.path != "/batch/gmail/v1":
            return self.single(request)
        found = re.findall(
            rb"Content-ID: <([\w-]+)>\r\n\r\n"
            rb"GET /gmail/v1/users/me/(?:messages|threads)/([\w-]+)\?",
            request.body,
        )
        token = re.search(rb"Authorization: Bearer (\S+)", request.body)
        self.token = token[1].decode() if token else request.token
        self.sizes.append(len(found))
        pieces = []
        for key, gmail_id in found:
            gmail_id = gmail_id.decode()
            self.asked[gmail_id] = self.asked.get(gmail_id, 0) + 1
            answer = self.part(gmail_id, self.asked[gmail_id])
            if answer is None:
                continue
            status, body = answer
            body = json.dumps(body).encode() if isinstance(body, dict) else body
            pieces.append(
                b"--b1\r\nContent-Type: application/http\r\nContent-ID: <response-"
                + key
                + f">\r\n\r\nHTTP/1.1 {status} Any\r\n".encode()
                + b"Content-Type: application/json\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
        # Google promises the order of the request; nothing here relies on it.
        body = b"\r\n".join([*reversed(pieces), b"--b1--", b""])
        return 200, {"Content-Type": "multipart/mixed; boundary=b1"}, body


@pytest.fixture
def gmail(wire):
    return Gmail(wire)


@pytest.fixture
def client(wire, transport):
    client = GmailClient(
        transport, wire.endpoints, "t0", renew=lambda: "t1", sleep=pauses.append
    )
    pauses.clear()
    return client


pauses = []
IDS = [f"m{number}" for number in range(60)]


def test_calls_become_values(wire, client):
    answers = {
        "/gmail/v1/users/me/profile": {
            "emailAddress": "a@example.com",
            "messagesTotal": 5,
            "threadsTotal": 3,
            "historyId": "99999999999999999999999",
        },
        "/gmail/v1/users/me/labels": {
            "labels": [
                {"id": "INBOX", "name": "INBOX", "type": "system"},
                {"id": "Label_1", "name": "Büro", "type": "user"},
            ]
        },
        "/gmail/v1/users/me/messages": {
            "messages": [{"id": "a", "threadId": "b"}],
            "nextPageToken": "2",
            "resultSizeEstimate": 201,
        },
        "/gmail/v1/users/me/settings/sendAs": {
            "sendAs": [{"sendAsEmail": "a@example.com", "isPrimary": True}]
        },
        "/gmail/v1/users/me/threads/t": {"messages": [message("a"), message("b")]},
        "/gmail/v1/users/me/messages/a/attachments/x": {"data": "-_8="},
    }
    wire.answer = lambda request: (200, {}, answers[request.path])
    profile = client.profile()
    assert profile.history_id == "99999999999999999999999"
    assert (profile.email, profile.messages_total) == ("a@example.com", 5)
    assert client.labels() == [
        Label("INBOX", "INBOX", "system"),
        Label("Label_1", "Büro", "user"),
    ]
    page = client.list_messages(q="-in:spam", label_ids=("SENT",), page_size=50)
    assert page.refs == (MessageRef("a", "b"),)
    assert (page.next_page_token, page.estimate) == ("2", 201)
    assert wire.requests[-1].query["q"] == ["-in:spam"]
    assert wire.requests[-1].query["labelIds"] == ["SENT"]
    assert wire.requests[-1].query["maxResults"] == ["50"]
    assert "includeSpamTrash" not in wire.requests[-1].query
    client.list_messages(page_token="2", include_spam_trash=True)
    assert wire.requests[-1].query["pageToken"] == ["2"]
    assert wire.requests[-1].query["includeSpamTrash"] == ["true"]
    assert client.send_as()[0].is_primary is True
    assert [m.gmail_id for m in client.get_thread("t")] == ["a", "b"]
    assert client.get_attachment("a", "x") == b"\xfb\xff"
    assert {r.token for r in wire.requests} == {"t0"}
    assert not any("t0" in str(r.query) for r in wire.requests)


def test_history(wire, client):
    wire.answer = lambda request: (
        200,
        {},
        {
            "historyId": "20",
            "nextPageToken": "p",
            "history": [
                {
                    "id": "11",
                    "messages": [{"id": "a"}],
                    "messagesAdded": [
                        {"message": {"id": "a", "threadId": "t", "labelIds": ["SENT"]}}
                    ],
                },
                {
                    "id": "12",
                    "labelsRemoved": [
                        {
                            "message": {"id": "a", "threadId": "t", "labelIds": ["X"]},
                            "labelIds": ["UNREAD"],
                        }
                    ],
                },
                {"id": "13", "messagesDeleted": [{"message": {"id": "b"}}]},
            ],
        },
    )
    page = client.history("10", page_token="o")
    assert [(c.kind, c.gmail_id, c.label_ids) for c in page.changes] == [
        ("added", "a", ("SENT",)),
        ("labels_removed", "a", ("UNREAD",)),
        ("deleted", "b", ()),
    ]
    assert (page.history_id, page.next_page_token) == ("20", "p")
    assert wire.requests[0].query["startHistoryId"] == ["10"]
    wire.answer = lambda request: (200, {}, {"nextPageToken": "p"})
    assert client.history("10").changes == ()
    wire.answer = lambda request: (404, {}, NOT_FOUND)
    with pytest.raises(errors.CursorExpired):
        client.history("10")


def test_a_rejected_token_is_renewed_once(wire, client):
    def answer(request):
        fresh = request.token == "t1"
        return (200, {}, {"historyId": "5"}) if fresh else (401, {}, b"")

    wire.answer = answer
    assert client.profile().history_id == "5"
    assert [r.token for r in wire.requests] == ["t0", "t1"]
    wire.answer = lambda request: (401, {}, b"")
    with pytest.raises(errors.ReconnectNeeded):
        client.profile()
    assert len(wire.requests) == 4


def test_without_a_way_to_renew_the_rejection_comes_back(wire, transport):
    wire.answer = lambda request: (401, {}, b"")
    with pytest.raises(errors.AccessTokenRejected):
        GmailClient(transport, wire.endpoints, "t0").profile()


def test_unreadable_answers(wire, client):
    wire.answer = lambda request: (200, {"Content-Type": "application/json"}, b"{")
    with pytest.raises(errors.RetryLater):
        client.profile()
    with pytest.raises(errors.BadItem):
        client.get_message("a")
    with pytest.raises(errors.Unreachable):
        client.send(b"x")


@pytest.mark.parametrize("size", [10, 1_500_000])
def test_send(wire, client, size):
    raw = b"To: a@example.com\r\n\r\n" + b"x\xff\r\n" * (size // 4)
    wire.answer = lambda request: (
        200,
        {},
        {"id": "new", "threadId": "t", "labelIds": ["SENT"]},
    )
    sent = client.send(raw, thread_id="t")
    assert (sent.gmail_id, sent.thread_id, sent.label_ids) == ("new", "t", ("SENT",))
    request = wire.requests[0]
    if size == 10:
        content = json.loads(request.body)
        assert request.path == "/gmail/v1/users/me/messages/send"
        assert base64.urlsafe_b64decode(content["raw"]) == raw
        assert content["threadId"] == "t"
    else:
        assert request.path == "/upload/gmail/v1/users/me/messages/send"
        assert raw in request.body
        assert b'"threadId": "t"' in request.body
        client.send(raw)
        assert wire.requests[1].body == raw
        assert wire.requests[1].query["uploadType"] == ["media"]


def test_send_is_never_repeated_by_itself(wire, client):
    for status in (None, 500, 503, 429, 404, 400):
        wire.requests.clear()
        wire.answer = lambda request, s=status: (s, {}, NOT_FOUND)
        with pytest.raises(errors.GoogleError) as caught:
            client.send(b"x")
        assert len(wire.requests) == 1
        uncertain = status in (None, 500, 503)
        assert getattr(caught.value, "sent_maybe", False) is uncertain


def test_attachments_by_part(wire, client):
    inner = b"From: a@example.com\r\n\r\ninner\r\n"
    raw = (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + inner + b"--x--\r\n"
    )
    parts = [
        {"partId": "0", "body": {"data": "aGk="}},
        {"partId": "1", "body": {"attachmentId": "now", "size": 3}},
        {"partId": "2", "mimeType": "message/rfc822", "body": {"size": 0}},
    ]

    def answer(request):
        if "attachments" in request.path:
            assert request.path.endswith("/messages/a/attachments/now")
            return 200, {}, {"data": "YWJj"}
        if request.query["format"] == ["raw"]:
            return 200, {}, {"raw": base64.urlsafe_b64encode(raw).decode()}
        return 200, {}, {"id": "a", "payload": {"partId": "", "parts": parts}}

    wire.answer = answer
    assert client.attachment_bytes("a", ["0"]) == {"0": b"hi"}
    assert client.attachment_bytes("a", ["1"]) == {"1": b"abc"}
    with pytest.raises(errors.Gone):
        client.attachment_bytes("a", ["7"])
    wire.requests.clear()
    found = client.attachment_bytes("a", ["0", "1"])
    assert found["0"] == b"hi"
    assert b"inner" in found["1"]
    assert [request.query["format"] for request in wire.requests] == [["raw"]]
    with pytest.raises(errors.Gone):
        client.attachment_bytes("a", ["0", "7"])
    parts[2]["partId"] = "1"
    parts.pop(1)
    assert b"inner" in client.attachment_bytes("a", ["1"])["1"]


def test_batch_takes_all(gmail, client):
    results = dict(client.get_messages([*IDS, "m0"]))
    assert list(results) == IDS
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    assert {i: m.subject for i, m in results.items()} == {i: f"No {i}" for i in IDS}
    assert gmail.sizes == [25, 25, 10]
    assert pauses == []


def test_one_bad_part_spoils_nothing(gmail, client):
    bad = {
        "m1": (404, NOT_FOUND),
        "m2": (400, {"error": {"message": "Invalid id"}}),
        "m3": (200, b"{"),
        "m4": (200, b"[" * 50_000),
        "m5": (200, {"no": "id"}),
    }
    gmail.part = lambda i, count: bad.get(i) or (200, message(i))
    results = dict(client.get_messages(IDS[:10]))
    assert isinstance(results["m1"], errors.Gone)
    for gmail_id in ("m2", "m3", "m4", "m5"):
        assert type(results[gmail_id]) is errors.BadItem
    assert [results[i].subject for i in ("m0", "m6", "m9")] == [
        "No m0",
        "No m6",
        "No m9",
    ]
    assert gmail.asked == dict.fromkeys(IDS[:10], 1)


def test_missing_parts_are_asked_for_again(gmail, client):
    gmail.part = lambda i, n: None if i == "m1" and n == 1 else (200, message(i))
    results = dict(client.get_messages(IDS[:3]))
    assert results["m1"].subject == "No m1"
    assert gmail.asked == {"m0": 1, "m1": 2, "m2": 1}
    gmail.part = lambda i, n: None
    results = dict(client.get_messages(["x"]))
    assert type(results["x"]) is errors.RetryLater
    assert gmail.asked["x"] == 3
    # A call of its own brings what batches do not.
    gmail.single = lambda request: (200, {}, json.dumps(message("x")).encode())
    assert dict(client.get_messages(["x"]))["x"].subject == "No x"


def test_a_part_that_is_cut_is_asked_for_again(gmail, client, wire):
    inner = gmail.answer

    def cut(request):
        status, headers, body = inner(request)
        return status, headers, body[: len(body) // 2] if gmail.sizes == [3] else body

    wire.answer = cut
    results = dict(client.get_messages(IDS[:3]))
    assert [results[i].subject for i in IDS[:3]] == ["No m0", "No m1", "No m2"]
    assert max(gmail.asked.values()) == 2


def test_what_nobody_asked_for_is_dropped(gmail, client, wire):
    inner = gmail.answer
    foreign = (
        b"--b1\r\nContent-Type: application/http\r\nContent-ID: <response-0>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(message("m0", "forged")).encode()
    )

    def more(request):
        status, headers, body = inner(request)
        return status, headers, foreign + b"\r\n" + body

    wire.answer = more
    results = dict(client.get_messages(IDS[:2]))
    assert set(results) == {"m0", "m1"}
    assert "forged" not in results["m0"].body_text


def test_google_may_want_the_token_on_the_whole_batch(gmail, wire, transport):
    inner, ways = gmail.answer, Ways()
    wire.answer = lambda r: inner(r) if r.token else (401, {}, b"{}")
    client = GmailClient(transport, wire.endpoints, "t0", ways=ways)
    results = dict(client.get_messages(IDS[:3]))
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    assert not ways.per_part
    before = len(gmail.sizes)
    list(GmailClient(transport, wire.endpoints, "t0", ways=ways).get_messages(["m1"]))
    assert len(gmail.sizes) == before + 1


def test_google_may_overlook_the_tokens_of_the_parts(gmail, wire, transport):
    inner, ways = gmail.answer, Ways()

    def answer(request):
        gmail.outer = request.token
        return inner(request)

    wire.answer = answer
    gmail.part = lambda i, n: (200, message(i)) if gmail.outer else (401, {})
    client = GmailClient(transport, wire.endpoints, "t0", ways=ways)
    results = dict(client.get_messages(IDS[:3]))
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    assert not ways.per_part


def test_three_of_a_conversation_come_as_a_whole(gmail, client):
    refs = [MessageRef(f"m{n}", "t1" if n < 3 else "t2") for n in range(5)]
    gmail.part = lambda i, n: (
        (200, {"id": i, "messages": [message("m0"), message("m2"), message("m9")]})
        if i == "t1"
        else (200, message(i))
    )
    results = dict(client.fetch(refs))
    # What the conversation lacks is asked for by itself.
    assert gmail.asked == {"t1": 1, "m1": 1, "m3": 1, "m4": 1}
    assert set(results) == {"m0", "m1", "m2", "m3", "m4"}
    assert results["m1"].subject == "No m1"
    assert results["m2"].subject == "No m2"
    # Its own answer decides that it is gone.
    whole = gmail.part
    gone = {"error": {"code": 404, "errors": [{"reason": "notFound"}]}}
    gmail.part = lambda i, n: (404, gone) if i == "m1" else whole(i, n)
    assert isinstance(dict(client.fetch(refs))["m1"], errors.Gone)
    # A conversation that cannot be read is read message by message.
    gmail.asked.clear()
    gmail.part = lambda i, n: (400, {}) if i == "t1" else (200, message(i))
    results = dict(client.fetch(refs))
    assert all(isinstance(result, ParsedMessage) for result in results.values())


class Meter:
    """Has so many units."""

    def __init__(self, units):
        self.left = units
        self.heard = []

    def take(self, units, least=None):
        least = units if least is None else least
        if self.left < least:
            raise errors.QuotaSpent(seconds=9.0)
        granted = min(units, self.left)
        self.left -= granted
        return granted

    def give_back(self, units):
        self.left += units

    def told(self, error):
        self.heard.append(error)


def test_the_meter_decides_how_much_is_asked(gmail, wire, transport):
    meter = Meter(130)
    client = GmailClient(transport, wire.endpoints, "t0", meter=meter)
    results = dict(client.get_messages(IDS[:30]))
    assert gmail.sizes == [6]
    spent = [i for i, r in results.items() if isinstance(r, errors.QuotaSpent)]
    assert spent == IDS[6:30]
    assert meter.left == 10 and not meter.heard
    limit = {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}
    # What Google refuses costs nothing, and all are told when it asks to wait.
    meter.left = 20
    gmail.part = lambda i, n: (403, limit)
    assert isinstance(dict(client.get_messages(["x"]))["x"], errors.RetryLater)
    assert meter.left == 20 and meter.heard


def test_batches_shrink_and_grow_back(gmail, client):
    def part(gmail_id, _count):
        if gmail.sizes[-1] > 10:
            return 429, CONCURRENT
        return 200, message(gmail_id)

    gmail.part = part
    results = dict(client.get_messages(IDS))
    assert list(results) == IDS
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    assert gmail.sizes[:3] == [25, 10, 10]
    assert max(gmail.sizes[1:5]) == 10
    assert len(pauses) >= 1 and max(pauses) <= 2
    gmail.part = lambda i, n: (200, message(i))
    gmail.sizes.clear()
    many = [f"n{number}" for number in range(200)]
    assert len(dict(client.get_messages(many))) == 200
    assert gmail.sizes[-2] == 25


def test_only_failed_parts_are_repeated(gmail, client):
    def part(gmail_id, count):
        if int(gmail_id[1:]) % 2 and count == 1:
            return 429, CONCURRENT
        return 200, message(gmail_id)

    gmail.part = part
    results = dict(client.get_messages(IDS[:10]))
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    assert gmail.asked == {i: 1 + int(i[1:]) % 2 for i in IDS[:10]}


def test_a_spent_quota_ends_it_without_more_requests(gmail, client):
    gmail.part = lambda i, n: (200, message(i)) if i < "m2" else (403, QUOTA)
    results = dict(client.get_messages(IDS))
    assert set(results) == set(IDS)
    assert isinstance(results["m0"], ParsedMessage)
    assert isinstance(results["m59"], errors.RetryLater)
    assert len(gmail.sizes) <= 8
    gmail.sizes.clear()
    later = {"error": {**QUOTA["error"], "message": "Retry after 2999-01-01T00:00:00Z"}}
    gmail.part = lambda i, n: (403, later)
    results = dict(client.get_messages(IDS))
    assert {result.seconds for result in results.values()} == {24 * 3600}
    assert len(gmail.sizes) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, errors.RetryLater), (413, errors.RequestRefused), (200, errors.RetryLater)],
)
def test_a_refused_batch_is_no_fault_of_its_messages(wire, client, status, kind):
    wire.answer = lambda request: (status, {}, {"error": {"message": "x"}})
    results = dict(client.get_messages(IDS[:30]))
    assert list(results) == IDS[:30]
    assert {type(result) for result in results.values()} == {kind}


def test_rejected_tokens_in_a_batch(gmail, client):
    gmail.part = lambda i, n: (
        (200, message(i)) if gmail.token == "t1" else (401, {"error": {}})
    )
    results = dict(client.get_messages(IDS[:30]))
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    gmail.part = lambda i, n: (401, {"error": {}})
    results = dict(client.get_messages(IDS[:30]))
    assert set(results) == set(IDS[:30])
    assert all(isinstance(r, errors.ReconnectNeeded) for r in results.values())


def test_a_renewal_that_fails_is_the_answer(gmail, wire, transport):
    def refuse():
        raise errors.ReconnectNeeded("ended", kind="invalid_grant")

    client = GmailClient(transport, wire.endpoints, "t0", renew=refuse)
    gmail.part = lambda i, n: (401, {"error": {}})
    results = dict(client.get_messages(IDS[:3]))
    assert {result.code for result in results.values()} == {"invalid_grant"}
    wire.answer = lambda request: (401, {}, b"")
    with pytest.raises(errors.ReconnectNeeded):
        client.profile()


def test_a_batch_that_is_too_large_is_halved(gmail, wire):
    client = GmailClient(Transport(max_bytes=20_000), wire.endpoints, "t0")
    long = "x" * 6_000
    gmail.part = lambda i, n: (
        200,
        message(i, long * 5 if i == "m3" else long),
    )
    results = dict(client.get_messages(IDS[:8]))
    assert results["m3"].code == "too_large"
    assert isinstance(results["m3"], errors.BadItem)
    others = [results[i] for i in IDS[:8] if i != "m3"]
    assert all(isinstance(result, ParsedMessage) for result in others)


def test_connection_lost_in_a_batch(gmail, client, wire):
    inner = gmail.answer
    wire.answer = lambda request: (
        (None, {}, b"") if len(wire.requests) == 1 else inner(request)
    )
    with contextlib.closing(client.get_messages(IDS[:3])) as results:
        assert all(isinstance(m, ParsedMessage) for _i, m in results)


# ----------------------------------------------------------------------
# Batches on their way while others are read
# ----------------------------------------------------------------------


def until(condition):
    ends = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


def batch_threads():
    return [t for t in threading.enumerate() if t.name.startswith("gmail_batch")]


def test_the_next_batch_is_on_its_way_while_one_is_read(gmail, client):
    with contextlib.closing(client.get_messages(IDS)) as results:
        found = [next(results)]
        until(lambda: gmail.sizes == [25, 25])
        found += [next(results) for _ in range(24)]
        # The third waits until the second is there, and asked for.
        time.sleep(0.05)
        assert gmail.sizes == [25, 25]
        found += results
    assert [gmail_id for gmail_id, _message in found] == IDS
    assert gmail.sizes == [25, 25, 10]
    assert gmail.asked == dict.fromkeys(IDS, 1)
    assert not batch_threads()


def test_one_batch_at_a_time(gmail, client, wire):
    inner, running, most = gmail.answer, [], []

    def answer(request):
        running.append(request)
        most.append(len(running))
        time.sleep(0.02)
        running.remove(request)
        return inner(request)

    wire.answer = answer
    # One is lost until it is asked for by itself, one is not readable.
    gmail.part = lambda i, n: (
        None if i == "m1" and n < 4 else (200, message(i) if i != "m2" else b"{}")
    )
    gmail.single = lambda request: (200, {}, message("m1"))
    results = dict(client.get_messages(IDS))
    assert isinstance(results["m1"], ParsedMessage)
    assert isinstance(results["m2"], errors.BadItem)
    assert set(most) == {1}


@pytest.mark.parametrize("leave", ["close", "throw"])
def test_a_caller_that_leaves_has_nothing_on_its_way(gmail, wire, transport, leave):
    meter, answered = Meter(2000), threading.Event()
    client = GmailClient(transport, wire.endpoints, "t0", meter=meter)

    def part(gmail_id, _count):
        if len(gmail.sizes) > 1:
            answered.wait(2)
        return 200, message(gmail_id)

    gmail.part = part
    results = client.get_messages(IDS)
    next(results)
    until(lambda: len(gmail.sizes) == 2)
    threading.Timer(0.05, answered.set).start()
    if leave == "close":
        results.close()
    else:
        with pytest.raises(RuntimeError):
            results.throw(RuntimeError("the lease is lost"))
    assert answered.is_set()
    assert not batch_threads()
    assert gmail.sizes == [25, 25]
    # What was sent is spent.
    assert meter.left == 2000 - 50 * 20


@pytest.mark.parametrize("complaint", [(429, CONCURRENT), (401, {"error": {}}), None])
def test_after_a_complaint_nothing_is_on_its_way(gmail, wire, transport, complaint):
    seen = []

    def react(*_seconds):
        time.sleep(0.05)
        seen.append([len(gmail.sizes), threading.current_thread()])
        return "t1"

    client = GmailClient(transport, wire.endpoints, "t0", renew=react, sleep=react)
    gmail.part = lambda i, n: complaint if i == "m3" and n == 1 else (200, message(i))
    results = dict(client.get_messages(IDS))
    assert all(isinstance(result, ParsedMessage) for result in results.values())
    assert seen == [[1, threading.current_thread()]]


def test_the_quota_is_asked_by_the_caller_alone(gmail, wire, transport):
    class Careful(Meter):
        def take(self, units, least=None):
            assert threading.current_thread() is here
            return super().take(units, least)

    here = threading.current_thread()
    meter = Careful(600)
    client = GmailClient(transport, wire.endpoints, "t0", meter=meter)
    results = client.get_messages(IDS)
    got = [next(results) for _ in range(25)]
    # 500 of 600 units are spent, so the second batch is the rest that is left.
    got += results
    assert gmail.sizes == [25, 5]
    assert [i for i, r in got if isinstance(r, errors.QuotaSpent)] == IDS[30:]
    assert not batch_threads()
