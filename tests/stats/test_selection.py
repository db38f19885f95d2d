"""The price of choosing against readable references, outside libraries, and simulated families of trials."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from candlecast import stats
from candlecast.errors import ConfigError, NotEnoughDataError


def family(seed: int, trials: int, correlation: float, bars: int = 500) -> np.ndarray:
    """Returns without skill whose pairs have that correlation."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(bars, 1))
    return 0.01 * (math.sqrt(correlation) * common + math.sqrt(1 - correlation) * rng.normal(size=(bars, trials)))


def test_unrelated_trials_count_in_full_and_copies_once():
    unrelated = family(0, 40, 0.0)
    assert stats.effective_trials(unrelated) == pytest.approx(40, rel=0.03)
    assert stats.effective_trials(np.repeat(unrelated[:, :8], 5, axis=1)) == pytest.approx(8, rel=0.03)
    assert stats.effective_trials(unrelated[:, :1]) == 1.0
    assert stats.effective_trials(np.repeat(unrelated[:, :1], 9, axis=1)) == pytest.approx(1.0, abs=1e-3)
    opposite = np.column_stack([unrelated[:, 0], -unrelated[:, 0]])
    assert stats.effective_trials(opposite) == 2.0  # the better of two opposites is luckier than of two unrelated ones


def test_a_replayed_trial_counts_once():
    trials = family(1, 12, 0.3)
    once = stats.effective_trials(trials)
    assert stats.effective_trials(np.column_stack([trials, trials[:, 4]])) == pytest.approx(once, rel=0.02)


@pytest.mark.parametrize(("correlation", "expected"), [(0.3, 35), (0.6, 11), (0.9, 2.8)])
def test_the_effective_number_is_worth_the_luck_of_the_best(correlation, expected):
    """100 normals with this correlation: the mean of their largest, drawn here, is that of so many unrelated ones."""
    effective = stats.effective_trials(family(2, 100, correlation, bars=2_500))
    assert effective == pytest.approx(expected, rel=0.1)
    rng = np.random.default_rng(0)
    luck = math.sqrt(1 - correlation) * rng.normal(size=(20_000, 100)).max(axis=1).mean()
    for whole in {math.floor(effective), math.ceil(effective)}:
        alone = rng.normal(size=(20_000, whole)).max(axis=1).mean()
        assert alone == pytest.approx(luck, abs=0.25 if whole < 5 else 0.1)


def test_the_best_of_a_correlated_family_is_rarely_believed():
    """Deflated by the effective number, at most 5 % of families show a trial with 95 % confidence; undeflated, many do."""
    worth = stats.effective_trials(family(999, 30, 0.5, bars=2_500))
    records = [max(map(stats.track_record, family(seed, 30, 0.5, bars=250).T)) for seed in range(200)]
    deflated = [stats.deflated_sharpe(record, trials=worth) for record in records]
    assert np.mean([stats.probabilistic_sharpe(record) > 0.95 for record in records]) > 0.25
    assert np.mean(np.array(deflated) > 0.95) <= 0.075


def test_trials_need_not_cover_the_same_bars():
    trials = family(3, 10, 0.0)
    trials[:250, :5], trials[250:, 5:] = np.nan, np.nan
    trials[:, 9] = np.nan
    assert stats.effective_trials(trials) == pytest.approx(9, rel=0.03)
    assert stats.effective_trials(np.column_stack([trials, np.zeros(500)])) == pytest.approx(9, rel=0.03)
    assert stats.effective_trials(np.zeros((5, 3))) == 1.0
    with pytest.raises(ConfigError, match=r"returns of trials have shape \(9,\)"):
        stats.effective_trials(np.zeros(9))


def naive_overfitting(returns: np.ndarray, blocks: int) -> list[float]:
    """The paper's steps, one split at a time."""
    from scipy.stats import rankdata

    parts, logits = np.split(returns, blocks), []
    for chosen in combinations(range(blocks), blocks // 2):
        before = np.concatenate([parts[i] for i in range(blocks) if i in chosen])
        after = np.concatenate([parts[i] for i in range(blocks) if i not in chosen])
        best = (before.mean(axis=0) / before.std(axis=0, ddof=1)).argmax()
        rank = rankdata(after.mean(axis=0) / after.std(axis=0, ddof=1))[best]
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    return logits


def test_overfitting_probability_equals_the_readable_one():
    returns = family(4, 7, 0.2, bars=96) + np.linspace(-0.001, 0.001, 7)
    result = stats.overfitting_probability(returns, blocks=8)
    expected = naive_overfitting(returns, 8)
    np.testing.assert_allclose(result.logits, expected, atol=1e-9)
    assert result.probability == np.mean(np.array(expected) <= 0)
    longer = np.concatenate([np.full((5, 7), 0.5), returns])  # the oldest bars that do not fit are left out
    np.testing.assert_allclose(stats.overfitting_probability(longer, blocks=8).logits, expected, atol=1e-9)


def test_choosing_among_noise_is_overfitting_and_choosing_skill_is_not():
    noise = [stats.overfitting_probability(family(seed, 20, 0.0), blocks=8).probability for seed in range(40)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.08)
    skilled = family(5, 20, 0.0)
    skilled[:, 3] += 0.004
    result = stats.overfitting_probability(skilled)
    assert result.probability < 0.01
    assert result.loss < 0.01
    assert len(result.logits) == math.comb(16, 8)


def test_superior_predictive_ability_equals_a_plain_reality_check():
    """White's Reality Check, written out with our own bootstrap, agrees with `upper` without studentising to a few percent."""
    rng = np.random.default_rng(6)
    losses, benchmark = rng.normal(1.0, 1.0, size=(300, 4)), rng.normal(1.1, 1.0, size=300)
    gains = benchmark[:, None] - losses
    scaled = gains / gains.std(axis=0)
    mean = scaled.mean(axis=0)
    draws = stats.bootstrap_means(scaled, paths=4_000, block=1.0, seed=0) - mean
    expected = np.mean(draws.max(axis=1) > max(mean.max(), 0.0))
    result = stats.superior_predictive_ability(benchmark, losses, paths=4_000, block=1.0)
    assert result.upper == pytest.approx(expected, abs=0.03)
    assert result.lower <= result.consistent <= result.upper


def test_superior_models_are_found_and_others_are_not():
    rng = np.random.default_rng(7)
    losses = rng.normal(1.0, 1.0, size=(400, 6)) - np.array([0.0, 0.0, 0.6, 0.0, 0.4, 0.0])
    benchmark = rng.normal(1.0, 1.0, size=400)
    assert stats.superior_models(benchmark, losses) == [2, 4]
    assert stats.superior_predictive_ability(benchmark, losses).consistent < 0.01
    assert stats.superior_predictive_ability(losses[:, 2], np.column_stack([benchmark, losses])).consistent > 0.3
    chosen = stats.model_confidence_set(losses) >= 0.05
    assert chosen[2]
    assert not chosen[[0, 1, 3, 5]].any()


def test_nothing_is_superior_to_itself():
    losses = np.random.default_rng(8).random((100, 2))
    copies = np.repeat(losses[:, :1], 2, axis=1)
    assert stats.superior_predictive_ability(losses[:, 0], copies) == (1.0, 1.0, 1.0)
    assert stats.superior_models(losses[:, 0], copies) == []


def test_searching_among_noise_has_its_size():
    """Of 60 families of 10 models without skill, the best alone looks significant in many, the search pays for it."""
    rng = np.random.default_rng(9)
    found, alone = 0, 0
    for _ in range(60):
        losses, benchmark = rng.normal(size=(200, 10)), rng.normal(size=200)
        found += stats.superior_predictive_ability(benchmark, losses, paths=200, block=1.0).consistent < 0.1
        gains = benchmark - losses[:, losses.mean(axis=0).argmin()]
        alone += stats.bootstrap_p_value(gains, paths=200) < 0.1
    assert alone > 15
    assert found < 14


def test_false_discovery_equals_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(10).random(30) ** 2
    for dependence, method in (("positive", "fdr_bh"), ("any", "fdr_by")):
        expected = multipletests(p_values, method=method)[1]
        np.testing.assert_allclose(stats.false_discovery(p_values, dependence=dependence), expected)
        holed = np.insert(p_values, 7, np.nan)
        np.testing.assert_allclose(stats.false_discovery(holed, dependence=dependence), np.insert(expected, 7, np.nan))
    assert np.isnan(stats.false_discovery(np.full(3, np.nan))).all()


def test_doors():
    returns = family(11, 4, 0.0, bars=40)
    with pytest.raises(ConfigError, match=r"returns have shape \(40, 1\).*with k of at least 2"):
        stats.overfitting_probability(returns[:, :1])
    with pytest.raises(ConfigError, match="blocks is 5; expected an even number"):
        stats.overfitting_probability(returns, blocks=5)
    with pytest.raises(NotEnoughDataError, match="40 bars cannot be cut into 24 blocks; expected at least 48 bars"):
        stats.overfitting_probability(returns, blocks=24)
    with pytest.raises(ConfigError, match=r"the benchmark's losses have shape \(39,\)"):
        stats.superior_predictive_ability(returns[1:, 0], returns)
    with pytest.raises(ConfigError, match="losses have shape .* or hold values that are not finite"):
        stats.model_confidence_set(np.full((5, 2), np.nan))
    for function in (
        lambda: stats.model_confidence_set(returns, level=0.0),
        lambda: stats.superior_models(returns[:, 0], returns, level=1),
    ):
        with pytest.raises(ConfigError, match="expected a probability between 0 and 1"):
            function()
    with pytest.raises(ConfigError, match="hold something else than probabilities"):
        stats.false_discovery(np.array([0.5, 1.5]))


def test_trials_that_tie_share_their_rank():
    trials = family(6, 3, 0.2, bars=96)
    doubled = np.concatenate([trials, trials[:, :2]], axis=1)
    np.testing.assert_allclose(
        stats.overfitting_probability(doubled, blocks=8).logits, naive_overfitting(doubled, 8), atol=1e-9
    )


def test_models_with_the_same_losses_share_their_place_in_the_confidence_set():
    losses = np.random.default_rng(0).random((200, 3)) + np.array([0.0, 0.5, 0.0])
    alone = stats.model_confidence_set(losses)
    doubled = stats.model_confidence_set(losses[:, [0, 1, 0, 2, 1]])
    assert doubled.tolist() == alone[[0, 1, 0, 2, 1]].tolist()
    assert stats.model_confidence_set(losses[:, [1, 1]]).tolist() == [1.0, 1.0]


def test_all_models_may_be_superior_step_by_step():
    """One is far better and another a little, which shows only once the first is out of the way."""
    rng = np.random.default_rng(1)
    benchmark = rng.random(400)
    for gain in np.linspace(0.01, 0.2, 20):
        losses = np.column_stack(
            [benchmark - 2.0 + rng.normal(size=400), benchmark - gain + 0.1 * rng.normal(size=400)]
        )
        found = stats.superior_models(benchmark, losses)
        assert found in ([0], [0, 1], [1])
    assert stats.superior_models(benchmark, benchmark[:, None] - np.array([0.1, 0.2]) * rng.random((400, 1))) == [0, 1]


def test_models_of_equal_mean_loss_stay_in_the_confidence_set_and_the_best_one_too():
    losses = np.random.default_rng(0).random(200)
    assert (stats.model_confidence_set(np.column_stack([losses, losses[::-1]])) > 0.5).all()
    found = stats.model_confidence_set(np.column_stack([losses + 0.5, losses[::-1] + 0.5, losses]))
    assert (found >= 0.05).tolist() == [False, False, True]
