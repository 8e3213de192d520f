"""`swath explore` as a person starts it: one line with the link, one line when it cannot, and nothing lost in between."""

from __future__ import annotations

import http.cookiejar
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from swath.doors.web.serve import loopback, serve


class Run:
    """A server in a process of its own, and a browser with its cookies."""

    def __init__(self, folder, *words):
        command = [
            sys.executable,
            "-m",
            "swath.doors.cli",
            "explore",
            "--no-browser",
            "--out",
            str(folder / "work"),
            *words,
        ]
        quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=quiet,
        )
        self.link = self.process.stdout.readline().strip()
        self.base = self.link.partition("?")[0]
        self.jar = http.cookiejar.CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path):
        with self.browser.open(self.base + path, timeout=20) as answer:
            return answer.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("Origin", self.base.rstrip("/"))
        request.add_header("X-Swath", "1")
        with self.browser.open(request, timeout=20) as answer:
            return json.loads(answer.read())

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        said = self.process.communicate(timeout=20)
        return self.process.returncode, said


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_from_the_link_to_the_end_and_on_again_after_a_crash(tmp_path, make_scene):
    make_scene(tmp_path / "field.tif")
    make_scene(tmp_path / "other.tif", seed=1)
    port = str(free_port())
    first = Run(tmp_path, "field.tif", "--port", port)
    try:
        assert first.link.startswith(f"http://127.0.0.1:{port}/?token=")
        with first.browser.open(first.link, timeout=20) as page:
            assert page.url == first.base  # the token has left the address
            assert b"<!doctype html>" in page.read(64).lower()
        state = json.loads(first.get("api/state"))
        assert [s["name"] for s in state["scenes"]] == ["field"]
        assert first.post("api/scenes", {"names": ["other.tif"]})["id"] == "s2"
        stream = first.browser.open(first.base + "api/events", timeout=20)
        assert stream.readline().startswith(b"retry:")
    finally:
        code, _ = first.end(signal.SIGKILL)  # a crash
    assert code == -signal.SIGKILL

    second = Run(tmp_path)  # the same workspace: the same port, the same scenes, and the open page is still let in
    try:
        assert second.base == first.base
        second.browser, jar = first.browser, first.jar
        assert len(jar) == 1
        assert [s["name"] for s in json.loads(second.get("api/state"))["scenes"]] == ["field", "other"]
        stream = second.browser.open(second.base + "api/events", timeout=20)
        assert stream.readline().startswith(b"retry:")
        began = time.monotonic()
    finally:
        code, (_, said) = second.end()
    assert code in (0, 130)
    assert time.monotonic() - began < 30, "an open stream holds the door"
    assert "Traceback" not in said


def test_a_fault_is_one_line_on_the_terminal_and_whole_in_the_log(tmp_path, capsys):
    from swath.doors.web.serve import _log

    path = tmp_path / "explore.log"
    with _log(path):
        try:
            raise KeyError("what")
        except KeyError:
            logging.getLogger("swath.doors").exception("swath explore")
        logging.getLogger("rasterio").warning("a library is worried")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "KeyError" in said
    assert "Traceback" in path.read_text()
    assert "worried" in path.read_text()


def test_one_workspace_serves_one_explorer(tmp_path, monkeypatch, capsys):
    from swath.doors.web.serve import _alone

    (tmp_path / "w" / "cache").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with _alone(tmp_path / "w"):
        assert serve(["--port", "0", "--no-browser", "--out", "w"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "workspace" in said


def test_a_taken_port_is_one_line(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert serve(["--port", str(taken.getsockname()[1]), "--no-browser", "--out", str(tmp_path / "w")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "port" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["no.tif"],
        ["--root", "no-folder"],
        ["--port", "70000"],
        ["--port", "x"],
        ["--host", "203.0.113.1"],
        ["--nothing"],
    ],
)
def test_what_cannot_be_is_refused_with_two(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert serve([*words, "--no-browser"] if "--port" in words else ["--port", "0", *words, "--no-browser"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_workspace_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert serve(["--port", "0", "--no-browser", "--out", str(tmp_path / "file" / "w")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_has_examples(capsys):
    assert serve(["--help"]) == 0
    said = capsys.readouterr().out
    assert "swath explore scene.tif" in said
    assert "--no-browser" in said


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("lab.example", False)],
)
def test_what_only_this_machine_reaches_is_known(host, own):
    assert loopback(host) is own


def test_a_scene_whose_units_are_open_is_asked_about_in_the_page(door, shared):
    from swath.doors.web import serve, state

    tile = shared / "terramind" / "S2L2A" / "282D_485L_3_3.tif"
    serve._open(door.session, [str(tile)])
    assert [s.paths for s in door.session.scenes.all() if tile in s.paths] == []
    assert [names[0].endswith(tile.name) for names in state.asking(door.session)] == [True]
    door.session.scenes.open([tile], {"offset": 0}, trusted=True)
    assert state.asking(door.session) == []
