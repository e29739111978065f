"""Asking thousands of mailboxes that have nothing new, by one worker."""

from .bench import row

MAILBOXES = 10_000
LATENCY = 0.05


def measure(bench):
    """Poll connected mailboxes, three rounds; return the seconds of a round."""
    mailboxes = bench.messages(MAILBOXES)
    with bench.google() as origin, bench.database() as database:
        bench.control(
            origin,
            "accounts",
            {
                "action": "add_many",
                "prefix": "user",
                "domain": "fleet.test",
                "count": mailboxes,
            },
        )
        done = bench.in_odoo(
            database,
            "idle",
            origin,
            count=mailboxes,
            latency=LATENCY,
            origin=origin,
        )
    bench.notes.append(
        f"{mailboxes} mailboxes, {1000 * LATENCY:.0f} ms latency, one worker; "
        f"{done['requests']} requests and {done['statements']} SQL statements a round."
    )
    return [row("idle", "s", done["seconds"])]
