"""The benchmarks: all ways that a benchmark compares do the same work with the same result."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import GPT2Config, LlamaConfig

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES
from bias_amplification.corpus.press.edition import write_press
from bias_amplification.language_model.pretrain import save_tokenizer, train_tokenizer
from bias_amplification.neurons.panel import read_outcomes
from helpers import ROOT


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Compute on one thread, because test files run at once."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_gpt2(benchmark, monkeypatch):
    """A GPT-2 of two small blocks in place of GPT-2 124M."""
    common = benchmark("common")
    tiny = GPT2Config(n_embd=48, n_layer=2, n_head=3)
    monkeypatch.setattr(common, "GPT2Config", lambda: tiny)


def test_all_ways_to_write_get_the_same_prompts(small_gpt2, benchmark, monkeypatch):
    writing, common = benchmark("writing"), benchmark("common")
    monkeypatch.setattr(writing, "NEW", 6)
    prompts = common.whole_blocks(*common.read_articles(None, None, 40), 40)

    lines = writing.compare(prompts, 3, 1, None, "random tokens")

    rows = [line for line in lines if line.startswith("| ") and " of 3 |" in line]
    assert all(line.endswith("| 3 of 3 |") for line in rows), lines
    assert {"`generate`, one prompt at a time", "`generate`, 32 at a time", "ours, 32 at a time"} <= {
        line.split(" | ")[0].strip("| ") for line in rows
    }
    assert any("`generate` with a static cache, 32 at a time" in line for line in lines)
    assert "CTranslate2: not compared, no tokenizer was given." in lines


def test_a_table_with_too_few_articles_is_an_error(benchmark, tmp_path):
    table = tmp_path / "articles.parquet"
    pq.write_table(pa.table({"title": ["One", "Two", None], "body": ["a", None, "b"]}), table)

    with pytest.raises(SystemExit, match=r"articles.parquet has 3 articles where 4 are wanted"):
        benchmark("common").read_rows(table, 4)
    assert sorted(row["title"] for row in benchmark("common").read_rows(table, 3)) == ["", "One", "Two"]


def test_all_ways_to_fine_tune_start_from_the_same_loss(small_gpt2, benchmark, monkeypatch):
    finetuning, common = benchmark("finetuning"), benchmark("common")
    # All examples are in one batch, so their order has no effect.
    titles, bodies = common.read_articles(None, None, 8)
    examples = [(title + body)[:64] for title, body in zip(titles, bodies, strict=True)]
    monkeypatch.setattr(finetuning, "MOST", 64)

    (trainer,), (bare,), (own,) = (
        way(examples) for way in (finetuning.with_trainer, finetuning.with_bare_loop, finetuning.with_ours)
    )

    # The dropout of GPT-2 differs between them. Trainer divides by the number of all labels, including the first one
    # of each example, which is not predicted.
    assert trainer * 64 / 63 == pytest.approx(bare, rel=2e-3)
    assert own == pytest.approx(bare, rel=2e-3)


def test_all_ways_to_classify_agree_with_one_text_at_a_time(benchmark, tmp_path):
    classification, rehearsal = benchmark("classification"), benchmark("rehearsal")
    texts = classification.read_texts(None, 6)
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    rehearsal.make_models(tmp_path / "models", tmp_path / "words", tiny=True)

    rows = classification.compare(tmp_path / "models" / "roberta-base", texts, 1, 2048)[-3:]

    assert [row.split(" | ")[0].strip("| ") for row in rows][2] == "ours"
    assert all(float(row.split(" | ")[-1].strip("| ")) < 1e-6 for row in rows)


@pytest.fixture
def chain(benchmark, monkeypatch):
    module = benchmark("chain")
    # Short, but long enough for the two sides to differ if one of them is wrong.
    monkeypatch.setattr(module, "NEW", 8)
    monkeypatch.setattr(module, "GENERATIONS", 2)
    return module


def test_the_plain_script_and_the_workflow_write_and_measure_the_same(chain, tmp_path):
    texts = [row["body"] for row in write_press(10, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    recipe = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "weight_decay": 0.01}
    compared = chain.Chain(tmp_path / "models", chain.write_articles(2), tmp_path / "words", recipe, tiny=True)

    took, agreed = chain.compare(compared, 1)

    assert agreed == {"articles": 4, "labels": 4, "quality": 4}
    # The articles are not empty and change with training.
    first, second = (
        read_table(tmp_path / f"models/ours/generation_0{number}/articles.parquet", GENERATED_ARTICLES)["text"]
        for number in range(2)
    )
    assert first != second and all(first.to_pylist())
    text = "\n".join(chain.report(took, agreed, 2, 2))
    assert "| all |" in text and "articles 4, labels 4, quality 4." in text


def test_time_and_memory_of_rules_are_read_from_logs(benchmark, tmp_path):
    logs = {
        "rounds/a/generation_00/finetune": "1\ndone in 20.0 s, at most 2,000 MB of memory, 7,500 MB of the GPU's\n",
        "rounds/a/generation_01/finetune": "done in 40.0 s, at most 3,000 MB of memory\n",
        "base/generate_balanced": "done in 5.5 s, at most 900 MB of memory\n",
        "rounds/b/generation_00/share_model.safetensors": "done in 0.1 s, at most 30 MB of memory\n",
        "corpus/build": "it failed\n",
    }
    for name, text in logs.items():
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / f"{name}.log").write_text(text, encoding="utf-8")

    lines = benchmark("rehearsal").resource_table(tmp_path).splitlines()[2:]

    assert lines == [
        "| fine-tuning | 2 | 30.0 (40.0) | 60 | 3,000 | 7,500 |",
        "| writing | 1 | 5.5 (5.5) | 6 | 900 | 0 |",
        "| training sets and sharing | 1 | 0.1 (0.1) | 0 | 30 | 0 |",
    ]


def test_the_neuron_statistics_are_compared_on_a_panel_that_can_be_read(benchmark, tmp_path):
    panel, paths = benchmark("neuron_statistics").simulate_tables(tmp_path, rounds=2, layers=1, width=4)

    outcomes = read_outcomes(panel, len(paths))
    assert set(outcomes.versions.rounds) == {"r0", "r1"}
    assert all(np.isfinite(values).all() for values in outcomes.values.values())


def test_contrasts_are_calibrated_for_every_design(benchmark):
    calibration = benchmark("contrast_calibration")

    head, rule, *lines = calibration.list_families(studies=2, seed=1)

    assert head.count("|") == rule.count("|") == 7
    assert [line.split(" | ")[:3] for line in lines] == [
        [f"| {articles}", str(number), str(replicates)]
        for articles in ("same", "redrawn")
        for number in (48, 300)
        for replicates in (2, 3, 5)
    ]


def test_paired_intervals_are_calibrated_in_every_part(benchmark, monkeypatch):
    calibration = benchmark("paired_calibration")
    monkeypatch.setattr(calibration, "ARTICLES", (10, 48))
    monkeypatch.setattr(calibration, "ADJUSTED", {"30 to 50%": (0.3, 0.5)})

    found = {
        part: getattr(calibration, f"list_{part}")(3, seed=1)
        for part in ("means", "changes", "rounds", "methods", "parts", "adjusted")
    }

    rows = {part: len(lines) - 2 for part, lines in found.items()}
    assert rows == {"means": 3, "changes": 18, "rounds": 12, "methods": 7, "parts": 4, "adjusted": 6}
    assert all(len({line.count("|") for line in lines}) == 1 for lines in found.values())
    assert "nan" not in str(found)


def test_methods_for_paired_shares_equal_closed_forms(benchmark):
    calibration = benchmark("paired_calibration")
    # Of 10 articles 3 change up and 1 down; the label is at 5 and at 7.
    first = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 0, 0.0]])
    last = np.array([[1, 1, 1, 0, 1, 1, 1, 1, 0, 0.0]])

    found = {name: interval[0] for name, interval in calibration.paired_methods(first, last).items()}

    z = 1.959963984540054
    # Bonett and Price (2012): (1 + 3) / 12 and (1 + 1) / 12.
    half = z * np.sqrt((4 / 12 + 2 / 12 - (2 / 12) ** 2) / 12)
    assert found["Bonett and Price (2012)"] == pytest.approx([0.2, 2 / 12 - half, 2 / 12 + half])
    # Tango's ends have a score of exactly z: the restricted estimate of the share that changes down has a closed form.
    for end in found["Tango (1998)"][1:]:
        linear, constant = -4 + (20 - 2) * end, -1 * end * (1 - end)
        down = (np.sqrt(linear**2 - 80 * constant) - linear) / 40
        assert abs(2 - 10 * end) == pytest.approx(z * np.sqrt(10 * (2 * down + end * (1 - end))), rel=1e-6)


def test_comparisons_with_a_published_training_are_calibrated_for_every_number(benchmark, monkeypatch):
    calibration = benchmark("new_training_calibration")
    monkeypatch.setattr(calibration, "ARTICLES", (48,))

    head, rule, *lines = calibration.list_outside(studies=2, seed=1)

    assert head.count("|") == rule.count("|") == 6
    assert [line.split(" | ")[0] for line in lines] == ["| 1", "| 2", "| 3", "| 5", "| 10"]


def test_the_estimated_overlap_is_tried_in_every_world(benchmark):
    coverage = benchmark("overlap_coverage")
    shape = coverage.Shape(rounds=4, neurons=60)

    for world in coverage.WORLDS:
        study = coverage.draw_study(world, shape, None, np.random.default_rng(0))
        assert study.neurons.shape == (4, 10, 60)
        if world.kind == "clear-cut" and world.strength:
            assert coverage.true_share(study, world, 6) == world.common
        if world.kind == "graded" and world.common == 1:
            assert coverage.true_share(study, world, 2) == 1
    lines = coverage.cover(coverage.WORLDS[-1], shape, None, studies=2, seed=1)

    assert [line.split(" | ")[1:3] for line in lines] == [["4 x 11", "2 of 60"], ["4 x 11", "6 of 60"]]
    assert {line.count("|") for line in lines} == {11}


def test_degenerate_texts_of_clear_rules_are_found(benchmark):
    texts = benchmark("degenerate_texts")
    bodies = list(dict.fromkeys(row["body"] for row in write_press(300, 1, ROOT / "resources/press").to_pylist()))
    articles = [words for body in bodies if len(words := texts.bare_words(body, "en")) >= 140][:460]

    lines = [line.strip("| ").split(" | ") for line in texts.table(articles)]

    assert len(articles) == 460 and len(lines) == 2 + len(texts.RULES) + 2
    shares = {line[0]: dict(zip(("repetitive", "copied"), line[3:], strict=True)) for line in lines[2:-2]}
    for name in ("one word again and again", "a sentence again and again", "forty words twice"):
        assert shares[name]["repetitive"] == "100%"
    for name in ("60 to 100% from the prompt", "six stretches of 15 words"):
        assert shares[name]["copied"] == "100%"
    for name in ("another article", "20 to 40% a loop of three words"):
        assert shares[name]["repetitive"] == "0%"


def test_reliability_is_tried_in_every_world(benchmark, monkeypatch):
    coverage = benchmark("reliability_coverage")
    monkeypatch.setattr(coverage, "NEURONS", 20)
    monkeypatch.setattr(coverage, "PERMUTATIONS", 19)
    monkeypatch.setattr(coverage, "FEWER", 19)

    for world in coverage.WORLDS:
        studies = [coverage.try_study(world, (4, 5, 1), seed) for seed in range(2)]
        cells = coverage.summarise(world, studies)
        assert len(cells) == len(coverage.HEAD) == 12
        assert cells[0] == world.words and cells[1] and cells[4]
        assert all(0 <= float(cells[place]) <= 100 for place in (2, 5, 8, 11))


def test_random_sets_are_told_from_their_controls_as_rarely_as_the_level_says(benchmark):
    calibration = benchmark("intervention_calibration")

    rates = calibration.simulate(calibration.World(2, 48, 6, 0.3), 400, 20)

    assert rates.told < 0.1 and rates.family < 0.1 < rates.singly
    assert 0.6 < rates.detected < 0.95 and rates.unlike < 0.15


def test_quality_detectors_are_compared_on_sentences_and_on_texts_that_repeat_themselves(benchmark, tmp_path):
    detectors, rehearsal = benchmark("quality_detectors"), benchmark("rehearsal")
    bodies = [row["body"] for row in write_press(30, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(bodies[:10], 400), tmp_path / "words")
    rehearsal.make_models(tmp_path / "models", tmp_path / "words", tiny=True)
    sentences = detectors.real_sentences([""] * len(bodies), bodies, "sentence")
    texts = [own for body in bodies if len(own := detectors.split_sentences(body)[:8]) == 8][:4]
    compute = detectors.JobCompute(device="cpu")
    ways = detectors.settings(tmp_path / "models" / "distilbert", 200, 100)

    trained = {name: detectors.train(quality, sentences, compute) for name, quality in ways.items()}
    lines = detectors.report(trained, texts, sentences)

    assert len(texts) == 4 and len(lines) == 2 + 5 + 1 + 1 + 2 + len(detectors.RULES)
    assert {line.count("|") for line in lines if line} == {2 + len(ways)}
    (again,) = [line.strip("| ").split(" | ") for line in lines if "eight times" in line]
    # Seven of eight sentences were said before, and count 1.
    assert all(float(cell.split()[0]) <= (3 + 7) / 8 + 1e-9 for cell in again[2:])


def test_the_classifier_that_a_study_needs(benchmark):
    needed = benchmark("classifier_needed")

    weak, strong = (needed.simulate(score, (0.683, 0.878), 12, 1) for score in (0.4, 0.9))

    assert weak.corrected < 0.5 < 0.9 < strong.corrected
    assert strong.width < 0.2 < 0.5 < weak.width
    # With even errors, the plain change is (3 F1 - 1) / 2 of the true one.
    assert strong.change == pytest.approx(0.85 * 0.195, abs=0.03)
    assert weak.change == pytest.approx(0.1 * 0.195, abs=0.05)
    assert needed.explained(0.61, 0.878) == pytest.approx(0.878 - 0.61)
    assert needed.explained(0.9, 0.878) == pytest.approx(0, abs=1e-12)
    assert [line.split(" | ")[0] for line in needed.list_articles(50, 1)[2:]] == ["| 24", "| 48", "| 120", "| 360"]


def test_the_benchmark_of_a_gpu_measures_everything(benchmark, monkeypatch):
    gpu = benchmark("gpu")
    monkeypatch.setattr(gpu, "product_rate", lambda rows, dtype: 1e12)
    # A vocabulary of 50,257 tokens is slow without a GPU.
    monkeypatch.setattr(gpu, "GPT2Config", partial(gpu.GPT2Config, vocab_size=60))
    monkeypatch.setattr(gpu, "LlamaConfig", lambda **sizes: LlamaConfig(**sizes | {"vocab_size": 60}))
    monkeypatch.setattr(gpu, "examples", lambda number, tokens: [[k % 50] * tokens for k in range(number)])
    sizes = gpu.Sizes(rows=1, tokens=8, steps=1, before=1, batches=(2, 3), texts=2, layers=1)

    rows = {name: list(part(sizes)) for name, part in gpu.PARTS.items()}

    assert [len(lines) - 2 for lines in rows.values()] == [5, 8, 24, 6, 4, 6]
    numbers = [cell.strip() for lines in rows.values() for line in lines[2:] for cell in line.split("|")[2:-1]]
    assert all(float(cell.replace(",", "").rstrip("%") or 1) >= 0 for cell in numbers)


def test_tf32_is_imitated_by_rounding_to_10_bits(benchmark):
    precision = benchmark("precision")
    one, bits = 1.0, 2.0**-10
    numbers = torch.tensor([one + bits, one + 0.4 * bits, one + 0.6 * bits, -one - 0.6 * bits, 3e-30, 0.0])

    rounded = precision.rounded(numbers)

    assert rounded.tolist()[:4] == [one + bits, one, one + bits, -one - bits]
    assert torch.allclose(rounded, numbers, rtol=bits / 2, atol=0)
    model = torch.nn.Linear(300, 5)
    inputs = torch.randn(7, 300)
    with precision.in_precision(model, "tf32") as imitated, torch.no_grad():
        error = (imitated(inputs) - model(inputs)).abs().max()
        # Products of factors with errors of at most 2^-11 each.
        assert 0 < error < 2 * 2.0**-11 * (inputs.abs() @ model.weight.abs().T).max()
