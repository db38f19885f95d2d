"""Assets that may have been chosen by the results of earlier trials: how many of the tried ones are left out.

Earlier trials count where they are of the same time and have assets in common with the panel: panels that share more than a
twentieth of them, and studies of one asset if half of them were studied so. An asset is known again by its symbol, also in a
pair with another currency, and by its returns (`ledger.sketch`). A panel whose account and forecasts agree with those of an
earlier one, but only at other dates, is of the same assets, dated otherwise: which of these are left out cannot be seen, but how
many. A study of one asset of an earlier panel, which shows each by itself, is judged as the best of as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from candlecast.evaluation.currencies import asset_of
from candlecast.evaluation.redating import is_redated
from candlecast.ledger import Entry
from candlecast.ledger.sketch import Sketch, are_alike

SHARED = 0.05  # of the assets of a panel, from which on it may have been chosen among those of an earlier one


class Chosen(NamedTuple):
    """tried: how many assets of earlier trials those of a panel may have been chosen among; left_out: of these, how many are not
    in the panel."""

    tried: int = 0
    left_out: int = 0


def chosen_assets(own: Entry, before: Sequence[Entry]) -> Chosen:
    """What was tried before a panel, and left out of it; nothing where half of its assets, or more, were not tried."""
    begin, end = own.profile.span
    spans = [entry.profile.span for entry in before]
    panels = [entry for entry in before if len(entry.assets) > 1]
    together = [entry for entry, (first, last) in zip(before, spans, strict=True) if first < end and begin < last]
    known = known_assets(own, together)
    tried: set[str] = set()
    for entry in together:
        assets = set(map(asset_of, entry.assets))
        if len(assets) > 1 and len({known[each] for each in assets if each in known}) > SHARED * len(own.assets):
            tried |= assets
    alone = {asset_of(each.symbol) for each in together if len(each.assets) <= 1}
    if 2 * len({known[each] for each in alone if each in known}) >= len(own.assets):
        tried |= alone
    found = {known[each] for each in tried if each in known}
    elsewhere = max((len(each.assets) for each in panels if is_redated(own.profile, each.profile)), default=0)
    if elsewhere > max(len(tried), len(own.assets)):
        return Chosen(elsewhere, elsewhere - len(own.assets))
    if 2 * len(found) < len(own.assets):
        return Chosen()
    return Chosen(len(tried), len(tried) - sum(each in known for each in tried))


def assets_beside(own: Entry, before: Sequence[Entry]) -> int:
    """How many other assets the largest earlier panel has in which the asset of a study is, at the same time."""
    begin, end = own.profile.span
    panels = [
        each for each in before if len(each.assets) > 1 and each.profile.span[0] < end and begin < each.profile.span[1]
    ]
    known = known_assets(own, panels)
    return max(
        (len(each.assets) - 1 for each in panels if any(asset_of(one) in known for one in each.assets)), default=0
    )


def known_assets(own: Entry, others: Sequence[Entry]) -> dict[str, str]:
    """Assets of other trials that are in a trial, each with its symbol there."""
    found = {asset_of(symbol): symbol for symbol in own.symbols}
    sketches: dict[str, dict[Sketch, None]] = {}
    known = {}
    for entry in others:
        for symbol in entry.symbols:
            asset = asset_of(symbol)
            if asset in found:
                known[asset] = found[asset]
            elif symbol in entry.sketches:
                sketches.setdefault(asset, {})[entry.sketches[symbol]] = None
    named = [symbol for symbol in own.symbols if symbol in own.sketches]
    columns = [(asset, sketch) for asset, own_sketches in sketches.items() for sketch in own_sketches]
    alike = are_alike([own.sketches[symbol] for symbol in named], [sketch for _, sketch in columns])
    for row, column in np.argwhere(alike):
        known[columns[column][0]] = named[row]
    return known
