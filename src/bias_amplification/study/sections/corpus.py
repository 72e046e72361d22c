"""The corpus and the seed sets that are drawn from it."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from bias_amplification.artifacts.schemas import ARTICLES, metrics
from bias_amplification.study.sections.section import (
    LANGUAGE_PATTERN,
    NAME_PATTERN,
    NOUN_PATTERN,
    LocalPath,
    Name,
    Section,
    names_alike,
    one_of,
    unmet,
)

#: Words for separators, which show a tab better than the character itself.
_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "vertical bar": "|", "pipe": "|"}

#: Keys that say which file is the corpus and how it is read.
_FILE_KEYS = ("path", "columns", "separator", "quoting", "encoding", "url", "checksum")
#: Fields that articles may have besides label and body.
_FIELDS = ("event_id", "outlet", "date", "title")


class Source(NamedTuple):
    """A source of articles."""

    description: str
    reads: tuple[str, ...] = ("path", "encoding")
    """Those of `_FILE_KEYS` that it reads. The others are refused: another corpus would be used all the same."""
    fields: tuple[str, ...] = ()
    """Those of `_FIELDS` that its articles have. For a table, `columns` names them."""

    @property
    def published(self) -> bool:
        """Whether it is downloaded from an address if there is no local copy."""
        return "url" in self.reads


#: All sources by name. Each but the press has a module of its name in `corpus.readers`. A published source has one
#: form, so that another file is refused when it is read. docs/extending.md shows how to add a source.
SOURCES = {
    "press": Source("the embedded press", (), _FIELDS),
    "webis": Source("Webis-Bias-Flipper-18", _FILE_KEYS, _FIELDS),
    "article_bias_prediction": Source("the corpus of Baly et al. (2020)", _FILE_KEYS, _FIELDS),
    "bold": Source(
        "the sentences of BOLD (Dhamala et al. 2021), whose groups are the label values", _FILE_KEYS, ("event_id",)
    ),
    "table": Source(
        "any CSV, TSV, JSON or Parquet file, or a folder of such files",
        ("path", "columns", "separator", "quoting", "encoding"),
    ),
}


def _separator(text: str) -> str:
    """Return the separator that a character or a word names."""
    separator = _SEPARATORS.get(text.lower(), text)
    if len(separator) != 1:
        raise unmet("one character, or one of the words tab, comma, semicolon and vertical bar")
    return separator


def _language(code: str) -> str:
    """Return the two-letter code of a language, if it has one, and check that the code is a language's.

    langcodes has the codes of ISO 639 and their replacements from the registry of language tags (BCP 47) and from CLDR.
    """
    # Imported only here: loading its tables takes 0.05 seconds, and most configs do not name a language.
    import langcodes
    from langcodes.data_dicts import LIKELY_SUBTAGS

    if not langcodes.tag_is_valid(code):
        spoken = LIKELY_SUBTAGS.get(f"und-{code.upper()}", "").partition("-")[0]
        example = f"{spoken} ({code} is the code of a country)" if spoken else "en"
        raise unmet(f"an ISO 639 code of a language, such as {example}")
    short = langcodes.standardize_tag(code, macro=True).partition("-")[0]
    return short if len(short) == 2 else code


#: A value as the config writes it: the label 1 may be written 1 or '1'.
Value = str | int | bool


def _without_nulls(conditions: dict[str, Any]) -> dict[str, Any]:
    """Leave out the conditions that a config file has removed."""
    return {column: value for column, value in conditions.items() if value is not None}


class Cleaning(Section):
    """Which articles are kept."""

    min_words: int = Field(
        20,
        ge=1,
        description="Fewest words in an article's body. Shorter articles are left out and counted in the cleaning "
        "table.",
    )
    most_lost: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest share of the source's rows that may be left out, be mended (mojibake), or have lost "
        "characters (U+FFFD). The run stops if it is larger, because the file was then probably read in a wrong way. "
        "Rows that `label_map` leaves out do not count.",
    )


class Identity(Section):
    """Removal of text that reveals an article's outlet or author."""

    remove: bool = Field(True, description="Remove outlet names, bylines, wire credits and author notes.")
    review_file: LocalPath | None = Field(
        None,
        description="A reviewed copy of `corpus/review.csv`. Its decisions (accept, reject, added rows) are applied "
        "instead of the automatic proposals.",
    )
    outlets_file: LocalPath | None = Field(
        None, description="A CSV with outlet names to remove in addition to those of the shipped list."
    )


class Press(Section):
    """Size of the embedded press, the synthetic news corpus that comes with the project."""

    events: int = Field(1400, ge=10, description="Number of news events. Several outlets report each event.")


class Corpus(Section):
    """Where the real articles come from, and which labels they have."""

    source: Literal[tuple(SOURCES)] = Field(
        "press", description=" ".join(f"`{name}`: {source.description}." for name, source in SOURCES.items())
    )
    path: LocalPath | None = Field(
        None,
        description="Local file or folder of the source. null downloads a published source from `url`. `table` "
        "and other sources without an address need a path.",
    )
    separator: Annotated[str, Field(min_length=1), AfterValidator(_separator)] | None = Field(
        None,
        description="For `table`: the character between the fields of a CSV, or its name: comma, semicolon, tab or "
        "vertical bar. null: found out from the file, among these four.",
    )
    quoting: Literal["double", "backslash", "none"] | None = Field(
        None,
        description="For `table`: how a CSV writes separators and quotes within a field. `double`: the field is in "
        "double quotes, and quotes within it are doubled. `backslash`: a backslash stands before them. `none`: not at "
        "all, and quotes are part of the text. null: found out from the file; it is an error if several are possible.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of the source's text files, such as cp1252 or gb18030. null: UTF-8, or UTF-16 and UTF-32 "
        "with a byte order mark.",
    )
    language: Annotated[str, Field(pattern=LANGUAGE_PATTERN), AfterValidator(_language)] = Field(
        "en",
        description="Language of the articles, as an ISO 639 code (en, de, ru, zh, ar, hi). It decides how words are "
        "counted and how a text is cut into sentences.",
    )
    url: str | None = Field(
        None, description="Address of the archive; null: the address where the source is published."
    )
    checksum: str | None = Field(
        None, description="Expected checksum of the archive at `url`, as `md5:...` or `sha256:...`; null: not checked."
    )
    unit: str = Field(
        "article",
        pattern=NOUN_PATTERN,
        max_length=40,
        description="What one text of the corpus is called, as an English noun in the singular: article, post, review. "
        "Axes, captions, tables and pages use this word, with its regular plural.",
    )
    columns: dict[str, str | None] = Field(
        default_factory=dict,
        description="For `table`: the file's column for each of article_id, event_id, outlet, date, title, body and "
        "label. Leave out a field that the file does not have, or give it null. Empty: the file's columns have these "
        "names. One column may be named for both title and body.",
    )
    label_map: dict[str, str | None] = Field(
        default_factory=dict,
        description="The study's label for each label value of the source. Articles whose value maps to null are left "
        "out, and of `bold` also those whose value is not named. Empty: the source's values are the study's labels.",
    )
    where: Annotated[
        dict[
            str,
            Annotated[
                Value | Annotated[list[Value], Field(min_length=1)] | None, one_of("a value or a list of values")
            ],
        ],
        AfterValidator(_without_nulls),
    ] = Field(
        default_factory=dict,
        description="The rows that are read: those with the given value, or one of the given values, in each of these "
        "columns. `{split: train}` reads the training rows alone. For `table`: any columns of the file. For the other "
        "sources: article_id, event_id, outlet, date, title, body and label (the study's). An empty text chooses rows "
        "without a value; null removes the condition of another config file.",
    )
    sample: int | None = Field(
        None,
        ge=1,
        description="Number of articles, drawn at random after cleaning; null: all. Labels keep their shares, but each "
        "has at least as many articles as the rounds take, and as many again for the classifier. A larger sample of "
        "the same seed has nearly all articles of a smaller one.",
    )
    labels: list[Annotated[Name, Field(pattern=NAME_PATTERN)]] = Field(
        ["left", "center", "right"], min_length=2, description="The study's labels."
    )
    cleaning: Cleaning = Cleaning()
    identity: Identity = Identity()
    press: Press = Press()

    def has(self, field: str) -> bool | None:
        """Return whether the articles have a field such as "title" or "outlet".

        None: the file decides, because `columns` is empty.
        """
        if self.source != "table":
            return field in SOURCES[self.source].fields
        return bool(self.columns.get(field)) if self.columns else None

    @model_validator(mode="after")
    def _check_source(self) -> "Corpus":
        """Check that the source reads every key that names a corpus."""
        for key in (key for key in _FILE_KEYS if key not in SOURCES[self.source].reads):
            value = getattr(self, key)
            # An overlay cannot remove another study's columns. It can set them to null.
            if value is not None and (key != "columns" or any(self.columns.values())):
                *others, last = [name for name, source in SOURCES.items() if source.published]
                meant = "table" if key in SOURCES["table"].reads else f"{', '.join(others)} or {last}"
                raise ValueError(
                    f"corpus.{key} is set, but corpus.source is {self.source}, which does not read it: set "
                    f"corpus.source to {meant}, or remove corpus.{key}"
                )
        return self

    @model_validator(mode="after")
    def _check(self) -> "Corpus":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("corpus.labels has a label twice: remove one")
        if alike := names_alike(self.labels):
            raise ValueError(
                f"corpus.labels has {alike[0]} and {alike[1]}, which a classifier's config does not tell apart: rename "
                "one, and map the source's values to both in corpus.label_map"
            )
        _check_columns(self.labels)
        unknown = sorted({label for label in self.label_map.values() if label is not None} - set(self.labels))
        if unknown:
            raise ValueError(
                f"corpus.label_map maps to {unknown[0]!r}, which is not in corpus.labels: add it there, or map to one "
                f"of {', '.join(self.labels)}"
            )
        unknown = [] if self.source == "table" else sorted(set(self.where) - set(ARTICLES.names))
        if unknown:
            raise ValueError(
                f"corpus.where has the key {unknown[0]!r}, which is no field of an article of source {self.source}: "
                f"use one of {', '.join(ARTICLES.names)}"
            )
        if SOURCES[self.source].published and not self.label_map:
            raise ValueError(
                f"corpus.label_map is empty: map the labels of source {self.source} to the labels of the study"
            )
        if self.path is None and self.source != "press" and not SOURCES[self.source].published:
            raise ValueError(f"corpus.path is missing for corpus.source {self.source}: name its file or folder")
        return self


def _check_columns(labels: list[str]) -> None:
    """Check that no two labels have the same column in the metrics table, as left and left_low would."""
    owners: dict[str, str] = {}
    for label in labels:
        for column in set(metrics([label]).names) - set(metrics([]).names):
            other = owners.setdefault(column, label)
            if other != label:
                raise ValueError(
                    f"corpus.labels has {other} and {label}, which would have the same column in the metrics table "
                    f"({column}): rename one, and map the source's values to both in corpus.label_map"
                )


class SeedSet(Section):
    """The real articles that a round starts from."""

    name: Name = Field(pattern=NAME_PATTERN, description="The seed set's name, used in file names and in `rounds`.")
    labels: list[Name] = Field(
        min_length=1, description="Labels of its articles. Each label has the same number of articles."
    )
    size: int = Field(
        gt=0, description="Number of articles. A seed set with one label may be smaller if the corpus has fewer."
    )
    draw: Literal["shuffled", "pandas"] = Field(
        "shuffled",
        description="How articles are drawn. `shuffled`: from the start of one random order of each label's articles, "
        "which does not depend on the order in the file; seed sets overlap as much as possible. `pandas`: as in the "
        "published code, each label with `DataFrame.sample` and `random_state` set to the study's `seed`, then all "
        "articles shuffled in the same way.",
    )
    shared_with_classifier: bool = Field(
        False,
        description="Whether the classifier may be trained on the seed set's articles, as in the published center "
        "set. If so, it judges texts whose prompts it was trained on.",
    )

    @model_validator(mode="after")
    def _check(self) -> "SeedSet":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"seed_sets {self.name}: labels has a label twice: remove one")
        if self.size % len(self.labels):
            raise ValueError(
                f"seed_sets {self.name}: size is {self.size}, but must be a multiple of {len(self.labels)}, the number "
                "of its labels"
            )
        return self
