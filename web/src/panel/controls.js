/**
 * controls.js is what the panel is worked with: search, filter, order, and the
 * keys of the whole page.
 */
import { element } from "../element.js";

/** @typedef {import("../address.js").Look} Look */

/**
 * @typedef {object} Actions
 * @property {() => Look} look
 * @property {(next: Partial<Look>) => void} change
 * @property {() => void} accept takes what was searched for
 * @property {() => void} enter goes into the list
 * @property {() => void} open shows the panel, where it is hidden
 */

const search = element("search", HTMLInputElement);
const sorting = element("sort", HTMLSelectElement);
const filter = element("filter", HTMLFieldSetElement);

/** @param {Actions} actions */
export function controls({ look, change, accept, enter, open }) {
	search.addEventListener("focus", open);
	search.addEventListener("input", () => change({ q: search.value }));
	search.addEventListener("keydown", (event) => {
		if (event.key === "ArrowDown") {
			event.preventDefault();
			enter();
		} else if (event.key === "Enter" && look().q.trim() !== "") {
			accept();
		} else if (event.key === "Escape" && look().q !== "") {
			event.stopPropagation();
			change({ q: "" });
		}
	});
	filter.addEventListener("change", (event) => {
		const { value } = /** @type {HTMLInputElement} */ (event.target);
		change({ filter: /** @type {Look["filter"]} */ (value) });
	});
	sorting.addEventListener("change", () => change({ sort: /** @type {Look["sort"]} */ (sorting.value) }));
	document.addEventListener("keydown", (event) => {
		if (event.key === "/" && event.target !== search && !event.ctrlKey && !event.metaKey && !event.altKey) {
			event.preventDefault();
			open();
			search.focus();
		} else if (event.key === "Escape" && look().vehicle !== null) {
			change({ vehicle: null, follow: false });
		}
	});
}

/** Makes the controls say what is looked at. @param {Look} look */
export function controlled(look) {
	if (search.value !== look.q) {
		search.value = look.q;
	}
	sorting.value = look.sort;
	/** @type {HTMLInputElement} */ (filter.querySelector(`[value=${look.filter}]`)).checked = true;
}
