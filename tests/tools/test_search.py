from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from swath.errors import FormatError, GridError, SwathError
from swath.predict.vectors import Vectors
from swath.tools.embed import embed
from swath.tools.search import search
from swath.tools.searching import where_of


def archive(tmp_path, n=60, days=2, odd=False):
    """A grid of places 320 m apart on two dates: rows of three kinds of ground, as embed writes them."""
    rng = np.random.default_rng(0)
    kinds = 3 * rng.normal(size=(3, 12))
    rows, key, lonlat, day, place = [], [], [], [], []
    for i in range(n):
        for d in range(days):
            rows.append(kinds[i % 3] + 0.2 * rng.normal(size=12))
            key.append(f"scene.tif@{32 * (i // 10)},{32 * (i % 10)}/2021-0{d + 5}-01")
            lonlat.append((15 + 0.0042 * (i % 10), 46 - 0.0029 * (i // 10)))
            day.append(18748.0 + 31 * d)
            place.append(f"p{i}")
    sites = {
        "scene.tif": {"paths": ["/nowhere/scene.tif"], "options": {}, "gsd": None, "shape": [192, 320], "pixel_m": 10.0}
    }
    facts = {"encoder": "statistics", "weights": None, "window": 32, "by": "date", "patch": 4, "sites": sites}
    v = Vectors(np.array(key), np.array(lonlat), np.array(day), np.array(place), np.array(rows, np.float32), facts)
    return v.write(tmp_path / "e.zarr")


def test_places_like_the_example_are_ranked_and_the_files_tell_it(tmp_path):
    result = search(archive(tmp_path), like=["15.0", "46.0"], k=8, out=tmp_path / "out")
    assert len(result.hits) == 8
    at = [re.search(r"@(\d+),(\d+)", h["key"]).groups() for h in result.hits]
    index = [int(r) // 32 * 10 + int(c) // 32 for r, c in at]
    assert {i % 3 for i in index} == {0}, "the same kind of ground"
    assert 0 not in index, "not the example's own place"
    assert result.own == 2
    similarity = [h["similarity"] for h in result.hits]
    assert similarity == sorted(similarity, reverse=True)
    assert min(similarity) >= result.threshold
    assert any(h["vectors"] == 2 for h in result.hits), "both dates of one ground are one answer"
    assert len(set(at)) == 8
    found = json.loads((tmp_path / "out" / "hits.geojson").read_text())
    assert found["features"][0]["geometry"]["coordinates"] == [result.hits[0]["lon"], result.hits[0]["lat"]]
    assert found["threshold"] == pytest.approx(result.threshold)
    with open(tmp_path / "out" / "hits.csv") as file:
        assert len(list(csv.DictReader(file))) == 8
    page = (tmp_path / "out" / "hits.html").read_text()
    assert "8 places are similar" in page.lower()
    assert "not at hand" in page, "scenes that are gone are told"
    assert "threshold" in str(result)


def test_what_is_not_wanted_is_left_out_and_counted(tmp_path):
    path = archive(tmp_path)
    every = search(path, like=["15.0,46.0", "15.0042,46.0"], k=60, out=tmp_path / "a")
    less = search(path, like=["15.0,46.0", "15.0042,46.0"], not_=["15.0168,46.0"], k=60, out=tmp_path / "b")
    kinds = [int(re.search(r"@\d+,(\d+)", h["key"])[1]) // 32 for h in less.hits]
    assert less.unlike > 20
    assert len(less.hits) < len(every.hits)
    assert kinds


def test_dates_and_area_limit_what_is_found(tmp_path):
    path = archive(tmp_path)
    june = search(path, like=["15.0,46.0"], dates="2021-06", out=tmp_path / "a", k=5)
    assert {d for h in june.hits for d in h["dates"]} == {"2021-06-01"}
    west = search(path, like=["15.0,46.0"], area="14.99,45.9,15.015,46.1", out=tmp_path / "b", k=5)
    assert all(h["lon"] < 15.015 for h in west.hits)
    with pytest.raises(SwathError, match="look through"):
        search(path, like=["15.0,46.0"], dates="1999", out=tmp_path / "c")


def test_nothing_similar_is_said(tmp_path):
    from swath.predict import vectors

    whole = vectors.read(archive(tmp_path))
    lonely = whole.vector.copy()
    lonely[:2] = np.r_[np.zeros(11), 9]
    Vectors(whole.key, whole.lonlat, whole.day, whole.place, lonely, whole.facts).write(tmp_path / "f.zarr")
    result = search(tmp_path / "f.zarr", like=["15.0,46.0"], out=tmp_path / "out")
    assert not result.hits
    assert "nothing is similar" in str(result)
    assert result.best < result.threshold
    assert "Nothing is similar" in (tmp_path / "out" / "hits.html").read_text()


def test_examples_that_cannot_be_are_refused_in_a_line(tmp_path):
    path = archive(tmp_path)
    for bad, words in (
        (["46.0,15.0"], "from the nearest vector"),
        (["200,95"], "longitude first"),
        (["here"], "LON,LAT or a key"),
        (["scene.tif@7,7"], "look like"),
        (None, "needs an example"),
    ):
        with pytest.raises(GridError, match=words):
            search(path, like=bad, out=tmp_path / "x")
    with pytest.raises(FormatError, match="swath embed"):
        search(tmp_path / "none.zarr", like=["1,2"], out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_places_and_keys_survive_a_shell_that_splits_at_commas():
    assert where_of(["-15.5", "46", "a b.tif@0", "32"]) == [(-15.5, 46.0), "a b.tif@0,32"]
    assert where_of("1,2") == [(1.0, 2.0)]


def pictures(folder):
    """Pictures of stripes and of noise."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(14):
        noise = rng.integers(90, 160, (32, 32, 3))
        Image.fromarray(noise.astype(np.uint8)).save(folder / f"noise{i}.png")
        stripes = np.zeros((32, 32, 3)) + 40 + 12 * i
        stripes[::2] += 60 + rng.integers(0, 9, (16, 32, 3))
        Image.fromarray(stripes.clip(0, 255).astype(np.uint8)).save(folder / f"stripes{i}.png")
    return folder


def test_a_picture_from_outside_finds_its_like_and_the_page_shows_them(tmp_path):
    made = embed([str(pictures(tmp_path / "all"))], encoder="statistics", out=tmp_path / "e.zarr")
    outside = tmp_path / "outside.png"
    rng = np.random.default_rng(9)
    Image.fromarray(rng.integers(90, 160, (32, 32, 3)).astype(np.uint8)).save(outside)
    result = search(made.out, like_image=[str(outside)], k=5, out=tmp_path / "out")
    assert [h["key"][:5] for h in result.hits] == ["noise"] * 5
    assert (tmp_path / "out" / "hits.html").read_text().count("data:image/png") == 5
    assert json.loads((tmp_path / "out" / "run.json").read_text())["verb"] == "search"
    gray = tmp_path / "gray.png"
    Image.fromarray(rng.integers(0, 255, (32, 32)).astype(np.uint8)).save(gray)
    with pytest.raises(SwathError, match="bands of the archive"):
        search(made.out, like_image=[str(gray)], out=tmp_path / "x")


def test_parquet_is_searched_as_zarr_is(tmp_path):
    pytest.importorskip("pyarrow")
    from swath.predict import vectors

    path = archive(tmp_path)
    vectors.read(path).write(tmp_path / "e.parquet")
    a = search(path, like=["15.0,46.0"], k=5, out=tmp_path / "a")
    b = search(tmp_path / "e.parquet", like=["15.0,46.0"], k=5, out=tmp_path / "b")
    assert a.hits == b.hits


def test_the_shell_takes_places_as_people_type_them(tmp_path, capsys):
    from swath.doors.cli import run

    path = str(archive(tmp_path))
    words = ["search", path, "--like", "15.0,46.0", "--not", "15.0168,46.0", "-k", "2", "--out", str(tmp_path / "o")]
    assert run(words) == 0
    assert "similar" in capsys.readouterr().out
    assert run(["search", path, "--like", "-55.5,-11.7", "--out", str(tmp_path / "p")]) == 2
    assert "from the nearest vector" in capsys.readouterr().err
