"""The frame of the study's HTML pages: one file each, without scripts, with a light and a dark theme."""

from html import escape

#: Content security policy: pages run no scripts and load nothing except the images beside them.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:"

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2328; --quiet: #5c6770; --line: #d9dee3; --card: #f6f7f9;
  --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --ink: #e4e8eb; --quiet: #9aa5ae; --line: #333b43;
  --card: #1c2228; --link: #7db8f2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
main.wide { max-width: none; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: 0 0 .75rem; max-width: 44rem; }
a { color: var(--link); }
.quiet { color: var(--quiet); font-size: .9rem; }
"""


def html_page(title: str, body: str, extra_style: str = "", wide: bool = False) -> str:
    """Return an HTML page that needs no other file and runs no script.

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
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{extra_style}</style>\n</head>\n"
        f"<body>\n<main{' class=wide' if wide else ''}>\n{body}\n</main>\n</body>\n</html>\n"
    )
