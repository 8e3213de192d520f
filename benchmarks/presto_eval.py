"""Presto and Galileo nano, frozen, on the two sets Presto was evaluated on, and on MODIS series: beside plain methods.

python benchmarks/presto_eval.py --data FOLDER [--out docs/tables/presto_eval.txt]

FOLDER holds presto_eval, sits_modis, modis_mato_grosso and weights (or SWATH_WEIGHTS names them). First the published
protocol: train on the sets' own training rows, scikit-learn's linear regression and random forest as they come, seeds 0,
42 and 84, root mean squared error on the own test rows; the figures in brackets were measured apart, with the publishers'
code. Then folds of whole places with intervals, and how much better random folds look. Prints a table, and last one line
of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from swath.batch import Batch, Pixels
from swath.datasets import mato_grosso, presto_eval, sits_modis
from swath.estimate import Estimate, block_bootstrap
from swath.models import load
from swath.models.presto_input import read_series

SEEDS = (0, 42, 84)
FOLDS = 5
# Measured apart with the published code: {set: {features: (linear, forest of the three seeds)}}; None: not told.
APART = {
    "algae_blooms": {"training mean": (0.869, None), "scaled inputs": (0.900, (1.248, 1.224, 1.273)),
                     "Presto": (1.026, (0.871, 0.862, 0.850)), "Presto, random weights": (1.836, (0.802, 0.803, 0.800)),
                     "Galileo nano": (0.912, (0.878, 0.867, 0.877))},
    "fuel_moisture": {"training mean": (36.90, None), "scaled inputs": (27.95, (24.26, 23.95, 23.54)),
                      "Presto": (27.11, (24.78, 24.79, 25.14)), "Presto, random weights": (27.63, (27.45, 27.13, 26.90)),
                      "Galileo nano": (28.06, (25.99, 25.94, 26.03))},
}  # fmt: skip
ENCODERS = {
    "Presto": ("presto", {}), "Presto, random weights": ("random:presto", {}),
    "Galileo nano": ("galileo", {"patch": 1}), "Galileo nano, random weights": ("random:galileo", {"patch": 1}),
}  # fmt: skip


def vectors(batch: Batch) -> dict[str, np.ndarray]:
    """(N, 128) of every encoder, frozen; a pixel's own vector."""
    found = {}
    for name, (model, options) in ENCODERS.items():
        encoder = load(model, **options)
        parts = [encoder.encode(part)[0].pooled() for part in pieces(batch, 256)]
        found[name] = np.concatenate(parts)
    return found


def pieces(batch: Batch, size: int):
    from swath.sample.loader import take

    for i in range(0, len(batch), size):
        yield take(batch, list(range(i, min(i + size, len(batch)))))


def inputs(rows: presto_eval.Rows) -> np.ndarray:
    """The scaled inputs of all steps, latitude, longitude and the first month."""
    values = read_series(rows.batch.to("cpu"), 24).values.numpy()
    return np.concatenate([values.reshape(len(values), -1), rows.latlon, rows.month[:, :1]], 1)


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


def r2(error: np.ndarray, truth: np.ndarray) -> float:
    return 1 - float(np.square(error).sum() / np.square(truth - truth.mean()).sum())


def own_split(name: str, rows: presto_eval.Rows, features: dict[str, np.ndarray], say) -> dict:
    y, test = np.asarray(rows.batch.target, float), rows.test
    place = np.array(rows.batch.place)
    count = len(set(place[test]))
    say(
        f"\n{name}: {presto_eval.NAMES[name]}; {int((~test).sum())} training rows, {int(test.sum())} test rows of {count} places"
    )
    say("root mean squared error on the own test rows (R2) [measured apart]; intervals: bootstrap over the test places")
    say(
        f"{'features':<32}{'linear regression':<30}{'random forest, seeds 0 42 84':<52}{'interval of the forest, seed 0'}"
    )
    out = {}
    mean = y[~test].mean() - y[test]
    apart = APART[name]["training mean"][0]
    where = blocks(mean, place[test])
    say(f"{'training mean':<32}{rmse(mean):.3f} ({r2(mean, y[test]):.2f}) [{apart}]{'':<12}{'':<51}{span(where)}")
    out["training mean"] = rmse(mean)
    for kind, x in features.items():
        line = LinearRegression().fit(x[~test], y[~test]).predict(x[test]) - y[test]
        forests = [
            RandomForestRegressor(random_state=s, n_jobs=2).fit(x[~test], y[~test]).predict(x[test]) - y[test]
            for s in SEEDS
        ]
        known = APART[name].get(kind)
        told = ("", "") if known is None else (f" [{known[0]:g}]", " [" + " ".join(f"{v:g}" for v in known[1]) + "]")
        scores = [rmse(e) for e in forests]
        first = f"{rmse(line):.3f} ({r2(line, y[test]):.2f}){told[0]}"
        second = f"{' '.join(f'{s:.3f}' for s in scores)} ({np.mean([r2(e, y[test]) for e in forests]):.2f}){told[1]}"
        say(f"{kind:<32}{first:<30}{second:<52}{span(blocks(forests[0], place[test]))}")
        out[kind] = {"linear": rmse(line), "forest": scores}
        if known is not None and "random" not in kind:
            spread = max(known[1]) - min(known[1])
            out[kind]["within"] = bool(
                abs(np.mean(scores) - np.mean(known[1])) <= max(spread, 0.02 * np.mean(known[1]))
            )
    return out


def sums(error: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(P, 2): sum of squares and count of each place."""
    _, at = np.unique(place, return_inverse=True)
    return np.stack([np.bincount(at, weights=np.square(error)), np.bincount(at)], 1)


def blocks(error: np.ndarray, place: np.ndarray) -> Estimate:
    return block_bootstrap(sums(error, place), lambda s: np.sqrt(s[..., 0] / s[..., 1]), n=len(error))


def better(error: np.ndarray, other: np.ndarray, place: np.ndarray) -> Estimate:
    """Error of the first less that of the second, over the same places."""
    parts = np.concatenate([sums(error, place), sums(other, place)], 1)
    return block_bootstrap(
        parts, lambda s: np.sqrt(s[..., 0] / s[..., 1]) - np.sqrt(s[..., 2] / s[..., 3]), n=len(error)
    )


def span(e: Estimate, digits: int = 3) -> str:
    if not np.isfinite(e.low):
        return f"{e.value:.{digits}f} (no interval)"
    return f"{e.value:.{digits}f} [{e.low:.{digits}f}, {e.high:.{digits}f}]"


def folds_of(place: np.ndarray, seed: int = 0, *, whole: bool = True):
    n = np.zeros(len(place))
    if whole:
        return list(GroupKFold(FOLDS, shuffle=True, random_state=seed).split(n, groups=place))
    return list(KFold(FOLDS, shuffle=True, random_state=seed).split(n))


def out_of_fold(make, x: np.ndarray, y: np.ndarray, parts) -> np.ndarray:
    found = np.zeros(len(y), y.dtype)
    for train, test in parts:
        found[test] = make().fit(x[train], y[train]).predict(x[test])
    return found


def place_folds(name: str, rows: presto_eval.Rows, features: dict[str, np.ndarray], say) -> dict:
    y, place = np.asarray(rows.batch.target, float), np.array(rows.batch.place)
    whole, mixed = folds_of(place), folds_of(place, whole=False)
    what = "sites" if name == "fuel_moisture" else "blocks of 1 degree"
    say(
        f"\n{name}: {FOLDS} folds of {len(set(place))} whole {what}; root mean squared error [95 % interval over places]"
    )
    head = f"{'features':<32}{'linear regression':<26}{'random forest, seed 0':<26}"
    say(f"{head}{'forest less that on scaled inputs':<36}{'random folds look better by'}")
    mean = np.zeros(len(y))
    for train, test in whole:
        mean[test] = y[train].mean() - y[test]
    base = blocks(mean, place)
    say(f"{'training mean':<32}{span(base)}")
    out, raw = {"training mean": base.to_json()}, None
    for kind, x in features.items():
        line = out_of_fold(lambda: make_pipeline(StandardScaler(), LinearRegression()), x, y, whole) - y
        forest = out_of_fold(lambda: RandomForestRegressor(random_state=0, n_jobs=2), x, y, whole) - y
        raw = forest if raw is None else raw
        gain = "" if raw is forest else span(better(forest, raw, place))
        optimism = None
        if kind in ("scaled inputs", "Presto"):
            leaking = out_of_fold(lambda: RandomForestRegressor(random_state=0, n_jobs=2), x, y, mixed) - y
            optimism = better(forest, leaking, place)
        say(
            f"{kind:<32}{span(blocks(line, place)):<26}{span(blocks(forest, place)):<26}{gain:<36}{span(optimism) if optimism else ''}"
        )
        out[kind] = {"linear": blocks(line, place).to_json(), "forest": blocks(forest, place).to_json(),
                     "optimism": optimism.to_json() if optimism else None}  # fmt: skip
        if raw is not forest:
            out[kind]["less_raw"] = better(forest, raw, place).to_json()
    return out


def pairs(found: dict, base: str, difference, digits: int, words: str, say) -> dict:
    """Each head on frozen vectors less the same head on the values, and less that on its twin with random weights."""
    twin = {"Presto": "Presto, random weights", "Galileo nano": "Galileo nano, random weights"}
    say(f"{words}, over the same places (a gain is one where the interval leaves out 0):")
    say(f"{'':<32}{'linear, on ' + base:<28}{'forest, on ' + base:<28}{'linear, on its twin':<28}forest, on its twin")
    out = {}
    for kind in twin:
        told = [difference(found[kind][head], found[other][head]) for other in (base, twin[kind]) for head in (0, 1)]
        say(f"{kind:<32}" + "".join(f"{span(e, digits):<28}" for e in told))
        out[kind] = [e.to_json() for e in told]
    return out


def monthly(folder: Path) -> Batch:
    """The labelled field seasons of Mato Grosso as monthly medians of NDVI, one point each; place: blocks of 2 km."""
    import rasterio
    from pyproj import Transformer

    from swath.models.steps import month_of

    cube, found = mato_grosso.load(folder).pixels["modis-mod13"], mato_grosso.samples(folder)
    with rasterio.open(folder / "ndvi.tif") as file:
        inverse, crs = ~file.transform, file.crs.to_wkt()
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*found.lonlat.T)
    column, row = (np.floor(v).astype(int) for v in inverse * (np.array(x), np.array(y)))
    band = next(i for i, b in enumerate(cube.bands) if b.quantity == "index")
    _, _, _, h, w = cube.values.shape
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    when = month_of(cube.day[0])
    n, t = len(row), 13
    values, day = np.full((n, t), np.nan, np.float32), np.full((n, t), np.nan)
    for i in np.flatnonzero(inside):
        of = (cube.day[0] >= found.from_day[i]) & (cube.day[0] <= found.to_day[i])
        for k, month in enumerate(np.unique(when[of])[:t]):
            values[i, k] = np.median(cube.values[0, of & (when == month), band, row[i], column[i]])
            day[i, k] = float(np.datetime64(int(month), "M").astype("datetime64[D]").astype(int))
    keep = np.flatnonzero(np.isfinite(values).any(1))
    pixels = Pixels(
        values[keep][:, :, None, None, None], np.isfinite(values[keep])[:, :, None, None, None],
        (cube.bands[band],), cube.gsd, day[keep], found.lonlat[keep],
    )  # fmt: skip
    place = tuple(f"{r // 9},{c // 9}" for r, c in zip(row[keep], column[keep], strict=True))
    return Batch({"modis-mod13": pixels}, found.label[keep], key=tuple(map(str, keep)), place=place)


def series(name: str, batch: Batch, names: tuple[str, ...], say) -> dict:
    """Classes of series: forests and logistic regression on the raw series and on frozen vectors, folds of places."""
    p = next(iter(batch.pixels.values()))
    raw = np.nan_to_num(p.values[..., 0, 0].reshape(len(batch), -1))
    features = {"raw series": raw, **vectors(batch)}
    y, place = np.asarray(batch.target), np.array(batch.place)
    whole, mixed = folds_of(place), folds_of(place, whole=False)
    say(
        f"\n{name}: NDVI of MODIS alone, {len(y)} series, {len(names)} classes; {FOLDS} folds of {len(set(place))} whole blocks"
    )
    say("overall accuracy, percent [95 % interval over places]; both encoders never saw MODIS and get one band of many")
    say(
        f"{'features':<32}{'logistic regression':<26}{'random forest, seed 0':<26}random folds let the forest look better by"
    )
    say(f"{'largest class':<32}{100 * np.bincount(y).max() / len(y):.1f}")
    out, found = {}, {}

    def share(right: np.ndarray, other: np.ndarray | None = None) -> Estimate:
        _, at = np.unique(place, return_inverse=True)
        values = right.astype(float) if other is None else right.astype(float) - other
        parts = np.stack([np.bincount(at, weights=values), np.bincount(at)], 1)
        return block_bootstrap(parts, lambda s: 100 * s[..., 0] / s[..., 1], n=len(y))

    for kind, x in features.items():
        line = out_of_fold(lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)), x, y, whole) == y
        forest = out_of_fold(lambda: RandomForestClassifier(random_state=0, n_jobs=2), x, y, whole) == y
        optimism = None
        if kind == "raw series":
            leaking = out_of_fold(lambda: RandomForestClassifier(random_state=0, n_jobs=2), x, y, mixed) == y
            optimism = share(leaking, forest)
        found[kind] = (line, forest)
        told = span(optimism, 1) if optimism else ""
        say(f"{kind:<32}{span(share(line), 1):<26}{span(share(forest), 1):<26}{told}")
        out[kind] = {"linear": share(line).to_json(), "forest": share(forest).to_json(),
                     "optimism": optimism.to_json() if optimism else None}  # fmt: skip
    out["paired"] = pairs(found, "raw series", share, 1, "accuracy less that", say)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--only", nargs="*", default=["algae_blooms", "fuel_moisture", "sits_modis", "modis_mato_grosso"]
    )
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ.setdefault("SWATH_WEIGHTS", str(asked.data / "weights"))
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text.rstrip())
        print(text.rstrip(), flush=True)

    started, found = time.time(), {}
    say("Frozen encoders with a linear head or a forest, beside the same heads on the values themselves. Real data.")
    for name in presto_eval.NAMES:
        if name in asked.only:
            rows = presto_eval.rows(asked.data / "presto_eval", name)
            features = {"scaled inputs": inputs(rows), **vectors(rows.batch)}
            found[name] = {"own": own_split(name, rows, features, say), "folds": place_folds(name, rows, features, say)}
    if "sits_modis" in asked.only:
        batch = sits_modis.load(asked.data / "sits_modis")
        found["sits_modis"] = series("sits_modis", batch, sits_modis.CLASSES, say)
    if "modis_mato_grosso" in asked.only:
        batch = monthly(asked.data / "modis_mato_grosso")
        found["modis_mato_grosso"] = series("modis_mato_grosso", batch, mato_grosso.CLASSES, say)
    told = [(f"{s}, {k}", v["within"]) for s in presto_eval.NAMES if s in found for k, v in found[s]["own"].items()
            if isinstance(v, dict) and "within" in v]  # fmt: skip
    say("\nThe forest's mean lies within the spread of the figures measured apart (or 2 %): "
        + "; ".join(f"{k} {'yes' if v else 'NO'}" for k, v in told))  # fmt: skip
    say("A twin with random weights has no figure to reproduce: its numbers are of other random draws.")
    say(f"{platform.machine()}, {os.cpu_count()} cores, {(time.time() - started) / 60:.0f} minutes")
    if asked.out is not None:
        asked.out.write_text("\n".join(lines) + "\n")
    print(json.dumps(found, allow_nan=True))


if __name__ == "__main__":
    main()
