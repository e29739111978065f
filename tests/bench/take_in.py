"""take_in, cpu and sql: the addon beside stock fetchmail, run for run."""

import statistics

from console import Problem, say

from . import dovecot
from .bench import row

MESSAGES = 2000


def ours(bench, folder):
    """One run of the addon: {seconds, cpu, statements, messages}."""
    with bench.database() as database, bench.google(folder, prepared=True) as origin:
        return bench.in_odoo(database, "take_in", google=origin)


def stock(bench, folder, count):
    """One run of stock fetchmail on the first `count` messages of the corpus."""
    with bench.database(stock=True) as database:
        with dovecot.running(folder / "mail", count) as port:
            found = bench.in_odoo(database, "fetchmail", port=port, messages=count)
    if found["error"] or not found["messages"]:
        raise Problem(f"Stock fetchmail took nothing in. {found['error']}")
    return found


def _span(speeds):
    return f"{min(speeds['stock']):.3g} to {max(speeds['stock']):.3g}"


def measure(bench):
    """The rows take_in, cpu and sql. CPU is of Odoo's process, without PostgreSQL."""
    count = bench.messages(MESSAGES)
    sample = bench.options.sample
    sample = count if sample is None else min(sample, count)
    folder = bench.corpus("mixed", count)
    if sample:
        try:
            dovecot.root()
        except Problem as problem:
            bench.notes.append(f"Stock fetchmail was not measured: {problem}")
            sample = 0
    found = {"ours": [], "stock": []}
    for number in range(bench.options.runs):
        say(f"run {number + 1} of {bench.options.runs}: the addon, {count} messages")
        found["ours"].append(ours(bench, folder))
        if sample:
            say(f"run {number + 1}: stock fetchmail, {sample} messages")
            found["stock"].append(stock(bench, folder, sample))
    for run in found["ours"]:
        if run["messages"] != count:
            raise Problem(f"{run['messages']} of {count} messages were taken in.")
    speeds, cpu, statements = {}, {}, {}
    for who, runs in found.items():
        speeds[who] = [run["messages"] / run["seconds"] for run in runs]
        cpu[who] = [1_000 * run["cpu"] / run["messages"] for run in runs]
        statements[who] = [run["statements"] / run["messages"] for run in runs]
    speed = work = sql = None
    if sample:
        speed = statistics.median(speeds["stock"])
        work = statistics.median(cpu["stock"])
        sql = statistics.median(statements["stock"])
        kept = [run["messages"] for run in found["stock"]]
        bench.notes.append(
            f"Addon: {count} messages; baseline: stock fetchmail (object: lead) on "
            f"{'the same' if sample == count else f'the first {sample} of them'} "
            f"(it kept {min(kept)} to {max(kept)}), {_span(speeds)} messages/s; the "
            "runs alternate."
        )
    return [
        row("take_in", "messages/s", speeds["ours"], speed),
        row("cpu", "ms/message", cpu["ours"], work),
        row("sql", "statements/message", statements["ours"], sql),
    ]
