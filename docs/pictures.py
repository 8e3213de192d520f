"""Make the pictures of these pages: python docs/pictures.py DEMO_FOLDER [TERRAMIND_SCENE TERRAMIND_MAP_FOLDER].

The scene is Indian Pines (CC BY 3.0, Baumgardner, Biehl, Landgrebe 2015, doi 10.4231/R7RX991C). The picture of the report
needs a Chromium on the path; without one it is left as it is, and that is said. The TerraMind tile (Apache-2.0, contains modified
Copernicus Sentinel data) comes from the run of `docs/real_sets.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import swath
from swath.earth.colour import palette
from swath.report import figures

ENLARGE = 3


def main(folder: Path, out: Path) -> None:
    """Write scene.png, map.png and report.png."""
    record = json.loads((folder / "assessment.json").read_text())
    codes = [c["code"] for c in record["classes"]]
    cube = swath.open([folder / "input" / "indian_pines.tif"])
    pictures = {
        "scene": figures.scene_picture({"aviris": cube}),
        "map": figures.class_picture(folder / "classes.tif", dict(zip(codes, palette(len(codes)), strict=True))),
    }
    for name, picture in pictures.items():
        large = np.kron(picture.pixels, np.ones((ENLARGE, ENLARGE, 1), np.uint8))
        Image.fromarray(large).convert("RGB").quantize(128).save(out / f"{name}.png", optimize=True)
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        print("report.png left as it is: no Chromium found")
        return
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "report.png"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=1240,1560",
        ]
        subprocess.run(
            [*command, f"--screenshot={shot}", (folder / "report.html").resolve().as_uri()], check=True, timeout=60
        )
        image = Image.open(shot).convert("RGB")
        image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS).quantize(96).save(
            out / "report.png", optimize=True
        )


def terramind(scene: Path, folder: Path, out: Path) -> None:
    """Write terramind.png: scene, map and doubt side by side."""
    record = json.loads((folder / "assessment.json").read_text())
    codes = [c["code"] for c in record["classes"]]
    shown = [
        figures.scene_picture({"sentinel-2": swath.open([scene], offset=-1000)}),
        figures.class_picture(folder / "classes.tif", dict(zip(codes, palette(len(codes)), strict=True))),
        figures.set_size_picture(folder / "doubt.tif", len(codes)),
    ]
    gap = np.full((shown[0].pixels.shape[0], 8, 3), 255, np.uint8)
    row = np.concatenate([part for p in shown for part in (p.pixels[..., :3], gap)][:-1], axis=1)
    large = np.kron(row, np.ones((2, 2, 1), np.uint8))
    Image.fromarray(large).quantize(96).save(out / "terramind.png", optimize=True)


if __name__ == "__main__":
    images = Path(__file__).parent / "images"
    main(Path(sys.argv[1]), images)
    if len(sys.argv) > 3:
        terramind(Path(sys.argv[2]), Path(sys.argv[3]), images)
