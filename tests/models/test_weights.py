from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import swath.models as models  # noqa: E402
from swath.errors import BandError, FormatError, SwathError  # noqa: E402
from swath.models import weights  # noqa: E402


def small(**options):
    return models.build(
        "tiny", **{"dim": 16, "depth": 1, "heads": 2, "statistics": {"backscatter": {"VV": [-10.0, 3.0]}}, **options}
    )


def save(model, path, **facts):
    base = {"model": "tiny", "config": model.config, "statistics": model.statistics, "simulated": True}
    weights.write(path, model.state_dict(), weights.Facts(**{**base, **facts}))


def test_weights_and_facts_come_back_as_they_were(tmp_path):
    model = small()
    save(model, tmp_path / "w.safetensors", gsd=(10.0, 30.0), bands=("VV",))
    again = models.load(str(tmp_path / "w.safetensors"))
    for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert again.statistics == model.statistics
    assert again.facts.simulated
    assert again.facts.gsd == (10.0, 30.0)
    assert not again.training
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_missing_extra_and_reshaped_keys_are_listed(tmp_path):
    model = small()
    tensors = dict(model.state_dict())
    tensors.pop("summary")
    tensors["stranger"] = torch.zeros(1)
    tensors["day.bias"] = torch.zeros(3)
    with pytest.raises(FormatError, match=r"missing summary; extra stranger; reshaped day\.bias \(3,\) for \(16,\)"):
        weights.load_strict(model, tensors, name="tiny")


def test_files_without_facts_damaged_or_pickled_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "bare.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "bare.safetensors").read_bytes()[:20])
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.safetensors")
    for name in ("bare", "cut", "pickle", "absent"):
        with pytest.raises(FormatError):
            models.load(str(tmp_path / f"{name}.safetensors"))


def test_unknown_models_are_refused_by_name():
    with pytest.raises(SwathError, match="tiny"):
        models.build("huge")
    with pytest.raises(SwathError, match="comes with swath"):
        models.load("huge")


def test_needed_bands_are_asked_for_by_name():
    from swath.batch import Batch, Needs, Pixels
    from swath.datasets import toy

    batch = Batch({"s2": Pixels(None, None, toy.SENTINEL_2[:2], 10, None, None)})
    weights.check(batch, Needs(bands=("B02",)), name="x")
    with pytest.raises(BandError, match="B08"):
        weights.check(batch, Needs(bands=("B02", "B08")), name="x")


def test_without_the_extra_the_package_to_install_is_named(monkeypatch):
    import swath.errors
    from swath.errors import ExtraError

    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(swath.errors.importlib, "import_module", absent)
    with pytest.raises(ExtraError, match=r"swath\[nn\]"):
        models.load("tiny")


def test_listing_models_loads_no_network_library():
    import subprocess
    import sys

    code = "import sys, swath.models as m, swath.testing; assert m.MODELS; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_that_came_with_swath_are_the_same_bytes_and_say_what_they_were_trained_on():
    from pathlib import Path

    for name, (file, digest) in models.WEIGHTS.items():
        path = Path(models.__file__).parent / "weights_files" / file
        assert path.stat().st_size < 1_000_000
        assert weights.sha256(path) == digest
        facts = models.load(name).facts
        assert "made grounds" in facts.trained_on
        assert "real scenes" in facts.trained_on
        assert not facts.simulated  # not made worlds alone


def test_a_file_with_several_words_in_its_header_has_the_same_bytes_every_time(tmp_path):
    import torch

    from swath.models.weights import Facts, read, write

    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2)}
    words = {f"word {i}": "é" * i for i in range(12)}
    facts = Facts(model="made", config={"size": 1})
    for number in range(5):
        write(tmp_path / f"{number}.safetensors", tensors, facts, more=words)
    assert len({(tmp_path / f"{number}.safetensors").read_bytes() for number in range(5)}) == 1
    found, again = read(tmp_path / "0.safetensors")
    assert again.model == "made"
    assert all(torch.equal(found[k], v) for k, v in tensors.items())
