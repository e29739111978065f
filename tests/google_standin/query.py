"""Gmail's search language, as far as mail programs use it."""

import re
from datetime import datetime, timedelta, timezone

TOKEN = re.compile(r'(-?)(?:(\w+):)?("[^"]*"|\{[^}]*\}|\([^)]*\)|\S+)')
IN = {
    "inbox": "INBOX",
    "sent": "SENT",
    "spam": "SPAM",
    "trash": "TRASH",
    "draft": "DRAFT",
    "drafts": "DRAFT",
    "chat": "CHAT",
    "chats": "CHAT",
}
IS = {"unread": "UNREAD", "starred": "STARRED", "important": "IMPORTANT"}
UNITS = {"d": 1, "m": 30, "y": 365}


class BadQuery(ValueError):
    """The search names an operator or a value that the stand-in does not know."""


def compile_query(text, store, account):
    """Return a function (message) -> bool, and whether spam and trash are named."""
    tests = []
    alternatives = re.split(r"\s+OR\s+", text or "")
    if len(alternatives) > 1:
        parts = [compile_query(part, store, account)[0] for part in alternatives]
        return (lambda message: any(part(message) for part in parts)), False
    names_hidden = False
    for match in TOKEN.finditer(text or ""):
        minus, operator, value = match.groups()
        value = value.strip('"').strip("(){}")
        test = _test(operator and operator.lower(), value, store, account)
        if (
            operator == "in"
            and not minus
            and value.lower()
            in (
                "spam",
                "trash",
                "anywhere",
            )
        ):
            names_hidden = True
        tests.append((lambda m, t=test: not t(m)) if minus else test)
    return (lambda message: all(test(message) for test in tests)), names_hidden


def _label(account, name):
    wanted = name.lower()
    for label_id, label in account.labels.items():
        if wanted in (label_id.lower(), re.sub(r"[\s/]", "-", label.lower())):
            return label_id
    return name.upper()


def _when(value):
    if value.isdigit() and len(value) > 8:
        return int(value)
    parts = [int(part) for part in re.split(r"[/-]", value)]
    return datetime(*parts, tzinfo=timezone.utc).timestamp()


def _test(operator, value, store, account):  # noqa: C901
    low = value.lower()
    if operator is None:
        return lambda m: low in f"{m.header('Subject')} {m.text()}".lower()
    if operator == "in":
        if low == "anywhere":
            return lambda m: True
        if low not in IN:
            raise BadQuery(value)
        return lambda m: IN[low] in m.labels
    if operator == "is":
        if low == "read":
            return lambda m: "UNREAD" not in m.labels
        if low not in IS:
            raise BadQuery(value)
        return lambda m: IS[low] in m.labels
    if operator == "label":
        wanted = _label(account, value)
        return lambda m: wanted in m.labels
    if operator == "category":
        return lambda m: f"CATEGORY_{value.upper()}" in m.labels
    if operator == "has":
        if low != "attachment":
            raise BadQuery(value)
        return lambda m: m.has_attachment()
    if operator in ("from", "to", "cc", "bcc", "subject"):
        return lambda m: low in m.header(operator).lower()
    if operator == "rfc822msgid":
        wanted = low.strip("<>")
        return lambda m: wanted == m.header("Message-ID").strip().strip("<>").lower()
    if operator in ("after", "newer"):
        limit = _when(value) * 1000
        return lambda m: m.internal_date >= limit
    if operator in ("before", "older"):
        limit = _when(value) * 1000
        return lambda m: m.internal_date < limit
    if operator in ("newer_than", "older_than"):
        if not re.fullmatch(r"\d+[dmy]", low):
            raise BadQuery(value)
        days = int(low[:-1]) * UNITS[low[-1]]
        limit = 1000 * (store.now() - timedelta(days=days).total_seconds())
        newer = operator == "newer_than"
        return lambda m: (m.internal_date >= limit) == newer
    raise BadQuery(operator)
