// What scrolls sideways is reached by keyboard, and says what it is. The theme lets tables and
// code be reached, without a name; formulas scroll as well.
(() => {
  const parts = [
    ["div.math, div.math mjx-container", "Formula"],
    [".pst-scrollable-table-container", "Table"],
    [".cell_output > .output", "Output"],
    ["div.highlight pre", "Code"],
  ];

  const nameOf = (part, kind) => {
    const caption = part.querySelector("figcaption, caption");
    const number = caption && caption.querySelector(".caption-number");
    const equation = part.closest(".math") && part.closest(".math").querySelector(".eqno");
    const said = (number || caption || equation || { textContent: "" }).textContent;
    return `${kind} ${said.replace("#", "").replace(/^(Fig\.|Table) /, "")}`.trim();
  };

  const name = () => {
    for (const [selector, kind] of parts) {
      for (const part of document.querySelectorAll(selector)) {
        if (part.scrollWidth > part.clientWidth + 1) {
          part.tabIndex = 0;
          part.setAttribute("role", "group");
          part.setAttribute("aria-label", `${nameOf(part, kind)}, scrolls sideways`);
        } else if (part.getAttribute("role") === "group") {
          part.removeAttribute("tabindex");
          part.removeAttribute("role");
          part.removeAttribute("aria-label");
        }
      }
    }
  };

  let waiting;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(name, 400); // after the theme, which takes 300
  };
  addEventListener("resize", later);
  addEventListener("load", () => {
    const formulas = window.MathJax && MathJax.startup && MathJax.startup.promise;
    Promise.resolve(formulas).then(later);
  });
})();
