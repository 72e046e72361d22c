"""A model by hand in which a few neurons carry a leaning, and others a repeated word: only these act, each on its own.

The model's outputs are nearly random words. Four neurons of one layer make it write "right" more often than "left", and
four others make it repeat "again". All other neurons have changed, too, as training changes them.
"""

from copy import deepcopy
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
    INTERVENTION_CONDITIONS,
    INTERVENTION_UNITS,
)
from bias_amplification.interventions.write import Changes, Writing, Written, intervene
from bias_amplification.language_model.load import save_model
from bias_amplification.models.folders import ModelFolders
from bias_amplification.study.sections import Action, Decoding, Generation, Interventions, JobCompute

WIDTH, ARTICLES_WRITTEN, CONTROLS = 32, 60, 19
WORDS = ["<end>", "left", "right", "again", *(f"word{k}" for k in range(36))]
LAYER = 1
#: The neurons that carry each outcome, the word that they make likelier, and how far their outputs are moved.
PLANTED = {"bias": ([2, 9, 17, 30], "right", 0.25), "quality": ([0, 5, 12, 21], "again", 0.5)}
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
        for parameter in block.mlp.c_proj.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    for neurons, _, amount in PLANTED.values():
        model.transformer.h[LAYER].mlp.c_proj.bias.data[neurons] += amount * SIGNS
    return model


def units_table() -> pa.Table:
    """Return the planted sets, each with controls of as many random other neurons of the layer."""
    generator = np.random.default_rng(3)
    measures = {"weight_norm": 1.0, "weight_change": 0.1, "activation_change": 0.1}
    rows = []
    for name, (neurons, *_) in PLANTED.items():
        others = np.setdiff1d(np.arange(WIDTH), [unit for planted, *_ in PLANTED.values() for unit in planted])
        for control in range(1 + CONTROLS):
            chosen = neurons if not control else sorted(generator.choice(others, len(neurons), replace=False).tolist())
            own = {"set": name, "size": len(neurons), "control": control, "layer": LAYER}
            rows += [own | {"neuron": unit} | measures for unit in chosen]
    return pa.Table.from_pylist(rows, schema=INTERVENTION_UNITS)


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Mean effects on bias and quality by set and control, and both outcomes without interventions and in the base."""
    folder = tmp_path_factory.mktemp("planted")
    base = base_model()
    save_model(base, folder / "base")
    save_model(changed_model(base), folder / "own")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "base" / "tokenizer.json"))
    generator = np.random.default_rng(4)
    texts = [" ".join(generator.choice(WORDS[4:], 24)) for _ in range(ARTICLES_WRITTEN)]
    articles = [{"article_id": f"a{k}", "title": "", "body": body, "label": "left"} for k, body in enumerate(texts)]
    write_table(pa.Table.from_pylist(articles, schema=ARTICLES), folder / "seed_set.parquet", ARTICLES)
    write_table(units_table(), folder / "units.parquet", INTERVENTION_UNITS)

    def outcomes(own: str, action: Action) -> pd.DataFrame:
        out = Written(folder / own / "conditions.parquet", folder / own / "articles.parquet")
        settings = Interventions(actions=[action])
        intervene(
            ModelFolders(folder / own, folder / "base"),
            Changes(folder / "units.parquet", {"base": folder / "base"}, settings),
            folder / "seed_set.parquet",
            Writing(Generation(prompt="blocks", block_tokens=8, new_tokens=10), Decoding(method="nucleus"), 5, 6),
            out,
            JobCompute(device="cpu"),
        )
        written = read_table(out.articles, GENERATED_ARTICLES).to_pandas()
        words = written["text"].str.split()
        written["bias"] = [float(text.count("right") > text.count("left")) for text in words]
        # Among words without a leaning, whose number the other outcome does not change.
        plain = [[word for word in text if word not in ("left", "right")] for text in words]
        written["quality"] = [1 - text.count("again") / max(1, len(text)) for text in plain]
        written["condition"] = written["article_id"].str[:5].astype(int)
        means = written.groupby("condition")[["bias", "quality"]].mean()
        return means.join(read_table(out.conditions, INTERVENTION_CONDITIONS).to_pandas().set_index("condition"))

    found = outcomes("own", Action(kind="restore"))
    before = found.loc[0, ["bias", "quality"]].astype(float)
    found[["bias", "quality"]] -= before
    base_outcomes = outcomes("base", Action(kind="ablate")).loc[0, ["bias", "quality"]].astype(float)
    return SimpleNamespace(by_set=found.loc[1:], before=before, base=base_outcomes)


@pytest.mark.parametrize("outcome", PLANTED)
def test_restoring_planted_neurons_removes_what_they_carry(effects: SimpleNamespace, outcome: str) -> None:
    rows = effects.by_set[effects.by_set["set"] == outcome].set_index("control")[outcome]
    change = effects.before[outcome] - effects.base[outcome]

    # The version has what was planted, and its set takes it away.
    assert abs(change) > 0.2
    assert rows[0] == pytest.approx(-change, abs=0.25 * abs(change))
    # Controls do nothing of the kind: the set is the furthest of all from their common mean.
    assert len(rows) == 1 + CONTROLS
    assert rows[1:].abs().max() < 0.25 * abs(change)
    distances = (rows - rows.mean()).abs()
    assert (distances >= distances[0]).mean() == pytest.approx(1 / (1 + CONTROLS))


@pytest.mark.parametrize(("set_name", "outcome"), [("bias", "quality"), ("quality", "bias")])
def test_planted_neurons_leave_the_other_outcome(effects: SimpleNamespace, set_name: str, outcome: str) -> None:
    rows = effects.by_set[effects.by_set["set"] == set_name].set_index("control")[outcome]

    assert abs(rows[0]) < 0.25 * abs(effects.before[outcome] - effects.base[outcome])
