"""
The table of options and the messages that follow from it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.config.config import Config, load, validate
from _dynatrace.config.options import OPTIONS
from _dynatrace.config.validator import FILE, is_loopback
from _dynatrace.core.errors import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.somebody import as_nobody, entered

TOKEN = "dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA.SYNTHETIC"
URL = "https://abc12345.live.dynatrace.com"
PLATFORM = "https://abc12345.apps.dynatrace.com"
GOOD: dict[str, Any] = {"environment_url": URL, "api_token": TOKEN}

SSO_RULE = (
    "an https:// URL of the SSO without query or user name, such as https://sso.dynatrace.com/sso/oauth2/token "
    "(http:// only to a loopback address), or null"
)
SCOPES_RULE = (
    "scopes with a space between two, such as storage:events:read storage:buckets:read, or null"
)
SELECTOR_OF_GRAIL = "`problem_selector` is one of the Problems API, and Grail does not know it: remove it, or set `source` to problems"
BOTH_NEEDED = "`oauth` needs `client_id` and `client_secret` (an sdb:// URL must give a value)"
URL_RULE = (
    "an https:// URL of the environment without query or user name, such as "
    "https://abc12345.live.dynatrace.com (http:// only to a loopback address)"
)
SECRET_RULE = "printable ASCII without spaces (an sdb:// URL must give a value)"
FILE_RULE = FILE.allowed
POLL_RULE = "a number of seconds from 1 to 3600, or 0 (never poll)"
SHARE_RULE = 'a whole number from 1 to 100000, or a share from "1%" to "100%"'
STEPS_RULE = "a list of one or more of host_id, property, name, address"
CALLS_RULE = "a whole number from 10 to 6000, or null"
NAMES_RULE = "a mapping from pid, problem_id, state, title, details to key names of your payload"


def webhook(**options: Any) -> dict[str, Any]:
    """
    Return a good configuration with these options of the webhook beside a token.
    """
    return {**GOOD, "webhook": {"token": "a-secret", **options}}


def oauth(**options: Any) -> dict[str, Any]:
    """
    Return a good configuration with an OAuth client in place of the token, and these options of it.
    """
    client = {"client_id": "dt0s02.SYNTHETI", "client_secret": "dt0s02.SYNTHETI.SECRET"}
    return {"environment_url": PLATFORM, "oauth": {**client, **options}}


def policy(**options: Any) -> dict[str, Any]:
    """
    Return a good configuration with these options of the policy.
    """
    return {**GOOD, "policy": options}


ONE_PROBLEM = [
    # Unknown keys, with the nearest known one.
    ({**GOOD, "api_tokn": "x"}, "`api_tokn` is not a known key; did you mean `api_token`?"),
    (
        {**GOOD, "enviroment_url": URL},
        "`enviroment_url` is not a known key; did you mean `environment_url`?",
    ),
    (webhook(adress="::1"), "`webhook:adress` is not a known key; did you mean `webhook:address`?"),
    (
        policy(max_minion=3),
        "`policy:max_minion` is not a known key; did you mean `policy:max_minions`?",
    ),
    ({**GOOD, "xyzzy": 1}, "`xyzzy` is not a known key; see docs/reference/configuration.md"),
    ({**GOOD, 5: 1}, "`5` is not a known key; see docs/reference/configuration.md"),
    # Known keys at the wrong level.
    ({**GOOD, "cooldown": 5}, "`cooldown` is not a known key; did you mean `policy:cooldown`?"),
    ({**GOOD, "port": 8765}, "`port` is not a known key; did you mean `webhook:port`?"),
    (
        policy(poll_interval=5),
        "`policy:poll_interval` is not a known key; did you mean `poll_interval`?",
    ),
    (
        {**GOOD, "webhook.port": 99},
        "`webhook:port` is not a known key; write `port` below `webhook`",
    ),
    (
        {**GOOD, "policy:cooldown": 99},
        "`policy:cooldown` is not a known key; write `cooldown` below `policy`",
    ),
    # Sections that are none.
    ({**GOOD, "policy": ["dry_run"]}, "`policy` must be a mapping of options"),
    ({**GOOD, "webhook": "a-secret"}, "`webhook` must be a mapping of options"),
    ({**GOOD, "metrics": 9765}, "`metrics` must be a mapping of options"),
    ({**GOOD, "metrics": True}, "`metrics` must be a mapping of options"),
    (
        {**GOOD, "metrics": {"prot": 1}},
        "`metrics:prot` is not a known key; did you mean `metrics:port`?",
    ),
    # Values.
    (
        {**GOOD, "metrics": {"port": 0}},
        "`metrics:port` must be a whole number from 1 to 65535, not 0",
    ),
    (
        {**webhook(), "metrics": {"port": 8765}},
        "`metrics` has the address and port of `webhook`, which serves /metrics already: give it another port",
    ),
    ({**GOOD, "environment_url": 5}, f"`environment_url` must be {URL_RULE}, or null, not 5"),
    (
        {**GOOD, "environment_url": "http://tenant.example.com"},
        f"`environment_url` must be {URL_RULE}, or null, not 'http://tenant.example.com'",
    ),
    (
        {**GOOD, "environment_url": "https://[::1"},
        f"`environment_url` must be {URL_RULE}, or null, not 'https://[::1'",
    ),
    (
        {**GOOD, "environment_url": "https://"},
        f"`environment_url` must be {URL_RULE}, or null, not 'https://'",
    ),
    (
        {**GOOD, "environment_url": "https://h:99999"},
        f"`environment_url` must be {URL_RULE}, or null, not 'https://h:99999'",
    ),
    ({**GOOD, "poll_interval": 0.5}, f"`poll_interval` must be {POLL_RULE}, not 0.5"),
    ({**GOOD, "poll_interval": 3601}, f"`poll_interval` must be {POLL_RULE}, not 3601"),
    ({**GOOD, "poll_interval": True}, f"`poll_interval` must be {POLL_RULE}, not True"),
    ({**GOOD, "poll_interval": math.nan}, f"`poll_interval` must be {POLL_RULE}, not nan"),
    ({**GOOD, "poll_interval": math.inf}, f"`poll_interval` must be {POLL_RULE}, not inf"),
    ({**GOOD, "poll_interval": "30"}, f"`poll_interval` must be {POLL_RULE}, not '30'"),
    ({**GOOD, "poll_interval": None}, f"`poll_interval` must be {POLL_RULE}, not None"),
    ({**GOOD, "poll_interval": -1}, f"`poll_interval` must be {POLL_RULE}, not -1"),
    ({**GOOD, "lookback": -1}, "`lookback` must be a number of seconds from 0 to 2592000, not -1"),
    ({**GOOD, "feedback": "yes"}, "`feedback` must be true, false or a mapping of options"),
    ({**GOOD, "feedback": 1}, "`feedback` must be true, false or a mapping of options"),
    (
        {**GOOD, "feedback": {"coment": True}},
        "`feedback:coment` is not a known key; did you mean `feedback:comment`?",
    ),
    (
        {**GOOD, "feedback": {"event": "yes"}},
        "`feedback:event` must be true or false, not 'yes'",
    ),
    (
        {**GOOD, "feedback": {"close": True, "close_after": 59}},
        "`feedback:close_after` must be a number of seconds from 60 to 86400, not 59",
    ),
    (
        {**GOOD, "close_after": 600},
        "`close_after` is not a known key; did you mean `feedback:close_after`?",
    ),
    (
        {**GOOD, "calls_per_minut": 60},
        "`calls_per_minut` is not a known key; did you mean `calls_per_minute`?",
    ),
    ({**GOOD, "calls_per_minute": 9}, f"`calls_per_minute` must be {CALLS_RULE}, not 9"),
    ({**GOOD, "calls_per_minute": 6001}, f"`calls_per_minute` must be {CALLS_RULE}, not 6001"),
    ({**GOOD, "calls_per_minute": True}, f"`calls_per_minute` must be {CALLS_RULE}, not True"),
    ({**GOOD, "calls_per_minute": 60.0}, f"`calls_per_minute` must be {CALLS_RULE}, not 60.0"),
    (
        {**GOOD, "problem_selector": " "},
        "`problem_selector` must be a text that is not empty, or null, not ' '",
    ),
    (
        {**GOOD, "ledger": "ledger.db"},
        "`ledger` must be an absolute path, or null, not 'ledger.db'",
    ),
    ({**GOOD, "ledger": "/a\0b"}, "`ledger` must be an absolute path, or null, not '/a\\x00b'"),
    (
        {**GOOD, "ca_bundle": "/no/such"},
        f"`ca_bundle` must be {FILE_RULE}, or null, not '/no/such'",
    ),
    ({**GOOD, "ca_bundle": "/a\0b"}, f"`ca_bundle` must be {FILE_RULE}, or null, not '/a\\x00b'"),
    (
        {**GOOD, "hook_tag": "a tag"},
        "`hook_tag` must be an event tag such as salt/netapi/hook/dynatrace, or null, not 'a tag'",
    ),
    (webhook(port=True), "`webhook:port` must be a whole number from 1 to 65535, not True"),
    (webhook(port=0), "`webhook:port` must be a whole number from 1 to 65535, not 0"),
    (webhook(port=8765.0), "`webhook:port` must be a whole number from 1 to 65535, not 8765.0"),
    (
        webhook(path="/healthz"),
        "`webhook:path` must be a path such as /dynatrace (not /healthz, not /metrics), not '/healthz'",
    ),
    (
        webhook(path="/d(.*)"),
        "`webhook:path` must be a path such as /dynatrace (not /healthz, not /metrics), not '/d(.*)'",
    ),
    (
        webhook(max_body=1023),
        "`webhook:max_body` must be a whole number from 1024 to 16777216, not 1023",
    ),
    (webhook(keys={"pip": "x"}), f"`webhook:keys` must be {NAMES_RULE}, not {{'pip': 'x'}}"),
    (webhook(keys={"pid": 5}), f"`webhook:keys` must be {NAMES_RULE}, not {{'pid': 5}}"),
    (policy(dry_run="no"), "`policy:dry_run` must be true or false, not 'no'"),
    (policy(act_on="host_id"), f"`policy:act_on` must be {STEPS_RULE}, not 'host_id'"),
    (policy(act_on=[]), f"`policy:act_on` must be {STEPS_RULE}, not []"),
    (policy(act_on=["ip"]), f"`policy:act_on` must be {STEPS_RULE}, not ['ip']"),
    (policy(act_on=[["name"]]), f"`policy:act_on` must be {STEPS_RULE}, not [['name']]"),
    (policy(allow="web*"), "`policy:allow` must be a list of globs of minion ids, not 'web*'"),
    (policy(deny=[""]), "`policy:deny` must be a list of globs of minion ids, not ['']"),
    (
        policy(cooldown=86401),
        "`policy:cooldown` must be a number of seconds from 0 to 86400, not 86401",
    ),
    (
        policy(cooldown=False),
        "`policy:cooldown` must be a number of seconds from 0 to 86400, not False",
    ),
    (policy(max_attempts=0), "`policy:max_attempts` must be a whole number from 1 to 100, not 0"),
    (
        policy(attempt_window=0),
        "`policy:attempt_window` must be a number of seconds from 1 to 604800, not 0",
    ),
    (
        policy(outcome_timeout=0.9),
        "`policy:outcome_timeout` must be a number of seconds from 1 to 3600, not 0.9",
    ),
    (policy(max_minions="0%"), f"`policy:max_minions` must be {SHARE_RULE}, not '0%'"),
    (policy(max_minions="101%"), f"`policy:max_minions` must be {SHARE_RULE}, not '101%'"),
    (policy(max_minions=0), f"`policy:max_minions` must be {SHARE_RULE}, not 0"),
    (policy(max_minions=True), f"`policy:max_minions` must be {SHARE_RULE}, not True"),
    # Secrets: what is allowed, never what was given.
    ({**GOOD, "api_token": "two words"}, f"`api_token` must be {SECRET_RULE}"),
    ({**GOOD, "api_token": "sdb://vault/token"}, f"`api_token` must be {SECRET_RULE}"),
    (webhook(token="p\u00e4ss"), f"`webhook:token` must be {SECRET_RULE}, or null"),
    (webhook(username="me", password="a b"), f"`webhook:password` must be {SECRET_RULE}, or null"),
    (
        {**GOOD, "proxy": "ftp://me:a-secret@proxy"},
        "`proxy` must be a proxy URL such as http://proxy.example.com:3128, or null",
    ),
    (
        {**GOOD, "proxy": "http://[::1"},
        "`proxy` must be a proxy URL such as http://proxy.example.com:3128, or null",
    ),
    (oauth(client_secret="a b"), f"`oauth:client_secret` must be {SECRET_RULE}, or null"),
    (oauth(client_secret="sdb://x/y"), f"`oauth:client_secret` must be {SECRET_RULE}, or null"),
    (oauth(token_url="http://a.b/c"), f"`oauth:token_url` must be {SSO_RULE}, not 'http://a.b/c'"),
    (oauth(token_url="https://a.b/"), f"`oauth:token_url` must be {SSO_RULE}, not 'https://a.b/'"),
    (oauth(scope="a,b"), f"`oauth:scope` must be {SCOPES_RULE}, not 'a,b'"),
    (
        oauth(resource="uuid"),
        "`oauth:resource` must be a name such as urn:dtaccount:<uuid>, or null, not 'uuid'",
    ),
    (
        {**oauth(), "client_secret": "x"},
        "`client_secret` is not a known key; did you mean `oauth:client_secret`?",
    ),
    ({**GOOD, "source": "api"}, "`source` must be problems or grail, or null, not 'api'"),
    # What is good one by one and not together.
    (
        {**GOOD, "source": "grail", "problem_selector": 'text("x")'},
        SELECTOR_OF_GRAIL,
    ),
    (oauth(client_id=None), BOTH_NEEDED),
    (oauth(client_secret=None), BOTH_NEEDED),
    ({**oauth(), "oauth": {}}, BOTH_NEEDED),
    (
        {**oauth(), "api_token": TOKEN},
        "`api_token` and `oauth` exclude each other: keep one of them",
    ),
    (
        {"oauth": oauth()["oauth"]},
        "`environment_url` is needed with `oauth`: the engine must know which environment to read",
    ),
    (
        {"api_token": TOKEN},
        "`environment_url` is needed with `api_token`: the engine must know which environment to read",
    ),
    (
        {**GOOD, "calls_per_minute": 40, "poll_interval": 1.5},
        (
            "`poll_interval` 1.5 takes 40 calls a minute, and the poll has half of `calls_per_minute`: "
            "set that to 80 or more, or poll less often"
        ),
    ),
    (
        {"environment_url": URL},
        "`api_token`, `oauth` or `webhook` is needed: without all the engine cannot learn of any problem",
    ),
    (
        {},
        "`api_token`, `oauth` or `webhook` is needed: without all the engine cannot learn of any problem",
    ),
    (
        {"webhook": {}},
        (
            "`webhook` needs `token`, or `username` and `password` (an sdb:// URL must give a value): "
            "anyone could send notifications otherwise"
        ),
    ),
    (
        {"webhook": {"username": "me"}},
        "`webhook:username` and `webhook:password` go together: set both or neither",
    ),
    (
        webhook(password="a-secret"),
        "`webhook:username` and `webhook:password` go together: set both or neither",
    ),
    (
        webhook(path="/events", page=True),
        "`webhook:path` /events is a part of the status page: choose another, or set `page` to false",
    ),
    (
        webhook(address="0.0.0.0"),
        "`webhook:address` '0.0.0.0' is not a loopback address: set `ssl_crt` and `ssl_key`, or say `insecure: true`",
    ),
    (
        webhook(address="::"),
        "`webhook:address` '::' is not a loopback address: set `ssl_crt` and `ssl_key`, or say `insecure: true`",
    ),
]


@pytest.mark.parametrize(
    ("config", "message"), ONE_PROBLEM, ids=[message[:60] for _, message in ONE_PROBLEM]
)
def test_what_is_wrong_is_named_with_what_is_allowed(config: dict[str, Any], message: str) -> None:
    """
    Each mistake gives exactly one sentence.
    """
    assert validate(config) == [message]


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    """
    TLS needs both files.
    """
    crt = tmp_path / "crt.pem"
    crt.touch()
    together = "`webhook:ssl_crt` and `webhook:ssl_key` go together: set both or neither"
    assert validate(webhook(ssl_crt=str(crt))) == [together]
    assert validate(webhook(ssl_key=str(crt))) == [together]
    assert validate(webhook(ssl_crt=str(crt), ssl_key=str(crt), address="0.0.0.0")) == []


def test_all_problems_are_reported_at_once() -> None:
    """
    An admin corrects the file once, not once a mistake.
    """
    config = {"api_tokn": "x", "poll_interval": "often", "policy": {"allow": 1}, "webhook": 5}
    assert validate(config) == [
        "`webhook` must be a mapping of options",
        "`api_tokn` is not a known key; did you mean `api_token`?",
        f"`poll_interval` must be {POLL_RULE}, not 'often'",
        "`policy:allow` must be a list of globs of minion ids, not 1",
    ]
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert caught.value.problems == validate(config)


GOOD_ONES = [
    GOOD,
    {**GOOD, "webhook": None, "policy": None, "oauth": None},
    oauth(),
    oauth(token_url=None, scope=None, resource=None),
    oauth(token_url="http://127.0.0.1:8/sso/oauth2/token", resource="urn:dtaccount:0-0"),
    oauth(scope="storage:events:read environment-api:problems:read"),
    {"webhook": {"token": "a-secret"}},
    {"webhook": {"username": "me", "password": "a-secret", "address": "::1"}},
    webhook(address="0.0.0.0", insecure=True),
    webhook(keys={"pid": "dedup_key", "state": "status"}),
    {**GOOD, "environment_url": "https://activegate.example.com:9999/e/abc/"},
    {**GOOD, "environment_url": "http://127.0.0.1:8080"},
    {**GOOD, "environment_url": "http://[::1]:8080"},
    {
        **GOOD,
        "poll_interval": 0,
        "hook_tag": "salt/netapi/hook/dynatrace",
        "problem_selector": 'severityLevel("AVAILABILITY")',
    },
    {**GOOD, "proxy": "http://me:a-secret@proxy.example.com:3128"},
    {**GOOD, "calls_per_minute": None, "poll_interval": 1},
    {**GOOD, "calls_per_minute": 80, "poll_interval": 1.5},
    {**GOOD, "calls_per_minute": 10, "poll_interval": 0},
    {**GOOD, "feedback": None},
    {**GOOD, "feedback": {"comment": False, "event": True, "close": True, "close_after": 60}},
    policy(
        max_minions="100%",
        cooldown=0,
        act_on=["address", "name", "property", "host_id"],
        allow=[],
        deny=["db*"],
    ),
]


@pytest.mark.parametrize("config", GOOD_ONES)
def test_a_good_configuration_has_no_problem(config: dict[str, Any]) -> None:
    """
    What the documentation allows is accepted.
    """
    assert validate(config) == []
    load(config)


DEFAULTS = {
    "environment_url": None,
    "api_token": None,
    "ca_bundle": None,
    "proxy": None,
    "poll_interval": 30,
    "problem_selector": None,
    "lookback": 86400,
    "feedback.comment": True,
    "ledger": None,
    "hook_tag": None,
    "webhook.address": "127.0.0.1",
    "webhook.port": 8765,
    "webhook.path": "/dynatrace",
    "webhook.token": None,
    "webhook.username": None,
    "webhook.password": None,
    "webhook.ssl_crt": None,
    "webhook.ssl_key": None,
    "webhook.max_body": 1048576,
    "policy.dry_run": False,
    "policy.act_on": ["host_id", "property"],
    "policy.allow": ["*"],
    "policy.deny": [],
    "policy.cooldown": 300,
    "policy.max_attempts": 3,
    "policy.attempt_window": 3600,
    "policy.outcome_timeout": 120,
    "policy.max_minions": 10,
    "policy.hold_in_maintenance": True,
}


def test_the_defaults_are_the_documented_ones() -> None:
    """
    A key that is left out has the value that the reference gives.
    """
    assert {
        option.name: option.default for option in OPTIONS if option.name in DEFAULTS
    } == DEFAULTS
    added = {option.name for option in OPTIONS} - set(DEFAULTS)
    assert added == {
        "policy.escalate_without_remedy",
        "webhook.insecure",
        "webhook.keys",
        "webhook.page",
        "calls_per_minute",
        "oauth.client_id",
        "oauth.client_secret",
        "oauth.token_url",
        "oauth.scope",
        "oauth.resource",
        "source",
        "feedback.event",
        "feedback.close",
        "feedback.close_after",
        "metrics.address",
        "metrics.port",
    }
    config = load(GOOD)
    assert config.get("policy.max_minions") == 10
    assert not config.has_webhook
    assert not config.has_metrics
    assert load({**GOOD, "metrics": {}}).has_metrics
    assert not load({**GOOD, "metrics": None}).has_metrics
    elsewhere = {"address": "127.0.0.2", "port": 8765}
    assert load({**webhook(), "metrics": elsewhere}).get("metrics.address") == "127.0.0.2"


FEEDBACKS = [
    ({}, (True, False, False), True),
    ({"feedback": None}, (True, False, False), True),
    ({"feedback": True}, (True, False, False), True),
    ({"feedback": False}, (False, False, False), False),
    ({"feedback": {}}, (True, False, False), True),
    ({"feedback": {"event": True}}, (True, True, False), True),
    ({"feedback": {"comment": False}}, (False, False, False), False),
    ({"feedback": {"comment": False, "close": True}}, (False, False, True), True),
]


@pytest.mark.parametrize(("given", "told", "anything"), FEEDBACKS)
def test_feedback_is_a_word_or_a_mapping(
    given: dict[str, Any], told: tuple[bool, bool, bool], anything: bool
) -> None:
    """
    ``true`` never means to put events or to close problems: those are asked for by name.
    """
    config = load({**GOOD, **given})
    kinds = ("comment", "event", "close")
    assert tuple(config.get(f"feedback.{kind}") for kind in kinds) == told
    assert config.get("feedback") is anything


@pytest.mark.parametrize("option", OPTIONS, ids=[option.name for option in OPTIONS])
def test_a_default_that_is_written_out_is_accepted(option: Any) -> None:
    """
    The reference shows each key with its default; copying it must not be an error. But for one key.
    """
    if option.name != "api_token":
        assert option.check(option.default) is None
    assert option.meaning.endswith(".")


def test_a_token_that_sdb_did_not_give_does_not_turn_polling_off() -> None:
    """
    Salt makes null of an sdb:// URL whose file is missing; with a webhook the engine would go on, and know no process.
    """
    config = {**webhook(), "api_token": None}
    assert validate(config) == [f"`api_token` must be {SECRET_RULE}"]
    del config["api_token"]
    assert validate(config) == []


LEAKS = [
    {**GOOD, "api_token": "very secret"},
    {**GOOD, "api_tokn": "very-secret"},
    webhook(token="very secret"),
    webhook(tokn="very-secret"),
    webhook(username="me", password="very secret"),
    {**GOOD, "webhook": "very-secret"},
    {**GOOD, "proxy": "gopher://me:very-secret@proxy"},
    # Secrets in the wrong place.
    {**GOOD, "environment_url": "https://me:very-secret@tenant.example.com"},
    {**GOOD, "environment_url": "https://tenant.example.com/?api-token=very-secret"},
    {**GOOD, "environment_url": "dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA.very-secret"},
    {**GOOD, "poll_interval": "dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA.very-secret"},
]


@pytest.mark.parametrize("config", LEAKS)
def test_no_message_shows_a_secret(config: dict[str, Any]) -> None:
    """
    The messages go into the master's log.
    """
    problems = validate(config)
    assert problems
    assert "secret" not in " ".join(problems)


@pytest.mark.parametrize(
    "config",
    [
        oauth(client_secret="very hidden"),
        oauth(client_id="dt0s02.SYNTHETI.VERYHIDDEN more"),
        oauth(token_url="https://me:hidden@sso.example.com/token"),
        oauth(token_url="https://sso.example.com/token?client_secret=hidden"),
        {**oauth(), "oauth": "very-hidden"},
    ],
)
def test_no_message_shows_the_secret_of_a_client(config: dict[str, Any]) -> None:
    """
    Wherever it stands by mistake.
    """
    problems = validate(config)
    assert problems
    assert "hidden" not in " ".join(problems).lower()


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=20)
    | st.binary(max_size=10)
    | st.sampled_from(
        ["/a\0b", "http://[", "https://h:x", "/\ud800", 10**400, -(10**400), "%", "sdb://"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [option.name.rpartition(".")[2] for option in OPTIONS]
    + ["webhook", "feedback", "policy", "other"]
)
SECTION = st.dictionaries(NAMES, JUNK, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(NAMES | st.text(max_size=5), JUNK, max_size=5),
    st.none() | SECTION | JUNK,
    st.none() | SECTION | JUNK,
)
def test_validation_never_raises(top: dict[str, Any], hook: Any, rules: Any) -> None:
    """
    Whatever stands in the file, the answer is a list of sentences, or a configuration that loads.
    """
    config = {**top, "webhook": hook, "policy": rules}
    problems = validate(config)
    assert all(isinstance(problem, str) and problem for problem in problems)
    if not problems:
        assert isinstance(load(config), Config)


def test_an_integer_too_long_to_be_shown_is_reported() -> None:
    """
    Python refuses to print integers of thousands of digits; a hexadecimal one in YAML is such a value.
    """
    problems = validate({**GOOD, "poll_interval": 16**5000})
    assert problems == [f"`poll_interval` must be {POLL_RULE}, not a value that cannot be shown"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback_is_recognised(host: str | None, expected: bool) -> None:
    """
    A name that only looks like this machine does not count.
    """
    assert is_loopback(host) is expected


@pytest.mark.parametrize("option", ["ca_bundle", "ssl_key"])
def test_a_file_that_is_closed_to_the_masters_user_is_said_to_be(option: str) -> None:
    """By the user's name: an admin who is root sees the file and reads it."""
    with entered() as place:
        closed = place / "a.pem"
        closed.touch(mode=0o600)
        options = {**GOOD, "ca_bundle": str(closed)}
        if option == "ssl_key":
            (place / "b.pem").touch(mode=0o644)
            options = webhook(ssl_crt=str(place / "b.pem"), ssl_key=str(closed))
        [problem] = as_nobody(validate, options)
        assert problem.endswith(", which nobody may not read")
        [problem] = as_nobody(validate, {**GOOD, "ca_bundle": str(place / "absent")})
        assert "may not read" not in problem
