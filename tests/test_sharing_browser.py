"""Linking and sharing in a real browser: what the owner does in the panel, and what a
colleague sees of it.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import time
from email.utils import formatdate

import pytest
from playwright.sync_api import expect

from .browser import (
    allow,
    chromium,
    dev_run,
    logged_in_page,
    open_panel,
    rpc,
    shot,
    wait_for_all_mail,
)
from .common import ANNA, mail
from .google_standin.process import Standin

CARLA = "carla.roth@customer-example.test"
PASS = "mx.google.com; dmarc=pass header.from=customer-example.test"
SUBJECT = "Oak tables for the new office"


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_sharing") as facts:
        yield facts


@pytest.fixture(scope="module")
def google(server):
    return Standin(server["standin_url"])


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(server, browser, google):
    """Anna's page: her mailbox is connected, with a mail of Carla, a contact."""
    page = logged_in_page(browser, server)
    page.goto(f"{server['url']}/odoo/contacts")
    page.carla = rpc(
        page,
        "res.partner",
        "create",
        {"name": "Carla Roth", "email": CARLA, "phone": "+49 30 5550100"},
    )
    google.add_message(
        ANNA,
        mail(
            subject=SUBJECT,
            body="Can you send us an offer for twelve tables?",
            Message_ID="<oak.1@customer-example.test>",
            Authentication_Results=PASS,
            date=formatdate(time.time() - 600),
        ),
    )
    open_panel(page)
    page.click(".o_gmail_add_mailbox")
    page.wait_for_selector(".o_gmail_continue")
    page.fill(".modal [name=email] input", ANNA)
    shot(page, "50-dialog-private")
    level = page.locator(".modal [name=sharing_level] input")
    level.click()
    page.locator(".o_select_menu_item", has_text="Everything").click()
    shot(page, "51-dialog-shared")
    level.fill("")
    level.press("Tab")
    expect(page.locator(".o_gmail_promises")).to_contain_text("until you share it")
    page.click(".o_gmail_continue")
    allow(page, ANNA)
    page.wait_for_selector(".o_gmail_thread", timeout=60_000)
    wait_for_all_mail(page)
    return page


@pytest.fixture(scope="module")
def colleague(server, browser):
    return logged_in_page(browser, server, "ben")


def statement(page, text):
    found = page.locator(".o_gmail_statement")
    expect(found).to_contain_text(text, timeout=60_000)


def choose(page, level):
    page.click(".o_gmail_level")
    page.wait_for_selector(".o_gmail_keep_private")
    shot(page, f"53-menu-{level}")
    page.click(f".o_gmail_{level}")


def at_carla(page, carla):
    page.goto(f"{page.origin}/odoo/contacts/{carla}")
    page.wait_for_selector(".o-mail-Chatter .o-mail-Message, .o-mail-Chatter-content")
    page.wait_for_timeout(500)
    return page.locator(".o-mail-Chatter .o-mail-Message", has_text=SUBJECT)


def open_thread(page, subject=SUBJECT):
    open_panel(page)
    page.locator(".o_gmail_thread", has_text=subject).first.click()
    page.wait_for_selector(".o_gmail_level")


def test_1_private_with_its_contact(page):
    open_thread(page)
    expect(page.locator(".o_gmail_document")).to_contain_text("Carla Roth")
    statement(page, "Only you can read it")
    shot(page, "52-private")


def test_2_share_everything(page, colleague):
    expect(at_carla(colleague, page.carla)).to_have_count(0)
    choose(page, "share_everything")
    statement(page, "Whoever may read Carla Roth can read it there")
    shot(page, "54-shared")
    found = at_carla(colleague, page.carla)
    expect(found).to_contain_text("twelve tables")
    shot(colleague, "55-colleague-reads")


def test_3_less_and_private_again(page, colleague):
    choose(page, "share_subject")
    statement(page, "no text")
    found = at_carla(colleague, page.carla)
    expect(found).to_have_count(1)
    expect(found).not_to_contain_text("twelve tables")
    shot(colleague, "56-colleague-sees-subject")
    choose(page, "keep_private")
    statement(page, "Only you can read it")
    expect(page.locator(".o_gmail_level")).to_contain_text("Kept private")
    expect(at_carla(colleague, page.carla)).to_have_count(0)
    shot(page, "57-kept-private")


def test_4_create_a_lead_and_open_it(page):
    """What is kept private is not in what others may read."""
    page.click(".o_gmail_add_document")
    page.wait_for_selector(".o_gmail_find")
    # The contact is known: nothing is offered that exists.
    expect(page.locator(".o_gmail_make[data-model='res.partner']")).to_have_count(0)
    shot(page, "58-link-or-create")
    page.click(".o_gmail_make[data-model='crm.lead']")
    page.locator(".o_gmail_document", has_text="Mail with Carla Roth").wait_for()
    [kept] = leads(page, "Mail with Carla Roth")
    assert not kept["description"]
    choose(page, "level_as_mailbox")
    expect(page.locator(".o_gmail_level")).to_have_text("Private")
    page.click(".o_gmail_add_document")
    page.click(".o_gmail_make[data-model='crm.lead']")
    lead = page.locator(".o_gmail_document", has_text=SUBJECT)
    lead.wait_for()
    shot(page, "59-lead-created")
    lead.locator("button").first.click()
    page.wait_for_selector(".o_form_view")
    [made] = leads(page, SUBJECT)
    assert "twelve tables" in made["description"]
    assert made["partner_id"] == [page.carla, "Carla Roth"]
    assert made["email_from"] == CARLA
    shot(page, "60-lead")


def leads(page, name):
    return rpc(
        page,
        "crm.lead",
        "search_read",
        [["name", "=", name]],
        fields=["partner_id", "email_from", "description"],
    )


def test_5_search_link_unlink(page):
    rpc(page, "res.partner", "create", {"name": "Museum of Furniture"})
    open_thread(page)
    page.click(".o_gmail_add_document")
    page.fill(".o_gmail_find", "nothing has this name")
    page.wait_for_selector(".o_gmail_none_found")
    shot(page, "61-nothing-found")
    page.fill(".o_gmail_find", "Museum of Fur")
    page.locator(".o_gmail_found", has_text="Museum of Furniture").wait_for()
    shot(page, "62-found")
    page.locator(".o_gmail_found", has_text="Museum of Furniture").click()
    linked = page.locator(".o_gmail_document", has_text="Museum of Furniture")
    linked.wait_for()
    linked.locator(".o_gmail_unlink").click()
    linked.wait_for(state="detached")
    # Escape leaves the box, not the panel.
    page.click(".o_gmail_add_document")
    page.locator(".o_gmail_find").press("Escape")
    expect(page.locator(".o_gmail_find")).to_have_count(0)
    expect(page.locator(".o_gmail_panel")).to_be_visible()


def test_6_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(300)
    shot(page, "63-narrow")
    page.click(".o_gmail_add_document")
    page.wait_for_selector(".o_gmail_find")
    shot(page, "64-narrow-adding")
    wide = page.evaluate(
        "() => document.querySelector('.o_gmail_reader').scrollWidth"
        " - document.querySelector('.o_gmail_reader').clientWidth"
    )
    assert wide <= 0
    page.set_viewport_size({"width": 1280, "height": 800})


def test_7_nothing_went_wrong_in_the_page(page, colleague):
    assert page.errors == []
    assert colleague.errors == []
