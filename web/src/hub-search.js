/**
 * hub-search.js asks the hub for the vehicles that a search finds, until the page knows the whole fleet.
 */
import { parseExact } from "./livemap.js";

/** Milliseconds without typing after which the hub is asked. */
const DELAY = 300;
/** Vehicles of an answer. */
const LIMIT = 100;

export class HubSearch {
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#asking = new AbortController();
	#parts;

	/**
	 * @param {object} parts
	 * @param {() => boolean} parts.needed whether there may be vehicles that the page does not know
	 * @param {() => string[]} parts.topics in which to search; none: all that the reader may read
	 * @param {(features: import("./livemap.js").Feature[]) => void} parts.found
	 */
	constructor(parts) {
		this.#parts = parts;
	}

	/** @param {string} q */
	search(q) {
		clearTimeout(this.#timer);
		this.#asking.abort();
		if (q.trim() !== "" && this.#parts.needed()) {
			this.#timer = setTimeout(() => this.#ask(q), DELAY);
		}
	}

	/** @param {string} q */
	async #ask(q) {
		const { signal } = (this.#asking = new AbortController());
		const query = new URLSearchParams([
			["q", q],
			["limit", String(LIMIT)],
			...this.#parts.topics().map((topic) => ["topic", topic]),
		]);
		try {
			const answer = await fetch(`/vehicles?${query}`, { signal, cache: "no-cache" });
			if (answer.ok) {
				this.#parts.found(parseExact(await answer.text()).features);
			}
		} catch {
			// What is known is searched. The reading of the whole fleet goes on.
		}
	}
}
