// Light and dark: the button of every page. The choice is kept for the next page; printed, a page is light.
// Whatever draws colours by itself listens to the event "theme" of the window.
"use strict";

(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = (work) => { try { return work(localStorage); } catch { return null; } };  // a page may be denied its storage
  const kept = stored((storage) => storage.getItem("theme"));
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  const announce = () => dispatchEvent(new Event("theme"));
  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; announce(); });
  addEventListener("afterprint", () => { if (before) root.dataset.theme = before; else delete root.dataset.theme; announce(); });

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => {
      const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
      button.textContent = isDark ? "Light" : "Dark";
      button.setAttribute("aria-label", `Change to ${isDark ? "light" : "dark"} colours`);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = button.textContent.toLowerCase();
      stored((storage) => storage.setItem("theme", root.dataset.theme));
      announce();
    });
    addEventListener("theme", name);
    dark.addEventListener("change", announce);
    name();
    button.hidden = false;
  });
})();
