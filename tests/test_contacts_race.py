"""Two workers, one person: real transactions, as no test on a shared cursor has."""

import json
import pathlib

import pytest
from database_server import server
from odoo_server import Odoo

from . import log_watch
from .google_standin import process

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = pathlib.Path(__file__).with_name("contacts_race.py")
VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
# gmail_store's CONFLICTS.
CONFLICTS = {
    "SerializationFailure",
    "DeadlockDetected",
    "LockNotAvailable",
    "UniqueViolation",
}
ONE = {
    "calm": True,
    "made": 1,
    "origins": 1,
    "contacts": 2,
    "linked": 2,
    "linked_to": 1,
    "applied": [True, True],
    "outcomes": ["create new"],
    "problems": [],
    "states": ["connected", "connected"],
    "leases": [],
}


def raced(script):
    """Return what a script printed, by name."""
    with server() as running, process.running(no_default_seed=True) as google:
        odoo = Odoo(running)
        with odoo.temporary(odoo.addon_template(), "race") as database:
            # The database logs the conflict itself as an error.
            output = odoo.run(
                database,
                "shell",
                "--no-http",
                script=script,
                check_log=False,
                **{VARIABLE: google.url, "REPOSITORY": str(REPOSITORY)},
            )
    assert not log_watch.leaks(output)
    found = {}
    for line in output.splitlines():
        if line.startswith("RESULT "):
            _word, name, values = line.split(" ", 2)
            found[name] = json.loads(values)
    assert "clicked" in found, output[-3000:]
    return found


@pytest.fixture(scope="module")
def results():
    return raced(SCRIPT.read_text())


def lost_once(result):
    """Return a result without its errors, which are one conflict."""
    errors = result.pop("errors")
    assert len(errors) == 1 and CONFLICTS.issuperset(errors), errors
    return result


def test_an_import_of_two_owners_at_once(results):
    assert lost_once(results["imported"]) == ONE


def test_somebody_new_in_two_accounts_at_once(results):
    assert lost_once(results["new"]) == ONE


def test_a_new_firm_in_two_accounts_at_once(results):
    assert lost_once(results["firm"]) == {
        "people": 2,
        "firms": 1,
        "under": 1,
        "problems": [],
    }


def test_two_entries_that_share_their_second_address(results):
    assert lost_once(results["overlap"]) == ONE


def test_two_owners_click_create_at_once(results):
    """Each has a contact of her own, as she chose, and no error."""
    assert results["clicked"]["told"] == ["", ""]
