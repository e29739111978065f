"""156 real and malformed messages in a real browser: each arrives once, and none breaks
the page. One test a file; without the folder there are none (conftest.py says so).
"""

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from .browser import allow, dev_run, logged_in, open_panel, rpc, wait_for_all_mail
from .common import ANNA
from .conftest import CORPUS
from .google_standin.process import Standin

FILES = sorted(CORPUS.rglob("*.eml")) if CORPUS.is_dir() else []
NAMES = [path.relative_to(CORPUS).as_posix() for path in FILES]
OPEN = (
    """id => odoo.__WOWL_DEBUG__.root.env.services.gmail_oauth_mailbox.openThread(id)"""
)
UNFOLD = "heads => heads.forEach((head) => head.click())"

if FILES:

    @pytest.fixture(scope="module")
    def panel():
        """The open panel with all mail: (page, {file: ids stored of it})."""
        options = ("--seed", str(CORPUS))
        with dev_run("gmail_oauth_mailbox_corpus", *options) as server:
            with logged_in(server) as page:
                open_panel(page)
                page.click(".o_gmail_add_mailbox")
                page.wait_for_selector(".o_gmail_continue")
                page.fill(".modal [name=email] input", ANNA)
                page.click(".o_gmail_continue")
                allow(page, ANNA)
                page.wait_for_selector(".o_gmail_thread", timeout=60_000)
                (box,) = rpc(page, "gmail.mailbox", "search_read", [], ["id"])
                values = {"history_window": "0"}
                rpc(page, "gmail.mailbox", "write", [box["id"]], values)
                rpc(page, "gmail.mailbox", "action_sync_now", [box["id"]])
                wait_for_all_mail(page)
                fields = ["gmail_id", "thread_id"]
                stored = rpc(page, "gmail.message", "search_read", [], fields)
                yield page, files(server, stored), server
                assert page.errors == []

    def files(server, stored):
        """Return {file: [conversation, ...]}, one for each time that it is stored."""
        threads = {}
        for row in stored:
            threads.setdefault(row["gmail_id"], []).append(row["thread_id"][0])
        google = Standin(server["standin_url"])
        found = {m["source"]: m["id"] for m in google.messages(ANNA) if m["source"]}
        assert len(found) == len(FILES)
        assert max(Counter(found.values()).values()) == 1
        return {name: threads.get(gmail_id, []) for name, gmail_id in found.items()}

    @pytest.mark.parametrize("name", NAMES)
    def test_arrives_once_and_is_shown(panel, name):
        page, threads, _server = panel
        assert len(threads[name]) == 1
        page.errors.clear()
        (thread_id,) = threads[name]
        page.evaluate(OPEN, thread_id)
        conversation = page.locator(f".o_gmail_conversation[data-id='{thread_id}']")
        conversation.wait_for()
        conversation.locator("[aria-expanded=false]").evaluate_all(UNFOLD)
        frames = conversation.locator("iframe")
        messages = conversation.locator(".o_gmail_message").count()
        expect(frames).to_have_count(messages)
        for number in range(frames.count()):
            frames.nth(number).content_frame.locator("body").wait_for(state="attached")
        assert page.locator(".o_gmail_list").is_visible()
        assert page.locator(".o_error_dialog").count() == 0
        assert page.errors == []

    def test_the_log_tells_nothing_of_them(panel):
        with open(panel[2]["log"]) as log:
            text = log.read()
        ours = r" (WARNING|ERROR|CRITICAL) \S+ odoo\.addons\.gmail_oauth_mailbox"
        assert not re.search(ours, text)
        assert not re.search(r"bad query.*gmail_(message|thread|participant)", text)
