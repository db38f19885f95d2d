"""Slips in rules and sizes."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "signals",
        "signals/kelly.py",
        "tests/backtesting/test_sizing.py tests/signals/test_sizes_by_hand.py",
        [
            (
                "times-the-horizon",
                "self.fraction * (expected / v + 0.5)",
                "self.fraction * (forecast.horizon * expected / v + 0.5)",
            ),
            (
                "variance-of-one-bar",
                "ewm_variance(candles, self.halflife) * forecast.horizon",
                "ewm_variance(candles, self.halflife)",
            ),
            ("log-for-simple", "(expected / v + 0.5)", "(expected / v)"),
            ("whole-kelly", "self.fraction * (expected / v + 0.5)", "(expected / v + 0.5)"),
        ],
    ),
    *slips(
        "signals",
        "signals/threshold.py",
        "tests/signals/test_rules.py",
        [
            ("enters-at-the-threshold", "if value > self.enter:", "if value >= self.enter:"),
            ("never-leaves", "elif held * value < self.exit:", "elif held * value < -1:"),
            ("short-allowed", "-1.0 if self.allow_short else 0.0", "-1.0"),
            ("leaves-by-unsigned", "elif held * value < self.exit:", "elif abs(value) < self.exit:"),
        ],
    ),
    *slips(
        "signals",
        "signals/hold.py",
        "tests/signals/test_hold.py",
        [
            (
                "band-ignored-at-zero",
                "if abs(wanted - held) > self.band:",
                "if abs(wanted - held) > self.band or wanted == 0.0:",
            ),
            ("band-of-the-wanted", "if abs(wanted - held) > self.band:", "if abs(wanted) > self.band:"),
        ],
    ),
    *slips(
        "signals",
        "signals/sizing.py",
        "tests/signals/test_rules.py",
        [
            (
                "usual-of-all",
                "usual = np.cumsum(logs) / np.arange(1, len(logs) + 1)",
                "usual = np.full(len(logs), logs.mean())",
            ),
            (
                "unbounded",
                "np.minimum(np.round(np.exp(usual - logs) / self.step) * self.step, 1.0)",
                "np.round(np.exp(usual - logs) / self.step) * self.step",
            ),
        ],
    ),
    *slips(
        "signals",
        "signals/volatility_target.py",
        "tests/backtesting/test_sizing.py tests/signals/test_sizes_by_hand.py",
        [
            (
                "variance-for-volatility",
                "return np.sqrt(bars_per_year_so_far(candles) * ewm_variance(candles, halflife))",
                "return bars_per_year_so_far(candles) * ewm_variance(candles, halflife)",
            ),
            ("no-warm-up", "variance[:halflife] = np.inf", "variance[:1] = np.inf"),
            (
                "leverage-unbounded",
                "np.minimum(self.annual / ewm_volatility(candles, self.halflife), self.leverage)",
                "self.annual / ewm_volatility(candles, self.halflife)",
            ),
        ],
    ),
    *slips(
        "signals",
        "signals/direction.py",
        "tests/signals/test_rules.py",
        [("turned", "np.sign(expected) if self.allow_short", "-np.sign(expected) if self.allow_short")],
    ),
]
