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
    statement(page, 'Anyone with access to "Carla Roth" can read this email')
    shot(page, "54-shared")
    found = at_carla(colleague, page.carla)
    expect(found).to_contain_text("twelve tables")
    shot(colleague, "55-colleague-reads")


def test_3_less_and_private_again(page, colleague):
    choose(page, "share_subject")
    statement(page, "not its text")
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


def test_7_emails_of_a_contact(page, colleague):
    colleague.goto(f"{colleague.origin}/odoo/contacts/{page.carla}")
    colleague.wait_for_selector(".o_form_view")
    # Private mail is not counted for others.
    expect(colleague.locator(".o_gmail_emails_button")).to_have_count(0)
    open_thread(page)
    choose(page, "share_everything")
    statement(page, "can read this email")
    colleague.reload()
    button = colleague.locator(".o_gmail_emails_button")
    expect(button).to_contain_text("1")
    shot(colleague, "65-emails-button")
    button.click()
    email = colleague.locator(".o_gmail_email")
    expect(email).to_contain_text(SUBJECT)
    expect(email).to_contain_text("Shared")
    shot(colleague, "66-emails")
    email.click()
    colleague.wait_for_selector(".o_form_view .o-mail-Chatter")
    # The owner's opens in her panel, also when she comes from the document.
    page.goto(f"{page.origin}/odoo/contacts/{page.carla}")
    page.locator(".o_gmail_emails_button").click()
    page.locator(".o_gmail_email").click()
    page.wait_for_selector(".o_gmail_conversation")
    expect(page.locator(".o_gmail_conversation h3")).to_have_text(SUBJECT)
    shot(page, "67-emails-of-the-owner")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 800})
    shot(page, "68-emails-narrow")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_8_who_waits_for_us(colleague):
    colleague.goto(f"{colleague.origin}/odoo")
    colleague.click(".o_navbar_apps_menu button")
    colleague.locator(".o_app", has_text="Email").click()
    colleague.click(".o_menu_sections [data-menu-xmlid$=gmail_awaiting_menu]")
    row = colleague.locator(".o_data_row", has_text="Carla Roth")
    expect(row).to_have_count(1)
    shot(colleague, "69-who-waits")
    colleague.click(".o_searchview_dropdown_toggler")
    menu = colleague.locator(".o_group_by_menu")
    menu.get_by_text("Awaiting our answer since", exact=True).click()
    menu.get_by_text("Week").first.click()
    colleague.wait_for_selector(".o_group_header")
    shot(colleague, "70-who-waits-grouped")


def test_9_exclude_the_sender(page):
    open_thread(page)
    page.click(".o_gmail_exclude_sender")
    page.wait_for_selector(".o_gmail_exclude")
    expect(page.locator(".modal")).to_contain_text("Messages that leave Odoo: 1")
    shot(page, "71-exclude")
    page.click(".o_gmail_exclude")
    page.locator(".modal").wait_for(state="detached")
    open_panel(page)
    row = page.locator(".o_gmail_thread", has_text=SUBJECT)
    expect(row).to_have_count(0, timeout=60_000)
    found = rpc(page, "gmail.exclusion", "search_read", [], fields=["pattern"])
    assert [exclusion["pattern"] for exclusion in found] == [CARLA]


@pytest.fixture(scope="module")
def administrator(server, browser):
    return logged_in_page(browser, server, "admin")


def limit(page, level):
    number = rpc(
        page, "res.config.settings", "create", {"gmail_sharing_ceiling": level}
    )
    rpc(page, "res.config.settings", "execute", [number])


def test_10_a_request(page, administrator):
    """An activity leads to cards with all that is needed, on a phone too."""
    [mailbox] = rpc(page, "gmail.mailbox", "search", [])
    rpc(page, "gmail.mailbox", "write", [mailbox], {"sharing_level": "everything"})
    limit(administrator, "metadata")
    limit(administrator, False)
    for width, name in ((1280, "72-request"), (390, "73-request-narrow")):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{page.origin}/odoo/contacts")
        page.locator(".o_menu_systray .o-mail-ActivityMenu-counter").click()
        page.locator(".o-mail-ActivityGroup", has_text="Sharing Request").click()
        card = page.locator(".o_kanban_record:not(.o_kanban_ghost)")
        expect(card).to_contain_text('Go back to sharing "Everything"?')
        for button in ("Share", "Don't share"):
            found = card.get_by_role("button", name=button, exact=True)
            expect(found).to_be_in_viewport()
        expect(page.locator(".o_switch_view.o_activity")).to_have_count(0)
        shot(page, name)
    card.click()
    page.wait_for_selector(".o_form_view h2")
    decline = page.get_by_role("button", name="Don't share", exact=True)
    expect(decline).to_be_in_viewport()
    shot(page, "74-request-form-narrow")
    page.set_viewport_size({"width": 1280, "height": 800})
    shot(page, "75-request-form")
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.locator(".o_notification")).to_contain_text('shares "Everything" again')
    expect(page.locator(".o_field_badge")).to_have_text("Shared")
    # What was agreed to is changed where the mailbox is.
    expect(decline).to_have_count(0)
    shot(page, "76-request-answered")


def test_99_nothing_went_wrong_in_the_page(page, colleague):
    assert page.errors == []
    assert colleague.errors == []
