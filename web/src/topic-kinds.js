/**
 * topic-kinds.js reads the kinds of vehicles from the hub's topics, such as `kind:bus`, for vehicles whose
 * positions name none.
 */
import { kindOf, nameOf, readPage } from "./groups.js";
import { kindNamed } from "./map/kinds.js";

/** @typedef {import("./map/kinds.js").Kind} Kind */

/** Milliseconds until all is read again: a vehicle may have come into another topic. */
const INTERVAL = 600_000;

export class TopicKinds {
	#fleet;
	#changed;
	/** The vehicles that had no kind at the last reading. @type {Set<string>} */
	#without = new Set();
	#readAt = -Infinity; // ms of performance.now()
	#reading = new AbortController();

	/** @param {import("./fleet.js").Fleet} fleet @param {() => void} changed */
	constructor(fleet, changed) {
		this.#fleet = fleet;
		this.#changed = changed;
	}

	/**
	 * Reads who is in the topics of kinds, if vehicles have come that need it.
	 * @param {import("./groups.js").Topic[]} topics of the hub
	 */
	async update(topics) {
		const kinds = topics
			.filter(({ id }) => kindOf(id) === "kind")
			.map(({ id }) => ({ topic: id, kind: kindNamed(nameOf(id)) }))
			.filter(({ kind }) => kind !== null);
		const without = [...this.#fleet.vehicles.values()].filter(({ kind }) => kind === null);
		const due = performance.now() > this.#readAt + INTERVAL;
		if (kinds.length === 0 || !without.some(({ id }) => due || !this.#without.has(id))) {
			return;
		}
		this.#readAt = performance.now();
		this.#without = new Set(without.map(({ id }) => id));
		this.#reading.abort();
		const { signal } = (this.#reading = new AbortController());
		for (const { topic, kind } of kinds) {
			await this.#read(topic, kind, signal);
		}
		this.#changed();
	}

	/** @param {string} topic @param {Kind | null} kind @param {AbortSignal} signal */
	async #read(topic, kind, signal) {
		for (let after = ""; ;) {
			const answer = await readPage(`/vehicles?topic=${encodeURIComponent(topic)}`, after, signal);
			if (signal.aborted) {
				return;
			}
			if (!answer) {
				this.#without.clear(); // the next update reads again
				return;
			}
			for (const { id } of answer.features) {
				const vehicle = this.#fleet.vehicles.get(id);
				if (vehicle) {
					vehicle.topicKind = kind;
				}
			}
			after = answer.next ?? "";
			if (!after) {
				return;
			}
		}
	}
}
