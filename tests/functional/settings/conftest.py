"""
A masterless minion in this process, with Salt's own loader and state compiler, and a tenant.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import salt.client
import salt.config
import salt.loader

from tests.tenant import Tenant

REPO = Path(__file__).resolve().parents[3]
SCOPES = ("settings.read", "settings.write", "entities.read")
WEBHOOK_TOKEN = "w3bh00k-S3cret.of-the-test"
URL = "https://master.example.com:8765/dynatrace"
NOTIFICATION = "builtin:problem.notifications"
PROFILE = "builtin:alerting.profile"
ALERTING = "builtin:availability.process-group-alerting"
WINDOW = "builtin:alerting.maintenance-window"
POLICY = "builtin:os-services-monitoring"


class Site:
    """
    One minion that sets up one tenant: its pillar, what its states return, what was written.
    """

    def __init__(self, root: Path, tenant: Tenant) -> None:
        self.root, self.tenant = root, tenant
        self.token = tenant.add_token(SCOPES)
        self.top: dict[str, Any] = {}
        self._loaded: tuple[Any, Any] | None = None
        self.options = salt.config.minion_config(None)
        self.options.update(
            root_dir=str(root),
            id="scratch",
            file_client="local",
            module_dirs=[str(REPO / "salt")],
            file_roots={"base": [str(REPO / "salt")]},
            pillar_roots={"base": [str(root / "pillar")]},
            cachedir=str(root / "cache"),
            extension_modules=str(root / "extmods"),
            pki_dir=str(root / "pki"),
            sock_dir=str(root / "sock"),
            conf_file=str(root / "minion"),
        )
        self.pillar()

    def pillar(self, tenant: Mapping[str, Any] | None = None, **top: Any) -> None:
        """
        Write the pillar, all of it: what is below ``tenant``, and what a test sets beside it.
        """
        self._loaded = None
        self.top = {**self.top, **top}
        dynatrace = {
            "environment_url": self.tenant.url,
            "settings_token": self.token,
            "webhook_token": WEBHOOK_TOKEN,
            "tenant": dict(tenant or {}),
            **self.top,
        }
        directory = self.root / "pillar"
        directory.mkdir(exist_ok=True)
        (directory / "top.sls").write_text(json.dumps({"base": {"*": ["site"]}}))
        (directory / "site.sls").write_text(json.dumps({"dynatrace": dynatrace}))

    def _load(self) -> tuple[Any, Any]:
        """
        Return the functions and the states, as Salt's loader has loaded them for this pillar.
        """
        if self._loaded is None:
            opts = copy.deepcopy(self.options)
            site = json.loads((self.root / "pillar" / "site.sls").read_text())
            opts.update(pillar=site, grains={})
            utils = salt.loader.utils(opts)
            functions = salt.loader.minion_mods(opts, utils=utils)
            self._loaded = functions, salt.loader.states(opts, functions, utils, {})
        return self._loaded

    def run(self, state: str, name: str, test: bool = False, **options: Any) -> dict[str, Any]:
        """
        Call one state as Salt's state compiler does, which itself takes long.
        """
        functions, states = self._load()
        functions.opts["test"] = states.opts["test"] = test
        return dict(states[f"dynatrace_tenant.{state}"](name, **options))

    def one(self, sls: str, test: bool = False) -> dict[str, Any]:
        """
        Do what an SLS does that makes one state.
        """
        name = sls.removeprefix("dynatrace.tenant.")
        kind = name.removesuffix("_absent")
        reader, end = "dynatrace_tenant.asked", "present"
        if kind != name:
            reader, end = "dynatrace_tenant.to_take_back", "absent"
        functions = self._load()[0]
        state = kind if kind == "os_services" else kind.removesuffix("s")
        if kind == "webhook":
            asked = functions["dynatrace_tenant.webhook"](take_back=end == "absent")
            state = asked["state"]
        else:
            asked = functions[reader](kind)
        if asked["problem"]:
            return {"result": False, "comment": asked["problem"], "changes": {}}
        [options] = asked["entries"]
        return self.run(f"{state}_{end}", test=test, **options)

    def compiled(
        self, sls: str = "dynatrace.tenant", test: bool = False, **more: Any
    ) -> list[dict[str, Any]]:
        """
        Let Salt apply an SLS, and return its states in their order; `pillar` is inline.
        """
        # In one process Salt keeps what pillar held before beside what it holds now.
        caller = salt.client.Caller(mopts=copy.deepcopy(self.options))
        returned = caller.cmd("state.apply", sls, test=test, **more)
        assert isinstance(returned, dict), returned
        return sorted(returned.values(), key=lambda state: state["__run_num__"])

    def changed(self, sls: str = "dynatrace.tenant", test: bool = False) -> dict[str, Any]:
        """
        Apply an SLS without a failure, and return all that changed, or would.
        """
        whole = sls in ("dynatrace.tenant", "dynatrace.tenant.absent")
        changes: dict[str, Any] = {}
        for state in self.compiled(sls, test) if whole else [self.one(sls, test)]:
            assert state["result"] is not False, state["comment"]
            assert (state["result"] is None) == (test and bool(state["changes"])), state
            changes.update(state["changes"])
        return changes

    def objects(self) -> list[tuple[str, str, Any]]:
        """
        Return what is set in the tenant: schema, scope and value of each object.
        """
        found = self.tenant.settings_objects()
        return [(one.schema_id, one.scope, copy.deepcopy(one.value)) for one in found]

    def value(self, schema: str, scope: str = "environment") -> Any:
        """
        Return the newest value of a schema in a scope.
        """
        return self.tenant.settings_objects(schema, scope)[-1].value

    def written(self, act: Callable[[], Any]) -> list[str]:
        """
        Return which calls that write were made meanwhile; those that only validate are none.
        """
        before = len(self.tenant.requests)
        act()
        return [
            f"{call.method} {call.path}"
            for call in self.tenant.requests[before:]
            if call.method != "GET"
            and "validateOnly" not in str(call.query)
            and not call.path.endswith("/filter-preview")
        ]


@pytest.fixture(scope="session")
def grains(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """
    The grains of this machine, which no state here looks at.
    """
    options = salt.config.minion_config(None)
    options["cachedir"] = str(tmp_path_factory.mktemp("grains"))
    return dict(salt.loader.grains(options))


@pytest.fixture(autouse=True)
def quick(grains: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    Keep Salt from finding them again, and from logging what nobody reads: both take long.
    """
    monkeypatch.setattr(salt.loader, "grains", lambda *_, **__: copy.deepcopy(grains))
    logger = logging.getLogger("salt")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """
    An environment in which nothing is set up, and whose rules are kept to.
    """
    with Tenant.empty() as environment:
        yield environment
        environment.check()


@pytest.fixture
def site(tmp_path: Path, tenant: Tenant) -> Site:
    """
    A minion that may set up the tenant, with an empty pillar.
    """
    return Site(tmp_path, tenant)
