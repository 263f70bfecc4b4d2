"""The commands and the site file of docs/cluster.md work as written."""

import re
import shlex
from pathlib import Path

import pytest
from slurm import needed, sandbox

from gan_lightning.config.compose import Composer
from gan_lightning.sweep.plan import plan_sweep

PAGE = Path(__file__).parent.parent.parent / "docs" / "cluster.md"
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()]
SHORT = ("trainer.max_steps=2", "model.width=4", "data.batch_size=8", "metric=none", "hydra.sweep.dir=all")
GPU = ("trainer=gpu", "trainer=ddp_gpu")


def arguments(line):
    name, *rest = shlex.split(line)
    assert name == "gan-train"
    return rest


def test_there_are_commands():
    assert len(COMMANDS) == 9
    assert sum("-m" in arguments(line) for line in COMMANDS) == 8


@pytest.mark.parametrize("line", [line for line in COMMANDS if "hydra/launcher=node" not in line and "-m" in arguments(line)])
def test_each_is_composed_and_checked(line):
    overrides = [argument for argument in arguments(line) if argument != "-m"]
    jobs = 1
    for override in overrides:
        jobs *= len(override.split(","))
    assert len(plan_sweep(Composer(), overrides).jobs) == jobs > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [line for line in COMMANDS if "slurm" not in line and not any(option in line for option in GPU)]
)
def test_each_runs(command, line):
    short = (*SHORT[:-1], "hydra.run.dir=run") if "-m" not in arguments(line) else SHORT
    done = command("gan-train", *arguments(line), *short, *(["trainer.accelerator=cpu"] if "ddp" in line else []))
    assert done.code == 0, done.err


@pytest.mark.slow
@pytest.mark.slurm
@needed[1]
def test_the_one_for_slurm_runs(command, tmp_path_factory):
    (line,) = [line for line in COMMANDS if "submitit_slurm" in line]
    with sandbox(tmp_path_factory.mktemp("slurm"), cpus=2):
        done = command("gan-train", *arguments(line), *SHORT)
    assert done.code == 0, done.err
    assert "4 of 4 finished" in done.out


def test_a_site_is_one_file(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir(parents=True)
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / "default.yaml").write_text(shown)
    composer = Composer(str(tmp_path))
    site = composer.of_hydra(["hydra/launcher=slurm_node"])["launcher"]
    assert (site["partition"], site["account"], site["timeout_min"], site["gpus_per_node"]) == ("gpu", "mylab", 240, 8)
