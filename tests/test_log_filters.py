"""What the log filters take out, and what they leave."""

import logging

import pytest
from psycopg2.errors import CheckViolation, SerializationFailure

from odoo.addons.gmail_oauth_mailbox import log_filters


def record(message, *args, level=logging.ERROR):
    return logging.LogRecord("x", level, __file__, 1, message, args, None)


def test_the_callback_loses_its_query():
    line = record(
        '"GET %s HTTP/1.1" 303', "/gmail_oauth_mailbox/callback?code=4/0&state=s"
    )
    assert log_filters.CallbackFilter().filter(line)
    assert line.getMessage() == '"GET /gmail_oauth_mailbox/callback HTTP/1.1" 303'


def test_a_slash_at_the_end_hides_nothing():
    line = record("GET /gmail_oauth_mailbox/callback/?code=4/0&state=s")
    log_filters.CallbackFilter().filter(line)
    assert line.getMessage() == "GET /gmail_oauth_mailbox/callback/"


def test_other_lines_stay():
    line = record("GET %s", "/odoo?code=1")
    assert log_filters.CallbackFilter().filter(line)
    assert line.getMessage() == "GET /odoo?code=1"


@pytest.mark.parametrize(
    "error, level", [(CheckViolation, "ERROR"), (SerializationFailure, "INFO")]
)
def test_failed_statements_lose_their_values(error, level):
    line = record(
        "bad query: %s\nERROR: %s",
        "UPDATE gmail_message SET subject = 'private'",
        error("Key (subject)=(private)"),
    )
    assert log_filters.StatementFilter().filter(line)
    assert "private" not in line.getMessage()
    assert "gmail_message" in line.getMessage()
    assert line.levelname == level


def test_statements_of_others_stay():
    line = record("bad query: %s\nERROR: %s", "SELECT 1 FROM res_users", ValueError())
    assert log_filters.StatementFilter().filter(line)
    assert "SELECT 1 FROM res_users" in line.getMessage()
    assert line.levelname == "ERROR"
