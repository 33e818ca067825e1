// What the page asks of the server.
import { WORDS } from "./words.js";

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function get(path) {
  return read(await send(path));
}

/**
 * @param {string} path
 * @param {object} values
 * @returns {Promise<any>}
 */
export async function post(path, values = {}) {
  return read(await send(path, { method: "POST", body: JSON.stringify(values) }));
}

/**
 * Ask the server; where it is gone, that is what is said.
 * @param {string} path
 * @param {RequestInit} [how]
 */
export async function send(path, how) {
  try {
    return await fetch(path, how);
  } catch {
    throw new Error(WORDS.lost);
  }
}

/**
 * What the server says.
 * @param {Response} answer
 * @returns {Promise<any>}
 */
export async function read(answer) {
  const text = await answer.text();
  let values;
  try {
    values = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || answer.statusText);
  }
  if (!answer.ok) throw new Error(values.error ?? answer.statusText);
  return values;
}

/**
 * Calls back with every message of the server.
 * @param {(message: any) => void} hear
 * @param {(isThere: boolean) => void} connected
 * @returns {() => void} what ends it
 */
export function listen(hear, connected) {
  const source = new EventSource("/api/events");
  source.onmessage = (event) => hear(JSON.parse(event.data));
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
  addEventListener("pagehide", () => source.close());
  return () => source.close();
}
