"use strict";
// Light or dark, as Airflow's UI around this page is; else as it was chosen there; else as the
// system is. A classic script in the head: it runs before anything is painted.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const around = () => {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
    } catch {
      return null; // A page of another origin is around: it does not say.
    }
  };
  const known = (name) => (name === "dark" || name === "light" ? name : null);
  const chosen = () => {
    const classes = around()?.classList;
    if (classes?.contains("dark")) return "dark";
    if (classes?.contains("light")) return "light";
    try {
      return known(localStorage.getItem("theme"));
    } catch {
      return null;
    }
  };
  const apply = () => {
    document.documentElement.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  const outer = around();
  if (outer) {
    new MutationObserver(apply).observe(outer, { attributes: true, attributeFilter: ["class"] });
  }
})();
