"""
The settings of a Dynatrace environment: asked for, compared, written and taken back.
Imports only what all rooms share.
"""
