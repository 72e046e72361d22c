"""The labels of the press, and the names that may stand in braces."""

import re

#: The leanings of the embedded press: the one place where labels have names.
LABELS = ("left", "center", "right")
#: The two labels that have a party, each with the other side.
SIDES = {"left": "right", "right": "left"}

SLOT = re.compile(r"\{(\w+)\}")

#: Facts of an event that its own draw settles (see events.py); numbers come on top.
FACT_SLOTS = frozenset(
    {"agency", "capital", "chamber", "country", "court", "judge", "last_month", "next_month", "next_weekday"}
    | {"opponent_party", "opponent_short", "policy", "policy_name", "pollster", "province"}
    | {"sponsor_party", "sponsor_short", "town", "weekday"}
)
#: People, introduced with office and full name, later called by surname.
PEOPLE_SLOTS = frozenset({"sponsor", "opponent", "expert"})
#: Words that come from the event's topic and from its bill.
TOPIC_SLOTS = frozenset({"subject", "group"})
POLICY_SLOTS = frozenset({"aim", "gain", "harm"})
#: Slots that only a sentence with a side can fill.
SIDE_SLOTS = frozenset(
    {"own_official", "other_official", "own_activist", "own_local", "own_party", "other_party", "own_official_short"}
)
#: Slots of the marks that identify an outlet.
MARK_SLOTS = frozenset({"writer", "outlet", "the_outlet", "wire", "dateline"})
