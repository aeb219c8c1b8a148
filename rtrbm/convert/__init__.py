"""Data as people have them, as the sequences that the models take, and back (docs/your-data.md)."""

from ..minibatches.paths import read
from .midi import read_midi, write_midi
from .music import midi_notes, notes, piano_roll
from .parameters import from_parameters, from_sklearn, parameters, to_sklearn
from .spikes import counts, spikes
from .tables import tables
from .video import frames_of, video

__all__ = [
    "counts",
    "frames_of",
    "from_parameters",
    "from_sklearn",
    "midi_notes",
    "notes",
    "parameters",
    "piano_roll",
    "read",
    "read_midi",
    "spikes",
    "tables",
    "to_sklearn",
    "video",
    "write_midi",
]
