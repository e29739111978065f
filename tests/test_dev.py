"""./dev says in one sentence what is wrong and what to do; skipped tests fail a run."""

import os
import pathlib
import socket
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def dev(*arguments, **variables):
    """Run ./dev to its end; return the finished process."""
    unwanted = ("PYTHONPATH", "ODOO_RC", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "dev"), *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def told(done):
    """What a failed command told, without its lines of progress."""
    assert done.returncode, done.stdout
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if not line.startswith("[")]


def test_help_names_every_command():
    done = dev("--help")
    assert done.returncode == 0
    for command in ("run", "test", "lint", "odoo"):
        assert f"\n  {command}" in done.stdout


def test_unknown_command():
    assert "unknown command 'tset'" in told(dev("tset"))[0]


def test_odoo_takes_its_own_arguments():
    done = dev("odoo", "--version")
    assert done.returncode == 0
    assert "Odoo Server 19.0" in done.stdout


def test_folder_that_is_no_odoo(tmp_path):
    (sentence,) = told(dev("odoo", "--version", ODOO_ROOT=str(tmp_path)))
    assert "holds no odoo/release.py. Name the folder" in sentence


def test_odoo_source_that_is_there_is_used():
    import odoo

    # tests/ knows where the Odoo in use is; it stands in for a checkout.
    root = pathlib.Path(odoo.__path__[0]).parent
    done = dev("odoo", "--version", ODOO_ROOT=str(root))
    assert "Odoo Server 19.0" in done.stdout, done.stderr


def test_database_server_that_is_not_there():
    lines = told(dev("odoo", "--version", PGHOST="127.0.0.1", PGPORT="9"))
    assert any("Check PGHOST, PGPORT, PGUSER" in line for line in lines)


def test_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (sentence,) = told(dev("run", "--port", port, "--database", "gom_dev_test"))
    assert f"Port {port} is taken: choose another one with --port N" in sentence


def test_seed_that_is_no_folder(tmp_path):
    (sentence,) = told(dev("run", "--seed", str(tmp_path / "missing")))
    assert "is no folder" in sentence


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ("def test_a(): pass", True),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): pass", False),
        ("import pytest\npytest.skip(allow_module_level=True)", False),
        ("import unittest\nraise unittest.SkipTest", False),
    ],
)
def test_a_skipped_test_fails_the_run(tmp_path, body, passes):
    (tmp_path / "test_it.py").write_text(f"{body}\n")
    (tmp_path / "test_other.py").write_text("def test_b(): pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_strict", str(tmp_path)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY / ".dev"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode == 0) is passes, done.stdout


def test_ci_runs_the_tests():
    text = (REPOSITORY / ".ci" / "run").read_text()
    assert "./dev test" in text
