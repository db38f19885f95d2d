"use strict";
const plots = JSON.parse(document.getElementById("plots").textContent);
const isTouch = matchMedia("(pointer: coarse)").matches;
const config = {
  responsive: true, displaylogo: false, showTips: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};
for (const [name, plot] of Object.entries(plots)) {
  if (isTouch) plot.layout.dragmode = false;  // a finger that passes over a figure scrolls the page
  Plotly.newPlot(name, plot.data, plot.layout, config);
}

for (const button of document.querySelectorAll("button[data-layout]")) {
  button.addEventListener("click", () => {
    Plotly.relayout(button.dataset.figure, JSON.parse(button.dataset.layout));
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
  });
}

const PRINT_WIDTH = 680;  // CSS pixels of a printed A4 or letter page within its margins
addEventListener("beforeprint", () => {
  for (const name of Object.keys(plots)) Plotly.relayout(name, {width: PRINT_WIDTH});
});
addEventListener("afterprint", () => {
  for (const name of Object.keys(plots)) Plotly.relayout(name, {width: null, autosize: true});
});
