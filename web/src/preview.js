// A stroke before the server has answered: the pixels of its source, as the brush covers them.
const KEPT = 64;
/** Tiles that are asked for at once of sources whose pixels the server has to make first. */
const MADE = 9;
/** The smallest scale at which such tiles, which are at full size, are shown. */
const LEAST_SCALE = 0.3;
const RINGS = 10;

export class Preview {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    /** Tiles of sources by their addresses, the latest last; null as long as one is on its way. @type {Map<string, ImageBitmap | null>} */
    this.tiles = new Map();
    this.canvas = new OffscreenCanvas(1, 1);
  }

  /** The layer that a source is, if it is one. @param {string} source */
  #layer(source) {
    const { frames, layers } = this.app.state;
    const frame = frames.find((/** @type {any} */ one) => `frame:${one.name}` === source);
    const name = frame ? `frame/${frame.position}` : `kept/${source}`;
    return layers[name] ? { name, layer: layers[name] } : null;
  }

  /**
   * The tiles of a source that show a part of the screen: addresses, and places in pixels of the full frame.
   * @param {string} source
   * @param {number[]} box left, top, right, bottom on the screen
   */
  #list(source, [left, top, right, bottom]) {
    const { view, state } = this.app;
    const found = this.#layer(source);
    if (!found && !this.#isMade(source)) return [];
    const layer = found ? found.layer : state.layers.result;
    const level = found ? Math.max(0, Math.floor(Math.log2(1 / view.scale) + 0.01)) : 0;
    const path = found ? `/tiles/${found.name.split("/").map(encodeURIComponent).join("/")}/${level}` : `/sources/${encodeURIComponent(source)}`;
    const version = found ? layer.version : state.sources_version;
    const side = state.tile * 2 ** level;
    const [x0, y0] = view.toFrame(left, top);
    const [x1, y1] = view.toFrame(right, bottom);
    const [across, down] = layer.window;
    const tiles = [];
    for (let row = Math.max(0, Math.floor((y0 - down) / side)); row * side < Math.min(y1 - down, layer.size[1]); row += 1) {
      for (let column = Math.max(0, Math.floor((x0 - across) / side)); column * side < Math.min(x1 - across, layer.size[0]); column += 1) {
        const address = `${path}/${column}/${row}?v=${version}`;
        tiles.push({ address, x: across + column * side, y: down + row * side, scale: 2 ** level });
      }
    }
    return tiles;
  }

  /** Whether the server makes the pixels of a source when they are asked for. @param {string} source */
  #isMade(source) {
    const { state, view } = this.app;
    return state.layers.result && view.scale >= LEAST_SCALE && !source.startsWith("frame:") && state.sources.includes(source);
  }

  /**
   * Have at hand what a stroke would show: in sight, or around the brush where the server has to make it.
   * @param {string} source
   * @param {number[] | null} at where the brush is
   * @param {number} radius
   */
  prepare(source, at, radius) {
    const { view } = this.app;
    const { clientWidth, clientHeight } = view.viewer.container;
    const isMade = this.#isMade(source);
    if (isMade && !at) return;
    const [x, y] = at ? view.toScreen(at[0], at[1]) : [0, 0];
    const reach = (radius * view.scale) / devicePixelRatio;
    const tiles = this.#list(source, isMade ? [x - reach, y - reach, x + reach, y + reach] : [0, 0, clientWidth, clientHeight]);
    if (!isMade || tiles.length <= MADE) for (const { address } of tiles) this.#fetch(address);
  }

  async #fetch(/** @type {string} */ address) {
    if (this.tiles.has(address)) return;
    this.tiles.set(address, null);
    while (this.tiles.size > KEPT) {
      const [oldest, bitmap] = /** @type {[string, ImageBitmap | null]} */ (this.tiles.entries().next().value);
      bitmap?.close();
      this.tiles.delete(oldest);
    }
    try {
      const answer = await fetch(address);
      if (answer.ok && this.tiles.has(address)) this.tiles.set(address, await createImageBitmap(await answer.blob()));
      this.app.retouch.paint(); // strokes that wait for it
    } catch {
      this.tiles.delete(address);
    }
  }

  /**
   * Draw a stroke with the pixels of its source.
   * @param {CanvasRenderingContext2D} context
   * @param {{points: number[][], radius: number, hardness: number, source: string}} stroke
   * @returns {boolean} whether all of it could be drawn
   */
  draw(context, stroke) {
    const { view } = this.app;
    const size = view.scale / devicePixelRatio;
    const reach = stroke.radius * size + 2;
    const places = stroke.points.map(([x, y]) => view.toScreen(x, y));
    const { clientWidth, clientHeight } = view.viewer.container;
    const [left, top, right, bottom] = [
      Math.max(0, Math.floor(Math.min(...places.map(([x]) => x)) - reach)),
      Math.max(0, Math.floor(Math.min(...places.map(([, y]) => y)) - reach)),
      Math.min(clientWidth, Math.ceil(Math.max(...places.map(([x]) => x)) + reach)),
      Math.min(clientHeight, Math.ceil(Math.max(...places.map(([, y]) => y)) + reach)),
    ];
    if (right <= left || bottom <= top) return true;
    const tiles = this.#list(stroke.source, [left, top, right, bottom]);
    const ratio = devicePixelRatio;
    Object.assign(this.canvas, { width: (right - left) * ratio, height: (bottom - top) * ratio });
    const own = /** @type {OffscreenCanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    own.setTransform(ratio, 0, 0, ratio, -left * ratio, -top * ratio);
    this.#mask(own, places, stroke.radius * size, stroke.hardness);
    own.globalCompositeOperation = "source-atop";
    own.imageSmoothingEnabled = !view.isSharp;
    let isWhole = tiles.length > 0;
    for (const { address, x, y, scale } of tiles) {
      const bitmap = this.tiles.get(address);
      if (!bitmap) {
        isWhole = false;
        continue;
      }
      const [from, start] = view.toScreen(x, y).map((place) => Math.round(place * ratio) / ratio);
      own.drawImage(bitmap, from, start, bitmap.width * scale * size, bitmap.height * scale * size);
    }
    if (isWhole) context.drawImage(this.canvas, left, top, right - left, bottom - top);
    return isWhole;
  }

  /** What the brush covers: fully within the hard part of its radius, less and less out to its rim. */
  #mask(
    /** @type {OffscreenCanvasRenderingContext2D} */ context,
    /** @type {number[][]} */ places,
    /** @type {number} */ radius,
    /** @type {number} */ hardness,
  ) {
    const rings = hardness > 0.95 ? 1 : RINGS;
    context.globalCompositeOperation = "lighter";
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = `rgb(0 0 0 / ${1 / rings})`;
    const path = new Path2D();
    for (const [x, y] of [places[0], ...places]) path.lineTo(x, y);
    for (let ring = 0; ring < rings; ring += 1) {
      const share = 1 - ((ring + 0.5) / rings) * (1 - hardness);
      context.lineWidth = Math.max(2 * radius * share, 0.5);
      context.stroke(path);
    }
  }
}
