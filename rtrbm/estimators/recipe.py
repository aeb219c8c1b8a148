"""Settings, and the parts of a model that they stand for: units, negative phase, optimiser, engine."""

from __future__ import annotations

import dataclasses
import functools
import numbers
from functools import partial

import numpy as np

from .. import checks, kinds
from ..compute import engine as engines
from ..gradient import Model
from ..rbm.negative import NegativePhase
from ..rbm.units import Units
from ..training import loop, optimizers, ranks, spectral
from ..training.penalties import Penalties
from ..streams import check_random_state
from ..types import DTypeLike, Seed
from .settings import Estimator, setting, settings

OPTIMIZERS = ("adam", "momentum", "spectral")
CENTERING = (True, False, "visible")


_check_factor = partial(checks.check_number, minimum=0, closed=True)
_units, _phase = (partial(kinds.from_json, base) for base in (Units, NegativePhase))


def _check_random_state(name, value):
    check_random_state(value, name)


def _seed_alone(random_state):
    """A whole number; of a generator, None: a model file has the seed that it gave elsewhere."""
    return int(random_state) if isinstance(random_state, numbers.Integral) else None


def _name_of_dtype(dtype):
    return np.dtype(dtype).name


@settings
class Recipe(Estimator):
    """The hyper-parameters of every trained model."""

    n_hidden: int = setting(default=100, check=checks.check_size, kw_only=False)
    visible: str | Units = setting(
        default="bernoulli", check=partial(kinds.named, Units), fixed=True, kept=kinds.to_json, read=_units
    )
    negative: str | NegativePhase = setting(
        default="cd", check=partial(kinds.named, NegativePhase), kept=kinds.to_json, read=_phase
    )
    standardize: bool = setting(default=False, check=checks.check_flag, fixed=True)
    n_gibbs: int | dict[int, int] = setting(default=10, check=checks.check_n_gibbs, free=True)
    sample_visible: bool = setting(default=True, check=checks.check_flag, free=True)
    optimizer: str = setting(default="adam", check=partial(checks.check_choice, choices=OPTIMIZERS))
    learning_rate: float = setting(default=3e-3, check=partial(checks.check_number, minimum=0), free=True)
    momentum: float = setting(
        default=0.9, check=partial(checks.check_number, minimum=0, maximum=1, closed=True), free=True
    )
    centering: bool | str = setting(default=True, check=partial(checks.check_choice, choices=CENTERING), free=True)
    max_norm: float | None = setting(default=None, check=checks.check_max_norm, free=True)
    weight_decay: float = setting(default=0.0, check=_check_factor, free=True)
    l1: float = setting(default=0.0, check=_check_factor, free=True)
    sparsity_cost: float = setting(default=0.0, check=_check_factor, free=True)
    sparsity_target: float = setting(default=0.1, check=partial(checks.check_number, minimum=0, maximum=1), free=True)
    batch_size: int = setting(default=8, check=checks.check_size, free=True)
    n_updates: int = setting(default=2000, check=checks.check_count, free=True)
    n_epochs: int | None = setting(default=None, check=checks.check_n_epochs, free=True)
    dtype: DTypeLike = setting(default="float32", check=checks.check_dtype, kept=_name_of_dtype)
    engine: str = setting(default="numpy", check=partial(checks.check_choice, choices=engines.ENGINES))
    n_jobs: int | None = setting(default=-1, check=checks.check_n_jobs)
    random_state: Seed = setting(default=None, check=_check_random_state, kept=_seed_alone)
    verbose: int = setting(default=0, check=checks.check_verbose)

    comm = None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        try:
            self._units().check(np.array([[-1.0]]), "X")
        except (TypeError, ValueError):
            tags.input_tags.positive_only = True
        return tags

    def _past(self):
        """The conditioner that makes the biases."""
        raise NotImplementedError

    @classmethod
    def _implied(cls, params):
        """Hyper-parameters that the parameters of a model imply."""
        return {}

    def _model(self):
        return Model(self._past(), self._units())

    def _units(self):
        return kinds.named(Units, "visible", self.visible)

    def _effective(self):
        """The parameters that the mathematics takes."""
        return self._past().effective(self.params_)

    def _kind(self):
        """The type of `params_`."""
        return type(self._past().shapes(1, 1))

    def _engine(self):
        even = self.comm is None or self.comm.size > ranks.PARTS  # else a rank's threads have parts to take
        return engines.named(self.engine, self.n_jobs, even)

    def _optimizer(self, engine=None):
        engine = self._engine() if engine is None else engine
        if self.optimizer == "momentum":
            return optimizers.momentum(float(self.momentum))
        if self.optimizer == "spectral":
            return spectral.spectral(float(self.momentum), engine)
        return optimizers.adam(float(self.momentum), engine=engine)

    def _negative(self):
        """The function of an update's number that returns its negative phase; it does not keep this model.

        A phase called by name takes `n_gibbs` and `sample_visible`.
        """
        return partial(_phase_at, self.negative, self.n_gibbs, bool(self.sample_visible))

    def _rule(self):
        engine = self._engine()
        return loop.Rule(
            model=self._model(),
            negative=self._negative(),
            optimizer=self._optimizer(engine),
            learning_rate=float(self.learning_rate),
            centering=self.centering if isinstance(self.centering, str) else bool(self.centering),
            max_norm=None if self.max_norm is None else float(self.max_norm),
            engine=engine,
            comm=self.comm,
            deviation=None if self.scale_ is None else self.scale_.deviation,
            penalties=Penalties(*map(float, (self.weight_decay, self.l1, self.sparsity_cost, self.sparsity_target))),
        )

    def _check_hyper_parameters(self):
        super()._check_hyper_parameters()
        ranks.check_comm(self.comm)
        if self.standardize and not self._units().linear:
            raise ValueError(
                f"standardize=True is for real values, got visible={self.visible!r}: take visible='gaussian' or "
                "'scaled_gaussian', or standardize=False"
            )


def _phase_at(negative, n_gibbs, sample_visible, update):
    """The negative phase of an update: that which the settings name."""
    if not isinstance(negative, str):
        return negative
    try:
        return _phase(NegativePhase.kinds[negative], optimizers.scheduled(n_gibbs, update), sample_visible)
    except (KeyError, TypeError):  # it was another class when the settings were checked
        kinds.named(NegativePhase, "negative", negative)
        raise


@functools.lru_cache(maxsize=64)
def _phase(kind, k, sample_visible):
    """A negative phase of this kind, with those of the settings that it has."""
    own = {field.name for field in dataclasses.fields(kind)}
    values = {"k": k, "sample_visible": sample_visible, "k_missing": k}
    return kind(**{name: value for name, value in values.items() if name in own})
