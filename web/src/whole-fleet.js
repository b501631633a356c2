/**
 * whole-fleet.js keeps the list complete while the stream covers only what is in and around the view: it
 * reads the hub's snapshot of the fleet every few seconds, less often the larger the fleet is.
 */

import { parseExact } from "./livemap.js";

/** Milliseconds between two readings, and the vehicles for each further one. */
const MIN_INTERVAL = 10_000;
const VEHICLES_PER_MS = 0.3;

export class WholeFleet {
	/** Whether the fleet holds every vehicle that the reader may read. */
	complete = false;
	/** Until when vehicles outside of the stream are known, in Unix seconds; null: the stream has them all. */
	asOf = /** @type {number | null} */ (null);

	/** The vehicles of the last reading. */
	ids = /** @type {Set<string>} */ (new Set());

	#fleet;
	#topics;
	#changed;
	#etag = "";
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#reading = new AbortController();

	/**
	 * @param {import("./fleet.js").Fleet} fleet
	 * @param {() => string[]} topics that hold the whole fleet; none: everything that the reader may read
	 * @param {() => void} changed is called after a reading
	 */
	constructor(fleet, topics, changed) {
		this.#fleet = fleet;
		this.#topics = topics;
		this.#changed = changed;
	}

	/**
	 * The stream is live.
	 * @param {boolean} part whether it covers only a part of the fleet
	 * @param {boolean} anew whether it could not continue from what was known
	 */
	streamed(part, anew) {
		if (!part) {
			this.#stop();
			this.#fleet.keepStreamed();
			this.ids = new Set();
			this.complete = true;
			this.asOf = null;
		} else if (anew) {
			this.#stop();
			this.#schedule(0);
		} else if (this.#timer === undefined) {
			this.asOf = this.complete ? this.#fleet.asOf() : null;
			this.#schedule(this.complete ? this.#interval : 0);
		}
	}

	/** Another reader may not read the same vehicles. */
	reset() {
		this.#stop();
		this.#etag = "";
		this.#fleet.keepStreamed();
		this.ids = new Set();
		this.complete = false;
	}

	get #interval() {
		return Math.max(MIN_INTERVAL, this.#fleet.vehicles.size / VEHICLES_PER_MS);
	}

	/** @param {number} ms */
	#schedule(ms) {
		this.#timer = setTimeout(() => this.#read(), ms);
	}

	#stop() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#reading.abort();
	}

	async #read() {
		const { signal } = (this.#reading = new AbortController());
		const query = new URLSearchParams(this.#topics().map((topic) => ["topic", topic]));
		const time = this.#fleet.asOf(); // the answer is no older, and no newer while the hub is frozen
		try {
			const answer = await fetch(`/snapshot?${query}`, {
				signal,
				cache: "no-store",
				headers: this.#etag ? { "If-None-Match": this.#etag } : {},
			});
			if (answer.status === 304) {
				this.#fleet.confirm(time);
				this.asOf = time;
			} else if (answer.ok) {
				const { features } = parseExact(await answer.text());
				this.#fleet.learn(features, time);
				this.ids = new Set(features.map((/** @type {{id: string}} */ { id }) => id));
				this.#etag = answer.headers.get("ETag") ?? "";
				this.complete = true;
				this.asOf = time;
			}
		} catch {
			// The hub is away, which the connection says. The next reading may succeed.
		}
		if (!signal.aborted) {
			this.#changed();
			this.#schedule(this.#interval);
		}
	}
}
