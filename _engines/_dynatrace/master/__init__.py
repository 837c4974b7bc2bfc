"""
What touches Salt: the event bus, event data and their signature, the job cache, minions and their grains.

It may import ``core``, ``config``, ``api`` and ``store``.
"""
