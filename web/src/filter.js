/**
 * filter.js decides which vehicles the list and the map show.
 */
import { matcher } from "./search.js";

/** @typedef {import("./fleet.js").Vehicle} Vehicle */
/** @typedef {import("./fleet.js").State} State */

export class Filter {
	/** @type {State | "all"} */ #state = "all";
	/** @type {ReturnType<typeof matcher>} */ #matches = null;
	/** @type {Set<string> | null} */ #only = null;
	#q = "";
	#inGroups;

	/** @param {(vehicle: Vehicle) => boolean} inGroups whether a vehicle is in the chosen groups */
	constructor(inGroups) {
		this.#inGroups = inGroups;
	}

	/** @param {import("./address.js").ViewState} viewState */
	set({ filter, q, only }) {
		this.#state = filter;
		this.#only = only.length > 0 ? new Set(only) : null;
		if (q !== this.#q) {
			this.#q = q;
			this.#matches = matcher(q);
		}
	}

	/** Whether a vehicle is in the chosen groups and among those that are isolated. @param {Vehicle} vehicle */
	inScope = (vehicle) => (this.#only === null || this.#only.has(vehicle.id)) && this.#inGroups(vehicle);

	/** Whether a vehicle is shown. @param {Vehicle} vehicle @param {State} state */
	shows = (vehicle, state) =>
		(this.#state === "all" || state === this.#state) &&
		this.inScope(vehicle) &&
		(this.#matches === null || this.#matches(vehicle.feature));
}
