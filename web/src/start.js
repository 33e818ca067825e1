// Opening: recent projects, folders of the server, dropped files, and several stacks to choose from.
import { get, post, read, send } from "./api.js";
import { find, make } from "./dom.js";
import { WORDS } from "./words.js";

export class Start {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.folder = "";
    this.isBusy = false;
    this.dialog = find("start");
    find("open").onclick = () => this.show();
    find("start-close").onclick = () => this.dialog.close();
    this.dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
      if (!this.#mayClose) event.preventDefault();
    });
    find("folder-up").onclick = () => this.#go(this.up ?? "");
    find("folder-open").onclick = () => this.open(this.folder);
    find("choose-files").onclick = () => find("files").click();
    find("files").onchange = () => {
      const files = [...find("files").files].map((file) => ({ folder: WORDS.dropped, file }));
      find("files").value = "";
      this.#send(files).catch((error) => this.#failOpen(error));
    };
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      this.#drop(event);
    });
  }

  get #mayClose() {
    return this.app.state.state !== "empty" && !this.isBusy;
  }

  async show() {
    if (!this.dialog.open) {
      this.fail("");
      this.dialog.showModal();
    }
    this.draw();
    const { projects } = await get("/api/recent").catch(() => ({ projects: [] }));
    find("recent-part").hidden = !projects.length;
    find("recent").replaceChildren(
      ...projects.map((/** @type {any} */ one) => this.#entry(one.name, one.folder, () => this.open(one.path))),
    );
    await this.#look(this.folder);
  }

  /** The server's state is known. */
  draw() {
    const { state, choices } = this.app.state;
    if (!this.dialog.open && (state === "empty" || choices?.length)) {
      if (this.seen !== JSON.stringify(choices)) {
        this.seen = JSON.stringify(choices);
        this.show();
      }
    }
    if (!choices?.length) this.seen = state === "empty" ? this.seen : undefined;
    find("start-close").hidden = state === "empty";
    find("choices-part").hidden = !choices?.length;
    find("choices").replaceChildren(
      ...(choices ?? []).map((/** @type {any} */ one, /** @type {number} */ k) =>
        this.#entry(one.label, WORDS.frames(one.count) + (one.has_project ? WORDS.hasProject : ""), () => this.#ask({ choice: k })),
      ),
    );
  }

  #entry(/** @type {string} */ name, /** @type {string} */ hint, /** @type {() => void} */ choose) {
    const button = make("button", { title: name }, make("span", {}, name), make("span", { className: "hint" }, hint));
    button.onclick = choose;
    return make("li", {}, button);
  }

  /** @param {string} text */
  fail(text) {
    find("start-error").textContent = text;
    find("start-error").hidden = !text;
  }

  /** Go to a folder; what was wrong before is gone. */
  #go(/** @type {string} */ folder) {
    this.fail("");
    return this.#look(folder);
  }

  /** Show what is in a folder; the first ones where none is named. */
  async #look(/** @type {string} */ folder) {
    let found;
    try {
      found = await get(`/api/folders?folder=${encodeURIComponent(folder)}`);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
      if (folder !== "" && !this.found) found = await get("/api/folders").catch(() => null);
      if (!found) return;
    }
    this.found = found;
    this.folder = found.folder;
    this.up = found.up;
    find("folder-path").textContent = found.folder;
    find("folder-up").disabled = !found.folder;
    find("folder-open").disabled = !found.pictures;
    find("folder-count").textContent = found.folder ? WORDS.pictures(found.pictures) : "";
    const isByKeys = find("folders").contains(document.activeElement); // whose entry goes with the list
    find("folders").replaceChildren(
      ...found.folders.map((/** @type {any} */ one) => this.#entry(`${one.name}/`, "", () => this.#go(one.path))),
      ...found.files.map((/** @type {any} */ one) => this.#entry(one.name, "", () => this.open(one.path))),
    );
    find("folders").scrollTop = 0;
    if (isByKeys) (found.pictures ? find("folder-open") : find("folders").querySelector("button"))?.focus();
  }

  /** Open files or a folder of the server. @param {string | string[]} path */
  open(path) {
    return this.#ask({ path });
  }

  async #ask(/** @type {object} */ values) {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      const { choices } = await post("/api/open", values);
      this.fail("");
      this.app.state.choices = choices;
      this.seen = JSON.stringify(choices);
      if ("choice" in values || !choices.length) this.dialog.close();
      else {
        if (!this.dialog.open) this.dialog.showModal();
        this.draw();
        find("choices").querySelector("button")?.focus();
      }
    } catch (error) {
      if (!this.dialog.open) this.dialog.showModal();
      this.fail(error instanceof Error ? error.message : String(error));
    }
    this.isBusy = false;
    this.app.load();
  }

  /** Files and folders that were dropped. */
  async #drop(/** @type {DragEvent} */ event) {
    const given = [...(event.dataTransfer?.items ?? [])]
      .filter((item) => item.kind === "file")
      .map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() })); // all at once: it is emptied soon
    if (!given.length) return;
    try {
      const files = [];
      for (const { entry, file } of given) {
        if (entry?.isDirectory) files.push(...(await filesIn(/** @type {FileSystemDirectoryEntry} */ (entry))));
        else if (file) files.push({ folder: WORDS.dropped, file });
      }
      await this.#send(files);
    } catch (error) {
      this.#failOpen(error);
    }
  }

  #failOpen(/** @type {unknown} */ error) {
    if (!this.dialog.open) this.show();
    this.fail(error instanceof Error ? error.message : String(error));
  }

  /** Copy files to the server, and open them. */
  async #send(/** @type {{folder: string, file: File}[]} */ files) {
    if (!files.length) return;
    if (this.isBusy) throw new Error(WORDS.isBusy);
    if (!this.dialog.open) this.show();
    this.isBusy = true;
    const stamp = Date.now().toString(36);
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    let sent = 0;
    const folders = new Set();
    find("drop-progress").hidden = false;
    try {
      for (const { folder: name, file } of files) {
        find("drop-state").textContent = file.name;
        await check(file);
        const place = [stamp, name, file.name].map(encodeURIComponent).join("/");
        folders.add((await read(await send(`/dropped/${place}`, { method: "PUT", body: file }))).folder);
        sent += file.size;
        find("drop-progress").value = sent / Math.max(total, 1);
      }
      this.isBusy = false;
      await this.#ask({ path: [...folders] });
    } catch (error) {
      this.#failOpen(error);
    }
    this.isBusy = false;
    find("drop-progress").hidden = true;
    find("drop-state").textContent = "";
  }
}

/**
 * The files directly inside a folder, for which it stands; raises an error where there are none.
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<{folder: string, file: File}[]>}
 */
async function filesIn(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const inside = [];
  /** @type {{folder: string, file: File}[]} */
  const files = [];
  try {
    for (let more; (more = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ done, fail) => reader.readEntries(done, fail))).length; ) {
      inside.push(...more.filter(({ name }) => !name.startsWith(".")));
    }
    for (const entry of inside.filter(({ isFile }) => isFile)) {
      /** @type {File} */
      const file = await new Promise((done, fail) => /** @type {FileSystemFileEntry} */ (entry).file(done, fail));
      files.push({ folder: folder.name, file });
    }
  } catch (error) {
    throw new Error(WORDS.unreadable(folder.name, error instanceof Error ? error.message : String(error)));
  }
  if (!files.length) throw new Error(WORDS.noFiles(folder.name, inside.map(({ name }) => name)));
  return files;
}

/** Raise an error where a file can't be read: sending it would fail as if the server were gone. @param {File} file */
async function check(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    throw new Error(WORDS.unreadable(file.name, error instanceof Error ? error.message : String(error)));
  }
}
