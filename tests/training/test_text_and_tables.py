"""Text and tables from end to end: training, resuming bit for bit, samples that other programs open, broken files."""

import json

import pytest
import torch
from PIL import Image
from test_gan import StopAt, same
from tiny_gan import LATENT, equal, fit, make_gan

from gan_lightning.data.grammar import ALPHABET
from gan_lightning.model import table, text

pd = pytest.importorskip("pandas", reason="pip install gan-lightning[tables]")
SMALL = ("trainer.accelerator=cpu", "model.width=16", "data.batch_size=16", "gan.latent_dim=8", "callback=default")
STEPS, STOP = 6, 3


@pytest.fixture
def word_file(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{a}{b}{c}\n" for a in "abcde" for b in "aeiou" for c in "lmnop"))
    return path


@pytest.fixture
def table_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("size,colour\n" + "".join(f"{i * 0.5},{'rgb'[i % 3]}\n" for i in range(80)))
    return path


def lines(request, kind):
    """The command line of a small run."""
    if kind == "words":
        return ["experiment=words", f"data.root={request.getfixturevalue('word_file')}", "metric.ngram.num_samples=20"]
    if kind == "table_csv":
        path = request.getfixturevalue("table_file")
        return ["experiment=table_csv", f"data.root={path}", "data.sample_shape=[2,4]", "data.modes=2"]
    return [f"experiment={kind}"]


NAMES = {"grammar": "text_validity", "table_csv": "table"}
METRICS = {"grammar": "valid_distinct", "table_csv": "marginal_tv"}


@pytest.mark.parametrize(("module", "shape"), [(text, (9, 11)), (table, (5, 4))])
def test_a_resumed_run_is_bit_equal(tmp_path, module, shape):
    """The noise and the temperature of the choice are functions of the step."""

    def gan():
        torch.manual_seed(0)
        return make_gan(shape, generator=module.Generator(LATENT, shape, 16), discriminator=module.Discriminator(shape, 16))

    def checkpoint(name, **given):
        trainer, terms = fit(gan(), shape=shape, steps=STEPS, **given)
        trainer.save_checkpoint(tmp_path / name)
        return torch.load(tmp_path / name, weights_only=True), terms

    whole, terms = checkpoint("whole")
    checkpoint("part", callbacks=[StopAt(STOP)])
    rest, after = checkpoint("rest", ckpt_path=tmp_path / "part")
    assert len(after) == STEPS - STOP
    assert all(same(a, b) for a, b in zip(terms[STOP:], after, strict=True))
    for part in ("state_dict", "optimizer_states", "global_step"):
        assert equal(whole[part], rest[part]), part


@pytest.mark.parametrize("kind", ["grammar", "table_csv"])
def test_a_run_is_scored_and_its_samples_are_opened_by_other_programs(command, request, tmp_path, kind):
    words = [*lines(request, kind), *SMALL, f"metric.{NAMES[kind]}.num_samples=50"]
    done = command("gan-train", *words, "trainer.max_steps=2", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert METRICS[kind] in json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    suffix = ".csv" if kind == "table_csv" else ".txt"
    assert (tmp_path / "run" / "samples" / "step=00000002.png").exists()
    assert (tmp_path / "run" / "samples" / f"step=00000002{suffix}").read_text()
    for out in (f"x{suffix}", "x.png", "folder/"):
        done = command("gan-sample", "run=run", "num=7", f"out={out}")
        assert done.code == 0, done.err
    assert Image.open(tmp_path / "x.png").size[0] > 100
    assert len(list((tmp_path / "folder").glob(f"*{suffix}"))) == 7
    if kind == "grammar":
        found = (tmp_path / "x.txt").read_text()
        assert found.count("\n") == 7
        assert set(found) <= {*ALPHABET, "\n"}
    else:
        frame = pd.read_csv(tmp_path / "x.csv")
        assert list(frame.columns) == ["size", "colour"]
        assert len(frame) == 7
        assert frame["size"].dtype == float
        assert set(frame["colour"]) <= {"r", "g", "b"}


def test_rows_are_decoded_only_with_the_table_of_the_training(command, request, tmp_path, table_file):
    words = [*lines(request, "table_csv"), *SMALL, "metric=none"]
    assert command("gan-train", *words, "trainer.max_steps=1", "hydra.run.dir=run").code == 0
    whole = table_file.read_text()
    for change, says in (
        (
            lambda: table_file.write_text(whole.replace("39.5", "999.5")),
            "not those that it was trained on (1 file with another size or content: rows.csv)",
        ),
        (table_file.unlink, "No such file"),
    ):
        change()
        done = command("gan-sample", "run=run", "num=2", "out=x.csv")
        assert done.code == 2
        assert len(done.err.strip().splitlines()) == 1
        assert says in done.err
    (tmp_path / "run" / "data.json.gz").unlink()
    done = command("gan-sample", "run=run", "num=2", "out=x.csv")
    assert (done.code, len(done.err.strip().splitlines())) == (2, 1)
    assert command("gan-sample", "run=run", "num=2", "out=x.npy").code == 0


@pytest.mark.parametrize("kind", ["words", "table_csv"])
def test_a_broken_file_is_refused_in_one_line(command, request, tmp_path, kind):
    words = [*lines(request, kind), *SMALL]
    (tmp_path / ("list.txt" if kind == "words" else "rows.csv")).write_bytes(b"\xff\x00\n")
    done = command("gan-train", *words, "trainer.max_steps=1", "hydra.run.dir=run")
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "data.root: " in done.err
    assert "UTF-8" in done.err
