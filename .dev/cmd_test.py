"""./dev test: lint, then every test on a fresh copy of a template database."""

import os
import subprocess

import cmd_lint
import database_server
import node_env
import odoo_source
from console import say
from odoo_server import Odoo
from places import REPOSITORY, TOOLS


def main(arguments):
    """Run lint and pytest with the arguments; returns 0 when both are clean."""
    browser = odoo_source.chromium()
    lint = cmd_lint.main()
    axe = node_env.ready() and node_env.packages() / "axe-core" / "axe.min.js"
    with database_server.server() as server:
        odoo = Odoo(server)
        source = odoo.addon_template()
        with odoo.temporary(source) as database:
            with odoo.configured(database) as configuration:
                say(f"running the tests on {database}")
                if lint:
                    say("lint has failed (above): so will this run")
                paths = [str(odoo.root), str(TOOLS)]
                environment = odoo.environment(
                    ODOO_RC=str(configuration),
                    PYTHONPATH=os.pathsep.join(paths),
                    PYTHONDONTWRITEBYTECODE="1",
                    CHROMIUM=browser,
                    # Without npm's packages the test that needs it fails, and says so.
                    AXE=str(axe) if axe else "",
                )
                command = [odoo.python, "-m", "pytest", "--odoo-http"]
                command += ["-p", "no:cacheprovider", "-p", "pytest_strict"]
                status = subprocess.call(
                    [*command, *arguments], cwd=REPOSITORY, env=environment
                )
    return status or lint
