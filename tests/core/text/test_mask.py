"""Masks: what is masked and what is not, in texts made of known parts."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.mask import mask_texts, masks_that_help
from dlcli.core.text.tokens import fold
from dlcli.specs.dedupe import MASKS

PARTS = {
    "urls": [
        "https://example.org/a?b=1#c",
        "http://10.0.0.1:80/x",
        "www.example.com/1/2",
        "jane.doe+9@mail.example.org",
        "ftp://h/f",
    ],
    "times": [
        "2026-11-23 14:57:52",
        "2026-11-23T14:57:52.123Z",
        "2026/11/23",
        "23.11.2026",
        "Nov 23 14:57:52",
        "3 May 2024",
        "March 3, 2024",
        "14:57",
        "7:05 pm",
        "09:00:01,250",
        "2026-11-23 14:57:52+01:00",
    ],
    "ids": [
        "123e4567-e89b-12d3-a456-426614174000",
        "192.168.0.17",
        "10.0.0.1:5432",
        "00:1b:44:11:3a:b7",
        "0x7ffe12",
        "7349f28c",
        "#4711",
        "worker-12",
        "blk_3587",
        "AB12CD34",
    ],
    "numbers": ["5", "-17", "3.14", "1,000,000", "+2", "700"],
}
WORD = {"urls": "url", "times": "time", "ids": "id", "numbers": "number"}


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind, parts in PARTS.items() for part in parts])
def test_a_part_is_one_word_in_any_sentence(kind: str, part: str):
    for before, after in (("", ""), ("failed at ", ""), ("", " was lost"), ("job (", ") ended,"), ("id=", ";")):
        assert mask_texts([before + part + after], MASKS) == [f"{before}‹{WORD[kind]}›{after}"]
    assert mask_texts([part], ()) == [part]


@pytest.mark.parametrize("letters", ["a1", "1", "a.", "-1", "a+"])
def test_a_long_token_takes_no_more_time_than_as_many_short_ones(letters: str):
    """Where each letter is tried up to the end of the token, these take hours."""
    token = letters * 500_000
    (masked,) = mask_texts([f"see {token} of jane@example.org"], ["urls"])
    assert masked == f"see {token} of ‹url›"


@pytest.mark.parametrize(
    "text", ["error in worker", "May I come in March?", "state-of-the-art", "decade facade", "a.b.c", "C++", "ü/ö"]
)
def test_words_are_no_parts(text: str):
    assert mask_texts([text], MASKS) == [text]


def test_only_what_is_asked_for_is_masked():
    text = "2026-11-23 job 7349f28c took 12 s: https://example.org/7"
    assert mask_texts([text], ["urls"]) == ["2026-11-23 job 7349f28c took 12 s: ‹url›"]
    assert mask_texts([text], ["times"]) == ["‹time› job 7349f28c took 12 s: https://example.org/7"]
    assert mask_texts([text], ["ids", "times", "urls"]) == ["‹time› job ‹id› took 12 s: ‹url›"]


def test_a_time_is_one_word_among_numbers():
    text = "2026-11-23 14:57:52,250 job 7 took 12 s, again at 9:15 pm"
    assert mask_texts([text], ["numbers"]) == ["‹time› job ‹number› took ‹number› s, again at ‹time›"]


def test_masks_help_where_they_make_many_texts_equal():
    lines = [f"2026-11-{1 + k % 28:02} worker-{k} done in {k} s" for k in range(50)]
    assert masks_that_help(lines, 0.0) == (("ids", "numbers", "times"), 0.98)
    assert masks_that_help(lines, 0.9) is None  # the duplicates are found without
    assert masks_that_help([f"cable of {k} m" for k in range(50)], 0.0).kinds == ("numbers",)
    many = [f"{first} {second}" for first in "abcdefgh" for second in "abcdefgh"]
    assert masks_that_help([*many, "call 1", "call 2", "call 3"], 0.0) is None
    assert masks_that_help(lines[:3], 0.0) is None


@given(st.text(max_size=60), st.sets(st.sampled_from(MASKS)))
def test_masked_texts_have_nothing_left_to_mask_and_letters_stay(text, kinds):
    (once,) = mask_texts([text], kinds)
    if kinds == set(MASKS):
        assert not re.search(r"[0-9]", once)
    if not any(char.isdigit() or char in "@.:/" for char in text):
        assert once == text


def test_lines_of_one_template_are_one_text():
    rng = random.Random(0)

    def line() -> str:
        stamp = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:07"
        return (
            f"{stamp} ERROR job {rng.getrandbits(32):08x} on 10.0.{rng.randint(0, 255)}.7 failed after {rng.randint(1, 999)} s"
        )

    assert len({fold(text) for text in mask_texts([line() for _ in range(500)], MASKS)}) <= 2
