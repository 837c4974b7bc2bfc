"""
What the outputter of this project is made of; Salt's loader passes it over.
"""
