// Painting: the brush, and the list of strokes.
import { find, make } from "./dom.js";
import { fill } from "./look.js";
import { Preview } from "./preview.js";
import { WORDS } from "./words.js";

const SMALLEST = 2;
const LARGEST = 1500;
/** Strokes that are listed, until a person asks for all: a long list takes time with every stroke. */
const LISTED = 200;

export class Retouch {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.isPainting = false;
    /** @type {number[][]} */
    this.points = [];
    /** @type {number[] | null} */
    this.at = null;
    /** Strokes that are not part of the picture in sight yet. @type {any[]} */
    this.waiting = [];
    /** Where the last stroke by keys ended. @type {number[] | null} */
    this.before = null;
    this.isWhole = false;
    this.preview = new Preview(app);
    this.canvas = find("overlay");
    find("brush").onclick = () => this.toggle();
    find("undo").onclick = () => this.undo();
    find("redo").onclick = () => this.redo();
    find("more-strokes").onclick = () => {
      this.isWhole = true;
      this.draw();
    };
    find("view").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#press(event));
    for (const kind of ["focusin", "focusout"]) find("view").addEventListener(kind, () => this.paint());
    find("radius").oninput = find("hardness").oninput = () => this.#label();
    this.#label();
    this.#connect();
    app.view.viewer.addHandler("update-viewport", () => this.paint());
    app.view.viewer.addHandler("animation-finish", () => this.#prepare());
    find("source").onchange = () => this.#prepare();
    new ResizeObserver(() => this.paint()).observe(this.canvas);
  }

  /** What a stroke would be made with, for the server to have it at hand. */
  get brush() {
    if (!this.isPainting) return "";
    const source = find("source").value;
    return `&radius=${this.radius}${source.startsWith("frame:") ? "" : `&source=${encodeURIComponent(source)}`}`;
  }

  /** Have at hand what a stroke would show. */
  #prepare() {
    if (this.isPainting) this.preview.prepare(find("source").value, this.at ?? this.middle, this.radius);
  }

  get radius() {
    return Math.round(SMALLEST * (LARGEST / SMALLEST) ** (find("radius").value / 100));
  }

  #label() {
    find("radius-is").textContent = `${this.radius} px`;
    find("hardness-is").textContent = `${find("hardness").value} %`;
    this.paint();
  }

  /** A brush so many times as large. @param {number} times */
  resize(times) {
    const wanted = Math.log((this.radius * times) / SMALLEST) / Math.log(LARGEST / SMALLEST);
    find("radius").value = Math.min(100, Math.max(0, 100 * wanted));
    this.#label();
  }

  toggle() {
    this.isPainting = !this.isPainting && this.app.state.state === "ready";
    find("brush").setAttribute("aria-pressed", String(this.isPainting));
    this.canvas.classList.toggle("painting", this.isPainting);
    if (this.isPainting && !this.app.look.base.startsWith("frame/")) this.app.look.choose("result");
    this.#prepare();
    this.paint();
  }

  #connect() {
    const { canvas, app } = this;
    const place = (/** @type {PointerEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      return app.view.toFrame(event.clientX - box.left, event.clientY - box.top);
    };
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pan = event.button === 1 || event.button === 2 ? [event.clientX, event.clientY] : null;
      if (!this.pan) this.points = [place(event)];
      event.preventDefault();
      find("view").focus({ preventScroll: true });
    });
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      this.at = place(event);
      if (this.pan) this.#move(event);
      else if (this.points.length) {
        for (const one of event.getCoalescedEvents?.() ?? [event]) this.#extend(place(one));
      }
      if (!find("source").value.startsWith("frame:")) this.#prepare(); // tiles of frames are those in sight
      this.paint();
    });
    canvas.addEventListener("pointerup", () => {
      this.pan = null;
      if (this.points.length) this.#send();
    });
    canvas.addEventListener("pointerleave", () => {
      this.at = null;
      this.paint();
    });
    canvas.addEventListener("contextmenu", (/** @type {Event} */ event) => event.preventDefault());
    canvas.addEventListener(
      "wheel",
      (/** @type {WheelEvent} */ event) => {
        event.preventDefault();
        if (event.altKey) {
          this.#scrollSource(Math.sign(event.deltaY));
          return;
        }
        const { viewport } = app.view.viewer;
        const box = canvas.getBoundingClientRect();
        const point = viewport.pointFromPixel(/** @type {any} */ (new DOMPoint(event.clientX - box.left, event.clientY - box.top)), true);
        viewport.zoomBy(event.deltaY < 0 ? 1.3 : 1 / 1.3, point);
      },
      { passive: false },
    );
  }

  /** The frame before or after the one that is painted with. */
  #scrollSource(/** @type {number} */ by) {
    const select = find("source");
    const next = select.selectedIndex + by;
    if (next >= 0 && next < select.options.length) select.selectedIndex = next;
    this.#prepare();
  }

  #move(/** @type {PointerEvent} */ event) {
    if (!this.pan) return;
    const { viewport } = this.app.view.viewer;
    const by = viewport.deltaPointsFromPixels(/** @type {any} */ (new DOMPoint(this.pan[0] - event.clientX, this.pan[1] - event.clientY)));
    this.pan = [event.clientX, event.clientY];
    viewport.panBy(by, true);
  }

  #extend(/** @type {number[]} */ point) {
    const last = this.points[this.points.length - 1];
    const far = Math.max(1, this.radius / 8);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= far) this.points.push(point);
  }

  /** The stroke that is under way. */
  get stroke() {
    return { points: this.points, radius: this.radius, hardness: find("hardness").value / 100, source: find("source").value };
  }

  #send() {
    const { stroke } = this;
    this.points = [];
    this.#add(stroke, find("match").checked);
  }

  /** The middle of the view, while keys go there: where they paint unless a pointer is above the picture. */
  get middle() {
    if (!find("view").contains(document.activeElement)) return null;
    return this.app.view.toFrame(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
  }

  /** Enter paints where the brush is, with Shift from where it painted before. */
  #press(/** @type {KeyboardEvent} */ event) {
    const here = this.at ?? this.middle;
    if (event.key !== "Enter" || !this.isPainting || !here) return;
    event.preventDefault();
    this.points = event.shiftKey && this.before ? [this.before, here] : [here];
    this.before = here;
    this.#send();
  }

  /** Add a stroke; it is drawn over the picture until the picture holds it. */
  async #add(/** @type {any} */ stroke, /** @type {boolean} */ match) {
    const { source, ...form } = stroke;
    const taken = source.startsWith("frame:") ? { frame: source.slice(6) } : { source };
    this.waiting.push(stroke);
    this.paint();
    const answer = await this.app.ask("/api/strokes", { action: "add", match, stroke: { ...form, ...taken } });
    if (answer) await this.app.view.whenShown("result", answer.version);
    this.waiting.splice(this.waiting.indexOf(stroke), 1);
    this.paint();
  }

  undo() {
    this.app.ask("/api/strokes", { action: "undo" });
  }

  redo() {
    this.app.ask("/api/strokes", { action: "redo" });
  }

  /** Take a place from a frame. @param {string} name @param {number[]} box */
  takePlace(name, box) {
    const [left, top, right, bottom] = box;
    const point = [(left + right) / 2, (top + bottom) / 2];
    const radius = 0.75 * Math.max(right - left, bottom - top);
    return this.#add({ source: `frame:${name}`, points: [point], radius, hardness: 0.6 }, true);
  }

  /** The server's list of strokes. @param {any} message */
  take(message) {
    Object.assign(this.app.state, { strokes: message.strokes, can_redo: message.can_redo });
    this.draw();
  }

  draw() {
    const { state } = this.app;
    const isReady = state.state === "ready";
    if (!isReady && this.isPainting) this.toggle();
    find("brush").disabled = !isReady;
    find("undo").disabled = !isReady || !state.strokes.length;
    find("redo").disabled = !isReady || !state.can_redo;
    const used = state.frames.filter((/** @type {any} */ frame) => !frame.left_out);
    const names = [...used.map((/** @type {any} */ frame) => `frame:${frame.name}`), ...(state.sources ?? [])];
    fill(find("source"), names, find("source").value, (name) =>
      name.startsWith("frame:") ? name.slice(6) : /** @type {Record<string, string>} */ (WORDS.sources)[name] ?? name,
    );
    find("stroke-count").textContent = state.strokes.length || "";
    find("no-strokes").textContent = state.strokes.length ? "" : WORDS.noStrokes;
    const rows = state.strokes.map((/** @type {any} */ stroke, /** @type {number} */ k) => this.#row(stroke, k)).reverse();
    find("strokes").replaceChildren(...(this.isWhole ? rows : rows.slice(0, LISTED)));
    find("more-strokes").hidden = this.isWhole || rows.length <= LISTED;
    find("more-strokes").textContent = WORDS.allStrokes(rows.length);
  }

  #row(/** @type {any} */ stroke, /** @type {number} */ k) {
    const change = (/** @type {string} */ action) => this.app.ask("/api/strokes", { action, number: k });
    const name = /** @type {Record<string, string>} */ (WORDS.sources)[stroke.source] ?? stroke.source;
    const [x, y] = stroke.at;
    const reach = Math.max(stroke.radius, 64);
    const what = make("button", { className: "what", title: name }, `${k + 1}  ${name}`);
    what.onclick = () => this.app.view.goTo([x - reach, y - reach, x + reach, y + reach]);
    const word = stroke.visible ? WORDS.hide : WORDS.show;
    return make(
      "li",
      { className: stroke.visible ? "" : "off" },
      what,
      make("button", { onclick: () => change(stroke.visible ? "hide" : "show") }, word),
      make("button", { onclick: () => change("remove"), "aria-label": `${WORDS.remove} ${k + 1}` }, "✕"),
    );
  }

  /** Draw the brush and what is under way. */
  paint() {
    const { canvas, app } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!app.view.viewer.isOpen()) return;
    const size = app.view.scale / ratio;
    const marked = app.doubts?.box;
    if (marked) this.#box(context, marked);
    for (const stroke of [...this.waiting, this.stroke]) {
      if (!stroke.points.length || this.preview.draw(context, stroke)) continue;
      context.beginPath();
      for (const point of [stroke.points[0], ...stroke.points]) context.lineTo(...app.view.toScreen(point[0], point[1]));
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = 2 * stroke.radius * size;
      context.strokeStyle = "rgb(64 160 255 / 35%)";
      context.stroke();
    }
    const at = this.at ?? this.middle;
    if (!at || !this.isPainting) return;
    const [x, y] = app.view.toScreen(at[0], at[1]);
    for (const [colour, line] of [["#000", 3], ["#fff", 1.2]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.beginPath();
      context.arc(x, y, Math.max(1, this.radius * size), 0, 7);
      context.stroke();
    }
  }

  #box(/** @type {CanvasRenderingContext2D} */ context, /** @type {number[]} */ box) {
    const [left, top] = this.app.view.toScreen(box[0], box[1]);
    const [right, bottom] = this.app.view.toScreen(box[2], box[3]);
    for (const [colour, line] of /** @type {[string, number][]} */ ([["#000", 4], ["#ffd23f", 2]])) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(left - 3, top - 3, right - left + 6, bottom - top + 6);
    }
  }
}
