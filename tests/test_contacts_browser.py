"""Google's contacts in a real browser: review, decide, import, undo.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import pytest
from playwright.sync_api import expect

from .browser import (
    chromium,
    connect,
    dev_run,
    logged_in_page,
    open_panel,
    open_settings_of,
    rpc,
    shot,
)
from .common import ANNA
from .google_standin.process import Standin
from .test_contacts import person
from .test_page_browser import administrator, let_create_contacts, turn_dark

FIRM = "customer-example.test"
PHONE = {"width": 390, "height": 800}
DESKTOP = {"width": 1280, "height": 800}
WORKS = 60_000


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_contacts") as facts:
        google = Standin(facts["standin_url"])
        google.contacts(
            ANNA,
            add=[
                person("Twin of Two", f"twin@{FIRM}", phone="+49 30 7654321"),
                person("Dan Low", f"dan@{FIRM}", photo=True),
                person("Эва Новак", f"eva@{FIRM}"),
                person(
                    "Kim Kept",
                    f"kim@{FIRM}",
                    organizations=[{"name": "Kept & Sons", "title": "Buyer"}],
                ),
            ],
        )
        yield {**facts, "google": google}


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(browser, server):
    with administrator(browser, server) as admin:
        twins = [{"name": n, "email": f"twin@{FIRM}"} for n in ("Twin A", "Twin B")]
        rpc(admin, "res.partner", "create", twins)
        owner = ["gmail_oauth_mailbox.contact_visibility", "owner"]
        rpc(admin, "ir.config_parameter", "set_param", *owner)
    let_create_contacts(browser, server)
    page = logged_in_page(browser, server)
    connect(page, ANNA)
    return page


def open_contacts(page):
    """Open the tab of the mailbox's settings."""
    open_settings_of(page, ANNA, "contacts")


def summary(page, *words):
    """Wait until the summary says so; it is read anew each time."""
    for _attempt in range(30):
        open_contacts(page)
        page.locator(".o_notebook .tab-pane.active").wait_for()
        text = page.locator(".o_notebook .tab-pane.active").inner_text()
        if all(word in text for word in words):
            return
        page.wait_for_timeout(1000)
    raise AssertionError(text)


def row(page, name):
    return page.locator(".o_data_row", has_text=name)


def open_review(page):
    page.click("[name=action_review_contacts]")
    page.wait_for_selector(".o_group_header")
    unfold(page)


def unfold(page):
    """Show what is in the groups of the list."""
    while page.locator(".o_group_header:not(.o_group_open)").count():
        page.locator(".o_group_header:not(.o_group_open)").first.click()
        page.wait_for_timeout(300)
    page.wait_for_selector(".o_data_row")


def test_1_the_preview(page):
    summary(page, "contacts in Google", "You decide: 1")
    expect(page.locator("[name=action_import_contacts]")).to_be_visible()
    shot(page, "110-contacts-tab")
    page.locator("[name=contact_policy] input, [name=contact_policy] select").click()
    page.locator(".o_select_menu_item, option", has_text="All").last.click()
    page.click(".o_form_button_save")
    summary(page, "New contact:")
    shot(page, "111-contacts-counted")


def test_2_review_and_decide(page):
    open_panel(page)
    waits = page.locator(".o_gmail_contacts_wait")
    expect(waits).to_contain_text("ready for review")
    shot(page, "119-contacts-wait")
    waits.locator(".btn-primary").click()
    page.wait_for_selector(".o_group_header")
    unfold(page)
    shot(page, "112-review")
    expect(row(page, "Twin of Two")).to_contain_text("Several contacts are like it")
    row(page, "Twin of Two").locator("[name=action_ask_link]").click()
    expect(page.locator(".modal")).to_contain_text("Twin A")
    shot(page, "113-which")
    page.locator(".modal [name=partner_id] input").fill("Twin B")
    page.locator(
        ".modal .o-autocomplete--dropdown-item", has_text="Twin B"
    ).first.click()
    page.locator(".modal .btn-primary").click()
    expect(page.locator(".modal")).to_have_count(0)
    unfold(page)
    expect(row(page, "Twin of Two")).to_contain_text("You chose it")
    row(page, "Эва Новак").locator("[name=action_leave_out]").click()
    expect(page.locator(".o_group_header", has_text="Left out (3)")).to_be_visible()
    unfold(page)
    expect(row(page, "Эва Новак")).to_contain_text("You left it out")
    shot(page, "114-decided")
    found = rpc(page, "res.partner", "search_count", [["email", "=", f"dan@{FIRM}"]])
    assert found == 0


def test_3_import(page):
    page.click(".o_control_panel [name=action_import]")
    expect(page.locator(".o_notification")).to_contain_text("This takes a moment")
    for _attempt in range(60):
        found = rpc(
            page,
            "res.partner",
            "search_read",
            [["email", "=", f"dan@{FIRM}"]],
            ["name", "image_1920"],
        )
        if found and found[0]["image_1920"]:
            break
        page.wait_for_timeout(1000)
    assert found[0]["name"] == "Dan Low"
    assert found[0]["image_1920"]
    [twin] = rpc(
        page, "res.partner", "search_read", [["name", "=", "Twin B"]], ["phone"]
    )
    assert twin["phone"] == "+49 30 7654321"
    assert not rpc(page, "res.partner", "search", [["email", "=", f"eva@{FIRM}"]])
    open_contacts(page)
    shot(page, "115-imported")


def open_contact(page, email):
    [kim] = rpc(page, "res.partner", "search", [["email", "=", email]])
    page.goto(f"{page.origin}/odoo/res.partner/{kim}")
    page.wait_for_selector(".o_form_view [name=name]")
    return kim


def test_31_only_its_owner_sees_it(browser, server, page):
    kim = open_contact(page, f"kim@{FIRM}")
    banner = page.locator(".alert-info", has_text="Only those who have this contact")
    expect(banner).to_be_visible()
    shot(page, "120-only-mine")
    with administrator(browser, server) as admin:
        assert not rpc(admin, "res.partner", "search", [["id", "=", kim]])
    banner.locator("[name=action_gmail_open]").click()
    expect(banner).to_have_count(0)
    with administrator(browser, server) as admin:
        assert rpc(admin, "res.partner", "search", [["id", "=", kim]]) == [kim]
    rpc(page, "res.partner", "write", [kim], {"phone": "1"})
    [found] = rpc(page, "res.partner", "read", [kim], ["parent_id"])
    assert found["parent_id"][1] == "Kept & Sons"


def test_4_undo(page):
    open_contacts(page)
    page.click("[name=action_undo_contacts]")
    expect(page.locator(".modal")).to_contain_text("unless somebody changed")
    shot(page, "116-undo")
    page.locator(".modal .btn-primary").click()
    for _attempt in range(60):
        if not rpc(page, "res.partner", "search", [["email", "=", f"dan@{FIRM}"]]):
            break
        page.wait_for_timeout(1000)
    [twin] = rpc(
        page, "res.partner", "search_read", [["name", "=", "Twin B"]], ["phone"]
    )
    assert not twin["phone"]
    summary(page, "15 contacts in Google. Left out: 15.", "in use: 1.")
    shot(page, "117-undone")


def test_41_in_the_dark(page, browser, server):
    turn_dark(browser, server)
    open_contacts(page)
    shot(page, "121-dark")
    open_review(page)
    shot(page, "122-dark-review")


def test_5_on_a_phone(page):
    open_contacts(page)
    page.set_viewport_size(PHONE)
    page.locator("[name=contact_policy]").last.scroll_into_view_if_needed()
    shot(page, "118-phone")
    page.wait_for_function(
        "width => document.documentElement.scrollWidth <= width", arg=PHONE["width"]
    )
    page.set_viewport_size(DESKTOP)
    assert not page.errors
