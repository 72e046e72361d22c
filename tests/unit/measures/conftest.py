"""A small labelled corpus, on which classifiers of one layer learn within seconds."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES
from bias_amplification.study.sections import JobCompute

#: Words that only articles with this label have.
OWN_WORDS = {"up": ["rises", "gain", "climb"], "down": ["falls", "loss", "drop"]}


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Compute on one thread, as the tests compare bytes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cpu() -> JobCompute:
    """Compute on the CPU, in batches that are smaller than the test sets."""
    return JobCompute(device="cpu", batch_tokens=512)


@pytest.fixture(scope="session")
def toy_rows() -> list[dict]:
    """Return short articles in many combinations of their label's own words."""
    rows = []
    for number in range(240):
        label = ["up", "down"][number % 2]
        first, second, third = (OWN_WORDS[label][(number // step) % 3] for step in (2, 6, 18))
        body = f'The price of "wheat" {first} on day {number % 7}. They said {second} is {third} in town {number % 11}.'
        part = "train" if number < 160 else "validation" if number < 200 else "test"
        rows.append(
            {"article_id": f"a{number}", "title": f"News of day {number % 7}", "body": body, "label": label}
            | {"copy": 0, "split_random": part, "split_event": part if number % 2 else None}
        )
    return rows


@pytest.fixture(scope="session")
def toy_articles(tmp_path_factory: pytest.TempPathFactory, toy_rows: list[dict]) -> Path:
    """Return the table of `toy_rows`."""
    path = tmp_path_factory.mktemp("toy") / "classifier.parquet"
    write_table(pa.Table.from_pylist(toy_rows, CLASSIFIER_ARTICLES), path, CLASSIFIER_ARTICLES)
    return path
