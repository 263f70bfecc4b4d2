"""SIGKILL at a random time, go on, and every bit is that of the run that nobody killed. `make soak` kills a thousand times."""

import json
import random
import signal
from dataclasses import dataclass, field

import fork_server
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_gan import equal

STEPS = 40
TINY = (
    "experiment=digits_fast",
    "model.width=4",
    "data.batch_size=16",
    "trainer.accelerator=cpu",
    f"trainer.max_steps={STEPS}",
    "checkpoint.every_n_steps=7",
    "callback.scalars.every_n_steps=1",
    "callback.scores.every_n_steps=20",
    "callback.health.every_n_steps=5",
    "callback.samples.every_n_steps=20",
    "metric=[class_accuracy]",
    "metric.class_accuracy.num_samples=200",
)
MYLAB = '''
import torch
from gan_lightning.augmentation.base import Augmentation


class Adaptive(Augmentation):
    """ADA's heuristic (Karras et al. 2020b, section 3): flips more often the surer D is of real samples."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(0.1))

    def forward(self, x):
        return torch.where(torch.rand(len(x), 1, 1, 1) < self.p, x.flip(-1), x)

    def update(self, real_logits):
        self.p.add_((real_logits.sign().mean() - 0.6).sign() * 0.05).clamp_(0, 1)
'''
GAMES = {
    "penalties": (),  # R1, R2, EMA, scores: digits_fast as it is
    "adaptive": (
        "augmentation=adaptive",
        "gan.d_steps_per_g_step=2",
        "gan.accumulate_grad_batches=2",
        "regularizer.r1.interval=3",
    ),
    "workers": ("data.num_workers=2",),
}


@dataclass
class Lab:
    """Where runs live and die."""

    folder: object
    luck: random.Random = field(default_factory=lambda: random.Random(0))

    def line(self, game, run):
        words = [*TINY, *GAMES[game], f"hydra.run.dir={run}"]
        return [*words, "--config-dir", "conf"] if "augmentation=adaptive" in words else words

    @property
    def log(self):
        return self.folder / "log.txt"

    def run(self, *line, **given):
        return fork_server.train(*line, folder=self.folder, log=self.log, **given)

    def start(self, game, run, **given):
        going_on = (self.folder / run / "config.yaml").is_file()
        return self.run(*([f"run={run}"] if going_on else self.line(game, run)), **given)

    def whole(self, game):
        """The run that nobody kills, and how long it takes."""
        code, seconds = self.start(game, f"{game}-whole")
        assert code == 0, self.log.read_text()[-3000:]
        return self.folder / f"{game}-whole", seconds

    def life(self, game, run, longest, kills, **given):
        """Start and kill until the run has ended by itself or enough is enough; how often it was killed."""
        killed = 0
        while True:
            limit = self.luck.uniform(0, longest) if killed < kills else None
            code, _ = self.start(game, run, kill_after=limit, **given)
            if code == 0:
                return killed
            assert code == -9, (code, self.log.read_text()[-3000:])
            killed += 1


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "conf" / "augmentation").mkdir(parents=True)
    (folder / "conf" / "augmentation" / "adaptive.yaml").write_text("_target_: mylab.Adaptive\n")
    (folder / "mylab.py").write_text(MYLAB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
        patch.setenv("PYTHONPATH", str(folder))
        yield Lab(folder)


def state(run):
    return torch.load(run / "checkpoints" / f"step={STEPS:08d}.ckpt", weights_only=True)


def scalars(run):
    """Tag → (step, value) as TensorBoard shows them, without what a clock says."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if not tag.startswith("speed")]
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


def differing(run, whole):
    """Where two finished runs are not the same."""
    one, other = state(run), state(whole)
    parts = ("state_dict", "optimizer_states", "global_step", "callbacks")
    found = [part for part in parts if not equal(one[part], other[part])]
    shown, expected = scalars(run), scalars(whole)
    assert len(expected) > 8
    assert all(len({step for step, _ in points}) == len(points) for points in expected.values())
    return found + [tag for tag in sorted({*shown, *expected}) if shown.get(tag) != expected.get(tag)]


@pytest.mark.parametrize(
    ("game", "share"),
    [
        pytest.param("penalties", 0.4, marks=pytest.mark.slow),
        pytest.param("adaptive", 0.4, marks=pytest.mark.slow),
        ("workers", 0.2),
    ],
)
def test_a_killed_run_goes_on_bit_for_bit(lab, game, share, pytestconfig):
    wanted = max(round(share * pytestconfig.getoption("--kills")), 2)
    whole, seconds = lab.whole(game)
    killed = runs = 0
    while killed < wanted:
        run = f"{game}-{runs}"
        killed += lab.life(game, run, seconds, wanted - killed)
        assert differing(lab.folder / run, whole) == []
        runs += 1
    print(f"{game}: {killed} kills over {runs} runs")


def test_noise_that_forgets_the_step_is_seen(lab):
    """The negative control: what a framework does that reseeds nothing."""
    assert lab.start("penalties", "forgetful-whole", sabotage=["forget_the_step"])[0] == 0
    assert lab.start("penalties", "forgetful", sabotage=["forget_and_die", 20])[0] == -9
    assert lab.start("penalties", "forgetful", sabotage=["forget_the_step"])[0] == 0
    assert "state_dict" in differing(lab.folder / "forgetful", lab.folder / "forgetful-whole")


SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU, signal.SIGUSR2)
POINTS = [(step, place) for step in (1, 20, 2, 31, 38) for place in ("start", "discriminator", "generator", "save")]
SOME = [(1, "generator"), (20, "save")]


def result(run):
    return json.loads((run / "result.json").read_text())


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_signal_at_any_point_costs_no_step(lab, every):
    """At the beginning and while a checkpoint is saved, or at all points, signals in turn: completed, saved; 128 + signal."""
    whole = lab.folder / "penalties-whole"
    if not whole.exists():
        lab.whole("penalties")
    again = [(20, "save"), (31, "discriminator")]  # gone on with to the end
    for i, (step, place) in enumerate(POINTS if every else SOME):
        number, run = SIGNALS[i % len(SIGNALS)], f"signal-{every}-{step}-{place}"
        words = ["checkpoint.every_n_steps=1"] if place == "save" else []
        code, _ = lab.run(*lab.line("penalties", run), *words, sabotage=["interrupt", number, step, place])
        assert code == 128 + number, (step, place, lab.log.read_text()[-2000:])
        told = result(lab.folder / run)
        ended = step + 1 if place == "save" else step  # what comes while a step is saved is heard at the end of the next one
        assert (told["status"], told["reason"], told["step"]) == ("preempted", number.name, ended), (step, place)
        assert (lab.folder / run / "checkpoints" / f"step={ended:08d}.ckpt").exists()
        if (step, place) in again:
            assert lab.start("penalties", run)[0] == 0
            assert "state_dict" not in differing(lab.folder / run, whole)


def test_a_killed_worker_is_named(lab):
    code, _ = lab.run(*lab.line("workers", "worker"), sabotage=["kill_a_worker", 9])
    assert code not in (0, 2)
    told = result(lab.folder / "worker")
    assert told["status"] == "failed"
    assert "DataLoader worker" in told["reason"]
    assert "killed by signal" in told["reason"]
