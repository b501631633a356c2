/**
 * controls.js is what the panel is worked with: search, filter, order, and the
 * keys of the whole page.
 */
import { element } from "../element.js";

/** @typedef {import("../address.js").ViewState} ViewState */

/**
 * @typedef {object} Actions
 * @property {() => ViewState} viewState
 * @property {(next: Partial<ViewState>) => void} change
 * @property {() => void} submitSearch takes what was searched for
 * @property {() => void} focusList goes into the list
 * @property {() => void} openPanel shows the panel, where it is hidden
 */

const search = element("search", HTMLInputElement);
const sorting = element("sort", HTMLSelectElement);
const filter = element("filter", HTMLFieldSetElement);

/** @param {Actions} actions */
export function bindControls({ viewState, change, submitSearch, focusList, openPanel }) {
	search.addEventListener("focus", openPanel);
	search.addEventListener("input", () => change({ q: search.value }));
	search.addEventListener("keydown", (event) => {
		if (event.key === "ArrowDown") {
			event.preventDefault();
			focusList();
		} else if (event.key === "Enter" && viewState().q.trim() !== "") {
			submitSearch();
		} else if (event.key === "Escape" && viewState().q !== "") {
			event.stopPropagation();
			change({ q: "" });
		}
	});
	filter.addEventListener("change", (event) => {
		const { value } = /** @type {HTMLInputElement} */ (event.target);
		change({ filter: /** @type {ViewState["filter"]} */ (value) });
	});
	sorting.addEventListener("change", () =>
		change({ sort: /** @type {ViewState["sort"]} */ (sorting.value) }),
	);
	document.addEventListener("keydown", (event) => {
		if (
			event.key === "/" &&
			event.target !== search &&
			!event.ctrlKey &&
			!event.metaKey &&
			!event.altKey
		) {
			event.preventDefault();
			openPanel();
			search.focus();
		} else if (event.key === "Escape" && viewState().vehicle !== null) {
			change({ vehicle: null, follow: false });
		}
	});
}

/** Makes the controls say what is looked at. @param {ViewState} viewState */
export function syncControls(viewState) {
	if (search.value !== viewState.q) {
		search.value = viewState.q;
	}
	sorting.value = viewState.sort;
	/** @type {HTMLInputElement} */ (filter.querySelector(`[value=${viewState.filter}]`)).checked = true;
}
