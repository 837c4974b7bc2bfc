"""
A simulated Dynatrace tenant: a stateful server on loopback that tests and the demo talk to.

    with Tenant() as tenant:
        token = tenant.add_token()
        process = tenant.add_process(tenant.add_host("web01.example.com"))
        problem = tenant.open_problem(process)

Where its behaviour comes from:

- Problems API v2 (calls, parameters, paging, codes): Dynatrace documentation; bodies, ids, error
  envelopes and open problems older than `from`: captured answers.
- Entities API v2: Dynatrace documentation, the HOST from captured answers; processes, process
  groups and services are synthetic, put together from the documented property lists.
- Tokens and rate limits: Dynatrace documentation; the text about a missing scope is captured.
- Webhooks (placeholders, escaping, templates, the test notification): Dynatrace documentation.
- Events ingest: Dynatrace documentation, the 201 is captured.
- Faults: named after what clients have met; their bodies are synthetic.

Times are UTC milliseconds, except in the journal, the calls and the deliveries: `time.time()`.

It does not model:

- Settings, deployment (installer), metrics ingest, v1 APIs, Grail, workflows, OAuth clients;
- Davis: nothing merges, escalates, becomes frequent or goes through "Processing" by itself; a test
  does that by `update_problem`, `merge_problem` and the flags of `open_problem`;
- alerting profiles (but for `wants` and `delay` of a webhook), management zone rules, auto tags;
- keys of Kubernetes clusters (a problem's `extra` can carry them), events without `data` as in
  2021, limits on the length of comments;
- relevance: sorting by it is accepted and changes nothing;
- the thread pool behind 429: limits are counted for each token and endpoint;
- the entity selector beyond type, entityId, entityName*, tag and one level of relationships;
- consistency delays other than those that faults and `close_lag` make;
- retries, order between webhooks, source addresses and headers of notifications: not documented;
- chunked request bodies, HTTP/2, compression, CORS, and the length limit of URLs;
- wordings that no documentation or capture gives; modules say which are synthetic.
"""

from tests.tenant.api import Call
from tests.tenant.core import Switches
from tests.tenant.errors import ApiError
from tests.tenant.faults import FAULTS
from tests.tenant.journal import Entry
from tests.tenant.monitor import Monitor
from tests.tenant.problems import Comment, Problem
from tests.tenant.templates import DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE
from tests.tenant.tenant import Tenant
from tests.tenant.webhooks import Delivery, Webhook

__all__ = [
    "DEFAULT_TEMPLATE",
    "FAULTS",
    "RECOMMENDED_TEMPLATE",
    "ApiError",
    "Call",
    "Comment",
    "Delivery",
    "Entry",
    "Monitor",
    "Problem",
    "Switches",
    "Tenant",
    "Webhook",
]
