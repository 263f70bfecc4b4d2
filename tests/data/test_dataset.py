"""A user's own data set: every kind of item, what is refused, and that a batch does not depend on who makes it."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from gan_lightning.data.base import DataError
from gan_lightning.data.dataset import UserDataset
from gan_lightning.data.stream import Stream

SHAPE = (3, 4, 5)


class Listed(Dataset):
    """Whatever is put in; it remembers what was read."""

    def __init__(self, items):
        self.items, self.read = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        self.read.append(i)
        return self.items[i]


def data(dataset, **changes):
    return UserDataset(**({"dataset": dataset, "sample_shape": SHAPE, "num_classes": 0, "validation": 0, "test": 0} | changes))


def pixels(i):
    """Bytes (3, 4, 5), others for each i."""
    return np.random.default_rng(i).integers(0, 256, SHAPE, dtype=np.uint8)


KINDS = {
    "PIL image": lambda i: Image.fromarray(pixels(i).transpose(1, 2, 0)),
    "uint8 array, channels first": pixels,
    "uint8 array, channels last": lambda i: pixels(i).transpose(1, 2, 0),
    "uint8 tensor, channels first": lambda i: torch.from_numpy(pixels(i)),
    "uint8 tensor, channels last": lambda i: torch.from_numpy(pixels(i)).permute(1, 2, 0),
    "float tensor": lambda i: torch.from_numpy(pixels(i)).float() / 127.5 - 1,
    "float64 array": lambda i: pixels(i) / 127.5 - 1,
}
WRAPPERS = {
    "x": lambda x, y: x,
    "(x,)": lambda x, y: (x,),
    "(x, y)": lambda x, y: (x, y),
    "[x, y]": lambda x, y: [x, torch.tensor(y)],
    "image, label": lambda x, y: {"image": x, "label": y, "path": "x.png"},
    "x, y": lambda x, y: {"x": x, "y": np.int32(y)},
    "real, labels": lambda x, y: {"real": x, "labels": torch.tensor([y])},
}
EXPECTED = torch.stack([torch.from_numpy(pixels(i)).float() / 127.5 - 1 for i in range(6)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sample(kind):
    source = data(Listed([KINDS[kind](i) for i in range(6)])).splits.train
    found = source.part(0, 6).real
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, EXPECTED, rtol=0, atol=1e-6)
    batch = source.batch(seed=0, i=0, n=6)
    assert batch.condition is None
    torch.testing.assert_close(batch.real.sum(0), EXPECTED.sum(0), rtol=0, atol=1e-5)  # each item once, in some order


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_every_kind_of_item(wrapper):
    dataset = Listed([WRAPPERS[wrapper](pixels(i), i % 3) for i in range(6)])
    torch.testing.assert_close(data(dataset).splits.train.part(0, 6).real, EXPECTED)
    if wrapper in ("x", "(x,)"):
        with pytest.raises(DataError, match=r"item 0 has no label, but data\.num_classes is 3; .*data\.num_classes=0"):
            data(dataset, num_classes=3).load()
        return
    batch = data(dataset, num_classes=3).splits.train.batch(seed=0, i=0, n=6)
    assert batch.condition.dtype == torch.int64
    assert batch.condition.sort().values.tolist() == [0, 0, 1, 1, 2, 2]
    for real, label in zip(*batch, strict=True):
        (number,) = (real == EXPECTED).flatten(1).all(1).nonzero().flatten().tolist()
        assert number % 3 == label


def test_grey_bytes_without_a_channel():
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    for x in (grey, torch.from_numpy(grey), Image.fromarray(grey)):
        found = data([x], sample_shape=(1, 4, 5)).splits.train.part(0, 1).real
        torch.testing.assert_close(found, torch.arange(20.0).view(1, 1, 4, 5) / 127.5 - 1)


def test_bytes_that_fit_both_ways_have_their_channels_first():
    x = torch.arange(27, dtype=torch.uint8).view(3, 3, 3)
    torch.testing.assert_close(data([x], sample_shape=(3, 3, 3)).splits.train.part(0, 1).real[0], x / 127.5 - 1)


def test_a_pil_image_of_any_size_and_mode_is_brought_to_the_shape():
    found = data([Image.new("RGBA", (50, 20), (255, 0, 0, 0))]).splits.train.part(0, 1).real
    torch.testing.assert_close(found, torch.ones(1, *SHAPE))  # transparent over white


def test_floats_of_other_shapes_are_taken_as_they_are():
    waves = TensorDataset(torch.randn(8, 2, 16) * 100)
    torch.testing.assert_close(data(waves, sample_shape=(2, 16)).splits.train.part(0, 8).real, waves.tensors[0])
    points = TensorDataset(torch.randn(8, 2).double(), torch.arange(8))
    train = data(points, sample_shape=(2,), num_classes=8).splits.train
    torch.testing.assert_close(train.part(0, 8).real, points.tensors[0].float())
    torch.testing.assert_close(train.take(torch.tensor([5])).real, points.tensors[0][5:6].float())


def test_a_read_only_array_is_left_alone():
    x = pixels(0)
    x.flags.writeable = False
    before = x.copy()
    data([x]).splits.train.batch(seed=0, i=0, n=2)
    np.testing.assert_array_equal(x, before)


def test_shares_of_the_one_data_set():
    found = data([np.full(SHAPE, i, np.uint8) for i in range(20)], validation=0.1, test=0.25)
    values = [((part.part(0, 20).real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist() for part in found.splits]
    assert found.count() == tuple(map(len, values))
    assert all(values)
    assert sorted(sum(values[1:], values[0])) == list(range(20))


def test_data_sets_of_their_own():
    train, held_out, reported = (Listed([np.full(SHAPE, value, np.uint8)] * 10) for value in (0, 1, 2))
    splits = data(train, validation_dataset=held_out, test_dataset=reported, validation=0.5, test=0.5).splits
    assert [len(part) for part in splits] == [10, 10, 10]  # nothing is cut off for a split that has its own
    assert [round((part.part(0, 1).real[0, 0, 0, 0].item() + 1) * 127.5) for part in splits] == [0, 1, 2]
    one = data(train, test_dataset=reported, validation=0.2, test=0.2)
    assert one.count().train == 8
    assert [len(part) for part in one.splits] == [8, 2, 10]


def test_counting_reads_nothing():
    dataset = Listed([pixels(i) for i in range(20)])
    assert data(dataset, validation=0.1, test=0.1).count().train == 16
    assert dataset.read == []


def test_loading_reads_one_item_a_split_and_one_more_for_the_sign():
    dataset = Listed([pixels(i) for i in range(20)])
    data(dataset, validation=0.1, test=0.1).load()
    assert len(dataset.read) == 4


def test_only_the_items_at_the_positions_are_read():
    dataset = Listed([(pixels(i), i % 3) for i in range(30)])
    train = data(dataset, num_classes=3).splits.train
    dataset.read.clear()
    torch.testing.assert_close(train.take(torch.tensor([4, 1])).real, EXPECTED[[4, 1]])
    assert dataset.read == [4, 1]
    dataset.read.clear()
    assert train.part(0, 0).real.shape == (0, *SHAPE)
    assert dataset.read == []


def test_an_augmented_item_does_not_depend_on_what_is_read_with_it():
    train = data(Augmented(), num_classes=10).splits.train
    together = train.part(0, 10).real
    assert torch.equal(train.take(torch.tensor([7, 2])).real, together[[7, 2]])
    assert torch.equal(train.part(3, 4).real, together[3:7])


class Listing(Listed):
    """Lists its classes, as the data sets of torchvision do."""

    def __init__(self, items):
        super().__init__(items)
        self.targets = [label for _, label in items]


def test_the_classes_that_a_data_set_lists_are_its_strata():
    items = [(pixels(i), i // 20) for i in range(40)]
    train = data(Listing(items), num_classes=2, validation=0.25).splits.train
    assert torch.equal(train.strata, train.part(0, len(train)).condition)
    within = Subset(Subset(Listing(items), range(0, 40, 2)), [0, 5, 19])
    assert data(within, num_classes=2).splits.train.strata.tolist() == [0, 0, 1]
    assert data(Listed(items), num_classes=2).splits.train.strata is None
    assert data(Listing(items), num_classes=0).splits.train.strata is None


# ── the range of floats ──────────────────────────────────────────────────────────────────────────────────────────────────
UNIT = TensorDataset(torch.linspace(0, 1, 40 * 60).view(40, *SHAPE))
SIGN = "no value of 16 items is below 0, but images of floats are expected in [-1, 1]; "


def warned(caplog, dataset, **changes):
    caplog.clear()
    with caplog.at_level("WARNING", logger="gan_lightning"):
        data(dataset, **changes).load()
    return caplog.text


def test_floats_that_never_fall_below_0_are_reported_with_the_cure(caplog):
    said = warned(caplog, UNIT)
    assert SIGN in said
    assert "data.range=[0,1]" in said
    assert len(said.splitlines()) == 1
    assert warned(caplog, UNIT, range=(0.0, 1.0)) == warned(caplog, UNIT, range=(-1.0, 1.0)) == ""
    assert warned(caplog, TensorDataset(UNIT.tensors[0] * 2 - 1)) == ""
    assert warned(caplog, TensorDataset(torch.zeros(4, 1, 8, 8)), sample_shape=(1, 8, 8)).count("no value of 4 items") == 1
    assert warned(caplog, Listed([pixels(i) for i in range(20)])) == ""  # bytes have a range
    assert warned(caplog, TensorDataset(torch.rand(4, 2)), sample_shape=(2,)) == ""  # points have none


def test_a_range_is_mapped_to_minus_one_and_one():
    scaled = data(UNIT, range=(0.0, 1.0)).splits.train
    torch.testing.assert_close(scaled.part(0, 40).real, UNIT.tensors[0] * 2 - 1)
    wide = data(TensorDataset(UNIT.tensors[0] * 4095), range=(0.0, 4095.0)).splits.train
    torch.testing.assert_close(wide.part(0, 40).real, UNIT.tensors[0] * 2 - 1)
    as_bytes = data(Listed([pixels(0)]), range=(0.0, 1.0)).splits.train
    torch.testing.assert_close(as_bytes.part(0, 1).real, EXPECTED[:1])


def test_a_range_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"^data\.range: \[1\.0, 0\.0\] should be the lowest and the highest value"):
        data(UNIT, range=(1.0, 0.0)).count()
    with pytest.raises(DataError, match=r"lie in \[0, 255\]; floats are taken as they are, .* data\.range=\[0,255\]"):
        data(TensorDataset(torch.tensor([0.0, 255.0]).repeat(30).view(1, *SHAPE))).load()
    with pytest.raises(DataError, match=r"lie in \[0, 255\]; data\.range is \[0\.0, 1\.0\]"):
        data(TensorDataset(torch.tensor([0.0, 255.0]).repeat(30).view(1, *SHAPE)), range=(0.0, 1.0)).load()


class Augmented(Dataset):
    """Draws with all three generators that data sets use."""

    def __len__(self):
        return 10

    def __getitem__(self, i):
        noise = [torch.rand(()).item(), np.random.rand(), random.random()]  # noqa: NPY002
        return (torch.full(SHAPE, i / 10) + torch.tensor(noise).view(3, 1, 1) / 10, i)


@pytest.mark.parametrize("dataset", [Listed([(pixels(i), i) for i in range(10)]), Augmented()], ids=["fixed", "random"])
def test_batches_do_not_depend_on_the_number_of_workers(dataset):
    source = data(dataset, num_classes=10).splits.train

    def batches(workers, start=0):
        loader = DataLoader(Stream(source, size=4, seed=1, start=start), batch_size=None, num_workers=workers)
        return list(islice(loader, 6 - start))

    alone, helped, resumed = batches(0), batches(2), batches(0, start=3)
    assert len({tuple(batch.condition.tolist()) for batch in alone}) > 1
    for one, other in [*zip(alone, helped, strict=True), *zip(alone[3:], resumed, strict=True)]:
        assert torch.equal(one.real, other.real)
        assert torch.equal(one.condition, other.condition)


def test_what_is_drawn_differs_between_steps_seeds_and_ranks_and_disturbs_nobody():
    source = data(Augmented()).splits.train
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    drawn = [
        source.batch(seed, i, 10, rank, 2).real.sum((0, 2, 3)) for seed, i, rank in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    ]
    assert torch.equal(torch.rand(3), expected)
    for generator in range(3):
        assert len({values[generator].item() for values in drawn}) == 4


def test_ranks_share_an_epoch_out():
    source = data([(pixels(i), i) for i in range(10)], num_classes=10).splits.train
    labels = torch.cat([source.batch(seed=0, i=0, n=5, rank=rank, world_size=2).condition for rank in range(2)])
    assert labels.sort().values.tolist() == list(range(10))


class Endless(IterableDataset):
    def __iter__(self):
        yield pixels(0)

    def __len__(self):
        return 5


class NoLength(Dataset):
    def __getitem__(self, i):
        return pixels(i)


@pytest.mark.parametrize("dataset", [Endless(), NoLength()])
def test_what_cannot_be_read_by_number(dataset):
    name = type(dataset).__name__
    with pytest.raises(DataError, match=rf"^data\.dataset: {name} can't be read by number; allowed: a map-style Dataset"):
        data(dataset).count()
    with pytest.raises(DataError, match=rf"^data\.test_dataset: {name} can't be read by number"):
        data([pixels(0)], test_dataset=dataset).count()


def test_an_empty_data_set():
    with pytest.raises(DataError, match=r"^data\.dataset: Listed is empty"):
        data(Listed([])).count()


def test_shares_that_leave_nothing_to_train_on():
    with pytest.raises(DataError, match=r"^data\.validation and data\.test: 0\.6 and 0\.4 leave nothing"):
        data([pixels(0)], validation=0.6, test=0.4).count()


FLOATS = torch.zeros(SHAPE)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (FLOATS + 1.01, r"the values of item 0 lie in \[1\.01, 1\.01\]; .* scale images to \[-1, 1\]"),
        (FLOATS * float("nan"), "item 0 holds 60 values that are not finite; repair or leave it out"),
        (FLOATS + float("inf"), "item 0 holds 60 values that are not finite"),
        (torch.full(SHAPE, 255.0), r"the values of item 0 lie in \[255, 255\]"),
        (FLOATS[:, :3], r"item 0 has the shape \[3, 3, 5\], but data\.sample_shape is \[3, 4, 5\]; a PIL image is resized"),
        (FLOATS.permute(1, 2, 0), r"item 0 has the shape \[4, 5, 3\], but data\.sample_shape is \[3, 4, 5\]"),
        (np.zeros((8, 8, 3), np.uint8), r"item 0 has the shape \[8, 8, 3\], but data\.sample_shape is \[3, 4, 5\]"),
        (np.zeros((4, 5), np.uint8), r"item 0 has the shape \[4, 5\], but"),
        (FLOATS.long(), r"item 0 is of torch\.int64; allowed: a PIL image, or an array or tensor of uint8 or floats"),
        (np.zeros(SHAPE, bool), r"item 0 is of torch\.bool; allowed"),
        (np.array(["x"]), r"item 0 is of <U1; allowed"),
        ("x.png", "item 0 is a str; allowed"),
        (None, "item 0 is a NoneType; allowed"),
        ((FLOATS, 1, 2), r"item 0 is a tuple of 3; allowed: x, \(x, y\) or a mapping"),
        ({"picture": FLOATS}, "item 0 has the keys 'picture'; its sample must be 'image', 'x' or 'real'"),
    ],
)
def test_items_that_are_refused(item, said):
    with pytest.raises(DataError, match=r"^data\.dataset: " + said) as error:
        data([item]).load()
    assert "\n" not in str(error.value)


def test_the_edges_of_the_range_are_allowed():
    data([FLOATS + 1.0009]).load()
    data([FLOATS - 1.0009]).load()
    with pytest.raises(DataError, match="scale images"):
        data([FLOATS - 1.0011]).load()


def test_a_pil_image_needs_a_shape_of_images():
    with pytest.raises(DataError, match=r"^data\.sample_shape: \[2, 4, 5\] is no shape of images"):
        data([Image.new("L", (4, 5))], sample_shape=(2, 4, 5)).load()


def test_a_broken_pil_image_is_named(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:3000])
    with (
        Image.open(tmp_path / "x.png") as image,
        pytest.raises(DataError, match=r"^data\.dataset: item 0: .*x\.png: .*truncated"),
    ):
        data([image]).load()


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (3, r"item 2 has the label 3, but data\.num_classes is 3: labels are 0 to 2"),
        (-1, "item 2 has the label -1, but"),
        (1.0, r"item 2 has the label 1\.0; a label is one whole number, 0 to 2"),
        ("cat", "item 2 has the label 'cat'; a label is one whole number"),
        (torch.tensor([0, 1]), r"item 2 has the label tensor\(\[0, 1\]\); a label is one whole number"),
    ],
)
def test_a_wrong_label_is_told_when_it_is_met(label, said):
    source = data([(pixels(i), label if i == 2 else 0) for i in range(4)], num_classes=3).splits.train
    assert source.part(0, 2).real.shape == (2, *SHAPE)
    with pytest.raises(DataError, match=r"^data\.dataset: " + said):
        source.batch(seed=0, i=0, n=4)


def test_the_first_item_of_each_split_is_checked():
    good, bad = [pixels(0)], [FLOATS + 5]
    with pytest.raises(DataError, match=r"^data\.validation_dataset: the values of item 0"):
        data(good, validation_dataset=bad).load()
    with pytest.raises(DataError, match=r"^data\.test_dataset: the values of item 0"):
        data(good, test_dataset=bad).load()
