# Cards: descriptions with which the study and its kept models can be shared. One job writes all of them.
# Inputs: the main outputs, the metadata of the models, the scores of the selected classifier, and the labels of articles.
# Outputs: a model card (README.md) in the folder of each kept model, the dataset card, config.yaml and
# ro-crate-metadata.json.
from bias_amplification.cards import MAIN_OUTPUTS, card_folders, model_folders, recorded_config

CARD_FOLDERS = card_folders(plan)


rule cards:
    input:
        [f"{RESULTS}/{folder}/README.md" for folder in CARD_FOLDERS],
        [f"{RESULTS}/{name}" for name in ("README.md", "config.yaml", "ro-crate-metadata.json")],


rule write_cards:
    input:
        [f"{RESULTS}/{name}" for name in MAIN_OUTPUTS],
        metadata=[f"{RESULTS}/{folder}/metadata.json" for folder in model_folders(plan)],
        metrics=f"{RESULTS}/metrics.parquet",
        changes=f"{RESULTS}/changes.parquet",
        articles=f"{RESULTS}/corpus/articles.parquet",
        scores=[
            f"{RESULTS}/classifier/{name}/scores.json"
            for name in ["selected", *(f"splits/{split}" for split in plan.splits)]
        ],
    output:
        models=[f"{RESULTS}/{folder}/README.md" for folder in CARD_FOLDERS],
        card=f"{RESULTS}/README.md",
        config=f"{RESULTS}/config.yaml",
        crate=f"{RESULTS}/ro-crate-metadata.json",
    log:
        f"{RESULTS}/logs/cards.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        config=recorded_config(study),
    message:
        "Cards: describing the study and its models"
    script:
        "../scripts/write_cards.py"
