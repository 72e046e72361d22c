import pyarrow as pa
import pytest
import torch

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES

OWN_WORDS = {"up": ["rises", "gain", "climb"], "down": ["falls", "loss", "drop"]}


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def toy_rows():
    """Short articles that use words of their label's own, in many combinations."""
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
def toy_articles(tmp_path_factory, toy_rows):
    path = tmp_path_factory.mktemp("toy") / "classifier.parquet"
    write_table(pa.Table.from_pylist(toy_rows, CLASSIFIER_ARTICLES), path, CLASSIFIER_ARTICLES)
    return path
