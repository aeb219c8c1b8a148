"""The engine: threads, matrix products and compiled loops, so that the mathematics need not name them."""

import math
from dataclasses import dataclass

import numpy as np

from . import threads
from .noise import Noise

ENGINES = ("numpy", "numba", "auto")
# Added to gradients: where they are zero for long (a pixel that is never lit), running means would decay to subnormal
# numbers, with which processors are ten times slower.
NEGLIGIBLE = 1e-15


def adam_block(g, total, square, new_total, new_square, decay, square_decay, epsilon, scale):
    """One piece of Adam's arrays: the new sums take in the gradient, and g becomes the step.

    new_total = decay total + g,  new_square = square_decay square + g^2,
    g <- scale new_total / (sqrt(new_square) + epsilon).
    """
    g += NEGLIGIBLE
    np.multiply(total, decay, out=new_total)
    new_total += g
    np.square(g, out=g)
    np.multiply(square, square_decay, out=new_square)
    new_square += g
    np.sqrt(new_square, out=g)
    g += epsilon
    np.divide(new_total, g, out=g)
    g *= scale


@dataclass(frozen=True)
class Engine:
    """numpy's engine, and the interface of every engine.

    Work is cut by the shapes of its arrays alone, so that results do not depend on the number of threads.

    Parameters
    ----------
    n_jobs : int, optional
        Threads: -1 all processors, None 1.
    even : bool
        Whether the tiles of a chain (`rtrbm.minibatches.sequences.tiles`) are to be even in number, for two threads.
    """

    n_jobs: int | None = None
    even: bool = True

    name = "numpy"
    noise = Noise
    adam_block = staticmethod(adam_block)
    recurrence = None  # compiled loops `forward` and `backward` for single precision, or None
    chains = None  # compiled chains of binary units in single precision, `rtrbm.compute.numba.gibbs`, or None
    annealing = None  # the same for annealed importance sampling, `rtrbm.compute.numba.annealing`, or None
    whole = None  # `rtrbm.compute.numba.whole`, or None

    def run(self, function, items, n_multiplications=math.inf):
        """Call `function` on every item; the results in order (`rtrbm.compute.threads.run`).

        Threads are woken unless the tasks have too few multiplications between them.
        """
        return threads.run(function, items, threads.worth(n_multiplications, self.n_jobs, threads.TASKS))

    def both(self, first, second, n_multiplications):
        """The results of two functions without arguments, which may run at the same time."""
        return self.run(lambda task: task(), [first, second], n_multiplications)

    def blockwise(self, function, *params):
        """Call `function` on flat pieces of the arrays of NamedTuples (`rtrbm.compute.threads.blockwise`)."""
        return threads.blockwise(function, self.n_jobs, *params)

    def product(self, a, b, out=None):
        """The matrix product a b, by slices of rows of `a`; in `out` if it is given."""
        out = np.empty((len(a), b.shape[1]), a.dtype) if out is None else out
        self._multiply(lambda rows: (a[rows], b, out[rows]), len(a), a.size * b.shape[1])
        return out

    def gram(self, a, b, out=None):
        """The sum over rows a^T b, by slices of columns of `a`; in `out` if it is given."""
        out = np.empty((a.shape[1], b.shape[1]), a.dtype) if out is None else out
        self._multiply(lambda columns: (a[:, columns].T, b, out[columns]), a.shape[1], a.size * b.shape[1])
        return out

    def scaled(self, a, b, factor, out):
        """out <- factor a b."""
        self.product(a, b, out)
        out *= out.dtype.type(factor)

    def release(self):
        """Give back the memory that this thread keeps for further updates."""
        if self.whole is not None:
            self.whole.release()

    def _multiply(self, part, n, n_multiplications):
        n_jobs = threads.worth(n_multiplications, self.n_jobs)
        threads.run(lambda these: self.noise.multiply(*part(these)), threads.slices(n), n_jobs)


NUMPY = Engine()


def named(name, n_jobs=None, even=True):
    """The engine of that name.

    Parameters
    ----------
    name : {"numpy", "numba", "auto"}
        "auto" is numba where it can be imported and its compiler is not switched off, and numpy where not.
    n_jobs, even
        As of `Engine`.

    Returns
    -------
    Engine

    Raises
    ------
    ValueError
        If numba is asked for and cannot be imported, or its compiler is switched off.
    """
    if name != "numpy":
        try:
            from .numba import HAS_COMPILER, NumbaEngine
        except Exception as error:  # of any type, if numba's version does not fit that of numpy or llvmlite
            if name == "numba":
                raise ValueError(f"engine='numba' needs numba: install rtrbm[fast] ({error})") from error
        else:
            if HAS_COMPILER:
                return NumbaEngine(n_jobs, even)
            if name == "numba":
                raise ValueError("engine='numba' needs numba's compiler: unset NUMBA_DISABLE_JIT")
    return Engine(n_jobs, even)
