"""Slips in the page."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "report",
        "report/tables.py",
        "tests/report/test_cells.py",
        [
            ("slippage-from-fees", 'traded.fills["slippage"].to_numpy().sum()', 'traded.fills["fee"].to_numpy().sum()'),
            ("fees-from-slippage", 'traded.fills["fee"].to_numpy().sum()', 'traded.fills["slippage"].to_numpy().sum()'),
            ("p-swapped", 'for other in ("naive", "drift", "mean")),', 'for other in ("drift", "naive", "mean")),'),
            ("bounds-as-values", 'words(row["value"]), bounds,', 'words(row["high"]), bounds,'),
            (
                "bound-as-r2",
                '_bracketed(percent, row["r2"], row["r2_low"]',
                '_bracketed(percent, row["r2_high"], row["r2_low"]',
            ),
            ("bounds-swapped", "for bound in (low, high))", "for bound in (high, low))"),
            ("mae-for-rmse", 'error(row["rmse"]),', 'error(row["mae"]),'),
            ("benchmark-as-value", 'bounds, words(row["benchmark"])))', 'bounds, words(row["value"])))'),
            ("took-the-rest", "100 * (annual_gross - annual)", "100 * (annual - annual_gross)"),
            (
                "costs-in-money",
                '("All costs, of initial cash", percent(values["relative cost"]))',
                '("All costs, of initial cash", percent(values["total cost"]))',
            ),
            (
                "slippage-without-spread",
                "traded.costs.half_spread_bps + traded.costs.slippage_bps",
                "traded.costs.slippage_bps",
            ),
            ("other-model-chosen", 'if row["model"] == result.model:', 'if row["model"] != result.model:'),
            (
                "strategies-for-forecasts",
                "effective: {counted.forecasts:,.1f} as forecasts, {counted.trades:,.1f}",
                "effective: {counted.trades:,.1f} as forecasts, {counted.forecasts:,.1f}",
            ),
            (
                "annual-without-costs",
                '("Annual return after costs", percent(annual))',
                '("Annual return after costs", percent(annual_gross))',
            ),
            ("financing-left-out", "if traded.costs.has_carry else []", "if False else []"),
        ],
    ),
    *slips(
        "report",
        "report/words.py",
        "tests/report/test_cells.py",
        [
            ("p-rounded-to-zero", "value is not None and value < 0.001", "value is not None and value < 0"),
            ("percent-of-percent", "number(100 * value, digits)", "number(value, digits)"),
        ],
    ),
    *slips(
        "report",
        "report/forecast_figures.py",
        "tests/report/test_figures.py::test_forecast_is_drawn_as_price_at_the_time_it_is_for tests/report/test_cells.py",
        [
            (
                "at-the-time-it-was-made",
                'times = milliseconds(drawn["known_at"])',
                'times = milliseconds(drawn["time"])',
            ),
            ("margin-without-horizon", "np.sqrt(horizon / len(part))", "np.sqrt(1 / len(part))"),
            ("naive-error-for-forecast", "for said in (forecast, naive)]", "for said in (naive, forecast)]"),
        ],
    ),
    *slips(
        "report",
        "report/trading_figures.py",
        "tests/report/test_figures.py::test_equity_and_drawdown_end_where_the_account_does tests/report/test_figures.py::test_every_fill_is_marked_with_its_reason_and_cost",
        [
            ("cost-without-slippage", "number(fill['fee'] + fill['slippage'], 2)", "number(fill['fee'], 2)"),
            ("fall-from-start", "1 - level / np.maximum.accumulate(level)", "1 - level / level[0]"),
        ],
    ),
    *slips(
        "report",
        "report/training_figures.py",
        "tests/report/test_figures.py::test_losses_start_at_one_and_break_between_trainings tests/report/test_figures.py::test_folds_and_trainings_are_the_results",
        [
            ("losses-unrelated", "curve[name].to_numpy() / curve[name][0]", "curve[name].to_numpy()"),
            (
                "train-for-test",
                'milliseconds(folds[f"{part}_first"]), milliseconds(folds[f"{part}_last"])',
                'milliseconds(folds["train_first"]), milliseconds(folds["train_last"])',
            ),
        ],
    ),
]
