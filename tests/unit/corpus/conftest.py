"""Fixtures of the corpus's tests: article tables of any size."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from bias_amplification.artifacts.schemas import ARTICLES


@pytest.fixture(scope="session")
def make_articles() -> Callable[..., pa.Table]:
    """A function that makes an article table with the given number of articles of each label."""

    def make(counts: dict[str, int], events: int = 7, outlets: int = 4) -> pa.Table:
        rows = [
            {
                "article_id": f"{label}{number}",
                "event_id": f"event {number % events}" if events else None,
                "outlet": f"outlet {label} {number % outlets}" if outlets else None,
                "date": None,
                "title": "Title",
                "body": f"Body {number} of {label}",
                "label": label,
            }
            for label, count in counts.items()
            for number in range(count)
        ]
        return pa.Table.from_pylist(rows, schema=ARTICLES)

    return make
