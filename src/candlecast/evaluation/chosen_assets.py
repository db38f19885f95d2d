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
    """How many assets of earlier trials those of a panel may have been chosen among, and how many of these are not in it."""

    tried: int = 0
    left_out: int = 0


def chosen_assets(own: Entry, before: Sequence[Entry]) -> Chosen:
    """What was tried before a panel, and left out of it; nothing where half of its assets, or more, were not tried."""
    together = _of_its_time(own, before)
    known = known_assets(own, together)
    tried: set[str] = set()
    for entry in filter(_is_panel, together):
        assets = set(map(asset_of, entry.assets))
        if len({known[each] for each in assets if each in known}) > SHARED * len(own.assets):
            tried |= assets
    alone = {asset_of(each.symbol) for each in together if not _is_panel(each)}
    if 2 * len({known[each] for each in alone if each in known}) >= len(own.assets):
        tried |= alone
    panels = filter(_is_panel, before)
    elsewhere = max((len(each.assets) for each in panels if is_redated(own.profile, each.profile)), default=0)
    if elsewhere > max(len(tried), len(own.assets)):
        return Chosen(elsewhere, elsewhere - len(own.assets))
    found = [known[each] for each in tried if each in known]
    if 2 * len(set(found)) < len(own.assets):
        return Chosen()
    return Chosen(len(tried), len(tried) - len(found))


def other_assets(own: Entry, before: Sequence[Entry]) -> int:
    """How many other assets the largest earlier panel has in which the asset of a study is, at the same time."""
    panels = [*filter(_is_panel, _of_its_time(own, before))]
    known = known_assets(own, panels)
    sizes = [len(panel.assets) for panel in panels if not known.keys().isdisjoint(map(asset_of, panel.assets))]
    return max(sizes, default=1) - 1


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


def _is_panel(entry: Entry) -> bool:
    return len(entry.assets) > 1


def _of_its_time(own: Entry, before: Sequence[Entry]) -> list[Entry]:
    begin, end = own.profile.span
    return [each for each in before if each.profile.span[0] < end and begin < each.profile.span[1]]
