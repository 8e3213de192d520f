"""Reference samples through the routes: a simulated interpreter walks, and the areas that come out hold their level."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.transform import from_origin

pytest.importorskip("starlette")

from odc.geo.geobox import GeoBox
from starlette.applications import Starlette
from starlette.testclient import TestClient

from swath.doors.web import reference_card, samples
from swath.doors.web.answers import refused
from swath.doors.web.session import start
from swath.doors.web.view import view_of
from swath.errors import SwathError

NAMES = {1: "water", 2: "field", 3: "forest", 4: "town"}
CLASSES = [
    {"name": n, "colour": c} for n, c in zip(NAMES.values(), ("#4676c6", "#f5e05d", "#00520e", "#b14761"), strict=True)
]
WHERE = from_origin(500_000, 5_000_000, 10, 10)


def world(side: int = 220, wrong: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """A truth in patches, and a map of it that takes field for town far more often than the other way round."""
    y, x = np.mgrid[:side, :side]
    field = np.sin(x / 23) + np.cos(y / 19) + np.sin((x + y) / 41)
    truth = np.digitize(field, [-1.7, 0.3, 1.9]) + 1
    rng = np.random.default_rng(7)
    mapped = np.where(rng.random(truth.shape) < wrong, rng.choice([2, 3, 4, 4], truth.shape), truth)
    return truth, mapped


class Stand:
    """A workspace with one finished map, the routes over it, and a person who knows the truth."""

    def __init__(self, folder: Path, truth: np.ndarray, mapped: np.ndarray, *, crs: str | None = "EPSG:32633") -> None:
        self.truth, self.folder = truth, folder
        self.session = start([], folder)
        (folder / "maps" / "1").mkdir(parents=True, exist_ok=True)
        path = folder / "maps" / "1" / "classes.tif"
        where = WHERE if crs else Affine.identity()
        form = {"driver": "GTiff", "height": mapped.shape[0], "width": mapped.shape[1], "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", crs=crs, transform=where, **form) as file:
            file.write(mapped.astype(np.uint8), 1)
            file.update_tags(**{f"class_{c}": n for c, n in NAMES.items()})
        view = view_of(GeoBox(mapped.shape, where, crs) if crs else None, mapped.shape)
        self.subject = samples.Subject(1, path, "scene", view, CLASSES)
        app = Starlette(
            routes=samples.routes(self.session),
            exception_handlers={SwathError: lambda request, error: refused(error, self.session.roots)},  # type: ignore[dict-item]
        )
        self.client = TestClient(app)

    def get(self, path: str) -> dict[str, Any]:
        return self.client.get(path).json()

    def post(self, path: str, **body: Any) -> Any:
        return self.client.post(path, json=body)

    def job(self, path: str, **body: Any) -> dict[str, Any]:
        """Post, wait for the job, give its record."""
        said = self.post(path, **body)
        assert said.status_code == 202, said.text
        job = self.session.jobs.get(said.json()["job"]["id"])
        assert job is not None
        assert job.over.wait(60)
        return self.session.job_record(job)

    def drawn(self, **body: Any) -> str:
        record = self.job("/api/samples", map=1, **body)
        assert record["state"] == "done", record["error"]
        return str(record["result"]["sample"])

    def walked(self, name: str, *, steps: int | None = None, cannot: float = 0.0, seed: int = 0) -> dict[str, Any]:
        """Answer with the truth; a share cannot be told."""
        rng = np.random.default_rng(seed)
        record = self.get(f"/api/samples/{name}")
        while record["point"] and (steps is None or record["answered"] < steps):
            point = record["point"]
            code = int(self.truth[int(point["row"]), int(point["col"])])
            blind = rng.random() < cannot
            said = {"answer": None, "why": "cloud"} if blind else {"answer": NAMES[code]}
            record = self.post(f"/api/samples/{name}/answers", op=f"o{point['id']}", point=point["id"], **said).json()
        return record


@pytest.fixture
def stand(tmp_path, monkeypatch) -> Stand:
    made = Stand(tmp_path / "space", *world())
    monkeypatch.setattr(samples, "subject", lambda session, n: made.subject)
    return made


def covered(stand: Stand, name: str) -> list[bool]:
    """Whether the interval of each class's area holds the truth; accuracy last."""
    record = json.loads((stand.folder / "samples" / name / "assess" / "assessment.json").read_text())
    out = []
    for code, title in NAMES.items():
        area = next(c for c in record["classes"] if c["name"] == title)["area"]
        out.append(area["low"] <= (stand.truth == code).sum() * 0.01 <= area["high"])
    return out


def test_a_walk_from_the_draw_to_the_card(stand):
    name = stand.drawn(size=120, seed=4)
    assert name == "r1"
    first = stand.get(f"/api/samples/{name}")
    assert (first["size"], first["steps"], first["answered"], first["seed"]) == (120, 132, 0, 4)
    assert first["classes"] == CLASSES
    last = stand.walked(name)
    assert last["finished"]
    assert last["agreement"] == {"same": 12, "asked": 12}
    assert last["needs"] == {}
    before = reference_card.card(stand.folder, 1, CLASSES)
    assert before is None
    record = stand.job(f"/api/samples/{name}/assess")
    assert record["result"] == {"map": 1, "sample": "r1"}
    card = reference_card.card(stand.folder, 1, CLASSES)
    assert card is not None
    assert card["form"] == "reference"
    assert card["big"]["low"] < card["big"]["value"] < card["big"]["high"]
    assert [r["class"] for r in card["area"]["rows"]] == list(NAMES.values())
    assert card["area"]["unit"] == "ha"
    assert card["area"]["all"] == pytest.approx(stand.truth.size * 0.01)
    assert sum(r["estimate"] for r in card["area"]["rows"]) == pytest.approx(card["area"]["all"])
    assert sum(map(sum, card["matrix"]["counts"])) == 120
    assert card["finding"]["class"] == "town"
    assert "too large" in card["finding"]["text"]
    assert "120 reference points, drawn at random in each mapped class." in card["sentence"]
    assert card["agreement"] == {"same": 12, "asked": 12}
    assert card["missing"] is None


def test_a_walk_goes_on_after_a_restart(stand, monkeypatch):
    name = stand.drawn(size=60, seed=1)
    stand.walked(name, steps=17)
    other = Stand(stand.folder, *world())
    monkeypatch.setattr(samples, "subject", lambda session, n: other.subject)
    assert samples.summary(other.session)[0]["answered"] == 17
    assert other.get(f"/api/samples/{name}")["point"]["id"] == 18
    assert other.walked(name)["finished"]
    assert other.drawn(size=20) == "r2"


def test_a_part_of_the_walk_is_judged_and_too_little_is_refused_by_name(stand):
    name = stand.drawn(size=120, seed=2)
    stand.walked(name, steps=3)
    asked = stand.get(f"/api/samples/{name}?stop=1")
    assert set(asked["needs"]) <= set(NAMES.values())
    refused_ = stand.job(f"/api/samples/{name}/assess")
    assert refused_["state"] == "failed"
    assert refused_["error"]["rule"] == "areas need at least 2 answers in every mapped class"
    assert "has 0" in refused_["error"]["got"] or "has 1" in refused_["error"]["got"]
    stand.walked(name, steps=70, cannot=0.15)
    assert stand.job(f"/api/samples/{name}/assess")["state"] == "done"
    card = reference_card.card(stand.folder, 1, CLASSES)
    assert card is not None
    assert "of 120 reference points" in card["sentence"]
    assert card["missing"]["reasons"]["cloud"] == card["missing"]["points"] > 0
    assert 0 < card["missing"]["share"] < 0.5
    assert "could not be told" in card["sentence"]
    assert any("in the random order they were drawn" in n for n in card["notes"])


def test_answers_that_are_none_and_samples_that_are_not_there_are_refused(stand):
    name = stand.drawn(size=30, seed=2)
    url = f"/api/samples/{name}/answers"
    assert stand.post(url, op="a", point=1, answer="lawn").status_code == 400
    assert stand.post(url, op="a", point=1, answer=None, why="bored").status_code == 400
    assert stand.post(url, op="a", point=2, answer="water").status_code == 409
    assert stand.post(url, point=1, answer="water").status_code == 400
    assert stand.post(url, op="a", point=1, answer="water").json()["answered"] == 1
    clash = stand.post(url, op="b", point=1, answer="water")
    assert (clash.status_code, clash.json()["sample"]["answered"]) == (409, 1)
    assert stand.post(url, op="c", point=1, undo=True).json()["answered"] == 0
    for wrong in ("r9", "..", "r01", "r1x", "x" * 400):
        assert stand.client.get(f"/api/samples/{wrong}").status_code == 404
    assert stand.post("/api/samples", map=1, size=1).status_code == 400
    few = stand.job("/api/samples", map=1, size=5)
    assert few["state"] == "failed"


def test_a_map_without_coordinates_is_walked_in_pixels(tmp_path, monkeypatch):
    stand = Stand(tmp_path / "space", *world(side=90), crs=None)
    monkeypatch.setattr(samples, "subject", lambda session, n: stand.subject)
    name = stand.drawn(size=40, seed=3)
    assert stand.walked(name)["finished"]
    assert stand.job(f"/api/samples/{name}/assess")["state"] == "done"
    card = reference_card.card(stand.folder, 1, CLASSES)
    assert card is not None
    assert card["area"]["unit"] == "pixel"
    assert card["area"]["all"] == pytest.approx(90 * 90)


def test_the_same_seed_draws_the_same_places_and_none_is_chosen_by_the_time(stand):
    one, two, three = stand.drawn(size=30, seed=8), stand.drawn(size=30, seed=8), stand.drawn(size=30)
    designs = [json.loads((stand.folder / "samples" / n / "design.json").read_text()) for n in (one, two, three)]
    assert designs[0]["places"] == designs[1]["places"]
    assert designs[2]["seed"] != 8
    assert str(stand.folder) not in json.dumps(designs)


def test_a_second_sample_of_a_map_says_that_there_was_a_first(stand):
    for seed in (1, 2):
        name = stand.drawn(size=40, seed=seed)
        stand.walked(name)
        assert stand.job(f"/api/samples/{name}/assess")["state"] == "done"
        card = reference_card.card(stand.folder, 1, CLASSES)
        assert card is not None
        assert (card["sample"], card["samples"]) == (name, seed)
    assert any("2 reference samples of this map were judged" in note for note in card["notes"])


def coverage(stand: Stand, seeds: range, size: int, part: float) -> float:
    held = []
    for seed in seeds:
        name = stand.drawn(size=size, seed=seed)
        stand.walked(name, steps=round(part * 1.1 * size), cannot=0.04, seed=seed)
        assert stand.job(f"/api/samples/{name}/assess")["state"] == "done"
        held += covered(stand, name)
    return float(np.mean(held))


def test_intervals_of_a_walk_hold_the_truth(stand):
    began = time.monotonic()
    assert coverage(stand, range(5), 100, 1.0) >= 0.8
    assert time.monotonic() - began < 60


@pytest.mark.slow
@pytest.mark.parametrize("part", [1.0, 0.5])
def test_intervals_of_many_walks_hold_the_truth_as_often_as_they_say(stand, part):
    share = coverage(stand, range(100, 220), 160, part)
    assert 0.92 <= share <= 0.99, share
