"""hooks: SQL statements of what users of Odoo do, with the addon and without."""

from .bench import row


def measure(bench):
    """A row for each act; the baseline is a database without the addon."""
    found = {}
    for who, is_stock in (("stock", True), ("ours", False)):
        with bench.database(stock=is_stock) as database:
            found[who] = bench.in_odoo(database, "hooks")
    return [
        row(f"hook: {act}", "statements", [count], found["stock"][act])
        for act, count in found["ours"].items()
    ]
