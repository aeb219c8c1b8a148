"""``rtrbm forecast``: a fan of futures after the last frame."""

import numpy as np

from ..plots import forecast
from .parser import FORECASTS
from .reading import SEQUENCE, check_complete, read_data, read_model
from .verbs import about_data, check_verb, for_model
from .writing import check_out, ending_of, exact, feature_columns, save_figure, say, write_arrays, write_table

N_SHOWN = 6  # features in a fan chart
OWN = ("statistic", "frame")  # columns of a table


def run(options):
    """Forecast, and write mean and quantiles."""
    check_out(options, FORECASTS, options.model, options.file)
    model = read_model(options.model)
    check_verb(model, "forecast", options.model)
    data = for_model(read_data(options.file, options), model)
    check_complete(data)
    taken = [repr(name) for name in (*(data.names or ()), data.by) if name in OWN]
    if taken and ending_of(options.out) == ".csv":
        raise ValueError(f"--out: the table has a column {taken[0]} of its own, and so have the data: take .npz or .h5")
    say(f"{options.file}: {data}; {options.futures} futures of {options.frames} frames")
    with about_data(data):
        ahead = model.forecast(data.sequences, options.frames, options.futures, random_state=options.seed)
    ending = ending_of(options.out)
    if ending == ".csv":
        write_table(options.out, *as_table(ahead, data))
    elif ending == ".png":
        n_sequences, n_features = len(data.sequences), ahead.mean.shape[-1]
        some = [f"the first of {n_sequences} sequences"] * (n_sequences > 1)
        some += [f"the first {N_SHOWN} of {n_features} features"] * (n_features > N_SHOWN)
        if some:
            say(f"{options.out} shows {' and '.join(some)}; .csv has all")
        save_figure(forecast(ahead, data.arrays(), features=N_SHOWN, names=data.names), options.out)
    else:
        arrays = {"mean": ahead.mean, "quantiles": ahead.quantiles, "levels": np.array(ahead.levels)}
        write_arrays(options.out, arrays)
    say(options.out)


def as_table(ahead, data):
    """The columns and rows of a forecast: a block for each sequence and in it for each statistic."""
    statistics = {"mean": ahead.mean} | {f"{level:g}": values for level, values in zip(ahead.levels, ahead.quantiles)}
    labels = data.labels
    if labels is None and len(data.sequences) > 1:
        labels = list(range(len(data.sequences)))
    rows = (
        [*([] if labels is None else [exact(labels[i])]), name, t, *map(str, frame)]
        for i in range(len(data.sequences))
        for name, values in statistics.items()
        for t, frame in enumerate(values[i], 1)
    )
    columns = [data.by or SEQUENCE] * (labels is not None) + [*OWN]
    return [*columns, *feature_columns(ahead.mean.shape[-1], data.names)], rows
