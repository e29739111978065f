"""The stand-in counts units, refuses as Google does, and errs as it is asked to."""

import email
import json
import re
import threading
from datetime import datetime

import pytest
import requests

from .common import mail
from .google_standin import process, quota
from .google_standin.quota import MINUTE, Meter, cost_of
from .test_standin import DOCUMENT, READ, error_of, get, later, settings, someone


@pytest.fixture(scope="module")
def google():
    with process.running(no_default_seed=True) as standin:
        yield standin


@pytest.fixture(autouse=True)
def fresh(google):
    google.control("units", {"reset": True})
    yield
    google.control("faults?clear=1")


def connected(google):
    """Return a new account and its tokens."""
    account = someone(google)
    grant = {"account": account, "action": "grant", "scopes": [READ]}
    return account, google.control("accounts", grant)


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['access_token']}"} if tokens else {}


def post_batch(google, parts, outer=None):
    """Post (path below users/me, tokens or None) as one batch; return the response."""
    body = ""
    for number, (path, tokens) in enumerate(parts):
        head = "".join(f"{k}: {v}\r\n" for k, v in bearer(tokens).items())
        body += (
            f"--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
            f"GET /gmail/v1/users/me/{path} HTTP/1.1\r\n{head}\r\n\r\n"
        )
    headers = {"Content-Type": "multipart/mixed; boundary=b", **bearer(outer)}
    url = f"{google.url}/batch/gmail/v1"
    return requests.post(url, data=f"{body}--b--\r\n", headers=headers, timeout=30)


def answers_of(response):
    """Return (Content-ID, status, body) of each part."""
    head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n"
    found = []
    for part in email.message_from_bytes(
        head.encode() + response.content
    ).get_payload():
        top, _blank, body = part.get_payload().partition("\r\n\r\n")
        body = body.strip()
        found.append((part["Content-ID"], int(top.split()[1]), body))
    return found


def statuses(response):
    return [status for _id, status, _body in answers_of(response)]


# -- units -------------------------------------------------------------


def test_units_are_counted_without_a_quota(google):
    account, tokens = connected(google)
    gmail_id = google.add_message(account, mail())
    for path in ("profile", "messages", f"messages/{gmail_id}", "messages/abc0"):
        get(google, tokens, path)
    units = google.control("units")
    assert units[account] == {
        "total": 46,
        "last_minute": 46,
        "refused": 0,
        "by_method": {
            "gmail.users.getProfile": [1, 1],
            "gmail.users.messages.list": [1, 5],
            "gmail.users.messages.get": [2, 40],
        },
    }
    assert units["project"] == units[account]
    with later(google, MINUTE):
        units = google.control("units")[account]
        assert (units["total"], units["last_minute"]) == (46, 0)
    units = google.control("units", {"reset": True})
    assert list(units) == ["project"] and units["project"]["total"] == 0


@pytest.mark.parametrize(
    ("method", "new", "legacy"),
    [
        ("messages.get", 20, 5),
        ("threads.get", 40, 10),
        ("messages.attachments.get", 20, 5),
        ("messages.list", 5, 5),
        ("history.list", 2, 2),
        ("labels.list", 1, 1),
        ("messages.send", 100, 100),
    ],
)
def test_methods_cost_what_google_says(method, new, legacy):
    assert cost_of("new", f"gmail.users.{method}") == new
    assert cost_of("legacy", f"gmail.users.{method}") == legacy


def test_costs_are_of_methods_that_exist():
    def names(resource):
        for method in resource.get("methods", {}).values():
            yield method["id"].removeprefix("gmail.users.")
        for child in resource.get("resources", {}).values():
            yield from names(child)

    assert set(quota.NEW_COSTS) <= set(names(DOCUMENT))


@pytest.mark.parametrize(
    ("profile", "per_minute", "cost"), [("new", 6000, 20), ("legacy", 15_000, 5)]
)
def test_user_spends_the_minute_and_no_more(google, profile, per_minute, cost):
    account, tokens = connected(google)
    _other, others = connected(google)
    gmail_id = google.add_message(account, mail())
    path = f"messages/{gmail_id}?format=minimal"
    with settings(google, quota_profile=profile):
        found = []
        for _number in range(per_minute // cost // 100):
            found += statuses(post_batch(google, [(path, None)] * 100, tokens))
        assert set(found) == {200}
        response = get(google, tokens, f"messages/{gmail_id}")
        assert response.status_code == 403
        error = error_of(response)
        assert error["errors"][0]["reason"] == "userRateLimitExceeded"
        until = re.fullmatch(
            r"User-rate limit exceeded\.  Retry after (\S+Z)", error["message"]
        )[1]
        now = google.control("clock")["now"]
        assert 0 < datetime.fromisoformat(until).timestamp() - now <= MINUTE
        # Nothing is taken for a refusal, and nobody else is refused.
        units = google.control("units")[account]
        assert (units["total"], units["refused"]) == (per_minute, 1)
        assert get(google, others, "profile").status_code == 200
        with later(google, MINUTE):
            assert get(google, tokens, f"messages/{gmail_id}").status_code == 200


def test_time_to_retry_is_the_time_when_there_is_room():
    meter = Meter()
    for second in (0, 10, 20):
        meter.spend(second, "gmail.users.messages.get", 20)
    assert meter.free_at(30, 20, 80) == 30
    assert meter.free_at(30, 20, 60) == 60
    assert meter.free_at(30, 40, 60) == 70
    assert meter.free_at(60, 20, 60) == 60


def test_user_is_refused_in_the_other_words(google):
    _account, tokens = connected(google)
    changes = {"quota_answer": "rate_limit", "user_per_minute": 0}
    with settings(google, quota_profile="new", **changes):
        response = get(google, tokens, "profile")
    assert response.status_code == 429
    error = error_of(response)
    assert error["errors"][0]["reason"] == "rateLimitExceeded"
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["message"] == (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per "
        "user' of service 'gmail.googleapis.com' for consumer 'project_number:1'."
    )
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"


def test_project_is_refused_by_the_minute_and_by_the_day(google):
    (_one, tokens), (_two, others) = connected(google), connected(google)
    with settings(google, quota_profile="new", project_per_minute=2):
        assert get(google, tokens, "profile").status_code == 200
        assert get(google, others, "profile").status_code == 200
        response = get(google, tokens, "profile")
        assert response.status_code == 429
        assert error_of(response)["errors"][0]["reason"] == "rateLimitExceeded"
        assert "limit 'Queries per minute' of" in error_of(response)["message"]
        with later(google, MINUTE):
            assert get(google, tokens, "profile").status_code == 200
    google.control("units", {"reset": True})
    with settings(google, quota_profile="new", project_per_day=1):
        assert get(google, tokens, "profile").status_code == 200
        with later(google, MINUTE):
            response = get(google, others, "profile")
        assert response.status_code == 403
        assert error_of(response)["errors"][0]["reason"] == "dailyLimitExceeded"
        with later(google, 86400):
            _three, tokens = connected(google)
            assert get(google, tokens, "profile").status_code == 200


@pytest.mark.parametrize(
    "changes", [{"quota_profile": "old"}, {"quota_answer": "silence"}]
)
def test_quota_settings_are_checked(google, changes):
    with pytest.raises(requests.HTTPError):
        google.control("settings", changes)


# -- batches, and requests at once -------------------------------------


def test_parts_are_answered_for_their_own_accounts(google):
    (one, first), (two, second) = connected(google), connected(google)
    parts = [("profile", first), ("profile", second), ("profile", None)]
    found = answers_of(post_batch(google, parts))
    assert [i for i, _status, _body in found] == [f"<response-{n}>" for n in range(3)]
    assert [status for _id, status, _body in found] == [200, 200, 401]
    assert [json.loads(b)["emailAddress"] for _i, _s, b in found[:2]] == [one, two]
    units = google.control("units")
    assert units[one]["total"] == units[two]["total"] == 1
    # The outer one is for the parts that have none.
    found = answers_of(
        post_batch(google, [("profile", second), ("profile", None)], first)
    )
    assert [json.loads(b)["emailAddress"] for _i, _s, b in found] == [two, one]


def test_parts_are_refused_one_by_one(google):
    (one, first), (two, second) = connected(google), connected(google)
    with settings(google, quota_profile="new", user_per_minute=2):
        parts = [("profile", first)] * 3 + [("profile", second)]
        assert statuses(post_batch(google, parts)) == [200, 200, 403, 200]
    assert google.control("units")[one]["refused"] == 1
    assert google.control("units")[two]["refused"] == 0


def test_batch_runs_its_parts_at_once(google):
    (one, first), (_two, second) = connected(google), connected(google)
    parts = [("profile", first)] * 5 + [("profile", second)]
    with settings(google, most_concurrent=3):
        found = answers_of(post_batch(google, parts))
        assert [s for _i, s, _b in found] == [200, 200, 200, 429, 429, 200]
        error = json.loads(found[3][2])["error"]
        assert error["message"] == "Too many concurrent requests for user"
        assert error["errors"][0]["reason"] == "rateLimitExceeded"
        assert google.control("units")[one]["total"] == 3
        # All have ended.
        assert set(statuses(post_batch(google, parts[:3]))) == {200}


def test_requests_at_once_are_too_many(google):
    _account, tokens = connected(google)
    found = []

    def ask():
        found.append(get(google, tokens, "profile").status_code)

    with settings(google, most_concurrent=2, latency=1):
        threads = [threading.Thread(target=ask) for _number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [200, 200, 429]
    assert get(google, tokens, "profile").elapsed.total_seconds() < 1


# -- faults ------------------------------------------------------------


def fault(google, path, **values):
    google.control("faults", {"path": path, **values})


def ids_of(response):
    return [i for i, _status, _body in answers_of(response)]


def in_order(*numbers):
    return [f"<response-{number}>" for number in numbers]


def test_fault_hits_one_part_of_a_batch(google):
    _account, tokens = connected(google)
    fault(google, "/labels$", in_batch=True, status=503)
    assert get(google, tokens, "labels").status_code == 200
    parts = [("profile", None), ("labels", None), ("labels", None)]
    assert statuses(post_batch(google, parts, tokens)) == [200, 503, 200]
    fault(google, "/labels$", in_batch=False, status=503)
    assert statuses(post_batch(google, parts, tokens)) == [200, 200, 200]
    assert get(google, tokens, "labels").status_code == 503


def test_fault_hits_one_account(google):
    (one, first), (_two, second) = connected(google), connected(google)
    fault(google, "/profile$", account=one, status=429)
    parts = [("profile", second), ("profile", first), ("profile", first)]
    assert statuses(post_batch(google, parts)) == [200, 429, 200]
    hit = google.control("faults/hits")[-1]
    assert (hit["account"], hit["in_batch"], hit["method"]) == (one, True, "GET")
    assert hit["fault"]["status"] == 429


def test_fault_hits_a_whole_batch(google):
    account, tokens = connected(google)
    parts = [("profile", None)] * 2
    fault(google, "^/batch", status=503)
    assert post_batch(google, parts, tokens).status_code == 503
    fault(google, "^/batch", as_type="text/html")
    response = post_batch(google, parts, tokens)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html"
    assert response.text.startswith("<!DOCTYPE html>")
    # Nothing was asked of the account.
    assert account not in google.control("units")
    fault(google, "/profile$", as_type="text/html", in_batch=True)
    found = answers_of(post_batch(google, parts, tokens))
    assert found[0][2].startswith("<!DOCTYPE") and found[1][2].startswith("{")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lose_parts": [0, 2]}, in_order(1, 3)),
        ({"lose_parts": 3}, in_order(0)),
        ({"unmatched": True}, in_order("foreign", 0, 1, 2, 3)),
        ({"lose_parts": [1], "unmatched": True}, in_order("foreign", 0, 2, 3)),
    ],
)
def test_batch_answers_with_other_parts(google, changes, expected):
    account, tokens = connected(google)
    fault(google, "^/batch", **changes)
    assert ids_of(post_batch(google, [("profile", None)] * 4, tokens)) == expected
    # The work was done all the same.
    assert google.control("units")[account]["total"] == 4
    assert not google.control("faults")


def test_batch_answers_in_another_order(google):
    _account, tokens = connected(google)
    for number in (2, 20):
        fault(google, "^/batch", shuffle=True)
        found = ids_of(post_batch(google, [("profile", None)] * number, tokens))
        assert found != in_order(*range(number))
        assert sorted(found) == sorted(in_order(*range(number)))


@pytest.mark.parametrize(("limit", "size"), [(10, 10), (0.5, None), (10**6, None)])
def test_answer_is_cut_and_reads_as_complete(google, limit, size):
    _account, tokens = connected(google)
    whole = get(google, tokens, "labels").content
    size = size or min(len(whole), int(limit * len(whole)))
    fault(google, "/labels$", truncate=limit)
    response = get(google, tokens, "labels")
    assert response.status_code == 200
    assert response.content == whole[:size]
    assert response.headers["Content-Length"] == str(size)
    fault(google, "/labels$", truncate=limit)
    found = answers_of(post_batch(google, [("labels", None)] * 2, tokens))
    assert [b.encode() for _i, _s, b in found] == [whole[:size], whole]
    fault(google, "^/batch", truncate=100)
    assert len(post_batch(google, [("labels", None)], tokens).content) == 100


def test_history_is_repeated_and_out_of_order(google):
    account, tokens = connected(google)
    start = get(google, tokens, "profile").json()["historyId"]
    for _number in range(5):
        google.add_message(account, mail())

    def listed(token=None, **changes):
        if changes:
            fault(google, "/history$", **changes)
        page = {"pageToken": token} if token else {}
        found = get(google, tokens, "history", startHistoryId=start, **page).json()
        return [record["id"] for record in found["history"]]

    right = listed()
    assert listed(repeat_history=True) == right + right
    wrong = listed(reorder_history=True)
    assert wrong != right and sorted(wrong) == right
    both = listed(repeat_history=True, reorder_history=True)
    assert sorted(both) == sorted(right + right)
    fault(google, "/history$", empty_page=True)
    empty = get(google, tokens, "history", startHistoryId=start).json()
    assert "history" not in empty
    assert listed(token=empty["nextPageToken"]) == right
    start = get(google, tokens, "profile").json()["historyId"]
    fault(google, "/history$", repeat_history=True)
    assert "history" not in get(google, tokens, "history", startHistoryId=start).json()


def test_fault_comes_by_chance_and_the_same_each_time(google):
    _account, tokens = connected(google)

    def row(seed):
        forever = {"count": 10**9, "chance": 0.3, "seed": seed}
        fault(google, "/profile$", status=503, **forever)
        found = statuses(post_batch(google, [("profile", None)] * 100, tokens))
        (shown,) = google.control("faults")
        assert (shown["hits"], shown["seen"]) == (found.count(503), 100)
        google.control("faults?clear=1")
        return found

    found = row(1)
    assert row(1) == found != row(2)
    assert 15 <= found.count(503) <= 45


def test_fault_that_is_not_known_is_refused(google):
    with pytest.raises(requests.HTTPError):
        fault(google, "/profile$", trunkate=1)
