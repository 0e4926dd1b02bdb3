"""What a block's requests authenticate with on the wire."""

from __future__ import annotations

import pytest

from resilient.http.leaving import leaving, note_leaving

SECRET = {"X-Api-Key": "ann-secret"}


def test_what_can_not_be_read_is_a_credential_that_nobody_knows() -> None:
    with leaving() as found, pytest.raises(TypeError):
        note_leaving("", None)  # type: ignore[arg-type]
    assert len(found) == 1


def test_what_leaves_is_known_inside_of_the_block_alone() -> None:
    note_leaving("", SECRET)
    with leaving() as outer:
        with leaving() as inner:
            note_leaving("/path?api_key=a", ())
            note_leaving("", SECRET)
        note_leaving("", {"Accept": "*/*"})
    assert [one.value for one in inner] == ["a", "ann-secret"]
    assert outer == []
