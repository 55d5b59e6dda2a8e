"""A gallery, its index and the networks that look things up in it, as one object."""

from shitu.workspace.workspace import Workspace

__all__ = ["Workspace"]
