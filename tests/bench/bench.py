"""What the benchmarks share: the corpus, a stand-in, Odoo on fresh databases."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import time
import urllib.error
import urllib.request

from cmd_run import VARIABLE, process, wait_for
from console import Problem, say
from places import REPOSITORY, TOOLS, building, cache, locked

from . import corpus

SCRIPT = pathlib.Path(__file__).with_name("in_odoo.py")


def row(name, unit, runs, baseline=None, digits=3):
    """One row of a table: the median of `runs`, its baseline, and value / baseline."""
    value = statistics.median(runs)
    return {
        "name": name,
        "value": round(value, digits),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, digits),
        "ratio": round(value / baseline, 4) if baseline else None,
        "runs": [round(value, digits) for value in runs],
    }


class Bench:
    """The place where benchmarks run.

    :param odoo: odoo_server.Odoo
    :param options: of the command line
    :param stack: ends what lives as long as the command
    :ivar notes: lines to print below the table
    """

    def __init__(self, odoo, options, stack):
        self.odoo = odoo
        self.options = options
        self.notes = []
        self._stack = stack
        self._origin = None

    def messages(self, default):
        return self.options.messages or default

    def corpus(self, kind, count):
        """Return the folder of a corpus, written once: mail/ and senders.json."""
        name = f"{kind}-{corpus.VERSION}-{corpus.SEED}-{count}"
        folder = cache() / "bench" / name
        if not folder.exists():
            with locked("bench"):
                if not folder.exists():
                    say(f"writing {count} messages ({kind})")
                    with building(folder) as draft:
                        corpus.write(draft, getattr(corpus, kind)(count))
        return folder

    def in_browser(self, module, *arguments):
        """Run a module of this folder where the browser's library is, which is Odoo's
        environment and not that of ./dev; return what its last line says (JSON)."""
        done = subprocess.run(
            [str(self.odoo.python), "-m", f"tests.bench.{module}"]
            + [str(argument) for argument in arguments],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(TOOLS)},
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    @contextlib.contextmanager
    def google(self, folder=None, prepared=False):
        """Run a stand-in whose one mailbox holds the corpus; yield its origin.

        :param prepared: it has its answers ready, as Google keeps mail parsed
        """
        # Of this command alone: the address is read from it.
        log = cache() / "log" / f"bench-standin-{os.getpid()}.log"
        log.parent.mkdir(exist_ok=True)
        self._stack.callback(log.unlink, missing_ok=True)
        command = [str(self.odoo.python), "-m", "tests.google_standin", "--port", "0"]
        command.append("--no-default-seed")
        if folder:
            command += ["--seed", str(folder / "mail")]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        with process(command, log, cwd=REPOSITORY, env=environment) as child:
            origin = self._ready(child, log)
            if prepared:
                self.control(
                    origin,
                    "accounts",
                    {"action": "prepare", "account": corpus.OWNER[1]},
                )
            yield origin

    @staticmethod
    def _ready(child, log):
        """Wait for the line that names the origin, once all mail is read."""
        while child.poll() is None:
            text = log.read_text()
            if " at http" in text:
                origin = text.rsplit(" ", 1)[1].strip()
                wait_for(f"{origin}/__standin__/accounts", child, log)
                return origin
            time.sleep(0.1)
        raise Problem(f"The stand-in Google did not start:\n{log.read_text()[-2000:]}")

    @staticmethod
    def control(origin, path, payload=None):
        """Read a control path of a stand-in, or post to it; None when there is none."""
        try:
            request = urllib.request.Request(f"{origin}/__standin__/{path}")
            if payload is not None:
                request.data = json.dumps(payload).encode()
                request.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(request, timeout=600) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    @contextlib.contextmanager
    def database(self, stock=False):
        """Yield the name of a fresh database, with the addon or without it."""
        if stock:
            source = self.odoo.base_template()
        else:
            # A copy of one's own: another command may replace the template.
            if self._origin is None:
                copy = self.odoo.temporary(self.odoo.addon_template(), "bench")
                self._origin = self._stack.enter_context(copy)
            source = self._origin
        with self.odoo.temporary(source, "bench") as database:
            yield database

    def in_odoo(self, database, act, google="", **values):
        """Run one function of in_odoo.py in `odoo shell`; return what it gives.

        :param values: its arguments
        """
        output = self.odoo.run(
            database,
            "shell",
            "--no-http",
            script=SCRIPT.read_text(),
            check_log=False,
            REPOSITORY=str(REPOSITORY),
            BENCH_ACT=act,
            BENCH_VALUES=json.dumps(values),
            **{VARIABLE: google},
        )
        log = cache() / "log" / f"bench-{act}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(output)
        for line in output.splitlines():
            if line.startswith("RESULT "):
                return json.loads(line.partition(" ")[2])
        raise Problem(f"{act} ended without a result; see {log}.")
