"""Convolutions as oneDNN does them best, with the bits that torch gives.

oneDNN's convolution can end with the activation: one pass over memory less. torch uses this only inside its compiler,
which needs a C++ compiler on the user's machine. Here the graph of a network is traced, pairs of Conv2d and ReLU become
one call, and the result is used only where it equals the network's own answer bit for bit.

With one thread torch gives 1 x 1 convolutions in float32 to another library, which is two to four times slower on
pictures in channels-last order (`use_mkldnn` in ATen/native/Convolution.cpp); with several it uses oneDNN.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

__all__ = ["same", "steady", "traced"]


def steady(module: Any) -> Any:
    """A copy of `module` in eval mode whose 1 x 1 convolutions go to oneDNN however many threads torch has.

    They are told a dilation of 2, which a kernel of one pixel cannot show, but by which torch chooses: with one thread
    the answer is then the one of several threads, bit for bit.
    """
    import torch

    copied = copy.deepcopy(module).eval()
    for layer in copied.modules():
        if type(layer) is torch.nn.Conv2d and layer.kernel_size == (1, 1):
            layer.dilation = (2, 2)
    return copied


def traced(module: Any) -> Any:
    """`module` (in eval mode, final type and layout) with its pairs of Conv2d and ReLU made one call each.

    It shares the parameters. None where there is no such pair, the network cannot be traced (its path depends on
    values) or torch has no oneDNN. Not to be called while other threads run modules.
    """
    import torch

    operation = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    if operation is None or not torch.backends.mkldnn.is_available():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _joined(torch.fx.symbolic_trace(module), operation)
    except Exception:  # whatever tracing meets, the network itself is right
        return None


def same(quick: Any, module: Any, like: Any) -> bool:
    """Whether both give the same bits for random numbers of the shape, type and layout of `like`."""
    import torch

    generator = torch.Generator().manual_seed(0)
    example = torch.empty_like(like).copy_(torch.randn(like.shape, generator=generator))
    try:
        with torch.inference_mode():
            return bool(torch.equal(quick(example), module(example)))
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return False


def _joined(graph: Any, operation: Any) -> Any:
    """The traced module with its pairs replaced; None where there is no pair."""
    parts = dict(graph.named_modules())
    found = 0
    for node in list(graph.graph.nodes):
        conv: Any = node.args[0] if node.args else None
        if not _is_relu(node, parts) or not _is_convolution(conv, parts):
            continue
        layer = parts[conv.target]
        with graph.graph.inserting_before(conv):
            weight = graph.graph.get_attr(f"{conv.target}.weight")
            bias = None if layer.bias is None else graph.graph.get_attr(f"{conv.target}.bias")
            sizes = (list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups)
            both = graph.graph.call_function(operation, (conv.args[0], weight, bias, *sizes, "relu", [], ""))
        node.replace_all_uses_with(both)
        graph.graph.erase_node(node)
        graph.graph.erase_node(conv)
        found += 1
    if not found:
        return None
    graph.graph.lint()
    graph.recompile()
    return graph


def _is_relu(node: Any, parts: dict[str, Any]) -> bool:
    import torch

    if node.op == "call_module":
        return type(parts[node.target]) is torch.nn.ReLU
    functions = (torch.relu, torch.nn.functional.relu)
    return (node.op == "call_function" and node.target in functions) or (
        node.op == "call_method" and node.target == "relu"
    )


def _is_convolution(node: Any, parts: dict[str, Any]) -> bool:
    """A plain Conv2d with padding of zeros whose answer nobody but the ReLU reads."""
    import torch

    if not isinstance(node, torch.fx.Node) or node.op != "call_module" or len(node.users) != 1:
        return False
    layer = parts[node.target]
    plain = type(layer) is torch.nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return plain and not (layer._forward_hooks or layer._forward_pre_hooks)
