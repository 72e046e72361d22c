"""The pages of docs/: each has its place in the site, links work in the repository, and files and tables are listed."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from bias_amplification.artifacts import schemas
from helpers import ROOT

MARKDOWN = sorted(
    [*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in ("README.md", "CHANGELOG.md", "config/README.md"))]
)


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The module that collects the site's pages."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(text: str) -> str:
    """Return a page without its code."""
    return re.sub(r"`[^`\n]+`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for file in MARKDOWN:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(file.read_text(encoding="utf-8"))):
            if not re.match(r"[a-z]+:", target):
                yield file, target


def test_every_page_is_in_one_section_of_the_site(pages: ModuleType) -> None:
    listed = ["tutorial", *(name for _, _, names in pages.SECTIONS.values() for name in names)]
    of_docs = {file.stem for file in (ROOT / "docs").glob("*.md")}
    elsewhere = {Path(place).stem for place in pages.SHOWN.values() if place.endswith(".md")} - {"index"}

    assert len(set(listed)) == len(listed)
    assert set(listed) == of_docs | elsewhere | {"tables", "functions"}


def test_links_lead_to_files_and_headings_of_the_repository() -> None:
    found = list(links())
    broken = []
    for file, target in found:
        path, _, anchor = target.partition("#")
        place = (file.parent / path).resolve() if path else file
        if not place.exists() or (anchor and anchor not in anchors(place.read_text(encoding="utf-8"))):
            broken.append(f"{file.relative_to(ROOT)}: {target}")

    assert len(found) > 100
    assert broken == []


def test_links_of_the_site_lead_to_its_pages(pages: ModuleType) -> None:
    def relinked(text: str, source: str) -> str:
        return pages.relinked(text, source, {"config": "The config", "slurm": "SLURM"})

    assert relinked("[a](../config/README.md#corpus)", "docs/slurm.md") == "[a](config.md#corpus)"
    assert relinked("![b](docs/images/x.png) [c](#d)", "README.md") == "![b](images/x.png) [c](#d)"
    assert relinked("[e](https://x.org/docs/y.md)", "README.md") == "[e](https://x.org/docs/y.md)"
    assert relinked("```\n[f](../x)\n```\n[g](slurm.md)", "docs/a.md") == "```\n[f](../x)\n```\n[g](slurm.md)"
    assert relinked("[slurm.md](slurm.md#x)", "docs/a.md") == "[SLURM](slurm.md#x)"
    assert relinked("[config/README.md](../config/README.md)", "docs/a.md") == "[The config](config.md)"
    with pytest.raises(ValueError, match=r"docs/a.md links to ../Makefile, which is not in the site"):
        relinked("[h](../Makefile)", "docs/a.md")


def test_every_part_of_the_package_has_a_page(pages: ModuleType) -> None:
    package = ROOT / "src" / "bias_amplification"
    names = {path.stem for path in package.iterdir() if not path.stem.startswith("_")}

    assert {name for name, _ in pages.parts()} == names
    assert "automodule:: bias_amplification.cards.model_card" in pages.functions_page("cards", "cards")


def test_every_schema_and_every_table_of_a_rule_is_in_the_list_of_files(pages: ModuleType) -> None:
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    declared = {name for name in schemas.__all__ if isinstance(getattr(schemas, name), pa.Schema)}
    described = set(re.findall(r"^### `(\w+)`$", pages.tables_page(), re.MULTILINE))
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "workflow" / "rules").glob("*.smk"))

    named = set(re.findall(r"`(\w+)`", text))
    assert declared <= described and described - {"LEXICON_COLUMNS"} <= named
    tables = {f"{name}.parquet" for name in re.findall(r"/(\w+)\.parquet", rules)}
    assert tables and [name for name in sorted(tables) if name not in text] == []


def test_the_page_of_tables_has_each_column_with_what_is_said_about_it(pages: ModuleType) -> None:
    text = pages.tables_page().split("### `QUALITY`")[1].split("###")[0]

    assert "| `sentences` | int32 |  |  |" in text
    assert "| `quality` | double | ✓ | value of the sentence's class, from 3 (clean) to 0 (noise) |" in text
    assert "| `share_noise` | double | ✓ | share of the sentences in the class; " in text
    assert text.count("| double |") == len(schemas.QUALITY) - 2
