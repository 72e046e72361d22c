import re
from html import escape

from invented_effects import calibration, effects, missing
from matplotlib.figure import Figure
from page_tables import write_page_tables
from reliability_tables import make_calibration, make_reliability, make_world

from bias_amplification.artifacts import schemas
from bias_amplification.figures.catalogue.interventions import INTERVENTIONS
from bias_amplification.figures.charts import Shown, mark
from bias_amplification.figures.index import About, Heading, texts_in_words, write_index
from bias_amplification.figures.neuron_validity import validity_in_words
from bias_amplification.figures.style import save_figure, strategy_appearance
from bias_amplification.figures.tables.reliability import reproducibility_in_words
from bias_amplification.interventions.words import interventions_in_words
from bias_amplification.study.sections import Corpus


def test_index_shows_figures_and_tables_with_relative_links(metrics, metrics_file, labels, tmp_path, write):
    (tmp_path / "figures").mkdir()
    (tmp_path / "tables").mkdir()
    save_figure(Figure((2, 1)), [tmp_path / "figures/figure 2.png"])
    (tmp_path / "figures/figure 2.svg").write_bytes(b"svg")
    (tmp_path / "tables/table_1.csv").write_text("candidate,macro f1\n<script>,0.9\n")
    files = [tmp_path / name for name in ("figures/figure 2.png", "figures/figure 2.svg", "tables/table_1.csv")]
    headings = [
        Heading("figure 2", "Bias & quality", "Figure 2", "What is <seen>.", numbers="table_1"),
        Heading("table_1", "Neurons", "Table 1", "Scores."),
    ]
    reliability = make_reliability()
    tables = write_page_tables(write, metrics, metrics_file, labels)
    words = {"about": About("A study", "Read on.")}

    write_index(files, tables, tmp_path / "index.html", headings=headings, corpus=Corpus(labels=[*labels]), **words)

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:href|src)="([^#"][^"]*)"', page)
    # What is said leads to figures and tables of the page.
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r' id="([^"]+)"', page))
    assert '<a href="#table_1">table 1</a>' in page
    assert set(links) == {"figures/figure%202.png", "figures/figure%202.svg", "tables/table_1.csv"}
    assert re.findall(r'<h2 id="(group-\d)">([^<]+)</h2>', page) == [
        ("group-0", "Bias &amp; quality"), ("group-1", "Neurons"),
    ]  # fmt: skip
    assert "What is &lt;seen&gt;." in page and page.count("<script>") == 1
    assert '<th scope="row">&lt;script&gt;</th><td class="number">0.9</td>' in page
    # The size of a picture of 200 dots per inch, of which 135 are shown.
    described = "Figure 2. The numbers are in a table, to which the first link below leads."
    assert f'<img src="figures/figure%202.png" alt="{described}" width="270" height="135"' in page
    assert '<span class="quiet"><a href="#table_1">numbers as a table</a> · <a href="figures/figure%202.png">' in page
    assert f"<li>{escape(texts_in_words(metrics))} " in page and '<h2 id="answers">What this run answers</h2>' in page
    sentences = [
        escape(reproducibility_in_words(reliability[reliability["measure"] == measure]))
        for measure in ("weight", "activation")
    ]
    sentences.append(escape(validity_in_words(make_calibration(), make_world())))
    # Nothing reproduces, so that no word is said of the overlap.
    paragraphs = "\n".join(f"<p>{sentence}</p>" for sentence in sentences)
    assert f'<h2 id="group-1">Neurons</h2>\n{paragraphs}\n<figure ' in page


def test_a_figure_of_trajectories_is_a_chart_with_a_title_that_says_what_is_seen(
    metrics, metrics_file, labels, tmp_path, write
):
    chart = Shown(["share_blue"], ["balanced_synthetic", "green_preservation"])
    headings = [
        Heading("figure_3", "Bias", "Figure 3: blue", "A caption.", chart),
        Heading("figure_6", "Bias", "Figure 6: red", "A caption.", chart._replace(columns=["share_red"])),
    ]
    tables = write_page_tables(write, metrics, metrics_file, labels)
    words = {"about": About("A study", "Read on.")}

    write_index([], tables, tmp_path / "index.html", headings=headings, corpus=Corpus(labels=[*labels]), **words)

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    # The page's tables have one replicate and the verdict "rises"; no round tracks red.
    assert re.findall("<h3>(.*?)</h3>", page) == [
        "Figure 3: the share of articles labelled blue rises with synthetic (50.0% to 66.0%) and preservation "
        "(52.0% to 56.8%) (one training of each round)",
        "Figure 6: red",
    ]
    looks = strategy_appearance(["synthetic", "preservation"])
    assert f'<th scope="row">{mark(looks["synthetic"])}balanced synthetic</th>' in page
    assert page.count('<div class="chart" hidden>') == 2 and 'id="figure_6-charts">' in page
    # Vega-Embed, and the page's own scripts for charts and for tables.
    assert page.count("<script>") == 3


def test_the_section_of_interventions_begins_with_what_they_say(metrics, metrics_file, labels, tmp_path, write):
    heading = Heading("interventions", INTERVENTIONS, "Dose and response", "A caption.")
    told = effects([("bias", "bias")])
    left_out, simulated = missing(("bias", 100, "too few")), calibration()
    changed = {
        "effects": write(told, "effects.parquet", schemas.INTERVENTION_EFFECTS),
        "missing": write(left_out, "missing.parquet", schemas.INTERVENTION_MISSING),
        "calibration": write(simulated, "changed_calibration.parquet", schemas.INTERVENTION_CALIBRATION),
    }
    others = {f"interventions_{name}": file for name, file in changed.items()}
    tables = write_page_tables(write, metrics, metrics_file, labels, **others)
    words = {"about": About("A study", "Read on.")}

    write_index([], tables, tmp_path / "index.html", headings=[heading], corpus=Corpus(labels=[*labels]), **words)

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    paragraphs = "\n".join(
        f"<p>{escape(sentence)}</p>" for sentence in interventions_in_words(told, left_out, simulated)
    )
    assert f"{escape(INTERVENTIONS)}</h2>\n{paragraphs}\n<figure " in page


def test_top_of_the_page_counts_texts_that_have_fallen_apart(metrics):
    rounds = metrics["round"] != "base"
    metrics["empty"], metrics["short"], metrics["repetitive"], metrics["copied"] = 1.0, 0.0, 0.0, 0.0
    metrics["readable"] = 0.5
    # The base model's texts are not counted.
    metrics.loc[rounds, "empty"] = 0.25
    metrics["repetitive"] = (metrics["generation"] == 10) * 0.11

    assert texts_in_words(metrics) == (
        "Of 19,800 texts that the rounds' models wrote, 25% are empty, 0% have too few words, 1% are "
        "repetitive, 0% are copied from prompts or training texts, and 50% are readable (none of these, with "
        "sufficient text quality)."
    )

    metrics.loc[(metrics["round"] == "green_synthetic") & (metrics["generation"] == 4), "labelled"] = 12
    assert texts_in_words(metrics).endswith(
        "Shares of labels are of the 19,512 texts with a label; in generation 4 of round green_synthetic, only 12 of "
        "300 have one."
    )


def test_top_of_the_page_counts_a_shared_generation_0_once_and_the_base_model_apart(metrics):
    first = metrics[(metrics["round"] == "balanced_synthetic") & (metrics["generation"] == 0)].index[0]
    copy = metrics[(metrics["round"] == "balanced_preservation") & (metrics["generation"] == 0)].index[0]
    own = ("round", "strategy", "tracked_label")
    metrics.loc[copy, [c for c in metrics.columns if c not in own]] = metrics.loc[first]
    metrics.loc[metrics["round"] == "base", "labelled"] = 100

    said = texts_in_words(metrics)

    assert said.startswith("Of 19,500 texts that")
    assert said.endswith("Of the 600 texts that the base model wrote before fine-tuning, 200 have a label.")
