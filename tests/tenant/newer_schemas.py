"""
Three schemas of newer tenants: the hosts that functions may call, maintenance windows, and the
connection to Event-Driven Ansible, of which names of properties are known, no limits.

Properties, limits and preconditions are those of the published schemas
`builtin:dt-javascript-runtime.allowed-outbound-connections` 1.0.5 and
`builtin:maintenance-windows` 1.1. What their own validators refuse is not published: of a host
name, a filter and a duration, that part is constructed. A filter is one of the forms that the
states of this repository write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.tenant.kinds import Choice, Flag, Moment, Opaque, Secret, Text, Whole, Zone
from tests.tenant.schema import Part, Report, Schema, Several

OUTBOUND = "builtin:dt-javascript-runtime.allowed-outbound-connections"
NEWER_WINDOW = "builtin:maintenance-windows"
EDA_CONNECTION = "app:dynatrace.redhat.ansible:eda-webhook.connection"

_HOST = r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_CLAUSE = r'matchesValue\([a-z_.]+, "(?:[^"\\]|\\.)*"\)'
_ALL = rf"(?:{_CLAUSE}|\({_CLAUSE}(?: and {_CLAUSE})+\))"
_FILTER = re.compile(rf"true|{_ALL}(?: or {_ALL})*")


def _matcher(value: Mapping[str, Any], path: str, report: Report) -> None:
    if not _FILTER.fullmatch(value["filter"]):
        report.breaks(f"{path}/filter", value["filter"], "must be a DQL matcher expression")


ALLOWED_CONNECTIONS = Part(
    fields={
        "allowedOutboundConnections": Part(
            fields={
                "enforced": Flag(),
                "hostList": Several(
                    of=Text(high=255, pattern=_HOST), high=100, when=("enforced", (True,))
                ),
            }
        )
    }
)
_ONCE = Part(
    when=("type", ("once",)),
    fields={"date": Moment(form="%Y-%m-%dT%H:%M:%S", named="local_date_time")},
)
_RECURRING = Part(
    when=("type", ("time",)),
    fields={
        "time": Moment(form="%H:%M:%S", named="local_time"),
        "earliestStart": Moment(form="%Y-%m-%d", named="local_date", nullable=True),
        "until": Moment(form="%Y-%m-%d", named="local_date", nullable=True),
        "rule": Text(nullable=True),
    },
)
_TRIGGER = Part(
    fields={"type": Choice(of=("time", "once")), "once": _ONCE, "recurring": _RECURRING}
)
MAINTENANCE_WINDOW = Part(
    fields={
        "name": Text(),
        "enabled": Flag(),
        "description": Text(nullable=True),
        "filter": Text(),
        "autoDelete": Flag(),
        "objectScopes": Opaque(nullable=True),
        "schedule": Part(
            fields={
                "duration": Whole(low=1, high=10_080),
                "timezone": Zone(nullable=True),
                "trigger": _TRIGGER,
            }
        ),
    },
    rule=_matcher,
)
ANSIBLE_CONNECTION = Part(
    fields={
        "name": Text(),
        "url": Text(pattern=r"https?://\S+"),
        "type": Choice(of=("api-token",)),
        "token": Secret(),
        "eventStreamEnabled": Flag(nullable=True),
    }
)

NEWER_SCHEMAS = (
    Schema(OUTBOUND, "1.0.5", ALLOWED_CONNECTIONS, several=False),
    Schema(EDA_CONNECTION, "1", ANSIBLE_CONNECTION),
    Schema(NEWER_WINDOW, "1.1", MAINTENANCE_WINDOW, most=100),
)
