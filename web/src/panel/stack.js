/**
 * stack.js lists the vehicles at one spot of the map, which the map cannot tell apart.
 */
import { setText } from "../element.js";
import { showId } from "../id.js";
import { TEXTS } from "../texts.js";
import { rowTexts } from "./columns.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */

/** The most rows. */
const MAX_ROWS = 500;
/** What a row says beside the name. */
const COLUMNS = ["activity", "label", "driver", "line"];

const { compare } = new Intl.Collator("en", { numeric: true });

export class StackList {
	/** The vehicles, those that are silent first. @type {string[]} */ #ids = [];
	/** @type {Map<string, HTMLElement>} */ #rows = new Map();
	/** Where the keyboard's focus was before. @type {HTMLElement | null} */ #before = null;
	#parts;
	/** @type {HTMLElement} */ #title;
	/** @type {HTMLElement} */ #list;
	/** @type {HTMLElement} */ #more;
	/** @type {HTMLElement} */ #only;

	/**
	 * @param {HTMLElement} element
	 * @param {object} parts
	 * @param {import("../fleet.js").Fleet} parts.fleet
	 * @param {import("../places.js").Places} parts.places
	 * @param {(id: string) => void} parts.onSelect
	 * @param {(ids: string[]) => void} parts.onOnly is called to show only these vehicles
	 */
	constructor(element, parts) {
		this.element = element;
		this.#parts = parts;
		element.innerHTML = `
			<header><h2 id="stack-title"></h2><button class="close" type="button">×</button></header>
			<ul></ul>
			<p></p>
			<div class="actions"><button class="only" type="button"></button></div>`;
		const [title, close, list, more, only] = ["h2", ".close", "ul", "p", ".only"].map(
			(selector) => /** @type {HTMLElement} */ (element.querySelector(selector)),
		);
		[this.#title, this.#list, this.#more, this.#only] = [title, list, more, only];
		close.setAttribute("aria-label", TEXTS.stack.close);
		setText(only, TEXTS.stack.only);
		close.addEventListener("click", () => this.close());
		only.addEventListener("click", () => {
			parts.onOnly(this.#ids);
			this.close();
		});
		list.addEventListener("click", ({ target }) => {
			const row = /** @type {Element} */ (target).closest("button");
			row?.dataset.id !== undefined && parts.onSelect(row.dataset.id);
		});
		element.addEventListener("keydown", (event) => this.#key(event));
	}

	/** @param {Iterable<Vehicle>} vehicles */
	open(vehicles) {
		const stateOf = this.#parts.fleet.states();
		const silent = (/** @type {Vehicle} */ v) => Number(stateOf(v) === "silent");
		this.#ids = [...new Set(vehicles)]
			.sort((a, b) => silent(b) - silent(a) || compare(a.id, b.id))
			.map(({ id }) => id);
		if (this.element.hidden) {
			this.#before = /** @type {HTMLElement | null} */ (document.activeElement);
		}
		const rows = this.#ids.slice(0, MAX_ROWS);
		setText(this.#title, TEXTS.stack.title(this.#ids.length));
		setText(this.#more, this.#ids.length > MAX_ROWS ? TEXTS.stack.more(this.#ids.length - MAX_ROWS) : "");
		this.#only.hidden = this.#ids.length > MAX_ROWS;
		this.#rows = new Map(rows.map((id) => [id, this.#row(id)]));
		this.#list.replaceChildren(
			...[...this.#rows.values()].map((row) => {
				const item = document.createElement("li");
				item.append(row);
				return item;
			}),
		);
		this.element.hidden = false;
		this.refresh();
		this.#rows.get(this.#ids[0])?.focus();
	}

	/** @returns {boolean} whether it was open */
	close() {
		const open = !this.element.hidden;
		this.element.hidden = true;
		if (open) {
			this.#before?.focus();
		}
		return open;
	}

	/** Shows what the vehicles do now. @param {string | null} [selected] */
	refresh(selected = null) {
		if (this.element.hidden) {
			return;
		}
		const { fleet, places } = this.#parts;
		const stateOf = fleet.states();
		const of = { now: fleet.clock(), asOf: fleet.until(), columns: COLUMNS, places, near: null };
		for (const [id, row] of this.#rows) {
			const vehicle = fleet.vehicles.get(id);
			const state = vehicle ? stateOf(vehicle) : "gone";
			row.dataset.state = state;
			row.setAttribute("aria-pressed", String(id === selected));
			const { what, about } = vehicle
				? rowTexts(vehicle, { ...of, state: stateOf(vehicle) })
				: { what: TEXTS.stack.gone, about: "" };
			setText(row.children[2], [what, about].filter(Boolean).join(" · "));
		}
	}

	/** @param {string} id */
	#row(id) {
		const row = Object.assign(document.createElement("button"), { type: "button" });
		row.dataset.id = id;
		const [lamp, name, what] = ["lamp", "name", "what"].map((className) =>
			Object.assign(document.createElement(className === "what" ? "bdi" : "span"), { className }),
		);
		showId(name, id, this.#parts.fleet.difference(id));
		row.append(lamp, name, what);
		return row;
	}

	/** @param {KeyboardEvent} event */
	#key(event) {
		const rows = [...this.#rows.values()];
		const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
		if (event.key === "Escape") {
			this.close();
		} else if (to !== undefined) {
			rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus();
		} else {
			return;
		}
		event.preventDefault();
		event.stopPropagation();
	}
}
