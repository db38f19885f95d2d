"""Candles of your own: from a file, from a frame, checked, mended and made longer."""

import polars as pl

import candlecast as cc

if __name__ == "__main__":
    cc.sample("nasdaq").frame.drop("close_time").write_csv("nasdaq.csv")  # stands for a file of yours

    candles = cc.read_candles("nasdaq.csv")
    print(candles.origin.reading if candles.origin else "")  # how the file was read
    print(candles.check())  # gaps, duplicates, impossible bars; nothing is changed

    table = pl.read_csv("nasdaq.csv").sample(fraction=1.0, shuffle=True, seed=1)  # rows out of order
    shuffled = cc.Candles.from_frame(table, interval="1d", symbol="NASDAQ")
    print(shuffled.mended(sort=True).resample("1w"))
