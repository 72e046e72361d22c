"""What all sections of the config have in common."""

import os
import re
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapValidator,
    model_serializer,
)
from pydantic_core import PydanticCustomError

Name = str


#: Names become parts of file names, which have at most 255 characters, and of Snakemake's wildcards.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_\-.]{0,99}$"

#: A commit of a model's repository.
COMMIT_PATTERN = r"^[0-9a-f]{40}$"

#: An English noun, perhaps of several words.
NOUN_PATTERN = r"^[A-Za-z]+([ -][A-Za-z]+)*$"

#: An ISO 639 code.
LANGUAGE_PATTERN = r"^[a-z]{2,3}$"

#: Most bytes of a file's name and of a whole path, which leaves room for the files below it.
_LONGEST_NAME, _LONGEST_PATH = 255, 3000

#: Type of the errors whose message continues "KEY is VALUE, but must be ...".
UNMET_DEMAND = "unmet_demand"


def unmet(demand: str) -> PydanticCustomError:
    """Return the error of a value that does not meet a demand, such as "a whole number of at least 1"."""
    return PydanticCustomError(UNMET_DEMAND, "{demand}", {"demand": demand})


def _local_path(path: str) -> str:
    """Expand a leading `~`, and refuse what cannot be in a path of the workflow."""
    if set(path) & set("{}"):
        raise unmet("a path without braces, which Snakemake reads as wildcards")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", path):
        raise unmet("a path without line breaks and other control characters")
    if any(len(part.encode()) > _LONGEST_NAME for part in path.split("/")) or len(path) > _LONGEST_PATH:
        raise unmet(f"a path with at most {_LONGEST_NAME} bytes from one slash to the next")
    if re.search(r"\$[A-Za-z_]", path):
        raise unmet("a path without variables such as $HOME, which the config does not replace; ~/ is the home folder")
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise unmet("a whole path or begin with ~/, because this machine has no user of that name")
    return expanded


#: A path, in which a leading `~` is the home folder.
LocalPath = Annotated[str, Field(min_length=1), AfterValidator(_local_path)]


class Section(BaseModel):
    """A part of the config. It refuses unknown keys, converts no value and cannot be changed once it is read.

    Attributes
    ----------
    LATER
        Keys that were added when there were finished studies, and whose defaults do what was done before. They are left
        out of a rule's parameters at their defaults, so that Snakemake sees no change in these studies.
    """

    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            key: value
            for key, value in written(self).items()
            if key not in self.LATER or getattr(self, key) != fields[key].default
        }

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def optional_section(annotation: Any) -> type[Section] | None:
    """Return the section of a key that is a section or null; None if the key is of another type."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Section)), None)


def plain_name(name: str) -> str:
    """Return a name without differences of case, spaces, hyphens and underscores.

    Classifiers write the names of labels in all of these ways, and some file systems do not tell cases apart.
    """
    return name.casefold().replace(" ", "_").replace("-", "_").strip("_")


def names_alike(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the first two names with the same plain form (see `plain_name`); None if there are none."""
    known: dict[str, str] = {}
    for name in names:
        former = known.setdefault(plain_name(name), name)
        if former is not name:
            return former, name
    return None


def allowed_values(section: type[Section], key: str) -> tuple[str, ...]:
    """Return the values that a section allows for a key with a fixed choice, in the order of its declaration."""
    return get_args(section.model_fields[key].annotation)


def one_of(allowed: str) -> WrapValidator:
    """Return a validator for a union of types that reports a fault once, not once for each type of the union.

    Parameters
    ----------
    allowed
        The allowed values in words, such as "all, none, or a whole number of at least 1".
    """

    def validate(value: Any, check: Callable[[Any], Any]) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise unmet(allowed) from None

    return WrapValidator(validate)
