"""
./dev bench: the benchmarks, all or those named.

Each prints a table; --json writes all rows as a list of {name, value, unit, baseline,
ratio, runs}: the median, what it is compared with in the same run (stock Odoo, or what
its module says), value / baseline, and the single measurements.
"""

import argparse
import contextlib
import importlib
import json
import pathlib
import sys

import database_server
from console import Problem, say
from odoo_server import Odoo
from places import REPOSITORY

sys.path.insert(0, str(REPOSITORY))
# Names of tests/bench; some come from one measurement.
MODULES = {
    "take_in": "take_in",
    "cpu": "take_in",
    "sql": "take_in",
    "memory": "memory",
    "units": "units",
    "quota_share": "quota_share",
    "idle": "idle",
    "first_message": "first_message",
    "panel_1m": "panel_1m",
    "latency": "latency",
    "contacts": "contacts",
    "hooks": "hooks",
    "profile": "profile",
    "faults": "faults",
}
# Of those that are not named: this one takes half an hour.
LEFT_OUT = {"faults"}
COLUMNS = ("name", "value", "range", "unit", "baseline", "ratio", "runs")


def _count(text):
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def parse(arguments):
    """Read the options of the command."""
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of: {', '.join(MODULES)}"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--runs", type=_count, default=3, help="of take_in (3)")
    parser.add_argument(
        "--messages", type=_count, help="instead of each benchmark's own number"
    )
    parser.add_argument(
        "--sample",
        type=_count,
        help="of take_in's messages that stock fetchmail gets (all; 0 leaves it out)",
    )
    parser.add_argument("--seed", type=_count, default=19, help="of faults (19)")
    parser.add_argument(
        "--faults", type=_count, default=2000, help="at least so many (2000)"
    )
    parser.add_argument(
        "--kills", type=_count, default=100, help="of faults: at least so many (100)"
    )
    parser.add_argument(
        "--minutes", type=_count, default=25, help="of faults: at most so many (25)"
    )
    parsed = parser.parse_args(arguments)
    for name in parsed.names:
        if name not in MODULES:
            parser.error(f"no benchmark {name!r}; there are {', '.join(MODULES)}")
    if parsed.messages == 0 or parsed.runs == 0:
        parser.error("--messages and --runs take 1 or more")
    return parsed


def _number(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}"


def table(rows):
    """The rows as lines of text, columns aligned, numbers to the right."""
    lines = [COLUMNS]
    for row in rows:
        lowest, highest = min(row["runs"]), max(row["runs"])
        span = f"{_number(lowest)} .. {_number(highest)}"
        cells = {
            **{key: _number(row[key]) for key in ("value", "baseline")},
            "name": row["name"],
            "unit": row["unit"],
            "ratio": _number(row["ratio"]) + (" x" if row["ratio"] else ""),
            "range": span if lowest != highest else "",
            "runs": str(len(row["runs"])),
        }
        lines.append([cells[name] for name in COLUMNS])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = ("name", "unit")
    return "\n".join(
        "  ".join(
            cell.ljust(width) if name in left else cell.rjust(width)
            for name, cell, width in zip(COLUMNS, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def main(arguments):
    """Run the benchmarks; returns 0."""
    options = parse(arguments)
    if options.json and not options.json.absolute().parent.is_dir():
        raise Problem(f"--json {options.json}: its folder does not exist.")
    from tests.bench.bench import Bench

    wanted = options.names or [name for name in MODULES if name not in LEFT_OUT]
    modules = dict.fromkeys(MODULES[name] for name in wanted)
    rows = []
    with contextlib.ExitStack() as stack:
        odoo = Odoo(stack.enter_context(database_server.server()))
        bench = Bench(odoo, options, stack)
        for module in modules:
            say(f"bench: {module}")
            found = importlib.import_module(f"tests.bench.{module}").measure(bench)
            print(f"\n{table(found)}", flush=True)
            for line in bench.notes:
                print(line, flush=True)
            bench.notes.clear()
            rows += found
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0
