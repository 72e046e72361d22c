import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import QUALITY, predictions
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS, VARIANCE
from bias_amplification.measures import compare
from bias_amplification.measures.compare import MeasuredChain, compare_rounds, holm
from bias_amplification.measures.contrasts import paired_contrast, replicates_needed
from bias_amplification.measures.variance import variance_split

LABELS = ("left", "right")
ARTICLES = 12


class Study:
    """Writes the tables of chains of 12 articles, and remembers their changes."""

    def __init__(self, folder):
        self.folder, self.chains, self.changes = folder, [], {}

    def add(
        self,
        name,
        replicates,
        *,
        move=0.0,
        redrawn=False,
        seed_set="balanced",
        strategy=None,
        recipe="2 epochs",
        pool=None,
    ):
        for replicate in range(1, replicates + 1):
            start = ARTICLES * (replicate - 1) * redrawn
            ids = [f"{seed_set}_{(start + number) % (pool or 100):02}" for number in range(ARTICLES)]
            first = np.random.default_rng([replicate, len(seed_set)]).uniform(0.2, 0.6, ARTICLES)
            generator = np.random.default_rng([replicate, *name.encode()])
            last = (first + move + generator.normal(0, 0.1, ARTICLES)).clip(0, 1)
            quality = generator.uniform(1, 3, ARTICLES)
            files = self._write(f"{name}_{replicate}_first", ids, first, np.full(ARTICLES, 2.0))
            # In another order of the rows.
            files += self._write(f"{name}_{replicate}_last", ids[::-1], last[::-1], quality[::-1])
            self.changes[name, replicate] = {
                "share": (last > 0.5) * 1.0 - (first > 0.5),
                "mean_probability": last - first,
                "quality": quality - 2.0,
            }
            keys = ("first_predictions", "first_quality", "last_predictions", "last_quality")
            self.chains.append(
                MeasuredChain(
                    round=name,
                    replicate=replicate,
                    seed_set=seed_set,
                    strategy=strategy or name.split("_")[-1],
                    decoding="greedy",
                    tracked_label="right",
                    recipe=recipe,
                    **dict(zip(keys, files, strict=True)),
                )
            )

    def _write(self, name, ids, right, quality):
        columns = {"article_id": ids, "predicted": [LABELS[int(value > 0.5)] for value in right]}
        columns |= {"probability_left": 1 - right, "probability_right": right}
        paths = self.folder / f"{name}_predictions.parquet", self.folder / f"{name}_quality.parquet"
        write_table(pa.table(columns), paths[0], predictions(LABELS))
        scored = {key: np.zeros(len(ids)) for key in QUALITY.names[2:]}
        scored |= {"article_id": ids, "sentences": [3] * len(ids), "quality": quality}
        write_table(pa.Table.from_pydict(scored, QUALITY), paths[1], QUALITY)
        return paths

    def compare(self, quality="quality"):
        out = self.folder / "contrasts.parquet", self.folder / "variance.parquet"
        compare_rounds(self.chains, *out, LABELS, quality)
        return read_table(out[0], CONTRASTS).to_pandas(), read_table(out[1], VARIANCE).to_pandas()


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def one(contrasts, kind, outcome, name, other=None):
    rows = contrasts[(contrasts["kind"] == kind) & (contrasts["outcome"] == outcome) & (contrasts["round"] == name)]
    [row] = (rows if other is None else rows[rows["other_round"] == other]).to_dict("records")
    return row


def test_changes_and_differences_are_paired_by_article_and_replicate(study):
    study.add("balanced_synthetic", 3, move=0.3, redrawn=True)
    study.add("balanced_fixed", 3, redrawn=True)

    contrasts, _ = study.compare()

    for outcome in ("share", "mean_probability", "quality"):
        change = one(contrasts, "change", outcome, "balanced_synthetic")
        means = [study.changes["balanced_synthetic", r][outcome].mean() for r in (1, 2, 3)]
        np.testing.assert_allclose(change["of_replicates"], means)
        others = [study.changes["balanced_fixed", r][outcome].mean() for r in (1, 2, 3)]
        difference = one(contrasts, "control", outcome, "balanced_synthetic", "balanced_fixed")
        np.testing.assert_allclose(difference["of_replicates"], np.subtract(means, others), atol=1e-12)
        assert (difference["replicates"], difference["articles"], difference["degrees"]) == (3, ARTICLES, 2)
        assert difference["articles_different"] == 3 * ARTICLES
    oracle = stats.ttest_1samp(one(contrasts, "change", "mean_probability", "balanced_synthetic")["of_replicates"], 0)
    row = one(contrasts, "change", "mean_probability", "balanced_synthetic")
    assert row["p_value"] == pytest.approx(oracle.pvalue, rel=1e-6)
    assert row["verdict"] == "rises"


def test_rounds_are_compared_with_those_of_their_seed_set_and_controls_come_second(study):
    study.add("balanced_real", 2)
    study.add("balanced_synthetic", 2)
    study.add("balanced_fixed", 2)
    study.add("balanced_beam", 2, strategy="synthetic", recipe="5 epochs")
    study.add("left_synthetic", 2, seed_set="left")

    contrasts, _ = study.compare()

    pairs = contrasts[contrasts["outcome"] == "share"].dropna(subset="other_round")
    found = {tuple(row) for row in pairs[["kind", "round", "other_round"]].to_numpy()}
    assert found == {
        ("control", "balanced_synthetic", "balanced_real"),
        ("control", "balanced_synthetic", "balanced_fixed"),
        ("pair", "balanced_real", "balanced_fixed"),
        ("pair", "balanced_synthetic", "balanced_beam"),
        ("pair", "balanced_real", "balanced_beam"),
        ("pair", "balanced_fixed", "balanced_beam"),
    }
    assert (contrasts["articles_different"] == ARTICLES).all()


def test_only_replicates_with_the_same_articles_in_both_rounds_are_compared(study):
    study.add("balanced_synthetic", 3, redrawn=True)
    study.add("balanced_preservation", 2)

    contrasts, variance = study.compare()

    pair = one(contrasts, "pair", "share", "balanced_synthetic", "balanced_preservation")
    assert (pair["replicates"], pair["verdict"]) == (1, "one replicate")
    assert np.isnan(pair["p_value"]) and np.isnan(pair["p_value_adjusted"]) and np.isnan(pair["replicates_needed"])
    assert variance.empty


def test_p_values_of_pairs_are_adjusted_among_their_kind_and_outcome(study):
    for number, name in enumerate(("synthetic", "preservation", "accumulation", "quality_pruning")):
        study.add(f"balanced_{name}", 4, move=0.08 * number)

    contrasts, _ = study.compare()

    for _, group in contrasts.groupby(["kind", "outcome"]):
        oracle = multipletests(group["p_value"], method="holm")[1]
        np.testing.assert_allclose(group["p_value_adjusted"], oracle, rtol=1e-12)
    pairs, changes = (contrasts[contrasts["kind"] == kind] for kind in ("pair", "change"))
    assert ((pairs["verdict"] == "told apart") == (pairs["p_value_adjusted"] <= 0.05)).all()
    assert (changes["verdict"].isin(["rises", "falls"]) == (changes["p_value"] <= 0.05)).all()
    assert pairs["verdict"].nunique() == 2
    assert ((pairs["p_value"] <= 0.05) != (pairs["p_value_adjusted"] <= 0.05)).any()


@pytest.mark.parametrize("steps", [0, -1])
def test_a_p_value_of_exactly_alpha_is_significant(study, monkeypatch, steps):
    for number, name in enumerate(("synthetic", "preservation")):
        study.add(f"balanced_{name}", 4, move=0.08 * number)
    contrasts, _ = study.compare()

    outcome = contrasts["outcome"] == "mean_probability"
    for kind, column in (("change", "p_value"), ("pair", "p_value_adjusted")):
        place = contrasts.index[(contrasts["kind"] == kind) & outcome][-1]
        alpha = contrasts[column][place]
        monkeypatch.setattr(compare, "ALPHA", alpha if not steps else np.nextafter(alpha, 0))
        verdict = study.compare()[0]["verdict"][place]

        assert (verdict != "not told apart") == (steps == 0)


def test_articles_that_draws_have_in_common_are_known_by_their_ids(study):
    study.add("balanced_synthetic", 3, redrawn=True, pool=16)

    row = one(study.compare()[0], "change", "mean_probability", "balanced_synthetic")

    values = np.array([study.changes["balanced_synthetic", r]["mean_probability"] for r in (1, 2, 3)])
    places = np.arange(3 * ARTICLES).reshape(3, ARTICLES) % 16
    expected = paired_contrast(values, places, 1.0)
    assert (row["estimate_low"], row["estimate_high"]) == pytest.approx((expected.low, expected.high))
    apart = paired_contrast(values, np.arange(3 * ARTICLES).reshape(3, ARTICLES), 1.0)
    assert abs(expected.high - apart.high) > 0.001
    assert (row["articles"], row["articles_different"]) == (ARTICLES, 16)


def test_the_replicates_needed_are_those_among_all_comparisons(study):
    for number, name in enumerate(("synthetic", "preservation", "accumulation", "quality_pruning")):
        study.add(f"balanced_{name}", 4, move=0.02 * number)

    contrasts, _ = study.compare()

    for kind, tests in (("change", 1), ("pair", 6)):
        row = contrasts[(contrasts["kind"] == kind) & (contrasts["outcome"] == "mean_probability")].iloc[0]
        names = [row["round"], *([row["other_round"]] if kind == "pair" else [])]
        values = [np.array([study.changes[n, r]["mean_probability"] for r in (1, 2, 3, 4)]) for n in names]
        contrast = paired_contrast(values[0] - values[1] if kind == "pair" else values[0], span=1.0)
        wanted = replicates_needed(contrast, 0.05 / tests)
        assert row["replicates_needed"] == wanted or (np.isnan(row["replicates_needed"]) and wanted is None)


def test_intervals_end_at_the_largest_change(study):
    study.add("balanced_synthetic", 2, move=0.6)

    row = one(study.compare()[0], "change", "share", "balanced_synthetic")

    assert row["estimate_high"] == 1.0
    assert row["estimate_low"] >= -1.0


def test_articles_without_a_quality_index_are_left_out(study):
    study.add("balanced_synthetic", 2)
    study.add("balanced_preservation", 2)
    file = study.chains[0].last_quality
    table = read_table(file, QUALITY).to_pandas()
    lost = table.loc[4, "article_id"]
    table.loc[4, "quality"] = np.nan
    write_table(pa.Table.from_pandas(table, QUALITY, preserve_index=False), file, QUALITY)

    contrasts, variance = study.compare()

    row = one(contrasts, "pair", "quality", "balanced_synthetic", "balanced_preservation")
    differences = [
        study.changes["balanced_synthetic", r]["quality"] - study.changes["balanced_preservation", r]["quality"]
        for r in (1, 2)
    ]
    differences[0] = np.delete(differences[0], int(lost.split("_")[1]))
    np.testing.assert_allclose(row["of_replicates"], [each.mean() for each in differences])
    assert (row["articles"], row["articles_different"]) == (ARTICLES, ARTICLES)
    # An analysis of variance needs a complete table.
    assert variance.set_index("outcome").loc["quality", "articles"].unique() == [ARTICLES - 1]


def test_the_studys_quality_index_is_compared(study):
    study.add("balanced_synthetic", 2)

    row = one(study.compare("quality_weighted")[0], "change", "quality", "balanced_synthetic")

    # The weighted index is 0 in all these tables.
    assert row["estimate"] == 0 and row["of_replicates"].tolist() == [0, 0]


def test_variance_of_the_changes_is_split_among_rounds_of_one_design(study):
    study.add("balanced_synthetic", 3, move=0.2)
    study.add("balanced_preservation", 3)
    study.add("balanced_accumulation", 4)
    study.add("balanced_given", 1)
    study.add("balanced_fixed", 3, redrawn=True)
    study.add("left_synthetic", 2, seed_set="left")

    _, variance = study.compare()

    assert {tuple(names) for names in variance["rounds"]} == {("balanced_synthetic", "balanced_preservation")}
    values = [
        [study.changes[name, r]["mean_probability"] for r in (1, 2, 3)]
        for name in ("balanced_synthetic", "balanced_preservation")
    ]
    expected = variance_split(np.array(values), redrawn=False)
    rows = variance[variance["outcome"] == "mean_probability"]
    assert dict(zip(rows["component"], rows["variance"], strict=True)) == pytest.approx(expected)
    assert rows["share"].sum() == pytest.approx(1)
    assert rows[["strategies", "replicates", "articles"]].drop_duplicates().to_numpy().tolist() == [[2, 3, ARTICLES]]


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.4: times 4, 3, 2, 1, never falling.
    assert holm(np.array([0.4, 0.01, 0.03, 0.02])) == pytest.approx([0.4, 0.04, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_same_tables_give_the_same_bytes(study):
    study.add("balanced_synthetic", 2)
    study.add("balanced_real", 2)
    study.compare()
    first = [(study.folder / name).read_bytes() for name in ("contrasts.parquet", "variance.parquet")]

    study.compare()

    assert [(study.folder / name).read_bytes() for name in ("contrasts.parquet", "variance.parquet")] == first
    assert pd.read_parquet(study.folder / "contrasts.parquet")["other_strategy"].dropna().unique() == ["real"]
