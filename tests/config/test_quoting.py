"""Values of the command line: a word of the shell is one text where the key takes one, whatever its characters."""

import random
import unicodedata

import pytest

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import quote_swept_texts, quote_value
from gan_lightning.config.resolve import resolve
from gan_lightning.config.switches import command_line, parse_switches
from gan_lightning.config.text_keys import current_value, find_accepted, quote_changes, quote_line

LETTERS = "abZ09 ()[]{}#,=:'\";~!?*&|<>@%+-_./\\$\tảèũ日😀\u0301\u0309"
NAMES = ["ảnh mèo", unicodedata.normalize("NFD", "ảnh mèo"), "a,b", "[a]", "[ả]", "{a: b}", "a(1)", "it's", '"a" and "b"']
NAMES += ["x=y", "a#b;c~", "2024", "1e3", "true", "null", " a ", "choice(a,b)", "range(1,3)", "a\\,b", "a\\", "a$b", "a,", ","]
NAMES += ["'", "~", "日本 😀"]
FACES = "experiment=anime_faces"


@pytest.fixture(scope="module")
def composer():
    return Composer()


def root_of(composer, override, sweep=False):
    """The `data.root` that a command line with this override gives."""
    return resolve(composer.compose(quote_line(composer, [FACES, override], sweep)))["data"]["root"]


@pytest.mark.parametrize("name", NAMES)
def test_a_word_is_one_text(composer, name):
    assert root_of(composer, f"data.root={name}") == name


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_override_is_read_back(composer, name):
    """What a run keeps, and a fork, a report or a repeated sweep types again, means the same and is quoted no further."""
    stored = quote_line(composer, [FACES, f"data.root={name}"], sweep=False)
    assert quote_line(composer, stored, sweep=False) == stored
    assert quote_line(composer, stored, sweep=True) == stored


def test_any_characters(composer):
    draw = random.Random(0)
    words = {"".join(draw.choices(LETTERS, k=draw.randint(1, 7))) for _ in range(80)}
    words = {word for word in words if "${" not in word and word[0] not in "'\"" and word != "???"}  # those mean something else
    assert len(words) > 60
    for word in sorted(words):
        assert root_of(composer, f"data.root={word}") == word


def test_without_quoting_most_are_misread(composer):
    """The negative control."""

    def misread(name):
        try:
            return resolve(composer.compose([FACES, f"data.root={name}"]))["data"]["root"] != name
        except UserError:
            return True

    assert sum(map(misread, NAMES)) > 20


def test_what_is_quoted_for_hydra_stays(composer):
    for value, text in {"'a b'": "a b", '"a,b"': "a,b", "'it\\'s'": "it's", quote_value("ảnh 'x'"): "ảnh 'x'"}.items():
        assert quote_line(composer, [FACES, f"data.root={value}"], sweep=False)[1] == f"data.root={value}"
        assert root_of(composer, f"data.root={value}") == text


def test_interpolations_stay(composer):
    assert root_of(composer, "data.root=${name}") == "anime_faces"
    assert root_of(composer, "data.root=ảnh, mèo/${name} (1)") == "ảnh, mèo/anime_faces (1)"


def test_null_where_a_key_may_be_null(composer):
    lines = ["data.cache=null", "objective=null", "feature=inception", "feature.weights=null"]
    assert quote_line(composer, [FACES, *lines], sweep=False)[1:] == lines


@pytest.mark.parametrize(
    "override",
    ["data.sample_shape=[1,96,64]", "trainer.max_steps=5", "trainer.devices=2", "seed=0", "metric=[fid,kid]", "loss=hinge",
     "data.validation=0.1", "~data.cache", "+optimizer.generator.weight_decay=0.01", "trainer.max_steps=(", "debug=true"],
)  # fmt: skip
def test_other_keys_are_left_to_hydra(composer, override):
    assert quote_line(composer, [FACES, override], sweep=False)[1] == override


def test_a_comma_is_a_sweep_under_m(composer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def line(value):
        return quote_line(composer, [FACES, f"data.root={value}"], sweep=True)[1]

    assert line("a,b") == "data.root=a,b"
    assert line("ảnh mèo,b") == "data.root='ảnh mèo',b"
    assert line("choice(ảnh,b)") == "data.root=choice('ảnh',b)"
    assert line("'a,b',c") == "data.root='a,b',c"
    assert line("ảnh mèo") == "data.root='ảnh mèo'"
    assert line("a,") == "data.root='a,'"
    (tmp_path / "a,b").mkdir()
    assert line("a,b") == "data.root='a,b'"  # a folder of this name exists
    assert quote_line(composer, ["loss=hinge,minimax", "seed=range(0,3)"], sweep=True) == [
        "loss=hinge,minimax",
        "seed=range(0,3)",
    ]


def test_the_data_may_be_swept_too(composer):
    line = quote_line(composer, ["experiment=anime_faces,mnist", "data.root=ảnh mèo,2024"], sweep=True)
    assert line[1] == "data.root='ảnh mèo','2024'"


def test_a_key_that_an_interpolation_reads(tmp_path):
    (tmp_path / "experiment").mkdir()
    yaml = "# @package _global_\ndefaults: [anime_faces]\nfolder: ???\ndata: {root: '${folder}'}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(yaml)
    composer = Composer(str(tmp_path))
    assert quote_line(composer, ["experiment=mine", "folder=2024"], sweep=False)[1] == "folder='2024'"


def test_keys_that_read_each_other():
    config = {"a": "${b}", "b": "${a}"}  # resolving it is an error of its own
    assert find_accepted(config, "a") == frozenset()
    assert current_value(config, "a") == "${a}"


def test_a_node_of_ones_own(composer, tmp_path, monkeypatch):
    """A class that the line itself names; one of its parameters has no annotation."""
    (tmp_path / "mylab.py").write_text(
        "from torch.utils.data import Dataset\n"
        "class Spectra(Dataset):\n    def __init__(self, path: str, kind, size: int = 3): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    start = ["data=dataset", "data.dataset={_target_: mylab.Spectra, path: phổ (1).h5, kind: a}"]
    words = ["data.dataset.path=a,b", "data.dataset.kind=ảnh mèo", "data.dataset.size=4"]
    quoted = quote_line(composer, [*start, *words], sweep=False)
    assert quoted[1] == "data.dataset={_target_: mylab.Spectra, path: 'phổ (1).h5', kind: a}"
    assert quoted[2:] == ["data.dataset.path='a,b'", "data.dataset.kind='ảnh mèo'", "data.dataset.size=4"]


def test_a_search_path_with_accents(composer):
    line = quote_line(composer, ["hydra.searchpath=[file:///home/ảnh mèo,file://b]"], sweep=False)
    assert line == ["hydra.searchpath=['file:///home/ảnh mèo',file://b]"]


def test_directories_are_texts(composer):
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        for sweep in (False, True):
            assert quote_line(composer, [f"{key}=a,b (1)/${{name}}"], sweep) == [f"{key}='a,b (1)/${{name}}'"]


def test_a_run_s_own_config_says_what_its_keys_take(composer):
    config = composer.compose([FACES, "data.root=x"])
    assert quote_changes(config, ["data.root=ảnh, mèo", "trainer.max_steps=5"]) == [
        "data.root='ảnh, mèo'",
        "trainer.max_steps=5",
    ]


def test_what_can_not_be_read_is_one_line(composer):
    for override, start in {
        "ảnh": "ảnh: neither key=value nor a switch; see gan-train --help",
        "dữ=1": "dữ=1: dữ is no key",
        "trainer.max_steps=(": "trainer.max_steps=(: the value can't be read",
    }.items():
        with pytest.raises(UserError) as refused:
            composer.compose(quote_line(composer, [override], sweep=False))
        assert len(refused.value.lines) == 1
        assert refused.value.lines[0].startswith(start)


@pytest.mark.parametrize(
    "line",
    [["-m", "a=1", "b=2"], ["a=1", "-m", "b=2"], ["a=1", "b=2", "-m"], ["a=1", "--multirun", "b=2"], ["a=1", "b=2", "--mult"]],
)  # fmt: skip
def test_a_switch_may_stand_anywhere(line):
    assert command_line(parse_switches(line)) == ["--multirun", "a=1", "b=2"]


def test_a_switch_with_a_value_may_stand_anywhere(monkeypatch):
    monkeypatch.setenv("HOME", "/home/an")
    for line in (
        ["a=1", "--config-dir", "~/x y", "b=-2"],
        ["--config-dir=~/x y", "a=1", "b=-2"],
        ["a=1", "b=-2", "-cd", "~/x y"],
    ):
        assert command_line(parse_switches(line)) == ["--config-dir=/home/an/x y", "a=1", "b=-2"]


def test_an_argument_that_is_not_utf_8():
    with pytest.raises(UserError, match="not UTF-8; rename"):
        parse_switches(["data.root=caf\udce9"])


def test_sweep_functions_and_long_sweeps_stay_what_they_are():
    assert quote_swept_texts("sort(b,a)") == "sort(b,a)"
    assert quote_swept_texts("shuffle(a,b)") == "shuffle(a,b)"
    many = ",".join(f"{i:030}" for i in range(200))
    assert quote_swept_texts(many).count(",") == 199  # and no OSError: the word is too long for a file's name
