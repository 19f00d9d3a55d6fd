"""How the documentation is built: `sphinx-build -W -b html docs build/docs`."""

import sys
from pathlib import Path

import retrograd

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "retrograd"
author = "The retrograd developers"
copyright = author
version = release = retrograd.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "repository_links"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_ext", "build"]
html_theme = "furo"
html_title = "retrograd"
pygments_style, pygments_dark_style = "friendly", "native"

default_role = "code"  # `name` in a docstring is a name
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and dtypes stand in the text; in the engine a value is Any
