"""Low-rank adapters (LoRA, by peft): a model is trained by small matrices beside its weights, which stay as they are.

A chosen module with weights W, [outputs, inputs], computes with W + alpha / rank * B A, where A is [rank, inputs] and B
is [outputs, rank]. Only A and B are trained; A begins with random numbers, B with zeros. After training, the product is
added to W, so that the saved model is an ordinary one.
"""

import warnings
from importlib.metadata import version
from typing import Any

import torch
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import Adapter

_KEY = "finetuning.adapter.target_modules"


class LowRankAdapter:
    """The adapter of a model. The model itself is changed: its chosen modules compute with their matrices too.

    Parameters
    ----------
    model
        The model to train. Its own weights have no gradients from now on.
    settings
        The config's `finetuning.adapter`.
    seed
        Seed of the first values of A.

    Raises
    ------
    StudyError
        If the model has no module of a given name, if no names are given and peft knows none for the architecture, or
        if the weights of a named module are shared with another one.
    """

    def __init__(self, model: PreTrainedModel, settings: Adapter, seed: int) -> None:
        from peft import LoraConfig, LoraModel
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as DEFAULTS

        chosen = settings.target_modules or DEFAULTS.get(model.config.model_type)
        if chosen is None:
            raise StudyError(
                f"{_KEY} is null, but peft has no default for models of type {model.config.model_type!r}: name the "
                f"modules, some of {', '.join(_last_names(model))}, or use all-linear."
            )
        if chosen != "all-linear":
            _check_names(model, chosen)
        self.settings = settings
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=chosen,
        )
        torch.manual_seed(derive_seed(seed, "adapter"))
        with warnings.catch_warnings():
            # peft says that it has noticed how GPT-2 stores its weights.
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")
            self._changed = LoraModel(model, config, "default")
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._parameters = sum(p.numel() for p in trained.values())
        self._modules = sorted({name.split(".lora_")[0].rpartition(".")[2] for name in trained})

    def merge(self) -> None:
        """Add the product of the matrices to the weights, and remove them: the model is an ordinary one again."""
        self._changed.merge_and_unload(progressbar=False)

    def describe(self) -> dict[str, Any]:
        """Return the settings, the names of the changed modules and the number of trained parameters."""
        about = {"kind": "lora", "peft": version("peft"), **self.settings.model_dump(exclude={"target_modules"})}
        return about | {"target_modules": self._modules, "parameters": self._parameters}


def _matrices(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return the modules that an adapter can change, by name: those of one matrix of weights."""
    return {
        name: module
        for name, module in model.named_modules()
        if getattr(getattr(module, "weight", None), "ndim", 0) == 2
    }


def _last_names(model: torch.nn.Module) -> list[str]:
    """Return the last parts of the names of `_matrices`, in the model's order."""
    return list(dict.fromkeys(name.rpartition(".")[2] for name in _matrices(model)))


def _check_names(model: PreTrainedModel, chosen: list[str]) -> None:
    """Check that a model has these modules, named by the ends of their names, and that their weights are their own."""
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    for name in chosen:
        found = [module for path, module in _matrices(model).items() if f".{path}".endswith(f".{name}")]
        if not found:
            raise StudyError(
                f"{_KEY} has {name}, but the model has no matrix of weights of this name: use some of "
                f"{', '.join(_last_names(model))}."
            )
        if model.config.tie_word_embeddings and any(module in ends for module in found):
            raise StudyError(
                f"{_KEY} has {name}, but the model has the same weights for its embeddings and for its output head, "
                "which an adapter would tear apart: remove the name."
            )
