"""The press's coverage of many events, as one article table."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.events import draw_event
from bias_amplification.corpus.press.resources import Press, load_press
from bias_amplification.corpus.press.slots import LABELS
from bias_amplification.corpus.press.writer import write_article


def write_press(
    events: int,
    seed: int,
    resources: Path | str,
    first_event: int = 0,
    articles_per_label_and_event: int | Mapping[str, int] = 1,
) -> pa.Table:
    """Write the press's coverage of a number of events.

    An article depends on the seed, its event's number, its label and its place among the event's articles of that
    label. More events, another first event or other counts of other labels leave it as it is.

    Parameters
    ----------
    events
        How many events are covered.
    seed
        Not negative.
    resources
        The folder of the press's resource files.
    first_event
        Number of the first event: events `first_event` to `first_event + events - 1` are covered.
    articles_per_label_and_event
        How many outlets of each leaning cover an event; a mapping gives each label its own number (0 if missing).
        At most the number of outlets of that leaning.

    Returns
    -------
    pa.Table
        Schema `ARTICLES`, ordered by event, label and outlet.

    Raises
    ------
    StudyError
        If a resource file is broken, a count is negative or more articles are asked for than there are outlets.
    """
    press = load_press(resources)
    counts = _counts(press, articles_per_label_and_event)
    if events < 1 or first_event < 0 or seed < 0:
        raise StudyError(
            f"The press was asked for {events} events from event {first_event} on with seed {seed}: "
            "set at least 1 event and no negative number."
        )
    rows = []
    for number in range(first_event, first_event + events):
        event = draw_event(press, seed, number)
        for place, label in enumerate(LABELS):
            outlets = Dice(seed, number, 1, place).shuffle(press.outlets_of(label))
            for copy, outlet in enumerate(outlets[: counts[label]]):
                rows.append(write_article(press, event, outlet, Dice(seed, number, 2, place, copy)))
    return pa.Table.from_pylist(rows, schema=ARTICLES)


def _counts(press: Press, asked: int | Mapping[str, int]) -> dict[str, int]:
    counts = {label: asked if isinstance(asked, int) else asked.get(label, 0) for label in LABELS}
    unknown = [] if isinstance(asked, int) else [label for label in asked if label not in LABELS]
    if unknown:
        raise StudyError(
            f"articles_per_label_and_event names the label {unknown[0]}: the press knows {', '.join(LABELS)}."
        )
    for label, count in counts.items():
        most = len(press.outlets_of(label))
        if not 0 <= count <= most:
            raise StudyError(
                f"articles_per_label_and_event asks for {count} articles of {label}: the press has {most} outlets of "
                f"that leaning, so set a number from 0 to {most}."
            )
    return counts
