"""The client in a real browser: as a page, several conversations at once, search in
Gmail, people's cards, files; on a phone; and what axe says of it.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import base64
import io
import re
import time
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate

import pytest
from PIL import Image
from playwright.sync_api import expect

from .browser import (
    chromium,
    connect,
    dev_run,
    logged_in_page,
    open_panel,
    rpc,
    serious_findings,
    shot,
)
from .common import ANNA
from .google_standin.process import Standin

CARLA = "Carla Roth <carla.roth@customer-example.test>"
DAY = 86_400
PHONE = {"width": 390, "height": 800}
DESKTOP = {"width": 1280, "height": 800}
# Odoo's colours turned round, as its dark mode, which the community edition has not,
# turns them.
DARK = """
$o-white: #1b1d26; $o-black: #fff;
$o-gray-100: #1f222c; $o-gray-200: #2a2e3b; $o-gray-300: #3c3f4c;
$o-gray-400: #5a5e6b; $o-gray-500: #6b707f; $o-gray-600: #a5a9b4;
$o-gray-700: #c4c7cf; $o-gray-800: #d9dbe0; $o-gray-900: #e8e9ec;
$o-view-background-color: #262a36; $o-webclient-background-color: #1b1d26;
$o-main-text-color: #d9dbe0; $o-main-headings-color: #fff;
$o-action: #a7a0d6; $o-brand-primary: #a7a0d6;
"""


def letter(
    subject, age, sender=CARLA, body="Hello Anna,\n\nsee below.\n\nCarla", **more
):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ANNA, subject
    message["Date"] = formatdate(time.time() - age)
    message["Message-ID"] = f"<{abs(hash((subject, age)))}@customer-example.test>"
    message["Authentication-Results"] = (
        "mx.google.com; dmarc=pass header.from=customer-example.test"
    )
    for name, value in more.items():
        message[name] = value
    message.set_content(body)
    return message


def picture():
    """A PNG that is large enough to be looked at."""
    data = io.BytesIO()
    Image.new("RGB", (400, 240), (70, 120, 160)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_page") as facts:
        google = Standin(facts["standin_url"])
        for number in range(4):
            subject = f"Order {number + 1} of four chairs"
            google.add_message(ANNA, letter(subject, 600 + number).as_bytes())
        plans = letter("Plans of the house", 300, Cc="Dan Low <dan@else-example.test>")
        plans.add_attachment(picture(), "image", "png", filename="house.png")
        plans.add_attachment(
            b"Length;Width\n4;3\n", "text", "plain", filename="rooms.txt"
        )
        plans.add_attachment(
            b"PK\x03\x04", "application", "zip", filename="drawings.zip"
        )
        google.add_message(ANNA, plans.as_bytes())
        old = letter("Ebony table of last year", 400 * DAY)
        google.add_message(ANNA, old.as_bytes())
        yield {**facts, "google": google}


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(browser, server):
    page = logged_in_page(browser, server)
    connect(page, ANNA)
    return page


def row(page, subject):
    return page.locator(".o_gmail_row", has_text=subject)


def open_page(page):
    page.goto(f"{page.origin}/odoo/gmail")
    page.wait_for_selector(".o_gmail_full .o_gmail_thread")


def test_1_from_the_panel_to_the_page_and_back(page):
    open_panel(page)
    row(page, "Order 1 of").locator(".o_gmail_thread").click()
    page.click(".o_gmail_reply")
    page.locator(".o_gmail_editor").click()
    page.keyboard.type("Begun in the panel.")
    page.click(".o_gmail_open_page")
    page.wait_for_selector(".o_gmail_full .o_gmail_conversation")
    # One client at a time, and what was being written is there.
    assert page.locator(".o_gmail_panel").count() == 0
    expect(page.locator(".o_gmail_full .o_gmail_editor")).to_contain_text(
        "Begun in the panel."
    )
    page.keyboard.press("Escape")
    shot(page, "80-page")
    page.click(".o_gmail_full .o_gmail_editor")
    page.keyboard.press("Control+End")
    page.keyboard.type(" Gone on on the page.")
    page.click(".o_menu_sections [data-menu-xmlid$=gmail_awaiting_menu]")
    page.wait_for_selector(".o_list_view")
    open_panel(page)
    expect(page.locator(".o_gmail_panel .o_gmail_editor")).to_contain_text(
        "Begun in the panel. Gone on on the page."
    )
    page.locator(".o_gmail_discard").click()
    page.keyboard.press("Escape")
    assert not page.errors


def test_2_the_menu_opens_the_page_and_the_top_bar_leaves_it_alone(page):
    page.goto(f"{page.origin}/odoo")
    page.click(".o_navbar_apps_menu button")
    page.locator(".o_app", has_text="Email").click()
    page.wait_for_selector(".o_gmail_full .o_gmail_thread")
    assert page.url.endswith("/odoo/gmail")
    page.click(".o_gmail_systray button")
    page.wait_for_timeout(500)
    assert page.locator(".o_gmail_mail").count() == 1
    # The address names the conversation, in a tab of its own and after a reload.
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    expect(page).to_have_url(re.compile(r"/odoo/gmail/\d+$"))
    page.reload()
    expect(page.locator(".o_gmail_conversation h3")).to_have_text("Plans of the house")
    expect(page.locator(".o_menu_brand")).to_have_text("Email")
    row(page, "Order 1 of").locator(".o_gmail_thread").click()
    expect(page.locator(".o_gmail_conversation h3")).to_contain_text("Order 1 of")
    # Back leads out of it.
    page.go_back()
    expect(page.locator(".o_gmail_conversation h3")).to_have_text("Plans of the house")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/odoo/gmail$"))
    expect(page.locator(".o_gmail_conversation")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".o_gmail_conversation h3")).to_have_text("Plans of the house")
    page.goto(f"{page.origin}/odoo/gmail/987654321")
    expect(page.locator(".o_gmail_reader [role=alert]")).to_be_visible()
    page.goto(f"{page.origin}/odoo/gmail")
    page.wait_for_selector(".o_gmail_full .o_gmail_thread")
    # Escape closes nothing that cannot be opened again from here.
    page.locator(".o_gmail_full").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".o_gmail_full")).to_be_visible()


def test_3_several_at_once(page):
    open_page(page)
    row(page, "Order 1 of").locator("input").check()
    row(page, "Order 3 of").locator("input").click(modifiers=["Shift"])
    expect(page.locator(".o_gmail_selection")).to_contain_text("3 selected")
    shot(page, "81-several")
    page.click(".o_gmail_share_picked")
    shot(page, "82-share-several")
    page.locator(".o_gmail_keep_picked").click()
    expect(page.locator(".o_gmail_selection")).to_have_count(0)
    row(page, "Order 2 of").locator(".o_gmail_thread").click()
    expect(page.locator(".o_gmail_documents")).to_contain_text("Kept private")
    # By the keyboard: x picks, Escape lets go.
    page.locator(".o_gmail_reader").focus()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".o_gmail_selection")).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.locator(".o_gmail_selection")).to_have_count(0)
    row(page, "Order 3 of").locator("input").check()
    row(page, "Order 4 of").locator("input").check()
    page.click(".o_gmail_remove_picked")
    shot(page, "83-remove-several")
    page.locator(".modal .btn-primary").click()
    expect(row(page, "Order 4 of")).to_have_count(0)
    expect(row(page, "Order 3 of")).to_have_count(0)
    expect(row(page, "Order 2 of")).to_have_count(1)


def test_4_search_in_gmail(page, server):
    open_page(page)
    page.fill(".o_gmail_search", "ebony")
    expect(page.locator(".o_gmail_empty")).to_contain_text("No mail in Odoo matches")
    shot(page, "84-not-in-odoo")
    page.click(".o_gmail_search_gmail")
    found = page.locator(".o_gmail_found_thread")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("Ebony table of last year")
    shot(page, "85-found-in-gmail")
    found.click()
    expect(page.locator(".o_gmail_conversation h3")).to_have_text(
        "Ebony table of last year"
    )
    # It is among Odoo's own mail now.
    expect(row(page, "Ebony table")).to_have_count(1)
    expect(found).to_have_count(0)
    shot(page, "86-brought-in")
    page.fill(".o_gmail_search", "zzzz")
    page.click(".o_gmail_search_gmail")
    expect(page.locator(".o_gmail_nothing_more")).to_be_visible()
    shot(page, "87-nothing-in-gmail")
    # Google does not answer: one sentence, and the button is there again.
    faults = {"path": "/messages", "status": 503, "body": {}, "count": 30}
    server["google"].control("faults", faults)
    page.fill(".o_gmail_search", "zzzz again")
    page.click(".o_gmail_search_gmail")
    expect(page.locator(".o_gmail_in_gmail [role=alert]")).to_be_visible()
    shot(page, "87b-no-answer")
    server["google"].control("faults?clear=1")


def test_5_cards(page, browser, server):
    let_create_contacts(browser, server)
    open_page(page)
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    page.locator(".o_gmail_name", has_text="Dan Low").click()
    card = page.locator(".o_gmail_card")
    expect(card).to_contain_text("Not a contact yet")
    # The keyboard is in the card, and goes back where it was.
    page.wait_for_function("document.activeElement.closest('.o_gmail_card') !== null")
    shot(page, "88-card-unknown")
    card.locator(".o_gmail_create_contact").click()
    expect(card.locator(".o_gmail_open_contact")).to_be_visible()
    shot(page, "89-card-contact")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(page.locator(".o_gmail_name", has_text="Dan Low")).to_be_focused()
    expect(page.locator(".o_gmail_documents")).to_contain_text("Dan Low")
    page.locator(".o_gmail_avatar").first.click()
    expect(card).to_contain_text("carla.roth@customer-example.test")
    card.locator(".o_gmail_show_mail").click()
    expect(page.locator(".o_gmail_search")).to_have_value(
        "carla.roth@customer-example.test"
    )
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    page.locator(".o_gmail_avatar").first.click()
    card.locator(".o_gmail_write_to").click()
    expect(page.locator(".o_gmail_composer")).to_contain_text("Carla Roth")
    page.locator(".o_gmail_discard").click()
    # The breadcrumbs lead back to what was left, whatever the page began with.
    open_page(page)
    row(page, "Order 2 of").locator(".o_gmail_thread").click()
    page.wait_for_selector(".o_gmail_message")
    page.reload()
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    page.locator(".o_gmail_name", has_text="Dan Low").click()
    card.locator(".o_gmail_open_contact").click()
    page.wait_for_selector(".o_form_view")
    page.locator(".o_breadcrumb a", has_text="My mail").click()
    expect(page.locator(".o_gmail_conversation h3")).to_have_text("Plans of the house")


@contextmanager
def administrator(browser, server):
    """Yield a page of the administrator."""
    page = logged_in_page(browser, server, login="admin")
    yield page
    page.context.close()


def let_create_contacts(browser, server):
    """The ordinary user may create contacts, as salespeople may."""
    with administrator(browser, server) as admin:
        [user] = rpc(admin, "res.users", "search", [["login", "=", "demo"]])
        [group] = rpc(
            admin,
            "ir.model.data",
            "search_read",
            [["module", "=", "base"], ["name", "=", "group_partner_manager"]],
            ["res_id"],
        )
        rpc(admin, "res.users", "write", [user], {"group_ids": [[4, group["res_id"]]]})


def test_6_files(page):
    open_page(page)
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    picture = page.locator(".o_gmail_attachment", has_text="house.png")
    picture.scroll_into_view_if_needed()
    shot(page, "90-files")
    picture.click()
    page.wait_for_selector(".o-FileViewer img")
    shot(page, "91-picture")
    page.keyboard.press("Escape")
    expect(page.locator(".o-FileViewer")).to_have_count(0)
    # Escape closed the picture, and nothing else.
    expect(page.locator(".o_gmail_conversation")).to_be_visible()
    page.locator(".o_gmail_attachment", has_text="rooms.txt").click()
    frame = page.frame_locator(".o-FileViewer iframe")
    expect(frame.locator("body")).to_contain_text("Length;Width")
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.locator(".o_gmail_attachment", has_text="drawings.zip").click()
    assert download.value.suggested_filename == "drawings.zip"
    page.locator(".o_gmail_attachment_more").first.click()
    shot(page, "92-file-menu")
    page.locator(".o_gmail_save_to", has_text="Dan Low").click()
    expect(page.locator(".o_gmail_said")).to_have_text("Saved to Dan Low.")
    [dan] = rpc(page, "res.partner", "search", [["name", "=", "Dan Low"]])
    saved = rpc(
        page,
        "ir.attachment",
        "search_read",
        [["res_model", "=", "res.partner"], ["res_id", "=", dan]],
        ["name"],
    )
    assert [file["name"] for file in saved] == ["house.png"]


def test_7_on_a_phone(page):
    page.set_viewport_size(PHONE)
    open_page(page)
    shot(page, "93-phone-list")
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    page.wait_for_selector(".o_gmail_message")
    expect(page.locator(".o_gmail_list")).to_be_hidden()
    shot(page, "94-phone-conversation")
    page.locator(".o_gmail_name", has_text="Dan Low").click()
    page.wait_for_selector(".o_gmail_card .o_gmail_open_contact")
    shot(page, "95-phone-card")
    page.keyboard.press("Escape")
    # Nothing is wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    reader = page.locator(".o_gmail_reader")
    assert reader.evaluate("(el) => el.scrollWidth - el.clientWidth") <= 0
    page.click(".o_gmail_back")
    row(page, "Plans of the house").locator("input").check()
    shot(page, "96-phone-several")
    page.locator(".o_gmail_clear_picked").click()
    page.click(".o_gmail_new")
    page.wait_for_selector(".o_gmail_composer")
    shot(page, "97-phone-writing")
    page.locator(".o_gmail_discard").click()
    page.set_viewport_size(DESKTOP)


def test_8_nobody_is_kept_out(page):
    """axe finds nothing serious in any state of the client."""
    found = {}
    open_page(page)
    found["list"] = serious_findings(page, ".o_gmail_full")
    row(page, "Plans of the house").locator("input").check()
    found["several"] = serious_findings(page, ".o_gmail_full")
    page.click(".o_gmail_clear_picked")
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    page.wait_for_selector(".o_gmail_message")
    page.wait_for_selector(".o_gmail_add_document")
    found["conversation"] = serious_findings(page, ".o_gmail_full")
    page.locator(".o_gmail_name").first.click()
    page.wait_for_selector(".o_gmail_card .btn")
    found["card"] = serious_findings(page, ".o_gmail_card")
    page.keyboard.press("Escape")
    page.click(".o_gmail_add_document")
    page.wait_for_selector(".o_gmail_find")
    found["linking"] = serious_findings(page, ".o_gmail_documents")
    page.keyboard.press("Escape")
    page.click(".o_gmail_reply")
    page.wait_for_selector(".o_gmail_editor")
    found["writing"] = serious_findings(page, ".o_gmail_full")
    page.locator(".o_gmail_discard").click()
    page.fill(".o_gmail_search", "zzzz")
    page.wait_for_selector(".o_gmail_search_gmail")
    found["nothing found"] = serious_findings(page, ".o_gmail_full")
    page.goto(f"{page.origin}/odoo")
    open_panel(page)
    page.wait_for_selector(".o_gmail_thread")
    found["panel"] = serious_findings(page, ".o_gmail_panel", ".o_gmail_systray")
    lines = sorted({f"{what}: {x}" for what, xs in found.items() for x in xs})
    assert not lines, "\n".join(lines)
    assert not page.errors


def turn_dark(browser, server):
    """Turn Odoo's colours round."""
    with administrator(browser, server) as admin:
        path = "/gmail_oauth_mailbox_dark/dark.scss"
        file = {"name": "dark.scss", "url": path, "mimetype": "text/scss"}
        data = base64.b64encode(DARK.encode()).decode()
        rpc(admin, "ir.attachment", "create", [{**file, "datas": data}])
        asset = {
            "name": "dark",
            "bundle": "web._assets_primary_variables",
            "directive": "prepend",
            "path": path,
        }
        rpc(admin, "ir.asset", "create", [asset])


def test_9_in_the_dark(page, browser, server):
    turn_dark(browser, server)
    open_page(page)
    background = page.locator(".o_gmail_full").evaluate(
        "(element) => getComputedStyle(element).backgroundColor"
    )
    assert background == "rgb(38, 42, 54)"
    row(page, "Plans of the house").locator("input").check()
    row(page, "Plans of the house").locator(".o_gmail_thread").click()
    page.wait_for_selector(".o_gmail_message")
    page.wait_for_selector(".o_gmail_add_document")
    # A mail is written for white paper.
    paper = page.locator(".o_gmail_message .o_gmail_page").evaluate(
        "(element) => getComputedStyle(element).backgroundColor"
    )
    assert paper == "rgb(255, 255, 255)"
    shot(page, "98-dark")
    page.click(".o_gmail_reply")
    page.wait_for_selector(".o_gmail_editor")
    shot(page, "99-dark-writing")
    page.locator(".o_gmail_discard").click()
    page.set_viewport_size(PHONE)
    open_page(page)
    shot(page, "99-dark-phone")
