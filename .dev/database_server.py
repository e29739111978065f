"""PostgreSQL: the server named by PGHOST, or an embedded one shared by commands."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import python_env
from console import Problem, run, say
from places import cache, digest, locked

# Odoo refuses the role `postgres`.
ROLE = "odoo"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # Development data only: a crash of the machine may cost it, tests gain minutes.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum_naptime": "30s",
    "log_min_messages": "warning",
    "jit": "off",
}


@dataclasses.dataclass(frozen=True)
class Server:
    """How to reach PostgreSQL: host (name or socket folder), port, role, programs."""

    host: str
    port: str
    user: str
    programs: pathlib.Path | None

    def environment(self):
        """The variables of PostgreSQL's client programs."""
        return {"PGHOST": self.host, "PGPORT": self.port, "PGUSER": self.user}

    def query(self, statement, database="postgres"):
        """Run SQL and return its rows, a line each (str), with | between columns."""
        program = self.programs / "psql" if self.programs else "psql"
        command = [program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-w"]
        return run(
            [*command, "-d", database, "-c", statement],
            "Check PGHOST, PGPORT, PGUSER and that the client programs of PostgreSQL "
            "are installed.",
            env={**os.environ, **self.environment()},
        ).splitlines()


@contextlib.contextmanager
def server():
    """Yield a running Server; the last command to leave stops the embedded one."""
    if os.environ.get("PGHOST"):
        yield Server(
            os.environ["PGHOST"],
            os.environ.get("PGPORT", "5432"),
            os.environ.get("PGUSER") or pwd.getpwuid(os.getuid()).pw_name,
            None,
        )
        return
    folder = cache() / "postgres"
    folder.mkdir(exist_ok=True)
    # Each command holds a shared lock; who gets it alone at the end is the last one.
    with open(folder / "users.lock", "a") as users:
        with locked("postgres"):
            fcntl.flock(users, fcntl.LOCK_SH)
            embedded = _Embedded(folder)
            embedded.ensure_running()
        try:
            yield Server(str(embedded.sockets), "5432", ROLE, embedded.programs)
        finally:
            with locked("postgres"):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    embedded.stop()


class _Embedded:
    """The server from the Python wheel, its data in the cache."""

    def __init__(self, folder):
        self.programs = self._find_programs()
        self.account = self._find_account()
        self.folder = folder
        version = run([self.programs / "postgres", "--version"], "").split()[-1]
        self.data = folder / f"data-{version.split('.')[0]}"
        self.sockets = folder / "socket"
        # The path of a unix socket is limited to 107 bytes.
        if len(str(self.sockets)) > 85:
            name = f"odoo-postgres-{os.getuid()}-{digest(str(folder))}"
            self.sockets = pathlib.Path(tempfile.gettempdir()) / name

    @staticmethod
    def _find_programs():
        site = python_env.python().parent.parent / "lib"
        found = sorted(site.glob("python3*/site-packages/*pgserver/pginstall*/bin/"))
        if not found:
            raise Problem(
                "The Python environment holds no PostgreSQL. Remove the folder "
                f"{site.parent} and run again."
            )
        return max(found, key=lambda p: (len(p.parent.name), p.parent.name))

    @staticmethod
    def _find_account():
        """The system account to run as: PostgreSQL refuses root."""
        if os.geteuid():
            return None
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise Problem(
            "PostgreSQL does not run as root and there is no account postgres or "
            "nobody: run ./dev as an ordinary user."
        )

    def _options(self):
        if not self.account:
            return {}
        return {
            "user": self.account.pw_uid,
            "group": self.account.pw_gid,
            "extra_groups": [],
            "cwd": "/",
        }

    def _let_account_in(self):
        """Let the account pass through (not read) the folders above the cache."""
        if not self.account:
            return
        for path in (self.programs, self.data, self.sockets):
            for parent in path.parents:
                mode = parent.stat().st_mode
                if not mode & 0o001:
                    say(
                        f"letting PostgreSQL's account pass through {parent} (chmod +x)"
                    )
                    parent.chmod(mode | 0o001)
        run(["chmod", "-R", "go+rX", self.programs.parent], "")
        shutil.chown(self.data, self.account.pw_uid, self.account.pw_gid)
        shutil.chown(self.sockets, self.account.pw_uid, self.account.pw_gid)

    def _pid(self):
        """Process id of the running server, or None."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
            command = pathlib.Path(f"/proc/{pid}/cmdline")
            if command.exists() and b"postgres" not in command.read_bytes():
                return None
        except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
            return None
        return pid

    def _ready(self):
        command = [self.programs / "pg_isready", "-q", "-h", self.sockets]
        return not subprocess.call([*command, "-p", "5432"])

    def ensure_running(self):
        """Create the cluster when missing and start it when it is not running."""
        if self._pid() and self._ready():
            return
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self._let_account_in()
        if not (self.data / ".complete").exists():
            say("creating the PostgreSQL cluster")
            for entry in self.data.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            run(
                [self.programs / "initdb", "-D", self.data, f"--username={ROLE}"]
                + ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin"]
                + ["--builtin-locale=C.UTF-8", "--locale=C", "--no-sync"],
                "Free 1 GB of disk space and run again.",
                **self._options(),
            )
            (self.data / ".complete").touch()
        settings = {**SETTINGS, "unix_socket_directories": str(self.sockets)}
        command = [str(self.programs / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.folder / "server.log", "a") as log:
            # A session of its own: Ctrl-C at a command must not stop the server.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._options(),
            )
        for _ in range(600):
            if self._ready():
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        tail = (self.folder / "server.log").read_text().splitlines()[-5:]
        raise Problem(
            f"PostgreSQL did not start; its log is {self.folder / 'server.log'}. When "
            f"the data is damaged, remove {self.data}.\n" + "\n".join(tail)
        )

    def stop(self):
        """Stop the server and wait for its end, at most 20 seconds."""
        pid = self._pid()
        if not pid:
            return
        os.kill(pid, signal.SIGINT)
        for _ in range(400):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not self._pid():
                return
            time.sleep(0.05)
