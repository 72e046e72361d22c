# The study is in workflow/Snakefile. This file lets the bare command `snakemake` find it, and profiles/default with it.
include: "workflow/Snakefile"


# An included file does not set the default target.
workflow.default_target = "all"
