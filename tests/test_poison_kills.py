"""Workers that are really killed by what they read or send: see poison_kills.py."""

import json
import pathlib
import signal
import subprocess

import pytest
from database_server import server
from odoo_server import Odoo

from .common import ANNA, mail
from .google_standin import process

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = pathlib.Path(__file__).with_name("poison_kills.py")
VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
MOST = 8


class Workers:
    """Processes of one database, started one after the other."""

    def __init__(self, odoo, database, google):
        self.odoo, self.database, self.google = odoo, database, google

    def run(self, act):
        """Start processes until one lives to its end; return (how many were killed,
        what the last one printed)."""
        variables = {
            VARIABLE: self.google.url,
            "REPOSITORY": str(REPOSITORY),
            "POISON_ACT": act,
        }
        for deaths in range(MOST):
            with self.odoo.configured(self.database) as configuration:
                done = subprocess.run(
                    self.odoo.command("shell", "--no-http"),
                    input=SCRIPT.read_text(),
                    env=self.odoo.environment(ODOO_RC=str(configuration), **variables),
                    cwd=self.odoo.root,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            if done.returncode == 0:
                lines = done.stdout.splitlines()
                results = [x[7:] for x in lines if x.startswith("RESULT ")]
                assert results, done.stdout[-3000:]
                return deaths, json.loads(results[0])
            assert done.returncode == -signal.SIGKILL, done.stdout[-3000:]
        raise AssertionError(f"{act} is killed for ever")


@pytest.fixture(scope="module")
def workers():
    with server() as running, process.running(no_default_seed=True) as google:
        odoo = Odoo(running)
        with odoo.temporary(odoo.addon_template(), "kills") as database:
            found = Workers(odoo, database, google)
            assert found.run("connect")[0] == 0
            yield found


def test_a_message_that_kills_its_reader(workers):
    for subject in ("One", "Poison", "Two"):
        workers.google.add_message(ANNA, mail(subject=subject))
    deaths, found = workers.run("sync")
    # Once with the others, twice alone.
    assert deaths == 3
    assert found == {"stored": ["One", "Two"], "failed": ["poison"], "suspects": []}


def test_a_mail_that_kills_its_sender(workers):
    deaths, found = workers.run("send")
    assert deaths == 3
    assert (found["left"], found["failed"]) == (0, ["Poison"])
    assert "stopped twice" in found["reason"]
    # Odoo has not switched its scheduled action off, and the others went out.
    assert found["active"]
    texts = [
        m["text"] for m in workers.google.messages(ANNA) if "SENT" in m["labelIds"]
    ]
    assert sorted(text.split()[0] + text.split()[1] for text in texts) == [
        "Mail1",
        "Mail2",
    ]
