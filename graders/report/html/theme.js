// The system's light or dark, until one is chosen; that is kept for the next visit.

const THEMES = ["system", "light", "dark"];
const setTheme = (theme) => {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
};
const startTheme = () => {
  let theme = "system";
  try {
    theme = localStorage.getItem("graders-theme") || "system";
  } catch { /* The system's, then. */ }
  setTheme(THEMES.includes(theme) ? theme : "system");
  byId("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "system") + 1) % THEMES.length];
    setTheme(next);
    try {
      localStorage.setItem("graders-theme", next);
    } catch { /* For this visit only. */ }
  });
};
