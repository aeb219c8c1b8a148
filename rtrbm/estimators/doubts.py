"""What looks wrong but could be meant: doubts about data, and about what was learned from them.

Each doubt is one line, which a fit hands on as a warning.
"""

import numpy as np

from ..training.state import HEALTH

N_NUMBERS = 2**14  # of the data, that are looked at
SIDE = 32  # of the corner of an array whose axes are looked at
N_NAMED = 5
NARROW, WIDE, FAR = 1 / 5, 5, 3  # standard deviations and means that standardised features do not have
SMALL = 8  # sides below which nothing is said about axes
ALIKE = 0.7  # ratio of the distance of neighbours to that of any two
N_ROWS = 64  # on which chains from noise are run
N_UPDATES, FEWEST = 100, 32  # updates and rows that a look at a model needs: rates are large at first
STILL = 0.01  # hidden units that a step of the chain changes, on average
MOST_STILL = 0.9  # of the frames
WORSE, AFTER = 1.2, 0.75  # ratio of validation errors, and part of a run that the better one came before
ASTRAY = 3  # times the variance; frames of a perfect model without a past have an error of twice the variance


def of_data(sample, units, dtype, standardize, names=None):
    """Doubts about data that a model is to learn.

    Parameters
    ----------
    sample : list of 2-D ndarrays, masked ones where values are missing
        Frames as they were handed in, of some sequences.
    units : Units
    dtype : dtype
        Of the model.
    standardize : bool
        Whether every feature is brought to mean 0 and standard deviation 1.
    names : sequence of str, optional
        Of the features.

    Yields
    ------
    str
    """
    frames = np.ma.concatenate(sample) if np.ma.isMaskedArray(sample[0]) else np.concatenate(sample)
    raw, wide = frames.dtype, frames.astype(float)
    if not np.isfinite(wide).all():
        return  # the check of a minibatch will say so
    figures = wide.mean(axis=0), wide.std(axis=0), abs(wide).max(axis=0)
    mean, deviation, largest = (np.ma.filled(figure, 0) for figure in figures)
    constant = deviation <= 32 * np.finfo(float).eps * largest
    real_valued = units.linear
    if real_valued and constant.any():
        yield f"X does not vary in {_named(constant, names)}: leave out constant features"
    lost = ~constant & (deviation < 256 * np.finfo(dtype).eps * largest)
    if lost.any() and not standardize:
        remedy = "standardize=True, or subtract the means" if real_valued else "dtype='float64'"
        yield (
            f"X varies so little beside its size in {_named(lost, names)} that {np.dtype(dtype)} loses much of it: "
            f"take {remedy}"
        )
    if not real_valued or standardize:
        return
    if raw.kind in "iu" and largest.max() > 1:
        yield (
            f"X holds integers from {wide.min():g} to {wide.max():g} for {type(units).__name__} units of standard "
            "deviation 1: divide pixels by 255 (rtrbm.convert), take visible='poisson' for counts, or standardize=True"
        )
    elif units.shape(1) is not None:
        far = ~constant & (abs(mean) > 5 * deviation)
        if far.any():
            yield (
                f"X has means of more than 5 standard deviations in {_named(far, names)}, which saturates hidden "
                "units: take standardize=True"
            )
    else:
        odd = ~constant & ((deviation < NARROW) | (deviation > WIDE) | (abs(mean) > FAR))
        if odd.any():
            yield (
                f"X is not standardised in {_named(odd, names)} (means from {mean[odd].min():.3g} to "
                f"{mean[odd].max():.3g}, deviations from {deviation[odd].min():.3g} to {deviation[odd].max():.3g}), "
                "Gaussian units have variance 1: take standardize=True"
            )


def of_scale(n_frames):
    """The doubt about a scale that so few frames have given."""
    return (
        f"standardize=True takes means and deviations from the first minibatch of partial_fit, which has {n_frames} "
        f"frames: hand in {FEWEST} or more first, or call fit"
    )


def of_axes(X):
    """Doubts about the meaning of the axes of sequences; of the first one alone if they differ in length.

    Parameters
    ----------
    X : ndarray or list of (n_frames_i, n_visible) ndarrays

    Yields
    ------
    str
    """
    n_sequences = len(X) if len({len(x) for x in X}) == 1 else 1
    n_frames, n_visible = X[0].shape
    X = np.stack([np.asarray(x[:SIDE])[:, :SIDE].astype(float) for x in X[: min(n_sequences, SIDE)]])
    if n_sequences > n_frames >= SMALL and n_visible <= 2 * n_frames and n_frames <= 2 * n_visible:
        if _likeness(X.reshape(len(X), -1)) < ALIKE:
            yield (
                f"X of shape {(n_sequences, n_frames, n_visible)} may be a video (n_frames, height, width): it trains "
                f"as {n_sequences} sequences, each like the one before; rtrbm.convert.video makes one sequence of it"
            )
            return
    if min(n_frames, n_visible) >= 2 * SMALL:
        along_time = np.mean([_likeness(x) for x in X[:20]])
        along_features = np.mean([_likeness(x.T) for x in X[:20]])
        chance = 3 / np.sqrt(1 + np.count_nonzero(X[:20]))  # of a few spikes, neighbours may agree by chance
        if along_time > 0.9 and along_features < 0.9 * along_time - chance:
            yield (
                "X may be transposed: its features are like their neighbours, its frames are not like the ones "
                f"before; a sequence is (n_frames, n_visible), got {(n_frames, n_visible)}"
            )


def _likeness(rows):
    """The mean distance of neighbouring rows, relative to that of rows far apart."""
    near = abs(np.diff(rows, axis=0)).mean()
    half = len(rows) // 2
    far = abs(rows[half:] - rows[: len(rows) - half]).mean()
    return near / far if far else 1.0


def of_model(h, error, spread):
    """Doubts about a trained model.

    Parameters
    ----------
    h : (n_rows, n_hidden) ndarray
        P(h = 1 | v, past) on data.
    error : float
        Squared error of predictions by chains that start with noise.
    spread : float
        Squared error of the mean of the data.

    Yields
    ------
    str
    """
    dead, full, still = _shares(h)
    if dead + full > 0.5 and h.shape[1] >= 8:
        what = "never on" if dead > full else "always on"
        yield (
            f"{dead + full:.0%} of the hidden units are the same in every frame, most of them {what}: "
            "take a smaller learning_rate, or standardised data"
        )
    elif still > MOST_STILL and h.shape[1] >= 8:
        yield (
            f"chains stand still in {still:.0%} of the frames, a step changes no hidden unit there: "
            "take a smaller learning_rate"
        )
    if not error <= ASTRAY * spread:
        yield (
            f"chains that start with noise end far from the data (squared error {error:.3g} a frame, the mean of the "
            f"data has {spread:.3g}): take a smaller learning_rate or more n_gibbs; "
            "reconstruction_error does not show it"
        )


def _shares(h):
    """The shares of hidden units that are never on and always on, and of frames in which chains stand still."""
    mean = h.mean(axis=0)
    still = (2 * h * (1 - h)).sum(axis=1) < STILL  # units that differ between two draws
    return (mean < 0.01).mean(), (mean > 0.99).mean(), still.mean()


def health(history, n_updates, seen):
    """What the history keeps of a look at a model, after so many updates.

    Parameters
    ----------
    history : dict of lists
    n_updates : int
    seen : tuple of P(h | v), error and spread as of `of_model`, or None

    Yields
    ------
    name : str, of `HEALTH`
    value : number
    """
    if seen is not None:
        h, error, _ = seen
        errors = history.get("validation_error", [0.0])
        values = n_updates, *map(float, _shares(h)), error, errors[-1] / min(errors) - 1 if min(errors) else 0.0
        yield from zip(HEALTH, values)


def of_validation(history, best):
    """Doubts about a run whose validation error has risen while its own error fell, unless the best model is kept.

    Parameters
    ----------
    history : dict of lists
    best : Best or None

    Yields
    ------
    str
    """
    errors, updates = history.get("validation_error", []), history.get("validation_update", [])
    if best is not None or len(errors) < 4:
        return
    least = int(np.argmin(errors))
    own, every = history["reconstruction_error"], updates[-1] - updates[-2]
    before, after = (np.mean(own[max(0, n - every) : max(n, 1)]) for n in (updates[least], updates[-1]))
    if errors[-1] > WORSE * errors[least] and updates[least] <= AFTER * updates[-1] and after < before:
        yield (
            f"validation_error rose from {errors[least]:.3g} after update {updates[least]} to {errors[-1]:.3g}, while "
            f"reconstruction_error fell from {before:.3g} to {after:.3g}: take callbacks=[EarlyStopping()], fewer "
            "n_updates or fewer n_hidden"
        )


def of_rate(optimizer, rate):
    """Doubts about a learning rate, which but for momentum is the change of weights in each of the first updates.

    Yields
    ------
    str
    """
    if optimizer != "momentum" and rate >= 1:
        yield f"learning_rate={rate:g} changes weights by {rate:g} in each of the first updates: 0.001 to 0.03 is usual"


def of_y(y, X, is_static=False):
    """Raise a TypeError if y, which is not used, looks like data or like the lengths of sequences.

    Parameters
    ----------
    y : anything
    X : anything
        As handed in to fit.
    is_static : bool
        Whether the model takes rows.
    """
    if y is None:
        return
    y_shape, x_shape = _shape(y), _shape(X)
    targets = is_static and y_shape[:1] == x_shape[:1]  # one for each row, as other steps of a pipeline want
    if len(y_shape) >= 2 and len(y_shape) == len(x_shape) and y_shape[-1] == x_shape[-1] and not targets:
        raise TypeError("y is not used, but it looks like data: validation data go in fit(X, validation=...)")
    if len(x_shape) < 2 or None in x_shape or len(y_shape) != 1:
        return
    try:
        y = np.asarray(y)
    except Exception:  # what cannot be read is not used either
        return
    if y.dtype.kind not in "iu" or not len(y) or y.min() < 1:
        return
    if len(x_shape) == 2 and y.sum() == x_shape[0] and len(y) < x_shape[0]:
        raise TypeError(
            "y is not used, but it looks like the lengths of sequences: hand in a list, "
            "np.split(X, np.cumsum(lengths)[:-1])"
        )
    if len(x_shape) == 3 and len(y) == x_shape[0] and y.max() <= x_shape[1] and y.min() < x_shape[1]:
        if all(np.ptp(x[n:]) == 0 for x, n in zip(X, y) if n < x_shape[1]):
            raise TypeError(
                "y is not used, but it looks like the lengths of padded sequences: hand in a list, "
                "[x[:n] for x, n in zip(X, lengths)]"
            )


def _shape(X):
    """The shape of an array or a list of arrays; None stands for lengths that differ."""
    try:
        return tuple(X.shape) if hasattr(X, "shape") else np.shape(X)
    except Exception:  # ragged lists, and whatever else fit takes
        return (len(X), None, None) if isinstance(X, list | tuple) else ()


def of_mask(unseen, names=None):
    """Doubts about a mask, by the features (n_visible,) of which it leaves no value."""
    if unseen.any():
        yield f"mask is True everywhere in {_named(unseen, names)}: the model learns nothing of what it never sees"


def _named(which, names):
    """Some features, for a message."""
    found = np.flatnonzero(which)
    shown = ", ".join(str(i) if names is None else repr(str(names[i])) for i in found[:N_NAMED])
    more = f" and {len(found) - N_NAMED} more" if len(found) > N_NAMED else ""
    return f"feature{'s' * (len(found) > 1)} {shown}{more}"
