"""A pytest plugin: a test that did not run is a failure of the run."""

import pytest

_SKIPPED = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    """Remember tests that were skipped, in whichever phase."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _SKIPPED.append(report.nodeid)


def pytest_collectreport(report):
    """Remember whole files that were skipped."""
    if report.skipped:
        _SKIPPED.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    """Turn success into failure when something was skipped."""
    if _SKIPPED and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Name what was skipped, above pytest's closing line."""
    if _SKIPPED:
        terminalreporter.section("skipped tests fail the run", sep="!")
        for nodeid in _SKIPPED:
            terminalreporter.write_line(nodeid)
