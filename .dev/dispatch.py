"""Choose the command of ./dev and turn expected failures into one sentence."""

import errno
import importlib
import signal
import sys

from console import Problem

COMMANDS = {
    "run": "start PostgreSQL, the stand-in Google and Odoo with the addon",
    "test": "run lint and every test (arguments go to pytest)",
    "bench": "run the benchmarks, all or those named (--json FILE writes the rows)",
    "lint": "run every check of the code (--fix repairs what tools can repair)",
    "suites": "run Odoo's own tests of mail without and with the addon",
    "freemail": "bring the list of free-email domains up to date",
    "odoo": "run Odoo's own command line in this environment",
}


def usage():
    """The help text: one line a command."""
    lines = ["usage: ./dev COMMAND [arguments]", ""]
    lines += [f"  {name:<8} {what}" for name, what in COMMANDS.items()]
    return "\n".join(lines)


def _terminate(signum, frame):
    raise KeyboardInterrupt


def main(arguments):
    """Run one command; returns the exit status."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    command, *rest = arguments
    if command not in COMMANDS:
        print(f"./dev: unknown command {command!r}\n\n{usage()}", file=sys.stderr)
        return 2
    # A SIGTERM must unwind like Ctrl-C, so that every server is stopped.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return importlib.import_module(f"cmd_{command}").main(rest)
    except Problem as problem:
        print(f"./dev {command}: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        print(
            f"./dev {command}: {error.strerror}: {error.filename or 'the cache'}. "
            "Free some space (6 GB are enough) or name another folder in "
            "GMAIL_OAUTH_MAILBOX_CACHE.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
