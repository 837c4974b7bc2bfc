"""
Plans what ``dynatrace.orch.planned_change`` does, from its pillar; for the master.
"""

import datetime
import re
import secrets

from .. import arguments
from ..dunders import __salt__
from .options import HOST

MINION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,254}")
MOST_TARGETS = 200
UNKNOWN = (
    "Nothing was done, since Dynatrace cannot be told of all: the master knows no grain "
    "dynatrace:host_id of {}. Is it an accepted minion with a OneAgent? Then run: "
    "salt '<minion>' saltutil.refresh_grains"
)
KEYS = ("targets", "minutes", "sls", "via", "name", "suppression")


def plan(given):
    """
    Return the plan, or a problem, and never raise: see ``dynatrace_tenant.planned_change``.
    """
    problems = list(_wrong(given))
    if problems:
        return {"problem": f"dynatrace:planned_change is not valid: {'; '.join(problems)}"}
    targets = list(dict.fromkeys(given["targets"]))
    hosts = _host_ids(targets)
    unknown = [minion for minion in targets if minion not in hosts]
    if unknown:
        return {"problem": UNKNOWN.format(", ".join(unknown))}
    sls = given.get("sls") or []
    return {
        "problem": None,
        "name": given.get("name") or _name(targets),
        "targets": targets,
        "hosts": [hosts[minion] for minion in targets],
        "minutes": given.get("minutes", 30),
        "suppression": given.get("suppression", "DONT_DETECT_PROBLEMS"),
        "sls": [sls] if isinstance(sls, str) else sls,
        "via": given.get("via"),
    }


def _wrong(given):
    if not isinstance(given, dict):
        yield "it is no mapping"
        return
    yield from arguments.unknown(given, KEYS)
    targets, sls, via = given.get("targets"), given.get("sls") or [], given.get("via")
    if not (isinstance(targets, list) and targets and all(map(_is_minion, targets))):
        yield "`targets` is a list of minion ids, not patterns"
    elif len(targets) > MOST_TARGETS:
        yield f"`targets` are more than {MOST_TARGETS}"
    if via is not None and not _is_minion(via):
        yield "`via` is the id of a minion that reaches the tenant"
    names = [sls] if isinstance(sls, str) else sls
    if not (isinstance(names, list) and all(isinstance(one, str) and one for one in names)):
        yield "`sls` is the name of a state, or a list of them; without it there is a highstate"
    minutes = given.get("minutes", 30)
    if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 1:
        yield "`minutes` is a whole number, at least 1"
    name = given.get("name", "x")
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= 100):
        yield "`name` is a text of at most 100 characters"


def _is_minion(value):
    return isinstance(value, str) and bool(MINION.fullmatch(value))


def _host_ids(targets):
    asked = {"tgt": targets, "tgt_type": "list"}
    grains = __salt__["saltutil.runner"]("cache.grains", kwarg=asked)
    grains = grains if isinstance(grains, dict) else {}
    found = {}
    for minion in targets:
        own = (grains.get(minion) or {}).get("dynatrace")
        host = own.get("host_id") if isinstance(own, dict) else None
        if isinstance(host, str) and HOST.fullmatch(host):
            found[minion] = host
    return found


def _name(targets):
    others = len(targets) - 1
    whom = targets[0][:40] + (f" and {others} more" if others else "")
    now = datetime.datetime.now(datetime.timezone.utc)
    # One's own, so that ending it never ends that of another run.
    return f"Salt: change on {whom}, {now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
