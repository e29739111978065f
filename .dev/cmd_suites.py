"""./dev suites: Odoo's own tests, without the addon and with it, compared."""

import argparse
import pathlib
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

import database_server
import odoo_source
from console import say
from odoo_server import BASE_MODULES, Odoo

SUITES = ("mail", "google_gmail")


def outcomes(report):
    """Read pytest's report; returns {test: "passed", "failed" or "skipped"}."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):  # nosec B314 - our own
        name = f"{case.get('classname')}.{case.get('name')}"
        tags = {child.tag for child in case}
        failed = tags & {"failure", "error"} or found.get(name) == "failed"
        found[name] = (
            "failed" if failed else "skipped" if "skipped" in tags else "passed"
        )
    return found


def run(odoo, template, suites, only, folder, variables):
    """Run suites on a copy of a template; returns what ``outcomes`` does.

    `only` is an expression of pytest's -k, or None.

    All of their tests run with all modules loaded: by itself Odoo would run those of
    mail before the addon is.
    """
    report = pathlib.Path(folder) / f"{template}.xml"
    settings = pathlib.Path(folder) / "pytest.ini"
    settings.write_text("[pytest]\npython_files = test_*.py\n")
    with odoo.temporary(template, "suites") as database:
        with odoo.configured(database) as configuration:
            command = [odoo.python, "-m", "pytest", "--odoo-http", "-q", "--tb=short"]
            command += ["-p", "no:cacheprovider", "-c", settings, "--junitxml", report]
            command += ["-k", only] if only else []
            command += [
                odoo.root / "odoo" / "addons" / name / "tests" for name in suites
            ]
            subprocess.call(
                list(map(str, command)),
                cwd=odoo.root,
                env=odoo.environment(ODOO_RC=str(configuration), **variables),
            )
    return outcomes(report)


def main(arguments):
    """Run the suites twice and compare; returns 1 when the addon breaks a test."""
    parser = argparse.ArgumentParser(prog="./dev suites", description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES, help="Odoo's modules")
    parser.add_argument("--only", metavar="EXPRESSION", help="pytest's -k")
    options = parser.parse_args(arguments)
    suites = options.suites
    modules = tuple(dict.fromkeys((*BASE_MODULES, *suites)))
    variables = {"CHROMIUM": odoo_source.chromium(), "PYTHONDONTWRITEBYTECODE": "1"}
    with database_server.server() as server, tempfile.TemporaryDirectory() as folder:
        odoo = Odoo(server)
        found = []
        for what, template in (
            ("without", odoo.base_template(modules)),
            ("with", odoo.addon_template(modules)),
        ):
            say(f"{', '.join(suites)}: {what} the addon")
            found.append(run(odoo, template, suites, options.only, folder, variables))
    plain, addon = found
    for what, result in zip(("without", "with"), found, strict=True):
        counts = [
            f"{list(result.values()).count(kind)} {kind}"
            for kind in ("passed", "failed", "skipped")
        ]
        print(f"{what} the addon: {', '.join(counts)}")
    broken = sorted(
        name
        for name, outcome in plain.items()
        if outcome == "passed" and addon.get(name) != "passed"
    )
    print(f"passing without the addon and not with it: {len(broken)}")
    print("\n".join(broken))
    return int(bool(broken) or "passed" not in plain.values())
