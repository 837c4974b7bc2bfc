"""
The tenant as a server: URL shapes, TLS, many clients, outages, the journal, and `check`.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tenant import Entry, Tenant
from tests.unit.tenant.conftest import Client, Receiver

_ROOT = Path(__file__).parents[3]


def test_64_clients_ask_and_write_at_once(tenant: Tenant, process: str) -> None:
    """Every call is answered and every comment stored once."""
    token, problem = tenant.add_token(), tenant.open_problem(process)

    def work(number: int) -> list[int]:
        client = Client(tenant, token)
        path = f"/api/v2/problems/{problem.problem_id}/comments"
        with client.session:
            posted = client.call("POST", path, {"message": str(number)}).status_code
            return [posted, *(client.problems().status_code for _ in range(4))]

    with ThreadPoolExecutor(64) as pool:
        codes = list(pool.map(work, range(64)))
    assert codes == [[201, 200, 200, 200, 200]] * 64
    assert {one.message for one in tenant.comments(problem)} == {str(n) for n in range(64)}
    assert len(tenant.requests) == 320


def test_a_silent_client_does_not_stop_the_others(tenant: Tenant, client: Client) -> None:
    """A connection that says nothing holds its own thread only."""
    with ThreadPoolExecutor(1) as pool:
        tenant.fault("slow", delay=0.5, path="/comments")
        slow = pool.submit(client.get, "/api/v2/problems/1_1V2/comments")
        tenant.wait_for(lambda: tenant.requests)
        assert Client(tenant, client.token).problems().elapsed.total_seconds() < 0.4
        assert slow.result().status_code == 404


def test_a_managed_url_has_the_environment_in_its_path() -> None:
    """Below it the API answers, beside it nothing does."""
    with Tenant(environment_path="/e/19a49310-260") as tenant:
        client = Client(tenant, tenant.add_token())
        assert tenant.url.endswith("/e/19a49310-260")
        assert client.problems().status_code == 200
        beside = tenant.url.removesuffix("/e/19a49310-260") + "/api/v2/problems"
        headers = {"Authorization": f"Api-Token {client.token}"}
        assert requests.get(beside, headers=headers, timeout=5).status_code == 404


def test_what_is_not_there_is_404_and_the_wrong_method_405(client: Client) -> None:
    """Both come in the envelope, and `check` names them."""
    assert client.get("/api/v2/slos").json()["error"]["code"] == 404
    wrong = client.call("DELETE", "/api/v2/problems")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET")
    with pytest.raises(AssertionError, match=r"slos[\s\S]*DELETE"):
        client.tenant.check()


def test_a_body_over_one_megabyte_is_refused(tenant: Tenant, client: Client, process: str) -> None:
    """It is not read, and nothing is stored."""
    problem = tenant.open_problem(process)
    path = f"/api/v2/problems/{problem.problem_id}/comments"
    try:
        status = client.call("POST", path, {"message": "x" * 1_100_000}).status_code
    except requests.ConnectionError:
        # The tenant may close while the client still writes.
        status = tenant.requests[-1].status
    assert status == 413
    assert tenant.comments(problem) == []


def test_unknown_parameters_are_ignored_but_noted(tenant: Tenant, client: Client) -> None:
    """The real API lets them pass; `check` lists each once."""
    assert client.problems(status="OPEN").status_code == 200
    assert client.problems(status="OPEN").status_code == 200
    with pytest.raises(AssertionError) as caught:
        tenant.check()
    assert str(caught.value).count("no parameter status") == 1


def test_calls_are_recorded(tenant: Tenant, client: Client) -> None:
    """Method, path, query, status, time and whether the token was good."""
    client.problems(problemSelector='status("open")')
    Client(tenant, "dt0c01.NOBODY.NOTHING").problems()
    good, bad = tenant.requests
    assert (good.method, good.path, good.status) == ("GET", "/api/v2/problems", 200)
    assert good.query == {"problemSelector": 'status("open")'}
    assert (good.token_ok, bad.token_ok, bad.status) == (True, False, 401)
    assert good.at <= bad.at


def test_the_tenant_goes_away_and_comes_back_with_all_it_knew(
    tenant: Tenant, client: Client, process: str
) -> None:
    """Stopped it refuses connections, kept-alive ones too; the port stays the same."""
    problem = tenant.open_problem(process)
    url = tenant.url
    assert client.problems().status_code == 200
    tenant.stop()
    with pytest.raises(requests.ConnectionError):
        client.problems()
    tenant.start()
    assert tenant.url == url
    assert client.display_ids() == [problem.display_id]


def test_the_journal_is_followed_and_waited_for(tenant: Tenant, process: str) -> None:
    """A subscriber sees what happens from then on; its failure reaches nobody else."""
    seen: list[Entry] = []

    def broken(entry: Entry) -> None:
        raise RuntimeError("not mine")

    tenant.subscribe(broken)
    end = tenant.subscribe(seen.append)
    tenant.open_problem(process)
    end()
    tenant.open_problem(process)
    assert [entry.what for entry in seen] == ["problem opened"]
    assert "not mine" in tenant.wait_for("subscriber failed").detail["error"]
    assert tenant.wait_for("problem opened", count=2).detail["problem"].startswith("P-")
    assert tenant.wait_for(lambda: len(tenant.problems)) == 2
    latest = tenant.wait_for("problem opened", count=2).at
    assert tenant.wait_for("problem opened", since=latest).at == latest
    with pytest.raises(TimeoutError, match="problem closed"):
        tenant.wait_for("problem closed", timeout=0.05)


def test_events_are_taken_and_some_open_problems(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """CUSTOM_INFO is kept only; CUSTOM_ALERT raises a problem on each entity it selects."""
    client = Client(tenant, tenant.add_token(scopes=("events.ingest",)))
    path, selector = "/api/v2/events/ingest", f'entityId("{process}")'
    event = {"eventType": "CUSTOM_INFO", "title": "restarted", "entitySelector": selector}
    taken = client.call("POST", path, event)
    assert taken.status_code == 201
    assert taken.json()["reportCount"] == 1
    assert set(taken.json()["eventIngestResults"][0]) == {"correlationId", "status"}
    assert tenant.problems == []
    client.call("POST", path, {**event, "eventType": "CUSTOM_ALERT"})
    assert [one.affected for one in tenant.problems] == [[process]]
    tenant.check()
    wrong = [{"title": "x"}, {**event, "eventType": "OUTAGE"}, {**event, "properties": {"a": 1}}]
    assert [client.call("POST", path, one).status_code for one in wrong] == [400] * 3
    client.call("POST", path, {"eventType": "CUSTOM_INFO", "title": "x"})
    with pytest.raises(AssertionError, match="whole environment"):
        tenant.check()


def test_a_mistake_of_the_tenant_itself_fails_the_check() -> None:
    """The client sees a dropped connection, `check` says that it was not to blame."""
    with Tenant() as tenant:
        tenant.routes.clear()
        tenant.routes.append(None)  # type: ignore[arg-type]
        with pytest.raises(requests.ConnectionError):
            Client(tenant, tenant.add_token()).problems()
        tenant.wait_for("tenant failed")
        with pytest.raises(AssertionError, match="not the client but the tenant"):
            tenant.check()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "tenant.crt", tmp_path / "tenant.key"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(paths[0]), str(paths[1])


def test_https_is_spoken_when_a_certificate_is_given(certificate: tuple[str, str]) -> None:
    """A client that trusts it is answered, one that does not is not; webhooks check it too."""
    cert, key = certificate
    with Tenant(cert=cert, key=key) as tenant:
        client = Client(tenant, tenant.add_token())
        with pytest.raises(requests.exceptions.SSLError):
            client.problems()
        client.verify = cert
        port = urlsplit(tenant.url).port or 0
        with socket.create_connection(("127.0.0.1", port)):
            # A connection that never begins its handshake keeps nobody waiting.
            assert client.problems().status_code == 200
        there = f"{tenant.url}/hook"
        assert tenant.send_test_notification(there).status == 0
        assert tenant.send_test_notification(there, ca=cert).status == 404


def test_it_runs_by_hand() -> None:
    """The command prints URL and token, and the API answers with them."""
    command = [sys.executable, "-u", "-m", "tests.tenant", "--port", "0", "--problem"]
    running = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        printed = ""
        assert running.stdout
        while "curl" not in printed:
            line = running.stdout.readline()
            assert line, printed
            printed += line
        found = re.search(r"environment_url: (\S+)\napi_token: (\S+)", printed)
        assert found
        headers = {"Authorization": f"Api-Token {found.group(2)}"}
        listed = requests.get(found.group(1) + "/api/v2/problems", headers=headers, timeout=5)
        assert listed.json()["totalCount"] == 1
    finally:
        running.kill()
        running.communicate()
