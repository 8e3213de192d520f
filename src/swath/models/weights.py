"""Weights that travel with their facts, in safetensors; loaded strictly, never by pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import BandError, FormatError, UnitError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from swath.batch import Batch, Needs

__all__ = ["Facts", "check", "from_hub", "is_ours", "load_strict", "read", "sha256", "state", "write"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What must be known of weights to use them.

    model: name in `models.MODELS`; config: what it is built with; statistics: how it scales physical values; trained_on:
    in words; simulated: made worlds only; licence: SPDX; source: where they come from.
    """

    model: str
    config: dict[str, Any]
    statistics: dict[str, Any] = field(default_factory=dict)
    quantity: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    gsd: tuple[float, float] | None = None
    trained_on: str = ""
    simulated: bool = False
    licence: str = "Apache-2.0"
    source: str = ""
    version: int = 1


def write(
    path: str | Path, tensors: Mapping[str, Tensor], facts: Facts, *, more: Mapping[str, str] | None = None
) -> None:
    """Write tensors and facts as one safetensors file, aside first, then renamed. more: further texts of its header."""
    from safetensors.torch import save_file

    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, aside, metadata={"swath": json.dumps(asdict(facts), sort_keys=True), **(more or {})})
    _in_order(aside)
    with open(aside, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(aside, path)


def _in_order(path: Path) -> None:
    """Sort the words in a safetensors header: the library writes several of them in an order that changes from run to run."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def read(path: str | Path) -> tuple[dict[str, Tensor], Facts]:
    """Tensors and facts of a file written by `write`. Raises FormatError when it is none, or has no facts."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("swath")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise FormatError(
            rule="weights are a safetensors file", got=f"{Path(path).name}: {error}", remedy="convert them once"
        ) from error
    if text is None:
        raise FormatError(
            rule="weights carry their facts (model, statistics, bands)",
            got=f"{Path(path).name} without any",
            remedy="write them with swath.models.weights.write",
        )
    known = json.loads(text)
    unknown = sorted(set(known) - set(Facts.__dataclass_fields__))
    if unknown or known.get("version", 1) > 1:
        raise FormatError(
            rule="the facts of weights are of a known version",
            got=f"version {known.get('version')}, unknown keys {unknown}",
            remedy="use a newer swath",
        )
    for name in ("quantity", "bands"):
        known[name] = tuple(known.get(name, ()))
    known["gsd"] = None if known.get("gsd") is None else tuple(known["gsd"])
    return tensors, Facts(**known)


def is_ours(path: str | Path) -> bool:
    """Whether a file is safetensors written by swath, with its facts. Raises FormatError where there is no file."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FormatError(rule="weights are a file", got=f"no file {path}", remedy="look at the path")
    try:
        with safe_open(str(path), framework="pt") as file:
            return "swath" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a published file, safetensors or torch (never by pickle, on the CPU), as its publisher names them.

    One level of nesting ("model", "state_dict", "model_state_dict") is taken off. Raises FormatError.
    """
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name = Path(path).name
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise FormatError(
            rule="weights are safetensors or a torch file of plain tensors",
            got=f"{name}: {first}",
            remedy="download the file anew, or convert it to safetensors",
        ) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise FormatError(rule="a weights file holds named tensors", got=f"{name} holds others", remedy="convert it")
    return {str(k): v for k, v in found.items()}


def from_hub(address: str) -> Path:
    """A file of a hub, `hf:owner/repository/path`, through the hub's own client and its cache. Raises FormatError, ExtraError."""
    from swath.errors import need

    parts = address.removeprefix("hf:").split("/", 2)
    if len(parts) != 3:
        raise FormatError(
            rule="a file of a hub is hf:owner/repository/file", got=address, remedy="name all three parts"
        )
    need("huggingface_hub", extra="hub", why=f"fetching {address}")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(f"{parts[0]}/{parts[1]}", parts[2]))
    except Exception as error:  # the client has no common error of its own: network, HTTP and cache errors
        raise FormatError(
            rule="a file of a hub can be fetched",
            got=f"{address}: {type(error).__name__}",
            remedy="look at the name and the network, or download it by hand and name the file",
        ) from error


def load_strict(model: nn.Module, tensors: Mapping[str, Tensor], *, name: str) -> None:
    """Put tensors into a model; all of them, and nothing else. Raises FormatError that lists what differs."""
    own = model.state_dict()
    missing = sorted(set(own) - set(tensors))
    extra = sorted(set(tensors) - set(own))
    reshaped = [
        f"{key} {tuple(tensors[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in tensors and tensors[key].shape != own[key].shape
    ]
    if missing or extra or reshaped:
        raise FormatError(
            rule=f"weights fit the model {name} key by key",
            got=f"missing {_few(missing)}; extra {_few(extra)}; reshaped {_few(reshaped)}",
            remedy="build the model with the config that the weights carry",
        )
    model.load_state_dict(dict(tensors), strict=True)


def _few(items: list[str]) -> str:
    return "none" if not items else ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")


def check(batch: Batch, needs: Needs, *, name: str) -> None:
    """Whether a Batch is what an Encoder asks for. Raises BandError or UnitError that says what is not."""
    bands = [b for p in batch.pixels.values() for b in p.bands]
    missing = [b for b in needs.bands if b not in {x.name for x in bands}]
    if missing:
        raise BandError(
            rule=f"{name} needs the bands {list(needs.bands)}",
            got=f"without {missing}",
            remedy="choose another encoder",
        )
    if needs.quantity:
        wrong = sorted({b.quantity for b in bands} - set(needs.quantity))
        if wrong:
            raise UnitError(
                rule=f"{name} reads {', '.join(needs.quantity)}",
                got=", ".join(wrong),
                remedy="settle the units with --scale and --offset, or leave these bands out with --bands",
            )


def sha256(path: str | Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
