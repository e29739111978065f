"""Messages to the person at the terminal, and running other programs."""

import subprocess
import sys
import time

STARTED = time.monotonic()


class Problem(Exception):
    """Something is missing; the text says what and the remedy, in a sentence."""


def say(text):
    """Print one line of progress, with the seconds since the start, to stderr."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def run(command, remedy, *, quiet=True, **options):
    """
    Run a program to its end and return its output (str, empty unless quiet).

    Raises Problem with the end of its output and the remedy when it fails.
    """
    capture = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {}
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, text=True, **capture, **options)
    except FileNotFoundError as error:
        raise Problem(f"{command[0]} is not on this machine. {remedy}") from error
    if done.returncode:
        tail = "\n".join((done.stdout or "").strip().splitlines()[-12:])
        raise Problem(
            f"`{' '.join(command[:4])} ...` failed. {remedy}\n{tail}".rstrip()
        )
    return done.stdout or ""
