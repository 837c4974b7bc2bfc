"""
Runs each target under coverage guidance for a while, each in a process of its own, and says what came out.

Findings are exceptions that are not documented, and bodies of up to 1 MiB that take more than 100 ms; a slow one is
measured again without the instrumentation before it counts. Exit code 1 when there is any.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "_engines")]

#: What takes longer, with the instrumentation, may be slow: it is kept and measured again.
KEPT_S = 0.4
MIB = 2**20


def stretch(data: bytes, size: int) -> bytes:
    """
    Repeat a part of the body where it stands until the body is large: what grows faster than its length shows.
    """
    if not data:
        return data
    begin = random.randrange(len(data))
    end = min(len(data), begin + 1 + int(random.expovariate(0.02)))
    count = max((min(size, MIB) - len(data)) // (end - begin), 1)
    return data[:begin] + data[begin:end] * count + data[end:]


class Watch:
    """
    Calls a target and keeps each kind of exception once, and the slowest bodies.
    """

    def __init__(self, target: Callable[[bytes], None], slow_s: float) -> None:
        self._target = target
        self._slow_s = slow_s
        self.executions = 0
        self.raised: dict[str, tuple[str, bytes]] = {}
        self.slow: list[tuple[float, bytes]] = []

    def __call__(self, data: bytes) -> None:
        self.executions += 1
        began = time.thread_time()
        try:
            self._target(data)
        except Exception as err:  # noqa: BLE001 - To find what may be raised is what this is for.
            where = traceback.extract_tb(err.__traceback__)[-1]
            kind = f"{type(err).__name__} at {Path(where.filename).name}:{where.lineno}"
            self.raised.setdefault(kind, (str(err)[:200], data))
        took = time.thread_time() - began
        if took > self._slow_s and len(data) <= MIB:
            self.slow = sorted([*self.slow, (took, data)], reverse=True)[:50]


def run(name: str, for_seconds: int, findings: Path) -> None:
    """
    Fuzz one target; libFuzzer would end the process without a word, so the last call does it.
    """
    import atheris

    with atheris.instrument_imports(
        include=[
            "_dynatrace.api.response",
            "_dynatrace.api.classic_entities",
            "_dynatrace.api.classic_problems",
            "_dynatrace.api.davis",
            "_dynatrace.api.decompression",
            "_dynatrace.api.entities",
            "_dynatrace.api.grail",
            "_dynatrace.api.json_values",
            "_dynatrace.api.problems",
            "_dynatrace.core.problem",
            "_dynatrace.webhook.fields",
            "_dynatrace.webhook.payload",
        ]
    ):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.bodies import seeds

    corpus = findings / "corpus"
    corpus.mkdir(parents=True)
    wrap = {"answer": lambda body: b"\0" + body, "packed": gzip.compress}.get(name, bytes)
    for number, body in enumerate(seeds()):
        (corpus / f"seed{number}").write_bytes(wrap(body))
    watch = Watch(TARGETS[name], KEPT_S)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random.seed(seed)
        mutated: bytes = atheris.Mutate(data, max_size)
        # Rarely, since it costs as much as a hundred small ones.
        return stretch(mutated, max_size) if random.random() < 0.01 else mutated

    ends = time.monotonic() + for_seconds

    def one(data: bytes) -> None:
        watch(data)
        if time.monotonic() > ends:  # Nothing of libFuzzer's own ends in Python.
            note()
            os._exit(0)

    def note() -> None:
        lines = [f"executions {watch.executions}"]
        for kind, (message, data) in watch.raised.items():
            lines.append(f"raised {kind}: {message}")
            (findings / f"raised-{abs(hash(kind)):x}").write_bytes(data)
        for number, (_, data) in enumerate(watch.slow):
            (findings / f"slow-{number}").write_bytes(data)
        (findings / "summary").write_text("\n".join(lines))

    arguments = [sys.argv[0], str(corpus), f"-max_len={MIB}", "-len_control=100", "-verbosity=0"]
    atheris.Setup([*arguments, "-rss_limit_mb=4096", "-timeout=60"], one, custom_mutator=mutate)
    atheris.Fuzz()


def report(name: str, findings: Path) -> bool:
    """
    Print what a run found; tell whether it found nothing.
    """
    from tests.fuzz.bodies import SLOW, cost, large
    from tests.fuzz.targets import TIMED

    summary = findings / "summary"
    lines = (
        summary.read_text().splitlines() if summary.exists() else ["the fuzzer itself ended early"]
    )
    kept = [(path.name, path.read_bytes()) for path in sorted(findings.glob("slow-*"))]
    for shape, body in [*kept, *large()]:
        times = max(cost(call, body) for call in TIMED[name])
        if times > SLOW:
            lines.append(f"slow {shape}: {times:.0f} times the decoding of {len(body)} bytes")
    print(f"{name}: " + "\n  ".join(lines), flush=True)
    return len(lines) == 1 and lines[0].startswith("executions")


def main() -> int:
    """
    Fuzz all targets, or those named.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", help="notification, packed, api, answer; all unless named"
    )
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--findings", type=Path, help="keep corpus and findings in this directory")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        run(given.child, given.seconds, given.findings)
        return 0
    clean = True
    root = given.findings or Path(tempfile.mkdtemp(prefix="fuzz-"))
    root.mkdir(parents=True, exist_ok=True)
    for name in given.targets or ("notification", "packed", "api", "answer"):
        command = [
            sys.executable,
            "-m",
            "tests.fuzz",
            "--child",
            name,
            "--findings",
            str(root / name),
        ]
        with (root / f"{name}.log").open("w") as log:
            subprocess.run(
                [*command, "--seconds", str(given.seconds)],
                cwd=REPO,
                stdout=log,
                stderr=log,
                check=False,
            )
        clean &= report(name, root / name)
    print(f"corpus, logs and findings: {root}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
