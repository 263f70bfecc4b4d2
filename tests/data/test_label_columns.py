"""Labels from named columns of a table: `data.labels=faces.csv:hair`, or several attributes, `faces.csv:hair,eyes`."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lightning.data.base import DataError
from gan_lightning.data.image_folder import ImageFolder

TABLE = "file,hair,eyes,glasses\n0.png,short,a,\n1.png,long,b,x\n2.png,bald,b,x\n3.png,long,a,x\n"


@pytest.fixture
def root(tmp_path):
    """Four images of values 0–3, and the table of their parts beside the folder."""
    root = tmp_path / "faces"
    root.mkdir()
    for i in range(4):
        Image.new("L", (16, 16), i).save(root / f"{i}.png")
    (tmp_path / "faces.csv").write_text(TABLE)
    return root


def folder(root, labels, num_classes, **changes):
    arguments = {
        "root": str(root),
        "cache": str(root.parent / "cache"),
        "validation": 0,
        "test": 0,
        "sample_shape": (1, 16, 16),
    }
    return ImageFolder(**(arguments | {"labels": labels, "num_classes": num_classes} | changes))


def labels(data):
    train = data.splits.train
    return train.labels.tolist()


def mistake(root, column="faces.csv:hair", num_classes=3):
    with pytest.raises(DataError) as error:
        folder(root, column, num_classes).count()
    assert len(error.value.lines) == 1
    return str(error.value)


def test_the_values_are_numbered_in_the_order_of_their_text(root):
    data = folder(root, "faces.csv:hair", 3)
    assert data.listing().classes == ["bald", "long", "short"]
    assert labels(data) == [2, 1, 0, 1]
    assert labels(folder(root, "faces.csv:eyes", 2)) == [0, 1, 1, 0]


def test_the_table_may_lie_in_the_folder_or_elsewhere(root, tmp_path, monkeypatch):
    (tmp_path / "faces.csv").rename(root / "parts.csv")
    assert labels(folder(root, "parts.csv:hair", 3)) == [2, 1, 0, 1]
    (tmp_path / "far").mkdir()
    (root / "parts.csv").rename(tmp_path / "far" / "parts.csv")
    monkeypatch.chdir(tmp_path / "far")
    for name in (tmp_path / "far" / "parts.csv", "far/parts.csv", "parts.csv"):
        assert labels(folder(root, f"{name}:hair", 3)) == [2, 1, 0, 1]


def test_the_first_column_has_the_files_if_none_is_named_so(root, tmp_path):
    (tmp_path / "faces.csv").write_text(TABLE.replace("file,", "picture,"))
    assert labels(folder(root, "faces.csv:hair", 3)) == [2, 1, 0, 1]
    swapped = [",".join(reversed(line.split(",")[:2])) for line in TABLE.split()]
    (tmp_path / "faces.csv").write_text("\n".join(swapped))
    assert labels(folder(root, "faces.csv:hair", 3)) == [2, 1, 0, 1]


def test_whole_numbers_are_kept(root, tmp_path):
    (tmp_path / "faces.csv").write_text("file;age\n0.png;1\n1.png;0\n2.png;10\n3.png;2\n")
    assert "the labels 0, 1, 2, 10 of training images; allowed: 0, 1, … without a gap" in mistake(root, "faces.csv:age", 4)
    (tmp_path / "faces.csv").write_text("file;age\n0.png;1\n1.png;0\n2.png;1\n3.png;0\n")
    assert labels(folder(root, "faces.csv:age", 2)) == [1, 0, 1, 0]


def test_without_a_column_nothing_changes(root):
    assert folder(root, None, 0).splits.train.labels is None


UNLABELLED = "or set data.num_classes=0 and data.labels=null to take all images unlabelled"


@pytest.mark.parametrize("num_classes", [0, 2])
def test_the_number_of_classes_must_fit(root, num_classes):
    said = f"data.num_classes: {num_classes}, but {root}.csv:hair has 3 classes: bald, long, short; set data.num_classes=3, "
    assert mistake(root, num_classes=num_classes) == said + "or 0 and data.labels=null to take all images unlabelled"


def test_several_attributes_have_no_values_without_columns(root):
    said = "data.num_classes: [3,2] are the values of several attributes; name the columns of a table that hold them"
    assert mistake(root, None, (3, 2)) == f"{said}: data.labels=TABLE.csv:COLUMN,COLUMN"


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("faces.csv", "data.labels: faces.csv: not a file and its columns; allowed: FILE:COLUMN, such as faces.csv:hair, or"),
        ("faces.csv:", "not a file and its columns"),
        (":hair", "not a file and its columns"),
        ("faces.csv:hair,", "not a file and its columns"),
        ("faces.csv:hair,hair", "the column hair is named twice"),
        ("faces.csv:hair,eye", "has no column eye; did you mean eyes? It has"),
        ("faces.csv:hair,eyes", "faces.csv:eyes has 2 classes: a, b; set data.num_classes=[3,2], or 0 and data.labels=null"),
        ("faces.csv:hairs", "has no column hairs; did you mean hair? It has: file, hair, eyes, glasses"),
        ("faces.csv:mouth", "has no column mouth; it has: file, hair, eyes, glasses"),
        ("faces.csv:glasses", "has no value of glasses for 1 images: 0.png; fill it in"),
        ("parts.csv:hair", "data.labels: parts.csv is neither beside "),
    ],
)  # fmt: skip
def test_columns_that_are_refused(root, column, said):
    assert said in mistake(root, column)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TABLE + "3.png,long,a,x\n", "has more than one row for 3.png; leave one, " + UNLABELLED),
        (TABLE + "4.png,long,a,x\n", "does not fit the images: 1 names that are no image's (4.png)"),
        (TABLE.replace("3.png,long,a,x\n", ""), "does not fit the images: 1 images without a label (3.png)"),
        (TABLE.replace("1.png,long,b,x", "1.png,long"), "has 4 columns, but another number in line 3; repair it"),
        (TABLE.replace("eyes", "hair"), "has 2 columns named hair; rename one"),
        ("file,hair\n", "has no rows below its header"),
        ("", "has no rows below its header"),
        (b"\xff\xfe\x00", "can't be read as UTF-8 text: "),
        (b"file,hair\n" + b'"' + b"x" * 200_000, "can't be read as UTF-8 text: field larger than field limit"),
    ],
)
def test_a_table_that_is_refused(root, tmp_path, content, said):
    (tmp_path / "faces.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    assert mistake(root).startswith("data")
    assert f"{root}.csv" in mistake(root)
    assert said in mistake(root)


def test_a_table_that_is_no_regular_file(root, tmp_path):
    (tmp_path / "faces.csv").unlink()
    os.mkfifo(tmp_path / "faces.csv")
    assert "faces.csv can't be read as UTF-8 text: is no regular file" in mistake(root)


def test_another_column_is_a_change_of_the_data(root):
    hair, eyes = folder(root, "faces.csv:hair", 3).fingerprint(), folder(root, "faces.csv:eyes", 2).fingerprint()
    assert hair.classes == ["bald", "long", "short"]
    assert hair != eyes


def test_several_columns_are_attributes(root):
    data = folder(root, "faces.csv:hair,eyes", (3, 2))
    assert labels(data) == [[2, 0], [1, 1], [0, 1], [1, 0]]
    assert (data.num_classes, data.splits.train.strata) == (0, None)
    assert data.fingerprint().classes == ["bald, b", "long, a", "long, b", "short, a"]
    assert data.fingerprint() != folder(root, "faces.csv:eyes,hair", (2, 3)).fingerprint()


def test_generated_samples_have_the_attributes_of_training_images(root):
    """Each image's once in a round, at any batch size; the label of an image of another split is none of them."""
    data = folder(root, "faces.csv:hair,eyes", (3, 2))
    first = data.conditions(0, 8)
    assert torch.equal(first[:4], first[4:])
    assert sorted(first[:4].tolist()) == sorted(labels(data))
    assert torch.equal(torch.cat([data.conditions(0, 3), data.conditions(3, 5)]), first)


@pytest.mark.parametrize(("columns", "num_classes"), [("hair", (3, 2)), ("hair,eyes", 3), ("hair,eyes", (2, 3)), ("eyes", 0)])
def test_the_number_of_values_must_fit(root, columns, num_classes):
    said = mistake(root, f"faces.csv:{columns}", num_classes)
    assert "set data.num_classes=" + {"hair": "3,", "hair,eyes": "[3,2],", "eyes": "2,"}[columns] in said


def test_a_run_with_attributes(root, command, tmp_path, monkeypatch):
    """It trains and goes on, and gan-sample draws any combination; what can't be is one line."""
    line = (
        "experiment=digits",
        "data=image_folder",
        "data.root=faces",
        "data.labels=faces.csv:hair,eyes",
        "data.num_classes=[3,2]",
    )
    line += (
        "data.sample_shape=[1,16,16]",
        "data.batch_size=4",
        "data.validation=0",
        "data.test=0",
        "model.width=4",
    )
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    done = command("gan-train", *line, "metric=none", "trainer.max_steps=1", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert command("gan-train", "run=run", "trainer.max_steps=2").code == 0
    asked = [[2, 1], [0, 0]]
    done = command("gan-sample", "run=run", f"labels={asked}".replace(" ", ""), "num=4", "out=some.npy")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "some.npy").shape == (4, 1, 16, 16)
    assert command("gan-sample", "run=run", "num=9", "out=grid.png").code == 0
    for labels in ("[1]", "[[1]]", "[[1,2]]", "[]", "[[3,0]]"):
        done = command("gan-sample", "run=run", f"labels={labels}", "out=none.png")
        assert (done.code, done.err.count("\n")) == (2, 1), labels
        assert "the run has attributes of 3, 2 values; allowed: a list of numbers from 0" in done.err
    done = command("gan-train", *line, "metric=class_accuracy", "feature=raw")
    assert "metric.class_accuracy: class accuracy needs a class for each sample" in done.err
    done = command("gan-train", *line, "metric=none", "model.num_classes=[2,3]")
    assert "model.num_classes: [2,3] classes, but the data have [3,2]" in done.err
    done = command("gan-train", *line, "metric=none", "model=biggan")
    said = "data.num_classes: [3, 2] should be a valid integer (read by model.generator.num_classes)\n"
    assert (done.code, done.err) == (2, said)
