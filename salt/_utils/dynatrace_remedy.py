"""
What a remedy decides on a minion: its settings, its order, the identity of a process, whether it is down.

One module for Salt's loader, which takes as long for each as a request to the service; the siblings whose
names begin with ``_dynatrace_remedy_`` hold it. Nothing here starts, stops or signals anything but a call
that takes too long.
"""

import dynatrace_bounded as _bounded
from _dynatrace_utils.remedy import identity as _identity
from _dynatrace_utils.remedy import order as _order
from _dynatrace_utils.remedy import outage as _outage
from _dynatrace_utils.remedy import probe as _probe
from _dynatrace_utils.remedy import settings as _settings

settled, settled_chunk = _settings.settled, _settings.settled_chunk
ordered, late = _order.ordered, _order.late
others, seconds_between = _order.others, _order.seconds_between
contradiction = _identity.contradiction
proof, ask, judged = _probe.proof, _probe.ask, _probe.judged
decided, proved = _outage.decided, _outage.proved
bounded = _bounded.call
