"""The ways to tell change: each learns what it needs from the pair and gives what paints a window, and its facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.tools.change_legend import BINARY, Legend
from swath.tools.change_paint import DOUBTS, SAID, ByMeasure, Spectral
from swath.tools.change_pair import Pair, live_bands, planes, samples
from swath.tools.change_shift import doubtful

if TYPE_CHECKING:
    from swath.cube.blocks import Layer
    from swath.estimate import Estimate

__all__ = ["Way", "by_measure", "spectral_of"]


@dataclass(frozen=True)
class Way:
    """How change is told. painter: a function for `predict.run` over `cubes`; layers: its files; reach: its halo.

    bands: codes of the bands of probability.tif from the second on. classes, class_codes: of class maps of both dates.
    fingerprint: what decides the numbers. facts: for change.json. kept: what goes to model/, as `baseline.keeping` takes it.
    has_shift: doubt.tif tells which change a shift explains; pictures: both dates are scenes that can be shown.
    trained: rows and columns of the pixels whose change was learned from: a truth does not judge there.
    margin: share of the ground that may be told wrong beyond what the probabilities say, as few labels leave open.
    written: files that learning left in the folder. number: unit of difference.tif. reason: why areas have no interval.
    scores: of the labels themselves, in places left out.
    unchanged: shares of the ground without change that the no-change model holds possible.
    """

    name: str
    painter: Any
    cubes: Mapping[str, Any]
    legend: Legend
    layers: Sequence[Layer]
    reach: int
    bands: tuple[int, ...] = ()
    class_codes: tuple[int, ...] = ()
    window: int | None = None
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    shift: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    candidates: Sequence[tuple[str, Estimate]] = ()
    kept: tuple[Any, Any] | None = None
    scores: Mapping[str, Estimate] = field(default_factory=dict)
    margin: float = 0.0
    trained: tuple[Any, Any] | None = None
    number: str = ""
    written: tuple[Any, ...] = ()
    reason: str = ""
    has_shift: bool = True
    pictures: bool = True
    unchanged: tuple[float, float] | None = None


def spectral_of(pair: Pair, false_alarms: float, seed: int) -> tuple[Spectral, list[Any]]:
    """The difference measure of the pair, learned from windows over it, and the windows as the measure reads them."""
    from swath.baseline import change

    batches = samples(pair, seed)
    bands = live_bands(batches)
    windows = [planes(b, bands) for b in batches]
    return Spectral(change.fit(windows, false_alarms=false_alarms, seed=seed), bands), windows


def tags_of(simulated: bool) -> dict[str, str]:
    """Tags of every layer."""
    return {"simulated": "yes"} if simulated else {}


def by_measure(pair: Pair, false_alarms: float, seed: int, *, simulated: bool) -> Way:
    """No training: where the difference measure is larger than all but `false_alarms` of unchanged pixels have it."""
    from swath.baseline.change import REACH

    spectral, windows = spectral_of(pair, false_alarms, seed)
    d = spectral.detector
    notes = [
        f"change is a difference that {100 * false_alarms:g} % of unchanged pixels have by chance (--false-alarms); {d.null.said()}",
        "unchanged means the same ground in the same state: another season, crop or water level counts as change",
    ]
    if d.null.unchanged < 0.7:
        notes.append(
            f"{100 * (1 - d.null.unchanged):.0f} % of the pixels do not follow the no-change model: with so much difference the "
            "measure cannot tell what is usual; labels (--labels, --pairs) can"
        )
    return Way(
        name="difference measure",
        painter=ByMeasure(spectral, BINARY),
        cubes=pair.cubes,
        legend=BINARY,
        layers=BINARY.layers(
            bands=("change",), doubts=DOUBTS, tags=tags_of(simulated), said={k: SAID[k] for k in DOUBTS}
        ),
        reach=REACH + 1,
        fingerprint={"way": "measure", **d.to_json(), "bands": [list(b) for b in spectral.bands]},
        facts={
            "measure": {**d.to_json(), "bands_before": len(spectral.bands[0]), "bands_after": len(spectral.bands[1])}
        },
        shift=shift_said(pair, spectral, windows),
        notes=tuple(notes),
        unchanged=d.null.between,
    )


def shift_said(pair: Pair, spectral: Spectral, windows: Sequence[Any]) -> tuple[str, ...]:
    """Sentences on what the shift between the dates does to the answer."""
    found = pair.moved
    if found is None:
        return ("the shift between the dates was not estimated",)
    rate = 100 * spectral.detector.false_alarms
    if not found.sure:
        made = spectral.detector.made_by(windows, 0.35, 0.35)
        return (
            f"it cannot be told from these pictures ({doubtful(found)})",
            f"a shift of half a pixel, if there is one, would alone make {_percent(made)} of the unchanged pixels look changed",
        )
    said = [
        f"the after date lies {found.words[0]} pixels down and {found.words[1]} right of the before date, {found.length:.2f} pixels "
        f"in all{f' (standard error {found.se:.2f})' if np.isfinite(found.se) else ''}; confidence {found.confidence:.2f} of 1"
    ]
    made = spectral.detector.made_by(windows, found.dy, found.dx)
    if pair.corrected:
        said.append(
            f"corrected by --register; left alone it would make {_percent(made)} of the unchanged pixels look changed"
        )
    else:
        said.append(
            f"a shift of that size alone (the before date against itself, with the noise of this pair) makes {_percent(made)} of "
            f"the unchanged pixels look changed, beside the {rate:g} % of false alarms"
        )
        if found.length >= 0.3 and made > spectral.detector.false_alarms:
            said.append("--register moves the after date back before it is compared")
    return tuple(said)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "an unknown share"
