"""What changed neurons do to bias and to text quality, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_amplification.artifacts.schemas.interventions import FROM_FILE
from bias_amplification.interventions.calibrate import DECIDING
from bias_amplification.measures.intervals import ALPHA

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

NO_SET = "No neurons were changed, because no set of neurons could be chosen."
#: A standardised difference above which a set and its controls are called unlike (Stuart, 2010).
UNLIKE = 0.25

OUTCOMES = {"bias": "bias", "quality": "text quality"}


def told_effects(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `INTERVENTION_EFFECTS` that conclusions are about: of all versions together if several."""
    together = effects["round"].isna()
    return effects[effects["told"] & (together if together.any() else True)]


def interventions_in_words(effects: pd.DataFrame, missing: pd.DataFrame, calibration: pd.DataFrame) -> list[str]:
    """Say which sets of neurons act on which outcome beyond their controls, and how large a difference is detectable.

    Parameters
    ----------
    effects, missing, calibration
        As in `artifacts.schemas.INTERVENTION_EFFECTS`, `INTERVENTION_MISSING` and `INTERVENTION_CALIBRATION`.

    Returns
    -------
    list of str
        What was done, a text for each set, the sets that could not be made, and how often comparisons are wrong.
    """
    told = told_effects(effects)
    left = missing_in_words(missing)
    if told.empty:
        return [NO_SET, *left]
    sets = [_set_in_words(own) for _, own in told.groupby("set", sort=False)]
    return [_what_was_done(told), *sets, *left, calibration_in_words(calibration)]


def missing_in_words(missing: pd.DataFrame) -> list[str]:
    """Name the sets and sizes that could not be made, and say why: one text, or none."""
    parts = []
    for (name, reason), rows in missing.groupby(["set", "reason"], sort=False):
        sizes = [f"{size:,.0f}" for size in dict.fromkeys(rows["size"].dropna())]
        neurons = f" with {' and '.join(sizes)} neurons" if sizes else ""
        versions = list(dict.fromkeys(map(version_in_words, rows.to_dict("records"))))
        several = len(missing[["round", "replicate", "generation"]].drop_duplicates()) > 1
        where = f" in {' and '.join(versions)}" if several else ""
        parts.append(f"{name}{neurons}{where} ({reason})")
    return [f"These sets could not be made, and are left out: {'; '.join(parts)}."] if parts else []


def calibration_in_words(calibration: pd.DataFrame) -> str:
    """Say how often one of the comparisons is told from controls although no set acts more than they do."""
    family = calibration[calibration["claim"] == "family"]
    deciding = family["world"].isin(DECIDING)
    rows, worst = family[deciding], family[~deciding & ~family["valid"].astype(bool)]
    if rows.empty:
        return "No comparison has a value, so that none was simulated."
    low, high = (f"{100 * value:.1f}" for value in (rows["rejected"].min(), rows["rejected"].max()))
    rate = f"{low}%" if low == high else f"{low} to {high}%"
    of = f"one of the {count} comparisons is" if (count := rows["comparisons"].iloc[0]) > 1 else "the comparison is"
    text = (
        f"In {rows['studies'].iloc[0]:,} simulated studies with the same sets and controls, in which no set acts more "
        f"than its controls, {of} told in {rate}, depending on what neurons do."
    )
    if not rows["valid"].all():
        return f"{text} That is more than the {100 * ALPHA:.0f}% that it should be, so the verdicts are not valid here."
    text += " So the verdicts have the error rate that they should have."
    if len(worst):
        text += (
            f" If nearly all effects followed from size and change, it would be {100 * worst['rejected'].max():.1f}%."
        )
    return text


def version_in_words(row: dict[str, Any]) -> str:
    """Name a changed version."""
    replicate = f", replicate {row['replicate']:.0f}" if row["replicate"] > 1 else ""
    return f"{row['round']}{replicate}, generation {row['generation']:.0f}"


def action_in_words(action: str, amount: float | None) -> str:
    """Say what an action does to neurons, as in "restore base": "get back the incoming weights of the base model"."""
    kind, _, detail = action.partition(" ")
    model = "the base model" if detail == "base" else f"generation {detail}"
    return {
        "restore": f"get back the incoming weights of {model}",
        "transplant": f"get the incoming weights of {model}",
        "ablate": "have the output 0" if detail == "zero" else "have their mean output at every token",
        "scale": f"have {amount:g} times their output" if amount is not None else "",
        "steer": f"have {amount:g} times the change of their mean output since {model} added" if amount else "",
    }[kind]


def number_in_words(outcome: str, value: float, *, sign: bool = True) -> str:
    """Return a difference of bias in percentage points, or of text quality."""
    digits, factor = (1, 100) if outcome == "bias" else (2, 1)
    return f"{factor * value:{'+' if sign else ''}z.{digits}f}"


def _what_was_done(told: pd.DataFrame) -> str:
    first = told.iloc[0]
    replicate = f", replicate {first['replicate']:.0f}" if first["replicate"] and first["replicate"] > 1 else ""
    numbers = sorted(set(told["versions"]))
    versions = f"In {' or '.join(map(str, numbers))} versions together" if numbers != [1] else "In one changed version"
    if isinstance(first["round"], str):
        versions = f"In generation {first['generation']:.0f} of round {first['round']}{replicate}"
    controls = sorted(set(told["controls"]))
    origins = told.groupby("chosen_on", sort=False)["set"].unique()
    chosen = " ".join(_origin(value, names, len(origins) == 1) for value, names in origins.items())
    tests = int(told["p_family"].notna().sum())
    rate = (
        f"The p-values are adjusted for {tests} comparisons: if no set acted, one of them would be told by chance in "
        f"{100 * ALPHA:.0f}% of studies (without the adjustment, in up to {100 * (1 - (1 - ALPHA) ** tests):.0f}%)."
        if tests > 1
        else f"If the set did not act, this would be told by chance in {100 * ALPHA:.0f}% of studies."
        if tests
        else "No comparison has a p-value."
    )
    return (
        f"{versions}, the neurons of a set {action_in_words(first['action'], _known(first['amount']))}, and the model "
        f"writes again. Each set is compared with {' or '.join(map(str, controls))} controls: random neurons, as many "
        f"in each layer, as large and as changed. {chosen} {rate}"
    )


def _origin(chosen_on: str, names: Sequence[str], alone: bool) -> str:
    """Say on which versions sets were chosen."""
    subject = "The sets" if alone else f"The sets {', '.join(names)}" if len(names) > 1 else f"The set {names[0]}"
    verb = "was" if len(names) == 1 and not alone else "were"
    return f"{subject} {verb} " + {
        "own": "chosen on the same versions that are changed. So this is no test on new data: chance in these versions "
        "can make a set look effective.",
        "others": "chosen on other rounds or replicates than the version in which they are changed.",
        FROM_FILE: "given in a file.",
    }.get(chosen_on, f"chosen on other rounds: {chosen_on}.")


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else value


def _set_in_words(own: pd.DataFrame) -> str:
    rows = {row["outcome"]: row for row in own.to_dict("records")}
    first = own.iloc[0]
    name = f"Set {first['set']} ({first['size']:,} neurons"
    versions = f", {first['versions']} versions)" if first["versions"] > 1 else ")"
    numbers = "; ".join(_outcome_in_words(outcome, rows[outcome]) for outcome in OUTCOMES)
    sentences = [f"{name}{versions}: {numbers}.", _verdict(rows, first["expected"])]
    if first["standardised_difference"] > UNLIKE:
        sentences.append(
            "Its neurons differ from those of its controls in size or change (standardised difference "
            f"{first['standardised_difference']:.2f}), which may cause a part of any difference."
        )
    return " ".join(sentences)


def _outcome_in_words(outcome: str, row: dict[str, Any]) -> str:
    """Return the effect on an outcome and its place among the controls', with numbers."""
    if row["p_family"] != row["p_family"]:
        return f"{OUTCOMES[outcome]} has no value"
    unit = " points" if outcome == "bias" else ""
    effect, controls, specific, low, high = (
        number_in_words(outcome, row[name])
        for name in ("effect", "controls_mean", "specific", "specific_low", "specific_high")
    )
    return (
        f"{OUTCOMES[outcome]} changes by {effect}{unit}, with controls by {controls}; the difference is "
        f"{specific} [{low}, {high}], p = {row['p_family']:.3g}"
    )


def _verdict(rows: dict[str, dict[str, Any]], expected: str | None) -> str:
    """Say on which outcomes a set acts, and what is known of the others."""
    if any(row["valid"] is False for row in rows.values()):
        return "Whether it acts more than its controls do is not said, because such a verdict is not valid here."
    acts = [outcome for outcome, row in rows.items() if row["p_family"] <= ALPHA]
    rest = [outcome for outcome, row in rows.items() if row["p_family"] > ALPHA]
    clauses = [_how_it_acts(outcome, rows[outcome], own=outcome == expected) for outcome in acts]
    sentences = [f"So it {' and '.join(clauses)}."] if clauses else []
    if rest:
        names = "".join(f" on {OUTCOMES[one]}" + ", its own outcome," * (one == expected) for one in rest if acts)
        said = f"No effect{names or ' beyond that of its controls'} is told"
        sentences.append(f"{said}, which is no evidence that there is none: {_not_excluded(rows, rest)}.")
    return " ".join(sentences) or "No effect beyond that of its controls is told."


def _how_it_acts(outcome: str, row: dict[str, Any], *, own: bool) -> str:
    """Say how the effect of a set differs from that of its controls."""
    name = OUTCOMES[outcome] + ", its own outcome," * own
    effect, controls = row["effect"], row["controls_mean"]
    if abs(effect) > abs(controls) and effect * row["specific"] > 0:
        return f"acts on {name} more than its controls do"
    if effect * controls < 0:
        return f"acts on {name} in the other direction than its controls do"
    return f"acts on {name} less than its controls do"


def _not_excluded(rows: dict[str, dict[str, Any]], outcomes: list[str]) -> str:
    """Say how large an effect on outcomes could be without being told, and how large one would have been told."""
    texts = []
    for outcome in outcomes:
        row, unit = rows[outcome], " points" if outcome == "bias" else ""
        if row["smallest_p"] > ALPHA:
            texts.append(
                f"for {OUTCOMES[outcome]}, nothing can be told: too few controls have a value in all comparisons"
            )
            continue
        if row["detectable"] != row["detectable"]:
            texts.append(f"for {OUTCOMES[outcome]}, every difference fits, because all controls have the same neurons")
            continue
        low, high = (number_in_words(outcome, row[f"specific_{end}"]) for end in ("low", "high"))
        detectable = number_in_words(outcome, row["detectable"], sign=False)
        texts.append(
            f"for {OUTCOMES[outcome]} looked at alone, differences from {low} to {high}{unit} fit, and one of "
            f"{detectable}{unit} would have been told in 80% of studies"
        )
    return "; ".join(texts)
