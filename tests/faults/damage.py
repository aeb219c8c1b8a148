"""Damaged model files: none may be read as another model, crash the process, or hang it.

PYTHONPATH=. python tests/faults/damage.py [--n 20000] [--seed 0]
"""

import random

from tests.faults import cases, models

KINDS = ("flip", "flips", "cut", "zeroed", "garbage", "moved", "longer")


def damaged(data, rng):
    """A copy of the bytes of a file with a fault of a random kind."""
    data, kind = bytearray(data), rng.choice(KINDS)
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.choice([1, 8, 64, 512, 4096]))
    if kind in ("flip", "flips"):
        for _ in range(1 if kind == "flip" else rng.randrange(2, 20)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[start:]
    elif kind == "zeroed":
        data[start:stop] = bytes(stop - start)
    elif kind == "garbage":
        data[start:stop] = rng.randbytes(stop - start)
    elif kind == "moved":
        del data[start:stop]
    else:
        data += rng.randbytes(rng.randrange(1, 600))
    return data


def main(folder, seed):
    files = models.files(folder)
    known = {name: models.loaded(f"{folder}/{name}.h5")[0] for name in files}

    def case(i):
        rng = random.Random(f"{seed}/{i}")
        name = rng.choice(sorted(files))
        with open("damaged.h5", "wb") as file:
            file.write(damaged(files[name], rng))
        found, error = models.loaded("damaged.h5")
        return "refused" if error else "harmless" if found == known[name] else "WRONG"

    return case


if __name__ == "__main__":
    cases.run(main, __doc__.splitlines()[0], 20_000, 10)
