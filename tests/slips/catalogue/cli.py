"""Slips in the shell."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "cli",
        "cli/run.py",
        "tests/cli/test_options_arrive.py",
        [
            (
                "seed-dropped",
                "candles, runs=runs, seed=seed, progress=listener)",
                "candles, runs=runs, progress=listener)",
            ),
            ("runs-dropped", "run_study(study, candles, runs=runs, seed", "run_study(study, candles, seed"),
        ],
    ),
    *slips(
        "cli",
        "cli/study_options.py",
        "tests/cli/test_options_arrive.py",
        [
            ("seeds-dropped", "return study if seeds is None else replace(study, seeds=seeds)", "return study"),
            (
                "horizon-dropped",
                "horizon=study.target.horizon if horizon is None else horizon",
                "horizon=study.target.horizon",
            ),
            ("cash-dropped", "cash=study.cash if cash is None else cash", "cash=study.cash"),
            (
                "folds-dropped",
                "elif folds is not None:\n        found = WalkForward(folds=folds)",
                "elif folds is not None:\n        pass",
            ),
            (
                "test-for-train",
                "WalkForward(train=as_length(train), test=as_length(test))",
                "WalkForward(train=as_length(test), test=as_length(train))",
            ),
            ("epochs-dropped", "replace(model.training, epochs=value)", "replace(model.training)"),
            ("costs-dropped", "costs=given_costs.of(study.costs),", "costs=study.costs,"),
        ],
    ),
    *slips(
        "cli",
        "cli/asset_options.py",
        "tests/cli/test_options_arrive.py",
        [
            ("mending-dropped", "            repair=self.mending.repaired,\n", ""),
            (
                "joining-dropped",
                "        )\n        return self.mending.joined(candles)",
                "        )\n        return candles",
            ),
            ("asset-since-dropped", "            since=self.since,\n", "            since=None,\n"),
        ],
    ),
    *slips(
        "cli",
        "cli/backtest.py",
        "tests/cli/test_options_arrive.py",
        [
            ("since-dropped", "before.between(since, until)", "before.between(None, until)"),
            ("until-dropped", "before.between(since, until)", "before.between(since, None)"),
            ("backtest-cash-dropped", "cash=cash,\n            ledger", "ledger"),
            ("ledger-of-elsewhere", "ledger=Ledger(run.parent)", "ledger=Ledger.in_memory()"),
            ("now-as-it-ran", 'was[name]["value"], now[name]["value"]', 'was[name]["value"], was[name]["value"]'),
        ],
    ),
    *slips(
        "cli",
        "cli/compare.py",
        "tests/cli/test_options_arrive.py",
        [
            ("compare-seed-dropped", "seeds=range(seed, seed + seeds)", "seeds=range(seeds)"),
            (
                "compare-horizon-dropped",
                "model_registry.target(target, horizon=horizon)",
                "model_registry.target(target)",
            ),
            ("compare-runs-dropped", "ledger=Ledger(runs),", "ledger=Ledger(),"),
        ],
    ),
    *slips(
        "cli",
        "cli/fetch.py",
        "tests/cli/test_options_arrive.py",
        [
            (
                "refresh-dropped",
                "refresh=refresh, recheck=recheck, progress=progress\n",
                "recheck=recheck, progress=progress\n",
            ),
            (
                "recheck-dropped",
                "refresh=refresh, recheck=recheck, progress=progress\n",
                "refresh=refresh, progress=progress\n",
            ),
            (
                "fetch-until-dropped",
                "source, symbol, interval, since=since, until=until, refresh",
                "source, symbol, interval, since=since, refresh",
            ),
        ],
    ),
    *slips(
        "cli",
        "cli/pricing.py",
        "tests/cli/test_options_arrive.py",
        [
            (
                "rates-ignored-beside-a-venue",
                "_of_venue(self.venue), **self.rates)",
                "_of_venue(self.venue), **(self.rates if self.venue is None else {}))",
            )
        ],
    ),
    *slips(
        "cli",
        "cli/mending.py",
        "tests/cli/test_options_arrive.py",
        [
            ("bridge-dropped", "max_gap=self.max_gap, bridge=self.bridge", "max_gap=self.max_gap"),
            ("sort-dropped", "sort=self.sort)", ")"),
            (
                "real-jumps-dropped",
                "return candles.with_real_jumps() if self.real_jumps else candles",
                "return candles",
            ),
        ],
    ),
    *slips(
        "cli",
        "cli/__init__.py",
        "tests/cli/test_options_arrive.py",
        [
            (
                "errors-exit-with-0",
                "say_error(in_shell(str(error), _options()))\n        sys.exit(1)",
                "say_error(in_shell(str(error), _options()))\n        sys.exit(0)",
            )
        ],
    ),
    *slips(
        "cli",
        "cli/rules.py",
        "tests/cli/test_options_arrive.py",
        [
            ("exit-dropped", 'Setting("exit", "exit",', 'Setting("exit", "enter",'),
            (
                "exit-not-handed-on",
                "return getattr(signals, PLAIN[name])(**parameters)",
                "return getattr(signals, PLAIN[name])(**{key: value for key, value in parameters.items() if key != 'exit'})",
            ),
            ("long-only-dropped", '"flag_value": False, "default": None', '"flag_value": True, "default": None'),
        ],
    ),
]
