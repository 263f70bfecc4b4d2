"""gan-train: compose, validate and preflight a config, then train one run or a sweep (-m).

run= continues a run, and fork= starts a new one from another run's checkpoint: cli/resume.py.
"""

from __future__ import annotations

import secrets
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_lightning.cli.changed_data import refuse_acceptance
from gan_lightning.cli.exit_codes import exit_codes
from gan_lightning.cli.resume import check_fork, parents_config, resume, take_fork
from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import quote_template
from gan_lightning.config.switches import command_line, parse_switches, refuse_undecodable
from gan_lightning.config.text_keys import quote_line
from gan_lightning.config.world_size import is_distributed
from gan_lightning.distributed import slurm, stopping
from gan_lightning.distributed.process import no_collection, outlive_readers
from gan_lightning.distributed.rendezvous import agree_on_config, report_user_error, share_run_dir
from gan_lightning.run.begin import begin_on_rank_zero, job_config
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
        fork, line = take_fork(line)
        if run_dir is not None:
            outlive_readers()
            sys.exit(resume(run_dir, [argument for argument in line if not argument.startswith("run=")]))
        refuse_acceptance(line)
        switches = parse_switches(line)
        composer = Composer(switches.config_dir, switches.config_name, parents_config(fork))
        multirun = switches.multirun or "hydra.mode=MULTIRUN" in switches.overrides
        switches.overrides = quote_line(composer, switches.overrides, multirun)
        if fork:
            check_fork(fork, composer, switches.overrides)
        overrides = switches.overrides
        switches.overrides = composer.for_hydra(overrides)
        sys.argv[1:] = command_line(switches)
        prints = switches.help or switches.cfg or switches.info
        if not (prints or switches.hydra_help or switches.shell_completion):
            outlive_readers()
        if prints:
            config = composer.compose(overrides)
            composer.refuse_new(overrides)
            if fork and switches.cfg == "job":
                sys.exit(print(OmegaConf.to_yaml(config, resolve=bool(switches.resolve)), end=""))
            sys.argv += composer.site_overrides(overrides)
        elif multirun:
            sys.exit(run_sweep(composer, overrides))
        elif not (switches.hydra_help or switches.shell_completion):
            sys.argv += preflight_command(composer, overrides)
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

    def check() -> None:
        composer.refuse_misspelt(overrides)
        with no_collection():
            from gan_lightning.config.preflight import validate_and_preflight
            from gan_lightning.training import fit  # noqa: F401 - what the job will need
        validate_and_preflight(composer.compose(overrides))
        composer.refuse_new(overrides)
        composer.refuse_unwritable("run", overrides)

    agree_on_config(lambda: composer.compose(overrides), check)
    config = composer.compose(overrides)
    hydra = composer.of_hydra(overrides)
    if hydra.get("mode") not in (None, RunMode.RUN):
        raise UserError("hydra.mode: a sweep is begun by the switch -m")
    if hydra["sweeper"].get("params"):
        print("hydra.sweeper.params of the experiment: without the switch -m this is a single run", file=sys.stderr)
    configured = str(hydra["run"]["dir"])
    expanded = str(expand_home(configured.replace("${name}", str(config.name)) if composer.parent is not None else configured))
    added = [f"hydra.run.dir={quote_template(expanded)}"] if configured != expanded else []
    return share_run_dir(lambda: composer.output_dir([*composer.for_hydra(overrides), *added])) or added


def job(config: DictConfig) -> None:
    """Train one run in the directory that Hydra has made, and exit with its code unless that is 0."""
    from gan_lightning.config.preflight import validate_and_preflight
    from gan_lightning.config.validate import validate
    from gan_lightning.run.unrecorded_end import preemption_recorded
    from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint
    from gan_lightning.training.fit import train

    with exit_codes(report_user_error, config.debug, foreign=True):
        config, overrides = job_config(config)
        run = begin_on_rank_zero(HydraConfig.get().runtime.output_dir, config, overrides)
        with preemption_recorded(run):
            if run.finished(config.trainer.max_steps, ExpectedCheckpoint(run, validate(config)).find_mistake):
                print(printable(f"already finished, skipped: {run.path}"))
            elif code := train(run, validate_and_preflight(config)):
                sys.exit(code)


if __name__ == "__main__":
    main()
