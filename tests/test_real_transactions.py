"""Commits, conflicts and dying workers, as no test on a shared cursor shows them."""

import json
import os
import pathlib

import pytest
from database_server import server
from odoo_server import Odoo

from . import log_watch
from .google_standin import process

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = pathlib.Path(__file__).with_name("real_transactions.py")
VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"


LEFT = """
    SELECT 'file ' || name FROM ir_attachment
     WHERE name = 'a.csv' OR res_model LIKE 'gmail.%'
     UNION ALL
    SELECT 'parameter ' || key FROM ir_config_parameter
     WHERE key LIKE 'gmail_oauth_mailbox%'
     UNION ALL
    SELECT 'server ' || name FROM ir_mail_server
     UNION ALL
    SELECT 'server ' || name FROM fetchmail_server"""


@pytest.fixture(scope="module")
def results():
    """What real_transactions.py printed, by name."""
    with server() as running, process.running(no_default_seed=True) as google:
        odoo = Odoo(running)
        with odoo.temporary(odoo.addon_template(), "real") as database:
            variables = {VARIABLE: google.url, "REPOSITORY": str(REPOSITORY)}
            before = {name: os.environ.get(name) for name in variables}
            os.environ.update(variables)
            try:
                # Odoo logs each mail that fails as an error.
                output = odoo.run(
                    database,
                    "shell",
                    "--no-http",
                    script=SCRIPT.read_text(),
                    check_log=False,
                )
                left = odoo.server.query(LEFT, database)
                accounts = google.control("accounts")
            finally:
                for name, value in before.items():
                    os.environ.pop(name)
                    if value is not None:
                        os.environ[name] = value
    assert not log_watch.leaks(output)
    found = {"left": left, "accounts": accounts}
    for line in output.splitlines():
        if line.startswith("RESULT "):
            _word, name, values = line.split(" ", 2)
            found[name] = json.loads(values)
    assert "again" in found, output[-3000:]
    return found


def test_connecting_on_a_worker_that_asked_before(results):
    assert results["connected"] == {"anna": "connected", "ben": "connected"}


def test_point_20_renewals_are_one_at_a_time(results):
    """The second worker waits for the row, and takes what the first brought."""
    assert results["renewed"] == {"requests": 1, "tokens": 1}


def test_one_account_goes_to_one_of_two_users(results):
    assert results["raced"] == {"outcomes": ["danger", "success"], "mailboxes": 1}


def test_an_answer_that_comes_twice_at_once_is_used_once(results):
    assert results["pressed"] == {"exchanges": 1, "mailboxes": 1}


def test_a_revocation_in_work_spares_the_new_connection(results):
    assert results["reconnected"] == {
        "granted": [True],
        "state": "connected",
        "left": 0,
    }


def test_a_mailbox_deleted_under_a_worker_stops_nothing(results):
    assert results["deleted"] == {"email": False}


def test_every_ending_access_is_announced(results):
    assert results["announced"] == {"all": [True, True]}


def test_a_worker_that_dies_after_sending_sends_once(results):
    assert results["killed"] == {"copies": 1}


def test_an_answer_repeated_after_a_conflict_goes_out_once(results):
    assert results["repeated"] == {"copies": 1}


def test_a_dead_grant_stops_only_its_own_mail(results):
    dead = results["dead"]
    assert (dead["state"], dead["waits"]) == ("reconnect", "outgoing")
    assert "econnect" in dead["why"]
    assert dead["others"] == 1


def test_waiting_mail_goes_out_after_reconnecting(results):
    assert results["again"] == {"copies": 1}


def test_a_spent_project_is_told_once_and_asks_no_more(results):
    """Asked together, both are refused; alone, the first of them; then nobody asks."""
    assert results["spent"] == {"told": 1, "refused": 3}


def test_a_damaged_key_file_has_a_way_out(results):
    assert results["lost"] == {"point": "ok", "state": "connected"}


def test_uninstalling_leaves_nothing_here_and_withdraws_access(results):
    assert results["files"] == {"stored": 1}
    assert results["left"] == []
    assert results["key"]["there"]
    assert not os.path.exists(results["key"]["path"])
    assert not [a["email"] for a in results["accounts"] if a["connected"]]
