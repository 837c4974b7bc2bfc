"""
Simulates what an engine would do, in this process: it asks no engine, fires nothing and writes nothing but a scratch ledger.
"""

import sys
import time

import salt.utils.files
import salt.utils.yaml
from salt.exceptions import CommandExecutionError

from . import bus, checkup

CATALOGUE = "dynatrace_remedies"
# Closed problems are forgotten after that.
MOST_DAYS = 30
# What takes longer says how far it is, and so often.
SHOWN_AFTER_S, SHOWN_EVERY_S = 2, 1


def collected(opts, instance, **asked):
    """
    Return by engine ``says``, ``simulated`` and ``counts``, or ``error``; raises CommandExecutionError for bad input.
    """
    engine = checkup.loaded(opts)
    configured = bus.configured(opts)
    names = [name for name in configured if instance in (None, name)]
    if engine is None or not names:
        named = f"the engine {instance!r}" if instance else "an engine `dynatrace`"
        raise CommandExecutionError(f"this master does not find {named} in its code and `engines`")
    subject = _asked(engine, **asked)
    return {name: _of_engine(engine, name, configured[name], subject) for name in names}


def _of_engine(engine, name, options, subject):
    kind = engine["simulation"].Simulation
    simulation = kind(name, options, engine["_master"](name), time.time())
    try:
        return simulation.run(subject, _Progress(name))
    except (engine["errors"].DynatraceError, OSError) as err:
        return {"error": str(err)}


def _asked(engine, display_id, file, days, policy, remedies, outcomes):
    if sum(one is not None for one in (display_id, file, days)) != 1:
        raise CommandExecutionError(
            "name one of: a problem (P-2407114), `file=` with the body of a notification, `days=` of closed problems"
        )
    simulation = engine["simulation"]
    if outcomes not in simulation.ENDS:
        raise CommandExecutionError(f"`outcomes` is good or bad, not {outcomes!r}")
    return simulation.Asked(
        problem=str(display_id) if display_id is not None else None,
        body=_read(file) if file is not None else None,
        days=_days(days),
        policy=_policy(policy) if policy is not None else None,
        remedies=_remedies(remedies) if remedies is not None else None,
        ends=simulation.ENDS[outcomes],
    )


def _days(days):
    if days is None:
        return None
    number = isinstance(days, (int, float)) and not isinstance(days, bool)
    if not number or not 0 < days <= MOST_DAYS:
        raise CommandExecutionError(
            f"`days` is a number up to {MOST_DAYS}, for which closed problems are kept, not {days!r}"
        )
    return float(days)


def _policy(path):
    given = _yaml(path)
    if isinstance(given, dict) and set(given) == {"policy"}:
        given = given["policy"]
    if not isinstance(given, dict) or not given:
        raise CommandExecutionError(
            f"{path} is no mapping of keys of `policy`, such as `cooldown: 60`"
        )
    return given


def _remedies(path):
    given = _yaml(path)
    if not isinstance(given, dict) or CATALOGUE not in given:
        raise CommandExecutionError(
            f"{path} has no key `{CATALOGUE}` with entries of the catalogue"
        )
    return given[CATALOGUE] if given[CATALOGUE] is not None else {}


def _yaml(path):
    try:
        return salt.utils.yaml.safe_load(_read(path))
    except (salt.utils.yaml.YAMLError, ValueError) as err:
        mark = getattr(err, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise CommandExecutionError(f"{path}{place} is no YAML") from err


def _read(path):
    try:
        with salt.utils.files.fopen(str(path), "rb") as stream:
            return stream.read()
    except OSError as err:
        raise CommandExecutionError(f"{path} cannot be read: {err.strerror}") from err


class _Progress:
    """
    Says on stderr how far a simulation is that takes long.
    """

    def __init__(self, name):
        self._name = name
        self._next = time.monotonic() + SHOWN_AFTER_S

    def __call__(self, done, count):
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SHOWN_EVERY_S
            print(f"{self._name}: {done} of {count} moments are replayed", file=sys.stderr)
