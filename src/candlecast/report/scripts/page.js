// Starts the page: data, charts, trades, downloads, colours.
"use strict";

/** The columns and what is computed from them. */
class Data {
  constructor(header, columns) {
    Object.assign(this, {header: header.trades, columns, time: columns.time.values, window: null, held: null, pyramids: {}, marked: {}});
    this.bars = this.time.length;
    this.step = header.step;
  }

  pyramid(name) {
    return this.pyramids[name] ??= new Pyramid(this.columns[name]);
  }

  /** First and last + 1 of the fills on bars from `from` up to `to`. */
  fillsBetween(from, to) {
    const bars = this.columns.fill_bar.values;
    return [placeOf(bars, from), placeOf(bars, to)];
  }

  /** Slots of `size` bars with a buy or a sell: of each slot at most one of both. Computed once for each size. */
  sides(size) {
    if (this.marked[size]) return this.marked[size];
    const {fill_bar: {values: bars}, fill_side: {values: sides}} = this.columns;
    const slots = [], isBuy = [], last = [-1, -1];
    for (let i = 0; i < bars.length; i++) {
      const slot = Math.floor(bars[i] / size), side = sides[i] > 0 ? 1 : 0;
      if (last[side] === slot) continue;
      last[side] = slot;
      slots.push(slot);
      isBuy.push(side);
    }
    return (this.marked[size] = {slots, isBuy});
  }

  /** Marks of the fills in the slots from `first` up to `last`. */
  marks(first, last, size) {
    const {slots, isBuy} = this.sides(size);
    const start = placeOf(slots, first), end = placeOf(slots, last), [buy, sell] = [css("blue"), css("orange")];
    const width = end - start > 150 ? 0.6 : 1.2, marks = [];
    for (let i = start; i < end; i++) {
      marks.push({
        time: this.time[slots[i] * size], position: isBuy[i] ? "belowBar" : "aboveBar", shape: isBuy[i] ? "arrowUp" : "arrowDown",
        color: isBuy[i] ? buy : sell, size: width,
      });
    }
    return marks;
  }
}

/** The first place in rising values that is not below a value. */
function placeOf(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

function save(name, lines) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n"), "\n"], {type: "text/csv"}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Lines of CSV with what a chart shows, bar by bar, in full. */
function csvOf(chart) {
  const names = chart.series.flatMap((each) => each.kind === "candles" ? ["open", "high", "low", "close"] : [each.column]);
  const heads = chart.series.flatMap((each) => each.kind === "candles" ? ["open", "high", "low", "close"] : [`"${(each.label ?? each.column).replaceAll('"', '""')}"`]);
  const columns = names.map((name) => chart.data.pyramid(name));
  const first = Math.min(...columns.map(({column}) => column.offset));
  const last = Math.max(...columns.map(({column}) => column.offset + column.values.length));
  const lines = [["open_time", ...heads].join(",")];
  for (let bar = first; bar < last; bar++) {
    const values = columns.map((column) => column.at(bar));
    lines.push([new Date(1000 * chart.data.time[bar]).toISOString(), ...values.map((value) => value === value ? value : "")].join(","));
  }
  return lines;
}

/** The button between linear and logarithmic scale of the account. */
function scales(charts) {
  const button = document.getElementById("scale");
  button.addEventListener("click", () => {
    const isLogarithmic = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(isLogarithmic));
    for (const chart of charts) chart.api.priceScale("right", 0).applyOptions({mode: isLogarithmic ? 1 : 0});
  });
}

/** Charts take the colours of the theme, and are drawn anew for print. */
function themes(charts) {
  const colour = () => { for (const chart of charts) chart.colour(); };
  addEventListener("theme", colour);
  addEventListener("beforeprint", () => { for (const chart of charts) chart.draw(chart.view); });
  colour();
}

/** Build the pyramids while nothing else is to be done, so that the first look at all bars does not wait for them. */
function prepare(data) {
  const waiting = Object.values(data.pyramids), level = Math.max(1, Math.ceil(Math.log2(data.bars)));
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  const next = () => {
    waiting.pop().extremes(level);
    if (waiting.length) later(next);
  };
  if (waiting.length) later(next);
}

async function start() {
  const header = JSON.parse(document.getElementById("header").textContent);
  const [library, bytes] = await Promise.all([inflated("library"), inflated("columns")]);
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(library);
  document.head.append(script);
  const data = new Data(header, readColumns(header.columns, bytes));
  const views = {}, charts = [];
  for (const element of document.querySelectorAll("[data-chart]")) {
    const spec = JSON.parse(element.dataset.chart);
    views[spec.group] ??= new View(data.bars, header.views[spec.group]);
    const chart = new BarChart(element, spec, data);
    charts.push(chart);
    const view = views[spec.group];
    view.add(chart, (bar, reach) => spec.group === "market" && trades?.choose(trades.near(bar, reach)));
    document.querySelector(`[data-csv="${element.closest("figure").id}"]`)
      .addEventListener("click", () => save(`${element.closest("figure").id}.csv`, csvOf(chart)));
  }
  for (const place of document.querySelectorAll("[data-spans]")) spanButtons(views[place.dataset.spans], data.time, place);
  let trades = null;
  const list = document.getElementById("trades");
  if (list) {
    trades = new Trades(data, views.market, list, document.getElementById("trade"));
    document.querySelector('[data-csv="trades"]').addEventListener("click", () => save("trades.csv", trades.csv()));
  }
  scales(charts.filter(({spec}) => spec.group === "account"));
  themes(charts);
  for (const view of Object.values(views)) view.draw();
  Object.assign(window, {candlecast: {data, views, charts, trades}});
  prepare(data);
  performance.mark("ready");
  document.documentElement.dataset.ready = "";
}

start();
