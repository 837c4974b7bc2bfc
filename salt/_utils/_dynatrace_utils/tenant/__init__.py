"""
The settings of a Dynatrace environment: asked, compared, written and taken back. Imports nothing but this package's top.
"""
