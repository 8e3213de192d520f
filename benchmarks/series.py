"""What fills and what forecasts best on real series: every method on values hidden as clouds hide them, with intervals.

    python benchmarks/series.py --data ../shared/data [--seeds 2] [--out docs/tables/series.md]

Sets: NDVI of an EOPatch in Slovenia (68 dates, 40 % cloud), MODIS NDVI at Sinop (12 dates) and in Mato Grosso (137 dates; gaps made),
Sentinel-2 leaf area index in Italy (333 uneven dates), Landsat 8 at New York (11 dates, five bands), and two made worlds whose
truth under the clouds is known. Numbers are means over seeds of what `series.json` tells; the paired difference is of the first seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
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


def records(verb: str, scene: Any, seeds: int, **options: Any) -> tuple[list[dict[str, Any]], float, list[Path]]:
    """The record of the one cube under each seed, seconds of one run, and the stores."""
    import swath

    found, stores, started = [], [], time.monotonic()
    for seed in range(seeds):
        out = Path(tempfile.mkdtemp())
        getattr(swath, verb)([scene], out=out, seed=seed, **options)
        found.append(json.loads((out / "series.json").read_text())["cubes"][0])
        stores.append(out / ("filled.zarr" if verb == "fill" else "forecast.zarr"))
    return found, (time.monotonic() - started) / seeds, stores


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


def table(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Markdown: a row a method, a column a set; the best plain one and the choice in bold."""
    names = list(dict.fromkeys(m["name"] for found in results.values() for m in found[0]["methods"]))
    lines = ["| RMSE | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(_cell(found, name) for found in results.values()) + " |")
    choice = names[-1]
    rows = [next(m for m in found[0]["methods"] if m["name"] == choice) for found in results.values()]
    lines.append(
        "| against the best plain one, 95 % interval | " + " | ".join(interval(r["difference"]) for r in rows) + " |"
    )
    taken = [" / ".join(dict.fromkeys(found[0]["chosen"].values())) for found in results.values()]
    lines.append("| taken (others saw the date / none did) | " + " | ".join(taken) + " |")
    held = [[r["coverage"]["value"] for r in found if r["coverage"]["value"] is not None] for found in results.values()]
    lines.append("| intervals at 0.90 held | " + " | ".join(f"{np.mean(h):.3f}" if h else "-" for h in held) + " |")
    return lines


def _cell(found: list[dict[str, Any]], name: str) -> str:
    value = mean(found, name)
    return "-" if not np.isfinite(value) else f"{value:.3f}"


def worlds(seeds: int) -> list[str]:
    """Made worlds: how often intervals hold the truth under the clouds, which no validation saw."""
    import zarr

    from swath.datasets import toy

    bands = [b for b in toy.SENTINEL_2 if b.name in ("B04", "B08")]
    lines = [
        "| made world (simulated) | taken | RMSE under clouds | intervals held the truth | said beforehand |",
        "|---|---|---|---|---|",
    ]
    for seed in range(100, 100 + seeds):
        place, when = toy.world(seed, 48), toy.dates("2019-01-01", "2021-01-01", 12, seed=seed)
        cube, _ = toy.view(place, bands, when, cloud=0.5, seed=seed)
        exact, _ = toy.view(place, bands, when, cloud=0, noise=0, seed=seed)
        found, _, (store,) = records("fill", cube, 1)
        group = zarr.open_group(store, mode="r")
        value, low, high, filled = (np.asarray(group[k]) for k in ("values", "low", "high", "filled"))
        truth = exact.values + 0.01 * np.random.default_rng(seed).standard_normal(
            value.shape
        )  # as a sensor would see it
        use = (filled > 0) & (filled < 255) & np.isfinite(low)
        inside = float(((low <= truth) & (truth <= high))[use].mean())
        off = float(np.sqrt(np.mean((value - truth)[use] ** 2)))
        taken = " / ".join(dict.fromkeys(found[0]["chosen"].values()))
        lines.append(f"| seed {seed} | {taken} | {off:.4f} | {inside:.3f} | {found[0]['coverage']['value']:.3f} |")
    return lines


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    fills, seconds = {}, {}
    for name, (path, options) in SETS.items():
        fills[name], seconds[name], _ = records("fill", given.data / path, given.seeds, **options)
        print(name, f"{seconds[name]:.0f} s", flush=True)
    ahead = {}
    for name, (path, options) in SETS.items():
        if name.startswith(("Sinop", "New York")):
            continue  # one year of dates leaves nothing to try a forecast on
        kept = {k: v for k, v in options.items() if k == "bands"}
        ahead[name], took, _ = records("forecast", given.data / path, given.seeds, ahead="120d", **kept)
        print(name, "forecast", f"{took:.0f} s", flush=True)
    lines = ["**Gaps filled.**", "", *table(fills), "", "**120 days ahead.**", "", *table(ahead), ""]
    lines += worlds(given.worlds)
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
