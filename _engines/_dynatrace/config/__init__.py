"""
The options of the engine: their table, their validation, and the values that came through it.

It may import ``core``.
"""
