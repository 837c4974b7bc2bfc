"""
What the runners of this project share; they import it when they are loaded, and Salt's loader passes it over.
"""
