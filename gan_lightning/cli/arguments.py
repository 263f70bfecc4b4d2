"""The parser of `key=value` arguments, for every command but gan-train; a pydantic model is the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain
from gan_lightning.storage.home import expand_home

Model = TypeVar("Model", bound=BaseModel)


def parse_arguments(model: type[Model], line: list[str]) -> Model:
    """Parse `key=value …` into an instance of a pydantic model; `--help` prints the model's docstring and exits.

    Raises UserError with a line for each argument that is unknown, missing, or of a wrong type.
    """
    if any(argument in ("-h", "--help") for argument in line):
        raise SystemExit(print((model.__doc__ or "").strip()))
    fields: dict[str, Any] = {field.alias or name: field for name, field in model.model_fields.items()}
    values: Plain = {}
    mistakes: list[str] = []
    for argument in line:
        key, equals, value = argument.partition("=")
        if not equals or key not in fields:
            guess = suggest(key, fields).partition("allowed: ")[0]
            mistakes.append(f"{argument}: no such argument; {guess}allowed: {', '.join(sorted(fields))}")
        else:
            kind = str(fields[key].annotation)
            is_text = kind in ("str", "<class 'str'>") or (kind == "str | None" and value != "null")
            try:
                values[key] = str(expand_home(value)) if "Path" in kind else value if is_text else yaml.safe_load(value)
            except yaml.YAMLError:
                mistakes.append(f"{argument}: can't be read")
            if not value:
                mistakes.append(f"{argument}: empty")
    if mistakes:
        raise UserError(*mistakes)
    try:
        return model(**values)
    except ValidationError as error:
        lines: dict[Any, str] = {}  # one per key: the first, of a key that may have one of several types
        for e in error.errors():
            name, message = e["loc"][0], f"{e['msg'][0].lower()}{e['msg'][1:]}"
            missing = f"{name}: missing; it is needed: {name}=…"
            lines.setdefault(name, missing if e["type"] == "missing" else f"{name}={values[str(name)]}: {message}")
        raise UserError(*lines.values()) from None


def dotted_arguments(request: BaseModel) -> Plain:
    """Return the arguments whose key has a dot, such as data.root, by that key; paths are strings, None: not given."""
    values = {field.alias: getattr(request, name) for name, field in type(request).model_fields.items() if field.alias}
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items() if "." in key}
