"""A real copy of a database with connected mailboxes: it acts for nobody."""

import json
import os
import pathlib
import re
import subprocess
import sys
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from database_server import server
from odoo_server import Odoo

from . import log_watch
from .google_standin import process

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = pathlib.Path(__file__).with_name("copied_database.py")
NEW_UUID = "env['ir.config_parameter'].init(force=True); env.cr.commit()"


def shell(odoo, database, act):
    with patch.dict(os.environ, COPY_ACT=act):
        output = odoo.run(
            database, "shell", "--no-http", script=SCRIPT.read_text(), check_log=False
        )
    assert not log_watch.leaks(output)
    (line,) = re.findall(r"^RESULT (.*)$", output, re.MULTILINE)
    return json.loads(line)


@pytest.fixture(scope="module")
def world():
    """Odoo, Google, and the database that is copied."""
    with server() as running, process.running(no_default_seed=True) as google:
        variables = {
            "GMAIL_OAUTH_MAILBOX_GOOGLE_URL": google.url,
            "REPOSITORY": str(REPOSITORY),
        }
        odoo = Odoo(running)
        with (
            patch.dict(os.environ, variables),
            odoo.temporary(odoo.addon_template(), "copied") as original,
        ):
            assert shell(odoo, original, "original") == {"mailboxes": 2}
            yield odoo, google, original


@contextmanager
def copy_of(world, name):
    """Yield a copy; Google must hear nothing of it, and goes on with the original."""
    odoo, google, original = world
    with odoo.temporary(original, name) as copy:
        before = len(google.log())
        yield copy
        paths = [entry["path"] for entry in google.log()[before:]]
        assert paths == [], "the copy spoke to Google"
    connected = [a["email"] for a in google.control("accounts") if a["connected"]]
    assert len(connected) == 2


def rests(facts):
    assert facts["is_copy"]
    assert "is a copy, or was moved" in facts["test"]
    assert "is a copy, or was moved" in facts["begin"]
    assert facts["state"] == "connected"
    assert (facts["tokens"], facts["revocations"]) == (1, 1)


def test_a_plain_copy(world):
    """Same uuid, same key file, same secrets."""
    with copy_of(world, "plain") as copy:
        rests(shell(world[0], copy, "act"))


def test_a_copy_made_by_odoo(world):
    """Odoo's own duplication gives it another uuid."""
    with copy_of(world, "duplicated") as copy:
        world[0].run(copy, "shell", "--no-http", script=NEW_UUID)
        rests(shell(world[0], copy, "act"))


def test_a_neutralized_copy(world):
    """It holds nothing that it could use."""
    with copy_of(world, "neutralized") as copy:
        world[0].run(copy, "neutralize")
        facts = shell(world[0], copy, "act")
        assert (facts["tokens"], facts["revocations"]) == (0, 0)
        assert facts["state"] == "paused"
        assert facts["test"]


def test_a_dump_holds_no_token_and_no_secret(world):
    """What pg_dump writes: no token in clear, and no client secret once the server's
    environment sets it."""
    odoo, _google, original = world
    odoo.server.query(
        "DELETE FROM ir_config_parameter WHERE key = 'google_gmail_client_secret'",
        original,
    )
    found = pathlib.Path(sys.prefix).glob(
        "lib/python3*/site-packages/*pgserver/pginstall*/bin/pg_dump"
    )
    # The newest of them reads every server's database.
    program = max(found, default="pg_dump", key=lambda p: (len(str(p)), str(p)))
    dump = subprocess.run(
        [program, "-d", original],
        env={**os.environ, **odoo.server.environment()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "gmail_credential" in dump and "gAAAAA" in dump
    assert not re.search(r"ya29\.|1//[\w-]{10}|4/0A", dump)
    assert "standin-secret" not in dump
    (name,) = odoo.server.query(
        "SELECT value FROM ir_config_parameter"
        " WHERE key = 'gmail_oauth_mailbox.key_name'",
        original,
    )
    key = (odoo.data / "gmail_oauth_mailbox" / f"{name}.key").read_text().strip()
    assert key not in dump


def test_the_original_goes_on(world):
    """After all that: it is no copy, and its mailbox answers."""
    odoo, google, original = world
    odoo.server.query(
        "INSERT INTO ir_config_parameter (key, value)"
        " VALUES ('google_gmail_client_secret', 'standin-secret')",
        original,
    )
    before = len(google.log())
    facts = shell(odoo, original, "act")
    assert not facts["is_copy"] and facts["test"] == ""
    assert len(google.log()) > before
