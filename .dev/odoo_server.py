"""Odoo as a program: its configuration, environment and databases."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import uuid

import log_check
import odoo_source
import python_env
from console import Problem, say
from places import ADDON, REPOSITORY, addon_digest, cache, digest, locked

BASE_MODULES = ("mail", "contacts", "crm", "base_automation")
# These would let the caller's shell change which Odoo and database is used.
FOREIGN = ("ODOO_RC", "OPENERP_SERVER", "PYTHONPATH", "PGDATABASE", "PYTHONHOME")


class Odoo:
    """Odoo 19 on one PostgreSQL server."""

    def __init__(self, server):
        self.server = server
        self.python = python_env.python()
        self.root = odoo_source.root()
        self.data = cache() / "data"
        self.data.mkdir(exist_ok=True)

    def environment(self, **more):
        """The variables to start Odoo (or its tests) with."""
        values = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        values.update(self.server.environment())
        values["PYTHONPATH"] = str(self.root)
        if self.server.programs:
            # Tests and Odoo's own commands call psql, pg_dump and createdb.
            path = [values.get("PATH", os.defpath), str(self.server.programs)]
            values["PATH"] = os.pathsep.join(path)
        values.setdefault("LANG", "C.UTF-8")
        return {**values, **more}

    def configuration(self, database, **options):
        """Text of an odoo.conf for one database; options override."""
        addons = [self.root / "odoo" / "addons", self.root / "addons", REPOSITORY]
        values = {
            "addons_path": ",".join(str(path) for path in addons),
            "data_dir": self.data,
            "db_host": self.server.host,
            "db_port": self.server.port,
            "db_user": self.server.user,
            "db_name": database,
            "dbfilter": f"^{re.escape(database)}$",
            "db_maxconn": 64,
            "list_db": False,
            "http_interface": "127.0.0.1",
            "workers": 0,
            "max_cron_threads": 0,
            "with_demo": False,
            **options,
        }
        if os.environ.get("PGPASSWORD"):
            values["db_password"] = os.environ["PGPASSWORD"]
        lines = [f"{name} = {value}" for name, value in values.items()]
        return "\n".join(["[options]", *lines, ""])

    @contextlib.contextmanager
    def configured(self, database, **options):
        """Yield the path of a configuration file that lives as long as the block."""
        with tempfile.TemporaryDirectory(prefix="odoo-conf-") as folder:
            path = pathlib.Path(folder) / "odoo.conf"
            path.touch(mode=0o600)
            path.write_text(self.configuration(database, **options))
            yield path

    def command(self, *arguments):
        """Odoo's command line; the configuration is named by ODOO_RC."""
        return [str(self.python), "-m", "odoo", *arguments]

    def run(self, database, *arguments, script=None, check_log=True, **variables):
        """
        Run Odoo to its end on a database; returns its log (str).

        `script` (str) is fed to standard input, `variables` are added to the
        environment. Raises Problem when Odoo fails or logs at WARNING or above what
        log_check does not allow.
        """
        with self.configured(database) as configuration:
            done = subprocess.run(
                self.command(*arguments),
                input=script,
                env=self.environment(ODOO_RC=str(configuration), **variables),
                cwd=self.root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        bad = log_check.failures(done.stdout) if check_log else []
        if done.returncode or bad:
            what = bad or done.stdout.splitlines()[-40:]
            raise Problem(
                f"Odoo failed at `{' '.join(arguments[:4])}` on {database}:\n"
                + "\n".join(what)
            )
        return done.stdout

    # Databases ---------------------------------------------------------------

    def exists(self, database):
        """Whether the database exists."""
        return bool(
            self.server.query(
                f"SELECT 1 FROM pg_database WHERE datname = '{database}'",
            )
        )

    def databases(self, prefix):
        """Names of the databases that begin with the prefix."""
        return [
            name
            for name in self.server.query("SELECT datname FROM pg_database")
            if name.startswith(prefix)
        ]

    def mark(self, database, text):
        """Write the database's comment."""
        self.server.query(f"COMMENT ON DATABASE \"{database}\" IS '{text}'")

    def marked(self, database):
        """The database's comment ('' without one)."""
        rows = self.server.query(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database "
            f"WHERE datname = '{database}'"
        )
        return rows[0] if rows else ""

    def _filestore(self, database):
        return self.data / "filestore" / database

    def copy(self, source, target):
        """Copy a database with its files."""
        # The default strategy copies page by page through the log: slower here.
        self.server.query(
            f'CREATE DATABASE "{target}" TEMPLATE "{source}" STRATEGY file_copy'
        )
        if self._filestore(source).is_dir():
            shutil.copytree(
                self._filestore(source), self._filestore(target), dirs_exist_ok=True
            )

    def drop(self, database):
        """Drop a database, its connections and its files; missing is fine."""
        self.server.query(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        shutil.rmtree(self._filestore(database), ignore_errors=True)

    def rename(self, source, target):
        """Give a database that nobody uses another name."""
        if self._filestore(source).is_dir():
            shutil.rmtree(self._filestore(target), ignore_errors=True)
            os.rename(self._filestore(source), self._filestore(target))
        self.server.query(f'ALTER DATABASE "{source}" RENAME TO "{target}"')

    @contextlib.contextmanager
    def temporary(self, source, purpose="test"):
        """Yield the name of a copy that is dropped at the end, whatever happens."""
        self._sweep()
        name = f"gom_tmp_{purpose}_{uuid.uuid4().hex[:8]}"
        folder = cache() / "locks"
        folder.mkdir(exist_ok=True)
        path = folder / name
        with open(path, "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                self.copy(source, name)
                yield name
            finally:
                self.drop(name)
                path.unlink(missing_ok=True)

    def _sweep(self):
        """Drop the temporary databases of commands that were killed."""
        for path in (cache() / "locks").glob("gom_tmp_*"):
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                with open(path) as handle:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.drop(path.name)
                    path.unlink(missing_ok=True)

    def base_template(self, modules=BASE_MODULES):
        """Name of a database with Odoo's own modules; built when missing."""
        names = ",".join(modules)
        name = f"gom_base_{digest(odoo_source.key(), python_env.key(), names)}"
        return self._template(name, None, modules)

    def addon_template(self, modules=BASE_MODULES):
        """Name of a database with the addon installed on top of the base template."""
        base = self.base_template(modules)
        name = f"gom_addon_{digest(base, addon_digest())}"
        if not self.exists(name):
            with locked("templates"):
                for old in self.databases("gom_addon_"):
                    if self.marked(old) == base:
                        self.drop(old)
        return self._template(name, base, (ADDON,))

    def _template(self, name, source, modules):
        if self.exists(name):
            return name
        with locked("templates"):
            if self.exists(name):
                return name
            say(f"installing {', '.join(modules)} into a template database")
            draft = f"{name}_draft"
            self.drop(draft)
            if source:
                self.copy(source, draft)
            else:
                self.server.query(
                    f"CREATE DATABASE \"{draft}\" TEMPLATE template0 ENCODING 'UTF8'"
                )
            try:
                self.run(draft, "server", "-i", ",".join(modules), "--stop-after-init")
            except BaseException:
                self.drop(draft)
                raise
            if source:
                self.mark(draft, source)
            self.rename(draft, name)
        return name
