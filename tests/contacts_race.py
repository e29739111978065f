"""Fed to ``odoo shell`` by test_contacts_race.py: two workers settle the contacts of
two mailboxes of one company at the same time.

Both meet before they create anybody: none of them sees what the other will commit.
Prints a line ``RESULT name json`` for each case.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

from odoo.service.model import retrying

sys.path.insert(0, os.environ["REPOSITORY"])

from tests.common import ANNA, BEN, connect_for_good  # noqa: E402
from tests.google_standin import process  # noqa: E402

google = process.Standin(os.environ["GMAIL_OAUTH_MAILBOX_GOOGLE_URL"])
set_param = env["ir.config_parameter"].set_param
set_param("google_gmail_client_id", "standin-client.apps.googleusercontent.com")
set_param("google_gmail_client_secret", "standin-secret")
FIRM = "customer-example.test"
GROUPS = ["base.group_user", "base.group_partner_manager"]
cron = env.ref("gmail_oauth_mailbox.ir_cron_gmail_contacts")


def connect(login, email):
    owner = env["res.users"].create(
        {
            "login": login,
            "name": login.title(),
            "email": email,
            "group_ids": [(6, 0, [env.ref(group).id for group in GROUPS])],
        }
    )
    env.cr.commit()
    box = connect_for_good(env, owner, email)
    google.contacts(email, clear=True)
    return box


def fresh():
    """Begin a transaction that sees what others committed."""
    env.cr.commit()
    env.invalidate_all()


def run_until(is_done):
    """Let the scheduled action come back by itself; return whether it got there."""
    for _time in range(60):
        fresh()
        if is_done():
            return True
        cron.method_direct_trigger()
        time.sleep(0.25)
    return False


def due():
    boxes.next_contacts = "2020-01-01"
    env.cr.commit()


def work(_number):
    with env.registry.cursor() as cr:
        scheduler = env(cr=cr)["gmail.scheduler"]
        [lease] = scheduler._claim("contacts")
        scheduler._run(lease)
        return lease.mailbox.id


def race():
    """Run both mailboxes at once; return the errors that the scheduler met."""
    errors, met = [], threading.local()
    barrier = threading.Barrier(2, timeout=60)
    values = env.registry["gmail.contact.values"]
    scheduler = env.registry["gmail.scheduler"]
    take, react = values._take_turn, scheduler._react_contacts

    def take_together(self, company):
        if not getattr(met, "once", False):
            met.once = True
            barrier.wait()
        return take(self, company)

    def react_and_tell(self, mailbox, error):
        errors.append(type(error).__name__)
        return react(self, mailbox, error)

    with (
        patch.object(values, "_take_turn", take_together),
        patch.object(scheduler, "_react_contacts", react_and_tell),
        ThreadPoolExecutor(2) as pool,
    ):
        worked = set(pool.map(work, range(2)))
    assert worked == set(boxes.ids), worked
    fresh()
    return errors


def is_calm():
    """Whether nothing waits in the mailboxes any more."""
    waiting = env["gmail.contact"].search_count([("is_pending", "=", True)])
    return not (waiting or any(boxes.mapped("contact_failures")))


def result(name, errors, *emails):
    """Print how a race of two ended, for the person with some addresses."""
    calm = run_until(is_calm)
    partners = env["res.partner"].search([("email", "in", emails)])
    contacts = env["gmail.contact"].search([("email", "in", emails)])
    told = {
        "errors": errors,
        "calm": calm,
        "made": len(partners),
        "origins": env["gmail.contact.origin"].search_count(
            [("partner_id", "in", partners.ids)]
        ),
        "contacts": len(contacts),
        "linked": sum(contact.partner_id in partners for contact in contacts),
        "linked_to": len(contacts.partner_id),
        "applied": contacts.mapped("is_applied"),
        "outcomes": sorted({f"{c.outcome} {c.reason}" for c in contacts}),
        "problems": [p for p in boxes.mapped("contact_problem") if p],
        "states": boxes.mapped("state"),
        "leases": [str(until) for until in boxes.mapped("lease_until") if until],
    }
    print("RESULT", name, json.dumps(told))


boxes = connect("anna", ANNA) | connect("ben", BEN)
boxes.contact_policy = "all"

# Both owners import at once: either worker settles the person with both addresses of
# it in view.
google.add_contact(ANNA, "Dan Low", f"dan@{FIRM}")
google.add_contact(BEN, "Daniel Low", f"dan@{FIRM}")
due()
assert run_until(lambda: set(boxes.mapped("contact_state")) == {"preview"})
for box in boxes:
    box.with_user(box.user_id).action_import_contacts()
env.cr.commit()
result("imported", race(), f"dan@{FIRM}")

# Somebody new in both accounts: neither worker sees what the other one read.
google.add_contact(ANNA, "Eve Low", f"eve@{FIRM}")
google.add_contact(BEN, "Eve L.", f"eve@{FIRM}")
due()
result("new", race(), f"eve@{FIRM}")

# The addresses overlap, and the smallest is known to one of them only.
google.add_contact(ANNA, "Hal Low", f"hal@{FIRM}", f"a.hal@{FIRM}")
google.add_contact(BEN, "Hal L.", f"hal@{FIRM}")
due()
result("overlap", race(), f"hal@{FIRM}")

# Two people of one organisation, which both workers would create.
works = {"organizations": [{"name": "Acme Ltd"}]}
google.add_contact(ANNA, "Fay Low", "fay@acme-example.test", **works)
google.add_contact(BEN, "Gus Low", "gus@acme-example.test", **works)
due()
errors = race()
run_until(is_calm)
people = env["res.partner"].search([("email", "like", "@acme-example.test")])
firms = env["res.partner"].search([("name", "=", "Acme Ltd")])
print(
    "RESULT firm",
    json.dumps(
        {
            "errors": errors,
            "people": len(people),
            "firms": len(firms),
            "under": len(people.parent_id & firms),
            "problems": [p for p in boxes.mapped("contact_problem") if p],
        }
    ),
)

# Both owners click Create.
boxes.contact_policy = "never"
google.add_contact(ANNA, "Ida Low", f"ida@{FIRM}")
google.add_contact(BEN, "Ida L.", f"ida@{FIRM}")
due()
assert run_until(
    lambda: (
        env["gmail.contact"].search_count([("email", "=", f"ida@{FIRM}")]) == 2
        and is_calm()
    )
)
rows = env["gmail.contact"].search([("email", "=", f"ida@{FIRM}")])
values = env.registry["gmail.contact.values"]
take, met, barrier = values._take_turn, threading.local(), threading.Barrier(2)


def take_together(self, company):
    if not getattr(met, "once", False):
        met.once = True
        barrier.wait(60)
    return take(self, company)


def click(row):
    contact_id, user_id = row
    with env.registry.cursor() as cr:
        own = env(cr=cr, user=user_id)
        contact = own["gmail.contact"].browse(contact_id)
        try:
            retrying(contact.action_create, own)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""


clicks = [(row.id, row.mailbox_id.user_id.id) for row in rows]
with patch.object(values, "_take_turn", take_together), ThreadPoolExecutor(2) as pool:
    told = list(pool.map(click, clicks))
fresh()
made = env["res.partner"].search_count([("email", "=", f"ida@{FIRM}")])
print("RESULT clicked", json.dumps({"told": told, "made": made}))
