"""Restore the dump of a released version, as the server that made it does."""

import lzma
import os
import subprocess
from contextlib import contextmanager

from .fixtures import DUMP

# An administrator who restores a database says so in Check setup; here SQL does.
OWNED = """
    UPDATE ir_config_parameter
       SET value = (SELECT system_identifier FROM pg_control_system()) || '/'
                || (SELECT oid FROM pg_database WHERE datname = current_database())
     WHERE key = 'gmail_oauth_mailbox.database_identity'
"""


def execute(odoo, database, text):
    """Run a script of SQL (bytes); pg_dump's own, too."""
    programs = odoo.server.programs
    done = subprocess.run(
        [
            programs / "psql" if programs else "psql",
            *("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database),
        ],
        input=text,
        env={**os.environ, **odoo.server.environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert done.returncode == 0, done.stderr.decode()


@contextmanager
def restored(odoo, dump=DUMP):
    """Yield the name of a database that holds a dump, and owns its tokens."""
    with odoo.temporary("template0", "old") as database:
        execute(odoo, database, lzma.decompress(dump.read_bytes()))
        execute(odoo, database, OWNED.encode())
        yield database


@contextmanager
def copied(odoo, source, purpose):
    """Yield the name of a copy that takes the place of its source."""
    with odoo.temporary(source, purpose) as database:
        execute(odoo, database, OWNED.encode())
        yield database
