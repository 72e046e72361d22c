"""Let a version write again under each condition: with other sets of its neurons changed in other ways."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import (
    GENERATED_ARTICLES,
    INTERVENTION_CONDITIONS,
    INTERVENTION_UNITS,
    NEURONS,
)
from bias_amplification.interventions.edits import Edit, RowEdits, ablate, restore, scale, steer
from bias_amplification.interventions.projections import Projection, read_projections
from bias_amplification.language_model.generate import (
    Writer,
    continue_prompts,
    cut_prompts,
    join_texts,
    open_writer,
    report_texts,
)
from bias_amplification.models.folders import ModelFolders
from bias_amplification.study.sections import Action, Decoding, Generation, Interventions, JobCompute

#: Numbers of neurons by layer, both counted from 0. The neurons of a layer are ascending, [units].
Units = Mapping[int, torch.Tensor]


class Condition(NamedTuple):
    """What is changed while a version writes; all parts are None if nothing is."""

    set: str | None = None
    size: int | None = None
    control: int | None = None
    action: Action | None = None
    amount: float | None = None


class Changes(NamedTuple):
    """Files and settings that say what is changed."""

    units: Path
    """The neurons of each set (schema `INTERVENTION_UNITS`)."""
    references: dict[str, Path]
    """Folder of each reference model by name: "base" or the number of a generation. For `steer` with neurons.parquet,
    and the version's own folder, too, as for `ablate` with the mean output."""
    settings: Interventions
    """`actions`, and `articles`."""
    architecture: str = "auto"
    """Config key `neurons.architecture`."""


class Writing(NamedTuple):
    """How a version writes."""

    generation: Generation
    decoding: Decoding
    seed: int
    """Seed of nucleus sampling."""
    sample_seed: int
    """Seed of the sample of articles."""


class Written(NamedTuple):
    """Tables that `intervene` makes."""

    conditions: Path
    """Schema `INTERVENTION_CONDITIONS`."""
    articles: Path
    """Schema `GENERATED_ARTICLES`; article_id is the condition's number with five digits, a slash, and the real
    article's id."""


def intervene(
    model: ModelFolders, changes: Changes, seed_set: Path, writing: Writing, out: Written, compute: JobCompute
) -> None:
    """Write the articles of one version under all conditions.

    Parameters
    ----------
    model
        Folders of the version's model and of its tokenizer.
    changes
        What is changed.
    seed_set
        The round's real articles (schema `ARTICLES`), of which `articles` are drawn.
    writing
        How the version writes.
    out
        The tables to write.
    compute
        Where to compute.

    Raises
    ------
    StudyError
        If the model does not have a neuron of `units`, or cannot write from the seed set (see `generate_articles`).
    """
    units = read_table(changes.units, INTERVENTION_UNITS)
    conditions = list_conditions(units, changes.settings)
    writer = open_writer(model, seed_set, writing.generation, compute.device)
    _check_units(units, writer.model.config.get_text_config(), changes.units)
    edits = _edits(conditions, units, Path(model.model), changes)
    articles = sample_articles(writer.articles, changes.settings.articles, writing.sample_seed)
    # A condition without an edit has the texts of the version itself.
    written = [number for number, own in enumerate(edits) if own or not number]
    print(
        f"{len(conditions)} conditions, {len(conditions) - len(written)} of them without an effect on any weight or "
        f"output; {len(articles)} articles under each",
        flush=True,
    )
    rows = RowEdits([edits[number] for number in written])
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    with rows.attached(writer.model, changes.architecture):
        tables = _write(writer._replace(articles=articles), writing, rows, checkpoint)
    found = dict(zip(written, tables, strict=True))
    named = [_name(found.get(number, tables[0]), number) for number in range(len(conditions))]
    table = pa.concat_tables(named)
    write_table(conditions_table(conditions), out.conditions, INTERVENTION_CONDITIONS)
    write_table(table, out.articles, GENERATED_ARTICLES)
    checkpoint.remove()
    report_texts(table)


def list_conditions(units: pa.Table, settings: Interventions) -> list[Condition]:
    """List the conditions under which a version writes.

    Parameters
    ----------
    units
        The neurons of each set (schema `INTERVENTION_UNITS`); no rows if no set could be chosen.
    settings
        `actions`.

    Returns
    -------
    list of Condition
        First the one that changes nothing. Then sets in the order of `units`, their sizes and controls ascending,
        actions and amounts in the config's order.
    """
    found = dict.fromkeys(zip(*(units[name].to_pylist() for name in ("set", "size", "control")), strict=True))
    names = list(dict.fromkeys(name for name, _, _ in found))
    ordered = sorted(found, key=lambda one: (names.index(one[0]), *one[1:]))
    changes = [(action, amount) for action in settings.actions for amount in action.amounts or [None]]
    return [Condition(), *(Condition(*one, *change) for one in ordered for change in changes)]


def conditions_table(conditions: Sequence[Condition]) -> pa.Table:
    """Return the table of conditions (schema `INTERVENTION_CONDITIONS`), numbered from 0."""
    rows = [
        {"condition": number, **one._asdict(), "action": one.action and one.action.name}
        for number, one in enumerate(conditions)
    ]
    return pa.Table.from_pylist(rows, schema=INTERVENTION_CONDITIONS)


def sample_articles(articles: pa.Table, number: int | None, seed: int) -> pa.Table:
    """Draw articles at random, in their order. A smaller sample with the same seed is a part of a larger one.

    Parameters
    ----------
    articles
        Any table.
    number
        Number of articles; None, or more than there are: all.
    seed
        Of the draw.
    """
    return articles.take(np.sort(np.random.default_rng(seed).permutation(len(articles))[:number]))


def _check_units(units: pa.Table, config: Any, path: Path) -> None:
    """Check that the model has the layers and neurons of all sets."""
    sizes = {"layer": config.num_hidden_layers, "neuron": config.hidden_size}
    for name, size in sizes.items():
        wrong = units.filter(pc.or_(pc.less(units[name], 0), pc.greater_equal(units[name], size)))
        if len(wrong):
            row = wrong.slice(0, 1).to_pylist()[0]
            raise StudyError(
                f"{path}: set {row['set']} has {name} {row[name]}, but the model has only the {name}s 0 to {size - 1}: "
                "correct the file of this set, or delete the table and run snakemake again."
            )


def _edits(conditions: Sequence[Condition], units: pa.Table, own: Path, changes: Changes) -> list[list[Edit]]:
    """Return the edits under each condition, those without any unit left out."""
    by_set = {
        key: _by_layer(rows["layer"].to_numpy(), rows["neuron"].to_numpy())
        for key, rows in units.select(["set", "size", "control", "layer", "neuron"])
        .to_pandas()
        .groupby(["set", "size", "control"], sort=False)
    }
    everything = _by_layer(units["layer"].to_numpy(), units["neuron"].to_numpy())
    known = _Known.read(own, changes, everything)
    found = []
    for one in conditions:
        layers = by_set[one[:3]] if one.action else {}
        edits = [known.edit(one, layer, chosen) for layer, chosen in layers.items()]
        found.append([edit for edit in edits if len(edit.units)])
    return found


def _by_layer(layers: np.ndarray, neurons: np.ndarray) -> dict[int, torch.Tensor]:
    """Group the numbers of neurons by layer, each neuron once."""
    return {int(n): torch.from_numpy(np.unique(neurons[layers == n]).astype(np.int64)) for n in np.unique(layers)}


class _Known(NamedTuple):
    """What actions need to know of the version that is changed and of the reference models."""

    own: dict[int, Projection]
    """The version's weights by layer."""
    references: dict[str, dict[int, Projection]]
    """Those of each reference model."""
    means: dict[str | None, dict[int, torch.Tensor]]
    """Mean outputs of all neurons, [neurons], by reference model and layer; None: the version's own."""

    @classmethod
    def read(cls, own: Path, changes: Changes, units: Units) -> "_Known":
        """Read weights of some neurons, and means, of only those models that the actions need."""
        actions, architecture = changes.settings.actions, changes.architecture
        replacing = sorted({a.reference for a in actions if a.kind in ("restore", "transplant")})
        steering = sorted({a.reference for a in actions if a.kind == "steer"})
        folders = dict[str | None, Path](changes.references) | {None: own}
        own_means = [None] if steering or any(a.output == "mean" for a in actions) else []
        return cls(
            read_projections(own, architecture, units) if replacing else {},
            {name: read_projections(folders[name], architecture, units) for name in replacing},
            {name: read_means(folders[name] / "neurons.parquet") for name in (*own_means, *steering)},
        )

    def edit(self, condition: Condition, layer: int, units: torch.Tensor) -> Edit:
        """Return the edit of a layer's units under a condition."""
        action, amount = condition.action, condition.amount
        if action.kind in ("restore", "transplant"):
            return restore(layer, units, self.own[layer], self.references[action.reference][layer])
        if action.kind == "scale":
            return scale(layer, units, amount)
        if action.kind == "ablate":
            return ablate(layer, units, self.means[None][layer][units] if action.output == "mean" else 0.0)
        change = self.means[None][layer] - self.means[action.reference][layer]
        return steer(layer, units, change[units], amount)


def read_means(path: Path | str) -> dict[int, torch.Tensor]:
    """Read the mean outputs of neurons on the probe set (schema `NEURONS`): [neurons] by layer."""
    table = read_table(path, NEURONS, columns=["layer", "activation_ffn"])
    layers, means = table["layer"].to_numpy(), table["activation_ffn"].to_numpy()
    return {int(layer): torch.from_numpy(means[layers == layer]) for layer in np.unique(layers)}


def _write(writer: Writer, writing: Writing, rows: RowEdits, checkpoint: Checkpoint) -> list[pa.Table]:
    """Write the articles under each condition: a table of each."""
    model, tokenizer, articles, generation = writer
    prompts = cut_prompts(model, tokenizer, articles, generation)
    arguments = (generation, writing.decoding, writing.seed, checkpoint, rows)
    continuations = continue_prompts(model, prompts.prompts, *arguments)
    count = len(prompts.prompts.tokens)
    parts = [continuations[k * count : (k + 1) * count] for k in range(rows.number)]
    return [join_texts(tokenizer, articles, prompts, part) for part in parts]


def _name(table: pa.Table, condition: int) -> pa.Table:
    """Put the condition's number before the ids of articles."""
    ids = pc.binary_join_element_wise(f"{condition:05d}", table["article_id"], "/")
    return table.set_column(0, "article_id", ids)
