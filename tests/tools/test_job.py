"""run.json: what a run read, what it wrote, and files that are whole or not there."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from swath.errors import FormatError, OutputError
from swath.tools import again, job


def test_a_digest_changes_with_any_byte_and_not_with_the_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3000)
    (tmp_path / "b").write_bytes(b"x" * 3000)
    (tmp_path / "c").write_bytes(b"x" * 2999 + b"y")
    assert job.digest(tmp_path / "a") == job.digest(tmp_path / "b") != job.digest(tmp_path / "c")


def test_a_folder_has_a_digest_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_text("1")
    before = job.digest(tmp_path / "d")
    (tmp_path / "d/b").write_text("2")
    assert before.startswith("folder:")
    assert job.digest(tmp_path / "d") != before


def test_large_files_are_sampled_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_WHOLE", 1000)
    (tmp_path / "a").write_bytes(bytes(range(256)) * 8192)
    assert job.digest(tmp_path / "a").startswith("sampled:")


def test_json_is_strict_and_nothing_is_left_when_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        job.write_json(tmp_path / "x.json", {"value": math.nan})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        job.write_text(tmp_path / "file" / "x.txt", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_record_tells_arguments_inputs_outputs_and_environment(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(b"scene")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/map.tif").write_bytes(b"map")
    run = job.Job.start(
        "map", {"scenes": [str(tmp_path / "in.tif")], "seed": 3, "progress": print}, [tmp_path / "in.tif"]
    )
    path = run.finish(tmp_path / "out", [tmp_path / "out/map.tif"])
    record = json.loads(path.read_text())
    assert record["format"] == job.FORMAT
    assert record["arguments"] == {"scenes": [str((tmp_path / "in.tif").resolve())], "seed": 3}
    assert record["inputs"][0]["bytes"] == 5
    assert record["outputs"] == [{"path": "map.tif", "digest": job.digest(tmp_path / "out/map.tif")}]
    assert record["environment"]["packages"]["numpy"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "not json"])
def test_what_is_no_run_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(FormatError):
        again.read(tmp_path)


def test_a_run_of_a_newer_format_or_from_memory_is_refused(tmp_path: Path) -> None:
    record = {"format": job.FORMAT + 1, "verb": "map", "arguments": {}, "inputs": [], "outputs": []}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(FormatError, match="newer"):
        again.again(tmp_path, out=tmp_path / "o")
    record |= {"format": job.FORMAT, "inputs": [{"path": None, "note": "in memory: DataArray"}]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(FormatError, match="from files"):
        again.again(tmp_path, out=tmp_path / "o")


def test_a_word_stays_a_word_where_a_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("deco", "scenes"):
        (tmp_path / name).mkdir()
    begun = job.Job.start("train", {"family": "deco", "scenes": ["scenes"], "out": "deco"})
    assert begun.arguments == {"family": "deco", "scenes": [str(tmp_path / "scenes")], "out": str(tmp_path / "deco")}
