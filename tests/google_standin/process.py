"""Start the stand-in from a test, and walk its pages as a user would."""

import base64
import html
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 30
INPUT = re.compile(r"<input type=(\w+) name=(\w+) value='([^']*)'")


class Standin:
    """A running stand-in.

    :ivar url: its origin
    """

    def __init__(self, url):
        self.url = url

    def control(self, path, payload=None):
        """Read a control path, or post ``payload`` to it; return its JSON."""
        url = f"{self.url}/__standin__/{path}"
        if payload is None:
            response = requests.get(url, timeout=TIMEOUT)
        else:
            response = requests.post(url, json=payload, timeout=TIMEOUT)
        response.raise_for_status()
        return response.json()

    def add_message(self, account, raw, labels=None):
        """Deliver RFC 5322 bytes to an account; return the message's Gmail id."""
        message = {
            "account": account,
            "raw": base64.b64encode(raw).decode(),
            "labels": labels,
        }
        return self.control("messages", message)["id"]

    def messages(self, account):
        """Return what the account holds: id, threadId, labelIds, headers, raw, text."""
        return self.control(f"messages?account={account}")

    def contacts(self, account, **what):
        """Change an account's people, by the keys of the control path ``contacts``;
        return the new ones' resource names. Without a change, return the people."""
        if not what:
            return self.control(f"contacts?account={account}")
        given = {"account": account, **what}
        return self.control("contacts", given)["resourceNames"]

    def add_contact(self, account, name="", *addresses, **fields):
        """Add a person, with addresses; return the resource name.

        :param fields: what else Google's JSON of a person holds, and ``photo``
        """
        given, _blank, family = name.rpartition(" ")
        parts = {"givenName": given or family, "familyName": given and family}
        person = {
            "names": [{key: part for key, part in parts.items() if part}],
            "emailAddresses": [{"value": address} for address in addresses],
        }
        person = {key: found for key, found in person.items() if found and found[0]}
        return self.contacts(account, add=[{**person, **fields}])[0]

    def log(self):
        """Return the requests that came: method, path, status, batch."""
        return self.control("log")


@contextmanager
def running(seed=None, **options):
    """Run a stand-in on a free port.

    :param options: its command line, e.g. ``no_default_seed=True``, ``latency=50``
    """
    command = [sys.executable, "-m", "tests.google_standin", "--port", "0"]
    if seed:
        command += ["--seed", str(seed)]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            command.append(flag)
        elif value is not None and value is not False:
            command += [flag, str(value)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        line = process.stdout.readline()
        if " at http" not in line:
            raise RuntimeError("the stand-in did not start; its error is above")
        yield Standin(line.rsplit(" ", 1)[1].strip())
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT)
        process.stdout.close()


def authorize(url, account, scopes=None):
    """Walk Google's pages from an authorization address; return the callback's.

    :param scopes: the ticks to leave on; None leaves all
    :raises ValueError: with the text of the page where it ends otherwise
    """
    session = requests.Session()
    response = session.get(url, timeout=TIMEOUT, allow_redirects=False)
    for _step in range(8):
        if response.is_redirect:
            target = urljoin(url, response.headers["Location"])
            if urlsplit(target).netloc != urlsplit(url).netloc:
                return target
            response = session.get(target, timeout=TIMEOUT, allow_redirects=False)
            continue
        if response.status_code != 200:
            title = re.search(r"<main>(.*)</main>", response.text, re.DOTALL)
            raise ValueError(title[1] if title else response.text)
        action, data = next_form(response.text, account, scopes)
        response = session.post(
            urljoin(url, action), data=data, timeout=TIMEOUT, allow_redirects=False
        )
    raise ValueError("Google's pages do not end")


def next_form(text, account, scopes):
    """Return (path, fields) of the form on a page that leads on."""
    forms = re.findall(
        r"<form method=post action=(\S+?)[ >](.*?)</form>", text, re.DOTALL
    )
    for action, body in forms:
        fields = [
            (name, html.unescape(value))
            for _kind, name, value in INPUT.findall(body)
            if name != "scope" or scopes is None or value in scopes
        ]
        if action in ("/standin/verify", "/standin/consent") or (
            ("email", account) in fields
        ):
            return action, fields
    raise ValueError(f"no account {account} on the page")
