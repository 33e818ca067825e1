// The surface in three dimensions: turned, covered with the picture, and measured between two points.
import {
  AmbientLight,
  BufferAttribute,
  BufferGeometry,
  Color,
  DirectionalLight,
  DoubleSide,
  Mesh,
  MeshLambertMaterial,
  PerspectiveCamera,
  Raycaster,
  Scene,
  SRGBColorSpace,
  TextureLoader,
  Vector2,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { make } from "./dom.js";
import { WORDS } from "./words.js";

/** @typedef {{units: string, size: number[], points: number, triangles: number, lowest: number, highest: number}} Facts */

export class SurfaceView {
  /**
   * @param {HTMLElement} element where the surface goes
   * @param {ArrayBuffer} data what the server says of it: the length of a text of JSON, that, points, pixels, triangles
   * @param {(text: string) => void} say
   */
  constructor(element, data, say) {
    this.element = element;
    this.say = say;
    const length = new DataView(data).getUint32(0, true);
    /** @type {Facts} */
    this.facts = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const { points, triangles } = this.facts;
    let at = 4 + length;
    const places = new Float32Array(data, at, points * 3);
    at += points * 12;
    const covers = new Float32Array(data, at, points * 2);
    at += points * 8;
    this.renderer = new WebGLRenderer({ antialias: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(places, 3));
    geometry.setAttribute("uv", new BufferAttribute(covers, 2));
    geometry.setAttribute("color", new BufferAttribute(this.#shades(places), 3));
    geometry.setIndex(new BufferAttribute(new Uint32Array(data, at, triangles * 3), 1));
    geometry.computeVertexNormals();
    geometry.computeBoundingSphere();
    this.material = new MeshLambertMaterial({ side: DoubleSide });
    this.mesh = new Mesh(geometry, this.material);
    this.scene = new Scene();
    const light = new DirectionalLight(0xffffff, 1.6);
    light.position.set(-1, 1, 2);
    this.scene.add(this.mesh, light, new AmbientLight(0xffffff, 1.6));
    const { center, radius } = /** @type {any} */ (geometry.boundingSphere);
    this.camera = new PerspectiveCamera(35, 1, radius / 100, radius * 40);
    this.camera.up.set(0, 1, 0);
    this.camera.position.copy(center).add(new Vector3(0, -radius * 1.4, radius * 3));
    const canvas = this.renderer.domElement;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", WORDS.surface);
    element.replaceChildren(canvas, make("span", { className: "cross", "aria-hidden": "true" }, "+"));
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.target.copy(center);
    this.controls.addEventListener("change", () => this.draw());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("dblclick", (event) => this.#mark(event.offsetX, event.offsetY));
    /** @type {Vector3[]} */
    this.marks = [];
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(element);
    this.setCover("picture");
    this.controls.update();
    this.#fit();
    canvas.focus();
    say(WORDS.surfaceIs(this.facts));
  }

  /** Colours from the lowest to the highest point. */
  #shades(/** @type {Float32Array} */ places) {
    const { lowest, highest } = this.facts;
    const colours = new Float32Array(places.length);
    const colour = new Color();
    for (let k = 0; k < places.length; k += 3) {
      const share = (places[k + 2] - lowest) / Math.max(highest - lowest, 1e-9);
      colour.setHSL(0.75 - 0.62 * share, 0.7, 0.3 + 0.3 * share);
      colour.toArray(colours, k);
    }
    return colours;
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    this.renderer.setSize(width, height);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    this.renderer.setClearColor(getComputedStyle(document.body).backgroundColor);
    this.renderer.render(this.scene, this.camera);
  }

  /** Heights so many times as large. @param {number} times */
  setTimes(times) {
    this.mesh.scale.z = times;
    this.draw();
  }

  /** Cover it with the picture, with colours for heights, or with nothing. @param {string} what */
  setCover(what) {
    const { material } = this;
    material.vertexColors = what === "colours";
    material.color.set(what === "plain" ? 0xb8b8b4 : 0xffffff);
    if (what === "picture" && !this.texture) {
      this.texture = new TextureLoader().load("/overview", () => this.draw());
      this.texture.colorSpace = SRGBColorSpace;
      this.texture.flipY = false;
    }
    material.map = what === "picture" ? (this.texture ?? null) : null;
    material.needsUpdate = true;
    this.draw();
  }

  #key(/** @type {KeyboardEvent} */ event) {
    /** @type {Record<string, [number, number]>} */
    const turns = { ArrowLeft: [-0.08, 0], ArrowRight: [0.08, 0], ArrowUp: [0, -0.08], ArrowDown: [0, 0.08] };
    const turn = turns[event.key];
    const offset = this.camera.position.clone().sub(this.controls.target);
    if (turn) {
      const side = new Vector3().crossVectors(this.camera.up, offset).normalize();
      offset.applyAxisAngle(this.camera.up, turn[0]);
      const tilted = offset.clone().applyAxisAngle(side, turn[1]);
      if (Math.abs(tilted.clone().normalize().dot(this.camera.up)) < 0.98) offset.copy(tilted);
    } else if (event.key === "+" || event.key === "=") offset.multiplyScalar(0.9);
    else if (event.key === "-") offset.multiplyScalar(1 / 0.9);
    else if (event.key === "Enter") return this.markCentre();
    else return;
    event.preventDefault();
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.draw();
  }

  /** Take the point in the middle for the next end of what is measured. */
  markCentre() {
    this.#mark(this.element.clientWidth / 2, this.element.clientHeight / 2);
  }

  clear() {
    this.marks = [];
    this.say(WORDS.surfaceIs(this.facts));
  }

  #mark(/** @type {number} */ x, /** @type {number} */ y) {
    const place = new Vector2((2 * x) / this.element.clientWidth - 1, 1 - (2 * y) / this.element.clientHeight);
    const ray = new Raycaster();
    ray.setFromCamera(place, this.camera);
    const hit = ray.intersectObject(this.mesh)[0];
    if (!hit) return;
    const point = this.mesh.worldToLocal(hit.point.clone());
    this.marks = [...this.marks, point].slice(-2);
    const [from, to] = this.marks;
    this.say(to ? WORDS.measured(from.toArray(), to.toArray(), this.facts.units) : WORDS.marked(from.toArray(), this.facts.units));
  }

  dispose() {
    this.observer.disconnect();
    this.controls.dispose();
    this.mesh.geometry.dispose();
    this.material.dispose();
    this.texture?.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.element.replaceChildren();
  }
}
