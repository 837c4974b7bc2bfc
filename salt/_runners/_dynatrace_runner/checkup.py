"""
What an admin wants to know after the installation, line by line, each with what to do.

The engine's own functions are used, loaded as the master loads them, so that what is checked is what would run.
"""

import os
import time

import salt.loader

from . import (
    bus,
    catalogue_check,
    configuration,
    connections,
    generation,
    job_cache,
    minions,
    permissions,
    reactors,
)
from .report import Found, named

ANSWER_S = 5.0


def rows(opts, timeout):
    """
    Return a row for each thing that was looked at: ``check``, ``instance``, ``result``, ``detail``, ``fix``.

    ``result`` is ``ok``, ``warn`` or ``fail``; ``instance`` is None where no engine in particular is meant. Nothing is
    raised: what cannot be checked is a row too.
    """
    until = time.monotonic() + timeout
    found = Found(opts)
    modules = salt.loader.minion_mods(opts, whitelist=["dynatrace", "dynatrace_master"])
    engine = found.guarded("engine code", _engine, found, opts)
    found.guarded("configuration files", configuration.check_files, found, opts)
    found.guarded("rights", permissions.check, found, opts, configuration.files(opts))
    found.guarded("modules", configuration.check_modules, found, opts, modules)
    found.guarded("signing key", configuration.check_signing_key, found, opts)
    applied = found.guarded("reactor", reactors.check, found, opts) or [configuration.STATE]
    found.guarded("remedy", configuration.check_remedy, found, opts)
    configs = found.guarded("configuration", configuration.check_options, found, opts, engine) or {}
    found.guarded("tenant generation", generation.check, found, configs, engine)
    asked = found.guarded("tenant", connections.ask_all, configs, engine) or []
    found.guarded("engine", _answers, found, opts, min(ANSWER_S, timeout))
    found.guarded("job cache", job_cache.check, found, opts, engine, until)
    read = found.guarded("catalogue", catalogue_check.check, found, opts, engine)
    able = found.guarded("minions", minions.check, found, opts, engine, configs, applied, until)
    found.guarded("catalogue", catalogue_check.check_minions, found, opts, read, able, until)
    connections.collect(found, asked, until)
    return found.rows


def _engine(found, opts):
    """
    Return the names of the engine's module, as the master's loader finds it, or None.
    """
    if not bus.configured(opts):
        what = f"no engine `dynatrace` is in `engines`{_there(opts)}"
        fix = "copy master.d/dynatrace.conf, keep the name of its entry, and restart the master"
        found.add("fail", "engine code", what, fix)
    engine = loaded(opts)
    if engine is None:
        what = "the master's loader does not find the engine"
        fix = "see `module_dirs` in master.d/roots.conf, and whether the master's user may read it"
        found.add("fail", "engine code", what, fix)
    else:
        found.add("ok", "engine code", f"loaded from {os.path.dirname(engine['__file__'])}")
    return engine


def loaded(opts):
    """
    Return the names of the engine's module, as the master's loader finds it, or None.
    """
    functions = salt.loader.engines(opts, salt.loader.minion_mods(opts, whitelist=["test"]), {}, {})
    start = functions.get("dynatrace.start")
    return getattr(start, "func", start).__globals__ if start else None


def _there(opts):
    """
    Return which names are in ``engines`` instead, as an end of the sentence.
    """
    engines = opts.get("engines") or ()
    names = [
        str(name) for entry in engines for name in (entry if isinstance(entry, dict) else [entry])
    ]
    return f", which names {named(names)}" if names else ", which is not set"


def _answers(found, opts, timeout):
    answers = bus.ask(opts, "status", None, timeout, {})
    for name in sorted(bus.configured(opts)):
        if name not in answers:
            what, fix = f"it did not answer within {timeout:g} s", "see docs/how-to/troubleshoot.md"
            found.add("fail", "engine", what, fix, name)
            continue
        facts = answers[name].get("facts", {})
        what = f"version {facts.get('version')} runs, last poll {facts.get('last_poll') or 'none'}"
        found.add("ok", "engine", what, instance=name)
        if facts.get("api", "ok") != "ok":
            what = f"it cannot read the tenant: {facts['api']}"
            found.add("fail", "engine", what, "see the tenant's lines, and the master's log", name)
        for thread, since in facts.get("threads", {}).items():
            what = f"its thread {thread} took no turn for {since} s"
            found.add("fail", "engine", what, "see the master's log", name)
        for part, error in facts.get("failing", {}).items():
            found.add("warn", "engine", f"{part} fail: {error}", "see the master's log", name)
        if facts.get("paused"):
            paused = facts["paused"]
            what = (
                f"paused by {paused.get('who')} since {paused.get('since')}: {paused.get('reason')}"
            )
            found.add("warn", "engine", what, "salt-run dynatrace.resume", name)
        if facts.get("dry_run"):
            what = "in dry run: it decides, and nothing is acted on"
            found.add("warn", "engine", what, "remove `policy:dry_run`, restart the master", name)
