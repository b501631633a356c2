/**
 * controls.js handles search, filter, sorting, and the page's keyboard shortcuts.
 */
import { element } from "../element.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../address.js").ViewState} ViewState */

/**
 * @typedef {object} Actions
 * @property {() => ViewState} viewState
 * @property {(next: Partial<ViewState>) => void} change
 * @property {() => void} submitSearch selects the first result
 * @property {() => void} focusList moves the keyboard focus to the list
 * @property {() => void} openPanel opens the panel on a phone
 * @property {() => {lon: number, lat: number}} middle of the map
 * @property {Record<string, () => void>} keys what single keys do
 * @property {() => void} escape ends what was begun last
 */

const search = element("search", HTMLInputElement);
const sorting = element("sort", HTMLSelectElement);
const filter = element("filter", HTMLFieldSetElement);
const inView = element("in-view", HTMLInputElement);

/** @param {Actions} actions */
export function bindControls(actions) {
	const { viewState, change, submitSearch, focusList, openPanel, middle, keys, escape } = actions;
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
	inView.addEventListener("change", () => change({ inView: inView.checked }));
	sorting.addEventListener("change", () => {
		const sort = /** @type {ViewState["sort"]} */ (sorting.value);
		const near = viewState().near ?? { ...middle(), name: TEXTS.search.middle };
		change(sort === "distance" ? { sort, near } : { sort });
	});
	document.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
			return;
		}
		if (event.key === "/" && event.target !== search) {
			event.preventDefault();
			openPanel();
			search.focus();
		} else if (event.key === "Escape") {
			escape();
		} else if (!isTyping(event.target)) {
			keys[event.key]?.();
		}
	});
}

/** Whether a key is text for an element. @param {EventTarget | null} target */
const isTyping = (target) =>
	target instanceof HTMLSelectElement ||
	target instanceof HTMLTextAreaElement ||
	(target instanceof HTMLInputElement && !["checkbox", "radio"].includes(target.type));

/** Sets the controls to the view state. @param {ViewState} viewState */
export function syncControls(viewState) {
	if (search.value !== viewState.q) {
		search.value = viewState.q;
	}
	sorting.value = viewState.sort;
	inView.checked = viewState.inView;
	/** @type {HTMLInputElement} */ (filter.querySelector(`[value=${viewState.filter}]`)).checked = true;
}
