"""A real ``./dev run`` and a real Chromium for the tests that need both."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from . import log_watch

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 300
# Two cores may have other work.
expect.set_options(timeout=20_000)
SHOTS = os.environ.get("GMAIL_OAUTH_MAILBOX_SCREENSHOTS")


@contextmanager
def memory():
    """Lift Odoo's limit on the address space: Chromium reserves far more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def dev_run(database, *options):
    """Yield the facts of a running ``./dev run`` on a fresh database of its own."""
    with memory(), tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        log = Path(folder) / "run.log"
        command = [sys.executable, str(ROOT / "dev"), "run", "--fresh"]
        command += ["--port", "0", "--standin-port", "0", "--host", "127.0.0.1"]
        command += ["--database", database, "--ready-file", str(ready), *options]
        unwanted = ("PYTHONPATH", "ODOO_RC", "GMAIL_OAUTH_MAILBOX_GOOGLE_URL")
        environment = {k: v for k, v in os.environ.items() if k not in unwanted}
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=output, env=environment
            )
        try:
            end = time.monotonic() + START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"./dev run did not start:\n{log.read_text()}")
                time.sleep(0.2)
            facts = json.loads(ready.read_text())
            yield facts
            found = log_watch.leaks(Path(facts["log"]).read_text())
            assert not found, f"the server logged: {found}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@contextmanager
def chromium():
    """Yield a browser; playwright allows one at a time."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with memory(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield browser
        browser.close()


def logged_in_page(browser, server, login="demo"):
    """Return a page of a user, with cookies of its own; by default the ordinary
    internal user.

    ``page.errors`` gathers what its scripts throw, ``page.seen`` the addresses that it
    asked for.
    """
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, accept_downloads=True
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.origin, page.errors, page.seen = server["url"], [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda request: page.seen.append(request.url))
    page.goto(f"{server['url']}/web/login")
    page.fill("#login", login)
    page.fill("#password", login)
    page.click("button[type=submit]")
    page.wait_for_selector(".o_gmail_systray", timeout=120_000)
    return page


@contextmanager
def logged_in(server):
    """Yield a page of the ordinary internal user, in a browser of its own."""
    with chromium() as browser:
        yield logged_in_page(browser, server)


def shot(page, name):
    """Keep a screenshot when a folder is named for them."""
    if SHOTS:
        page.wait_for_timeout(400)  # until movements have ended
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def serious_findings(page, *within):
    """Return what axe finds in parts of the page that keeps people out, as lines."""
    path = os.environ.get("AXE")
    assert path and Path(path).exists(), "axe is not there: ./dev test says why"
    page.evaluate(Path(path).read_text())
    result = page.evaluate(
        """async (within) => await axe.run(
            {include: within.map((selector) => [selector])},
            {resultTypes: ["violations"], iframes: false}
        )""",
        list(within),
    )
    return [
        f"{found['impact']} {found['id']}: {node['html'][:200]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def allow(page, account, name=None):
    """Walk Google's pages: chooser, 2-step once, consent."""

    def keep(what):
        if name:
            shot(page, f"{name}-{what}")

    keep("chooser")
    page.click(f"button.account[data-email='{account}']")
    page.wait_for_load_state()
    if page.locator("#verify").count():
        keep("two-step")
        page.click("#verify")
    page.wait_for_selector("#allow")
    keep("consent")
    page.click("#allow")


def connect(page, account):
    """Connect an account through the panel, and wait for all of its mail."""
    open_panel(page)
    # The first by the button of the empty panel, more by its menu.
    add = page.locator(".o_gmail_add_mailbox")
    menu = page.locator(".o_gmail_menu")
    add.or_(menu).wait_for()
    if menu.count():
        menu.click()
    add.click()
    page.wait_for_selector(".o_gmail_continue")
    page.fill(".modal [name=email] input", account)
    page.click(".o_gmail_continue")
    allow(page, account)
    page.wait_for_selector(".o_gmail_thread", timeout=60_000)
    wait_for_all_mail(page)


def rpc(page, model, method, *arguments, **keywords):
    """Ask the server as the page does."""
    path = f"/web/dataset/call_kw/{model}/{method}"
    params = {"model": model, "method": method, "args": arguments, "kwargs": keywords}
    response = page.request.post(
        page.url.split("/odoo")[0] + path, data={"jsonrpc": "2.0", "params": params}
    )
    return response.json()["result"]


def open_panel(page):
    """Open the Email panel unless it is open."""
    if not page.locator(".o_gmail_panel").count():
        page.click(".o_gmail_systray button")
    page.wait_for_selector(".o_gmail_panel")


def open_settings_of(page, account, tab):
    """Open a tab of a mailbox's settings, by way of the preferences."""
    page.goto(f"{page.origin}/odoo")
    page.click(".o_user_menu button")
    page.click("[data-menu=preferences]")
    page.click("a[name=gmail_mailboxes]")
    card = page.locator(".o_gmail_accounts .o_kanban_record", has_text=account)
    card.hover()
    card.locator(".o_dropdown_kanban button").click()
    page.click(".dropdown-item:text('Settings')")
    page.click(f"a[name={tab}]")


def wait_for_all_mail(page, seconds=120):
    """Wait until every mailbox has brought in its window."""
    end = time.monotonic() + seconds
    while True:
        mailboxes = rpc(page, "gmail.mailbox", "panel_state")["mailboxes"]
        if not any(mailbox["progress"]["running"] for mailbox in mailboxes):
            return
        assert time.monotonic() < end, "the first synchronisation does not end"
        time.sleep(0.5)
