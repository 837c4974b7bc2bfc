"""
The ledger, the only memory of the engine: one sqlite file, one module a kind of record.

It may import ``core``, ``config`` and ``api``.
"""
