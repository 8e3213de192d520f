from __future__ import annotations

import numpy as np
import pytest

from swath.datasets import presto_eval
from swath.errors import FormatError


@pytest.mark.parametrize(
    ("name", "count", "steps", "test", "places"),
    [("algae_blooms", 1122, 12, 345, 95), ("fuel_moisture", 2313, 3, 735, None)],
)
def test_rows_are_points_in_physical_values_with_their_places(shared, name, count, steps, test, places):
    rows = presto_eval.rows(shared / "presto_eval", name)
    batch = rows.batch
    assert len(batch) == count
    assert rows.test.sum() == test
    assert len(set(batch.key)) == count
    shapes = {s: p.values.shape for s, p in batch.pixels.items()}
    assert shapes["sentinel-2-l1c"] == (count, steps, 11, 1, 1)
    assert shapes["sentinel-1"] == (count, steps, 2, 1, 1)
    optical, weather = (batch.pixels[s] for s in ("sentinel-2-l1c", "era5-land-months"))
    assert [b.name for b in optical.bands][-4:] == ["B8A", "B09", "B11", "B12"]
    assert 0 < np.median(optical.values) < 0.5
    assert 250 < np.median(weather.values[:, :, 0]) < 320
    assert {b.units for b in weather.bands} == {"K", "m d-1"}
    month = np.floor(optical.day).astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
    np.testing.assert_array_equal(month, rows.month)
    assert (np.diff(optical.day, axis=1) > 0).all()
    np.testing.assert_allclose(optical.lonlat[:, ::-1], rows.latlon)
    if places is not None:
        assert len(set(batch.place)) == places
    else:  # a site is in one part only
        place = np.array(batch.place)
        assert not set(place[rows.test]) & set(place[~rows.test])


def test_other_names_and_folders_are_refused(tmp_path):
    with pytest.raises(FormatError, match="algae_blooms, fuel_moisture"):
        presto_eval.load(tmp_path, "corn")
    with pytest.raises(FormatError, match="presto_eval"):
        presto_eval.load(tmp_path)
