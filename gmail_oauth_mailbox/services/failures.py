"""Errors that pass by themselves, and those that keep back nothing else."""

from contextlib import contextmanager

import psycopg2

from ..lib import errors


def is_passing(error):
    """Whether an error is PostgreSQL's of the moment, such as a conflict with another
    worker, that passes by itself. A value that it can't hold (class 54) doesn't."""
    is_limit = (getattr(error, "pgcode", None) or "").startswith("54")
    return isinstance(error, psycopg2.OperationalError) and not is_limit


@contextmanager
def alone(env, logger, message, *values):
    """Undo and log a block that fails, so that what follows is done all the same.

    :param message: as for ``logger.error``; the place of the error is added, not its
        text, which may quote an email
    :return: yields a list, which holds the error when there was one
    :raises psycopg2.OperationalError: one that passes by itself
    """
    found = []
    try:
        with env.cr.savepoint():
            yield found
    except Exception as error:  # noqa: BLE001
        if is_passing(error):
            raise
        env.invalidate_all(flush=False)
        logger.error(f"{message}: %s", *values, errors.place(error))
        found.append(error)
