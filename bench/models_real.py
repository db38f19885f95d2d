"""All models on real candles, for `bench/models.py`: the table of the docs, and the tests of volatility forecasts."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tasks import nets, spread, tell

HERE = Path(__file__).parent
RIVALS = HERE.parent / ".bench-venv" / "bin" / "python"
RIVAL_NAMES = ("neuralforecast", "darts")
REFERENCES = ("naive", "ewma", "har", "garch")  # of volatility
SECTION = "## All models on real candles"
PAGE = HERE.parent / "docs" / "experiments.md"
FOLDS, SEEDS = 3, 2
SHORTEST, MINIMUM = 300, 1_000  # seconds of a bar, and bars of a series
LONGEST_PAUSE = np.timedelta64(90, "D")
BATCH_BARS = 20_000  # of series that one process takes at once
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Batch:
    """Series whose jobs train together, what is forecast, and by whom."""

    series: tuple
    target: str
    models: tuple[str, ...]
    epochs: int
    seed: int

    def __str__(self):
        return f"{self.target} of {' '.join(f'{each.symbol}/{each.interval}' for each in self.series)}"


def run(options):
    """Figures, and what shows each part."""
    series = load(options.candles, options.bars)
    is_table = "table" in options.only
    figures, shows = [], []
    batches = [
        Batch(group, target, names_for(target, everyone=is_table), options.epochs, options.seed)
        for target in (("volatility", "return") if is_table else ("volatility",))
        for group in groups(series)
    ]
    results = spread(compared, batches, options.processes)
    if "volatility" in options.only:
        judged = [
            row
            for batch, (_, rows) in zip(batches, results, strict=True)
            for row in rows
            if batch.target == "volatility"
        ]
        chosen = [
            judged[place] for place in sorted({*np.linspace(0, len(judged) - 1, options.rival_series).astype(int)})
        ]
        rivals = against_rivals(chosen, options)
        figures += volatility_figures(judged, rivals)
        shows.append((show_volatility, (judged, rivals)))
    if is_table:
        frames = {
            target: pl.concat(
                [frame for batch, (frame, _) in zip(batches, results, strict=True) if batch.target == target]
            )
            for target in ("return", "volatility")
        }
        text = section(frames, options)
        page = options.docs or (PAGE if options.candles else None)
        if page:
            write_section(page, text)
            tell(f"written: {page}")
        shows.append((print, text))
    return figures, shows


def load(places, bars):
    """The newest bars of every series; of two of one symbol and interval, the longer one."""
    import candlecast as cc
    from candlecast.sources.sample import SAMPLES

    if not places:
        return [cc.sample(name)[-bars:] for name in SAMPLES]
    paths = [path for place in places for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    longest = {}
    for path in paths:
        if not path.name.endswith((".csv", ".csv.gz", ".zip", ".parquet", ".feather")):
            continue
        factors = path.parent.parent / "factor_files" / f"{path.name.split('.')[0]}.csv"
        try:
            candles = cc.read_candles(path, factors=factors if factors.exists() else None)
        except cc.CandlecastError as error:
            tell(f"left out: {path.name}: {error}")
            continue
        candles = usable(candles)
        key = candles.symbol, str(candles.interval)
        if candles.interval.seconds < SHORTEST or len(candles) < MINIMUM:
            tell(f"left out: {path.name}, {len(candles):,} bars of {candles.interval}")
        elif key not in longest or len(candles) > len(longest[key]):
            longest[key] = candles
    if not longest:
        raise SystemExit(f"no candles of {SHORTEST // 60} minutes or longer in {', '.join(map(str, places))}")
    return [candles[-bars:] for candles in longest.values()]


def usable(candles):
    """Without impossible bars, and after the last pause of three months beyond which they may be another asset."""
    import candlecast as cc

    try:
        candles.require_sound()
    except cc.CandleError:
        candles = candles.mended("drop")
    while True:
        try:
            candles.require_one_asset()
        except cc.CandleError:
            pauses = np.flatnonzero(np.diff(candles.open_time) > LONGEST_PAUSE)
            if not len(pauses):
                return candles
            candles = candles[int(pauses[0]) + 1 :]
        else:
            return candles


def groups(series):
    """Series with the same standard features, about as many bars in each group; those with the most bars first."""
    from candlecast.features import standard_features

    found, open_groups = [], {}
    for each in sorted(series, key=len, reverse=True):
        group = open_groups.setdefault(standard_features(each.interval).columns, [])
        if group and sum(map(len, group)) + len(each) > BATCH_BARS:
            found.append(tuple(group))
            group.clear()
        group.append(each)
    found += [tuple(group) for group in open_groups.values()]
    return sorted(found, key=lambda group: -sum(map(len, group)))


def names_for(target, *, everyone):
    """Names of the models that can forecast it: all of them, or nets and what they are tested against."""
    from candlecast.cli.model_registry import MODELS

    aim = target_of(target)
    return tuple(name for name in MODELS if (everyone or name in {*nets(), *REFERENCES}) and can(name, aim))


def can(name, aim):
    """Whether the model of that name is installed and forecasts such a target."""
    from candlecast.cli.model_registry import model
    from candlecast.errors import ConfigError

    if name == "lightgbm" and find_spec("lightgbm") is None:
        return False
    recipe: Any = model(name)
    if name not in nets():
        return recipe.fits(aim)
    try:
        recipe.net_spec(aim).head.require(aim)
    except ConfigError:
        return False
    return True


def target_of(name):
    import candlecast as cc

    return {"return": cc.NextReturn(), "volatility": cc.Volatility()}[name]


def compared(batch):
    """The rows of the comparison, and of each series the outcomes and everyone's forecasts."""
    import candlecast as cc
    from candlecast.cli.model_registry import model
    from candlecast.evaluation.accuracy import scored

    models: dict[str, Any] = {name: model(name) for name in batch.models}
    for name in nets().keys() & models.keys():
        training = models[name].training
        if training.sampling == "windows":
            models[name] = replace(models[name], training=replace(training, epochs=min(batch.epochs, training.epochs)))
    target = target_of(batch.target)
    comparison = cc.compare(
        models,
        batch.series,
        target=target,
        folds=cc.WalkForward(folds=FOLDS),
        seeds=range(batch.seed, batch.seed + SEEDS),
        ledger=cc.Ledger.in_memory(),
    )
    if batch.target != "volatility":
        return comparison.frame, []
    rows = []
    for candles in batch.series:
        key = candles.symbol, str(candles.interval)
        scores = {name: scored(comparison.results[(*key, name)].forecast, target) for name in models}
        first = scores[batch.models[0]]
        result = comparison.results[(*key, "lstm")]
        lone = result.forecast.frame.filter(pl.col("seed") == result.forecast.seeds[0])
        rows.append(
            {
                "series": f"{key[0]} {key[1]}",
                "values": target.naive(candles),
                "rows": np.searchsorted(candles.close_time, first.time),
                "fold": first.fold,
                "outcome": first.target,
                "means": {name: score.mean for name, score in scores.items()},
                "lone": scored(replace(result.forecast, frame=lone), target).mean,
                "learnt": dict(result.folds.select("fold", "train_bars").iter_rows()),
            }
        )
    return comparison.frame, rows


def better_on(judged, name, reference):
    """On how many series a forecast has the smaller squared error, Diebold-Mariano p below 5 %."""
    tests = [test(row, row["means"][name], row["means"][reference]) for row in judged]
    return sum(found.statistic < 0 and found.p_value < LEVEL for found in tests)


def test(row, ours, theirs):
    from candlecast.stats import diebold_mariano

    return diebold_mariano(row["outcome"], ours, theirs)


def skill(row, name):
    """Share of HAR's squared error that the forecast saves."""
    error, reference = ((row["outcome"] - row["means"][each]) ** 2 for each in (name, "har"))
    return 1 - error.mean() / reference.mean()


def recurrent():
    """Names of the nets with a memory that they carry from bar to bar, be it within a window."""
    import candlecast as cc
    from candlecast.models import RecurrentModel

    bases = (RecurrentModel, cc.AttentionLSTM, cc.EncoderDecoder)
    return [name for name, cls in nets().items() if issubclass(cls, bases)]


def best_recurrent(judged):
    """The recurrent net with the smallest squared error, relative to HAR's, on the mean of all series."""
    return max(recurrent(), key=lambda name: np.mean([skill(row, name) for row in judged]))


def against_rivals(chosen, options):
    """Per rival: its forecasts of each chosen series; None where its environment is not there."""
    if not RIVALS.exists():
        return None
    epochs = nets()["lstm"]().training.epochs
    with tempfile.TemporaryDirectory() as folder:
        plan = []
        for place, row in enumerate(chosen):
            values = (
                pl.Series(row["values"], nan_to_null=True).fill_null(strategy="forward").fill_null(strategy="backward")
            )
            pl.DataFrame({"value": values}).write_csv(f"{folder}/{place}.csv")
            folds = []
            for fold, learnt in row["learnt"].items():
                rows = row["rows"][row["fold"] == fold]
                folds.append({"first": int(rows[0]), "last": int(rows[-1]), "learnt": learnt})
            plan.append({"path": f"{folder}/{place}.csv", "folds": folds})
        spec = Path(folder) / "plan.json"
        spec.write_text(json.dumps({"series": plan, "epochs": epochs, "seed": options.seed}))
        answers = spread(ask, [(name, str(spec)) for name in RIVAL_NAMES], options.processes)
    found = {}
    for name, (forecasts, seconds) in zip(RIVAL_NAMES, answers, strict=True):
        means = []
        for row, folds in zip(chosen, forecasts, strict=True):
            mean = np.full(len(row["values"]), np.nan)
            for first, values in folds:
                mean[first : first + len(values)] = values
            means.append(mean[row["rows"]])
        found[name] = list(zip(chosen, means, strict=True)), seconds
    return found


def ask(task):
    """The rival's forecasts of every series, fold by fold, in its own environment, and its seconds."""
    done = subprocess.run([RIVALS, HERE / "models_rivals.py", *task], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"models_rivals.py {task[0]} failed:\n{done.stderr[-2_000:]}")
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return answer["forecasts"], answer["seconds"]


def rival_rows(judged, rivals):
    """(net, rival, series, better, worse, median RMSE over the rival's): our LSTM of one seed, and the best recurrent net."""
    best, rows = best_recurrent(judged), []
    for rival, (pairs, _) in (rivals or {}).items():
        for name, mean_of in (("lstm, one seed", lambda row: row["lone"]), (best, lambda row: row["means"][best])):
            tests = [test(row, mean_of(row), theirs) for row, theirs in pairs]
            wins = sum(found.statistic < 0 and found.p_value < LEVEL for found in tests)
            losses = sum(found.statistic > 0 and found.p_value < LEVEL for found in tests)
            ratios = [
                np.sqrt(np.mean((row["outcome"] - mean_of(row)) ** 2) / np.mean((row["outcome"] - theirs) ** 2))
                for row, theirs in pairs
            ]
            rows.append((name, rival, len(pairs), wins, losses, float(np.median(ratios))))
    return rows


def volatility_figures(judged, rivals):
    best, count = best_recurrent(judged), len(judged)
    figures = [
        {
            "name": f"volatility: {name} better, p < {LEVEL:g}{', best recurrent net' if name == best else ''}",
            "value": better_on(judged, name, reference),
            "unit": f"of {count} series",
            "goal": count // 2 + 1 if name == best else None,
            "better": "higher",
            "against": reference,
        }
        for name in nets()
        if name in judged[0]["means"]
        for reference in REFERENCES
    ]
    for name, rival, of, _, losses, ratio in rival_rows(judged, rivals):
        against = f"LSTM of {rival}"
        figures += [
            {
                "name": f"volatility: {name} worse, p < {LEVEL:g}",
                "value": losses,
                "unit": f"of {of} series",
                "goal": 0,
                "better": "lower",
                "against": against,
            },
            {
                "name": f"volatility: {name}, median RMSE ratio",
                "value": ratio,
                "unit": "x",
                "goal": 1.0,
                "better": "lower",
                "against": against,
            },
        ]
    return figures


def show_volatility(found):
    judged, rivals = found
    best, count = best_recurrent(judged), len(judged)
    print(
        f"\nVolatility: of {count} series, those on which the net's squared error is smaller, Diebold-Mariano p < {LEVEL:g}\n"
    )
    print(f"| net | {' | '.join(REFERENCES)} | squared error saved of HAR's, mean |")
    print(f"| --- | {'--- | ' * len(REFERENCES)}--- |")
    for name in (name for name in nets() if name in judged[0]["means"]):
        cells = [str(better_on(judged, name, reference)) for reference in REFERENCES]
        saved = np.mean([skill(row, name) for row in judged])
        kind = f"**{name}**, best recurrent" if name == best else name
        print(f"| {kind} | {' | '.join(cells)} | {100 * saved:.2f} % |")
    if rivals is None:
        print(f"\nneuralforecast and darts: not compared, since {RIVALS} is not there; see bench/README.md.")
        return
    print(
        "\n| ours | against the LSTM of | series | better, p < 0.05 | worse, p < 0.05 | RMSE, median ratio | their time |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, rival, of, wins, losses, ratio in rival_rows(judged, rivals):
        print(f"| {name} | {rival} | {of} | {wins} | {losses} | {ratio:.4f} | {rivals[rival][1]:.0f} s |")


def section(frames, options):
    """The section of the docs: how, a summary for each target, and the whole tables."""
    from candlecast import Costs

    series = frames["return"].select("symbol", "interval").unique(maintain_order=True)
    command = "python bench/models.py --only volatility table --candles ..."
    lines = [
        SECTION,
        "",
        f"As they came out of `{command}`: {series.height} series, the newest {options.bars:,} bars",
        f"of each or all that there are; {FOLDS} walk-forward folds, {SEEDS} seeds averaged, standard features, every model",
        f"with its defaults (nets that are sampled in windows: {options.epochs} epochs at most). R2 out of",
        "sample is against naive; p is the largest of the Clark-West p-values against naive, drift and the past mean; Sharpe",
        f"ratios are per year, after {Costs().per_side_bps:g} bp a side. In brackets: 95 % intervals. Nothing is corrected for",
        "the number of models that were tried here.",
        "",
    ]
    for target, frame in frames.items():
        lines += [f"### {TITLES[target]}", "", *summary(frame), "", "<details><summary>Each series</summary>", ""]
        lines += [*whole(frame), "", "</details>", ""]
    return "\n".join(lines)


TITLES = {
    "return": "Return of the next bar, traded by its direction",
    "volatility": "Range of the next bar, traded by holding less when it is wide",
}


def summary(frame):
    """One row per model, over all series."""
    table = frame.group_by("model", maintain_order=True).agg(
        pl.len().alias("series"),
        pl.col("r2").median(),
        (pl.col("r2_low") > 0).sum().alias("above"),
        (pl.col("r2_high") < 0).sum().alias("below"),
        (pl.col("p") < LEVEL).sum().alias("known"),
        pl.col("sharpe").median(),
        (pl.col("sharpe_low") > 0).sum().alias("pays"),
        (pl.col("sharpe_difference_low") > 0).sum().alias("leads"),
    )
    yield "| model | R2, median | R2 above / below 0 | p < 0.05 | Sharpe, median | Sharpe above 0 | above holding's | series |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in table.iter_rows(named=True):
        yield (
            f"| {row['model']} | {100 * row['r2']:.2f} % | {row['above']} / {row['below']} | {row['known']} | "
            f"{number(row['sharpe'], 2)} | {row['pays']} | {row['leads']} | {row['series']} |"
        )


def whole(frame):
    """One row per series and model."""
    yield "| candles | model | R2 vs naive, % | p | Sharpe | holding's |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in frame.iter_rows(named=True):
        yield (
            f"| {row['symbol']} {row['interval']} | {row['model']} | {bounded(row, 'r2', 100)} | {number(row['p'], 3)} | "
            f"{bounded(row, 'sharpe', 1)} | {number(row['benchmark_sharpe'], 2)} |"
        )


def bounded(row, name, scale):
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{scale * value:.2f} ({number(low, 2, scale)} .. {number(high, 2, scale)})"


def number(value, digits, scale=1):
    return "-" if value is None else f"{scale * value:.{digits}f}"


def write_section(page, text):
    """Put the section in the place of the one that is there, or at the end."""
    before = page.read_text() if page.exists() else "# Experiments\n"
    start = before.find(SECTION)
    if start < 0:
        page.write_text(f"{before.rstrip()}\n\n{text.rstrip()}\n")
        return
    end = before.find("\n## ", start + 1)
    rest = "" if end < 0 else before[end:]
    page.write_text(f"{before[:start]}{text.rstrip()}\n{rest}")
