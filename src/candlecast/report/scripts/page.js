// Starts the page: data, charts, trades, downloads, theme.
"use strict";

/** The columns and what is computed from them. */
class Data {
  constructor(header, columns) {
    Object.assign(this, {header: header.trades, columns, time: columns.time.values, window: null, held: null, pyramids: {}});
    this.bars = this.time.length;
    this.step = header.step;
  }

  pyramid(name) {
    return this.pyramids[name] ??= new Pyramid(this.columns[name]);
  }

  /** First and last + 1 of the fills on bars from `from` up to `to`. */
  fillsBetween(from, to) {
    const bars = this.columns.fill_bar.values;
    const place = (bar) => {
      let low = 0, high = bars.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (bars[middle] < bar) low = middle + 1; else high = middle;
      }
      return low;
    };
    return [place(from), place(to)];
  }

  /** Marks of the fills on bars from `from` up to `to`: of each slot at most one buy and one sell. */
  marks(from, to, size) {
    if (!this.columns.fill_bar) return [];
    const {fill_bar: bars, fill_side: sides} = this.columns;
    const [first, last] = this.fillsBetween(from, to);
    const marks = [], seen = new Set();
    for (let i = first; i < last; i++) {
      const slot = Math.floor(bars.values[i] / size), isBuy = sides.values[i] > 0, key = 2 * slot + isBuy;
      if (seen.has(key)) continue;
      seen.add(key);
      marks.push({
        time: this.time[slot * size], position: isBuy ? "belowBar" : "aboveBar", shape: isBuy ? "arrowUp" : "arrowDown",
        color: css(isBuy ? "blue" : "orange"), size: last - first > 150 ? 0.6 : 1.2,
      });
    }
    return marks;
  }
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

function themes(charts) {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const apply = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    button.textContent = isDark ? "Light" : "Dark";
    button.setAttribute("aria-label", `Change to ${isDark ? "light" : "dark"} colours`);
    for (const chart of charts) chart.colour();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = button.textContent.toLowerCase();
    apply();
  });
  dark.addEventListener("change", apply);
  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; apply(); });
  addEventListener("afterprint", () => { if (before) root.dataset.theme = before; else delete root.dataset.theme; apply(); });
  apply();
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
  performance.mark("ready");
  document.documentElement.dataset.ready = "";
}

start();
