"""``rtrbm sample``: sequences drawn from nothing."""

import os

from ..convert import write_midi
from .parser import ARRAYS, SAMPLES
from .pictures import check_images, draw
from .reading import Data, read_model
from .verbs import bottom_of, check_verb
from .writing import check_out, ending_of, say, write_sequences

N_KEYS = 88


def run(options):
    """Draw samples and write them."""
    ending = ending_of(options.out)
    is_midi = ending == ".mid"
    midis = _midi_paths(options) if is_midi else ()
    check_out(options, SAMPLES, options.model, writes=midis)
    model = read_model(options.model)
    check_verb(model, "sample", options.model)
    bottom = bottom_of(model)
    n_features, names = bottom.n_features_in_, getattr(bottom, "feature_names_in_", None)
    if is_midi and n_features != N_KEYS:
        raise ValueError(
            f"--out {options.out}: MIDI wants the {N_KEYS} keys of a piano, the model has {n_features} features"
        )
    if options.shape is not None and (is_midi or ending in ARRAYS):
        raise ValueError(f"--shape is for pictures, {options.out!r} is none: leave it out")
    if not is_midi and ending not in ARRAYS:
        check_images(options, n_features, names)
    say(f"drawing {options.n} x {options.frames} frames")
    sequences = _drawn(model, options)[options.states or is_midi]
    if is_midi:
        for path, sequence in zip(midis, sequences):
            write_midi(path, sequence)
    elif ending in ARRAYS:
        form = "one" if options.n == 1 else "array"
        write_sequences(options.out, "samples", list(sequences), Data(options.model, sequences, form, names))
    else:
        draw(options.out, sequences, options.shape, names, bottom._units().binary)
    say("\n".join(midis) or options.out)


def _drawn(model, options):
    """Probabilities or means, and states, of every sequence."""
    settings = {"random_state": options.seed, "return_states": True}
    if bottom_of(model)._is_static:
        rows = model.sample(options.n * options.frames, **settings)
        return [values.reshape(options.n, options.frames, -1) for values in rows]
    return model.sample(options.frames, options.n, **settings)


def _midi_paths(options):
    """A file for each sample."""
    if options.n == 1:
        return [options.out]
    base, ending = os.path.splitext(options.out)
    return [f"{base}-{i}{ending}" for i in range(1, options.n + 1)]
