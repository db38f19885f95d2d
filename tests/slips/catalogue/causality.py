"""Slips in the checks that nothing looks ahead."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "causality",
        "causality/compare.py",
        "tests/causality/test_comparisons.py",
        [
            (
                "undefined-is-equal",
                "(before != after) & ~(np.isnan(before) & np.isnan(after))",
                "(before != after) & ~(np.isnan(before) | np.isnan(after))",
            ),
        ],
    ),
    *slips(
        "causality",
        "causality/features.py",
        "tests/causality/test_comparisons.py tests/causality/test_features_of_users.py::test_a_feature_that_knows_its_answers_is_refused",
        [
            (
                "dates-unchecked",
                "    _require_same_on_other_dates(feature, candles, base, is_clock)\n    _require_answers",
                "    _require_answers",
            ),
            ("marks-unchecked", "    _require_smooth(feature, candles, base)\n", ""),
            (
                "rows-unchecked",
                "    _require_same_from_later_start(feature, candles, base, is_clock)\n    _require_no_row_numbers(feature, candles, is_clock, seed)\n",
                "",
            ),
        ],
    ),
    *slips(
        "causality",
        "causality/compare.py",
        "tests/causality/test_features_of_users.py",
        [("rounding-coarse", "ROUNDING, TINY = 1e-6, 1e-10", "ROUNDING, TINY = 1e+6, 1e-10")],
    ),
    *slips(
        "causality",
        "causality/features.py",
        "tests/causality/test_features_of_users.py",
        [("few-cuts", "    require_causal_everywhere(feature, part, base, seed, start=first)\n", "")],
    ),
    *slips(
        "causality",
        "causality/telling.py",
        "tests/causality/test_features_of_users.py",
        [("spread-alone", "found += [largest, largest - 1]", "pass")],
    ),
    *slips(
        "causality",
        "causality/markets.py",
        "tests/causality/test_targets_rules_models.py",
        [
            (
                "future-kept",
                "_path(len(candles) - bar - 1, candles.close[bar], candles.volume[bar] + 1, generator, candles.activity)",
                "{n: getattr(candles, n)[bar + 1 :] for n in ('open', 'high', 'low', 'close', 'volume')}",
            ),
            (
                "dates-kept",
                'pl.col("open_time", "close_time") + shift',
                'pl.col("open_time", "close_time") + 0 * shift',
            ),
        ],
    ),
    *slips(
        "causality",
        "causality/rules.py",
        "tests/causality/test_targets_rules_models.py",
        [
            ("rule-cut-at-few-bars", "for moment in _telling_times(held, candles):", "for moment in ():"),
            (
                "outcomes-kept",
                '.then(2 * pl.col("naive") - pl.col("target")).otherwise(pl.col("target"))',
                '.then(pl.col("target")).otherwise(pl.col("target"))',
            ),
            (
                "unknown-as-known",
                'is_known = pl.col("known_at") <= last',
                'is_known = pl.col("known_at").is_not_null()',
            ),
            ("lengths-unchecked", 'if before["time"].equals(after["time"]):', 'if before["time"].len() > 0:'),
        ],
    ),
    *slips(
        "causality",
        "causality/targets.py",
        "tests/causality/test_targets_rules_models.py",
        [
            ("target-cut-at-few-bars", "[*cuts, *((bar, part[: bar + 1], False) for bar in everywhere)]", "cuts"),
            ("naive-unchecked", '"naive": (naive, found[1], bar + 1),', '"naive": (naive, found[1], 0),'),
            ("selected-by-outcome", "if np.isfinite(found[row]) != is_known[row]:", "if False:"),
            ("values-late", "max(bar + 1 - horizon, 0)", "max(bar - 1 - horizon - 40, 0)"),
            (
                "implied-unchecked",
                '"expected_return": (implied, found[2], bar + 1),',
                '"expected_return": (implied, found[2], 0),',
            ),
        ],
    ),
    *slips(
        "causality",
        "causality/models.py",
        "tests/causality/test_targets_rules_models.py",
        [
            (
                "no-second-fit",
                "if fitted.job.fold.is_in_time_order:",
                "if False:",
            ),
            (
                "no-other-future",
                "after = _forecast(fitted, changed, asked)[:, :upto]",
                "after = _forecast(fitted, job, asked)[:, :upto]",
            ),
        ],
    ),
    *slips(
        "causality",
        "causality/models.py",
        "tests/causality/test_models_of_users.py",
        [
            ("earlier-rows-unseen", "_forecast(fitted, job, rows[begin:])[:, faded - begin :]", "whole[:, faded:]"),
            ("counts-unseen", "if (apart.mean(axis=1) > FEW_APART).any():", "if False:"),
            ("tables-by-value-pass", "(jumps.mean(axis=1) > MOST_JUMPS).any()", "False"),
        ],
    ),
    *slips(
        "causality",
        "causality/rules_across.py",
        "tests/causality/test_rules_across.py",
        [
            ("gains-unseen", "if alike[-1] <= MOST_OF_CLOCK and gains[-1] <= GAIN:", "if alike[-1] <= MOST_OF_CLOCK:"),
            ("places-unseen", "if moved.sum() > FEW * len(moved):", "if False:"),
            ("rows-unseen", "found).sum() > SETTLED * np.sqrt(sizes)", "found).sum() > -2.0 * np.sqrt(sizes)"),
        ],
    ),
    *slips(
        "causality",
        "causality/clock.py",
        "tests/causality/test_clock.py",
        [
            ("tables-unseen", "if all(_are_alike(base[:, column]", "if not all(_are_alike(base[:, column]"),
            ("plain-times-named", "and not is_plain_time(base[:, column], candles)", ""),
            (
                "any-table-is-plain",
                "return bool(is_flag or (steps < 0).sum() <= 1",
                "return bool(True or (steps < 0).sum() <= 1",
            ),
            ("exact-tables-only", "ALIKE = 0.9 ", "ALIKE = 0.9999999 "),
        ],
    ),
    *slips(
        "causality",
        "causality/rules.py",
        "tests/causality/test_clock.py::test_a_rule_that_goes_by_the_clock_is_refused "
        "tests/causality/test_clock.py::test_a_trace_of_the_forecast_does_not_hide_the_clock",
        [
            ("clock-rules-pass", "    _require_forecasts_used(rule, costs, forecast, candles, held)\n", ""),
            ("exact-clock-rules-only", "if alike[-1] <= MOST_OF_CLOCK:", "if alike[-1] <= 0.999999:"),
            (
                "signs-not-mirrored",
                "frame = forecast.frame if place % 2 else mirrored",
                "frame = forecast.frame",
            ),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/feature_objections.py",
        "tests/causality/test_clock.py::test_an_edge_of_a_table_made_of_what_happened_is_not_claimed",
        [
            ("clock-claimed", "if not evidence.conditions.clock", "if True"),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/feature_objections.py",
        "tests/panel/test_lookups.py",
        [
            ("levels-claimed", "if not evidence.conditions.levels", "if True"),
            ("names-claimed", "if not evidence.conditions.names", "if True"),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/price_level.py",
        "tests/evaluation/test_price_level.py",
        [
            ("level-never", "return self.statistic <= CRITICAL and", "return False and"),
            ("level-however-slow", "self.half_life <= SHORT * self.bars", "True"),
            ("errors-not-robust", "(q * rest[:, None]) @ inverse[1]", "(q * rest.std()) @ inverse[1]"),
        ],
    ),
    *slips(
        "candles",
        "candles/hindsight.py",
        "tests/candles/test_hindsight.py",
        [
            ("bricks-pass", "going_on >= GOING_ON", "False"),
            ("smoothed-pass", "sizes.max() <= ALIKE * sizes.min()", "False"),
            (
                "bounce-accused",
                "(sizes >= np.maximum(SLOPE, ERRORS * errors)).all()",
                "(np.abs(sizes) >= np.maximum(SLOPE, ERRORS * errors)).all()",
            ),
        ],
    ),
]
