"""
The expressions of workflows: `{{ event() }}`, `{{ event()["event.id"] }}`, `{{ event() | to_json }}`.

They are Jinja's. That a field which is not there fails the task is what official samples say. An
input that is one expression and nothing else keeps the type of its value: assumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

_ONE = re.compile(r"\s*\{\{(?P<inside>(?:(?!\}\}).)*)\}\}\s*", re.DOTALL)


class ExpressionError(Exception):
    """
    An input that cannot be made.
    """


def evaluated(value: Any, event: Mapping[str, Any]) -> Any:
    """
    Give an input with its expressions filled in; raises `ExpressionError`.
    """
    if isinstance(value, dict):
        return {name: evaluated(one, event) for name, one in value.items()}
    if isinstance(value, list):
        return [evaluated(one, event) for one in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    try:
        return _of_text(value, event)
    except jinja2.TemplateError as err:
        raise ExpressionError(f"Undefined variables or wrong expression: {err}") from err


def _of_text(text: str, event: Mapping[str, Any]) -> Any:
    engine = SandboxedEnvironment(undefined=jinja2.StrictUndefined)
    engine.globals["event"] = lambda: event
    engine.filters["to_json"] = json.dumps
    one = _ONE.fullmatch(text)
    if one is None:
        return engine.from_string(text).render()
    found = engine.compile_expression(one["inside"], undefined_to_none=False)()
    if isinstance(found, jinja2.Undefined):
        raise jinja2.UndefinedError(one["inside"].strip())
    return found
