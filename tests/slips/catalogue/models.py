"""Slips in baselines and wrappers."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "models",
        "models/baselines/naive.py",
        "tests/models/test_models.py tests/models/test_baselines_by_hand.py",
        [
            (
                "drift-of-the-train-part",
                "(job.samples.outcomes[job.fit_rows] - job.samples.naive[job.fit_rows]).mean()",
                "(job.samples.outcomes[job.train_rows] - job.samples.naive[job.train_rows]).mean()",
            ),
            (
                "drift-of-all",
                "(job.samples.outcomes[job.fit_rows] - job.samples.naive[job.fit_rows]).mean()",
                "np.nanmean(job.samples.outcomes - job.samples.naive)",
            ),
            (
                "linear-without-naive",
                "return lambda samples, rows: samples.naive[rows] + regression.predict(inputs(samples, rows))",
                "return lambda samples, rows: regression.predict(inputs(samples, rows))",
            ),
            ("scaled-by-all", "job.fold.fit.of_all(job.samples.inputs))", "job.samples.inputs)"),
        ],
    ),
    *slips(
        "models",
        "models/baselines/regression.py",
        "tests/models/test_baselines_by_hand.py",
        [("ridge-not-by-rows", "alpha=self.alpha * len(rows)", "alpha=self.alpha")],
    ),
    *slips(
        "models",
        "models/baselines/smoothing.py",
        "tests/models/test_baselines.py",
        [
            (
                "season-one-off",
                "ahead - np.ceil(ahead / season).astype(int) * season",
                "ahead - np.ceil(ahead / season).astype(int) * season - 1",
            ),
            ("halflife-as-span", "alpha = 1 - 2 ** (-1 / self.halflife)", "alpha = 2 / (1 + self.halflife)"),
        ],
    ),
    *slips(
        "models",
        "models/baselines/volatility.py",
        "tests/models/test_baselines.py::test_garch_is_arch tests/models/test_baselines.py::test_har_is_arch tests/models/test_baselines_by_hand.py",
        [
            ("har-of-tomorrow", "start = np.maximum(end - lag, 0)", "start = np.maximum(end - lag - 1, 0)"),
            ("garch-first-step-only", "total += following\n", "pass\n"),
        ],
    ),
    *slips(
        "models",
        "models/wrappers/conformal.py",
        "tests/models/test_conformal.py::test_by_hand tests/models/test_conformal.py::test_a_miss_widens_the_next_interval_and_each_hit_narrows_it tests/models/test_conformal.py::test_the_model_never_sees_what_calibrates_it tests/models/test_conformal.py::test_an_interval_uses_no_later_bar",
        [
            (
                "rank-without-one",
                "math.ceil((len(ordered) + 1) * (1 - level))",
                "math.ceil(len(ordered) * (1 - level))",
            ),
            ("known-at-once", 'rows, rows - self.job.samples.horizon, side="right"', 'rows, rows, side="right"'),
            (
                "level-turned",
                "level += self.recipe.step * (miss - (score > reach[past]))",
                "level -= self.recipe.step * (miss - (score > reach[past]))",
            ),
            (
                "calibrated-on-training",
                "divided = Fold(fold.index, fold.train, Rows.of(rows[rows < first - horizon]), fold.test)",
                "divided = fold",
            ),
        ],
    ),
    *slips(
        "models",
        "models/wrappers/search.py",
        "tests/models/test_baselines_by_hand.py",
        [
            (
                "error-unrelated-to-naive",
                "return float((mistakes @ mistakes) / (naive @ naive))",
                "return float((mistakes @ mistakes) / len(mistakes))",
            ),
            ("seed-of-the-model", 'return zlib.crc32(f"{job.key} search".encode())', "return 0"),
        ],
    ),
    *slips(
        "models",
        "models/wrappers/pooled.py",
        "tests/causality/test_leaks.py::test_a_pool_scales_no_asset_by_what_came_after_the_first_test tests/models/test_pooled.py::test_no_asset_tells_of_anothers_future",
        [
            (
                "scaled-by-the-later",
                "moment = min(job.samples.candles.close_time[job.fold.test.first] for job in jobs)",
                "moment = max(job.samples.candles.close_time[job.fold.test.first] for job in jobs)",
            ),
            (
                "outcomes-of-the-test",
                "return rows[times[rows + samples.horizon] < moment]",
                "return rows[times[rows] < moment]",
            ),
        ],
    ),
]
