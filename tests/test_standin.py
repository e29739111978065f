"""The stand-in speaks Google's protocol, as Google's documents and libraries see it."""

import base64
import hashlib
import json
import secrets
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2 import credentials as google_credentials
from google.oauth2 import id_token as google_id_token
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest

from .common import ANNA, BEN, mail
from .google_standin import gmail, process
from .google_standin.store import (
    CLIENT_ID,
    CLIENT_SECRET,
)

REDIRECT = "http://127.0.0.1:8069/gmail_oauth_mailbox/callback"
READ = "https://www.googleapis.com/auth/gmail.readonly"
SEND = "https://www.googleapis.com/auth/gmail.send"
DOCUMENT = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
REFERENCE = "id threadId"
MESSAGE = f"{REFERENCE} labelIds snippet historyId internalDate sizeEstimate"
HEADERS = "payload.mimeType payload.headers[].name payload.headers[].value"
STYLES = {
    "full": f"{MESSAGE} {HEADERS} payload.partId payload.filename payload.body.size",
    "metadata": f"{MESSAGE} {HEADERS}",
    "raw": f"{MESSAGE} raw",
    "minimal": MESSAGE,
}
COUNTS = "messagesTotal messagesUnread threadsTotal threadsUnread"
KINDS = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}


@pytest.fixture(scope="module")
def google():
    with process.running() as standin:
        yield standin


def request_url(google, **changes):
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": f"openid email {READ} {SEND}",
        "access_type": "offline",
        "prompt": "consent",
        "state": "the-state",
        "nonce": "the-nonce",
        "login_hint": ANNA,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{google.url}/o/oauth2/v2/auth?{urlencode(query)}", verifier


def post(google, path, **form):
    return requests.post(f"{google.url}{path}", data=form, timeout=30)


def code_form(google, account=ANNA, scopes=None, **changes):
    """Walk Google's pages; return the form that exchanges the code."""
    url, verifier = request_url(google, login_hint=account)
    answer = parse_qs(urlsplit(process.authorize(url, account, scopes)).query)
    assert answer["state"] == ["the-state"]
    assert answer["iss"] == ["https://accounts.google.com"]
    return {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uri": REDIRECT,
        "code": answer["code"][0],
        "code_verifier": verifier,
        **changes,
    }


def exchange(google, account=ANNA, scopes=None, **changes):
    form = code_form(google, account, scopes, **changes)
    return post(google, "/token", **form), form


def tokens_of(google, account=ANNA, scopes=None):
    response, _form = exchange(google, account, scopes)
    assert response.status_code == 200
    return response.json()


def refresh(google, tokens, **changes):
    form = {
        "grant_type": "refresh_token",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": tokens["refresh_token"],
        **changes,
    }
    return post(google, "/token", **form)


def someone(google, **values):
    """Add an account; return its address."""
    address = f"{secrets.token_hex(6)}@corp-example.test"
    new = {"action": "add", "email": address, "name": "Someone", **values}
    google.control("accounts", new)
    return address


@contextmanager
def settings(google, **changes):
    before = google.control("settings")
    google.control("settings", changes)
    try:
        yield
    finally:
        google.control("settings", {name: before[name] for name in changes})


@contextmanager
def later(google, seconds):
    google.control("clock", {"forward": seconds})
    try:
        yield
    finally:
        google.control("clock", {"forward": -seconds})


def service_of(google, tokens):
    credentials = google_credentials.Credentials(tokens["access_token"])
    return build_from_document(
        DOCUMENT, credentials=credentials, client_options={"api_endpoint": google.url}
    )


def lacks(value, path):
    """Whether a field is missing: ``a.b`` is below ``a``, ``a[].b`` in each of ``a``,
    of which there is one at least."""
    name, _dot, rest = path.partition(".")
    found = value.get(name.removesuffix("[]"))
    if found is None or found == []:
        return True
    items = found if name.endswith("[]") else [found]
    return bool(rest) and any(lacks(item, rest) for item in items)


def check(value, schema, always=""):
    """Compare an answer with a schema of the discovery document, all the way down.

    :param always: the fields that Google never leaves out, which the schema does not
        tell
    """
    for field in always.split():
        assert not lacks(value, field), f"{field} is missing"
    check_types(value, {"$ref": schema}, "answer")


def check_types(value, schema, path):
    if "$ref" in schema:
        schema = DOCUMENT["schemas"][schema["$ref"]]
    kind = schema["type"]
    if kind == "object":
        known = schema.get("properties", {})
        for name, item in value.items():
            assert name in known, f"{path}.{name} is not Google's"
            check_types(item, known[name], f"{path}.{name}")
    elif kind == "array":
        assert isinstance(value, list), path
        for item in value:
            check_types(item, schema["items"], f"{path}[]")
    else:
        assert isinstance(value, KINDS[kind]), path


def each(prefix, fields):
    return " ".join(f"{prefix}.{field}" for field in fields.split())


def test_profile_and_labels_are_as_the_discovery_document_says(google):
    users = service_of(google, tokens_of(google)).users()
    profile = users.getProfile(userId="me").execute()
    check(profile, "Profile", "emailAddress messagesTotal threadsTotal historyId")
    labels = users.labels().list(userId="me").execute()
    check(labels, "ListLabelsResponse", "labels[].id labels[].name labels[].type")
    label = users.labels().get(userId="me", id="INBOX").execute()
    check(label, "Label", f"id name type {COUNTS}")
    send_as = users.settings().sendAs().list(userId="me").execute()
    always = "sendAs[].sendAsEmail sendAs[].isPrimary sendAs[].isDefault"
    check(send_as, "ListSendAsResponse", always)


def test_messages_are_as_the_discovery_document_says(google):
    users = service_of(google, tokens_of(google)).users()
    found = users.messages().list(userId="me", q="in:anywhere").execute()
    always = f"{each('messages[]', REFERENCE)} resultSizeEstimate nextPageToken"
    check(found, "ListMessagesResponse", always)
    for reference in found["messages"][:40]:
        for style, always in STYLES.items():
            message = users.messages().get(
                userId="me", id=reference["id"], format=style
            )
            check(message.execute(), "Message", always)
    threads = users.threads().list(userId="me").execute()
    always = f"{each('threads[]', 'id snippet historyId')} resultSizeEstimate"
    check(threads, "ListThreadsResponse", always)
    thread = users.threads().get(userId="me", id=threads["threads"][0]["id"])
    always = f"id historyId {each('messages[]', STYLES['full'])}"
    check(thread.execute(), "Thread", always)


def test_history_is_as_the_discovery_document_says(google):
    users = service_of(google, tokens_of(google)).users()
    start = users.getProfile(userId="me").execute()["historyId"]
    new = google.add_message(ANNA, mail(subject="New"))
    for change in ({"add": ["STARRED"]}, {"remove": ["STARRED"]}, {"action": "delete"}):
        google.control(
            f"messages/{new}", {"account": ANNA, "action": "modify", **change}
        )
    listed = users.history().list(userId="me", startHistoryId=start).execute()
    check(
        listed,
        "ListHistoryResponse",
        f"historyId history[].id {each('history[].messages[]', REFERENCE)}",
    )
    kinds = {
        "messagesAdded": f"message.labelIds {each('message', REFERENCE)}",
        "labelsAdded": f"labelIds {each('message', REFERENCE)}",
        "labelsRemoved": f"labelIds {each('message', REFERENCE)}",
        "messagesDeleted": each("message", REFERENCE),
    }
    assert len(listed["history"]) == len(kinds)
    for record, (kind, always) in zip(listed["history"], kinds.items(), strict=True):
        check(record, "History", each(f"{kind}[]", always))
    users = service_of(google, tokens_of(google, someone(google))).users()
    start = users.getProfile(userId="me").execute()["historyId"]
    quiet = users.history().list(userId="me", startHistoryId=start).execute()
    assert quiet == {"historyId": start}


@pytest.mark.parametrize("field", STYLES["full"].split())
def test_missing_field_is_noticed(google, field):
    users = service_of(google, tokens_of(google)).users()
    reference = users.messages().list(userId="me").execute()["messages"][0]
    message = users.messages().get(userId="me", id=reference["id"]).execute()
    check(message, "Message", STYLES["full"])
    holder = message
    *above, last = field.split(".")
    for name in above:
        found = holder[name.removesuffix("[]")]
        holder = found[0] if name.endswith("[]") else found
    del holder[last]
    with pytest.raises(AssertionError, match="is missing"):
        check(message, "Message", STYLES["full"])


def test_pages_cover_all_and_attachments_are_whole(google):
    users = service_of(google, tokens_of(google)).users()
    seen, request = [], users.messages().list(userId="me", maxResults=100)
    while request is not None:
        answer = request.execute()
        seen += [m["id"] for m in answer["messages"]]
        request = users.messages().list_next(request, answer)
    assert len(seen) == len(set(seen)) >= 400
    found = users.messages().list(userId="me", q="has:attachment").execute()
    message = users.messages().get(userId="me", id=found["messages"][0]["id"]).execute()
    ids = [
        p["body"]["attachmentId"] for p in message["payload"]["parts"] if p["filename"]
    ]
    content = (
        users.messages()
        .attachments()
        .get(userId="me", messageId=message["id"], id=ids[0])
        .execute()
    )
    check(content, "MessagePartBody", "size data")
    assert len(base64.urlsafe_b64decode(content["data"])) == content["size"] > 0


def test_batch_answers_each_part(google):
    users = service_of(google, tokens_of(google)).users()
    ids = [m["id"] for m in users.messages().list(userId="me").execute()["messages"]]
    answers = {}
    batch = BatchHttpRequest(batch_uri=f"{google.url}/batch/gmail/v1")

    def note(request_id, response, exception):
        answers[request_id] = response or exception

    for gmail_id in [*ids[:30], "abc0", "no-id"]:
        request = users.messages().get(userId="me", id=gmail_id, format="minimal")
        batch.add(request, callback=note, request_id=gmail_id)
    batch.execute()
    assert {answers[i]["id"] for i in ids[:30]} == set(ids[:30])
    assert answers["abc0"].resp.status == 404
    assert answers["no-id"].resp.status == 400


def test_batch_has_a_limit(google):
    users = service_of(google, tokens_of(google)).users()
    batch = BatchHttpRequest(batch_uri=f"{google.url}/batch/gmail/v1")
    for _number in range(101):
        batch.add(users.getProfile(userId="me"))
    with pytest.raises(HttpError) as error:
        batch.execute()
    assert error.value.resp.status == 400
    assert "Inner request count" in error.value.reason


def test_identity_is_signed_with_the_published_key(google):
    head = tokens_of(google)["id_token"].partition(".")[0]
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    keys = requests.get(f"{google.url}/oauth2/v3/certs", timeout=30).json()["keys"]
    assert [key["kid"] for key in keys] == [kid]


def test_google_auth_takes_certificates_and_refreshes(google):
    tokens = tokens_of(google)
    claims = google_id_token.verify_token(
        tokens["id_token"],
        Request(),
        audience=CLIENT_ID,
        certs_url=f"{google.url}/oauth2/v1/certs",
    )
    assert (claims["email"], claims["nonce"]) == (ANNA, "the-nonce")
    assert claims["hd"] == "corp-example.test"
    credentials = google_credentials.Credentials(
        None,
        refresh_token=tokens["refresh_token"],
        token_uri=f"{google.url}/token",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
    )
    credentials.refresh(Request())
    assert credentials.token != tokens["access_token"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "other"}, "Error 401: invalid_client"),
        ({"client_id": ""}, "Error 400: invalid_request"),
        (
            {"redirect_uri": "http://127.0.0.1:8069/elsewhere"},
            "Error 400: redirect_uri_mismatch",
        ),
        (
            {"redirect_uri": "https://evil.example/gmail_oauth_mailbox/callback"},
            "Error 400: redirect_uri_mismatch",
        ),
        ({"response_type": "token"}, "Error 400: unsupported_response_type"),
        ({"response_type": ""}, "Error 400: invalid_request"),
        ({"scope": "everything"}, "Error 400: invalid_scope"),
        ({"scope": ""}, "Error 400: invalid_request"),
        ({"code_challenge": "short"}, "Error 400: invalid_request"),
        ({"code_challenge": "+" * 43}, "Error 400: invalid_request"),
        ({"code_challenge_method": "plain"}, "Error 400: invalid_request"),
        ({"access_type": "other"}, "Error 400: invalid_request"),
        ({"prompt": "none consent"}, "Error 400: invalid_request"),
    ],
)
def test_wrong_authorization_requests_end_on_googles_error_page(google, changes, error):
    url, _verifier = request_url(google, **changes)
    response = requests.get(url, timeout=30, allow_redirects=False)
    assert response.status_code == 302
    target = urlsplit(response.headers["Location"])
    assert f"{target.scheme}://{target.netloc}" == google.url
    assert target.path == "/signin/oauth/error"
    query = parse_qs(target.query, keep_blank_values=True)
    assert query["client_id"] == [changes.get("client_id", CLIENT_ID)]
    assert query["flowName"] == ["GeneralOAuthFlow"]
    code = error.rpartition(" ")[2]
    encoded = query["authError"][0]
    assert "=" not in encoded
    assert code.encode() in base64.urlsafe_b64decode(encoded + "==")
    page = requests.get(response.headers["Location"], timeout=30)
    assert page.status_code == 400
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<h1>Access blocked: " in page.text
    assert f"<p id=error>{error}</p>" in page.text
    with pytest.raises(ValueError, match=code):
        process.authorize(url, ANNA)


def test_scopes_that_are_unknown_are_named(google):
    url, _verifier = request_url(google, scope="openid everything")
    with pytest.raises(ValueError, match=r"valid=\[openid\], invalid=\[everything\]"):
        process.authorize(url, ANNA)


def test_error_page_takes_no_other_error(google):
    for encoded in ("", "x", "Cg", base64.urlsafe_b64encode(b"\n\5other").decode()):
        url = f"{google.url}/signin/oauth/error?{urlencode({'authError': encoded})}"
        response = requests.get(url, timeout=30)
        assert response.status_code == 400
        assert "id=error" not in response.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "x" * 64}, "invalid_grant"),
        ({"code": "4/0Aother"}, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "2"}, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_wrong_exchanges_give_no_token(google, changes, error):
    response, _form = exchange(google, **changes)
    assert response.status_code in (400, 401)
    assert response.json()["error"] == error


def test_code_is_used_once(google):
    _response, form = exchange(google)
    assert post(google, "/token", **form).json()["error"] == "invalid_grant"


def test_revoking_one_token_ends_the_whole_grant(google):
    first, second = tokens_of(google, BEN), tokens_of(google, BEN)
    assert post(google, "/revoke", token=first["access_token"]).status_code == 200
    response = requests.get(
        f"{google.url}/gmail/v1/users/me/profile",
        headers={"Authorization": f"Bearer {second['access_token']}"},
        timeout=30,
    )
    assert response.status_code == 401
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    form["refresh_token"] = second["refresh_token"]
    answer = post(google, "/token", grant_type="refresh_token", **form)
    assert answer.json()["error"] == "invalid_grant"


def test_scope_that_was_not_ticked_is_refused(google):
    tokens = tokens_of(google, BEN, scopes=[SEND])
    assert READ not in tokens["scope"].split()
    with pytest.raises(HttpError) as error:
        service_of(google, tokens).users().messages().list(userId="me").execute()
    assert error.value.resp.status == 403
    details = json.loads(error.value.content)["error"]
    assert details["errors"][0]["reason"] == "insufficientPermissions"


def test_forgotten_history_is_not_found(google):
    users = service_of(google, tokens_of(google)).users()
    with pytest.raises(HttpError) as error:
        users.history().list(userId="me", startHistoryId="1").execute()
    assert error.value.resp.status == 404


def test_sent_mail_is_delivered_once_without_bcc(google):
    users = service_of(google, tokens_of(google)).users()
    raw = mail(sender=ANNA, to=BEN, subject="Once", Bcc="secret@else.test")
    body = {"raw": base64.urlsafe_b64encode(raw).decode()}
    sent = users.messages().send(userId="me", body=body).execute()
    check(sent, "Message", f"{REFERENCE} labelIds")
    assert sent["labelIds"] == ["SENT"]
    received = [
        m for m in google.messages(BEN) if ("Subject", "Once") in pairs(m["headers"])
    ]
    assert len(received) == 1
    assert "secret@else.test" not in received[0]["raw"]


def pairs(headers):
    return {(header["name"], header["value"]) for header in headers}


def get(google, tokens, path, **query):
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    url = f"{google.url}/gmail/v1/users/me/{path}"
    return requests.get(url, params=query, headers=headers, timeout=30)


def test_unknown_parameters_and_foreign_page_tokens_are_refused(google):
    tokens = tokens_of(google)
    assert get(google, tokens, "messages", maxResult=5).status_code == 400
    token = get(google, tokens, "messages", maxResults=5).json()["nextPageToken"]
    assert get(google, tokens, "messages", pageToken=token).status_code == 200
    other = get(google, tokens, "messages", pageToken=token, q="in:sent")
    assert other.status_code == 400
    assert get(google, tokens, "messages", pageToken="x").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/gmail/v1/users/me/messages", "gmail.users.messages.list"),
        ("GET", "/gmail/v1/users/me/messages/1", "gmail.users.messages.get"),
        ("POST", "/gmail/v1/users/me/messages/send", "gmail.users.messages.send"),
        ("POST", "/upload/gmail/v1/users/me/messages", "gmail.users.messages.insert"),
        ("GET", "/gmail/v1/users/me/history", "gmail.users.history.list"),
        ("GET", "/gmail/v1/users/me/nothing", None),
    ],
)
def test_paths_are_the_discovery_documents(method, path, name):
    found = gmail.method_of(method, path)
    assert (found["id"] if found else None) == name


def test_default_seed_is_large_and_mixed(google):
    messages = google.messages(ANNA)
    assert len(messages) >= 400
    assert len({m["threadId"] for m in messages}) >= 120
    text = " ".join(m["text"] for m in messages)
    for piece in ("Пришлите", "納期", "نرجو", "🎉", "not found", "meeting"):
        assert piece in text
    kinds = " ".join(m["raw"] for m in messages)
    for piece in ("text/calendar", "application/pdf", "text/html", "Content-ID"):
        assert piece in kinds
