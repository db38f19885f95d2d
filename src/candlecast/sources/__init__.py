"""Where candles come from: exchanges, vendors, files, embedded samples and synthetic markets."""

from candlecast.sources import synthetic
from candlecast.sources.alpha_vantage import AlphaVantage
from candlecast.sources.binance import Binance
from candlecast.sources.exchange import Exchange
from candlecast.sources.files import read_candles, read_csv, read_parquet
from candlecast.sources.retry import Retry
from candlecast.sources.sample import sample
from candlecast.sources.source import Source
from candlecast.sources.synthetic_panel import PanelWorld, synthetic_panel
from candlecast.sources.yahoo import Yahoo

__all__ = [
    "AlphaVantage",
    "Binance",
    "Exchange",
    "PanelWorld",
    "Retry",
    "Source",
    "Yahoo",
    "read_candles",
    "read_csv",
    "read_parquet",
    "sample",
    "synthetic",
    "synthetic_panel",
]
