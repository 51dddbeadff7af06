"""How Sphinx builds these pages: `sphinx-build -n -W docs docs/_build/html`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "autocard"
author = "The autocard authors"
project_copyright = "The autocard authors"
release = version = installed_version("autocard")

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 3
# Pages show what a reader types and gets; the prompt and cut marks are no program.
highlight_language = "none"

html_theme = "furo"
html_title = f"autocard {release}"
