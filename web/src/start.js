// Opening: recent projects, folders of the server, dropped files, and several stacks to choose from.
import { get, post } from "./api.js";
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
    find("folder-up").onclick = () => this.#look(this.up ?? "");
    find("folder-open").onclick = () => this.open(this.folder);
    find("choose-files").onclick = () => find("files").click();
    find("files").onchange = () => {
      const files = [...find("files").files].map((file) => ({ folder: WORDS.dropped, file }));
      find("files").value = "";
      this.#send(files);
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

  /** Show what is in a folder; the first ones where none is named. */
  async #look(/** @type {string} */ folder) {
    let found;
    try {
      found = await get(`/api/folders?folder=${encodeURIComponent(folder)}`);
      this.fail("");
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
      ...found.folders.map((/** @type {any} */ one) => this.#entry(`${one.name}/`, "", () => this.#look(one.path))),
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

  /** Files and folders that were dropped; a folder stands for the files directly inside. */
  async #drop(/** @type {DragEvent} */ event) {
    /** @type {{folder: string, file: File}[]} */
    const files = [];
    const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.());
    const plain = [...(event.dataTransfer?.files ?? [])];
    for (const entry of entries) {
      if (!entry?.isDirectory) continue;
      const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
      for (let more; (more = await new Promise((done, fail) => reader.readEntries(done, fail))).length; ) {
        for (const inner of more) {
          if (inner.isFile && !inner.name.startsWith(".")) {
            files.push({ folder: entry.name, file: await new Promise((done, fail) => inner.file(done, fail)) });
          }
        }
      }
    }
    if (!files.length) files.push(...plain.filter((file) => !file.name.startsWith(".")).map((file) => ({ folder: WORDS.dropped, file })));
    await this.#send(files);
  }

  /** Copy files to the server, and open them. */
  async #send(/** @type {{folder: string, file: File}[]} */ files) {
    if (!files.length || this.isBusy) return;
    if (!this.dialog.open) this.show();
    this.isBusy = true;
    const stamp = Date.now().toString(36);
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    let sent = 0;
    let folder = "";
    find("drop-progress").hidden = false;
    try {
      for (const { folder: name, file } of files) {
        find("drop-state").textContent = file.name;
        const place = [stamp, name, file.name].map(encodeURIComponent).join("/");
        const answer = await fetch(`/dropped/${place}`, { method: "PUT", body: file });
        const said = await answer.json().catch(() => ({ error: answer.statusText }));
        if (!answer.ok) throw new Error(said.error);
        folder = said.folder;
        sent += file.size;
        find("drop-progress").value = sent / Math.max(total, 1);
      }
      this.isBusy = false;
      await this.#ask({ path: folder });
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
    this.isBusy = false;
    find("drop-progress").hidden = true;
    find("drop-state").textContent = "";
  }
}
