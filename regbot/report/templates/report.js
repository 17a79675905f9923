
"use strict";
(() => {
  const table = document.getElementById("actions");
  if (!table) return;
  const PAGE = 500;
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const counter = document.getElementById("shown");
  const more = document.getElementById("more");
  const natural = new Intl.Collator("en", { numeric: true });
  const entries = Array.from(body.rows, (row) => ({
    row,
    text: row.textContent.toLowerCase(),
    status: row.dataset.status,
  }));
  const first = entries.slice();
  let order = first;
  let limit = PAGE;

  const valueOf = (entry, column) => {
    const cell = entry.row.cells[column];
    if (!heads[column].classList.contains("number")) return cell.textContent;
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : natural.compare(a, b));

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry) =>
      (!status.value || entry.status === status.value) &&
      words.every((word) => entry.text.includes(word));
    const found = order.filter(fits);
    body.replaceChildren(...found.slice(0, limit).map((entry) => entry.row));
    const count = Math.min(limit, found.length);
    counter.value = `${count} of ${found.length === entries.length ? "" : `${found.length} found, `}${entries.length}`;
    more.hidden = count === found.length;
    more.textContent = `Show all ${found.length}`;
  };

  const sortBy = (column) => {
    const head = heads[column];
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = first.map((entry) => ({ entry, key: valueOf(entry, column) }));
    const known = keyed.filter(({ key }) => key !== null && key !== "");
    const unknown = keyed.filter(({ key }) => key === null || key === "");
    known.sort((a, b) => (down ? compare(b.key, a.key) : compare(a.key, b.key)));
    order = known.concat(unknown).map(({ entry }) => entry);
    show();
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(column));
    head.replaceChildren(button);
  });
  const refilter = () => {
    limit = PAGE;
    show();
  };
  search.addEventListener("input", refilter);
  status.addEventListener("change", refilter);
  more.addEventListener("click", () => {
    limit = Infinity;
    show();
  });
  const controls = document.getElementById("controls");
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.hidden = false;
  addEventListener("beforeprint", () => {
    limit = Infinity;
    show();
  });
  show();
})();
