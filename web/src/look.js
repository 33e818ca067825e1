// What is shown: a picture, and another one or a map over it.
import { find, make } from "./dom.js";
import { WORDS } from "./words.js";

export class Look {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.base = "result";
    this.over = "";
    this.how = "over";
    this.isBlinking = false;
    this.wipe = 0.5;
    find("base").onchange = () => this.choose(find("base").value);
    find("over").onchange = () => {
      this.over = find("over").value;
      this.draw();
    };
    find("opacity").oninput = () => this.draw();
    for (const radio of document.querySelectorAll("input[name=compare]")) {
      radio.addEventListener("change", () => {
        this.how = /** @type {HTMLInputElement} */ (radio).value;
        this.isBlinking = false;
        this.draw();
      });
    }
    setInterval(() => {
      if (this.how === "blink" && this.over) this.blink();
    }, 700);
    find("keep-form").onsubmit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      await app.ask("/api/results", { action: "keep", name: find("keep-name").value });
      find("keep-name").value = "";
      app.load();
    };
    this.#connectWipe();
  }

  /** The results that were kept. */
  #drawKept() {
    const { kept, state } = this.app.state;
    const input = find("keep-name");
    input.disabled = find("keep-form").querySelector("button").disabled = state !== "ready";
    if (!input.value && document.activeElement !== input) input.value = WORDS.keptName((kept?.length ?? 0) + 1);
    find("kept").replaceChildren(
      ...(kept ?? []).map((/** @type {string} */ name) => {
        const show = make("button", { className: "what", title: name }, name);
        show.onclick = () => {
          this.over = `kept/${name}`;
          this.draw();
        };
        const drop = make("button", { "aria-label": WORDS.forget(name) }, "✕");
        drop.onclick = () => this.app.ask("/api/results", { action: "drop", name }).then(() => this.app.load());
        return make("li", {}, show, drop);
      }),
    );
  }

  #connectWipe() {
    const handle = find("wipe-handle");
    const move = (/** @type {number} */ share) => {
      this.wipe = Math.min(1, Math.max(0, share));
      handle.style.left = `${100 * this.wipe}%`;
      handle.setAttribute("aria-valuenow", String(Math.round(100 * this.wipe)));
      this.app.view.setWipe(this.how === "wipe" && this.over ? this.wipe : null);
    };
    handle.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = find("view").getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    });
    handle.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!step) return;
      event.preventDefault();
      move(this.wipe + step);
    });
    this.moveWipe = move;
  }

  /** Look at another picture. @param {string} name */
  choose(name) {
    this.base = name;
    this.app.draw();
  }

  /** Show the other picture alone, or the first again. */
  blink() {
    if (!this.over) {
      // nothing to compare with: the frame that the strip has chosen
      this.over = this.base === "result" ? `frame/${this.app.strip.chosen}` : "result";
      this.how = "off";
    }
    this.isBlinking = !this.isBlinking;
    this.draw();
  }

  /** The name of a layer for a person. @param {string} name @returns {string} */
  nameOf(name) {
    const { frames } = this.app.state;
    if (name.startsWith("kept/")) return name.slice(5);
    if (name.startsWith("frame/")) return frames[Number(name.slice(6))]?.name ?? name;
    return /** @type {Record<string, string>} */ (WORDS.layers)[name] ?? name;
  }

  /** What is seen until the result is there: its draft, or, where small stacks have none, the reference. */
  get #standIn() {
    const { layers, frames } = this.app.state;
    return layers.draft ? "draft" : `frame/${frames.find((/** @type {any} */ frame) => frame.is_reference)?.position}`;
  }

  draw() {
    const { layers } = this.app.state;
    this.#drawKept();
    const names = ["result", ...Object.keys(layers).filter((name) => name !== "result" && name !== "draft")];
    fill(find("base"), names.filter((name) => layers[name] || name === "result"), this.base, (name) => this.nameOf(name));
    if (!layers[this.base] && this.base !== "result") this.base = "result";
    if (!layers[this.over] || this.over === this.base) this.over = "";
    const others = names.filter((name) => layers[name] && name !== this.base);
    fill(find("over"), ["", ...others], this.over, (name) => (name ? this.nameOf(name) : WORDS.nothing));
    /** @type {{name: string, opacity: number}[]} */
    const wanted = [];
    const isReady = this.app.state.state === "ready";
    if (this.base === "result" && !isReady) wanted.push({ name: this.#standIn, opacity: 1 });
    wanted.push({ name: this.base, opacity: 1 });
    if (this.over) {
      const isHidden = (this.how === "blink" || this.how === "off") && !this.isBlinking;
      const opacity = this.how === "over" ? find("opacity").value / 100 : isHidden ? 0 : 1;
      wanted.push({ name: this.over, opacity });
    }
    find("opacity").disabled = this.how !== "over" || !this.over;
    find("wipe-handle").hidden = this.how !== "wipe" || !this.over;
    this.moveWipe?.(this.wipe);
    this.app.view.show(layers, wanted);
  }
}

/**
 * Fill a list of choices, unless it holds them already.
 * @param {HTMLSelectElement} select
 * @param {string[]} names
 * @param {string} chosen
 * @param {(name: string) => string} call
 */
export function fill(select, names, chosen, call) {
  const key = JSON.stringify(names.map((name) => [name, call(name)]));
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(...names.map((name) => make("option", { value: name }, call(name))));
  }
  select.value = names.includes(chosen) ? chosen : names[0];
}
