"""
Steps of ``dynatrace.orch.setup`` that are not states of a minion; they run on the master.

.. code-block:: bash

    salt-run state.orchestrate dynatrace.orch.setup pillar='{"minions": ["web01"], "via": "salt01"}'

Each checks what the pillar gave before anything is done with it. Except ``synced``, none changes
anything: they look whether the steps before them took.
"""

import functools
import logging
import re
import time

import salt.loader
import salt.utils.minions
from _dynatrace_states import steps
from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

HOST_ID = re.compile(r"HOST-[0-9A-F]{16}")
LOOK_S = 1
# The pause between two looks for process groups grows to this: they take minutes.
GROUPS_LOOK_S = 15
LONGEST_S = 1800


def targets_known(name, minions=None, via=None):
    """
    Make sure that the minions are a list of whole ids of accepted minions, and ``via`` is one too.

    name
        Any text.
    minions
        List of minion ids.
    via
        The minion that asks the tenant; None: the master itself does.
    """
    return steps.told(name, _targets_known, minions, via)


def synced(name, minions=None, via=None):
    """
    Bring modules, states and grains of this project to the minions; what is there is no change.

    name, minions, via
        As for ``targets_known``.
    """
    return steps.told(name, _synced, minions, via)


def applied(name, minions=None, sls=None):
    """
    Apply states of this project to the minions, and tell in short what they said.

    With ``test=True`` they are applied with it; what a minion that lacks modules would change, it
    cannot tell.

    name, minions
        As for ``targets_known``.
    sls
        What to apply: ``dynatrace.oneagent``.
    """
    return steps.told(name, _applied, minions, sls)


def hosts_known(name, minions=None, via=None, timeout=600):
    """
    Make sure that each minion has its grain ``dynatrace:host_id``, and that the tenant knows these hosts.

    name, minions, via
        As for ``targets_known``.
    timeout
        Seconds to wait: a new OneAgent is seen by the tenant after a minute or two.
    """
    return steps.told(name, _hosts_known, minions, via, timeout)


def groups_awaited(name, via=None, wait=600):
    """
    Wait until each entry of ``dynatrace:tenant:process_alerting`` matches a process group.

    A new OneAgent needs some minutes until Dynatrace knows the groups of its processes. What is
    missing when the time is over is no failure of this step: the next one sets what can be set, and
    fails with what to do.

    name
        Any text.
    via
        As for ``targets_known``.
    wait
        Seconds, at most; 0: not at all.
    """
    return steps.told(name, _groups_awaited, via, wait)


def notification_heard(name, timeout=10):
    """
    Make sure that each engine of this master with a listener hears a test notification.

    It is sent from here, since the tenant cannot be asked for one; without a listener there is
    nothing to hear.

    name
        Any text.
    timeout
        Seconds for each.
    """
    return steps.told(name, _notification_heard, timeout)


def _targets_known(minions, via):
    names = steps.accepted(__opts__, minions, via)
    return True, f"Accepted here: {', '.join(names)}.", {}


def _synced(minions, via):
    names = steps.accepted(__opts__, minions, via)
    if __opts__["test"]:
        return None, f"Modules would be synced to {', '.join(names)}.", {}
    answers = steps.run(__salt__, names, "saltutil.sync_all")
    silent = [name for name in names if not isinstance(answers.get(name), dict)]
    if silent:
        raise CommandExecutionError(f"these minions did not answer: {', '.join(silent)}")
    changes = {}
    for minion, answer in answers.items():
        brought = {kind: files for kind, files in answer.items() if files}
        if brought:
            changes[minion] = brought
    return True, f"What the master serves is on {', '.join(names)}.", changes


def _applied(minions, sls):
    names = steps.accepted(__opts__, minions)
    module = "_".join(sls.split(".")[:2])
    lacking = _lacking(names, module) if __opts__["test"] else []
    able = [name for name in names if name not in lacking]
    results, said, changes = set(), [], {}
    for name in lacking:
        said.append(f"{name}: what {sls} would change is told once its modules are synced.")
        results.add(None)
    answers = steps.run(
        __salt__, able, "state.apply", [sls], {"queue": steps.QUEUE, "test": bool(__opts__["test"])}
    )
    for name in able:
        result, comment, changed = _read(answers.get(name))
        results.add(result)
        said.append(f"{name}: {comment}")
        changes.update({name: changed} if changed else {})
    worst = False if False in results else None if None in results else True
    return worst, "\n".join(said), changes


def _lacking(names, module):
    answers = steps.run(__salt__, names, "saltutil.list_extmods")
    return [name for name in names if module not in (answers.get(name) or {}).get("states", ())]


def _read(states):
    """
    Return result, comments and changes of a state run on a minion.
    """
    if not isinstance(states, dict) or not states:
        lines = states if isinstance(states, list) else [states or "it does not answer"]
        return False, " ".join(map(str, lines))[:1000], {}
    steps = sorted(states.values(), key=lambda step: step.get("__run_num__", 0))
    results = {step.get("result") for step in steps}
    changes = {}
    for step in steps:
        changes.update(step.get("changes") or {})
    result = False if False in results else None if None in results else True
    return result, " ".join(str(step.get("comment")) for step in steps), changes


def _hosts_known(minions, via, timeout):
    steps.accepted(__opts__, minions, via)
    steps.check_seconds("timeout", timeout)
    until = time.monotonic() + (0 if __opts__["test"] else min(timeout, LONGEST_S))
    hosts = _waited(lambda: _host_ids(minions, until), minions, until)
    missing = [minion for minion in minions if minion not in hosts]
    if missing and __opts__["test"]:
        return None, f"A OneAgent would give {', '.join(missing)} the grain dynatrace:host_id.", {}
    if missing:
        raise CommandExecutionError(
            f"the master knows no grain dynatrace:host_id of {', '.join(missing)}: does the OneAgent "
            "run there? salt '<minion>' grains.get dynatrace tells"
        )
    _check_distinct(hosts)
    ids = sorted(set(hosts.values()))
    seen = _waited(lambda: _seen(ids, via), ids, until)
    unseen = [minion for minion in minions if hosts[minion] not in seen]
    if unseen:
        raise CommandExecutionError(
            f"the tenant does not know the hosts of {', '.join(unseen)} yet; run this again later"
        )
    told = ", ".join(f"{minion} is {hosts[minion]}" for minion in minions)
    return True, f"The tenant knows the hosts: {told}.", {}


def _check_distinct(hosts):
    for host in hosts.values():
        twins = sorted(minion for minion, own in hosts.items() if own == host)
        if len(twins) > 1:
            raise CommandExecutionError(
                f"{' and '.join(twins)} say that they are one host, {host}, so the engine would act on "
                "neither: a clone needs a OneAgent of its own, see docs/how-to/install-oneagent.md, "
                "Clones and images"
            )


def _groups_awaited(via, wait):
    steps.check_seconds("wait", wait)
    if via is not None:
        steps.accepted(__opts__, [via])
    wait = 0 if __opts__["test"] else max(0, min(wait, LONGEST_S))
    if __opts__["test"] and via is not None and _lacking([via], "dynatrace_tenant"):
        return None, f"What {via} would wait for is told once its modules are synced.", {}
    until = time.monotonic() + wait
    look = functools.partial(_without_groups, via)
    missing = steps.waited(look, lambda found: not found, until, LOOK_S, GROUPS_LOOK_S, _say)
    if not missing:
        return True, "Each entry of process_alerting matches a process group.", {}
    told = ", ".join(f"{label} ({selector})" for label, selector in sorted(missing.items()))
    if __opts__["test"]:
        return None, f"These match no process group yet, and would be waited for: {told}.", {}
    return True, f"These match no process group, after {wait:g} s: {told}.", {}


def _say(missing, left):
    # Not INFO, which salt-run does not show: somebody looks at a command that seems to hang.
    log.warning(
        "dynatrace: no process group matches %s yet; waiting for %d s more at most",
        ", ".join(sorted(missing)),
        left,
    )


def _without_groups(via):
    if via is None:
        return __salt__["dynatrace_tenant.without_groups"]()
    missing = steps.run(__salt__, [via], "dynatrace_tenant.without_groups").get(via)
    if isinstance(missing, dict):
        return missing
    raise CommandExecutionError(f"{via} cannot ask the tenant: {missing or 'it does not answer'}")


def _notification_heard(timeout):
    steps.check_seconds("timeout", timeout)
    if __opts__["test"]:
        return None, "A test notification would be sent to each listener of this master.", {}
    runners = salt.loader.runner(__opts__, whitelist=["dynatrace_listener"])
    answer = runners["dynatrace_listener.test"](timeout=min(timeout, LONGEST_S))
    heard = {name: one for name, one in sorted(answer.items()) if name != "retcode"}
    if not heard:
        return True, "No engine of this master has a listener: they poll.", {}
    told = [
        f"{name}: {one['error']} ({one['url']})"
        if "error" in one
        else f"{name} heard the test, sent by this master and not by the tenant, at {one['url']}"
        for name, one in heard.items()
    ]
    return not any("error" in one for one in heard.values()), "; ".join(told) + ".", {}


def _waited(look, wanted, until):
    """
    Return what ``look`` gives, at the latest when the time is over, and before if nothing is missing.
    """
    whole = len(set(wanted))
    return steps.waited(look, lambda found: len(set(found)) >= whole, until, LOOK_S, LOOK_S)


def _host_ids(minions, until):
    """
    Return the host ids that the master's cache has, by minion; of the others the grains are asked for anew.
    """
    found = {}
    for minion in minions:
        grains = _grains(minion).get("dynatrace")
        host = grains.get("host_id") if isinstance(grains, dict) else None
        if isinstance(host, str) and HOST_ID.fullmatch(host):
            found[minion] = host
    missing = [minion for minion in minions if minion not in found]
    if missing and time.monotonic() < until:
        steps.run(__salt__, missing, "saltutil.refresh_grains")
    return found


def _grains(minion):
    # The layout of 3008 or that of before.
    answer = salt.utils.minions.get_minion_data(minion, __opts__)
    grains = answer[-2] if isinstance(answer, tuple) else None
    return grains if isinstance(grains, dict) else {}


def _seen(hosts, via):
    """
    Return those of the host ids that the tenant knows.
    """
    if via is None:
        found = __salt__["dynatrace_tenant.known_hosts"](hosts)
    else:
        found = steps.run(__salt__, [via], "dynatrace_tenant.known_hosts", [hosts]).get(via)
    if not isinstance(found, list):
        raise CommandExecutionError(f"{via} cannot ask the tenant: {found or 'it does not answer'}")
    return found
