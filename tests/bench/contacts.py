"""contacts: 20,000 Google contacts read, imported, changed, merged and deleted, and
read once more when the token has expired.

Among them are duplicates, unicode names and missing fields. The baseline of a step's
memory is what the process holds before; one call of the People API brings 1,000
contacts.
"""

from console import Problem

from .bench import corpus, row

CONTACTS = 20_000
CHANGES = 100


def measure(bench):
    """The rows: seconds, SQL statements per contact, and peak memory of each step."""
    wanted = bench.messages(CONTACTS)
    with bench.database() as database, bench.google() as origin:
        many = {"account": corpus.OWNER[1], "add_many": {"count": wanted}}
        bench.control(origin, "contacts", many)
        found = bench.in_odoo(
            database, "contacts", google=origin, changes=CHANGES, origin=origin
        )
    if found["contacts"] < wanted:
        raise Problem(f"{found['contacts']} of {wanted} contacts were read.")
    rows = []
    for name, (seconds, statements, megabytes) in found["steps"].items():
        of = {"changes": CHANGES, "gone": 4 * CHANGES}.get(name, wanted)
        rows += [
            row(f"contacts.{name}", "s", [seconds]),
            row(f"contacts.{name}.sql", "statements/contact", [statements / of]),
            row(f"contacts.{name}.memory", "MB peak", [megabytes], digits=0),
        ]
    rows.append(row("contacts.calls", "calls", [found["calls"]], digits=0))
    outcomes = ", ".join(f"{what} {n}" for what, n in found["outcomes"].items())
    bench.notes.append(
        f"{wanted} contacts: {outcomes}; {CHANGES} changes; then {CHANGES} merges "
        f"of two and {CHANGES} deletions, {4 * CHANGES} entries of a page in all; "
        f"{found['photos']} photos, which count among the import."
    )
    return rows
