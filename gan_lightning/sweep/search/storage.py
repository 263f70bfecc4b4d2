"""Optuna's storage of a search: a database, or a journal file."""

from __future__ import annotations

import re

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from gan_lightning.config.errors import UserError, one_line

SQLITE_TIMEOUT = 60  # seconds that a writer waits for another one
SCHEME = re.compile(r"[\w+]+://")


def open_storage(storage: str) -> BaseStorage:
    """Open a database by its URL, or a journal file by its path. Raises UserError, without the URL's password, on failure."""
    try:
        if not SCHEME.match(storage):
            return JournalStorage(JournalFileBackend(storage))
        arguments = {"connect_args": {"timeout": SQLITE_TIMEOUT}} if storage.startswith("sqlite") else {}
        return RDBStorage(storage, engine_kwargs=arguments)
    except Exception as error:  # a database's driver can raise anything
        message = one_line(error)
        raise UserError(f"storage={hide_password(storage)}: {type(error).__name__}: {message}") from None


def hide_password(storage: str) -> str:
    """Return a database's URL with its password replaced by an ellipsis."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", storage)
