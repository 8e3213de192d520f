"""Quality of the main job on three real sets, through the mapper's own features and choice.

usage: python benchmarks/quality.py [pines|eopatch|series ...] [--seeds 0-9] [--shared FOLDER] [--report]

pines: Indian Pines (in the package tensorly). 16-px blocks dealt at random to two halves, up to 10 labelled pixels a
class from one, judged on the other without what lies within 2 px of a label. eopatch: land use of the EOPatch, the
same with 20-px blocks. series: 1,218 NDVI series of Central Brazil, 1-degree blocks in five folds.
Seeds 0-9 served while building (eopatch 0-29); --report takes the fresh ones (pines 100-129, eopatch
210-219, series 100-104), once. eopatch 100-109 and 200-209 were run before the choice for few labels was changed.
Prints a table for each set and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import ndimage, stats

from swath.baseline import learner, spectral
from swath.baseline.mapper import Mapper, train
from swath.cube import contract
from swath.datasets import indian_pines
from swath.sample.labels import Labels
from swath.sample.split import Places, fold_table
from swath.sample.window import read

REPORT_SEEDS = {"pines": range(100, 130), "eopatch": range(210, 220), "series": range(100, 105)}


def labels_of(
    row: np.ndarray, column: np.ndarray, value: np.ndarray, names: list[str], shape: tuple[int, int]
) -> Labels:
    codes = list(range(1, len(names) + 1))
    return Labels(row, column, value.astype(np.int64), np.arange(len(row)), names, codes, "class", shape)


def halves(
    truth: np.ndarray, seed: int, *, side: int, least: int, per_class: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training mask, test mask and block number (H, W) each; truth 0 is unlabelled, classes 1..K."""
    random = np.random.default_rng(seed)
    (height, width), classes = truth.shape, [c for c in np.unique(truth) if c]

    def blocks() -> np.ndarray:
        top, left = random.integers(0, side, 2)
        return ((np.arange(height) + top) // side)[:, None] * 100 + ((np.arange(width) + left) // side)[None]

    block = blocks()
    while True:
        half = random.random(block.max() + 1)[block] < 0.5
        if all(((truth == c) & part).sum() >= least for c in classes for part in (half, ~half)):
            break
        if random.random() < 0.02:  # an unlucky origin: move it
            block = blocks()
    training = np.zeros(truth.shape, bool)
    for c in classes:
        pixels = np.flatnonzero(((truth == c) & half).ravel())
        training.ravel()[random.choice(pixels, min(per_class, len(pixels)), replace=False)] = True
    test = (truth > 0) & ~half & ~ndimage.binary_dilation(training, np.ones((5, 5)))
    return training, test, block


def fit(cubes: dict, truth: np.ndarray, training: np.ndarray, block: np.ndarray, side: int, seed: int) -> Mapper:
    row, column = np.nonzero(training)
    names = [str(c) for c in range(1, int(truth.max()) + 1)]
    labels = labels_of(row, column, truth[row, column] - 1, names, truth.shape)
    return train(cubes, labels, Places(block[row, column], row, column, side), seed=seed)


def classes_of(mapper: Mapper, cubes: dict, shape: tuple[int, int]) -> np.ndarray:
    probability = mapper(read(cubes, slice(0, shape[0]), slice(0, shape[1])))["probability"][0]
    return probability.argmax(0) + 1


def interval(values: Any) -> tuple[float, float, float]:
    """Mean of values over seeds with its 95 % t-interval."""
    v = np.asarray(values, float)
    half = stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else np.nan
    return float(v.mean()), float(v.mean() - half), float(v.mean() + half)


def row(name: str, values: Any) -> str:
    mean, low, high = (100 * v for v in interval(values))
    return f"| {name} | {mean:.1f} | {low:.1f} to {high:.1f} |"


def pines(seeds: list[int]) -> dict[str, Any]:
    scene = indian_pines.load()
    cubes, truth = {"aviris": scene.cube}, scene.truth.astype(int)
    stored = np.asarray(scene.cube.values)
    spectra = stored.reshape(len(stored), -1).T
    across = (stored[:, :, 1:] - stored[:, :, :-1]).reshape(len(stored), -1).T
    mnf = spectral.fit_components(spectra, across, 20)(stored)
    scores: dict[str, list[float]] = {
        k: [] for k in ("swath", "shrunk LDA on MNF", "shrunk LDA on spectra", "random forest on spectra", "majority")
    }
    seconds, chosen, promised = [], [], []
    for seed in seeds:
        training, test, block = halves(truth, seed, side=16, least=5)
        start = time.perf_counter()
        mapper = fit(cubes, truth, training, block, 16, seed)
        mapped = classes_of(mapper, cubes, truth.shape)
        seconds.append(time.perf_counter() - start)
        chosen.append(mapper.chosen)
        promised.append(dict(mapper.candidates)[mapper.chosen].value)
        scores["swath"].append(float((mapped == truth)[test].mean()))
        for name, model, planes in (
            ("shrunk LDA on MNF", None, mnf),
            ("shrunk LDA on spectra", None, stored),
            ("random forest on spectra", "random forest", stored),
            ("majority", "majority", stored),
        ):
            x, y = planes[:, training].T, truth[training] - 1
            if model is None:
                from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

                lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, y)
                guess = lda.predict(planes[:, test].T)
            else:
                guess = learner.fit(model, x, y, classes=16, seed=seed).predict(planes[:, test]).argmax(0)
            scores[name].append(float((guess == truth[test] - 1).mean()))
        print(
            f"seed {seed}: {mapper.chosen}, promised {promised[-1]:.3f}, {scores['swath'][-1]:.3f}, {seconds[-1]:.1f} s",
            flush=True,
        )
    print(f"\nIndian Pines, halves of 16-px blocks, {len(seeds)} seeds ({seeds[0]}-{seeds[-1]}), overall accuracy %")
    print("| map | mean | 95 % interval over seeds |\n|---|---|---|")
    for name, values in scores.items():
        print(row(name, values))
    gains = {k: np.array(scores["swath"]) - np.array(v) for k, v in scores.items() if k != "swath"}
    for name, gain in gains.items():
        print(row(f"gain over {name}, paired", gain))
    print(row("what the choice promised", promised))
    print(f"{np.mean(seconds):.1f} s a seed for choice and map; chosen: {_count(chosen)}\n")
    mean, low, high = interval(scores["swath"])
    gain, gain_low, gain_high = interval(gains["shrunk LDA on MNF"])
    return {
        "pines_seeds": [seeds[0], seeds[-1]], "pines_oa": mean, "pines_oa_low": low, "pines_oa_high": high,
        "pines_gain_over_lda_mnf": gain, "pines_gain_low": gain_low, "pines_gain_high": gain_high,
        "pines_promised": float(np.mean(promised)), "pines_seconds": float(np.mean(seconds)),
    }  # fmt: skip


def _count(names: list[str]) -> str:
    return ", ".join(f"{n} {names.count(n)}" for n in dict.fromkeys(names))


def patch_cubes(folder: Path) -> tuple[dict, dict, np.ndarray]:
    """The five dates of 13 bands, the 68 dates of NDVI, and the land use (0 none) of the EOPatch."""

    def load(name: str) -> np.ndarray:
        path = folder / name
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return np.load(BytesIO(raw))

    def dates(name: str) -> np.ndarray:
        return np.array(json.loads((folder / name / "timestamps.json").read_text()), "datetime64[ns]")

    bands = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
    nm = [443, 490, 560, 665, 705, 740, 783, 842, 865, 945, 1375, 1610, 2190]
    cloud = load("TestEOPatch/mask/CLM.npy.gz")[..., 0].astype(np.uint8) * contract.FLAGS["cloud"]
    times, few = dates("TestEOPatch"), dates("FiveDates")
    reflectance = contract.make(
        load("FiveDates/data/BANDS-S2-L1C.npy.gz").transpose(0, 3, 1, 2), bands=bands, geobox=None, time=few,
        wavelength=nm, quantity="toa_reflectance",
    )  # fmt: skip
    ndvi = contract.make(
        load("TestEOPatch/data/NDVI.npy.gz").transpose(0, 3, 1, 2), bands=["NDVI"], geobox=None, time=times,
        quantity="index", flag=cloud,
    )  # fmt: skip
    use = load("TestEOPatch/mask_timeless/LULC.npy").squeeze().astype(int)
    kept = [c for c in range(1, use.max() + 1) if (use == c).sum() >= 100]
    truth = np.searchsorted([0, *kept], use)
    return {"five": reflectance}, {"five": reflectance, "ndvi": ndvi}, np.where(np.isin(use, kept), truth, 0)


def eopatch(seeds: list[int], shared: Path) -> dict[str, Any]:
    five, both, truth = patch_cubes(shared / "eopatch")
    scores: dict[str, list[float]] = {"five dates of 13 bands": [], "five dates and 68 dates of NDVI": []}
    chosen: dict[str, list[str]] = {k: [] for k in scores}
    plain: list[float] = []
    layers = np.concatenate([np.asarray(da.values).reshape(-1, *truth.shape) for da in both.values()])
    for seed in seeds:
        training, test, block = halves(truth, seed, side=20, least=10)
        for name, cubes in zip(scores, (five, both), strict=True):
            mapper = fit(cubes, truth, training, block, 20, seed)
            right = classes_of(mapper, cubes, truth.shape) == truth
            scores[name].append(float(np.mean([right[test & (truth == c)].mean() for c in np.unique(truth[test])])))
            chosen[name].append(mapper.chosen)
        trees = learner.fit(
            "extra trees", layers[:, training].T, truth[training] - 1, classes=int(truth.max()), seed=seed
        )
        right = trees.predict(layers[:, test]).argmax(0) + 1 == truth[test]
        plain.append(float(np.mean([right[truth[test] == c].mean() for c in np.unique(truth[test])])))
        print(f"seed {seed}: " + "; ".join(f"{k} {v[-1]:.3f} ({chosen[k][-1]})" for k, v in scores.items()), flush=True)
    print(f"\nEOPatch land use, 10 px a class, halves of 20-px blocks, {len(seeds)} seeds, balanced accuracy %")
    print("| input | mean | 95 % interval over seeds |\n|---|---|---|")
    for name, values in scores.items():
        print(row(name, values))
    print(row("both, extra trees on plain values without a choice", plain))
    gain = np.subtract(*reversed(list(scores.values())))
    print(row("gain of the series, paired", gain))
    for name, names in chosen.items():
        print(f"chosen with {name}: {_count(names)}")
    print()
    only, with_series = scores.values()
    mean, low, high = interval(with_series)
    difference, difference_low, difference_high = interval(gain)
    return {
        "eopatch_seeds": [seeds[0], seeds[-1]], "eopatch_balanced": mean, "eopatch_low": low, "eopatch_high": high,
        "eopatch_five_dates": interval(only)[0], "eopatch_gain": difference, "eopatch_gain_low": difference_low,
        "eopatch_gain_high": difference_high, "eopatch_plain_extra_trees": float(np.mean(plain)),
    }  # fmt: skip


def series_cube(shared: Path) -> tuple[Any, np.ndarray, list[str], np.ndarray]:
    """1,218 series as a cube of places (time, band, place), class index, class names, 1-degree block of each."""
    import pandas as pd
    import xarray as xr

    table = pd.read_csv(shared / "sits_modis/samples_modis_ndvi.csv.gz", parse_dates=["date"])
    table = table.sort_values(["sample", "date"])
    first = table.groupby("sample").first()
    values = table["NDVI"].to_numpy(np.float32).reshape(len(first), -1)
    days = table[table["sample"] == first.index[0]]["date"].to_numpy()  # other years: the same days, moved whole years
    longitude, latitude = first["longitude"].to_numpy(), first["latitude"].to_numpy()
    coords = {
        "time": days.astype("datetime64[ns]"), "band": ["NDVI"], "lon": ("place", longitude), "lat": ("place", latitude),
        **{k: ("band", [v]) for k, v in {"wavelength": np.nan, "fwhm": np.nan, "gsd": 250.0, "nodata": np.nan}.items()},
        "quantity": ("band", ["index"]), "units": ("band", ["1"]),
    }  # fmt: skip
    cube = xr.DataArray(values.T[:, None], dims=("time", "band", "place"), coords=coords)
    names, y = np.unique(first["label"].to_numpy().astype(str), return_inverse=True)
    block = np.floor(longitude).astype(int) * 1000 + np.floor(latitude).astype(int)
    return contract.validate(cube), y, names.tolist(), block


def series(seeds: list[int], shared: Path) -> dict[str, Any]:
    from sklearn.metrics import f1_score

    cube, y, names, block = series_cube(shared)
    values = np.asarray(cube.values)[:, 0]
    kinds = ("swath", "random forest", "random forest, random folds (flattering: neighbours on both sides)")
    accuracy: dict[str, list[float]] = {k: [] for k in kinds}
    macro: dict[str, list[float]] = {k: [] for k in kinds}
    chosen = []
    for seed in seeds:
        guess = {k: np.zeros(len(y), int) for k in kinds}
        spatial, mixed = fold_table(block, y, 5, seed), fold_table(np.arange(len(y)), y, 5, seed)
        for k in range(5):
            learn, held = np.flatnonzero(spatial != k), np.flatnonzero(spatial == k)
            here = labels_of(np.zeros(len(learn), int), learn, y[learn], names, (1, len(y)))
            mapper = train({"modis": cube}, here, block[learn], seed=seed)
            guess["swath"][held] = mapper(_all(cube))["probability"][0, :, 0, held].argmax(1)
            chosen.append(mapper.chosen)
            for kind, fold in zip(kinds[1:], (spatial, mixed), strict=True):
                model = learner.fit("random forest", values.T[fold != k], y[fold != k], classes=len(names), seed=seed)
                guess[kind][fold == k] = model.predict(values[:, fold == k]).argmax(0)
        for kind in kinds:
            accuracy[kind].append(float((guess[kind] == y).mean()))
            macro[kind].append(float(f1_score(y, guess[kind], average="macro")))
        print(
            f"seed {seed}: " + "; ".join(f"{k} {accuracy[k][-1]:.3f}/{macro[k][-1]:.3f}" for k in kinds[:2]), flush=True
        )
    print(
        f"\nMODIS NDVI series, Central Brazil, 1-degree blocks in 5 folds, {len(seeds)} deals; forest stands in one block only"
    )
    print("| model | accuracy, macro-F1 % | 95 % interval over deals |\n|---|---|---|")
    for kind in kinds:
        print(row(kind + ", accuracy", accuracy[kind]))
        print(row(kind + ", macro-F1", macro[kind]))
    print(f"chosen: {_count(chosen)}\n")
    return {
        "series_seeds": [seeds[0], seeds[-1]], "series_accuracy": float(np.mean(accuracy["swath"])),
        "series_macro_f1": float(np.mean(macro["swath"])), "series_forest_accuracy": float(np.mean(accuracy[kinds[1]])),
        "series_forest_macro_f1": float(np.mean(macro[kinds[1]])), "series_random_folds": float(np.mean(accuracy[kinds[2]])),
    }  # fmt: skip


def _all(cube: Any) -> Any:
    from swath.baseline.sampling import lay

    return read(lay({"modis": cube}), slice(0, 1), slice(0, cube.sizes["place"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="pines, eopatch, series; all by default")
    parser.add_argument("--seeds", default="0-9", help="first-last")
    parser.add_argument("--report", action="store_true", help="the fresh seeds, for the last run only")
    default = Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    parser.add_argument("--shared", type=Path, default=default, help="folder of the real data sets")
    options = parser.parse_args()
    first, last = (int(v) for v in options.seeds.split("-"))
    outcome: dict[str, Any] = {}
    for name in options.sets or list(REPORT_SEEDS):
        seeds = list(REPORT_SEEDS[name] if options.report else range(first, last + 1))
        if name == "pines":
            outcome |= pines(seeds)
        elif not options.shared.is_dir():
            print(f"{name}: left out, {options.shared} is not there (set SWATH_SHARED)")
        else:
            outcome |= {"eopatch": eopatch, "series": series}[name](seeds, options.shared)
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in outcome.items()}))


if __name__ == "__main__":
    main()
