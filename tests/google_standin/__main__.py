"""Run the stand-in: ``python -m tests.google_standin --port N [--seed DIR]``."""

import argparse
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from . import gmail, seed
from .app import Standin
from .store import Store, date_of


class Quiet(WSGIRequestHandler):
    """No access log: it would hold codes and tokens."""

    protocol_version = "HTTP/1.1"

    def log(self, _kind, _message, *_args):
        """Nothing is written; /__standin__/log tells what came."""


def moment(text):
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    return value.timestamp()


def arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m tests.google_standin")
    parser.add_argument("--port", type=int, required=True, help="0: any free one")
    parser.add_argument("--seed", type=Path, help="folder of .eml files for Anna")
    parser.add_argument("--latency", type=float, default=0, help="milliseconds")
    parser.add_argument("--no-default-seed", action="store_true")
    parser.add_argument("--keep-message-id", action="store_true")
    parser.add_argument("--history-retention", type=float, default=7 * 86400)
    parser.add_argument(
        "--body-charset", choices=["utf-8", "original"], default="utf-8"
    )
    parser.add_argument("--now", type=moment, help="ISO time that the mail is seen at")
    return parser.parse_args(argv)


def fill_store(store, options):
    """Put in the mail of the default seed and of the folder given."""
    if not options.no_default_seed:
        seed.fill(store)
    if options.seed:
        anna = store.accounts["anna.keller@corp-example.test"]
        for path in sorted(options.seed.rglob("*.eml")):
            raw = path.read_bytes()
            date = min(date_of(raw, store.now()), store.now())
            store.add(
                anna,
                raw,
                {"INBOX"},
                date=max(date, 0),
                record=False,
                source=path.relative_to(options.seed).as_posix(),
            )


def main(argv=None):
    options = arguments(argv)
    store = Store(
        keep_message_id=options.keep_message_id,
        history_retention=options.history_retention,
        now=options.now,
        latency=options.latency / 1000,
    )
    gmail.part_json.original = options.body_charset == "original"
    if options.seed and not options.seed.is_dir():
        sys.exit(f"--seed: {options.seed} is not a folder. Name one with .eml files.")
    fill_store(store, options)
    server = make_server(
        "127.0.0.1",
        options.port,
        Standin(store, fill=lambda: fill_store(store, options)),
        threaded=True,
        request_handler=Quiet,
    )
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(0))
    print(f"stand-in Google ready at http://localhost:{server.port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
