"""What must not stand in the log: code and state of OAuth, and anybody's mail."""

import logging
import re

from psycopg2.errors import LockNotAvailable, SerializationFailure

CALLBACK = "/gmail_oauth_mailbox/callback"
CONFLICTS = (LockNotAvailable, SerializationFailure)
# Entries of emails, and their files, are in tables of Odoo's.
TABLE = re.compile(r"\b(?:gmail_\w+|mail_message|ir_attachment)\b")


class CallbackFilter(logging.Filter):
    """Take the query, which holds code and state, out of the access log."""

    def filter(self, record):
        message = record.getMessage()
        if CALLBACK in message:
            record.msg = re.sub(rf"({CALLBACK}/?)\?[^\s\"']*", r"\1", message)
            record.args = ()
        return True


class StatementFilter(logging.Filter):
    """Take the values, which hold mail, out of failed statements on our tables.

    Odoo's cursor logs a failed statement whole, and PostgreSQL's text of the error
    may name the row. Two transactions that met are no error: Odoo, or the scheduler,
    does the work again.
    """

    def filter(self, record):
        if record.levelno >= logging.ERROR and "bad query" in str(record.msg):
            table = TABLE.search(record.getMessage())
            if table:
                error = record.args[-1] if record.args else None
                record.msg = "bad query on %s, its values are not logged: %s"
                record.args = (table[0], type(error).__name__)
                record.exc_info = record.exc_text = None
                if isinstance(error, CONFLICTS):
                    record.levelno, record.levelname = logging.INFO, "INFO"
        return True


def install():
    """Add the filters to the loggers, once per process."""
    for name, kind in (
        ("werkzeug", CallbackFilter),
        ("odoo.sql_db", StatementFilter),
    ):
        logger = logging.getLogger(name)
        if not any(isinstance(known, kind) for known in logger.filters):
            logger.addFilter(kind())
