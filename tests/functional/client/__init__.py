"""
The client over real TLS, through real proxies, against servers that do what a tenant should not.
"""
