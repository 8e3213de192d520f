"""Networks and encoders by name: `build` makes one, `load` one with its weights. Nothing is imported until used.

Names are `family` or `family:size` (prithvi:v1-100m); `random:NAME` is the same network with random weights.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, SwathError, need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

    from swath.models.weights import Facts

__all__ = ["CLASSICAL", "MODELS", "PUBLISHED", "WEIGHTS", "build", "find", "load", "outside"]

# Families: a class that takes its config as keywords (`size=` where there are several) and has `read(path, **config)`
# when files of its publishers can be loaded.
MODELS: dict[str, str] = {
    "deco": "swath.models.deco:Deco",
    "earthpt": "swath.models.earthpt:EarthPT",
    "nereus": "swath.models.nereus:Nereus",
    "prithvi": "swath.models.prithvi:Prithvi",
    "tiny": "swath.models.tiny:Tiny",
    "presto": "swath.models.presto:Presto",
    "galileo": "swath.models.galileo:Galileo",
    "sen2lcz": "swath.models.sen2lcz:Sen2LCZ",
    "schanger": "swath.models.schanger:SChanger",
}
# Families whose published files are many and have no name here: where they are, and what they are called.
ELSEWHERE: dict[str, str] = {
    "schanger": "huggingface.co/Zy-Zhou/schanger: schanger_SIZE_DATA.pth with SIZE small or base and DATA levir, levir_plus, "
    "s2looking, cdd, sysu, whu or pretrain",
}
# Encoders without weights and without torch.
CLASSICAL: dict[str, str] = {
    "statistics": "swath.baseline.encoders:Statistics",
    "random-convolutions": "swath.baseline.encoders:RandomConvolutions",
}
# Other names of these.
ALIASES = {"swath-tiny": "tiny"}
# Files in weights_files/ beside this one, and the sha256 that they must have.
WEIGHTS: dict[str, tuple[str, str]] = {
    "tiny": ("tiny.safetensors", "1c17c320e0b3ca3358abf7a4332b66f6b62572b6d2c8aa051a9d80e90e2a8297")
}
# Published files that are found by name in the folders of SWATH_WEIGHTS and recognised by their sha256:
# name -> (file name, sha256, where it is published).
PUBLISHED: dict[str, tuple[str, str, str]] = {
    "presto": (
        "default_model.pt",
        "559c9d76f525bdf2dd3774da8b1e7f1510769b73baacac12e9e4d8d5c67fbe65",
        "github.com/nasaharvest/presto, data/default_model.pt (MIT)",
    ),
    "galileo": (
        "encoder.pt",
        "eab6acacf527886a508a555bc24efe4b4a2cf91b162e84cd1c4a1807e942180c",
        "github.com/nasaharvest/galileo, data/models/nano/encoder.pt (MIT)",
    ),
    "sen2lcz": (
        "sen2lcz_32.hdf5",
        "2ca98e4adb7d67cc0f69e8168826b763eb7df8cb6ca508689fa34c171e2e8b2a",
        "github.com/ChunpingQiu/benchmark-on-So2SatLCZ42-dataset-a-simple-tour, results/_32_weights.best.hdf5 (MIT)",
    ),
}


def build(name: str, *, seed: int | None = None, **config: Any) -> Any:
    """A network of a family with random weights: of `seed`, or of torch's own generator.

    Raises SwathError for an unknown name, ExtraError without torch.
    """
    from importlib import import_module

    family, _, size = name.partition(":")
    if family not in MODELS:
        raise SwathError(rule="a model has a known name", got=name, remedy=f"one of {', '.join(sorted(MODELS))}")
    need("torch", extra="nn", why=f"the model {name}")
    import torch

    module, _, attribute = MODELS[family].partition(":")
    if size:
        config = {"size": size, **config}
    make = getattr(import_module(module), attribute)
    if seed is None:
        return make(**config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(**config)


def outside() -> dict[str, EntryPoint]:
    """Encoders that other packages bring, by name (entry point group `swath.encoders`)."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="swath.encoders")}


def load(name: str, weights: str | Path | None = None, **config: Any) -> Any:
    """An Encoder with its weights and scaling, ready to encode.

    name: `statistics` or another of CLASSICAL; a family, then `weights` is a file (of swath, or as published), a file in
    a hub (`hf:owner/repository/file`), or None for those that come with swath or lie in a folder of SWATH_WEIGHTS;
    `random:NAME`, the same with random weights (`seed`); a path to a weights file of swath; an encoder of another package
    (entry point `swath.encoders`: a function without arguments that gives an Encoder).
    Raises SwathError for an unknown name, FormatError for weights that do not fit, ExtraError without torch.
    """
    from importlib import import_module

    name = ALIASES.get(name, name)
    if name in CLASSICAL:
        module, _, attribute = CLASSICAL[name].partition(":")
        return getattr(import_module(module), attribute)(**config)
    if weights is None and name not in MODELS and (found := outside().get(name)) is not None:
        return found.load()()
    need("torch", extra="nn", why=f"the model {name}")
    need("safetensors", extra="nn", why=f"the model {name}")
    if name.startswith("random:"):
        return _twin(name.removeprefix("random:"), **config)
    from swath.models import weights as files

    family = name.partition(":")[0]
    if weights is None and family not in MODELS and Path(name).suffix == ".safetensors":
        weights = name
    if weights is None:
        weights = _at_hand(name)
    elif str(weights).startswith("hf:"):
        weights = files.from_hub(str(weights))
    if family in MODELS and not files.is_ours(weights):
        return _published(name, weights, config)
    tensors, facts = files.read(weights)
    tensors = {k: v for k, v in tensors.items() if not k.startswith("evidence.")}  # of training, not of the network
    _same_family(family, facts, weights)
    model = build(facts.model, **facts.config, statistics=facts.statistics)
    files.load_strict(model, tensors, name=facts.model)
    model.facts = facts
    return model.eval()


def _twin(name: str, seed: int = 0, **config: Any) -> Any:
    """Random weights, but the scaling of the published ones where it is part of the file."""
    name = ALIASES.get(name, name)
    if name in WEIGHTS:
        from swath.models import weights as files

        _, facts = files.read(_at_hand(name))
        config = {**facts.config, "statistics": facts.statistics, **config}
    return build(name, seed=seed, **config).eval()


def _published(name: str, weights: str | Path, config: dict[str, Any]) -> Any:
    """Weights in their publisher's own form, read by the family that knows it."""
    from importlib import import_module

    family, _, size = name.partition(":")
    module, _, attribute = MODELS[family].partition(":")
    read = getattr(getattr(import_module(module), attribute), "read", None)
    if read is None:
        raise FormatError(
            rule=f"weights of {family} are a safetensors file written by swath",
            got=Path(weights).name,
            remedy="name such a file",
        )
    return read(weights, **({"size": size} if size else {}), **config).eval()


def folders() -> Iterator[Path]:
    """Where published weights are looked for: the folders of SWATH_WEIGHTS, and what lies one level below them."""
    for part in filter(None, os.environ.get("SWATH_WEIGHTS", "").split(os.pathsep)):
        folder = Path(part)
        if folder.is_dir():
            yield folder
            yield from sorted(p for p in folder.iterdir() if p.is_dir())


def find(name: str) -> Path | None:
    """The published file of a model in a folder of SWATH_WEIGHTS, known by its sha256; None where there is none."""
    from swath.models import weights as files

    if name not in PUBLISHED:
        return None
    file, digest, _ = PUBLISHED[name]
    here = (folder / file for folder in folders())
    return next((path for path in here if path.is_file() and files.sha256(path) == digest), None)


def _at_hand(name: str) -> Path:
    from swath.models import weights as files

    if name in WEIGHTS:
        file, digest = WEIGHTS[name]
        path = Path(__file__).parent / "weights_files" / file
        if files.sha256(path) != digest:
            raise FormatError(
                rule=f"the weights of {name} are those that came with swath",
                got=f"another {file}",
                remedy="install anew",
            )
        return path
    if (found := find(name)) is not None:
        return found
    if name in PUBLISHED:
        file, digest, where = PUBLISHED[name]
        raise SwathError(
            rule=f"{name} needs its published weights",
            got=f"no {file} of sha256 {digest[:12]} in a folder of SWATH_WEIGHTS",
            remedy=f"download it from {where} and name it with --weights, or try random:{name}",
        )
    family = name.partition(":")[0]
    if family in ELSEWHERE:
        raise SwathError(
            rule=f"{family} needs a weights file, one of its own or a published one",
            got="none",
            remedy=f"name it; published: {ELSEWHERE[family]}; or train one, or try random:{family}",
        )
    known = [*CLASSICAL, *WEIGHTS, *PUBLISHED, *outside()]
    raise SwathError(
        rule="a model without a weights file comes with swath or a package beside it",
        got=name,
        remedy=f"one of {', '.join(known)}, or name a weights file",
    )


def _same_family(name: str, facts: Facts, weights: str | Path) -> None:
    if name in MODELS and name != facts.model.partition(":")[0]:
        raise SwathError(
            rule=f"weights for {name} are of that family",
            got=f"{Path(weights).name} is of {facts.model}",
            remedy="rename",
        )
