"""
Bodies in the shapes that Dynatrace documents, with values of our own: all of them are synthetic.
"""

from __future__ import annotations

from typing import Any

from _dynatrace.core.problem import Entity, Evidence, Problem
from _dynatrace.core.resolution import Target

PID = "7000000000000000001_1721545199999V2"
MINUS_PID = "-7000000000000000002_1721545199999V2"
DISPLAY_ID = "P-24071"
START = 1721545199999
HOST = "HOST-00000000000000A1"
OTHER_HOST = "HOST-00000000000000A2"
PROCESS = "PROCESS_GROUP_INSTANCE-00000000000000B1"
OTHER_PROCESS = "PROCESS_GROUP_INSTANCE-00000000000000B2"
GROUP = "PROCESS_GROUP-00000000000000C1"
SERVICE = "SERVICE-00000000000000D1"
TITLE = "Process unavailable"

APACHE = Entity(PROCESS, "PROCESS_GROUP_INSTANCE", "Apache Web Server apache2")


def stub(entity_id: str, name: str = "a name") -> dict[str, Any]:
    """
    Return an EntityStub.
    """
    return {"entityId": {"id": entity_id, "type": entity_id.rpartition("-")[0]}, "name": name}


def event_v2(entity_id: str = PROCESS, **changes: Any) -> dict[str, Any]:
    """
    Return one EVENT of ``evidenceDetails``, open and root cause relevant.
    """
    return {
        "evidenceType": "EVENT",
        "displayName": TITLE,
        "entity": stub(entity_id),
        "groupingEntity": stub(GROUP),
        "rootCauseRelevant": True,
        "startTime": START,
        "eventId": "7000000000000000001_1721545199999",
        "eventType": "PGI_UNAVAILABLE",
        "endTime": -1,
        "data": {"status": "OPEN", "underMaintenance": False},
        **changes,
    }


def problem_v2(**changes: Any) -> dict[str, Any]:
    """
    Return a Problem of the Problems API v2: apache2 is down on one host.
    """
    return {
        "problemId": PID,
        "displayId": DISPLAY_ID,
        "title": TITLE,
        "impactLevel": "INFRASTRUCTURE",
        "severityLevel": "AVAILABILITY",
        "status": "OPEN",
        "affectedEntities": [stub(PROCESS, "Apache Web Server apache2")],
        "impactedEntities": [stub(PROCESS, "Apache Web Server apache2")],
        "rootCauseEntity": stub(GROUP, "Apache Web Server apache2"),
        "managementZones": [{"id": "1", "name": "web"}],
        "entityTags": [
            {
                "context": "AWS",
                "key": "owner",
                "value": "web",
                "stringRepresentation": "[AWS]owner:web",
            },
        ],
        "problemFilters": [],
        "startTime": START,
        "endTime": -1,
        "evidenceDetails": {"totalCount": 1, "details": [event_v2()]},
        **changes,
    }


def problem_v1(**changes: Any) -> dict[str, Any]:
    """
    Return the v1 problem of ``{ProblemDetailsJSON}``: entity ids are flat strings.
    """
    return {
        "id": PID,
        "startTime": START,
        "endTime": -1,
        "displayName": DISPLAY_ID,
        "impactLevel": "INFRASTRUCTURE",
        "status": "OPEN",
        "severityLevel": "AVAILABILITY",
        "commentCount": 0,
        "tagsOfAffectedEntities": [{"context": "CONTEXTLESS", "key": "web"}],
        "rankedEvents": [
            {
                "startTime": START,
                "endTime": -1,
                "entityId": PROCESS,
                "entityName": "Apache Web Server apache2",
                "severityLevel": "AVAILABILITY",
                "impactLevel": "INFRASTRUCTURE",
                "eventType": "PROCESS_UNAVAILABLE",
                "status": "OPEN",
                "isRootCause": True,
            }
        ],
        "hasRootCause": True,
        **changes,
    }


def recommended(**changes: Any) -> dict[str, Any]:
    """
    Return what the recommended template becomes.
    """
    return {
        "State": "OPEN",
        "ProblemID": DISPLAY_ID,
        "PID": PID,
        "ProblemTitle": TITLE,
        "ProblemImpact": "INFRASTRUCTURE",
        "ProblemSeverity": "AVAILABILITY",
        "ProblemURL": f"https://abc12345.live.dynatrace.com/#problems/problemdetails;pid={PID}",
        "Tags": "[AWS]owner:web",
        "ImpactedEntities": [
            {
                "type": "PROCESS_GROUP_INSTANCE",
                "name": "Apache Web Server apache2",
                "entity": PROCESS,
            },
        ],
        "ProblemDetailsJSONv2": problem_v2(),
        **changes,
    }


def probe(**changes: Any) -> dict[str, Any]:
    """
    Return what "Send test notification" sends, in the documented shape.
    """
    return {
        "State": "OPEN",
        "ProblemID": "999",
        "PID": "99999",
        "ProblemTitle": "Dynatrace problem notification test run",
        "ImpactedEntities": [{"type": "HOST", "name": "MyHost1", "entity": "HOST-XXXXXXXXXXXXX"}],
        "ProblemDetailsJSON": {"ID": "99999"},
        **changes,
    }


def evidence(entity_id: str = PROCESS, **changes: Any) -> Evidence:
    """
    Return an open and root cause relevant event.
    """
    values: dict[str, Any] = {
        "entity": Entity(entity_id, entity_id.rpartition("-")[0], "a name"),
        "kind": "EVENT",
        "event_type": "PGI_UNAVAILABLE",
        "root_cause": True,
        "is_open": True,
        "grouping": Entity(GROUP, "PROCESS_GROUP", "a name"),
    }
    return Evidence(**{**values, **changes})


def problem(**changes: Any) -> Problem:
    """
    Return a Problem value: apache2 is down on one host.
    """
    values: dict[str, Any] = {
        "problem_id": PID,
        "display_id": DISPLAY_ID,
        "title": TITLE,
        "severity": "AVAILABILITY",
        "impact": "INFRASTRUCTURE",
        "status": "OPEN",
        "start": START,
        "root_cause": Entity(GROUP, "PROCESS_GROUP", "Apache Web Server apache2"),
        "affected": (APACHE,),
        "evidence": (evidence(),),
    }
    return Problem(**{**values, **changes})


def target(**changes: Any) -> Target:
    """
    Return a target that may be acted on.
    """
    values: dict[str, Any] = {
        "minion": "web01",
        "host": HOST,
        "entity": PROCESS,
        "technologies": ("APACHE_HTTPD",),
        "root_cause": True,
        "matched_by": "host_id",
    }
    return Target(**{**values, **changes})
