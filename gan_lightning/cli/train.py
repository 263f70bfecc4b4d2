"""gan-train: compose, validate and preflight a config, then train one run or a sweep (-m).

run= continues a run, and fork= starts a new one from another run's checkpoint: cli/resume.py.
"""

from __future__ import annotations

import secrets
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_lightning.cli.changed_data import refuse_acceptance
from gan_lightning.cli.exit_codes import exit_codes
from gan_lightning.cli.resume import expand_fork, is_fork, resume
from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import quote_template
from gan_lightning.config.switches import command_line, parse_switches, refuse_undecodable
from gan_lightning.config.text_keys import quote_line
from gan_lightning.config.world_size import is_distributed
from gan_lightning.distributed import slurm, stopping
from gan_lightning.distributed.rendezvous import agree_on_config, report_user_error, share_run_dir
from gan_lightning.run.begin import begin_on_rank_zero
from gan_lightning.storage.home import expand_home
from gan_lightning.storage.printable import printable

OmegaConf.register_new_resolver("short_id", lambda: secrets.token_hex(4), use_cache=True, replace=True)


def main() -> None:
    """Run the console script `gan-train`."""
    with stopping.exit_on_signal():
        run_command()


def run_command() -> None:
    """Do what the command line requests, and exit with the code of the outcome.

    `run=`: continue a run. `fork=`: the command line becomes that of a new run. A switch of Hydra's that only prints: check
    the config and let Hydra print. `-m`: execute a sweep. Otherwise: check the config and let Hydra start one `job`.
    """
    line = sys.argv[1:]
    run_dir = next((argument.partition("=")[2] for argument in line if argument.startswith("run=")), None)
    with exit_codes(report_user_error, "debug=true" in line, foreign=True):
        refuse_undecodable(line)
        if is_fork(line):
            line = expand_fork(line)
        if run_dir is not None:
            sys.exit(resume(run_dir, [argument for argument in line if not argument.startswith("run=")]))
        refuse_acceptance(line)
        switches = parse_switches(line)
        composer = Composer(switches.config_dir, switches.config_name)
        multirun = switches.multirun or "hydra.mode=MULTIRUN" in switches.overrides
        switches.overrides = quote_line(composer, switches.overrides, multirun)
        sys.argv[1:] = command_line(switches)
        if switches.help or switches.cfg or switches.info:
            composer.compose(switches.overrides)
            composer.refuse_new(switches.overrides)
        elif multirun:
            sys.exit(run_sweep(composer, switches.overrides))
        elif not (switches.hydra_help or switches.shell_completion):
            sys.argv += preflight_command(composer, switches.overrides)
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(job)()


def run_sweep(composer: Composer, overrides: list[str]) -> int:
    """Execute a sweep and return its exit code. Raises UserError, also if torchrun or srun started this process."""
    from gan_lightning.sweep.execute import execute

    if is_distributed() or slurm.step_environment() is not None:
        raise UserError("-m: a sweep starts the processes of its jobs itself: it is begun once, not by torchrun or srun")
    return execute(composer, overrides)


def preflight_command(composer: Composer, overrides: list[str]) -> list[str]:
    """Check the config before Hydra makes the run directory, and return the overrides to add to the command line.

    They give the run directory where it begins with `~`, which Hydra does not expand, and where several processes share it.
    Raises UserError.
    """
    from gan_lightning.config.preflight import validate_and_preflight

    def check() -> None:
        validate_and_preflight(composer.compose(overrides))
        composer.refuse_new(overrides)
        composer.refuse_unwritable("run", overrides)

    agree_on_config(lambda: composer.compose(overrides), check)
    configured = str(composer.of_hydra(overrides)["run"]["dir"])
    expanded = str(expand_home(configured))
    added = [f"hydra.run.dir={quote_template(expanded)}"] if configured.startswith("~") else []
    return share_run_dir(lambda: composer.output_dir([*overrides, *added])) or added


def job(config: DictConfig) -> None:
    """Train one run in the directory that Hydra has made, and exit with its code unless that is 0."""
    from gan_lightning.config.preflight import validate_and_preflight
    from gan_lightning.training.fit import train

    hydra_config = HydraConfig.get()
    overrides = [override for override in hydra_config.overrides.task if not override.startswith("hydra.")]
    with exit_codes(report_user_error, config.debug, foreign=True):
        run = begin_on_rank_zero(hydra_config.runtime.output_dir, config, overrides)
        if run.finished(config.trainer.max_steps):
            print(printable(f"already finished, skipped: {run.path}"))
        elif code := train(run, validate_and_preflight(config)):
            sys.exit(code)


if __name__ == "__main__":
    main()
