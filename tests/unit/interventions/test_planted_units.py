"""A model by hand in which a few neurons carry a leaning, and others a repeated word: only these act, each on its own.

The model's outputs are nearly random words. Four neurons of one layer make it write "right" more often than "left", and
four others make it repeat "again". All other neurons of the layer have changed as much, but carry nothing. The sets go
through all that a study does with them: controls are drawn, the model writes, and the effects are compared.
"""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    GENERATED_ARTICLES,
    INTERVENTION_EFFECTS,
    INTERVENTION_UNITS,
    QUALITY,
    predictions,
)
from bias_amplification.interventions.controls import ModelFiles
from bias_amplification.interventions.effects import ChangedVersion, Compared, compare_interventions
from bias_amplification.interventions.units import Analysed, Changed, Chosen, choose_units
from bias_amplification.interventions.write import Changes, Writing, Written, intervene
from bias_amplification.language_model.load import save_model
from bias_amplification.models.folders import ModelFolders
from bias_amplification.neurons.extract import extract_neurons
from bias_amplification.study.sections import Decoding, Generation, Interventions, JobCompute, Neurons, Quality

LABELS = ("left", "right")
WIDTH, ARTICLES_WRITTEN, CONTROLS = 64, 60, 39
WORDS = ["<end>", "left", "right", "again", *(f"word{k}" for k in range(36))]
LAYER = 1
#: The neurons that carry each outcome, the word that they make likelier, and how far their outputs are moved.
PLANTED = {"bias": ([2, 9, 17, 30], "right", 0.25), "quality": ([0, 5, 12, 21], "again", 0.75)}
#: They sum to 0, so that the last norm, which subtracts the mean, leaves other neurons as they are.
SIGNS = torch.tensor([1.0, -1.0, 1.0, -1.0])


def base_model() -> GPT2LMHeadModel:
    torch.manual_seed(1)
    special = {"bos_token_id": 0, "eos_token_id": 0}
    size = {"n_embd": WIDTH, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": len(WORDS)}
    model = GPT2LMHeadModel(GPT2Config(**size, **special, tie_word_embeddings=False)).eval()
    head, positions = model.lm_head.weight.data, model.transformer.wpe.weight.data
    for neurons, word, _ in PLANTED.values():
        head[WORDS.index(word), neurons] = SIGNS
    # Large constant values keep the last norm's scale the same, whatever a few neurons add.
    free = [k for k in range(WIDTH) if not any(k in neurons for neurons, *_ in PLANTED.values())]
    positions[:, free] += torch.ones(len(free)) * torch.tensor([1.0, -1.0]).repeat(len(free) // 2)
    return model


def changed_model(base: GPT2LMHeadModel) -> GPT2LMHeadModel:
    model = deepcopy(base)
    torch.manual_seed(2)
    for block in model.transformer.h:
        block.mlp.c_proj.weight.data += 0.1 * torch.randn_like(block.mlp.c_proj.weight)
    bias = model.transformer.h[LAYER].mlp.c_proj.bias.data
    amounts = [amount for _, _, amount in PLANTED.values()]
    bias += torch.empty(WIDTH).uniform_(min(amounts), max(amounts)) * torch.tensor([1.0, -1.0]).repeat(WIDTH // 2)
    for neurons, _, amount in PLANTED.values():
        bias[neurons] = base.transformer.h[LAYER].mlp.c_proj.bias.data[neurons] + amount * SIGNS
    return model


def write_sets(folder: Path) -> list[dict[str, str]]:
    """Write the planted sets, and one of neurons that carry nothing, as files; return the config's `sets`."""
    free = np.setdiff1d(np.arange(WIDTH), [unit for planted, *_ in PLANTED.values() for unit in planted])
    sets = {name: neurons for name, (neurons, *_) in PLANTED.items()}
    sets["empty"] = np.random.default_rng(3).choice(free, 4, replace=False).tolist()
    found = []
    for name, neurons in sets.items():
        path = folder / f"{name}.csv"
        path.write_text("layer,neuron\n" + "".join(f"{LAYER},{unit}\n" for unit in neurons), encoding="utf-8")
        found.append({"name": name, "file": str(path)} | ({"helps": name} if name in PLANTED else {}))
    return found


def measure(articles: Path, folder: Path) -> pd.DataFrame:
    """Count words in texts, and write the counts as predictions and text quality. Return the two outcomes by text."""
    written = read_table(articles, GENERATED_ARTICLES).to_pandas()
    words = written["text"].str.split()
    right = [float(text.count("right") > text.count("left")) for text in words]
    # Among words without a leaning, whose number the other outcome does not change.
    plain = [[word for word in text if word not in ("left", "right")] for text in words]
    quality = [1 - text.count("again") / max(1, len(text)) for text in plain]
    ids = {"article_id": written["article_id"]}
    classified = pd.DataFrame(ids | {"predicted": np.where(right, "right", "left"), "probability_right": right})
    classified["probability_left"] = 1 - classified["probability_right"]
    scored = pd.DataFrame(ids | {"sentences": 1, "quality": quality, "quality_weighted": quality})
    scored[[name for name in QUALITY.names if name.startswith("share")]] = 0.25
    for table, schema, name in ((classified, predictions(LABELS), "predictions"), (scored, QUALITY, "quality")):
        rows = pa.Table.from_pandas(table[schema.names], schema, preserve_index=False)
        write_table(rows, folder / f"{name}.parquet", schema)
    return pd.DataFrame({"bias": right, "quality": quality})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The effects of all sets, and the change of each outcome between the base model and the version."""
    folder = tmp_path_factory.mktemp("planted")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base = base_model()
    for name, model in (("base", base), ("own", changed_model(base))):
        save_model(model, folder / name)
        tokenizer.save(str(folder / name / "tokenizer.json"))
    generator = np.random.default_rng(4)
    texts = [" ".join(generator.choice(WORDS[4:], 24)) for _ in range(ARTICLES_WRITTEN)]
    articles = [{"article_id": f"a{k}", "title": "", "body": body, "label": "left"} for k, body in enumerate(texts)]
    seed_set, compute = folder / "seed_set.parquet", JobCompute(device="cpu")
    write_table(pa.Table.from_pylist(articles, schema=ARTICLES), seed_set, ARTICLES)
    for name in ("base", "own"):
        extract_neurons(ModelFolders(folder / name, folder / "base"), seed_set, folder / name / "neurons.parquet",
                        Neurons(), compute)  # fmt: skip
    interventions = Interventions.model_validate({"sets": write_sets(folder), "controls": CONTROLS})
    version, reference = (ModelFiles(folder / name, folder / name / "neurons.parquet") for name in ("own", "base"))
    chosen = Chosen(folder / "units.parquet", folder / "units_missing.parquet")
    analysed = Analysed(folder / "unread.parquet", [])
    changed = Changed("round", 1, version, reference)
    choose_units(analysed, changed, chosen, interventions, Neurons(), Quality(), seed=7)

    def write(own: str) -> pd.DataFrame:
        out = Written(folder / own / "conditions.parquet", folder / own / "articles.parquet")
        changes = Changes(chosen.units, {"base": folder / "base"}, interventions)
        writing = Writing(Generation(prompt="blocks", block_tokens=8, new_tokens=10), Decoding(method="nucleus"), 5, 6)
        intervene(ModelFolders(folder / own, folder / "base"), changes, seed_set, writing, out, compute)
        return measure(out.articles, folder / own)

    # The base model has nothing to restore, so that all of its texts are those without a change.
    own, of_base = (write(name)[:ARTICLES_WRITTEN].mean() for name in ("own", "base"))
    tables = [folder / "own" / f"{name}.parquet" for name in ("conditions", "predictions", "quality")]
    out = Compared(*(folder / f"compared_{name}.parquet" for name in Compared._fields))
    compared = [ChangedVersion("round", 1, 1, "right", *chosen, *tables)]
    compare_interventions(compared, out, interventions, LABELS, "share", "quality", seed=8)
    effects = read_table(out.effects, INTERVENTION_EFFECTS).to_pandas().set_index(["set", "outcome"])
    units = read_table(chosen.units, INTERVENTION_UNITS).to_pandas()
    return SimpleNamespace(effects=effects, change=own - of_base, units=units)


@pytest.mark.parametrize("outcome", PLANTED)
def test_restoring_planted_neurons_removes_what_they_carry(study: SimpleNamespace, outcome: str) -> None:
    row = study.effects.loc[outcome, outcome]

    # The version has what was planted, and its set takes it away.
    assert abs(study.change[outcome]) > 0.1
    assert row["effect"] == pytest.approx(-study.change[outcome], abs=0.35 * abs(study.change[outcome]))
    assert row["effect_low"] < -study.change[outcome] < row["effect_high"]
    # Controls do nothing of the kind, and the set is told from them with one error rate for all comparisons.
    assert abs(row["controls_mean"]) < 0.25 * abs(row["effect"])
    assert row["p_family"] <= 0.05 and not row["specific_low"] <= 0 <= row["specific_high"]
    assert abs(row["specific"]) > row["detectable"]


@pytest.mark.parametrize(
    ("name", "outcome"), [("bias", "quality"), ("quality", "bias"), ("empty", "bias"), ("empty", "quality")]
)
def test_neurons_leave_an_outcome_that_they_do_not_carry(study: SimpleNamespace, name: str, outcome: str) -> None:
    row = study.effects.loc[name, outcome]

    assert abs(row["effect"]) < 0.25 * abs(study.change[outcome])
    assert row["p_family"] > 0.05 and row["specific_low"] <= 0 <= row["specific_high"]


def test_controls_are_drawn_from_the_layer_without_the_set(study: SimpleNamespace) -> None:
    assert study.effects["controls"].tolist() == [CONTROLS] * 6 and set(study.units["layer"]) == {LAYER}
    for name, rows in study.units.groupby("set"):
        own = set(rows.loc[rows["control"] == 0, "neuron"])
        assert len(own) == 4 and not own & set(rows.loc[rows["control"] > 0, "neuron"])
        # The other planted neurons are among the controls, as in a study that does not know them.
        others = {unit for other, (neurons, *_) in PLANTED.items() if other != name for unit in neurons}
        assert others & set(rows["neuron"])
