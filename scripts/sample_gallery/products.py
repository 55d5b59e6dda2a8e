"""The products of the sample gallery, and the strangers that only stand in the scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from . import bags, bottles, boxes, cans
from .shapes import Shape


@dataclass(frozen=True)
class Product:
    label: str  # also the name of its folder
    build: Callable[[], Shape]


PRODUCTS = (
    Product("Brizzo Orange Soda", cans.brizzo_orange),
    Product("Brizzo Lemon Soda", cans.brizzo_lemon),
    Product("Moss River Ginger Ale", cans.ginger_ale),
    Product("Harbour Cat Tuna, in Olive Oil", cans.tuna),
    Product("Nonna Pia's Tomatoes", cans.tomatoes),
    Product("晨牧纯牛奶", boxes.milk),
    Product("晨牧草莓牛奶", boxes.strawberry_milk),
    Product("Grovely Orange Juice", boxes.orange_juice),
    Product("Pip & Peel Apple Juice", boxes.apple_juice),
    Product("Alta Fonte Spring Water", bottles.water),
    Product("Kettle Lane Ketchup", bottles.ketchup),
    Product("山岚洗发水", bottles.shampoo),
    Product("Casa Lumo Olive Oil", bottles.olive_oil),
    Product("こはる麦茶", bottles.barley_tea),
    Product("Honeybrook Farm Honey", bottles.honey),
    Product("Sunny Acre Corn Flakes", boxes.corn_flakes),
    Product("Sunny Acre Choco Flakes", boxes.choco_flakes),
    Product("Lady Wren's Earl Grey Tea", boxes.earl_grey),
    Product("Lady Wren's Green Tea, 20 Bags", boxes.green_tea),
    Product("Blizz Washing Powder", boxes.washing_powder),
    Product("تمور الواحة", boxes.dates),
    Product("Kopi Utara Dark Roast", bags.coffee),
    Product("Krunch Alley Sea Salt Crisps", bags.salt_crisps),
    Product("Krunch Alley Paprika Crisps", bags.paprika_crisps),
)
STRANGERS = (
    Product("Tidal Energy", cans.energy),
    Product("Mio Yoghurt", bottles.yoghurt),
    Product("Rustica Fusilli", boxes.pasta),
    Product("Bramble Jam", bottles.jam),
    Product("云岭普洱茶", bags.puer),
)


@cache
def shape_of(product: Product) -> Shape:
    """The product standing upright on y = 0, facing +z."""
    return product.build()
