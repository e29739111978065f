"""What no log line of a test run may hold."""

import logging
import re

SECRETS = {
    "access token": re.compile(r"ya29\.[\w-]{10}"),
    "refresh token": re.compile(r"1//[\w-]{20}"),
    "code": re.compile(r"4/0A[\w-]{20}|[?&]code="),
    "state": re.compile(r"[?&]state="),
    "client secret": re.compile("standin-secret"),
    "id_token": re.compile(r"eyJ[\w-]{20,}\.eyJ"),
    "sealed token": re.compile(r"gAAAAA[\w-]{20}"),
}
# Those of the mails that tests make (common.mail); each is long enough to be no word
# that occurs by itself.
subjects = set()
found = []
seen = {"records": 0}


def leaks(text):
    """Return the names of what ``text`` should not hold."""
    names = [name for name, pattern in SECRETS.items() if pattern.search(text)]
    return names + ["subject" for subject in subjects if subject in text][:1]


def install():
    """Watch every record that reaches the handlers of a logger, or would, were it not
    muted: after the logger's filters have had it."""
    original = logging.Logger.callHandlers

    def watched(self, record):
        seen["records"] += 1
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += f"\n{record.exc_info[1]}"
        for name in leaks(text):
            found.append(f"{name}: {record.name}, {record.pathname}:{record.lineno}")
        return original(self, record)

    logging.Logger.callHandlers = watched
