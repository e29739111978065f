"""An IMAP server for stock fetchmail: Debian's dovecot, unpacked, without root.

Its login service looks for modules below /usr and refuses to start elsewhere. So the
few lines until a client is logged in are said here, and dovecot's own process for a
logged-in client gets the connection, as it would from its login service.
"""

import contextlib
import grp
import os
import pathlib
import pwd
import shutil
import socketserver
import subprocess
import tempfile
import threading

import debian
from places import building, cache, locked

# With libraries that a Debian of another version does not have.
PACKAGES = (
    "dovecot-core",
    "dovecot-imapd",
    "libexttextcat-2.0-0",
    "libsodium23",
    "libssl3",
    "libtirpc3",
    "libunwind8",
    "libwrap0",
)
CONFIGURATION = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/run
libexec_dir = {root}/usr/lib/dovecot
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 0
log_path = {folder}/log
ssl = no
mail_location = maildir:{folder}/Maildir
# As fast as it can be: what is measured is Odoo.
mail_fsync = never
"""


def root():
    """The folder with dovecot's files; fetches them when missing."""
    unpacked = cache() / "dovecot"
    if not unpacked.exists():
        with locked("dovecot"):
            if not unpacked.exists():
                folder = cache() / "apt-dovecot"
                wanted = dict.fromkeys(PACKAGES, debian.OLD_STABLE)
                otherwise = "or leave stock fetchmail out (--sample 0)."
                with building(unpacked) as draft:
                    debian.fetch(folder, draft, wanted, "12 MB", otherwise)
                shutil.rmtree(folder, ignore_errors=True)
    return unpacked


def _account():
    """Who dovecot runs as: it lets nobody read mail as root."""
    return pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("nobody")


class Login(socketserver.StreamRequestHandler):
    """Says what comes before the login, then hands the connection to dovecot."""

    rbufsize = 0

    def handle(self):
        self.wfile.write(b"* OK ready\r\n")
        command = b""
        while command != b"LOGIN":
            tag, command, *_rest = self.rfile.readline().upper().split()
            if command == b"CAPABILITY":
                self.wfile.write(b"* CAPABILITY IMAP4REV1\r\n")
            self.wfile.write(tag + b" OK done\r\n")
        self.server.serve_mail(self.connection)


class Server(socketserver.ThreadingTCPServer):
    """Listens on a free loopback port for as long as the block."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Login)
        unpacked, account = root(), _account()
        (folder / "dovecot.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                root=unpacked,
                user=account.pw_name,
                group=grp.getgrgid(account.pw_gid).gr_name,
            )
        )
        libraries = [
            unpacked / "usr" / "lib" / "dovecot",
            *(unpacked / "usr" / "lib").glob("*-linux-gnu*"),
            *(unpacked / "lib").glob("*-linux-gnu*"),
        ]
        # doveconf reads the configuration and turns into the program named.
        self.command = [unpacked / "usr" / "bin" / "doveconf"]
        self.command += ["-c", folder / "dovecot.conf", "-f", "service=imap"]
        self.command += ["-e", unpacked / "usr" / "lib" / "dovecot" / "imap"]
        self.options = {
            "cwd": folder,
            "env": {
                "PATH": os.defpath,
                "USER": account.pw_name,
                "HOME": str(folder),
                "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            },
        }
        if not os.geteuid():
            for place in (folder, *folder.rglob("*")):
                shutil.chown(place, account.pw_uid, account.pw_gid)
            self.options |= {"user": account.pw_uid, "group": account.pw_gid}
            self.options |= {"extra_groups": []}

    def serve_mail(self, connection):
        with open(pathlib.Path(self.options["cwd"]) / "errors", "ab") as errors:
            subprocess.call(
                [str(part) for part in self.command],
                stdin=connection,
                stdout=connection,
                stderr=errors,
                **self.options,
            )


@contextlib.contextmanager
def running(mail, count):
    """Serve the first `count` messages below `mail`; yield the port."""
    with tempfile.TemporaryDirectory(prefix="bench-imap-") as name:
        folder = pathlib.Path(name)
        for part in ("run", "Maildir/cur", "Maildir/new", "Maildir/tmp"):
            (folder / part).mkdir(parents=True)
        for path in sorted(mail.rglob("*.eml"))[:count]:
            shutil.copyfile(path, folder / "Maildir" / "new" / f"{path.stem}.M1.bench")
        with Server(folder) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield server.server_address[1]
            finally:
                server.shutdown()
