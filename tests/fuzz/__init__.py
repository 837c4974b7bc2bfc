"""
Fuzzing of everything that reads bodies from outside.

`python -m tests.fuzz --seconds 300` (with `_engines` on PYTHONPATH or not) needs atheris, which `make test` does not:
`pip install atheris` on Python 3.11 and later, `pip install 'atheris<3'` on 3.10. What it finds becomes a case of
`test_regressions.py`.
"""
