"""
Answers what the orchestrations ask before they touch a minion.

.. code-block:: bash

    salt-run dynatrace_orch.target web01 apache2
    salt-run dynatrace_orch.may_break web01 apache2 allow='["web*"]'
    salt-run dynatrace_orch.attempts web01

Nothing here changes anything, and what is refused is returned as ``error``, not raised: an admin
gets a sentence and no traceback. Texts that come from outside are compared and never executed: a
minion id counts when a minion with exactly this id is accepted, a service when the state tree has
a remedy for it.
"""

import os
import re
import time
from datetime import datetime
from fnmatch import fnmatch, fnmatchcase

import salt.fileserver
import salt.key
import salt.loader
import salt.utils.minions
import salt.utils.yaml
from salt.exceptions import CommandExecutionError

# A name that can be part of a state's name and mean one file.
SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SEVERAL = re.compile(r"[*?\[\],\s]")
# Where the state tree may hold a remedy: ours, and a site's own as docs/how-to/heal-another-service.md names it.
REMEDIES = ("dynatrace.remedy.{}", "remedy.{}")
OPENED = "dynatrace/problem/open/availability/P-1"
# The engine's defaults, for what its configuration leaves out.
POLICY = {
    "act_on": ["host_id", "property"],
    "allow": ["*"],
    "deny": [],
    "cooldown": 300,
    "max_attempts": 3,
    "attempt_window": 3600,
}
# Ends of an attempt after which the engine waits longer for the next.
FAILED = ("bad", "lost", "refused", "unproved")
TIMEOUT_S = 5


def target(minion, service):
    """
    Return ``minion``, the accepted one that is named, and ``remedy``, the state that heals the service.

    An error when the minion is not accepted, when more than one is named, or when there is no remedy.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace_orch.target web01 apache2
    """
    return _told(_target, minion, service)


def may_break(minion, service, allow=(), instance=None, timeout=TIMEOUT_S):
    """
    Tell whether a service may be broken on purpose now, since the engine would heal it.

    Returns ``may``, the ``reasons`` against it, the ``instance`` that was asked, and the ``remedy``;
    errors are those of ``target``. ``allow`` lists globs of the minions that are no production.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace_orch.may_break web01 apache2 allow='["web*"]'
    """
    return _told(_may_break, minion, service, allow, instance, timeout)


def attempts(minion, since=0, instance=None, timeout=TIMEOUT_S):
    """
    Return as ``attempts`` the engine's on one minion since a time (seconds of the epoch), newest first.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace_orch.attempts web01
    """
    return _told(lambda: {"attempts": _attempts(_concerns(minion), since, instance, timeout)})


def _told(act, *args):
    try:
        return act(*args)
    except CommandExecutionError as err:
        return {"error": str(err), "retcode": 1}


def _target(minion, service):
    if isinstance(minion, (list, tuple, set, dict)) or (
        isinstance(minion, str) and SEVERAL.search(minion)
    ):
        raise CommandExecutionError("more than one minion is named; name one by its whole id")
    if not isinstance(minion, str) or not minion:
        raise CommandExecutionError("no minion is named; give its id as the pillar `minion`")
    if minion not in _accepted():
        raise CommandExecutionError(f"no minion with the id {_shown(minion)} is accepted here")
    if not isinstance(service, str) or not SERVICE.fullmatch(service):
        raise CommandExecutionError("no service is named; give its name as the pillar `service`")
    return {"minion": minion, "remedy": _remedy(service)}


def _may_break(minion, service, allow, instance, timeout):
    remedy = _target(minion, service)["remedy"]
    reasons = []
    if not isinstance(allow, (list, tuple)) or not any(
        isinstance(glob, str) and fnmatchcase(minion, glob) for glob in allow
    ):
        reasons.append(
            f"{minion} counts as production: the pillar dynatrace:chaos:allow does not list it"
        )
    if not _is_mapped(remedy):
        reasons.append(
            f"no reactor of this master maps a problem to {remedy}: see master.d/reactor.conf"
        )
    name, status = _engine_status(instance, timeout)
    if "error" in status:
        reasons.append(status["error"])
    else:
        reasons += _held_by(status, minion)
        reasons += _held_by_policy(_policy(name), minion, name, timeout)
    return {"may": not reasons, "reasons": reasons, "instance": name, "remedy": remedy}


def _attempts(concerns, since, instance, timeout):
    answer = _engine("history", instance=instance, timeout=timeout)
    if "error" in answer:
        raise CommandExecutionError(str(answer["error"]))
    found = []
    for name, rows in sorted(answer.items()):
        for row in rows if isinstance(rows, list) else ():
            if concerns(row) and _seconds(row.get("created")) >= float(since):
                found.append({**row, "instance": name})
    return found


def _concerns(minion):
    """
    Return the question whether a row is about a minion; of a long list only the beginning is told.
    """
    return lambda row: minion in (row.get("minions") or ())


def _may_concern(minion):
    """
    Return the same question, answered with yes where a list was cut.
    """

    def asked(row):
        minions = row.get("minions") or ()
        return minion in minions or len(minions) < row.get("minion_count", 0)

    return asked


def _accepted():
    return salt.key.get_key(__opts__).list_status("accepted").get("minions", [])


def _grains(minion):
    """
    Return what the master's cache tells of a minion; nothing where it cannot be read.
    """
    try:
        # The layout of 3008 or that of before.
        told = salt.utils.minions.get_minion_data(minion, __opts__)
        grains = told[-2] if isinstance(told, tuple) else None
    except Exception:  # noqa: BLE001 - Salt raises what the cache's driver raises.
        grains = None
    return grains if isinstance(grains, dict) else {}


def _remedy(service):
    """
    Return the name of the state that heals a service; raises CommandExecutionError when there is none.
    """
    # Whichever environment a minion looks in, it looks by itself.
    environments = dict.fromkeys(["base", *__salt__["fileserver.envs"]()])
    files = {path for one in environments for path in __salt__["fileserver.file_list"](one)}
    names = [name.format(service) for name in REMEDIES]
    for name in names:
        path = name.replace(".", "/")
        if f"{path}.sls" in files or f"{path}/init.sls" in files:
            return name
    raise CommandExecutionError(
        f"there is no remedy for {service}: the state tree has neither {' nor '.join(names)}"
    )


def _engine(function, *args, **kwargs):
    """
    Ask the engine by its runner. With this output rows come as data: the runner makes tables for a terminal.
    """
    if not isinstance(kwargs.get("instance"), (str, type(None))):
        raise CommandExecutionError("`instance` is the name of an engine")
    asked = salt.loader.runner({**__opts__, "output": "json"}, whitelist=["dynatrace"])
    name = f"dynatrace.{function}"
    if name not in asked:
        raise CommandExecutionError(
            "the runner `dynatrace` is not found by this master: see module_dirs in master.d/roots.conf"
        )
    answer = asked[name](*args, **kwargs)
    # The exit code for the terminal is no engine.
    return {key: value for key, value in answer.items() if key != "retcode"}


def _engine_status(instance, timeout):
    """
    Return the one engine that answers, with its status; an ``error`` stands for what is wrong with it.
    """
    answer = _engine("status", instance=instance, timeout=timeout)
    if "error" in answer:
        return instance, {"error": str(answer["error"])}
    if len(answer) > 1:
        names = ", ".join(sorted(answer))
        return None, {"error": f"several engines answer ({names}); name one as `instance`"}
    [(name, status)] = answer.items()
    return name, status


def _held_by(status, minion):
    """
    Return what an engine's status says against acting on a minion now.
    """
    reasons = []
    if status.get("paused"):
        told = status["paused"] if isinstance(status["paused"], dict) else {}
        reasons.append(f"the engine is paused by {told.get('who')}: {told.get('reason')}")
    if status.get("dry_run"):
        reasons.append("the engine is in dry run")
    if status.get("api") != "ok":
        reasons.append(f"the engine cannot read the tenant: {status.get('api')}")
    if minion in status.get("healing", ()):
        reasons.append(f"{minion} is being healed right now")
    return reasons


def _held_by_policy(policy, minion, instance, timeout):
    """
    Return what the policy, and what the engine has on this minion, say against acting on it now.
    """
    reasons = []
    if any(fnmatchcase(minion, glob) for glob in policy["deny"]) or not any(
        fnmatchcase(minion, glob) for glob in policy["allow"]
    ):
        reasons.append(f"the engine's policy does not allow {minion}")
    # Of a property only the tenant knows, and a name is no proof: such an outage may be nobody's.
    if "host_id" in policy["act_on"] and not {"name", "address"} & set(policy["act_on"]):
        host = _grains(minion).get("dynatrace")
        if not isinstance(host, dict) or not host.get("host_id"):
            reasons.append(
                f"the master knows no grain dynatrace:host_id of {minion}, by which the engine would be sure of it: "
                f"salt {minion} saltutil.sync_all"
            )
    rows = _engine("problems", instance=instance, timeout=timeout).get(instance)
    if not isinstance(rows, list):
        return [*reasons, "the engine does not tell its open problems"]
    concerns = _may_concern(minion)
    # While one is open the engine may take a second outage for the one that it has healed.
    reasons += [
        f"the problem {row.get('problem')} is open on {minion} already"
        for row in rows
        if concerns(row)
    ]
    return reasons + _held_by_past(policy, _attempts(concerns, 0, instance, timeout), time.time())


def _held_by_past(policy, past, now):
    """
    Return why the engine would wait after its latest attempts on a minion; ``past`` is newest first.
    """
    counted = [one for one in past if _seconds(one.get("created")) > now - policy["attempt_window"]]
    if len(counted) >= policy["max_attempts"]:
        window = policy["attempt_window"]
        return [f"{len(counted)} attempts on it within {window:g} s have spent the engine's budget"]
    if not past:
        return []
    failures = next(
        (at for at, one in enumerate(past) if one.get("state") not in FAILED), len(past)
    )
    ended = _seconds(past[0].get("created")) + (past[0].get("took_ms") or 0) / 1000
    left = ended + policy["cooldown"] * 2.0 ** min(failures, 30) - now
    return [f"the engine's cooldown lasts {left:.0f} s more"] if left > 0 else []


def _policy(instance):
    """
    Return what this master's configuration says of an engine's policy; the secrets beside it are not looked at.
    """
    for entry in __opts__.get("engines") or []:
        for name, options in entry.items() if isinstance(entry, dict) else ():
            own = options if isinstance(options, dict) else {}
            if str(name) == instance and own.get("engine_module", name) == "dynatrace":
                return {**POLICY, **(own.get("policy") or {})}
    return POLICY


def _is_mapped(remedy):
    """
    Tell whether a reaction to an opened availability problem names this state.
    """
    word = re.compile(rf"(?<![\w.-]){re.escape(remedy)}(?![\w.-])")
    return any(word.search(_text(path)) for path in _reactions(OPENED))


def _reactions(tag):
    """
    Yield the files that the reactor renders for a tag.
    """
    reactor = __opts__.get("reactor") or []
    if isinstance(reactor, str):
        reactor = salt.utils.yaml.safe_load(_text(reactor)) or []
    for entry in reactor if isinstance(reactor, list) else ():
        for glob, paths in entry.items() if isinstance(entry, dict) else ():
            if fnmatch(tag, str(glob)):
                yield from paths if isinstance(paths, list) else [paths]


def _text(path):
    path = str(path)
    if path.startswith("salt://"):
        found = salt.fileserver.Fileserver(__opts__).find_file(path.removeprefix("salt://"), "base")
        path = found.get("path") or os.devnull
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def _seconds(text):
    try:
        return datetime.fromisoformat(re.sub("Z$", "+00:00", str(text))).timestamp()
    except ValueError:
        return 0.0


def _shown(text):
    return repr(text[:64])
