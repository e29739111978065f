"""Writing mail in a real browser, as a person does: new, answers, passing on, taking
back, later, files, drafts; on a phone too.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import time
from email.utils import formatdate

import pytest
from playwright.sync_api import expect

from .browser import (
    chromium,
    connect,
    dev_run,
    logged_in_page,
    open_panel,
    rpc,
    shot,
)
from .common import ANNA, mail
from .google_standin.process import Standin

SUBJECT = "Twelve oak tables"
CLARA = "clara.vogel@nordwind.example"
# Until a mail has left by itself.
LEAVES = 40_000


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_writing") as facts:
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
    """Anna's page: her mailbox is connected, with a mail to many."""
    google.add_message(
        ANNA,
        mail(
            subject=SUBJECT,
            body="Can you send us an offer for twelve tables?",
            to=f"Anna Keller <{ANNA}>",
            Cc="Dora Dunn <dora@customer-example.test>",
            Message_ID="<oak.1@customer-example.test>",
            date=formatdate(time.time() - 600),
        ),
    )
    page = logged_in_page(browser, server)
    connect(page, ANNA)
    return page


def sent(google, subject):
    return [
        m
        for m in google.messages(ANNA)
        if "SENT" in m["labelIds"]
        and any(h["name"] == "Subject" and h["value"] == subject for h in m["headers"])
    ]


def header(message, name):
    return next((h["value"] for h in message["headers"] if h["name"] == name), "")


def add_person(page, role, text, pick=None):
    box = page.locator(f".o_gmail_people:has(label:text-is('{role}')) input")
    box.click()
    box.press_sequentially(text, delay=20)
    if pick:
        page.locator(".o-autocomplete--dropdown-item", has_text=pick).first.click()
    else:
        box.press("Enter")


def write(page, text):
    page.locator(".o_gmail_editor").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type(text)


def open_thread(page, subject=SUBJECT):
    open_panel(page)
    page.locator(".o_gmail_thread", has_text=subject).first.click()
    page.wait_for_selector(".o_gmail_reply")


def test_1_a_new_mail(page, google):
    page.click(".o_gmail_new")
    page.wait_for_selector(".o_gmail_composer .o_gmail_editor")
    shot(page, "60-new")
    add_person(page, "To", "Clara", pick=CLARA)
    add_person(page, "To", "Emil Ernst <emil@else-example.test>")
    page.click(".o_gmail_more_fields button:text-is('Bcc')")
    add_person(page, "Bcc", "boss@corp-example.test")
    page.fill(".o_gmail_subject_input", "The new catalogue")
    write(page, "Here it is.")
    with page.expect_file_chooser() as chooser:
        page.click(".o_gmail_attach")
    chooser.value.set_files(
        [{"name": "catalogue.txt", "mimeType": "text/plain", "buffer": b"Tables"}]
    )
    expect(page.locator(".o_gmail_file")).to_contain_text("catalogue.txt")
    shot(page, "61-written")
    page.click(".o_gmail_send")
    expect(page.locator(".o_gmail_leaving")).to_contain_text("Clara Vogel")
    expect(page.locator(".o_gmail_composer")).to_have_count(0)
    shot(page, "62-leaving")
    assert not sent(google, "The new catalogue")
    expect(page.locator(".o_gmail_leaving")).to_have_count(0, timeout=LEAVES)
    [message] = sent(google, "The new catalogue")
    assert CLARA in header(message, "To")
    assert "emil@else-example.test" in header(message, "To")
    assert header(message, "Bcc") == "boss@corp-example.test"
    assert "Here it is." in message["text"]


def test_2_a_mail_is_taken_back_and_sent_right(page, google):
    open_thread(page)
    page.locator(".o_gmail_reply_all").last.click()
    page.wait_for_selector(".o_gmail_editor")
    expect(page.locator(".o_gmail_recipients")).to_contain_text("Dora Dunn")
    write(page, "We can. ")
    shot(page, "63-reply-all")
    page.click(".o_gmail_send")
    page.click(".o_gmail_undo")
    page.wait_for_selector(".o_gmail_editor")
    expect(page.locator(".o_gmail_editor")).to_contain_text("We can.")
    write(page, "Gladly! ")
    page.click(".o_gmail_quote_toggle")
    page.wait_for_selector(".o_gmail_quote")
    shot(page, "64-taken-back")
    page.click(".o_gmail_send")
    expect(page.locator(".o_gmail_message")).to_have_count(2, timeout=LEAVES)
    [message] = sent(google, f"Re: {SUBJECT}")
    assert "Gladly! We can." in message["text"]
    assert "dora@customer-example.test" in header(message, "Cc")
    assert header(message, "In-Reply-To") == "<oak.1@customer-example.test>"


def test_3_a_draft_survives_a_reload(page):
    open_thread(page)
    page.locator(".o_gmail_forward").first.click()
    page.wait_for_selector(".o_gmail_editor")
    add_person(page, "To", "frida@else-example.test")
    write(page, "For your information. ")
    expect(page.locator(".o_gmail_saved")).to_contain_text("Saved")
    page.reload()
    page.wait_for_selector(".o_gmail_systray")
    open_panel(page)
    page.click("[data-part=drafts]")
    row = page.locator(".o_gmail_draft", has_text="frida@else-example.test")
    expect(row).to_contain_text(f"Fwd: {SUBJECT}")
    shot(page, "65-drafts")
    row.click()
    page.wait_for_selector(".o_gmail_editor")
    expect(page.locator(".o_gmail_editor")).to_contain_text("For your information.")
    expect(page.locator(".o_gmail_person")).to_contain_text("frida@else-example.test")
    shot(page, "66-forward")


def test_4_what_is_wrong_is_said_and_nothing_is_lost(page):
    add_person(page, "To", "no address@")
    page.click(".o_gmail_send")
    expect(page.locator(".o_gmail_composer_error")).to_contain_text(
        "is no address that Gmail sends to"
    )
    shot(page, "67-wrong-address")
    page.locator(".o_gmail_person.text-bg-danger .btn-close").first.click()
    expect(page.locator(".o_gmail_editor")).to_contain_text("For your information.")


def test_5_later(page, google):
    page.click(".o_gmail_later")
    page.wait_for_selector(".o_gmail_later_input")
    shot(page, "68-later-menu")
    page.locator(".dropdown-item", has_text="Tomorrow morning").click()
    waiting = page.locator(".o_gmail_outbox")
    expect(waiting).to_contain_text("Your mail waits.")
    shot(page, "69-waits")
    page.locator(".o_gmail_take_back").click()
    page.wait_for_selector(".o_gmail_editor")
    assert not sent(google, f"Fwd: {SUBJECT}")


def test_6_google_refuses_and_the_text_is_back(page, google):
    fault = {"path": "/messages/send", "status": 400, "count": 9, "body": {"error": {}}}
    google.control("faults", fault)
    page.click(".o_gmail_send")
    expect(page.locator(".o_gmail_composer_error")).to_contain_text(
        "Google refused", timeout=LEAVES
    )
    expect(page.locator(".o_gmail_editor")).to_contain_text("For your information.")
    shot(page, "70-refused")
    google.control("faults?clear=1")
    page.click(".o_gmail_send")
    expect(page.locator(".o_gmail_leaving")).to_have_count(1)
    expect(page.locator(".o_gmail_leaving")).to_have_count(0, timeout=LEAVES)
    assert len(sent(google, f"Fwd: {SUBJECT}")) == 1


def test_6b_two_tabs(page, google):
    """What was written in one tab is not overwritten by another."""
    page.click("[data-part='']")
    open_thread(page)
    page.locator(".o_gmail_reply").last.click()
    write(page, "In the first tab. ")
    expect(page.locator(".o_gmail_saved")).to_contain_text("Saved")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(".o_gmail_systray")
    open_thread(other)
    expect(other.locator(".o_gmail_editor")).to_contain_text("In the first tab.")
    write(other, "In the second tab. ")
    expect(other.locator(".o_gmail_saved")).to_contain_text("Saved")
    write(page, "Again in the first. ")
    expect(page.locator(".o_gmail_composer_error")).to_contain_text("in another tab")
    # Of messages that are folded, the text is cut.
    reader = page.locator(".o_gmail_reader")
    assert reader.evaluate("(el) => el.scrollWidth - el.clientWidth") <= 0
    shot(page, "70b-two-tabs")
    # A mail that is on its way is taken back in one tab, and told in the other.
    other.click(".o_gmail_send")
    expect(other.locator(".o_gmail_leaving")).to_have_count(1)
    page.reload()
    open_thread(page)
    page.locator(".o_gmail_take_back").click()
    expect(page.locator(".o_gmail_editor")).to_contain_text("In the second tab.")
    expect(other.locator(".o_gmail_leaving")).to_have_count(0)
    assert not sent(google, f"Re: {SUBJECT}")[1:]
    page.click(".o_gmail_discard")
    other.close()


def test_7_keys(page):
    open_thread(page)
    page.locator(".o_gmail_reader").focus()
    page.keyboard.press("r")
    page.wait_for_selector(".o_gmail_editor")
    page.click(".o_gmail_discard")
    expect(page.locator(".o_gmail_composer")).to_have_count(0)
    page.keyboard.press("c")
    page.wait_for_selector(".o_gmail_subject_input")
    page.click(".o_gmail_leave")
    expect(page.locator(".o_gmail_composer")).to_have_count(0)
    assert rpc(page, "gmail.mailbox", "panel_state")["drafts"] == 0


def test_8_parts_and_labels(page):
    for part in ("unread", "starred", "attachments"):
        page.click(f"[data-part={part}]")
        page.wait_for_timeout(500)
        expect(page.locator(".o_gmail_threads")).to_be_visible()
    files = page.locator(".o_gmail_thread")
    assert files.count() == files.filter(has=page.locator(".fa-paperclip")).count() > 0
    shot(page, "71-with-files")
    page.click("[data-part='']")
    page.click(".o_gmail_labels")
    page.locator(".dropdown-item", has_text="Sent").click()
    expect(page.locator(".o_gmail_thread", has_text=SUBJECT)).to_have_count(1)
    shot(page, "72-label")
    page.click(".o_gmail_labels")
    page.locator(".dropdown-item", has_text="All labels").click()


def test_9_on_a_phone(page):
    open_thread(page)
    page.set_viewport_size({"width": 390, "height": 780})
    page.click(".o_gmail_back")
    page.click(".o_gmail_new")
    page.wait_for_selector(".o_gmail_composer .o_gmail_editor")
    add_person(page, "To", "Clara", pick=CLARA)
    shot(page, "73-phone-new")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    page.click(".o_gmail_discard")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.errors == []
