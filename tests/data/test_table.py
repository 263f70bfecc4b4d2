"""Tables: rows are coded and decoded without loss, and a file that is no table is refused by name."""

import csv
import io

import numpy as np
import pytest
import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.format.table_code import Categorical, Continuous, decode_rows, encode_rows
from gan_lightning.data.sklearn_table import SklearnTable
from gan_lightning.data.table import draw_modes, fit_modes, most_decimals
from gan_lightning.data.table_csv import TableCSV

pd = pytest.importorskip("pandas", reason="pip install gan-lightning[tables]")
AGE = Continuous("age", np.array([20.0, 60.0]), np.array([2.0, 5.0]), np.array([0.5, 0.5]), 1)
SEX = Categorical("sex", ("f", "m", "x"))


def table_csv(path, shape, **given):
    return TableCSV(root=str(path), sample_shape=shape, num_classes=0, **given)


def test_a_row_by_hand():
    """24.4 is 4.4 above the mode at 20 with deviation 2: 4.4 / 8; 60 is the mode itself."""
    rows, modes = np.array([[24.4, 1.0], [60.0, 2.0]]), np.array([[0, 1], [1, 2]])
    code = encode_rows([AGE, SEX], rows, modes, 3)
    assert code.shape == (2, 2, 4)
    assert code[0].tolist() == [pytest.approx([0.55, 1, 0, 0]), [0, 0, 1, 0]]
    assert code[1].tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert decode_rows([AGE, SEX], code).tolist() == [[24.4, 1], [60.0, 2]]


def test_values_far_from_their_mode_are_clipped_and_unused_slots_not_chosen():
    code = encode_rows([AGE], np.array([[90.0]]), np.array([[0]]), 4)
    assert code[0, 0].tolist() == [1, 1, 0, 0, 0]
    assert decode_rows([AGE], code).tolist() == [[28.0]]
    code[0, 0] = [0, 0.1, 0.2, 0, 5]
    assert decode_rows([AGE], code).tolist() == [[60.0]]
    code[0, 0] = [0, 0, 0, 0, 1]
    assert decode_rows([AGE], code).tolist() == [[20.0]]
    code[0, 0, 1] = np.inf
    assert np.isnan(decode_rows([AGE], code)).all()


def test_two_modes_are_found_and_chosen_by_their_density():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 300), rng.normal(50, 2, 700)])
    column = fit_modes("x", values, 2, 3)
    assert column.means == pytest.approx([0, 50], abs=0.5)
    assert column.deviations == pytest.approx([1, 2], rel=0.15)
    assert column.weights == pytest.approx([0.3, 0.7], abs=0.02)
    modes = draw_modes(column, values, rng)
    assert (modes == (values > 25)).all()
    equal = Continuous("x", np.zeros(2), np.ones(2), np.array([0.25, 0.75]), 0)
    assert draw_modes(equal, np.zeros(20_000), rng).mean() == pytest.approx(0.75, abs=0.02)


def test_a_constant_column():
    column = fit_modes("x", np.full(20, 7.0), 5, 0)
    assert column.decode(np.zeros(1), np.zeros(1, int)).tolist() == [7]


@pytest.mark.parametrize(
    ("cells", "deviation", "decimals"),
    [
        (["1", "20"], 9.5, 0),
        (["1.5", "2", "-3.25"], 2.0, 2),
        (["1e-3", "2e5"], 1e5, 3),
        (["1e20"], 0.0, 0),
        (["1.23456789"], 0.0, 6),
        (["1.23456789", "7"], 2.9, 6),
        (["5.0123456789e-9", "6e-9"], 5e-10, 16),  # 5.012346e-9: 10 + 6 digits of the deviation
    ],
)
def test_decimals(cells, deviation, decimals):
    assert most_decimals(cells, deviation) == decimals


def test_a_column_of_small_numbers_is_decoded_to_them(tmp_path):
    path = tmp_path / "small.csv"
    values = np.random.default_rng(0).normal(5e-9, 1e-9, 200)
    path.write_text("a\n" + "".join(f"{x}\n" for x in values))
    data = table_csv(path, (1, 6))
    samples = torch.cat([split.part(0, 200).real for split in data.splits])
    written = data.sample_format.encode_samples(samples, ".csv").decode().splitlines()[1:]
    found = np.sort(np.array(written, float))
    assert len(found) == 200
    assert found == pytest.approx(np.sort(values), abs=1e-14, rel=0)


@pytest.mark.parametrize(("number", "says"), [("1e200", "beyond 3e+38"), ("1e-200", "too near 0")])
def test_a_column_without_a_deviation_is_refused(tmp_path, number, says):
    path = tmp_path / "x.csv"
    path.write_text("size\n" + "".join(f"{'-' * (i % 2)}{number}\n" for i in range(60)))
    with pytest.raises(DataError, match="column size") as error:
        table_csv(path, (1, 6)).columns  # noqa: B018
    assert says in str(error.value)


@pytest.mark.parametrize(("name", "shape", "rows"), [("wine", (14, 6), 178), ("iris", (5, 6), 150), ("diabetes", (11, 6), 442)])
def test_a_table_of_scikit_learn_is_decoded_to_its_rows(name, shape, rows):
    data = SklearnTable(name, sample_shape=shape, num_classes=0)
    assert sum(data.count()) == rows
    form, near = data.sample_format, []
    for split, index in zip(data.splits, data.indices, strict=True):
        samples = split.part(0, rows).real
        assert samples.shape == (len(index), *shape)
        assert samples.abs().max() <= 1
        assert (samples[:, :, 1:].sum(2) == 1).all()
        text = form.encode_samples(samples, ".csv").decode()
        read = pd.read_csv(io.StringIO(text), dtype=str)
        assert list(read.columns) == data.table.names
        real = pd.DataFrame([data.table.rows[i] for i in index])
        for i, column in enumerate(data.columns):
            if isinstance(column, Categorical):
                assert read.iloc[:, i].tolist() == real[i].tolist()
            else:
                exact, found = real[i].astype(float).to_numpy(), read.iloc[:, i].astype(float).to_numpy()
                inside = samples[:, i, 0].abs().numpy() < 1
                assert found[inside] == pytest.approx(exact[inside], rel=1e-5, abs=10.0**-column.decimals)
                near.append((i, inside))
    assert 1 - np.concatenate([inside for _, inside in near]).mean() <= 0.0015  # 0.13 % in metric/table
    for i in {i for i, _ in near}:
        assert np.concatenate([inside for own, inside in near if own == i]).mean() > 0.99


def test_a_csv_file_is_read_and_written(tmp_path):
    path = tmp_path / "people.csv"
    rows = [[18 + i % 40, ["red", 'gr"een', "b,lue"][i % 3], i % 2, i] for i in range(60)]
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["age", "colour", "vote", "id"], *rows])
    data = table_csv(path, (3, 6), categorical=("vote",), ignored=("id",), validation=0.2, test=0.2)
    assert [type(column) for column in data.columns] == [Continuous, Categorical, Categorical]
    assert data.columns[1].categories == ("b,lue", 'gr"een', "red")
    assert data.columns[2].categories == ("0", "1")
    samples = torch.cat([split.part(0, 60).real for split in data.splits])
    found = list(csv.reader(io.StringIO(data.sample_format.encode_samples(samples, ".csv").decode())))
    assert found[0] == ["age", "colour", "vote"]
    assert sorted(found[1:]) == sorted([str(a), b, str(c)] for a, b, c, _ in rows)
    assert data.fingerprint() == table_csv(path, (3, 6), categorical=("vote",), ignored=("id",)).fingerprint()


def test_a_few_cells_that_are_no_numbers_are_named(tmp_path):
    path = tmp_path / "x.csv"
    cells = [str(i) for i in range(60)]
    cells[3], cells[7] = "", "n/a"
    path.write_text("id,age\n\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    with pytest.raises(
        DataError, match=r"column age has numbers, but not in line 6 \(empty\), line 10 \('n/a'\); correct them"
    ):
        table_csv(path, (2, 61)).count()
    assert sum(table_csv(path, (2, 61), categorical=("age",)).count()) == 60
    assert sum(table_csv(path, (1, 6), ignored=("age",)).count()) == 60
    path.write_text("id,age\n" + "".join(f"{i},{'low' if i % 3 else i % 2}\n" for i in range(60)))
    assert sum(table_csv(path, (2, 6)).count()) == 60


def test_equal_rows_are_in_the_same_split(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "".join(f"{i % 30},y{i % 2}\n" for i in range(300)))
    data = table_csv(path, (2, 6), validation=0.3, test=0.3)
    sets = [{tuple(data.table.rows[i]) for i in index} for index in data.indices]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 30


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2\n3\n", "line 3 has 1 cells, the first line 2"),
        (b"a,a\n1,2\n", "its first line must name each column once, not a, a"),
        (b"a,b\n", "has no rows below a line of names"),
        (b"", "has no rows below a line of names"),
        (b'a,b\n"1,2\n', "can't be read as a table in UTF-8 (unexpected end of data)"),
        (b"a,b\n\xff,2\n", "can't be read as a table in UTF-8 ("),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, content, says):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        table_csv(path, (2, 6)).count()
    assert f"data.root: {path}" in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_mistakes_in_the_config_say_what_is_right(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "".join(f"{i},{'uvwxyz'[i % 6]}\n" for i in range(60)))
    for given, says in (
        ({"shape": (2, 6)}, "set data.sample_shape=[2,7]"),
        ({"shape": (2, 6), "modes": 8}, "set data.sample_shape=[2,9]"),
        ({"shape": (2, 6), "ignored": ("b",)}, "set data.sample_shape=[1,6]"),
        ({"shape": (2, 7), "categorical": ("c",)}, "data.categorical: "),
        ({"shape": (2, 7), "ignored": ("c",)}, "data.ignored: "),
        ({"shape": (2, 7), "ignored": ("a", "b")}, "no column is left"),
        ({"shape": (2, 7), "validation": 0.5, "test": 0.499}, "too few for training"),
    ):
        with pytest.raises(DataError) as error:
            table_csv(path, **given).count()
        assert says in str(error.value)
    assert sum(table_csv(path, (2, 7)).count()) == 60
    with pytest.raises(DataError, match="No such file"):
        table_csv(tmp_path / "none.csv", (2, 7)).count()


def test_the_picture_has_a_diagram_for_each_column():
    data = SklearnTable("iris", sample_shape=(5, 6), num_classes=0)
    samples = data.splits.train.part(0, 100).real
    form = data.sample_format
    same, other = (form.render(x, real=samples) for x in (samples, samples.flip(1)))
    assert same.dtype == np.uint8
    assert same.shape == other.shape
    assert (same != other).any()
    assert form.render(torch.full_like(samples, float("nan"))).shape[2] == 3
    assert form.text(samples).splitlines()[1] == "| --- | --- | --- | --- | --- |"
