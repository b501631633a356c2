/**
 * view-history.js keeps the view in the page's address, and makes entries of the browser's history of it.
 */
import { format } from "./address.js";
import { project } from "./fleet.js";

/** @typedef {import("./address.js").ViewState} ViewState */

/** Milliseconds until a change is in the address, because browsers limit how often it may change. */
const SAVE_DELAY = 250;
/** Zoom levels from which another zoom is another view. */
const OTHER_ZOOM = 2;

export class ViewHistory {
	#viewState;
	#width;
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	/** Where the map was when the current entry was made. @type {ViewState["map"]} */ #map;

	/** @param {() => ViewState} viewState @param {() => number} width of the map in CSS pixels */
	constructor(viewState, width) {
		this.#viewState = viewState;
		this.#width = width;
		this.#map = viewState().map;
	}

	/** Writes the address after a short delay. */
	save() {
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			history.replaceState(null, "", format(this.#viewState()));
		}, SAVE_DELAY);
	}

	/** Forgets what was to be saved, which is of another entry. */
	#cancel() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}

	/** Makes an entry of the browser's history. @param {ViewState} before what the present entry is */
	add(before) {
		this.#cancel();
		this.#map = this.#viewState().map;
		try {
			history.replaceState(null, "", format(before));
			history.pushState(null, "", format(this.#viewState()));
		} catch {
			this.save(); // browsers limit how often it may change
		}
	}

	/** The map has moved. @param {ViewState} before @param {boolean} byReader who may want to go back */
	moved(before, byReader) {
		this.#map ??= this.#viewState().map;
		if (byReader && this.#isAnotherView()) {
			this.add({ ...before, map: before.map ?? this.#map });
		} else {
			this.save();
		}
	}

	/** The browser has gone to another entry. */
	went() {
		this.#cancel();
		this.#map = this.#viewState().map;
	}

	/** Whether the map has moved so far that it is another view. */
	#isAnotherView() {
		const [from, { map: to }] = [this.#map, this.#viewState()];
		if (!from || !to) {
			return false;
		}
		const [a, b] = [project(from.lon, from.lat), project(to.lon, to.lat)];
		const pixels = Math.hypot(a.x - b.x, a.y - b.y) * 512 * 2 ** Math.min(from.zoom, to.zoom);
		return Math.abs(from.zoom - to.zoom) >= OTHER_ZOOM || pixels > this.#width();
	}
}
