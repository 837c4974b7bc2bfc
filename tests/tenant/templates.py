"""
The payload of a problem notification: templates, and how placeholders are filled.

Placeholders and both templates are Dynatrace documentation's, as are the values of a test
notification. Synthetic: that a JSON placeholder which stands in quotes by mistake is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.tenant.wire import to_json

DEFAULT_TEMPLATE = """{
"State":"{State}",
"ProblemID":"{ProblemID}",
"ProblemTitle":"{ProblemTitle}"
}"""
RECOMMENDED_TEMPLATE = """{
"State":"{State}",
"ProblemID":"{ProblemID}",
"PID":"{PID}",
"ProblemTitle":"{ProblemTitle}",
"ProblemImpact":"{ProblemImpact}",
"ProblemSeverity":"{ProblemSeverity}",
"ProblemURL":"{ProblemURL}",
"Tags":"{Tags}",
"ImpactedEntities":{ImpactedEntities},
"ProblemDetailsJSONv2":{ProblemDetailsJSONv2}
}"""
_LONGEST = 5000
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9]+|Tags\[[^\]{}]*\])\}")


@dataclass
class Values:
    """
    What the placeholders stand for: texts, JSON values, and tags by key.
    """

    texts: dict[str, str]
    values: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)


def probe_values(changes: Mapping[str, str] | None = None) -> Values:
    """
    Give the values of "Send test notification"; `changes` are other ones that tenants have sent.
    """
    texts = {
        "State": "OPEN",
        "ProblemID": "999",
        "PID": "99999",
        "ProblemTitle": "Dynatrace problem notification test run",
        "ProblemImpact": "INFRASTRUCTURE",
        "ProblemSeverity": "PERFORMANCE",
        "ProblemURL": "https://example.com",
        "ProblemDetailsText": "Dynatrace problem notification test run details",
        "ProblemDetailsHTML": "<h1>Dynatrace problem notification test run details</h1>",
        "ProblemDetailsMarkdown": "# Dynatrace problem notification test run details",
        "ImpactedEntity": "MyHost1, MyService1",
        "ImpactedEntityNames": "MyHost1, MyService1",
        "NamesOfImpactedEntities": "MyHost1, MyService1",
        "Tags": "testtag1, testtag2",
        **(changes or {}),
    }
    values = {
        "ImpactedEntities": [
            {"type": "HOST", "name": "MyHost1", "entity": "HOST-XXXXXXXXXXXXX"},
            {"type": "SERVICE", "name": "MyService1", "entity": "SERVICE-XXXXXXXXXXXXX"},
        ],
        "ProblemDetailsJSON": {"ID": "99999"},
        "ProblemDetailsJSONv2": {"ID": "99999"},
    }
    return Values(texts, values, {"testtag1": "", "testtag2": ""})


def expand(template: str, values: Values, *, escape: bool) -> str:
    """
    Put the values in; texts are escaped as JSON asks unless a custom content type is set.

    What is no placeholder stays as it is, and so does `{Tags[key]}` without such a tag.
    """

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in values.values:
            shown = to_json(values.values[name])
            before, after = template[: found.start()][-1:], template[found.end() :][:1]
            return _escaped(shown) if escape and before == after == '"' else shown
        text = values.texts.get(name)
        if name.startswith("Tags["):
            text = values.tags.get(name[5:-1])
        if text is None:
            return found.group()
        return _escaped(text) if escape else text

    return _PLACEHOLDER.sub(value, template)


def escaping(headers: Mapping[str, str]) -> bool:
    """
    Say whether a payload is escaped: not when a header sets another content type than JSON.
    """
    for name, value in headers.items():
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower() == "application/json"
    return True


def check_template(template: str, *, escape: bool) -> None:
    """
    Refuse what the tenant's form would refuse: too long, or no JSON though it should be.
    """
    if not 1 <= len(template) <= _LONGEST:
        raise ValueError(f"a payload template has 1 to {_LONGEST} characters")
    if escape:
        try:
            json.loads(expand(template, probe_values(), escape=True))
        except ValueError as err:
            raise ValueError(f"the payload is no valid JSON: {err}") from err


def _escaped(text: str) -> str:
    return to_json(text)[1:-1]
