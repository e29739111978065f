"""Every failure of connecting that a browser can reach, in a real Chromium, and the
sentence in which it ends. As an ordinary internal user.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import contextlib
import re
import time
from urllib.parse import urlsplit

import pytest
from places import cache
from playwright.sync_api import expect

from .browser import allow, chromium, dev_run, logged_in_page, open_panel, rpc, shot
from .common import ANNA, BEN, PRIVATE
from .google_standin.process import Standin

GMAIL = "gmail_oauth_mailbox"
CALLBACK = f"/{GMAIL}/callback"


@pytest.fixture(scope="module")
def server():
    with dev_run(f"{GMAIL}_failures") as facts:
        yield facts


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def admin(browser, server):
    return logged_in_page(browser, server, "admin")


@pytest.fixture(scope="module")
def browser_page(browser, server):
    return logged_in_page(browser, server)


@pytest.fixture
def google(server):
    google = Standin(server["standin_url"])
    yield google
    google.control("settings", {"lies": {}, "api_disabled": False, "testing": False})
    google.control("settings", {"client_secret": "standin-secret"})
    google.control("faults?clear=1")
    for account in (ANNA, PRIVATE, BEN):
        google.control(
            "accounts",
            {
                "account": account,
                "gmail": True,
                "blocked": False,
                "domain_policy": False,
                "email_verified": True,
            },
        )


@pytest.fixture
def page(browser_page, server, google):
    browser_page.goto(f"{server['url']}/odoo/contacts")
    browser_page.wait_for_selector(".o_kanban_view, .o_list_view")
    yield browser_page
    # Nothing half-made stays for the next one.
    browser_page.goto(f"{server['url']}/odoo/contacts")
    browser_page.wait_for_selector(".o_gmail_systray")
    for mailbox in mailboxes(browser_page):
        rpc(browser_page, "gmail.mailbox", "action_delete", [mailbox["id"]])
    assert browser_page.errors == []


def mailboxes(page):
    return rpc(page, "gmail.mailbox", "panel_state")["mailboxes"]


def set_param(admin, name, value):
    """Set a system parameter, for good.

    Odoo forgets the cached values before it writes: a thread that looks in between
    keeps the old one in the server's memory for ever. Another parameter, written once
    the first is committed, makes it look again.
    """
    rpc(admin, "ir.config_parameter", "set_param", name, value)
    for again in (str(time.monotonic_ns()), False):
        rpc(admin, "ir.config_parameter", "set_param", "tests.look_again", again)
    assert rpc(admin, "ir.config_parameter", "get_param", name) == value


@contextlib.contextmanager
def parameter(admin, name, value):
    before = rpc(admin, "ir.config_parameter", "get_param", name)
    set_param(admin, name, value)
    try:
        yield
    finally:
        set_param(admin, name, before)


def ask(page, email=ANNA):
    """Open the dialog, type an address, and go on to Google."""
    open_panel(page)
    if page.locator(".o_gmail_state .o_gmail_add_mailbox").count():
        page.click(".o_gmail_state .o_gmail_add_mailbox")
    else:
        page.click(".o_gmail_menu")
        page.get_by_role("menuitem", name="Add new mailbox").click()
    page.wait_for_selector(".o_gmail_continue")
    page.fill(".modal [name=email] input", email)
    page.click(".o_gmail_continue")


def says(page, sentence, name, kind="danger"):
    """Wait for the notification; keep its picture; nothing was connected."""
    where = ".o_gmail_failure" if kind == "danger" else ".o_notification"
    toast = page.locator(where, has_text=sentence)
    toast.wait_for(timeout=30_000)
    assert kind == "danger" or toast.locator(f".bg-{kind}").count()
    print(f"\n{name}: {toast.inner_text().strip()}")
    shot(page, f"failure-{name}")
    assert CALLBACK not in page.url
    assert not re.search("code=|state=", page.url)
    assert urlsplit(page.url).path == "/odoo/contacts"


def nothing_connected(page):
    assert mailboxes(page) == []
    open_panel(page)
    expect(page.locator(".o_gmail_state .o_gmail_add_mailbox")).to_be_visible()


# -- before Google -----------------------------------------------------------


def test_not_set_up(page, admin):
    with parameter(admin, "google_gmail_client_id", False):
        page.reload()
        open_panel(page)
        state = page.locator(".o_gmail_state")
        expect(state).to_contain_text("not set up yet. Ask your administrator.")
        shot(page, "failure-01-not-set-up")
        admin.reload()
        open_panel(admin)
        expect(admin.locator(".o_gmail_state code")).to_contain_text(CALLBACK)
        shot(admin, "failure-02-not-set-up-administrator")
        admin.click(".o_gmail_open_settings")
        admin.wait_for_selector("[name=gmail_redirect_uri]")
        assert admin.locator("[data-key=gmail_oauth_mailbox].selected").count()
        admin.go_back()


def test_only_some_may_connect(page, admin):
    group = rpc(admin, "res.groups", "create", [{"name": "Gmail users"}])
    group = group[0] if isinstance(group, list) else group
    with parameter(admin, f"{GMAIL}.connect_group_id", str(group)):
        page.reload()
        page.wait_for_selector(".o_user_menu")
        assert not page.locator(".o_gmail_systray button").count()
        page.click(".o_user_menu button")
        page.click("[data-menu=preferences]")
        page.click("a[name=gmail_mailboxes]")
        page.click(".o_gmail_preferences_add")
        alert = page.locator(".modal .alert-warning")
        expect(alert).to_contain_text("not open to you")
        assert not page.locator(".o_gmail_continue:visible").count()
        shot(page, "failure-03-not-allowed")
    set_param(admin, f"{GMAIL}.connect_group_id", False)


def test_domain_not_allowed(page, admin):
    with parameter(admin, f"{GMAIL}.allowed_domains", "corp-example.test"):
        ask(page, PRIVATE)
        error = page.locator(".o_notification, .modal .o_error_dialog, .modal-body")
        expect(error.filter(has_text="Only accounts of").first).to_be_visible()
        shot(page, "failure-04-domain")
        # What she typed is still there.
        page.keyboard.press("Escape")


def test_connected_already(page):
    ask(page)
    allow(page, ANNA)
    page.wait_for_selector(".o_gmail_thread")
    ask(page)
    error = page.locator(".modal-body, .o_notification")
    expect(error.filter(has_text="is connected already").first).to_be_visible()
    shot(page, "failure-05-connected-already")


# -- at Google ---------------------------------------------------------------


def test_consent_denied(page):
    ask(page)
    page.click(f"button.account[data-email='{ANNA}']")
    page.click("#cancel")
    says(page, "access was not allowed", "06-cancelled", kind="info")
    nothing_connected(page)


def test_part_of_the_scopes_refused(page):
    ask(page)
    page.click(f"button.account[data-email='{ANNA}']")
    page.locator("input[value$='gmail.send']").uncheck()
    page.click("#allow")
    says(page, "sending was not allowed", "07-sending-refused", kind="warning")
    expect(page.locator(".o_gmail_banner")).to_contain_text("Sending mail was not")
    page.click(".o_gmail_banner button")
    page.click("#allow")
    page.locator(".o_gmail_banner").wait_for(state="detached")
    (mailbox,) = mailboxes(page)
    assert mailbox["can_read"] and mailbox["can_send"]


def test_a_reconnection_that_is_cancelled(page, google):
    mailbox = connected(page)
    google.control("accounts", {"account": ANNA, "action": "revoke"})
    with contextlib.suppress(KeyError):
        rpc(page, "gmail.mailbox", "action_sync_now", [mailbox])
    banner = page.locator(".o_gmail_banner")
    expect(banner).to_contain_text("Reconnect it", timeout=60_000)
    banner.get_by_role("button").click()
    page.click("#cancel")
    says(page, "Nothing was changed", "06-reconnecting-cancelled", kind="info")
    expect(page.locator(".o_gmail_banner")).to_contain_text("Reconnect it")


def test_allowed_after_cancelling(page, server):
    """Back at Google she allows what she has cancelled: that attempt has ended."""
    ask(page)
    page.wait_for_selector("button.account")
    google_page = next(url for url in page.seen if "/o/oauth2/v2/auth" in url)
    page.get_by_role("button", name="Cancel").click()
    page.locator(".o_notification", has_text="access was not allowed").wait_for()
    page.goto(page.seen[page.seen.index(google_page)])
    page.goto(next(url for url in reversed(page.seen) if "/o/oauth2/v2/auth" in url))
    allow(page, ANNA)
    expect(page.locator("main")).to_contain_text("not expected any more")
    page.click("main a")
    page.wait_for_selector(".o_gmail_systray")
    assert mailboxes(page) == []


def test_neither_reading_nor_sending(page):
    ask(page)
    page.click(f"button.account[data-email='{ANNA}']")
    for scope in ("gmail.send", "gmail.readonly"):
        page.locator(f"input[value$='{scope}']").uncheck()
    page.click("#allow")
    says(page, "neither reading nor sending", "08-neither")
    nothing_connected(page)


def test_another_account_is_connected_instead(page):
    ask(page)
    allow(page, PRIVATE)
    dialog = page.locator(".modal", has_text="Another account")
    expect(dialog).to_contain_text(f"You typed {ANNA} but picked {PRIVATE}")
    shot(page, "failure-09-another-account")
    dialog.get_by_role("button", name=f"Connect {PRIVATE}").click()
    page.wait_for_selector(".o_gmail_thread")
    assert [m["email"] for m in mailboxes(page)] == [PRIVATE]


def test_another_account_is_let_go(page, google):
    ask(page)
    allow(page, PRIVATE)
    dialog = page.locator(".modal", has_text="Another account")
    dialog.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".o_gmail_continue")
    expect(page.locator(".modal [name=email] input")).to_have_value(ANNA)
    shot(page, "failure-10-try-again")
    page.click(".modal button[special=cancel], .modal .btn-close")
    assert mailboxes(page) == []
    withdrawn(google, PRIVATE)


def test_another_account_is_asked_about_again_after_a_reload(page, google):
    ask(page)
    allow(page, PRIVATE)
    page.locator(".modal", has_text="Another account").wait_for()
    page.reload()
    dialog = page.locator(".modal", has_text="Another account")
    expect(dialog).to_contain_text(f"picked {PRIVATE}")
    page.keyboard.press("Escape")
    page.locator(".o_notification", has_text="is withdrawn").wait_for()
    assert mailboxes(page) == []
    withdrawn(google, PRIVATE)
    page.reload()
    page.wait_for_selector(".o_gmail_systray")
    page.wait_for_timeout(1000)
    assert not page.locator(".modal").count()


def withdrawn(google, email):
    end = time.monotonic() + 30
    while any(
        a["connected"] for a in google.control("accounts") if a["email"] == email
    ):
        assert time.monotonic() < end, f"{email} is not withdrawn"
        time.sleep(0.2)


def test_blocked_by_the_workspace_at_google(page, google, server):
    google.control("accounts", {"account": ANNA, "blocked": True})
    ask(page)
    page.click(f"button.account[data-email='{ANNA}']")
    expect(page.locator("body")).to_contain_text("admin_policy_enforced")
    shot(page, "failure-11-blocked-at-google")
    # The way out is the browser's own Back, or any page of Odoo.
    page.goto(f"{server['url']}/odoo/contacts")
    nothing_connected(page)


def test_the_tab_is_closed(page, server):
    ask(page)
    page.wait_for_selector("button.account")
    other = page.context.new_page()
    page.goto("about:blank")
    other.goto(f"{server['url']}/odoo/contacts")
    other.wait_for_selector(".o_gmail_systray")
    nothing_connected(other)
    ask(other)
    allow(other, ANNA)
    other.wait_for_selector(".o_gmail_thread")
    other.close()


# -- the answer --------------------------------------------------------------


def test_an_answer_pressed_twice(page):
    answers = []
    page.on("request", lambda r: CALLBACK in r.url and answers.append(r.url))
    ask(page)
    allow(page, ANNA)
    page.wait_for_selector(".o_gmail_thread")
    page.goto(answers[0])
    says(page, "is connected", "12-pressed-twice", kind="success")
    assert len(mailboxes(page)) == 1
    # Neither answer is in the history of the browser.
    page.go_back()
    assert CALLBACK not in page.url


def test_an_answer_that_is_not_expected(page, server):
    page.goto(f"{server['url']}{CALLBACK}?state=unknown&code=4/0Aabc")
    expect(page.locator("main")).to_contain_text("not expected any more")
    assert "state=" not in page.url and "code=" not in page.url
    shot(page, "failure-13-unexpected")
    page.click("main a")
    page.wait_for_selector(".o_gmail_systray")


def test_an_attempt_that_has_ended(page, server):
    ask(page)
    page.wait_for_selector("button.account")
    starts = rpc_starts(page)
    page.goto(starts)
    expect(page.locator("main")).to_contain_text("This attempt has ended")
    shot(page, "failure-14-ended")


def rpc_starts(page):
    """Return the start address that was used just now: it works once."""
    number = max(
        int(m) for url in page.seen for m in re.findall(rf"/{GMAIL}/start/(\d+)", url)
    )
    return f"{page.origin}/{GMAIL}/start/{number}"


def test_the_session_is_lost_on_the_way(page, server):
    ask(page)
    page.click(f"button.account[data-email='{ANNA}']")
    page.wait_for_selector("#allow")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.click("#allow")
    expect(page.locator("main")).to_contain_text("belongs to another session")
    assert "state=" not in page.url and "code=" not in page.url
    shot(page, "failure-15-session-lost")
    page.context.clear_cookies()
    page.context.add_cookies(cookies)
    page.goto(f"{server['url']}/odoo/contacts")
    page.wait_for_selector(".o_gmail_systray")
    nothing_connected(page)


def test_another_user_logged_in_meanwhile(browser, server, google):
    with contextlib.closing(logged_in_page(browser, server)) as page:
        page.goto(f"{server['url']}/odoo/contacts")
        page.wait_for_selector(".o_gmail_systray")
        ask(page)
        page.click(f"button.account[data-email='{ANNA}']")
        page.wait_for_selector("#allow")
        other = page.context.new_page()
        other.goto(f"{server['url']}/web/session/logout")
        other.goto(f"{server['url']}/web/login")
        other.fill("#login", "ben")
        other.fill("#password", "ben")
        other.click("button[type=submit]")
        other.wait_for_selector(".o_gmail_systray")
        page.click("#allow")
        expect(page.locator("main")).to_contain_text("belongs to another session")
        shot(page, "failure-16-another-user")
        assert mailboxes(other) == []


REFUSALS = {
    "17-no-gmail": ("accounts", {"account": ANNA, "gmail": False}, "has no Gmail"),
    "18-unverified": (
        "accounts",
        {"account": ANNA, "email_verified": False},
        "has not verified the address",
    ),
    "19-workspace-policy": (
        "accounts",
        {"account": ANNA, "domain_policy": True},
        "Workspace administrator does not allow",
    ),
    "20-no-refresh-token": (
        "settings",
        {"lies": {"withheld": ["refresh_token"]}},
        "no lasting permission",
    ),
    "21-code-refused": (
        "faults",
        {"path": "^/token$", "status": 400, "body": {"error": "invalid_grant"}},
        "was used or too old",
    ),
    "22-client-secret": ("settings", {"client_secret": "other"}, "Check set-up"),
    "23-api-disabled": ("settings", {"api_disabled": True}, "Gmail API is not enabled"),
    "24-google-busy": (
        "faults",
        {"path": "^/token$", "status": 503},
        "does not answer right now",
    ),
    "25-google-unreachable": (
        "faults",
        {"path": "^/token$", "drop": True},
        "does not answer right now",
    ),
    "26-proof": (
        "settings",
        {"lies": {"claims": {"aud": "another"}}},
        "proof of who you are",
    ),
    "27-issuer": (
        "settings",
        {"lies": {"callback": {"iss": "https://evil.test"}}},
        "did not come from Google",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(page, google, name):
    path, payload, sentence = REFUSALS[name]
    google.control(path, payload)
    ask(page)
    allow(page, ANNA)
    says(page, sentence, name)
    nothing_connected(page)


def test_client_secret_wrong_for_an_administrator(admin, server, google):
    google.control("settings", {"client_secret": "other"})
    admin.goto(f"{server['url']}/odoo/contacts")
    admin.wait_for_selector(".o_gmail_systray")
    ask(admin, BEN)
    allow(admin, BEN)
    says(admin, "copy both again", "28-client-secret-administrator")


def test_google_is_slow(page, google):
    google.control("faults", {"path": "^/token$", "delay": 4, "pass": True})
    ask(page)
    allow(page, ANNA)
    page.wait_for_selector(".o_gmail_thread")


def test_connected_by_a_colleague(page, admin, server):
    admin.goto(f"{server['url']}/odoo/contacts")
    admin.wait_for_selector(".o_gmail_systray")
    ask(admin, BEN)
    allow(admin, BEN)
    admin.wait_for_selector(".o_gmail_header")
    ask(page, BEN)
    allow(page, BEN)
    says(page, "is connected already, by", "29-colleague")
    nothing_connected(page)
    for mailbox in mailboxes(admin):
        rpc(admin, "gmail.mailbox", "action_delete", [mailbox["id"]])


# -- later -------------------------------------------------------------------


def connected(page):
    ask(page)
    allow(page, ANNA)
    page.wait_for_selector(".o_gmail_thread")
    (mailbox,) = mailboxes(page)
    return mailbox["id"]


def notices(page):
    """Return how many notifications the user got of a dead connection."""
    domain = [["subject", "ilike", "needs reconnecting"]]
    return rpc(page, "mail.message", "search_count", domain)


def test_an_address_that_went_to_another_account(page, google, server):
    connected(page)
    before = next(a["sub"] for a in google.control("accounts") if a["email"] == ANNA)
    google.control("accounts", {"account": ANNA, "sub": "9" * 21})
    page.goto(f"{server['url']}/odoo/contacts")
    page.wait_for_selector(".o_gmail_systray")
    mailbox = mailboxes(page)[0]["id"]
    action = rpc(page, "gmail.mailbox", "action_reconnect", [mailbox])
    page.goto(server["url"] + action["url"])
    page.click("#allow")
    toast = page.locator(".o_gmail_failure", has_text="another Google account now")
    toast.wait_for()
    print(f"\n30: {toast.inner_text().strip()}")
    shot(page, "failure-30-another-sub")
    google.control("accounts", {"account": ANNA, "sub": before})


def test_a_connection_dies_and_lives_again(page, google, server):
    mailbox = connected(page)
    before = notices(page)
    google.control("accounts", {"account": ANNA, "action": "password"})
    # It may have been noticed already.
    with contextlib.suppress(KeyError):
        rpc(page, "gmail.mailbox", "action_sync_now", [mailbox])
    banner = page.locator(".o_gmail_banner")
    expect(banner).to_contain_text("after a new password", timeout=60_000)
    expect(page.locator(".o_gmail_needs_help")).to_be_visible()
    shot(page, "failure-31-needs-reconnecting")
    # One notification, in her inbox.
    assert notices(page) == before + 1
    page.click(".o_gmail_close")
    page.click(".o_user_menu button")
    page.click("[data-menu=preferences]")
    page.click("a[name=gmail_mailboxes]")
    card = page.locator(".o_gmail_accounts .o_kanban_record", has_text=ANNA)
    expect(card).to_contain_text("Needs reconnecting")
    shot(page, "failure-32-preferences")
    card.get_by_role("button", name="Reconnect").click()
    page.click("#allow")
    page.locator(".o_notification", has_text="is connected").wait_for()
    (again,) = mailboxes(page)
    assert (again["id"], again["state"]) == (mailbox, "connected")


def test_gmail_is_switched_off_and_on(page, google):
    mailbox = connected(page)
    google.control("accounts", {"account": ANNA, "gmail": False})
    with contextlib.suppress(KeyError):
        rpc(page, "gmail.mailbox", "action_sync_now", [mailbox])
    banner = page.locator(".o_gmail_banner")
    expect(banner).to_contain_text("Gmail is switched off", timeout=60_000)
    shot(page, "failure-33-gmail-switched-off")
    google.control("accounts", {"account": ANNA, "gmail": True})
    banner.get_by_role("button", name="Reconnect").click()
    page.click("#allow")
    page.locator(".o_notification", has_text="is connected").wait_for()
    expect(page.locator(".o_gmail_banner")).to_have_count(0)


def test_disconnecting_keeps_the_mail_and_closes_the_dialog(page, server):
    mailbox = connected(page)
    page.goto(f"{server['url']}/odoo/action-{GMAIL}.gmail_mailbox_action/{mailbox}")
    page.click("button[name=action_ask_disconnect]")
    page.click(".modal .o_gmail_disconnect.btn-primary")
    page.locator(".modal").wait_for(state="detached")
    state = page.locator(".o_field_widget[name=state]")
    expect(state).to_have_text("Not connected")
    expect(page.locator("button[name=action_reconnect]").first).to_be_visible()
    (left,) = mailboxes(page)
    assert (left["id"], left["state"]) == (mailbox, "draft")


def test_sending_refused_shows_in_the_preferences(page):
    ask(page)
    page.click(f"button.account[data-email='{ANNA}']")
    page.locator("input[value$='gmail.send']").uncheck()
    page.click("#allow")
    page.wait_for_selector(".o_gmail_banner")
    page.click(".o_gmail_close")
    page.click(".o_user_menu button")
    page.click("[data-menu=preferences]")
    page.click("a[name=gmail_mailboxes]")
    card = page.locator(".o_gmail_accounts .o_kanban_record", has_text=ANNA)
    expect(card).to_contain_text("Sending mail was not allowed at Google.")
    shot(page, "failure-38-preferences-no-sending")
    card.get_by_role("button", name="Allow it").click()
    page.click("#allow")
    page.locator(".o_notification", has_text="is connected").wait_for()


def test_seven_days_of_testing(page, google, admin):
    google.control("settings", {"refresh_expires_in": 86400})
    connected(page)
    banner = page.locator(".o_gmail_banner")
    expect(banner).to_contain_text("Google ends Odoo's access on")
    shot(page, "failure-33-ends-soon")
    google.control("settings", {"refresh_expires_in": None})
    banner.get_by_role("button").click()
    page.click("#allow")
    page.locator(".o_notification", has_text="is connected").wait_for()
    page.wait_for_selector(".o_gmail_thread")
    expect(page.locator(".o_gmail_banner")).to_have_count(0)


def test_switched_off(page, admin):
    connected(page)
    with parameter(admin, f"{GMAIL}.disabled", "1"):
        page.reload()
        open_panel(page)
        banner = page.locator(".o_gmail_banner")
        expect(banner).to_contain_text("switched off on this database")
        shot(page, "failure-34-switched-off")


def test_the_key_is_missing_and_the_database_a_copy(page, admin, server):
    connected(page)
    name = rpc(admin, "ir.config_parameter", "get_param", f"{GMAIL}.key_name")
    path = cache() / "data" / GMAIL / f"{name}.key"
    hidden = path.with_suffix(".hidden")
    path.rename(hidden)
    try:
        page.reload()
        open_panel(page)
        banner = page.locator(".o_gmail_banner")
        expect(banner).to_contain_text("lacks the key")
        shot(page, "failure-35-key-missing")
    finally:
        hidden.rename(path)
    with parameter(admin, f"{GMAIL}.database_identity", "1/2"):
        # As a copy has it; taking over writes the true one, which is put back.
        page.reload()
        open_panel(page)
        expect(page.locator(".o_gmail_banner")).to_contain_text("is a copy")
        shot(page, "failure-36-copy")
        admin.goto(f"{server['url']}/odoo/settings")
        admin.wait_for_selector(".o_settings_container")
        admin.click("[data-key=gmail_oauth_mailbox]")
        admin.click("button[name=action_gmail_check]")
        admin.wait_for_selector(".modal button[name=action_take_over]")
        shot(admin, "failure-37-copy-check")
        admin.click(".modal button[name=action_check]")
        admin.wait_for_selector(".modal button[name=action_take_over]")
        admin.click(".modal button[name=action_take_over]")
        admin.click(".modal:has-text('Take the mailboxes over?') .btn-primary")
        admin.locator(".modal button[name=action_take_over]").wait_for(state="detached")
        admin.click(".modal .btn-close")
        page.reload()
        open_panel(page)
        expect(page.locator(".o_gmail_banner")).to_have_count(0)


def test_settings_and_their_check(admin, server):
    admin.goto(f"{server['url']}/odoo/settings")
    admin.wait_for_selector(".o_settings_container")
    admin.click("[data-key=gmail_oauth_mailbox]")
    admin.wait_for_selector("[name=gmail_redirect_uri]")
    shot(admin, "20-settings")
    admin.click("button[name=action_gmail_check]")
    admin.wait_for_selector(".modal .o_list_view")
    shot(admin, "21-check-set-up")
    admin.set_viewport_size({"width": 390, "height": 800})
    shot(admin, "22-check-set-up-phone")
    admin.set_viewport_size({"width": 1280, "height": 800})
    admin.click(".modal .btn-close")
    assert admin.errors == []
