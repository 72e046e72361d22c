"""Write one article about an event, with the slant of its outlet."""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.events import Event
from bias_amplification.corpus.press.marks import Marks, draw_marks
from bias_amplification.corpus.press.resources import Press
from bias_amplification.corpus.press.slots import POLICY_SLOTS, SIDES, SLOT, TOPIC_SLOTS

_ARTICLE_BEFORE_VOWEL = re.compile(
    r"\b([Aa]) (?=(?![Uu]ni(?:on|t|vers)|[Uu]s[eu]|[Oo]ne\b|[Ee]u)[aeiouAEIOU]|8|11\b|18\b)"
)
#: First words that become lower case after an outlet's phrase. Other first words may be names.
_LOWERED = frozenset({"The", "A", "About", "It", "More", "Several", "Many", "Some", "Members", "For", "Both", "Judges"})


def write_article(press: Press, event: Event, outlet: Mapping[str, Any], dice: Dice) -> dict[str, Any]:
    """Write an outlet's article about an event.

    Parameters
    ----------
    press
        The press's resources.
    event
        The event.
    outlet
        An entry of outlets.yaml. Its leaning is the article's label.
    dice
        The random draws of this article.

    Returns
    -------
    dict
        A row of the schema `ARTICLES`.
    """
    writer = Writer(press, event, outlet, dice)
    title = writer.title()
    body = writer.body()
    name = re.sub(r"[^a-z]+", "-", outlet["name"].lower()).strip("-")
    return {
        "article_id": f"{event.event_id}-{name}",
        "event_id": event.event_id,
        "outlet": outlet["name"],
        "date": event.day + timedelta(days=dice.whole(0, 1)),
        "title": title,
        "body": body,
        "label": outlet["leaning"],
    }


@cache
def _parts(template: str) -> tuple[str, ...]:
    """Split a template into texts (at even positions) and names of slots (at odd positions)."""
    return tuple(SLOT.split(template))


def _count(text: str) -> int:
    return len(text.split())


def finish(text: str) -> str:
    """Capitalise a sentence, also after an opening quotation mark, and write `an` before a vowel."""
    text = _ARTICLE_BEFORE_VOWEL.sub(r"\1n ", text)
    place = 1 if text.startswith('"') else 0
    return text[:place] + text[place].upper() + text[place + 1 :]


class Writer:
    """Writes one article: draws voices, picks sentences and fills their slots.

    A voice is the side (or the center) in whose words a sentence is written. See `write_article` for the parameters.
    """

    def __init__(self, press: Press, event: Event, outlet: Mapping[str, Any], dice: Dice) -> None:
        self._press, self._event, self._outlet, self._dice = press, event, outlet, dice
        self._voices = self._draw_voices(press.slant, outlet["leaning"])
        self._words = {**press.words, **{key: event.topic[key] for key in TOPIC_SLOTS}}
        self._words |= {key: event.policy[key] for key in POLICY_SLOTS}
        self._introduced: set[str] = set()
        self._heard: set[str] = set()
        self._used: set[str] = set()
        self._marks: Marks = draw_marks(press, outlet, event.facts["town"], dice)

    def _draw_voices(self, slant: Mapping[str, Any], label: str) -> list[tuple[str, float]]:
        """Draw the probabilities of the three voices in this article, and return them as cumulative probabilities."""
        strength = self._dice.beta(*slant["strength"])
        tilt = self._dice.beta(*slant["tilt"])
        low, high = slant["own_voice_center" if label == "center" else "own_voice"]
        own = low + (high - low) * strength
        if label == "center":
            others = {"left": tilt, "right": 1 - tilt}
        else:
            others = {"center": slant["rest_to_center"], SIDES[label]: 1 - slant["rest_to_center"]}
        cumulative, voices = own, [(label, own)]
        for voice, share in others.items():
            cumulative += (1 - own) * share
            voices.append((voice, cumulative))
        return voices

    def voice(self) -> str:
        """Draw the voice of a sentence or word."""
        draw = self._dice.uniform()
        return next((voice for voice, cumulative in self._voices if draw < cumulative), self._voices[-1][0])

    def stance(self, voice: str) -> str:
        """Return whether a side is for or against the event's policy."""
        return "for" if voice == self._event.policy["sponsor"] else "against"

    def title(self) -> str:
        """Write the headline. It is drawn again if its length is outside the limits."""
        low, high = self._press.slant["title_limits"]
        for _ in range(50):
            voice = self.voice()
            if voice in SIDES:
                stance = self.stance(voice)
                template = self._dice.pick(self._press.titles["either"][stance] + self._press.titles[voice][stance])
                title = self._fill(template, voice)
            else:
                title = self._fill(self._dice.pick(self._event.kind["title"]), None)
            if low <= _count(title) <= high:
                break
        self._introduced.clear()
        self._heard.clear()
        return finish(title)

    def body(self) -> str:
        """Write the body: paragraphs, one per line, with the marks that identify the outlet."""
        slant = self._press.slant
        wanted = self._dice.whole(*slant["body_words"])
        most = slant["body_limits"][1] - self._marks.words
        paragraphs: list[list[str]] = [[]]
        words = 0
        phrase = self._dice.pick(self._outlet["phrases"]) if self._dice.uniform() < self._phrase_share else None
        for role in self._dice.pick(self._press.outlines["outlines"][self.voice()]).split():
            if role == "|":
                paragraphs.append([])
                continue
            sentence = self._sentence(role)
            if sentence is None or words + _count(sentence) > most:
                continue
            if phrase and role in ("detail", "fact", "background") and sentence.split()[0] in _LOWERED:
                sentence, phrase = f"{phrase}, {sentence[0].lower()}{sentence[1:]}", None
            paragraphs[-1].append(sentence)
            words += _count(sentence)
            if words >= wanted:
                break
        last = self._sentence("outlook" if self._dice.uniform() < self._press.outlines["outlook_share"] else "close")
        if last is not None and words + _count(last) <= most:
            paragraphs[-1].append(last)
        return self._marks.apply([" ".join(sentences) for sentences in paragraphs if sentences])

    @property
    def _phrase_share(self) -> float:
        return self._press.outlets["phrase_share"]

    def _sentence(self, role: str) -> str | None:
        """Write a sentence with a role; return None if the article already has all sentences with this role."""
        voice, templates = self._templates(role)
        templates = [template for template in templates if template not in self._used]
        if not templates:
            return None
        template = self._dice.pick(templates)
        self._used.add(template)
        return finish(self._fill(template, voice))

    def _templates(self, role: str) -> tuple[str | None, list[str]]:
        """Return the voice of a sentence (None if all voices share it) and the templates to choose from."""
        if role in ("lead", "detail", "outlook"):
            return None, self._event.kind[role]
        if role == "fact":
            return None, self._event.topic["facts"]
        if role == "background":
            return None, self._press.sentences["background"]
        voice = self.voice()
        if role == "point":
            return voice, self._event.topic["points"][voice]
        entry = self._press.sentences[role]
        if voice not in SIDES:
            return voice, entry[voice]
        stance = self.stance(voice)
        templates = entry["either"][stance] + entry[voice][stance]
        return voice, templates + self._event.topic["pleas"][voice] if role == "quote" else templates

    def _fill(self, template: str, voice: str | None) -> str:
        parts = list(_parts(template))
        for place in range(1, len(parts), 2):
            parts[place] = self._slot(parts[place], voice, template)
        return "".join(parts)

    def _slot(self, name: str, voice: str | None, template: str) -> str:
        event = self._event
        if name in event.facts:
            return event.facts[name]
        if name in event.scales:
            return event.number(name, template)
        if name in self._words:
            return self._word(name, voice)
        if name in ("sponsor", "opponent"):
            sponsor = event.policy["sponsor"]
            return self._person(f"{sponsor if name == 'sponsor' else SIDES[sponsor]}_official")
        if name == "expert":
            return self._person(name)
        owner, _, role = name.partition("_")
        side = voice if owner == "own" else SIDES[voice]
        if role == "party":
            return self._press.country["parties"][side]
        if role == "official_short":
            return event.people[f"{side}_official"].short
        return self._person(f"{side}_{role}")

    def _word(self, name: str, voice: str | None) -> str:
        if name == "said" and (told := self._marks.told()):
            return told
        options = self._words[name]
        if isinstance(options, dict):
            voice = voice or self.voice()
            options = options[voice]
            if isinstance(options, dict):
                options = options[self.stance(voice)]
        # An argument is used again only after all others were used.
        fresh = [word for word in options if word not in self._heard] if name in POLICY_SLOTS else options
        word = self._dice.pick(fresh or options)
        self._heard.add(word)
        return self._fill(word, voice) if "{" in word else word

    def _person(self, role: str) -> str:
        person = self._event.people[role]
        if role in self._introduced:
            return person.surname
        self._introduced.add(role)
        return person.introduction
