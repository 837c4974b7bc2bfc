"""
The engine, apart from what Salt's loader sees of it; ``dynatrace.py`` beside this package is that part.

The rooms are, lower first: core, config, api, store, master, remediation, webhook, engine. A room imports only from
itself and from those before it.
"""
