"""Recognise products and objects in photos by looking them up in a gallery you can edit."""

from __future__ import annotations

__version__ = "0.1.0"
