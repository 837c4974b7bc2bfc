"""
What a remedy decides: its settings, its order, whose process is meant, whether it is down; and chaos, its counterpart.
Imports ``service`` and what all rooms share.
"""
