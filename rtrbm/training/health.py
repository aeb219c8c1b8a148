"""Whether a run explodes: numbers that an update has made already, beside those of its first updates, or of all updates
before it went on.

A model learns fast at first and in bursts later. Both change the gradient and the error by a factor of ten or so. One
that explodes changes them by as much in every update, until they are infinite. Minibatches may be louder than those
that the run began with: their gradients and errors are judged by the squares of their frames.
"""

from ..parameters import arrays
from . import optimizers

FIRST = 20  # updates, of which the largest numbers are what a run begins with; until then the first one
EVERY = 20  # updates between looks at the parameters
FACTOR = 1e4  # beyond what a run began with, or what standardised data call for, it explodes
IN_A_ROW = 5  # updates: a single minibatch may hold anything
SUSPECT, CALM = 1e2, 100  # beyond this factor no checkpoint is written, unless it has stayed so for 100 updates
WATCHED = {"gradient_norm": "the norm of the gradient", "reconstruction_error": "the squared error"}


class Health:
    """What a run began with, and how it goes on.

    Parameters
    ----------
    training : Training
        When the run begins or goes on.
    """

    def __init__(self, training):
        self._norm, self._size = optimizers.norm(training.params), sum(part.size for part in arrays(training.params))
        self._since, self._in_a_row, self._growth = None, 0, 0.0
        self._begun, self._first, self._square = training.n_updates, None, 1.0

    def check(self, training, is_due, square=1.0):
        """Look at the state after an update.

        Parameters
        ----------
        training : Training
        is_due : bool
            Whether to look at the parameters in any case, before they are written.
        square : float
            The mean square |v|^2 of the frames of the update. A run that goes on compares with that of its first one.

        Raises
        ------
        FloatingPointError
            If it explodes.
        """
        n, history = training.n_updates, training.history
        begun = max(FIRST, self._begun)
        self._square = max(self._square, square) if n <= begun or self._first is None else self._square
        if n in (1, begun) or self._first is None:
            first = {name: max(1.0, *history[name][: begun if n >= begun else 1]) for name in WATCHED}
            self._first = list(first.items())
            deviation = (first["reconstruction_error"] / len(training.params.b_v)) ** 0.5  # of a feature, roughly
            self._most = max(self._norm, self._size**0.5 * max(1.0, deviation))
        burst = max(history[name][n - 1] / most for name, most in self._first) / max(1.0, square / self._square)
        self._in_a_row = self._in_a_row + 1 if burst > FACTOR else 0
        if is_due or n <= FIRST or n % EVERY == 0 or burst > SUSPECT:
            self._growth = optimizers.norm(training.params) / self._most
        if self._growth > FACTOR or self._in_a_row == IN_A_ROW:
            raise FloatingPointError(self._said(training))
        if max(burst, self._growth) <= SUSPECT:
            self._since = None
        elif self._since is None:
            self._since = n

    def check_good(self, training, is_last):
        """Raise FloatingPointError if a state that was looked at should not take the place of an earlier one.

        The last one of a run does if its parameters are not too large: the last minibatch may hold anything.
        """
        if self._since is None or training.n_updates - self._since >= CALM:
            return
        if self._growth > SUSPECT or not is_last:
            raise FloatingPointError(self._said(training))

    def _said(self, training):
        """A line about a run that explodes."""
        n, history = training.n_updates, training.history
        said = [
            f"{what} is {history[name][n - 1]:.3g} ({history[name][0]:.3g} in the first update)"
            for name, what in WATCHED.items()
        ]
        norm = optimizers.norm(training.params)
        return (
            f"update {n} explodes: {', '.join(said)}, the norm of the parameters is {norm:.3g} ({self._norm:.3g} when "
            f"the run began): {remedy(training)}"
        )


def remedy(training):
    """Which settings to change after some updates, in words; the rate is that with which the schedule began."""
    n, begin, history = training.n_updates, training.begin, training.history
    if n <= begin:
        return "take a smaller learning_rate, or smaller values of X (standardize=True)"
    first, last = history["gradient_norm"][0], history["gradient_norm"][n - 1]
    cut = f", or max_norm={2 * first:.2g}, which cuts long gradients" if last > 10 * first else ""
    return f"take a smaller learning_rate than {history['learning_rate'][begin]:.2g}{cut}"
