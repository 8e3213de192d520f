"""How few bits keep a bound: swath's chunks against JPEG-LS near-lossless and what else there is, on real cubes.

usage: python benchmarks/codec.py [SET ...] [--rounds 5] [--shared FOLDER] [--no-video]

Sets: native (10 m bands of five Sentinel-2 dates), stack (their 13 bands on one grid), three TerraMind tiles, two MODIS NDVI
series, a leaf area series, EnMAP, NAIP at three dates. native, stack and the first tile (282D) served while building; the
others are reported as they came. Bits per sample are 8 x bytes / all numbers of the array, missing ones too; masks count for
everyone. Every size is of bytes that were decoded, and every largest error is measured on what came back. The ideas are
switched off and on again one by one. Times are of the processor, the least of `--rounds`, the coders in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import imagecodecs
import numpy as np

from swath.codec import decode, encode, plan, rivals, symbols, walk, whole
from swath.codec.native import Grid
from swath.codec.pyramid import Later

LS, XL = "JPEG-LS near", "quantised JPEG XL"
BOUNDED = (LS, XL, "SZ3", "ZFP", "zstd, shuffled bits")
GOALS = {"native": 0.80, "stack": 0.50}
SWEEP = (2, 5, 10, 20, 35, 50, 70, 100, 150, 220, 320)


@dataclass(frozen=True)
class Set:
    """Numbers (T, C, H, W), which of them count, bounds to try, and the peak of the PSNR."""

    values: Any
    valid: Any
    errors: tuple[int, ...] = (5, 10, 20, 50)
    peak: float = 10000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="names of sets; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    default = Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    parser.add_argument("--shared", type=Path, default=default, help="folder of the real data sets")
    parser.add_argument("--no-video", action="store_true", help="leave x265 and JPEG 2000 out")
    options = parser.parse_args()
    sets: dict[str, Set] = {}
    for name, read in SETS.items():
        if options.sets and name not in options.sets:
            continue
        try:
            sets[name] = read(options.shared)
        except OSError as error:
            print(f"{name}: left out, its data are not there ({error}; set SWATH_SHARED)")
    if not sets:
        print(json.dumps({}))
        return
    outcome: dict[str, Any] = {}
    bounded(sets, outcome)
    ideas({name: one for name, one in sets.items() if name in GOALS}, outcome)
    if not options.no_video:
        unbounded(sets, outcome)
    times(sets, options.rounds, outcome)
    print(json.dumps(outcome))


def bounded(sets: dict[str, Set], outcome: dict[str, Any]) -> None:
    """Bits per sample at the same largest error."""
    print("Bits per sample; the last columns are shares of JPEG-LS near-lossless. 0 is lossless.\n")
    heads = ("set", "max error", "swath", *BOUNDED, "LERC", f"{LS}, one tall picture", "largest error of swath")
    print("| " + " | ".join((*heads, "swath / JPEG-LS", "JPEG XL / JPEG-LS")) + " |")
    print("|---" * (len(BOUNDED) + 8) + "|")
    broken = 0
    for name, one in sets.items():
        for error in one.errors:
            data = encode(one.values, one.valid, error or None)
            worst = largest(one, decode(data)[0])
            broken += worst > error
            bits = {peer: rivals.code(peer, one.values, one.valid, error).size for peer in BOUNDED}
            size = 8 / one.values.size
            row = [
                len(data) * size,
                *(bits[peer] * size for peer in BOUNDED),
                lerc(one, error) * size,
                tall(one, error) * size,
            ]
            ratio, other = len(data) / bits[LS], bits[XL] / bits[LS]
            print(
                f"| {name} | {error} | {' | '.join(f'{value:.3f}' for value in row)} | {worst:g} | {ratio:.3f} | {other:.3f} |",
                flush=True,
            )
            outcome.setdefault("ratio_to_jpeg_ls", {}).setdefault(name, {})[str(error)] = round(ratio, 4)
            outcome.setdefault("quantised_jpeg_xl", {}).setdefault(name, {})[str(error)] = round(other, 4)
    outcome["bounds_broken"] = broken


def largest(one: Set, back: Any) -> float:
    """Largest error of the values that count."""
    return float(np.abs(back.astype(np.float64) - one.values)[one.valid].max())


def lerc(one: Set, error: float) -> int:
    """Bytes of LERC with zstd, plane by plane, what is missing at the band's mean."""
    filled = rivals._filled(one.values, one.valid).astype(np.int32)
    planes = filled.reshape(-1, *filled.shape[2:])
    return sum(len(imagecodecs.lerc_encode(plane, level=error, compression="zstd")) for plane in planes)


def tall(one: Set, error: int) -> int:
    """Bytes of JPEG-LS where all planes stand one above the other, so that it learns once and not at each plane anew."""
    filled = rivals._filled(one.values, one.valid).astype(np.int64)
    picture = (filled - filled.min()).astype(np.uint16).reshape(-1, filled.shape[3])
    parts = (picture[start : start + (1 << 15)] for start in range(0, len(picture), 1 << 15))
    return sum(len(imagecodecs.jpegls_encode(np.ascontiguousarray(part), level=error)) for part in parts)


def ideas(sets: dict[str, Set], outcome: dict[str, Any]) -> None:
    """What each idea brings: all of them off, then one after the other on."""
    if not sets:
        return
    steps: list[tuple[str, tuple[str, ...]]] = [
        ("coarse to fine, each plane alone, one class", ("grid", "bands", "slope", "classes", "centre")),
        ("+ classes by how rough it is", ("grid", "bands", "slope", "centre")),
        ("+ steps centred on the prediction", ("grid", "bands", "slope")),
        ("+ native grids", ("bands", "slope")),
        ("+ other bands", ("slope",)),
        ("+ slopes between bands learnt nearby (all)", ()),
        ("all, dates from both sides too", ("dates",)),
    ]
    print("\nWhat each idea brings, as a share of JPEG-LS near-lossless.\n")
    heads = [f"{name} {error}" for name in sets for error in sets[name].errors]
    print("| idea | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    peers = {
        (name, error): rivals.code(LS, one.values, one.valid, error).size
        for name, one in sets.items()
        for error in one.errors
    }
    for label, off in steps:
        row = []
        for name, one in sets.items():
            for error in one.errors:
                values, bound = one.values, error
                if "centre" in off:  # a lattice fixed for all, then no loss
                    low = int(one.values[one.valid].min())
                    values, bound = (
                        ((one.values.astype(np.int64) - low + error) // (2 * error + 1)).astype(np.uint16),
                        0,
                    )
                with without(off):
                    row.append(len(encode(values, one.valid, bound or None)) / peers[name, error])
        print(f"| {label} | " + " | ".join(f"{value:.3f}" for value in row) + " |", flush=True)
        outcome.setdefault("ideas", {})[label] = dict(zip(heads, (round(value, 4) for value in row), strict=True))


@contextlib.contextmanager
def without(off: tuple[str, ...]) -> Iterator[None]:
    """Encode without some ideas ("dates": with the dates of both sides, which the encoder finds not worth it by itself)."""
    kept = (whole.find, plan.REFERENCES, plan._time_gain, walk.Slope.guess, symbols.FEW)

    def one_grid(values: Any, valid: Any) -> Any:
        return [Grid(np.ones(values.shape[2], bool), np.ones(values.shape[3], bool))], [0] * values.shape[1]

    if "grid" in off:
        whole.find = one_grid
    if "bands" in off:
        plan.REFERENCES = 0
    if "dates" in off:
        plan._time_gain = lambda *_: 1e9
    if "slope" in off:
        walk.Slope.guess = lambda self, phase, theirs: Later(lambda: np.zeros_like(theirs))  # type: ignore[method-assign]
    if "classes" in off:
        symbols.FEW = 1 << 60
    try:
        yield
    finally:
        whole.find, plan.REFERENCES, plan._time_gain, walk.Slope.guess, symbols.FEW = kept  # type: ignore[method-assign]


def unbounded(sets: dict[str, Set], outcome: dict[str, Any]) -> None:
    """Bits at equal PSNR against coders that promise no bound."""
    print(
        "\nAt equal PSNR (peak 10,000 DN, 255 for NAIP; over the values that count). Bits of swath are read off between bounds.\n"
    )
    print(
        "| set | coder | setting | PSNR dB | its largest error | its bits | swath's bits | swath / it | swath's bound |"
    )
    print("|---" * 9 + "|")
    for name, one in sets.items():
        curve = []
        for error in SWEEP:
            data = encode(one.values, one.valid, error)
            curve.append((psnr(one, decode(data)[0]), 8 * len(data) / one.values.size, error))
        curve.sort()
        quality, bits, bounds = (np.array(column, float) for column in zip(*curve, strict=True))
        for peer, settings in (
            ("x265 yuv 12 bit (the paper's)", ("very high", "high", "medium", "low")),
            ("JPEG 2000", (60.0, 66.0, 72.0)),
        ):
            for setting in settings:
                try:
                    made = rivals.code(peer, one.values, one.valid, setting)
                except Exception as error:  # some pictures are too small for a video coder
                    print(f"| {name} | {peer} | {setting} | {str(error)[:60]} | | | | | |")
                    break
                its, reached = 8 * made.size / one.values.size, psnr(one, made.values)
                if not quality[0] <= reached <= quality[-1]:
                    continue
                mine = float(np.interp(reached, quality, bits))
                print(
                    f"| {name} | {peer} | {setting} | {reached:.1f} | {largest(one, made.values):.0f} | {its:.3f} | {mine:.3f} | "
                    f"{mine / its:.2f} | {np.interp(reached, quality, bounds):.0f} |",
                    flush=True,
                )
                outcome.setdefault("equal_psnr", {}).setdefault(name, {})[f"{peer} {setting}"] = round(mine / its, 3)


def psnr(one: Set, back: Any) -> float:
    """Peak signal-to-noise ratio in dB."""
    square = float(((back.astype(np.float64) - one.values)[one.valid] ** 2).mean())
    return float(10 * np.log10(one.peak**2 / max(square, 1e-12)))


def times(sets: dict[str, Set], rounds: int, outcome: dict[str, Any]) -> None:
    """Processor seconds at the largest bound of 10 or what comes next."""
    print("\nProcessor milliseconds, the least of the rounds; shares are of JPEG-LS in the same rounds.\n")
    print(
        "| set | samples | max error | swath encodes | JPEG-LS | JPEG XL | share | swath decodes | JPEG-LS | JPEG XL | share |"
    )
    print("|---" * 11 + "|")
    for name, one in sets.items():
        filled = rivals._filled(one.values, one.valid)
        wide = np.uint8 if filled.dtype == np.uint8 else np.uint16
        planes = [np.ascontiguousarray(p) for p in (filled - filled.min()).astype(wide).reshape(-1, *filled.shape[2:])]
        for error in (one.errors[0], one.errors[-1]):
            spent = seconds(one, planes, error, rounds)
            e, d = spent[0] / spent[1], spent[3] / spent[4]
            cells = " | ".join(f"{1000 * s:.1f}" for s in spent[:3]), " | ".join(f"{1000 * s:.1f}" for s in spent[3:])
            print(
                f"| {name} | {one.values.size:,} | {error} | {cells[0]} | {e:.1f} | {cells[1]} | {d:.2f} |", flush=True
            )
            outcome.setdefault("encode_time", {}).setdefault(name, {})[str(error)] = round(e, 2)
            outcome.setdefault("decode_time", {}).setdefault(name, {})[str(error)] = round(d, 2)


def seconds(one: Set, planes: list[Any], error: int, rounds: int) -> list[float]:
    """Encoding and decoding by swath, JPEG-LS and quantised JPEG XL, in turn, the least of the rounds."""
    steps = [((plane.astype(np.int32) + error) // (2 * error + 1)).astype(plane.dtype) for plane in planes]
    encoders: list[Callable[[], Any]] = [
        lambda: encode(one.values, one.valid, error or None),
        lambda: [imagecodecs.jpegls_encode(plane, level=error) for plane in planes],
        lambda: [imagecodecs.jpegxl_encode(step, lossless=True, effort=7) for step in steps],
    ]
    ours, ls, xl = (encoder() for encoder in encoders)
    decoders: list[Callable[[], Any]] = [
        lambda: decode(ours),
        lambda: [imagecodecs.jpegls_decode(part) for part in ls],
        lambda: [imagecodecs.jpegxl_decode(part) for part in xl],
    ]
    spent = [[clock(coder) for coder in (*encoders, *decoders)] for _ in range(rounds)]
    return [min(column) for column in zip(*spent, strict=True)]


def clock(work: Callable[[], Any]) -> float:
    """Seconds of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def whole_set(values: Any, nodata: int | None = None, **more: Any) -> Set:
    values = np.ascontiguousarray(values)
    return Set(values, np.ones(values.shape, bool) if nodata is None else values != nodata, **more)


def five(shared: Path, bands: list[int] | slice) -> Set:
    packed = (shared / "eopatch/FiveDates/data/BANDS-S2-L1C.npy.gz").read_bytes()
    data = np.load(io.BytesIO(gzip.decompress(packed)))
    return whole_set(np.rint(data * 10000).astype(np.uint16).transpose(0, 3, 1, 2)[:, bands])


def raster(*files: Path) -> Any:
    import rasterio

    parts = []
    for file in files:
        if not file.exists():
            raise OSError(f"{file.name} is absent")
        with rasterio.open(file) as source:
            parts.append(source.read())
    return np.stack(parts)


def lai(shared: Path) -> Set:
    import h5py

    with h5py.File(shared / "s2_lai_series/lai_west.nc") as source:
        return whole_set(source["LAI"][:].astype(np.int16)[:, None], -32000)


SETS: dict[str, Callable[[Path], Set]] = {
    "native": lambda shared: five(shared, [1, 2, 3, 7]),
    "stack": lambda shared: five(shared, slice(None)),
    **{
        f"terramind {tile[:4]}": lambda shared, tile=tile: whole_set(
            raster(shared / f"terramind/S2L2A/{tile}.tif").astype(np.uint16)
        )
        for tile in ("282D_485L_3_3", "433D_629L_3_1", "637U_59R_1_3")
    },
    "ndvi sinop": lambda shared: whole_set(
        raster(*sorted((shared / "sits_modis/cube").glob("*NDVI*.tif")) or [shared / "cube"])
    ),
    "ndvi mato grosso": lambda shared: whole_set(raster(shared / "modis_mato_grosso/ndvi.tif").transpose(1, 0, 2, 3)),
    "lai": lai,
    "enmap": lambda shared: whole_set(raster(shared / "enmap_potsdam/enmap_potsdam_west.tif"), -32768),
    "naip": lambda shared: whole_set(
        raster(*sorted((shared / "naip").glob("m_4709963*.tif")) or [shared / "naip"]), errors=(0, 2, 5, 10), peak=255.0
    ),
}


if __name__ == "__main__":
    main()
