"""
What states and execution modules of a minion share and no job can name. Every room imports from this one.
"""
