"""
The runner, without a master.
"""
