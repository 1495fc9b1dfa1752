"""Looks for better parameters with Optuna.

Trial 0 is what would be trained without a search, so the result can only be better on the validation rows. Better there is also luck: the
best of many trials is judged on the rows that chose it. Trials one after the other: two native thread pools on the same cores slow each other down
far more than twofold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna

from .spec import SearchSpec

# Measured: halves the time at equal results.
STARTUP_TRIALS = 5
WARMUP_ROUNDS = 30

# (params, report) -> validation loss. `report(round, loss)` raises TrialPruned for a trial that is not worth finishing.
Objective = Callable[[dict[str, Any], Callable[[int, float], None]], float]
# (trial number, state, loss or None)
OnTrial = Callable[[int, str, float | None], None]


@dataclass(frozen=True)
class SearchResult:
    params: dict[str, Any]
    trials: list[dict[str, Any]]


def search(spec: SearchSpec, defaults: dict[str, Any], seed: int, objective: Objective, on_trial: OnTrial) -> SearchResult:
    """Minimises the loss over `spec.space`; `params` are those of the best trial, of the space only. The same seed gives the same
    trials. An algorithm's error in trial 0 is raised; a later one fails its trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=_sampler(spec.sampler, seed), pruner=_pruner(spec.pruner))
    study.enqueue_trial({name: _within(dimension, defaults.get(name)) for name, dimension in spec.space.items() if name in defaults})

    for number in range(spec.trials):
        trial = study.ask()
        params = {name: _suggest(trial, name, dimension) for name, dimension in spec.space.items()}
        try:
            loss = objective(params, lambda step, value, trial=trial: _report(trial, step, value))
            study.tell(trial, loss)
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except Exception:
            if number == 0:
                raise
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        frozen = study.trials[number]
        on_trial(number, frozen.state.name.lower(), frozen.value)
    return SearchResult(dict(study.best_params), [_record(trial) for trial in study.trials])


def _report(trial: optuna.Trial, step: int, value: float) -> None:
    trial.report(value, step)
    if trial.should_prune():
        raise optuna.TrialPruned


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed) if name == "tpe" else optuna.samplers.RandomSampler(seed=seed)


def _pruner(name: str) -> optuna.pruners.BasePruner:
    if name == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_ROUNDS)


def _suggest(trial: optuna.Trial, name: str, dimension: dict[str, Any]) -> Any:
    if "choice" in dimension:
        return trial.suggest_categorical(name, dimension["choice"])
    log = dimension.get("log", False)
    if "int" in dimension:
        return trial.suggest_int(name, *dimension["int"], log=log)
    return trial.suggest_float(name, *dimension["float"], log=log)


def _within(dimension: dict[str, Any], value: Any) -> Any:
    """The default, or the nearest value of the space: Optuna would drop one from outside."""
    if "choice" in dimension:
        return value if value in dimension["choice"] else dimension["choice"][0]
    low, high = dimension.get("int") or dimension["float"]
    return min(max(value, low), high)


def _record(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {"number": trial.number, "state": trial.state.name.lower(), "value": trial.value, "params": trial.params}
