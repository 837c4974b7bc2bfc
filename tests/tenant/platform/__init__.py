"""
The platform of the simulated tenant: its gateway, its logins, and what lies behind them.

Each module says where its behaviour comes from; the words are those of the package above.
"""
