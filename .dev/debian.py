"""Packages of Debian, unpacked into the cache: nothing is installed, no root."""

import os
import pathlib
import re
import shutil

from console import Problem, follow, run, say

OLD_STABLE = "bookworm"


def _machine_sources():
    """Yield (options, URI) of the machine's own apt entries, both notations."""
    apt = pathlib.Path("/etc/apt")
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    for path in lists:
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+\S+", line.strip())
            if match:
                yield match[1] or "", match[2]
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = {
                match[1].lower(): match[2].strip()
                for match in re.finditer(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza)
            }
            if fields.get("enabled", "yes") == "no" or "uris" not in fields:
                continue
            signed = fields.get("signed-by", "")
            options = f"signed-by={signed}" if signed.startswith("/") else ""
            for uri in fields["uris"].split():
                yield options, uri


def _debian_mirror(otherwise):
    """The machine's own Debian mirror as (options, URI)."""
    for options, uri in _machine_sources():
        if uri.rstrip("/").endswith("/debian"):
            return options, uri
    raise Problem(
        "No Debian mirror among this machine's apt sources. Add one (a line `deb "
        f"<mirror>/debian stable main`) {otherwise}"
    )


def _apt_configuration(folder, suites, otherwise):
    """Write a private apt configuration; the system's own stays untouched."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Problem(f"apt-get is not on this machine: use Debian {otherwise}")
    options, uri = _debian_mirror(otherwise)
    prefix = f"deb [{options}] " if options else "deb "
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(
        "".join(f"{prefix}{uri} {suite} main\n" for suite in suites)
    )
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
    }
    if os.geteuid() == 0:
        # apt's own user cannot write into a home folder.
        settings["APT::Sandbox::User"] = "root"
    path = folder / "apt.conf"
    path.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    return {**os.environ, "APT_CONFIG": str(path)}


def fetch(folder, target, wanted, size, otherwise):
    """
    Download packages and unpack them into `target`; returns {name: file name}.

    `wanted` is {name: suite}; `folder` keeps what is downloaded, so that a broken
    download goes on; `otherwise` ends each remedy ("or ...").
    """
    suites = sorted(set(wanted.values()), reverse=True)
    environment = _apt_configuration(folder, suites, otherwise)
    debs = folder / "debs"
    debs.mkdir(exist_ok=True)
    remedy = f"Check the network and the apt mirror, then run again, {otherwise}"
    say("reading the package lists of Debian")
    run(["apt-get", "update"], remedy, env=environment, cwd=debs)
    say(f"downloading {next(iter(wanted))} and what it needs ({size})")
    # What is already here and whole is not downloaded again.
    follow(
        ["apt-get", "-q", "-o", "APT::Status-Fd=1", "download"]
        + [f"{name}/{suite}" for name, suite in wanted.items()],
        remedy,
        share,
        env=environment,
        cwd=debs,
    )
    files = {}
    for name in wanted:
        found = sorted(debs.glob(f"{name}_*.deb"), key=lambda p: p.stat().st_mtime)
        if not found:
            raise Problem(f"apt-get brought no {name}. {remedy}")
        say(f"unpacking {name}")
        run(["dpkg-deb", "-x", found[-1], target], "Free 2 GB of disk space.")
        files[name] = found[-1].name
    return files


def share(line):
    """How far apt-get is, from a line of its status (apt's progress-reporting.md)."""
    match = re.match(r"(dl|pm)status:[^:]*:(\d+)", line)
    if not match:
        return None
    return f"{'downloaded' if match[1] == 'dl' else 'installed'}: {match[2]} %"
