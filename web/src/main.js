// The page: what the server says, shown; what a person does, told to the server.
import { get, listen, post } from "./api.js";
import { find, make, seldom } from "./dom.js";
import { Doubts } from "./doubts.js";
import { Height } from "./height.js";
import { Look } from "./look.js";
import { Options } from "./options.js";
import { Retouch } from "./retouch.js";
import { Save } from "./save.js";
import { Start } from "./start.js";
import { Strip } from "./strip.js";
import { View } from "./view.js";
import { WORDS } from "./words.js";

/** What all parts share. */
class App {
  constructor() {
    /** @type {any} */
    this.state = { state: "opening", frames: [], layers: {}, notes: [], strokes: [] };
    this.view = new View(find("view"));
    /** @type {number[]} */
    this.cursor = [0, 0];
    this.look = new Look(this);
    this.strip = new Strip(this);
    this.retouch = new Retouch(this);
    this.doubts = new Doubts(this);
    this.options = new Options(this);
    this.save = new Save(this);
    this.start = new Start(this);
    this.height = new Height(this);
    this.isOver = false;
    this.load = seldom(60, () => this.#load());
    this.drawProgress(null);
  }

  async #load() {
    try {
      this.state = await get("/api/state");
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.state.opened !== this.opened) this.#forget();
    this.draw();
  }

  /** Another stack is open: what was chosen and said of the one before means nothing here. */
  #forget() {
    this.opened = this.state.opened;
    find("here").textContent = find("saved").textContent = "";
    find("downloads").replaceChildren();
    this.look.base = "result";
    this.look.over = "";
    this.strip.chosen = 0;
  }

  /** Show the whole state. */
  draw() {
    const { state } = this;
    find("title").textContent = state.title || "allfocus studio";
    document.title = state.title ? `${state.title} – allfocus` : "allfocus studio";
    if (state.size) this.view.setSize(state.size);
    this.look.draw();
    this.strip.draw();
    this.retouch.draw();
    this.doubts.draw();
    this.options.draw();
    this.save.draw();
    this.start.draw();
    this.height.draw();
    this.drawProgress(state.progress);
    this.fail(state.state === "failed" ? state.error : "");
    find("notes-title").hidden = !state.notes.length;
    find("notes").replaceChildren(...state.notes.map((/** @type {string} */ note) => make("li", {}, note)));
  }

  /** @param {any} progress */
  drawProgress(progress) {
    const isRunning = this.state.state === "running";
    find("cancel").hidden = find("progress").hidden = !isRunning;
    if (!isRunning) {
      find("stage").textContent = WORDS.states[/** @type {keyof typeof WORDS.states} */ (this.state.state)];
      return;
    }
    const stage = /** @type {Record<string, string>} */ (WORDS.stages)[progress?.stage] ?? WORDS.states.running;
    const count = progress?.total > 1 ? ` ${progress.done}/${progress.total}` : "";
    const left = progress?.eta && progress.fraction > 0.05 ? ` · ${WORDS.left(progress.eta)}` : "";
    find("stage").textContent = stage + count + left;
    find("progress").value = progress?.fraction ?? 0;
  }

  /** Show what is wrong, or nothing. @param {any} error */
  fail(error) {
    if (this.isOver) return;
    const text = error instanceof Error ? error.message : String(error);
    find("failure").textContent = text;
    find("failure").hidden = !text;
  }

  /** Ask the server for something; what is wrong is shown. @param {string} path @param {object} values */
  async ask(path, values = {}) {
    try {
      const answer = await post(path, values);
      this.fail("");
      return answer;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  /** The server has ended, as what was typed can't be opened. @param {string} why */
  end(why) {
    find("stage").textContent = WORDS.states.failed;
    this.fail(WORDS.ended(why));
    this.isOver = true;
    leave();
  }

  /** @param {any} message */
  hear(message) {
    if (message.kind === "progress") this.drawProgress((this.state.progress = message));
    else if (message.kind === "changed") this.view.changed(message.layer, message.version, message.boxes);
    else if (message.kind === "strokes") this.retouch.take(message);
    else if (message.kind === "thumbnail") this.strip.refresh(message);
    else if (message.kind === "warning") this.fail(message.message);
    else if (message.kind === "doubts") this.doubts.take(message);
    else if (message.kind === "end") this.end(message.message);
    else this.load();
  }
}

function connectTabs() {
  const tabs = [...document.querySelectorAll('[role="tab"]')].map((tab) => /** @type {HTMLElement} */ (tab));
  const choose = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      find(tab.getAttribute("aria-controls") ?? "").hidden = tab !== chosen;
    }
  };
  tabs.forEach((tab, k) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(k + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
  choose(tabs[0]);
}

/** @param {App} app */
function connectTools(app) {
  const { view } = app;
  find("fit").onclick = () => view.fit();
  find("one").onclick = () => view.setScale(1);
  find("cancel").onclick = () => app.ask("/api/cancel");
  find("panel-button").onclick = () => {
    const isHidden = document.body.classList.toggle("no-panel");
    find("panel-button").setAttribute("aria-expanded", String(!isHidden));
  };
  const showZoom = () => {
    find("zoom").textContent = `${(100 * view.scale).toPrecision(3).replace(/\.0+$/, "")} %`;
  };
  view.viewer.addHandler("update-viewport", showZoom);
  const ask = seldom(60, async (/** @type {number} */ x, /** @type {number} */ y) => {
    const at = await get(`/api/at?x=${x.toFixed(1)}&y=${y.toFixed(1)}${app.retouch.brush}`).catch(() => ({}));
    find("here").textContent = at.name ? WORDS.here(at) : "";
  });
  view.viewer.addHandler("animation-finish", () => {
    const middle = app.retouch.middle;
    if (!middle || find("stage-area").matches(":hover")) return;
    app.cursor = middle; // moved by keys
    ask(middle[0], middle[1]);
  });
  find("stage-area").addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const box = find("view").getBoundingClientRect();
    const [x, y] = view.toFrame(event.clientX - box.left, event.clientY - box.top);
    app.cursor = [x, y];
    ask(x, y);
  });
}

/** @param {App} app */
function connectKeys(app) {
  /** @type {Record<string, () => void>} */
  const keys = {
    0: () => app.view.fit(),
    1: () => app.view.setScale(1),
    ",": () => app.strip.step(-1),
    ".": () => app.strip.step(1),
    r: () => app.look.choose("result"),
    " ": () => app.look.blink(),
    n: () => app.doubts.step(1),
    p: () => app.doubts.step(-1),
    b: () => app.retouch.toggle(),
    h: () => app.height.show(),
    x: () => app.strip.leaveOut(),
    "[": () => app.retouch.resize(1 / 1.25),
    "]": () => app.retouch.resize(1.25),
    "?": () => find("help").showModal(),
  };
  /** @type {Record<string, () => void>} */
  const controls = {
    z: () => app.retouch.undo(),
    "shift z": () => app.retouch.redo(),
    y: () => app.retouch.redo(),
    s: () => app.save.savePicture(),
    o: () => app.start.show(),
  };
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const isTyping = target.matches("input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea");
    const isButton = target.matches("button, [role=tab], input") && event.key === " ";
    if (document.querySelector("dialog[open]") || event.altKey || isButton) return;
    // not by the letter's case: with the caps lock it is the other one
    const pressed = (event.shiftKey ? "shift " : "") + event.key.toLowerCase();
    const found = event.ctrlKey || event.metaKey ? controls[pressed] : isTyping ? undefined : keys[event.key];
    if (!found || (isTyping && event.key !== "s")) return;
    event.preventDefault();
    event.stopPropagation();
    found();
  }, { capture: true });
}

const app = new App();
/** @type {any} */ (window).studio = app;
connectTabs();
connectTools(app);
connectKeys(app);
const leave = listen(
  (message) => app.hear(message),
  (isThere) => (isThere ? app.load() : app.fail(WORDS.lost)),
);
export { App };
