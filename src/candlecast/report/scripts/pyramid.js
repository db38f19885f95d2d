// Lowest and highest of 2, 4, 8 ... bars, so that any stretch of a long series is drawn from a few hundred values.
"use strict";

class Pyramid {
  constructor(column) {
    this.column = column;
    this.levels = [];
  }

  /** The value of a bar; NaN outside the column. */
  at(bar) {
    const {values, offset} = this.column;
    return bar >= offset && bar < offset + values.length ? values[bar - offset] : NaN;
  }

  /** The largest absolute value; 0 where there is none. */
  get largest() {
    if (this.most !== undefined) return this.most;
    let most = 0;
    for (const value of this.column.values) if (Math.abs(value) > most) most = Math.abs(value);
    return (this.most = most);
  }

  low(level, bucket) {
    return level === 0 ? this.at(bucket) : this.extremes(level).low[bucket - this.extremes(level).first] ?? NaN;
  }

  high(level, bucket) {
    return level === 0 ? this.at(bucket) : this.extremes(level).high[bucket - this.extremes(level).first] ?? NaN;
  }

  /** Lowest and highest of each bucket of 2^level bars. */
  extremes(level) {
    if (this.levels[level]) return this.levels[level];
    const {values, offset} = this.column;
    const first = Math.floor(offset / 2 ** level);
    const length = values.length ? Math.floor((offset + values.length - 1) / 2 ** level) - first + 1 : 0;
    const low = new Float64Array(length).fill(NaN), high = new Float64Array(length).fill(NaN);
    const finer = level > 1 ? this.extremes(level - 1) : null;
    const lows = finer ? finer.low : values, highs = finer ? finer.high : values;
    const start = finer ? finer.first : offset;
    for (let i = 0; i < lows.length; i++) {
      const bucket = ((start + i) >> 1) - first;
      if (!(low[bucket] <= lows[i])) low[bucket] = lows[i] === lows[i] ? lows[i] : low[bucket];
      if (!(high[bucket] >= highs[i])) high[bucket] = highs[i] === highs[i] ? highs[i] : high[bucket];
    }
    return (this.levels[level] = {first, low, high});
  }

  /** The value of a slot of a line: two neighbours show the lowest and the highest of both, in the order in which they came.
   *  The first and the last slot show the first and the last value, so that a line begins and ends where it does; the neighbour of
   *  the last one shows what lies furthest from it. */
  slot(level, bucket) {
    if (level === 0) return this.at(bucket);
    const {values, offset} = this.column, end = offset + values.length - 1, last = Math.floor(end / 2 ** level);
    if (bucket === last) return this.at(end);
    if (bucket === Math.floor(offset / 2 ** level)) return this.at(offset);
    const pair = bucket >> 1, low = this.low(level + 1, pair), high = this.high(level + 1, pair);
    if (low !== low) return NaN;
    if (last === (bucket | 1)) return high - this.at(end) > this.at(end) - low ? high : low;
    const start = this.low(level, 2 * pair);
    const isLowFirst = start !== start || start - low <= high - this.high(level, 2 * pair);
    return (bucket & 1) === 0 === isLowFirst ? low : high;
  }
}
