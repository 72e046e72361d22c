"""An entry of the catalogue: a figure, a table or a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from bias_amplification.published.comparable import published_file
from bias_amplification.study.unit import with_unit

#: The function that draws trajectories.
TRAJECTORIES = "figures.trajectories:write_trajectories"


class Kind(NamedTuple):
    """A kind of entries: the folder of their files below the results, and the endings of the files."""

    folder: str
    endings: tuple[str, ...]


KINDS = {
    "figure": Kind("figures", ("png", "svg", "pdf")),
    "table": Kind("tables", ("csv", "html")),
    "page": Kind("figures", ("html",)),
}


class Facts(NamedTuple):
    """Everything in an entry that depends on the study."""

    words: Mapping[str, Any]
    """Values for the fields in braces of titles and captions."""
    files: Mapping[str, str | Sequence[str]]
    """Files below the results folder, by a name for `Entry.inputs`."""
    arguments: Mapping[str, Any]
    """Arguments of functions, by the name of the parameter, as plain values."""
    unit: str
    """The study's word for an article (`corpus.unit`)."""
    comparable: bool
    """Whether the study has published counterparts. Only then do titles have the paper's numbers of figures."""


@dataclass(frozen=True)
class Entry:
    """A figure, a table or a page.

    The entries in `entries.py` are declarations, which `filled` completes for a study.
    """

    name: str
    """Name of its files, without their endings."""
    group: str
    """The section of the page of results that it is in."""
    title: str
    """Title, about articles; may have fields in braces for `Facts.words`."""
    caption: str
    """Caption, about articles; may have fields in braces for `Facts.words`."""
    function: str
    """The function that makes it, as "module:name"."""
    inputs: Mapping[str, str | Sequence[str]]
    """Files that the function reads, by parameter: paths below the results folder, or names in `Facts.files`."""
    kind: str = "figure"
    """One of `KINDS`."""
    number: str = ""
    """Its number in the paper, such as "Figure 2"."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the function."""
    study_arguments: tuple[str, ...] = ()
    """Names of further arguments that depend on the study (`Facts.arguments`)."""
    only: str = ""
    """Studies that have it, if not all do: those with several "replicates" of a round, with "published" counterparts,
    with articles of the embedded "press", with other articles, which may have "topics", or with "interventions"."""
    numbers: str = ""
    """Name of the table with the numbers that a figure shows, if there is one."""
    published: Mapping[str, str] = field(default_factory=dict)
    """Files of `resources/published` that the function reads, by parameter."""

    def filled(self, facts: Facts) -> "Entry":
        """Return the entry with everything that depends on the study filled in."""
        title, caption = (with_unit(text, facts.unit).format(**facts.words) for text in (self.title, self.caption))
        return replace(
            self,
            group=with_unit(self.group, facts.unit),
            title=numbered(self.number if facts.comparable else "", title) if self.number else title,
            caption=caption,
            inputs={parameter: facts.files.get(files, files) for parameter, files in self.inputs.items()},
            arguments={**self.arguments, **{name: facts.arguments[name] for name in self.study_arguments}},
            study_arguments=(),
            published=self.published if facts.comparable else {},
        )

    def chart(self) -> dict[str, Any] | None:
        """Return what a figure of trajectories shows, for the chart of the page; None for everything else."""
        if self.function != TRAJECTORIES:
            return None
        return {name: self.arguments.get(name) for name in ("columns", "rounds", "published_rounds")}

    def files(self, results: str) -> list[str]:
        """Return the paths of its files."""
        folder, endings = KINDS[self.kind]
        return [f"{results}/{folder}/{self.name}.{ending}" for ending in endings]

    def sources(self, results: str) -> dict[str, str | list[str]]:
        """Return the paths of the results that it is made from, by parameter."""
        return {
            parameter: f"{results}/{files}" if isinstance(files, str) else [f"{results}/{file}" for file in files]
            for parameter, files in self.inputs.items()
        }

    def published_sources(self) -> dict[str, str]:
        """Return the paths of the published results that it is made from, by parameter."""
        return {parameter: published_file(name) for parameter, name in self.published.items()}


def numbered(number: str, title: str) -> str:
    """Return a title after its number in the paper, "Figure 2: bias"; without a number, it begins with a capital."""
    return f"{number}: {title}" if number else title[0].upper() + title[1:]
