"""The settings of a cluster's site, `FOLDER/site/default.yaml` of `--config-dir FOLDER`, which the `slurm_…` launchers read.

Its values become options of a job's script, so each is a number or one word of safe characters, and no other key is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gan_lightning.config.config_files import describe_yaml_error
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.quoting import quote_value

PLACE = Path("site") / "default.yaml"
LAUNCHERS = ("slurm_gpu", "slurm_node", "slurm_nodes")  # those of conf/ that read the file
MAX_BYTES = 2**16
CHARACTERS = "letters, digits and . , : = + @ / _ | & * [ ] ( ) -"
Word = Annotated[str, Field(pattern=r"\A[A-Za-z0-9.,:=+@/_|&*\[\]()-]{1,200}\z")]
Number = Annotated[int, Field(ge=0, le=10**9)]


class Site(BaseModel):
    """Hold the settings of a site: submitit's parameters of SLURM that are a word or a number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    exclude: Word | None = None
    gres: Word | None = None
    mem_per_gpu: Word | None = None
    mem_per_cpu: Word | None = None
    timeout_min: Number | None = None
    mem_gb: Number | None = None
    nodes: Number | None = None
    cpus_per_task: Number | None = None
    cpus_per_gpu: Number | None = None
    gpus_per_node: Number | None = None
    gpus_per_task: Number | None = None
    tasks_per_node: Number | None = None
    array_parallelism: Number | None = None
    signal_delay_s: Number | None = None
    max_num_timeout: Number | None = None


def read_site(folder: Path, launcher: str, conf: Path) -> list[str]:
    """Return the values of the site file in `folder` as overrides; none without the file, or if the launcher reads none.

    A key that the launcher's own file in `conf` sets, other than that of the first of LAUNCHERS, is the launcher's. Raises
    UserError.
    """
    if launcher not in LAUNCHERS:
        return []
    own = yaml.safe_load((conf / "hydra" / "launcher" / f"{launcher}.yaml").read_text(encoding="utf-8"))
    fixed = () if launcher == LAUNCHERS[0] else tuple(own)
    path = folder / PLACE
    if not path.is_file():
        return []
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: is larger than {MAX_BYTES} bytes; it holds a few settings such as partition: gpu")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{path}: {describe_yaml_error(error)}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: can't be read: {one_line(error)}") from None
    try:
        site = Site.model_validate({} if content is None else content)
    except ValidationError as error:
        raise UserError(*find_lines(path, error)) from None
    values = {key: value for key, value in site.model_dump().items() if value is not None and key not in fixed}
    texts = {key: quote_value(value) if isinstance(value, str) else value for key, value in values.items()}
    return [f"++hydra.launcher.{key}={text}" for key, text in texts.items()]


def find_lines(path: Path, error: ValidationError) -> Iterator[str]:
    """Yield one line per mistake in a site file."""
    for e in error.errors(include_url=False):
        key = str(e["loc"][0])[:80] if e["loc"] else ""
        if not key:
            yield f"{path}: holds no settings; write one a line, such as partition: gpu"
        elif e["type"] == "extra_forbidden":
            allowed = ", ".join(Site.model_fields)
            yield f"{path}: {key!r} may not be set by a file; type it on the command line: hydra.launcher.…=; here: {allowed}"
        else:
            should = f"one word of {CHARACTERS}" if "str" in str(Site.model_fields[key].annotation) else "a whole number"
            value = repr(e["input"])[:80] if isinstance(e["input"], str | int | float) else "a list or mapping"
            yield f"{path}: {key}: {value} should be {should}"
