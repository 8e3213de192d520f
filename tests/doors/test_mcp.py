"""The door for assistants, tried with the official SDK's own client: in process, over stdio and over local HTTP."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("mcp")
import anyio
from mcp import Client, StdioServerParameters

from swath.doors.mcp import server
from swath.doors.roots import Roots


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    import rasterio
    from affine import Affine

    root = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(0)
    kind = (np.add.outer(np.arange(96), np.arange(96)) // 32 % 3 + 1).astype(np.uint8)
    profile = dict(driver="GTiff", width=96, height=96, crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6))
    for name, noise in (("before", 1), ("after", 2)):
        values = (kind[None] * np.array([10, 20, 30, 40])[:, None, None] + rng.normal(0, noise, (4, 96, 96))).astype(
            np.uint8
        )
        if name == "after":
            values[:, 20:40, 20:50] = 200
        with rasterio.open(root / f"{name}.tif", "w", count=4, dtype="uint8", **profile) as file:
            file.write(values)
    rows = [
        f"{500000 + 10 * x + 5},{5000000 - 10 * y - 5},k{kind[y, x]}" for y in range(3, 96, 9) for x in range(3, 96, 9)
    ]
    (root / "labels.csv").write_text("x,y,label\n" + "\n".join(rows) + "\n")
    return root


def ask(home, work, **options):
    async def run():
        async with Client(server(Roots([home])), **options) as client:
            return await work(client)

    return anyio.run(run)


def test_tools_carry_schemas_and_say_what_they_may_change(home):
    async def work(client):
        return (await client.list_tools()).tools

    tools = {t.name: t for t in ask(home, work)}
    assert {"files", "info", "map", "change", "assess", "list"} <= set(tools)
    assert "get" not in tools
    assert tools["info"].annotations.read_only_hint
    assert not tools["map"].annotations.read_only_hint
    assert tools["map"].input_schema["required"] == ["scenes"]


def test_list_info_and_map_work_and_link_what_they_wrote(home):
    steps = []

    async def heard(progress, total, message):
        steps.append((progress, message))

    async def work(client):
        files = await client.call_tool("files", {})
        info = await client.call_tool("info", {"paths": ["before.tif"]})
        arguments = {
            "scenes": ["before.tif"],
            "labels": "labels.csv",
            "crs": "EPSG:32633",
            "fast": True,
            "out": "mapped",
        }
        mapped = await client.call_tool("map", arguments, progress_callback=heard)
        run = await client.read_resource("swath:///mapped/run.json")
        systems = await client.call_tool("list", {})
        return files, info, mapped, run, systems

    files, info, mapped, run, systems = ask(home, work)
    assert "before.tif" in files.structured_content["files"]
    assert info.structured_content["shape"]["y"] == 96
    assert not mapped.is_error, mapped.content[0].text
    assert mapped.structured_content["accuracy"]["low"] is not None or mapped.structured_content["accuracy"]["reason"]
    links = [c.uri for c in mapped.content if c.type == "resource_link"]
    assert "swath:///mapped/classes.tif" in [str(u) for u in links]
    assert json.loads(run.contents[0].text)["verb"] == "map"
    assert [s for s, _ in steps] == sorted({s for s, _ in steps})
    assert len(steps) > 1
    assert not systems.is_error
    assert str(home) not in mapped.model_dump_json()


def test_change_assess_and_ask_answer_with_numbers_that_their_files_hold(home):
    truth = "labels.csv"

    async def work(client):
        made = await client.call_tool(
            "map", {"scenes": ["before.tif"], "labels": truth, "crs": "EPSG:32633", "fast": True, "out": "judged"}
        )
        changed = await client.call_tool("change", {"scenes": ["before.tif", "after.tif"], "out": "changed"})
        shares = {"map": "judged/classes.tif", "truth": truth, "design": "none"}
        assessed = await client.call_tool("assess", shares)
        answered = await client.call_tool("ask", {"question": "how much k2 is here?", "maps": ["judged"]})
        outside = await client.call_tool("ask", {"question": "what will it cost?", "maps": ["judged"]})
        return made, changed, assessed, answered, outside

    made, changed, assessed, answered, outside = ask(home, work)
    for said in (made, changed, assessed, answered, outside):
        assert not said.is_error, said.content[0].text
        assert str(home) not in said.model_dump_json()
    assert "swath:///changed/run.json" in [str(c.uri) for c in changed.content if c.type == "resource_link"]
    assert 0 < assessed.structured_content["accuracy"]["value"] <= 1
    record = answered.structured_content
    numbers = [p["number"] for p in record["parts"] if "number" in p]
    counted = next(c for c in made.structured_content["classes"] if c["name"] == "k2")
    assert numbers[0]["value"] == pytest.approx(counted["area"]["value"])
    assert numbers[0]["call"] == 1
    assert not outside.structured_content["answered"]
    assert not any("number" in p for p in outside.structured_content["parts"])


def test_refusals_are_answers_with_rule_got_and_remedy(home):
    async def work(client):
        return [
            await client.call_tool("info", {"paths": [name]})
            for name in ("nothing.tif", "/etc/passwd", "http://127.0.0.1/a.tif")
        ] + [await client.call_tool("map", {"scenes": ["before.tif"]}), await client.call_tool("get", {"stac": "x"})]

    for found in ask(home, work):
        assert found.is_error
        assert {"rule", "got", "remedy"} == set(found.structured_content)
        assert str(home) not in found.content[0].text


def test_a_cancelled_call_stops_the_work(home, monkeypatch):
    import threading

    from swath.errors import Cancelled

    begun, stopped = threading.Event(), threading.Event()

    def slow(scenes, *, out="slow", progress=None):
        """Wait."""
        try:
            for step in range(2000):
                begun.set()
                threading.Event().wait(0.01)
                progress(step, 2000, "waiting")
        except Cancelled:
            stopped.set()
            raise

    monkeypatch.setattr(sys.modules["swath.tools.map"], "map", slow)

    async def work(client):
        with anyio.move_on_after(1.5):
            await client.call_tool("map", {"scenes": ["before.tif"]})
        assert begun.is_set()
        return await anyio.to_thread.run_sync(stopped.wait, 10)

    assert ask(home, work)


def test_it_works_over_stdio_from_the_command_line(home):
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "swath", "mcp", "--root", str(home)])

    async def run():
        async with Client(parameters) as client:
            return await client.call_tool("info", {"paths": ["after.tif"]})

    assert anyio.run(run).structured_content["shape"]["x"] == 96


def test_over_http_nothing_answers_without_the_token_or_from_another_host(home):
    import httpx2 as httpx

    words = [sys.executable, "-m", "swath", "mcp", "--root", str(home), "--http", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            told = json.loads(process.stdout.readline())
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
            usual = {"accept": "application/json, text/event-stream", "authorization": told["authorization"]}
            for _ in range(50):
                try:
                    bare = httpx.post(told["url"], json=body)
                    break
                except httpx.ConnectError:
                    threading_wait()
            assert bare.status_code == 401
            assert (
                httpx.post(told["url"], json=body, headers={**usual, "authorization": "Bearer no"}).status_code == 401
            )
            assert httpx.post(told["url"], json=body, headers={**usual, "host": "evil.example"}).status_code == 421
            assert (
                httpx.post(told["url"], json=body, headers={**usual, "origin": "http://evil.example"}).status_code
                == 403
            )
            assert "127.0.0.1" in told["url"]
            assert listed(told)
        finally:
            process.terminate()


def threading_wait():
    import time

    time.sleep(0.1)


def listed(told):
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async def run():
        headers = {"authorization": told["authorization"]}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(told["url"], http_client=http)) as client,
        ):
            return [t.name for t in (await client.list_tools()).tools]

    return "map" in anyio.run(run)


def test_roots_that_are_no_folders_are_refused(capsys):
    from swath.doors.cli import run

    assert run(["mcp", "--root", "/no/such/folder"]) == 2
    assert run(["mcp"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
