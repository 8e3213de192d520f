"""swath curate: on folders as people have them, with copies, broken files, and stops in the middle."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import swath
from swath.errors import Cancelled, DesignError, FormatError, LabelError
from swath.tools import curating


def _picture(path, values):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.fixture
def archive(tmp_path):
    """60 plain tiles of one kind, 6 rough ones, 4 copies, and files that careless readers trip over."""
    rng = np.random.default_rng(0)
    root = tmp_path / "tiles"
    for i in range(60):
        _picture(root / f"sea/{i:02d}.png", rng.integers(20, 26, (32, 32, 3)) + rng.integers(0, 3))
    for i in range(6):
        _picture(root / f"ice/{i}.png", rng.integers(0, 250, (32, 32, 3)))
    for i in range(4):
        (root / f"copy{i}.png").write_bytes((root / "sea/00.png").read_bytes())
    _picture(root / "black.png", np.zeros((32, 32, 3)))
    half = rng.integers(1, 250, (32, 32, 3))
    half[:, :20] = 0
    _picture(root / "half.png", half)
    saturated = rng.integers(0, 200, (32, 32, 3))
    saturated[:, :20] = 255
    _picture(root / "saturated.png", saturated)
    (root / "broken.tif").write_bytes(b"II*\0 and no more")
    (root / "empty.png").write_bytes(b"")
    (root / "readme.txt").write_text("about these tiles")
    return root


def test_broken_files_are_named_and_screened_ones_told_with_their_fault(archive, tmp_path):
    result = swath.curate(archive, 12, tmp_path / "out" / "keep.csv")
    assert {name for name, _ in result.unread} == {"broken.tif", "empty.png"}
    why = dict(result.screened)
    assert set(why) == {"black.png", "half.png", "saturated.png"}
    assert "half missing" in why["half.png"]
    assert "saturated" in why["saturated.png"]
    assert any("readme" not in n and "1 .txt" in n for n in result.notes)
    assert str(archive) not in str(result).replace(str(result.out), "")
    assert "broken.tif" in str(result)


def test_rare_kinds_are_kept_and_copies_are_not(archive, tmp_path):
    result = swath.curate(archive, 12, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "keep.csv")
    assert len(table) == 12
    assert table["key"].str.startswith("ice/").sum() >= 5
    assert table["key"].str.startswith("copy").sum() + (table["key"] == "sea/00.png").sum() <= 1
    assert table["reason"].str.len().gt(0).all()
    assert result.copies >= 4
    assert result.even[1] > result.even[0]
    copies = pd.read_csv(tmp_path / "out" / "keep_near_duplicates.csv")
    assert set(copies["key"]) >= {f"copy{i}.png" for i in range(1, 4)}


def test_the_run_json_holds_the_list_and_the_counts_and_runs_again_to_the_same_bytes(archive, tmp_path):
    swath.curate(archive, 10, tmp_path / "out", report=True, seed=3)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert len(record["kept"]) == 10
    assert sum(sum(c["kept"]) for c in record["clusters"]) == 10
    assert sum(sum(c["size"]) for c in record["clusters"]) == 70
    again = swath.again(tmp_path / "out", out=tmp_path / "there")
    assert not again.different
    page = (tmp_path / "out" / "keep_report.html").read_text()
    assert "data:image/png" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_a_stopped_run_goes_on_to_the_same_list(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(curating, "PART", 10)
    swath.curate(archive, 9, tmp_path / "whole")

    def stop(done, total, what):
        if done >= 30:
            raise Cancelled

    with pytest.raises(Cancelled):
        swath.curate(archive, 9, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out" / "keep.csv").exists()
    read = []
    one = curating._one
    monkeypatch.setattr(curating, "_one", lambda a, f, *rest: read.append(f) or one(a, f, *rest))
    swath.curate(archive, 9, tmp_path / "out")
    assert len(read) < 50  # of 75
    for name in ("keep.csv", "keep_near_duplicates.csv", "keep_left_out.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "out").glob(".*"))


def test_large_files_are_cut_into_windows(tmp_path):
    rng = np.random.default_rng(1)
    scene = rng.integers(10, 60, (96, 128, 3))
    scene[:32, :32] = rng.integers(0, 255, (32, 32, 3))
    _picture(tmp_path / "a/scene.png", scene)
    result = swath.curate(tmp_path / "a", 3, tmp_path / "out", tile=32, alike=0)
    keys = pd.read_csv(tmp_path / "out" / "keep.csv")["key"]
    assert result.read == 12
    assert keys.str.match(r"scene\.png@\d+_\d+").all()


def test_vectors_of_an_archive_are_chosen_from_as_they_are(tmp_path):
    from swath.predict.vectors import Vectors

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 0.1, (80, 8)) + np.eye(8)[0], rng.normal(0, 0.1, (5, 8)) - np.eye(8)[1]])
    n = len(x)
    key = np.array([f"t{i}" for i in range(n)])
    kept = Vectors(
        key, np.tile([12.0, 48.0], (n, 1)), np.full(n, 18_000.0), key, x.astype(np.float32), {"encoder": "e"}
    )
    kept.write(tmp_path / "e.zarr")
    result = swath.curate(tmp_path / "e.zarr", 10, tmp_path / "out", spread=1)
    table = pd.read_csv(tmp_path / "out" / "keep.csv")
    assert result.kept == 10
    assert table["key"].isin([f"t{i}" for i in range(80, 85)]).sum() >= 2
    assert (table["date"] == "2019-04-14").all()
    x[3], x[4] = np.nan, np.inf
    Vectors(key, kept.lonlat, kept.day, key, x.astype(np.float32), kept.facts).write(tmp_path / "holes.zarr")
    result = swath.curate(tmp_path / "holes.zarr", 83, tmp_path / "all")
    assert result.read == 83
    assert {k for k, _ in result.screened} == {"t3", "t4"}


def test_what_cannot_be_is_refused_in_a_line(archive, tmp_path):
    with pytest.raises(FormatError, match="not there"):
        swath.curate(tmp_path / "nowhere", 3, tmp_path / "out")
    with pytest.raises(DesignError, match="at most as many"):
        swath.curate(archive, 500, tmp_path / "out")
    with pytest.raises(DesignError, match="at least one"):
        swath.curate(archive, 0, tmp_path / "out")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/x.tif").write_bytes(b"nothing")
    with pytest.raises(FormatError, match=r"x\.tif"):
        swath.curate(tmp_path / "bad", 1, tmp_path / "out")


def test_real_pictures_and_copies_of_them(shared, tmp_path):
    from shutil import copy

    for source in sorted((shared / "eurosat_rgb").glob("*/*.jpg"))[::5]:
        to = tmp_path / "tiles" / source.parent.name
        to.mkdir(parents=True, exist_ok=True)
        copy(source, to)
    for i, source in enumerate(sorted((tmp_path / "tiles").glob("*/*.jpg"))[:20]):
        copy(source, source.with_name(f"again{i}.jpg"))
    result = swath.curate(tmp_path / "tiles", 30, tmp_path / "out")
    assert result.read == 70
    assert result.copies >= 20
    assert result.copies_kept == 0


def test_what_to_label_next_comes_with_its_reason_and_never_again_what_is_labelled(archive, tmp_path):
    first = swath.curate(archive, label_next=4, out=tmp_path / "first.csv")
    assert "nothing is labelled yet" in first.notes[-1]
    asked = pd.read_csv(tmp_path / "first.csv")
    asked["label"] = ["a", "b", "a", "b"]
    asked.to_csv(tmp_path / "labelled.csv", index=False)
    second = swath.curate(archive, label_next=3, labels=tmp_path / "labelled.csv", out=tmp_path / "next.csv")
    found = pd.read_csv(tmp_path / "next.csv")
    assert second.labelled == 4
    assert not set(found["key"]) & set(asked["key"])
    assert found["reason"].str.contains("more doubt").all()
    (tmp_path / "odd.csv").write_text("name,class\nx,a\n")
    with pytest.raises(LabelError, match="columns key"):
        swath.curate(archive, label_next=3, labels=tmp_path / "odd.csv", out=tmp_path / "no.csv")
    with pytest.raises(DesignError, match="at least one"):
        swath.curate(archive, 3, label_next=3, out=tmp_path / "no.csv")
