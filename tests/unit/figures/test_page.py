import base64
import hashlib
import json
import re

import pytest

from bias_amplification.figures.page import data_block, html_page

SCRIPT = "document.title = \"ü & '<b>'\";\n"


def test_policy_names_each_script_by_its_checksum():
    page = html_page("t", "<p>", scripts=[SCRIPT, "second()"])

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    allowed = re.search("script-src (.*)$", policy)[1].split()
    run = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert run == [SCRIPT, "second()"]
    assert allowed == [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in run
    ]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy.split("script-src")[1]


def test_page_without_scripts_allows_none():
    page = html_page("t", "<p>")

    assert "default-src 'none'" in page and "script" not in page


@pytest.mark.parametrize("script", ["x = '</SCRIPT >'", "x = '<!-- <script>'"])
def test_scripts_that_html_would_cut_are_refused(script):
    with pytest.raises(ValueError, match="neither </script nor <!--"):
        html_page("t", "<p>", scripts=[script])


def test_data_block_has_the_data_and_no_markup():
    data = {"text": ["</script><img src=x onerror=alert(1)>", "<!-- &amp; \u2028 ü \x00 \\ \"'"], "none": None}

    block = data_block("texts", data)

    inner = re.fullmatch(r'<script type="application/json" id="texts">(.*)</script>\n', block, re.DOTALL)[1]
    assert not set("<>&") & set(inner)
    assert json.loads(inner) == data
    with pytest.raises(ValueError):
        data_block("texts", [float("nan")])
