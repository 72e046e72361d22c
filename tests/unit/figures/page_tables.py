"""Tables behind the sentences of the page."""

import numpy as np
import pandas as pd
from reliability_tables import make_calibration, make_curve, make_reliability, make_world

from bias_amplification.artifacts import schemas
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS
from bias_amplification.figures.index import PageTables


def changes_of(metrics, half=0.02):
    """Return the changes of a metrics table from generation 0, of replicate 1 and of all, with equal intervals."""
    rows = metrics[metrics["generation"].notna()].set_index(["round", "generation"])
    first = rows.xs(0, level="generation")
    names = [name.removesuffix("_low") for name in metrics.columns if name.endswith("_low")]
    found = rows[names] - first[names].reindex(rows.index, level="round")
    # Rows of generation 0 are changes from the base model.
    found.loc[found.index.get_level_values("generation") == 0] = 0.7
    ends = [found, found.add_suffix("_low") - half, found.add_suffix("_high") + half]
    table = pd.concat(ends, axis=1).reset_index()
    return pd.concat([table.assign(replicate=1), table.assign(replicate=np.nan)], ignore_index=True)


def make_contrasts(metrics: pd.DataFrame, verdict: str = "rises") -> pd.DataFrame:
    """Return the change of every round, in the share of its tracked label and in text quality."""
    changes = changes_of(metrics).query("replicate.isna() and generation == 10").set_index("round")
    rows = []
    of_rounds = metrics[metrics["generation"].eq(10)].to_dict("records")
    for row in of_rounds:
        for outcome, column in (("share", f"share_{row['tracked_label']}"), ("quality", "text_quality_index")):
            found = dict.fromkeys(CONTRASTS.names) | {name: row[name] for name in ("round", "strategy", "seed_set")}
            found |= {"kind": "change", "outcome": outcome, "tracked_label": row["tracked_label"], "verdict": verdict}
            found |= {f"estimate{end}": changes.loc[row["round"], column + end] for end in ("", "_low", "_high")}
            counts = {"replicates": 1, "articles": 300, "articles_different": 300, "of_replicates": [0.1]}
            rows.append(found | counts)
    return pd.DataFrame(rows)


def make_overlap(**changed: float) -> pd.DataFrame:
    """Return counts of neurons of which none is told from chance, with some columns of the weights changed."""
    rows = []
    for measure in ("weight", "activation"):
        row = dict.fromkeys(schemas.NEURON_OVERLAP.names, 0.5)
        row |= {"scheme": "flip_generations", "measure": measure, "layer": None, "permutations": 512, "complete": True}
        row |= {name: 4 for name in ("tested", "rows_bias", "rows_quality", "lags_bias", "lags_quality")}
        row |= {name: "both" for name in row if name.endswith("_null")} | {"verdict": "not told apart from chance"}
        row |= {"smallest_p": 1 / 512, "bias": 30, "quality": 3, "bias_familywise": 0, "quality_familywise": 0}
        rows.append(row | (changed if measure == "weight" else {}))
    return pd.DataFrame(rows)


def write_page_tables(write, metrics, metrics_file, labels, **others):
    """Write the tables that every page needs."""
    return PageTables(
        metrics_file,
        write(make_reliability(), "reliability.parquet", schemas.NEURON_RELIABILITY),
        write(make_curve(), "curve.parquet", schemas.NEURON_OVERLAP_CURVE),
        write(make_calibration(), "calibration.parquet", schemas.NEURON_CALIBRATION),
        write(make_world(), "world.parquet", schemas.NEURON_WORLD),
        write(make_contrasts(metrics), "contrasts.parquet", CONTRASTS),
        write(changes_of(metrics), "changes.parquet", schemas.changes(labels)),
        write(make_overlap(), "overlap.parquet", schemas.NEURON_OVERLAP),
        **others,
    )
