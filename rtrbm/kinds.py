"""Kinds of a thing, known by name: every subclass that has been imported and has a `name` of its own."""

import dataclasses
import json


def kinds(base):
    """The subclasses of a class by name, however far below it.

    Parameters
    ----------
    base : type

    Returns
    -------
    dict of types
    """
    return {kind.name: kind for kind in reversed(subclasses(base)) if "name" in vars(kind)}


def subclasses(base):
    """All classes below a class that have been imported, however far below it; the nearest first."""
    direct = base.__subclasses__()
    return [*direct, *(kind for below in direct for kind in subclasses(below))]


def named(base, argument, value):
    """The object that a setting means: a kind's name stands for that kind with its default settings.

    Parameters
    ----------
    base : type
    argument : str
        The setting's name, for messages.
    value : str or instance of `base`

    Returns
    -------
    instance of `base`

    Raises
    ------
    ValueError
        If there is no kind of that name.
    """
    if isinstance(value, base) and type(value) is not base:
        return value
    known = kinds(base)
    if isinstance(value, str) and value in known:
        return known[value]()
    names = ", ".join(map(repr, sorted(known)))
    raise ValueError(f"{argument} must be one of {names}, or an object of class {base.__name__}, got {value!r}")


def to_json(value):
    """A kind with settings of its own as JSON has it, {"kind": its name, setting: value}."""
    settings = json.dumps(dataclasses.asdict(value), default=lambda number: number.item())  # numpy's numbers
    return {"kind": value.name, **json.loads(settings)}


def from_json(bases, value):
    """The object that `to_json` wrote.

    Raises
    ------
    KeyError
        If there is no kind of that name.
    """
    known = {name: kind for base in bases for name, kind in kinds(base).items()}
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k != "kind"}
    return known[value["kind"]](**settings)
