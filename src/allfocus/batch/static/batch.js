"use strict";
// Filters and sorts the table; without it the table stands there whole, failures first.
const body = document.querySelector("tbody");
const rows = Array.from(body.rows);
const words = document.querySelector("#words");
const state = document.querySelector("#state");
const shown = document.querySelector("#shown");

function filter() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const fits = (!state.value || row.dataset.state === state.value) && wanted.every((word) => text.includes(word));
    row.hidden = !fits;
    count += fits;
  }
  shown.textContent = `${count} of ${rows.length}`;
}

function key(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value ?? cell.textContent;
  const number = Number(value);
  return value !== "" && !Number.isNaN(number) ? number : value.toLowerCase();
}

function compare(one, other) {
  if (one === "" || other === "") return (one === "") - (other === "") || 0; // what is unknown comes last
  if (typeof one === typeof other) return typeof one === "number" ? one - other : one.localeCompare(other, undefined, { numeric: true });
  return typeof one === "number" ? -1 : 1;
}

function sort(head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const column = head.cellIndex;
  const keyed = rows.map((row) => [key(row, column), row]);
  keyed.sort(([a], [b]) => (a === "" || b === "" ? compare(a, b) : (down ? -1 : 1) * compare(a, b)));
  body.append(...keyed.map(([, row]) => row));
}

for (const head of document.querySelectorAll("thead th")) {
  const button = head.querySelector("button");
  if (button) button.addEventListener("click", () => sort(head));
}
words.addEventListener("input", filter);
state.addEventListener("change", filter);
filter();
