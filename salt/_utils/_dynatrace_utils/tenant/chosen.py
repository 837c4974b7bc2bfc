"""
Chooses how the tenant tells the engine of problems: by a notification, or by a workflow where there are none.

The tenant is asked which schemas it has, since its URL does not tell its generation.
"""

from salt.exceptions import CommandExecutionError

from . import api as tenant_api
from . import options as tenant_options
from . import record as tenant_record
from . import webhook

NEEDED = (webhook.PROFILE, webhook.NOTIFICATION)
# Of a webhook's options, those that a workflow has too.
SHARED = ("name", "url", "tags", "closed", "enabled")


def present():
    """
    Return what an SLS has to set: see ``dynatrace_tenant.webhook``.
    """
    return _chosen(tenant_options.asked("webhook"))


def absent():
    """
    Return what an SLS has to take back: see ``dynatrace_tenant.webhook``.
    """
    return _chosen(tenant_record.to_take_back("webhook"))


def _chosen(asked):
    """
    Return what was asked for with the ``state`` that does it, and ``why``; it never raises.
    """
    asked = {**asked, "state": "webhook", "why": None}
    if asked["problem"] or not asked["entries"]:
        return asked
    try:
        has = tenant_api.schemas()
    except (CommandExecutionError, OSError) as err:
        return {**asked, "problem": str(err), "entries": []}
    missing = [one for one in NEEDED if one not in has]
    if not missing:
        why = f"By a notification: the tenant has {' and '.join(NEEDED)}."
        return {**asked, "why": why}
    lost = sorted({key for one in asked["entries"] for key in _lost(one)})
    why = f"By a workflow: the tenant has no {' and no '.join(missing)}."
    if lost:
        why += f" A workflow knows no {', '.join(lost)}."
    entries = [_as_workflow(one) for one in asked["entries"]]
    return {**asked, "state": "workflow", "why": why, "entries": entries}


def _as_workflow(entry):
    severities = entry.get("severities")
    kept = {key: one for key, one in entry.items() if key in SHARED}
    # What is no mapping is told by the state.
    if isinstance(severities, dict):
        severities = list(severities)
    return {**kept, "severities": severities} if severities is not None else kept


def _lost(entry):
    """
    Yield what a webhook was given that a workflow does not have, or what is unknown to both.
    """
    yield from (f"`{key}`" for key in entry if key not in (*SHARED, "severities"))
    severities = entry.get("severities")
    if isinstance(severities, dict) and any(severities.values()):
        yield "delays of `severities`"
