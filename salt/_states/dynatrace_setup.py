"""
Steps of ``dynatrace.orch.setup`` that are not states of a minion; they run on the master.

.. code-block:: bash

    salt-run state.orchestrate dynatrace.orch.setup pillar='{"minions": ["web01"], "via": "salt01"}'

Each checks what the pillar gave before anything is done with it. Except ``synced`` and ``applied``,
none changes anything: they look whether the steps before them took. Several take

name
    Any text.
minions
    List of the whole ids of accepted minions.
via
    The minion that asks the tenant; None: the master itself does.
timeout, wait
    Seconds, at most.
"""

import functools
import logging
import re
import time

import salt.utils.minions
from _dynatrace_states import steps
from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

HOST_ID = re.compile(r"HOST-[0-9A-F]{16}")
LOOK_S = 1
# The pause between two looks for process groups grows to this: they take minutes.
GROUPS_LOOK_S = 15


@steps.step
def targets_known(name, minions, via=None):
    """
    Make sure that the minions are a list of whole ids of accepted minions, and ``via`` is one too.
    """
    names = steps.accepted(__opts__, minions, via)
    return True, f"Accepted here: {', '.join(names)}.", {}


@steps.step
def synced(name, minions, via=None):
    """
    Bring modules, states and grains of this project to the minions; what is there is no change.
    """
    names = steps.accepted(__opts__, minions, via)
    if __opts__["test"]:
        return None, f"Modules would be synced to {', '.join(names)}.", {}
    answers = steps.run(__salt__, names, "saltutil.sync_all")
    silent = [one for one in names if not isinstance(answers.get(one), dict)]
    if silent:
        raise CommandExecutionError(f"these minions did not answer: {', '.join(silent)}")
    changes = {}
    for minion, answer in answers.items():
        brought = {kind: files for kind, files in answer.items() if files}
        changes.update({minion: brought} if brought else {})
    return True, f"What the master serves is on {', '.join(names)}.", changes


@steps.step
def applied(name, minions, sls, pillar=None):
    """
    Apply states of this project to the minions, and tell in short what they said.

    With ``test=True`` they are applied with it; what a minion that lacks modules would change, it
    cannot tell.

    sls
        What to apply: ``dynatrace.oneagent``.
    pillar
        What goes along as inline pillar, and no secret: Salt keeps it in the job cache.
    """
    names = steps.accepted(__opts__, minions)
    module = "_".join(sls.split(".")[:2])
    told = dict.fromkeys(
        _lacking(names, module) if __opts__["test"] else [],
        (None, f"what {sls} would change is told once its modules are synced.", {}),
    )
    able = [one for one in names if one not in told]
    told.update(steps.apply(__salt__, able, sls, bool(__opts__["test"]), pillar))
    comment = "\n".join(f"{minion}: {said}" for minion, (_, said, _) in told.items())
    changes = {minion: changed for minion, (_, _, changed) in told.items() if changed}
    return steps.worst(result for result, _, _ in told.values()), comment, changes


@steps.step
def hosts_known(name, minions, via=None, timeout=600):
    """
    Make sure that each minion has its grain ``dynatrace:host_id``, and that the tenant knows these hosts.

    A new OneAgent is seen by the tenant after a minute or two.
    """
    steps.accepted(__opts__, minions, via)
    timeout = steps.seconds("timeout", timeout)
    until = time.monotonic() + (0 if __opts__["test"] else timeout)
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
    seen = _waited(lambda: _tenant(via, "dynatrace_tenant.known_hosts", list, ids), ids, until)
    unseen = [minion for minion in minions if hosts[minion] not in seen]
    if unseen:
        raise CommandExecutionError(
            f"the tenant does not know the hosts of {', '.join(unseen)} yet; run this again later"
        )
    told = ", ".join(f"{minion} is {hosts[minion]}" for minion in minions)
    return True, f"The tenant knows the hosts: {told}.", {}


@steps.step
def groups_awaited(name, via=None, wait=600):
    """
    Wait until each entry of ``dynatrace:tenant:process_alerting`` matches a process group.

    A new OneAgent needs some minutes until Dynatrace knows the groups of its processes. What is
    missing when the time is over is no failure of this step: the next one sets what can be set, and
    fails with what to do. With 0 it looks once.
    """
    wait = steps.seconds("wait", wait)
    if via is not None:
        steps.accepted(__opts__, [via])
    wait = 0 if __opts__["test"] else wait
    if __opts__["test"] and via is not None and _lacking([via], "dynatrace_tenant"):
        return None, f"What {via} would wait for is told once its modules are synced.", {}
    until = time.monotonic() + wait
    look = functools.partial(_tenant, via, "dynatrace_tenant.without_groups", dict)
    missing = steps.waited(look, lambda found: not found, until, LOOK_S, GROUPS_LOOK_S, _say)
    if not missing:
        return True, "Each entry of process_alerting matches a process group.", {}
    told = ", ".join(f"{label} ({selector})" for label, selector in sorted(missing.items()))
    if __opts__["test"]:
        return None, f"These match no process group yet, and would be waited for: {told}.", {}
    return True, f"These match no process group, after {wait:g} s: {told}.", {}


@steps.step
def notification_heard(name, timeout=10):
    """
    Make sure that each engine of this master with a listener hears a test notification.

    It is sent from here, since the tenant cannot be asked for one; without a listener there is
    nothing to hear.
    """
    timeout = steps.seconds("timeout", timeout)
    if __opts__["test"]:
        return None, "A test notification would be sent to each listener of this master.", {}
    heard = steps.ask(__opts__, "dynatrace_listener.test", timeout=timeout)
    if not heard:
        return True, "No engine of this master has a listener: they poll.", {}
    told = [
        f"{engine}: {one['error']} ({one['url']})"
        if "error" in one
        else f"{engine} heard the test, sent by this master and not by the tenant, at {one['url']}"
        for engine, one in sorted(heard.items())
    ]
    return not any("error" in one for one in heard.values()), "; ".join(told) + ".", {}


def _lacking(names, module):
    answers = steps.run(__salt__, names, "saltutil.list_extmods")
    return [one for one in names if module not in (answers.get(one) or {}).get("states", ())]


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
        # The layout of 3008 or that of before.
        answer = salt.utils.minions.get_minion_data(minion, __opts__)
        grains = answer[-2] if isinstance(answer, tuple) else None
        own = grains.get("dynatrace") if isinstance(grains, dict) else None
        host = own.get("host_id") if isinstance(own, dict) else None
        if isinstance(host, str) and HOST_ID.fullmatch(host):
            found[minion] = host
    missing = [minion for minion in minions if minion not in found]
    if missing and time.monotonic() < until:
        steps.run(__salt__, missing, "saltutil.refresh_grains")
    return found


def _check_distinct(hosts):
    for host in hosts.values():
        twins = sorted(minion for minion, own in hosts.items() if own == host)
        if len(twins) > 1:
            raise CommandExecutionError(
                f"{' and '.join(twins)} say that they are one host, {host}, so the engine would act on "
                "neither: a clone needs a OneAgent of its own, see docs/how-to/install-oneagent.md, "
                "Clones and images"
            )


def _tenant(via, function, kind, *args):
    """
    Ask the tenant, by the master or the minion that does it; raises unless it gives what it should.
    """
    if via is None:
        found = __salt__[function](*args)
    else:
        found = steps.run(__salt__, [via], function, args).get(via)
    if isinstance(found, kind):
        return found
    raise CommandExecutionError(f"{via} cannot ask the tenant: {found or 'it does not answer'}")


def _say(missing, left):
    # Not INFO, which salt-run does not show: somebody looks at a command that seems to hang.
    log.warning(
        "dynatrace: no process group matches %s yet; waiting for %d s more at most",
        ", ".join(sorted(missing)),
        left,
    )
