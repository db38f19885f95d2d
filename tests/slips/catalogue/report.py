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
                '("Total cost / initial cash", percent(values["relative cost"]))',
                '("Total cost / initial cash", percent(values["total cost"]))',
            ),
            (
                "slippage-without-spread",
                "traded.costs.half_spread_bps + traded.costs.slippage_bps",
                "traded.costs.slippage_bps",
            ),
            ("other-model-chosen", 'if row["model"] == result.model:', 'if row["model"] != result.model:'),
            (
                "strategies-for-forecasts",
                "effective number: {counted.forecasts:,.1f} as forecasts, {counted.trades:,.1f}",
                "effective number: {counted.trades:,.1f} as forecasts, {counted.forecasts:,.1f}",
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
        "text/formatting.py",
        "tests/report/test_cells.py",
        [
            ("p-rounded-to-zero", '"< 0.001" if value < 0.001', '"< 0.001" if value < 0'),
            ("percent-of-percent", "number(100 * value, digits)", "number(value, digits)"),
        ],
    ),
    *slips(
        "report",
        "report/market_chart.py",
        "tests/report/test_figures.py::test_forecast_is_drawn_as_price_at_the_bar_it_is_for",
        [
            (
                "at-the-time-it-was-made",
                'bars_of(result, known["known_at"])',
                'bars_of(result, known["time"])',
            ),
        ],
    ),
    *slips(
        "report",
        "report/forecast_figures.py",
        "tests/report/test_figures.py::test_a_copy_of_the_last_price_is_unmasked tests/report/test_cells.py",
        [
            ("margin-without-horizon", "np.sqrt(horizon / len(part))", "np.sqrt(1 / len(part))"),
            ("lag-forwards", "outcome[rows - lag]", "outcome[rows + lag]"),
        ],
    ),
    *slips(
        "report",
        "report/forecast_values.py",
        "tests/report/test_cells.py",
        [("naive-error-for-forecast", "for values in (forecast, naive)]", "for values in (naive, forecast)]")],
    ),
    *slips(
        "report",
        "report/trade_list.py",
        "tests/report/test_figures.py::test_every_fill_has_its_bar_its_forecast_and_its_cost "
        "tests/report/test_figures.py::test_a_fill_between_closes_has_the_forecast_of_the_close_before",
        [
            ("cost-without-slippage", '(fills["fee"] + fills["slippage"]).to_numpy()', 'fills["fee"].to_numpy()'),
            ("forecast-of-the-next-bar", 'strategy="backward"', 'strategy="forward"'),
        ],
    ),
    *slips(
        "report",
        "report/cost_figure.py",
        "tests/report/test_figures.py::test_the_cost_curve_passes_the_result_and_the_break_even_cost",
        [("costs-on-top", "traded.costs.of_holding()", "traded.costs")],
    ),
    *slips(
        "report",
        "stats/drawdowns.py",
        "tests/stats/test_account_tables.py",
        [("fall-from-start", "equity / np.maximum.accumulate(equity)", "equity / equity[0]")],
    ),
    *slips(
        "report",
        "report/training_figures.py",
        "tests/report/test_figures.py::test_losses_start_at_one_and_keep_their_last_value tests/report/test_figures.py::test_folds_and_trainings_are_the_results",
        [
            ("losses-unrelated", "curve[name].to_numpy() / curve[name][0]", "curve[name].to_numpy()"),
            ("train-for-test", 'spans[f"{part}_{end}"][row]', 'spans[f"train_{end}"][row]'),
        ],
    ),
]
