"""Every group of the configuration with its choices and their defaults, as a page of the documentation."""

from __future__ import annotations

from pathlib import Path

TOP = """# Every setting

`matseek run` and `matseek compare` take these as `name=value`. A group is a folder of `configs/`: `searcher=bayesian`
takes `configs/searcher/bayesian.yaml`, and `searcher.batch_size=8` changes a setting of the choice. The files are shown
as they ship, with their defaults; `hydra.searchpath=[file://FOLDER]` adds files of yours.
"""


def page(configs: Path) -> str:
    """The page, in Markdown, from the folder of configs."""
    parts = [TOP, "## The settings of a run", _shown(configs / "run.yaml")]
    for group in sorted(folder for folder in configs.iterdir() if folder.is_dir()):
        parts.append(f"## `{group.name}`")
        for choice in sorted(group.glob("*.yaml")):
            parts += [f"### `{group.name}={choice.stem}`", _shown(choice)]
    return "\n\n".join(parts) + "\n"


def _shown(file: Path) -> str:
    return f"```yaml\n{file.read_text().strip()}\n```"
