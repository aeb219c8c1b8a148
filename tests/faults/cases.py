"""Many cases, done one after the other in a process of their own: a crash or a hang is an outcome like others."""

import argparse
import collections
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(main, description, n, seconds):
    """Do the cases that the command line asks for, and print how many had each outcome.

    Parameters
    ----------
    main : callable (folder, seed) -> callable (i) -> str
        Called in the other process, in an empty folder; what it returns does case i and says its outcome, a word.
    description : str
    n : int
        Cases unless told otherwise.
    seconds : float
        A case that takes longer is a hang.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--n", type=int, default=n, help=f"cases ({n})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first is not None:
        case = main(os.getcwd(), options.seed)
        print("ready", flush=True)
        for i in range(options.first, options.n):
            print(i, case(i), flush=True)
        return
    spec = sys.modules["__main__"].__spec__
    script = [str(Path(sys.argv[0]).resolve())] if spec is None else ["-m", spec.name]
    found, examples = outcomes(script, options.n, options.seed, seconds)
    print(f"{Path(sys.argv[0]).stem}: {options.n} cases, seed {options.seed}:", end=" ")
    print(", ".join(f"{k} {v}" for k, v in sorted(found.items())))
    for outcome, cases in sorted(examples.items()):
        print(f"    {outcome}: cases {cases}")


def outcomes(script, n, seed=0, seconds=60):
    """How many cases of a script had each outcome, and the numbers of the first of those in capitals.

    `script` : list of str, what Python is called with.
    """
    found, examples, first = collections.Counter(), {}, 0
    while first < n:
        for i, outcome in _from(script, first, n, seed, seconds):
            found[outcome] += 1
            if outcome.isupper():
                examples.setdefault(outcome, []).append(i)
            first = i + 1
    return found, {outcome: cases[:10] for outcome, cases in examples.items()}


def _from(script, first, n, seed, seconds):
    """(case, outcome) from a case on, up to one that ends its process, or the last."""
    command = [sys.executable, *script, "--first", str(first), "--n", str(n), "--seed", str(seed)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
        lines = queue.Queue()
        threading.Thread(target=_pass_on, args=(process.stdout, lines), daemon=True).start()
        try:
            if lines.get(timeout=120) != "ready\n":
                raise RuntimeError(f"{script} does not begin")
            while first < n:
                try:
                    line = lines.get(timeout=seconds)
                except queue.Empty:
                    yield first, "HANG"
                    return
                if line is None:
                    yield first, "CRASH"
                    return
                yield first, line.split(maxsplit=1)[1].strip()
                first += 1
        finally:
            process.kill()
            process.wait()


def _pass_on(lines, waiting):
    for line in lines:
        waiting.put(line)
    waiting.put(None)
