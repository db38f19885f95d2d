"""Where candles come from: files, embedded samples and synthetic markets."""

from candlecast.sources import synthetic
from candlecast.sources.files import read_csv, read_parquet
from candlecast.sources.sample import sample

__all__ = ["read_csv", "read_parquet", "sample", "synthetic"]
