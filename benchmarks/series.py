"""What fills and what forecasts best on real series: every method on values hidden as clouds hide them, with intervals.

    python benchmarks/series.py --data ../shared/data [--seeds 2] | tee docs/tables/series.txt

Sets: NDVI of an EOPatch in Slovenia (68 dates, 40 % cloud), MODIS NDVI at Sinop (12 dates) and in Mato Grosso (137 dates; gaps made),
Sentinel-2 leaf area index in Italy (333 uneven dates), Landsat 8 at New York (11 dates, five bands), and two made worlds whose
truth under the clouds is known. Numbers are means over seeds of what `series.json` tells; the paired difference is of the first seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SETS = {
    "Slovenia, NDVI": ("eopatch/TestEOPatch", {"bands": ["NDVI"]}),
    "Italy, leaf area": ("s2_lai_series/lai_west.nc", {}),
    "Mato Grosso, NDVI": ("modis_mato_grosso/ndvi.tif", {"every": "8d"}),
    "Sinop, NDVI": ("sits_modis/cube", {"every": "16d"}),
    "New York, Landsat 8": ("landsat8_new_york", {}),
}


def records(verb: str, scene: Any, seed: int, **options: Any) -> dict[str, Any]:
    """The record of the one cube."""
    return ran(verb, scene, seed, **options)[0]


def ran(verb: str, scene: Any, seed: int, **options: Any) -> tuple[dict[str, Any], Path]:
    """The record of the one cube, and its store."""
    import swath

    out = Path(tempfile.mkdtemp())
    getattr(swath, verb)([scene], out=out, seed=seed, **options)
    record = json.loads((out / "series.json").read_text())["cubes"][0]
    return record, out / ("filled.zarr" if verb == "fill" else "forecast.zarr")


def mean(found: list[dict[str, Any]], name: str, what: str = "rmse") -> float:
    """Of a method over the seeds."""
    values = [
        m[what]["value"] for r in found for m in r["methods"] if m["name"] == name and m[what]["value"] is not None
    ]
    return float(np.mean(values)) if values else float("nan")


def interval(record: dict[str, Any], digits: int = 3) -> str:
    """An estimate of a record in words."""
    if record["value"] is None:
        return "-"
    span = "" if record["low"] is None else f" [{record['low']:+.{digits}f}, {record['high']:+.{digits}f}]"
    return f"{record['value']:+.{digits}f}{span}"


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """A row a method, a column a set."""
    from swath.report.table import table as aligned

    names = list(dict.fromkeys(m["name"] for found in results.values() for m in found[0]["methods"]))
    rows = [(name, *(_cell(found, name) for found in results.values())) for name in names]
    for seed in range(max(map(len, results.values()))):
        ours = [next(m for m in found[seed]["methods"] if m["name"] == names[-1]) for found in results.values()]
        rows.append((f"  less the best plain one, seed {seed}", *(interval(r["difference"]) for r in ours)))
        taken = [list(dict.fromkeys(found[seed]["chosen"].values())) for found in results.values()]
        rows.append((f"  taken, seed {seed}", *(t[0] for t in taken)))
        if any(len(t) > 1 for t in taken):
            rows.append(("    where nobody saw the date", *(t[-1] for t in taken)))
    held = [[r["coverage"]["value"] for r in found if r["coverage"]["value"] is not None] for found in results.values()]
    rows.append(("  intervals at 0.90 held", *(f"{np.mean(h):.3f}" if h else "-" for h in held)))
    return aligned(["RMSE", *results], rows)


def _cell(found: list[dict[str, Any]], name: str) -> str:
    value = mean(found, name)
    return "-" if not np.isfinite(value) else f"{value:.3f}"


def world(seed: int) -> tuple[str, ...]:
    """A made world: how often intervals hold the truth under the clouds, which no validation saw."""
    import zarr

    from swath.datasets import toy

    bands = [b for b in toy.SENTINEL_2 if b.name in ("B04", "B08")]
    place, when = toy.world(seed, 40), toy.dates("2019-01-01", "2021-01-01", 14, seed=seed)
    cube, _ = toy.view(place, bands, when, cloud=0.5, seed=seed)
    exact, _ = toy.view(place, bands, when, cloud=0, noise=0, seed=seed)
    found, store = ran("fill", cube, 0)
    group = zarr.open_group(store, mode="r")
    value, low, high, filled = (np.asarray(group[k]) for k in ("values", "low", "high", "filled"))
    truth = exact.values + 0.01 * np.random.default_rng(seed).standard_normal(value.shape)  # as a sensor would see it
    use = (filled > 0) & (filled < 255) & np.isfinite(low)
    inside = float(((low <= truth) & (truth <= high))[use].mean())
    off = float(np.sqrt(np.mean((value - truth)[use] ** 2)))
    taken = " / ".join(dict.fromkeys(found["chosen"].values()))
    return f"seed {seed}", taken, f"{off:.4f}", f"{inside:.3f}", f"{found['coverage']['value']:.3f}"


def kept(folder: Path, name: str, make: Any) -> Any:
    """What an earlier run has kept under this name, else what `make()` gives, kept."""
    file = folder / ("".join(c if c.isalnum() else "-" for c in name) + ".json")
    if not file.exists():
        started = time.monotonic()
        file.write_text(json.dumps(make()))
        print(name, f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return json.loads(file.read_text())


def main() -> None:
    """Run all, or the named ones, and print."""
    from swath.report.table import table as aligned

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder of results that are there already, to go on from")
    parser.add_argument("--only", default="", help="run only what has this in its name, and print nothing")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = given.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    work: dict[str, Any] = {}
    for name, (path, options) in SETS.items():
        for seed in range(given.seeds):
            work[f"fill {name} {seed}"] = partial(records, "fill", given.data / path, seed, **options)
        if not name.startswith(("Sinop", "New York")):  # one year of dates leaves nothing to try a forecast on
            few = {k: v for k, v in options.items() if k == "bands"}
            for seed in range(given.seeds):
                work[f"forecast {name} {seed}"] = partial(
                    records, "forecast", given.data / path, seed, ahead="120d", **few
                )
    for seed in range(100, 100 + given.worlds):
        work[f"world {seed}"] = partial(world, seed)
    done = {name: kept(folder, name, make) for name, make in work.items() if given.only in name}
    if given.only:
        return
    for verb, words in (
        (
            "fill",
            "Gaps filled: RMSE on values hidden as the series' own gaps hide them (New York: in deviations of each band)",
        ),
        ("forecast", "120 days ahead: RMSE of forecasts from dates of the past"),
    ):
        print(words)
        found = {n: [r for k, r in done.items() if k.startswith(f"{verb} {n} ")] for n in SETS}
        print(table({n: r for n, r in found.items() if r}), "\n")
    print("Made worlds (simulated): intervals at 0.90 against what was really under the clouds")
    head = ["made world", "taken", "RMSE under the clouds", "held the truth under the clouds", "said beforehand"]
    print(aligned(head, [r for k, r in done.items() if k.startswith("world")]))


if __name__ == "__main__":
    main()
