"""How long swath takes to start: `import swath` over bare Python, `swath --help`, and what neither may load.

python benchmarks/start.py [--rounds 15]

Fresh interpreters with warm files, cases interleaved. Prints a table, the heavy modules that were loaded (none may be)
and last one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HEAVY = ("numpy", "torch", "sklearn", "pandas", "xarray", "rasterio", "scipy", "matplotlib", "geopandas", "pyproj")
CASES = {
    "bare Python": ["-c", "pass"],
    "import swath": ["-c", "import swath"],
    "swath --help": ["-m", "swath", "--help"],
    "swath map --help": ["-m", "swath", "map", "--help"],
    "import numpy, to compare": ["-c", "import numpy"],
}
LOADED = {
    "import swath": "import swath",
    "swath --help": "from swath.doors import cli; cli.run(['--help'])",
}


def machine() -> str:
    """The processor's name, cores that may be used, and the load."""
    with open("/proc/cpuinfo") as lines:
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{len(os.sched_getaffinity(0))} cores of {name}, load {os.getloadavg()[0]:.1f}"


def once(arguments: list[str]) -> tuple[float, float]:
    """(seconds on the clock, seconds of processor time) of one fresh interpreter."""
    started, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, used


def heavy(code: str) -> list[str]:
    """Heavy modules that a fresh interpreter holds after running `code`."""
    tell = f"import sys, json; {code}; print(json.dumps(sorted({set(HEAVY)!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", tell], check=True, capture_output=True, text=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    clock: dict[str, list[float]] = {name: [] for name in CASES}
    used: dict[str, list[float]] = {name: [] for name in CASES}
    for turn in range(-1, asked.rounds):
        for name in list(CASES)[:: 1 if turn % 2 else -1]:
            seconds, busy = once(CASES[name])
            if turn >= 0:  # the first round warms the files
                clock[name].append(seconds)
                used[name].append(busy)
    print(f"fresh interpreters, Python {sys.version.split()[0]}, {asked.rounds} rounds; {machine()}")
    print("| what | s median | min-max | processor s median |\n|---|---|---|---|")
    for name in CASES:
        low, high = min(clock[name]), max(clock[name])
        print(
            f"| {name} | {statistics.median(clock[name]):.3f} | {low:.3f}-{high:.3f} | {statistics.median(used[name]):.3f} |"
        )
    loaded = {name: heavy(code) for name, code in LOADED.items()}
    for name, found in loaded.items():
        print(f"heavy modules loaded by {name}: {', '.join(found) or 'none'} (of {', '.join(HEAVY)})")

    def over(name: str, times: dict[str, list[float]]) -> float:
        return round(statistics.median(a - b for a, b in zip(times[name], times["bare Python"], strict=True)), 3)

    result = {
        "benchmark": "start",
        "import_over_python_s": over("import swath", clock),
        "import_over_python_cpu_s": over("import swath", used),
        "help_s": round(statistics.median(clock["swath --help"]), 3),
        "help_cpu_s": round(statistics.median(used["swath --help"]), 3),
        "heavy_modules": sorted(set().union(*loaded.values())),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
