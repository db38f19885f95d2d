// Light and dark, kept for the next page; filters that apply when chosen; two runs at most to compare.
"use strict";

const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const kept = localStorage.getItem("theme");
if (kept === "light" || kept === "dark") root.dataset.theme = kept;

addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const name = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    button.textContent = isDark ? "Light" : "Dark";
    button.setAttribute("aria-label", `Change to ${isDark ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = button.textContent.toLowerCase();
    localStorage.setItem("theme", root.dataset.theme);
    name();
  });
  dark.addEventListener("change", name);
  name();
  for (const select of document.querySelectorAll(".filters select")) select.addEventListener("change", () => select.form.submit());
  const boxes = [...document.querySelectorAll('input[type="checkbox"][name="run"]')], compare = document.getElementById("compare");
  const count = () => { compare.disabled = boxes.filter((box) => box.checked).length !== 2; };
  for (const box of boxes) box.addEventListener("change", () => {
    const chosen = boxes.filter((each) => each.checked && each !== box);
    if (box.checked && chosen.length > 1) chosen[0].checked = false;
    count();
  });
  if (compare && boxes.length) count();
});
