"""Collect the pages of the documentation site: those in docs/, and those that are made from other files.

Run it as ``python docs/pages.py FOLDER``, with ``src`` on the path; `make docs` builds the site from the folder. Links
in docs/ are those of the repository, so that they work there, too. In the folder they lead to the pages of the site.
"""

import ast
import importlib
import inspect
import posixpath
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "bias_amplification"
SCHEMAS = "bias_amplification.artifacts.schemas"

#: Files outside docs/ that are in the site: place in the site by place in the repository.
SHOWN = {
    "README.md": "index.md",
    "config/README.md": "config.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "LICENSE",
    "CITATION.cff": "CITATION.cff",
}

#: The sections of the site: heading and first sentence, and their pages in order. Every page of docs/ is in one.
SECTIONS = {
    "how-to": (
        "How to",
        "Steps for one purpose each.",
        [
            "results-page",
            "running-and-resuming",
            "one-generation",
            "own-corpus-and-model",
            "gpu",
            "larger-models",
            "bad-input",
            "storage",
            "slurm",
            "using-as-module",
            "extending",
            "sharing",
        ],
    ),
    "explanations": (
        "Explanations",
        "What is measured, and why in this way.",
        [
            "protocol",
            "strategies",
            "replicates",
            "measures",
            "ground-truth",
            "degenerate-texts",
            "diversity",
            "neurons",
            "overlap",
            "reproducibility",
            "interventions",
            "published-record",
        ],
    ),
    "studies": (
        "Studies",
        "Runs of the workflow, and what they show.",
        ["real-model", "embedded-study", "real-articles", "other-biases", "speed"],
    ),
    "reference": (
        "Reference",
        "Keys, files, columns and functions.",
        ["config", "files", "tables", "architecture", "functions", "changelog"],
    ),
}

#: Modules of the schemas, in the order of their page.
SCHEMA_MODULES = ("corpus", "versions", "diversity", "contrasts", "neurons", "interventions", "results")

_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Return the text of every page by its place in the site."""
    found = {f"docs/{file.name}": file.name for file in sorted((ROOT / "docs").glob("*.md"))} | SHOWN
    texts = {place: (ROOT / source).read_text(encoding="utf-8") for source, place in found.items()}
    texts["tables.md"] = tables_page()
    titles = {place.removesuffix(".md"): title(text) for place, text in texts.items() if place.endswith(".md")}
    for source, place in found.items():
        if place.endswith(".md"):
            texts[place] = relinked(texts[place], source, titles)
    # The start page has no list of its sections: they are in the header.
    texts["index.md"] += f"\n{_contents(['Tutorial <tutorial>', *SECTIONS], hidden=True)}"
    for name, (heading, sentence, members) in SECTIONS.items():
        entries = [f"{titles[member]} <{member}>" if member in titles else member for member in members]
        texts[f"{name}.md"] = f"# {heading}\n\n{sentence}\n\n{_contents(entries)}"
    modules = dict(parts())
    texts["functions.md"] = (
        "# Functions\n\nThe parts of the package. A part imports only from those above it.\n\n"
        + _contents([f"functions/{name}" for name in modules])
    )
    return texts | {f"functions/{name}.rst": functions_page(name, subject) for name, subject in modules.items()}


def _contents(names: Sequence[str], hidden: bool = False) -> str:
    options = ":maxdepth: 1\n" + (":hidden:\n" if hidden else "")
    return f"```{{toctree}}\n{options}\n" + "\n".join(names) + "\n```\n"


def title(text: str) -> str:
    """Return the heading of a page, up to a colon."""
    return text.partition("\n")[0].removeprefix("# ").partition(":")[0]


def relinked(text: str, source: str, titles: Mapping[str, str]) -> str:
    """Return a page with links that lead to files of the repository leading to their pages in the site.

    A link whose text is the name of a file gets the page's title in its place.

    Parameters
    ----------
    text
        The page.
    source
        Its place in the repository.
    titles
        Titles of the pages.

    Raises
    ------
    ValueError
        If a link leads to a file that is not in the site. The message names both.
    """

    def relink(found: re.Match[str]) -> str:
        if re.match(r"[a-z]+:", found[2]):
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[2]))
        if target not in SHOWN and not target.startswith("docs/"):
            raise ValueError(
                f"{source} links to {found[2]}, which is not in the site: add it to SHOWN in docs/pages.py"
            )
        place = SHOWN.get(target, target.removeprefix("docs/"))
        named = found[1].endswith(".md") and target.endswith(found[1])
        return f"[{titles[place.removesuffix('.md')] if named else found[1]}]({place}"

    return "".join(part if part.startswith("```") else _LINK.sub(relink, part) for part in _FENCE.split(text))


def parts() -> Iterator[tuple[str, str]]:
    """Yield the parts of the package with their subjects, in the order of the map for newcomers."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("| Part | Subject |\n|---|---|\n")[1].split("\n\n")[0]
    for line in table.splitlines():
        part, subject = line.strip("| ").split(" | ", 1)
        yield part.strip("`/").split("`")[0].strip("/"), subject.replace("`", "``")


def functions_page(name: str, subject: str) -> str:
    """Return the page of a part of the package: what its modules' docstrings say."""
    place = PACKAGE / name
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    lines = [name, "=" * len(name), "", f"{subject[0].upper()}{subject[1:]}.", ""]
    for module in modules:
        if (module.name == "__init__.py" and not _defines(module)) or module.parent.name == "schemas":
            continue
        path = module.relative_to(PACKAGE.parent).with_suffix("")
        dotted = ".".join(path.parts).removesuffix(".__init__")
        title = dotted.removeprefix("bias_amplification.")
        lines += [title, "-" * len(title), "", f".. automodule:: {dotted}", ""]
    return "\n".join(lines)


def _defines(module: Path) -> bool:
    """Return whether a module defines functions or classes of its own."""
    body = ast.parse(module.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)


def tables_page() -> str:
    """Return the page of the tables of a run: their columns, from the schemas and what is written above them."""
    lines = [
        "# Columns of the tables",
        "Every table of a run is a Parquet file with declared columns. [Files of a run](files.md) says which file has "
        "which schema. LABEL stands for each label of the study. A column with a mark under *Null* may be empty.",
    ]
    for name in SCHEMA_MODULES:
        module = importlib.import_module(f"{SCHEMAS}.{name}")
        # The docstring goes on with details after a colon or a full stop.
        lines.append(f"## {re.split('[:.]', inspect.getdoc(module) or name)[0]}")
        for schema_name, schema, text in schemas(module):
            lines += [f"### `{schema_name}`", *_described(schema, text)]
    return "\n\n".join(lines) + "\n"


def schemas(module: ModuleType) -> Iterator[tuple[str, pa.Schema, str]]:
    """Yield the schemas that a module declares, in its order: name, columns, and the comment or docstring."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else node
        name = getattr(target, "id", getattr(target, "name", "_"))
        value = getattr(module, name, None)
        if name.startswith("_"):
            continue
        if isinstance(value, pa.Schema):
            above = []
            for line in reversed(lines[: node.lineno - 1]):
                if not line.startswith("#:"):
                    break
                above.append(line.removeprefix("#:").removeprefix(" "))
            yield name, value, "\n".join(reversed(above))
        elif inspect.isfunction(value) and [*inspect.signature(value).parameters] == ["labels"]:
            yield name, value(["LABEL"]), inspect.getdoc(value) or ""


def _described(schema: pa.Schema, text: str) -> list[str]:
    """Return the text of a schema, and its columns as a table, with what the text says about each."""
    meanings: dict[str, str] = {}
    prose: list[str] = []
    current: list[str] = []
    for line in text.splitlines():
        first, _, rest = line.partition(" ")
        if found := re.match(r"(\w[\w*]*(?:, \w+)*) {2,}(\S.*)$", line):
            current = found[1].split(", ")
            meanings |= dict.fromkeys(current, found[2])
        elif current and line.startswith("  "):
            meanings |= {name: f"{meanings[name]} {line.strip()}" for name in current}
        elif meanings and first in schema.names:
            current, meanings[first] = [first], rest
        else:
            prose.append(line)
    rows = [
        f"| `{field.name}` | {field.type} | {'✓' if field.nullable else ''} | {_meaning(field.name, meanings)} |"
        for field in schema
    ]
    return ["\n".join(prose).strip(), "\n".join(["| Column | Type | Null | Meaning |", "|---|---|---|---|", *rows])]


def _meaning(column: str, meanings: dict[str, str]) -> str:
    """Return what is said about a column, by its name or by a pattern with a star."""
    if column in meanings:
        return meanings[column]
    if column.endswith(("_low", "_high")):
        return "lower end of the interval" if column.endswith("_low") else "upper end of the interval"
    fitting = (words for name, words in meanings.items() if re.fullmatch(name.replace("*", r"\w+"), column))
    return next(fitting, "")


def write_pages(folder: Path) -> None:
    """Write all pages and images into a folder, and remove pages that are there from before."""
    texts = pages()
    for old in (file for ending in ("md", "rst") for file in folder.rglob(f"*.{ending}")):
        if old.relative_to(folder).as_posix() not in texts:
            old.unlink()
    for name, text in texts.items():
        file = folder / name
        # Sphinx builds a page again if its file is newer than before.
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "images", folder / "images", dirs_exist_ok=True)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
