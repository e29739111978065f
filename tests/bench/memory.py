"""memory: the peak of one 50 MB message, and what a long backfill leaves behind."""

from console import Problem

from .bench import row

MESSAGES = 20_000
STEP = 1000
# Caches fill at first; what grows after this part of the way grows for ever.
SETTLED = 0.25
MEGABYTE = 1024


def slope(samples):
    """Kilobytes per 1,000 messages: the line of least squares through the samples."""
    count = len(samples)
    if count < 2:
        return 0.0
    middle = sum(x for x, _y in samples) / count
    height = sum(y for _x, y in samples) / count
    spread = sum((x - middle) ** 2 for x, _y in samples)
    product = sum((x - middle) * (y - height) for x, y in samples)
    return 1000 * product / spread if spread else 0.0


def large(bench):
    """The rows of one message with an attachment of 35 MB."""
    folder = bench.corpus("large", 1)
    with bench.database() as database, bench.google(folder) as origin:
        found = bench.in_odoo(database, "large", google=origin)
    if found["messages"] != 1 or found["size"] < 35_000_000:
        raise Problem("The large message was not taken in whole.")
    start = found["start"] / MEGABYTE
    return [
        row(f"memory.{name}", "MB peak", [found[key] / MEGABYTE], start, digits=1)
        for name, key in (("take_in", "taken"), ("attachment", "fetched"))
    ]


def measure(bench):
    """The rows: peaks (baseline: the process before), and the growth."""
    count = bench.messages(MESSAGES)
    rows = large(bench)
    peak = max(rows, key=lambda found: found["value"])
    rows.insert(0, {**peak, "name": "memory"})
    folder = bench.corpus("small", count)
    with bench.database() as database, bench.google(folder) as origin:
        step = min(STEP, max(count // 20, 1))
        found = bench.in_odoo(database, "growth", google=origin, step=step)
    if found["messages"] != count:
        raise Problem(f"{found['messages']} of {count} messages were taken in.")
    samples = found["samples"]
    settled = [sample for sample in samples if sample[0] >= SETTLED * count]
    rows.append(row("memory.growth", "KB/1,000 messages", [slope(settled)], digits=1))
    bench.notes.append(
        f"Growth over {count} small messages in {found['seconds']:.0f} s, after the "
        f"first {SETTLED:.0%} of them; messages and MB:"
    )
    texts = [f"{0:>7} {found['start'] / MEGABYTE:6.1f}"]
    texts += [f"{done:>7} {size / MEGABYTE:6.1f}" for done, size in samples]
    for at in range(0, len(texts), 5):
        bench.notes.append("  " + "   ".join(texts[at : at + 5]))
    return rows
