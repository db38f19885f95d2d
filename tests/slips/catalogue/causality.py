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
                "    _require_same_on_other_dates(feature, candles, base, is_clock)\n    _require_smooth",
                "    _require_smooth",
            ),
            ("marks-unchecked", "    _require_smooth(feature, candles, base)\n", ""),
            (
                "rows-unchecked",
                "    _require_same_from_later_start(feature, candles, base, is_clock)\n    for column",
                "    for column",
            ),
            ("rounding-coarse", "ROUNDING, TINY = 1e-6, 1e-10", "ROUNDING, TINY = 1e+6, 1e-10"),
        ],
    ),
    *slips(
        "causality",
        "causality/markets.py",
        "tests/causality/test_targets_rules_models.py",
        [
            (
                "future-kept",
                "_path(len(candles) - bar - 1, candles.close[bar], candles.volume[bar] + 1, generator)",
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
            (
                "outcomes-kept",
                '.then(2 * pl.col("naive") - pl.col("target")).otherwise(pl.col("target"))',
                '.then(pl.col("target")).otherwise(pl.col("target"))',
            ),
            (
                "unknown-as-known",
                'is_known = pl.col("known_at") <= moment',
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
            (
                "naive-unchecked",
                '"naive": (naive, target.naive(other), bar + 1),',
                '"naive": (naive, target.naive(other), 0),',
            ),
            ("values-late", "max(bar + 1 - horizon, 0)", "max(bar - 1 - horizon - 40, 0)"),
            (
                "implied-unchecked",
                "target.expected_return(said, other), bar + 1)",
                "target.expected_return(said, other), 0)",
            ),
        ],
    ),
    *slips(
        "causality",
        "causality/models.py",
        "tests/causality/test_targets_rules_models.py",
        [
            ("no-second-fit", "if not np.array_equal(whole, relearnt, equal_nan=True):", "if False:"),
            (
                "no-other-future",
                '_require_unmoved(model, alone, after, rows, int(rows[middle]), "Read only',
                '_require_unmoved(model, alone, alone, rows, int(rows[middle]), "Read only',
            ),
        ],
    ),
]
