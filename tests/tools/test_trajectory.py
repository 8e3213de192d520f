"""swath trajectory: the reference's numbers, failures that stay failures, and files that open."""

from __future__ import annotations

import json

import numpy as np
import pytest

import swath
from swath.datasets.surveys import surveys
from swath.doors.cli import run
from swath.errors import SwathError
from swath.geometry.trajectory import Trajectory


def written(path, runs: dict[int, Trajectory], frame: str = ""):
    lines = [f"frame: {frame}"] if frame else []
    for number, track in runs.items():
        lines.append(f"seq: {number}")
        lines += [" ".join(f"{v:.9f}" for v in (t, *p)) for t, p in zip(track.stamp, track.pose, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    home = tmp_path_factory.mktemp("tracks")
    site = surveys(5)
    half = Trajectory(site[2][1].stamp[:600], site[2][1].pose[:600])
    return {
        "truth": written(home / "truth.txt", {k: t for k, (t, _) in site.items()}),
        "fine": written(home / "fine.txt", {k: s for k, (_, s) in site.items()}),
        "dies": written(home / "dies.txt", {1: site[1][1], 2: half}),
        "lost": written(home / "lost.txt", {1: Trajectory(site[1][1].stamp + 1e5, site[1][1].pose)}),
    }


def test_a_tracker_that_dies_is_as_exact_and_half_as_often_right(files, tmp_path):
    found = swath.trajectory(files["truth"], [files["fine"], files["dies"]], out=tmp_path, max_error=1, max_angle=20)
    fine, dies = ({r["sequence"]: r for r in e["runs"]} for e in found.estimates)
    assert dies[2]["ate_rmse_m"]["value"] == pytest.approx(fine[2]["ate_rmse_m"]["value"], abs=0.01)
    assert dies[2]["cr"]["value"] == pytest.approx(0.5, abs=0.02)
    assert dies[3]["lost"]
    assert dies[3]["ate_rmse_m"]["value"] is None
    assert dies[3]["cr"]["value"] == 0
    gap = found.differences[0]["cr"]
    assert gap["low"] < gap["value"] < gap["high"] < 0
    for name in ("timeline.png", "above.png", "curves.png", "report.html", "trajectory.json", "run.json"):
        assert (tmp_path / name).stat().st_size > 500


def test_a_lost_track_has_no_error_anywhere(files, tmp_path, capsys):
    assert run(["trajectory", str(files["truth"]), str(files["lost"]), "--out", str(tmp_path / "o"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["estimates"][0]
    assert record["total"]["ate_rmse_m"]["value"] is None
    assert record["total"]["cr"]["value"] == 0
    assert all(r["lost"] for r in record["runs"])
    assert any("overlap" in n for n in record["notes"])


def test_the_command_line_says_what_python_says_and_runs_again(files, tmp_path, capsys):
    words = [
        "trajectory",
        str(files["truth"]),
        str(files["fine"]),
        "--max-error",
        "1",
        "--out",
        str(tmp_path / "a"),
        "--json",
    ]
    assert run(words) == 0
    said = json.loads(capsys.readouterr().out)
    found = swath.trajectory(files["truth"], [files["fine"]], max_error=1, out=tmp_path / "b").to_json()
    assert said["estimates"] == found["estimates"]
    assert not swath.again(tmp_path / "a", out=tmp_path / "c").different


def test_frames_bring_the_truth_to_the_sensor(files, tmp_path):
    from swath.geometry import pose as se3

    site = surveys(5)
    arm = np.array([0.4, -0.2, 1.0, 0.5, 0.5, 0.5, 0.5])
    seen = {
        k: Trajectory(t.stamp, se3.compose(t.pose, np.broadcast_to(arm, t.pose.shape))) for k, (t, _) in site.items()
    }
    truth = written(tmp_path / "t.txt", {k: t for k, (t, _) in site.items()}, "base_link")
    said = written(tmp_path / "s.txt", seen, "camera")
    (tmp_path / "frames.json").write_text(json.dumps({"camera": arm.tolist()}))
    exact = swath.trajectory(truth, [said], frames=tmp_path / "frames.json", out=tmp_path / "a")
    assert exact.estimates[0]["total"]["aoe_rmse_deg"]["value"] < 1e-3
    by_hand = swath.trajectory(truth, [said], lever=",".join(map(str, arm)), out=tmp_path / "b")
    assert by_hand.estimates[0]["total"]["ate_rmse_m"]["value"] < 1e-6
    bare = swath.trajectory(truth, [said], out=tmp_path / "c")
    assert bare.estimates[0]["total"]["aoe_rmse_deg"]["value"] > 1
    assert any("lever arm" in n for n in bare.estimates[0]["notes"])


def test_options_that_do_not_fit_are_refused_in_a_line(files, tmp_path, capsys):
    for words in (["--step", "1 mile"], ["--max-error", "0"], ["--lever", "1,2"]):
        assert run(["trajectory", str(files["truth"]), str(files["fine"]), *words, "--out", str(tmp_path / "x")]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    with pytest.raises(SwathError, match="no track"):
        swath.trajectory(files["truth"], [], out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_all_published_runs_come_out_as_the_corrected_evaluator_says(shared):
    from swath.assess.tracks import judge
    from swath.datasets import openloris
    from swath.geometry.trajectory import Limits

    folder = shared / "openloris_scene"
    tracks = openloris.load(folder)
    judged = {k: judge(pairs, Limits(openloris.LIMITS[k[1]], 30.0)) for k, pairs in tracks.items()}
    rows = openloris.reference(folder)
    assert len(rows) == 82
    names = {
        "ate_rmse_m": "ate",
        "c_ate_rmse_m": "c_ate",
        "aoe_rmse_deg": "aoe",
        "c_aoe_rmse_deg": "c_aoe",
        "cr": "cr",
        "cr_t": "cr_t",
    }
    for row in rows:
        ours = next(r for r in judged[row["system"], row["scene"]].runs if r.sequence == row["sequence"]).scores
        assert (ours.poses, ours.matches) == (row["poses"], row["matches"])
        for name, attribute in {**names, "reloc_time_s": "reloc", "c_rs": "c_rs"}.items():
            value, exact = getattr(ours, attribute), row["correct_slerp"][name]
            assert not np.isfinite(value) if exact is None else abs(value - exact) < 1e-5
