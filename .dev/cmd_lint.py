"""
./dev lint: every check of the code, side by side.

With --fix the tools first repair what they can. With --record the present models and
data files become those of the manifest's version, and nothing is checked.
"""

import argparse
import concurrent.futures
import os
import subprocess

import node_env
import python_env
import version_check
from console import say
from places import ADDON, REPOSITORY, TOOLS

SETTINGS = REPOSITORY / "pyproject.toml"
SCRIPTS = [ADDON, ".dev/js"]
FORMATTED = [f"{ADDON}/**/*.{{css,js,scss,xml}}", ".dev/js/*.{cjs,json}"]
UNMATCHED = "--no-error-on-unmatched-pattern"
CATALOGS = f"{ADDON}/i18n/*.po*"


def _python(module, *arguments):
    return [python_env.python(), "-m", module, *arguments]


def _node(script, settings, *arguments):
    path = node_env.packages() / script
    options = ["--config", TOOLS / "js" / settings, UNMATCHED]
    return [node_env.node(), path, *options, *arguments]


def _ruff(*arguments):
    return _python("ruff", *arguments, "--no-cache", "--config", SETTINGS, ".")


def _catalogs(tree):
    return [str(path.relative_to(tree)) for path in sorted(tree.glob(CATALOGS))]


def _oca(tree, *arguments):
    """The hooks of OCA on the addon and on its catalogs."""
    # po-pretty-format: catalogs come from Odoo and Weblate; OCA leaves it out as well.
    return {
        "oca-checks-odoo-module": _python(
            "oca_pre_commit_hooks.cli", *arguments, ADDON
        ),
        "oca-checks-po": _python(
            "oca_pre_commit_hooks.cli_po",
            "--disable=po-pretty-format",
            *arguments,
            *_catalogs(tree),
        ),
    }


def checks(tree=REPOSITORY):
    """The commands that check the files below `tree`, by their names."""
    return {
        "ruff check": _ruff("check"),
        "ruff format": _ruff("format", "--check"),
        "files": [python_env.python(), TOOLS / "file_check.py"],
        "version": [python_env.python(), TOOLS / "version_check.py"],
        "pylint-odoo": _python("pylint", f"--rcfile={SETTINGS}", ADDON),
        "bandit": _python("bandit", "-q", "-c", SETTINGS, "-r", ADDON),
        **_oca(tree),
        **(_scripts() if node_env.ready() else {}),
    }


def _scripts():
    return {
        "eslint": _node("eslint/bin/eslint.js", "eslint.config.cjs", *SCRIPTS),
        "prettier": _node(
            "prettier/bin/prettier.cjs", "prettier.config.cjs", "--check", *FORMATTED
        ),
    }


def fixes(tree=REPOSITORY):
    """The commands that repair, in their order: what formats comes last."""
    return {
        "ruff check --fix": _ruff("check", "--fix-only"),
        "ruff format": _ruff("format"),
        **{f"{name} --fix": line for name, line in _oca(tree, "--fix").items()},
        **(_script_fixes() if node_env.ready() else {}),
    }


def _script_fixes():
    return {
        "eslint --fix": _node(
            "eslint/bin/eslint.js", "eslint.config.cjs", "--fix", *SCRIPTS
        ),
        "prettier --write": _node(
            "prettier/bin/prettier.cjs",
            "prettier.config.cjs",
            "--write",
            "--list-different",
            *FORMATTED,
        ),
    }


def run(command, tree=REPOSITORY):
    """Run one command in `tree`; returns the finished process with its output."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=tree,
        env=node_env.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def parse(arguments):
    """Read the options of the command."""
    parser = argparse.ArgumentParser(prog="./dev lint", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="repair what tools can")
    parser.add_argument(
        "--record",
        action="store_true",
        help="note models and data of a version that is unreleased",
    )
    return parser.parse_args(arguments)


def main(arguments=()):
    """Run every check; returns 0 when all of them pass."""
    options = parse(arguments)
    if options.record:
        say(f"lint: recorded {version_check.record(REPOSITORY)}")
        return 0
    if options.fix:
        for name, command in fixes().items():
            say(f"lint: {name}")
            # What is left to be done by hand is told by the checks below.
            run(command)
    failed = []
    commands = checks()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {name: pool.submit(run, line) for name, line in commands.items()}
        for name, future in running.items():
            done = future.result()
            say(f"lint: {name}")
            if done.returncode:
                failed.append(name)
                print(done.stdout.strip(), flush=True)
    if failed:
        say(f"lint failed: {', '.join(failed)}")
    return 1 if failed else 0
