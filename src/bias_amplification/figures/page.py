"""The frame of the study's HTML pages: one file each, with a light and a dark theme."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Any

#: Content security policy: pages load nothing except the images beside them, and run only the scripts of `html_page`.
_POLICY = "default-src 'none'; base-uri 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:"

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2328; --quiet: #5c6770; --line: #d9dee3; --card: #f6f7f9;
  --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --ink: #e4e8eb; --quiet: #9aa5ae; --line: #333b43;
  --card: #1c2228; --link: #7db8f2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
main.wide { max-width: none; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: 0 0 .75rem; max-width: 44rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -99rem; padding: .4rem .8rem; background: var(--paper); z-index: 9; }
.skip:focus { left: .5rem; top: .5rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
"""


def html_page(title: str, body: str, extra_style: str = "", wide: bool = False, scripts: Sequence[str] = ()) -> str:
    """Return an HTML page that needs no other file and runs no scripts except the given ones.

    Parameters
    ----------
    title
        Plain text; escaped here.
    body
        HTML with escaped texts.
    extra_style
        CSS of this page.
    wide
        Whether the page uses the full width of the window.
    scripts
        JavaScript that runs at the end of the page. The page's policy names each by its checksum, so that browsers run
        nothing else, whatever a text contains.
    """
    if any("</script" in script.lower() or "<!--" in script for script in scripts):
        raise ValueError("A script must contain neither </script nor <!--, which HTML reads as its own.")
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    policy = _POLICY + ("; script-src " + " ".join(f"'sha256-{code}'" for code in hashes) if hashes else "")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{extra_style}</style>\n</head>\n"
        '<body>\n<a class="skip" href="#content">Skip to the content</a>\n'
        f'<main id="content" tabindex="-1"{" class=wide" if wide else ""}>\n{body}\n</main>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def data_block(identifier: str, data: Any) -> str:
    """Return an element with JSON that a script of the page reads and that browsers never run.

    The characters that HTML could read as markup are written as escapes of JSON.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{identifier}">{text}</script>\n'
