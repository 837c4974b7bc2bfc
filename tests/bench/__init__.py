"""
Benchmarks, each of them a `make` target: what is measured stands in its module's docstring.
"""
