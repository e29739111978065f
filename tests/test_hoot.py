"""The unit tests of the OWL components, run by Odoo's own runner in a real browser."""

import re

import pytest

from .browser import chromium, dev_run, logged_in_page

SUITE = "@gmail_oauth_mailbox"
SECONDS = 240
# What the runner says at its end.
PASSED = "Test suite succeeded"
FAILED = re.compile(r"\[HOOT\](%c)? Failed \d+ test")
TOTAL = re.compile(r"Passed (\d+) tests")


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_hoot") as facts:
        yield facts


def test_components(server):
    said = []
    with chromium() as browser:
        page = logged_in_page(browser, server, login="admin")
        # What the runner's preset expects.
        page.set_viewport_size({"width": 1366, "height": 768})
        page.on("console", lambda message: said.append(message.text))
        page.goto(
            f"{server['url']}/web/tests?headless&loglevel=2&preset=desktop"
            f'&timeout=15000&filter="{SUITE}"'
        )
        for _second in range(SECONDS):
            page.wait_for_timeout(1000)
            if any(PASSED in line or FAILED.search(line) for line in said):
                break
    text = "\n".join(line for line in said if "[HOOT]" in line)
    assert PASSED in text, "\n".join(x for x in text.splitlines() if "passed" not in x)
    total = sum(int(number) for number in TOTAL.findall(text))
    # A filter that finds nothing passes as well.
    assert total >= 30, text[-2000:]
