// Every text of the page, in one place.

/** A number as a person writes it. @param {number} value */
const short = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3).replace(/\.0+$/, ""));

export const WORDS = {
  states: {
    empty: "No stack is open",
    opening: "Opening",
    running: "Fusing",
    ready: "Ready",
    cancelled: "Cancelled",
    failed: "Failed",
  },
  stages: {
    read: "reading frames",
    align: "aligning",
    warp: "registering",
    pyramid: "preparing",
    coarse: "deciding, coarse",
    laplacian: "deciding",
    fuse: "fusing",
    defocus: "measuring blur",
    halos: "removing halos",
    write: "writing",
  },
  layers: {
    result: "Result",
    draft: "Draft",
    index_map: "Frame map",
    confidence: "Confidence",
    depth: "Depth",
    out_of_focus: "Out of focus",
    veiled: "Veiled",
    veil: "Veil of near things",
  },
  frames: (/** @type {number} */ count) => (count === 1 ? "1 frame" : `${count} frames`),
  pictures: (/** @type {number} */ count) => (count === 0 ? "no pictures here" : count === 1 ? "1 picture" : `${count} pictures`),
  dropped: "dropped",
  isBusy: "Files are being copied or opened; wait until that is done, and drop these again.",
  unreadable: (/** @type {string} */ name, /** @type {string} */ why) => `${name} can't be read: ${why}`,
  noFiles: (/** @type {string} */ name, /** @type {string[]} */ folders) =>
    folders.length
      ? `${name} holds no pictures, but folders: ${folders.slice(0, 8).join(", ")}; drop one of them`
      : `${name} is empty; drop a folder with pictures, or the pictures`,
  hasProject: ", with a project",
  sharpness: (/** @type {number} */ share) => `sharpness ${Math.round(100 * share)} %`,
  keptName: (/** @type {number} */ number) => `Result ${number}`,
  forget: (/** @type {string} */ name) => `Forget ${name}`,
  nothing: "Nothing",
  frame: "Frame",
  reference: "reference",
  leftOut: "left out",
  leaveOut: "Leave out",
  useAgain: "Use again",
  makeReference: "Make reference",
  sources: {
    nearer: "One frame nearer",
    farther: "One frame farther",
    original: "Eraser (before painting)",
    laplacian: "Laplacian rule",
    near: "Near preferred",
    far: "Far preferred",
  },
  noStrokes: "Nothing is painted yet. Choose a source and paint on the picture.",
  allStrokes: (/** @type {number} */ count) => `List all ${count}`,
  hide: "Hide",
  show: "Show",
  remove: "Remove",
  left: (/** @type {number} */ seconds) =>
    seconds < 60 ? `${Math.max(1, Math.round(seconds))} s left` : `${Math.ceil(seconds / 60)} min left`,
  saved: (/** @type {string[]} */ files) => `Saved ${files.map((file) => file.split("/").pop()).join(", ")}`,
  projectSaved: (/** @type {string} */ path) => `Project saved: ${path.split("/").pop()}`,
  here: (/** @type {any} */ at) =>
    [
      at.name,
      `${Math.round(at.confidence * 100)} % sure`,
      ...(at.height !== undefined ? [`depth ${at.height} µm`] : at.depth ? [`depth ${at.depth}`] : []),
      ...(at.veil > 0.02 ? [`veil ${Math.round(100 * at.veil)} %`] : []),
    ].join(" · "),
  lost: "The server does not answer. Start allfocus studio again, and reload this page.",
  ended: (/** @type {string} */ why) => `${why}. Start allfocus studio again with something else.`,
  noDoubts: "No doubtful places.",
  searching: "Looking for doubtful places …",
  doubt: (/** @type {number} */ number, /** @type {number} */ count) => `Place ${number} of ${count}`,
  maps: {
    index: "Frame map",
    confidence: "Confidence",
    depth: "Depth",
    "depth-error": "Error of depth",
    "depth-preview": "Depth in colours",
    "out-of-focus": "Out of focus",
    veiled: "Veiled",
    veil: "Veil",
    surface: "Surface (GLB)",
    stereo: "Stereo pair",
    anaglyph: "Anaglyph",
    rocking: "Rocking (MP4)",
  },
  download: "Download",
  loading: "Loading …",
  writing: "Writing …",
  noWebGL: "This browser shows no surfaces, as it has no WebGL. They can be saved, and opened in another program.",
  surface: "Surface: arrow keys turn it, plus and minus change its size, Enter takes the point in the middle",
  surfaceIs: (/** @type {any} */ facts) => {
    const height = `${short(facts.highest - facts.lowest)} ${facts.units}`;
    return `${facts.size.map(short).join(" x ")} ${facts.units}, ${height} high. Double-click two points to measure.`;
  },
  marked: (/** @type {number[]} */ at, /** @type {string} */ units) => `From ${at.map(short).join(", ")} ${units}. Now the second point.`,
  measured: (/** @type {number[]} */ from, /** @type {number[]} */ to, /** @type {string} */ units) => {
    const by = to.map((value, k) => value - from[k]);
    return `Distance ${short(Math.hypot(...by))} ${units}: ${short(Math.hypot(by[0], by[1]))} across, ${short(by[2])} up.`;
  },
  exports: [
    { kind: "surface", ending: ".stl", text: "STL" },
    { kind: "surface", ending: ".ply", text: "PLY" },
    { kind: "surface", ending: ".glb", text: "GLB" },
    { kind: "stereo", ending: ".png", text: "Stereo pair" },
    { kind: "anaglyph", ending: ".png", text: "Anaglyph" },
    { kind: "rocking", ending: ".mp4", text: "Rocking, MP4" },
    { kind: "rocking", ending: ".webp", text: "Rocking, WebP" },
  ],
  byDefault: "by default",
  rerun: "Fuse again",
};
