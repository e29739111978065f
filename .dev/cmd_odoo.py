"""./dev odoo: Odoo's own command line on the database of ./dev run."""

import subprocess

import cmd_run
import database_server
from odoo_server import Odoo


def main(arguments):
    """Pass the arguments on; returns Odoo's exit status."""
    with database_server.server() as server:
        odoo = Odoo(server)
        database = cmd_run.DATABASE
        if not odoo.exists(database):
            cmd_run.prepare(odoo, database)
        with odoo.configured(database) as configuration:
            environment = odoo.environment(ODOO_RC=str(configuration))
            return subprocess.call(odoo.command(*arguments), env=environment)
