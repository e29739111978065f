"""Which errors of the database pass by themselves."""

import psycopg2


def is_passing(error):
    """Whether an error is PostgreSQL's of the moment, such as a conflict with another
    worker, that passes by itself. A value that it can't hold (class 54) doesn't."""
    is_limit = (getattr(error, "pgcode", None) or "").startswith("54")
    return isinstance(error, psycopg2.OperationalError) and not is_limit
