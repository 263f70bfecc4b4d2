"""Hydra's own node comes from conf/ and the command line alone: no other file sets anything of it."""

import pytest

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.sweep.plan import experiment_sweep, plan_sweep

GLOBAL = "# @package _global_\ndefaults: [digits_fast]\n"
NOT_TYPED = "what is Hydra's own can only be typed on the command line"
FILES = {  # file of the folder → its content, what is typed, what the line begins with
    "the mode": ("experiment/e.yaml", GLOBAL + "hydra: {mode: MULTIRUN}", "{file}: sets hydra.mode"),
    "the run's folder": (
        "experiment/e.yaml",
        GLOBAL + "hydra: {output_subdir: ../victim, run: {dir: '${oc.env:SECRET}'}}",
        "{file}: sets hydra.output_subdir, hydra.run",
    ),
    "a copied variable": ("experiment/e.yaml", GLOBAL + "hydra: {job: {env_copy: [SECRET]}}", "{file}: sets hydra.job"),
    "an interpolation": ("experiment/e.yaml", GLOBAL + "hydra: ${x}\nx: {mode: MULTIRUN}", "{file}: sets hydra; "),
    "hidden beside a sweep": (
        "experiment/e.yaml",
        GLOBAL + "hydra: {sweeper: {params: {seed: '1,2'}, max_batch_size: 1}}",
        "{file}: sets hydra.sweeper",
    ),
    "the sweep as an interpolation": (
        "experiment/e.yaml",
        GLOBAL + "hydra: {sweeper: {params: '${x}'}}\nx: {seed: 1}",
        "{file}: sets hydra.sweeper",
    ),
    "an alias": ("experiment/e.yaml", GLOBAL + "x: &x {mode: RUN}\nhydra: *x", "{file}: sets hydra.mode"),
    "an override of a group": (
        "experiment/e.yaml",
        "# @package _global_\ndefaults: [digits_fast, override /hydra/launcher: joblib]",
        "--config-dir {folder}: its files change hydra.launcher; ",
    ),
    "an option in Hydra's package": (
        "experiment/e.yaml",
        "# @package _global_\ndefaults: [digits_fast, /loss@hydra.x: hinge]",
        "loss/hinge in the defaults of experiment/e: sets hydra.x; ",
    ),
    "a file outside": (
        "experiment/e.yaml",
        "# @package _global_\ndefaults: [digits_fast, /loss@_global_: ../../elsewhere]",
        "loss/../../elsewhere: an option is a file of its group's folder",
    ),
    "a package line": ("loss/l.yaml", "# @package hydra.run\ndir: x", "{file}: sets hydra.run"),
    "a sweep of no experiment": (
        "loss/l.yaml",
        "# @package _global_\nhydra: {sweeper: {params: {seed: '1,2'}}}",
        "{file}: sets hydra.sweeper",
    ),
    "a group of Hydra's": ("hydra/launcher/mine.yaml", "_target_: x.Y", "{folder}/hydra: no folder of yours"),
    "the search path": (
        "mine.yaml",
        "defaults: [train, _self_]\nhydra: {searchpath: ['pkg:${oc.decode:/}/marked']}",
        "{file}: sets hydra.searchpath",
    ),
    "another base": ("mine.yaml", "name: x", "--config-dir {folder}: its files change hydra."),
}
TYPED = {"experiment": ["experiment=e"], "loss": ["loss=l"], "hydra": [], "mine.yaml": []}


def lines(*given, line=()):
    with pytest.raises(UserError) as refused:
        Composer(*given).compose([*line])
    return refused.value.lines


@pytest.mark.parametrize("kind", FILES)
def test_no_file_sets_what_is_hydras(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    name, content, begin = FILES[kind]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    (tmp_path.parent / "elsewhere.yaml").write_text("x: 1\n")
    primary = "mine" if name == "mine.yaml" else None
    (line,) = lines(str(tmp_path), primary, line=TYPED[name.partition("/")[0]])
    assert line.startswith(begin.format(file=tmp_path / name, folder=tmp_path)), line
    assert "hunter2" not in line
    assert NOT_TYPED in line or kind in ("a group of Hydra's", "a file outside")


def test_files_of_a_typed_search_path_are_no_other(tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "l.yaml").write_text("# @package hydra.run\ndir: x\n")
    (tmp_path / "first" / "experiment").mkdir(parents=True)
    (tmp_path / "first" / "experiment" / "e.yaml").write_text(
        "# @package _global_\ndefaults: [digits_fast, override /loss: l]\n"
    )
    line = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=e"]
    assert lines(str(tmp_path / "first"), line=line)[0].startswith(f"{tmp_path}/loss/l.yaml: sets hydra.run")


def test_what_is_typed_is_the_users_own(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "e.yaml").write_text(GLOBAL + "name: e")
    line = ["experiment=e", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "hydra.run.dir=x", "+hydra.job.env_set.A=1"]
    composer = Composer(str(tmp_path))
    assert composer.compose(line).name == "e"
    hydra = composer.of_hydra(line)
    assert (hydra["launcher"]["n_jobs"], hydra["run"]["dir"], hydra["job"]["env_set"]["A"]) == (3, "x", "1")
    (wrong,) = lines(line=["hydra.launcher.comment='a\nb'", "hydra/launcher=slurm_gpu"])
    assert wrong.startswith("hydra.launcher.comment: ")
    assert "line break" in wrong


def test_a_mode_is_the_switch(command):
    done = command("gan-train", "experiment=ring_fast", "metric=none", "hydra.mode='MULTIRUN'")
    assert (done.code, done.err) == (2, "hydra.mode: a sweep is begun by the switch -m\n")


def test_the_sweep_of_an_experiment_is_planned_as_if_it_were_typed(tmp_path):
    (tmp_path / "experiment").mkdir()
    path = tmp_path / "experiment" / "e.yaml"
    text = "# @package _global_\ndefaults: [ring_fast]\nhydra: {sweeper: {params: {%s}}}\n"
    path.write_text(text % "seed: '1,2', loss: 'hinge,minimax'")
    line = ["experiment=e", "metric=none", "loss=hinge", "trainer.accelerator=cpu"]
    plan = plan_sweep(Composer(str(tmp_path)), line)
    assert [job.directory for job in plan.jobs] == ["loss=hinge,metric=none,seed=1", "loss=hinge,metric=none,seed=2"]
    path.write_text(text % "model.width: '-1,8', seed: 1")
    with pytest.raises(UserError, match="1 of 2 jobs are invalid"):
        plan_sweep(Composer(str(tmp_path)), line)
    for key in ("+hydra.job_logging", "hydra.launcher.n_jobs", "hydra/launcher", "loss@hydra.x"):
        path.write_text(text % f"{key}: x")
        composer = Composer(str(tmp_path))
        with pytest.raises(UserError, match="how jobs are run is typed, not swept by a file"):
            experiment_sweep(composer, composer.of_hydra(line), line)


SITES = {
    "comment: 'x\ntouch y'": "'comment' may not be set by a file; type it",
    "setup: [touch x]": "'setup' may not be set by a file",
    "srun_args: [x]": "'srun_args' may not be set",
    "python: x": "'python' may not be set",
    "container_image: x": "'container_image' may not be set",
    "additional_parameters: {a: b}": "'additional_parameters' may not be set",
    "defaults: [x]": "'defaults' may not be set",
    'partition: "a\\ntouch x"': "partition: 'a\\ntouch x' should be one word of letters",
    "partition: a b": "partition: 'a b' should be one word",
    "partition: a#b": "partition: 'a#b' should be one word",
    "partition: ${oc.env:HOME}": "partition: '${oc.env:HOME}' should be one word",
    "partition: 'a;b'": "partition: 'a;b' should be one word",
    "qos: [a]": "qos: a list or mapping should be one word",
    "timeout_min: '4'": "timeout_min: '4' should be a whole number",
    "timeout_min: -4": "timeout_min: -4 should be a whole number",
    "- a": "holds no settings",
    "a: [": "line 1: ",
    "[" * 3000: "can't be read: ",
    "a: " + "x" * 70000: "is larger than 65536 bytes",
}


@pytest.mark.parametrize("text", SITES, ids=lambda text: text[:20])
def test_a_site_file_holds_words_and_numbers(text, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "default.yaml").write_text(text)
    (line,) = lines(str(tmp_path), line=["hydra/launcher=slurm_gpu"])
    assert line.startswith(f"{tmp_path}/site/default.yaml: {SITES[text]}"), line


def test_a_site_is_in_every_slurm_launcher(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "default.yaml").write_text("gres: gpu:a100:1\nconstraint: a|b\ncpus_per_task: 3\nqos: null\n")
    found = {
        name: Composer(str(tmp_path)).of_hydra([f"hydra/launcher={name}"])["launcher"] for name in ("slurm_gpu", "slurm_node")
    }
    assert {site["gres"] for site in found.values()} == {"gpu:a100:1"}
    assert [site["cpus_per_task"] for site in found.values()] == [3, 64], "a launcher's own numbers count"
    typed = Composer(str(tmp_path)).of_hydra(["hydra/launcher=slurm_gpu", "hydra.launcher.gres=x"])["launcher"]
    assert (typed["gres"], typed["constraint"], typed["qos"]) == ("x", "a|b", None)


def test_an_option_lies_in_its_groups_folder(tmp_path):
    (tmp_path / "loss" / "mine").mkdir(parents=True)
    (tmp_path / "loss" / "mine" / "l.yaml").write_text("_target_: gan_lightning.loss.hinge.Hinge\n")
    composer = Composer(str(tmp_path))
    for name in ("../hinge", "mine/../hinge", "/etc/x", "mine/nothing", "./hinge", "a//b", "mine/"):
        with pytest.raises(UserError) as refused:
            composer.compose([f"loss={name}"])
        assert refused.value.lines[0].startswith(f"loss={name}: no such option")
    assert composer.compose(["loss=mine/l"]).loss
