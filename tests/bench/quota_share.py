"""How much of Google's quota a backfill reaches, under the stand-in's metering."""

import threading
import time

from console import Problem

from .bench import row

PER_MINUTE = 6_000
MESSAGES = 1_600
# Units of a minute that a batch of 25 messages may leave.
UNFIT = 60


class Sampler(threading.Thread):
    """Notes what one account has spent, twice a second: (seconds, units)."""

    def __init__(self, bench, origin):
        super().__init__(daemon=True)
        self.read = lambda: bench.control(origin, "units")
        self.samples = []
        self.refused = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            accounts = {k: v for k, v in self.read().items() if k != "project"}
            for account in accounts.values():
                self.samples.append((time.monotonic(), account["total"]))
                self.refused = account["refused"]

    def when(self, units):
        """Return when so many units had been spent."""
        for moment, total in self.samples:
            if total >= units:
                return moment
        raise Problem(f"{units} units were never spent, {self.samples[-1:]} were")


def measure(bench):
    """Take in more than four minutes of quota allow; return the share reached.

    From the end of the first minute's worth to the end of the fourth's, so that the
    burst at the beginning does not count.
    """
    folder = bench.corpus("small", MESSAGES)
    with bench.google(folder) as origin, bench.database() as database:
        bench.control(origin, "settings", {"quota_profile": "new"})
        sampler = Sampler(bench, origin)
        sampler.start()
        taken = bench.in_odoo(database, "metered", origin, seconds=260)
        sampler.over.set()
        sampler.join()
    # A list and a batch may not fit into the rest of a minute, any minute.
    reached = PER_MINUTE - UNFIT
    first, last = (sampler.when(reached * n) for n in (1, 4))
    share = 100 * 3 * reached / PER_MINUTE * 60 / (last - first)
    bench.notes.append(
        f"{taken['messages']} messages; Google refused {sampler.refused} calls; "
        f"{3 * reached} units took {last - first:.1f} s."
    )
    return [row("quota_share", "% of the ceiling", [share])]
