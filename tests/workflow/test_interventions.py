"""Interventions in the tiny study: what is made, and what a deleted file makes again."""

import pyarrow.parquet as pq
import pytest
import yaml
from studies import TINY, Study, make_study

from bias_amplification.artifacts.schemas import INTERVENTION_EFFECTS

pytestmark = pytest.mark.slow

FOLDER = "interventions/balanced_synthetic/generation_02"
ACTIONS = [{"kind": "restore"}, {"kind": "scale", "amounts": [0.0, 1.0]}]


@pytest.fixture(scope="module")
def changed(tmp_path_factory) -> tuple[Study, list]:
    """The tiny study with interventions in one version, and the configs that it is run with."""
    folder = tmp_path_factory.mktemp("interventions")
    overlay, given = folder / "interventions.yaml", folder / "given.csv"
    given.write_text("layer,neuron\n0,1\n0,5\n", encoding="utf-8")
    sets = [{"name": "bias", "outcome": "bias"}, {"name": "given", "file": str(given)}]
    interventions = {"rounds": ["balanced_synthetic"], "sets": sets, "sizes": [3, 6], "actions": ACTIONS, "articles": 4}
    # Greedily, models of this size write the same letter again and again, which no outcome tells apart.
    rounds = yaml.safe_load(TINY.read_text(encoding="utf-8"))["rounds"]
    config = {
        "rounds": [row | {"decoding": {"method": "nucleus"}} for row in rounds],
        "neurons": {"bias": "mean_probability", "fixed_effects": "rounds"},
        "interventions": interventions,
    }
    overlay.write_text(yaml.safe_dump(config), encoding="utf-8")
    study, configs = make_study(folder / "study"), [TINY, overlay]
    study.finish(configs=configs, targets=["interventions"])
    return study, configs


def test_every_set_and_control_writes_and_is_compared(changed):
    study, configs = changed
    conditions = pq.read_table(study.results / FOLDER / "conditions.parquet").to_pandas()
    articles = pq.read_table(study.results / FOLDER / "articles.parquet").to_pandas()
    effects = pq.read_table(study.results / "interventions/effects.parquet")

    # A set of two sizes and a given one, with 20 controls each, and three changes; and the version as it is.
    assert len(conditions) == 1 + 3 * 21 * 3
    assert len(articles) == 4 * len(conditions)
    assert effects.schema.equals(INTERVENTION_EFFECTS) and effects.num_rows == 3 * 3 * 2
    # A factor of 1 changes nothing.
    texts = articles["text"].to_numpy().reshape(len(conditions), 4)
    unchanged = conditions.loc[conditions["amount"] == 1.0, "condition"]
    assert len(unchanged) == 63 and (texts[unchanged] == texts[0]).all()
    assert "Nothing to be done" in study.finish("--dry-run", configs=configs, targets=["interventions"])


def test_a_deleted_file_makes_only_what_is_computed_from_it_again(changed):
    study, configs = changed
    before = study.final()
    (study.results / FOLDER / "predictions.parquet").unlink()

    made = study.remade(configs=configs, targets=["interventions"])

    tables = {name for name in made if name.endswith(".parquet")}
    assert {f"{FOLDER}/predictions.parquet", "interventions/effects.parquet"} <= tables
    assert all(name.startswith("interventions/") for name in tables)
    assert study.final() == before
