"""
Grail: its tables, made of what the tenant knows, and the API that queries them.
"""
