"""Studies whose weights go once all is made of them: the same tables, and what a rerun makes again."""

import pytest
from studies import TINY, Study, make_study

pytestmark = pytest.mark.slow

STAGES = ("chain", "measures")
SECOND = "rounds/balanced_synthetic/generation_01"


class Passing(Study):
    """A study up to the table of all measures, in which not all weights stay."""

    def run(self, *targets: str) -> set[str]:
        """Run and return the results that were made again."""
        before = self.times()
        self.finish(*(targets or STAGES), configs=[TINY, self.folder / "storage.yaml"])
        return {name for name, time in self.times().items() if before.get(name) != time}


@pytest.fixture(scope="module", params=["none", 2])
def passing(request, tmp_path_factory) -> Passing:
    study = Passing(make_study(tmp_path_factory.mktemp("storage") / "study").folder)
    (study.folder / "storage.yaml").write_text(f"storage: {{weights: {request.param}}}\n", encoding="utf-8")
    study.kept = {"none": set(), 2: {0, 2}}[request.param]
    study.run()
    return study


def weights(study: Study) -> set[str]:
    return {str(path.relative_to(study.results)) for path in study.results.glob("rounds/**/*.safetensors")}


def test_weights_go_and_tables_are_those_of_a_study_that_keeps_all(finished, passing):
    assert weights(passing) == {
        name for name in weights(finished) if int(name.split("generation_")[1].split("/")[0]) in passing.kept
    }
    tables, whole = passing.checksums(), finished.checksums()
    assert len([name for name in tables if name.startswith("rounds/")]) == 9 * 8
    assert "metrics.parquet" in tables
    assert tables == {name: whole[name] for name in tables}
    assert not list(passing.results.rglob(".*"))


def test_what_needs_no_weights_is_made_again_alone(passing):
    (passing.results / SECOND / "predictions.parquet").unlink()

    both = {f"{SECOND}/{name}.parquet" for name in ("predictions", "predictions_second")}
    assert passing.run() == both | {"metrics.parquet"}


def test_a_file_that_needs_weights_is_made_again_from_the_last_ones_kept(passing):
    before = passing.checksums()
    (passing.results / SECOND / "neurons.parquet").unlink()

    named = passing.run(f"results/{SECOND}/neurons.parquet")
    then = passing.run()

    trained = {f"{SECOND}/{name}" for name in ("training_log.parquet", "config.json", "metadata.json")}
    first = SECOND.replace("01", "00")
    if not passing.kept:
        trained |= {name.replace("01", "00") for name in trained} | {f"{first}/articles.parquet"}
    assert named == trained | {f"{SECOND}/neurons.parquet"}
    # The rounds that have generation 0 in common have its new metadata in common.
    shared = first.replace("balanced_synthetic", "balanced_accumulation")
    assert then == (set() if passing.kept else {f"{shared}/metadata.json"})
    assert passing.checksums() == before
    assert not weights(passing) & {f"{SECOND}/model.safetensors"}
