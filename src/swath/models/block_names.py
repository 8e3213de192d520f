"""Blocks under the names that most published checkpoints give them: attn.qkv, attn.proj, mlp.fc1, mlp.fc2."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

__all__ = ["ours", "published", "speaks_published"]

_PAIRS = (
    (".attention.qkv.", ".attn.qkv."), (".attention.out.", ".attn.proj."), (".mlp.0.", ".mlp.fc1."), (".mlp.2.", ".mlp.fc2."),
)  # fmt: skip
_BLOCK = re.compile(r"(^|\.|_)blocks\.\d+\.")


def published(key: str) -> str:
    """The published name of a weight of `nn.attention.Block`; names outside of blocks stay."""
    return _renamed(key, 0, 1)


def ours(key: str) -> str:
    """The inverse of `published`."""
    return _renamed(key, 1, 0)


def speaks_published(module: nn.Module) -> None:
    """Make `state_dict` and `load_state_dict` of a module use the published names of its blocks."""
    module.register_state_dict_post_hook(_give)
    module.register_load_state_dict_pre_hook(_take)


def _renamed(key: str, old: int, new: int) -> str:
    if _BLOCK.search(key):
        for pair in _PAIRS:
            key = key.replace(pair[old], pair[new])
    return key


def _give(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    _rename_all(state, prefix, published)


def _take(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    _rename_all(state, prefix, ours)


def _rename_all(state: dict[str, Any], prefix: str, rename: Any) -> None:
    items = list(state.items())
    state.clear()
    for key, value in items:
        state[prefix + rename(key[len(prefix) :]) if key.startswith(prefix) else key] = value
