"""
The catalogue of remedies as it may be written: what is right works, and each fault is named.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from _dynatrace.config.catalogue import validate
from _dynatrace.config.remedy_rules import OF_POLICY, ON, SETTINGS
from _dynatrace.core.failure import Failure
from _dynatrace.core.reasons import Reason
from _dynatrace.core.remedies import KINDS
from hypothesis import given
from hypothesis import strategies as st
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load as load_module

#: The examples of the issue and of the reference.
RIGHT = """
nginx:  {on: {technology: NGINX}, service: nginx, proof: http://127.0.0.1/}
orders: {on: {process: 'orders-*'}, service: orders, proof: 'tcp:8080', starts_within: 90}
db:     {on: {technology: [MYSQL, MARIADB]}, service: mysql, proof: [mysqladmin, ping]}
unit:   {on: {unit: ['app-*', 'worker@*.service']}}
var:    {on: {event: LOW_DISK_SPACE}, sls: site.free_var, proof: 'disk:/var<90%'}
cart:   {on: {technology: NODE_JS}, container: 'cart*'}
named:  {service: x.service, policy: {cooldown: 5, max_minions: 20%, deny: ['db*']}}
family:
  'on': {remedy: [a, b], severity: AVAILABILITY, tag: '*web*', minion: 'web*'}
  os_family:
    Debian: {service: ssh}
    RedHat: {service: sshd, steps: [reload, restart], ports: [22], stays: 2.5}
proofs:
  on: {unit: x}
  service: x
  url: https://[::1]:8443/x?y=1
  beyond_loopback: true
  proof:
    - http
    - unit
    - tcp:[::1]:53
    - unix:/run/x.sock
    - {url: 'http://127.0.0.1/', host: a, statuses: [200], contains: ok, server_name: b}
    - [/usr/bin/x:y, 7]
    - process:/usr/sbin/x
    - container:x
"""


def load(text: str) -> Any:
    return yaml.safe_load(text)


def test_what_is_right_is_read_as_it_stands() -> None:
    """The key `on` is true in YAML; a text stands for a list of one."""
    found, faults = validate(load(RIGHT))
    assert faults == []
    assert list(found.remedies) == list(load(RIGHT))
    assert found.remedies["nginx"].on == {"technology": ("NGINX",)}
    assert found.remedies["nginx"].settings == {"service": "nginx", "proof": "http://127.0.0.1/"}
    assert found.remedies["unit"].settings == {}
    assert found.remedies["family"].names == ("a", "b")
    assert found.policy("named") == {"cooldown": 5, "max_minions": "20%", "deny": ["db*"]}
    assert found.policy("nginx") == found.policy(None) == found.policy("gone") == {}


@pytest.mark.parametrize("given", [None, {}])
def test_without_entries_there_is_no_catalogue(given: Any) -> None:
    """Then all is as without the key."""
    found, faults = validate(given)
    assert (bool(found), faults) == (False, [])


FAULTS: list[tuple[str, str]] = [
    ("[nginx]", "must be a mapping of names to entries"),
    ("nginx", "must be a mapping of names to entries"),
    ("{-x: {service: x}}", "`dynatrace_remedies`: the name of an entry must be letters"),
    ("{7: {service: x}}", "the name of an entry must be letters"),
    ("{on: {service: x}}", "the name of an entry must be letters"),
    ("{a: }", "`dynatrace_remedies:a` must be a mapping such as {service: a}, not None"),
    ("{a: nginx}", "`dynatrace_remedies:a` must be a mapping"),
    ("{a: [service, x]}", "not this list"),
    ("{a: {}}", "`dynatrace_remedies:a` needs one of service, container, sls, or `on` with `unit`"),
    ("{a: {on: {technology: X}}}", "needs one of service, container, sls"),
    (
        "{a: {servce: x}}",
        "`dynatrace_remedies:a:servce` is not a known key; did you mean `service`?",
    ),
    (
        "{a: {service: x, zzz: 1}}",
        "`dynatrace_remedies:a:zzz` is not a known key; known are on, policy",
    ),
    ("{a: {service: x, 7: 1}}", "`dynatrace_remedies:a:7` is not a known key"),
    ("{a: {service: x, on: NGINX}}", "`dynatrace_remedies:a:on` must be a mapping of remedy, unit"),
    (
        "{a: {service: x, on: {tecnology: X}}}",
        "`dynatrace_remedies:a:on:tecnology` is not a known key; did you mean `technology`?",
    ),
    (
        "{a: {service: x, on: {technology: nginx}}}",
        "`dynatrace_remedies:a:on:technology` must be a text or a list of technologies as Dynatrace spells them, such as NGINX, not 'nginx'",
    ),
    ("{a: {service: x, on: {technology: []}}}", "on:technology` must be"),
    ("{a: {service: x, on: {technology: [NGINX, 7]}}}", "on:technology` must be"),
    (
        "{a: {service: x, on: {unit: '*.mount'}}}",
        "on:unit` must be a text or a list of globs of units of services",
    ),
    ("{a: {service: x, on: {unit: '../x'}}}", "on:unit` must be"),
    ("{a: {service: x, on: {process: ''}}}", "on:process` must be"),
    ("{a: {service: x, on: {minion: 7}}}", "on:minion` must be"),
    ("{a: {service: x, on: {remedy: 'a b'}}}", "on:remedy` must be"),
    ("{a: {service: x, on: {event: [X, ['Y']]}}}", "on:event` must be"),
    (
        "{a: {service: x.mount}}",
        "a:service` must be the name of a service, or its unit, not 'x.mount'",
    ),
    ("{a: {service: ../x}}", "a:service` must be"),
    ("{a: {service: -x}}", "a:service` must be"),
    ("{a: {service: [x]}}", "a:service` must be"),
    (
        "{a: {sls: dynatrace.remedy, proof: unit}}",
        "a:sls` must be the name of an SLS of the site's own",
    ),
    ("{a: {sls: site.x}}", "`dynatrace_remedies:a` needs a `proof`"),
    ("{a: {service: x, container: y}}", "`dynatrace_remedies:a` has service and container"),
    ("{a: {container: 'a b'}}", "a:container` must be"),
    ("{a: {service: x, proof: 7}}", "a:proof` must be one of, or a list of http://..."),
    ("{a: {service: x, proof: htp}}", "a:proof` must be"),
    ("{a: {service: x, proof: 'tcp:0'}}", "a:proof` must be"),
    ("{a: {service: x, proof: 'tcp:http'}}", "a:proof` must be"),
    ("{a: {service: x, proof: 'disk:/var<190%'}}", "a:proof` must be"),
    ("{a: {service: x, proof: 'unix:run'}}", "a:proof` must be"),
    ("{a: {service: x, proof: 'ftp://x/'}}", "a:proof` must be"),
    ("{a: {service: x, proof: []}}", "a:proof` must be"),
    ("{a: {service: x, proof: [unit, 'tcp:x']}}", "a:proof` must be"),
    ("{a: {service: x, proof: {uri: 'http://x/'}}}", "a:proof` must be"),
    ("{a: {service: x, proof: [[]]}}", "a:proof` must be"),
    ("{a: {service: x, steps: [stop]}}", "a:steps` must be a list of reload and restart"),
    ("{a: {service: x, steps: []}}", "a:steps` must be"),
    ("{a: {service: x, ports: [99999]}}", "a:ports` must be a list of ports"),
    ("{a: {service: x, stays: true}}", "a:stays` must be a number of seconds"),
    ("{a: {service: x, timeout: .nan}}", "a:timeout` must be a number of seconds"),
    ("{a: {service: x, policy: []}}", "a:policy` must be a mapping of dry_run"),
    (
        "{a: {service: x, policy: {cooldwn: 1}}}",
        "a:policy:cooldwn` is not a known key; did you mean `cooldown`?",
    ),
    (
        "{a: {service: x, policy: {cooldown: -1}}}",
        "a:policy:cooldown` must be a number of seconds from 0 to 86400, not -1",
    ),
    (
        "{a: {service: x, policy: {allow: web*}}}",
        "a:policy:allow` must be a list of globs of minion ids, not 'web*'",
    ),
    ("{a: {service: x, policy: {act_on: [name]}}}", "a:policy:act_on` is not a known key"),
    ("{a: {os_family: Debian}}", "a:os_family` must be a mapping of families"),
    ("{a: {os_family: {Debian: }}}", "a:os_family:Debian` must be a mapping of settings, not None"),
    (
        "{a: {os_family: {Debian: {servise: x}}}}",
        "a:os_family:Debian:servise` is not a known key; did you mean `service`?",
    ),
    ("{a: {os_family: {Debian: {on: {unit: x}}}}}", "a:os_family:Debian:True` is not a known key"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_a_fault_is_named_with_what_is_allowed(text: str, said: str) -> None:
    """Its key and the nearest known one; nothing is raised, and other entries work."""
    given = load(text)
    found, faults = validate(given)
    assert len(faults) == 1
    assert said in faults[0]
    if isinstance(given, dict):
        found, faults = validate({**given, "good": {"service": "x"}})
        assert len(faults) == 1
        assert found.remedies["good"].fault == ""


def test_all_faults_are_told_at_once() -> None:
    """Of all entries, and of each all."""
    _, faults = validate(load("{a: {servce: x, policy: {cooldown: x}}, b: 7, c: {stays: 0}}"))
    assert len(faults) == 4


def test_an_entry_with_a_fault_leaves_its_failures_to_no_other() -> None:
    """A typing error must not have another remedy restart another service."""
    text = "{nginx: {on: {technology: NGINX}, servce: nginx}, all: {on: {minion: '*'}, service: x}}"
    found, _ = validate(load(text))
    failure = Failure("web01", technologies=("NGINX",), events=("PGI_UNAVAILABLE",), down=True)
    chosen = found.choose(failure)
    assert (chosen.remedy, chosen.reason) == (None, Reason.NO_REMEDY)
    assert "the remedy nginx would take it, and has a fault: `dynatrace_remedies:nginx:servce`" in (
        chosen.detail or ""
    )
    assert found.choose(Failure("web01", down=True)).remedy == "all"


@pytest.mark.parametrize(
    "faulty",
    [
        "sshd: {on: {unit: [ssh, sshd], minon: 'web*'}, service: ssh}",
        "sshd: {on: {unit: [ssh, sshd], technology: ssh}, service: ssh}",
        "'the ssh': {on: {unit: [ssh, sshd]}, service: ssh}",
    ],
)
def test_a_fault_in_what_it_takes_leaves_the_rest_of_it_to_no_other(faulty: str) -> None:
    """A typing error in an entry that only reports must not have a wider one restart what that is about."""
    found, _ = validate(load(f"{{{faulty}, all: {{on: {{unit: '*'}}}}}}"))
    failure = Failure("web01", unit="ssh.service", events=("AVAILABILITY_EVENT",), service=True)
    assert found.choose(failure).remedy is None


def test_a_fault_shows_no_secret() -> None:
    """A command may hold a password, and a URL one too."""
    text = "{a: {service: x, proof: [x, {p: s3cret}], url: 'htp://u:s3cret@h/?t=s3cret'}}"
    _, faults = validate(load(text))
    assert len(faults) == 2
    assert "s3cret" not in "".join(faults)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(["unit", "http", "tcp:1", "*", "service", "NGINX", "site.x"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [*SETTINGS, *ON, *OF_POLICY, "on", True, "policy", "os_family", "url", 7]
            ),
            inner,
            max_size=5,
        )
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(VALUES | st.dictionaries(st.sampled_from(["a", "b", 7]), VALUES, max_size=3))
def test_nothing_that_is_written_raises(value: Any) -> None:
    """And what is accepted can be matched against."""
    found, faults = validate(value)
    assert all(isinstance(fault, str) and len(fault) < 1000 for fault in faults)
    for named in ((), ("a",)):
        found.choose(Failure("web01", ("x",), "x", ("NGINX",), named=named, down=True))


def test_the_rules_cover_what_is_known() -> None:
    """Each kind by which a remedy is chosen has a rule."""
    assert set(ON) == set(KINDS)


MINION = "_utils/_dynatrace_utils/remedy/settings.py"


@pytest.mark.parametrize("family", ["Debian", "RedHat"])
def test_what_the_engine_accepts_the_minion_accepts(family: str) -> None:
    """Its state reads the same settings, by the same names; it is told the globs of units beside them."""
    settings: Any = load_module(MINION)
    assert set(SETTINGS) == set(settings.OPTIONAL) - {"units"}
    for one in validate(load(RIGHT))[0].remedies.values():
        given = {**one.settings, "units": list(one.on.get("unit", ()))}
        assert settings.settled(one.name, given, {}, family)


WRONG = [(text, said) for text, said in FAULTS if ":proof`" in said]


@pytest.mark.parametrize("text", [text for text, _ in WRONG])
def test_what_the_minion_refuses_of_a_proof_the_engine_refuses(text: str) -> None:
    """Else a fault would show only when something is down."""
    with pytest.raises(CommandExecutionError):
        load_module(MINION).settled("a", load(text)["a"], {}, "Debian")
