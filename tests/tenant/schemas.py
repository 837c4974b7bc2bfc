"""
The schemas that the tenant knows, with their limits.

Properties, limits, enums and preconditions are those of the published schemas
`builtin:alerting.profile` 8.6, `builtin:problem.notifications` 1.7,
`builtin:alerting.maintenance-window` 2.15 and `builtin:availability.process-group-alerting` 1.
That site-local URLs are refused, and the text, is known from an integration that met it.
Notifications other than webhooks are taken as they are; management zones and OAuth cannot be set.
Of `builtin:os-services-monitoring` the properties, scopes and operators are documented; its version,
limits, which of its properties may be left out, and its wordings are constructed.
"""

from __future__ import annotations

from tests.tenant.kinds import (
    Choice,
    Flag,
    Moment,
    Opaque,
    Reference,
    Secret,
    Text,
    Whole,
    Zone,
)
from tests.tenant.newer_schemas import NEWER_SCHEMAS
from tests.tenant.rules import (
    condition,
    mode_is_given,
    ordered,
    regular,
    some_filter,
    statuses,
    webhook_leads_out,
)
from tests.tenant.schema import Kind, Part, Schema, Several

PROFILE = "builtin:alerting.profile"
NOTIFICATION = "builtin:problem.notifications"
WINDOW = "builtin:alerting.maintenance-window"
AVAILABILITY = "builtin:availability.process-group-alerting"
OS_SERVICES = "builtin:os-services-monitoring"

SEVERITIES = (
    "AVAILABILITY", "CUSTOM_ALERT", "ERRORS", "MONITORING_UNAVAILABLE", "PERFORMANCE",
    "RESOURCE_CONTENTION",
)  # fmt: skip
SUPPRESSIONS = ("DETECT_PROBLEMS_AND_ALERT", "DETECT_PROBLEMS_DONT_ALERT", "DONT_DETECT_PROBLEMS")
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_OPERATORS = ("BEGINS_WITH", "ENDS_WITH", "CONTAINS", "REGEX_MATCHES", "STRING_EQUALS")
_OTHERS = {
    "EMAIL": "emailNotification",
    "SLACK": "slackNotification",
    "JIRA": "jiraNotification",
    "ANSIBLETOWER": "ansibleTowerNotification",
    "OPS_GENIE": "opsGenieNotification",
    "PAGER_DUTY": "pagerDutyNotification",
    "VICTOROPS": "victorOpsNotification",
    "XMATTERS": "xMattersNotification",
    "TRELLO": "trelloNotification",
    "SERVICE_NOW": "serviceNowNotification",
}
_URL = r"https?://[^\s/?#]+[^\s]*"


_INCLUDES = ("tagFilterIncludeMode", ("INCLUDE_ANY", "INCLUDE_ALL"))
_SEVERITY_RULE = Part(
    fields={
        "severityLevel": Choice(of=SEVERITIES),
        "delayInMinutes": Whole(low=0, high=10_000),
        "tagFilterIncludeMode": Choice(of=("NONE", "INCLUDE_ANY", "INCLUDE_ALL")),
        "tagFilter": Several(of=Text(), low=1, high=100, when=_INCLUDES),
    }
)
_TEXT_FILTER = Part(
    nullable=True,
    fields={
        "enabled": Flag(),
        "negate": Flag(),
        "operator": Choice(of=_OPERATORS),
        "value": Text(high=1000),
        "caseSensitive": Flag(),
    },
    rule=regular,
)
_METADATA = Part(
    fields={"metadataKey": Text(), "metadataValue": Text(), "negate": Flag()},
)
_EVENT_FILTER = Part(
    fields={
        "type": Choice(of=("PREDEFINED", "CUSTOM")),
        "predefinedFilter": Part(
            when=("type", ("PREDEFINED",)),
            # Which event types there are differs between versions, so any word is taken.
            fields={"eventType": Text(pattern="[A-Z][A-Z0-9_]*"), "negate": Flag()},
        ),
        "customFilter": Part(
            when=("type", ("CUSTOM",)),
            fields={
                "titleFilter": _TEXT_FILTER,
                "descriptionFilter": _TEXT_FILTER,
                "metadataFilter": Part(
                    nullable=True,
                    fields={"metadataFilterItems": Several(of=_METADATA, low=1, high=20)},
                ),
            },
            rule=some_filter,
        ),
    }
)
_HEADER = Part(
    fields={
        "name": Text(),
        "secret": Flag(),
        "value": Text(low=0, high=8192, when=("secret", (False,))),
        "secretValue": Secret(low=0, high=8192, when=("secret", (True,))),
    }
)
_OPEN, _HIDDEN = ("urlContainsSecret", (None, False)), ("urlContainsSecret", (True,))
_WEBHOOK = Part(
    when=("type", ("WEBHOOK",)),
    fields={
        "url": Text(high=1000, pattern=_URL, when=_OPEN, resubmit=True),
        "urlContainsSecret": Flag(nullable=True),
        "secretUrl": Secret(high=1000, pattern=_URL, when=_HIDDEN),
        "acceptAnyCertificate": Flag(),
        "notifyClosedProblems": Flag(),
        "notifyEventMergesEnabled": Flag(),
        "headers": Several(of=_HEADER, key="name"),
        "payload": Text(high=5000, blank=True),
        "useOAuth2": Choice(of=(False,), nullable=True),
        "timeoutInSeconds": Whole(low=1, high=3600, nullable=True),
    },
    rule=webhook_leads_out,
)
_TIME = Part(
    fields={
        "startTime": Moment(form="%H:%M:%S", named="local_time"),
        "endTime": Moment(form="%H:%M:%S", named="local_time"),
        "timeZone": Zone(),
    }
)
_RANGE = Part(
    fields={
        "scheduleStartDate": Moment(form="%Y-%m-%d", named="local_date"),
        "scheduleEndDate": Moment(form="%Y-%m-%d", named="local_date"),
    },
    rule=ordered("scheduleStartDate", "scheduleEndDate", equal=True),
)
_BOTH: dict[str, Kind] = {"timeWindow": _TIME, "recurrenceRange": _RANGE}
_ONCE = Part(
    when=("scheduleType", ("ONCE",)),
    fields={
        "startTime": Moment(form="%Y-%m-%dT%H:%M:%S", named="local_date_time"),
        "endTime": Moment(form="%Y-%m-%dT%H:%M:%S", named="local_date_time"),
        "timeZone": Zone(),
    },
    rule=ordered("startTime", "endTime", equal=False),
)
_SCHEDULE = Part(
    fields={
        "scheduleType": Choice(of=("ONCE", "DAILY", "WEEKLY", "MONTHLY")),
        "onceRecurrence": _ONCE,
        "dailyRecurrence": Part(when=("scheduleType", ("DAILY",)), fields=_BOTH),
        "weeklyRecurrence": Part(
            when=("scheduleType", ("WEEKLY",)), fields={**_BOTH, "dayOfWeek": Choice(of=DAYS)}
        ),
        "monthlyRecurrence": Part(
            when=("scheduleType", ("MONTHLY",)),
            fields={**_BOTH, "dayOfMonth": Whole(low=1, high=31)},
        ),
    }
)
_FILTER = Part(
    fields={
        "entityType": Text(nullable=True),
        "entityId": Text(nullable=True, pattern="[A-Z][A-Z0-9_]*-[0-9A-F]{16}"),
        "entityTags": Several(of=Text(), high=1000),
        "managementZones": Several(of=Text(), high=1000),
    }
)
_LINUX, _WINDOWS = ("system", ("LINUX",)), ("system", ("WINDOWS",))
_DETECTION = Part(
    fields={
        "property": Choice(of=("ServiceName", "StartupType")),
        "condition": Text(high=1000),
    },
    rule=condition("condition"),
)
_OS_POLICY = Part(
    fields={
        "enabled": Flag(),
        "system": Choice(of=("LINUX", "WINDOWS")),
        "name": Text(high=100),
        "alerting": Flag(),
        "monitoring": Flag(),
        "notInstalledAlerting": Flag(nullable=True),
        "alertActivationDuration": Whole(low=1, high=1000, nullable=True),
        "statusConditionLinux": Text(high=1000, when=_LINUX, nullable=True),
        "statusConditionWindows": Opaque(when=_WINDOWS, nullable=True),
        "detectionConditionsLinux": Several(of=_DETECTION, when=_LINUX, nullable=True),
        "detectionConditionsWindows": Opaque(when=_WINDOWS, nullable=True),
        "metadata": Several(
            of=Part(fields={"metadataKey": Text(), "metadataValue": Text()}), nullable=True
        ),
    },
    rule=statuses,
)

SCHEMAS = {
    schema.schema_id: schema
    for schema in (
        Schema(
            PROFILE,
            "8.6.3",
            Part(
                fields={
                    "name": Text(high=100, blank=True),
                    "managementZone": Reference(to="builtin:management-zones", nullable=True),
                    "severityRules": Several(of=_SEVERITY_RULE),
                    "eventFilters": Several(of=_EVENT_FILTER),
                }
            ),
        ),
        Schema(
            NOTIFICATION,
            "1.7.4",
            Part(
                fields={
                    "enabled": Flag(),
                    "type": Choice(of=("WEBHOOK", *_OTHERS)),
                    "displayName": Text(high=100),
                    "alertingProfile": Reference(to=PROFILE),
                    "webHookNotification": _WEBHOOK,
                    **{name: Opaque(when=("type", (kind,))) for kind, name in _OTHERS.items()},
                }
            ),
        ),
        Schema(
            WINDOW,
            "2.15",
            Part(
                fields={
                    "enabled": Flag(),
                    "generalProperties": Part(
                        fields={
                            "name": Text(high=1000),
                            "description": Text(high=10_000, nullable=True),
                            "maintenanceType": Choice(of=("PLANNED", "UNPLANNED")),
                            "suppression": Choice(of=SUPPRESSIONS),
                            "disableSyntheticMonitorExecution": Flag(),
                        }
                    ),
                    "schedule": _SCHEDULE,
                    "filters": Several(of=_FILTER, high=1000),
                }
            ),
            most=2000,
        ),
        Schema(
            AVAILABILITY,
            "1",
            Part(
                fields={
                    "enabled": Flag(),
                    "alertingMode": Choice(
                        of=("ON_PGI_UNAVAILABILITY", "ON_INSTANCE_COUNT_VIOLATION"), nullable=True
                    ),
                    "minimumInstanceThreshold": Whole(
                        low=1, high=1000, when=("alertingMode", ("ON_INSTANCE_COUNT_VIOLATION",))
                    ),
                },
                rule=mode_is_given,
            ),
            scopes=("PROCESS_GROUP",),
            several=False,
        ),
        Schema(
            OS_SERVICES,
            "1",
            _OS_POLICY,
            scopes=("environment", "HOST_GROUP", "HOST"),
            ordered=True,
        ),
        *NEWER_SCHEMAS,
    )
}
