"""Entries of a model's config.json: whether they have the types and sizes that its weights and transformers ask for.

PyTorch is not needed. The types are read from the source of transformers' config classes, because importing one of them
takes seconds.
"""

import ast
import importlib.util
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bias_amplification.artifacts import StudyError
from bias_amplification.models.folders import SHAPE_NAMES

#: Entries that this package reads of every model, with their types.
_COMMON = {
    "architectures": "list[str] | None",
    "is_decoder": "bool | None",
    "is_encoder_decoder": "bool | None",
    "tie_word_embeddings": "bool | None",
    "eos_token_id": "int | list[int] | None",
    "bos_token_id": "int | None",
    "pad_token_id": "int | None",
    "id2label": "dict | None",
    "label2id": "dict | None",
    "text_config": "dict | None",
}

#: The types in words.
_WORDS = {
    "int": "a whole number",
    "float": "a number with a decimal point",
    "str": "text",
    "bool": "true or false",
    "None": "null",
    "list": "a list",
    "tuple": "a list",
    "dict": "a map",
}

#: Names of the width of the feed-forward network; they differ by architecture.
_INNER_NAMES = ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim")

#: Names of sizes, which are more than 0.
_SIZES = (*(name for names in SHAPE_NAMES for name in names), *_INNER_NAMES, "num_key_value_heads", "head_dim")

#: Names of the activation function; they differ by architecture.
_ACTIVATION_NAMES = ("activation_function", "hidden_act", "hidden_activation", "activation")

#: Tensors that some releases of transformers saved, and that are computed anew: masks, positions and frequencies.
BUFFERS = re.compile(r"(^|\.)(attn|attention|self_attn)\.(masked_)?bias$|(^|\.)position_ids$|\binv_freq$")

#: Names of the weights of adapters, which change a model only after they are merged into it.
ADAPTERS = re.compile(r"(^|[._])(lora|adalora|loha|lokr|hada|oft|boft|vera)_|\.modules_to_save\.|(^|\.)adapters?\.")

#: Precisions of weights that can be trained, and of tables of positions and masks, as safetensors names them.
_PRECISIONS = frozenset({"F64", "F32", "F16", "BF16", "I64", "BOOL"})


def check_entries(content: Mapping[str, Any], key: str, name: str, file: str = "config.json") -> None:
    """Check the entries of config.json, or of generation_config.json, by themselves.

    Parameters
    ----------
    content
        The file's content, or its part about the text model.
    key
        The config key that names the model.
    name
        The model in words.
    file
        The file's name.

    Raises
    ------
    StudyError
        If an entry has another type than transformers declares, or is a size of 0, or an unknown activation function.
    """
    kind = content.get("model_type")
    declared = declared_types(kind) if isinstance(kind, str) else {}
    # transformers takes only models of several parts, such as images and texts, apart.
    types = _COMMON | ({"text_config": "None"} if declared else {}) | declared

    def refuse(entry: str, wanted: str) -> StudyError:
        found = json.dumps(content[entry], ensure_ascii=False)
        return StudyError(
            f"{name} has {found if len(found) < 60 else found[:60] + '…'} as {entry} in {file}, but this must be "
            f"{wanted}: correct the entry, or give {key} another model."
        )

    for entry, value in content.items():
        if entry in types and not _fits(value, wanted := ast.parse(types[entry], mode="eval").body):
            raise refuse(entry, _in_words(wanted))
        if isinstance(value, float) and not math.isfinite(value):
            raise refuse(entry, "a finite number")
        if entry in _SIZES and (type(value) is float or (type(value) is int and value < 1)):
            raise refuse(entry, "a whole number of at least 1")
        if entry in _ACTIVATION_NAMES and isinstance(value, str) and value not in (activations() or [value]):
            raise refuse(entry, "the name of an activation function that transformers has, such as gelu")


def _stated(config: Mapping[str, Any], names: tuple[str, ...]) -> tuple[int | None, str]:
    """Return a size and the entry that states it; None if no entry does."""
    return next(((config[entry], entry) for entry in names if type(config.get(entry)) is int), (None, ""))


def _fits(value: Any, declared: ast.expr) -> bool:
    """Return whether a value of JSON has a declared type; True for a type that is not known here."""
    match declared:
        case ast.BinOp(left, ast.BitOr(), right):
            return _fits(value, left) or _fits(value, right)
        case ast.Constant(None):
            return value is None
        case ast.Name("int"):
            return type(value) is int
        case ast.Name("float"):
            return type(value) is float
        case ast.Name("str"):
            return isinstance(value, str)
        case ast.Name("bool"):
            return isinstance(value, bool)
        case ast.Name("list") | ast.Name("tuple"):
            return isinstance(value, list)
        case ast.Name("dict"):
            return isinstance(value, dict)
        case ast.Subscript(ast.Name("list"), one):
            return isinstance(value, list) and all(_fits(item, one) for item in value)
        case ast.Subscript(ast.Name("tuple")):
            return isinstance(value, list)
        case ast.Subscript(ast.Name("dict")):
            return isinstance(value, dict)
    return True


def _in_words(declared: ast.expr) -> str:
    match declared:
        case ast.BinOp(left, ast.BitOr(), right):
            return f"{_in_words(left)} or {_in_words(right)}"
        case ast.Subscript(ast.Name("list"), one):
            return {"int": "a list of whole numbers", "str": "a list of texts"}.get(ast.unparse(one), "a list")
        case ast.Subscript(kind):
            return _in_words(kind)
    return _WORDS.get(ast.unparse(declared), ast.unparse(declared))


@cache
def declared_types(kind: str) -> Mapping[str, str]:
    """Return the types of the entries of a model type's config.json, as transformers' class declares them.

    Parameters
    ----------
    kind
        `model_type` of config.json.

    Returns
    -------
    Mapping
        From names of entries to annotations such as "int | None". Empty if the class is not found.
    """
    folder = kind.replace("-", "_")
    if not folder.isidentifier():
        return {}
    for file in _sources(f"models/{folder}/configuration_*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and _constant(node, "model_type") == kind:
                types = {
                    one.target.id: ast.unparse(one.annotation)
                    for one in node.body
                    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
                }
                # Some entries have a second name, which all model types share.
                others = _constant(node, "attribute_map") or {}
                return {other: types[own] for other, own in others.items() if own in types} | types
    return {}


@cache
def activations() -> frozenset[str]:
    """Return the names of the activation functions that transformers has (`ACT2FN`); empty if they are not found."""
    for node in (node for file in _sources("activations.py") for node in ast.parse(file.read_text("utf-8")).body):
        match node:
            case ast.Assign([ast.Name("ACT2CLS")], ast.Dict(keys)):
                return frozenset(key.value for key in keys if isinstance(key, ast.Constant))
    return frozenset()


def _sources(pattern: str) -> Iterator[Path]:
    """Yield source files of the installed transformers."""
    found = importlib.util.find_spec("transformers")
    for place in (found and found.submodule_search_locations) or ():
        yield from sorted(Path(place).glob(pattern))


def _constant(node: ast.ClassDef, name: str) -> Any:
    """Return the value of a class attribute that the source writes out; None if there is none."""
    for one in node.body:
        if isinstance(one, ast.Assign) and [ast.unparse(target) for target in one.targets] == [name]:
            try:
                return ast.literal_eval(one.value)
            except ValueError:
                return None
    return None


def check_plain(tensors: Mapping[str, Mapping[str, Any]], key: str, name: str) -> None:
    """Check that weights are those of a plain model, without an adapter and not quantised.

    The parameters are those of `check_sizes`.

    Raises
    ------
    StudyError
        Naming the weight and the remedy.
    """
    for weight, entry in tensors.items():
        if ADAPTERS.search(weight):
            raise StudyError(
                f"{name} has weights of an adapter ({weight}), which would not be used: merge the adapter into the "
                f"model with peft's merge_and_unload, save the result, and name that folder in {key}."
            )
        if len(entry["shape"]) > 1 and entry["dtype"] not in _PRECISIONS and not BUFFERS.search(weight):
            raise StudyError(
                f"{name} is quantised ({weight} is stored as {entry['dtype']}), and such weights cannot be trained: "
                f"give {key} the model in float32, float16 or bfloat16."
            )


def check_sizes(config: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Any]], key: str, name: str) -> None:
    """Check that weights have the sizes in config.json, as far as a few of them tell.

    Loading compares every weight.

    Parameters
    ----------
    config
        Content of config.json.
    tensors
        From the names of the weights to their entries in the files' headers.
    key
        The config key that names the model.
    name
        The model in words.

    Raises
    ------
    StudyError
        If heads do not divide the width, if a size occurs in no weight, or if the weights have more layers than
        config.json.
    """
    (width, _), (heads, entry) = (_stated(config, names) for names in SHAPE_NAMES[1:3])
    # Where heads have a width of their own, it does not follow from that of the hidden state.
    own_width = "head_dim" in config or "head_dim" in declared_types(str(config.get("model_type")))
    if width and heads and width % heads and not own_width:
        raise StudyError(
            f"{name} has {entry} {heads} in config.json, which does not divide its width {width}: give {key} the "
            "config.json that belongs to the weights."
        )
    if not tensors:
        return
    sizes = {size for entry in tensors.values() for size in entry["shape"]}
    # Some architectures have two matrices of the feed-forward network in one weight.
    for what, names, factors in (
        ("width", SHAPE_NAMES[1], (1,)),
        ("width of the feed-forward network", _INNER_NAMES, (1, 2)),
    ):
        size, entry = _stated(config, names)
        if size and not {factor * size for factor in factors} & sizes:
            raise StudyError(
                f"{name} has {entry} {size} in config.json, but none of its weights has this {what}: give {key} the "
                "config.json that belongs to the weights."
            )
    layers, entry = _stated(config, SHAPE_NAMES[0])
    highest, weight = max(_layers(tensors), default=(0, ""))
    if layers and highest >= layers:
        raise StudyError(
            f"{name} has {entry} {layers} in config.json, but its weights have {highest + 1} layers ({weight}): give "
            f"{key} the config.json that belongs to the weights."
        )


def _layers(weights: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the numbers of the layers that weights belong to, from 0, each with a weight's name."""
    for weight in weights:
        parts = weight.split(".")
        place = next((k for k, part in enumerate(parts) if part.isdecimal()), 0)
        if place and parts[place - 1] in ("h", "layer", "layers", "blocks"):
            yield int(parts[place]), weight
