"""./dev run: PostgreSQL, the stand-in Google and Odoo with the addon."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import database_server
from console import Problem, say
from odoo_server import Odoo
from places import ADDON, REPOSITORY, TOOLS, addon_digest, cache

DATABASE = f"{ADDON}_dev"
VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
LOGINS = "demo / demo (Anna Keller), ben / ben (Ben Schulz), admin / admin"


def parse(arguments):
    """Read the options of the command."""
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__)
    parser.add_argument("--port", type=int, default=8069, help="0 takes a free one")
    parser.add_argument("--standin-port", type=int, default=8070)
    parser.add_argument("--host", default="localhost", help="host name to browse")
    parser.add_argument("--fresh", action="store_true", help="drop the database first")
    parser.add_argument("--seed", type=pathlib.Path, help="folder of .eml files")
    parser.add_argument("--latency", type=int, metavar="MS", help="of the stand-in")
    parser.add_argument("--ready-file", type=pathlib.Path, help="written once it runs")
    parser.add_argument("--database", default=DATABASE)
    parsed = parser.parse_args(arguments)
    if not re.fullmatch(r"[a-z0-9_]{1,50}", parsed.database):
        parser.error("--database takes lower-case letters, digits and underscores")
    return parsed


@contextlib.contextmanager
def reserved_port(wanted, option):
    """Yield a loopback port, held for the server that will listen at it.

    The socket is bound and never listens: with SO_REUSEADDR on both sides a server
    may listen beside it, while the kernel gives the port to nobody who asks for any.
    Raises Problem when `wanted` is taken.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise Problem(
                f"Port {wanted} is taken: choose another one with {option} N "
                "(0 takes a free one)."
            ) from error
        yield holder.getsockname()[1]


def prepare(odoo, database, fresh=False):
    """Bring the database to the addon's present state; its data is kept."""
    if fresh:
        odoo.drop(database)
    now = addon_digest()
    if not odoo.exists(database):
        source = odoo.addon_template()
        say(f"creating database {database}")
        draft = f"{database}_draft"
        odoo.drop(draft)
        odoo.copy(source, draft)
        script = (TOOLS / "seed_dev.py").read_text()
        odoo.run(draft, "shell", "--no-http", script=script, check_log=False)
        odoo.mark(draft, now)
        odoo.rename(draft, database)
    elif odoo.marked(database) != now:
        say(f"the addon has changed: updating {database}")
        odoo.run(database, "server", "-u", ADDON, "--stop-after-init", check_log=False)
        odoo.mark(database, now)


def set_address(odoo, database, address):
    """Write the address that Odoo gives to Google and puts into links."""
    odoo.server.query(
        "INSERT INTO ir_config_parameter (key, value, create_uid, write_uid) VALUES "
        f"('web.base.url', '{address}', 1, 1), ('web.base.url.freeze', 'True', 1, 1) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        database,
    )


@contextlib.contextmanager
def process(command, log, **options):
    """A child that ends with the block: SIGTERM, after 15 seconds SIGKILL."""
    with open(log, "w") as output:
        # A group of its own: Ctrl-C is handled here, in order, not by each child.
        child = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, **options
        )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def wait_for(address, child, log, seconds=120):
    """Wait until the address answers; raises Problem when the child ends first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=30).close()
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.1)
    tail = pathlib.Path(log).read_text(errors="replace").splitlines()[-15:]
    raise Problem(f"{address} does not answer; see {log}:\n" + "\n".join(tail))


def standin(odoo, options, folder, stack):
    """Start the stand-in Google unless the variable names one; returns its origin."""
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE].rstrip("/")
    port = stack.enter_context(reserved_port(options.standin_port, "--standin-port"))
    command = [str(odoo.python), "-m", "tests.google_standin", "--port", str(port)]
    if options.seed:
        command += ["--seed", str(options.seed.resolve())]
    if options.latency is not None:
        command += ["--latency", str(options.latency)]
    log = folder / "standin.log"
    say("starting the stand-in Google")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    child = stack.enter_context(process(command, log, cwd=REPOSITORY, env=environment))
    wait_for(f"http://127.0.0.1:{port}/__standin__/accounts", child, log)
    return f"http://localhost:{port}"


def accounts(origin):
    """Addresses of the stand-in's accounts ([] when it does not tell)."""
    try:
        with urllib.request.urlopen(f"{origin}/__standin__/accounts", timeout=10) as r:
            data = json.load(r)
    except (OSError, ValueError):
        return []
    rows = data.get("accounts", []) if isinstance(data, dict) else data
    rows = rows.values() if isinstance(rows, dict) else rows
    return [row.get("email", "") if isinstance(row, dict) else row for row in rows]


def main(arguments):
    """Run until Ctrl-C or SIGTERM; returns the exit status."""
    options = parse(arguments)
    if options.seed and not options.seed.is_dir():
        raise Problem(f"--seed {options.seed} is no folder.")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(database_server.server())
        odoo = Odoo(server)
        port = stack.enter_context(reserved_port(options.port, "--port"))
        prepare(odoo, options.database, options.fresh)
        address = f"http://{options.host}:{port}"
        set_address(odoo, options.database, address)
        folder = cache() / "log" / options.database
        folder.mkdir(parents=True, exist_ok=True)
        origin = standin(odoo, options, folder, stack)
        configuration = stack.enter_context(
            odoo.configured(
                options.database,
                http_port=port,
                max_cron_threads=2,
                limit_time_real=3600,
                limit_time_real_cron=3600,
            )
        )
        say("starting Odoo")
        log = folder / "odoo.log"
        child = stack.enter_context(
            process(
                odoo.command("server"),
                log,
                env=odoo.environment(ODOO_RC=str(configuration), **{VARIABLE: origin}),
                cwd=odoo.root,
            )
        )
        wait_for(f"http://127.0.0.1:{port}/web/login", child, log)
        report(address, origin, options, folder, child)
        if options.ready_file:
            stack.callback(options.ready_file.unlink, missing_ok=True)
        try:
            status = child.wait()
        except KeyboardInterrupt:
            say("stopping")
            return 0
        raise Problem(f"Odoo ended by itself (status {status}); see {log}.")


def report(address, origin, options, folder, child):
    """Print where everything is, and write the ready file in one piece."""
    lines = [
        "",
        f"  Odoo       {address}",
        f"  Logins     {LOGINS}",
        f"  Google     {origin} (stand-in: no password is asked)",
    ]
    lines += [f"             {email}" for email in accounts(origin)]
    lines += [f"  Log files  {folder}", "  Stop       Ctrl-C", ""]
    print("\n".join(lines), flush=True)
    if options.ready_file:
        facts = {
            "url": address,
            "standin_url": origin,
            "database": options.database,
            "pid": os.getpid(),
            "odoo_pid": child.pid,
            "log": str(folder / "odoo.log"),
        }
        draft = options.ready_file.with_name(options.ready_file.name + ".part")
        draft.write_text(json.dumps(facts))
        os.replace(draft, options.ready_file)
