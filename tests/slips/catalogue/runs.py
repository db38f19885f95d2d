"""Slips in runs on disk, recipes and studies."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "study",
        "study/loading.py",
        "tests/study/test_views_and_loading.py",
        [
            ("cash-of-today", 'cash=recipe["cash"],', "cash=10_000.0,"),
            ("tally-forgotten", 'manifest.get("trial_count", {})\n        ),', "{}\n        ),"),
            ("band-forgotten", 'options = dict(manifest.get("positions", {}).get(name, {}))', "options = {}"),
            ("rows-unchecked", "require_rows(folder, manifest, tables)\n        stored", "stored"),
        ],
    ),
    *slips(
        "study",
        "runs/assets.py",
        "tests/study/test_views_and_loading.py",
        [("fingerprint-unchecked", 'if candles.fingerprint != asset["fingerprint"]:', "if False:")],
    ),
    *slips(
        "study",
        "study/deciding.py",
        "tests/study/test_rules.py",
        [
            (
                "rule-unchecked",
                "        require_causal_rule(rule, forecast, candles, costs=costs, positions=positions[name])\n",
                "        pass\n",
            ),
        ],
    ),
    *slips(
        "study",
        "evaluation/trials.py",
        "tests/study/test_views_and_loading.py",
        [
            ("target-not-recorded", "target=subject.target,", 'target="",'),
            (
                "trial-without-recipe",
                "study=choices_in(recipe),",
                "study={},",
            ),
        ],
    ),
    *slips(
        "study",
        "evaluation/trial_count.py",
        "tests/study/test_views_and_loading.py",
        [("tally-of-others-results", "known.content in (UNNAMED, trial.content)", "True")],
    ),
    *slips(
        "study",
        "study/result.py",
        "tests/study/test_views_and_loading.py tests/signals/test_no_trade_band.py::test_other_costs_make_the_rule_decide_anew",
        [
            (
                "periods-of-one-name",
                'recipe=self.recipe | {"since": first and first.isoformat(), "until": last and last.isoformat()}',
                "recipe=self.recipe",
            ),
            ("until-includes", 'chosen &= pl.col("time") < last', 'chosen &= pl.col("time") <= last'),
            ("candles-after-until", "candles=self.candles[:rows],", "candles=self.candles,"),
            ("retraded-costs-ignored", "costs=paid,", "costs=self.costs,"),
            ("decided-under-old-costs", "self.candles, paid)", "self.candles, self.costs)"),
        ],
    ),
    *slips(
        "study",
        "study/study.py",
        "tests/study/test_views_and_loading.py tests/study/test_study.py::test_naive_and_drift_are_always_there tests/study/test_study.py::test_what_does_not_go_together_is_refused_at_once",
        [
            ("one-seed", "seeds=tuple(range(seed, seed + self.seeds))", "seeds=tuple(range(seed, seed + 1))"),
            ("seed-not-in-recipe", '            "seed": seed,\n', '            "seed": 0,\n'),
            (
                "drift-left-out",
                "for model in (Naive(), Drift()) if model not in",
                "for model in (Naive(),) if model not in",
            ),
        ],
    ),
    *slips(
        "study",
        "study/comparison.py",
        "tests/study/test_comparison.py::test_every_model_on_every_series",
        [
            (
                "discovery-of-adjusted",
                'false_discovery(frame["p"].to_numpy())',
                'false_discovery(frame["p_trials"].to_numpy())',
            ),
            ("p-unadjusted", '"p_trials": evidence.forecast_p_adjusted', '"p_trials": evidence.forecast_p'),
        ],
    ),
    *slips(
        "runs",
        "runs/manifest.py",
        "tests/runs/test_manifests.py tests/runs/test_run_folders.py::test_a_flipped_bit_is_seen tests/runs/test_run_folders.py::test_json_is_limited tests/runs/test_run_folders.py::test_a_manifest_has_its_shape",
        [
            (
                "digests-unchecked",
                'if kept is not None and kept[name]["sha256"] != sha256(content).hexdigest():',
                "if False:",
            ),
            ("newer-format-read", "if version > FORMAT:", "if False:"),
            ("bottomless", "DEEPEST = 64", "DEEPEST = 6_400_000"),
        ],
    ),
    *slips(
        "runs",
        "runs/folder.py",
        "tests/runs/test_manifests.py tests/runs/test_runs.py",
        [
            (
                "candles-not-in-name",
                "identity = json.dumps([recipe, candles.fingerprint], sort_keys=True)",
                "identity = json.dumps([recipe], sort_keys=True)",
            ),
            ("copies-listed", 'if not path.name.startswith(".") and is_run(path):', "if is_run(path):"),
            ("oldest-first", "key=itemgetter(0), reverse=True)", "key=itemgetter(0))"),
            (
                "others-run-replaced",
                "return json.dumps(held, sort_keys=True) != json.dumps([recipe, candles.fingerprint], sort_keys=True)",
                "return False",
            ),
        ],
    ),
    *slips(
        "runs",
        "runs/tables.py",
        "tests/runs/test_run_folders.py::test_tables_belong_together tests/runs/test_run_folders.py::test_memory_is_refused_before_it_is_taken tests/runs/test_run_folders.py::test_weights_have_the_size_that_their_header_says",
        [
            (
                "two-forecasts-of-a-bar",
                'forecasts.select("model", "seed", "fold", "time").is_duplicated().any()',
                "False",
            ),
            ("memory-unlimited", "if memory > max(SPARE, DENSEST * size):", "if False:"),
            ("seeds-unchecked", 'if seeds != set(manifest["seeds"]):', "if False:"),
            ("weights-of-any-size", "if size != last - first:", "if False:"),
        ],
    ),
    *slips(
        "recipes",
        "recipes/identity.py",
        "tests/recipes/test_identity.py",
        [
            ("closures-left-out", "self._named(cells, reads.attributes),", "b'',"),
            ("defaults-left-out", "self.of(value.__defaults__),", "b'',"),
            ("names-looked-up-left-out", "self._named(known, reads.attributes),", "b'',"),
            ("constants-left-out", "*map(self.of, code.co_consts))", ")"),
        ],
    ),
]
