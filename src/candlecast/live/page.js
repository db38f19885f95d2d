// Shows the state of a session, and draws it anew with every state that the server sends.
"use strict";

const SVG = "http://www.w3.org/2000/svg", LEFT = 64, RIGHT = 8, TOP = 8, BOTTOM = 24, TICK_PIXELS = 170;
let lines = [];

function put(id, text) {
  document.getElementById(id).textContent = text;
}

/** A table with its heading, or a sentence where it has no rows. */
function rows(id, absent, caption, head, body) {
  const table = document.getElementById(id);
  table.replaceChildren();
  if (!body.length) {
    table.createTBody().insertRow().insertCell().textContent = absent;
    return;
  }
  if (caption) table.createCaption().textContent = caption;
  const add = (part, cells, isHead) => {
    const row = part.insertRow();
    cells.forEach((text, place) => {
      const cell = row.appendChild(document.createElement(isHead || !place ? "th" : "td"));
      if (cell.tagName === "TH") cell.scope = isHead ? "col" : "row";
      cell.textContent = text;
    });
  };
  add(table.createTHead(), head, true);
  const part = table.createTBody();
  for (const cells of body) add(part, cells, false);
}

/** Round numbers within a range, about as many as asked for. */
function ticks(low, high, most) {
  const raw = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw * (1 - 1e-9));
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

/** A moment, UTC: the day, or the time of day where all is within two days. */
function moment(seconds, span) {
  const text = new Date(1000 * seconds).toISOString();
  return span > 2 * 86_400 ? text.slice(0, 10) : text.slice(5, 16).replace("T", " ");
}

function draw() {
  const picture = document.getElementById("equity");
  picture.replaceChildren();
  const points = lines.flatMap(([, of]) => of);
  if (!points.length) return;
  const width = picture.clientWidth, height = picture.clientHeight;
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const extent = (place) => points.reduce(([low, high], point) => [Math.min(low, point[place]), Math.max(high, point[place])], [Infinity, -Infinity]);
  const [first, last] = extent(0), [low, high] = extent(1);
  const across = (x) => LEFT + (x - first) / (last - first || 1) * (width - LEFT - RIGHT);
  const down = (y) => height - BOTTOM - (high > low ? (y - low) / (high - low) : 0.5) * (height - TOP - BOTTOM);
  const add = (name, attributes, text = "") => {
    const made = picture.appendChild(document.createElementNS(SVG, name));
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
  };
  const values = high > low ? ticks(low, high, 5) : [low], step = values.length > 1 ? values[1] - values[0] : 1;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (const value of values) {
    add("path", {class: "grid", d: `M${LEFT} ${down(value)}H${width - RIGHT}`});
    add("text", {class: "end", x: LEFT - 8, y: down(value) + 4}, value.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits}));
  }
  const parts = Math.max(1, Math.floor((width - LEFT - RIGHT) / TICK_PIXELS));
  for (let part = 0; part <= parts; part++) {
    const time = first + (last - first) * part / parts;
    add("text", {class: part ? part === parts ? "end" : "middle" : "", x: across(time), y: height - 6}, moment(time, last - first));
    if (last === first) break;
  }
  for (const [kind, of] of lines) add("polyline", {class: kind, points: of.map(([x, y]) => `${across(x)},${down(y)}`).join(" ")});
}

function show(state) {
  document.title = state.title;
  put("period", state.period);
  put("verdict", state.verdict);
  const badges = state.badges.map((text) => Object.assign(document.createElement("span"), {className: "badge", textContent: text}));
  document.getElementById("badges").replaceChildren(...badges);
  lines = [["grey", state.hold], ["orange", state.backtest], ["blue", state.paper]];
  draw();
  put("reconciled", state.reconciled);
  rows("bars", "No bar so far.", state.forecasts, ["Close, UTC", "Price", "Forecast", "Position", "Equity", "Seen"], state.bars);
  rows("notices", "No notices so far.", "", ["Time, UTC", "What"], state.notices);
}

show(JSON.parse(document.getElementById("state").textContent));
addEventListener("resize", draw);
addEventListener("beforeprint", draw);
if (location.protocol === "http:") new EventSource("events").onmessage = (event) => show(JSON.parse(event.data));
