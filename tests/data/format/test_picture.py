"""Rendered samples, pixel by pixel where possible, and where each logger stores them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.loggers.logger import DummyLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_lightning.callback.media_logging import log_image
from gan_lightning.data.format.by_shape import format_by_shape
from gan_lightning.data.format.image import MIN_SIDE, to_array, to_rgb, to_uint8
from gan_lightning.data.format.picture import encode_image, save_image

EDGE = 32  # the grey between images
SIDE, GAP = 48, 2


def render(samples, columns=8, real=None):
    """Draw samples of the kind that their shape says."""
    return format_by_shape(samples.shape[1:]).render(samples, columns, real)


def cell(image, row, column, side=SIDE):
    """Return the image in this cell of a grid."""
    top, left = GAP + row * (side + GAP), GAP + column * (side + GAP)
    return image[top : top + side, left : left + side]


def flat(*values, side=2):
    """Return grey images of one value each."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, side, side).contiguous()


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_values_become_bytes():
    levels = to_uint8(torch.tensor([-3.0, -1.0, -0.5, 0.5, 1.0, 7.0]))
    assert levels.dtype == torch.uint8
    assert levels.tolist() == [0, 0, 64, 191, 255, 255]


def test_bytes_survive_the_conversion():
    levels = torch.arange(256).to(torch.uint8)
    assert torch.equal(to_uint8(levels.float() / 127.5 - 1), levels)


def test_the_layout_of_a_grid():
    rendered = render(flat(-1.0, -0.6, -0.2, 0.2, 0.6), columns=3)
    assert (rendered.dtype, rendered.shape) == (np.uint8, (2 * (SIDE + GAP) + GAP, 3 * (SIDE + GAP) + GAP, 3))
    for i, value in enumerate((0, 51, 102, 153, 204)):
        assert (cell(rendered, *divmod(i, 3)) == value).all()
    inside = np.zeros(rendered.shape[:2], dtype=bool)
    for i in range(5):
        cell(inside, *divmod(i, 3))[:] = True
    assert (rendered[~inside] == EDGE).all()  # gaps, and the empty cell


def test_fewer_images_than_columns_make_a_narrow_grid():
    assert render(flat(0.0, 0.0), columns=8).shape == (SIDE + 2 * GAP, 2 * (SIDE + GAP) + GAP, 3)


def test_small_images_are_enlarged_by_whole_numbers():
    image = torch.tensor([[-1.0, 1.0], [0.2, -0.2]]).view(1, 1, 2, 2)
    enlarged = cell(render(image.repeat(2, 1, 1, 1)), 0, 1)
    for row, column, value in ((0, 0, 0), (0, 1, 255), (1, 0, 153), (1, 1, 102)):
        assert (enlarged[24 * row : 24 * row + 24, 24 * column : 24 * column + 24] == value).all()


@pytest.mark.parametrize(
    ("size", "shown"),
    [((8, 8), (48, 48)), ((28, 28), (56, 56)), ((48, 64), (48, 64)), ((3, 5), (48, 80)), ((100, 90), (100, 90))],
)
def test_how_large_an_image_is_shown(size, shown):
    rendered = render(torch.zeros(2, 1, *size), columns=2)
    assert rendered.shape == (shown[0] + 2 * GAP, 2 * shown[1] + 3 * GAP, 3)
    assert min(shown) >= MIN_SIDE


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, [0, 0, 0]), (2, [0, 51, 0]), (3, [0, 51, 102]), (4, [0, 51, 102]), (6, [0, 51, 102])]
)
def test_any_number_of_channels_is_shown_in_three(channels, expected):
    image = torch.linspace(-1, -1 + 0.4 * (channels - 1), channels).view(1, -1, 1, 1).expand(2, -1, 48, 48)
    assert to_rgb(image).shape == (2, 3, 48, 48)
    assert (cell(render(image), 0, 0) == expected).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_samples_of_every_precision_are_drawn(dtype):
    rendered = render(flat(-1.0, 1.0).to(dtype).requires_grad_())
    assert (cell(rendered, 0, 0) == 0).all()
    assert (cell(rendered, 0, 1) == 255).all()


@pytest.mark.parametrize("shape", [(50, 2), (50, 1), (50, 5), (1, 2), (6, 1, 64), (2, 3, 500), (1, 1, 32)])
def test_points_and_signals_are_drawn(shape):
    rendered = render(random(*shape))
    assert (rendered.dtype, rendered.ndim, rendered.shape[2]) == (np.uint8, 3, 3)
    assert len(np.unique(rendered)) > 10


@pytest.mark.parametrize("length", [8, 16, 64, 4096])
def test_a_signal_of_any_length_has_a_spectrogram(length):
    right = render(random(1, 1, length))[:, 300:460]
    assert len(np.unique(right)) > 5


@pytest.mark.parametrize("dim", [1, 2])
def test_real_points_are_drawn_behind(dim):
    points, real = random(50, dim), random(80, dim) * 2
    assert not np.array_equal(render(points), render(points, real=real))


def test_a_scatter_is_framed_by_the_real_points():
    """The frame does not depend on the generated points, so that the images of a run can be compared."""
    real = random(200, 2)
    near, far = render(real, real=real), render(torch.full((3, 2), 1e6), real=real)
    ticks = slice(440, 480)  # the axis below
    assert np.array_equal(near[ticks], far[ticks])


@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (4, 1, 64), (50, 2), (50, 1)], ids=["images", "signals", "points", "numbers"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")  # numpy and matplotlib warn of such numbers
def test_samples_that_are_not_finite_are_rendered(shape, value):
    rendered = render(torch.full(shape, value), real=torch.zeros(5, shape[1]) if len(shape) == 2 else None)
    assert (rendered.dtype, rendered.shape[2]) == (np.uint8, 3)


def test_a_saved_image_can_be_read(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    save_image(image, tmp_path / "x.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), image)


@pytest.mark.parametrize(
    ("channels", "mode", "stored"), [(1, "L", 1), (2, "RGB", 2), (3, "RGB", 3), (4, "RGBA", 4), (6, "RGB", 3)]
)
def test_a_sample_as_a_file_keeps_its_channels(channels, mode, stored):
    sample = random(channels, 5, 3)
    image = Image.open(io.BytesIO(encode_image(to_array(sample), ".png")))
    assert (image.mode, image.size) == (mode, (3, 5))
    values = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
    assert np.array_equal(values[:stored], to_uint8(sample)[:stored].numpy())
    assert not values[stored:].any()


def test_tensorboard_shows_the_image(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    image = render(flat(-1.0, 0.2))
    log_image(logger, "sample/ema", image, 250)
    logger.experiment.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["images"] == ["sample/ema"]
    (event,) = events.Images("sample/ema")
    assert (event.step, event.height, event.width) == (250, *image.shape[:2])
    (tmp_path / "x.png").write_bytes(event.encoded_image_string)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), image)


def test_the_csv_logger_stores_the_image_in_a_folder(tmp_path):
    image = render(flat(-1.0, 0.2))
    log_image(CSVLogger(tmp_path, name="", version=""), "sample/ema", image, 250)
    (path,) = tmp_path.rglob("*.png")
    assert path == tmp_path / "pictures/sample/ema/step=00000250.png"
    assert np.array_equal(np.asarray(Image.open(path)), image)


def test_an_unknown_logger_gets_no_image():
    log_image(DummyLogger(), "sample/ema", render(flat(0.0, 0.0)), 0)
