"""The stand-in speaks Google's protocol, as Google's documents and libraries see it."""

import base64
import hashlib
import json
import secrets
import time
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
from .google_standin.query import compile_query
from .google_standin.store import (
    CLIENT_ID,
    CLIENT_SECRET,
    DAY,
    MOST_REFRESH_TOKENS,
    SETTINGS,
    Store,
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


def change(google, account, **values):
    google.control("accounts", {"account": account, **values})


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


def pairs(headers):
    return {(header["name"], header["value"]) for header in headers}


def get(google, tokens, path, **query):
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    url = f"{google.url}/gmail/v1/users/me/{path}"
    return requests.get(url, params=query, headers=headers, timeout=30)


def error_of(response):
    return response.json()["error"]


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
        ({"client_id": "other"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_wrong_exchanges_give_no_token(google, changes, error):
    response, _form = exchange(google, **changes)
    assert response.status_code in (400, 401)
    assert response.json()["error"] == error


def test_code_is_used_once_and_its_tokens_end_with_the_second_use(google):
    account = someone(google)
    other = tokens_of(google, account)
    response, form = exchange(google, account)
    tokens = response.json()
    refreshed = refresh(google, tokens).json()
    assert post(google, "/token", **form).json()["error"] == "invalid_grant"
    assert refresh(google, tokens).json()["error"] == "invalid_grant"
    assert get(google, tokens, "profile").status_code == 401
    assert get(google, refreshed, "profile").status_code == 401
    # Another code's tokens stay.
    assert get(google, other, "profile").status_code == 200
    assert refresh(google, other).status_code == 200


def test_code_expires(google):
    form = code_form(google)
    with later(google, 601):
        answer = post(google, "/token", **form)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


def test_access_token_expires(google):
    tokens = tokens_of(google)
    assert tokens["expires_in"] == 3599
    with later(google, 3590):
        assert get(google, tokens, "profile").status_code == 200
    with later(google, 3600):
        response = get(google, tokens, "profile")
        assert response.status_code == 401
        assert error_of(response)["errors"][0]["reason"] == "authError"
        tokens = refresh(google, tokens).json()
        assert get(google, tokens, "profile").status_code == 200


def test_registered_addresses_are_compared_as_they_are(google):
    other = "https://odoo.example/gmail_oauth_mailbox/callback"
    with settings(google, redirect_uris=[REDIRECT, other]):
        form = code_form(google)
        url, _verifier = request_url(google, redirect_uri=other)
        assert process.authorize(url, ANNA).startswith(f"{other}?")
        for wrong in (f"{other}/", other.upper(), REDIRECT.replace("8069", "8070")):
            url, _verifier = request_url(google, redirect_uri=wrong)
            with pytest.raises(ValueError, match="redirect_uri_mismatch"):
                process.authorize(url, ANNA)
    # It is looked at again when the code is exchanged.
    with settings(google, redirect_uris=[other]):
        answer = post(google, "/token", **form)
        assert answer.status_code == 400
        assert answer.json()["error"] == "redirect_uri_mismatch"


def test_client_secret_can_change(google):
    tokens = tokens_of(google)
    with settings(google, client_secret="new"):
        answer = refresh(google, tokens)
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert refresh(google, tokens, client_secret="new").status_code == 200
    assert refresh(google, tokens).status_code == 200


def test_sign_in_without_a_page(google):
    account = someone(google)

    def ask(**changes):
        url, _verifier = request_url(google, prompt="none", **changes)
        response = requests.get(url, timeout=30, allow_redirects=False)
        assert response.status_code == 302
        assert response.headers["Location"].startswith(f"{REDIRECT}?")
        answer = parse_qs(urlsplit(response.headers["Location"]).query)
        assert answer["state"] == ["the-state"]
        return answer

    assert ask(login_hint="")["error"] == ["login_required"]
    assert ask(login_hint="nobody@else.test")["error"] == ["login_required"]
    assert ask(login_hint=account)["error"] == ["interaction_required"]
    tokens_of(google, account, scopes=[SEND])
    assert ask(login_hint=account)["error"] == ["interaction_required"]
    tokens_of(google, account)
    assert "code" in ask(login_hint=account)


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


# -- the life of tokens ------------------------------------------------


def ended(response, text="Token has been expired or revoked."):
    expected = {"error": "invalid_grant", "error_description": text}
    return response.status_code == 400 and response.json() == expected


def test_tokens_of_a_client_in_testing_live_for_seven_days(google):
    account = someone(google)
    with settings(google, testing=True):
        tokens = tokens_of(google, account)
        identity = tokens_of(google, account, scopes=[])
    assert tokens["refresh_token_expires_in"] == 604799
    assert "refresh_token_expires_in" not in identity
    with later(google, 6 * DAY):
        answer = refresh(google, tokens).json()
        assert DAY - 60 < answer["refresh_token_expires_in"] < DAY
    with later(google, 7 * DAY):
        assert ended(refresh(google, tokens))
        assert refresh(google, identity).status_code == 200


def test_access_can_be_allowed_for_a_time(google):
    with settings(google, refresh_expires_in=3600):
        tokens = tokens_of(google, someone(google))
    assert tokens["refresh_token_expires_in"] == 3600
    with later(google, 3500):
        answer = refresh(google, tokens).json()
        assert 40 < answer["refresh_token_expires_in"] <= 100
    with later(google, 3601):
        assert ended(refresh(google, tokens))


def test_refresh_token_ends_when_it_is_not_used_for_six_months(google):
    account = someone(google)
    used, unused = tokens_of(google, account), tokens_of(google, account)
    assert "refresh_token_expires_in" not in used
    with later(google, 100 * DAY):
        assert refresh(google, used).status_code == 200
    with later(google, 184 * DAY):
        assert ended(refresh(google, unused))
        assert refresh(google, used).status_code == 200


def test_oldest_of_too_many_refresh_tokens_ends():
    store = Store()
    anna, ben = (store.grant(store.accounts[a], {READ}) for a in (ANNA, BEN))
    other = store.new_refresh_token(ben, {READ}, "")
    names = [
        store.new_refresh_token(anna, {READ}, "") for _n in range(MOST_REFRESH_TOKENS)
    ]
    assert store.refreshable(names[0])
    store.new_refresh_token(anna, {READ}, "")
    assert not store.refreshable(names[0])
    assert store.refreshable(names[1])
    assert store.refreshable(other)


def test_refresh_narrows_scopes_and_never_widens_them(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    narrow = refresh(google, tokens, scope=f"email {SEND}").json()
    assert SEND in narrow["scope"].split() and READ not in narrow["scope"].split()
    assert get(google, narrow, "profile").status_code == 403
    # The refresh token itself is not narrower for that.
    assert get(google, refresh(google, tokens).json(), "profile").status_code == 200
    contacts = "https://www.googleapis.com/auth/contacts.readonly"
    wider = refresh(google, tokens, scope=f"{READ} {contacts}")
    assert wider.status_code == 400
    assert wider.json()["error"] == "invalid_scope"
    assert f"invalid=[{contacts}]" in wider.json()["error_description"]


def test_scopes_belong_to_the_token(google):
    """What is allowed later widens no token that was given before, nor narrows it."""
    account = someone(google)
    narrow = tokens_of(google, account, scopes=[SEND])
    wide = tokens_of(google, account)
    again = tokens_of(google, account, scopes=[SEND])
    for tokens, status in ((narrow, 403), (wide, 200), (again, 403)):
        assert get(google, tokens, "profile").status_code == status
        renewed = refresh(google, tokens).json()
        assert renewed["scope"] == tokens["scope"]
        assert get(google, renewed, "profile").status_code == status


def test_rotated_refresh_token_replaces_the_old_one(google):
    tokens = tokens_of(google, someone(google))
    with settings(google, rotate_refresh_tokens=True):
        renewed = refresh(google, tokens).json()
    assert ended(refresh(google, tokens))
    assert refresh(google, renewed).status_code == 200


# -- the states of an account and of the client ------------------------


def refused(response, status, name, reason):
    """Whether an API answer is Google's error, in both of its forms."""
    error = error_of(response)
    return (response.status_code, error["code"]) == (status, status) and (
        (error["status"], error["errors"][0]["reason"]) == (name, reason)
        and error["errors"][0]["message"] == error["message"]
    )


def test_account_without_gmail(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    change(google, account, gmail=False)
    for path in ("profile", "messages", "history"):
        response = get(google, tokens, path)
        assert refused(response, 400, "FAILED_PRECONDITION", "failedPrecondition")
        assert error_of(response)["message"] == "Mail service not enabled"
    assert refresh(google, tokens).status_code == 200


def test_client_blocked_by_the_administrator(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    change(google, account, blocked=True)
    answer = refresh(google, tokens)
    assert answer.status_code == 400
    assert answer.json()["error"] == "admin_policy_enforced"
    for prompt in ("consent", "select_account"):
        url, _verifier = request_url(google, login_hint=account, prompt=prompt)
        with pytest.raises(ValueError, match="Error 400: admin_policy_enforced"):
            process.authorize(url, account)
    change(google, account, blocked=False)
    assert refresh(google, tokens).status_code == 200


def test_gmail_api_forbidden_by_the_administrator(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    change(google, account, domain_policy=True)
    response = get(google, tokens, "profile")
    assert refused(response, 403, "PERMISSION_DENIED", "domainPolicy")


def test_deleted_account(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    change(google, account, deleted=True)
    assert get(google, tokens, "profile").status_code == 401
    assert ended(refresh(google, tokens), "Account has been deleted")
    url, _verifier = request_url(google, login_hint=account)
    with pytest.raises(ValueError, match="Couldn.*find your Google Account"):
        process.authorize(url, account)


def test_workspace_that_asks_for_a_new_sign_in(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    change(google, account, rapt=True)
    answer = refresh(google, tokens)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_grant",
        "error_subtype": "invalid_rapt",
        "error_description": "reauth related error (invalid_rapt)",
    }


def test_new_password_ends_tokens_for_gmail(google):
    account, other = someone(google), someone(google)
    tokens = tokens_of(google, account)
    identity = tokens_of(google, other, scopes=[])
    change(google, account, action="password")
    change(google, other, action="password")
    assert ended(refresh(google, tokens))
    assert get(google, tokens, "profile").status_code == 401
    assert refresh(google, identity).status_code == 200
    assert refresh(google, tokens_of(google, account)).status_code == 200


def test_renamed_account_stays_the_same(google):
    account = someone(google, sub="1" * 21)
    tokens = tokens_of(google, account)
    new = f"new-{account}"
    gmail_id = google.add_message(account, mail(subject="Before"))
    change(google, account, rename=new)
    tokens = refresh(google, tokens).json() | {"refresh_token": tokens["refresh_token"]}
    assert get(google, tokens, "profile").json()["emailAddress"] == new
    assert get(google, tokens, f"messages/{gmail_id}").status_code == 200
    found = {a["email"]: a for a in google.control("accounts")}
    assert account not in found
    assert found[new]["sub"] == "1" * 21
    # Who gets the old address is somebody else.
    google.control("accounts", {"action": "add", "email": account, "name": "Other"})
    subs = [a["sub"] for a in google.control("accounts")]
    assert len(subs) == len(set(subs))


def test_new_account_is_as_it_was_asked_for(google):
    account = someone(google, hosted_domain="other.test", sub="2" * 21)
    token = tokens_of(google, account)["id_token"]
    certificates = f"{google.url}/oauth2/v1/certs"
    claims = google_id_token.verify_token(
        token, Request(), audience=CLIENT_ID, certs_url=certificates
    )
    assert (claims["email"], claims["sub"]) == (account, "2" * 21)
    assert (claims["hd"], claims["name"]) == ("other.test", "Someone")


def test_client_of_one_organization(google):
    inside = someone(google, hosted_domain="inside.test")
    with settings(google, internal="inside.test"):
        tokens_of(google, inside)
        url, _verifier = request_url(google, login_hint="")
        with pytest.raises(ValueError, match="Error 403: org_internal"):
            process.authorize(url, ANNA)


def test_project_without_the_gmail_api(google):
    tokens = tokens_of(google)
    with settings(google, api_disabled=True):
        response = get(google, tokens, "profile")
    assert refused(response, 403, "PERMISSION_DENIED", "accessNotConfigured")
    error = error_of(response)
    assert error["message"].startswith(
        "Gmail API has not been used in project 1 before or it is disabled."
    )
    infos = [d for d in error["details"] if d["@type"].endswith("ErrorInfo")]
    assert [(i["reason"], i["domain"]) for i in infos] == [
        ("SERVICE_DISABLED", "googleapis.com")
    ]


def test_reset_sets_everything_back():
    store = Store(keep_message_id=True)
    started = store.now()
    names = [*SETTINGS, "keep_message_id", "history_retention"]
    before = {name: getattr(store, name) for name in names}
    for name in names:
        setattr(store, name, "changed")
    store.offset += DAY
    anna = store.accounts[ANNA]
    anna.gmail, anna.deleted = False, True
    store.rename(anna, "other@corp-example.test")
    store.add_account("new@corp-example.test", "New")
    store.reset()
    assert {name: getattr(store, name) for name in names} == before
    assert abs(store.now() - started) < 60
    assert store.accounts == Store().accounts


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("settings", {"redirect_uri": []}),
        ("accounts", {"account": ANNA, "gmial": False}),
        ("accounts", {"account": ANNA, "action": "passwort"}),
        ("nothing", {}),
    ],
)
def test_control_knows_what_it_is_asked_for(google, path, given):
    with pytest.raises(requests.HTTPError):
        google.control(path, given)


# -- faults ------------------------------------------------------------


def test_slow_answer_is_still_the_answer(google):
    tokens = tokens_of(google)
    google.control("faults", {"path": "/profile$", "delay": 0.5, "pass": True})
    began = time.monotonic()
    response = get(google, tokens, "profile")
    assert time.monotonic() - began >= 0.5
    assert response.json()["emailAddress"] == ANNA
    google.control("faults", {"path": "/profile$", "delay": 0.5, "status": 503})
    began = time.monotonic()
    assert get(google, tokens, "profile").status_code == 503
    assert time.monotonic() - began >= 0.5
    assert get(google, tokens, "profile").status_code == 200


def test_dropped_connection_gives_no_answer(google):
    tokens = tokens_of(google)
    google.control("faults", {"path": "/profile$", "drop": True})
    with pytest.raises(requests.ConnectionError):
        get(google, tokens, "profile")
    assert google.log()[-1]["status"] == 0
    assert get(google, tokens, "profile").status_code == 200


def test_answer_can_be_lost_after_the_work_is_done(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    google.control("faults", {"path": "/send$", "drop": True, "pass": True})
    with pytest.raises(requests.ConnectionError):
        # httplib2 would send it again by itself.
        requests.post(
            f"{google.url}/upload/gmail/v1/users/me/messages/send",
            data=mail(sender=account, to=BEN, subject="Lost answer"),
            headers={
                "Authorization": f"Bearer {tokens['access_token']}",
                "Content-Type": "message/rfc822",
            },
            timeout=30,
        )
    assert len(google.messages(account)) == 1


def test_batch_is_dropped_with_one_of_its_parts(google):
    part = "GET /gmail/v1/users/me/profile HTTP/1.1\r\n\r\n"
    body = f"--b\r\nContent-Type: application/http\r\n\r\n{part}\r\n--b--\r\n"
    google.control("faults", {"path": "/profile$", "drop": True})
    with pytest.raises(requests.ConnectionError):
        requests.post(
            f"{google.url}/batch/gmail/v1",
            data=body,
            headers={"Content-Type": "multipart/mixed; boundary=b"},
            timeout=30,
        )
    assert not google.control("faults")


# -- search ------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from:anna@x.test", "A"),
        ("from:na@x.test", ""),
        ("from:anna@x.tes", ""),
        ("from:anna", "A"),
        ("from:ann", ""),
        ("from:keller", "A"),
        ("from:x.test", "AB"),
        ("to:@x.test", "BC"),
        ("{from:anna@x.test to:anna@x.test cc:anna@x.test}", "ABC"),
        ("-{from:anna@x.test to:anna@x.test}", "C"),
        ("from:(anna@x.test OR carla@else.test)", "AC"),
        ("from:{anna@x.test carla@else.test}", "AC"),
        ("-from:(anna OR carla)", "B"),
        ("from:(anna keller)", "A"),
        ("from:anna AND to:ben", "A"),
        ("from:anna to:carla", ""),
        ("from:anna OR from:ben", "AB"),
        ("subject:(blue chairs) -subject:red", "A"),
        ('subject:"chairs red"', "B"),
        ("(subject:chairs from:ben) OR (subject:table from:carla)", "BC"),
        ("{(subject:chairs -subject:blue) {subject:table}}", "BC"),
        ("chairs OR table from:ben", "B"),
        ("{rfc822msgid:<a.1@x.test> rfc822msgid:b.1@x.test}", "AB"),
        ("", "ABC"),
        ("( )", "ABC"),
    ],
)
def test_search(query, found):
    store = Store()
    anna = store.accounts[ANNA]
    for letter, sender, to, more in (
        ("A", "Anna Keller <anna@x.test>", "ben@else.test", "blue chairs"),
        ("B", "Ben <ben@x.test>", "Anna <anna@x.test>", "chairs red"),
        ("C", "carla@else.test", "dora@x.test", "a table"),
    ):
        headers = {"Cc": "anna@x.test"} if letter == "C" else {}
        headers["Message-ID"] = f"<{letter.lower()}.1@x.test>"
        raw = mail(sender=sender, to=to, subject=f"{letter}: {more}", **headers)
        store.add(anna, raw, {"INBOX"})
    test, _named = compile_query(query, store, anna)
    letters = [m.header("Subject")[0] for m in anna.messages.values() if test(m)]
    assert "".join(letters) == found


@pytest.mark.parametrize("query", ["frm:anna", "{from:a", "from:a)", "(from:a}"])
def test_search_that_is_not_understood_is_refused(google, query):
    response = get(google, tokens_of(google), "messages", q=query)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("query", "named"),
    [("{in:spam in:inbox}", True), ("-(in:trash)", False), ("in:(trash)", True)],
)
def test_search_shows_spam_and_trash_when_it_names_them(query, named):
    store = Store()
    assert compile_query(query, store, store.accounts[ANNA])[1] == named


# -- history, and many accounts ----------------------------------------


def history(google, tokens, start):
    return get(google, tokens, "history", startHistoryId=start)


def test_each_account_counts_its_own_history(google):
    anna, ben = someone(google), someone(google)
    tokens, others = tokens_of(google, anna), tokens_of(google, ben)
    before = get(google, others, "profile").json()["historyId"]
    start = get(google, tokens, "profile").json()["historyId"]
    google.add_message(anna, mail())
    assert get(google, others, "profile").json()["historyId"] == before
    assert history(google, tokens, start).json()["historyId"] > start


def test_history_expires_when_it_is_asked_to(google):
    account = someone(google)
    tokens = tokens_of(google, account)
    google.add_message(account, mail())
    start = get(google, tokens, "profile").json()["historyId"]
    assert history(google, tokens, start).status_code == 200
    change(google, account, action="expire_history")
    assert history(google, tokens, start).status_code == 404
    start = get(google, tokens, "profile").json()["historyId"]
    gmail_id = google.add_message(account, mail())
    found = history(google, tokens, start).json()["history"]
    assert [record["messages"][0]["id"] for record in found] == [gmail_id]


def test_many_accounts_are_added_and_connected_without_pages(google):
    many = {"prefix": "user", "domain": "fleet.test", "count": 2000}
    added = google.control("accounts", {"action": "add_many", **many})["accounts"]
    assert added[0] == "user1@fleet.test" and len(added) == 2000
    grant = {"account": added[-1], "action": "grant", "scopes": ["openid", READ]}
    tokens = google.control("accounts", grant)
    assert get(google, tokens, "profile").json()["emailAddress"] == added[-1]
    assert refresh(google, tokens).json()["expires_in"] == tokens["expires_in"] == 3599
    many = {"action": "grant_many", "accounts": added[:9], "scopes": [READ]}
    granted = google.control("accounts", many)
    for address, others in granted.items():
        assert get(google, others, "profile").json()["emailAddress"] == address
    assert list(granted) == added[:9]
    change(google, added[-1], action="revoke")
    assert get(google, tokens, "profile").status_code == 401
    with pytest.raises(requests.HTTPError):
        google.control("accounts", {**grant, "client_id": "other"})


def test_answer_joins_the_thread_of_what_it_answers():
    store = Store()
    anna = store.accounts[ANNA]
    first = store.add(anna, mail(Message_ID="<1@x.test>"), {"INBOX"})
    answer = mail(subject="Re: Offer for blue chairs", In_Reply_To="<1@x.test>")
    assert store.add(anna, answer, {"INBOX"}).thread_id == first.thread_id
    other = mail(subject="Other", In_Reply_To="<1@x.test>")
    assert store.add(anna, other, {"INBOX"}).thread_id != first.thread_id
    store.delete(anna, first)
    assert store.add(anna, answer, {"INBOX"}).thread_id != first.thread_id


def test_attachment_ids_differ_each_time_and_all_are_good(google):
    tokens = tokens_of(google)
    change(google, ANNA, action="prepare")

    def attachments(part):
        if "attachmentId" in part["body"]:
            yield part["body"]
        for child in part.get("parts", ()):
            yield from attachments(child)

    found = get(google, tokens, "messages", q="has:attachment", maxResults=5).json()
    for reference in found["messages"]:
        path = f"messages/{reference['id']}"
        bodies = []
        for _time in range(2):
            message = get(google, tokens, path).json()
            check(message, "Message", STYLES["full"])
            bodies += attachments(message["payload"])
        ids = {body["attachmentId"] for body in bodies}
        assert len(ids) == len(bodies) >= 2
        for body in bodies:
            content = get(google, tokens, f"{path}/attachments/{body['attachmentId']}")
            assert content.json()["size"] == body["size"]


def test_answer_follows_the_labels(google):
    tokens = tokens_of(google)
    gmail_id = google.add_message(ANNA, mail())
    before = get(google, tokens, f"messages/{gmail_id}").json()
    google.control(
        f"messages/{gmail_id}", {"account": ANNA, "action": "modify", "add": ["SENT"]}
    )
    after = get(google, tokens, f"messages/{gmail_id}").json()
    assert {*after["labelIds"]} - {*before["labelIds"]} == {"SENT"}
    assert int(after["historyId"]) > int(before["historyId"])
    assert after["payload"] == before["payload"]
