"""
The Dynatrace tenant: requests and responses, limits, and what the bodies mean, notifications among them.

It may import ``core`` and ``config``.
"""
