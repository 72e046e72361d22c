"""Draw events: bill, date, place, people and numbers. All outlets that cover an event share its facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zlib import crc32

from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.resources import Press
from bias_amplification.corpus.press.slots import SIDES


@dataclass(frozen=True)
class Person:
    """A person in the news."""

    title: str
    """Office or trade, before the name: `Senator`, `nurse`."""
    name: str
    """Given name and surname."""
    home: str
    """Party, group or town, after the name: `of the Civic Union`."""

    @property
    def surname(self) -> str:
        """The surname, for later mentions."""
        return self.name.split()[-1]

    @property
    def introduction(self) -> str:
        """Title, name and home, for the first mention."""
        return f"{self.title} {self.name} {self.home}"

    @property
    def short(self) -> str:
        """Title and surname, for headlines."""
        return f"{self.title} {self.surname}"


@dataclass(frozen=True)
class Event:
    """The facts of one event."""

    event_id: str
    day: date
    topic: Mapping[str, Any]
    policy: Mapping[str, Any]
    kind: Mapping[str, Any]
    facts: Mapping[str, str]
    """Texts by slot."""
    people: Mapping[str, Person]
    """By role: {side}_official, {side}_activist, {side}_local, expert."""
    salt: int
    """Hashed with a sentence to give a number that differs between events."""
    scales: Mapping[str, Any]
    """Scales of the numbers in sentences."""

    def number(self, scale: str, sentence: str) -> str:
        """Return the number for a slot of a sentence. All outlets that print the sentence print the same number."""
        return number_at(self.scales[scale], crc32(f"{self.salt} {scale} {sentence}".encode()) / 2**32)


def number_at(scale: Mapping[str, Any], place: float) -> str:
    """Return the value of a scale at a relative place in [0, 1), as text."""
    if "words" in scale:
        return scale["words"][int(place * len(scale["words"]))]
    steps = (scale["to"] - scale["from"]) // scale["step"] + 1
    value = scale["from"] + int(place * steps) * scale["step"]
    return scale.get("text", "{value}").format(value=f"{value:,}")


def draw_event(press: Press, seed: int, number: int) -> Event:
    """Draw one event.

    Parameters
    ----------
    press
        The press's resources.
    seed, number
        Seed of the press and number of the event. The event does not depend on how many events are drawn.
    """
    dice = Dice(seed, number, 0)
    topic = press.topics[dice.pick(list(press.topics))]
    policy = dice.pick(topic["policies"])
    kind = press.kinds[dice.pick(list(press.kinds))]
    day = press.country["first_day"] + timedelta(days=dice.whole(0, press.country["days"]))
    if day.weekday() > 4:
        day -= timedelta(days=2)  # events are on weekdays only
    chamber = dice.pick(list(press.country["chambers"]))
    town = dice.pick(press.country["towns"])
    people = _draw_people(press, dice, topic, press.country["chambers"][chamber], town)
    facts = _draw_facts(press, dice, topic, policy, day) | {"chamber": chamber, "town": town}
    for role, side in (("sponsor", policy["sponsor"]), ("opponent", SIDES[policy["sponsor"]])):
        facts[f"{role}_party"] = press.country["parties"][side]
        facts[f"{role}_short"] = people[f"{side}_official"].short
    for name, scale in press.numbers["shared"].items():
        facts[name] = number_at(press.numbers["scales"][scale], dice.uniform())
    salt = dice.whole(0, 2**30)
    return Event(f"event-{number:05d}", day, topic, policy, kind, facts, people, salt, press.numbers["scales"])


def _draw_people(press: Press, dice: Dice, topic: Mapping[str, Any], office: str, town: str) -> dict[str, Person]:
    country = press.country
    surnames = dice.shuffle(country["surnames"])
    people = {}

    def add(role: str, title: str, home: str) -> None:
        people[role] = Person(title, f"{dice.pick(country['given_names'])} {surnames.pop()}", home)

    for side in SIDES:
        add(f"{side}_official", office, f"of {country['parties'][side]}")
        add(f"{side}_activist", dice.pick(country["activist_titles"]), f"of {dice.pick(country['groups'][side])}")
        add(f"{side}_local", dice.pick(country["local_titles"][side]), f"of {town}")
    add("expert", topic["expert"], f"of {dice.pick(country['universities'])}")
    return people


def _draw_facts(press: Press, dice: Dice, topic: Mapping, policy: Mapping, day: date) -> dict[str, str]:
    country = press.country
    return {
        "agency": topic["agency"],
        "capital": country["capital"],
        "country": country["country"],
        "court": dice.pick(country["courts"]),
        "judge": f"{dice.pick(country['given_names'])} {dice.pick(country['surnames'])}",
        "last_month": country["months"][(day.month - 2) % 12],
        "next_month": country["months"][day.month % 12],
        "next_weekday": country["weekdays"][(day.weekday() + 3) % 5],
        "policy": f"the {policy['name']}",
        "policy_name": policy["name"],
        "pollster": dice.pick(country["pollsters"]),
        "province": dice.pick(country["provinces"]),
        "weekday": country["weekdays"][day.weekday()],
    }
