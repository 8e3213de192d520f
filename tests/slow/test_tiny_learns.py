"""swath-tiny, trained here from scratch on made worlds, against plain answers on worlds of other seeds. All simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.baseline import series as plain  # noqa: E402
from swath.estimate import paired  # noqa: E402
from swath.models import build, load  # noqa: E402
from swath.objective.mask import Masked  # noqa: E402
from swath.train.tiny import pretrain, series  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SENSOR = "sentinel-2a-l2a"
OTHER = range(5000, 5008)


@pytest.fixture(scope="module", params=["trained here", "as it comes with swath"])
def model(request):
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the same numbers on any machine; more threads are no faster for so small a net
    yield load("tiny") if request.param == "as it comes with swath" else pretrain(worlds=16, pixels=200, epochs=8)
    torch.set_num_threads(before)


def errors_at_hidden_values(model, seed):
    """Root mean square error in reflectance at hidden clear values of one world, by way of answering."""
    batch = series([seed], 200)
    p = batch.pixels[SENSOR]
    hidden = Masked(0.35, "token").hidden(batch, torch.Generator().manual_seed(seed))[SENSOR].numpy()
    shown = replace(batch, pixels={**batch.pixels, SENSOR: replace(p, valid=p.valid & ~hidden)})
    with torch.no_grad():
        said = model.physical(model(shown)[SENSOR], p.bands).numpy()
    truth, known, asked, said = (
        np.moveaxis(a[..., 0, 0], 1, -1) for a in (p.values, p.valid & ~hidden, p.valid & hidden, said)
    )
    asked = asked & known.any(-1, keepdims=True)
    facts = model.statistics["reflectance"]
    mean = np.interp([b.wavelength for b in p.bands], facts["wavelength"], facts["mean"])
    answers = {
        "the model": said,
        "band mean": np.broadcast_to(mean[:, None], truth.shape),
        "mean of the pixel's series": plain.band_mean(truth, known),
        "previous clear date": plain.previous(truth, known),
        "linear in time": plain.linear(truth, known, p.day[:, None]),
    }
    return {name: float(np.sqrt(np.square(a - truth)[asked].mean())) for name, a in answers.items()}


def test_its_error_at_hidden_values_is_below_every_plain_answer(model):
    rows = [errors_at_hidden_values(model, seed) for seed in OTHER]
    ours = [row["the model"] for row in rows]
    for name in rows[0]:
        if name != "the model":
            gain = paired(ours, [row[name] for row in rows], simulated=True)
            print(f"{name}: {gain}")
            assert gain.high < 0, f"{name}: {gain}"


def test_a_linear_probe_on_it_beats_its_own_random_weights(model):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    torch.manual_seed(1)
    chance = build("tiny", **model.config, statistics=model.statistics).eval()

    def shares(encoder):
        def vectors(seeds):
            batch = series(seeds, 100)
            return encoder.encode(batch)[0].pooled(), batch.target

        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
        probe.fit(*vectors(range(6000, 6004)))
        return [probe.score(*vectors([seed])) for seed in OTHER]

    gain = paired(shares(model), shares(chance), simulated=True)
    print(gain)
    assert gain.low > 0, gain
