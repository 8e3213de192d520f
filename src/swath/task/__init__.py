"""What a network is asked for: its head, its loss, how its output becomes an answer. Needs the extra `nn`."""

from __future__ import annotations

from swath.task.change import Change
from swath.task.classify import Classify
from swath.task.regress import Regress
from swath.task.restore import Restore
from swath.task.segment import Segment
from swath.task.solver import Solver

__all__ = ["Change", "Classify", "Regress", "Restore", "Segment", "Solver"]
