// The height map: what is exported from depth, and the surface to turn, loaded when it is asked for.
import { post, send } from "./api.js";
import { find, make } from "./dom.js";
import { WORDS } from "./words.js";

export class Height {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.dialog = find("height");
    /** @type {import("./surface.js").SurfaceView | null} */
    this.view = null;
    find("height-open").onclick = () => this.show();
    find("height-close").onclick = () => this.dialog.close();
    this.dialog.addEventListener("close", () => {
      this.view?.dispose();
      this.view = null;
    });
    find("height-times").oninput = () => this.view?.setTimes(find("height-times").value / 10);
    for (const radio of document.querySelectorAll("input[name=cover]")) {
      radio.addEventListener("change", () => this.view?.setCover(/** @type {HTMLInputElement} */ (radio).value));
    }
    find("height-mark").onclick = () => this.view?.markCentre();
    find("height-clear").onclick = () => this.view?.clear();
    find("exports").replaceChildren(
      ...WORDS.exports.map(({ kind, ending, text }) => {
        const button = make("button", {}, text);
        button.onclick = () => this.#export(button, kind, ending);
        return button;
      }),
    );
  }

  draw() {
    const { state } = this.app;
    find("height-open").disabled = state.state !== "ready" || !state.layers.depth;
  }

  async show() {
    if (find("height-open").disabled || this.dialog.open) return;
    find("height-said").textContent = WORDS.loading;
    find("height-files").replaceChildren();
    this.dialog.showModal();
    try {
      const answer = await send("/api/surface");
      if (!answer.ok) throw new Error((await answer.json()).error);
      const data = await answer.arrayBuffer();
      const { SurfaceView } = await import("./surface.js");
      this.view = new SurfaceView(find("height-canvas"), data, (text) => (find("height-said").textContent = text));
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      find("height-said").textContent = /WebGL/i.test(text) ? WORDS.noWebGL : text;
    }
  }

  async #export(/** @type {HTMLButtonElement} */ button, /** @type {string} */ kind, /** @type {string} */ ending) {
    button.disabled = true;
    find("height-said").textContent = WORDS.writing;
    const base = (this.app.state.save_as ?? "picture").replace(/\.[^.]*$/, "").replace(/\.fused$/, "");
    try {
      const answer = await post("/api/export", { kind, path: `${base}_${kind}${ending}` });
      find("height-said").textContent = WORDS.saved(answer.files);
      find("height-files").replaceChildren(...links(answer.files));
    } catch (error) {
      find("height-said").textContent = error instanceof Error ? error.message : String(error);
    }
    button.disabled = false;
  }
}

/** Where to get files that were saved. @param {string[]} files */
export function links(files) {
  return files.map((path) => {
    const name = path.split(/[\\/]/).pop() ?? path;
    return make("li", {}, make("a", { href: `/saved/${encodeURIComponent(name)}`, download: name }, `${WORDS.download} ${name}`));
  });
}
