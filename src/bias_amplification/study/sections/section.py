"""What all sections of the config have in common."""

import os
from collections.abc import Callable
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

Name = str


#: A path, in which a leading `~` is the home folder.
LocalPath = Annotated[str, AfterValidator(os.path.expanduser)]

#: Names become parts of file names and of Snakemake's wildcards.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_\-.]*$"

#: Type of the errors that `one_of` raises; their message continues "KEY is VALUE, but must be ...".
UNION_FAULT = "union_fault"


class Section(BaseModel):
    """A part of the config. It refuses unknown keys, converts no value and cannot be changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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
            raise PydanticCustomError(UNION_FAULT, "{allowed}", {"allowed": allowed}) from None

    return WrapValidator(validate)
