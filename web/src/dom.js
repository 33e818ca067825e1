// Elements, made and found.

/**
 * @param {string} id
 * @returns {any}
 */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element;
}

/**
 * An element with properties and children; names with a dash are attributes.
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...children);
  return element;
}

/**
 * At most one call in so many milliseconds, the last one for sure.
 * @template {any[]} T
 * @param {number} pause
 * @param {(...values: T) => void} call
 */
export function seldom(pause, call) {
  let last = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (/** @type {T} */ ...values) => {
    clearTimeout(timer);
    const wait = last + pause - performance.now();
    const now = () => {
      last = performance.now();
      call(...values);
    };
    if (wait <= 0) now();
    else timer = setTimeout(now, wait);
  };
}
