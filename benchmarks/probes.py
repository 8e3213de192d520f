"""Linear and nearest-neighbour probes against scikit-learn's own, at equal result.

python benchmarks/probes.py [--items 8000] [--width 128] [--classes 10] [--rounds 5]

One thread, cases interleaved, processor time (another program on the machine costs the clock, not the processor).
Vectors of a mixture of Gaussians with features of unequal spread and correlated ones, as encoders give. scikit-learn
gets what it does best: standardised float64 for lbfgs and newton-cholesky, unit float32 for its fast exact search. Prints
a table and last one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 - threads are set first


def machine() -> str:
    with open("/proc/cpuinfo") as lines:
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{len(os.sched_getaffinity(0))} cores of {name}, load {os.getloadavg()[0]:.1f}"


def vectors(items: int, width: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training and test vectors (items and a quarter of them) of correlated features, and the training classes."""
    random = np.random.default_rng(seed)
    total = items + items // 4
    y = random.integers(0, classes, total)
    mix = random.normal(size=(width, width)) * np.exp(-np.arange(width) / (width / 4))[:, None]
    x = (random.normal(size=(classes, width))[y] * 0.9 + random.normal(size=(total, width))) @ mix
    x = (x * random.uniform(0.1, 20, width) + 3).astype(np.float32)
    return x[:items], x[items:], y[:items]


def timed(rounds: int, cases: dict) -> tuple[dict[str, list[float]], dict]:
    """Seconds of processor time of each case, round by round, and what each gave."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    out = {}
    for _ in range(rounds):
        for name, case in cases.items():
            began = time.process_time()
            out[name] = case()
            seconds[name].append(time.process_time() - began)
    return seconds, out


def linear(x: np.ndarray, asked: np.ndarray, y: np.ndarray, strength: float, rounds: int) -> tuple[dict, dict]:
    from sklearn.linear_model import LogisticRegression

    from swath.bench.learners import Linear, Standard

    classes = int(y.max()) + 1
    standard = Standard.of(x)

    def theirs(solver: str, tol: float):
        def run():
            model = LogisticRegression(C=strength, solver=solver, tol=tol, max_iter=10_000)
            z = standard(x, np.float64)
            return model.fit(z, y).predict_proba(standard(asked, np.float64))

        return run

    return timed(
        rounds,
        {
            "swath": lambda: Linear(classes, strength).fit(x, y).predict(asked),
            "scikit-learn, lbfgs, tol 1e-6": theirs("lbfgs", 1e-6),
            "scikit-learn, lbfgs, tol 1e-7": theirs("lbfgs", 1e-7),
            "scikit-learn, newton-cholesky": theirs("newton-cholesky", 1e-8),
        },
    )


def knn(x: np.ndarray, asked: np.ndarray, y: np.ndarray, k: int, rounds: int) -> tuple[dict, dict]:
    from sklearn.neighbors import KNeighborsClassifier

    from swath.bench.learners import Nearest, Standard

    classes = int(y.max()) + 1
    standard = Standard.of(x)

    def unit(a: np.ndarray) -> np.ndarray:
        z = standard(a)
        return z / np.linalg.norm(z, axis=1, keepdims=True)

    def cosine():
        model = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=lambda d: np.exp(-d / 0.1))
        return model.fit(standard(x), y).predict_proba(standard(asked))

    def euclidean():  # of unit vectors: the same order, and its fast path; d * d / 2 = 1 - cosine
        model = KNeighborsClassifier(k, algorithm="brute", weights=lambda d: np.exp(-d * d / 0.2))
        return model.fit(unit(x), y).predict_proba(unit(asked))

    return timed(
        rounds,
        {
            "swath": lambda: Nearest(classes, k).fit(x, y).predict(asked),
            "scikit-learn, cosine": cosine,
            "scikit-learn, unit vectors": euclidean,
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=8000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    import sklearn
    from threadpoolctl import threadpool_limits

    x, test, y = vectors(asked.items, asked.width, asked.classes)
    print(f"{asked.items} items of {asked.width} numbers, {asked.classes} classes, {len(test)} asked; "
          f"scikit-learn {sklearn.__version__}, one thread; {machine()}")  # fmt: skip
    print("| probe | method | s of processor, median | min-max | times swath | farthest from the exact probabilities |")
    print("|---|---|---|---|---|---|")
    record: dict[str, object] = {"benchmark": "probes"}
    with threadpool_limits(1):
        runs = [(f"linear, C {c:g}", linear(x, test, y, c, asked.rounds)) for c in (0.01, 1.0)]
        runs.append(("20 nearest", knn(x, test, y, 20, asked.rounds)))
    for title, (seconds, out) in runs:
        exact = out[list(out)[-1]]
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        apart = {name: float(np.abs(out[name] - exact).max()) for name in out}
        for name, values in seconds.items():
            ratio = middle[name] / middle["swath"]
            span = f"{min(values):.3f}-{max(values):.3f}"
            print(f"| {title} | {name} | {middle[name]:.3f} | {span} | {ratio:.2f} | {apart[name]:.1e} |")
        equal = [n for n in seconds if n != "swath" and apart[n] <= 2 * apart["swath"] + 1e-6]
        best = min(middle[n] for n in equal) / middle["swath"]
        record[title] = {"fastest_at_equal_result_over_swath": round(best, 2), "from_exact": apart["swath"]}
    print(json.dumps(record))


if __name__ == "__main__":
    main()
