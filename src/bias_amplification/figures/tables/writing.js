// Tables of a page can be sorted by a column and searched. Without this script they are plain tables.
"use strict";
(() => {
  const ROWS_WORTH_A_SEARCH = 8;
  const NUMBER = /^[<>≤≥~]?\s*[-−+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?/i;
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const number = (text) => {
    const found = NUMBER.exec(text);
    return found ? Number(found[0].replace(/[<>≤≥~\s,+]/g, "").replace("−", "-")) : NaN;
  };

  // Empty cells stay last in both directions.
  const compare = (one, other, direction) => {
    if (!one || !other) return Number(!one) - Number(!other);
    const difference = number(one) - number(other);
    return direction * (difference || words.compare(one, other));
  };

  const sort = (table, heading) => {
    const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const place = heading.cellIndex;
    const text = (row) => row.cells[place].textContent.trim();
    const rows = [...table.tBodies[0].rows].map((row) => [text(row), row]);
    rows.sort((one, other) => compare(one[0], other[0], direction));
    table.tBodies[0].append(...rows.map((pair) => pair[1]));
  };

  const search = (table, box) => {
    const rows = [...table.tBodies[0].rows];
    const name = table.getAttribute("aria-label");
    const line = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const found = document.createElement("span");
    line.className = "search";
    input.type = "search";
    found.setAttribute("role", "status");
    label.append("Search ", input);
    if (name) input.setAttribute("aria-label", `Search ${name}`);
    line.append(label, found);
    box.before(line);
    const texts = rows.map((row) => Array.from(row.cells, (cell) => cell.textContent).join("\n").toLowerCase());
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, place) => {
        row.hidden = !wanted.every((word) => texts[place].includes(word));
        shown += Number(!row.hidden);
      });
      found.textContent = wanted.length ? `${shown} of ${rows.length} rows` : "";
    });
  };

  for (const box of document.querySelectorAll(".table")) {
    const table = box.querySelector("table");
    if (!table || !table.tBodies[0].rows.length) continue;
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading));
    }
    if (table.tBodies[0].rows.length > ROWS_WORTH_A_SEARCH) search(table, box);
  }
})();
