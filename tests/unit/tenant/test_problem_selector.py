"""
What the problemSelector and the entitySelector of the list select.
"""

from __future__ import annotations

import pytest

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ('status("open")', ["apache", "quoted"]),
        ('status("CLOSED")', ["closed"]),
        ('displayId("P-1","P-3")', ["apache", "quoted"]),
        ('problemId("{first}")', ["apache"]),
        ('severityLevel("ERROR")', ["quoted"]),
        ('impactLevel("infrastructure")', ["apache", "closed"]),
        ('affectedEntities("{process}")', ["apache", "closed"]),
        ('impactedEntities("{process}"),status("open")', ["apache"]),
        ('affectedEntityTypes("SERVICE")', ["quoted"]),
        ('rootCauseEntity("{group}")', ["apache", "closed"]),
        ('entityTags("[AWS]owner:web")', ["closed"]),
        ('entityTags("owner:web")', []),
        ("underMaintenance(true)", ["closed"]),
        ('underMaintenance(false),status("open")', ["apache", "quoted"]),
        ('managementZones("Ops")', ["quoted"]),
        ('problemFilterNames("def")', ["apache", "quoted", "closed"]),
        ('problemFilterNames.equals("def")', []),
        ('text("APACHE")', ["apache", "closed"]),
        ('text("say ~"hi~" ~~")', ["quoted"]),
    ],
)
def test_the_problem_selector_selects(
    tenant: Tenant, client: Client, process: str, selector: str, found: list[str]
) -> None:
    """Criteria are all to be met, several values of one are alternatives, `~` escapes."""
    first = tenant.open_problem(process, display_id="P-1")
    tags = ["[AWS]owner:web"]
    closed = tenant.open_problem(process, tags=tags, under_maintenance=True, display_id="P-2")
    tenant.close_problem(closed)
    service = tenant.add_service([process], name="shop")
    title, zones = 'say "hi" ~', ["Ops"]
    tenant.open_problem(service, title, management_zones=zones, display_id="P-3")
    names = {"P-1": "apache", "P-2": "closed", "P-3": "quoted"}
    for word, text in (
        ("{first}", first.problem_id),
        ("{process}", process),
        ("{group}", first.root_cause or ""),
    ):
        selector = selector.replace(word, text)
    ids = client.display_ids(problemSelector=selector)
    assert sorted(names[one] for one in ids) == sorted(found)


def test_the_entity_selector_of_the_list_looks_at_affected_entities(
    tenant: Tenant, client: Client, process: str
) -> None:
    """Only problems of the selected entities are listed."""
    other = tenant.add_process(tenant.add_host("db01.example.com"), "MySQL", "MYSQL")
    mine = tenant.open_problem(process)
    tenant.open_problem(other)
    selector = 'type("PROCESS_GROUP_INSTANCE"),entityName.startsWith("apache")'
    assert client.display_ids(entitySelector=selector) == [mine.display_id]
