/** Types of livemap.js, which follows a Live Map Hub. `web/README.md` describes it. */

/** The version of this module. */
export const version: string;

/** A vehicle's position, as GeoJSON (RFC 7946). */
export interface Feature {
	type: "Feature";
	/** The vehicle's id. */
	id: string;
	geometry: {
		type: "Point";
		/** Longitude and latitude in WGS 84 degrees, then metres of altitude if known. */
		coordinates: number[];
	};
	properties: Properties;
}

/**
 * Telemetry. An integer that a JavaScript number cannot hold is its text, in browsers whose `JSON.parse`
 * tells the source of a value.
 */
export interface Properties {
	vehicle_id: string;
	/** Unix seconds. */
	timestamp: number;
	/** km/h. */
	speed_kmh?: number;
	/** Degrees clockwise from north. */
	heading?: number;
	/** Metres. */
	accuracy?: number;
	/** Seconds within which the publisher expects its next position. */
	expect_within_s?: number;
	/** Seconds without a fix after which the vehicle is stale. */
	stale_after_s?: number;
	/** What else the publisher sends. */
	[name: string]: any;
}

/** The part of the fleet to follow. */
export interface View {
	/** Topic ids, 1 to 128; default: every vehicle. */
	topics?: string[];
	/** West, south, east, north in degrees. `vehicle:` topics are not restricted to it. */
	bbox?: [number, number, number, number] | null;
	/** Seconds, 0.1 to 60: at most one position per vehicle in each, the newest. */
	interval?: number | null;
}

export interface Options extends View {
	/** The hub's address; default: where this module came from. */
	hub?: string | URL;
	/** Seconds between pings, 5 to 300; default 15. */
	ping?: number;
	/** A token, sent in a header instead of a cookie. */
	token?: string;
	/** Returns a token for each connection, and another one after the hub has rejected it. */
	getToken?: () => string | Promise<string>;
	/**
	 * What reads the stream, without a token; default `EventSource`. `fetch` takes a quarter of the time at
	 * thousands of events a second, and lets the page draw and take input in between.
	 */
	source?: "EventSource" | "fetch";
	/** Ends the feed. */
	signal?: AbortSignal;
	/** @internal How the map's tabs share streams. */
	newStream?: (feed: any, view: View) => any;
	/** A vehicle's newest position. */
	onPosition?: (feature: Feature) => void;
	/** An older position that arrived late. */
	onLate?: (feature: Feature) => void;
	/** A vehicle was removed (`deleted`), has `expired`, or has `left` the view. */
	onGone?: (id: string, reason: string) => void;
	/** The connection's status has changed. */
	onStatus?: (status: Status) => void;
}

/**
 * `frozen`: the hub is connected and cannot prove that it is up to date. `refused`: the hub rejects this
 * reader, and the feed retries once a minute.
 */
export type Phase = "connecting" | "live" | "frozen" | "waiting" | "refused" | "closed";

/**
 * `unauthorized`: there is no valid sign-in. `expired`: the sign-in has expired. `forbidden`: the sign-in
 * does not allow this view. `too-many`: the hub accepts no further stream (phase `waiting`, for a minute).
 * Empty: the hub accepts the reader.
 */
export type Refusal = "" | "unauthorized" | "expired" | "forbidden" | "too-many";

/** The state of the connection. Times are in milliseconds of `Date.now()`. */
export interface Status {
	phase: Phase;
	/** When the phase began. */
	since: number;
	/** When the last event or ping arrived; 0: none yet. */
	heard: number;
	/** In phases `waiting` and `refused`: when the feed retries; otherwise 0. */
	retryAt: number;
	/** Failed connections since the last live one. */
	attempt: number;
	/** The protocol of the last live connection: `h3`, `h2`, `h1`, or empty. */
	protocol: string;
	/**
	 * How the feed got its state: read at the start, resumed with every event, resumed with the newest
	 * positions, or read again.
	 */
	state: "" | "read" | "resumed" | "newest" | "re-read";
	/** Why it is not live, as text. */
	reason: string;
	/** Why the hub rejects this reader. */
	refusal: Refusal;
}

export type Freshness = "fresh" | "stale" | "lost";

/** The vehicles in view and the status of the connection. */
export interface Feed {
	/** The vehicles in view by id, each with its newest position. A new view brings a new Map. */
	readonly vehicles: ReadonlyMap<string, Feature>;
	/** Seconds between pings, which arrive when there are no other events. */
	readonly ping: number;
	/** Milliseconds by which the hub's clock is ahead of this one. */
	readonly clockOffset: number;
	/** When the vehicles were last proven to be current, in milliseconds of `Date.now()`; 0: not yet. */
	readonly asOf: number;
	/** The end of the hub's last pause by its own clock, in Unix seconds; 0: none. */
	readonly quietFrom: number;
	/** The status of the connection whose vehicles are shown. */
	readonly status: Status;
	/**
	 * Whether the vehicles are current: the phase is `live`, and something has come within two pings. Until
	 * then they are those of `asOf`, and their age is the connection's fault.
	 */
	readonly current: boolean;
	/** Whether a vehicle still reports, as of `asOf`: no vehicle is stale for a cut of this connection. */
	freshness(feature: Feature): Freshness;
	/**
	 * Follows another view. The previous one stays live until the new view's state is complete. Then `onGone`
	 * reports the vehicles outside of it.
	 */
	view(view: View): void;
	/** Reconnects at once instead of after the wait. */
	retry(): void;
	/** Ends the feed. */
	close(): void;
}

/** Follows a hub. Throws a TypeError for options that would follow something else. */
export function follow(options?: Options): Feed;

/** km/h from which a vehicle is moving, because GPS noise looks like slower movement. */
export const MOVING_FROM: number;

/**
 * Seconds without a fix after which a vehicle is stale: what the hub has learned (`stale_after_s`), else
 * twice what the publisher expects (`expect_within_s`) and at least 15, else 60 if it moves and 300 if not.
 */
export function staleAfter(feature: Feature): number;

/**
 * Whether a vehicle still reports, by one rule for every page, tab and program. `now` is the hub's clock, and
 * `quietFrom` the end of its last pause, both in Unix seconds.
 */
export function freshness(feature: Feature, now: number, quietFrom?: number): Freshness;

/**
 * Parses JSON. An integer that a JavaScript number cannot hold becomes its text, in browsers that tell a
 * reviver the source of a value.
 */
export function parseExact(text: string): any;
