import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { follow } from "../src/livemap.js";

/** An EventSource whose hub is the test. */
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

	/** @param {URL} url */
	constructor(url) {
		this.url = url;
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

/** What the hub answers to snapshots, and how often it was asked. @type {() => Response} */
let answer;
/** @type {URL[]} */
let asked;
/** @type {string[]} */
let told;
/** @type {import("../src/livemap.js").Feed | undefined} */
let feed;
const events = new EventTarget();

/** @param {string} id @param {number} [timestamp] */
function feature(id, timestamp = 1) {
	return { type: "Feature", id, geometry: { type: "Point", coordinates: [1, 2] }, properties: { vehicle_id: id, timestamp } };
}

/** @param {string} id the Last-Event-ID @param {...any} features */
const snapshot = (id, ...features) => () => Response.json({ features }, { headers: { "Last-Event-ID": id } });

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

/** What was told since the last time. */
function heard() {
	return told.splice(0);
}

beforeEach(() => {
	mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_800_000_000_000 });
	Source.all = [];
	asked = [];
	told = [];
	answer = snapshot("e-1", feature("A"), feature("B"));
	mock.method(Math, "random", () => 1);
	Object.assign(globalThis, {
		EventSource: Source,
		addEventListener: events.addEventListener.bind(events),
		removeEventListener: events.removeEventListener.bind(events),
		/** @param {URL} url @param {{signal: AbortSignal}} init */
		async fetch(url, { signal }) {
			asked.push(url);
			await setImmediate();
			signal.throwIfAborted();
			return answer();
		},
	});
});

afterEach(() => {
	feed?.close();
	mock.timers.reset();
	mock.restoreAll();
});

test("the state is a snapshot, and the stream goes on from its id", async () => {
	const feed = await start({ topics: ["depot:7", "a&b"], bbox: [1, 2, 3, 4], interval: 0.5 });
	assert.equal(String(asked[0]), "https://hub.example/snapshot?topic=depot%3A7&topic=a%26b&bbox=1%2C2%2C3%2C4");
	assert.deepEqual(Source.last.url.searchParams.getAll("topic"), ["depot:7", "a&b"]);
	assert.deepEqual({ ...Source.last.param, topic: "" }, { topic: "", bbox: "1,2,3,4", ping: "15s", interval: "0.5s", lastEventId: "e-1" });
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

test("a cut stream is resumed from the last event, or heartbeat", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("", feature("A", 2), "e-3");
	Source.last.send("ping", { time: Date.now() / 1000 }, "e-9"); // its id is that of a heartbeat
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

test("another life of the hub is read again, and what is gone goes", async () => {
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

test("a reset right after a snapshot is told by the stream", async () => {
	const feed = await start();
	Source.last.onopen?.();
	Source.last.send("reset", { reason: "behind" });
	Source.last.send("", feature("B", 2), "e-3");
	Source.last.send("", feature("C", 2), "e-4");
	Source.last.live("e-5", "snapshot");
	assert.deepEqual([...feed.vehicles.keys()].sort(), ["B", "C"]);
	assert.equal(asked.length, 1);
});

test("a state that is cut while it is told goes on being told", async () => {
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

test("a hub without an id in its snapshot tells the state in the stream", async () => {
	answer = () => Response.json({ features: [] });
	const feed = await start();
	assert.equal(Source.last.param.lastEventId, undefined);
	Source.last.send("reset", { reason: "new" });
	Source.last.send("", feature("A"), "e-1");
	Source.last.live("e-1", "snapshot");
	assert.deepEqual([...feed.vehicles.keys()], ["A"]);
});

test("a hub that refuses is asked ever more rarely, and its words are told", async () => {
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

test("jitter takes up to a half of the wait", async () => {
	mock.method(Math, "random", () => 0);
	answer = () => new Response("bad gateway", { status: 502 });
	const feed = await start();
	assert.equal(feed.status.retryAt - Date.now(), 500);
	assert.equal(feed.status.reason, "the hub answers 502");
});

test("a stream that is refused is asked why", async () => {
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

test("a hub that cannot be reached is no stack trace", async () => {
	answer = () => { throw new TypeError("fetch failed"); };
	const feed = await start();
	assert.equal(feed.status.reason, "the hub cannot be reached");
});

test("a path that brings nothing is left", async () => {
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

test("a network that returns is used at once", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	assert.equal(Source.open.length, 0);
	events.dispatchEvent(new Event("online"));
	await settle();
	assert.equal(Source.open.length, 1);
	await pass(60_000);
	assert.ok(Source.open.length <= 1, "the wait that was is over");
});

test("who has too many streams waits a minute", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("bye", { reason: "too-many" });
	assert.equal(feed.status.retryAt - Date.now(), 60_000);
	assert.equal(Source.open.length, 0);
});

test("a hub that drains is come back to", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.send("bye", { reason: "draining" });
	assert.equal(feed.status.reason, "the hub is restarting");
	await pass(1000);
	assert.equal(Source.last.param.lastEventId, "e-2");
});

test("another view takes over when it is live, and not before", async () => {
	const feed = await start();
	const before = Source.last;
	before.live("e-2");
	heard();
	answer = snapshot("e-7", feature("B"), feature("C"));
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.equal(Source.open.length, 2);
	before.send("", feature("A", 2), "e-3");
	assert.deepEqual(heard(), ["A@2"], "the old one goes on");
	Source.last.send("", feature("B", 2), "e-8");
	assert.deepEqual(heard(), [], "the new one does not show yet");
	Source.last.live("e-8");
	assert.deepEqual(heard(), ["A left", "B@2", "C@1"]);
	assert.deepEqual(Source.open, [Source.last]);
	assert.deepEqual([...feed.vehicles.keys()], ["B", "C"]);
});

test("of several views in a row only the last comes to be", async () => {
	const feed = await start();
	Source.last.live("e-2");
	feed.view({ bbox: [0, 0, 1, 1] });
	feed.view({ bbox: [0, 0, 2, 2] });
	await settle();
	feed.view({ bbox: [0, 0, 3, 3] });
	await settle();
	assert.deepEqual(Source.open.map((s) => s.param.bbox), [undefined, "0,0,3,3"]);
	Source.last.live("e-2");
	assert.deepEqual(Source.open.map((s) => s.param.bbox), ["0,0,3,3"]);
});

test("another view while the hub is away does not lose what is shown", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	answer = () => { throw new TypeError("fetch failed"); };
	feed.view({ bbox: [0, 0, 1, 1] });
	await settle();
	assert.equal(feed.status.phase, "waiting");
	assert.equal(feed.vehicles.size, 2);
	answer = snapshot("f-1", feature("A", 9));
	feed.retry();
	await settle();
	heard();
	Source.last.live("f-1");
	assert.deepEqual(heard(), ["B left", "A@9"]);
});

test("a closed feed is quiet", async () => {
	const feed = await start();
	Source.last.live("e-2");
	Source.last.onerror?.();
	feed.close();
	feed.retry();
	feed.view({});
	await pass(60_000);
	assert.equal(feed.status.phase, "closed");
	assert.equal(Source.open.length, 0);
});

test("the status is that of what is shown, until a new view fails", async () => {
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
	feed.view({ bbox: [0, 99, 1, 1] });
	await settle();
	assert.equal(feed.status.phase, "waiting");
	assert.deepEqual(phases.splice(0), ["waiting 1"]);
	const old = Source.open[0];
	feed.view({ bbox: [0, 0, 2, 2] });
	old.onerror?.();
	assert.equal(feed.status.phase, "connecting");
	assert.ok(phases.length > 0, "the old one's end is told");
});
