"""
The phases of an environment, and what each has taken away.

Phase 1 has all. Phase 2 (new environments only) has no management zones, and phase 3 (opt-in, for
good) no classic tokens and no entity ids: so an official summary says. It names how many APIs go, not
which, nor the status of their answers. Assumed therefore: with phase 2 go classic notifications,
alerting profiles and maintenance windows; with phase 3 the Problems and Entities APIs (comments and
closing with them), the tables `dt.entity.*`, and every classic token that there was; what is gone is a 403
without a missing scope. That `entitySelector` of an ingested event goes with phase 3, an author of
Dynatrace says. Records keep their entity ids, nodes of Smartscape their `id_classic`.
"""

from __future__ import annotations

import re

from tests.tenant.core import Switches
from tests.tenant.wire import Answer

_CLASSIC_ALERTING = frozenset(
    {
        "builtin:problem.notifications",
        "builtin:alerting.profile",
        "builtin:alerting.maintenance-window",
    }
)
_PROBLEMS, _ENTITIES = (
    re.compile(r"/api/v2/problems(?:/.*)?"),
    re.compile(r"/api/v2/entities(?:/.*)?"),
)
_LATEST = 3


def gone_schemas(switches: Switches) -> frozenset[str]:
    """
    Give the schemas of Settings 2.0 that are not there.
    """
    return switches.lacks_schemas | (_CLASSIC_ALERTING if switches.phase > 1 else frozenset())


def gone_answer(path: str, switches: Switches) -> Answer | None:
    """
    Give the answer of an API that is gone; `path` is that of the classic one.
    """
    if switches.phase < _LATEST:
        return None
    gone = [_ENTITIES] if switches.phase_3_has_problems else [_PROBLEMS, _ENTITIES]
    if not any(pattern.fullmatch(path) for pattern in gone):
        return None
    status = switches.gone_status
    error = {"code": status, "message": "The API is not available in this environment."}
    return Answer(status, {"error": error})


def has_zones(switches: Switches) -> bool:
    """
    Say whether there are management zones.
    """
    return switches.phase < _LATEST - 1


def has_entity_ids(switches: Switches) -> bool:
    """
    Say whether there are classic entities, their tables, and selectors that name them.
    """
    return switches.phase < _LATEST


def has_classic_tokens(switches: Switches) -> bool:
    """
    Say whether a classic token can be made, and is taken.
    """
    return switches.phase < _LATEST
