"""docs/options.md is what scripts/list_options.py makes and complete, and every work that the code cites has an entry."""

import importlib.util
import re
from pathlib import Path

import pytest

from gan_lightning.config.compose import config_dir

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("list_options", ROOT / "scripts" / "list_options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script):
    assert (ROOT / "docs" / "options.md").read_text() == script.table(), "python scripts/list_options.py > docs/options.md"


def test_every_option_has_a_row():
    parts = re.split(r"^## (.+)$", (ROOT / "docs" / "options.md").read_text(), flags=re.MULTILINE)
    rows = {
        group: re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE) for group, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    listed = {(group, name) for group, names in rows.items() for name in names}
    files = [path.relative_to(config_dir()) for path in config_dir().rglob("*/*.yaml")]
    assert listed == {(path.parent.as_posix(), path.stem) for path in files if path.parts[0] != "hydra"}


def test_every_citation_has_an_entry(script):
    known, cited = script.known_keys(), {}
    for path in [*(ROOT / "gan_lightning").rglob("*.py"), *config_dir().rglob("*.yaml")]:
        for key in script.citations(path.read_text()):
            cited.setdefault(key, path.name)
    assert len(cited) > 50
    assert {key: name for key, name in cited.items() if key not in known} == {}


def test_citations_are_recognised(script):
    text = "Arjovsky & Bottou 2017, section 2; Yazıcı et al.\n2019; Jolicoeur-Martineau 2019, eq. 3; Karras et al. 2020b; 2019"
    assert script.citations(text) == ["arjovskybottou2017", "yazici2019", "jolicoeurmartineau2019", "karras2020b"]


def test_entries_are_complete_and_once():
    text = (ROOT / "docs" / "references.bib").read_text()
    entries = re.findall(r"^@\w+\{(\S+),\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert len({key for key, _ in entries}) == len(entries)
    for key, body in entries:
        fields = dict(re.findall(r"^  (\w+) = \{(.+)\},$", body, re.MULTILINE))
        assert {"author", "title", "year"} < fields.keys(), key
        assert fields["year"] in key
