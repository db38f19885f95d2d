"""The training loop: a job's result is its own, causal, and as good as the plain way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import CombinatorialPurged, WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return, rsi
from candlecast.fleet.settings import Fit
from candlecast.fleet.trainer import train
from candlecast.heads import SquaredError, StudentT
from candlecast.models import GRU, LSTM, RNN, Torch
from candlecast.sources import sample, synthetic
from candlecast.targets import Direction, NextReturn
from candlecast.walkforward import plan_jobs

FEATURES = Features(log_return(), log_range())


def jobs_of(model, candles, *, folds=3, seeds=2, target=None):
    return plan_jobs(
        model,
        candles,
        features=FEATURES,
        target=target or NextReturn(),
        folds=WalkForward(folds=folds),
        seeds=range(seeds),
    )


def results(model, jobs):
    return {fitted.job.key: fitted for fitted in model.fit(jobs, progress=lambda event: None)}


def same(a, b):
    tensors = a.tensors(), b.tensors()
    return tensors[0].keys() == tensors[1].keys() and all(
        np.array_equal(tensors[0][name], tensors[1][name]) for name in tensors[0]
    )


MODELS = [
    LSTM(
        hidden=5,
        layers=2,
        dropout=0.3,
        dense=(3,),
        window=6,
        training=Fit(epochs=3, batch=16, patience=1, sampling="windows"),
    ),
    LSTM(hidden=5, window=6, training=Fit(epochs=2, batch=4, sampling="sequence", chunk=10, weight_decay=0.01)),
    GRU(hidden=4, window=6, training=Fit(epochs=2, batch=16, schedule="cosine", clip=None, sampling="windows")),
    RNN(hidden=4, window=6, dropout=0.5, training=Fit(epochs=2, batch=16, patience=None, sampling="windows")),
    Torch(
        lambda inputs: torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(6 * inputs, 4),
            torch.nn.Dropout(0.3),
            torch.nn.ReLU(),
            torch.nn.Linear(4, 1),
        ),
        window=6,
        training=Fit(epochs=2, batch=16, sampling="windows"),
    ),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.name}-{model.training.sampling}")
def test_a_job_does_not_depend_on_its_fleet(model, market):
    jobs = jobs_of(model, market)
    together = results(model, jobs)
    for job in (jobs[0], jobs[-1]):
        alone = results(model, [job])[job.key]
        assert same(alone, together[job.key])
        rows = job.test_rows
        assert np.array_equal(
            alone.forecast(job.samples, rows).mean, together[job.key].forecast(job.samples, rows).mean
        )


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.training.sampling)
def test_nothing_behind_the_training_part_is_learnt(model, market, other_future):
    jobs = jobs_of(model, market, folds=1, seeds=1)
    boundary = jobs[0].fold.test.first - 1
    changed = jobs_of(model, other_future(market, boundary), folds=1, seeds=1)
    assert same(results(model, jobs)[jobs[0].key], results(model, changed)[jobs[0].key])


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.training.sampling)
def test_a_forecast_uses_no_later_bar(model, market, other_future):
    model = replace(model, training=replace(model.training, linear=False, shrink=False))
    (job,) = jobs_of(model, market, folds=1, seeds=1)
    fitted = results(model, [job])[job.key]
    bar = int(job.test_rows[40])
    changed = jobs_of(model, other_future(market, bar), folds=1, seeds=1)[0].samples
    rows = job.test_rows
    before, after = fitted.forecast(job.samples, rows).mean, fitted.forecast(changed, rows).mean
    assert np.array_equal(before[:41], after[:41])
    assert not np.array_equal(before[41:], after[41:])


def test_the_number_of_threads_changes_nothing(market):
    model = MODELS[0]
    jobs = jobs_of(model, market, folds=2)
    many = results(model, jobs)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        three = results(model, jobs)
        torch.set_num_threads(1)
        one = results(model, jobs)
    finally:
        torch.set_num_threads(threads)
    assert all(same(many[key], three[key]) for key in many)
    assert all(same(many[key], one[key]) for key in many)
    assert torch.get_num_threads() == threads


def test_seeds_differ_and_repeat(market):
    model = MODELS[0]
    jobs = jobs_of(model, market, folds=1)
    first, again = results(model, jobs), results(model, jobs)
    assert same(first[jobs[0].key], again[jobs[0].key])
    assert not same(first[jobs[0].key], first[jobs[1].key])


def test_the_global_generator_is_given_back(market):
    before = torch.random.get_rng_state()
    results(MODELS[0], jobs_of(MODELS[0], market, folds=1, seeds=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_early_stopping_keeps_the_best_epoch(market):
    model = LSTM(hidden=8, window=6, training=Fit(epochs=30, batch=16, lr=0.05, patience=2, sampling="windows"))
    (job,) = jobs_of(model, market, folds=1, seeds=1)
    fitted = results(model, [job])[job.key]
    valid = fitted.losses[:, 1]
    assert len(valid) < 30
    assert len(valid) == valid.argmin() + 1 + 2
    rows = job.valid_rows
    outcome = job.samples.outcomes[rows]
    error = np.mean(((outcome - fitted.forecast(job.samples, rows).mean) / fitted.outcomes.scale[0]) ** 2)
    assert error == pytest.approx(valid.min(), rel=1e-4)


def test_one_step_equals_plain_torch(market):
    """A single full-batch step: the same as torch.optim.Adam on torch.nn.LSTM with the same weights."""
    model = LSTM(
        hidden=4,
        window=5,
        training=Fit(
            epochs=1, batch=10_000, lr=0.01, patience=None, clip=None, sampling="windows", linear=False, shrink=False
        ),
    )
    (job,) = plan_jobs(model, market, features=FEATURES, target=NextReturn(), folds=WalkForward(folds=1, valid=0.0))
    (fitted,) = model.fit([job])
    rows = job.train_rows
    x = np.stack([job.samples.inputs[row - 4 : row + 1] for row in rows])
    x = torch.tensor((x - fitted.inputs.shift) / fitted.inputs.scale, dtype=torch.float32)
    y = torch.tensor(
        (job.samples.outcomes[rows] - fitted.outcomes.shift[0]) / fitted.outcomes.scale[0], dtype=torch.float32
    )
    start = next(
        iter(
            LSTM(
                hidden=4,
                window=5,
                training=Fit(epochs=1, batch=10_000, lr=1e-30, patience=None, sampling="windows", linear=False),
            ).fit([job])
        )
    ).weights
    net, head = torch.nn.LSTM(2, 4, batch_first=True), torch.nn.Linear(4, 1)
    with torch.no_grad():
        net.weight_ih_l0.copy_(start["layers.0.w_x"].T)
        net.weight_hh_l0.copy_(start["layers.0.w_h"].T)
        net.bias_ih_l0.copy_(start["layers.0.b"])
        net.bias_hh_l0.zero_()
        head.weight.copy_(start["head.0.weight"].T)
        head.bias.copy_(start["head.0.bias"])
    optimizer = torch.optim.Adam([net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, *head.parameters()], lr=0.01)
    loss = (head(net(x)[0][:, -1])[:, 0] - y).square().mean()
    loss.backward()
    optimizer.step()
    assert fitted.losses[0, 0] == pytest.approx(loss.item(), rel=1e-5)
    for ours, theirs in [
        (fitted.weights["layers.0.w_x"].T, net.weight_ih_l0),
        (fitted.weights["layers.0.w_h"].T, net.weight_hh_l0),
        (fitted.weights["layers.0.b"], net.bias_ih_l0),
        (fitted.weights["head.0.weight"].T, head.weight),
    ]:
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampling", ["windows", "sequence"])
def test_a_planted_signal_is_found(sampling):
    world = synthetic.ar1(3_000, seed=5, phi=0.5)
    training = Fit(epochs=15, batch=32 if sampling == "windows" else 8, lr=5e-3, sampling=sampling, chunk=32)
    model = LSTM(hidden=8, window=8, training=training)
    (job,) = jobs_of(model, world.candles, folds=1, seeds=1)
    fitted = results(model, [job])[job.key]
    rows = job.test_rows[:-1]
    forecast, outcome = fitted.forecast(job.samples, rows).mean, job.samples.outcomes[rows]
    r2 = 1 - np.sum((outcome - forecast) ** 2) / np.sum(outcome**2)
    oracle = 1 - np.sum((outcome - world.mean[rows]) ** 2) / np.sum(outcome**2)
    assert r2 > 0.85 * oracle


def test_direction_is_forecast_as_a_chance():
    model = LSTM(hidden=4, window=6, training=Fit(epochs=5, batch=16, lr=0.01))
    candles = synthetic.ar1(1_500, seed=2, phi=0.6).candles
    (job,) = jobs_of(model, candles, folds=1, seeds=1, target=Direction())
    fitted = results(model, [job])[job.key]
    chance = fitted.forecast(job.samples, job.test_rows).mean
    assert np.all((chance > 0) & (chance < 1))
    outcome = job.samples.outcomes[job.test_rows[:-1]]
    assert np.mean((chance[:-1] - outcome) ** 2) < 0.25  # better than even odds on planted momentum


def test_progress_counts_every_epoch(market, small):
    events = []
    jobs = jobs_of(small, market)
    list(train(jobs, small.net_spec(NextReturn()), progress=events.append))
    assert events[-1].done == events[-1].total == len(jobs) * small.training.epochs
    assert [event.done for event in events] == sorted(event.done for event in events)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("head", [SquaredError(), StudentT()], ids=repr)
def test_a_loss_that_is_not_finite_is_an_error(market, head):
    model = LSTM(hidden=4, window=6, head=head, training=Fit(epochs=9, batch=16, lr=1e36, clip=None))
    with pytest.raises(
        ConfigError, match=r"the (validation )?loss of AR\(1\), fold 0, seed 0 is .*Lower Fit\(lr=...\)"
    ):
        list(model.fit(jobs_of(model, market, folds=1, seeds=1)))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected a whole number, 1 or more"),
        ({"lr": -1.0}, "lr is -1.0; expected a number above 0"),
        ({"sampling": "windos"}, "sampling is 'windos'"),
        ({"clip": 0.0}, "clip is 0.0"),
    ],
)
def test_settings_that_mean_nothing(parameters, message):
    with pytest.raises(ConfigError, match=message):
        Fit(**parameters)


def test_a_plain_module_has_no_memory_to_carry():
    with pytest.raises(ConfigError, match="carries no memory from bar to bar"):
        Torch(lambda inputs: torch.nn.Linear(inputs, 1), training=Fit(sampling="sequence"))


def test_assets_with_other_columns_are_refused(market):
    daily = synthetic.random_walk(600, seed=1).candles
    with pytest.raises(ConfigError, match="features of different columns"):
        plan_jobs(MODELS[0], [market, daily])


class Recurrence(torch.nn.Module):
    """What torch.func.vmap cannot stack: torch's own LSTM, random numbers of the net's own, and running means."""

    def __init__(self, inputs):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, 5, batch_first=True)
        self.norm = torch.nn.BatchNorm1d(5)
        self.drop = torch.nn.Dropout(0.2)
        self.dense = torch.nn.Linear(5, 1)

    def forward(self, x):
        last = self.drop(self.norm(self.lstm(x)[0][:, -1]))
        return self.dense(torch.nn.functional.dropout(last, 0.3, self.training))[:, 0]


def test_a_net_that_cannot_be_stacked_trains_one_by_one(market, caplog):
    """With a message that says why; the same bytes alone and in a fleet, and what it noted itself is kept."""
    model = Torch(Recurrence, window=6, training=Fit(epochs=2, batch=16, patience=None, sampling="windows"))
    jobs = jobs_of(model, market)
    together = results(model, jobs)
    assert "train one by one, as torch.func.vmap cannot stack them" in caplog.text
    for job in (jobs[0], jobs[-1]):
        assert same(results(model, [job])[job.key], together[job.key])
    fitted = together[jobs[0].key]
    assert fitted.weights["net.norm.num_batches_tracked"] == 2 * -(-len(jobs[0].train_rows) // 16)
    restored = model.restore(jobs[0], fitted.tensors())
    rows = jobs[0].test_rows
    assert np.array_equal(restored.forecast(jobs[0].samples, rows).mean, fitted.forecast(jobs[0].samples, rows).mean)


def test_a_net_that_draws_in_validation_does_not_depend_on_its_fleet(market):
    class Noisy(torch.nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.dense = torch.nn.Linear(inputs, 1)

        def forward(self, x):
            return self.dense(x[:, -1]) + torch.rand(len(x), 1)

    model = Torch(Noisy, window=6, training=Fit(epochs=3, batch=16, patience=2, sampling="windows"))
    jobs = jobs_of(model, market, folds=2)
    together = results(model, jobs)
    for job in jobs:
        assert same(results(model, [job])[job.key], together[job.key])


def test_what_a_stacked_net_notes_is_kept(market):
    """Running means of a net that vmap can stack: the job's own, alone and in a fleet, and used in forecasts."""

    def net(inputs):
        layers = torch.nn.Flatten(), torch.nn.BatchNorm1d(6 * inputs), torch.nn.Linear(6 * inputs, 1)
        return torch.nn.Sequential(*layers)

    model = Torch(net, window=6, training=Fit(epochs=2, batch=16, patience=None, sampling="windows"))
    jobs = jobs_of(model, market)
    together = results(model, jobs)
    for job in (jobs[0], jobs[-1]):
        assert same(results(model, [job])[job.key], together[job.key])
    fitted = together[jobs[0].key]
    assert fitted.weights["net.1.num_batches_tracked"] == 2 * -(-len(jobs[0].train_rows) // 16)
    assert fitted.weights["net.1.running_mean"].abs().max() > 0
    assert not torch.equal(fitted.weights["net.1.running_mean"], together[jobs[-1].key].weights["net.1.running_mean"])


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda inputs: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(7, 1)), "the net fails on a batch"),
        (lambda inputs: torch.nn.Linear(inputs, 3), r"maps windows \(16, 6, 2\) to \(16, 6, 3\)"),
    ],
    ids=["wrong size", "not one forecast per window"],
)
def test_a_net_that_does_not_fit_is_said(market, net, message):
    model = Torch(net, window=6, training=Fit(epochs=1, batch=16, sampling="windows"))
    with pytest.raises(ConfigError, match=message):
        list(model.fit(jobs_of(model, market, folds=1)))


def test_a_users_constants_stay_as_the_factory_makes_them(market):
    class Weighted(torch.nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.register_buffer("key", torch.linspace(0, 1, 6))
            self.dense = torch.nn.Linear(inputs, 1)

        def forward(self, x):
            return (self.dense(x)[..., 0] * self.key).sum(1)

    model = Torch(Weighted, window=6, training=Fit(epochs=1, sampling="windows"))
    for fitted in results(model, jobs_of(model, market, folds=1)).values():
        rows = fitted.job.test_rows
        x = np.stack([fitted.inputs.apply(fitted.job.samples.inputs[row - 5 : row + 1]) for row in rows])
        weight, bias = fitted.weights["net.dense.weight"].numpy(), fitted.weights["net.dense.bias"].numpy()
        plain = ((x @ weight[0] + bias) * np.linspace(0, 1, 6)).sum(1)
        expected = fitted.outcomes.undo(plain[:, None])[:, 0]
        np.testing.assert_allclose(fitted.forecast(fitted.job.samples, rows).mean, expected, rtol=1e-4, atol=1e-7)


def test_more_rows_are_learnt_in_longer_chunks(market, monkeypatch):
    """Left open, the chunk of each job is that of its own training rows, whichever jobs it trains with."""
    model = LSTM(hidden=3, window=6, training=Fit(epochs=2, batch=2))
    jobs = [job for candles in (market[:350], market) for job in jobs_of(model, candles, folds=2, seeds=1)]
    monkeypatch.setattr("candlecast.fleet.settings.STEPS", -(-len(jobs[0].train_rows) // (2 * 16)))
    chunks = [model.training.chunk_of(len(job.train_rows)) for job in jobs]
    assert sorted(set(chunks)) == [16, 32]
    together = {id(fitted.job): fitted for fitted in model.fit(jobs)}
    for job, chunk in zip(jobs, chunks, strict=True):
        (alone,) = replace(model, training=replace(model.training, chunk=chunk)).fit([job])
        assert same(alone, together[id(job)])


def test_parts_shorter_than_a_chunk_are_learnt():
    """Between the test parts of combinatorial folds there may be fewer rows than a chunk, wherever an epoch cuts them."""
    candles = sample("nasdaq")[-900:]
    features = Features(log_return(), rsi(14))
    model = GRU(hidden=2, training=Fit(epochs=3))
    folds = CombinatorialPurged(4, 2)
    jobs = plan_jobs(model, candles, features=features, folds=folds, window=model.window)
    shortest = min(jobs, key=lambda job: len(job.train_rows))
    chunk = model.training.chunk_of(len(shortest.train_rows))
    assert max(len(part) for part in shortest.fold.train.parts) < chunk
    for fitted in model.fit([shortest], progress=lambda event: None):
        assert len(fitted.losses) == 3 and np.isfinite(fitted.losses).all()


def test_weights_that_are_loaded_are_not_drawn(market, features, monkeypatch):
    """A net that forecasts is built without initial weights, and forecasts the same."""
    model = LSTM(hidden=4, window=6, training=Fit(epochs=1, batch=16))
    (fitted,) = model.fit(plan_jobs(model, market, features=features, folds=WalkForward(folds=1)))
    rows = fitted.job.test_rows
    before = fitted.forecast(fitted.job.samples, rows).mean

    def drawn(*_, **__):
        raise AssertionError("initial weights were drawn")

    for name in ("orthogonal_", "xavier_uniform_", "uniform_"):
        monkeypatch.setattr(torch.nn.init, name, drawn)
    again = model.restore(fitted.job, fitted.tensors())
    assert np.array_equal(again.forecast(again.job.samples, rows).mean, before)
