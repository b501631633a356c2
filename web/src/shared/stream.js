/**
 * stream.js follows a view through the SharedWorker of all tabs (worker.js). Over HTTP/1.1 a browser opens at
 * most six connections to a host, so a seventh tab with a stream of its own would not even load.
 */

import { follow as followHub } from "../livemap.js";

/** @import { Feature, Options, Status, View } from "../livemap.js" */

/**
 * What the worker sends: at first everything, then what has changed. It sends something every second.
 * @typedef {object} Message
 * @property {Status} status
 * @property {number} clockOffset
 * @property {number} asOf 0: not yet
 * @property {number} quietFrom
 * @property {Feature[]} [vehicles] all there are
 * @property {Change[]} [changes]
 */

/** @typedef {["position" | "late", Feature] | ["gone", string, string]} Change */

/**
 * What a tab asks of the worker: to follow a view, to reconnect, to begin all streams anew after a sign-in or
 * sign-out, to know that the tab is there, and that it leaves.
 * @typedef {{ask: "follow", view: View, ping: number} | {ask: "retry" | "renew" | "here" | "leave"}} Request
 */

/** Milliseconds of silence after which the worker is asked for a sign of life, and after which it is dead. */
const SILENT_AFTER = 5000;
const DEAD_AFTER = 15_000;
/** Milliseconds between two signs of life to the worker, which forgets tabs that give none. */
const HERE_INTERVAL = 20_000;

/** @type {Set<SharedStream>} */
const open = new Set();
let works = true; // no worker has failed
let renewing = false; // a sign-in or sign-out that the worker does not know yet

/**
 * Whether the page's streams are to be shared: only over HTTP/1.1, where connections are few.
 * @param {string | undefined} protocol by which the page has come
 */
export const sharesStreams = (protocol) =>
	works && typeof SharedWorker === "function" && /^http\/1/.test(protocol ?? "");

/** The protocol by which this page has come, if the browser tells. */
const pageProtocol = () =>
	/** @type {PerformanceNavigationTiming | undefined} */ (performance.getEntriesByType("navigation")[0])
		?.nextHopProtocol;

/** Follows the hub, with the streams of all tabs where connections are few. @param {Options} [options] */
export function follow(options = {}) {
	return followHub({
		...options,
		newStream: (feed, view) =>
			sharesStreams(pageProtocol()) ? new SharedStream(feed, view, feed.ping) : undefined,
	});
}

/** The reader has signed in or out, so all streams begin anew, in all tabs. */
export function renew() {
	const [stream] = open;
	if (stream) {
		stream.ask({ ask: "renew" });
	} else {
		renewing = true;
	}
}

/** SharedStream is a stream of a feed whose connection is the worker's. */
export class SharedStream {
	/** @type {Map<string, Feature>} */ vehicles = new Map();
	adopted = false;
	live = false;
	reread = false;
	/** @type {Status} */ status;

	#feed;
	/** @type {SharedWorker | null} */ #worker = null;
	#heard = Date.now(); // from the worker
	#saidHere = Date.now();
	#closed = false;
	#onPageHide = () => this.ask({ ask: "leave" });

	/** @param {any} feed livemap.js's @param {View} query @param {number} ping seconds */
	constructor(feed, query, ping) {
		this.#feed = feed;
		this.status = feed.newStatus();
		this.query = query;
		this.ping = ping;
	}

	start() {
		this.#feed.statusChanged(this);
		if (this.#closed) {
			return; // by an onStatus callback
		}
		open.add(this);
		try {
			this.#worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module" });
		} catch {
			return this.#fail();
		}
		this.#worker.onerror = () => this.#fail();
		this.#worker.port.onmessage = ({ data }) => this.#take(data);
		globalThis.addEventListener?.("pagehide", this.#onPageHide);
		if (renewing) {
			renewing = false;
			this.ask({ ask: "renew" });
		}
		this.#follow();
	}

	/** Leaves a worker that is dead, and says that this tab is not. */
	check() {
		if (this.#worker === null) {
			return;
		}
		const silence = Date.now() - this.#heard;
		if (Date.now() - this.#saidHere > HERE_INTERVAL) {
			this.#saidHere = Date.now();
			this.ask({ ask: "here" });
		}
		if (silence > DEAD_AFTER + SILENT_AFTER) {
			this.#heard = Date.now() - DEAD_AFTER; // this tab slept: the worker gets the time to answer
			this.#follow();
		} else if (silence > DEAD_AFTER) {
			this.#fail();
		} else if (silence > SILENT_AFTER) {
			this.#follow();
		}
	}

	retry() {
		if (this.live) {
			this.check();
		} else {
			this.ask({ ask: "retry" });
		}
	}

	close() {
		this.#closed = true;
		open.delete(this);
		globalThis.removeEventListener?.("pagehide", this.#onPageHide);
		this.ask({ ask: "leave" });
		this.#worker?.port.close();
		this.#worker = null;
		this.live = false;
		this.status = { ...this.status, phase: "closed", since: Date.now(), retryAt: 0 };
	}

	/** @param {Request} request @package */
	ask(request) {
		this.#worker?.port.postMessage(request);
	}

	#follow() {
		const { topics, bbox, interval } = this.query;
		this.ask({ ask: "follow", view: { topics, bbox, interval }, ping: this.ping });
	}

	/** The worker is of no use, so the feed gets a stream of its own. */
	#fail() {
		works = false;
		this.#feed.reread(this);
	}

	/** @param {Message} message */
	#take({ status, clockOffset, asOf, quietFrom, vehicles, changes = [] }) {
		if (this.#closed) {
			return;
		}
		this.#heard = Date.now();
		if (asOf > 0) {
			this.#feed.clockOffset = clockOffset;
			this.#feed.setQuietFrom(quietFrom);
		}
		if (vehicles) {
			const shown = this.vehicles === this.#feed.vehicles;
			this.vehicles = new Map(vehicles.map((feature) => [feature.id, feature]));
			if (shown || !this.adopted) {
				this.adopted = true;
				this.#feed.adopt(this);
			}
		}
		for (const change of this.adopted ? changes : []) {
			this.#apply(change);
		}
		if (this.#closed) {
			return; // by a callback
		}
		if (this.adopted && asOf > 0) {
			this.#feed.proven(asOf);
		}
		const before = this.status;
		// The heard time alone is no change of the status.
		if (JSON.stringify({ ...before, heard: 0 }) === JSON.stringify({ ...status, heard: 0 })) {
			before.heard = status.heard;
			return;
		}
		this.live = status.phase === "live" || status.phase === "frozen";
		this.status = status;
		this.#feed.statusChanged(this);
	}

	/** @param {Change} change */
	#apply([what, subject, reason]) {
		if (what === "gone") {
			this.vehicles.delete(subject);
		} else if (what === "position") {
			this.vehicles.set(subject.id, subject);
		}
		this.#feed.changed(this, what, subject, reason);
	}
}
