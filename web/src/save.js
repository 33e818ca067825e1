// Saving the picture, its maps and the project.
import { find, make } from "./dom.js";
import { links } from "./height.js";
import { WORDS } from "./words.js";

export class Save {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.suggested = "";
    find("save-form").onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.savePicture();
    };
    find("save-project").onclick = async () => {
      const answer = await app.ask("/api/project");
      if (answer) find("saved").textContent = WORDS.projectSaved(answer.path);
    };
  }

  draw() {
    const { state } = this.app;
    const isReady = state.state === "ready";
    if (state.save_as && state.save_as !== this.suggested) find("path").value = this.suggested = state.save_as; // another stack
    find("project-path").textContent = state.project ?? "";
    find("save-project").disabled = !state.frames.length;
    find("save-form").querySelector("button").disabled = !isReady;
    const key = JSON.stringify(state.maps);
    if (find("maps").dataset.key === key) return;
    find("maps").dataset.key = key;
    const boxes = (state.maps ?? []).map((/** @type {string} */ name) =>
      make(
        "label",
        { className: "check" },
        make("input", { type: "checkbox", value: name }),
        /** @type {Record<string, string>} */ (WORDS.maps)[name] ?? name,
      ),
    );
    find("maps").replaceChildren(find("maps").firstElementChild, ...boxes);
    find("maps").hidden = !boxes.length;
  }

  async savePicture() {
    const maps = [...find("maps").querySelectorAll("input:checked")].map((box) => box.value);
    find("saved").textContent = "…";
    const answer = await this.app.ask("/api/save", { path: find("path").value, maps, layers: find("layers").value });
    find("saved").textContent = answer ? WORDS.saved(answer.files) : "";
    find("downloads").replaceChildren(...links(answer?.files ?? []));
  }
}
