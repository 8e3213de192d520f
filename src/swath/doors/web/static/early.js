// Runs before the first paint: the theme is on the page before anything is drawn.
// A classic script, because modules wait for the document. Themes: "light", "dark" or "system".
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try {
      return localStorage.getItem("swath.theme") || "system";
    } catch {
      return "system";
    }
  };
  const apply = () => {
    const wanted = kept();
    root.dataset.theme = wanted === "system" ? (dark.matches ? "dark" : "light") : wanted;
    document.dispatchEvent(new CustomEvent("themechange", { detail: { theme: root.dataset.theme, wanted } }));
  };
  dark.addEventListener("change", apply);
  addEventListener("storage", (event) => event.key === "swath.theme" && apply());
  window.swathTheme = {
    kept,
    set(wanted) {
      try {
        localStorage.setItem("swath.theme", wanted);
      } catch {
        // A browser that keeps nothing still shows the system's theme.
      }
      apply();
    },
  };
  apply();
})();
