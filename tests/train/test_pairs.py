"""Networks of change from labels: one date first, 40 new tensors, the same bytes again, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.cube import contract  # noqa: E402
from swath.datasets.cities import cities, cubes_of  # noqa: E402
from swath.errors import BandError, GridError, LabelError, OutputError, SwathError, UnitError  # noqa: E402
from swath.models import load  # noqa: E402
from swath.models.schanger import SChanger, fusion_keys  # noqa: E402
from swath.models.weights import sha256  # noqa: E402
from swath.predict.pairs import pair_windows  # noqa: E402
from swath.sample.labels import read  # noqa: E402
from swath.sample.window import read as window  # noqa: E402
from swath.train.course import Averaged, Course  # noqa: E402
from swath.train.crops import Crops, pieces_of  # noqa: E402
from swath.train.pairs import binary, fit_pairs, fit_single  # noqa: E402

QUICK = Course(steps=8, batch=2, rate=3e-3)


@pytest.fixture(scope="module")
def city():
    found = cities(1, seed=7, size=96)
    return (*cubes_of(found, 0), found.after[0].astype(np.int8), found.batch.target[0].astype(np.int8))


@pytest.fixture(scope="module")
def single(city, tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "roofs.safetensors"
    return fit_single(
        city[1], city[2], out=path, positive="roof", size="pico", window=32, course=QUICK, seed=3, simulated=True
    )


@pytest.fixture(scope="module")
def pairs(city, single, tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "change.safetensors"
    return fit_pairs(city[0], city[1], city[3], out=path, start=single.path, course=QUICK, seed=3, simulated=True)


def test_a_single_date_file_segments_and_compares_two_dates(city, single):
    model = load(str(single.path))
    assert (model.dates, model.classes, model.window, model.widths[0]) == (1, ("roof",), 32, 4)
    assert model.facts.simulated
    assert single.windows == (8, 1)
    assert single.sha256 == sha256(single.path)
    pixels = window({"a": city[0], "b": city[1]}, slice(0, 40), slice(0, 50)).pixels
    assert model.segment(pixels["a"]).shape == (1, 1, 40, 50)
    found = model.change(pixels["a"], pixels["b"])
    np.testing.assert_allclose(found, np.abs(model.segment(pixels["b"]) - model.segment(pixels["a"])), atol=1e-6)
    assert (model.change(pixels["a"], pixels["a"]) == 0).all()


def test_a_pair_file_says_what_it_began_from_and_maps_a_pair(city, single, pairs, tmp_path):
    assert list(pairs.new) == fusion_keys()
    model = load(str(pairs.path))
    assert (model.dates, model.classes, model.window) == (2, ("changed",), 32)
    assert model.facts.bands == ("red", "green", "blue")
    assert model.facts.quantity == ("digital_number",)
    assert f"sha256 {single.sha256}" in model.facts.trained_on
    assert model.statistics == single.model.statistics  # one sensor, one scaling
    assert model.statistics["before"] == model.statistics["after"]
    assert len(pairs.history) == 1
    assert (single.model.config["dropout"], model.config["dropout"]) == (0.0, 0.0)
    ran = pair_windows(model, city[0], city[1], tmp_path, fingerprint=pairs.sha256)
    assert ran.shape == (96, 96)
    assert not ran.failed


def test_the_same_seed_gives_the_same_bytes_and_another_others(city, single, pairs, tmp_path):
    options = {"start": single.path, "course": QUICK, "simulated": True}
    again = fit_pairs(city[0], city[1], city[3], out=tmp_path / "change.safetensors", seed=3, **options)
    assert again.sha256 == pairs.sha256
    other = fit_pairs(city[0], city[1], city[3], out=tmp_path / "other.safetensors", seed=4, **options)
    assert other.sha256 != pairs.sha256


def test_an_interrupted_training_goes_on_to_the_same_numbers(city, tmp_path):
    course = replace(QUICK, steps=24)
    options = {"size": "pico", "window": 32, "course": course}

    def stop(done, total, what):
        if done == 2:
            raise KeyboardInterrupt

    whole = fit_single(city[1], city[2], out=tmp_path / "a.safetensors", **options)
    with pytest.raises(KeyboardInterrupt):
        fit_single(city[1], city[2], out=tmp_path / "b.safetensors", folder=tmp_path / "f", progress=stop, **options)
    assert not (tmp_path / "b.safetensors").exists()
    rest = fit_single(city[1], city[2], out=tmp_path / "b.safetensors", folder=tmp_path / "f", **options)
    assert rest.sha256 == whole.sha256


def test_labels_of_any_form_become_yes_no_and_unknown(city):
    cube = city[0]
    array = np.full((96, 96), -1)
    array[:4], array[4] = 0, 2
    found, name = binary(array, cube)
    assert name is None
    assert [(found == k).sum() for k in (-1, 0, 1)] == [91 * 96, 4 * 96, 96]
    mask = np.zeros((96, 96), np.uint8)
    mask[2:5, 2:5] = 1
    assert binary(mask.astype(bool), cube)[0].sum() == 9
    rows, columns = np.array([1, 2, 3, 4]), np.array([1, 2, 3, 4])
    two = read((rows, columns, np.array(["new roof", "unchanged"] * 2)), None, shape=(96, 96), least=1)
    found, name = binary(two, cube)
    assert name == "new roof"
    assert [(found == k).sum() for k in (-1, 0, 1)] == [96 * 96 - 4, 2, 2]
    one = read((rows, columns, np.array(["roof"] * 4)), None, shape=(96, 96), alone=True)
    assert [(binary(one, cube)[0] == k).sum() for k in (-1, 0, 1)] == [0, 96 * 96 - 4, 4]
    three = read((rows, columns, np.array(["a", "b", "c", "a"])), None, shape=(96, 96), least=1)
    with pytest.raises(LabelError, match="one class says what counts; got no choice of a, b, c"):
        binary(three, cube)
    assert binary(three, cube, "b")[0].max() == 1
    with pytest.raises(LabelError, match="learns classes"):
        binary(read((rows, columns, np.array([0.1, 0.2, 0.5, 0.7])), None, shape=(96, 96), kind="number"), cube)


def test_what_cannot_teach_is_refused_in_one_line(city, single, pairs, tmp_path):
    a, b, roofs, target = city
    out = {"out": tmp_path / "x.safetensors", "course": QUICK, "size": "pico", "window": 32}
    with pytest.raises(LabelError, match="both what counts and what does not"):
        fit_pairs(a, b, np.zeros((96, 96), np.int8), **out)
    with pytest.raises(LabelError, match="labels lie where the pictures have pixels"):
        fit_pairs(a, b, np.full((96, 96), -1, np.int8), **out)
    with pytest.raises(GridError, match="one grid"):
        fit_pairs(a, b.isel(x=slice(0, 90)), target, **out)
    with pytest.raises(SwathError, match="begins from a single-date SChanger; got change"):
        fit_pairs(a, b, target, start=pairs.path, **out)
    with pytest.raises(OutputError, match="safetensors"):
        fit_single(b, roofs, **{**out, "out": tmp_path / "x.pt"})
    with pytest.raises(BandError, match="without blue"):
        fit_pairs(a.isel(band=slice(0, 2)), b.isel(band=slice(0, 2)), target, start=single.path, **out)
    bright = [
        contract.make(
            (c.values / 255).astype("float32"), bands=["red", "green", "blue"], geobox=contract.grid(c),
            time=c.time.values, quantity="reflectance",
        )
        for c in (a, b)
    ]  # fmt: skip
    with pytest.raises(UnitError, match="reads red as digital_number"):
        fit_pairs(*bright, target, start=single.path, **out)
    with pytest.raises(LabelError, match="every scene has its labels"):
        fit_pairs([a, a], [b, b], target, **out)
    with pytest.raises(SwathError, match="every picture before has one after"):
        fit_pairs([a, a], b, [target, target], **out)
    assert not list(tmp_path.iterdir())


def test_several_pairs_of_any_bands_teach_together(tmp_path):
    rng = np.random.default_rng(0)
    scenes, targets = [], []
    for size in (40, 20):
        target = np.zeros((size, size), np.int8)
        target[3:9, 3:9] = 1
        before = rng.normal(0.2, 0.02, (4, size, size)).astype(np.float32)
        after = before + 0.2 * target
        scenes.append(
            [contract.make(v, bands=list("abcd"), geobox=None, quantity="reflectance") for v in (before, after)]
        )
        targets.append(target)
    befores, afters = zip(*scenes, strict=True)
    done = fit_pairs(befores, afters, targets, out=tmp_path / "m.safetensors", size="pico", window=32, course=QUICK)
    assert done.model.channels == 4
    assert done.new == ()
    assert done.windows == (4, 1)
    assert not done.model.facts.simulated


def test_crops_follow_their_seed_and_keep_target_and_pixels_together(city):
    a, b, _, target = city
    pieces = pieces_of({"before": a, "after": b}, target, side=32)
    assert all(p.target.shape == (48, 48) for p in pieces)
    plain = {"pieces": pieces, "side": 32, "deviation": np.ones(3), "batch": 4, "steps": 2, "seed": 5}
    first, second = (list(Crops(**plain).epoch(3)) for _ in range(2))
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(x.target, y.target)
        np.testing.assert_array_equal(x.pixels["before"].values, y.pixels["before"].values)
    assert (first[0].target[::2] > 0).any((1, 2)).all()  # every other crop holds change
    # a target that is the picture itself stays it, however crops are turned
    own = [replace(p, values={d: v * 0 + p.target for d, v in p.values.items()}) for p in pieces]
    for batch in Crops(**{**plain, "pieces": own}, vary=False).epoch(0):
        np.testing.assert_array_equal(batch.pixels["after"].values[:, 0, 1], batch.target)


def test_the_average_follows_weights_and_batch_statistics():
    model, batch = SChanger.example()
    average = Averaged(model, lambda m, b: None, most=0.5)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(value + 2)
    average.follow(model)
    before, after = average.kept.state_dict(), model.state_dict()
    share = 1 - 2 / 11
    torch.testing.assert_close(before["conv_1.bn.running_mean"], after["conv_1.bn.running_mean"] - 2 + 2 * share)
    assert batch.target is not None


def test_kernels_alone_decay_where_it_is_asked():
    from swath.objective.loss import Loss
    from swath.train.fit import Rules, fit

    def nothing(model, batch):
        return Loss({"zero": sum(p.sum() for p in model.parameters()) * 0.0})

    class Once:
        def epoch(self, number):
            yield SChanger.example()[1]

    for only, kept in ((True, True), (False, False)):
        model = torch.nn.Conv2d(3, 2, 3)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        fit(model, Once(), nothing, Rules(epochs=1, warmup=1, decay=0.5, kernels_only=only))
        assert not torch.equal(model.weight, before["weight"])
        assert torch.equal(model.bias, before["bias"]) == kept
