"""
The settings objects of the tenant: kept, checked, replaced, with their ids and update tokens.

How ids look, what a single-object schema, an external id and an update token do, and that
"Default" is an alerting profile that cannot be deleted, is Dynatrace documentation's and that of its examples.
So is that an object of an ordered schema goes behind the one that `insertAfter` names, and last without it.
Assumed: a second object for the same scope of a single-object schema replaces the first; a profile
that a notification names may be deleted, and the notification then tells nothing; an empty `insertAfter`
makes an object the first of its schema and scope.
"""

from __future__ import annotations

import base64
import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.tenant.core import Core, Switches
from tests.tenant.errors import ApiError
from tests.tenant.platform.phases import gone_schemas
from tests.tenant.schema import Report, Schema
from tests.tenant.schemas import PROFILE, SCHEMAS, SEVERITIES
from tests.tenant.timeframe import now_ms

_AROUND = bytes.fromhex("beef54de15dadead")
# The profile "Default" has this id in several unrelated captured tenants.
_DEFAULT = "c21f969b-5f03-333d-83e0-4f8f136e7682"
_SLOW = frozenset({"PERFORMANCE", "RESOURCE_CONTENTION"})
_RESUBMIT = "For security reasons, please re-enter all secret token(s) before saving the settings."


@dataclass
class SettingsObject:
    """
    One settings object, secrets in plain text; times are UTC milliseconds.
    """

    object_id: str
    schema_id: str
    scope: str
    value: dict[str, Any]
    created: int
    modified: int
    external_id: str | None = None
    edition: int = 0

    @property
    def schema(self) -> Schema:
        """
        The schema that it follows.
        """
        return SCHEMAS[self.schema_id]

    @property
    def short_id(self) -> str:
        """
        The UUID inside the id; a problem names its alerting profiles by it.
        """
        return base64.urlsafe_b64decode(self.object_id + "==")[-44:-8].decode()

    @property
    def update_token(self) -> str:
        """
        The token of this edition.
        """
        text = f"{self.short_id}/{self.edition}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def object_id(schema_id: str, scope: str, short: str) -> str:
    """
    Make the id of an object, as those in Dynatrace documentation are made.
    """
    kind, _, entity = scope.rpartition("-") if scope != "environment" else ("tenant", "", "tenant")
    raw = _AROUND + b"\x00\x00\x00\x01"
    for part in (schema_id, kind, entity, short):
        raw += len(part).to_bytes(2, "big") + part.encode()
    return base64.urlsafe_b64encode(raw + _AROUND).decode().rstrip("=")


class Settings(Core):
    """
    The layer that keeps settings objects.
    """

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.settings: dict[str, SettingsObject] = {}
        rules = [
            {
                "severityLevel": severity,
                "delayInMinutes": 30 if severity in _SLOW else 0,
                "tagFilterIncludeMode": "NONE",
            }
            for severity in SEVERITIES
        ]
        value = {"name": "Default", "severityRules": rules, "eventFilters": []}
        self._keep(object_id(PROFILE, "environment", _DEFAULT), PROFILE, "environment", value)

    def settings_objects(
        self, schema: str | None = None, scope: str | None = None
    ) -> list[SettingsObject]:
        """
        Give copies of the objects of a schema, of a scope, or all; secrets are in plain text.
        """
        with self.lock:
            return [
                copy.deepcopy(one)
                for one in self.settings.values()
                if schema in (None, one.schema_id) and scope in (None, one.scope)
            ]

    def put_settings(
        self,
        schema: str,
        value: Mapping[str, Any] | None,
        scope: str = "environment",
        external_id: str | None = None,
        *,
        only_check: bool = False,
        place: int = 0,
        after: str | None = None,
    ) -> str:
        """
        Create an object, or replace the one that the scope or the external id already has.

        `after` is the object behind which one of an ordered schema goes, "" makes it the first.
        Gives the id; raises `ApiError` with the violations, their paths under `place`.
        """
        with self.lock:
            known = self._schema_for(schema, scope)
            before = self._predecessor(known, scope, external_id)
            checked = self.checked(known, value, before, place)
            if before is None and len(self.settings_objects(schema)) >= known.most:
                raise ApiError(400, f"There are {known.most} objects of {schema} already.")
            self.check_place(known, scope, after)
            if only_check:
                return before.object_id if before else ""
            if before:
                self.replace(before, checked)
                self.move(before, after)
                return before.object_id
            short = str(uuid.uuid4())
            made = object_id(schema, scope, short)
            self._keep(made, schema, scope, checked, external_id)
            self.move(self.settings[made], after)
        self.changed("settings created", schema, scope, made)
        return made

    def replace(self, known: SettingsObject, value: dict[str, Any]) -> None:
        """
        Give an object another value, which has been checked.
        """
        with self.lock:
            known.value, known.modified = value, now_ms()
            known.edition += 1
        self.changed("settings changed", known.schema_id, known.scope, known.object_id)

    def check_place(self, schema: Schema, scope: str, after: str | None) -> None:
        """
        Raise `ApiError` unless an object of this schema and scope may go behind that one.
        """
        if after is None:
            return
        other = self.settings.get(after)
        if not schema.ordered:
            raise ApiError(400, f"The schema '{schema.schema_id}' is not ordered.")
        if after and (other is None or (other.schema_id, other.scope) != (schema.schema_id, scope)):
            raise ApiError(400, f"There is no object {after} of this schema and scope.")

    def move(self, known: SettingsObject, after: str | None) -> None:
        """
        Put an object behind another one of its schema and scope, or first for ""; None leaves it.
        """
        if after is None or after == known.object_id:
            return
        with self.lock:
            others = [one for one in self.settings.values() if one is not known]
            kind = (known.schema_id, known.scope)
            same = [n for n, one in enumerate(others) if (one.schema_id, one.scope) == kind]
            named = [n + 1 for n in same if others[n].object_id == after]
            others.insert([*named, *same, len(others)][0], known)
            self.settings = {one.object_id: one for one in others}

    def delete_settings(self, object_id: str) -> None:
        """
        Delete an object; `ApiError` when there is none, or it is the profile "Default".
        """
        with self.lock:
            known = self.settings.get(object_id)
            if known is None:
                raise ApiError(404, f"There is no settings object {object_id}.")
            if known.short_id == _DEFAULT:
                raise ApiError(400, "The default alerting profile must not be deleted.")
            del self.settings[object_id]
        self.changed("settings deleted", known.schema_id, known.scope, object_id)

    def checked(
        self, schema: Schema, value: Any, before: SettingsObject | None, place: int = 0
    ) -> dict[str, Any]:
        """
        Give the value with the secrets that its masks stand for; `ApiError` when it is not valid.
        """
        old = before.value if before else None
        whole, masks = schema.root.restored(copy.deepcopy(value), old)
        report = Report(self._object_exists, self.switches.site_local_urls)
        path = f"{schema.schema_id}/{place}"
        schema.root.look(whole, path, report)
        if not report.violations and masks and schema.root.moved(whole, old):
            report.say(path, _RESUBMIT)
        if before and before.short_id == _DEFAULT and whole.get("name") != "Default":
            report.say(f"{path}/name", "The name of the default alerting profile must not change")
        if report.violations:
            raise ApiError(400, "Constraints violated.", report.violations)
        checked: dict[str, Any] = whole
        return checked

    def changed(self, what: str, schema: str, scope: str, object_id: str) -> None:
        """
        Say in the journal what became of an object; higher layers follow it.
        """
        self.log.add(what, schema=schema, scope=scope, object_id=object_id)

    def has_schema(self, schema_id: str) -> bool:
        """
        Say whether this tenant has a schema.
        """
        return schema_id in SCHEMAS and schema_id not in gone_schemas(self.switches)

    def knows_scope(self, scope: str) -> bool:
        """
        Say whether there is such a scope.
        """
        return scope == "environment"

    def _schema_for(self, schema_id: str, scope: str) -> Schema:
        if not self.has_schema(schema_id):
            raise ApiError(404, f"The schema '{schema_id}' does not exist.")
        known = SCHEMAS[schema_id]
        kind = scope.rpartition("-")[0] or scope
        if kind not in known.scopes:
            raise ApiError(400, f"The scope '{scope}' is not allowed for '{schema_id}'.")
        if not self.knows_scope(scope):
            raise ApiError(404, f"The scope '{scope}' does not exist.")
        return known

    def _predecessor(
        self, schema: Schema, scope: str, external_id: str | None
    ) -> SettingsObject | None:
        for one in self.settings.values():
            if (one.schema_id, one.scope) == (schema.schema_id, scope) and (
                not schema.several or (external_id and one.external_id == external_id)
            ):
                return one
        return None

    def _object_exists(self, schema_id: str, object_id: str) -> bool:
        known = self.settings.get(object_id)
        return known is not None and known.schema_id == schema_id

    def _keep(
        self,
        made: str,
        schema_id: str,
        scope: str,
        value: dict[str, Any],
        external_id: str | None = None,
    ) -> None:
        now = now_ms()
        self.settings[made] = SettingsObject(made, schema_id, scope, value, now, now, external_id)
