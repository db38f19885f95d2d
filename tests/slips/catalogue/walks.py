"""Slips in folds, samples, the walk, features and targets."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "dataset",
        "dataset/folds.py",
        "tests/dataset/test_folds.py",
        [
            ("purge-one-short", "if last + horizon < later.start:", "if last + horizon <= later.start:"),
            (
                "no-purge-in-front",
                "range(part.start - purge, part.stop) for part in test.parts",
                "range(part.start, part.stop) for part in test.parts",
            ),
            (
                "embargo-without-labels",
                "_shift(times, part.stop - 1, embargo) + 1 + gap",
                "_shift(times, part.stop - 1, embargo) + 1",
            ),
            (
                "embargo-without-memory",
                "embargo = memory if self.embargo is None else self.embargo",
                "embargo = 0 if self.embargo is None else self.embargo",
            ),
            (
                "validation-unpurged",
                "learnt = free[free < valid_rows[0] - purge]",
                "learnt = free[free < valid_rows[0]]",
            ),
            ("expanding-rolls", "[usable.start] * len(starts) if self.expanding else firsts", "firsts"),
            ("fit-crosses-tests", "*(() if is_crossed else (purge,))", "purge"),
            ("in-order-by-first", "return max(rows.last for rows in", "return max(rows.first for rows in"),
            ("short-end-its-own-fold", "2 * (rows.stop - starts[-1]) < starts[-1] - starts[-2]", "False"),
        ],
    ),
    *slips(
        "dataset",
        "dataset/coverage.py",
        "tests/dataset/test_coverage.py",
        [
            ("end-of-any-length", "if rest.sum() < min(map(len, tests)):", "if True:"),
            ("end-of-a-whole-part", "rest.sum() < min(", "rest.sum() <= min("),
            ("unknown-outcomes-due", "could[: len(could) - horizon]", "could"),
            ("start-left-out", "& (due > tested[0])", ""),
            ("last-of-several", "reversed(range(len(tests)))", "range(len(tests))"),
        ],
    ),
    *slips(
        "dataset",
        "dataset/membership.py",
        "tests/evaluation/test_folds_that_leave_bars_out.py",
        [("members-of-any-folds", "if self.largest is not None and left_out(", "if False and left_out(")],
    ),
    *slips(
        "dataset",
        "dataset/samples.py",
        "tests/dataset/test_windows.py",
        [
            (
                "learns-unknown",
                "self._chosen(part, self.is_complete & self.is_known)",
                "self._chosen(part, self.is_complete)",
            ),
            ("windows-across-holes", "before = np.where(starts, rows - 1, -1)", "before = np.where(starts, -1, -1)"),
            (
                "outcomes-across-holes",
                "segments[self.horizon :] == segments[: len(self) - self.horizon]",
                "segments[self.horizon :] >= segments[: len(self) - self.horizon]",
            ),
            (
                "window-one-short",
                "self.candles.segments) >= self.window\n        return complete",
                "self.candles.segments) >= self.window - 1\n        return complete",
            ),
            (
                "known-at-open",
                "times[is_inside] = self.candles.close_time[bars[is_inside]]",
                "times[is_inside] = self.candles.open_time[bars[is_inside]]",
            ),
            ("naive-undefined", "return complete & np.isfinite(self.naive)", "return complete"),
        ],
    ),
    *slips(
        "dataset",
        "dataset/forecast.py",
        "tests/dataset/test_tables_by_hand.py",
        [
            (
                "spread-of-seeds-left-out",
                "(pl.col(s).pow(2).mean() + pl.col(m).var(ddof=0)).sqrt()",
                "pl.col(s).pow(2).mean().sqrt()",
            ),
            ("first-seed-only", "*MEASURED, *plain).mean(),", "*MEASURED, *plain).first(),"),
            ("horizon-of-the-lead", 'horizon = int(target.rpartition("_")[2])', "horizon = self.horizon"),
        ],
    ),
    *slips(
        "dataset",
        "dataset/jobs.py",
        "tests/dataset/test_windows.py",
        [
            (
                "tests-of-known-rows",
                "return self.samples.forecastable(self.fold.test)",
                "return self.samples.learnable(self.fold.test)",
            ),
        ],
    ),
    *slips(
        "walkforward",
        "walkforward/walk.py",
        "tests/walkforward/test_walk.py::test_the_target_stands_beside_its_forecast tests/walkforward/test_plans.py",
        [
            (
                "naive-error-of-the-test",
                '"naive_error": float(np.abs(learnt - naive).mean())',
                '"naive_error": float(np.nanmean(np.abs(samples.outcomes[rows] - samples.naive[rows])))',
            ),
            (
                "mean-of-naive",
                '"train_mean": float(learnt.mean())',
                '"train_mean": float(naive.mean())',
            ),
            ("known-before", "return times.zip_with(pl.Series(is_known), pl.Series([None]))", "return times"),
        ],
    ),
    *slips(
        "walkforward",
        "walkforward/tables.py",
        "tests/walkforward/test_plans.py",
        [
            (
                "order-turned",
                'return bool((folds["train_last"] < folds["test_first"]).all())',
                'return bool((folds["train_last"] < folds["test_first"]).any())',
            ),
            ("bars-of-validation", '"train_bars": len(job.fit_rows)', '"train_bars": len(job.train_rows)'),
        ],
    ),
    *slips(
        "features",
        "features/scaling.py",
        "tests/features/test_scaling.py",
        [
            (
                "range-of-everything",
                "scale = float(values.max() - values.min()) / (self.high - self.low)",
                "scale = float(values.max()) / (self.high - self.low)",
            ),
            (
                "robust-by-deviation",
                "return float(middle), float(high - low)",
                "return float(middle), float(values.std())",
            ),
            ("within-turned", "outer.shift + outer.scale * self.shift", "self.shift + self.scale * outer.shift"),
        ],
    ),
    *slips(
        "features",
        "features/indicators.py",
        "tests/features/test_formulas.py",
        [
            (
                "rsi-unscaled",
                "last(talib.RSI(close, period), count) / 50 - 1",
                "last(talib.RSI(close, period), count) / 100",
            ),
            (
                "atr-unscaled",
                "candles.close, period), count) / last(candles.close, count)",
                "candles.close, period), count)",
            ),
            (
                "bands-turned",
                "(last(candles.close, count) - lower) / (upper - lower)",
                "(upper - last(candles.close, count)) / (upper - lower)",
            ),
        ],
    ),
    *slips(
        "features",
        "features/outside.py",
        "tests/causality/test_features_of_users.py::test_outside_data_are_joined_by_what_was_known "
        "tests/causality/test_features_of_users.py::test_outside_data_are_part_of_what_a_study_is",
        [
            ("known-a-bar-later", 'side="right") - 1', 'side="left") - 1'),
            (
                "next-row",
                'np.searchsorted(self.times, candles.close_time, side="right") - 1',
                'np.searchsorted(self.times, candles.close_time, side="right")',
            ),
            (
                "age-ignored",
                'is_known &= candles.close_time - self.times[newest] <= np.timedelta64(self.max_age, "us")',
                "pass",
            ),
            ("values-not-named", "digest.update(np.ascontiguousarray(self.values).tobytes())", "pass"),
        ],
    ),
    *slips(
        "features",
        "features/feature.py",
        "tests/features/test_features.py",
        [
            ("warm-up-shown", "values[: self.warmup] = np.nan", "pass"),
            ("infinite-kept", "values[~np.isfinite(values)] = np.nan", "pass"),
        ],
    ),
    *slips(
        "targets",
        "targets/price.py",
        "tests/targets/test_targets.py::test_price",
        [
            ("simple-for-log", "np.log(np.maximum(forecast / candles.close, LOWEST))", "forecast / candles.close - 1"),
            ("change-in-currency", "return values / naive - 1", "return values - naive"),
        ],
    ),
    *slips(
        "targets",
        "targets/direction.py",
        "tests/targets/test_targets.py",
        [
            (
                "magnitude-of-all",
                "magnitude[self.horizon :] = (total[end] - total[begin]) / np.maximum(moved[end] - moved[begin], 1.0)",
                "magnitude[self.horizon :] = total[-1] / np.maximum(moved[-1], 1.0)",
            ),
            ("odds-always-even", "return 0.5 * (1.0 - unchanged)", "return np.full(len(unchanged), 0.5)"),
        ],
    ),
    *slips(
        "targets",
        "targets/barriers.py",
        "tests/targets/test_targets.py",
        [
            (
                "both-is-up",
                "np.where(is_down, -1.0, 1.0)[is_touched]",
                "np.where(candles.high[ahead:] >= upper[:-ahead], 1.0, -1.0)[is_touched]",
            ),
            (
                "distance-of-one-bar",
                "recent_volatility(candles, self.halflife) * np.sqrt(self.horizon)",
                "recent_volatility(candles, self.halflife)",
            ),
            ("known-at-once", "labels[max(bars - self.horizon, 0) :] = np.nan", "pass"),
        ],
    ),
    *slips(
        "targets",
        "targets/volatility.py",
        "tests/targets/test_targets.py::test_volatility",
        [
            (
                "range-of-closes",
                "sliding_window_view(candles.low, self.horizon)",
                "sliding_window_view(candles.close, self.horizon)",
            )
        ],
    ),
    *slips(
        "targets",
        "targets/scaled.py",
        "tests/targets/test_targets.py",
        [("unit-of-tomorrow", "/ self.unit(candles)", "/ np.append(self.unit(candles)[1:], np.nan)")],
    ),
    *slips(
        "walkforward",
        "walkforward/plan.py",
        "tests/walkforward/test_plans.py",
        [
            ("horizon-left-out-of-memory", "max(features.warmup, memory(self.target))", "features.warmup"),
            ("window-left-out-of-memory", "reach = samples.window - 1 + max", "reach = max"),
            ("warm-up-left-out-of-memory", "max(features.warmup, memory(self.target))", "memory(self.target)"),
            ("causality-unasked", "        require_causal_features(features, asset)\n", ""),
            ("causality-of-targets-unasked", "        require_causal_target(self.target, asset)\n", ""),
            ("window-of-the-model-only", "max(self.window, model.window)", "model.window"),
        ],
    ),
    *slips(
        "dataset",
        "dataset/folds.py",
        "tests/models/test_search.py",
        [
            ("nested-without-purge", "train = rows[rows + horizon < first_valid]", "train = rows[rows < first_valid]"),
        ],
    ),
]
