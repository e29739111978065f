"""latency: from "Sync now" to a mail of just now in the open panel.

In a real browser, against a real ``./dev run`` with its two cron workers, without
Google's push: a mail arrives in Gmail, somebody who waits for it clicks "Sync now", and
the list shows it. A mail that is starred in Gmail is measured the same way.
"""

import json
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate

from .bench import row

LATENCY = 50
CHANGES = 10
ACCOUNT = "anna.keller@corp-example.test"
DATABASE = "gmail_oauth_mailbox_latency"


def letter(subject):
    """Return the bytes of a mail of just now."""
    message = EmailMessage()
    message["From"] = "Carla Roth <carla.roth@customer-example.test>"
    message["To"], message["Subject"] = ACCOUNT, subject
    message["Date"] = formatdate()
    message.set_content("Hello Anna")
    return message.as_bytes()


def sync_now(page, selector):
    """Click "Sync now"; return the seconds until there is such an element."""
    page.click(".o_gmail_menu")
    button = page.locator(".o_gmail_sync")
    button.wait_for()
    begin = time.monotonic()
    button.click()
    page.wait_for_selector(selector, timeout=60_000)
    return time.monotonic() - begin


def changes(latency, count):
    """Return the seconds of each of ``count`` new mails, and of as many stars."""
    from tests.browser import connect, dev_run, logged_in
    from tests.google_standin.process import Standin

    arrived, starred = [], []
    options = ["--latency", str(latency)]
    with dev_run(DATABASE, *options) as server, logged_in(server) as page:
        connect(page, ACCOUNT)
        google = Standin(server["standin_url"])
        for number in range(count):
            subject = f"Measured mail number {number}"
            gmail_id = google.add_message(ACCOUNT, letter(subject))
            thread = f".o_gmail_thread:has-text('{subject}')"
            arrived.append(sync_now(page, thread))
            google.control(
                f"messages/{gmail_id}",
                {"account": ACCOUNT, "action": "labels", "add": ["STARRED"]},
            )
            starred.append(sync_now(page, f"{thread}:has(.fa-star)"))
    return {"arrived": arrived, "starred": starred}


def measure(bench):
    """The rows latency and latency, star."""
    seconds = bench.in_browser("latency", LATENCY, CHANGES)
    bench.notes.append(
        f"{CHANGES} mails and as many stars, each after a click on Sync now, "
        f"{LATENCY} ms latency, two workers, no push."
    )
    return [
        row("latency", "s", seconds["arrived"]),
        row("latency, star", "s", seconds["starred"]),
    ]


if __name__ == "__main__":
    milliseconds, times = map(int, sys.argv[1:])
    print(json.dumps(changes(milliseconds, times)))
