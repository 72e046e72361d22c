"""Write the press's articles about many events, as one article table."""

from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.events import draw_event
from bias_amplification.corpus.press.resources import load_press
from bias_amplification.corpus.press.slots import LABELS
from bias_amplification.corpus.press.writer import write_article


def write_press(events: int, seed: int, resources: Path) -> pa.Table:
    """Write the press's articles about a number of events: one article of each label about each event.

    An article depends on the seed, its event's number and its label. It does not depend on the number of events.

    Parameters
    ----------
    events
        Number of events, at least 1.
    seed
        Seed of all draws, not negative.
    resources
        The folder of the press's resource files.

    Returns
    -------
    pa.Table
        Rows of `ARTICLES`, ordered by event and label.

    Raises
    ------
    StudyError
        If a resource file is missing or invalid.
    """
    press = load_press(resources)
    rows = []
    for number in range(events):
        event = draw_event(press, seed, number)
        for place, label in enumerate(LABELS):
            outlet = Dice(seed, number, 1, place).shuffle(press.outlets_of(label))[0]
            rows.append(write_article(press, event, outlet, Dice(seed, number, 2, place, 0)))
    return pa.Table.from_pylist(rows, schema=ARTICLES)
