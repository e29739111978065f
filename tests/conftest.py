"""What every test of this folder shares."""

import importlib.abc
import logging
import pathlib
import sys

import pytest
from hypothesis import HealthCheck, settings

from . import log_watch

# A machine that has other work takes its time; what is slow is for the benchmarks.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "shared" / "corpus"


class _OneCopy(importlib.abc.MetaPathFinder):
    """Refuse `import gmail_oauth_mailbox`: it would load the addon a second time."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] == "gmail_oauth_mailbox":
            raise ImportError(f"import odoo.addons.{fullname} instead of {fullname}")
        return None


sys.meta_path.insert(0, _OneCopy())


def pytest_report_header():
    """Say it when the corpus of mails is missing: its tests do not exist then."""
    if not CORPUS.is_dir():
        return "corpus folder not found: its tests are not collected"
    return None


log_watch.install()


@pytest.fixture(scope="session", autouse=True)
def _log_level():
    """Log as a server does by default; pytest shows it with failures only."""
    for name in (None, "odoo", "werkzeug"):
        logging.getLogger(name).setLevel(logging.INFO)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    """A secret in a log line fails the run, whichever test wrote it."""
    if log_watch.found and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Say where secrets were logged, above pytest's closing line."""
    if log_watch.found:
        terminalreporter.section("secrets in the log fail the run", sep="!")
        for line in sorted(set(log_watch.found)):
            terminalreporter.write_line(line)
    terminalreporter.write_line(
        f"{log_watch.seen['records']} log records searched for tokens, codes, states "
        f"and {len(log_watch.subjects)} subjects: {len(log_watch.found)} found"
    )
