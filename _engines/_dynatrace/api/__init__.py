"""
The Dynatrace tenant: requests and responses, credentials, limits, and the problems and entities in the bodies.

It may import ``core`` and ``config``.
"""
