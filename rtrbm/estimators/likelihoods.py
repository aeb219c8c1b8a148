"""Log-likelihoods with bounds: of frames, sequences, and all frames together."""

from typing import NamedTuple

import numpy as np

from ..minibatches.sequences import packed_rows
from ..rbm.conditionals import free_energy
from ..rbm.partition import MARGIN, log_partition
from ..warned import warn

WIDE, WIDE_MEAN = 1.0, 0.1  # nats between the bounds of a frame, and of the mean over many, that are worth a warning
ROUNDING = 1e-3  # nats above 0 that log P of a state may be
FEW = 0.01  # part of the frames that may have wide bounds


class Likelihood(NamedTuple):
    """The mean log-likelihood of frames.

    Attributes
    ----------
    nats : float
        Per frame, the mean over all frames of all sequences.
    standard_error : float
        Of `nats`, from the estimates of log Z; it says nothing about other data. 0 if log Z is exact.
    lower, upper : float
        Bounds, with a margin of 3 standard errors each (`rtrbm.rbm.partition`); `nats` itself if log Z is exact. If
        `upper` is infinite, `nats` are themselves a bound from below, of unknown distance to the truth.
    n_frames : int
    method : {"exact", "ais"}
    effective : float
        The chains that count, mean over frames; infinite if log Z is exact.

    Examples
    --------
    >>> print(Likelihood(-5.5, 0.01, -5.53, -5.47, 100, "ais", 14.2))
    -5.500 nats a frame, between -5.530 and -5.470 (standard error 0.010; 100 frames, ais)
    """

    nats: float
    standard_error: float
    lower: float
    upper: float
    n_frames: int
    method: str
    effective: float

    def __str__(self):
        if np.isinf(self.upper):
            return (
                f"at least {self.lower:.3f} nats a frame (estimate of a lower bound {self.nats:.3f}, standard error "
                f"{self.standard_error:.3f}; {self.n_frames} frames, {self.method})"
            )
        if self.method == "exact":
            return f"{self.nats:.3f} nats a frame ({self.n_frames} frames, exact)"
        return (
            f"{self.nats:.3f} nats a frame, between {self.lower:.3f} and {self.upper:.3f} "
            f"(standard error {self.standard_error:.3f}; {self.n_frames} frames, {self.method})"
        )


class Scores(NamedTuple):
    """log P of frames, (n_frames,) arrays: estimates, those from the two bounds of log Z, and their standard errors.

    `high` comes from the lower bound of log Z. Frames of one `group` share an estimate of log Z.
    """

    log_p: np.ndarray
    error: np.ndarray
    high: np.ndarray
    high_error: np.ndarray
    low: np.ndarray
    low_error: np.ndarray
    effective: np.ndarray
    group: np.ndarray

    @property
    def lower(self):
        """Below log P, by 3 standard errors."""
        return np.minimum(self.low - MARGIN * self.low_error, self.log_p - MARGIN * self.error)

    @property
    def upper(self):
        """Above log P, by 3 standard errors."""
        return np.maximum(self.high + MARGIN * self.high_error, self.log_p + MARGIN * self.error)

    def mean(self):
        """The mean over frames, as a Likelihood."""
        n, counts = len(self.log_p), np.bincount(self.group.astype(int))
        one_of = np.unique(self.group, return_index=True)[1]

        def error_of(errors):
            return float(np.sqrt(np.square(counts[counts > 0] * errors[one_of]).sum()) / n)

        nats, error = float(self.log_p.mean()), error_of(self.error)
        lower = min(self.low.mean() - MARGIN * error_of(self.low_error), nats - MARGIN * error)
        upper = max(self.high.mean() + MARGIN * error_of(self.high_error), nats + MARGIN * error)
        annealed = self.effective[np.isfinite(self.effective)]
        method, effective = ("ais", annealed.mean()) if len(annealed) else ("exact", np.inf)
        return Likelihood(nats, error, float(lower), float(upper), n, method, float(effective))


def scores(unnormalised, z, first_group=0):
    """The `Scores` of frames as an array, one column for each.

    Parameters
    ----------
    unnormalised : (n_frames,) ndarray
        -F(v).
    z : LogZ
        Of a row for each frame, or of one for all.
    first_group : int
        The number of the first group.

    Returns
    -------
    (n_frames, 8) ndarray
    """
    if len(z.log_z) == 1:
        z = type(z)(*(np.broadcast_to(part, len(unnormalised)) for part in z))
    log_p, high, low = (unnormalised - part for part in (z.log_z, z.low, z.high))
    errors = z.standard_error, z.low_error, z.high_error
    return np.stack([log_p, errors[0], high, errors[1], low, errors[2], z.effective, first_group + z.group], axis=1)


def scores_of_packed(seen, W, units, log_volume, first, **settings):
    """The same for a packed group of sequences, the first frame of which has the number `first`.

    Parameters
    ----------
    seen : rtrbm.estimators.grouped.Seen
    W : (n_visible, n_hidden) ndarray
    units : Units
    log_volume : float
        Added to log P.
    first : int
    **settings
        Of `rtrbm.rbm.partition.log_partition`.
    """
    rows = packed_rows(seen.where)  # a frame's number is that of its place in its sequence
    v, biases = seen.v[rows], seen.biases.at(rows)
    z = log_partition(W, *biases, units, data=v, first=first, count=seen.count, **settings)
    double = (np.asarray(a, float) for a in (v, W, *biases))
    found = np.empty((len(rows), len(Scores._fields)))
    found[rows] = scores(log_volume - free_energy(*double, units), z, first)
    return found


def warn_of_grey(sequences, units, what):
    """A warning if frames of binary or softmax units have other values than 0 and 1, as pixels and probabilities do.

    Parameters
    ----------
    sequences : iterable of 2-D ndarrays
    units : Units
    what : str
        frames or rows.
    """
    if not (units.binary or units.one_hot):
        return
    is_grey = np.concatenate([((v != 0) & (v != 1)).any(axis=1) for v in sequences])
    if is_grey.any():
        warn(
            f"X has values between 0 and 1 in {int(is_grey.sum())} of {len(is_grey)} {what}, for which the formula "
            "gives no log-probability: compare models on binary data, X rounded or drawn with these probabilities"
        )


def warn_of_doubts(found, what, has_density):
    """A warning if bounds of log Z are far apart, and one if log Z is too low.

    Parameters
    ----------
    found : Scores
    what : str
        frames or rows.
    has_density : bool
        Whether log P is that of a density, which may be above 0.
    """
    wide, n = found.upper - found.lower > WIDE, len(found.log_p)
    pooled = found.mean()
    gap, n_groups = pooled.upper - pooled.lower, len(np.unique(found.group))
    more = "likelihood() with more temperatures (n_steps=) or chains (n_chains=) may"
    if not (wide.mean() <= FEW and gap <= max(WIDE_MEAN, WIDE / np.sqrt(n_groups))):  # also if they are NaN
        warn(
            f"log Z is not known well: the bounds of {int(wide.sum())} of {n} {what} are more than {WIDE:g} nat apart, "
            f"and those of the mean {gap:.2g}; {more} bring them together"
        )
    above = int((found.lower > ROUNDING).sum())
    if above and not has_density:
        warn(
            f"log Z is too low: {above} of {n} {what} would have a probability above 1, since chains missed the mode "
            f"that they are in; {more} find it"
        )
