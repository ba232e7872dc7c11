"""One structure to look at: to turn with the mouse where scripts may run, a picture everywhere else."""

from __future__ import annotations

import base64
import html
import io
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from matseek.report.figures.structures import atom_colors, structure
from matseek.report.html import data_uri


@dataclass(frozen=True, eq=False)
class StructureView:
    """What a notebook shows of a structure.

    The HTML holds the picture, and a few lines of script that load nothing and put atoms to turn in its place. A front
    end without scripts, or one that does not trust the notebook, keeps the picture.

    Args:
        atoms: The structure; atoms that no constraint fixes are coloured.
        caption: What stands above it.
    """

    atoms: Atoms
    caption: str = ""

    def html(self) -> str:
        """Picture and script, as a piece of a page."""
        script = (files("matseek") / "report" / "structure_view.js").read_text()
        picture = data_uri("image/png", self.png())
        return (
            f'<div class="matseek-structure" data-atoms="{html.escape(json.dumps(self._spheres()))}">'
            f'<img alt="{html.escape(self.caption or str(self.atoms.symbols))}" src="{picture}"></div>'
            f"<script>{script}</script>"
        )

    def png(self) -> bytes:
        """The picture: from above and from the side."""
        buffer = io.BytesIO()
        structure(self.atoms, self.caption).savefig(buffer, format="png", dpi=90, metadata={"Software": None})
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:  # noqa: ANN401 -- IPython's own keywords
        """What Jupyter's front ends choose from."""
        return {
            "text/plain": f"{self.atoms.symbols} {self.caption}".strip(),
            "text/html": self.html(),
            "image/png": base64.b64encode(self.png()).decode("ascii"),
        }

    def _spheres(self) -> dict[str, Any]:
        """Centres and radii in angstrom, and colours, of what the script draws."""
        middle = (self.atoms.positions.max(axis=0) + self.atoms.positions.min(axis=0)) / 2
        return {
            "caption": self.caption,
            "centres": np.round(self.atoms.positions - middle, 3).tolist(),
            "radii": np.round(covalent_radii[self.atoms.numbers], 2).tolist(),
            "colors": np.round(255 * atom_colors(self.atoms)).astype(int).tolist(),
        }


def structure_view(atoms: Atoms, caption: str = "") -> StructureView:
    """A structure to look at in a notebook.

    Args:
        atoms: The structure; atoms that no constraint fixes are coloured.
        caption: What stands above it.
    """
    return StructureView(atoms, caption)
