"""The order in which mixed lines are to be seen, by the rules of UAX 9.

As in that document, capitals stand for right-to-left letters and a line is given as it is
stored and as it is seen.
"""

from __future__ import annotations

import pytest

from shitu.drawing.bidi import in_sight_order, levels

HEBREW = {chr(ord("A") + i): chr(0x5D0 + i) for i in range(26)}
LATIN = {hebrew: latin for latin, hebrew in HEBREW.items()}


@pytest.mark.parametrize(
    ("stored", "seen", "why"),
    [
        ("", "", "nothing"),
        ("red can", "red can", "left to right"),
        ("RED CAN", "NAC DER", "right to left"),
        ("car means CAR.", "car means RAC.", "a word within a line the other way"),
        ("THE car IS", "SI car EHT", "and the other way round"),
        ("red RED CAN can", "red NAC DER can", "the blank between two words goes with them"),
        ("red: RED!", "red: DER!", "a sign at the end goes with the line"),
        ("RED!", "!DER", "and with a line from the right"),
        ("MILK 1.5 LITRE", "ERTIL 1.5 KLIM", "numbers are never turned"),
        ("MILK 1,250", "1,250 KLIM", "nor are the signs in them"),
        ("MILK 70%", "70% KLIM", "nor what follows them"),
        ("MILK $5", "$5 KLIM", "nor what comes before them"),
        ("cola JUICE 250 ML new", "cola LM 250 ECIUJ new", "numbers do not part a stretch"),
        ("cola 250 ml", "cola 250 ml", "numbers in left-to-right text are like letters"),
        ("12 MILK", "KLIM 12", "a number first does not make the line"),
        ("JUICE 250 ml", "ml 250 ECIUJ", "a number goes on from what it follows"),
    ],
)
def test_order(stored: str, seen: str, why: str) -> None:
    characters = [HEBREW.get(character, character) for character in stored]
    ordered = in_sight_order(characters, levels(characters))
    assert "".join(LATIN.get(character, character) for character in ordered) == seen, why


def test_accents_stay_with_their_letter() -> None:
    assert levels(["a", "\u0301", "\u05d0", "\u05b8", "a"]) == [0, 0, 1, 1, 0]
