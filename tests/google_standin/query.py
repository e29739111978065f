"""Gmail's search language, as far as mail programs use it."""

import re
from datetime import datetime, timedelta, timezone
from email.utils import getaddresses

# A group is opened with ( or {; a term's value is a phrase, an id or a word.
TOKEN = re.compile(
    r"(?P<open>(?P<minus>-?)(?:(?P<scope>\w+):)?(?P<kind>[({]))"
    r"|(?P<close>[)}])"
    r'|(?P<not>-?)(?:(?P<operator>\w+):)?(?P<value>"[^"]*"|<[^<>\s]*>|[^\s)}]+)'
)
ADDRESSES = ("from", "to", "cc", "bcc")
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
    query = Query(text or "", store, account)
    return query.group(None, None), query.names_hidden


class Query:
    """One search, read from left to right.

    ``OR`` takes the terms on its two sides before the others are put together, as
    in Google's other searches; Gmail's own help does not tell.
    """

    def __init__(self, text, store, account):
        self.tokens = list(TOKEN.finditer(text))
        self.store = store
        self.account = account
        self.names_hidden = False

    def group(self, closing, scope, hidden=True):
        """Return the test of what stands before ``closing``, or before the end.

        :param scope: the operator of terms that have none of their own
        :param hidden: whether a term can name spam and trash; a negated one cannot
        """
        terms, either = [], False
        while self.tokens:
            token = self.tokens.pop(0)
            if token["close"]:
                if token["close"] != closing:
                    raise BadQuery(token[0])
                break
            if token[0] == "OR":
                either = bool(terms)
            elif token[0] != "AND":
                test = self.term(token, scope, hidden)
                if either:
                    terms[-1].append(test)
                else:
                    terms.append([test])
                either = False
        else:
            if closing:
                raise BadQuery(closing)
        join = any if closing == "}" else all
        return lambda m: (not terms) or join(any(t(m) for t in ts) for ts in terms)

    def term(self, token, scope, hidden):
        minus = token["minus"] or token["not"]
        hidden = hidden and not minus
        if token["open"]:
            closing = ")" if token["kind"] == "(" else "}"
            inner = token["scope"] and token["scope"].lower()
            test = self.group(closing, inner or scope, hidden)
        else:
            operator = token["operator"] and token["operator"].lower()
            value = token["value"].strip('"')
            operator = operator or scope
            test = _test(operator, value, self.store, self.account)
            if operator == "in" and value.lower() in ("spam", "trash", "anywhere"):
                self.names_hidden = self.names_hidden or hidden
        return (lambda m: not test(m)) if minus else test


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


def _words(text):
    return " ".join(["", *re.findall(r"\w+", text.lower()), ""])


def _address(header, value):
    """Return the test of an address operator: a whole address, or words of a name or
    of an address."""
    words = _words(value)

    def test(message):
        text = message.header(header)
        if not value.startswith("@") and "@" in value:
            return any(value == found.lower() for _n, found in getaddresses([text]))
        return words in _words(text)

    return test


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
        name = "PERSONAL" if low == "primary" else value.upper()
        return lambda m: f"CATEGORY_{name}" in m.labels
    if operator == "has":
        if low != "attachment":
            raise BadQuery(value)
        return lambda m: m.has_attachment()
    if operator in ADDRESSES:
        return _address(operator, low)
    if operator == "subject":
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
