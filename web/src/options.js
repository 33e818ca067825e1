// The form of options, made from their declarations.
import { find, make } from "./dom.js";
import { WORDS } from "./words.js";

export class Options {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.key = "";
    find("option-form").onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.run({});
    };
  }

  draw() {
    const { options, chosen } = this.app.state;
    const key = JSON.stringify([options, chosen]);
    if (!options || key === this.key) return;
    this.key = key;
    /** @type {Map<string, any[]>} */
    const groups = new Map();
    for (const [name, field] of Object.entries(options.properties)) {
      groups.set(field.group, [...(groups.get(field.group) ?? []), this.#field(name, field, chosen[name] ?? field.default)]);
    }
    const sets = [...groups].map(([group, fields]) => make("fieldset", {}, make("legend", {}, group), ...fields));
    find("option-form").replaceChildren(...sets, make("button", { className: "main" }, WORDS.rerun));
  }

  #field(/** @type {string} */ name, /** @type {any} */ field, /** @type {any} */ value) {
    const id = `option-${name}`;
    const hint = make("span", { className: "hint", id: `${id}-hint` }, field.description);
    if (field.type === "boolean") {
      const box = make("input", { type: "checkbox", id, name, checked: value, "aria-describedby": hint.id });
      return make("div", {}, make("label", { className: "check" }, box, field.title), hint);
    }
    const choices = (field.enum ?? []).map((/** @type {any} */ one) =>
      make("option", { value: one ?? "", selected: one === value }, one ?? WORDS.byDefault),
    );
    const input = field.enum
      ? make("select", { id, name, "aria-describedby": hint.id }, ...choices)
      : make("input", { id, name, value: value ?? "", "aria-describedby": hint.id });
    return make("div", {}, make("label", { for: id }, field.title), input, hint);
  }

  /** What the form says. @returns {Record<string, any>} */
  values() {
    /** @type {Record<string, any>} */
    const found = {};
    for (const [name, field] of Object.entries(this.app.state.options.properties)) {
      const input = find(`option-${name}`);
      const value = field.type === "boolean" ? input.checked : input.value || null;
      if (value !== field.default && value !== null) found[name] = value;
    }
    return found;
  }

  /** Fuse again. @param {{leave_out?: string[], reference?: string}} changes */
  run(changes) {
    const { leave_out: leftOut, chosen } = this.app.state;
    const reference = changes.reference ?? chosen.reference ?? null;
    this.app.ask("/api/run", { options: this.values(), leave_out: changes.leave_out ?? leftOut, reference });
  }
}
