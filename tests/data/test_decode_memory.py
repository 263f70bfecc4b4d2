"""The memory that decoding takes: the sum of the images that are decoded at once stays within a budget."""

import os
import threading

import pytest
from PIL import Image
from waiting import HANG

from gan_lightning.data import decode_files
from gan_lightning.data.decode_memory import MemoryBudget, default_budget, estimate_bytes
from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.storage.memory import machine_memory


class Watched(MemoryBudget):
    """A budget that keeps the largest sum of sizes, and the order of admission."""

    def __init__(self, limit):
        super().__init__(limit)
        self.sizes, self.largest = [], 0

    def reserve(self, size):
        self.sizes.append(size)
        return super().reserve(size)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "used":
            self.largest = max(getattr(self, "largest", 0), value)


def test_the_sum_stays_within_the_budget():
    budget, inside, most, lock = MemoryBudget(100), [0], [0], threading.Lock()

    def work(size):
        for _ in range(20):
            with budget.reserve(size):
                with lock:
                    inside[0] += size
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in (10, 30, 45, 60, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert not any(thread.is_alive() for thread in threads)
    assert 0 < most[0] <= 100
    assert budget.used == 0


def test_an_image_larger_than_the_budget_is_alone():
    budget, order = MemoryBudget(100), []
    began = threading.Event()

    def large():
        began.set()
        with budget.reserve(10**12):
            order.append("large")

    with budget.reserve(1):
        thread = threading.Thread(target=large)
        thread.start()
        assert began.wait(HANG)
        order.append("small")
    thread.join(HANG)
    assert order == ["small", "large"]


def test_a_block_that_fails_gives_its_bytes_back():
    budget = MemoryBudget(10)
    with pytest.raises(ValueError, match="broken"), budget.reserve(7):
        raise ValueError("broken")
    assert budget.used == 0


def decoded_by(tmp_path, monkeypatch, budget):
    """Decode twelve images in eight threads, one a block."""
    (tmp_path / "images").mkdir(exist_ok=True)
    for i in range(12):
        Image.new("RGB", (100, 100), (i, i, i)).save(tmp_path / "images" / f"{i:02}.png")
    monkeypatch.setattr(decode_files, "BLOCK", 1)
    monkeypatch.setattr(decode_files, "default_budget", lambda: budget)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    data = ImageFolder(
        root=str(tmp_path / "images"),
        cache=str(tmp_path / "cache"),
        sample_shape=(1, 4, 4),
        num_classes=0,
        validation=0,
        test=0,
    )
    assert data.splits.train.samples[:, 0, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize("limit", [1, 250_000])
def test_a_folder_is_decoded_within_the_budget(tmp_path, monkeypatch, limit):
    budget = Watched(limit)
    decoded_by(tmp_path, monkeypatch, budget)
    assert budget.sizes == [12 * 100 * 100] * 12  # three copies of 4 bytes a pixel
    assert 0 < budget.largest <= limit


def opened(tmp_path, mode="RGB", **options):
    Image.new(mode, (800, 400)).save(tmp_path / "x", **options)
    return Image.open(tmp_path / "x")


def test_the_estimate_knows_how_pillow_stores_an_image(tmp_path):
    bytes_a_pixel = {
        mode: estimate_bytes(opened(tmp_path, mode, format="PNG"), (800, 400)) / 320_000 for mode in ("L", "RGB", "RGBA")
    }
    assert bytes_a_pixel == {"L": 6, "RGB": 12, "RGBA": 16}  # as measured with images of 36 megapixels: 5, 12, 16


def test_a_jpeg_that_is_read_at_a_fraction_takes_that_fraction(tmp_path):
    image = opened(tmp_path, format="JPEG")
    image.draft(None, (100, 50))
    assert estimate_bytes(image, (800, 400)) == 12 * 100 * 50
    progressive = opened(tmp_path, format="JPEG", progressive=True)
    progressive.draft(None, (100, 50))
    assert estimate_bytes(progressive, (800, 400)) == 12 * 100 * 50 + 6 * 800 * 400  # all of its coefficients are kept


def test_the_budget_is_a_share_of_the_memory_there_is():
    assert 2**20 < default_budget().limit < machine_memory()
