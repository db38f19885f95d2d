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
        "signals/rule.py",
        "tests/signals/test_hold.py tests/signals/test_rules.py tests/signals/test_no_trade_band.py",
        [
            ("band-ignored-at-zero", "if abs(value - held) > band:", "if abs(value - held) > band or value == 0.0:"),
            ("band-of-the-wanted", "if abs(value - held) > band:", "if abs(value) > band:"),
            ("costs-lost", "called(*given, costs=costs) if", "called(*given, costs=None) if"),
        ],
    ),
    *slips(
        "signals",
        "signals/no_trade_band.py",
        "tests/signals/test_no_trade_band.py",
        [
            ("horizon-in-one-bar", "expected / forecast.horizon", "expected"),
            ("costs-of-both-sides", "return costs.per_side_bps / BPS", "return 2 * costs.per_side_bps / BPS"),
            ("constant-is-nothing", "(_side(per_bar[rows]),) * 2", "(np.zeros(rows.sum()),) * 2"),
            ("always-to-the-low-edge", "round(min(max(held, lowest), highest))", "round(lowest)"),
        ],
    ),
    *slips(
        "signals",
        "signals/trading_region.py",
        "tests/signals/test_no_trade_band.py",
        [
            ("no-persistence", "stay = (1.0 + persistence) / 2.0", "stay = 0.5"),
            ("units-worth-more-than-they-cost", "np.clip(value, -1.0, 1.0)", "value"),
        ],
    ),
    *slips(
        "signals",
        "signals/sizing.py",
        "tests/signals/test_rules.py",
        [
            (
                "usual-of-all",
                "usual = sums / np.arange(count + 1, count + len(logs) + 1)",
                "usual = np.full(len(logs), logs.mean())",
            ),
            (
                "unbounded",
                "np.minimum(np.round(sizes / self.step) * self.step, self.cap)",
                "np.minimum(np.round(sizes / self.step) * self.step, 125.0)",
            ),
        ],
    ),
    *slips(
        "signals",
        "signals/volatility_target.py",
        "tests/backtesting/test_sizing.py tests/signals/test_sizes_by_hand.py",
        [
            (
                "leverage-unbounded",
                "np.minimum(self.annual / at_decisions(positions.frame, candles, volatility), self.leverage)",
                "self.annual / at_decisions(positions.frame, candles, volatility)",
            ),
        ],
    ),
    *slips(
        "signals",
        "signals/direction.py",
        "tests/signals/test_rules.py",
        [("turned", "np.sign(expected) if self.allow_short", "-np.sign(expected) if self.allow_short")],
    ),
    *slips(
        "signals",
        "signals/volatility.py",
        "tests/backtesting/test_sizing.py tests/signals/test_sizes_by_hand.py",
        [
            (
                "variance-for-volatility",
                "return np.sqrt(bars_per_year_so_far(candles) * ewm_variance(candles, halflife))",
                "return bars_per_year_so_far(candles) * ewm_variance(candles, halflife)",
            ),
            ("no-warm-up", "variance[:halflife] = np.inf", "variance[:1] = np.inf"),
        ],
    ),
]
