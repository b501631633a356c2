import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import * as module from "../src/livemap.js";

const { follow, freshness, parseExact, staleAfter } = module;

/** An EventSource whose events the test sends. */
class Source {
	/** @type {Source[]} */ static all = [];
	static get last() {
		return Source.all[Source.all.length - 1];
	}
	static get open() {
		return Source.all.filter((s) => !s.closed);
	}

	/** @type {Record<string, (event: any) => void>} */ listeners = {};
	/** @type {((event?: any) => void) | undefined} */ onopen;
	/** @type {((event: any) => void) | undefined} */ onmessage;
	/** @type {((event?: any) => void) | undefined} */ onerror;
	closed = false;
	id = "";

	/** @param {URL} url @param {EventSourceInit} init */
	constructor(url, init) {
		this.url = url;
		this.init = init;
		Source.all.push(this);
	}

	/** @param {string} name @param {(event: any) => void} listener */
	addEventListener(name, listener) {
		this.listeners[name] = listener;
	}

	close() {
		this.closed = true;
	}

	/** @param {string} name "" for a position @param {any} data @param {string} [id] */
	send(name, data, id) {
		assert.ok(!this.closed, "a closed stream gets nothing");
		this.id = id ?? this.id;
		const event = { data: JSON.stringify(data), lastEventId: this.id };
		name === "" ? this.onmessage?.(event) : this.listeners[name](event);
	}

	/** @param {string} id @param {string} [mode] */
	live(id, mode = "replay") {
		this.onopen?.();
		this.send("live", { mode, events: 0, protocol: "h3", time: Date.now() / 1000 + 7 }, id);
	}

	get param() {
		return Object.fromEntries(this.url.searchParams);
	}
}

/** A window or a document that counts its listeners. */
class Events extends EventTarget {
	/** @type {Map<string, any>} */ listeners = new Map();

	/** @override @param {string} name @param {any} listener */
	addEventListener(name, listener) {
		this.listeners.set(name, listener);
		super.addEventListener(name, listener);
	}

	/** @override @param {string} name @param {any} listener */
	removeEventListener(name, listener) {
		if (this.listeners.get(name) === listener) {
			this.listeners.delete(name);
		}
		super.removeEventListener(name, listener);
	}
}

/**
 * The hub's answer to a snapshot.
 * @type {() => Response | Promise<Response>}
 */
let answer;
/** @type {URL[]} */
let asked;
/** How it was asked. @type {RequestInit[]} */
let inits;
/** @type {string[]} */
let told;
/** @type {import("../src/livemap.js").Feed | undefined} */
let feed;
const events = new Events();
const doc = new Events();

/** @param {string} id @param {number} [timestamp] */
function feature(id, timestamp = 1) {
	return {
		type: "Feature",
		id,
		geometry: { type: "Point", coordinates: [1, 2] },
		properties: { vehicle_id: id, timestamp },
	};
}

/** @param {string} id the Last-Event-ID @param {...any} features */
const snapshot =
	(id, ...features) =>
	() =>
		Response.json({ features }, { headers: { "Last-Event-ID": id } });

/** A hub that does not answer. @returns {Promise<Response>} */
const silence = () => new Promise(() => {});

/** Fails as fetch does when it is aborted. @param {AbortSignal} signal @returns {Promise<never>} */
const aborted = (signal) =>
	new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** @param {import("../src/livemap.js").Options} [options] */
async function start(options = {}) {
	feed = follow({
		hub: "https://hub.example/",
		onPosition: (f) => told.push(`${f.id}@${f.properties.timestamp}`),
		onGone: (id, reason) => told.push(`${id} ${reason}`),
		onLate: (f) => told.push(`${f.id} late`),
		...options,
	});
	await settle();
	return feed;
}

async function settle() {
	for (let i = 0; i < 10; i++) {
		await setImmediate();
	}
}

/** @param {number} ms */
async function pass(ms) {
	mock.timers.tick(ms);
	await settle();
}

/** The callbacks since the last call. */
function heard() {
	return told.splice(0);
}

beforeEach(() => {
	mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_800_000_000_000 });
	Source.all = [];
	asked = [];
	inits = [];
	told = [];
	answer = snapshot("e-1", feature("A"), feature("B"));
	mock.method(Math, "random", () => 1);
	Object.assign(globalThis, {
		EventSource: Source,
		document: doc,
		addEventListener: events.addEventListener.bind(events),
		removeEventListener: events.removeEventListener.bind(events),
		/** @param {URL} url @param {{signal: AbortSignal}} init */
		async fetch(url, init) {
			asked.push(url);
			inits.push(init);
			await setImmediate();
			init.signal.throwIfAborted();
			return Promise.race([answer(), aborted(init.signal)]);
		},
	});
});

afterEach(() => {
	feed?.close();
	mock.timers.reset();
	mock.restoreAll();
});

test("the state is a snapshot, and the stream continues from its id", async () => {
	const feed = await start({ topics: ["depot:7", "a&b"], bbox: [1, 2, 3, 4], interval: 0.5 });
	assert.equal(
		String(asked[0]),
		"https://hub.example/snapshot?topic=depot%3A7&topic=a%26b&bbox=1%2C2%2C3%2C4",
	);
	assert.deepEqual(Source.last.url.searchParams.getAll("topic"), ["depot:7", "a&b"]);
	assert.deepEqual(
		{ ...Source.last.param, topic: "" },
		{ topic: "", bbox: "1,2,3,4", ping: "15s", interval: "0.5s", lastEventId: "e-1" },
	);
	assert.equal(feed.status.phase, "connecting");
	assert.deepEqual(heard(), [], "nothing is shown before it is the truth");
	Source.last.live("e-2");
	assert.deepEqual(heard(), ["A@1", "B@1"]);
	assert.equal(feed.status.phase, "live");
	assert.equal(feed.status.protocol, "h3");
	assert.equal(feed.status.state, "read");
	assert.equal(feed.clockOffset, 7000);
	Source.last.send("", feature("A", 2), "e-3");
	Source.last.send("late", feature("A", 1.5), "e-4");
	Source.last.send("gone", { vehicle_id: "B", reason: "expired" }, "e-5");
	Source.last.send("gone", { vehicle_id: "nobody", reason: "expired" }, "e-6");
	assert.deepEqual(heard(), ["A@2", "A late", "B expired"]);
	assert.deepEqual([...feed.vehicles.keys()], ["A"]);
});

test("a cut stream resumes from the last event or ping", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("", feature("A", 2), "e-3");
	Source.last.send("ping", { time: Date.now() / 1000 }, "e-9"); // others have moved on
	Source.last.onerror?.();
	assert.equal(feed.status.phase, "waiting");
	assert.equal(feed.status.retryAt, Date.now() + 1000);
	assert.equal(feed.status.reason, "the connection was cut");
	assert.equal(Source.open.length, 0);
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-9");
	assert.equal(asked.length, 1, "no snapshot");
	Source.last.live("e-9");
	assert.equal(feed.status.state, "resumed");
	assert.deepEqual(heard(), ["A@1", "B@1", "A@2"]);
	Source.last.onerror?.();
	await pass(1000);
	Source.last.live("e-20", "conflated");
	assert.equal(feed.status.state, "newest");
});

test("a restarted hub is read again, and missing vehicles are gone", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	await pass(1000);
	answer = snapshot("f-1", feature("B"), feature("C", 5));
	Source.last.send("reset", { reason: "epoch" });
	await settle();
	heard();
	assert.equal(Source.open.length, 1);
	assert.equal(Source.last.param.lastEventId, "f-1");
	assert.deepEqual([...feed.vehicles.keys()], ["A", "B"], "shown until the new state is there");
	Source.last.live("f-2");
	assert.deepEqual(heard(), ["A left", "C@5"], "B is as before");
	assert.equal(feed.status.state, "re-read");
});

test("a reset right after a snapshot is answered by the stream's state", async () => {
	const feed = await start();
	Source.last.onopen?.();
	Source.last.send("reset", { reason: "behind" });
	Source.last.send("", feature("B", 2), "e-3");
	Source.last.send("", feature("C", 2), "e-4");
	Source.last.live("e-5", "snapshot");
	assert.deepEqual([...feed.vehicles.keys()].sort(), ["B", "C"]);
	assert.equal(asked.length, 1);
});

test("a state that is cut midway continues after the cut", async () => {
	const feed = await start();
	Source.last.send("reset", { reason: "behind" });
	Source.last.send("", feature("B", 2), "e-3");
	Source.last.onerror?.();
	await settle();
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-3");
	Source.last.send("", feature("C", 2), "e-4");
	Source.last.live("e-5", "conflated");
	assert.deepEqual([...feed.vehicles.keys()].sort(), ["B", "C"], "A was never repeated");
});

test("a hub without an id in its snapshot sends the state in the stream", async () => {
	answer = () => Response.json({ features: [] });
	const feed = await start();
	assert.equal(Source.last.param.lastEventId, undefined);
	Source.last.send("reset", { reason: "new" });
	Source.last.send("", feature("A"), "e-1");
	Source.last.live("e-1", "snapshot");
	assert.deepEqual([...feed.vehicles.keys()], ["A"]);
});

test("a refusing hub is asked less and less often, and its reason is reported", async () => {
	answer = () => Response.json({ detail: "the hub is draining" }, { status: 503 });
	const feed = await start();
	const waits = [];
	for (let i = 0; i < 8; i++) {
		assert.equal(feed.status.phase, "waiting");
		assert.equal(feed.status.reason, "the hub answers 503: the hub is draining");
		waits.push(feed.status.retryAt - Date.now());
		await pass(feed.status.retryAt - Date.now());
	}
	assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
	answer = snapshot("e-1");
	await pass(30_000);
	Source.last.live("e-1");
	assert.equal(feed.status.attempt, 0);
	assert.equal(feed.status.reason, "");
});

test("jitter shortens the wait by up to a half", async () => {
	mock.method(Math, "random", () => 0);
	answer = () => new Response("bad gateway", { status: 502 });
	const feed = await start();
	assert.equal(feed.status.retryAt - Date.now(), 500);
	assert.equal(feed.status.reason, "the hub answers 502");
});

test("a refused stream is followed by a request for the reason", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	await pass(1000);
	answer = () => Response.json({ detail: "no" }, { status: 502 });
	Source.last.onerror?.(); // it never opened
	await settle();
	assert.equal(feed.status.reason, "the hub answers 502: no");
	assert.equal(asked[1].pathname, "/stream");
	await pass(2000);
	assert.equal(Source.last.param.lastEventId, "e-2");
});

test("an unreachable hub is a reason, not a stack trace", async () => {
	answer = () => {
		throw new TypeError("fetch failed");
	};
	const feed = await start();
	assert.equal(feed.status.reason, "the hub cannot be reached");
});

test("a dead path is abandoned", async () => {
	const feed = await start();
	Source.last.live("e-2");
	await pass(16_000);
	Source.last.send("ping", { time: Date.now() / 1000 });
	await pass(29_000);
	assert.equal(feed.status.phase, "live");
	await pass(3000);
	assert.equal(feed.status.phase, "waiting");
	assert.equal(feed.status.reason, "nothing came for a while");
	assert.equal(Source.open.length, 0);
	await pass(1000);
	assert.equal(Source.open.length, 1);
	await pass(22_000);
	assert.equal(feed.status.reason, "the hub does not answer");
});

test("a returning network is used at once", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	assert.equal(Source.open.length, 0);
	events.dispatchEvent(new Event("online"));
	await settle();
	assert.equal(Source.open.length, 1);
	await pass(1500);
	assert.equal(Source.all.length, 2, "the wait that was is over");
});

test("a reader with too many streams waits a minute", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("bye", { reason: "too-many" });
	assert.equal(feed.status.retryAt - Date.now(), 60_000);
	assert.deepEqual(
		[feed.status.phase, feed.status.refusal, feed.status.reason],
		["waiting", "too-many", "too many streams are open"],
	);
	assert.equal(Source.open.length, 0);
	await pass(59_000);
	assert.equal(Source.open.length, 0);
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-2");
});

test("the feed returns to a hub that drained", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("bye", { reason: "draining" });
	assert.equal(feed.status.reason, "the hub is restarting");
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-2");
});

test("a new view takes over when it is live, and not before", async () => {
	const feed = await start();
	const before = Source.last;
	before.live("e-2");
	heard();
	answer = snapshot("e-7", feature("B"), feature("C"));
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.equal(Source.open.length, 2);
	before.send("", feature("A", 2), "e-3");
	assert.deepEqual(heard(), ["A@2"], "the old one continues");
	Source.last.send("", feature("B", 2), "e-8");
	assert.deepEqual(heard(), [], "the new one does not show yet");
	Source.last.live("e-8");
	assert.deepEqual(heard(), ["A left", "B@2", "C@1"]);
	assert.deepEqual(Source.open, [Source.last]);
	assert.deepEqual([...feed.vehicles.keys()], ["B", "C"]);
});

test("only the last of several views in a row is connected", async () => {
	const feed = await start();
	Source.last.live("e-2");
	feed.view({ bbox: [0, 0, 1, 1] });
	feed.view({ bbox: [0, 0, 2, 2] });
	await settle();
	feed.view({ bbox: [0, 0, 3, 3] });
	await settle();
	assert.deepEqual(
		Source.open.map((s) => s.param.bbox),
		[undefined, "0,0,3,3"],
	);
	Source.last.live("e-2");
	assert.deepEqual(
		Source.open.map((s) => s.param.bbox),
		["0,0,3,3"],
	);
});

test("a new view while the hub is away keeps the vehicles", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	answer = () => {
		throw new TypeError("fetch failed");
	};
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.equal(feed.status.phase, "waiting");
	assert.equal(feed.vehicles.size, 2);
	await pass(1000);
	assert.equal(Source.all.length, 1, "no stream continues the previous view");
	answer = snapshot("f-1", feature("A", 9));
	feed.retry();
	await settle();
	heard();
	Source.last.live("f-1");
	assert.deepEqual(heard(), ["B left", "A@9"]);
});

test("a closed feed reports nothing", async () => {
	/** @type {string[]} */
	const phases = [];
	const feed = await start({ onStatus: ({ phase }) => phases.push(phase) });
	Source.last.live("e-2");
	Source.last.onerror?.();
	phases.splice(0);
	feed.close();
	feed.retry();
	feed.view({});
	await pass(60_000);
	assert.equal(feed.status.phase, "closed");
	assert.equal(feed.status.retryAt, 0);
	assert.deepEqual(phases, ["closed"]);
	assert.equal(Source.open.length, 0);
});

test("the status is that of the shown view, until a new view fails", async () => {
	/** @type {string[]} */
	const phases = [];
	const feed = await start({ onStatus: ({ phase, attempt }) => phases.push(`${phase} ${attempt}`) });
	Source.last.live("e-2");
	assert.deepEqual(phases.splice(0), ["connecting 0", "connecting 0", "live 0"]);
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.equal(feed.status.phase, "live");
	Source.last.live("e-2");
	assert.deepEqual(phases.splice(0), ["live 0"]);
	answer = () => Response.json({ detail: "bbox is wrong" }, { status: 400 });
	feed.view({ bbox: [0, 99, 1, 100] });
	await settle();
	assert.equal(feed.status.phase, "waiting");
	assert.deepEqual(phases.splice(0), ["waiting 1"]);
	const old = Source.open[0];
	feed.view({ bbox: [0, 0, 2, 2] });
	old.onerror?.();
	assert.equal(feed.status.phase, "connecting");
	assert.ok(phases.length > 0, "the old one's end is reported");
});

test("a closed feed leaves nothing behind", async () => {
	const clear = mock.method(globalThis, "clearInterval");
	const feed = await start();
	assert.deepEqual(
		[...events.listeners.keys(), ...doc.listeners.keys()],
		["online", "pageshow", "visibilitychange"],
	);
	Source.last.live("e-2");
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.equal(Source.open.length, 2);
	feed.close();
	assert.equal(Source.open.length, 0);
	assert.equal(events.listeners.size + doc.listeners.size, 0);
	assert.equal(clear.mock.callCount(), 1);
});

test("a feed that is closed at once sends no request", async () => {
	follow({ hub: "https://hub.example/" }).close();
	await settle();
	assert.equal(asked.length, 0);
});

test("the caller has the feed before the first callback", async () => {
	/** @type {string[]} */
	const phases = [];
	const feed = follow({ hub: "https://hub.example/", onStatus: () => phases.push(feed.status.phase) });
	assert.deepEqual(phases, []);
	await settle();
	assert.deepEqual(phases, ["connecting", "connecting"]);
	feed.close();
});

test("every request carries cookies and bypasses the cache", async () => {
	await start();
	assert.deepEqual(Source.last.init, { withCredentials: true });
	Source.last.onerror?.(); // it never opened
	await settle();
	assert.deepEqual(
		asked.map((url) => url.pathname),
		["/snapshot", "/stream"],
	);
	for (const { cache, credentials } of inits) {
		assert.deepEqual({ cache, credentials }, { cache: "no-store", credentials: "include" });
	}
});

test("a page from the back-forward cache reconnects at once", async () => {
	await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	events.dispatchEvent(new Event("pageshow"));
	assert.equal(Source.open.length, 0, "one that is loaded connects anyway");
	events.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
	assert.equal(Source.open.length, 1);
});

for (const [name, target] of /** @type {[string, Events][]} */ ([
	["visibilitychange", doc],
	["online", events],
])) {
	test(`a stream that died while the page slept is left at ${name}`, async () => {
		const feed = await start();
		Source.last.live("e-2");
		target.dispatchEvent(new Event(name));
		assert.equal(feed.status.phase, "live");
		mock.timers.setTime(Date.now() + 31_000); // no timer has run
		target.dispatchEvent(new Event(name));
		assert.equal(feed.status.reason, "nothing came for a while");
		assert.equal(Source.open.length, 0);
	});
}

test("a retry does not disturb an attempt under way", async () => {
	answer = silence;
	const feed = await start();
	feed.retry();
	await settle();
	assert.equal(asked.length, 1);
});

test("a hub that does not answer is abandoned after twenty seconds, once each time", async () => {
	answer = silence;
	const feed = await start();
	await pass(20_000);
	assert.equal(feed.status.phase, "connecting");
	await pass(1000);
	assert.deepEqual(
		[feed.status.phase, feed.status.attempt, feed.status.reason],
		["waiting", 1, "the hub does not answer"],
	);
	answer = snapshot("e-1", feature("A"));
	await pass(1000);
	assert.equal(feed.status.phase, "connecting");
	assert.equal(feed.status.retryAt, 0);
	Source.last.onerror?.(); // it never opened, and the request for the reason fails too
	answer = silence;
	await settle();
	await pass(21_000);
	assert.deepEqual(
		[feed.status.phase, feed.status.attempt, feed.status.reason],
		["waiting", 2, "the hub does not answer"],
	);
});

test("a slow answer is waited for", async () => {
	const feed = await start();
	await pass(19_000);
	Source.last.onopen?.();
	assert.equal(feed.status.heard, Date.now());
	await pass(25_000);
	assert.equal(feed.status.phase, "connecting");
	assert.equal(Source.open.length, 1);
});

test("the status has the time of the last event of any kind", async () => {
	const feed = await start();
	assert.equal(feed.status.heard, 0);
	Source.last.live("e-2");
	await pass(4000);
	assert.equal(feed.status.heard, Date.now() - 4000);
	Source.last.send("ping", { time: Date.now() / 1000 - 3 });
	assert.equal(feed.status.heard, Date.now());
	assert.equal(feed.clockOffset, -3000, "and every ping sets the clock");
});

test("an event without an id keeps the last id", async () => {
	await start();
	Source.last.onopen?.();
	Source.last.send("ping", { time: Date.now() / 1000 }); // a new EventSource has no id
	Source.last.onerror?.();
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-1");
	assert.equal(asked.length, 1);
});

test("the state of a replaced view is not continued", async () => {
	const features = [feature("A")];
	let arrive = () => {};
	answer = () =>
		/** @type {any} */ ({
			ok: true,
			headers: new Headers({ "Last-Event-ID": "e-1" }),
			json: () => new Promise((resolve) => (arrive = () => resolve({ features }))),
		});
	const feed = await start();
	answer = snapshot("e-2", feature("B"));
	feed.view({ interval: 5 });
	arrive(); // too late
	await settle();
	assert.deepEqual(
		Source.all.map((s) => s.param.interval),
		["5s"],
	);
});

test("a restarted hub does not bring back the previous view", async () => {
	const feed = await start();
	const before = Source.last;
	before.live("e-2");
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	before.send("reset", { reason: "epoch" });
	await settle();
	assert.deepEqual(
		Source.open.map((s) => s.param.bbox),
		["0,0,1,1"],
	);
	Source.last.live("e-2");
	assert.equal(feed.status.phase, "live");
});

test("a hub without ids sends the state anew after a cut", async () => {
	answer = () => Response.json({ features: [feature("A"), feature("B")] });
	const feed = await start();
	Source.last.send("reset", { reason: "new" });
	Source.last.send("", feature("A"));
	Source.last.send("", feature("B"));
	Source.last.live("");
	Source.last.onerror?.();
	await pass(1000);
	Source.last.send("reset", { reason: "new" });
	Source.last.send("", feature("B", 2));
	Source.last.live("");
	assert.equal(asked.length, 1, "round in circles");
	assert.deepEqual(heard(), ["A@1", "B@1", "B@2", "A left"]);
	assert.equal(feed.status.phase, "live");
});

test("a correction with the same timestamp shows after a re-read", async () => {
	await start();
	Source.last.live("e-2");
	answer = snapshot("f-1", feature("A"), {
		...feature("B"),
		geometry: { type: "Point", coordinates: [3, 4] },
	});
	Source.last.send("reset", { reason: "behind" });
	await settle();
	heard();
	Source.last.live("f-1");
	assert.deepEqual(heard(), ["B@1"]);
});

test("a refused stream is closed before the hub is asked why, and the answer too", async () => {
	const feed = await start();
	answer = () => new Response("it would go on for ever");
	Source.last.onerror?.();
	assert.equal(Source.open.length, 0);
	await settle();
	assert.equal(feed.status.reason, "the connection was cut");
	assert.equal(inits[1].signal?.aborted, true);
	assert.equal(feed.status.attempt, 1);
});

test("a problem without detail is reported by its status", async () => {
	answer = () => Response.json({ title: "Forbidden" }, { status: 403 });
	assert.equal((await start()).status.reason, "the hub answers 403");
});

/** A hub that refuses. @param {number} status @param {string} detail */
const refusing = (status, detail) => () => Response.json({ detail }, { status });

test("an expired sign-in is reported with the session's reason, and another one resumes", async () => {
	const feed = await start();
	Source.last.live("e-2");
	answer = refusing(401, "the hub rejects this token: it expired at 2026-11-24T01:00:00Z");
	Source.last.send("bye", { reason: "expired" });
	await settle();
	assert.equal(String(asked[1]), "https://hub.example/session");
	assert.deepEqual([feed.status.phase, feed.status.refusal], ["refused", "expired"]);
	assert.equal(
		feed.status.reason,
		"your sign-in has expired: the hub rejects this token: it expired at 2026-11-24T01:00:00Z",
	);
	assert.equal(feed.vehicles.size, 2, "what was known is still shown");
	await pass(59_000);
	assert.deepEqual([Source.all.length, asked.length], [1, 2], "nothing is asked for a minute");
	feed.retry();
	assert.equal(Source.last.param.lastEventId, "e-2");
	Source.last.live("e-3");
	assert.deepEqual([feed.status.phase, feed.status.refusal, feed.status.state], ["live", "", "resumed"]);
});

test("a new sign-in before the old one expires keeps the feed live", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("bye", { reason: "expired" });
	await settle();
	assert.deepEqual([feed.status.phase, feed.status.refusal], ["waiting", ""]);
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-2");
});

test("an expiry is reported even if the hub cannot be asked", async () => {
	const feed = await start();
	Source.last.live("e-2");
	answer = silence;
	Source.last.send("bye", { reason: "expired" });
	await pass(21_000);
	assert.deepEqual([feed.status.phase, feed.status.reason], ["waiting", "the hub does not answer"]);
	await pass(1000);
	Source.last.live("e-2");
	answer = () => {
		throw new TypeError("fetch failed");
	};
	Source.last.send("bye", { reason: "expired" });
	await settle();
	assert.deepEqual(
		[feed.status.phase, feed.status.refusal, feed.status.reason],
		["refused", "expired", "your sign-in has expired"],
	);
});

for (const [status, refusal, detail] of /** @type {const} */ ([
	[401, "unauthorized", "a token is needed"],
	[403, "forbidden", 'this token may not read the topic "depot:7"'],
])) {
	test(`a reader who gets ${status} learns why, and asks once a minute`, async () => {
		answer = refusing(status, detail);
		const feed = await start({ topics: ["depot:7"] });
		for (let minute = 1; minute < 5; minute++) {
			assert.deepEqual(
				[feed.status.phase, feed.status.refusal, feed.status.reason],
				["refused", refusal, detail],
			);
			assert.equal(feed.status.retryAt - Date.now(), 60_000);
			assert.equal(asked.length, minute);
			await pass(60_000);
		}
		answer = snapshot("e-1", feature("A"));
		feed.retry(); // after a sign-in
		await settle();
		Source.last.live("e-1");
		assert.deepEqual([feed.status.phase, feed.status.refusal, feed.status.reason], ["live", "", ""]);
	});

	test(`a stream that ends in ${status} is asked why`, async () => {
		const feed = await start();
		Source.last.live("e-2");
		Source.last.onerror?.();
		await pass(1000);
		answer = refusing(status, detail);
		Source.last.onerror?.();
		await settle();
		assert.deepEqual(
			[feed.status.phase, feed.status.refusal, feed.status.reason],
			["refused", refusal, detail],
		);
		feed.retry();
		assert.equal(Source.last.param.lastEventId, "e-2");
	});
}

test("the previous view ends with the sign-in", async () => {
	const feed = await start();
	Source.last.live("e-2");
	answer = refusing(403, "no");
	feed.view({ topics: ["depot:7"] });
	await settle();
	assert.equal(Source.open.length, 1, "another view may be refused by itself");
	answer = refusing(401, "a token is needed");
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.deepEqual([feed.status.phase, Source.open.length], ["refused", 0]);
	assert.equal(feed.vehicles.size, 2);
});

test("a feed that is closed in a callback makes no further callback", async () => {
	/** @type {string[]} */
	const phases = [];
	const feed = await start({
		onPosition: (f) => {
			told.push(f.id);
			feed.close();
		},
		onStatus: ({ phase }) => phases.push(phase),
	});
	Source.last.live("e-2");
	assert.equal(feed.status.phase, "closed");
	assert.equal(phases[phases.length - 1], "closed");
	assert.deepEqual(heard(), ["A"]);
	assert.equal(Source.open.length, 0);
});

test("closing or changing the view while connecting leaves no stream behind", async () => {
	for (const act of /** @type {((feed: import("../src/livemap.js").Feed) => void)[]} */ ([
		(feed) => feed.close(),
		(feed) => feed.view({ interval: 5 }),
	])) {
		Source.all = [];
		/** @type {import("../src/livemap.js").Feed} */
		const feed = await start({
			onStatus({ phase, attempt }) {
				if (phase === "connecting" && attempt === 1) {
					act(feed);
				}
			},
		});
		Source.last.live("e-2");
		Source.last.onerror?.();
		await pass(1000);
		assert.ok(
			Source.open.every((s) => s.param.interval === "5s"),
			"of the view before",
		);
		assert.ok(Source.open.length <= 1);
		feed.close();
	}
});

test("with an interval, a stream resumes with the newest positions only", async () => {
	const feed = await start({ interval: 2 });
	Source.last.live("e-2");
	assert.equal(feed.status.state, "read");
	Source.last.onerror?.();
	await pass(1000);
	Source.last.live("e-9");
	assert.equal(feed.status.state, "newest");
});

test("options that would silently follow something else are rejected", async () => {
	const feed = await start();
	for (const wrong of [
		{ topics: [] },
		{ topics: "depot:7" },
		{ bbox: [1, 2, 3] },
		{ bbox: [1, 3, 2, 2] },
		{ bbox: "1,2,3,4" },
		{ bbox: [1, 2, 3, NaN] },
		{ interval: "1s" },
		{ interval: 61 },
		{ interval: 0.01 },
	]) {
		assert.throws(() => feed.view(/** @type {any} */ (wrong)), TypeError, JSON.stringify(wrong));
		assert.throws(
			() => follow(/** @type {any} */ ({ hub: "https://hub.example/", ...wrong })),
			TypeError,
			JSON.stringify(wrong),
		);
	}
	assert.equal(Source.all.length, 1);
	feed.view({ topics: undefined, bbox: null, interval: null });
	await settle();
	assert.equal(Source.all.length, 2);
	assert.equal(feed.ping, 15);
});

test("the vehicles are current until two pings are missed", async () => {
	const feed = await start({ ping: 5 });
	assert.deepEqual([feed.current, feed.asOf], [false, 0]);
	Source.last.live("e-2");
	const begun = Date.now();
	assert.deepEqual([feed.current, feed.asOf], [true, begun]);
	await pass(6000);
	Source.last.send("ping", { time: Date.now() / 1000 });
	await pass(10_000);
	assert.deepEqual([feed.current, feed.asOf], [true, begun + 6000]);
	mock.timers.setTime(Date.now() + 1); // before any timer has looked
	assert.deepEqual([feed.current, feed.status.phase], [false, "live"]);
	await pass(1000);
	assert.equal(feed.status.phase, "waiting");
	await pass(1000);
	Source.last.onopen?.();
	Source.last.send("ping", { time: Date.now() / 1000 });
	Source.last.send("", feature("A", 2), "e-3");
	assert.deepEqual([feed.current, feed.asOf], [false, begun + 6000], "events before `live` prove nothing");
	Source.last.live("e-4");
	assert.deepEqual([feed.current, feed.asOf], [true, Date.now()]);
});

test("vehicles of a view that could not be replaced are as old as they are", async () => {
	const feed = await start();
	Source.last.live("e-2");
	const begun = Date.now();
	await pass(3000);
	Source.last.onerror?.();
	answer = silence;
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.deepEqual([feed.status.phase, feed.current, feed.asOf], ["connecting", false, begun]);
});

test("a status of live is reported when the vehicles are current", async () => {
	/** @type {string[]} */
	const current = [];
	await start({ onStatus: ({ phase }) => current.push(`${phase} ${feed?.current}`) });
	Source.last.live("e-2");
	Source.last.onerror?.();
	await pass(1000);
	Source.last.live("e-2");
	assert.deepEqual(current.slice(2), ["live true", "waiting false", "connecting false", "live true"]);
});

test("a hub that cannot prove that it is up to date freezes the feed, and `live` resumes it", async () => {
	const feed = await start();
	Source.last.live("e-2");
	const stream = Source.last;
	const begun = Date.now();
	await pass(4000);
	stream.send("frozen", { since: begun / 1000 + 8, reason: "journal" }); // by the hub's clock, 7 s ahead
	assert.deepEqual([feed.status.phase, feed.current, feed.asOf], ["frozen", false, begun + 1000]);
	assert.equal(feed.status.reason, "the hub cannot prove that it is up to date");
	for (let i = 0; i < 5; i++) {
		await pass(14_000);
		stream.send("ping", { time: Date.now() / 1000 + 7 });
	}
	feed.retry();
	assert.deepEqual([feed.status.phase, feed.asOf], ["frozen", begun + 1000], "pings prove nothing");
	assert.deepEqual(Source.open, [stream], "and the stream stays open");
	stream.live("e-9", "resumed");
	assert.deepEqual([feed.status.phase, feed.current, feed.status.state], ["live", true, "resumed"]);
	assert.equal(feed.status.reason, "");
	stream.send("frozen", {});
	assert.deepEqual([feed.current, feed.asOf], [false, Date.now()]);
	await pass(31_000);
	assert.equal(feed.status.phase, "waiting", "without pings the path is dead all the same");
});

test("a reader who comes to a frozen hub sees what it has", async () => {
	const feed = await start();
	Source.last.onopen?.();
	Source.last.send("frozen", { since: Date.now() / 1000 - 60, reason: "journal" });
	assert.deepEqual(heard(), ["A@1", "B@1"]);
	assert.deepEqual([feed.status.phase, feed.current], ["frozen", false]);
	assert.equal(feed.asOf, Date.now() - 60_000);
	Source.last.send("", feature("A", 2), "e-3");
	Source.last.live("e-4");
	assert.deepEqual(heard(), ["A@2"]);
	assert.equal(feed.current, true);
});

test("a page that was held up itself hears what waits before it leaves the path", async () => {
	const feed = await start();
	Source.last.live("e-2");
	const { now } = Date;
	let pause = 60_000; // in which no timer runs
	mock.method(Date, "now", () => now.call(Date) + pause);
	await pass(1000);
	assert.deepEqual([feed.status.phase, feed.current], ["live", false]);
	Source.last.send("ping", { time: Date.now() / 1000 });
	await pass(1000);
	assert.deepEqual([feed.status.phase, feed.current], ["live", true]);
	pause += 60_000;
	await pass(2000);
	assert.equal(feed.status.phase, "waiting", "nothing waited");
});

test("a vehicle is stale by what the hub says, else its publisher, else a fixed rule", () => {
	for (const [properties, limit] of /** @type {[any, number][]} */ ([
		[{}, 300],
		[{ speed_kmh: 2.9 }, 300],
		[{ speed_kmh: 3 }, 60],
		[{ speed_kmh: 50, expect_within_s: 5 }, 15],
		[{ speed_kmh: 0, expect_within_s: 40 }, 80],
		[{ expect_within_s: 86_400 }, 172_800],
		[{ expect_within_s: 40, stale_after_s: 20 }, 20],
		[{ speed_kmh: 50, expect_within_s: "40", stale_after_s: null }, 60],
		[{ expect_within_s: 0.5, stale_after_s: -1 }, 300],
		[{ expect_within_s: 86_401, stale_after_s: "x" }, 300],
	])) {
		const one = /** @type {any} */ ({ properties: { timestamp: 1000, ...properties } });
		assert.equal(staleAfter(one), limit, JSON.stringify(properties));
		for (const [after, quietFrom, state] of /** @type {[number, number, string][]} */ ([
			[limit, 0, "fresh"],
			[limit + 1, 0, "stale"],
			[4 * limit, 0, "stale"],
			[4 * limit + 1, 0, "lost"],
			[4 * limit + 1, 1000 + 3 * limit + 1, "fresh"],
			[-30, 0, "fresh"],
		])) {
			assert.equal(freshness(one, 1000 + after, quietFrom), state, JSON.stringify(properties));
		}
	}
});

test("a feed's freshness is by the hub's clock and its pauses, as of when it was current", async () => {
	const time = Date.now() / 1000;
	const driving = { ...feature("A", time - 58), properties: { timestamp: time - 58, speed_kmh: 50 } };
	answer = snapshot("e-1", driving);
	const feed = await start();
	const fresh = () => feed.freshness(/** @type {any} */ (driving));
	Source.last.send("ping", { time });
	Source.last.send("live", { mode: "replay", time: time + 3 }, "e-2");
	assert.equal(fresh(), "stale", "the hub's clock is 3 s ahead");
	Source.last.send("ping", { time: time + 3, quiet_from: time - 50 });
	assert.equal(feed.quietFrom, time - 50);
	assert.equal(fresh(), "fresh");
	await pass(8000);
	assert.equal(fresh(), "fresh", "nothing has come since");
	Source.last.send("ping", { time: time + 11 });
	assert.equal(fresh(), "stale", "the pause is remembered");
	answer = () => Response.json({ features: [driving], quiet_from: time - 1 });
	feed.view({ interval: 5 });
	await settle();
	assert.equal(feed.quietFrom, time - 1, "a snapshot has it too");
	Source.last.send("live", { mode: "replay", time: time + 11, quiet_from: time }, "e-2");
	assert.deepEqual([feed.quietFrom, fresh()], [time, "fresh"]);
});

test("an integer that a number cannot hold is its text, if the browser tells", (t) => {
	/** @type {(name: string, value: any, context?: {source: string}) => any} */
	const source = (_, value, context) => context?.source;
	const tells = JSON.parse("1", source) === "1";
	const text = (/** @type {string} */ digits, /** @type {number} */ rounded) => (tells ? digits : rounded);
	t.diagnostic(`this Node ${tells ? "tells" : "does not tell"} the source of a value`);
	assert.deepEqual(
		parseExact(
			'{"a":12345678901234567891,"b":[-98765432109876543211,7],"c":{"d":9007199254740992},"e":1e20,' +
				'"speed_kmh":12345678901234567891,"f":"12345678901234567891","g":0.12345678901234567}',
		),
		{
			a: text("12345678901234567891", 12345678901234567891),
			b: [text("-98765432109876543211", -98765432109876543211), 7],
			c: { d: 9007199254740992 },
			e: 1e20,
			speed_kmh: 12345678901234567891,
			f: "12345678901234567891",
			g: 0.12345678901234567,
		},
	);
});

test("an aborted signal ends the feed and leaves nothing behind", async () => {
	const end = new AbortController();
	/** @type {string[]} */
	const phases = [];
	const remove = mock.method(end.signal, "removeEventListener");
	const feed = await start({ signal: end.signal, onStatus: ({ phase }) => phases.push(phase) });
	Source.last.live("e-2");
	phases.splice(0);
	end.abort();
	assert.deepEqual([feed.status.phase, phases, Source.open.length], ["closed", ["closed"], 0]);
	assert.equal(events.listeners.size + doc.listeners.size, 0);
	feed.close();
	assert.deepEqual([phases, remove.mock.callCount()], [["closed"], 1], "it ends once");

	const unused = new AbortController();
	const forget = mock.method(unused.signal, "removeEventListener");
	(await start({ signal: unused.signal })).close();
	assert.deepEqual(
		forget.mock.calls.map((call) => call.arguments[0]),
		["abort"],
		"a closed feed is not kept by its signal",
	);

	const asks = asked.length;
	const before = await start({ signal: AbortSignal.abort() });
	assert.deepEqual([before.status.phase, asked.length], ["closed", asks]);
});

/** Streams that a hub sends to fetch. */
class Answers {
	/** @type {ReadableStreamDefaultController<Uint8Array>[]} */ streams = [];

	/** @type {typeof answer} */
	stream = () => {
		const body = new ReadableStream({ start: (controller) => void this.streams.push(controller) });
		return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
	};

	/** @param {string} text @param {number} [size] bytes in a piece */
	async send(text, size = Infinity) {
		const bytes = new TextEncoder().encode(text);
		for (let at = 0; at < bytes.length; at += size) {
			this.streams[this.streams.length - 1].enqueue(bytes.slice(at, at + size));
			await setImmediate();
		}
		await settle();
	}

	/** @param {string} id */
	live(id) {
		return this.send(`id: ${id}\nevent: live\ndata: ${JSON.stringify({ mode: "replay", time: 1 })}\n\n`);
	}
}

/** Has snapshots answered as before, and streams by `streams`. @param {typeof answer} streams */
function streaming(streams) {
	const before = answer;
	answer = () => (asked[asked.length - 1].pathname === "/stream" ? streams() : before());
}

test("with a token, fetch reads the stream, however it is cut into pieces", async () => {
	for (const size of [1, 3, 7, Infinity]) {
		const hub = new Answers();
		asked = [];
		inits = [];
		answer = snapshot("e-1", feature("A"), feature("B"));
		streaming(hub.stream);
		const feed = await start({ token: "abc.def", topics: ["depot:7"] });
		assert.deepEqual(
			asked.map((url) => url.pathname + url.searchParams.get("lastEventId")),
			["/snapshotnull", "/streame-1"],
		);
		for (const { cache, credentials, headers } of inits) {
			assert.deepEqual(
				{ cache, credentials, headers },
				{ cache: "no-store", credentials: "omit", headers: { Authorization: "Bearer abc.def" } },
			);
		}
		assert.ok(!asked.join().includes("abc.def"));
		await hub.send(`: comment\nretry: 5000\r\nevent: ping\r\ndata: {"time":1}\r\n\r\n`, size);
		await hub.live("e-2");
		const moved = JSON.stringify(feature("Ä", 2)).replace(",", ",\ndata:");
		await hub.send(`id:e-3\ndata: ${moved}\n\nid: e-4\n\nevent: later\ndata: {}\n\n`, size);
		await hub.send(`event: gone\rdata: {"vehicle_id":"B","reason":"left"}\r\rdata: {"cut":`, size);
		assert.deepEqual(heard(), ["A@1", "B@1", "Ä@2", "B left"]);
		assert.equal(feed.status.phase, "live");
		hub.streams[0].error(new TypeError("network error"));
		await settle();
		assert.deepEqual([feed.status.phase, feed.status.reason], ["waiting", "the connection was cut"]);
		await pass(1000);
		assert.equal(asked[2].searchParams.get("lastEventId"), "e-4");
		assert.equal(asked.length, 3, "no snapshot");
		await hub.live("e-9");
		assert.equal(feed.status.state, "resumed");
		feed.close();
		assert.equal(inits[2].signal?.aborted, true);
		assert.equal(Source.all.length, 0, "an EventSource cannot send a token");
		heard();
	}
});

test("fetch reads a stream with a cookie too, and a burst in slices: the page can draw", async (t) => {
	const hub = new Answers();
	answer = snapshot("e-1");
	streaming(hub.stream);
	await start({ source: "fetch" });
	assert.deepEqual([inits[1].credentials, inits[1].headers, Source.all.length], ["include", undefined, 0]);
	await hub.live("e-2");
	let ms = performance.now();
	mock.method(performance, "now", () => ms++); // each event takes a millisecond
	/** How many there are when others have their turn. @type {number[]} */
	const turns = [];
	const { MessageChannel } = globalThis;
	globalThis.MessageChannel = class extends MessageChannel {
		constructor() {
			super();
			turns.push(told.length);
		}
	};
	t.after(() => Object.assign(globalThis, { MessageChannel }));
	const burst = Array.from({ length: 100 }, (_, i) => `data: ${JSON.stringify(feature(`V-${i}`))}\n\n`);
	hub.streams[0].enqueue(new TextEncoder().encode(burst.join("")));
	while (told.length < 100) {
		await setImmediate();
	}
	const slices = turns.map((there, i) => there - (turns[i - 1] ?? 0));
	assert.ok(slices.length > 3 && Math.max(...slices) < 30, `${slices}`);
	assert.deepEqual(
		heard(),
		burst.map((_, i) => `V-${i}@1`),
	);
});

test("a path that is dead is left with a token too, and a stream that ends is resumed", async () => {
	const hub = new Answers();
	streaming(hub.stream);
	const feed = await start({ token: "t" });
	await hub.live("e-2");
	await pass(16_000);
	await hub.send(`event: ping\ndata: {"time":1}\n\n`);
	await pass(29_000);
	assert.equal(feed.status.phase, "live");
	await pass(3000);
	assert.equal(feed.status.reason, "nothing came for a while");
	assert.equal(inits[1].signal?.aborted, true);
	await pass(1000);
	await hub.live("e-3");
	hub.streams[1].close();
	await settle();
	assert.deepEqual([feed.status.phase, feed.status.reason], ["waiting", "the connection was cut"]);
	await pass(1000);
	assert.equal(asked[3].searchParams.get("lastEventId"), "e-3");
});

test("getToken is asked before each connection, and again after a 401", async () => {
	const hub = new Answers();
	streaming(hub.stream);
	let given = 0;
	const feed = await start({ getToken: async () => `t${++given}` });
	await hub.live("e-2");
	const sent = () => inits.splice(0).map(({ headers }) => /** @type {any} */ (headers).Authorization);
	assert.deepEqual(sent(), ["Bearer t1", "Bearer t2"]);
	hub.streams[0].close();
	await settle();
	await pass(1000);
	await hub.live("e-3");
	assert.deepEqual(sent(), ["Bearer t3"]);

	hub.streams[1].close();
	const stream = hub.stream;
	const refusals = [refusing(401, "it expired")];
	streaming(() => (refusals.shift() ?? stream)());
	await settle();
	await pass(1000);
	assert.deepEqual(sent(), ["Bearer t4", "Bearer t5"], "at once, with another token");
	await hub.live("e-4");
	assert.equal(feed.status.phase, "live");
	answer = () => Response.json({});
	await hub.send(`event: bye\ndata: {"reason":"expired"}\n\n`);
	streaming(stream);
	await pass(1000);
	await hub.live("e-5");
	assert.deepEqual(sent(), ["Bearer t6", "Bearer t7"]);
	assert.equal(feed.status.phase, "live");
});

test("a hub's reason to refuse a token is known from its answer", async () => {
	streaming(refusing(401, "it is not signed with a key of this hub"));
	let feed = await start({ token: "t" });
	assert.deepEqual(
		[feed.status.phase, feed.status.refusal, feed.status.reason],
		["refused", "unauthorized", "it is not signed with a key of this hub"],
	);
	assert.equal(asked.length, 2, "the same token is not sent again");
	feed.close();

	streaming(() => new Response("<html>", { headers: { "Content-Type": "text/html" } }));
	feed = await start({ token: "t" });
	assert.deepEqual([feed.status.phase, feed.status.reason], ["waiting", "the hub answers 200"]);
	feed.close();

	asked = [];
	for (const [getToken, phase, reason] of /** @type {[() => any, string, string][]} */ ([
		[() => Promise.reject(new TypeError("no network")), "waiting", "there is no token: no network"],
		[() => null, "refused", "there is no token"],
		[() => "a token", "refused", "there is no token"],
	])) {
		feed = await start({ getToken });
		assert.deepEqual([feed.status.phase, feed.status.reason], [phase, reason]);
		feed.close();
	}
	assert.deepEqual(asked, []);
});

test("a token that is late is not used", async () => {
	const feed = await start({ getToken: () => new Promise(() => {}) });
	await pass(21_000);
	assert.deepEqual([feed.status.phase, feed.status.reason], ["waiting", "the hub does not answer"]);
	let give = (/** @type {string} */ _) => {};
	const other = await start({ getToken: () => new Promise((resolve) => (give = resolve)) });
	other.close();
	give("t");
	await settle();
	assert.equal(asked.length, 0);
});

test("the types name what the module has, and its version is the package's", async () => {
	const types = await readFile(new URL("../src/livemap.d.ts", import.meta.url), "utf8");
	const declared = [...types.matchAll(/^export (?:const|function|class) (\w+)/gm)].map(([, name]) => name);
	assert.deepEqual(declared.sort(), Object.keys(module).sort());
	assert.match(module.version, /^\d+\.\d+\.\d+$/);
});
