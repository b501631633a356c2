/**
 * polled.js reads a view every few seconds instead of streaming it, for which no connection is left.
 */
import { parseExact } from "../livemap.js";

/** @import { Feature, Options, Status } from "../livemap.js" */

const INTERVAL = 5000; // ms
const TIMEOUT = 20_000; // ms that a reading may take

/** Polled has what the worker uses of a feed. */
export class Polled {
	/** @type {Map<string, Feature>} */ vehicles = new Map();
	clockOffset = 0;
	asOf = 0;
	quietFrom = 0;
	/** @type {Status} */
	status = {
		phase: "connecting",
		since: Date.now(),
		heard: 0,
		retryAt: 0,
		attempt: 0,
		protocol: "h1",
		state: "",
		reason: "",
		refusal: "",
	};

	#options;
	#isFrozen;
	#etag = "";
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#reading = new AbortController();

	/**
	 * @param {Options} options
	 * @param {() => boolean} isFrozen whether the hub cannot prove that it is up to date
	 */
	constructor(options, isFrozen) {
		this.#options = options;
		this.#isFrozen = isFrozen;
		queueMicrotask(() => this.#read());
	}

	retry() {
		this.close();
		this.#read();
	}

	close() {
		clearTimeout(this.#timer);
		this.#reading.abort();
	}

	async #read() {
		const { signal } = (this.#reading = new AbortController());
		const time = Date.now();
		/** @type {Partial<Status> & {phase: Status["phase"]}} */
		let status = { phase: "waiting", reason: "the hub cannot be reached" };
		try {
			const answer = await fetch(this.#url(), {
				signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
				cache: "no-store",
				headers: this.#etag ? { "If-None-Match": this.#etag } : {},
			});
			status = await this.#take(answer, time);
		} catch {
			// The initial status holds.
		}
		if (signal.aborted) {
			return;
		}
		const { phase } = this.status;
		this.status = { ...this.status, refusal: "", ...status };
		if (this.status.phase !== phase) {
			this.status.since = Date.now();
			this.#options.onStatus?.(this.status);
		}
		this.#timer = setTimeout(() => this.#read(), INTERVAL);
	}

	/** @param {Response} answer @param {number} time when it was asked for */
	async #take(answer, time) {
		const body = answer.status === 304 ? "" : await answer.text();
		if (answer.status === 401 || answer.status === 403) {
			/** @type {Status["refusal"]} */
			const refusal = answer.status === 401 ? "unauthorized" : "forbidden";
			return { phase: /** @type {const} */ ("refused"), refusal, reason: JSON.parse(body).detail };
		}
		if (answer.status !== 304 && !answer.ok) {
			return { phase: /** @type {const} */ ("waiting"), reason: `the hub answers ${answer.status}` };
		}
		this.#reading.signal.throwIfAborted();
		if (answer.ok) {
			this.#etag = answer.headers.get("ETag") ?? "";
			this.#replace(parseExact(body));
		}
		const frozen = this.#isFrozen();
		this.asOf = frozen && this.asOf > 0 ? this.asOf : time;
		this.clockOffset = (Date.parse(answer.headers.get("Date") ?? "") || time) - time;
		return {
			phase: /** @type {Status["phase"]} */ (frozen ? "frozen" : "live"),
			heard: Date.now(),
			reason: frozen ? "the hub cannot prove that it is up to date" : "",
			state: /** @type {const} */ ("read"),
		};
	}

	/** @param {{features: Feature[], quiet_from?: number}} snapshot */
	#replace({ features, quiet_from: quietFrom }) {
		const before = this.vehicles;
		this.quietFrom = quietFrom ?? this.quietFrom;
		this.vehicles = new Map(features.map((feature) => [feature.id, feature]));
		for (const id of before.keys()) {
			if (!this.vehicles.has(id)) {
				this.#options.onGone?.(id, "left");
			}
		}
		for (const feature of features) {
			if (JSON.stringify(before.get(feature.id)) !== JSON.stringify(feature)) {
				this.#options.onPosition?.(feature);
			}
		}
	}

	#url() {
		const { topics = [], bbox } = this.#options;
		const query = new URLSearchParams(topics.map((topic) => ["topic", topic]));
		if (bbox) {
			query.set("bbox", bbox.join());
		}
		return `/snapshot?${query}`;
	}
}
