"""The figure and the tables of interventions, as data. Fields in braces are explained in `facts.py`."""

from bias_amplification.figures.catalogue.entry import Entry

INTERVENTIONS = "Interventions: neurons are changed"

_EFFECTS = {"effects_file": "interventions/effects.parquet"}
_TABLES = _EFFECTS | {"missing_file": "interventions/missing.parquet"}

INTERVENTION_ENTRIES = (
    Entry(
        "interventions_table",
        INTERVENTIONS,
        "Which neurons act on what",
        "The neurons of a set are changed, and the model writes the articles again{changed}. Effect: mean difference "
        "from the articles that it writes without a change, with a 95% interval over articles (over versions, if "
        "several are changed). Controls: mean effect of {controls} sets of random neurons, as many in each layer, as "
        "large and as changed; in brackets, where a set that acts like its controls would be in 95% of studies. "
        "Difference: effect minus this mean. p: the share of the set and its controls that are at least as far from "
        "the mean of all of them. Adjusted: the same for all comparisons of this table together. Detectable "
        "difference: one of this size is told from controls in 80% of studies. Neurons unlike controls: by how many "
        "standard deviations the set's neurons differ from those of its controls on average, in that of three measures "
        "of size and change in which they differ most; above 0.25 the two are unlike. Sets and sizes that could not be "
        "made are last, with the reason. Bias is in per cent and percentage points, text quality from 0 to "
        "3.{sets_chosen}",
        kind="table",
        function="figures.tables.interventions:write_interventions_table",
        inputs=_TABLES,
        arguments={"told": True},
        study_arguments=("unit",),
        only="interventions",
    ),
    Entry(
        "interventions",
        INTERVENTIONS,
        "Dose and response of changed neurons",
        "Change of bias (left) and of text quality (right) when the neurons of a set are changed{changed}. Points: "
        "mean difference from the articles without a change, with 95% intervals over articles; if several versions "
        "are changed, means over them, and thin lines for single ones. Grey: mean of {controls} controls, and the band "
        "in which a set that acts like its controls would be in 95% of studies. Large points: what conclusions are "
        "about; full if told from controls, with one error rate of 5% for all of them, and if this rate holds in "
        "simulated studies. Other points are for description.{sets_chosen}",
        function="figures.interventions:write_dose_response",
        numbers="interventions_all",
        inputs=_EFFECTS,
        only="interventions",
    ),
    Entry(
        "interventions_all",
        INTERVENTIONS,
        "All effects of changed neurons",
        "The same as the first table, for every changed version, size of a set, action and amount. Effects without an "
        "adjusted p are for description.{sets_chosen}",
        kind="table",
        function="figures.tables.interventions:write_interventions_table",
        inputs=_TABLES,
        arguments={"told": False},
        study_arguments=("unit",),
        only="interventions",
    ),
    Entry(
        "interventions_calibration",
        INTERVENTIONS,
        "How often comparisons of changed neurons are wrong",
        "Shares, in per cent, of simulated studies with the sets and controls of the first table, in which no set acts "
        "more than its controls do. Every neuron has an effect at random, the same in all versions, and the effect of "
        "a set or a control is the mean of its neurons' effects. p: a single p-value of the first table is at most 5, "
        "20 and 50%; so often it should be, or a little less, because {controls} controls have few places. Interval "
        "misses 0: that of a difference; 5% is right. One comparison told: at least one of the adjusted p-values is at "
        "most 5%; 5% is right. A rate that is clearly too large is marked as not valid, and if this is so for the "
        "adjusted p-values in any row but that of 90%, verdicts are marked, too. Errors of single "
        "articles are not simulated.",
        kind="table",
        function="figures.tables.interventions:write_calibration_table",
        inputs={"calibration_file": "interventions/calibration.parquet"},
        only="interventions",
    ),
)
