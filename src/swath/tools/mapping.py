"""The steps of `map` between the opened scenes and the finished files: learn, paint, keep the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from swath.errors import FormatError, LabelError
from swath.tools.job import Progress

if TYPE_CHECKING:
    from swath.assess.calibrate import Calibration
    from swath.assess.doubt import Applicability
    from swath.assess.doubts import Ranks
    from swath.baseline.features import Features
    from swath.baseline.mapper import Mapper
    from swath.baseline.patches import Seen
    from swath.batch import Encoder
    from swath.predict.plan import Cost
    from swath.predict.run import Ran
    from swath.predict.solved import Solved
    from swath.sample.labels import Labels
    from swath.sample.split import Places
    from swath.tools.scenes import Opened

__all__ = ["Work", "cost", "encoder_named", "keep", "learn", "named_as_learned", "outlines", "paint", "recall"]


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that training gave, before the map is painted; labels, places and features are absent for a kept model.

    encoder: name, sha256 of the weights and licence of the encoder whose tokens were among the features. seen: the scene at
    the labels, where it is kept for the folds that judge the map.
    """

    mapper: Mapper
    calibration: Calibration
    applicability: Applicability
    buffer: int = 0
    labels: Labels | None = None
    places: Places | None = None
    features: Features | None = None
    ranks: Ranks | None = None
    encoder: dict[str, Any] | None = None
    seen: Seen | None = None


def encoder_named(name: str | None, weights: Any = None) -> tuple[Encoder | None, dict[str, Any] | None]:
    """The encoder that `--encoder` asks for, and what is kept of it (name, sha256 of its weights). Raises ExtraError without
    the `nn` extra.
    """
    if name is None:
        return None, None
    from swath.tools.encoding import encoder_of

    return encoder_of(name, weights)


def learn(
    opened: Opened,
    source: Any,
    asked: Mapping[str, Any],
    encoder: Encoder | None,
    say: list[str],
    progress: Progress | None,
    *,
    simulated: bool,
) -> Work:
    """Labels to pixels, blocks, features, the choice of classifier, its calibration and its area of applicability.

    What was done and assumed is added to `say`.
    """
    from swath.assess import calibrate
    from swath.baseline.features import Features
    from swath.baseline.mapper import look, train
    from swath.sample import blockside, split
    from swath.sample import labels as labelling

    seed = asked["seed"]
    options = {name: asked[name] for name in ("column", "kind", "classes", "xy", "crs", "seed")}
    labels = labelling.read(source, opened.grid, shape=opened.shape, **options)
    say += [str(labels), *labels.notes]
    side = blockside.block_side(opened.cubes, labels, seed=seed)
    places = split.blocks(labels, side.px)
    say += [side.words, *places.notes]
    features = Features.fit(opened.cubes, seed=seed, encoder=encoder)
    buffer = min(features.reach, side.px // 4)
    seen = look(opened.cubes, labels, features, progress=progress)
    options = {"seed": seed, "fast": asked["fast"], "features": features, "buffer": buffer, "progress": progress}
    mapper = train(opened.cubes, labels, places.id, seen=seen, **options)
    t = mapper.training
    calibration = calibrate.fit(
        mapper.oof.value,
        t.y,
        t.place,
        scorable=mapper.oof.scorable,
        names=mapper.classes,
        seed=seed,
        simulated=simulated,
    )
    say += [*mapper.notes, calibration.words]
    ranks = _ranks(mapper, say) if asked["unsure"] else None
    return Work(mapper, calibration, _applicability(mapper), buffer, labels, places, features, ranks, seen=seen)


def _applicability(mapper: Mapper) -> Applicability:
    return doubt_of(mapper.training.x, mapper.training.weight, mapper.training.fold)


def _ranks(mapper: Mapper, say: list[str]) -> Ranks | None:
    """A head on the features of the labels, ranked among them; none for numbers, or where nothing can be learned (said)."""
    from swath.assess import doubts

    if mapper.kind == "number":
        say.append("the band unsure is for classes: values have their interval")
        return None
    t = mapper.training
    losses = doubts.losses_of(mapper.oof.value, t.y)
    losses[~mapper.oof.scorable] = float("nan")
    try:
        return doubts.fit(t.x, losses, mapper.oof.fold, seed=mapper.seed)
    except LabelError as error:
        say.append(f"no band unsure: {error}")
        return None


def paint(
    folder: Path,
    opened: Opened,
    work: Work,
    asked: Mapping[str, Any],
    inputs: list[dict[str, Any]],
    progress: Progress | None,
    *,
    simulated: bool,
) -> Ran:
    """Write the layers of the map, window by window; goes on where an interrupted run of the same `inputs` stopped."""
    from swath.predict.run import run
    from swath.tools.paint import Painter, layers_of

    fingerprint = {"model": work.mapper.record(), "calibration": work.calibration.to_json(), "seed": asked["seed"]}
    fingerprint["unsure"] = work.ranks is not None
    fingerprint["inputs"] = [item.get("digest") or item.get("note") for item in inputs]
    return run(
        opened.cubes,
        Painter(work.mapper, work.calibration, work.applicability, work.ranks),
        layers_of(work.mapper, work.calibration, simulated=simulated, ranked=work.ranks is not None),
        folder,
        reach=work.mapper.reach,
        fingerprint=json.loads(json.dumps(fingerprint, default=str)),
        scheduler=asked["scheduler"],
        workers=asked["workers"],
        progress=progress,
    )


def keep(work: Work, folder: Path) -> list[Path]:
    """Write `model/`: what maps again without labels; the calibration stands in model.json beside the rest."""
    from swath.baseline.keeping import write

    facts = {"calibration": work.calibration.to_json(), "unsure": work.ranks is not None, "encoder": work.encoder}
    write({**work.mapper.record(), **facts}, work.mapper.arrays(), folder)
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def recall(folder: Path, encoder: Encoder | None, made_by: dict[str, Any] | None = None) -> Work:
    """The kept model: a file of `swath train`, or a map's folder `model`, fitted again from its training rows.

    made_by: what is known of the encoder that was given. Raises FormatError when it is incomplete, or of another encoder.
    """
    from swath.assess.calibrate import Calibration
    from swath.baseline.mapper import Mapper
    from swath.predict import solved, told

    if told.is_told(folder):
        series = told.load(folder)
        e = series.evidence
        area = doubt_of(e.x, None, e.fold)
        return Work(cast("Mapper", series), Calibration.from_json(series.calibration), area, encoder=series.facts)
    if solved.is_model(folder):
        trained = solved.load(folder)
        e = trained.evidence
        area = doubt_of(e.x, None, e.fold)
        return Work(cast("Mapper", trained), Calibration.from_json(trained.calibration), area, encoder=trained.facts)
    encoder, made_by = _encoder_of_map(folder, encoder, made_by)
    mapper = Mapper.load(folder, encoder=encoder)
    try:
        record = json.loads((folder / "model.json").read_text("utf-8"))
        calibration = Calibration.from_json(record["calibration"])
    except (KeyError, TypeError) as error:
        raise FormatError(
            rule="model.json of a map holds its calibration",
            got=f"{folder}: no {error}",
            remedy="name the folder `model` of a map",
        ) from error
    ranks = _ranks(mapper, []) if record.get("unsure") else None
    return Work(mapper, calibration, _applicability(mapper), ranks=ranks, encoder=made_by)


def doubt_of(x: Any, weight: Any, fold: Any) -> Applicability:
    """The area of applicability of training features."""
    from swath.assess import doubt

    return doubt.fit(x, weight, fold)


def _encoder_of_map(
    folder: Path, encoder: Encoder | None, made_by: dict[str, Any] | None
) -> tuple[Encoder | None, dict[str, Any] | None]:
    """The encoder that a kept map was made with, by its name and sha256 where none is given. Raises FormatError."""
    try:
        kept = json.loads((folder / "model.json").read_text("utf-8")).get("encoder")
    except (OSError, ValueError, AttributeError):
        return encoder, made_by  # told by Mapper.load
    if not kept:
        return encoder, made_by
    if encoder is None:
        encoder, made_by = encoder_named(kept["encoder"])
    if made_by is not None and made_by["weights"] != kept["weights"]:
        raise FormatError(
            rule=f"this model was made with {kept['encoder']} of sha256 {str(kept['weights'])[:12]}",
            got=f"{made_by['encoder']} of sha256 {str(made_by['weights'])[:12]}",
            remedy="name that encoder and its weights file",
        )
    return encoder, made_by


def named_as_learned(opened: Opened, mapper: Mapper | Solved, say: list[str]) -> Opened:
    """The scene's cubes under the names that the model learned: by sensor, else by equal bands and quantities (said).

    What fits none is left as it is: the features then refuse it, listing what differs.
    """
    from swath.predict.solved import Solved
    from swath.predict.told import Told
    from swath.sample.window import bands_of

    learned = {s.sensor: [(b.name, b.quantity, b.units) for b in s.bands] for s in mapper.features.sensors}
    cubes = {name: cube for name, cube in opened.cubes.items() if name in learned}
    for name, cube in opened.cubes.items():
        if name in cubes:
            continue
        c = cube.coords
        bands = list(zip(*(map(str, c[k].values) for k in ("band", "quantity", "units")), strict=True))
        free = [n for n in learned if n not in cubes]
        home = next(
            (n for n in free if learned[n] == bands), free[0] if len(free) == 1 and len(opened.cubes) == 1 else None
        )
        if home is None:
            cubes[name] = cube
            continue
        if learned[home] == bands:
            say.append(f"{name} is read as {home}: the same bands and quantities")
        cubes[home] = cube
    if isinstance(mapper, (Solved, Told)):
        mapper.check({name: bands_of(cube) for name, cube in cubes.items()})  # before anything is written
    return replace(opened, cubes=cubes)


def cost(opened: Opened, work: Work, workers: int | None) -> Cost:
    """What painting will take, measured on one window."""
    from swath.predict.plan import plan
    from swath.tools.paint import Painter, layers_of

    painter = Painter(work.mapper, work.calibration, work.applicability)
    return plan(
        opened.cubes, painter, layers_of(work.mapper, work.calibration), reach=work.mapper.reach, workers=workers
    )


def outlines(path: Path, opened: Opened, work: Work) -> Path:
    """Patches of the class map beside `path` as polygons, .gpkg or .parquet."""
    import rasterio

    from swath.sample import things

    names = dict(zip(work.mapper.codes, work.mapper.classes, strict=True))
    with rasterio.open(path.with_suffix(".tif")) as codes:
        return things.write(things.polygons(codes, opened.grid, names=names), path)
