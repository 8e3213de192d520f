"""The page's own queue of labels, run by node: it shows what the server's journal will say, and loses nothing on the way."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import swath
from swath.doors.web import geojson
from swath.doors.web.journal import Journal

STATIC = Path(swath.__file__).parent / "doors" / "web" / "static"
BROWSER = """
globalThis.kept = {};
globalThis.localStorage = {
  getItem: (k) => kept[k] ?? null, setItem: (k, v) => (kept[k] = v), removeItem: (k) => delete kept[k],
};
globalThis.addEventListener = () => {};
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def run(code: str, given: Any = None) -> Any:
    """What `tell(...)` was given, with the page's journal imported as J."""
    text = (
        f"{BROWSER}const J = await import({json.dumps((STATIC / 'journal.js').as_uri())});\n"
        f"const given = {json.dumps(given)};\nconst tell = (v) => console.log(JSON.stringify(v));\n{code}"
    )
    done = subprocess.run(
        ["node", "--input-type=module"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@st.composite
def operations(draw: st.DrawFn) -> list[dict]:
    out = []
    for n in range(draw(st.integers(1, 20))):
        kind = draw(st.sampled_from(["add", "add", "change", "delete", "class-add", "class-change", "class-delete"]))
        one, c = draw(st.sampled_from(["l0", "l1", "l2"])), draw(st.sampled_from(["c0", "c1"]))
        point = {"type": "Point", "coordinates": [float(n), 2.0]}
        about: dict = {"id": c if kind.startswith("class") else one}
        if kind == "add":
            about |= {"class": c, "geometry": point}
        elif kind == "change":
            about |= {"class": c}
        elif kind == "class-add":
            about |= {"name": f"name of {c}", "colour": "#4676c6"}
        elif kind == "class-change":
            about |= {"name": f"name {n}"}
        out.append({"id": f"o{n}", "op": kind, "class" if kind.startswith("class") else "label": about})
    return out


@settings(max_examples=5)
@given(many=st.lists(operations(), min_size=20, max_size=20))
def test_the_page_shows_what_the_journal_will_say(many: list[list[dict]]) -> None:
    shown = run(
        """
        tell(given.map((ops) => {
          const s = {classes: new Map(), labels: new Map(), gone: new Set()};
          for (const op of ops) J.apply(s, op);
          const labels = [...s.labels.values()].filter((x) => s.classes.has(x.class));
          return {classes: [...s.classes.values()].map((c) => [c.id, c.name]), labels: labels.map((x) => [x.id, x.class, x.geometry])};
        }));
        """,
        many,
    )
    for ops, page in zip(many, shown, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder) / "a.jsonl")
            journal.take(ops)
            said = journal.to_json()
        assert page["classes"] == [[c["id"], c["name"]] for c in said["classes"]]
        assert page["labels"] == [[x["id"], x["class"], x["geometry"]] for x in said["labels"]]


SERVER = """
// A server that answers with what it was told, but loses every other request or its answer.
const log = []; const known = new Set(); let calls = 0; let down = false;
const api = {
  on(kind, fn) { (this.ears ||= {})[kind] = fn; },
  async get() { return {revision: log.length, classes: [], labels: log.filter((o) => o.op === "add").map((o) => o.label)}; },
  async post(path, body) {
    calls += 1;
    const lose = {status: 0};
    if (down || calls % 3 === 1) throw lose;
    const others = log.slice(body.base).filter((o) => !body.ops.some((p) => p.id === o.id));
    for (const op of body.ops) if (!known.has(op.id)) { known.add(op.id); log.push(op); }
    if (calls % 3 === 2) throw lose;
    return {revision: log.length, ops: others};
  },
};
const put = (id, i) => ({op: "add", label: {id, class: "c", geometry: {type: "Point", coordinates: [i, i]}}});
const water = {op: "class-add", class: {id: "c", name: "Water"}};
const added = () => log.filter((o) => o.op === "add").map((o) => o.label.id);
const state = {};
const store = {state, set: (patch) => Object.assign(state, patch)};
const said = [];
const panel = {say: (what) => said.push(String(what))};
globalThis.setTimeout = ((real) => (fn, ms) => real(fn, Math.min(ms, 5)))(globalThis.setTimeout);
const rest = (ms) => new Promise((r) => { const t = Date.now(); const go = () => Date.now() - t > ms ? r() : setImmediate(go); go(); });
"""


def test_lost_requests_and_lost_answers_double_and_lose_nothing() -> None:
    got = run(
        SERVER
        + """
        const j = J.makeJournal({api, store, panel, tab: "t"});
        await j.open({id: "s1", key: "k"});
        j.push([water]);
        for (let i = 0; i < 20; i += 1) { j.push([put("l" + i, i)]); await rest(3); }
        for (let i = 0; i < 200 && j.waiting; i += 1) await rest(5);
        tell({waiting: j.waiting, log: added(), kept: Object.keys(kept).length});
        """
    )
    assert got["waiting"] == 0
    assert got["log"] == [f"l{i}" for i in range(20)]
    assert got["kept"] == 0


def test_what_waits_outlives_the_page() -> None:
    got = run(
        SERVER
        + """
        down = true;
        const first = J.makeJournal({api, store, panel, tab: "t"});
        await first.open({id: "s1", key: "k"});
        first.push([water, put("l", 1)]);
        await rest(10);
        const waiting = state.labels.map((x) => Boolean(x.waiting));
        down = false; calls = 2;
        const second = J.makeJournal({api, store, panel, tab: "u"});
        await second.open({id: "s9", key: "k"});
        for (let i = 0; i < 100 && second.waiting; i += 1) await rest(5);
        tell({waiting, log: log.map((o) => o.op), left: second.waiting});
        """
    )
    assert got["waiting"] == [True]
    assert got["log"] == ["class-add", "add"]
    assert got["left"] == 0


def test_the_page_and_the_server_suggest_the_same_colours() -> None:
    names = [
        "Lake",
        "pine forest",
        "Soy",
        "Meadow",
        "town",
        "Sand",
        "marsh",
        "Other",
        "Moon",
        "rest",
        "Cropland",
        "ice",
        "Sea",
    ]
    assert run("tell(given.map((name) => J.colourOf(name, [])));", names) == [geojson.colour_of(n, []) for n in names]
    assert run("tell(J.colourOf('river', ['#4676C6']));") == geojson.colour_of("river", ["#4676C6"])
