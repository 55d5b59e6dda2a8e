"""The filter language: a table of meanings, a table of errors, and random trees."""

from __future__ import annotations

import fnmatch
import operator
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from shitu.errors import WhereError
from shitu.gallery import Item
from shitu.gallery.where import parse_where, unknown_attributes

TREES = int(os.environ.get("SHITU_TEST_TREES", "400"))


def item(label: str = "Cola, 0.33 l", item_id: int = 7, **attributes: Any) -> Item:
    return Item(item_id, label, attributes, 1, "2026-01-01T00:00:00Z")


COLA = item(
    brand="acme",
    shelf=3,
    text_shelf="3",
    price=1.5,
    since="2026-03-01",
    organic=True,
    tags=["red", "new", 5],
    empty=[],
    size={"width": 3},
    nothing=None,
    ean="0012",
    percent="50%",
    café="olé",
    **{"best before": "May", "in": "x"},
)


@pytest.mark.parametrize(
    ("text", "true", "why"),
    [
        ("brand=acme", True, "a bare word is text"),
        ("brand = 'acme'", True, "so is a quoted one"),
        ('brand == "acme"', True, "in either quotes, with either sign"),
        ("brand=Acme", False, "case matters in values"),
        ("Brand=acme", False, "and in keys"),
        ("brand=acme AND Not shelf=4", True, "but not in keywords"),
        ("shelf=3", True, "a number"),
        ("shelf=3.0", True, "however it is spelled"),
        ("text_shelf=3", True, "text that spells a number, as the command line adds it"),
        ("text_shelf=03", True, "compared as numbers"),
        ("shelf='3'", True, "quoted it is text, and so is the attribute then"),
        ("shelf='3.0'", False, "spelled as JSON spells it"),
        ("ean=12", True, "as a number"),
        ("ean='12'", False, "as text, digits matter"),
        ("ean='0012'", True, "as text"),
        ("brand=3", False, "text that is no number"),
        ("organic=true", True, "truth as JSON spells it"),
        ("organic=1", False, "which is no number"),
        ("brand!=other", True, "has it, and it is another"),
        ("brand!=acme", False, "has it, and it is that"),
        ("missing!=acme", False, "a missing key makes a comparison false"),
        ("missing=acme or missing<3 or missing like '%'", False, "any comparison"),
        ("missing not in (1) or missing not like 'x'", False, "also the negative ones"),
        ("not missing=acme", True, "but not is plain negation"),
        ("nothing='null' or nothing!=3", False, "null counts as missing"),
        ("nothing is null and missing is null", True, "in both ways"),
        ("brand is not null and has shelf", True, "what is there is there"),
        ("has nothing", False, "null is not"),
        ("shelf in (3, 4)", True, "one of the numbers"),
        ("shelf in (4, '3')", True, "or the text"),
        ("shelf not in (4, 5)", True, "none of them"),
        ("shelf not in (3)", False, "one of them"),
        ("price<2", True, "by number"),
        ("price<=1.5 and price>=1.5", True, "ends included"),
        ("price>1.5", False, "end excluded"),
        ("text_shelf<20", True, "text that spells a number is less than 20, not more"),
        ("text_shelf<'20'", False, "unless text is asked for"),
        ("brand<3 or brand>=3", False, "what is no number has no place among them"),
        ("since>='2026-01-01'", True, "dates are text in the right order"),
        ("since < 2026-01-01", False, "quotes are not needed"),
        ("tags=red", True, "an element"),
        ("tags in (5)", True, "of any kind"),
        ("tags!=red", False, "one element is red"),
        ("tags!=blue", True, "none is blue"),
        ("tags>4", True, "one element is"),
        ("tags like 'n%'", True, "one element does"),
        ("has empty and empty!=1 and not empty=1", True, "an empty list is there, and equals none"),
        ("size=3", False, "a mapping matches nothing"),
        ("has size", True, "but is there"),
        ("label like 'Cola%'", True, "the label"),
        ("label~'Cola%'", True, "in short"),
        ("label like 'cola%'", False, "case matters"),
        ("label like 'Cola'", False, "all of it must fit"),
        ("label not like '%Tea%'", True, "does not fit"),
        ("label like 'Cola, _.__ l'", True, "one character each"),
        (r"percent like '50\%'", True, "a per cent sign"),
        (r"brand like 'a\%'", False, "which is not there"),
        (r"brand like '[a-z]*'", False, "nothing else is special"),
        ("shelf like 3", True, "numbers are text here"),
        ("item=7 and item in (6,7) and item<8", True, "the id"),
        ("'label'=x or 'item'=7", False, "quoted keys are attributes, and there are none"),
        ("'best before'=May", True, "a key with a blank"),
        ('"in"=x', True, "a key that is a keyword"),
        ("café=olé", True, "letters of any kind"),
        ("cafe\u0301=ole\u0301", True, "however they are composed"),
        ("brand=acme or shelf=4 and shelf=5", True, "and binds closer than or"),
        ("(brand=acme or shelf=4) and shelf=5", False, "unless parentheses say otherwise"),
        ("not brand=acme and shelf=4", False, "not binds closest"),
        ("not (brand=acme and shelf=4)", True, "unless parentheses say otherwise"),
        ("not not brand=acme", True, "twice"),
        ("brand='it''s'", False, "a doubled quote is one"),
        ("shelf<>4", True, "as SQL has it"),
    ],
)
def test_meaning(text: str, true: bool, why: str) -> None:
    assert parse_where(text).allows(COLA) is true, why


@pytest.mark.parametrize(
    ("label", "text"), [("it's", "label='it''s'"), ('12" disc', 'label="12"" disc"')]
)
def test_a_doubled_quote_is_one(label: str, text: str) -> None:
    assert parse_where(text).allows(item(label))


@pytest.mark.parametrize(
    ("text", "at", "found", "expected"),
    [
        ("", 1, "the end", "the name of an attribute"),
        ("   ", 4, "the end", "the name of an attribute"),
        ("brand=acme adn shelf=3", 12, "'adn'", "'and', 'or' or the end"),
        ("brand=Acme Cola", 12, "'Cola'", "needs quotes"),
        ("brand", 6, "the end", "one of = !="),
        ("brand=", 7, "the end", "a value"),
        ("brand=in", 7, "'in'", "a value"),
        ("brand in acme", 10, "'acme'", "'(' and the values"),
        ("brand in ()", 11, "')'", "a value"),
        ("brand in (a b)", 13, "'b'", "',' or ')'"),
        ("brand is acme", 10, "'acme'", "'null' or 'not null'"),
        ("brand is not acme", 14, "'acme'", "'null'"),
        ("brand not acme", 11, "'acme'", "'in' or 'like'"),
        ("has", 4, "the end", "the name of an attribute"),
        ("and=3", 1, "'and'", "the name of an attribute"),
        ("(brand=acme", 12, "the end", "')'"),
        ("brand=acme)", 11, "')'", "'and', 'or' or the end"),
        ("brand='acme", 7, "a quote that is never closed", "another '"),
        ("brand ! acme", 7, "'!'", "!= or 'not'"),
        ("brand=acme\nor", 14, "the end", "the name of an attribute"),
        ("(" * 51 + "a=1" + ")" * 51, 51, "'('", "no more than 50"),
        ("not " * 5000 + "a=1", 201, "'not'", "no more than 50"),
    ],
)
def test_what_is_no_filter_is_explained(text: str, at: int, found: str, expected: str) -> None:
    with pytest.raises(WhereError) as raised:
        parse_where(text)
    message = str(raised.value)
    assert f"at character {at}: found {found}, expected " in message
    assert expected in message.partition("expected ")[2]
    assert "\n" not in message


def test_a_long_filter_is_no_deep_one() -> None:
    where = parse_where(" or ".join(f"shelf={n}" for n in range(5000)))
    assert where.allows(item(shelf=4999))
    assert not where.allows(item(shelf=5000))


def test_numbers_without_end_do_no_harm() -> None:
    digits = "9" * 10_000
    assert not parse_where(f"shelf < {digits}").allows(item(shelf="x" * 10_000))
    assert parse_where(f"shelf < {digits}").allows(item(shelf=3))
    assert parse_where("shelf > 3").allows(item(shelf=digits))


def test_a_pattern_cannot_run_away() -> None:
    assert not parse_where("label like '" + "%a" * 60 + "b'").allows(item("a" * 5000))


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("brand=acme and label=x", []),
        ("brnad=acme", ["no item has an attribute 'brnad'; did you mean 'brand'?"]),
        ("BRAND=acme", ["no item has an attribute 'BRAND'; did you mean 'brand'?"]),
        ("zzz=1 and has yyy", ["no item has an attribute 'zzz'", "no item has an attribute 'yyy'"]),
        ("'label'=x", ["no item has an attribute 'label'"]),
    ],
)
def test_an_attribute_that_nothing_has_gets_a_suggestion(text: str, notes: list[str]) -> None:
    assert list(unknown_attributes(parse_where(text), [COLA])) == notes


# --- random trees against another evaluator: nested closures, no parser, no classes ---------

Evaluator = Callable[[Item], bool]
SCALARS: list[Any] = [0, 3, -2, 1.5, "3", "03", "1.5", "acme", "Acme", "a%b", "it's", "", True]
KEYS = ["brand", "shelf", "best before", "not", "label"]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def elements(it: Item, key: str) -> list[Any]:
    value = it.label if key == "label" else it.attributes.get(key)
    return value if isinstance(value, list) else [] if value is None else [value]


def has(it: Item, key: str) -> bool:
    return key == "label" or it.attributes.get(key) is not None


def as_number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except ValueError:
        return None


def as_text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return as_text(found) == wanted
    return as_number(found) == wanted


def spell(rng: random.Random, value: Any) -> str:
    if not isinstance(value, str):
        return str(value)
    quote = rng.choice("'\"")
    return quote + value.replace(quote, quote * 2) + quote


def spell_key(key: str) -> str:
    return key if key in ("brand", "shelf", "label") else f'"{key}"'


def leaf(rng: random.Random) -> tuple[str, Evaluator]:
    key = rng.choice(KEYS)
    name = spell_key(key)
    wanted: list[Any] = [v for v in rng.choices(SCALARS, k=3) if not isinstance(v, bool)] or [3]
    value = wanted[0]
    kind = rng.choice(["=", "!=", "in", "not in", "<", "<=", ">", ">=", "like", "null", "has"])
    if kind in ("=", "!="):
        positive = kind == "="
        return (
            f"{name}{kind}{spell(rng, value)}",
            lambda it: has(it, key) and positive == any(same(e, value) for e in elements(it, key)),
        )
    if kind in ("in", "not in"):
        listed, positive = ",".join(spell(rng, v) for v in wanted), kind == "in"
        return (
            f"{name} {kind} ({listed})",
            lambda it: (
                has(it, key)
                and positive == any(same(e, v) for e in elements(it, key) for v in wanted)
            ),
        )
    if kind in COMPARE:
        compare = COMPARE[kind]
        if isinstance(value, str):
            return f"{name} {kind} {spell(rng, value)}", lambda it: any(
                compare(as_text(e), value) for e in elements(it, key)
            )
        return f"{name} {kind} {value}", lambda it: any(
            (n := as_number(e)) is not None and compare(n, value) for e in elements(it, key)
        )
    if kind == "like":
        start = rng.choice(["a", "A", "3", ""])
        return f"{name} like '{start}%'", lambda it: any(
            fnmatch.fnmatchcase(as_text(e), start + "*") for e in elements(it, key)
        )
    if kind == "null":
        return f"{name} is null", lambda it: not has(it, key)
    return f"has {name}", lambda it: has(it, key)


def tree(rng: random.Random, depth: int) -> tuple[str, Evaluator]:
    if depth == 0 or rng.random() < 0.2:
        return leaf(rng)
    text, left = tree(rng, depth - 1)
    if rng.random() < 0.25:
        return f"not ({text})", lambda it: not left(it)
    other, right = tree(rng, depth - 1)
    if rng.random() < 0.5:
        return f"({text}) and ({other})", lambda it: left(it) and right(it)
    return f"({text})  OR\t({other})", lambda it: left(it) or right(it)


def random_item(rng: random.Random) -> Item:
    attributes: dict[str, Any] = {}
    for key in KEYS[:-1]:
        if rng.random() < 0.7:
            many = rng.random() < 0.3
            attributes[key] = (
                rng.choices(SCALARS, k=rng.randrange(4)) if many else rng.choice([*SCALARS, None])
            )
    return item(rng.choice(["acme", "Acme Cola", "3", "tea"]), **attributes)


@pytest.mark.parametrize("seed", range(4))
def test_random_trees_mean_what_another_evaluator_says(seed: int) -> None:
    rng = random.Random(seed)
    outcomes = {True: 0, False: 0}
    for _ in range(TREES // 4):
        text, expected = tree(rng, 3)
        where = parse_where(text)
        for _ in range(5):
            it = random_item(rng)
            outcomes[expected(it)] += 1
            assert where.allows(it) == expected(it), (text, it)
    assert min(outcomes.values()) > 50  # or nothing was tested
