"""The folders of a door: what is inside opens, what is outside and what is not there look the same, results replace nothing."""

from __future__ import annotations

import json
import os

import pytest

from swath.doors.admit import admit, offered, schema
from swath.doors.roots import Roots
from swath.errors import SwathError
from swath.tools import VERBS


@pytest.fixture
def home(tmp_path):
    (tmp_path / "root" / "scenes").mkdir(parents=True)
    (tmp_path / "root" / "scenes" / "a.csv").write_text("x\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("secret\n")
    return tmp_path


def test_a_name_inside_is_a_path_and_the_path_is_the_name_again(home):
    roots = Roots([home / "root"])
    found = roots.admit("scenes/a.csv")
    assert found.path == home / "root" / "scenes" / "a.csv"
    assert roots.name(found.path) == "scenes/a.csv"
    assert roots.still(found)
    assert roots.listing() == ["scenes/a.csv"]


@pytest.mark.parametrize(
    "name",
    [
        "../outside/secret.csv",
        "scenes/../../outside/secret.csv",
        "/etc/passwd",
        "{outside}/secret.csv",
        "..\\outside\\secret.csv",
        "scenes/%2e%2e/%2e%2e/outside/secret.csv",
        "link.csv",
        "folder/secret.csv",
        "loop",
        "/vsicurl/http://127.0.0.1/a.tif",
        "vrt://{outside}/secret.csv",
        "http://127.0.0.1/a.tif",
        "file://{outside}/secret.csv",
        "s3://bucket/a.tif",
        "HDF5:{outside}/secret.csv://x",
        "NETCDF:{outside}/secret.csv:x",
        "/dev/zero",
        "/proc/self/environ",
        "pipe",
        "<VRTDataset/>",
        "scenes/a.csv\0.tif",
        "",
        "nothing.csv",
        "x" * 5000,
    ],
)
def test_what_is_outside_and_what_is_not_there_look_the_same(home, name):
    root = home / "root"
    (root / "link.csv").symlink_to(home / "outside" / "secret.csv")
    (root / "folder").symlink_to(home / "outside")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    with pytest.raises(SwathError) as caught:
        Roots([root]).admit(name.replace("{outside}", str(home / "outside")))
    assert caught.value.rule == "scenes and files lie in the folders given at start"
    assert "\n" not in str(caught.value)


def test_a_link_that_comes_in_between_is_seen_afterwards(home):
    roots = Roots([home / "root"])
    found = roots.admit("scenes/a.csv")
    found.path.unlink()
    found.path.symlink_to(home / "outside" / "secret.csv")
    assert not roots.still(found)


def test_results_replace_nothing_that_swath_has_not_made(home):
    roots = Roots([home / "root"])
    assert roots.place("new") == home / "root" / "new"
    for name in ("../new", str(home / "outside" / "new"), "scenes", "scenes/a.csv", "", "."):
        with pytest.raises(SwathError):
            roots.place(name)
    (home / "root" / "old").mkdir()
    (home / "root" / "old" / "run.json").write_text("{}")
    assert roots.place("old")


def test_absolute_paths_in_texts_become_names(home):
    roots = Roots([home / "root"])
    said = roots.hide({"a": f"cannot read {home}/root/scenes/a.csv: no", "b": [f"{home}/outside/secret.csv"], "n": 1})
    assert said == {"a": "cannot read scenes/a.csv: no", "b": ["secret.csv"], "n": 1}


def test_several_roots_are_told_apart_by_their_names(home):
    roots = Roots([home / "root", home / "outside"])
    assert roots.name(roots.admit("outside/secret.csv").path) == "outside/secret.csv"


def test_every_verb_that_is_offered_has_a_schema_of_its_arguments():
    import swath.bench
    import swath.sample
    import swath.train  # noqa: F401 - rooms of a verb's name are loaded

    assert set(offered()) == set(VERBS) - {"get"}
    for verb in offered():
        found = schema(verb)
        assert set(found["required"]) <= set(found["properties"])
        assert "progress" not in found["properties"]
    assert schema("map")["properties"]["scenes"]["type"] == "array"
    assert (
        schema("map")["properties"]["kind"]["enum"] == ["class", "number"]
        or "anyOf" in schema("map")["properties"]["kind"]
    )


def test_every_argument_that_is_a_path_is_known_as_one():
    import inspect

    from swath import __getattr__ as lookup
    from swath.tools.job import FILES, WRITES

    for verb in VERBS:
        for name, p in inspect.signature(lookup(verb)).parameters.items():
            if "Path" in str(p.annotation):
                assert name in FILES | WRITES, f"{verb} --{name}"


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("doctor", {"file": "/etc/passwd"}),
        ("info", {"paths": ["scenes/a.csv"], "quicklook": "/tmp/quick.png"}),
        ("info", {"paths": ["scenes/a.csv"], "quicklook": "scenes/a.csv"}),
        ("get", {"stac": "http://127.0.0.1"}),
        ("info", {"paths": ["scenes/a.csv"], "safe": False}),
        ("info", {"paths": ["scenes/a.csv"], "shell": "x"}),
        ("info", {}),
        ("info", {"paths": [{"path": "scenes/a.csv"}]}),
        ("map", {"scenes": ["scenes/a.csv"], "scheduler": "tcp://127.0.0.1:1"}),
        ("map", {"scenes": ["scenes/a.csv"], "encoder": "../outside"}),
        ("map", {"scenes": ["scenes/a.csv"], "labels": "/etc/passwd"}),
        ("map", {"scenes": ["scenes/a.csv"], "model": "hf:owner/name/file"}),
        ("map", {"scenes": ["scenes/a.csv"], "out": "../outside/new"}),
        ("info", {"paths": ["other.vrt"]}),
        ("info", {"paths": ["service.tif"]}),
        ("again", {"run": "made", "out": "new"}),
        ("stress", {"model": "made"}),
    ],
)
def test_calls_that_would_reach_outside_are_refused(home, verb, arguments):
    root = home / "root"
    (root / "other.vrt").write_text("<VRTDataset/>")
    (root / "service.tif").write_text("<GDAL_WMS/>")
    (root / "made").mkdir()
    record = {"verb": "map", "arguments": {"labels": str(home / "outside" / "secret.csv")}, "inputs": [], "outputs": []}
    (root / "made" / "run.json").write_text(json.dumps(record))
    with pytest.raises(SwathError):
        admit(verb, arguments, Roots([root]))


def test_a_call_inside_has_real_paths_and_is_guarded(home):
    call = admit("info", {"paths": ["scenes/a.csv"], "area": "1,2,3,4"}, Roots([home / "root"]))
    assert call.arguments["paths"] == [str(home / "root" / "scenes" / "a.csv")]
    assert call.arguments["safe"] is True
    assert call.arguments["area"] == "1,2,3,4"
    assert call.out is None
