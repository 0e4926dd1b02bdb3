"""Recall and innocence over lines as they are in the wild; corpus/ says how they are written."""

from __future__ import annotations

import json
import random
import re
import string
from pathlib import Path

import pytest

from resilient.diagnostics.masking import MASK, mask

CORPUS = Path(__file__).parent / "corpus"
SIGNS = {
    "A": string.ascii_letters + string.digits,
    "L": string.ascii_lowercase + string.digits,
    "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "H": "0123456789abcdef",
    "D": string.digits,
    "B": string.ascii_letters + string.digits + "-_",
}
PIECE = re.compile(r"~([ALUHDB])(\d+)~")
PLANTED = re.compile(r"⟦(.*?)⟧")


def lines_of(name: str) -> list[str]:
    lines = (CORPUS / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


def invented(line: str, seed: int) -> str:
    """The line with its random parts filled in, so that no file holds what a scanner hits on."""
    chance = random.Random(f"{line}{seed}")

    def fill(piece: re.Match[str]) -> str:
        signs = chance.choices(SIGNS[piece[1]], k=int(piece[2]))
        # Hyphens at the ends would make another token.
        return "".join(signs[:-1]).replace("-", "x", 1) + ("7" if len(signs) > 3 else signs[-1])

    return PIECE.sub(fill, line).replace("⏎", "\n")


SECRETS = lines_of("secrets.txt")
INNOCENT = lines_of("innocent.txt")


def test_the_corpus_is_big_enough() -> None:
    assert sum(len(PLANTED.findall(line)) for line in SECRETS) >= 150
    assert len(INNOCENT) >= 150
    assert len({*SECRETS, *INNOCENT}) == len(SECRETS) + len(INNOCENT)


@pytest.mark.parametrize("line", SECRETS)
def test_a_planted_secret_is_masked_and_the_rest_of_its_line_stays(line: str) -> None:
    for seed in range(5):
        text = invented(line, seed)
        expected = re.sub(r"⟦[^⟧]*⟧", MASK, text)
        assert mask(re.sub("[⟦⟧]", "", text)) == expected
        assert mask(expected) == expected


@pytest.mark.parametrize("line", SECRETS)
def test_a_planted_secret_is_masked_within_json_and_reprs(line: str) -> None:
    if "└" in line:
        pytest.skip("drawn over several lines")
    text = invented(line, 5)
    secrets = [secret for secret in re.findall(r"⟦([^⟧]*)⟧", text) if len(secret) > 3]
    plain = re.sub("[⟦⟧]", "", text)
    for written in (json.dumps({"message": plain, "n": 1}), repr(plain), repr(plain.encode())):
        shown = mask(written)
        for secret in secrets:
            for part in re.split(r"[\\\n\"']", secret):
                assert len(part) <= 6 or part not in shown
    assert json.loads(mask(json.dumps({"message": plain, "n": 1})))["n"] == 1


@pytest.mark.parametrize("line", INNOCENT)
def test_nothing_is_masked_in_an_innocent_line(line: str) -> None:
    text = line.replace("⏎", "\n")
    assert mask(text) == text


@pytest.mark.parametrize("line", INNOCENT)
def test_nothing_is_masked_in_an_innocent_line_within_json(line: str) -> None:
    text = json.dumps({"message": line.replace("⏎", "\n")}, ensure_ascii=False)
    assert mask(text) == text
