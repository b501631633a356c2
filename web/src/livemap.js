/**
 * livemap.js follows a Live Map Hub: it holds every vehicle's newest position
 * and tells what changes, through everything that may befall a connection.
 *
 *     import { follow } from "https://hub.example/livemap.js";
 *
 *     const feed = follow({
 *       topics: ["depot:7"],
 *       onPosition: (feature) => show(feature),
 *       onGone: (id) => remove(id),
 *       onStatus: (status) => console.log(status.phase),
 *     });
 *
 * The state comes as a compressed snapshot, and an EventSource goes on from its
 * event id. EventSource by itself gives up for good at a 502 or 503, does not
 * see that a path is dead, and forgets its event id when it is made anew; this
 * module reconnects with back-off and jitter, asks for pings and misses them,
 * and resumes. It needs nothing but fetch and EventSource.
 *
 * Requests carry the cookie that signing in at the hub (POST /session) has set.
 * When that is not taken, or not any more, the phase is `refused`, and `reason` has
 * the hub's words: sign in, and call feed.retry(). An event id belongs to what its
 * reader may read, so after signing in as somebody else call feed.view() instead.
 *
 * @module
 */

/**
 * A vehicle's position, as GeoJSON (RFC 7946).
 * @typedef {object} Feature
 * @property {"Feature"} type
 * @property {string} id the vehicle's id
 * @property {{type: "Point", coordinates: number[]}} geometry longitude and latitude in WGS 84 degrees, then
 *   metres of altitude where known
 * @property {{vehicle_id: string, timestamp: number, speed_kmh?: number, heading?: number, accuracy?: number}
 *   & Record<string, any>} properties
 *   telemetry: `timestamp` in Unix seconds, `speed_kmh` in km/h, `heading` in degrees clockwise from north,
 * `accuracy` in metres
 */

/**
 * What of the fleet to follow.
 * @typedef {object} View
 * @property {string[]} [topics] topic ids, 1 to 128; default: every vehicle
 * @property {[number, number, number, number] | null} [bbox] west, south, east, north in degrees; `vehicle:`
 *   topics are not restricted to it
 * @property {number | null} [interval] seconds: at most one position per vehicle in each, the newest (0.1 to
 *   60)
 */

/**
 * How the connection is. Times are in milliseconds of Date.now().
 * @typedef {object} Status
 * @property {"connecting" | "live" | "waiting" | "refused" | "closed"} phase `refused`: this reader may not,
 *   and it is tried again only once a minute
 * @property {number} since when this phase began
 * @property {number} heard when the last event or ping came; 0: none yet
 * @property {number} retryAt in phases `waiting` and `refused`: when it will be tried again; else 0
 * @property {number} attempt connections that failed since the last that was live
 * @property {string} protocol of the last live connection: `h3`, `h2`, `http/1.1`, or empty
 * @property {"" | "read" | "resumed" | "newest" | "re-read"} state how what is shown was come by: read at the
 *   start, every event since the cut, the newest positions since, or all read again
 * @property {string} reason why it is not live, in words
 * @property {Refusal} refusal what the hub has against this reader
 */

/**
 * `unauthorized`: there is no valid sign-in. `expired`: it was valid until now. `forbidden`:
 * it does not allow this view. `too-many`: there is no room for another stream (phase `waiting`, for a
 * minute). Empty: nothing.
 * @typedef {"" | "unauthorized" | "expired" | "forbidden" | "too-many"} Refusal
 */

/**
 * @typedef {View & {
 *   hub?: string | URL,
 *   ping?: number,
 *   onPosition?: (feature: Feature) => void,
 *   onLate?: (feature: Feature) => void,
 *   onGone?: (id: string, reason: string) => void,
 *   onStatus?: (status: Status) => void,
 * }} Options `hub` is the hub's address (default: where this module came from), `ping` the seconds between
 * pings (5 to 300, default 15)
 */

/** Follows a hub from now on. @param {Options} [options] @returns {Feed} */
export function follow(options = {}) {
	return new Feed(options);
}

const MIN_WAIT = 1000; // ms, after the first failure
const MAX_WAIT = 30_000; // ms, after many
const CONNECT_LIMIT = 20_000; // ms for an answer, and for the state
const REFUSED_WAIT = 60_000; // ms, when asking again is unlikely to help: somebody may sign in elsewhere
const TOO_MANY_WAIT = 60_000; // ms, what the hub asks of who has too many streams

/** How every request is made: with cookies, of another origin's hub too. @type {RequestInit} */
const REQUEST = { cache: "no-store", credentials: "include" };

/** Feed is what a page holds: the vehicles in view, and the connection's status. */
export class Feed {
	/** The vehicles in view by id, each with its newest position. Read only. @type {Map<string, Feature>} */
	vehicles = new Map();

	/** Seconds between pings: without other events something is heard that often. Read only. */
	ping;

	/** Milliseconds by which the hub's clock is ahead of this one. */
	clockOffset = 0;

	/** @type {Stream} */ #stream;
	/**
	 * The stream of the view before, which is shown until the new one is live.
	 * @type {Stream | null}
	 */
	#before =
		null;
	#closed = false;
	#options;
	#checkTimer;
	#onVisibility = () => this.#stream.check();
	#onOnline = () => this.retry();
	/** @param {PageTransitionEvent} event */
	#onPageShow = (event) => event.persisted && this.retry();

	/** @param {Options} options */
	constructor(options) {
		checkView(options);
		this.#options = { hub: new URL("/", import.meta.url), ping: 15, ...options };
		this.ping = this.#options.ping;
		this.#stream = new Stream(this, this.#options, options);
		// A laptop that wakes up, a network that returns, a page that comes back.
		this.#checkTimer = setInterval(this.#onVisibility, 1000);
		globalThis.addEventListener?.("online", this.#onOnline);
		globalThis.addEventListener?.("pageshow", this.#onPageShow);
		globalThis.document?.addEventListener("visibilitychange", this.#onVisibility);
		queueMicrotask(() => this.#stream.start()); // who made this has it by then
	}

	/** How the connection is whose vehicles are shown. Read only. @returns {Status} */
	get status() {
		// A new view that has not failed yet is no reason to call the old one, which
		// still brings every change, anything but live.
		const early = this.#before?.live && this.#stream.status.phase === "connecting";
		return (early && this.#before ? this.#before : this.#stream).status;
	}

	/**
	 * Follows another view from now on. What was shown stays and goes on moving
	 * until the new view's state is there; then vehicles outside of it are gone.
	 * @param {View} view
	 */
	view(view) {
		checkView(view);
		if (this.#closed) {
			return;
		}
		if (this.#stream.adopted && this.#stream.live) {
			this.#before = this.#stream;
		} else {
			this.#stream.close();
		}
		this.#stream = new Stream(this, this.#options, view);
		this.#stream.start();
	}

	/** Tries at once rather than when the wait is over. */
	retry() {
		if (!this.#closed) {
			this.#stream.retry();
		}
	}

	/** Ends it for good. */
	close() {
		clearInterval(this.#checkTimer);
		globalThis.removeEventListener?.("online", this.#onOnline);
		globalThis.removeEventListener?.("pageshow", this.#onPageShow);
		globalThis.document?.removeEventListener("visibilitychange", this.#onVisibility);
		this.#closed = true;
		this.#before?.close();
		this.#stream.close();
		this.statusChanged(this.#stream);
	}

	/**
	 * Shows a stream's vehicles in place of those before.
	 * @param {Stream} stream
	 * @package
	 */
	adopt(stream) {
		this.#before?.close();
		this.#before = null;
		const old = this.vehicles;
		this.vehicles = stream.vehicles;
		for (const id of old.keys()) {
			if (!this.#closed && !this.vehicles.has(id)) {
				this.#options.onGone?.(id, "left");
			}
		}
		for (const [id, feature] of this.vehicles) {
			if (!this.#closed && !same(old.get(id), feature)) {
				this.#options.onPosition?.(feature);
			}
		}
	}

	/**
	 * Reads all again, because what the stream holds cannot be gone on with.
	 * @param {Stream} stream
	 * @package
	 */
	reread(stream) {
		if (stream !== this.#stream) {
			stream.close(); // a new view is on its way anyway
			return;
		}
		stream.close();
		this.#stream = new Stream(this, this.#options, stream.query);
		this.#stream.reread = true;
		this.#stream.start();
	}

	/**
	 * @param {Stream} stream
	 * @param {"position" | "late" | "gone"} what
	 * @param {any} subject
	 * @param {string} [reason]
	 * @package
	 */
	changed(stream, what, subject, reason = "") {
		if (stream.vehicles !== this.vehicles) {
			return; // not shown yet
		}
		switch (what) {
			case "position":
				return this.#options.onPosition?.(subject);
			case "late":
				return this.#options.onLate?.(subject);
			case "gone":
				return this.#options.onGone?.(subject, reason);
		}
	}

	/** A stream's status is another. @param {Stream} stream @package */
	statusChanged(stream) {
		if (stream === this.#stream && stream.status.refusal === "unauthorized") {
			this.#before?.close(); // who is not signed in sees no more of it
			this.#before = null;
		}
		if (stream.status === this.status || stream === this.#before) {
			this.#options.onStatus?.(this.status);
		}
	}

	/** @param {number} time the hub's, in Unix seconds @package */
	setClock(time) {
		this.clockOffset = time * 1000 - Date.now();
	}
}

/** Stream follows one view, over as many connections as it takes. */
class Stream {
	/** @type {Map<string, Feature>} */ vehicles = new Map();
	adopted = false; // its vehicles are those that the feed shows
	live = false; // its connection is
	reread = false; // it takes the place of one that could not be gone on with
	/** @type {Status} */
	status = {
		phase: "connecting",
		since: Date.now(),
		heard: 0,
		retryAt: 0,
		attempt: 0,
		protocol: "",
		state: "",
		reason: "",
		refusal: "",
	};

	/** @type {string | null} */ #id = null; // the last event's
	/** Who was told since a reset; the others go at `live`. @type {Set<string> | null} */ #confirmed = null;
	/** @type {EventSource | null} */ #source = null;
	/** @type {AbortController | null} */ #reading = null;
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#attempt = 0;
	#opened = false; // the connection has been answered
	#heard = 0; // ms, of Date.now(): also when a connection was begun
	#closed = false;

	/** @param {Feed} feed @param {{hub: string | URL, ping: number}} options @param {View} query */
	constructor(feed, options, query) {
		this.feed = feed;
		this.query = query;
		this.hub = options.hub;
		this.ping = options.ping;
	}

	/** Reads the state, and goes on from there. */
	async start() {
		this.#begin();
		if (this.#closed) {
			return; // before, or by who was told
		}
		const reading = (this.#reading = new AbortController());
		try {
			const answer = await fetch(this.#url("snapshot"), { ...REQUEST, signal: reading.signal });
			const why = answer.ok ? null : await problemOf(answer);
			const { features } = why ? { features: [] } : await answer.json();
			if (reading.signal.aborted) {
				return;
			}
			if (why) {
				this.#lost(why.reason, why.refusal);
				return;
			}
			this.#reading = null;
			this.vehicles = new Map(features.map((/** @type {Feature} */ f) => [f.id, f]));
			this.#id = answer.headers.get("Last-Event-ID"); // without one the stream tells the state
			this.connect();
		} catch (error) {
			if (!reading.signal.aborted) {
				this.#lost(
					error instanceof TypeError
						? "the hub cannot be reached"
						: String(/** @type {Error} */ (error).message),
				);
			}
		}
	}

	connect() {
		this.#begin();
		if (this.#closed) {
			return;
		}
		this.#opened = false;
		const source = (this.#source = new EventSource(this.#url("stream"), { withCredentials: true }));
		/** @param {(event: MessageEvent) => void} handle */
		const handled = (handle) => (/** @type {MessageEvent} */ event) => {
			this.#heard = this.status.heard = Date.now();
			this.#id = event.lastEventId || this.#id;
			handle(event);
		};
		source.onopen = () => {
			this.#opened = true;
			this.#heard = this.status.heard = Date.now();
		};
		source.onmessage = handled((event) => this.#position(JSON.parse(event.data)));
		source.addEventListener(
			"late",
			handled((event) => this.feed.changed(this, "late", JSON.parse(event.data))),
		);
		source.addEventListener(
			"gone",
			handled((event) => this.#gone(JSON.parse(event.data))),
		);
		source.addEventListener(
			"ping",
			handled((event) => this.feed.setClock(JSON.parse(event.data).time)),
		);
		source.addEventListener(
			"reset",
			handled((event) => this.#reset(JSON.parse(event.data))),
		);
		source.addEventListener(
			"live",
			handled((event) => this.#live(JSON.parse(event.data))),
		);
		source.addEventListener(
			"bye",
			handled((event) => this.#bye(JSON.parse(event.data))),
		);
		source.onerror = () => this.#failed();
	}

	/** Misses what should have come: pings on a live stream, an answer on a new one. */
	check() {
		if (this.#closed || (!this.#source && !this.#reading)) {
			return;
		}
		const limit = this.#opened ? 2 * this.ping * 1000 : CONNECT_LIMIT;
		if (Date.now() - this.#heard > limit) {
			this.#lost(this.#opened ? "nothing came for a while" : "the hub does not answer");
		}
	}

	retry() {
		if (this.live) {
			this.check();
		} else if (this.#timer !== undefined) {
			this.#stop();
			this.#again();
		}
	}

	close() {
		this.#closed = true;
		this.#stop();
		this.status = { ...this.status, phase: "closed", since: Date.now(), retryAt: 0 };
	}

	#begin() {
		this.#heard = Date.now();
		this.#setPhase("connecting");
	}

	/** @param {Status["phase"]} phase @param {Partial<Status>} [more] */
	#setPhase(phase, more) {
		if (this.#closed) {
			return;
		}
		this.status = {
			...this.status,
			retryAt: 0,
			attempt: this.#attempt,
			...more,
			phase,
			since: Date.now(),
		};
		this.feed.statusChanged(this);
	}

	/** @param {Feature} feature */
	#position(feature) {
		this.vehicles.set(feature.id, feature);
		this.#confirmed?.add(feature.id);
		this.feed.changed(this, "position", feature);
	}

	/** @param {{vehicle_id: string, reason: string}} gone */
	#gone({ vehicle_id: id, reason }) {
		if (this.vehicles.delete(id)) {
			this.feed.changed(this, "gone", id, reason);
		}
	}

	/** @param {{reason: string}} reset */
	#reset({ reason }) {
		// A snapshot is compressed and the state in a stream is not. But a stream
		// that has just come from a snapshot must not go round in circles.
		if (this.adopted && reason !== "new") {
			this.feed.reread(this);
			return;
		}
		this.#confirmed = new Set();
	}

	/** @param {{mode: string, protocol?: string, time: number}} live */
	#live({ mode, protocol = "", time }) {
		for (const id of this.#confirmed ? [...this.vehicles.keys()] : []) {
			if (!this.#confirmed?.has(id)) {
				this.#gone({ vehicle_id: id, reason: "left" });
			}
		}
		this.#confirmed = null;
		this.live = true;
		this.#attempt = 0;
		this.feed.setClock(time);
		const state = this.adopted ? this.#resumed(mode) : this.reread ? "re-read" : "read";
		if (!this.adopted) {
			this.adopted = true;
			this.feed.adopt(this);
		}
		this.#setPhase("live", { protocol, state, reason: "", refusal: "" });
	}

	/**
	 * How a stream was resumed. With an interval it has the newest positions, and no other.
	 * @param {string} mode
	 * @returns {Status["state"]}
	 */
	#resumed(mode) {
		if (mode === "snapshot") {
			return "re-read";
		}
		return mode === "conflated" || this.query.interval ? "newest" : "resumed";
	}

	/** @param {{reason: string}} bye */
	#bye({ reason }) {
		switch (reason) {
			case "too-many":
				return this.#lost("too many streams are open", "too-many");
			case "expired":
				return this.#expired();
			default:
				return this.#lost("the hub is restarting");
		}
	}

	/** EventSource says nothing of why; who asks again may learn it. */
	#failed() {
		if (!this.#source || this.#opened) {
			this.#lost("the connection was cut");
			return;
		}
		this.#probe(this.#url("stream"), { Accept: "text/event-stream" }, ({ reason, refusal }) => {
			this.#lost(reason || "the connection was cut", refusal);
		});
	}

	/** The token has ended, which the session tells of; or there is another by now. */
	#expired() {
		this.#stop();
		this.#begin();
		const words = "your sign-in has expired";
		this.#probe(new URL("session", this.hub), {}, ({ reason, refusal }) => {
			this.#lost(refusal ? `${words}: ${reason}` : words, reason ? "expired" : "");
		});
	}

	/**
	 * Asks what the hub has against a request, unless something else is begun meanwhile.
	 * @param {URL} url @param {HeadersInit} headers
	 * @param {(problem: Problem) => void} done without reason: it has nothing against it
	 */
	async #probe(url, headers, done) {
		this.#source?.close();
		this.#source = null;
		this.#opened = false;
		const reading = (this.#reading = new AbortController());
		/** @type {Problem} */
		let found = { reason: "the hub cannot be reached", refusal: "" };
		try {
			const answer = await fetch(url, { ...REQUEST, signal: reading.signal, headers });
			found = answer.ok ? { reason: "", refusal: "" } : await problemOf(answer);
		} catch {
			// as said
		}
		if (!reading.signal.aborted) {
			done(found); // who begins or ends something, and with that a stream that was opened only to ask
		}
	}

	/** @param {string} reason @param {Refusal} [refusal] */
	#lost(reason, refusal = "") {
		this.#stop();
		if (this.#closed) {
			return;
		}
		const refused = refusal !== "" && refusal !== "too-many";
		// Full jitter over the upper half, so that clients do not come back in one wave.
		const longest = refused ? REFUSED_WAIT : Math.min(MAX_WAIT, MIN_WAIT * 2 ** this.#attempt);
		const wait = refusal === "too-many" ? TOO_MANY_WAIT : longest * (0.5 + Math.random() / 2);
		this.#attempt++;
		this.#timer = setTimeout(() => this.#again(), wait);
		this.#setPhase(refused ? "refused" : "waiting", { reason, refusal, retryAt: Date.now() + wait });
	}

	#again() {
		this.#timer = undefined;
		if (this.adopted || this.#id) {
			this.connect();
		} else {
			this.start();
		}
	}

	#stop() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.live = false;
		this.#source?.close();
		this.#source = null;
		this.#reading?.abort();
		this.#reading = null;
	}

	/** @param {"stream" | "snapshot"} what */
	#url(what) {
		const { topics = [], bbox, interval } = this.query;
		const url = new URL(what, this.hub);
		for (const topic of topics) {
			url.searchParams.append("topic", topic);
		}
		if (bbox) {
			url.searchParams.set("bbox", bbox.join());
		}
		if (what === "stream") {
			url.searchParams.set("ping", `${this.ping}s`);
			if (interval) {
				url.searchParams.set("interval", `${interval}s`);
			}
			if (this.#id) {
				url.searchParams.set("lastEventId", this.#id);
			}
		}
		return url;
	}
}

/** Refuses what would quietly follow something else. @param {View} view @throws {TypeError} */
function checkView({ topics, bbox, interval }) {
	if (topics !== undefined && !(Array.isArray(topics) && topics.length > 0 && topics.length <= 128)) {
		throw new TypeError(
			"topics must be an array of 1 to 128 topic ids; leave it out to follow every vehicle",
		);
	}
	if (
		bbox &&
		!(Array.isArray(bbox) && bbox.length === 4 && bbox.every(Number.isFinite) && bbox[1] <= bbox[3])
	) {
		throw new TypeError("bbox must be [west, south, east, north] in degrees, south not above north");
	}
	if (interval && !(interval >= 0.1 && interval <= 60)) {
		throw new TypeError("interval must be from 0.1 to 60 seconds");
	}
}

/** @typedef {{reason: string, refusal: Refusal}} Problem */

/**
 * What an answer that is not a success says of itself.
 * @param {Response} answer
 * @returns {Promise<Problem>}
 */
async function problemOf(answer) {
	const what = `the hub answers ${answer.status}`;
	const refusal = answer.status === 401 ? "unauthorized" : answer.status === 403 ? "forbidden" : "";
	const detail = (await answer.json().catch(() => null))?.detail;
	return { refusal, reason: !detail ? what : refusal ? detail : `${what}: ${detail}` };
}

/** Whether two features tell the same. @param {Feature | undefined} a @param {Feature} b */
function same(a, b) {
	return (
		a !== undefined &&
		a.properties.timestamp === b.properties.timestamp &&
		JSON.stringify(a) === JSON.stringify(b)
	);
}
