// Charts of a page. Vega-Embed comes before this script. Where a chart fails, the page keeps the drawn figure.
"use strict";
(() => {
  // Charts are drawn this long before they come into view.
  const MARGIN = "600px";
  const charts = [...document.querySelectorAll(".chart")];
  const waiting = new Set(charts);

  const swap = (chart, ready) => {
    chart.hidden = !ready;
    const still = chart.parentElement.querySelector(".still");
    if (still) still.hidden = ready;
  };

  const draw = async (chart) => {
    if (!waiting.delete(chart)) return;
    try {
      const specs = JSON.parse(chart.querySelector("script").textContent);
      const panels = [...chart.querySelectorAll(".panel")];
      // `ast`: expressions are interpreted, because the page's policy forbids making code from text.
      // `logLevel` 1: errors alone. Without any round to show, a chart has no range of values, of which Vega would warn.
      const tooltip = { disableDefaultStyle: true };
      const options = { ast: true, renderer: "svg", actions: false, logLevel: 1, tooltip };
      const drawn = await Promise.all(specs.map((spec, place) => vegaEmbed(panels[place], spec, options)));
      const boxes = [...chart.querySelectorAll("input")];
      const update = () => {
        const shown = boxes.filter((box) => box.checked).map((box) => box.value);
        return Promise.all(drawn.map(({ view }) => view.signal("shown", shown).runAsync()));
      };
      for (const box of boxes) box.addEventListener("change", update);
      // A browser may keep what was unchecked before the page was loaded again.
      await update();
      chart.dataset.ready = "yes";
    } catch (error) {
      swap(chart, false);
      console.error(error);
    }
  };

  // At once, so that links to places further down are not moved later.
  for (const chart of charts) swap(chart, true);
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: MARGIN },
  );
  for (const chart of charts) near.observe(chart);
  addEventListener("beforeprint", () => charts.forEach(draw));
})();
