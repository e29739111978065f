"""profile: where the time of a take-in goes, by cProfile.

The profiler slows Python down and C hardly, so shares are a guide, not a measurement.
It sees one thread: what others do meanwhile counts as waiting.
"""

import pstats
import re
import tempfile

from .bench import row

MESSAGES = 500
TOP = 25
# The first that matches a function's "file:name" decides. What matches none belongs to
# whom it was called by: most built-in functions and helpers of the standard library.
CATEGORIES = (
    ("HTTP", r"/(requests|urllib3|httplib2|googleapiclient|google/auth)/"),
    ("HTTP", r"/http/client\.py|/socket\.py|/ssl\.py|/lib/(transport|batch)\.py"),
    ("HTTP wait", r"_socket\.socket|_ssl\._SSLSocket|select\.(e?poll|select)"),
    ("waiting", r"thread\.lock|time\.sleep|_queue\.SimpleQueue"),
    ("JSON", r"/json/|_json\.|orjson|scan_once"),
    ("base64", r"/base64\.py|binascii\.|a2b_base64|b2a_base64"),
    ("sanitising", r"/lib/sanitize\.py|nh3|/html/"),
    ("MIME, headers", r"/email/|/lib/(message|headers)\.py|_codecs|/quopri\.py"),
    ("SQL", r"psycopg2|/sql_db\.py"),
    ("ORM", r"/odoo/(orm|models|fields|api|tools|addons/base)\b|/odoo/[^/]+\.py"),
    ("other addons", r"/odoo/addons/"),
    ("API client", r"/lib/gmail_api\.py"),
    ("search text", r"/lib/search\.py|unicodedata"),
    ("synchronisation", r"/gmail_oauth_mailbox/"),
)


def category(function):
    """The category of a function as pstats names it, or None."""
    file, _line, name = function
    text = f"{file}:{name}"
    for found, pattern in CATEGORIES:
        if re.search(pattern, text):
            return found
    return None


class Shares:
    """Seconds of each category: a function's own time, or its callers' share of it."""

    def __init__(self, stats):
        self.stats = stats
        self._known = {}

    def of(self, function, depth=8):
        """{category: share} of a function; the shares are 1 together."""
        if function in self._known:
            return self._known[function]
        own = category(function)
        callers = self.stats[function][4]
        if own or not callers or not depth:
            found = {own or "rest": 1.0}
        else:
            # Against recursion: as long as it is being worked out it counts as rest.
            self._known[function] = {"rest": 1.0}
            weights = {c: max(v[3], v[2], 1e-9) for c, v in callers.items()}
            total = sum(weights.values())
            found = {}
            for caller, weight in weights.items():
                for name, share in self.of(caller, depth - 1).items():
                    found[name] = found.get(name, 0) + share * weight / total
        self._known[function] = found
        return found

    def seconds(self):
        total = {}
        for function, (_calls, _all, own, _below, _callers) in self.stats.items():
            for name, share in self.of(function).items():
                total[name] = total.get(name, 0) + own * share
        return total


def named(function):
    """A function as one word: the last two parts of its path, line and name."""
    file, line, name = function
    if file == "~":
        return name
    return f"{'/'.join(file.split('/')[-2:])}:{line} {name}"


def measure(bench):
    """A row for each category: its share of the time in per cent."""
    count = bench.messages(MESSAGES)
    folder = bench.corpus("mixed", count)
    with tempfile.NamedTemporaryFile(suffix=".prof") as file:
        with (
            bench.database() as database,
            bench.google(folder, prepared=True) as origin,
        ):
            found = bench.in_odoo(database, "profile", google=origin, file=file.name)
        stats = pstats.Stats(file.name)
    seconds = Shares(stats.stats).seconds()
    whole = sum(seconds.values())
    bench.notes.append(
        f"{found['messages']} messages in {found['seconds']:.1f} s under the profiler; "
        f"by its own time, the first {TOP} functions (share, ms a message, calls a "
        "message):"
    )
    ranked = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:TOP]
    for function, (calls, _all, own, _below, _callers) in ranked:
        bench.notes.append(
            f"  {own / whole:6.1%}  {1000 * own / count:7.3f}  {calls / count:8.1f}  "
            f"{named(function)}"
        )
    return [
        row(f"profile.{name}", "% of the time", [100 * value / whole], digits=1)
        for name, value in sorted(seconds.items(), key=lambda item: -item[1])
    ]
