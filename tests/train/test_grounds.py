from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from swath.train.grounds import Sheets, chips, made, sensors, statistics
from swath.train.scenes import real


def test_every_sensor_with_something_to_see_makes_a_ground():
    keys = sensors()
    assert {"sentinel-2a-l2a", "sentinel-1-grd", "naip", "enmap-l2a", "modis-mod13"} <= set(keys)
    for number, key in enumerate(keys[:: max(1, len(keys) // 9)]):
        ground = made(number, key, dates=3, size=32)
        for seen in ground.seen.values():
            assert np.isfinite(seen.values.astype(np.float32)).all()
            assert seen.values.shape == (len(seen.day), len(seen.bands), 32, 32)


def test_the_same_seed_and_epoch_give_the_same_batches():
    grounds = [made(3, "sentinel-2a-l2a", dates=4, size=32), made(4, "landsat-8-c2-l2", dates=4, size=32)]
    source = Sheets(grounds, 4, real=0.0, points=0.3)
    once, again, other = list(source.epoch(0)), list(source.epoch(0)), list(source.epoch(1))
    for a, b in zip(once, again, strict=True):
        assert list(a.pixels) == list(b.pixels)
        for name in a.pixels:
            np.testing.assert_array_equal(a.pixels[name].values, b.pixels[name].values)
    first = next(iter(once[0].pixels.values())).values
    assert any(next(iter(b.pixels.values())).values.shape != first.shape for b in other) or not np.array_equal(
        next(iter(other[0].pixels.values())).values, first
    )


def test_chips_keep_bands_with_their_values():
    ground = made(5, "sentinel-2a-l2a", dates=4, size=40)
    (name, seen), *_ = ground.seen.items()
    for seed in range(8):
        p = chips(ground, np.random.default_rng(seed), 16, 3_000).pixels.get(name)
        if p is None:
            continue
        assert p.values.shape[2] == len(p.bands)
        assert p.values.shape[:2] == p.day.shape
        assert {b.name for b in p.bands} <= {b.name for b in seen.bands}


def test_statistics_cover_reflectance_and_radar():
    facts = statistics([made(6, "sentinel-2a-l2a", dates=2, size=32), made(7, "sentinel-1-grd", dates=2, size=32)])
    assert facts["reflectance"]["wavelength"] == sorted(facts["reflectance"]["wavelength"])
    assert facts["backscatter"]["VV"][0] > facts["backscatter"]["VH"][0]
    assert min(facts["reflectance"]["deviation"]) > 0


def test_real_grounds_are_physical(shared):
    grounds = real(shared)
    assert not any(g.simulated for g in grounds)
    assert len(grounds) > 20
    for ground in grounds:
        for seen in ground.seen.values():
            assert seen.valid.mean() > 0.2
            if "reflectance" in seen.bands[0].quantity:
                values = seen.values.astype(np.float32).transpose(1, 0, 2, 3)[:, seen.valid]
                assert -0.2 < values.min() < values.max() < 2.5
