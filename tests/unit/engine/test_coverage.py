"""
What the remedies of a catalogue would take among the processes that a tenant knows.
"""

from __future__ import annotations

from _dynatrace.api.client import Client
from _dynatrace.core.coverage import MAX_NAMED, Coverage, covered
from _dynatrace.core.remedies import Catalogue, Remedy

from tests.tenant import Tenant


def coverage(tenant: Tenant, client: Client, **on: dict[str, tuple[str, ...]]) -> Coverage:
    catalogue = Catalogue(Remedy(name, one, {}, {"service": name}) for name, one in on.items())
    processes = client.all_of("PROCESS_GROUP_INSTANCE")
    return covered(catalogue, processes.values(), client.all_of("HOST"))


def test_each_process_is_counted_once(tenant: Tenant, client: Client) -> None:
    """With its host; what two remedies take is told as held, and what none takes as that."""
    hosts = [tenant.add_host(f"web{number:02}") for number in range(MAX_NAMED + 2)]
    for host in hosts:
        tenant.add_process(host, "nginx", "NGINX")
    tenant.add_process(hosts[0], "orders-1", "JAVA")
    tenant.add_process(hosts[0], "sshd", None)
    found = coverage(
        tenant,
        client,
        nginx={"technology": ("NGINX",)},
        orders={"process": ("orders-*",)},
        java={"process": ("ord*",)},
        idle={"technology": ("MYSQL",)},
    )
    assert found.taken["nginx"].count == len(hosts)
    assert len(found.taken["nginx"].names) == MAX_NAMED
    assert found.taken["idle"].count == 0
    assert found.nothing.names == ["sshd on web00"]
    [(detail, both)] = found.held.items()
    assert "orders" in detail
    assert "java" in detail
    assert both.names == ["orders-1 on web00"]


def test_a_tag_and_a_unit_count_as_they_would_at_night(tenant: Tenant, client: Client) -> None:
    """The host's tag names the remedy of all that runs on it."""
    host = tenant.add_host("web01", tags=["salt_remedy:nginx"])
    tenant.add_process(host, "php", "PHP")
    other = tenant.add_host("web02")
    process = tenant.add_process(other, "app", None)
    tenant.add_os_service(other, "app-orders", process)
    found = coverage(tenant, client, nginx={"technology": ("NGINX",)}, unit={"unit": ("app-*",)})
    assert found.taken["nginx"].names == ["php on web01"]
    assert found.taken["unit"].names == ["app on web02"]
