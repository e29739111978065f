"""./dev lint: ruff check, ruff format --check and pylint-odoo."""

import subprocess
import sys

import python_env
from console import say
from places import ADDON, REPOSITORY

CHECKS = (
    ("ruff check", ["ruff", "check", ".", "dev", "--no-cache"]),
    ("ruff format", ["ruff", "format", "--check", ".", "dev", "--no-cache"]),
    ("pylint-odoo", ["pylint", "--rcfile=pyproject.toml", ADDON]),
)


def main(arguments=()):
    """Run every check; returns 0 when all of them pass."""
    python = python_env.python()
    failed = []
    for name, command in CHECKS:
        say(f"lint: {name}")
        done = subprocess.run([python, "-m", *command], cwd=REPOSITORY)
        sys.stdout.flush()
        if done.returncode:
            failed.append(name)
    if failed:
        say(f"lint failed: {', '.join(failed)}")
    return 1 if failed else 0
