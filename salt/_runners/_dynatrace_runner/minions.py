"""
Checks which minions an engine could act on: who proves to be a host, what the master's cache does not tell, and who has
what a remedy needs.
"""

import re
import time
from collections.abc import Mapping

import salt.client

from . import environments
from .report import named

# So many minions are asked for their modules; a check must not be a job for the whole fleet.
SAMPLE = 10
HOST_ID = re.compile(r"HOST-[0-9A-F]{16}")
LISTS, OWN = "sys.list_state_functions", "config.get"
SYNC = "salt '*' saltutil.sync_all"
# The engine's default, for one whose configuration is not good.
ACT_ON = ("host_id", "property")


def check(found, opts, engine, configs, applied, until):
    """
    Look which minions can be acted on, and whether some of them have what a remedy needs: its modules, and the states
    that are applied. Return those that were asked and have them.
    """
    if engine is None:
        return None
    try:
        accepted = sorted(engine["_accepted"]())
    except Exception as err:  # noqa: BLE001 - Salt raises what its key store raises.
        what = f"the accepted minions cannot be listed: {type(err).__name__}: {err}"
        found.add(
            "fail", "minions", what, "let the master's user own `pki_dir`; run this as that user"
        )
        return None
    if not accepted:
        found.add("fail", "minions", "no minion is accepted", "salt-key -L")
        return None
    known = _known(found, accepted, engine["_grains"](), until)
    hosts = {one: _host_id(grains) for one, grains in known.items() if _host_id(grains)}
    clones = _clones(found, hosts)
    proved = [one for one in accepted if one in hosts and one not in clones]
    for names, act_on in _ways(configs):
        _proved(found, accepted, proved, act_on, names)
    others = [one for one in accepted if one not in set(proved)]
    told = _synced(found, opts, [*proved, *others][:SAMPLE], until)
    environments.check(found, opts, told, applied)
    return sorted(told)


def _known(found, accepted, read, until):
    """
    Return the grains that the master's cache has, by minion; report the minions without, and why.
    """
    known, failing, without = {}, {}, []
    for count, one in enumerate(accepted):
        if time.monotonic() > until:
            what = f"the minion data cache answers too slowly: {len(accepted) - count} were not looked at"
            fix = "see the server or disk that it is on; check again with a longer `timeout`"
            found.add("warn", "minions", what, fix)
            break
        try:
            known[one] = read(one)
        except Exception as err:  # noqa: BLE001 - Salt raises what the cache's driver raises.
            failing[one] = str(err) or type(err).__name__
        else:
            without += [] if known[one] else [one]
    of = len(accepted)
    if failing:
        first = min(failing)
        what = f"the grains of {len(failing)} of {of} cannot be read ({named(sorted(failing))}): {failing[first]}"
        found.add("fail", "minions", what, f"correct that, and do {SYNC}")
    if without:
        what = f"the master has no grains of {len(without)} of {of}: {named(without)}"
        fix = f"{SYNC}; see whether they are up: salt-run manage.down"
        found.add("warn", "minions", what, fix)
    return known


def _ways(configs):
    """
    Yield what proves a minion, each once, with the engines for which it does; None: for all.
    """
    ways = {}
    for name, config in configs.items():
        ways.setdefault(tuple(config.get("policy.act_on")), []).append(name)
    if len(ways) < 2:
        yield None, next(iter(ways), ACT_ON)
        return
    for act_on, names in ways.items():
        yield ", ".join(sorted(names)), act_on


def _proved(found, accepted, proved, act_on, instance):
    """
    Tell how many minions can be acted on as ``policy:act_on`` says, and how the others would be.
    """
    count = len(proved) if "host_id" in act_on else 0
    what = f"{count} of {len(accepted)} can be acted on, by the grain dynatrace:host_id"
    if "host_id" not in act_on:
        what = f"`policy:act_on` is {', '.join(act_on)}: the grain dynatrace:host_id lets none be acted on"
    if count == len(accepted):
        found.add("ok", "minions", what, instance=instance)
        return
    others = [one for one in accepted if not count or one not in set(proved)]
    if "host_id" in act_on:
        what += f"; without it, or with another one's: {named(others)}"
    if "property" in act_on:
        what += "; a host's property salt_minion would do as well, of which only Dynatrace knows"
    hearsay = [step for step in ("name", "address") if step in act_on]
    what += f"; by {' and '.join(hearsay)} too" if hearsay else "; by name or address none is"
    fix = (
        f"{SYNC}; where salt '*' grains.get dynatrace:host_id stays empty, apply the state dynatrace.oneagent, or set "
        "the host's property salt_minion to the minion id; see docs/reference/minions.md"
    )
    found.add("warn", "minions", what, fix, instance)


def _clones(found, hosts):
    """
    Return the minions that say that they are one host, and tell of them: a problem of it is acted on nowhere.
    """
    alike = set()
    by_host = {}
    for minion, host in hosts.items():
        by_host.setdefault(host, []).append(minion)
    for host, them in sorted(by_host.items()):
        if len(them) > 1:
            alike.update(them)
            what = f"{named(them)} say that they are one host, {host}: none of them is healed"
            fix = "a clone needs a OneAgent of its own; see docs/how-to/install-oneagent.md, Clones and images"
            found.add("fail", "minions", what, fix)
    return alike


def _host_id(grains):
    """
    Return the id of a minion's host, None where it tells none: it may say anything, and a row has one line.
    """
    own = grains.get("dynatrace") if isinstance(grains, Mapping) else None
    host = own.get("host_id") if isinstance(own, Mapping) else None
    return host if isinstance(host, str) and HOST_ID.fullmatch(host) else None


def _synced(found, opts, minions, until):
    """
    Tell who has the modules that a remedy needs; return what each says of its environment.
    """
    wait = int(max(min((until - time.monotonic()) / 2, 10), 1))
    told = call(opts, wait, minions, [LISTS, OWN], [["dynatrace"], environments.ASKED])
    told = {name: one for name, one in told.items() if isinstance(one, Mapping)}
    answers = {name: one[LISTS] for name, one in told.items() if isinstance(one.get(LISTS), list)}
    silent = [one for one in minions if one not in answers]
    stale = [one for one in minions if one in answers and "dynatrace.healed" not in answers[one]]
    if stale:
        what = f"these have not got the state that a remedy needs: {named(stale)}"
        found.add("fail", "minions", what, SYNC)
    if silent:
        what = f"these did not answer within {wait} s: {named(silent)}"
        found.add("warn", "minions", what, "salt-run manage.down")
    if len(answers) > len(stale):
        good = len(answers) - len(stale)
        found.add("ok", "minions", f"{good} of {len(minions)} asked have a remedy's state")
    return {name: told[name].get(OWN) for name in answers}


def call(opts, wait, minions, functions, arguments=(), **more):
    """
    Run functions on these minions and return what each gave within so many seconds.
    """
    # Who did not answer is then asked, for so long again, whether it is still at it.
    with salt.client.LocalClient(mopts={**opts, "gather_job_timeout": min(wait, 3)}) as client:
        return client.cmd(minions, functions, arguments, timeout=wait, tgt_type="list", **more)
