// The list of trades: sorting, pages of rows, the trade that was chosen, and its fills with the forecasts behind them.
"use strict";

const ROWS = 50;
const REACH = 0.6;  // bars shown beside a trade, as a part of its length

class Trades {
  constructor(data, view, place, detail) {
    const {columns, header} = data;
    Object.assign(this, {data, view, place, detail, header, chosen: -1, shown: ROWS});
    const of = (name) => columns[`trade_${name}`].values;
    this.columns = Object.fromEntries(header.fields.map(({name}) => [name, of(name)]));
    this.count = of("opened").length;
    this.order = Uint32Array.from({length: this.count}, (_, i) => i);
    this.sorted = {name: "opened", sign: 1};
    this.digits = priceDigits(data.pyramid("high").largest);  // the same for all prices, so that they stand below each other
    for (const button of place.querySelectorAll("th button")) button.addEventListener("click", () => this.sort(button.dataset.name));
    place.querySelector(".more").addEventListener("click", () => { this.shown += 10 * ROWS; this.render(); });
    this.render();
  }

  sort(name) {
    const values = this.columns[name];
    this.sorted = {name, sign: this.sorted.name === name ? -this.sorted.sign : 1};
    this.order.sort((a, b) => this.sorted.sign * (values[a] - values[b]) || a - b);
    this.shown = ROWS;
    this.render();
  }

  text({name, kind}, row) {
    const value = this.columns[name][row];
    if (kind === "time") return moment(this.data.time[value], this.data.step);
    if (kind === "words") return this.worded(this.header.words[name][value]);
    if (value !== value) return "-";
    if (kind === "percent") return `${value.toFixed(2)}\u00a0%`;
    return kind === "count" ? written(value, 0) : kind === "money" ? written(value, 2) : written(value, this.digits);
  }

  /** A reason as people read it; the CSV has the word of the library. */
  worded(reason) {
    return this.header.written[reason] ?? reason;
  }

  /** Draws the rows; the trade that had the focus keeps it. */
  render() {
    const body = this.place.querySelector("tbody");
    const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.trade : undefined;
    body.replaceChildren();
    for (const row of this.order.subarray(0, this.shown)) {
      const line = body.appendChild(document.createElement("tr"));
      line.dataset.trade = row;
      if (row === this.chosen) line.className = "chosen";
      this.header.fields.forEach((field, place) => {
        const cell = line.appendChild(document.createElement(place ? "td" : "th"));
        if (place) { cell.textContent = this.text(field, row); return; }
        cell.scope = "row";
        const button = cell.appendChild(Object.assign(document.createElement("button"), {type: "button", textContent: this.text(field, row)}));
        button.addEventListener("click", () => this.choose(row, true));
      });
    }
    if (focused !== undefined) body.querySelector(`tr[data-trade="${focused}"] button`)?.focus({preventScroll: true});
    for (const head of this.place.querySelectorAll("th[data-name]")) {
      const isSorted = head.dataset.name === this.sorted.name;
      head.setAttribute("aria-sort", isSorted ? this.sorted.sign > 0 ? "ascending" : "descending" : "none");
    }
    const more = this.place.querySelector(".more");
    more.hidden = this.shown >= this.count;
    more.textContent = `Show more of ${this.count.toLocaleString("en-US")} trades`;
  }

  /** The trade that was open at, or nearest to, a bar; none further away than `reach` bars. */
  near(bar, reach) {
    const {opened, closed} = this.columns;
    let best = -1, least = reach;
    for (let i = 0; i < this.count; i++) {
      const end = Math.max(closed[i], opened[i] + 1);
      if (opened[i] <= bar && bar < end) return i;
      const distance = bar < opened[i] ? opened[i] - bar : bar - end;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  choose(row, isZoomed = false) {
    if (row < 0) return;
    this.chosen = row;
    const opened = this.columns.opened[row], closed = this.columns.closed[row];
    this.data.window = [opened - this.header.window, opened];
    this.data.held = [opened, closed];
    if (isZoomed) {
      const margin = Math.max(this.header.window, (closed - opened) * REACH, 20);
      this.view.set(opened - margin, closed + margin);
      document.getElementById("signals").scrollIntoView({block: "nearest"});
    }
    for (const chart of this.view.charts) chart.refresh();
    this.render();
    this.tell(row);
  }

  /** What was decided, forecast, ordered and paid. */
  tell(row) {
    const list = document.createElement("dl");
    const add = (term, words) => {
      const pair = list.appendChild(document.createElement("div"));
      pair.appendChild(document.createElement("dt")).textContent = term;
      pair.appendChild(document.createElement("dd")).textContent = words;
    };
    for (const field of this.header.fields) add(field.title, this.text(field, row));
    if (this.header.window > 1) add("Window of its first forecast", `${this.header.window} bars, shaded`);
    const fills = document.createElement("table");
    fills.innerHTML = "<caption></caption><thead></thead><tbody></tbody>";
    const heads = ["Filled", "Side", "Units", "Price", "Cost", "Ordered position", "Expected return", ...this.header.seeds.map((seed) => `Seed ${seed}`)];
    const top = fills.tHead.appendChild(document.createElement("tr"));
    for (const words of heads) top.appendChild(Object.assign(document.createElement("th"), {scope: "col", textContent: words}));
    const fill = (name, i) => this.data.columns[`fill_${name}`].values[i];
    const [first, last] = this.data.fillsBetween(this.columns.opened[row], this.columns.closed[row] + 1);
    const shown = last - first > ROWS ? `The first ${ROWS} of ${(last - first).toLocaleString("en-US")} fills` : "Fills";
    fills.caption.textContent = `${shown}, and what each seed expected when the order was decided`;
    for (let i = first; i < Math.min(last, first + ROWS); i++) {
      const line = fills.tBodies[0].appendChild(document.createElement("tr"));
      const side = fill("side", i) > 0 ? "buy" : "sell", target = fill("target", i);
      const cells = [
        moment(this.data.time[fill("bar", i)], this.data.step), side, written(fill("units", i)), written(fill("price", i), this.digits),
        fill("cost", i).toFixed(2), target === target ? `${target.toFixed(0)}\u00a0%` : this.worded(this.header.reasons[fill("reason", i)]),
        percent(fill("mean", i)), ...this.header.seeds.map((seed) => percent(fill(`seed_${seed}`, i))),
      ];
      cells.forEach((words, place) => line.appendChild(Object.assign(document.createElement(place ? "td" : "th"), {textContent: words, ...(place ? {} : {scope: "row"})})));
    }
    const scroll = Object.assign(document.createElement("div"), {className: "scroll", tabIndex: 0});
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Fills of the chosen trade");
    scroll.append(fills);
    this.detail.replaceChildren(Object.assign(document.createElement("h3"), {textContent: `Trade ${row + 1}`}), list, scroll);
    this.detail.hidden = false;
  }

  csv() {
    const fields = this.header.fields;
    const lines = [fields.map(({name}) => name).join(",")];
    for (let row = 0; row < this.count; row++) {
      lines.push(fields.map(({name, kind}) => {
        const value = this.columns[name][row];
        return kind === "time" ? new Date(1000 * this.data.time[value]).toISOString() : kind === "words" ? this.header.words[name][value] : value === value ? value : "";
      }).join(","));
    }
    return lines;
  }
}

function percent(value) {
  return value === value ? `${value > 0 ? "+" : ""}${value.toFixed(3)}\u00a0%` : "-";
}

/** A time in UTC, as a date alone for bars of a day or more. */
function moment(seconds, step) {
  return new Date(1000 * seconds).toISOString().slice(0, step < 86400 ? 16 : 10).replace("T", " ");
}
