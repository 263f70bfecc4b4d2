"""data.json.gz: written and read back, small, and never trusted."""

import gzip

import pytest

from gan_lightning.data.fingerprint import Entry, Fingerprint
from gan_lightning.run import data_record
from gan_lightning.run.data_record import DamagedRecordError

ENTRIES = {f"{i % 10}/{i:05}.png": Entry(2000 + i * 7919 % 60_000, i % 10, None) for i in range(70_000)}
LARGE = Fingerprint(kind="ImageFolder", counts={"images": 70_000}, classes=[*"0123456789"], entries=ENTRIES, probes={})


def test_a_large_record_is_small_and_the_same_bytes_again(tmp_path):
    assert data_record.load(tmp_path) is None
    data_record.save(tmp_path, LARGE)
    first = (tmp_path / "data.json.gz").read_bytes()
    assert len(first) < 600_000
    assert data_record.load(tmp_path) == LARGE
    data_record.save(tmp_path, LARGE)
    assert (tmp_path / "data.json.gz").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["data.json.gz"]


def packed(content):
    return gzip.compress(content, mtime=0)  # the same in every process: the content is part of a test's name


GOOD = LARGE.model_copy(update={"entries": {"a": Entry(1, None, "f")}}).model_dump_json()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no fingerprint (Invalid JSON"),
        (b"text", "can't be read (Not a gzipped file"),
        (packed(GOOD.encode())[:-9], "can't be read (Compressed file ended"),
        (packed(GOOD.encode())[:20] + b"xxxx" + packed(GOOD.encode())[24:], "can't be read (Error"),
        (packed(b"[]"), "is no fingerprint (should be an object"),
        (packed(GOOD.replace('"kind"', '"kin"').encode()), "is no fingerprint (kind: missing; it is needed"),
        (
            packed(GOOD.replace("70000", '"70000"').encode()),
            'is no fingerprint (counts.images: "70000" should be a valid int',
        ),
        (packed(GOOD.replace('[1,null,"f"]', "[1,null]").encode()), "is no fingerprint (entries.a.2: missing; it is needed"),
        (packed(GOOD.replace("{", '{"more":1,', 1).encode()), "is no fingerprint (more: Extra inputs"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, content, said):
    (tmp_path / "data.json.gz").write_bytes(content)
    with pytest.raises(DamagedRecordError) as error:
        data_record.load(tmp_path)
    assert str(error.value).startswith(f"data.json.gz {said}")
    assert "\n" not in str(error.value)


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(data_record, "MAX_BYTES", 1000)
    (tmp_path / "data.json.gz").write_bytes(gzip.compress(b" " * 1001))
    with pytest.raises(DamagedRecordError, match=r"unpacks to more than 1000 B"):
        data_record.load(tmp_path)
