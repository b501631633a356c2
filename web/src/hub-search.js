/**
 * hub-search.js asks the hub for the vehicles that a search finds, until the page knows the whole fleet. It
 * also asks for those nearest to a place: what the page knows of others than it streams may be old.
 */
import { idText } from "./id.js";
import { parseExact } from "./livemap.js";
import { topicOf } from "./selected.js";
import { TEXTS } from "./texts.js";

/** Milliseconds without typing after which the hub is asked. */
const DELAY = 300;
/** Vehicles of an answer. */
const LIMIT = 100;

export class HubSearch {
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#asking = new AbortController();
	#askingNear = new AbortController();
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
			this.#asking = new AbortController();
			this.#timer = setTimeout(() => this.#ask("q", q, this.#asking.signal), DELAY);
		}
	}

	/** @param {{lon: number, lat: number} | null} place null: nearest to nothing */
	near(place) {
		this.#askingNear.abort();
		if (place) {
			this.#askingNear = new AbortController();
			this.#ask("near", `${place.lon},${place.lat}`, this.#askingNear.signal);
		}
	}

	/** @param {"q" | "near"} by @param {string} value @param {AbortSignal} signal */
	async #ask(by, value, signal) {
		const query = new URLSearchParams([
			[by, value],
			["limit", String(LIMIT)],
			...this.#parts.topics().map((topic) => ["topic", topic]),
		]);
		try {
			const answer = await fetch(`/vehicles?${query}`, { signal, cache: "no-cache" });
			const text = await answer.text();
			if (answer.ok && !signal.aborted) {
				this.#parts.found(parseExact(text).features);
			}
		} catch {
			// What is known is searched. The reading of the whole fleet goes on.
		}
	}
}

/**
 * Asks the hub for a vehicle by its id.
 * @param {string} id
 * @param {boolean} hasAll whether the reader may read the whole fleet, which the list holds
 * @returns {Promise<{feature?: import("./livemap.js").Feature, why: string, signedOut: boolean}>} `why` it is
 *   not known
 */
export async function findAtHub(id, hasAll) {
	// It uses a topic, because a path cannot hold every id. No id has white space around it.
	const query = new URLSearchParams({ topic: topicOf(id) });
	const answer = await fetch(`/snapshot?${query}`, { cache: "no-store" }).catch(() => null);
	const signedOut = answer?.status === 401;
	if (answer?.ok) {
		const [feature] = (await answer.json()).features;
		return { feature, why: TEXTS.find.none(idText(id)), signedOut };
	}
	// A 400: it cannot exist. A 403: it does not, for a reader who may read all.
	if (answer?.status === 400 || (answer?.status === 403 && hasAll)) {
		return { why: TEXTS.find.none(idText(id)), signedOut };
	}
	const forbidden = answer?.status === 403;
	return { why: forbidden ? TEXTS.find.forbidden(idText(id)) : TEXTS.find.away, signedOut };
}
