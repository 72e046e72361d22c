"""What each neuron of a model looks like: its incoming weights and its mean activation on a probe set.

A neuron is an output unit of a block's feed-forward network (paper, section 3.6): unit j of the second projection.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, NEURONS
from bias_amplification.neurons.architectures import Block, find_architecture, find_blocks

if TYPE_CHECKING:
    import torch


def extract_neurons(
    model_folder: Path,
    tokenizer_folder: Path,
    probe_set: Path,
    out: Path,
    *,
    max_tokens: int | None,
    batch_tokens: int,
    device: str = "cpu",
    architecture: str = "auto",
) -> None:
    """Write the neurons of one model version.

    Parameters
    ----------
    model_folder
        A causal language model in Hugging Face format.
    tokenizer_folder
        Holds the model's `tokenizer.json`.
    probe_set
        The article table whose texts (title, newline, body) the activations are means over.
    out
        The table to write (schema `NEURONS`).
    max_tokens
        How many tokens of each text are read at most; never more than the model has positions.
    batch_tokens
        How many tokens, padding included, go through the model at once.
    device
        Where the model runs, as torch names it.
    architecture
        Entry of the table of architectures, "auto" for the model's own.

    Raises
    ------
    StudyError
        If the architecture is not known, or the probe set is empty or its tokenizer does not fit the model.
    """
    from bias_amplification.language_model.device import choose_device
    from bias_amplification.language_model.load import load_model, load_tokenizer

    articles = read_table(probe_set, ARTICLES, columns=["title", "body"])
    texts = [f"{row['title']}\n{row['body']}" for row in articles.to_pylist()]
    tokenizer = load_tokenizer(tokenizer_folder)
    model = load_model(model_folder, choose_device(device))
    limits = [n for n in (max_tokens, getattr(model.config, "max_position_embeddings", None)) if n]
    limit = min(limits, default=None)
    token_lists = [encoding.ids[:limit] for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    write_table(neuron_table(model, token_lists, batch_tokens=batch_tokens, architecture=architecture), out, NEURONS)


def neuron_table(
    model: "torch.nn.Module",
    token_lists: Sequence[Sequence[int]],
    *,
    batch_tokens: int,
    architecture: str = "auto",
) -> pa.Table:
    """Make the table of a model's neurons.

    Parameters
    ----------
    model
        A transformers causal language model, on the device where it is to run.
    token_lists
        The token ids of each probe text. Empty ones count for nothing.
    batch_tokens
        How many tokens, padding included, go through the model at once.
    architecture
        Entry of the table of architectures, "auto" for the model's own.

    Returns
    -------
    pa.Table
        Schema `NEURONS`, ordered by layer and neuron, both counted from 0.

    Raises
    ------
    StudyError
        If the architecture is not known, there are no tokens, or some that the model does not know.
    ValueError
        If a text is longer than the model has positions.
    """
    entry = find_architecture(model.config.model_type, architecture)
    blocks = list(find_blocks(model, entry))
    means, norms = weight_summaries(blocks, inputs_first=entry.inputs_first)
    ffn, block = mean_activations(model, blocks, token_lists, batch_tokens=batch_tokens)
    layers, width = means.shape
    columns = {
        "layer": np.repeat(np.arange(layers, dtype=np.int16), width),
        "neuron": np.tile(np.arange(width, dtype=np.int32), layers),
        "weight_mean": means.ravel(),
        "weight_l2": norms.ravel(),
        "activation_ffn": ffn.ravel(),
        "activation_block": block.ravel(),
    }
    return pa.table(columns, schema=NEURONS)


def weight_summaries(blocks: Sequence[Block], *, inputs_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """Summarise the incoming weights of every neuron; the bias term is no incoming weight.

    Parameters
    ----------
    blocks
        The model's blocks.
    inputs_first
        Whether the projections' weights are [inputs, outputs].

    Returns
    -------
    tuple of np.ndarray
        Mean and L2 norm, each [layers, neurons], float64.
    """
    import torch

    means, norms = [], []
    for block in blocks:
        weight = block.projection.weight.detach().to("cpu", torch.float64).numpy()
        inputs = 0 if inputs_first else 1
        means.append(weight.mean(axis=inputs))
        norms.append(np.sqrt(np.square(weight).sum(axis=inputs)))
    return np.stack(means), np.stack(norms)


def mean_activations(
    model: "torch.nn.Module",
    blocks: Sequence[Block],
    token_lists: Sequence[Sequence[int]],
    *,
    batch_tokens: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Average the outputs of every block and of its feed-forward sublayer over all real tokens.

    Only running sums are kept, in float64, so memory does not grow with the probe set.

    Parameters
    ----------
    model
        The model that the blocks belong to.
    blocks
        The model's blocks.
    token_lists
        The token ids of each probe text.
    batch_tokens
        How many tokens, padding included, go through the model at once.

    Returns
    -------
    tuple of np.ndarray
        Means of the feed-forward sublayer's output and of the block's output, each [layers, neurons], float64.

    Raises
    ------
    StudyError
        If there are no tokens, or some that the model does not know.
    ValueError
        If a text is longer than the model has positions.
    """
    import torch

    from bias_amplification.batches import by_length, pad

    _check_tokens(model, token_lists)
    device = model.get_input_embeddings().weight.device
    ffn_sums: list[Any] = [0.0] * len(blocks)
    block_sums: list[Any] = [0.0] * len(blocks)
    real = torch.empty(0, dtype=torch.bool)

    def adder(sums: list[Any], layer: int) -> Callable[..., None]:
        def add(_module: Any, _inputs: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            # Some modules see [batch, position, neuron], some [batch * position, neuron].
            hidden = hidden.reshape(-1, hidden.shape[-1])[real]  # [real tokens, neuron]
            sums[layer] = sums[layer] + hidden.sum(dim=0, dtype=torch.float64)

        return add

    hooks = [(block.ffn, adder(ffn_sums, layer)) for layer, block in enumerate(blocks)]
    hooks += [(block.block, adder(block_sums, layer)) for layer, block in enumerate(blocks)]
    tokens = 0
    with _hooked(model, hooks), torch.inference_mode():
        for batch in by_length([len(ids) for ids in token_lists], batch_tokens):
            inputs, attention = (part.to(device) for part in pad([token_lists[i] for i in batch], 0))
            real = attention.flatten().bool()
            # Without the head, because nothing here needs the logits, the largest tensor of all; and without a mask,
            # because the padding stands at the end, where no real token looks.
            model.base_model(input_ids=inputs, use_cache=False)
            tokens += int(attention.sum())
    ffn, block = (torch.stack(sums).cpu().numpy() / tokens for sums in (ffn_sums, block_sums))
    return ffn, block


@contextmanager
def _hooked(model: "torch.nn.Module", hooks: Sequence[tuple["torch.nn.Module", Callable[..., None]]]) -> Iterator[None]:
    """Put forward hooks on modules and the model in evaluation mode; leave both as they were."""
    training = model.training
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()


def _check_tokens(model: "torch.nn.Module", token_lists: Sequence[Sequence[int]]) -> None:
    """Refuse what the model cannot read."""
    longest = max((len(tokens) for tokens in token_lists), default=0)
    if not longest:
        raise StudyError("The probe set of the neurons has no tokens: give it articles that are not empty.")
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and longest > positions:
        raise ValueError(f"a probe text has {longest} tokens and the model {positions} positions")
    largest = max(max(tokens) for tokens in token_lists if len(tokens))
    known = model.get_input_embeddings().num_embeddings
    if largest >= known:
        raise StudyError(
            f"The probe set's tokenizer gives token {largest} and the model knows {known} tokens: "
            "use the tokenizer that belongs to the model."
        )
