/**
 * livemap.js follows a Live Map Hub. It holds every vehicle's newest position, reports changes, and recovers
 * from every failure of the connection.
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
 * The state comes as a compressed snapshot, and an EventSource continues from its event id. A bare
 * EventSource gives up for good at a 502 or 503 (in Firefox, on a page of another origin, also when it cannot
 * connect), does not notice a dead path, and forgets its event id when it is created anew. This module
 * reconnects with back-off and jitter, asks for pings, notices when they stop, and resumes. It needs nothing
 * but fetch and EventSource. Its types are in livemap.d.ts.
 *
 * With a token, which EventSource cannot send, fetch reads the stream, as it does with `source: "fetch"`: at
 * thousands of events a second it takes a quarter of the time. Without a token, requests carry the cookie
 * that signing in at the hub (POST /session) has set. When the hub rejects it, the phase is `refused`, and
 * `reason` has the hub's words. Sign in, and call feed.retry(). An event id is valid for what its reader may
 * read, so call feed.view() instead after signing in as somebody else.
 *
 * @module
 */

/** @import { Feature, Feed as PublicFeed, Options, Refusal, Status, View } from "./livemap.js" */

/** The version of this module, as its package has it. */
export const version = "0.1.0";

/** km/h from which a vehicle is moving, because GPS noise looks like slower movement. */
export const MOVING_FROM = 3;

/** Seconds until a vehicle is stale, if neither its hub nor its publisher says. */
const STALE_AFTER = { moving: 60, parked: 300 };
const MIN_STALE_AFTER = 15; // seconds
const MAX_EXPECTED = 86_400; // seconds
const LOST_AFTER = 4; // times as long as until it is stale

/**
 * Seconds without a fix after which a vehicle is stale: what the hub has learned (`stale_after_s`), else
 * twice what the publisher expects (`expect_within_s`) and at least 15, else 60 if it moves and 300 if not.
 * @param {Feature} feature
 */
export function staleAfter({ properties }) {
	const { stale_after_s: learned, expect_within_s: expected, speed_kmh: speed = 0 } = properties;
	if (typeof learned === "number" && learned > 0) {
		return learned;
	}
	if (typeof expected === "number" && expected >= 1 && expected <= MAX_EXPECTED) {
		return Math.max(MIN_STALE_AFTER, 2 * expected);
	}
	return speed >= MOVING_FROM ? STALE_AFTER.moving : STALE_AFTER.parked;
}

/**
 * Whether a vehicle still reports, by one rule for every page, tab and program.
 * @param {Feature} feature
 * @param {number} now the hub's clock, Unix seconds
 * @param {number} [quietFrom] the end of the hub's last pause, Unix seconds: no vehicle is stale for it
 * @returns {"fresh" | "stale" | "lost"}
 */
export function freshness(feature, now, quietFrom = 0) {
	const silence = now - Math.max(feature.properties.timestamp, quietFrom);
	const limit = staleAfter(feature);
	return silence > LOST_AFTER * limit ? "lost" : silence > limit ? "stale" : "fresh";
}

/** Follows a hub. @param {Options} [options] @returns {Feed} */
export function follow(options = {}) {
	return new Feed(options);
}

const MIN_WAIT = 1000; // ms, after the first failure
const MAX_WAIT = 30_000; // ms, after many
const CONNECT_LIMIT = 20_000; // ms for an answer, and for the snapshot
const CHECK_INTERVAL = 1000; // ms between looks for a dead path
const MISSED_PINGS = 2; // after which a path is dead
const REFUSED_WAIT = 60_000; // ms; a retry helps only after a sign-in elsewhere
const TOO_MANY_WAIT = 60_000; // ms, as the hub asks after too many streams
const SLICE = 8; // ms of events that fetch has read, until the browser may draw

/**
 * Feed holds the vehicles in view and the status of the connection.
 * @implements {PublicFeed}
 */
class Feed {
	/** The vehicles in view by id, each with its newest position. Read only. @type {Map<string, Feature>} */
	vehicles = new Map();

	/** Seconds between pings, which arrive when there are no other events. Read only. */
	ping;

	/** Milliseconds by which the hub's clock is ahead of this one. */
	clockOffset = 0;

	/**
	 * When the vehicles were last proven to be current, in milliseconds of Date.now(); 0: not yet. Read only.
	 */
	asOf = 0;

	/** The end of the hub's last pause by its own clock, in Unix seconds; 0: none. Read only. */
	quietFrom = 0;

	/** @type {AnyStream} */ #stream;
	/**
	 * The stream of the previous view, shown until the new one is live.
	 * @type {AnyStream | null}
	 */
	#before = null;
	#closed = false;
	#options;
	#access;
	#checkTimer;
	#checked = Date.now();
	#onVisibility = () => this.#stream.check();
	#onOnline = () => this.retry();
	/** @param {PageTransitionEvent} event */
	#onPageShow = (event) => event.persisted && this.retry();
	#onAbort = () => this.close();

	/** @param {Options} options */
	constructor(options) {
		checkView(options);
		this.#options = { hub: new URL("/", import.meta.url), ping: 15, ...options };
		this.ping = this.#options.ping;
		this.#access = new Access(this.#options);
		this.#stream = this.#newStream(options);
		// These events follow sleep, a lost network, and a return from the back-forward cache.
		this.#checkTimer = setInterval(() => this.#check(), CHECK_INTERVAL);
		globalThis.addEventListener?.("online", this.#onOnline);
		globalThis.addEventListener?.("pageshow", this.#onPageShow);
		globalThis.document?.addEventListener("visibilitychange", this.#onVisibility);
		options.signal?.addEventListener("abort", this.#onAbort);
		queueMicrotask(() => {
			// The caller holds the feed by now.
			if (options.signal?.aborted) {
				this.close();
			} else {
				this.#stream.start();
			}
		});
	}

	/** @param {View} view @returns {AnyStream} */
	#newStream(view) {
		return (
			this.#options.newStream?.(this, view) ?? new Stream(this, this.#options, this.#access, view)
		);
	}

	/** The status of the connection whose vehicles are shown. Read only. @returns {Status} */
	get status() {
		// While a new view connects, the previous one is still live and brings every change.
		const early = this.#before?.live && this.#stream.status.phase === "connecting";
		return (early && this.#before ? this.#before : this.#stream).status;
	}

	/**
	 * Whether the vehicles are current: the phase is `live`, and something has come within two pings. Until
	 * then they are those of `asOf`, and their age is the connection's fault.
	 */
	get current() {
		return this.status.phase === "live" && Date.now() - this.asOf <= MISSED_PINGS * this.ping * 1000;
	}

	/**
	 * Whether a vehicle still reports, as of `asOf`: no vehicle is stale for a cut of this connection.
	 * @param {Feature} feature
	 */
	freshness(feature) {
		return freshness(feature, (this.asOf + this.clockOffset) / 1000, this.quietFrom);
	}

	/** Leaves a dead path. After a pause of the page itself, events may wait for their turn. */
	#check() {
		const paused = Date.now() - this.#checked > 3 * CHECK_INTERVAL;
		this.#checked = Date.now();
		if (!paused) {
			this.#stream.check();
		}
	}

	/**
	 * Follows another view. The previous one stays live until the new view's state is complete. Then onGone
	 * reports the vehicles outside of it.
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
		this.#stream = this.#newStream(view);
		this.#stream.start();
	}

	/** Reconnects at once instead of after the wait. */
	retry() {
		if (!this.#closed) {
			this.#stream.retry();
		}
	}

	/** Ends the feed. */
	close() {
		if (this.#closed) {
			return;
		}
		this.#options.signal?.removeEventListener("abort", this.#onAbort);
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
	 * Replaces the vehicles by those of another stream.
	 * @param {AnyStream} stream
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
	 * Reads everything again, because the stream cannot continue from its state.
	 * @param {AnyStream} stream
	 * @package
	 */
	reread(stream) {
		if (stream !== this.#stream) {
			stream.close(); // a new view replaces it soon
			return;
		}
		stream.close();
		this.#stream = this.#newStream(stream.query);
		this.#stream.reread = true;
		this.#stream.start();
	}

	/**
	 * @param {AnyStream} stream
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

	/** The status of a stream that begins. @returns {Status} @package */
	newStatus() {
		return {
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
	}

	/** Reports a stream's new status. @param {AnyStream} stream @package */
	statusChanged(stream) {
		if (stream === this.#stream && stream.status.refusal === "unauthorized") {
			this.#before?.close(); // without a sign-in the previous view ends too
			this.#before = null;
		}
		if (stream.status === this.status || stream === this.#before) {
			this.#options.onStatus?.(this.status);
		}
	}

	/**
	 * @param {{time: number, quiet_from?: number}} hub Unix seconds
	 * @package
	 */
	setClock({ time, quiet_from: quietFrom }) {
		this.clockOffset = time * 1000 - Date.now();
		this.setQuietFrom(quietFrom);
	}

	/** @param {number | undefined} quietFrom Unix seconds @package */
	setQuietFrom(quietFrom) {
		this.quietFrom = quietFrom ?? this.quietFrom;
	}

	/** The vehicles were current at a time. @param {number} [time] milliseconds of Date.now() @package */
	proven(time = Date.now()) {
		this.asOf = time;
	}
}

/**
 * What a feed asks of a stream.
 * @typedef {Pick<Stream, "vehicles" | "adopted" | "live" | "reread" | "status" | "query" | "start" | "check"
 *   | "retry" | "close">} AnyStream
 */

/** Stream follows one view, over as many connections as it takes. */
class Stream {
	/** @type {Map<string, Feature>} */ vehicles = new Map();
	adopted = false; // the feed shows its vehicles
	live = false; // its connection is live
	reread = false; // it replaces a stream that could not continue
	/** @type {Status} */ status;

	/** @type {string | null} */ #id = null; // the last event's
	/**
	 * Vehicles reported since a reset. The others are gone at `live`.
	 * @type {Set<string> | null}
	 */
	#confirmed = null;
	/** @type {EventSource | FetchSource | null} */ #source = null;
	/** @type {AbortController | null} */ #reading = null;
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#attempt = 0;
	#opened = false; // the hub has answered
	#heard = 0; // ms of Date.now(), of the last event or of the start of a connection
	#closed = false;

	/**
	 * @param {Feed} feed
	 * @param {{hub: string | URL, ping: number}} options
	 * @param {Access} access
	 * @param {View} query
	 */
	constructor(feed, options, access, query) {
		this.feed = feed;
		this.status = feed.newStatus();
		this.access = access;
		this.query = query;
		this.hub = options.hub;
		this.ping = options.ping;
	}

	/** Reads the snapshot and continues with a stream. */
	async start() {
		this.#begin();
		if (this.#closed) {
			return; // by an onStatus callback, for example
		}
		const reading = (this.#reading = new AbortController());
		try {
			const answer = await this.access.fetch(this.#url("snapshot"), reading.signal);
			const why = answer.ok ? null : await problemOf(answer);
			const { features, quiet_from: quietFrom } = why
				? { features: [] }
				: parseExact(await answer.text());
			if (reading.signal.aborted) {
				return;
			}
			if (why) {
				this.#lost(why.reason, why.refusal);
				return;
			}
			this.#reading = null;
			this.feed.setQuietFrom(quietFrom);
			this.vehicles = new Map(features.map((/** @type {Feature} */ f) => [f.id, f]));
			this.#id = answer.headers.get("Last-Event-ID"); // without an id the stream sends the state
			this.connect();
		} catch (error) {
			if (!reading.signal.aborted) {
				const { reason, refusal } = failureOf(error);
				this.#lost(reason, refusal);
			}
		}
	}

	connect() {
		this.#begin();
		if (this.#closed) {
			return;
		}
		this.#opened = false;
		const source = (this.#source = this.access.source(this.#url("stream")));
		/** @param {(event: StreamEvent) => void} handle */
		const handled = (handle) => (/** @type {StreamEvent} */ event) => {
			this.#heard = this.status.heard = Date.now();
			this.#id = event.lastEventId || this.#id;
			if (this.status.phase === "live") {
				this.feed.proven();
			}
			handle(event);
		};
		source.onopen = () => {
			this.#opened = true;
			this.#heard = this.status.heard = Date.now();
		};
		source.onmessage = handled((event) => this.#position(parseExact(event.data)));
		source.addEventListener(
			"late",
			handled((event) => this.feed.changed(this, "late", parseExact(event.data))),
		);
		source.addEventListener(
			"gone",
			handled((event) => this.#gone(JSON.parse(event.data))),
		);
		source.addEventListener(
			"ping",
			handled((event) => this.feed.setClock(JSON.parse(event.data))),
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
			"frozen",
			handled((event) => this.#frozen(JSON.parse(event.data))),
		);
		source.addEventListener(
			"bye",
			handled((event) => this.#bye(JSON.parse(event.data))),
		);
		source.onerror = (/** @type {Event | Problem} */ event) => this.#failed(event);
	}

	/** Ends a connection that is overdue: with a ping when live, with an answer when new. */
	check() {
		if (this.#closed || (!this.#source && !this.#reading)) {
			return;
		}
		const limit = this.#opened ? MISSED_PINGS * this.ping * 1000 : CONNECT_LIMIT;
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
		// A snapshot is compressed, and the state in a stream is not. A stream that has just started from a
		// snapshot must not read another one, which could repeat forever.
		if (this.adopted && reason !== "new") {
			this.feed.reread(this);
			return;
		}
		this.#confirmed = new Set();
	}

	/** @param {{mode: string, protocol?: string, time: number, quiet_from?: number}} live */
	#live(live) {
		const { mode, protocol = "" } = live;
		for (const id of this.#confirmed ? [...this.vehicles.keys()] : []) {
			if (!this.#confirmed?.has(id)) {
				this.#gone({ vehicle_id: id, reason: "left" });
			}
		}
		this.#confirmed = null;
		this.live = true;
		this.#attempt = 0;
		this.feed.setClock(live);
		const state = this.adopted ? this.#resumed(mode) : this.reread ? "re-read" : "read";
		if (!this.adopted) {
			this.adopted = true;
			this.feed.adopt(this);
		}
		this.feed.proven();
		this.#setPhase("live", { protocol, state, reason: "", refusal: "" });
	}

	/**
	 * How a stream was resumed. With an interval it has only the newest positions.
	 * @param {string} mode
	 * @returns {Status["state"]}
	 */
	#resumed(mode) {
		if (mode === "snapshot") {
			return "re-read";
		}
		return mode === "conflated" || this.query.interval ? "newest" : "resumed";
	}

	/**
	 * The hub cannot prove that it is up to date. `live` ends that. A new reader sees what the hub has.
	 * @param {{since?: number}} frozen Unix seconds
	 */
	#frozen({ since }) {
		this.live = true; // this path is alive
		this.#attempt = 0;
		if (!this.adopted) {
			this.adopted = true;
			this.feed.adopt(this);
		}
		this.feed.proven(since ? since * 1000 - this.feed.clockOffset : this.feed.asOf || Date.now());
		const reason = "the hub cannot prove that it is up to date";
		this.#setPhase("frozen", { reason, refusal: "" });
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

	/**
	 * EventSource does not report why it failed. A second request may.
	 * @param {Event | Problem} event
	 */
	#failed(event) {
		if (!this.#source || this.#opened) {
			this.#lost("the connection was cut");
			return;
		}
		if (event && "reason" in event) {
			this.#lost(event.reason, event.refusal);
			return;
		}
		this.#probe(this.#url("stream"), ({ reason, refusal }) => {
			this.#lost(reason || "the connection was cut", refusal);
		});
	}

	/** The token has expired. The session has the reason, or a newer token. */
	#expired() {
		this.#stop();
		this.#begin();
		const words = "your sign-in has expired";
		this.#probe(new URL("session", this.hub), ({ reason, refusal }) => {
			this.#lost(refusal ? `${words}: ${reason}` : words, reason ? "expired" : "");
		});
	}

	/**
	 * Requests a URL for the hub's reason to reject it. The result is dropped if another request starts.
	 * @param {URL} url
	 * @param {(problem: Problem) => void} done an empty reason: the hub accepts the request
	 */
	async #probe(url, done) {
		this.#source?.close();
		this.#source = null;
		this.#opened = false;
		const reading = (this.#reading = new AbortController());
		/** @type {Problem} */
		let found;
		try {
			const answer = await this.access.fetch(url, reading.signal);
			found = answer.ok ? { reason: "", refusal: "" } : await problemOf(answer);
		} catch (error) {
			found = failureOf(error);
		}
		if (!reading.signal.aborted) {
			done(found); // its next step aborts the request, which may be an open stream
		}
	}

	/** @param {string} reason @param {Refusal} [refusal] */
	#lost(reason, refusal = "") {
		this.#stop();
		if (this.#closed) {
			return;
		}
		const refused = refusal !== "" && refusal !== "too-many";
		// Jitter over the upper half, so that clients do not reconnect in one wave.
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

/** Access sends requests, with a token or with cookies. */
class Access {
	#getToken;
	#byFetch;

	/** @param {Options} options */
	constructor({ token, getToken, source }) {
		this.#getToken = getToken ?? (token === undefined ? null : () => token);
		this.#byFetch = source === "fetch" || this.#getToken !== null;
	}

	/**
	 * Without tokens, cookies are sent to a hub of another origin too. After a 401, a newer token is tried.
	 * @param {URL} url @param {AbortSignal} signal
	 */
	async fetch(url, signal) {
		/** @type {RequestInit} */
		const init = { cache: "no-store", credentials: "include", signal };
		if (!this.#getToken) {
			return fetch(url, init);
		}
		const send = async (/** @type {string} */ token) => {
			signal.throwIfAborted();
			const headers = { Authorization: `Bearer ${token}` };
			return fetch(url, { ...init, credentials: "omit", headers });
		};
		const token = await this.#token();
		const answer = await send(token);
		const next = answer.status === 401 ? await this.#token() : token;
		if (next === token) {
			return answer;
		}
		answer.body?.cancel();
		return send(next);
	}

	async #token() {
		let token;
		try {
			token = await this.#getToken?.();
		} catch (error) {
			throw new Error(`there is no token: ${error instanceof Error ? error.message : error}`);
		}
		if (typeof token !== "string" || !/^[!-~]+$/.test(token)) {
			throw new NoToken("there is no token");
		}
		return token;
	}

	/** @param {URL} url */
	source(url) {
		return this.#byFetch
			? new FetchSource(url, (url, signal) => this.fetch(url, signal))
			: new EventSource(url, { withCredentials: true });
	}
}

/** A token that no request can carry. */
class NoToken extends Error {}

/** What the feed reads of an event. @typedef {Pick<MessageEvent, "data" | "lastEventId">} StreamEvent */

/** FetchSource reads a stream with fetch, as EventSource does, in slices of time. It does not reconnect. */
class FetchSource {
	onopen = () => {};
	/** @type {(event: StreamEvent) => void} */ onmessage = () => {};
	/** @type {(problem: Problem) => void} */ onerror = () => {};
	/** @type {Map<string, (event: StreamEvent) => void>} */ #listeners = new Map();
	#reading = new AbortController();

	/** @param {URL} url @param {Access["fetch"]} fetch */
	constructor(url, fetch) {
		this.#read(url, fetch);
	}

	/** @param {string} type @param {(event: StreamEvent) => void} listener */
	addEventListener(type, listener) {
		this.#listeners.set(type, listener);
	}

	close() {
		this.#reading.abort();
	}

	/** @param {URL} url @param {Access["fetch"]} fetch */
	async #read(url, fetch) {
		const { signal } = this.#reading;
		/** @type {Problem} */
		let problem = { reason: "the connection was cut", refusal: "" };
		try {
			const answer = await fetch(url, signal);
			signal.throwIfAborted();
			if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
				problem = await problemOf(answer);
			} else {
				this.onopen();
				await this.#events(/** @type {ReadableStream<Uint8Array>} */ (answer.body));
			}
		} catch (error) {
			problem = failureOf(error);
		}
		if (!signal.aborted) {
			this.#reading.abort(); // an answer that is no stream may go on
			this.onerror(problem);
		}
	}

	/** Dispatches events (HTML Standard, section 9.2.6). @param {ReadableStream<Uint8Array>} body */
	async #events(body) {
		const { signal } = this.#reading;
		const reader = body.getReader();
		const decoder = new TextDecoder();
		let [rest, type, data, lastEventId] = ["", "", "", ""];
		let begun = performance.now();
		for (;;) {
			const { done, value } = await reader.read();
			if (done || signal.aborted) {
				return;
			}
			const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
			rest = lines.pop() ?? ""; // a \r at the end may be half of a \r\n
			for (const line of lines) {
				const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
				if (line !== "") {
					data += field === "data" ? `${text}\n` : "";
					type = field === "event" ? text : type;
					lastEventId = field === "id" && !text.includes("\0") ? text : lastEventId;
					continue;
				}
				if (data !== "") {
					const listener = type === "" || type === "message" ? this.onmessage : this.#listeners.get(type);
					listener?.({ data: data.slice(0, -1), lastEventId });
				}
				[type, data] = ["", ""];
				if (performance.now() - begun > SLICE) {
					await pause();
					begun = performance.now();
				}
				if (signal.aborted) {
					return; // by the listener, or meanwhile
				}
			}
		}
	}
}

/** Lets the browser draw and take input. No timer does, which hidden pages have once a second. */
const pause = () =>
	new Promise((resolve) => {
		const { port1, port2 } = new MessageChannel();
		port1.onmessage = () => {
			port1.close();
			resolve(undefined);
		};
		port2.postMessage(null);
	});

/** An integer of so many digits that a JavaScript number may not hold it. */
const LONG_INTEGER = /[:[,]-?\d{16,}[,\]}]/;
/** What is a number in every Feature. */
const NUMBERS = new Set([
	"timestamp",
	"speed_kmh",
	"heading",
	"accuracy",
	"expect_within_s",
	"stale_after_s",
]);

/**
 * Parses JSON. An integer that a JavaScript number cannot hold becomes its text, in browsers that tell a
 * reviver the source of a value.
 * @param {string} text
 */
export function parseExact(text) {
	/** @param {string} name @param {any} value @param {{source?: string}} [context] */
	function exact(name, value, context) {
		const { source = "" } = context ?? {};
		const lost =
			typeof value === "number" &&
			!Number.isSafeInteger(value) &&
			/^-?\d+$/.test(source) &&
			BigInt(source) !== BigInt(value);
		return lost && !NUMBERS.has(name) ? source : value;
	}
	return LONG_INTEGER.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

/** Rejects options that would silently follow something else. @param {View} view @throws {TypeError} */
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
 * The reason of an answer that is not a success.
 * @param {Response} answer
 * @returns {Promise<Problem>}
 */
async function problemOf(answer) {
	const what = `the hub answers ${answer.status}`;
	const refusal = answer.status === 401 ? "unauthorized" : answer.status === 403 ? "forbidden" : "";
	const detail = (await answer.json().catch(() => null))?.detail;
	return { refusal, reason: !detail ? what : refusal ? detail : `${what}: ${detail}` };
}

/**
 * Why there is no answer.
 * @param {any} error
 * @returns {Problem}
 */
function failureOf(error) {
	return error instanceof TypeError
		? { reason: "the hub cannot be reached", refusal: "" }
		: { reason: String(error?.message ?? error), refusal: error instanceof NoToken ? "unauthorized" : "" };
}

/** Whether two features are equal. @param {Feature | undefined} a @param {Feature} b */
function same(a, b) {
	return (
		a !== undefined &&
		a.properties.timestamp === b.properties.timestamp &&
		JSON.stringify(a) === JSON.stringify(b)
	);
}
