// Filters that apply when chosen; two runs at most to compare.
"use strict";

addEventListener("DOMContentLoaded", () => {
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
