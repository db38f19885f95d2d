"""Assets of a panel that are dated a moment early: found where two agree, and where only many do; true leaders are not."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.panel.dating import misdated


def returns(
    assets: int = 20, moments: int = 1_500, *, share: float, ahead: int = 0, delay: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Returns with a `share` of their variance in common, of which the first assets have it a moment earlier than the others.

    `delay`: the part of it that the others have a moment later.
    """
    generator = np.random.default_rng(seed)
    common = np.sqrt(share) * generator.standard_t(3, moments + 1) / np.sqrt(3)
    found = np.sqrt(1 - share) * generator.standard_normal((moments, assets))
    late = delay * common[:-1] + (1 - delay) * common[1:]
    found += np.where(np.arange(assets) < ahead, common[1:, None], late[:, None])
    return 0.01 * found


@pytest.mark.parametrize("share", [0.5, 0.2, 0.065])
@pytest.mark.parametrize("ahead", [6, 10])
def test_a_part_that_is_dated_early_is_found(share, ahead):
    for seed in range(5):
        found = misdated(returns(share=share, ahead=ahead, seed=seed))
        right = len(set(range(ahead)) & set(found.ahead)) + len(set(range(ahead, 20)) & set(found.behind))
        assert right >= 17


@pytest.mark.parametrize("share", [0.0, 0.065, 0.5])
def test_assets_that_are_dated_alike_are_not_accused(share):
    for seed in range(10):
        for assets, moments in ((20, 1_500), (4, 800), (60, 400), (2, 300), (3, 300)):
            assert misdated(returns(assets, moments, share=share, seed=100 + seed)) == ((), ())


@pytest.mark.parametrize("share", [0.065, 0.3])
def test_assets_that_follow_in_part_are_not_accused(share):
    for seed in range(10):
        assert misdated(returns(share=share, ahead=10, delay=0.5, seed=seed)) == ((), ())


def test_leaders_that_do_not_move_together_are_dated_right():
    for seed in range(10):
        generator = np.random.default_rng(seed)
        leads, follows = generator.standard_normal((1_501, 10)), generator.standard_normal((1_500, 10))
        assert misdated(np.column_stack([leads[1:], follows + 0.06 * leads[:-1].sum(axis=1, keepdims=True)])) == (
            (),
            (),
        )


def test_assets_that_come_and_go_are_compared_where_both_are():
    found = returns(share=0.065, ahead=10)
    found[:700, [0, 15]] = np.nan
    found[900:, [3, 12]] = np.nan
    assert misdated(found).ahead and misdated(np.full((500, 6), np.nan)) == ((), ())


@pytest.mark.parametrize("lags", [(0, 5, 9), (0, 3, 6)])
def test_assets_that_are_dated_several_moments_apart_are_found(lags):
    generator = np.random.default_rng(3)
    common = generator.standard_normal(2_100)
    moves = [common[lags[place % 3] :][:2_000] + generator.standard_normal(2_000) for place in range(12)]
    found = misdated(0.01 * np.column_stack(moves))
    assert {place % 3 for place in found.ahead} >= {2} and {place % 3 for place in found.behind} >= {0}
