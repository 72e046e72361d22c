"""The catalogue of a study's figures, tables and pages.

The workflow's rules, Snakemake's report and the page of results all read it. A new figure is a function in
`bias_amplification.figures` and an entry in `catalogue/entries.py`. Importing the catalogue loads no plotting library.
"""

from bias_amplification.figures.catalogue.entries import FIRST, OTHERS
from bias_amplification.figures.catalogue.entry import KINDS, Entry
from bias_amplification.figures.catalogue.facts import facts
from bias_amplification.figures.catalogue.replicates import several
from bias_amplification.figures.catalogue.trajectories import trajectory_entries
from bias_amplification.published.comparable import comparable
from bias_amplification.study import Plan

__all__ = ["KINDS", "Entry", "catalogue"]


def catalogue(plan: Plan) -> dict[str, Entry]:
    """Return a study's figures, tables and pages by name, in the order of the page of results."""
    corpus = plan.study.corpus
    press = corpus.source == "press"
    # If the file decides whether there are events, the table is empty without them.
    topics = not press and corpus.has("event_id") is not False
    published = comparable(plan.study)
    has = {"": True, "replicates": several(plan), "press": press, "topics": topics, "published": published}
    has["interventions"] = bool(plan.study.interventions.rounds)
    known = facts(plan)
    first, others = ([entry.filled(known) for entry in entries if has[entry.only]] for entries in (FIRST, OTHERS))
    return {entry.name: entry for entry in [*first, *trajectory_entries(plan), *others]}
