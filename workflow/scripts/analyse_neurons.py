"""Correlate and regress the neurons of all model versions on bias and quality."""

from bias_amplification.jobs import run_job

settings = snakemake.params.settings

run_job(
    "neurons.analyse:analyse_neurons",
    snakemake,
    metrics=snakemake.input.metrics,
    neurons=list(snakemake.input.neurons),
    versions=snakemake.params.versions,
    correlations=snakemake.output.correlations,
    regression=snakemake.output.regression,
    sets=snakemake.output.sets,
    labels=snakemake.params.labels,
    bias_measure=settings["bias"],
    bias_label=settings["tracked_label"],
    quality_measure={"class": "text_quality_index", "weighted": "text_quality_index_weighted"}[
        snakemake.params.quality
    ],
    **{key: value for key, value in settings.items() if key not in ("bias", "tracked_label")},
)
