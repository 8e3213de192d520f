"""Sen2LCZ as published: its stored test pairs scored anew, and what it says of three places that lie beside the project.

python benchmarks/sen2lcz.py --data FOLDER [--out docs/tables/sen2lcz.txt]

FOLDER holds weights/sen2lcz and terramind. The three places carry a land cover map, no local climate zones: the zones are
summed to five coarse classes, and a window's truth is the class that most of it has. Few places: nothing here says how it
does elsewhere.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import rasterio
import torch

import swath
from swath.baseline import temperature
from swath.estimate import proportion
from swath.metric import classes, reliability
from swath.models.sen2lcz import NAMES, WINDOW, Sen2LCZ
from swath.sample.window import read

COARSE = ("built", "trees", "low plants", "bare", "water")
ZONES = np.array([0] * 10 + [1, 1, 2, 2, 3, 3, 4])
COVER = {1: 4, 2: 1, 3: 2, 4: 2, 5: 0, 6: 3, 9: 2}
PLACES = {"282D_485L_3_3": (0, -1000), "433D_629L_3_1": (0, -1000), "637U_59R_1_3": (0,)}


def stored(path: Path, say) -> None:
    import scipy.io

    found = scipy.io.loadmat(path)
    truth, predicted = found["y_testV"].ravel().astype(int), found["y_pre"].ravel().astype(int)
    low = min(truth.min(), predicted.min())
    matrix = classes.confusion(predicted - low, truth - low, len(NAMES))
    say(f"stored test pairs: {int(matrix.sum()):,} windows of ten cities that training never saw (eastern halves)")
    scores = {
        "overall accuracy": (classes.overall(matrix), "0.694"), "kappa": (classes.kappa(matrix), "0.664"),
        "mean recall": (classes.balanced(matrix), "0.587"), "mean F1": (classes.f1_macro(matrix), "0.577"),
    }  # fmt: skip
    say(", ".join(f"{name} {float(value):.4f} [published {known}]" for name, (value, known) in scores.items()))
    say(
        "the file does not say which window is of which city: intervals count windows and are too narrow (cities differ)"
    )
    say(f"{'zone':<24}{'windows':>8}  {'recall, 95 %':<24}{'precision':<12}most taken for")
    for i, name in enumerate(NAMES):
        n, right = int(matrix[:, i].sum()), int(matrix[i, i])
        e = proportion(right, n)
        others = np.where(np.arange(len(NAMES)) == i, -1, matrix[:, i])
        worst = int(others.argmax())
        precision = float(classes.users(matrix)[i])
        say(f"{name:<24}{n:>8}  {f'{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]':<24}{precision:<12.2f}"
            f"{NAMES[worst]} ({100 * others[worst] / max(n, 1):.0f} %)")  # fmt: skip


def windows(data: Path, place: str, offset: float, shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Reflectance (N, 10, 32, 32) of the windows side by side, and the coarse class of most of each (-1: none has half)."""
    cube = swath.open(data / f"terramind/S2L1C/{place}.tif", offset=offset).load()
    size = {d: cube.sizes[d] for d in ("y", "x")}
    batch = read({"s2": cube}, slice(0, size["y"]), slice(0, size["x"])).to("cpu")
    pixels, bands = Sen2LCZ().bands(batch)
    values = pixels.values[0, 0][bands].numpy()
    with rasterio.open(data / f"terramind/LULC/{place}.tif") as file:
        cover = file.read(1)
    x, y = [], []
    for i in range(shift, size["y"] - WINDOW + 1, WINDOW):
        for j in range(shift, size["x"] - WINDOW + 1, WINDOW):
            part = cover[i : i + WINDOW, j : j + WINDOW].ravel()
            share = np.zeros(len(COARSE))
            for code, k in COVER.items():
                share[k] += (part == code).mean()
            x.append(values[:, i : i + WINDOW, j : j + WINDOW])
            y.append(int(share.argmax()) if share.max() >= 0.5 else -1)
    return np.stack(x), np.array(y)


def summed(share: np.ndarray) -> np.ndarray:
    return np.stack([share[:, k == ZONES].sum(1) for k in range(len(COARSE))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text.rstrip())
        print(text.rstrip(), flush=True)

    started = time.time()
    stored(asked.data / "weights/sen2lcz/test_results.mat", say)
    model = Sen2LCZ.read(asked.data / "weights/sen2lcz/sen2lcz_32.hdf5")

    def answer(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.cat([model(torch.tensor(part)) for part in np.array_split(x, 4)]).double().numpy()

    say("\nthree places, windows of 320 m side by side; agreement of five coarse classes with a land cover map")
    say(f"{'place':<18}{'offset':>7}{'windows':>9}{'agree':>8}   {'same zone when moved by 5 px (36 windows)'}")
    kept = {}
    for place, offsets in PLACES.items():
        for offset in offsets:
            x, truth = windows(asked.data, place, offset)
            share = answer(x)
            moved = answer(windows(asked.data, place, offset, shift=5)[0])
            n = int(np.sqrt(len(x)))
            m = int(np.sqrt(len(moved)))
            zone, other = share.argmax(1).reshape(n, n)[:m, :m], moved.argmax(1).reshape(m, m)
            known = truth >= 0
            agree = (summed(share).argmax(1) == truth)[known].mean()
            say(f"{place:<18}{offset:>7}{int(known.sum()):>9}{agree:>8.2f}   {(zone == other).mean():.2f}")
            kept[place] = (
                summed(share)[known],
                truth[known],
            )  # the last offset: the one that the darkest pixels ask for
    say("\none temperature, learned from the windows of two places, judged on the third (expected calibration error)")
    say(f"{'place held out':<18}{'temperature':>12}{'before':>9}{'after':>8}")
    changes = []
    for place, (share, truth) in kept.items():
        rest = [kept[p] for p in kept if p != place]
        t = temperature.fit(np.concatenate([r[0] for r in rest]), np.concatenate([r[1] for r in rest]))
        after = temperature.applied(share, t, axis=1)
        errors = [reliability.calibration_error(reliability.reliability(p, truth)) for p in (share, after)]
        changes.append(errors[1] - errors[0])
        say(f"{place:<18}{t:>12.2f}{errors[0]:>9.3f}{errors[1]:>8.3f}")
    lower = sum(c < 0 for c in changes)
    say(f"it lowers the error on {lower} of {len(changes)} held-out places: "
        + ("a gain on these" if lower == len(changes) else "no gain that could be relied on"))  # fmt: skip
    say(f"{platform.machine()}, {os.cpu_count()} cores, {time.time() - started:.0f} s")
    if asked.out is not None:
        asked.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
