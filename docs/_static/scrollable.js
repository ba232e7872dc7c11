// What scrolls sideways can be reached with the keyboard (WCAG 2.1.1).
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("pre, .table-wrapper")) box.tabIndex = 0;
});
