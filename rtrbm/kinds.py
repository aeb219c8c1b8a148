"""Kinds of a thing, known by name: units and negative phases, those of users too."""

import dataclasses
import json


class Kind:
    """A base class whose subclasses are known by their `name`.

    A subclass is a frozen dataclass of its settings. If one is defined twice, the later definition counts; the names of
    this package stay.

    Attributes
    ----------
    kinds : dict of types
        The subclasses by name.
    n_defined : int
        How many kinds were defined, of all base classes. What was looked up by name is out of date if it has changed.
    """

    kinds: dict
    n_defined = 0

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "name" in vars(cls):
            earlier = cls.kinds.get(cls.name)
            if earlier is None or not earlier.__module__.startswith("rtrbm."):
                cls.kinds[cls.name] = cls
                Kind.n_defined += 1


def subclasses(base):
    """All classes below a class that have been imported, however far below it; the nearest first."""
    direct = base.__subclasses__()
    return [*direct, *(kind for below in direct for kind in subclasses(below))]


def named(base, argument, value):
    """The object that a setting means: a kind's name stands for that kind with its default settings.

    Parameters
    ----------
    base : type
        A subclass of `Kind`.
    argument : str
        The setting's name, for messages.
    value : str or instance of `base`

    Returns
    -------
    instance of `base`

    Raises
    ------
    TypeError
        If the object's class has no name of its own, or is no dataclass: a file could not keep it.
    ValueError
        If there is no kind of that name.
    """
    if isinstance(value, str) and value in base.kinds:
        try:
            return base.kinds[value]()
        except TypeError as error:
            raise ValueError(f"{argument}={value!r} needs settings, hand in an object of that class: {error}") from None
    if isinstance(value, base):
        if "name" in vars(type(value)) and dataclasses.is_dataclass(value):
            return value
        raise TypeError(
            f"{argument} must be of a class that files can keep: {type(value).__name__} must be a dataclass with a "
            "`name` of its own"
        )
    names = ", ".join(map(repr, sorted(base.kinds)))
    own = " (a class of yours must be imported first)" if isinstance(value, str) else ""
    raise ValueError(f"{argument} must be one of {names}{own}, or an object of class {base.__name__}, got {value!r}")


def to_json(value):
    """A kind with settings of its own as JSON has it, {"kind": its name, setting: value}; a name stays one."""
    if isinstance(value, str):
        return value
    settings = json.dumps(dataclasses.asdict(value), default=lambda number: number.item())  # numpy's numbers
    return {"kind": value.name, **json.loads(settings)}


def from_json(base, value):
    """The object that `to_json` wrote.

    Raises
    ------
    ValueError
        If there is no kind of that name.
    """
    if isinstance(value, str):
        return value
    if value["kind"] not in base.kinds:
        raise ValueError(f"there is no kind {value['kind']!r} (a class of yours must be imported first)")
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k != "kind"}
    return base.kinds[value["kind"]](**settings)
