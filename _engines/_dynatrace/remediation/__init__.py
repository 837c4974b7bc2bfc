"""
What is done about a problem: it is read, followed as an episode, decided, ordered, and reported to the tenant.

It may import all rooms before it: ``core``, ``config``, ``api``, ``store`` and ``master``.
"""
