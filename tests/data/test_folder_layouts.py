"""Folders as people have them: StyleGAN's shards, folders that are splits, labels in a .csv."""

import json
from unicodedata import normalize

import pytest
from PIL import Image

from gan_lightning.data.base import DataError
from gan_lightning.data.image_folder import ImageFolder


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (16, 16), value).save(path)


def folder(root, num_classes=0, **changes):
    arguments = {
        "root": str(root),
        "cache": str(root.parent / "cache"),
        "validation": 0,
        "test": 0,
        "sample_shape": (1, 16, 16),
    }
    return ImageFolder(**(arguments | {"num_classes": num_classes} | changes))


def values(source):
    """What the images were painted with."""
    return ((source.part(0, len(source)).real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def labels(data):
    """Value → label of each training image."""
    train = data.splits.train
    return dict(zip(values(train), train.labels.tolist(), strict=True))


def mistake(data):
    with pytest.raises(DataError) as error:
        data.count()
    assert len(error.value.lines) == 1
    return str(error.value)


@pytest.fixture
def shards(tmp_path):
    """StyleGAN's layout: image i is of value i, in shards of two, with the labels 2 0 1 0."""
    root = tmp_path / "shards"
    entries = [[f"0000{i // 2}/img{i:08}.png", label] for i, label in enumerate((2, 0, 1, 0))]
    for i, (name, _) in enumerate(entries):
        picture(root / name, i)
    (root / "dataset.json").write_text(json.dumps({"labels": entries}))
    return root


def test_shards_are_no_classes(shards):
    data = folder(shards, 3)
    assert labels(data) == {0: 2, 1: 0, 2: 1, 3: 0}
    assert data.listing().classes == ["0", "1", "2"]
    unlabelled = folder(shards).splits.train
    assert (unlabelled.labels, len(unlabelled)) == (None, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"labels": null}', "holds no labels (null); set data.num_classes=0"),
        ('{"labels": [["00000/img00000000.png", 0.5]]}', "has the label 0.5; allowed: whole numbers from 0"),
        ('{"labels": [["00000/img00000000.png", [0, 1]]]}', "has the label [0, 1]; allowed: whole numbers from 0"),
        ('{"labels": [["00000/img00000000.png", true]]}', "has the label true; allowed: whole numbers from 0"),
        ('{"labels": [["00000/img00000000.png"]]}', "its labels are no list of names and labels"),
        ('{"labels": 3}', "its labels are no list of names and labels"),
        ('{"labels": [', "can't be read: "),
        ("", "can't be read: "),
        ("\xff", "can't be read: "),
    ],
)
def test_a_dataset_json_that_is_none(shards, text, said):
    (shards / "dataset.json").write_bytes(text.encode("latin-1"))
    assert f"{shards}/dataset.json" in (line := mistake(folder(shards, 3)))
    assert said in line


def test_a_dataset_json_that_does_not_fit_the_images(shards):
    entries = [["00000/img00000000.png", 0], ["00000/img00000000.png", 1], ["gone.png", 1], ["lost.png", 1]]
    (shards / "dataset.json").write_text(json.dumps({"labels": entries}))
    line = mistake(folder(shards, 2))
    assert "3 images without a label (00000/img00000001.png, 00001/img00000002.png, 00001/img00000003.png)" in line
    assert "1 images with two different labels (00000/img00000000.png)" in line
    assert "2 names that are no image's (gone.png, lost.png)" in line


def test_another_number_of_classes_says_both(shards):
    assert mistake(folder(shards, 10)) == (
        f"data.num_classes: 10, but {shards}/dataset.json has 3 classes: 0, 1, 2; "
        "set data.num_classes=3, or 0 to take all images unlabelled"
    )


def test_labels_with_a_gap_are_refused(shards):
    entries = [[f"0000{i // 2}/img{i:08}.png", label] for i, label in enumerate((1, 2, 4, 1))]
    (shards / "dataset.json").write_text(json.dumps({"labels": entries}))
    assert "has the labels 1, 2, 4 of training images; allowed: 0, 1, … without a gap" in mistake(folder(shards, 3))


def test_another_programs_dataset_json_is_not_read(shards):
    (shards / "dataset.json").write_text('{"name": "a data set"}')
    assert folder(shards, 2).listing().classes == ["00000", "00001"]


@pytest.fixture
def splits(tmp_path):
    """Six images of value 0–5 in train, two in val, three in test; even ones are ants, odd ones bees."""
    root = tmp_path / "splits"
    for name, some in {"train": range(6), "val": range(10, 12), "test": range(20, 23)}.items():
        for i in some:
            picture(root / name / ("ant", "bee")[i % 2] / f"{i}.png", i)
    return root


@pytest.mark.parametrize("num_classes", [0, 2])
def test_train_val_and_test_are_splits(splits, num_classes, capsys):
    data = folder(splits, num_classes, validation=0.3, test=0.3)
    assert [sorted(values(part)) for part in data.splits] == [[0, 1, 2, 3, 4, 5], [10, 11], [20, 21, 22]]
    assert data.count() == (6, 2, 3)
    said = f"data.root: the folders in {splits} are the splits: train (6 images), val (2 images), test (3 images)\n"
    assert capsys.readouterr().err.count(said) == 1
    if num_classes:
        assert labels(data) == {i: i % 2 for i in range(6)}
        assert data.splits.test.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", ["valid", "validation", "dev", "Val"])
def test_other_names_of_validation(splits, name):
    (splits / "val").rename(splits / name)
    assert sorted(values(folder(splits, 2).splits.validation)) == [10, 11]


@pytest.mark.parametrize(("gone", "place"), [("val", 1), ("test", 2)])
def test_a_missing_split_is_a_share_of_train(splits, gone, place):
    for path in (splits / gone).rglob("*.png"):
        path.unlink()
    parts = [sorted(values(part)) for part in folder(splits, validation=0.34, test=0.34).splits]
    own = {"val": [20, 21, 22], "test": [10, 11]}[gone]
    assert parts[3 - place] == own
    assert sorted(parts[0] + parts[place]) == [0, 1, 2, 3, 4, 5]
    assert sum(map(len, parts)) == 6 + len(own)


def test_splits_are_ordinary_folders_when_asked(splits):
    data = folder(splits, split_folders=False)
    assert len(data.splits.train) == 11  # as gan-evaluate reads a folder: all of its images
    assert folder(splits, 3, split_folders=False).listing().classes == ["test", "train", "val"]


def test_train_beside_another_folder_is_a_class(tmp_path):
    for name in ("bus", "train", "test"):
        picture(tmp_path / "vehicles" / name / "0.png")
    data = folder(tmp_path / "vehicles", 3)
    assert (data.listing().classes, data.listing().splits) == (["bus", "test", "train"], None)


def test_a_class_that_train_has_not_is_refused(splits):
    picture(splits / "val" / "cow" / "0.png")
    line = mistake(folder(splits, 2))
    assert "1 classes of validation or test have no training image: cow (val/cow/0.png); give train the same" in line


def test_a_class_without_an_image_in_val_keeps_the_numbers_of_train(splits):
    for path in (splits / "val" / "ant").iterdir():
        path.unlink()
    assert folder(splits, 2).splits.validation.labels.tolist() == [1]


def test_splits_say_what_does_not_fit(splits):
    assert f"but 2 subfolders of {splits}/train hold images: ant, bee; set data.num_classes=2" in mistake(folder(splits, 10))
    picture(splits / "test" / "flat.png")
    assert f"1 images lie in {splits}/test itself and so in no class: test/flat.png" in mistake(folder(splits, 2))
    picture(splits / "preview.png")
    assert f"1 images lie in {splits} itself and so in no split: preview.png" in mistake(folder(splits))
    picture(splits / "dev" / "ant" / "0.png")
    assert "dev, test, train, val in" in (line := mistake(folder(splits)))
    assert "two are the same" in line


@pytest.fixture
def flat(tmp_path):
    for i in range(4):
        picture(tmp_path / "flat" / f"{i}.png", i)
    return tmp_path / "flat"


NAMES, NUMBERS = {0: 1, 1: 2, 2: 1, 3: 0}, {0: 1, 1: 2, 2: 0, 3: 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("filename,label\n0.png,cat\n1.png,dog\n2.png,cat\n3.png,ant\n", NAMES),
        ("file,split,class\n0.png,x,cat\n1.png,x,dog\n2.png,x,cat\n3.png,x,ant\n", NAMES),
        ("path;target\r\n./0.png;cat\r\n1.png;dog\r\n\r\n2.png;cat\r\n3.png;ant\r\n", NAMES),
        ('\ufefffile_name,text,label\n0.png,"a, b",1\n1.png,,2\n2.png,,0\n3.png,,0\n', NUMBERS),  # HuggingFace's metadata.csv
        ("0.png,1\n1.png,2\n2.png,0\n3.png,0", NUMBERS),
        ("0.png,1\n1.png,2\n2.png,0\n3.png,0\n0.png,1", NUMBERS),
        ("Image,Y\n0.png,1.0\n1.png,2.0\n2.png,0.0\n3.png,0.0", NUMBERS),
        ("id,breed\n0,cat\n1,dog\n2,cat\n3,ant\n", NAMES),
        ("name,y\nimages\\0.png,cat\nimages\\1.png,dog\nimages\\2.png,cat\nimages\\3.png,ant\n", NAMES),
        ("label,image\ncat,0.png\ndog,1.png\ncat,2.png\nant,3.png\n", NAMES),
    ],
    ids=["names", "three columns", "semicolons", "metadata.csv", "no header", "twice", "floats", "ids", "Windows", "swapped"],
)
def test_a_csv_gives_the_labels(flat, text, expected, capsys):
    (flat / "labels.csv").write_text(text)
    assert labels(folder(flat, 3)) == expected
    assert f"data.root: the labels of 4 images come from {flat}/labels.csv\n" in capsys.readouterr().err
    assert folder(flat).splits.train.labels is None


def test_a_csv_names_images_in_a_folder_beside_it(flat):
    root = flat.parent / "above"
    root.mkdir()
    flat.rename(root / "images")
    (root / "labels.csv").write_text("images/0.png,cat\nimages/1.png,dog\nimages/2.png,cat\nimages/3.png,ant\n")
    assert labels(folder(root, 3)) == NAMES
    (root / "labels.csv").write_text("0.png,cat\n1.png,dog\n2.png,cat\n3.png,ant\n")
    assert labels(folder(root, 3)) == NAMES


def test_a_csv_that_does_not_fit_the_images(flat):
    (flat / "labels.csv").write_text("file,label\n0.png,a\n0.png,b\n1.png,\n9.png,c\n")
    line = mistake(folder(flat, 3))
    assert line.startswith(
        f"data.root: {flat}/labels.csv does not fit the images: 3 images without a label (1.png, 2.png, 3.png)"
    )
    assert "1 images with two different labels (0.png), 1 names that are no image's (9.png); correct or remove it" in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file,hair,eyes\n0.png,1,2\n", "labels.csv has no column of labels (label, class, target, y, labels)"),
        ("number,class,more\n0.png,1,2\n", "labels.csv has no column of file names (file, filename, file_name, image, path)"),
        ("file,label\n90.png,1\n", "labels.csv names none of the images, but 90.png"),
        ("", "labels.csv is empty"),
        ("file,label\n0.png,caf\xe9\n", "labels.csv can't be read as UTF-8 text"),
    ],
)
def test_a_csv_without_labels_is_named_where_there_are_no_folders(flat, content, said):
    (flat / "labels.csv").write_bytes(content.encode("latin-1"))
    line = mistake(folder(flat, 3))
    assert line.startswith(f"data.num_classes: 3, but 0 subfolders of {flat} hold images ({said}")


def test_two_csv_files_are_refused(flat):
    for name in ("a.csv", "b.csv"):
        (flat / name).write_text("0.png,1\n1.png,2\n2.png,0\n3.png,0")
    assert f"2 files in {flat} give labels: a.csv, b.csv; leave only one there" in mistake(folder(flat, 3))


def test_a_csv_beside_class_folders_that_names_other_things_changes_nothing(splits):
    (splits / "train" / "scores.csv").write_text("model,score\nbaseline,3\n")
    assert folder(splits / "train", 2).listing().classes == ["ant", "bee"]


def test_splits_with_a_csv_each(tmp_path):
    """HuggingFace's layout has it in the folder, Kaggle's beside it, with ids; images of no label file are refused."""
    root = tmp_path / "splits"
    for i in range(3):
        picture(root / "train" / f"{i}.png", i)
    picture(root / "test" / "7.png", 7)
    (root / "train.csv").write_text("id,label\n0,b\n1,a\n2,b\n")
    assert "train.csv gives labels, but no such file those of test; add one there" in mistake(folder(root, 2))
    (root / "test" / "metadata.csv").write_text("file_name,label\n7.png,b\n")
    data = folder(root, 2)
    assert labels(data) == {0: 1, 1: 0, 2: 1}
    assert data.splits.test.labels.tolist() == [1]


@pytest.mark.parametrize(("on_disk", "in_file"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_agree_in_both_normal_forms(tmp_path, on_disk, in_file):
    root, names = tmp_path / "accents", ("ảnh mèo.png", "é.png")
    for i, name in enumerate(names):
        picture(root / normalize(on_disk, name), i)
    (root / "labels.csv").write_text(normalize(in_file, f"{names[0]},mèo\n{names[1]},chó\n"))
    assert labels(folder(root, 2)) == {0: 1, 1: 0}
    (root / "labels.csv").unlink()
    (root / "dataset.json").write_text(json.dumps({"labels": [[normalize(in_file, name), i] for i, name in enumerate(names)]}))
    assert labels(folder(root, 2)) == {0: 0, 1: 1}


def test_labels_that_change_are_in_the_cache(flat):
    (flat / "labels.csv").write_text("0.png,1\n1.png,2\n2.png,0\n3.png,0")
    first = folder(flat, 3).decoded_cache().fingerprint
    (flat / "labels.csv").write_text("0.png,1\n1.png,2\n2.png,0\n3.png,1")
    assert folder(flat, 3).decoded_cache().fingerprint != first


LINE = ("experiment=anime_faces", "data.sample_shape=[3,32,32]", "model.width=4", "trainer.max_steps=1", "metric=none",
        "data.cache=cache", "trainer.accelerator=cpu", "hydra.run.dir=run", "data.batch_size=2")  # fmt: skip


def test_the_command_says_where_splits_and_labels_come_from(command, splits, shards):
    done = command("gan-train", *LINE, "data.root=splits", "data.num_classes=2")
    assert done.code == 0, done.err
    assert done.err.count("are the splits: train (6 images), val (2 images), test (3 images)") == 1
    done = command(
        "gan-train", *LINE[:-2], "hydra.run.dir=other", "data.batch_size=99", "data.root=shards", "data.num_classes=3"
    )
    assert done.code == 2
    assert "training samples; at most" in done.err
    assert f"data.root: the labels of 4 images come from {shards}/dataset.json" in done.err
    done = command("gan-train", *LINE, "data.root=shards", "data.num_classes=2")
    assert done.code == 2
    assert "has 3 classes: 0, 1, 2; set data.num_classes=3" in done.err
