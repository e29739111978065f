"""first_message: from the consent at Google to the first message on the screen.

In a real browser, against a real ``./dev run``: from the click on Google's page to the
row in the panel. Callback, tokens, the page it leads back to, and a worker that wakes
up are all in it. The first connection, with cold caches, counts like the others.
"""

import email.utils
import json
import pathlib
import re
import sys
import tempfile
import time

from .bench import row

MESSAGES = 2_000
LATENCY = 50
CONNECTIONS = 5
ACCOUNT = "anna.keller@corp-example.test"
DATABASE = "gmail_oauth_mailbox_first_message"
DAY = 86_400
# All of it is within the window of days that a new mailbox brings in.
DAYS = 28
DATE = re.compile(rb"^Date: [^\r\n]*", re.MULTILINE)


def date_anew(source, target):
    """Write a corpus as mail of the last days; return how many messages."""
    paths = sorted(source.rglob("*.eml"))
    step = DAYS * DAY / len(paths)
    for number, path in enumerate(paths):
        date = email.utils.formatdate(time.time() - (len(paths) - number) * step)
        raw = DATE.sub(f"Date: {date}".encode(), path.read_bytes(), count=1)
        (target / path.name).write_bytes(raw)
    return len(paths)


def connection(page, url):
    """Connect a mailbox through the panel; return the seconds, and remove it."""
    from tests.browser import allow, open_panel, rpc

    page.goto(f"{url}/odoo/contacts")
    page.wait_for_selector(".o_kanban_view, .o_list_view")
    open_panel(page)
    page.click(".o_gmail_add_mailbox")
    page.wait_for_selector(".o_gmail_continue")
    page.fill(".modal [name=email] input", ACCOUNT)
    page.click(".o_gmail_continue")
    allow(page, ACCOUNT)
    consented = time.monotonic()
    page.wait_for_selector(".o_gmail_thread", timeout=60_000)
    seconds = time.monotonic() - consented
    (mailbox,) = rpc(page, "gmail.mailbox", "panel_state")["mailboxes"]
    rpc(page, "gmail.mailbox", "action_delete", [mailbox["id"]])
    return seconds


def connections(folder, latency, count):
    """Return the seconds of each of ``count`` connections."""
    from tests.browser import dev_run, logged_in

    options = ["--seed", folder, "--latency", str(latency)]
    with dev_run(DATABASE, *options) as server, logged_in(server) as page:
        return [connection(page, server["url"]) for _number in range(count)]


def measure(bench):
    """The row first_message."""
    folder = bench.corpus("small", bench.messages(MESSAGES))
    with tempfile.TemporaryDirectory() as target:
        count = date_anew(folder / "mail", pathlib.Path(target))
        seconds = bench.in_browser("first_message", target, LATENCY, CONNECTIONS)
    bench.notes.append(
        f"{CONNECTIONS} connections of a mailbox of {count} messages and more, one "
        f"after the other, {LATENCY} ms latency, two workers."
    )
    return [row("first_message", "s", seconds)]


if __name__ == "__main__":
    path, milliseconds, times = sys.argv[1:]
    print(json.dumps(connections(path, int(milliseconds), int(times))))
