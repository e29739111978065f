"""From which address she writes, in the chatter, the full composer and the panel; the
signature that comes from Gmail; a picture that is pasted.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import base64
import re

import pytest
from playwright.sync_api import expect

from .browser import (
    chromium,
    connect,
    dev_run,
    logged_in_page,
    open_settings_of,
    rpc,
    shot,
)
from .common import ANNA, PRIVATE
from .google_standin.process import Standin
from .test_page_browser import picture

SALES = "sales@corp-example.test"
CLARA = "clara.vogel@nordwind.example"
# Until a mail has left by itself.
LEAVES = 40_000
PASTE = """(element, data) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
    element.dispatchEvent(
        new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true })
    );
}"""


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_sender") as facts:
        yield {**facts, "google": Standin(facts["standin_url"])}


@pytest.fixture(scope="module")
def google(server):
    google = server["google"]
    account = {"account": ANNA, "aliases": [SALES]}
    google.control("accounts", {**account, "signature": "<b>Anna Keller</b><br>Corp"})
    return google


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(browser, server, google):
    page = logged_in_page(browser, server)
    connect(page, ANNA)
    connect(page, PRIVATE)
    return page


def sent(google, account, subject):
    return [
        m
        for m in google.messages(account)
        if "SENT" in m["labelIds"] and header(m, "Subject") == subject
    ]


def header(message, name):
    return next((h["value"] for h in message["headers"] if h["name"] == name), "")


def open_contact(page):
    [contact] = rpc(page, "res.partner", "search", [["email", "=", CLARA]])
    page.goto(f"{page.origin}/odoo/contacts/{contact}")
    page.wait_for_selector(".o-mail-Chatter")


def test_1_the_chatter_offers_every_own_address(page, google):
    open_contact(page)
    page.click(".o-mail-Chatter-logNote")
    page.wait_for_selector(".o-mail-Composer-input")
    # A note is no mail.
    expect(page.locator(".o_gmail_chatter_from")).to_have_count(0)
    page.click(".o-mail-Chatter-sendMessage")
    choice = page.locator(".o_gmail_chatter_from select")
    expect(choice).to_have_value(ANNA)
    assert set(choice.locator("option").all_inner_texts()) == {ANNA, SALES, PRIVATE}
    shot(page, "100-chatter-from")
    choice.select_option(PRIVATE)
    page.fill(".o-mail-Composer-input", "From my other address.")
    page.click(".o-mail-Composer-send")
    said = page.locator(".o-mail-Message", has_text="From my other address.")
    expect(said).to_be_visible()
    name = document_name(page)
    message = arrived(page, google, PRIVATE, name)
    assert PRIVATE in header(message, "From")
    assert not sent(google, ANNA, name)


def document_name(page):
    [contact] = rpc(
        page, "res.partner", "search_read", [["email", "=", CLARA]], ["display_name"]
    )
    return contact["display_name"]


def arrived(page, google, account, subject):
    """Return the one mail with a subject, when it has left."""
    for _attempt in range(80):
        if found := sent(google, account, subject):
            [message] = found
            return message
        page.wait_for_timeout(500)
    raise AssertionError(f"{subject} did not leave")


def test_2_the_full_composer_takes_the_choice_along(page, google):
    open_contact(page)
    page.click(".o-mail-Chatter-sendMessage")
    page.locator(".o_gmail_chatter_from select").select_option(SALES)
    page.fill(".o-mail-Composer-input", "With the price list.")
    page.click("button[name=open-full-composer]")
    page.wait_for_selector(".modal .o_mail_composer_form_view")
    choice = page.locator(".modal [name=gmail_from]").locator("select, input")
    expect(choice).to_have_value(re.compile(SALES))
    shot(page, "101-full-composer")
    page.fill(".modal [name=subject] input", "Price list of the winter")
    page.click(".modal .o_mail_send")
    message = arrived(page, google, ANNA, "Price list of the winter")
    assert SALES in header(message, "From")
    assert CLARA in header(message, "To")
    assert "With the price list." in message["text"]


def test_3_the_signature_comes_from_gmail(page):
    open_settings_of(page, ANNA, "signature")
    page.click("[name=action_take_signature]")
    editor = page.locator("[name=signature] .odoo-editor-editable")
    expect(editor).to_contain_text("Anna Keller")
    shot(page, "102-signature")


def test_4_another_mailbox_another_signature(page):
    page.goto(f"{page.origin}/odoo/gmail")
    page.click(".o_gmail_new")
    editor = page.locator(".o_gmail_editor")
    expect(editor).to_contain_text("Corp")
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("Dear Clara, ")
    page.locator(".o_gmail_from").select_option(PRIVATE)
    expect(page.locator(".o_gmail_editor")).not_to_contain_text("Corp")
    expect(page.locator(".o_gmail_editor")).to_contain_text("Dear Clara,")
    shot(page, "103-other-signature")
    page.locator(".o_gmail_from").select_option(ANNA)
    expect(page.locator(".o_gmail_editor")).to_contain_text("Corp")


def test_5_a_pasted_picture_travels_in_the_mail(page, google):
    to = page.locator(".o_gmail_people:has(label:text-is('To')) input")
    to.fill("Clara Vogel <clara.vogel@nordwind.example>")
    to.press("Enter")
    page.fill(".o_gmail_subject_input", "The blue house")
    editor = page.locator(".o_gmail_editor")
    editor.click()
    page.keyboard.press("Control+Home")
    editor.evaluate(PASTE, base64.b64encode(picture()).decode())
    expect(editor.locator("img")).to_have_count(1)
    shot(page, "104-pasted")
    page.click(".o_gmail_send")
    # It can be taken back wherever she goes.
    page.click(".o_menu_sections [data-menu-xmlid$=gmail_awaiting_menu]")
    page.wait_for_selector(".o_list_view")
    expect(page.locator(".o_gmail_leaving")).to_contain_text("Clara Vogel")
    shot(page, "105-leaving-elsewhere")
    expect(page.locator(".o_gmail_said")).to_have_text("Sent.", timeout=LEAVES)
    message = arrived(page, google, ANNA, "The blue house")
    page.goto(f"{page.origin}/odoo/gmail")
    page.locator(".o_gmail_thread", has_text="The blue house").click()
    frame = page.frame_locator(".o_gmail_message iframe")
    expect(frame.locator("img[src^='data:image/png']")).to_have_count(1)
    shot(page, "106-picture-sent")
    assert "Content-ID" in message["raw"]
    assert not page.errors
