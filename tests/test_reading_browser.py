"""Reading in a real browser: quotes folded, remote images by choice, and mail that
tries to act does nothing at all.

``GMAIL_OAUTH_MAILBOX_SCREENSHOTS`` names a folder to keep the screenshots in.
"""

import threading
import time
from email.message import EmailMessage
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import expect

from .browser import (
    chromium,
    connect,
    dev_run,
    logged_in_page,
    shot,
)
from .common import ANNA
from .google_standin.process import Standin

FROM = "Carla Roth <carla.roth@customer-example.test>"
PASS = "mx.google.com; dmarc=pass header.from=customer-example.test"
QUOTED = (
    "<p>Thursday is fine.</p><div>On Monday, Anna wrote:<br></div>"
    "<blockquote><p>When shall we deliver?</p></blockquote>"
)
HOSTILE = """
<html><head><meta http-equiv="refresh" content="0;url={url}/refresh">
<base href="{url}/"><link rel="stylesheet" href="{url}/sheet.css">
<style>@import url({url}/import.css); body {{ background: url({url}/background.png) }}
.o_gmail_panel, * {{ position: fixed; top: 0; left: 0; width: 100vw; height: 100vh;
  z-index: 99999; background: red }}
</style><script>parent.document.title = "taken"; fetch("{url}/script")</script></head>
<body onload="parent.document.title='taken'" background="{url}/body.png">
<h1>Hostile mail</h1>
<img src="{url}/pixel.png" width="1" height="1" onerror="fetch('{url}/onerror')">
<img srcset="{url}/srcset.png 1x"><input type="image" src="{url}/input.png">
<form action="{url}/form">
<button autofocus onfocus="this.form.submit()">Go</button></form>
<svg onload="fetch('{url}/svg')"><image href="{url}/svgimage.png"/>
<script>fetch("{url}/svgscript")</script><use href="{url}/use.svg#a"/></svg>
<math><maction actiontype="statusline" xlink:href="javascript:fetch('{url}/math')">x
</maction></math>
<iframe src="{url}/frame"></iframe><object data="{url}/object"></object>
<embed src="{url}/embed"><video src="{url}/video" autoplay></video>
<audio src="{url}/audio" autoplay></audio>
<div style="background-image: u\\72l({url}/escape.png); position: fixed">CSS</div>
<a id="link" href="javascript:parent.document.title='taken'">Click me</a>
<a href="{url}/ping" ping="{url}/pinged">ping</a>
<template><img src="{url}/template.png"></template>
<noscript><img src="{url}/noscript.png"></noscript>
</body></html>
"""


@pytest.fixture(scope="module")
def listener():
    """A server that nobody may ask for anything; yields its address and what came."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_arguments):
            """It notes what came, and says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


@pytest.fixture(scope="module")
def server():
    with dev_run("gmail_oauth_mailbox_reading") as facts:
        yield facts


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def html_mail(subject, html, number):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = FROM, ANNA, subject
    message["Message-ID"] = f"<reading.{number}@customer-example.test>"
    message["Date"] = formatdate(time.time() - 60 * number)
    message["Authentication-Results"] = PASS
    message.set_content(html, subtype="html")
    return message.as_bytes()


@pytest.fixture(scope="module")
def page(server, browser, listener):
    google = Standin(server["standin_url"])
    url = listener[0]
    image = '<p>Our news</p><img src="https://images.customer-example.test/a.png">'
    for number, (subject, html) in enumerate(
        (
            ("Delivery on Thursday", QUOTED),
            ("A hostile mail", HOSTILE.format(url=url)),
            ("The newsletter", image),
        ),
        1,
    ):
        google.add_message(ANNA, html_mail(subject, html, number))
    page = logged_in_page(browser, server)
    # The image's server: nothing leaves this machine.
    page.fetched = []

    def answer(route):
        page.fetched.append(route.request.url)
        route.fulfill(status=200, content_type="image/png", body=b"")

    page.route("https://images.customer-example.test/**", answer)
    connect(page, ANNA)
    return page


def read(page, subject):
    """Open a conversation; return the locator of its last frame's content."""
    page.locator(".o_gmail_thread", has_text=subject).first.click()
    title = page.locator(".o_gmail_conversation h3")
    expect(title).to_contain_text(subject)
    page.wait_for_timeout(500)
    return page.locator(".o_gmail_message_body").last.content_frame


def test_1_quoted_text_is_folded(page):
    frame = read(page, "Delivery on Thursday")
    expect(frame.locator("body")).to_contain_text("Thursday is fine.")
    expect(frame.locator("blockquote")).to_be_hidden()
    height = page.locator(".o_gmail_message_body").last.bounding_box()["height"]
    shot(page, "80-folded")
    frame.locator("summary").click()
    expect(frame.locator("blockquote")).to_be_visible()
    page.wait_for_timeout(300)
    box = page.locator(".o_gmail_message_body").last.bounding_box()
    assert box["height"] > height + 20
    shot(page, "81-unfolded")


def test_2_a_hostile_mail_does_nothing(page, listener):
    title = page.title()
    frame = read(page, "A hostile mail")
    expect(frame.locator("h1")).to_have_text("Hostile mail")
    frame.locator("body").click()
    for link in frame.locator("a").all():
        if (link.get_attribute("href") or "").startswith("javascript"):
            pytest.fail("a link that runs")
    page.wait_for_timeout(1500)
    assert listener[1] == []
    assert page.title() == title
    box = page.locator(".o_gmail_message_body").last.bounding_box()
    assert box["height"] < 700
    shot(page, "82-hostile")
    # With its images, nothing else comes, and those of http not either.
    page.click(".o_gmail_show_images")
    page.wait_for_timeout(1500)
    assert listener[1] == []
    assert page.title() == title


def test_3_remote_images_when_asked(page):
    read(page, "The newsletter")
    assert page.fetched == []
    expect(page.locator(".o_gmail_remote")).to_contain_text("not shown")
    shot(page, "83-no-images")
    page.click(".o_gmail_show_images")
    expect(page.locator(".o_gmail_remote")).to_have_count(0)
    page.wait_for_timeout(500)
    assert page.fetched == ["https://images.customer-example.test/a.png"]
    # For this once.
    read(page, "Delivery on Thursday")
    read(page, "The newsletter")
    expect(page.locator(".o_gmail_remote")).to_have_count(1)
    page.click(".o_gmail_always_images")
    expect(page.locator(".o_gmail_remote")).to_have_count(0)
    read(page, "Delivery on Thursday")
    read(page, "The newsletter")
    expect(page.locator(".o_gmail_remote")).to_have_count(0)
    assert len(page.fetched) >= 2
    assert page.errors == []
