"""The schema of a JSON file that somebody else may have written: a strict pydantic model, and one line for what breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gan_lightning.storage.data_file import MAX_BYTES, data_file_error, read_data_file

MAX_MISTAKES = 1000  # of a file of more, the first is not looked for
MAX_SHOWN = 60  # characters of a wrong value
Step = Annotated[int, Field(ge=0, lt=2**53)]
Count = Annotated[int, Field(ge=1, lt=2**31)]


class DataModel(BaseModel):
    """Describe a JSON object: no value is converted, numbers are finite, and keys of a newer version are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, model: type[Model], max_bytes: int = MAX_BYTES) -> tuple[Model, bytes]:
    """Return the content of a JSON file as its model, and as it was read.

    Raises DataFileError, with the key and what is expected there, and OSError if the file is missing or can't be read.
    """
    content = read_data_file(path, max_bytes)
    try:
        return model.model_validate_json(content), content
    except ValidationError as error:
        raise data_file_error(path, describe_mistake(error)) from None


def describe_mistake(error: ValidationError) -> str:
    """Return the first mistake in a file as `key: value should be …`; pydantic's parser bounds the depth of JSON."""
    if (count := error.error_count()) > MAX_MISTAKES:
        return f"{count:,} values in it are not what they should be"
    first: Any = error.errors(include_url=False)[0]
    expected = first["msg"].replace("Input should be", "should be").replace("Field required", "missing; it is needed")
    expected = expected.removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        return str(first["msg"])
    where, value = ".".join(map(str, first["loc"])), first["input"]
    shown = f"{json.dumps(value)[:MAX_SHOWN]} " if isinstance(value, str | int | float | None) and expected[:1] == "s" else ""
    return f"{where}: {shown}{expected}" if where else f"{shown}{expected}"
