"""Turning policies off."""

from __future__ import annotations

import pytest

from resilient import pipeline
from resilient.testing import policies_off


def test_policies_are_off_inside_the_block_and_on_after_it() -> None:
    assert pipeline.enabled()
    with policies_off():
        assert not pipeline.enabled()
    assert pipeline.enabled()


def test_blocks_may_nest() -> None:
    with policies_off():
        with policies_off():
            assert not pipeline.enabled()
        assert not pipeline.enabled()
    assert pipeline.enabled()


def test_policies_are_on_again_after_an_exception() -> None:
    with pytest.raises(KeyError), policies_off():
        raise KeyError
    assert pipeline.enabled()
