"""
What holds between the properties of settings: the rules that no limit of one property can say.

The rules are the constraints of the published schemas; their wordings are synthetic but for that
about site-local URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.tenant.conditions import ConditionError, parse_condition
from tests.tenant.schema import Report
from tests.tenant.sites import site_local, well_formed
from tests.tenant.templates import check_template, escaping

#: What systemd says of a unit, as policies of OS services know it.
STATUSES = ("reloading", "activating", "deactivating", "failed", "inactive", "active")


def webhook_leads_out(value: Mapping[str, Any], path: str, report: Report) -> None:
    """
    Refuse a URL that is none or leads to a site-local place, and a payload that is no JSON.
    """
    name = "secretUrl" if value.get("urlContainsSecret") else "url"
    if not well_formed(value[name]):
        report.breaks(f"{path}/{name}", "...", "must be a URL")
    elif not report.site_local_urls and site_local(value[name]):
        report.say(f"{path}/{name}", "The environment does not allow for site-local URLs")
    headers = {one["name"]: one.get("value", "") for one in value["headers"]}
    try:
        check_template(value["payload"], escape=escaping(headers))
    except ValueError as err:
        report.breaks(f"{path}/payload", "...", str(err))


def ordered(
    first: str, second: str, equal: bool
) -> Callable[[Mapping[str, Any], str, Report], None]:
    """
    Make the rule that one property is less than another, or the same if `equal`.
    """

    def check(value: Mapping[str, Any], path: str, report: Report) -> None:
        low, high = value[first], value[second]
        if low > high or (low == high and not equal):
            report.breaks(f"{path}/{second}", high, f"must be after {first}")

    return check


def some_filter(value: Mapping[str, Any], path: str, report: Report) -> None:
    """
    Refuse a custom filter without any part.
    """
    if not any(value.get(name) for name in ("titleFilter", "descriptionFilter", "metadataFilter")):
        report.breaks(path, "...", "at least one filter is needed")


def mode_is_given(value: Mapping[str, Any], path: str, report: Report) -> None:
    """
    Refuse alerting that is on without a mode.
    """
    if value["enabled"] and value.get("alertingMode") is None:
        text = "Given property 'alertingMode' with value: 'null'"
        report.say(
            f"{path}/alertingMode", f"{text} does not comply with required NonNull of schema"
        )


def regular(value: Mapping[str, Any], path: str, report: Report) -> None:
    """
    Refuse a regular expression that is none.
    """
    if value["operator"] == "REGEX_MATCHES":
        try:
            re.compile(value["value"])
        except re.error as err:
            report.breaks(f"{path}/value", value["value"], f"must be a regular expression: {err}")


def condition(name: str) -> Callable[[Mapping[str, Any], str, Report], None]:
    """
    Make the rule that a property is a condition on an OS service.
    """

    def check(value: Mapping[str, Any], path: str, report: Report) -> None:
        try:
            parse_condition(value[name])
        except ConditionError as err:
            report.breaks(f"{path}/{name}", value[name], f"must be a condition: {err}")

    return check


def statuses(value: Mapping[str, Any], path: str, report: Report) -> None:
    """
    Refuse alerting on Linux without a condition on the status, or with one about no status.
    """
    name = "statusConditionLinux"
    text = value.get(name)
    if text is None:
        if value["alerting"] and value["system"] == "LINUX":
            report.breaks(f"{path}/{name}", text, "must be given where alerting is on")
        return
    condition(name)(value, path, report)
    if report.violations:
        return
    for word in parse_condition(text).texts():
        if word not in STATUSES:
            report.breaks(f"{path}/{name}", text, f"{word} is none of {', '.join(STATUSES)}")
