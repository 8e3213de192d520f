"""OpenLORIS-Scene: tracks that published SLAM systems estimated indoors, one life after another, with the truth.

LICENCE MIT, (C) Intel Corporation 2019-2021; SOURCE lifelong-robotic-vision/openloris-scene-tools, arXiv 1911.05603.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.errors import FormatError
from swath.geometry.trajectory import Trajectory
from swath.sample.tracks import read, trajectories

__all__ = ["LICENCE", "LIMITS", "SOURCE", "SYSTEMS", "load", "reference"]

LICENCE = "MIT"
SOURCE = "lifelong-robotic-vision/openloris-scene-tools (arXiv 1911.05603)"
SYSTEMS = (
    "ds-slam",
    "infinitam_aligned_depth",
    "maslam",
    "orbslam2_t265",
    "vins_mono_color_imu_with_loop",
    "vins_mono_fisheye_imu_with_loop",
)
LIMITS = {"cafe": 3.0, "home": 3.0, "corridor": 5.0, "market": 5.0}
"""Metres up to which a pose is correct, in the paper's settings; rotations up to 30 degrees in all scenes."""

Pairs = dict[int, tuple[Trajectory, Trajectory]]


def load(
    folder: Path, *, systems: tuple[str, ...] = SYSTEMS, scenes: tuple[str, ...] = tuple(LIMITS)
) -> dict[tuple[str, str], Pairs]:
    """{(system, scene): {sequence: (truth in the sensor's frame, estimate)}}; a sequence without poses is an empty track.

    Raises FormatError where a file is missing.
    """
    folder = Path(folder)
    out: dict[tuple[str, str], Pairs] = {}
    try:
        frames: Mapping[str, Any] = json.loads((folder / "frames.json").read_text("utf-8"))
    except OSError as error:
        raise FormatError(
            rule="OpenLORIS-Scene has frames.json, truth/ and lifelong/", got=str(error), remedy="name its folder"
        ) from error
    for scene in scenes:
        truth = read(folder / "truth" / f"{scene}.txt.gz")
        robot = frames["robot2" if scene in frames["scenes_robot2"] else "robot1"]
        for system in systems:
            said = read(folder / "lifelong" / f"{system}__{scene}.txt.gz")
            sensor: NDArray[np.float64] | None = None
            if said.frame != truth.frame:
                sensor = np.asarray(robot[said.frame], float)
            out[system, scene] = trajectories(truth, said, sensor=sensor)[0]
    return out


def reference(folder: Path) -> list[dict[str, Any]]:
    """The rows of the public evaluator: system, scene, sequence, poses, matches, public_tool and correct_slerp."""
    rows: list[dict[str, Any]] = json.loads((Path(folder) / "reference_lifelong.json").read_text("utf-8"))["rows"]
    return rows
