"""panel_1m: what a user asks for all day, with a million messages stored."""

from console import Problem

from .bench import row

MESSAGES = 1_000_000
# A contact for so many messages.
PER_CONTACT = 50
TURNS = 20


def measure(bench):
    """The rows: milliseconds of each question, from one process on the server."""
    messages = bench.messages(MESSAGES) // 3 * 3
    contacts = max(messages // PER_CONTACT, TURNS**2)
    with bench.database() as database:
        found = bench.in_odoo(
            database, "panel_1m", messages=messages, contacts=contacts, turns=TURNS
        )
    rows = []
    for name, asked in found["asked"].items():
        if not asked["rows"]:
            raise Problem(f"{name} found nothing.")
        rows.append(row(f"panel_1m.{name}", "ms", asked["ms"], digits=1))
        bench.notes.append(
            f"{name}: {asked['rows']} found in all, at most {asked['statements']} SQL"
            " statements a call."
        )
    slowest = max(rows, key=lambda one: one["value"])
    rows.insert(0, {**slowest, "name": "panel_1m"})
    bench.notes.append(
        f"{messages} messages of {contacts} contacts in five mailboxes, ten of eleven "
        f"in the one that asks; stored in {found['filling']:.0f} s. The first row is "
        "the slowest of the others."
    )
    return rows
