"""Messages to the person at the terminal, and running other programs."""

import collections
import subprocess
import sys
import time

STARTED = time.monotonic()
# Seconds between two messages of how far a download is.
PAUSE = 5


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


def follow(command, remedy, progress, **options):
    """
    Run a program that takes a while, saying now and then how far it is.

    `progress` turns a line of its output into a message, or None. Raises Problem as
    `run` does.
    """
    command = [str(part) for part in command]
    tail, told = collections.deque(maxlen=12), time.monotonic()
    try:
        child = subprocess.Popen(
            command,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )
    except FileNotFoundError as error:
        raise Problem(f"{command[0]} is not on this machine. {remedy}") from error
    with child:
        for line in child.stdout:
            message = progress(line)
            if message is None:
                tail.append(line.rstrip())
            elif time.monotonic() - told > PAUSE:
                say(f"  {message}")
                told = time.monotonic()
    if child.returncode:
        lines = "\n".join(tail)
        raise Problem(f"`{' '.join(command[:4])} ...` failed. {remedy}\n{lines}")
