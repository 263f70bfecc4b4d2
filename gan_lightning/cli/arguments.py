"""The parser of `key=value` arguments, for every command but gan-train; a pydantic model is the schema."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain

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
            mistakes.append(f"{argument}: no such argument; {suggest(key, fields)}")
        else:
            is_text = "Path" in str(fields[key].annotation) or str(fields[key].annotation) in ("str", "<class 'str'>")
            try:
                values[key] = value if is_text else yaml.safe_load(value)
            except yaml.YAMLError:
                mistakes.append(f"{argument}: can't be read")
            if not value:
                mistakes.append(f"{argument}: empty")
    if mistakes:
        raise UserError(*mistakes)
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(
            *(
                f"{e['loc'][0]}: missing; it is needed: {e['loc'][0]}=…"
                if e["type"] == "missing"
                else f"{e['loc'][0]}={values[str(e['loc'][0])]}: {e['msg'][0].lower()}{e['msg'][1:]}"
                for e in error.errors()
            )
        ) from None
