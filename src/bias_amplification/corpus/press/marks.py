"""Draw marks: phrases that identify an article's outlet or writer. Identity removal has to find them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.resources import Press
from bias_amplification.corpus.press.slots import SLOT


@dataclass
class Marks:
    """The marks of one article. Unused ones are empty."""

    byline: str = ""
    """A separate first line."""
    dateline: str = ""
    """Before the first sentence."""
    closing: str = ""
    """A separate last line."""
    telling: str = field(default="", repr=False)
    """Replaces `said` once: `told the Northfield Ledger`."""
    spare: str = ""
    """The closing line if `telling` stays unused because the article has no quotation."""

    @property
    def words(self) -> int:
        """The maximum number of words that the marks add."""
        texts = (self.byline, self.dateline, self.closing, self.telling, self.spare)
        return sum(len(text.split()) for text in texts)

    def told(self) -> str:
        """Return `telling` at the first call, and an empty text afterwards."""
        told, self.telling = self.telling, ""
        if told:
            self.spare = ""
        return told

    def apply(self, paragraphs: list[str]) -> str:
        """Add the marks to an article's paragraphs and join all with newlines."""
        first = f"{self.dateline}{paragraphs[0]}"
        return "\n".join(text for text in (self.byline, first, *paragraphs[1:], self.closing or self.spare) if text)


def draw_marks(press: Press, outlet: Mapping[str, Any], town: str, dice: Dice) -> Marks:
    """Draw the marks of an article: one or two, or none."""
    if dice.uniform() >= press.slant["identified"]:
        return Marks()
    name = outlet["name"]
    values = {
        "writer": dice.pick(outlet["writers"]),
        "outlet": name,
        "the_outlet": f"the {name[4:]}" if name.startswith("The ") else name,
        "wire": dice.pick(press.outlets["wires"]),
        "dateline": town.upper(),
    }

    def text(place: str) -> str:
        template = dice.pick(press.outlets["marks"][place])
        return SLOT.sub(lambda slot: values[slot.group(1)], template)

    marks = Marks()
    for place in dice.shuffle(["byline", "dateline", "told", "closing"])[: dice.whole(1, 2)]:
        if place == "told":
            marks.telling, marks.spare = text("told"), text("closing")
        else:
            setattr(marks, place, text(place))
    return marks
