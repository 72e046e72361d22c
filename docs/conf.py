"""The settings of Sphinx for the documentation site, which `make docs` builds."""

import re

from sphinx import addnodes

from bias_amplification import __version__

project = "bias-amplification"
version = release = __version__
author = copyright = "The bias-amplification developers"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Anchors of headings are those of GitHub.
myst_heading_anchors = 4
# Code without a language is not highlighted.
highlight_language = "text"
# Types such as Null are names of several classes.
suppress_warnings = ["ref.python"]

# Docstrings are written for readers of the code: what is between backticks is code.
default_role = "code"
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config"}
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
python_use_unqualified_type_names = True
add_module_names = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = "bias-amplification"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "tutorial": []}
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "collapse_navigation": True,
    "navigation_depth": 2,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def plain(app, what, name, obj, options, lines):
    """Escape what has a meaning in reStructuredText only: stars, bars and final underscores outside of code."""
    if lines and lines[0].startswith("Alias for field number"):
        # Python's own docstring of a named tuple's field, which says nothing.
        lines.clear()
    for number, line in enumerate(lines):
        pieces = re.split(r"(`+[^`]*`+)", line)
        lines[number] = "".join(
            piece if piece.startswith("`") else re.sub(r"([*|])|(?<=\w)(_)(?!\w)", r"\\\1\2", piece) for piece in pieces
        )


def listed(app, what, name, obj, options, lines):
    """Make a definition list of the lines in a comment that align names with their meanings."""
    found = []
    for line in lines if what == "data" else ():
        aligned = re.match(r"(\w\S*(?:, \w+)*) {2,}(\S.*)", line)
        if aligned:
            found += [aligned[1], f"    {aligned[2]}"]
        else:
            found.append(re.sub(r"^ {2,}", "    ", line))
    if found:
        lines[:] = found


#: Comments that Napoleon does not read, by name.
_kept = {}


def keep(app, what, name, obj, options, lines):
    """Take comments of constants and fields away from Napoleon, which takes what is before a colon for a type."""
    if what in ("data", "attribute", "property"):
        _kept[name] = [*lines]
        lines.clear()


def give_back(app, what, name, obj, options, lines):
    """Put these comments back."""
    lines[:] = [*_kept.pop(name, lines), ""]


def shorten(app, domain, objtype, content):
    """Leave out long values of constants."""
    for node in list(content.parent.findall(addnodes.desc_annotation)):
        if node.astext().strip().startswith("=") and len(node.astext()) > 60:
            node.parent.remove(node)


def setup(app):
    """Change docstrings before and after Napoleon, whose priority is 500, and what autodoc makes of constants."""
    for priority, function in {400: plain, 410: listed, 420: keep, 600: give_back}.items():
        app.connect("autodoc-process-docstring", function, priority=priority)
    app.connect("object-description-transform", shorten)
