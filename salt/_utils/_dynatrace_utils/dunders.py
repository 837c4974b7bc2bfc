"""
Salt's dunders, for this package: those of the module or state that calls it.

Salt's loader sets them only in what it loads itself, and what it loads can be called by everybody
who may call any of it.
"""

from salt.loader.context import LoaderContext

_context = LoaderContext()
__context__ = _context.named_context("__context__")
__grains__ = _context.named_context("__grains__")
__opts__ = _context.named_context("__opts__")
__pillar__ = _context.named_context("__pillar__")
__salt__ = _context.named_context("__salt__")
