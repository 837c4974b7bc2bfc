"""
Salt's dunders, for the private modules beside it: those of the module or state that calls them.

Salt's loader sets them only in what it loads itself, and what it loads can be called by everybody
who may call any of it. A private module is imported by those that need it instead, so that no job
can name its functions.
"""

from salt.loader.context import LoaderContext

_context = LoaderContext()
__grains__ = _context.named_context("__grains__")
__opts__ = _context.named_context("__opts__")
__salt__ = _context.named_context("__salt__")
__utils__ = _context.named_context("__utils__")
