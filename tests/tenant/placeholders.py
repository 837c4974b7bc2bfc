"""
What the placeholders of a payload stand for when a problem is told.

Their meaning is Dynatrace documentation's; the wording of the rendered details is synthetic.
"""

from __future__ import annotations

import html

from tests.tenant.bodies import problem_body, problem_body_v1, problem_tags
from tests.tenant.entities import Topology, type_of
from tests.tenant.evidence import describe
from tests.tenant.problem import Problem
from tests.tenant.templates import Values

_KIND = {"HOST": "host", "PROCESS_GROUP_INSTANCE": "Process", "SERVICE": "Web service"}


def problem_values(problem: Problem, state: str, url: str, topology: Topology) -> Values:
    """
    Give the values of a notification about a problem.
    """
    tags = problem_tags(problem, topology)
    stubs = [topology.stub(entity) for entity in problem.affected]
    names = ", ".join(stub.get("name", stub["entityId"]["id"]) for stub in stubs)
    details = "\n".join(
        [f"{state} problem {problem.display_id}", problem.title]
        + [describe(entity, topology) for entity in problem.affected]
    )
    texts = {
        "State": state,
        "ProblemID": problem.display_id,
        "PID": problem.problem_id,
        "ProblemTitle": problem.title,
        "ProblemImpact": problem.impact.replace("SERVICES", "SERVICE"),
        "ProblemSeverity": problem.severity,
        "ProblemURL": f"{url}/#problems/problemdetails;pid={problem.problem_id}",
        "ProblemDetailsText": details,
        "ProblemDetailsHTML": f"<h1>{html.escape(details)}</h1>",
        "ProblemDetailsMarkdown": f"# {details}",
        "ImpactedEntity": _impacted(problem, names),
        "ImpactedEntityNames": names,
        "NamesOfImpactedEntities": names,
        "Tags": ", ".join(tag.body()["stringRepresentation"] for tag in tags),
    }
    values = {
        "ImpactedEntities": [
            {
                "type": stub["entityId"]["type"],
                "name": stub.get("name", ""),
                "entity": stub["entityId"]["id"],
            }
            for stub in stubs
        ],
        "ProblemDetailsJSON": problem_body_v1(problem, topology),
        "ProblemDetailsJSONv2": problem_body(
            problem, ("evidenceDetails", "impactAnalysis"), topology
        ),
    }
    return Values(texts, values, {tag.key: tag.value or "" for tag in tags})


def _impacted(problem: Problem, names: str) -> str:
    kind = _KIND.get(type_of(problem.affected[0]), "")
    return f"{problem.title} on {kind} {names}".replace("  ", " ")
