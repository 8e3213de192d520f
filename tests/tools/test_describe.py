"""`swath describe`: files, folders of a map run, change, awkward rasters, errors that name the fix, the same bytes again."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import rasterio
from affine import Affine

import swath
from swath.doors.cli import run as cli
from swath.errors import SwathError

NAMES = {1: "water", 2: "forest", 3: "crops"}


def write(path, codes, *, crs="EPSG:32632", affine=None, nodata=None, names=NAMES, dtype=None, colours=None):
    codes = np.asarray(codes)
    affine = affine or Affine(10, 0, 5e5, 0, -10, 52e5)
    with rasterio.open(path, "w", driver="GTiff", height=codes.shape[-2], width=codes.shape[-1], count=1, crs=crs,
                       dtype=dtype or codes.dtype, transform=affine if crs else Affine.identity(), nodata=nodata) as file:  # fmt: skip
        file.write(codes.astype(dtype or codes.dtype), 1)
        if names:
            file.update_tags(**{f"class_{k}": v for k, v in names.items()})
        if colours:
            file.write_colormap(1, colours)
    return str(path)


def scene():
    codes = np.full((60, 80), 2, np.uint8)
    codes[:30, 40:] = 3
    codes[40:50, 10:20] = 1
    return codes


@pytest.fixture
def after(tmp_path):
    return write(tmp_path / "after.tif", scene())


@pytest.fixture
def before(tmp_path):
    codes = scene()
    codes[:10, 40:] = 2
    return write(tmp_path / "before.tif", codes)


def test_a_map_is_described_with_its_files_and_runs_again_to_the_same_bytes(after, tmp_path):
    made = swath.describe([after], out=tmp_path / "out", questions=True)
    assert set(made.files) == {"description.txt", "description.json", "questions.json", "report.html", "run.json"}
    record = json.loads((tmp_path / "out" / "description.json").read_text())
    assert record["text"] == (tmp_path / "out" / "description.txt").read_text().strip()
    for claim in record["claims"]:
        top, bottom, left, right = claim["window"]
        assert 0 <= top < bottom <= 60
        assert 0 <= left < right <= 80
    shares = {c["name"]: c["share"] for c in record["facts"]["classes"]}
    assert shares == {"water": round(100 / 4800, 6), "forest": round(3500 / 4800, 6), "crops": 0.25}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert str(tmp_path) not in page
    again = swath.again(tmp_path / "out", out=tmp_path / "there")
    assert not again.different
    assert len(again.same) == 4


def test_two_maps_tell_what_became_what_and_both_ways_of_asking_are_one(before, after):
    one, two = swath.describe([before, after]), swath.describe([after], since=before)
    assert one.text == two.text
    assert "4 hectares" in one.text.text or "Four hectares" in one.text.text or "4 ha" in one.text.text
    assert re.search(r"(became|turned into|to) (crops|cropland|farmland)", one.text.text)
    back = swath.describe([after, before]).text.text
    assert re.search(r"of (crops|cropland|farmland) (became|turned into)|from (crops|cropland|farmland) to", back)
    same = swath.describe([after, after]).text.text
    assert re.search("nothing changed|no pixel changed", same, re.IGNORECASE)
    with pytest.raises(SwathError, match="one map"):
        swath.describe([before, after], since=before)


def test_an_earlier_map_on_another_grid_is_brought_onto_the_later_one(after, tmp_path):
    coarse = write(tmp_path / "coarse.tif", scene()[::2, ::2], affine=Affine(20, 0, 5e5, 0, -20, 52e5))
    made = swath.describe([after], since=coarse)
    assert any("nearest neighbour" in n for n in made.notes)
    assert "othing changed" in made.text.text or "o pixel changed" in made.text.text
    far = write(tmp_path / "far.tif", scene(), affine=Affine(10, 0, 7e5, 0, -10, 52e5))
    with pytest.raises(SwathError, match="common ground"):
        swath.describe([after], since=far)
    bare = write(tmp_path / "bare.tif", scene()[:20], crs=None)
    with pytest.raises(SwathError, match="same shape"):
        swath.describe([after], since=bare)


def test_a_foreign_text_is_judged(after, tmp_path, capsys):
    file = tmp_path / "said.txt"
    file.write_text("Forest covers 73% of the scene. The lake lies in the north-east. Storks breed here.\n")
    made = swath.describe([after], check=file)
    assert [v.verdict for v in made.verdicts] == ["supported", "contradicted", "not checkable"]
    assert cli(["describe", after, "--check", str(file), "--quiet"]) == 0
    assert "contradicted" in capsys.readouterr().out
    assert cli(["describe", after, "--check", str(tmp_path / "none.txt")]) == 2


def test_a_writer_in_python_stands_in_and_is_judged(after):
    made = swath.describe([after], writer=lambda f: "Forest covers 73% of the scene. Forest covers 20% of the scene.")
    assert [v.verdict for v in made.verdicts] == ["supported", "contradicted"]
    with pytest.raises(SwathError, match="writer"):
        swath.describe([after], writer="me")


def test_the_folder_of_a_map_run_brings_its_doubt_and_adjusted_areas(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    codes = scene()
    write(folder / "classes.tif", codes, nodata=0)
    sets = np.where(codes == 2, 1, 2).astype(np.uint8)
    with rasterio.open(
        folder / "doubt.tif", "w", driver="GTiff", height=60, width=80, count=2, dtype="uint8", nodata=255
    ) as file:
        file.write(np.stack([sets, np.zeros_like(sets)]))
        file.descriptions = ("set_size", "outside")
    area = {
        "value": 36.2,
        "unit": "ha",
        "low": 33.0,
        "high": 39.4,
        "level": 0.95,
        "n": 300,
        "method": "",
        "simulated": False,
        "reason": "",
    }
    (folder / "assessment.json").write_text(json.dumps({"classes": [{"name": "forest", "area": area}]}))
    made = swath.describe([str(folder)])
    assert re.search(r"sure of 73%", made.text.text)
    assert re.search(r"36.2 (hectares|ha), between 33 (hectares|ha) and 39.4 (hectares|ha)", made.text.text)
    for claims in made.text.claims:
        for claim in claims:
            from swath.language.judging import judge

            assert judge(claim, made.facts)[0] is True
    (folder / "doubt.tif").unlink()
    shares = np.where(codes == 2, 240, 150).astype(np.uint8)
    with rasterio.open(
        folder / "probability.tif", "w", driver="GTiff", height=60, width=80, count=1, dtype="uint8", nodata=255
    ) as file:
        file.write(shares, 1)
        file.scales = (0.004,)
    made = swath.describe([str(folder)])
    assert "73%" in next(s for s in made.text.sentences if "sure of" in s)
    assert cli(["describe", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "kind", ["south up", "turned", "no crs", "degrees", "one pixel", "all nodata", "int32 codes", "one row"]
)
def test_awkward_rasters_are_described(tmp_path, kind):
    codes, options = scene(), {}
    if kind == "south up":
        options["affine"] = Affine(10, 0, 5e5, 0, 10, 52e5)
    elif kind == "turned":
        options["affine"] = Affine.translation(5e5, 52e5) @ Affine.rotation(30) @ Affine.scale(10, -10)
    elif kind == "no crs":
        options["crs"] = None
    elif kind == "degrees":
        options |= {"crs": "EPSG:4326", "affine": Affine(0.001, 0, 179.95, 0, -0.001, -16)}
    elif kind == "one pixel":
        codes = codes[:1, :1]
    elif kind == "all nodata":
        codes = np.zeros((9, 7), np.uint8)
        options["nodata"] = 0
    elif kind == "int32 codes":
        codes, options["names"] = codes.astype(np.int32) * 100_000, {k * 100_000: v for k, v in NAMES.items()}
    else:
        codes = codes[:1]
    path = write(tmp_path / "map.tif", codes, **options)
    for style in ("plain", "places", "list", "levels", "chatearthnet", "short"):
        made = swath.describe([path], style=style, out=tmp_path / style, questions=True)
        assert made.text.text
    assert (tmp_path / "plain" / "report.html").stat().st_size > 2000


@pytest.mark.parametrize(
    ("codes", "options", "match"),
    [
        (scene(), {"names": None}, "--legend"),
        (scene().astype(np.float32), {"names": None}, "swath map"),
        (scene(), {"names": {1: "water"}}, "no name for 2, 3"),
        (np.arange(4800).reshape(60, 80).astype(np.uint16), {"names": None}, "--legend"),
    ],
)
def test_what_is_no_map_of_classes_ends_in_one_line_that_names_the_fix(tmp_path, codes, options, match):
    path = write(tmp_path / "map.tif", codes, **options)
    with pytest.raises(SwathError, match=match) as error:
        swath.describe([path])
    assert "\n" not in str(error.value)


def test_an_area_is_cut_out_and_legends_are_files(tmp_path):
    path = write(tmp_path / "map.tif", scene(), names=None)
    (tmp_path / "names.csv").write_text("code,name\n1,water\n2,forest\n3,crops\n")
    from rasterio.warp import transform_bounds

    bounds = transform_bounds("EPSG:32632", "EPSG:4326", 5e5 + 410, 52e5 - 290, 5e5 + 790, 52e5 - 10)
    made = swath.describe([path], legend=tmp_path / "names.csv", area=",".join(f"{v:.7f}" for v in bounds))
    assert made.facts.shape[0] < 35
    assert "crops" in made.text.text.lower()
    assert "water" not in made.text.text
    bare = write(tmp_path / "bare.tif", scene(), crs=None)
    with pytest.raises(SwathError, match="CRS"):
        swath.describe([bare], area="1,2,3,4")


def test_a_colour_table_colours_the_page_and_nothing_is_written_without_out(tmp_path, monkeypatch):
    path = write(
        tmp_path / "map.tif", scene(), colours={1: (1, 2, 250, 255), 2: (3, 140, 4, 255), 3: (250, 230, 5, 255)}
    )
    swath.describe([path], out=tmp_path / "out")
    assert "#038c04" in (tmp_path / "out" / "report.html").read_text()
    monkeypatch.chdir(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert swath.describe(path).out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_classes_of_two_legends_are_one_by_their_kind_of_land(after, tmp_path):
    codes = np.choose(scene(), [0, 80, 10, 40]).astype(np.uint8)
    other_legend = write(tmp_path / "worldcover.tif", codes, names=None)
    made = swath.describe([after], since=other_legend, since_legend="worldcover")
    assert "othing changed" in made.text.text or "o pixel changed" in made.text.text
