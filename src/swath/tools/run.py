"""Run a published system made small, and keep what it measured."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swath.errors import FormatError, SwathError
from swath.tools.job import Job, Progress, can_be_written
from swath.tools.systems import SYSTEMS, System

if TYPE_CHECKING:
    from swath.report.outcome import Outcome

__all__ = ["RunResult", "run"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a recipe measured and where it lies."""

    out: str
    outcome: Outcome
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The content of outcome.json, and the folder."""
        return {"out": self.out, "files": [*self.files], **self.outcome.to_json()}

    def __str__(self) -> str:
        return f"{self.outcome}\n\nin {self.out}: {', '.join(self.files)}"

    def _repr_html_(self) -> str:
        from swath.report.outcome_page import body

        return body(self.outcome, Path(self.out))


def run(
    system: str,
    *,
    scale: Literal["small", "paper"] = "small",
    out: str | Path | None = None,
    data: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> RunResult:
    """Run one of the published systems at a small scale, beside honest baselines and the paper's claims.

    Real data are used where the folder of --data has them; made worlds are called simulated in every row.

    Args:
        system: slug or number as `swath list` shows them.
        scale: small (minutes on two cores), or paper: the published configuration, checked by shapes, parameter count
            and one step.
        out: folder for outcome.json, figures, report.html and run.json; run-SLUG by default.
        data: folder with the small real sets (eopatch, eurosat_rgb, ...); by default `data` in the folder that the
            variable SWATH_SHARED names. Without it only made worlds are used, and the outcome says so.
        seed: of every draw.

    Returns:
        The rows, verdicts and figures.

    Raises:
        SwathError: a system that is not known or not built. ExtraError: without the `nn` extra.

    Examples:
        swath run prithvi --out prithvi
        swath run 49 --data data --json
    """
    known = _known(system)
    folder = Path(out or f"run-{known.slug}")
    can_be_written(folder)
    where = _data(data)
    if scale not in ("small", "paper"):
        raise SwathError(rule="scales are small and paper", got=scale, remedy="choose one")
    asked = {"system": known.slug, "scale": scale, "out": folder, "data": where, "seed": seed}
    job = Job.start("run", asked)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.time()
    outcome: Outcome = _recipe(known)(scale, folder, data=where, seed=seed, progress=progress)
    from swath.report import outcome as outcomes
    from swath.report import outcome_page

    # Clocks are kept apart, so that the same run gives the same outcome.json.
    timing = outcome.facts.get("timing", {})
    outcome = replace(outcome, facts={k: v for k, v in outcome.facts.items() if k != "timing"})
    files = [*outcomes.save(outcome, folder), outcome_page.write(folder / "report.html", outcome)]
    job.finish(folder, files, timing={"all": round(time.time() - began, 1), **timing})
    names = tuple(sorted({p.relative_to(folder).as_posix() for p in files} | {"run.json"}))
    return RunResult(str(folder), outcome, names)


def _known(name: str) -> System:
    wanted = str(name).strip().lower().replace("_", "-")
    for system in SYSTEMS:
        if wanted in (system.slug, str(system.number), f"{system.number:02d}"):
            if not system.recipe:
                built = ", ".join(s.slug for s in SYSTEMS if s.recipe)
                raise SwathError(
                    rule="only systems that are built can run",
                    got=f"{system.slug}: not yet",
                    remedy=f"built are {built}",
                )
            return system
    import difflib

    near = difflib.get_close_matches(wanted, [s.slug for s in SYSTEMS], n=1)
    hint = f"did you mean {near[0]}?" if near else "see swath list"
    raise SwathError(rule="a system has a slug or a number of the list", got=name, remedy=hint)


def _data(data: str | Path | None) -> Path | None:
    if data is not None:
        if not Path(data).is_dir():
            raise FormatError(rule="--data is a folder of sets", got=str(data), remedy="look at the path")
        return Path(data)
    shared = os.environ.get("SWATH_SHARED")
    return Path(shared) / "data" if shared and (Path(shared) / "data").is_dir() else None


def _recipe(system: System) -> Any:
    from importlib import import_module

    module, _, function = system.recipe.partition(":")
    return getattr(import_module(module), function)
