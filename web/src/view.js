// The viewer: layers at any size, over each other, in pixels of the reference's full frame.
import OpenSeadragon from "openseadragon";

/**
 * @typedef {{window: number[], size: number[], version: number, kind: string}} Layer
 * @typedef {{name: string, opacity: number}} Wanted
 */

const SIDE = 512;
/** How far, in pixels of the screen, one press of an arrow key moves the picture, and how much plus enlarges it. */
const STEP = 60;
const ZOOM = 1.25;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
/** @type {Record<string, number>} */
const ZOOMS = { "+": ZOOM, "=": ZOOM, "-": 1 / ZOOM };

// Tiles begin and end on whole pixels of the screen: no seams, and at 1:1 every pixel is the picture's own. By default
// OpenSeadragon stretches each tile by a pixel. The version is locked, so that this method is there.
const prototype = /** @type {any} */ (OpenSeadragon.TiledImage.prototype);
const place = prototype._positionTile;
prototype._positionTile = function positionOnPixels(/** @type {any} */ tile, /** @type {any[]} */ ...more) {
  place.call(this, tile, ...more);
  const ratio = OpenSeadragon.pixelDensityRatio;
  for (const axis of ["x", "y"]) {
    const start = Math.round(tile.position[axis] * ratio);
    const stop = Math.round((tile.position[axis] + tile.size[axis]) * ratio);
    tile.position[axis] = start / ratio;
    tile.size[axis] = (stop - start) / ratio;
  }
};

export class View {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.viewer = OpenSeadragon(
      /** @type {any} */ ({
        element,
        tabIndex: -1, // keys go to the element
        drawer: "canvas",
        showNavigationControl: false,
        imageSmoothingEnabled: true,
        minZoomImageRatio: 0.5,
        maxZoomPixelRatio: 16,
        visibilityRatio: 0.2,
        animationTime: 0.25,
        springStiffness: 12,
        zoomPerScroll: 1.3,
        maxImageCacheCount: 500,
        imageLoaderLimit: 4,
        timeout: 60000,
        gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
        gestureSettingsTouch: { clickToZoom: false },
        gestureSettingsPen: { clickToZoom: false },
        crossOriginPolicy: false,
        immediateRender: false,
        blendTime: 0,
        preserveImageSizeOnResize: false,
      }),
    );
    /** @type {Map<string, {image: any, layer: Layer, key: string}>} */
    this.shown = new Map();
    /** @type {Wanted[]} */
    this.wanted = [];
    /** @type {Record<string, Layer>} */
    this.layers = {};
    this.size = [1, 1];
    /** @type {number | null} */
    this.wipe = null;
    this.isSharp = false;
    this.isFitting = this.isFitted = false;
    /** @type {Map<string, {boxes: {version: number, box: number[]}[]}>} */
    this.changes = new Map();
    /** @type {Set<string>} */
    this.adding = new Set();
    /** The latest versions that are in sight, by the names of layers. @type {Map<string, number>} */
    this.inSight = new Map();
    this.stamp = 0;
    /** @type {any} */ (this.viewer.drawer).minimumOverlapRequired = () => false;
    element.addEventListener("keydown", (event) => this.#press(event), { capture: true });
    for (const kind of ["canvas-key", "canvas-key-press"]) {
      // it would mirror the picture at an f, and turn it at an R: the page's places and strokes know of neither
      /** @type {any} */ (this.viewer).addHandler(kind, (/** @type {any} */ event) => (event.preventDefaultAction = true));
    }
    // a picture that fits goes on to when the strip of frames appears, or the window changes
    for (const kind of ["pan", "zoom"]) /** @type {any} */ (this.viewer).addHandler(kind, () => (this.isFitted = this.isFitting));
    this.viewer.addHandler("resize", () => this.isFitted && setTimeout(() => this.fit(true)));
    this.viewer.addHandler("tile-invalidated", (event) => this.#refresh(event));
    this.viewer.addHandler("zoom", () => this.#smooth());
    this.viewer.addHandler("update-viewport", () => this.#clip());
  }

  /** Move and zoom by keys. @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.viewer.isOpen()) return;
    const { viewport } = this.viewer;
    const arrow = ARROWS[event.key];
    if (arrow) viewport.panBy(viewport.deltaPointsFromPixels(new OpenSeadragon.Point(...arrow)));
    else if (ZOOMS[event.key]) viewport.zoomBy(ZOOMS[event.key]);
    else return;
    viewport.applyConstraints();
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number[]} size */
  setSize(size) {
    if (size[0] === this.size[0] && size[1] === this.size[1]) return;
    this.size = size;
    this.needsHome = true;
  }

  /**
   * Show these layers, the first at the bottom.
   * @param {Record<string, Layer>} layers
   * @param {Wanted[]} wanted
   */
  show(layers, wanted) {
    this.layers = layers;
    this.wanted = wanted.filter(({ name }) => layers[name]);
    const names = new Set(this.wanted.map(({ name }) => name));
    for (const [name, { image, key }] of [...this.shown]) {
      if (!names.has(name) || keyOf(layers[name]) !== key) {
        this.shown.delete(name);
        this.#retire(name, image, names.has(name));
      }
    }
    for (const { name } of this.wanted) if (!this.shown.has(name)) this.#add(name);
    this.#arrange();
  }

  /** A picture goes at once, or when the one that replaces it has something to show. */
  #retire(/** @type {string} */ name, /** @type {any} */ image, /** @type {boolean} */ isReplaced) {
    const gone = () => {
      if (this.viewer.world.getIndexOfItem(image) >= 0) this.viewer.world.removeItem(image);
    };
    if (isReplaced) setTimeout(gone, 400);
    else gone();
  }

  #add(/** @type {string} */ name) {
    const layer = this.layers[name];
    const key = keyOf(layer);
    const tag = `${name} ${key}`;
    if (this.adding.has(tag)) return;
    this.adding.add(tag);
    const [left, top, right] = layer.window;
    const [width] = this.size;
    this.viewer.addTiledImage(
      /** @type {any} */ ({
        tileSource: this.#source(name, layer),
        x: left / width,
        y: top / width,
        width: (right - left) / width,
        opacity: 0,
        success: (/** @type {any} */ { item }) => {
          this.adding.delete(tag);
          if (!this.wanted.some((one) => one.name === name) || keyOf(this.layers[name] ?? layer) !== key) {
            this.viewer.world.removeItem(item);
            return;
          }
          this.shown.set(name, { image: item, layer, key });
          if (this.needsHome) {
            this.needsHome = false;
            this.fit(true);
          }
          this.#arrange();
        },
        error: () => this.adding.delete(tag),
      }),
    );
  }

  /** @returns {any} */
  #source(/** @type {string} */ name, /** @type {Layer} */ layer) {
    const [width, height] = layer.size;
    const maxLevel = Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / SIDE)));
    const path = name.split("/").map(encodeURIComponent).join("/");
    return {
      width,
      height,
      tileSize: SIDE,
      tileOverlap: 0,
      minLevel: 0,
      maxLevel,
      // asked for when the tile is loaded, so that it is the version of then
      getTileUrl: (/** @type {number} */ level, /** @type {number} */ x, /** @type {number} */ y) => () => {
        const scale = maxLevel - level;
        return `/tiles/${path}/${scale}/${x}/${y}?v=${this.#version(name, layer, scale, x, y)}`;
      },
      getTileHashKey: (/** @type {number} */ level, /** @type {number} */ x, /** @type {number} */ y) =>
        `${name}/${keyOf(layer)}/${level}/${x}/${y}`,
      hasTransparency: () => layer.kind === "marks" || name === "result",
    };
  }

  #version(
    /** @type {string} */ name,
    /** @type {Layer} */ layer,
    /** @type {number} */ scale,
    /** @type {number} */ x,
    /** @type {number} */ y,
  ) {
    const side = SIDE * 2 ** scale;
    const known = this.changes.get(`${name} ${keyOf(layer)}`);
    let version = layer.version;
    for (const { version: changed, box } of known?.boxes ?? []) {
      if (box[0] < (x + 1) * side && box[2] > x * side && box[1] < (y + 1) * side && box[3] > y * side) {
        version = Math.max(version, changed);
      }
    }
    return version;
  }

  /**
   * Some places of a layer have changed: fetch the tiles that show them.
   * @param {string} name
   * @param {number} version
   * @param {number[][]} boxes left, top, right, bottom in the layer's pixels
   */
  changed(name, version, boxes) {
    const shown = this.shown.get(name);
    if (!shown) {
      if (this.layers[name]) this.layers[name].version = version;
      return;
    }
    const key = `${name} ${shown.key}`;
    const known = this.changes.get(key) ?? { boxes: [] };
    known.boxes.push(...boxes.map((box) => ({ version, box })));
    if (known.boxes.length > 2000) known.boxes = known.boxes.slice(-1).map((one) => ({ ...one, box: [0, 0, 1e9, 1e9] }));
    this.changes.set(key, known);
    const { image } = shown;
    const stale = [];
    for (const level of Object.values(image.tilesMatrix ?? {})) {
      for (const column of Object.values(/** @type {any} */ (level))) {
        for (const tile of Object.values(/** @type {any} */ (column))) {
          if (this.#touches(image, tile, boxes)) {
            /** @type {any} */ (tile).stale = true;
            stale.push(tile);
          }
        }
      }
    }
    const loaded = stale.filter((tile) => /** @type {any} */ (tile).loaded);
    const drawn = loaded.filter((tile) => /** @type {any} */ (tile).beingDrawn);
    this.#renew(drawn).then(() => {
      this.inSight.set(name, Math.max(version, this.inSight.get(name) ?? 0));
      this.#renew(loaded.filter((tile) => !drawn.includes(tile)));
    });
  }

  /** Fetch tiles anew; a time that was used already would be ignored. @returns {Promise<any>} */
  #renew(/** @type {any[]} */ tiles) {
    this.stamp = Math.max(this.stamp + 1, Date.now());
    return /** @type {any} */ (this.viewer.world).requestTileInvalidateEvent(tiles, this.stamp, false);
  }

  /** Wait until a version of a layer is in sight, or never will be. @param {string} name @param {number} version */
  async whenShown(name, version) {
    const limit = performance.now() + 5000;
    const isOld = () => Math.max(this.inSight.get(name) ?? 0, this.shown.get(name)?.layer.version ?? version) < version;
    while (isOld() && performance.now() < limit) await new Promise((done) => setTimeout(done, 20));
  }

  #touches(/** @type {any} */ image, /** @type {any} */ tile, /** @type {number[][]} */ boxes) {
    const side = SIDE * 2 ** (image.source.maxLevel - tile.level);
    const [left, top] = [tile.x * side, tile.y * side];
    return boxes.some((box) => box[0] < left + side && box[2] > left && box[1] < top + side && box[3] > top);
  }

  /** Put fresh pixels into a tile that is stale. */
  async #refresh(/** @type {any} */ event) {
    const { tile } = event;
    if (!tile.stale) return;
    tile.stale = false;
    const answer = await fetch(tile.getUrl());
    if (answer.ok) await event.setData(await createImageBitmap(await answer.blob()), "imageBitmap");
  }

  #arrange() {
    const { world } = this.viewer;
    this.wanted.forEach(({ name, opacity }) => {
      const shown = this.shown.get(name);
      if (!shown) return;
      world.setItemIndex(shown.image, world.getItemCount() - 1);
      shown.image.setOpacity(opacity);
    });
    this.#smooth();
    this.#clip();
  }

  /** Pixels are shown as they are from 1:1 on. */
  #smooth() {
    const isLarge = this.scale >= 0.999;
    if (this.isSharp === isLarge) return;
    this.isSharp = isLarge;
    this.viewer.drawer.setImageSmoothingEnabled(!isLarge);
  }

  /** Cut the uppermost layer at the wipe. */
  #clip() {
    const top = this.wanted.at(-1);
    for (const [name, { image, layer }] of this.shown) {
      if (this.wipe === null || name !== top?.name) {
        if (image.getClip()) image.setClip(null);
        continue;
      }
      const [x] = this.toFrame(this.wipe * this.viewer.container.clientWidth, 0);
      const from = Math.min(Math.max(x - layer.window[0], 0), layer.size[0]);
      const old = image.getClip();
      if (!old || Math.abs(old.x - from) > 0.25) {
        image.setClip(new OpenSeadragon.Rect(from, 0, Math.max(layer.size[0] - from, 0.01), layer.size[1]));
      }
    }
  }

  /** @param {number | null} share of the width where the wipe is; null for none */
  setWipe(share) {
    this.wipe = share;
    this.#clip();
    this.viewer.forceRedraw();
  }

  /** Screen pixels of the device for one of the picture. */
  get scale() {
    const { viewport } = this.viewer;
    if (!viewport) return 1;
    return (viewport.getZoom(true) * viewport.getContainerSize().x * devicePixelRatio) / this.size[0];
  }

  /** @param {number} scale as `scale` @param {boolean} now */
  setScale(scale, now = false) {
    const { viewport } = this.viewer;
    viewport.zoomTo((scale * this.size[0]) / (viewport.getContainerSize().x * devicePixelRatio), undefined, now);
    if (now) this.#snap();
    else setTimeout(() => this.#snap(), 400);
  }

  /** At 1:1, let pixels of the picture fall on pixels of the screen. */
  #snap() {
    if (Math.abs(this.scale - 1) > 0.002) return;
    const { viewport } = this.viewer;
    const [x, y] = this.toFrame(0, 0);
    const [left, top] = [Math.round(x), Math.round(y)];
    const centre = viewport.getCenter(true);
    viewport.panTo(
      new OpenSeadragon.Point(centre.x + (left - x) / this.size[0], centre.y + (top - y) / this.size[0]),
      true,
    );
  }

  fit(now = false) {
    const [width, height] = this.size;
    this.isFitting = this.isFitted = true;
    this.viewer.viewport.fitBounds(new OpenSeadragon.Rect(0, 0, 1, height / width), now);
    this.isFitting = false;
  }

  /** @param {number[]} box left, top, right, bottom */
  goTo([left, top, right, bottom], scale = 1) {
    const width = this.size[0];
    const centre = new OpenSeadragon.Point((left + right) / 2 / width, (top + bottom) / 2 / width);
    this.viewer.viewport.panTo(centre, true);
    this.setScale(scale, true);
  }

  /** A place on the viewer in pixels of the full frame. @returns {number[]} */
  toFrame(/** @type {number} */ x, /** @type {number} */ y) {
    const point = this.viewer.viewport.pointFromPixel(new OpenSeadragon.Point(x, y), true);
    return [point.x * this.size[0], point.y * this.size[0]];
  }

  /** The reverse of `toFrame`. @returns {number[]} */
  toScreen(/** @type {number} */ x, /** @type {number} */ y) {
    const point = this.viewer.viewport.pixelFromPoint(
      new OpenSeadragon.Point(x / this.size[0], y / this.size[0]),
      true,
    );
    return [point.x, point.y];
  }
}

/** What makes a layer another one: all but what was painted since. */
function keyOf(/** @type {Layer} */ layer) {
  return layer ? `${Math.floor(layer.version / 1e6)}` : "";
}
