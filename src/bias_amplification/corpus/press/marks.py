"""Marks that give an outlet or a writer away, for the identity removal to find."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.resources import Press
from bias_amplification.corpus.press.slots import SLOT


@dataclass
class Marks:
    """The marks of one article. An article without marks has none of the four."""

    byline: str = ""
    """A first line of its own."""
    dateline: str = ""
    """Before the first sentence."""
    closing: str = ""
    """A last line of its own."""
    telling: str = field(default="", repr=False)
    """Stands once for `said`: `told the Northfield Ledger`."""
    spare: str = ""
    """The closing line to use when no one in the article is quoted and so no one told the outlet anything."""

    @property
    def words(self) -> int:
        """The most words that the marks can add."""
        texts = (self.byline, self.dateline, self.closing, self.telling, self.spare)
        return sum(len(text.split()) for text in texts)

    def told(self) -> str:
        """Return the phrase that stands for `said`, the first time it is asked for."""
        told, self.telling = self.telling, ""
        if told:
            self.spare = ""
        return told

    def apply(self, paragraphs: list[str]) -> str:
        """Put the marks around an article's paragraphs and join them, one a line."""
        first = f"{self.dateline}{paragraphs[0]}"
        return "\n".join(text for text in (self.byline, first, *paragraphs[1:], self.closing or self.spare) if text)


def draw_marks(press: Press, outlet: Mapping[str, Any], town: str, dice: Dice) -> Marks:
    """Draw where an article names its outlet or writer: in one or two places, or nowhere."""
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
