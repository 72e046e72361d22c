"""Check that the press's resource files have all keys and that all their slots can be filled."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.press.slots import (
    FACT_SLOTS,
    LABELS,
    MARK_SLOTS,
    PEOPLE_SLOTS,
    POLICY_SLOTS,
    SIDE_SLOTS,
    SIDES,
    SLOT,
    TOPIC_SLOTS,
)

_STANCES = ("for", "against")
_COUNTRY_LISTS = ("towns", "provinces", "courts", "pollsters", "universities", "activist_titles", "weekdays", "months")
#: Keys of slant.yaml and the length of their lists of numbers; 0 means a single number.
_SLANT = {"strength": 2, "own_voice": 2, "own_voice_center": 2, "rest_to_center": 0, "tilt": 2, "identified": 0}
_SLANT |= {"body_words": 2, "body_limits": 2, "title_limits": 2}
#: Roles of sentences that the outlines may contain.
_ROLES = ("lead", "frame", "quote", "detail", "point", "background", "counter", "fact")


def check_press(content: Mapping[str, Any], resources: Path) -> None:
    """Check the content of all files.

    Parameters
    ----------
    content
        Content of the YAML files, by file name without ending; `topics` has one entry per topic.
    resources
        Their folder, for messages.

    Raises
    ------
    StudyError
        At the first error, with the file and the key.
    """
    _check_country(content["country"], resources / "country.yaml")
    _check_numbers(content["numbers"], resources / "numbers.yaml")
    _check_slant(content["slant"], resources / "slant.yaml")
    _check_outlets(content["outlets"], resources / "outlets.yaml")
    numbers = {*content["numbers"]["scales"], *content["numbers"]["shared"]}
    facts = FACT_SLOTS | numbers
    _check_words(content["words"], resources / "words.yaml", facts)
    plain = facts | PEOPLE_SLOTS | TOPIC_SLOTS | POLICY_SLOTS | {*content["words"]}
    _check_sentences(content["sentences"], resources / "sentences.yaml", plain)
    _check_kinds(content["kinds"], resources / "kinds.yaml", plain)
    _check_sided(content["titles"], resources / "titles.yaml", "", plain | SIDE_SLOTS)
    _check_outlines(content["outlines"], resources / "outlines.yaml")
    for name, topic in content["topics"].items():
        _check_topic(topic, resources / "topics" / f"{name}.yaml", plain, facts)


def _require(content: Any, keys: Collection[str], path: Path, place: str = "") -> None:
    """Raise an error unless the content is a mapping with these keys."""
    where = f"{path}: {place}" if place else f"{path}"
    if not isinstance(content, dict) or not content:
        raise StudyError(f"{where} must hold keys with values: restore it from the repository.")
    for key in keys:
        if key not in content:
            raise StudyError(f"{where} lacks the key {key}: add it.")


def _require_texts(options: Any, path: Path, place: str, known: Collection[str] = ()) -> None:
    """Raise an error unless the options are a list of texts whose slots are all known."""
    if not isinstance(options, list) or not options:
        raise StudyError(f"{path}: {place} must be a list of at least one text: add one.")
    for number, text in enumerate(options):
        if not isinstance(text, str) or not text.strip():
            raise StudyError(f"{path}: {place}[{number}] is {text!r}, not a text: put it in quotes.")
        for slot in SLOT.findall(text):
            if slot not in known:
                raise StudyError(
                    f"{path}: {place}[{number}] has the slot {{{slot}}}, which cannot be filled there: correct it."
                )
        if not text.count("{") == text.count("}") == len(SLOT.findall(text)):
            raise StudyError(f"{path}: {place}[{number}] has an unpaired brace: close it.")


def _variants(entry: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield all lists in an entry, each with its place. An entry is a list or a nested mapping of lists."""
    if isinstance(entry, dict):
        for key, value in entry.items():
            yield from _variants(value, f"{place}.{key}")
    else:
        yield place, entry


def _check_country(country: Any, path: Path) -> None:
    texts = ("given_names", "surnames", *_COUNTRY_LISTS)
    _require(country, ("capital", "country", "first_day", "days", "chambers", *texts), path)
    for key in texts:
        _require_texts(country[key], path, key)
    _require(country, ("parties", "groups", "local_titles"), path)
    _require(country["chambers"], (), path, "chambers")
    for key in ("parties", "groups", "local_titles"):
        _require(country[key], SIDES, path, key)
    for side in SIDES:
        _require_texts(country["groups"][side], path, f"groups.{side}")
        _require_texts(country["local_titles"][side], path, f"local_titles.{side}")
    for key, length in (("weekdays", 5), ("months", 12)):
        if len(country[key]) != length:
            raise StudyError(f"{path}: {key} has {len(country[key])} entries: give it {length}.")
    if len(country["surnames"]) < 8:
        raise StudyError(f"{path}: surnames has {len(country['surnames'])} entries: an event needs at least 8.")
    if not isinstance(country["first_day"], date) or not isinstance(country["days"], int):
        raise StudyError(f"{path}: first_day must be a date such as 2015-01-05 and days a whole number: correct them.")


def _check_numbers(numbers: Any, path: Path) -> None:
    _require(numbers, ("scales", "shared"), path)
    _require(numbers["scales"], (), path, "scales")
    _require(numbers["shared"], (), path, "shared")
    for name, scale in numbers["scales"].items():
        _require(scale, ("words",) if "words" in (scale or ()) else ("from", "to", "step"), path, f"scales.{name}")
        if "words" in scale:
            _require_texts(scale["words"], path, f"scales.{name}.words")
        elif not all(isinstance(scale[key], int) for key in ("from", "to", "step")) or not (
            scale["from"] <= scale["to"] and scale["step"] > 0
        ):
            raise StudyError(f"{path}: scales.{name} needs whole numbers with from <= to and step > 0: correct it.")
    for name, scale in numbers["shared"].items():
        if scale not in numbers["scales"]:
            raise StudyError(f"{path}: shared.{name} has the unknown scale {scale}: add it under scales.")


def _check_slant(slant: Any, path: Path) -> None:
    _require(slant, _SLANT, path)
    for key, length in _SLANT.items():
        values = slant[key] if length else [slant[key]]
        numeric = isinstance(values, list) and all(isinstance(value, int | float) for value in values)
        if not numeric or len(values) != (length or 1):
            raise StudyError(f"{path}: {key} must be {'two numbers' if length else 'a number'}: correct it.")
        if key in ("own_voice", "own_voice_center", "rest_to_center", "identified") and not all(
            0 <= value <= 1 for value in values
        ):
            raise StudyError(f"{path}: {key} is a probability: keep it between 0 and 1.")


def _check_outlets(outlets: Any, path: Path) -> None:
    _require(outlets, ("outlets", "phrase_share", "marks", "wires"), path)
    _require_texts(outlets["wires"], path, "wires")
    _require(outlets["marks"], ("byline", "dateline", "told", "closing"), path, "marks")
    for place, options in _variants(outlets["marks"], "marks"):
        _require_texts(options, path, place, MARK_SLOTS)
    names = []
    for number, outlet in enumerate(outlets["outlets"] or ()):
        _require(outlet, ("name", "leaning", "phrases", "writers"), path, f"outlets[{number}]")
        _require_texts(outlet["phrases"], path, f"outlets[{number}].phrases")
        _require_texts(outlet["writers"], path, f"outlets[{number}].writers")
        if outlet["leaning"] not in LABELS:
            raise StudyError(
                f"{path}: the leaning of {outlet['name']} is {outlet['leaning']!r}: use one of {', '.join(LABELS)}."
            )
        if outlet["name"] in names:
            raise StudyError(f"{path}: two outlets have the name {outlet['name']}: rename one.")
        names.append(outlet["name"])
    for label in LABELS:
        if not any(outlet["leaning"] == label for outlet in outlets["outlets"] or ()):
            raise StudyError(f"{path}: no outlet has the leaning {label}: add one.")


def _check_words(words: Any, path: Path, facts: Collection[str]) -> None:
    _require(words, ("said",), path)
    for name, entry in words.items():
        if isinstance(entry, dict):
            _require(entry, LABELS, path, name)
        for place, options in _variants(entry, name):
            _require_texts(options, path, place, facts)
        for side in SIDES:
            if isinstance(entry, dict) and isinstance(entry[side], dict):
                _require(entry[side], _STANCES, path, f"{name}.{side}")


def _check_sided(entry: Any, path: Path, place: str, known: Collection[str]) -> None:
    """Check sentences with a side: those of either side and those of each side, by stance."""
    _require(entry, ("either", *SIDES), path, place)
    for owner in ("either", *SIDES):
        here = f"{place}.{owner}" if place else owner
        _require(entry[owner], _STANCES, path, here)
        for stance in _STANCES:
            _require_texts(entry[owner][stance], path, f"{here}.{stance}", known)


def _check_sentences(sentences: Any, path: Path, plain: Collection[str]) -> None:
    _require(sentences, ("frame", "quote", "counter", "close", "background"), path)
    _require_texts(sentences["background"], path, "background", plain)
    for role in ("frame", "quote", "counter", "close"):
        _check_sided(sentences[role], path, role, plain | SIDE_SLOTS)
        _require(sentences[role], ("center",), path, role)
        _require_texts(sentences[role]["center"], path, f"{role}.center", plain)


def _check_kinds(kinds: Any, path: Path, plain: Collection[str]) -> None:
    _require(kinds, (), path)
    for kind, parts in kinds.items():
        _require(parts, ("lead", "detail", "outlook", "title"), path, kind)
        for place, options in _variants(parts, kind):
            _require_texts(options, path, place, plain)


def _check_outlines(outlines: Any, path: Path) -> None:
    _require(outlines, ("outlines", "outlook_share"), path)
    _require(outlines["outlines"], LABELS, path, "outlines")
    for place, options in _variants(outlines["outlines"], "outlines"):
        _require_texts(options, path, place)
        for number, outline in enumerate(options):
            unknown = [role for role in outline.split() if role != "|" and role not in _ROLES]
            if unknown:
                raise StudyError(
                    f"{path}: {place}[{number}] has the unknown role {unknown[0]}: use {', '.join(_ROLES)}."
                )


def _check_topic(topic: Any, path: Path, plain: Collection[str], facts: Collection[str]) -> None:
    _require(topic, ("subject", "group", "agency", "expert", "facts", "points", "pleas", "policies"), path)
    for key in sorted(TOPIC_SLOTS):
        _require(topic[key], LABELS, path, key)
        for place, options in _variants(topic[key], key):
            _require_texts(options, path, place, facts)
    _require_texts(topic["facts"], path, "facts", plain)
    _require(topic["points"], LABELS, path, "points")
    _require(topic["pleas"], SIDES, path, "pleas")
    for label in LABELS:
        _require_texts(topic["points"][label], path, f"points.{label}", plain)
    for side in SIDES:
        _require_texts(topic["pleas"][side], path, f"pleas.{side}", plain | SIDE_SLOTS)
    if not isinstance(topic["policies"], list) or not topic["policies"]:
        raise StudyError(f"{path}: policies must be a list of at least one bill: add one.")
    for number, policy in enumerate(topic["policies"]):
        here = f"policies[{number}]"
        _require(policy, ("name", "sponsor", "aim", "gain", "harm"), path, here)
        if policy["sponsor"] not in SIDES:
            raise StudyError(f"{path}: the sponsor of {policy['name']} is {policy['sponsor']!r}: use left or right.")
        _require(policy["aim"], LABELS, path, f"{here}.aim")
        for key in sorted(POLICY_SLOTS):
            for place, options in _variants(policy[key], f"{here}.{key}"):
                _require_texts(options, path, place, facts)
