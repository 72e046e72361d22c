"""Extract the neurons of a model: their incoming weights and their mean activations on a probe set.

A neuron is an output unit of a block's feed-forward network (paper, section 3.6): unit j of the second projection.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, NEURONS
from bias_amplification.corpus.articles import article_text
from bias_amplification.models.architectures import Block, find_architecture, find_blocks
from bias_amplification.models.folders import ModelFolders
from bias_amplification.study.sections import JobCompute, Neurons

if TYPE_CHECKING:
    import torch


def extract_neurons(model: ModelFolders, probe_set: Path, out: Path, settings: Neurons, compute: JobCompute) -> None:
    """Write the neurons of one model version.

    Parameters
    ----------
    model
        Folders of a causal language model in Hugging Face format, and of its `tokenizer.json`.
    probe_set
        The article table over whose texts (title, newline, body) activations are averaged.
    out
        The table to write (schema `NEURONS`).
    settings
        `architecture`, and `max_tokens`: tokens averaged of each text, at most the model's number of positions. A
        begin-of-text token, if the tokenizer puts one first, is read but not averaged.
    compute
        Device, and `batch_tokens`: tokens in the model at once, with padding.

    Raises
    ------
    StudyError
        If the architecture is unknown, the probe set has no tokens, or the tokenizer gives a token that the model does
        not have.
    """
    from bias_amplification.language_model.load import load_model, load_tokenizer, max_positions
    from bias_amplification.language_model.texts import encode
    from bias_amplification.models.device import choose_device, products_in
    from bias_amplification.models.special_tokens import begin_tokens

    articles = read_table(probe_set, ARTICLES, columns=["title", "body"])
    texts = [article_text(row["title"], row["body"]) for row in articles.to_pylist()]
    tokenizer = load_tokenizer(model.tokenizer)
    device = choose_device(compute.device)
    loaded = load_model(model.model, device)
    begin = begin_tokens(tokenizer)
    limit = min(settings.max_tokens or math.inf, max_positions(loaded) - len(begin))
    with products_in(compute.measuring, device):
        table = neuron_table(
            loaded,
            encode(tokenizer, texts, limit),
            batch_tokens=compute.batch_tokens,
            architecture=settings.architecture,
            begin=begin,
        )
    write_table(table, out, NEURONS)


def neuron_table(
    model: "torch.nn.Module",
    token_lists: Sequence[Sequence[int]],
    *,
    batch_tokens: int,
    architecture: str = "auto",
    begin: Sequence[int] = (),
) -> pa.Table:
    """Make the table of a model's neurons.

    Parameters
    ----------
    model
        A transformers causal language model, on the device where it is to run.
    token_lists
        The token ids of each probe text. Empty lists are ignored.
    batch_tokens
        Tokens in the model at once, with padding.
    architecture
        As for `architectures.find_architecture`.
    begin
        As for `mean_activations`.

    Returns
    -------
    pa.Table
        Schema `NEURONS`, ordered by layer and neuron, both counted from 0.

    Raises
    ------
    StudyError
        If the architecture is unknown, there are no tokens, or the model does not know a token.
    ValueError
        If a text is longer than the model has positions.
    """
    entry = find_architecture(model.config.model_type, architecture)
    blocks = list(find_blocks(model, entry))
    means, norms = weight_summaries(blocks, inputs_first=entry.inputs_first)
    ffn, block = mean_activations(model, blocks, token_lists, batch_tokens=batch_tokens, begin=begin)
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
    """Summarise the incoming weights of every neuron, without the bias term.

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
    begin: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Average the outputs of every block and of its feed-forward sublayer over all tokens, without padding.

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
        Tokens in the model at once, with padding.
    begin
        Tokens that the model reads before each text. They are not averaged, because the activations at the first
        position of a text are outliers.

    Returns
    -------
    tuple of np.ndarray
        Means of the feed-forward sublayer's output and of the block's output, each [layers, neurons], float64.

    Raises
    ------
    StudyError
        If there are no tokens, or the model does not know a token.
    ValueError
        If a text is longer than the model has positions.
    """
    import torch

    from bias_amplification.models.batches import by_length, pad

    _check_tokens(model, token_lists, begin)
    begun = [[*begin, *ids] if len(ids) else [] for ids in token_lists]
    device = model.get_input_embeddings().weight.device
    ffn, block = [_TokenSum() for _ in blocks], [_TokenSum() for _ in blocks]
    hooks = [(one.ffn, total.add) for one, total in zip(blocks, ffn, strict=True)]
    hooks += [(one.block, total.add) for one, total in zip(blocks, block, strict=True)]
    tokens = 0
    with _hooked(model, hooks), torch.inference_mode():
        for batch in by_length([len(ids) for ids in begun], batch_tokens):
            inputs, attention = (part.to(device) for part in pad([begun[i] for i in batch], 0))
            attention[:, : len(begin)] = 0
            for total in (*ffn, *block):
                total.real = attention.flatten().bool()
            # Without the output head, because the logits are not needed and are the largest tensor. Without a mask,
            # because padding follows the text, and no token attends to later ones.
            model.base_model(input_ids=inputs, use_cache=False)
            tokens += int(attention.sum())
    means = [torch.stack([total.sum for total in totals]).cpu().numpy() / tokens for totals in (ffn, block)]
    return means[0], means[1]


class _TokenSum:
    """A forward hook that sums a module's output over tokens, in float64."""

    def __init__(self) -> None:
        self.sum: Any = 0.0
        """[neurons] after the first batch."""
        self.real: Any = None
        """[batch * position], which tokens of the current batch are averaged: not padding, and not before the text."""

    def add(self, _module: Any, _inputs: Any, output: Any) -> None:
        """Add the outputs at tokens that are averaged."""
        import torch

        hidden = output[0] if isinstance(output, tuple) else output
        # Some modules return [batch, position, neuron], others [batch * position, neuron].
        hidden = hidden.reshape(-1, hidden.shape[-1])[self.real]  # [tokens, neuron]
        self.sum = self.sum + hidden.sum(dim=0, dtype=torch.float64)


@contextmanager
def _hooked(model: "torch.nn.Module", hooks: Sequence[tuple["torch.nn.Module", Callable[..., None]]]) -> Iterator[None]:
    """Register forward hooks and put the model in evaluation mode, then undo both."""
    training = model.training
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()


def _check_tokens(model: "torch.nn.Module", token_lists: Sequence[Sequence[int]], begin: Sequence[int]) -> None:
    """Check that there are tokens and that the model can read them."""
    from bias_amplification.language_model.load import max_positions

    longest = max((len(tokens) for tokens in token_lists), default=0)
    if not longest:
        raise StudyError("The probe set of the neurons has no tokens: give it articles that are not empty.")
    positions = max_positions(model)
    if longest + len(begin) > positions:
        raise ValueError(f"a probe text has {longest + len(begin)} tokens and the model {positions} positions")
    largest = max(max(tokens) for tokens in [*token_lists, begin] if len(tokens))
    known = model.get_input_embeddings().num_embeddings
    if largest >= known:
        raise StudyError(
            f"The probe set's tokenizer gives token {largest}, but the model has {known} tokens: "
            "use the tokenizer that belongs to the model."
        )
