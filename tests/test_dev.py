"""./dev says in one sentence what is wrong and what to do; skipped tests fail a run."""

import email
import json
import os
import pathlib
import socket
import subprocess
import sys

import cmd_bench
import cmd_lint
import cmd_run
import debian
import node_env
import pytest
import version_check
from console import Problem

from .bench import bench, corpus, dovecot, memory, profile, take_in, units

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ADDON = "gmail_oauth_mailbox"


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
    for command in ("run", "test", "bench", "lint", "odoo"):
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


def test_a_held_port_is_given_to_nobody_else():
    def bound(port):
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        return taken

    given = set()
    with cmd_run.reserved_port(0, "--port") as held:
        for _ in range(100_000):  # Linux gives from some 28,000 ports
            with bound(0) as other:
                given.add(other.getsockname()[1])
        assert held not in given
        with bound(held) as server:
            server.listen()
            socket.create_connection(("127.0.0.1", held), timeout=5).close()
    with bound(held):
        pass


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


# What each check of ./dev lint must see, in a tree that holds just this file.
FAULTS = [
    ("ruff check", f"{ADDON}/models/a.py", "import os\n", "F401"),
    ("ruff format", f"{ADDON}/models/a.py", "a = [1,2]\n", "would be reformatted"),
    ("pylint-odoo", f"{ADDON}/a.py", "self.env.cr.commit()\n", "invalid-commit"),
    ("bandit", f"{ADDON}/lib/a.py", "import pickle\npickle.loads(b'')\n", "B301"),
    (
        "oca-checks-odoo-module",
        f"{ADDON}/data/a.xml",
        '<?xml version="1.0" encoding="UTF-8" ?>\n<odoo><data/></odoo>\n',
        "xml-deprecated-data-node",
    ),
    (
        "oca-checks-po",
        f"{ADDON}/i18n/de.po",
        f'#. module: {ADDON}\n#, python-format\nmsgid "%s mails"\nmsgstr "Mails"\n',
        "po-python-parse-printf",
    ),
    ("eslint", f"{ADDON}/static/src/a.js", "eval(location.hash);\n", "no-eval"),
    ("prettier", f"{ADDON}/static/src/a.js", "const a={b:1}\n", "a.js"),
    ("prettier", f"{ADDON}/views/a.xml", "<odoo><a   b='c'/></odoo>\n", "a.xml"),
    ("files", f"{ADDON}/models/a.py.rej", "--- a\n", "left over"),
    ("files", f"{ADDON}/i18n/en.po", 'msgid ""\n', "English into English"),
    ("files", "README.rst", "A\n<<<<<<< HEAD\n", "merge conflict"),
    ("files", "setup.py", "#!/usr/bin/env python3\n", "mode of a program"),
    ("files", "README.rst", "A\r\n", "line ends of Windows"),
    ("files", "pyproject.toml", "a = 1 \n", "blank space"),
    ("files", "setup.py", "a = 1", "no newline"),
    ("version", ".dev/versions.json", '{"19.0.1.0.0": "0"}\n', "Bump the version"),
    ("version", ".dev/versions.json", '{"19.0.2.0.0": "0"}\n', "is lower than"),
]


# Where npm's registry cannot be reached, lint says that these two do not run.
FAULTS = [fault for fault in FAULTS if fault[0] in cmd_lint.checks()]


@pytest.mark.parametrize(("check", "name", "text", "finding"), FAULTS)
def test_lint_sees_a_fault(tmp_path, check, name, text, finding):
    (tmp_path / ADDON).mkdir()
    (tmp_path / ADDON / "__init__.py").touch()
    (tmp_path / ADDON / "__manifest__.py").write_text(
        '{"name": "A", "version": "19.0.1.0.0", "data": ["data/a.xml"]}\n'
    )
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    done = cmd_lint.run(cmd_lint.checks(tmp_path)[check], tmp_path)
    assert done.returncode, done.stdout
    assert finding in done.stdout
    assert path.name in done.stdout


def test_every_check_is_seen_to_fail():
    assert {check for check, *_ in FAULTS} == set(cmd_lint.checks())


def addon(tree, version="19.0.1.1.0"):
    """Write an addon with a model, a view and access lines below a tree."""
    for name, text in {
        f"{ADDON}/models/a.py": "A = 1\n",
        f"{ADDON}/wizard/b.py": "B = 1\n",
        f"{ADDON}/services/c.py": "C = 1\n",
        f"{ADDON}/views/a.xml": "<odoo />\n",
        f"{ADDON}/security/ir.model.access.csv": "id\n",
        f"{ADDON}/__manifest__.py": str(
            {"name": "A", "version": version, "data": ["views/a.xml"]}
        ),
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / ".dev").mkdir(exist_ok=True)


@pytest.mark.parametrize(
    ("name", "is_watched"),
    [
        ("models/a.py", True),
        ("models/new.py", True),
        ("wizard/b.py", True),
        ("views/a.xml", True),
        ("security/ir.model.access.csv", True),
        ("data/neutralize.sql", True),
        ("services/c.py", False),
        ("views/not_in_the_manifest.xml", False),
    ],
)
def test_a_version_holds_its_models_and_data(tmp_path, name, is_watched):
    addon(tmp_path)
    assert version_check.finding(tmp_path) is None, "nothing is recorded yet"
    assert version_check.record(tmp_path) == "19.0.1.1.0"
    assert version_check.finding(tmp_path) is None
    path = tmp_path / ADDON / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed\n")
    assert bool(version_check.finding(tmp_path)) is is_watched
    if is_watched:
        assert "`./dev lint --record`" in version_check.finding(tmp_path)
        version_check.record(tmp_path)
        assert version_check.finding(tmp_path) is None


def test_a_higher_version_may_change_and_a_lower_one_fails(tmp_path):
    addon(tmp_path)
    version_check.record(tmp_path)
    addon(tmp_path, "19.0.1.10.0")
    (tmp_path / ADDON / "models" / "a.py").write_text("A = 2\n")
    assert version_check.finding(tmp_path) is None
    version_check.record(tmp_path)
    assert list(version_check.records(tmp_path)) == ["19.0.1.1.0", "19.0.1.10.0"]
    addon(tmp_path, "19.0.1.9.0")
    assert "is lower than 19.0.1.10.0" in version_check.finding(tmp_path)


def test_the_first_version_is_final(tmp_path):
    addon(tmp_path, "19.0.1.0.0")
    with pytest.raises(Problem, match="Version 19.0.1.0.0 is final"):
        version_check.record(tmp_path)
    (tmp_path / version_check.RECORDS).write_text('{"19.0.1.0.0": "0"}')
    assert "Bump the version" in version_check.finding(tmp_path)
    assert "--record" not in version_check.finding(tmp_path)
    assert "19.0.1.0.0" in version_check.records(REPOSITORY)


def test_lint_records(monkeypatch, tmp_path, capfd):
    addon(tmp_path)
    monkeypatch.setattr(cmd_lint, "REPOSITORY", tmp_path)
    assert cmd_lint.main(["--record"]) == 0
    assert list(version_check.records(tmp_path)) == ["19.0.1.1.0"]
    assert "recorded 19.0.1.1.0" in capfd.readouterr().err


def test_lint_repairs(tmp_path):
    script = tmp_path / ADDON / "static" / "src" / "a.js"
    script.parent.mkdir(parents=True)
    (tmp_path / ADDON / "__manifest__.py").write_text('{"name": "A"}\n')
    script.write_text("let a=1\nexport {a}\n")
    module = tmp_path / ADDON / "a.py"
    module.write_text("import re\nimport os\n\nos.getcwd( )\n")
    for command in cmd_lint.fixes(tmp_path).values():
        cmd_lint.run(command, tmp_path)
    if node_env.ready():
        assert script.read_text() == "const a = 1;\nexport { a };\n"
    assert module.read_text() == "import os\n\nos.getcwd()\n"


def test_a_failed_check_fails_lint(monkeypatch, capfd):
    commands = {
        "good": [sys.executable, "-c", "print('fine')"],
        "bad": [sys.executable, "-c", "raise SystemExit('a.py: wrong')"],
    }
    monkeypatch.setattr(cmd_lint, "checks", lambda: commands)
    assert cmd_lint.main() == 1
    told = capfd.readouterr()
    assert told.out == "a.py: wrong\n"
    assert told.err.endswith("lint failed: bad\n")
    del commands["bad"]
    assert cmd_lint.main() == 0


def test_bench_names_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        cmd_bench.parse(["take_out"])
    assert "no benchmark 'take_out'; there are take_in, cpu" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cmd_bench.parse(["--messages", "0"])


def test_bench_table_shows_median_range_and_ratio():
    rows = [
        bench.row("take_in", "messages/s", [200, 220, 210.04], 15),
        bench.row("units", "units/useful message", [201.5]),
    ]
    assert rows[0] == {
        "name": "take_in",
        "value": 210.04,
        "unit": "messages/s",
        "baseline": 15,
        "ratio": 14.0027,
        "runs": [200, 220, 210.04],
    }
    heading, first, second = (
        line.split() for line in cmd_bench.table(rows).split("\n")
    )
    assert heading[:2] == ["name", "value"]
    assert first[1:5] == ["210", "200", "..", "220"]
    assert first[-3:] == ["14", "x", "3"]
    assert second == ["units", "202", "units/useful", "message", "-", "-", "1"]


def test_bench_takes_in_without_an_imap_server(tmp_path):
    file = tmp_path / "rows.json"
    arguments = ["--messages", "10", "--runs", "1", "--json", str(file)]
    done = dev("bench", "take_in", "--sample", "0", *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text())
    assert [row["name"] for row in rows] == ["take_in", "cpu", "sql"]
    for row in rows:
        assert list(row) == ["name", "value", "unit", "baseline", "ratio", "runs"]
        assert row["runs"] == [row["value"]]
        assert row["value"] > 0
        assert row["baseline"] is None


class Here:
    """Stands in for tests.bench.bench.Bench: nothing is run."""

    def __init__(self):
        self.notes = []
        self.options = cmd_bench.parse(["take_in", "--messages", "10", "--runs", "1"])

    def messages(self, _default):
        return self.options.messages

    def corpus(self, _kind, _count):
        return pathlib.Path()


def test_bench_says_what_keeps_stock_fetchmail_out(monkeypatch, tmp_path):
    monkeypatch.setattr(dovecot, "cache", lambda: tmp_path)
    monkeypatch.setattr(debian.shutil, "which", lambda _program: None)
    one = {"messages": 10, "seconds": 0.1, "cpu": 0.05, "statements": 12}
    monkeypatch.setattr(take_in, "ours", lambda *_arguments: one)
    here = Here()
    rows = take_in.measure(here)
    assert [(row["value"], row["baseline"]) for row in rows] == [
        (100, None),
        (5, None),
        (1.2, None),
    ]
    (sentence,) = here.notes
    assert sentence.startswith("Stock fetchmail was not measured: apt-get is not on")
    assert "leave stock fetchmail out (--sample 0)" in sentence


def test_bench_corpus_is_the_same_each_time():
    first, again = list(corpus.mixed(160)), list(corpus.mixed(160))
    assert first == again
    messages = [email.message_from_bytes(raw) for raw, _sender in first]
    attached = [m for m in messages if m.get_content_type() == "multipart/mixed"]
    assert len(attached) == 40
    assert not [part for m in messages for part in m.walk() if part.defects]
    charsets = {p.get_content_charset() for m in messages for p in m.walk()}
    assert charsets >= {"utf-8", "iso-8859-1", "koi8-r", "iso-2022-jp"}


def test_bench_profile_gives_helpers_to_their_callers():
    sanitize = ("/addons/gmail_oauth_mailbox/lib/sanitize.py", 1, "clean")
    execute = ("~", 0, "<method 'execute' of 'psycopg2.extensions.cursor' objects>")
    helper = ("~", 0, "<method 'lower' of 'str' objects>")
    stats = {
        sanitize: (1, 1, 3.0, 4.0, {}),
        execute: (1, 1, 2.0, 2.0, {}),
        helper: (4, 4, 1.0, 1.0, {sanitize: (4, 4, 1.0, 1.0)}),
    }
    assert profile.Shares(stats).seconds() == {"sanitising": 4.0, "SQL": 2.0}


def test_bench_slope_and_prices():
    assert memory.slope([[1000, 50], [2000, 60], [3000, 70]]) == 10
    assert units.price("/gmail/v1/users/me/messages/abc") == 20
    assert units.price("/gmail/v1/users/me/messages") == 5
    assert units.price("/token") == 0


def test_lint_knows_no_other_option():
    assert "unrecognized arguments: --fux" in told(dev("lint", "--fux"))[-1]


def test_ci_runs_the_tests():
    text = (REPOSITORY / ".ci" / "run").read_text()
    assert "./dev test" in text
