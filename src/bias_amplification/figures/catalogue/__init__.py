"""The catalogue of a study's figures, tables and pages.

The workflow's rules, Snakemake's report and the page of results all read it. A new figure is a function in
`bias_amplification.figures` and an entry in `catalogue/entries.py`. Importing the catalogue loads no plotting library.
"""

from bias_amplification.figures.catalogue.entries import BEFORE, FIRST, OF_THE_PRESS, OTHERS
from bias_amplification.figures.catalogue.entry import KINDS, Entry
from bias_amplification.figures.catalogue.facts import facts
from bias_amplification.figures.catalogue.replicates import several
from bias_amplification.figures.catalogue.trajectories import trajectory_entries
from bias_amplification.study import Plan

__all__ = ["KINDS", "Entry", "catalogue"]


def catalogue(plan: Plan) -> dict[str, Entry]:
    """Return a study's figures, tables and pages by name, in the order of the page of results."""
    known = facts(plan)
    last = [*BEFORE, *(OF_THE_PRESS if plan.study.corpus.source == "press" else []), *OTHERS]
    entries = [
        *(entry.filled(known) for entry in FIRST),
        *trajectory_entries(plan),
        *(entry.filled(known) for entry in last),
    ]
    return {entry.name: entry for entry in entries if several(plan) or not entry.replicated}
