"""
Answers what the orchestrations ask before they touch a minion.

Nothing here changes anything, and what is refused is returned as ``error``, not raised: an admin
gets a sentence and no traceback. Texts that come from outside are compared and never executed: a
minion id counts when a minion with exactly this id is accepted, a service when the catalogue or the
state tree has a remedy for it.
"""

import re
from datetime import datetime
from fnmatch import fnmatchcase

import salt.key
import salt.utils.minions
from _dynatrace_runner import bus, catalogue, environments, reactors
from salt.exceptions import CommandExecutionError

# The name of a remedy or a unit; without dots and the like it can be part of a state's name and mean one file.
SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:-]{0,63}")
FILE = re.compile(r"[A-Za-z0-9_-]+")
SEVERAL = re.compile(r"[*?\[\],\s]")
# Where the state tree may hold a remedy: ours, and a site's own as docs/how-to/write-a-remedy.md names it.
REMEDIES = ("dynatrace.remedy.{}", "remedy.{}")
TIMEOUT_S = 5


def target(minion, service):
    """
    Return ``minion``, the accepted one that is named, and ``remedy``, the state that heals the service.

    For a service of the catalogue that is ``dynatrace.remedy``, and ``order`` is what it gets as the pillar
    ``dynatrace_remedy``; else it is None. An error when the minion is not accepted, when more than one is named, or when there is no remedy.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace_orch.target web01 apache2
    """
    return _told(_target, minion, service)


def may_break(minion, service, allow=(), instance=None, timeout=TIMEOUT_S):
    """
    Tell whether a service may be broken on purpose now, since the engine would heal it.

    Returns ``may``, the ``reasons`` against it, the ``instance`` that was asked, and what ``target``
    does, whose errors are the same. ``allow`` lists globs of the minions that are no production.

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
    return _told(_attempts, minion, since, instance, timeout)


def _told(act, *args):
    try:
        return act(*args)
    except (CommandExecutionError, OSError) as err:
        __context__["retcode"] = 1
        return {"error": str(err), "retcode": 1}


def _target(minion, service):
    if isinstance(minion, (list, tuple, set, dict)) or (
        isinstance(minion, str) and SEVERAL.search(minion)
    ):
        raise CommandExecutionError("more than one minion is named; name one by its whole id")
    if not isinstance(minion, str) or not minion:
        raise CommandExecutionError("no minion is named; give its id as the pillar `minion`")
    if minion not in _accepted():
        raise CommandExecutionError(f"no minion with the id {minion[:64]!r} is accepted here")
    if not isinstance(service, str) or not SERVICE.fullmatch(service):
        raise CommandExecutionError("no service is named; give its name as the pillar `service`")
    ways = list(_ways(service))
    if not ways:
        files = " nor ".join(name.format(service) for name in REMEDIES)
        raise CommandExecutionError(
            f"there is no remedy for {service}: neither `{catalogue.KEY}` has one of that name, nor one that takes a "
            f"unit of that name, and the state tree has neither {files}"
        )
    # A site may map a reactor of its own instead of the shipped one.
    remedy, order = next((way for way in ways if _is_mapped(way[0])), ways[0])
    return {"minion": minion, "remedy": remedy, "order": order}


def _ways(service):
    """
    Yield the states that heal a service, each with its order, None for one that needs none.
    """
    order = catalogue.order(__opts__, service)
    if order:
        yield catalogue.STATE, order
    for name in REMEDIES if FILE.fullmatch(service) else ():
        # Whichever environment a minion looks in, it looks by itself.
        if environments.serving(__opts__, name.format(service)):
            yield name.format(service), None


def _is_mapped(remedy):
    word = re.compile(rf"(?<![\w.-]){re.escape(remedy)}(?![\w.-])")
    return any(word.search(text) for text in reactors.texts(__opts__, "open").values())


def _may_break(minion, service, allow, instance, timeout):
    found = _target(minion, service)
    remedy, reasons = found["remedy"], []
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
    try:
        instance, status = _one("status", instance, timeout)
        reasons += _held(minion, status) or _held_by_policy(minion, instance, timeout)
    except CommandExecutionError as err:
        reasons.append(str(err))
    return {**found, "may": not reasons, "reasons": reasons, "instance": instance}


def _held(minion, status):
    reasons = []
    if status["paused"]:
        paused = status["paused"]
        reasons.append(f"the engine is paused by {paused['who']}: {paused['reason']}")
    if status["dry_run"]:
        reasons.append("the engine is in dry run")
    if status["api"] != "ok":
        reasons.append(f"the engine cannot read the tenant: {status['api']}")
    if minion in status["healing"]:
        reasons.append(f"{minion} is being healed right now")
    return reasons


def _held_by_policy(minion, instance, timeout):
    """
    Return what the engine's policy, and what it has on this minion, say against acting on it now.
    """
    _, facts = _one("held", instance, timeout, minion=minion)
    # While one is open the engine may take a second outage for the one that it has healed.
    reasons = [f"the problem {one} is open on {minion} already" for one in facts["open"]]
    if facts["held"]:
        until = f" until {facts['until']}" if facts["until"] else ""
        reasons.append(f"the engine would hold {minion}: {facts['held']}{until}")
    # Of a property only the tenant knows, and a name is no proof: such an outage may be nobody's.
    if facts["needs_host_id"] and not _host_id(minion):
        reasons.append(
            f"the master knows no grain dynatrace:host_id of {minion}, by which the engine would be sure of it: "
            f"salt {minion} saltutil.sync_all"
        )
    return reasons


def _host_id(minion):
    """
    Return what the master's cache tells of a minion's host; None where it cannot be read.
    """
    try:
        # The layout of 3008 or that of before.
        grains = salt.utils.minions.get_minion_data(minion, __opts__)[-2]
        return grains["dynatrace"]["host_id"]
    except Exception:  # noqa: BLE001 - Salt raises what the cache's driver raises, and grains have any shape.
        return None


def _attempts(minion, since, instance, timeout):
    answers = bus.ask(__opts__, "history", instance, timeout, {})
    return {
        "attempts": [
            {**row, "instance": name}
            for name, answer in sorted(answers.items())
            for row in answer["rows"]
            if minion in row["minions"] and _seconds(row["created"]) >= float(since)
        ]
    }


def _one(command, instance, timeout, **args):
    """
    Return the one engine that answers, with its facts; raises with what it refuses.
    """
    answers = bus.ask(__opts__, command, instance, timeout, args)
    if len(answers) > 1:
        names = ", ".join(sorted(answers))
        raise CommandExecutionError(f"several engines answer ({names}); name one as `instance`")
    [(name, answer)] = answers.items()
    if "error" in answer:
        raise CommandExecutionError(answer["error"])
    return name, answer["facts"]


def _accepted():
    return salt.key.get_key(__opts__).list_status("accepted").get("minions", [])


def _seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
