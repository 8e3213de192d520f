"""Figures of the recipe of ChatEarthNet: a map with the part that a sentence speaks of, and claims against map errors."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from swath.language.caption import say
from swath.language.claim import window_of
from swath.language.legend import colours_of
from swath.recipes.chatearthnet_maps import Window
from swath.report.plots import Line, lines

__all__ = ["curve", "picture"]


def picture(window: Window, path: Path) -> str:
    """The map, one region framed, the caption beside it with its sentence in bold; gives the words under it."""
    from matplotlib.figure import Figure

    f = window.facts
    text = say(f, "places", 3)
    spoken = [i for i, c in enumerate(text.claims) if c and c[0].region != "scene"] or [0]
    chosen = spoken[min(1, len(spoken) - 1)]
    top, bottom, left, right = window_of(text.claims[chosen][0], f)
    colours = np.array(colours_of(f.classes), np.uint8)
    index = np.searchsorted([c.code for c in f.classes], window.codes)
    shown = np.where(window.valid[..., None], colours[np.minimum(index, len(colours) - 1)], 255)
    figure = Figure(figsize=(9.2, 4.9), layout="constrained")
    one, two = figure.subplots(1, 2, width_ratios=(1, 1.25))
    one.imshow(shown, interpolation="nearest")
    one.add_patch(_frame(left, top, right - left, bottom - top))
    one.set_xticks([])
    one.set_yticks([])
    for k in f.ranking():
        one.plot([], [], "s", color=colours[k] / 255, label=f.classes[k].noun)
    one.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, fontsize=8, frameon=False)
    two.axis("off")
    y = 0.99
    for i, words in enumerate(text.sentences):
        block = textwrap.wrap(words, 62)
        weight = "bold" if i == chosen else "normal"
        two.text(
            0, y, "\n".join(block), va="top", fontsize=8.6, weight=weight, color="black" if i == chosen else "#33404c"
        )
        y -= 0.042 * len(block) + 0.014
    figure.savefig(path, dpi=110)
    return f"A window of {window.scene} and its caption (style places); the sentence in bold speaks of the framed part."


def _frame(left: float, top: float, width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="black", linewidth=2.4)


def curve(sets: Mapping[str, Any], path: Path) -> str:
    """Share of true claims against the share of right pixels; gives the words under it."""
    panels = {}
    for title, (accuracy, found) in sets.items():
        panels[title] = {
            name: Line([100 * a for a in accuracy], [100 * e.value for e in values],
                       [100 * (e.low if math.isfinite(e.low) else e.value) for e in values],
                       [100 * (e.high if math.isfinite(e.high) else e.value) for e in values])
            for name, values in found.items()
        }  # fmt: skip
    lines(panels, path, x="right pixels of the map, %", y="claims true of the map without errors, %")
    return (
        "What a caption is worth when the map has errors: claims of captions of spoiled maps, held against the map itself. "
        "With slack: shares may be off by 5 points, areas by a tenth."
    )
