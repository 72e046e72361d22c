"""The labels of the press, and the names of slots (in braces) in its sentences."""

import re

#: The labels (leanings) of the embedded press.
LABELS = ("left", "center", "right")
#: The two labels with a party, and the other side of each.
SIDES = {"left": "right", "right": "left"}

SLOT = re.compile(r"\{(\w+)\}")

#: Facts of an event, except numbers (see events.py).
FACT_SLOTS = frozenset(
    {"agency", "capital", "chamber", "country", "court", "judge", "last_month", "next_month", "next_weekday"}
    | {"opponent_party", "opponent_short", "policy", "policy_name", "pollster", "province"}
    | {"sponsor_party", "sponsor_short", "town", "weekday"}
)
#: People: title and full name at the first mention, the surname afterwards.
PEOPLE_SLOTS = frozenset({"sponsor", "opponent", "expert"})
#: Words of the event's topic, and of its bill: its aim, and its good and bad effects.
TOPIC_SLOTS = frozenset({"subject", "group"})
POLICY_SLOTS = frozenset({"aim", "gain", "harm"})
#: Slots that can be filled only in a sentence with a side.
SIDE_SLOTS = frozenset(
    {"own_official", "other_official", "own_activist", "own_local", "own_party", "other_party", "own_official_short"}
)
#: Slots of the marks that identify an outlet.
MARK_SLOTS = frozenset({"writer", "outlet", "the_outlet", "wire", "dateline"})
