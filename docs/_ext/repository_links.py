"""Links to files of the repository that are no pages, such as `../src/retrograd/core/sweep.py`, are shown as names.

A link to a file that is not there stops the build.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class RepositoryLinks(SphinxTransform):
    """Runs before references are looked up."""

    default_priority = 5

    def apply(self, **_: Any) -> None:
        """Replace them in one page."""
        folder = Path(self.env.doc2path(self.env.docname)).parent
        root = Path(self.env.srcdir).resolve()
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = str(node.get("reftarget", "")).partition("#")[0]
            path = (folder / target).resolve()
            if target and path.exists() and (root not in path.parents or path.suffix != ".md"):
                node.replace_self(nodes.literal("", node.astext()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the transform."""
    app.add_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
