"""Damaged HDF5 files of data: reading one ends with an error that names it, or with numbers; no crash, no hang.

PYTHONPATH=. python tests/faults/damaged_data.py [--n 1500] [--seed 0]
"""

import io
import random

import h5py
import numpy as np

from rtrbm import RTRBM
from rtrbm.convert import read
from tests.faults import cases, damage

SETTINGS = dict(n_gibbs=1, n_updates=2, batch_size=2, random_state=0, n_jobs=1)


def files():
    """The bytes of small files by name: contiguous, in compressed pieces, many sequences, MATLAB's."""
    data, found = np.random.default_rng(0).random((8, 10, 6)).astype("f4"), {}

    def kept(name, fill, **settings):
        image = io.BytesIO()
        with h5py.File(image, "w", **settings) as file:
            fill(file)
        found[name] = image.getvalue()

    def ragged(file):
        for i, sequence in enumerate(data):
            file[f"walks/{i}"] = sequence[: 3 + i % 7]

    def matlab(file):
        stored = file.create_dataset("X", data=data.T, chunks=(3, 5, 4), compression="gzip")
        stored.attrs["MATLAB_class"] = np.bytes_("single")

    def netcdf(file):
        stored = file.create_dataset("X", data=(100 * data).astype("i2"), chunks=(2, 10, 6), fletcher32=True)
        stored.attrs.update({"scale_factor": 0.01, "_FillValue": np.int16(-1)})

    kept("contiguous", lambda file: file.create_dataset("X", data=data))
    kept("pieces", lambda file: file.create_dataset("X", data=data, chunks=(2, 5, 6), compression="gzip", shuffle=True))
    kept(
        "late",
        lambda file: file.create_dataset("X", data=data, chunks=(1, 10, 6), maxshape=(None, 10, 6)),
        libver="latest",
    )
    kept("ragged", ragged)
    kept("matlab", matlab, userblock_size=512)
    kept("netcdf", netcdf)
    return found


def main(folder, seed):
    known = files()

    def case(i):
        rng = random.Random(f"{seed}/{i}")
        name = rng.choice(sorted(known))
        with open("damaged.h5", "wb") as file:
            file.write(damage.damaged(known[name], rng))
        what = "walks" if name == "ragged" else "X"
        try:
            if rng.random() < 0.5:
                read("damaged.h5", what)
            else:
                RTRBM(2, **SETTINGS).fit(("damaged.h5", what))
        except (ValueError, TypeError) as error:
            return "refused" if "damaged.h5" in str(error) else "refused-as-data"
        return "read"

    return case


if __name__ == "__main__":
    cases.run(main, __doc__.splitlines()[0], 1500, 20)
