"""`map` by a published classifier of windows: local climate zones at 100 m, with their doubt, areas and a page."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import GridError, LabelError
from swath.tools.job import Job, Progress, can_be_written, write_json

if TYPE_CHECKING:
    from swath.predict.run import Layer
    from swath.report.figures import Picture
    from swath.tools.scenes import Opened

__all__ = ["PUBLISHED", "map_zones", "serves", "understood"]

PUBLISHED = ("sen2lcz",)
STEP = 10  # pixels of 10 m: cells of 100 m
_UNDONE = ("truth", "labels", "encoder", "classes", "polygons", "parquet", "plan")


def serves(model: Any) -> bool:
    """Whether `--model` names a published classifier and no folder of a map."""
    return str(model) in PUBLISHED and not Path(str(model)).is_dir()


def map_zones(opened: Opened, asked: Mapping[str, Any], progress: Progress | None) -> Any:
    """Map local climate zones. Raises GridError for pixels that are not of about 10 m, BandError, UnitError."""
    from swath.models import load
    from swath.models.sen2lcz import NAMES, WINDOW
    from swath.predict.cells import Cells, coarse
    from swath.predict.run import run

    _refuse(opened, asked)
    folder = Path(asked["out"])
    can_be_written(folder)
    model = load(str(asked["model"]), weights=asked["weights"])
    job = Job.start("map", asked, [*opened.reads, *([asked["weights"]] if asked["weights"] else [])])
    say = [*opened.notes, *understood(opened, model, WINDOW)]
    cells = coarse(opened.cubes, STEP)
    inputs = [item.get("digest") or item.get("note") for item in job.inputs]
    ran = run(
        cells,
        Cells(opened.cubes, model, WINDOW, STEP, len(NAMES)),
        _layers(asked),
        folder,
        window=64,
        fingerprint=json.loads(json.dumps({"model": asked["model"], "source": model.facts.source, "inputs": inputs})),
        scheduler=asked["scheduler"],
        workers=asked["workers"],
        progress=progress,
    )
    record, mapped = _record(folder, opened, cells, say, asked)
    made = [*ran.paths.values(), write_json(folder / "assessment.json", record)]
    made.append(_page(folder, opened, cells, record, mapped, asked))
    made += list(folder.glob("*.qml"))
    job.finish(folder, made, failed_windows=[list(f) for f in ran.failed], reasons=list(ran.reasons),
               mapping_seconds=round(ran.seconds, 2))  # fmt: skip
    from swath.estimate import Estimate
    from swath.tools.map import MapResult

    return MapResult(
        out=str(folder),
        kind="class",
        accuracy=Estimate.from_json(record["accuracy"]),
        chosen=record["chosen"],
        classes=tuple(record["classes"]),
        files=tuple(sorted({p.relative_to(folder).parts[0] for p in made} | {"run.json"})),
        notes=tuple(dict.fromkeys(say)),
        failed=len(ran.failed),
    )


def _refuse(opened: Opened, asked: Mapping[str, Any]) -> None:
    from swath.earth import grid

    if wrong := [name for name in _UNDONE if asked.get(name)]:
        raise LabelError(
            rule=f"the model {asked['model']} maps its own classes and learns nothing",
            got=f"--{', --'.join(wrong)}",
            remedy="leave that out; judge the map with swath assess out/classes.tif --truth FILE",
        )
    size = grid.gsd(opened.grid)
    if np.isfinite(size) and not 8 <= size <= 12.5:
        raise GridError(
            rule=f"{asked['model']} learned from pixels of 10 m", got=f"{size:.3g} m", remedy="add --gsd 10"
        )


def understood(opened: Opened, model: Any, window: int) -> list[str]:
    """What the network reads, in words; refuses bands and units before the work."""
    from swath.predict.cells import one_window

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels, bands = model.bands(one_window(opened.cubes, window))
    level = {"toa_reflectance": "reflectance at the top of the atmosphere (L1C), as it learned",
             "reflectance": "surface reflectance (L2A)"}[pixels.bands[bands[0]].quantity]  # fmt: skip
    dates = pixels.values.shape[1]
    return [
        f"the network reads {level}, bands {', '.join(pixels.bands[i].name for i in bands)}",
        *(str(w.message) for w in caught if issubclass(w.category, UserWarning)),
        f"cells of 100 m, each from the {window} x {window} pixels around it"
        + (f", probabilities averaged over the usable of {dates} dates" if dates > 1 else ""),
        "a window with a missing pixel gives no class; at the edge of the scene the window is moved inwards",
        "probabilities are the network's own, the mean of its four classifiers: not calibrated on this place",
    ]


def _layers(asked: Mapping[str, Any]) -> list[Layer]:
    from swath.models.sen2lcz import COLOURS, NAMES
    from swath.predict.cells import STEP_OF_SHARES
    from swath.predict.run import Layer

    tags = {"simulated": "yes"} if asked["simulated"] else {}
    said = {"unsure": "1 - the largest probability", "apart": "share of the four classifiers that say another class"}
    codes = range(1, len(NAMES) + 1)
    options: dict[str, Any] = {"dtype": "uint8", "nodata": 255, "units": "1", "scale": STEP_OF_SHARES}
    return [
        Layer("classes", "uint8", 0, ("local climate zone",), classes=dict(zip(codes, NAMES, strict=True)),
              colours=dict(zip(codes, COLOURS, strict=True)), tags=tags),
        Layer("probability", bands=NAMES, tags=tags, **options),
        Layer("doubt", bands=("unsure", "apart"), tags={**tags, **said}, **options),
    ]  # fmt: skip


def _on_cells(opened: Opened, cells: Mapping[str, Any]) -> Opened:
    from swath.cube import contract

    first = next(iter(cells.values()))
    return replace(opened, grid=contract.grid(first), shape=(first.sizes["y"], first.sizes["x"]))


def _record(
    folder: Path, opened: Opened, cells: Mapping[str, Any], say: list[str], asked: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, float]]:
    """assessment.json of a map that nobody judged: areas as counted, everything else undefined with the reason."""
    from swath.assess import record as recording
    from swath.earth import grid
    from swath.models.sen2lcz import NAMES
    from swath.tools.finish import areas_on_the_map

    there, codes = _on_cells(opened, cells), range(1, len(NAMES) + 1)
    areas = areas_on_the_map(folder / "classes.tif", codes, there)
    none = np.zeros(0, int)
    made = recording.record(
        none, none, none, names=NAMES, codes=list(codes), areas=areas, unit=grid.area_unit(there.grid),
        method="not judged: no truth was given; judge it with swath assess", chosen=str(asked["model"]),
        notes=list(dict.fromkeys(say)), seed=asked["seed"], simulated=bool(asked["simulated"] or opened.simulated),
    )  # fmt: skip
    return made, {name: float(a) for name, a in zip(NAMES, areas, strict=True)}


def _page(
    folder: Path,
    opened: Opened,
    cells: Mapping[str, Any],
    record: dict[str, Any],
    mapped: dict[str, float],
    asked: Mapping[str, Any],
) -> Path:
    import swath
    from swath.earth import grid
    from swath.models.sen2lcz import COLOURS
    from swath.report import figures, map_report
    from swath.report.data import from_assessment
    from swath.tools.finish import facts_of, named

    colours = dict(enumerate(COLOURS, start=1))
    answer = figures.class_picture(folder / "classes.tif", colours)
    shown = {**record, "classes": [c for c in record["classes"] if mapped[c["name"]] > 0]}
    data = from_assessment(
        shown,
        mapped=mapped,
        colours=colours,
        title=asked["title"] or f"Local climate zones of {named(asked['scenes'])}",
        answer=replace(answer, step=answer.step * STEP, words="local climate zone of each cell of 100 m"),
        doubt=_doubt_picture(folder / "doubt.tif"),
        doubt_ends=("sure", "unsure"),
        confusion=None,
        scene=figures.scene_picture(opened.cubes),
        pixel_m=grid.gsd(opened.grid),
        facts=facts_of(opened),
        assumed=record["notes"],
        remarks=(asked["remarks"] or "").splitlines(),
        refused=["accuracy and adjusted areas: nothing on this place tells them"],
        files=[
            ("classes.tif", "zone of each cell"), ("probability.tif", "probability of each zone"),
            ("doubt.tif", "unsure: 1 - the largest probability; apart: classifiers that say another zone"),
            ("assessment.json", "every number of this page"), ("run.json", "inputs, options, versions"),
        ],
        again="swath again run.json --out there",
        version=swath.__version__,
        simulated=bool(asked["simulated"] or opened.simulated),
    )  # fmt: skip
    return map_report.write(folder / "report.html", data)


def _doubt_picture(path: Path) -> Picture:
    import rasterio

    from swath.earth.colour import ramp
    from swath.report.figures import Picture, thin_of

    with rasterio.open(path) as file:
        step = thin_of(file.shape)
        stored = file.read(1)[::step, ::step]
    shades = np.array(ramp("doubt", 256), np.uint8)
    rgb = shades[np.clip(np.round(stored / 250 * 255), 0, 255).astype(int)]
    alpha = np.where(stored == 255, 0, 255).astype(np.uint8)
    return Picture(np.dstack([rgb, alpha]), step * STEP, "1 - the largest probability of a zone")
