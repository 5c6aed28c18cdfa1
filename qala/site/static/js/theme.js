/* Light or dark, before the first paint; a choice is kept in this browser only. Not a module, so that it runs at once. */
(() => {
  "use strict";
  const root = document.documentElement;
  const KEY = "qala.theme";
  const kept = () => {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto";
    }
  };
  const apply = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
    }
  };
  const tell = () => document.dispatchEvent(new CustomEvent("qala:theme"));

  root.dataset.js = "";
  apply(kept());
  document.addEventListener("DOMContentLoaded", () => apply(kept()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-choice]");
    if (!button) return;
    try {
      localStorage.setItem(KEY, button.dataset.themeChoice);
    } catch {
      /* the choice then lasts for this page */
    }
    apply(button.dataset.themeChoice);
    tell();
  });
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) {
      apply(kept());
      tell();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
})();
