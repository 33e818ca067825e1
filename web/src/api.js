// What the page asks of the server.

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function get(path) {
  const answer = await fetch(path);
  return read(answer);
}

/**
 * @param {string} path
 * @param {object} values
 * @returns {Promise<any>}
 */
export async function post(path, values = {}) {
  const answer = await fetch(path, { method: "POST", body: JSON.stringify(values) });
  return read(answer);
}

/** @param {Response} answer */
async function read(answer) {
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
