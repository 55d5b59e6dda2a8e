"""What has to be done to undo a change, where the change is large."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from shitu.catalog.plans import plan_undo
from shitu.gallery import Change, Item
from shitu.gallery.past import Row

ITEMS, EACH = 8000, 2


class Shop:
    """All that came in one import, and still is there."""

    def __init__(self) -> None:
        self.items: dict[int, Row] = {}
        self.references: dict[int, Row] = {}
        for i in range(1, ITEMS + 1):
            self.items[i] = {"item_id": i, "label": f"item {i}", "attributes": {}}
            for number in self.owned(i):
                row = {"item_id": i, "label": f"item {i}", "sha256": f"{number:064x}"}
                self.references[number] = {"reference_id": number, **row}

    def item_rows(self, item_ids: Sequence[int]) -> Mapping[int, Row]:
        return {number: self.items[number] for number in item_ids}

    def reference_rows(self, reference_ids: Sequence[int]) -> Mapping[int, Row]:
        return {number: self.references[number] for number in reference_ids}

    def known_rows(self, kind: str, numbers: Sequence[int]) -> Mapping[int, Row]:
        return {}

    def owned(self, item_id: int) -> set[int]:
        return {EACH * item_id + place for place in range(EACH)}

    def items_of(self, labels: Sequence[str]) -> Mapping[str, Item]:
        return {}

    def holders(self, hashes: Sequence[str]) -> Mapping[str, tuple[int, str]]:
        return {}


def test_an_import_of_thousands_of_items_is_undone_in_no_time() -> None:
    shop = Shop()
    came: dict[str, Any] = {
        "items": [*shop.items.values()],
        "references": [*shop.references.values()],
    }
    change = Change(1, "import", {"items": [], "references": []}, came, "2026-01-01T00:00:00Z")
    start = time.process_time()
    plan = plan_undo(change, [], shop)
    assert time.process_time() - start < 2  # looking through all for each would take ten
    assert plan.items == dict.fromkeys(shop.items)
    assert plan.references == dict.fromkeys(shop.references)
