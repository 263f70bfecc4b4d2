"""Optuna's storage of a search: a database, or a journal file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.sweep.search.passwords import hide_password, passwords

SQLITE_TIMEOUT = 60  # seconds that a writer waits for another one
SCHEME = re.compile(r"[\w+]+://")


def open_storage(storage: str) -> BaseStorage:
    """Open a database by its URL, or a journal file by its path. Raises UserError, without the URL's password, on failure."""
    with storage_errors(storage):
        if not SCHEME.match(storage):
            return JournalStorage(JournalFileBackend(storage))
        arguments = {"connect_args": {"timeout": SQLITE_TIMEOUT}} if storage.startswith("sqlite") else {}
        return RDBStorage(storage, engine_kwargs=arguments)


@contextmanager
def storage_errors(storage: str) -> Iterator[None]:
    """Report an error in a block that reads the storage, whose content may be damaged, as one line. Raises UserError."""
    try:
        yield
    except Exception as error:  # a database's driver can raise anything
        message = one_line(error)
        for password in passwords(storage):
            message = message.replace(password, "…")
        raise UserError(f"storage={hide_password(storage)}: {type(error).__name__}: {message}") from None
