import re

from bias_amplification.figures.index import Heading, write_index


def test_index_shows_figures_and_tables_with_relative_links(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "figures/figure 2.png").write_bytes(b"png")
    (tmp_path / "figures/figure 2.svg").write_bytes(b"svg")
    (tmp_path / "tables/table_1.csv").write_text("candidate,macro f1\n<script>,0.9\n")
    files = [tmp_path / name for name in ("figures/figure 2.png", "figures/figure 2.svg", "tables/table_1.csv")]
    headings = [
        Heading("figure 2", "Bias & quality", "Figure 2", "What is <seen>."),
        Heading("table_1", "Tables", "Table 1", "Scores."),
    ]

    write_index(files, tmp_path / "index.html", headings=headings, title="A study", introduction="Read on.")

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:href|src)="([^#"][^"]*)"', page)
    assert set(links) == {"figures/figure%202.png", "figures/figure%202.svg", "tables/table_1.csv"}
    assert re.findall(r'<h2 id="(group-\d)">([^<]+)</h2>', page) == [
        ("group-0", "Bias &amp; quality"), ("group-1", "Tables"),
    ]  # fmt: skip
    assert "What is &lt;seen&gt;." in page and "<script>" not in page
    assert '<td>&lt;script&gt;</td><td class="number">0.9</td>' in page
