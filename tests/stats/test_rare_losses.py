"""Records that may lack their largest losses: what is found unreliable, and what is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast import stats
from candlecast.errors import ConfigError
from candlecast.sources import synthetic


def insured(seed: int, bars: int, once_in: int, gain: float = 0.2) -> tuple[np.ndarray, float]:
    """A mean of zero: `gain` standard deviations at each bar, lost again once in so many; and the size of that loss."""
    rng = np.random.default_rng([seed, bars, once_in])
    loss = gain * once_in
    losses = (rng.random(bars) < 1 / once_in) * loss * rng.uniform(0.7, 1.3, bars)
    return 0.001 * (gain + rng.normal(size=bars) - losses), 0.001 * loss


def claims(bars: int, once_in: int, worlds: int = 60) -> np.ndarray:
    """Shares of worlds that claim a gain: by the bootstrap, by the check alone, and with the loss known to the check."""
    found = np.zeros(3)
    for seed in range(worlds):
        returns, loss = insured(seed, bars, once_in)
        if stats.bootstrap_p_value(returns, paths=300) < 0.05:
            own, known = (stats.check_rare_losses(returns, worst_loss=worst, paths=300) for worst in (None, loss))
            found += [1, own.is_reliable, known.is_reliable]
    return found / worlds


@pytest.mark.parametrize(("bars", "once_in"), [(250, 500), (500, 250)])
def test_a_loss_that_the_record_lacks_is_not_earned(bars, once_in):
    plain, own, known = claims(bars, once_in)
    assert plain > 0.15, "the bootstrap alone is taken in"
    assert own > 0.05, "nothing in the record itself speaks against it"
    assert known == 0.0


@pytest.mark.parametrize(("bars", "once_in"), [(500, 60), (1_000, 120)])
def test_a_loss_that_is_seen_too_rarely_is_enough_to_be_careful(bars, once_in):
    plain, own, known = claims(bars, once_in)
    assert plain > 0.05
    assert known <= own < plain
    assert own <= 0.1


@pytest.mark.parametrize("tails", ["normal", "t5"])
@pytest.mark.parametrize("bars", [250, 1_000])
def test_an_honest_record_is_reliable(tails, bars):
    """By its own losses, and by the worst move of a history five times as long, held in full."""
    unreliable = np.zeros(2)
    for seed in range(40):
        rng = np.random.default_rng([seed, bars])
        shocks = rng.normal(size=5 * bars) if tails == "normal" else rng.standard_t(5, size=5 * bars) / math.sqrt(5 / 3)
        history = 0.01 * shocks
        returns = history[-bars:] + 0.0008
        worst = stats.worst_case_loss(np.ones(bars), np.expm1(history))
        unreliable += [
            not stats.check_rare_losses(returns, paths=300).is_reliable,
            not stats.check_rare_losses(returns, worst_loss=worst, bars_known=5 * bars, paths=300).is_reliable,
        ]
    assert unreliable[0] / 40 < 0.05
    assert unreliable[1] / 40 < 0.1


def test_why_a_claim_is_not_reliable():
    rng = np.random.default_rng(1)
    gains = 0.002 + 0.004 * rng.normal(size=300)
    assert stats.check_rare_losses(gains).why == ""
    with_loss = stats.check_rare_losses(gains, worst_loss=0.7)
    assert (with_loss.worst_loss, with_loss.bars_known, with_loss.is_reliable) == (0.7, 300, False)
    assert with_loss.why.startswith("with one more bar that loses 50.3 %, the largest loss known to be possible")
    ruin = stats.check_rare_losses(gains, worst_loss=math.inf)
    assert (ruin.p_with_loss, ruin.is_reliable) == (1.0, False)
    assert "one more bar that loses 100.0 %" in ruin.why
    few = stats.check_rare_losses(np.where(gains < 0, 0.001, gains))
    assert few.why == "only 0 bars lost, too few to know the size of a loss: at least 10 are needed"
    short = stats.check_rare_losses(gains[:120])
    assert short.why == "120 bars are too few to know the largest loss of a bar: at least 250 are needed"
    assert stats.check_rare_losses(gains[:120], bars_known=2_000).is_reliable
    hanging = np.append(0.001 + 1e-5 * rng.normal(size=248), [-0.06, -0.06])
    alone = stats.check_rare_losses(hanging[rng.permutation(250)])
    assert not alone.is_reliable and alone.p_value > 0.05


def test_what_nobody_would_claim_is_reliable():
    rng = np.random.default_rng(2)
    losing = -0.001 + 0.01 * rng.normal(size=300)
    result = stats.check_rare_losses(losing, worst_loss=5.0)
    assert result.is_reliable and result.why == "" and result.p_value > 0.5
    for empty in (np.zeros(300), np.empty(0)):
        assert stats.check_rare_losses(empty).is_reliable


def test_the_worst_case_of_exposures_by_hand():
    moves = np.array([0.1, -0.2, 0.05, 0.3])
    assert stats.worst_case_loss(np.array([0.0, 1.0, 1.0]), moves) == pytest.approx(-math.log(0.8))
    assert stats.worst_case_loss(np.array([-0.5, 0.0]), moves) == pytest.approx(-math.log(0.85))
    assert stats.worst_case_loss(np.array([1.0, -1.0]), moves) == pytest.approx(-math.log(0.7))
    assert stats.worst_case_loss(np.array([-4.0]), moves) == math.inf
    assert stats.worst_case_loss(np.zeros(3), moves) == 0.0
    assert stats.worst_case_loss(np.ones(3), np.array([0.1, 0.2])) == 0.0, "a market that never fell"
    rising = np.linspace(0.0, 1.0, 101)[1:]
    assert stats.worst_case_loss(rising, moves) == pytest.approx(-math.log1p(-0.2 * np.quantile(rising, 0.95)))


def crept(seed: int, bars: int = 600, fall: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Log returns of a record that creeps up, and of a history before it in which a crisis of so many bars took it all back."""
    shocks = np.random.default_rng(seed).normal(size=2 * bars)
    history = 0.005 * shocks + 0.001
    history[100 : 100 + fall] -= 0.6 / fall
    return history[bars:], history


def test_a_crisis_of_many_bars_that_the_record_lacks_is_not_earned():
    """No bar of it is worse than others of the record's size would allow: the stretch is."""
    found = np.zeros(3)
    for seed in range(20):
        returns, history = crept(seed)
        held, moves = np.ones(len(returns)), np.expm1(history)
        worst = {"worst_loss": stats.worst_case_loss(held, moves), "bars_known": len(history)}
        one = stats.check_rare_losses(returns, **worst, paths=300)
        more = stats.check_rare_losses(
            returns, **worst, worst_stretches=stats.worst_case_stretches(held, moves), paths=300
        )
        found += [one.is_reliable, more.is_reliable, more.stretch >= 20]
    assert found.tolist() == [20, 0, 20]
    assert more.why.startswith(f"with one more stretch of {more.stretch} bars that loses ")


def test_a_crisis_within_the_record_counts_once_more():
    """The account fell through it once, and still gained."""
    returns = np.concatenate([crept(seed)[0] for seed in range(4)])
    returns[1_000:1_020] -= 0.03
    assert stats.bootstrap_p_value(returns) < 0.05
    found = stats.check_rare_losses(returns)
    assert found.stretch == 20 and found.worst_loss == pytest.approx(0.62, abs=0.01) and not found.is_reliable


def test_ordinary_stretches_do_not_count():
    """Independent bars, held in full: long stretches fall by a few of their standard deviations, and that is all."""
    counted = 0
    for seed in range(60):
        history = 0.01 * np.random.default_rng(seed).standard_t(5, size=3_000)
        stretches = stats.worst_case_stretches(np.ones(1_000), np.expm1(history))
        found = stats.check_rare_losses(
            history[-1_000:] + 0.001, worst_stretches=stretches, bars_known=3_000, paths=200
        )
        counted += found.stretch > 10
    assert counted <= 3


def test_the_worst_stretches_of_exposures_by_hand():
    moves = np.array([0.01, -0.01] * 20 + [0.1, -0.2, -0.2, 0.3, 0.3])
    ((bars, loss),) = stats.worst_case_stretches(np.ones(10), moves)
    assert (bars, loss) == (2, pytest.approx(-2 * math.log(0.8)))
    ((_, short),) = stats.worst_case_stretches(-0.5 * np.ones(10), moves)
    assert short == pytest.approx(-2 * math.log(0.85))
    turning = np.tile([1.0, -1.0], 5)
    assert stats.worst_case_stretches(turning, moves) == ((2, 0.0),), "it would have left the side that loses"
    assert stats.worst_case_stretches(np.full(10, -4.0), moves) == ((2, math.inf),)
    assert stats.worst_case_stretches(np.ones(9), moves) == (), "fewer than five stretches of two bars"


def test_trends_of_a_market_that_has_many_are_no_rare_stretches():
    """The sums of an autoregression are wider than those of independent bars."""
    found = []
    for seed in range(30):
        closes = synthetic.ar1(900, seed=seed, phi=0.3).candles.close
        found += stats.worst_case_stretches(np.ones(351), np.diff(closes) / closes[:-1])
    assert np.mean([loss > 0 for _, loss in found]) < 0.05


def test_studentised_p_values():
    """Close to Student's t where nothing is skewed; without the claim where a few values bring all of the loss."""
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(3)
    values = 0.1 + rng.normal(size=400)
    expected = ttest_1samp(values, 0.0, alternative="greater").pvalue
    assert stats.studentised_p_value(values, block=1.0, paths=4_000) == pytest.approx(expected, abs=0.01)
    assert stats.studentised_p_value(-values, block=1.0) > 0.9
    assert stats.studentised_p_value(1e-9 * values, block=1.0) == stats.studentised_p_value(values, block=1.0)
    assert stats.studentised_p_value(np.zeros(50)) == 1.0
    assert math.isnan(stats.studentised_p_value(np.ones(50)))


def test_false_alarms_of_the_studentised_test():
    p_values = [
        stats.studentised_p_value(np.random.default_rng(seed).normal(size=250), paths=400) for seed in range(300)
    ]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.085


def test_doors():
    with pytest.raises(ConfigError, match="returns holds -inf in row 1"):
        stats.check_rare_losses(np.array([0.1, -np.inf]))
    with pytest.raises(
        ConfigError, match="worst_loss is -0.1; expected a level between 0 and 0.5, and a loss of 0 or more"
    ):
        stats.check_rare_losses(np.ones(3), worst_loss=-0.1)
    with pytest.raises(ConfigError, match="level is 0.9"):
        stats.check_rare_losses(np.ones(3), level=0.9)
    with pytest.raises(ConfigError, match="moves holds nan"):
        stats.worst_case_loss(np.ones(2), np.array([np.nan]))
