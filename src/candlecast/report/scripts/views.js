// The stretch of bars that the charts of a group show, and how wheel, pointers, keys and buttons move it.
"use strict";

const LEAST_BARS = 8;
const ZOOM = 1.25;
const TAP_PIXELS = 5;

class View {
  constructor(bars, [from, to]) {
    Object.assign(this, {bars, from, to, home: [from, to], charts: [], pointers: new Map(), pending: false});
  }

  set(from, to) {
    const width = Math.min(Math.max(to - from, LEAST_BARS), this.bars);
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - width / 2, 0), this.bars - width);
    this.to = this.from + width;
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = false;
    for (const chart of this.charts) {
      if (chart.isSeen) chart.draw(this);
      else chart.isStale = true;
    }
  }

  zoom(factor, centre = (this.from + this.to) / 2) {
    this.set(centre - (centre - this.from) * factor, centre + (this.to - centre) * factor);
  }

  pan(bars) {
    const moved = Math.min(Math.max(bars, -this.from), this.bars - this.to);
    this.set(this.from + moved, this.to + moved);
  }

  /** Make a chart part of the view, and let it be moved there. */
  add(chart, onTap) {
    this.charts.push(chart);
    chart.view = this;
    const element = chart.element;
    const inner = () => element.clientWidth - chart.api.priceScale("right").width();
    const barAt = (x) => this.from + (x - element.getBoundingClientRect().left) / inner() * (this.to - this.from);
    element.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
        this.pan((event.deltaX || event.deltaY) / inner() * (this.to - this.from));
      } else {
        this.zoom(ZOOM ** Math.max(-2, Math.min(2, event.deltaY / 50)), barAt(event.clientX));
      }
    }, {passive: false});
    element.addEventListener("keydown", (event) => {
      const step = 0.15 * (this.to - this.from);
      const moves = {
        ArrowLeft: () => this.pan(-step), ArrowRight: () => this.pan(step), "+": () => this.zoom(1 / ZOOM), "=": () => this.zoom(1 / ZOOM),
        "-": () => this.zoom(ZOOM), 0: () => this.set(0, this.bars), Home: () => this.pan(-this.bars), End: () => this.pan(this.bars),
      };
      if (!moves[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      moves[event.key]();
    });
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, {x: event.clientX, start: event.clientX});
    });
    element.addEventListener("pointermove", (event) => {
      const pointer = this.pointers.get(event.pointerId);
      if (!pointer) return;
      const before = [...this.pointers.values()].map(({x}) => x);
      const middle = barAt(before.reduce((a, b) => a + b) / before.length);
      pointer.x = event.clientX;
      const after = [...this.pointers.values()].map(({x}) => x);
      if (after.length === 2) {
        const [was, is] = [Math.abs(before[0] - before[1]), Math.abs(after[0] - after[1])];
        if (is > 0) this.zoom(was / is, middle);
      } else {
        this.pan(middle - barAt(after[0]));
      }
    });
    element.addEventListener("pointerup", (event) => {
      const pointer = this.pointers.get(event.pointerId);
      if (pointer && this.pointers.size === 1 && Math.abs(event.clientX - pointer.start) < TAP_PIXELS) {
        onTap(barAt(event.clientX), TAP_PIXELS * 2 / inner() * (this.to - this.from));
      }
      this.pointers.delete(event.pointerId);
    });
    element.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    new IntersectionObserver(([{isIntersecting}]) => {
      chart.isSeen = isIntersecting;
      if (!isIntersecting || !chart.isStale) return;
      chart.isStale = false;
      chart.draw(this);
    }, {rootMargin: "200px"}).observe(element);
    new ResizeObserver(() => this.set(this.from, this.to)).observe(element);
  }
}

const SPANS = [["1 day", 1], ["1 week", 7], ["1 month", 31], ["3 months", 92], ["1 year", 366], ["5 years", 1827]];

/** Buttons for the lengths of time that make sense here, each ending where the view ends. */
function spanButtons(view, time, place) {
  const days = (time.at(-1) - time[0]) / 86400, perBar = days / view.bars;
  const spans = SPANS.filter(([, length]) => length < days && length / perBar >= LEAST_BARS);
  for (const [words, length] of [...spans, ["All", 0]]) {
    const button = place.appendChild(Object.assign(document.createElement("button"), {type: "button", textContent: words}));
    button.addEventListener("click", () => {
      if (!length) return view.set(Math.min(...view.charts.map(({begin}) => begin)), view.bars);
      const end = Math.min(Math.ceil(view.to), view.bars) - 1;
      let start = end;
      while (start > 0 && time[end] - time[start - 1] < length * 86400) start--;
      view.set(start, end + 1);
    });
  }
}
