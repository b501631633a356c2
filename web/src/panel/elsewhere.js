/**
 * elsewhere.js says over the map that nothing of the list is in view, and offers to move there. The map does
 * not move by itself: the reader may be looking at something.
 */
import { element, setText } from "../element.js";
import { contains } from "../map/viewport.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */

export class Elsewhere {
	#element = element("elsewhere", HTMLElement);
	#parts;

	/**
	 * @param {object} parts
	 * @param {() => import("../address.js").ViewState} parts.viewState
	 * @param {() => Vehicle[]} parts.listed
	 * @param {import("../map/map.js").PageMap} parts.map
	 * @param {() => void} parts.show moves the map to what is listed
	 */
	constructor(parts) {
		this.#parts = parts;
		this.#element.querySelector("button")?.addEventListener("click", () => {
			parts.show();
			this.update();
		});
	}

	/** The list has changed, or the map has moved. */
	update() {
		const { viewState, listed, map } = this.#parts;
		const { q, filter, groups, only, vehicle } = viewState();
		const chosen = q.trim() !== "" || filter !== "all" || groups.length > 0 || only.length > 0;
		const vehicles = listed();
		const bounds = map.bounds();
		const none = vehicles.length > 0 && !vehicles.some((v) => contains(bounds, v));
		const arrow = vehicles.length === 1 && vehicles[0].id === vehicle; // points at it already
		this.#element.hidden = !chosen || !none || arrow || map.isMoving();
		if (!this.#element.hidden) {
			const [text, button] = this.#element.children;
			setText(text, TEXTS.view.elsewhere(vehicles.length));
			setText(button, TEXTS.view.showThem(vehicles.length));
		}
	}
}
