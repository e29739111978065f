"""units: what a useful message costs of Google's quota when a mailbox wants mail with
contacts only.

Useful is mail of known contacts, a tenth of the mailbox. Fetching everything costs 20
units a message, 200 a useful one: the baseline.
"""

import collections
import json
import re

from console import Problem

from .bench import row

MESSAGES = 500
SHARE = 0.1
EVERYTHING = 20 / SHARE
# Gmail's prices for projects made since May 2026, of what a take-in may call.
PRICES = (
    (r"/messages/[^/]+/attachments/[^/]+", 20),
    (r"/messages/[^/]+", 20),
    (r"/threads/[^/]+", 40),
    (r"/messages", 5),
    (r"/threads", 10),
    (r"/history", 2),
    (r"/labels(/[^/]+)?", 1),
    (r"/profile", 1),
    (r"/settings/sendAs", 1),
)


def price(path):
    """The units of a request by its path; 0 for what is not Gmail's."""
    found = re.fullmatch(r"/gmail/v1/users/[^/]+(/.*)", path)
    if not found:
        return 0
    for pattern, units in PRICES:
        if re.fullmatch(pattern, found[1]):
            return units
    raise Problem(f"The benchmark knows no price of {path}.")


def spent(bench, origin):
    """Units of all accounts: as the stand-in meters them, else from its log."""
    metered = bench.control(origin, "units")
    if metered is not None:
        return metered["project"]["total"]
    return sum(
        price(entry["path"])
        for entry in bench.control(origin, "log")
        if entry["method"] == "GET"
    )


def contacts(senders):
    """Addresses that wrote a tenth of the mail, not only those who write most."""
    counts = collections.Counter(senders)
    left, chosen = int(len(senders) * SHARE), []
    for address in sorted(counts, key=lambda a: (counts[a] % 5, a)):
        if counts[address] <= left:
            chosen.append(address)
            left -= counts[address]
    return chosen


def measure(bench):
    """The row units."""
    count = bench.messages(MESSAGES)
    folder = bench.corpus("mixed", count)
    known = contacts(json.loads((folder / "senders.json").read_text()))
    with bench.database() as database, bench.google(folder) as origin:
        found = bench.in_odoo(database, "take_in", google=origin, contacts=known)
        units = spent(bench, origin)
    if not found["useful"]:
        raise Problem("No message came from a contact.")
    each = units / found["useful"]
    bench.notes.append(
        f"{units} units for {found['messages']} messages, {found['useful']} of them "
        f"with {len(known)} known contacts, of {count} in Gmail."
    )
    return [row("units", "units/useful message", [each], EVERYTHING)]
