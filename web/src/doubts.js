// Doubtful places: a list to step through, with the frames that compete there.
import { find, make } from "./dom.js";
import { WORDS } from "./words.js";

export class Doubts {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.number = -1;
    /** @type {number[] | null} */
    this.box = null;
    find("doubt-next").onclick = () => this.step(1);
    find("doubt-back").onclick = () => this.step(-1);
  }

  /** The server has found them. @param {any} message */
  take(message) {
    this.app.state.doubts = message.doubts;
    this.draw();
  }

  draw() {
    const { doubts, state } = this.app.state;
    const isThere = state === "ready" && doubts?.length > 0;
    find("doubt-next").disabled = find("doubt-back").disabled = !isThere;
    if (!isThere || this.number >= doubts.length) {
      this.number = -1;
      this.box = null;
      find("rivals").replaceChildren();
    }
    const text = state !== "ready" ? "" : !doubts ? WORDS.searching : doubts.length ? "" : WORDS.noDoubts;
    find("doubt-state").textContent = this.number >= 0 ? WORDS.doubt(this.number + 1, doubts.length) : text;
  }

  /** Go to the place so many further. @param {number} by */
  step(by) {
    const { doubts } = this.app.state;
    if (!doubts?.length) return;
    this.number = this.number < 0 ? (by > 0 ? 0 : doubts.length - 1) : (this.number + by + doubts.length) % doubts.length;
    const place = doubts[this.number];
    this.box = place.box;
    this.app.view.goTo(place.box, Math.max(1, devicePixelRatio));
    this.draw();
    this.#rivals(place);
    this.app.retouch.paint();
  }

  /** The frames that compete at a place, side by side; a click takes one. */
  #rivals(/** @type {any} */ place) {
    const { frames, layers } = this.app.state;
    const rows = place.frames.filter((/** @type {number} */ k) => layers[`frame/${k}`]);
    find("rivals").replaceChildren(
      ...rows.map((/** @type {number} */ position) => {
        const canvas = make("canvas", { width: 128, height: 128 });
        this.#crop(canvas, `frame/${position}`, place.box);
        const { name } = frames[position];
        const button = make("button", { title: name }, canvas, make("span", {}, name));
        button.onclick = () => this.app.retouch.takePlace(name, place.box);
        return button;
      }),
    );
  }

  async #crop(/** @type {HTMLCanvasElement} */ canvas, /** @type {string} */ name, /** @type {number[]} */ box) {
    const layer = this.app.state.layers[name];
    const [x, y] = [(box[0] + box[2]) / 2 - 64 - layer.window[0], (box[1] + box[3]) / 2 - 64 - layer.window[1]];
    const side = this.app.state.tile;
    const context = canvas.getContext("2d");
    for (const row of new Set([Math.floor(y / side), Math.floor((y + 127) / side)])) {
      for (const column of new Set([Math.floor(x / side), Math.floor((x + 127) / side)])) {
        const answer = await fetch(`/tiles/${name}/0/${column}/${row}?v=${layer.version}`);
        if (answer.ok) context?.drawImage(await createImageBitmap(await answer.blob()), column * side - x, row * side - y);
      }
    }
  }
}
