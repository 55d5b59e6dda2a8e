"""Loads networks, and looks at the first photo, while the gallery is still being opened."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from shitu.errors import Closed, ImageError, ShituError
from shitu.lineup import Lineup
from shitu.looking import Look
from shitu.networks import Networks


class HeadStart:
    """The networks that a gallery was most likely built with; what went wrong is left to others.

    Args:
        networks: which are loaded from now on, in threads of their own.
        photos: how many will be looked at.
        first: the first of them, None: not known yet.
        whole_image: look at it as one object.
    """

    def __init__(
        self,
        networks: Networks,
        photos: int,
        first: Path | bytes | None = None,
        *,
        whole_image: bool = False,
    ) -> None:
        self._networks = networks
        self._photos = photos
        self._first = first
        self._loaded = networks.pool.submit(self._load)
        self._seen: Future[Look | ImageError | None] | None = None
        if first is not None:
            self._seen = networks.pool.submit(self._look, first, whole_image)

    def networks_of(self, lineup: Lineup) -> Networks | None:
        """The networks, once they are loaded, if they are of these models."""
        if self._networks.lineup == lineup and self._loaded.result():
            return self._networks
        self.close()
        return None

    def look(self, source: Path | bytes) -> Look | ImageError | None:
        """What was seen of a photo, once; None: nobody looked."""
        if self._seen is None or source is not self._first:
            return None
        seen, self._seen = self._seen, None
        try:
            return seen.result()
        except Closed:  # before anybody looked
            return None

    def close(self) -> None:
        """Let what is not begun be."""
        self._networks.close()

    def _load(self) -> bool:
        try:
            self._networks.expect(self._photos)
            return self._networks.open_both()
        except ShituError:
            return False

    def _look(self, source: Path | bytes, whole_image: bool) -> Look | ImageError | None:
        if not self._loaded.result():
            return None
        try:
            return self._networks.eyes.look(source, whole_image=whole_image)
        except ShituError:
            return None
