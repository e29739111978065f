"""The whole way in a real browser, against a real ``./dev run``: two origins, real
workers, real mail. As an ordinary internal user who has never seen it.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import base64
import re
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .browser import allow, dev_run, logged_in, open_panel, rpc, shot, wait_for_all_mail
from .common import ANNA, PRIVATE, mail
from .google_standin.process import Standin


@pytest.fixture(scope="module")
def server():
    # Some latency, as Google has.
    with dev_run("gmail_oauth_mailbox_whole_way", "--latency", "40") as facts:
        yield facts


@pytest.fixture(scope="module")
def google(server):
    return Standin(server["standin_url"])


@pytest.fixture(scope="module")
def page(server):
    with logged_in(server) as page:
        yield page


def test_1_connect_through_the_panel(page, server, google):
    page.goto(f"{server['url']}/odoo/contacts")
    page.wait_for_selector(".o_kanban_view, .o_list_view")
    before = page.url
    open_panel(page)
    page.wait_for_selector(".o_gmail_add_mailbox")
    shot(page, "01-empty-panel")
    page.click(".o_gmail_add_mailbox")
    page.wait_for_selector(".o_gmail_continue")
    assert page.locator(".o_gmail_promises li").count() == 4
    page.fill(".modal [name=email] input", ANNA)
    shot(page, "02-dialog")
    page.click(".o_gmail_continue")
    # Slow enough for a look at what is shown meanwhile.
    google.control("settings", {"latency": 0.4})
    allow(page, ANNA, "03-google")
    page.wait_for_selector(".o_gmail_thread", timeout=60_000)
    expect(page.locator(".o_gmail_progress .progress-bar")).to_be_visible()
    shot(page, "04-first-mail")
    google.control("settings", {"latency": 0.04})
    # Back where she was, at a clean address.
    assert page.url == before
    assert page.locator(".o_kanban_view, .o_list_view").count()
    expect(page.locator(".o_gmail_test_mode")).to_be_visible()


def test_2_all_mail_of_the_window_arrives(page, google):
    wait_for_all_mail(page)
    page.locator(".o_gmail_progress").wait_for(state="detached")
    shot(page, "05-all-mail")
    page.locator(".o_gmail_thread").nth(29).wait_for()
    rows = page.locator(".o_gmail_threads")
    before = page.locator(".o_gmail_thread").count()
    rows.evaluate("list => list.scrollTo(0, list.scrollHeight)")
    page.wait_for_function(
        f"() => document.querySelectorAll('.o_gmail_thread').length > {before}"
    )


def test_3_read_a_conversation(page):
    page.locator(".o_gmail_thread").first.click()
    page.wait_for_selector(".o_gmail_message_body")
    frame = page.locator(".o_gmail_message_body").last
    sandbox = frame.get_attribute("sandbox")
    assert "allow-scripts" not in sandbox
    assert frame.get_attribute("srcdoc").find("default-src 'none'") > 0
    body = frame.content_frame.locator("body")
    expect(body).not_to_be_empty()
    shot(page, "06-conversation")


def test_4_search_and_download_an_attachment(page):
    page.fill(".o_gmail_search", "parts.csv")
    without = page.locator(".o_gmail_thread:not(:has(.fa-paperclip))")
    expect(without).to_have_count(0)
    thread_id = page.locator(".o_gmail_thread").first.get_attribute("data-id")
    page.click(f".o_gmail_thread[data-id='{thread_id}']")
    conversation = page.locator(f".o_gmail_conversation[data-id='{thread_id}']")
    conversation.wait_for()
    folded = conversation.locator("[aria-expanded=false]")
    folded.evaluate_all("heads => heads.forEach((head) => head.click())")
    with page.expect_download() as download:
        page.locator(".o_gmail_attachment", has_text="parts.csv").first.click()
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"part;pieces")
    shot(page, "07-attachment")
    page.fill(".o_gmail_search", "Photo of the damaged leg")
    row = page.locator(".o_gmail_thread", has_text="Photo of the damaged leg").first
    row.click()
    picture = page.locator(".o_gmail_message_body").last.content_frame.locator("img")
    expect(picture).to_have_attribute("src", re.compile("^data:image/png;base64,"))
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)")
    shot(page, "07-picture")
    page.fill(".o_gmail_search", "nothingmatchesthis")
    page.wait_for_selector(".o_gmail_empty")
    shot(page, "08-no-result")
    page.click(".o_gmail_empty button")


def test_5_reply_stays_in_the_conversation(page, google):
    raw = mail(
        subject="Delivery of the blue chairs",
        body="Hello Anna, when do the chairs arrive?",
        Message_ID="<chairs.1@customer-example.test>",
        date=formatdate(time.time() - 3600),
    )
    gmail_id = google.add_message(ANNA, raw)
    sync_now(page)
    row = page.locator(".o_gmail_thread", has_text="Delivery of the blue chairs")
    row.wait_for(timeout=90_000)
    row.click()
    page.locator(".o_gmail_reply").last.click()
    page.wait_for_selector(".o_gmail_editor")
    page.locator(".o_gmail_editor").click()
    page.keyboard.type("They arrive on Thursday.")
    shot(page, "09-reply")
    page.click(".o_gmail_send")
    page.locator(".o_gmail_composer").wait_for(state="detached")
    # It can be taken back for ten seconds.
    expect(page.locator(".o_gmail_message")).to_have_count(2, timeout=40_000)
    shot(page, "10-replied")
    messages = {m["id"]: m for m in google.messages(ANNA)}
    thread = messages[gmail_id]["threadId"]
    sent = [
        m
        for m in messages.values()
        if m["threadId"] == thread and "SENT" in m["labelIds"]
    ]
    assert len(sent) == 1
    assert "They arrive on Thursday." in sent[0]["text"]
    headers = {h["name"].lower(): h["value"] for h in sent[0]["headers"]}
    assert headers["in-reply-to"].strip() == "<chairs.1@customer-example.test>"
    assert ANNA in headers["from"]
    assert "reply-to" not in headers
    google.reply_to = headers["message-id"].strip()


def test_6_the_customers_answer_appears(page, google):
    raw = mail(
        subject="Re: Delivery of the blue chairs",
        body="Thursday is fine, thank you!",
        Message_ID="<chairs.2@customer-example.test>",
        In_Reply_To=google.reply_to,
        References=f"<chairs.1@customer-example.test> {google.reply_to}",
        date=formatdate(time.time() + 60),  # the stand-in caps it at its own now
    )
    google.add_message(ANNA, raw)
    sync_now(page)
    expect(page.locator(".o_gmail_message")).to_have_count(3, timeout=90_000)
    body = page.locator(".o_gmail_message_body").last.content_frame.locator("body")
    expect(body).to_contain_text("Thursday is fine, thank you!")
    shot(page, "11-customers-answer")


def test_6_a_conversation_is_removed_from_odoo(page, google):
    raw = mail(subject="A private matter", date=formatdate(time.time() - 60))
    gmail_id = google.add_message(ANNA, raw)
    sync_now(page)
    row = page.locator(".o_gmail_thread", has_text="A private matter")
    row.wait_for(timeout=90_000)
    row.click()
    page.wait_for_selector(".o_gmail_message_body")
    page.click(".o_gmail_remove")
    page.wait_for_selector(".modal .btn-primary")
    shot(page, "11-remove")
    page.click(".modal .btn-primary")
    row.wait_for(state="detached")
    page.wait_for_selector(".o_gmail_nothing")
    assert gmail_id in {m["id"] for m in google.messages(ANNA)}


def sync_now(page):
    page.click(".o_gmail_menu")
    page.click(".o_gmail_sync")


def test_7_second_mailbox_through_the_preferences(page, server):
    page.click(".o_gmail_close")
    page.click(".o_user_menu button")
    page.click("[data-menu=preferences]")
    page.click("a[name=gmail_mailboxes]")
    page.wait_for_selector(".o_gmail_accounts .o_kanban_record")
    shot(page, "12-preferences")
    page.click(".o_gmail_preferences_add")
    page.wait_for_selector(".o_gmail_continue")
    page.fill(".modal [name=email] input", PRIVATE)
    page.click(".o_gmail_continue")
    allow(page, PRIVATE, "13-google")
    page.wait_for_selector(".o_gmail_switch", timeout=60_000)
    page.wait_for_selector(".o_gmail_thread", timeout=60_000)
    expect(page.locator(".o_gmail_switch")).to_contain_text(PRIVATE)
    page.click(".o_gmail_switch")
    page.click(".o_gmail_all_mailboxes")
    expect(page.locator(".o_gmail_of_mailbox", has_text=ANNA).first).to_be_visible()
    shot(page, "13-all-mailboxes")
    page.locator(".o_gmail_panel").focus()
    page.keyboard.press("?")
    expect(page.locator(".modal-body")).to_contain_text("reply all")
    page.click(".modal-footer button")
    page.click(".o_gmail_switch")
    page.locator(".dropdown-item", has_text=PRIVATE).click()
    expect(page.locator(".o_gmail_of_mailbox")).to_have_count(0)
    shot(page, "14-second-mailbox")


def test_8_phone_and_settings(page, server):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{server['url']}/odoo")
    open_panel(page)
    page.wait_for_selector(".o_gmail_thread")
    shot(page, "15-phone-list")
    page.locator(".o_gmail_thread").first.click()
    page.wait_for_selector(".o_gmail_message_body")
    shot(page, "16-phone-conversation")
    page.click(".o_gmail_back")
    expect(page.locator(".o_gmail_list")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click(".o_gmail_menu")
    page.get_by_role("menuitem", name="Mailbox settings").click()
    page.wait_for_selector(".o_form_view [name=history_window]")
    shot(page, "17-settings")
    state = page.locator(".o_field_widget[name=state]")
    page.click("button[name=action_pause]")
    expect(state).to_have_text("Paused")
    page.click("button[name=action_resume]")
    expect(state).to_have_text("Connected")
    page.click("button[name=action_ask_disconnect]")
    page.wait_for_selector(".modal .o_gmail_disconnect")
    shot(page, "18-disconnect")
    page.click(".modal [data-value=delete]")
    page.click(".modal .o_gmail_disconnect.btn-danger")
    # The form of what is deleted does not stay.
    page.locator("button[name=action_ask_disconnect]").wait_for(state="detached")
    mailboxes = rpc(page, "gmail.mailbox", "panel_state")["mailboxes"]
    assert [mailbox["email"] for mailbox in mailboxes] == [PRIVATE]
    assert mailboxes[0]["is_default"]


def test_9_nothing_broke(page, server):
    assert page.errors == []
    log = Path(server["log"]).read_text()
    problems = re.findall(r"^.* (?:WARNING|ERROR|CRITICAL) .*$", log, re.MULTILINE)
    # Odoo's own chat collides with itself while pages load, and tries again.
    assert not [line for line in problems if "discuss_channel_member" not in line]
    assert "code=" not in log and "state=" not in log
    assert not re.search(r"ya29\.|1//", log)
    assert base64.b64encode(b"They arrive").decode() not in log
    assert "They arrive on Thursday" not in log
