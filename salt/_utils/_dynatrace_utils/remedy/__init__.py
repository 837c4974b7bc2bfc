"""
What a remedy decides: its settings, its order, whose process is meant, whether it is down. It changes nothing.
"""
