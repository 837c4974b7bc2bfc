"""
Workflows and entries of the vault as they are read, whatever a tenant sends.
"""

from __future__ import annotations

from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.test_tenant_access import PLATFORM
from tests.unit.minion.test_tenant_http import answering, tenant

MARK = "salt-dynatrace:workflow:automation:workflows:Salt:environment"


def read(kind: str, *answers: Any) -> list[dict[str, Any]]:
    """
    Return the objects that are made of these bodies.
    """
    http = answering(*((200, {}, one) for one in answers), environment_url=PLATFORM)
    found = getattr(http.modules, kind).objects("")
    assert isinstance(found, list)
    return found


def page(count: Any, *ids: str) -> dict[str, Any]:
    return {"count": count, "results": [{"id": one, "title": one} for one in ids]}


@pytest.mark.parametrize(
    "pages",
    [
        [page(3, "a", "b", "c")],
        [page(3, "a"), page(3, "b", "c")],
        [page(None, "a", "b"), page(None, "c"), page(None)],
        # One was deleted meanwhile.
        [page(4, "a", "b"), page(4, "c"), page(3)],
    ],
)
def test_all_pages_of_workflows_are_read(pages: list[Any]) -> None:
    """However long the tenant makes them; two of a title must not be overlooked."""
    assert [one["objectId"] for one in read("workflows", *pages)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "answer", [[], {}, {"results": {}}, {"count": 1, "results": [7]}, page(1) | {"results": [{}]}]
)
def test_a_list_of_workflows_that_is_none_is_an_error(answer: Any) -> None:
    """What is not known cannot be compared."""
    with pytest.raises(CommandExecutionError, match=r"GET .*/workflows: "):
        read("workflows", answer)


def test_a_workflow_is_its_title_tasks_and_trigger() -> None:
    """What the tenant makes of it is neither compared nor sent back."""
    event = {"isActive": True, "triggerConfiguration": {"type": "event"}, "filterQuery": "x"}
    one = {
        "id": "1",
        "title": "Salt",
        "description": f"Set by Salt, which sets it again and takes it back by this line: {MARK}",
        "tasks": {},
        "version": 7,
        "actor": "somebody",
        "trigger": {"schedule": None, "eventTrigger": event},
        "modificationInfo": {"lastModifiedTime": "2026-11-27T08:00:00Z"},
    }
    [found] = read("workflows", {"count": 1, "results": [one]})
    assert found.pop("value") == {
        "title": "Salt",
        "tasks": {},
        "isDeployed": True,
        "trigger": {
            "eventTrigger": {"isActive": True, "triggerConfiguration": {"type": "event"}},
        },
    }
    assert found == {
        "objectId": "1",
        "scope": "environment",
        "externalId": MARK,
        "modified": "2026-11-27T08:00:00Z",
    }


@pytest.mark.parametrize(
    "one", [{"trigger": None}, {"trigger": {"eventTrigger": None}}, {"modificationInfo": None}]
)
def test_a_workflow_of_a_person_may_lack_all_that_ours_have(one: dict[str, Any]) -> None:
    """They are listed among ours."""
    [found] = read("workflows", {"count": 1, "results": [{"id": "1", "title": "x", **one}]})
    assert (found["value"], found["externalId"]) == ({"title": "x", "isDeployed": True}, None)


@pytest.mark.parametrize(
    "text", [None, 7, "", "by hand", f"see {MARK}", "takes it back by this line: x"]
)
def test_a_description_without_our_line_is_a_persons(text: Any) -> None:
    """Whoever takes the line out takes the object over."""
    assert tenant().marks.external_id(text) is None
    assert tenant().marks.external_id(tenant().marks.described(MARK)) == MARK


def test_an_entry_of_the_vault_shows_no_token_and_no_other_kind() -> None:
    """What it holds stands as a mask, which is hidden wherever it is shown."""
    token = {"id": "A", "name": "one", "type": "TOKEN", "owner": "x", "description": None}
    other = {"id": "B", "name": "two", "type": "USERNAME_PASSWORD"}
    [found] = read("vault", {"credentials": [token, other]})
    assert found["value"] == {"name": "one", "type": "TOKEN", "token": "******"}
    assert tenant().values.shown(found["value"])["token"] == "(secret)"


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        (["owner:web", "owner:db"], {"owner": ["web", "db"]}),
        (["lone"], {"lone": [""]}),
        (["a:b:c"], {"a": ["b:c"]}),
        (["[AWS:x]role:web"], {"[AWS:x]role": ["web"]}),
    ],
)
def test_a_tag_is_a_key_and_its_values(tags: list[str], wanted: Any) -> None:
    """As the trigger has them."""
    options = tenant().options.checked(
        "workflow", "x", {"url": "https://master.example.com/", "tags": tags}
    )
    value = tenant().workflow_values.trigger(options)["value"]
    assert (value["entityTags"], value["entityTagsMatch"]) == (wanted, "any")
