"""The states of callbacks that a checkpoint holds: a file's state is compared with its type before it is loaded."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from gan_lightning.storage.plain_data import show


def find_type_mistake(adapter: TypeAdapter[Any], state: Any) -> str | None:
    """Return where a state is not of the adapter's type, and why; None: it is."""
    try:
        adapter.validate_python(state, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(show(part) for part in first['loc']) or 'state'}: {first['msg'].lower()}"
    return None
