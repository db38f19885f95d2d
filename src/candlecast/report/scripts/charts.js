// Charts of bars: candles, volume, lines and marks of a stretch of bars, drawn by Lightweight Charts from pyramids.
"use strict";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const PIXELS = {candles: 3, lines: 2};  // least width of a slot
const AXIS_PIXELS = 72;  // of an axis of prices: wide enough for most labels, so that a step does not lay the chart out again

class BarChart {
  /** One chart of a specification that Python wrote: panes of series, each of which names its column. */
  constructor(element, spec, data) {
    Object.assign(this, {element, spec, data, level: -1, first: 0, last: 0, series: [], isSeen: true, isStale: false});
    this.least = spec.panes.some((pane) => pane.series.some((each) => each.kind === "candles")) ? PIXELS.candles : PIXELS.lines;
    this.readouts = spec.panes.map((_, row) => {
      const list = Object.assign(document.createElement("ul"), {className: row ? "legend inside" : "legend"});
      return row ? element.appendChild(list) : element.parentElement.insertBefore(list, element);
    });
    this.api = LightweightCharts.createChart(element, {
      autoSize: true, handleScroll: false, handleScale: false,
      localization: {locale: "en-US"},
      layout: {background: {color: "transparent"}, attributionLogo: false, fontSize: 12},
      timeScale: {minBarSpacing: 0.01, timeVisible: data.step < 86400, secondsVisible: data.step < 60, rightOffset: 0, lockVisibleTimeRangeOnResize: false},
      crosshair: {mode: 0},
      rightPriceScale: {minimumWidth: AXIS_PIXELS},
    });
    spec.panes.forEach((pane, row) => pane.series.forEach((each) => this.add(each, row)));
    this.api.panes().forEach((pane, row) => {
      pane.setStretchFactor(spec.panes[row].weight);
      const scaleMargins = row ? {top: 0.24, bottom: 0.06} : {top: 0.06, bottom: 0.06};
      pane.priceScale("right").applyOptions({scaleMargins, entireTextOnly: true});
    });
    this.span = element.appendChild(Object.assign(document.createElement("p"), {className: "span"}));
    this.colour();
    this.api.subscribeCrosshairMove(({logical}) => this.tell(logical));
  }

  /** The first bar that any series of the chart has. */
  get begin() {
    return Math.min(...this.series.flatMap(({of}) => of.map(({column}) => column.offset)));
  }

  add(each, row) {
    const kinds = {candles: "CandlestickSeries", volume: "HistogramSeries", area: "BaselineSeries", line: "LineSeries"};
    const pyramids = each.kind === "candles" ? ["open", "high", "low", "close"] : [each.column];
    const of = pyramids.map((name) => this.data.pyramid(name));
    const digits = each.digits ?? (each.percent ? 1 : each.kind === "candles" ? priceDigits(of[0].largest) : digitsOf(of[0].largest));
    const words = each.percent ? (value) => `${value.toFixed(digits)}\u00a0%` : each.kind === "volume" ? short : (value) => written(value, digits);
    const format = {type: "custom", minMove: 1e-9, formatter: words};
    const options = {priceFormat: format, lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false};
    if (each.kind === "candles") {
      const range = () => ({priceRange: {minValue: 0, maxValue: 1}});
      this.shades = ["window", "held"].map((name) => {
        const shade = this.api.addSeries(LightweightCharts.AreaSeries, {...options, lineVisible: false, priceScaleId: "shade", autoscaleInfoProvider: range}, row);
        shade.priceScale().applyOptions({scaleMargins: {top: 0, bottom: 0}});
        return [name, shade];
      });
    }
    const api = this.api.addSeries(LightweightCharts[kinds[each.kind]], options, row);
    this.series.push({...each, api, row, words, of});
    if (each.kind === "candles") this.marks = LightweightCharts.createSeriesMarkers(api, []);
    if (each.zero !== undefined) this.zeros = [...(this.zeros ?? []), [api, api.createPriceLine({price: each.zero, lineStyle: 2, lineWidth: 1, axisLabelVisible: false})]];
    if (each.kind !== "candles" && !each.label) return;
    const item = document.createElement("li");
    this.readouts[row].prepend(item);  // what is drawn last, on top, is named first
    if (each.kind !== "candles") {
      const named = row ? item : item.appendChild(this.toggle(api));
      named.append(Object.assign(document.createElement("i"), {className: `key ${each.colour ?? "blue"} ${each.dots ? "dot" : each.dash ? `dash${each.dash}` : ""}`}), each.label);
      item.append(" ");
    }
    this.series.at(-1).told = item.appendChild(document.createElement("b"));
  }

  /** A button that hides a line, and shows it again. */
  toggle(api) {
    const button = Object.assign(document.createElement("button"), {type: "button"});
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(isShown));
      api.applyOptions({visible: isShown});
    });
    return button;
  }

  /** Draw the bars from `from` to `to`; data are set anew only where the level or the stretch changes. */
  draw({from, to}) {
    const slots = Math.max(this.element.clientWidth / this.least, 50);
    const level = Math.max(0, Math.ceil(Math.log2((to - from) / slots)));
    const size = 2 ** level, start = Math.floor(from / size), end = Math.ceil(to / size);
    if (level !== this.level || start < this.first || end > this.last) this.load(level, start, end);
    this.api.timeScale().setVisibleLogicalRange({from: from / size - this.first - 0.5, to: to / size - this.first - 0.5});
    const [one, other] = [from, Math.ceil(to) - 1].map((bar) => moment(this.data.time[Math.max(0, Math.floor(bar))], this.data.step));
    this.span.textContent = `${one} to ${other}`;  // the labels of the axis name no year
    this.place();
  }

  /** Names of the lower panes, at the top of each. Computed from the weights: the library gives panes their heights later. */
  place() {
    const panes = this.spec.panes, all = panes.reduce((sum, {weight}) => sum + weight, 0);
    const height = this.element.clientHeight - this.api.timeScale().height() - (panes.length - 1);
    let above = 0;
    panes.forEach(({weight}, row) => {
      if (row) this.readouts[row].style.top = `${Math.round(above / all * height) + row + 2}px`;
      above += weight;
    });
    this.reserve();
  }

  /** Room for the values beside the names over the chart, so that it stays in its place when a pointer comes. */
  reserve() {
    const list = this.readouts[0], width = this.element.clientWidth;
    if (width === this.reserved || !matchMedia("(hover: hover)").matches) return;
    this.reserved = width;
    const named = this.series.filter(({row, kind, told}) => !row && told && kind !== "candles");
    for (const each of named) each.told.textContent = each.words(each.of[0].largest);
    list.style.minHeight = "";
    list.style.minHeight = `${list.offsetHeight}px`;
    for (const each of named) each.told.textContent = "";
  }

  load(level, start, end) {
    const margin = Math.ceil((end - start) / 2);
    this.level = level;
    this.first = Math.max(0, (start - margin) & ~1);
    this.last = Math.min(Math.ceil(this.data.bars / 2 ** level), end + margin);
    this.refresh();
  }

  /** Give the library the slots from first to last again. */
  refresh() {
    if (this.level < 0) return;
    const level = this.level, size = 2 ** level;
    for (const each of this.series) each.api.setData(this.values(each, level));
    if (!this.marks) return;
    this.marks.setMarkers(this.data.marks(this.first, this.last, size));
    for (const [name, shade] of this.shades) shade.setData(this.shaded(this.data[name], size));
  }

  /** Slots of a stretch of bars that is shaded: the window that a forecast looked at, or the bars that a trade was held. */
  shaded(bars, size) {
    const out = [];
    const first = bars ? Math.max(Math.floor(bars[0] / size), this.first) : 0, last = bars ? Math.min(Math.ceil(bars[1] / size), this.last - 1) : -1;
    for (let slot = first; slot <= last; slot++) out.push({time: this.data.time[slot * size], value: 1});
    return out;
  }

  values(each, level) {
    const size = 2 ** level, out = [];
    const [one, high, low, close] = each.of;
    for (let slot = this.first; slot < this.last; slot++) {
      const time = this.data.time[slot * size];
      if (each.kind === "candles") {
        const end = Math.min((slot + 1) * size, this.data.bars) - 1;
        out.push({time, open: one.at(slot * size), high: high.high(level, slot), low: low.low(level, slot), close: close.at(end)});
        continue;
      }
      const value = each.kind === "volume" ? one.high(level, slot) : one.slot(level, slot);
      out.push(value === value ? {time, value} : {time});
    }
    return out;
  }

  /** Values under the pointer, beside the names of the series. */
  tell(logical) {
    const slot = logical === undefined ? NaN : Math.min(Math.max(this.first + Math.round(logical), 0), this.last - 1);
    for (const each of this.series) {
      if (!each.told) continue;
      if (slot !== slot) each.told.textContent = "";
      else if (each.kind === "candles") each.told.textContent = this.candle(each, slot);
      else {
        const value = each.kind === "volume" ? each.of[0].high(this.level, slot) : each.of[0].slot(this.level, slot);
        each.told.textContent = value === value ? each.words(value) : "";
      }
    }
  }

  candle(each, slot) {
    const size = 2 ** this.level, [open, high, low, close] = each.of, end = Math.min((slot + 1) * size, this.data.bars) - 1;
    const prices = [open.at(slot * size), high.high(this.level, slot), low.low(this.level, slot), close.at(end)];
    const time = moment(this.data.time[slot * size], this.data.step) + (size > 1 ? `, ${size} bars` : "");
    return `${time}: ${prices.map((price, row) => `${"OHLC"[row]} ${each.words(price)}`).join("  ")}`;
  }

  /** Colours of the page as it is now, light or dark. */
  colour() {
    const [soft, line] = [css("soft"), css("line")];
    this.api.applyOptions({
      layout: {textColor: soft, panes: {separatorColor: soft, separatorHoverColor: line, enableResize: false}},
      grid: {vertLines: {color: line}, horzLines: {color: line}},
      rightPriceScale: {borderColor: line}, timeScale: {borderColor: line},
    });
    for (const each of this.series) each.api.applyOptions(coloured(each));
    for (const [name, shade] of this.shades ?? []) {
      const colour = `${css(name === "held" ? "blue" : "grey")}30`;
      shade.applyOptions({topColor: colour, bottomColor: colour});
    }
    for (const [, zero] of this.zeros ?? []) zero.applyOptions({color: soft});
    if (this.marks) this.refresh();
  }
}

function coloured(each) {
  const colour = css(each.colour ?? "grey");
  if (each.kind === "candles") {
    return {
      upColor: css("paper"), downColor: css("candle"), borderUpColor: css("candle"), borderDownColor: css("candle"),
      wickUpColor: css("candle"), wickDownColor: css("candle"),
    };
  }
  if (each.kind === "area") {
    const [up, down] = [css("blue"), css("orange")];
    return {
      baseValue: {type: "price", price: 0}, lineWidth: 1, lineType: 1, topLineColor: up, bottomLineColor: down,
      topFillColor1: `${up}55`, topFillColor2: `${up}55`, bottomFillColor1: `${down}55`, bottomFillColor2: `${down}55`,
    };
  }
  if (each.dots) return {color: colour, lineVisible: false, pointMarkersVisible: true, pointMarkersRadius: 2};
  return {color: colour, lineWidth: each.width ?? 2, lineStyle: each.dash ?? 0};
}

const COMPACT = new Intl.NumberFormat("en-US", {notation: "compact", maximumSignificantDigits: 3});
const FORMATS = new Map();  // by digits; making one takes a hundred times as long as using it, and axes use many at each step

/** A large number in three figures: 1.25M. */
function short(value) {
  return COMPACT.format(value);
}

/** Digits after the point that make about five figures of a number. */
function digitsOf(value) {
  const size = Math.abs(value);
  return size > 0 ? Math.min(Math.max(4 - Math.floor(Math.log10(size)), 0), 8) : 0;
}

/** Digits after the point of a price: six significant figures, and at least two decimals. */
function priceDigits(value) {
  const size = Math.abs(value);
  return size > 0 ? Math.min(Math.max(5 - Math.floor(Math.log10(size)), 2), 12) : 2;
}

/** A number in about five figures. */
function written(value, digits = digitsOf(value)) {
  if (!FORMATS.has(digits)) FORMATS.set(digits, new Intl.NumberFormat("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits}));
  return FORMATS.get(digits).format(value);
}
