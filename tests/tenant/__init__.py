"""
A simulated Dynatrace tenant: a stateful server on loopback that tests and the demo talk to.

    with Tenant() as tenant:
        token = tenant.add_token()
        process = tenant.add_process(tenant.add_host("web01.example.com"))
        problem = tenant.open_problem(process)
        client_id, secret = tenant.add_oauth_client()  # for tenant.sso_url, tenant.platform_url
        tenant.add_workflow("http://127.0.0.1:8000/dynatrace", "token")

Where its behaviour comes from:

- Problems API v2 (calls, parameters, paging, codes): Dynatrace documentation; bodies, ids, error
  envelopes and open problems older than `from`: captured answers.
- Entities API v2: Dynatrace documentation, the HOST from captured answers; processes, process
  groups and services are synthetic, put together from the documented property lists.
- What tells processes apart: the keys of the metadata are documented, their values constructed after
  Debian's apache2; a process in a pod and its relation to a container follow captures, one in a Docker
  container and custom properties of a process are constructed.
- OS services: the records of a host follow a capture; policies (schema, operators, placeholders)
  Dynatrace documentation. Constructed: the whole problem, the entity with its id and its relation to
  the host, and which of several policies decides; `os_services` says what is assumed.
- The problem of a process availability rule is constructed.
- Tokens and rate limits: Dynatrace documentation; the text about a missing scope is captured.
- The platform (`/apps/<id>` below the server): addresses, scopes, calls and life of tokens are
  documentation's and those of official clients; several refusals are captured, others constructed,
  as `tokens` and the modules of `platform` say. The SSO's refusal has documented keys, no captured body.
- Grail: states, codes, parameters and limits are those of Dynatrace's own SDK and tools; records of
  problems and events, types, metadata, a cut result and several errors follow captures. It reads a
  small part of DQL and refuses the rest; the modules of `platform.grail` and `platform.dql` say what
  is constructed.
- Workflows: the API, the trigger and its filters, actions and the delivery of the action for Ansible
  follow the API's own description, official samples and captures; that an execution begins at once,
  and what its modules name, is constructed.
- Business events and the credential vault: Dynatrace documentation.
- Phases: what each takes away is known in part only; `platform.phases` says what is assumed. Newer
  maintenance windows: the published schema; what they do is assumed in `newer_windows`.
- Settings 2.0 (calls, schemas with their limits, secrets, update tokens, one object per scope), and
  what alerting profiles, maintenance windows and process availability do: Dynatrace documentation
  and published schemas; messages follow captured ones as far as they are known. Each module says
  what is assumed.
- Deployment API (calls, codes, ETag, form of the signature): Dynatrace documentation. What is in the
  installers is a stub with the documented options; how it reports to the tenant is synthetic.
- Webhooks (placeholders, escaping, templates, the test notification): Dynatrace documentation.
- Events ingest: Dynatrace documentation, the 201 is captured.
- Faults: named after what clients have met; their bodies are synthetic.

`Tenant()` raises a problem for every process that ends unless a setting says otherwise;
`Tenant.empty()` is a new environment, where nothing is raised and nobody is told until settings
say so.

Times are UTC milliseconds, except in the journal, the calls and the deliveries: `time.time()`.

It does not model:

- metrics ingest, other v1 APIs; of the SSO: logins of persons, policies beside scopes;
- of Grail: other tables and commands, `summarize`, `smartscapeEdges` and `traverse` among them;
  snapshots of problems; sampling, scan limits, segments, time zones, permissions for buckets and
  records; FAILED and CANCELLED are made by faults only; `includeTypes` and what ends a query that
  nobody polls;
- of workflows: schedules, other triggers and actions, conditions and predecessors of tasks,
  `triggerOnUpdateFields` and `problemOpenDuration`, the hourly limit, the rights of the actor,
  EdgeConnect;
- of Settings 2.0: schemas but the eight, their definitions, effective values, permissions, owners,
  `insertBefore`, notifications other than webhooks, OAuth, management zones as references, filters of
  profiles by event properties, availability by a number of instances; a notification tells nothing
  of problems that were open before it;
- of OS services: a real problem about one (what is raised is constructed), services of Windows, those
  that are not installed, `$match` in conditions (it fits nothing), the metric that `monitoring` costs;
  the policies that an environment comes with are there only after `default_os_policies`;
- OneAgents but the stub: installers for other systems, images, connectivity; a removed tag or
  property is gone at once, and processes are found only as, and when, `discover` was told;
- the end of a maintenance window while a problem is open: its flags are those of its beginning;
- Davis: nothing merges, escalates, becomes frequent or goes through "Processing" by itself; a test
  does that by `update_problem`, `merge_problem` and the flags of `open_problem`;
- management zone rules, auto tags;
- keys of Kubernetes clusters (a problem's `extra` can carry them), events without `data` as in
  2021, limits on the length of comments;
- relevance: sorting by it is accepted and changes nothing;
- the thread pool behind 429: limits are counted for each token and endpoint;
- the entity selector beyond type, entityId, entityName*, tag, mzName, softwareTechnologies and one
  level of relationships;
- consistency delays other than those that faults and `close_lag` make;
- retries, order between webhooks, source addresses and headers of notifications: not documented;
- chunked request bodies, HTTP/2, compression, CORS, and the length limit of URLs;
- wordings that no documentation or capture gives; modules say which are synthetic.
"""

from tests.tenant.api import Call
from tests.tenant.authority import Authority
from tests.tenant.core import Switches
from tests.tenant.errors import ApiError
from tests.tenant.faults import FAULTS
from tests.tenant.journal import Entry
from tests.tenant.kinds import MASK
from tests.tenant.monitor import Monitor
from tests.tenant.problem import Comment, Problem
from tests.tenant.settings import SettingsObject
from tests.tenant.templates import DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE
from tests.tenant.tenant import Tenant
from tests.tenant.unit_monitor import UnitMonitor
from tests.tenant.webhook import Delivery, Webhook

__all__ = [
    "DEFAULT_TEMPLATE",
    "FAULTS",
    "MASK",
    "RECOMMENDED_TEMPLATE",
    "ApiError",
    "Authority",
    "Call",
    "Comment",
    "Delivery",
    "Entry",
    "Monitor",
    "Problem",
    "SettingsObject",
    "Switches",
    "Tenant",
    "UnitMonitor",
    "Webhook",
]
