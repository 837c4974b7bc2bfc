"""
All secrets are where they must be, and nowhere else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.functional.oneagent.test_secrets import everybody
from tests.functional.settings.conftest import URL, WEBHOOK_TOKEN, Site
from tests.functional.settings.test_generations import CLASSIC
from tests.functional.settings.test_workflow import log_in


def by_pillar(site: Site) -> None:
    """The tokens stand in the pillar as they are."""
    site.pillar({"webhook": {"url": URL}})


def by_sdb(site: Site) -> None:
    """The tokens stand in a file that only an sdb profile names."""
    path = site.root / "secrets.yaml"
    path.write_text(json.dumps({"settings": site.token, "webhook": WEBHOOK_TOKEN}))
    profile = {"driver": "yaml", "files": [str(path)]}
    conf = site.root / "conf" / "minion"
    conf.write_text(json.dumps({**json.loads(conf.read_text()), "secrets": profile}))
    given = {"settings_token": "sdb://secrets/settings", "webhook_token": "sdb://secrets/webhook"}
    site.pillar({"webhook": {"url": URL}}, **given)


def by_client(site: Site) -> None:
    """An OAuth client of a tenant that is told by a workflow; its secret stands behind an sdb profile, too."""
    site.tenant.switches.lacks_schemas = CLASSIC
    log_in(site)
    oauth = site.top["oauth"]
    path = site.root / "secrets.yaml"
    path.write_text(json.dumps({"client": oauth["client_secret"], "webhook": WEBHOOK_TOKEN}))
    profile = {"driver": "yaml", "files": [str(path)]}
    conf = site.root / "conf" / "minion"
    conf.write_text(json.dumps({**json.loads(conf.read_text()), "secrets": profile}))
    oauth = {**oauth, "client_secret": "sdb://secrets/client"}
    site.pillar({"webhook": {"url": URL}}, oauth=oauth, webhook_token="sdb://secrets/webhook")


def secrets(site: Site) -> list[bytes]:
    """
    Return the secret part of all that opens the tenant or the listener, access tokens among them.
    """
    known = [
        *site.tenant.tokens._tokens,
        *(one.secret for one in site.tenant.tokens.clients.values()),
    ]
    return [WEBHOOK_TOKEN.encode(), *(one.rpartition(".")[2].encode() for one in known)]


def where(site: Site) -> set[str]:
    """
    Return the files below the root that hold a secret.
    """
    wanted = secrets(site)
    return {
        str(path.relative_to(site.root))
        for path in site.root.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and any(secret in path.read_bytes() for secret in wanted)
    }


def command(site: Site, level: str) -> list[str]:
    call = [str(Path(sys.executable).parent / "salt-call"), "--local"]
    logs = ["-l", level, f"--log-file-level={level}"]
    return [*call, "-c", str(site.root / "conf"), *logs, "state.apply", "dynatrace.tenant"]


@pytest.mark.parametrize(
    ("give", "level", "places"),
    [
        # A masterless minion renders its own pillar, and Salt logs what it renders from `debug` on.
        pytest.param(
            by_pillar,
            "info",
            {"pillar/site.sls"},
            marks=pytest.mark.skipif(os.environ.get("FULL") != "1", reason="only with FULL=1"),
        ),
        (by_sdb, "trace", {"secrets.yaml"}),
        (by_client, "trace", {"secrets.yaml"}),
    ],
)
def test_the_tokens_are_in_no_output_log_cache_or_process(
    site: Site, give: object, level: str, places: set[str]
) -> None:
    """Looked for in all that the minion prints and writes, and in every process while it runs."""
    conf = site.root / "conf"
    conf.mkdir()
    names = ("root_dir", "id", "file_client", "module_dirs", "file_roots", "pillar_roots")
    settings = {name: site.options[name] for name in (*names, "cachedir", "pki_dir", "sock_dir")}
    log = site.root / "minion.log"
    settings.update(log_file=str(log), cache_jobs=True)
    (conf / "minion").write_text(json.dumps(settings))
    assert callable(give)
    give(site)
    # The minion waits for the tenant, so it is seen while it runs.
    site.tenant.fault("slow", path="/settings/objects", delay=1.0)
    with (
        open(site.root / "printed", "wb") as printed,
        subprocess.Popen(command(site, level), stdout=printed, stderr=subprocess.STDOUT) as run,
    ):
        try:
            until = time.monotonic() + 120
            while site.tenant.faults._faults:
                assert time.monotonic() < until
                assert run.poll() is None
                time.sleep(0.02)
            for what in ("cmdline", "environ"):
                seen = everybody(what)
                assert run.pid in seen
                known = secrets(site)
                assert [p for p, text in seen.items() if any(s in text for s in known)] == []
            run.wait(120)
        finally:
            run.kill()
    text = (site.root / "printed").read_text()
    told = "workflow" if give is by_client else "webhook"
    assert f"The {told} Salt is set." in text, text[-2000:]
    assert list(site.root.rglob("return.p")), "the job cache is kept"
    assert log.stat().st_size > 0 or level == "info"
    assert where(site) == places
    record = site.root / "cache" / "dynatrace" / "tenant" / "record.json"
    assert record.stat().st_mode & 0o777 == 0o600


def test_a_failure_does_not_say_a_token(site: Site) -> None:
    """Whatever the tenant answers with."""
    site.pillar({"webhook": {"url": URL}})
    for text in (site.token, f"Bearer {WEBHOOK_TOKEN}"):
        site.tenant.fault("server_error", status=400, message=f"wrong: {text}")
        state = site.one("dynatrace.tenant.webhook")
        assert state["result"] is False
        assert "answered 400: wrong: " in state["comment"]
        assert site.token.rpartition(".")[2] not in state["comment"]
        assert WEBHOOK_TOKEN not in state["comment"]
