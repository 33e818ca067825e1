// The strip of frames.
import { find, make } from "./dom.js";
import { WORDS } from "./words.js";

/** Letters of a name that are never left out. */
const TAIL = 8;

export class Strip {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.chosen = 0;
    this.key = "";
    /** @type {Map<string, HTMLImageElement>} */
    this.pictures = new Map();
  }

  draw() {
    const { frames, leave_out: leftOut, opened } = this.app.state;
    this.chosen = Math.min(this.chosen, Math.max(0, frames.length - 1)); // there may be fewer now
    const rows = [...frames, ...leftOut.map((/** @type {string} */ name) => ({ name, position: -1, left_out: WORDS.leftOut }))];
    this.best = Math.max(...frames.map((/** @type {any} */ row) => row.sharpness ?? 0), 1e-9);
    const key = JSON.stringify([opened, rows]);
    if (key !== this.key) {
      this.key = key;
      this.pictures.clear();
      find("strip").replaceChildren(...rows.map((row) => this.#item(row)));
    }
    for (const button of find("strip").querySelectorAll(".pick")) {
      button.setAttribute("aria-pressed", String(this.app.look.base === `frame/${button.dataset.position}`));
    }
  }

  /** A thumbnail's address, another one for each stack: frames of two stacks may share a name. */
  #address(/** @type {string} */ name) {
    return `/thumbnails/${encodeURIComponent(name)}?${this.app.state.opened}`;
  }

  #item(/** @type {any} */ row) {
    const picture = make("img", { alt: "", loading: "lazy", draggable: false });
    if (row.sharpness !== undefined || row.position < 0) picture.src = this.#address(row.name); // it was read
    picture.onerror = () => (picture.style.visibility = "hidden");
    picture.onload = () => (picture.style.visibility = "");
    this.pictures.set(row.name, picture);
    const why = row.left_out || (row.is_reference ? WORDS.reference : "");
    const share = row.sharpness === undefined ? 0 : row.sharpness / (this.best ?? 1);
    const bar = make("span");
    bar.style.width = `${100 * share}%`;
    const known = [row.name, why, row.time, row.sharpness === undefined ? "" : WORDS.sharpness(share)];
    const number = row.position < 0 ? "" : `${row.position + 1}  `;
    const letters = [...row.name];
    const pick = make(
      "button",
      { className: "pick", title: known.filter(Boolean).join("\n"), disabled: row.position < 0 },
      picture,
      // names of a stack differ at their end: that part always fits
      make(
        "span",
        { className: "name" },
        make("span", { className: "head" }, number + letters.slice(0, -TAIL).join("")),
        make("span", { className: "tail" }, letters.slice(-TAIL).join("")),
      ),
      make("span", { className: "why" }, why || row.time || ""),
      make("span", { className: "sharp", role: "img", "aria-label": WORDS.sharpness(share) }, bar),
    );
    pick.dataset.position = row.position;
    pick.onclick = () => this.choose(row.position);
    const more = make("button", { className: "more", "aria-label": `${row.name}: more`, "aria-haspopup": "menu" }, "⋯");
    more.onclick = () => this.#menu(more, row);
    return make("li", { className: row.left_out ? "out" : "" }, pick, more);
  }

  #menu(/** @type {HTMLElement} */ button, /** @type {any} */ row) {
    document.getElementById("menu")?.remove();
    const { state } = this.app;
    const isOut = row.position < 0;
    const names = isOut ? state.leave_out.filter((/** @type {string} */ name) => name !== row.name) : [...state.leave_out, row.name];
    const entries = [make("button", { role: "menuitem", onclick: () => this.app.options.run({ leave_out: names }) }, isOut ? WORDS.useAgain : WORDS.leaveOut)];
    if (!isOut && !row.left_out) {
      entries.push(make("button", { role: "menuitem", onclick: () => this.app.options.run({ reference: row.name }) }, WORDS.makeReference));
    }
    const menu = make("div", { id: "menu", role: "menu", popover: "auto" }, ...entries);
    menu.addEventListener("click", () => menu.remove());
    menu.addEventListener("toggle", (/** @type {any} */ event) => event.newState === "closed" && menu.remove());
    document.body.append(menu);
    menu.showPopover();
    const box = button.getBoundingClientRect();
    menu.style.left = `${Math.min(box.left, innerWidth - menu.offsetWidth - 8)}px`;
    menu.style.top = `${box.top - menu.offsetHeight - 4}px`;
    entries[0].focus();
  }

  /** Show a frame, or the result again. @param {number} position */
  choose(position) {
    this.chosen = position;
    this.app.look.choose(this.app.look.base === `frame/${position}` ? "result" : `frame/${position}`);
  }

  /** The frame so many places further. @param {number} by */
  step(by) {
    const { frames } = this.app.state;
    if (!frames.length) return;
    const isShown = this.app.look.base.startsWith("frame/");
    this.chosen = isShown ? Math.min(frames.length - 1, Math.max(0, this.chosen + by)) : this.chosen;
    this.app.look.choose(`frame/${this.chosen}`);
    find("strip").children[this.chosen]?.scrollIntoView({ inline: "nearest", block: "nearest" });
  }

  /** Leave the chosen frame out. */
  leaveOut() {
    const { frames, leave_out: leftOut } = this.app.state;
    const isShown = this.app.look.base.startsWith("frame/");
    const name = isShown ? frames[this.chosen]?.name : undefined;
    if (name) this.app.options.run({ leave_out: [...leftOut, name] });
    else if (leftOut.length) this.app.options.run({ leave_out: leftOut.slice(0, -1) });
  }

  /** A thumbnail is there now, and what is known of its frame. @param {any} message */
  refresh(message) {
    const { name } = message;
    const picture = this.pictures.get(name);
    if (picture) picture.src = `${this.#address(name)}-${performance.now()}`;
    const row = this.app.state.frames.find((/** @type {any} */ one) => one.name === name);
    if (row) Object.assign(row, { sharpness: message.sharpness, time: message.time });
  }
}
