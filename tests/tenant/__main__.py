"""
Runs a tenant by hand: `python -m tests.tenant --port 8099`, to look around with curl.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.tenant import Entry, Tenant
from tests.tenant.crowd import add_machines, open_problems
from tests.tenant.tenant import DEFAULT_SCOPES

_VERSION = "1.305.50.20250110-093218"


def main() -> None:
    """
    Start a tenant with one host and one apache2, print how to ask it, and the journal as it grows.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.tenant", description=main.__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8099, help="0 takes a free one")
    parser.add_argument("--environment-path", default="", help="/e/<id>, the shape of Managed")
    parser.add_argument("--host-name", default="web01.example.com")
    parser.add_argument(
        "--webhook", help="URL that is told of problems, by a workflow from phase 2"
    )
    parser.add_argument("--webhook-token", help="sent to it as Authorization: Bearer")
    parser.add_argument("--watch", help="URL of a web server; its problem opens and closes by it")
    parser.add_argument("--empty", action="store_true", help="nothing alerts until settings say so")
    parser.add_argument("--installers", metavar="DIRECTORY", help="offer one that installs there")
    parser.add_argument("--problem", action="store_true", help="open a problem at once")
    parser.add_argument("--crowd", type=int, help="so many problems, each on a host of its own")
    parser.add_argument("--slow", type=float, help="seconds that each call takes longer")
    parser.add_argument("--calls-per-minute", type=int, help="at each endpoint; more are refused")
    parser.add_argument("--platform", action="store_true", help="tell of the platform, too")
    parser.add_argument(
        "--phase", type=int, default=1, choices=(1, 2, 3), help="of the environment"
    )
    chosen = parser.parse_args()
    tenant = Tenant(
        address=chosen.address,
        port=chosen.port,
        environment_path=chosen.environment_path,
        alerting_by_default=not chosen.empty,
        site_local_urls=True,
        calls_per_minute=chosen.calls_per_minute,
        phase=chosen.phase,
    )
    with tenant:
        if not chosen.crowd:
            tenant.subscribe(_print)
        process = tenant.add_process(tenant.add_host(chosen.host_name))
        scopes = ("settings.read", "settings.write", "InstallerDownload")
        token = tenant.add_token([*DEFAULT_SCOPES, *scopes]) if chosen.phase < 3 else ""
        if chosen.installers:
            tenant.offer_installer(_VERSION, Path(chosen.installers).resolve())
            print(f"root certificate: {tenant.authority.certificate}")
        if chosen.webhook:
            _tell(tenant, chosen.webhook, chosen.webhook_token)
        if chosen.problem:
            tenant.open_problem(process)
        if chosen.crowd:
            open_problems(tenant, add_machines(tenant, chosen.crowd), mixed=True)
        if chosen.slow:
            tenant.fault("slow", times=None, delay=chosen.slow)
        if chosen.watch:
            tenant.monitor(process, chosen.watch)
        if chosen.platform or chosen.phase > 1:
            _print_platform(tenant)
        if token:
            print(f"environment_url: {tenant.url}\napi_token: {token}")
            print(f"curl -H 'Authorization: Api-Token {token}' '{tenant.url}/api/v2/problems'")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("stopped")


def _tell(tenant: Tenant, url: str, secret: str | None) -> None:
    if tenant.switches.phase > 1:
        tenant.add_workflow(url, secret or "")
    else:
        tenant.add_webhook(url, {"Authorization": f"Bearer {secret}"} if secret else {})


def _print_platform(tenant: Tenant) -> None:
    client_id, secret = tenant.add_oauth_client()
    token = tenant.add_platform_token()
    print(f"environment_url: {tenant.platform_url}")
    print(
        f"oauth: {{client_id: {client_id}, client_secret: {secret}, token_url: {tenant.sso_url}}}"
    )
    print(f"platform token: {token}")
    execute = f"{tenant.platform_url}/platform/storage/query/v1/query:execute"
    print(
        f"curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json'"
        f" -d '{{\"query\": \"fetch dt.davis.problems\"}}' '{execute}'"
    )


def _print(entry: Entry) -> None:
    detail = " ".join(f"{key}={value}" for key, value in entry.detail.items() if value != "")
    print(
        f"{time.strftime('%H:%M:%S', time.localtime(entry.at))}  {entry.what}  {detail}", flush=True
    )


if __name__ == "__main__":
    main()
