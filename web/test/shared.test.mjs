/**
 * Tabs that share streams, with a SharedWorker, an EventSource and a hub of this test.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { sharesStreams as shares } from "../src/shared/stream.js";

/** @typedef {import("../src/livemap.js").Options} Options */

/** One end of a channel. */
class Port {
	/** @type {Port | undefined} */ peer;
	/** @type {((event: any) => void) | undefined} */ onmessage;
	/** @type {Record<string, () => void>} */ listeners = {};

	/** @param {any} data */
	postMessage(data) {
		const { peer } = this;
		const copy = structuredClone(data);
		queueMicrotask(() => works && peer?.onmessage?.({ data: copy }));
	}
	/** @param {string} name @param {() => void} listener */
	addEventListener(name, listener) {
		this.listeners[name] = listener;
	}
	close() {}
}

/** An EventSource whose events the test sends. */
class Source {
	/** @type {Source[]} */ static all = [];
	static get open() {
		return Source.all.filter((source) => !source.closed);
	}
	/** @type {Record<string, (event: any) => void>} */ listeners = {};
	/** @type {any} */ onopen;
	/** @type {any} */ onmessage;
	closed = false;
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
	/** @param {string} name "": a position @param {any} data */
	send(name, data) {
		const event = { data: JSON.stringify(data), lastEventId: "e-1" };
		name === "" ? this.onmessage(event) : this.listeners[name](event);
	}
	live() {
		this.onopen();
		this.send("live", { mode: "replay", protocol: "h1", time: Date.now() / 1000 });
	}
}

/** @param {string} id @param {number} [timestamp] */
const feature = (id, timestamp = 1) => ({
	type: "Feature",
	id,
	geometry: { type: "Point", coordinates: [1, 2] },
	properties: { vehicle_id: id, timestamp },
});

let round = 0;
let works = true; // messages arrive
/** @type {(event: any) => void} */
let connect;
/** The worker's ends of the channels. @type {Port[]} */
let ports = [];
/** @type {any[]} */
let workers = [];
/** What the hub's snapshot has. @type {() => Response} */
let snapshot;
/** @type {string[]} */
let asked = [];
/** @type {import("../src/livemap.js").Feed[]} */
let feeds = [];
/** @type {typeof import("../src/shared/stream.js")} */
let module;

class Worker {
	port = new Port();
	/** @type {(() => void) | undefined} */ onerror;
	constructor() {
		const other = new Port();
		this.port.peer = other;
		other.peer = this.port;
		ports.push(other);
		workers.push(this);
		connect({ ports: [other] });
	}
}

beforeEach(async () => {
	mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_800_000_000_000 });
	mock.method(performance, "getEntriesByType", () => [{ nextHopProtocol: "http/1.1" }]);
	Source.all = [];
	[ports, workers, asked, feeds, works] = [[], [], [], [], true];
	snapshot = () => Response.json({ features: [feature("A"), feature("B")] });
	Object.assign(globalThis, {
		SharedWorker: Worker,
		EventSource: Source,
		addEventListener: (/** @type {string} */ name, /** @type {any} */ listener) => {
			connect = name === "connect" ? listener : connect;
		},
		removeEventListener: () => {},
		/** @param {URL | string} url */
		async fetch(url) {
			asked.push(String(url));
			return snapshot();
		},
	});
	round++; // modules of their own, as in a new browser
	await import(`../src/shared/worker.js?${round}`);
	module = await import(`../src/shared/stream.js?${round}`);
});

afterEach(async () => {
	feeds.forEach((feed) => feed.close());
	await settle();
	mock.timers.reset();
	mock.restoreAll();
});

async function settle() {
	for (let i = 0; i < 20; i++) {
		await setImmediate();
	}
}

/** Lets time pass, in which the hub sends pings. @param {number} ms */
async function pass(ms) {
	for (let left = ms; left > 0; left -= 1000) {
		if (left > 1) {
			Source.open.forEach((source) => source.send("ping", { time: Date.now() / 1000 }));
		}
		mock.timers.tick(Math.min(left, 1000));
		await settle();
	}
}

/** A tab, with what its feed reported. @param {Partial<Options>} [options] */
async function tab(options = {}) {
	/** @type {string[]} */
	const told = [];
	const feed = module.follow({
		hub: "https://hub.example/",
		ping: 5,
		onPosition: (f) => told.push(`${f.id}@${f.properties.timestamp}`),
		onLate: (f) => told.push(`${f.id} late`),
		onGone: (id, reason) => told.push(`${id} ${reason}`),
		...options,
	});
	feeds.push(feed);
	await settle();
	return { feed, heard: () => told.splice(0) };
}

/** A view of its own. @param {number} i @returns {Partial<Options>} */
const view = (i) => ({ bbox: [i, i, i + 1, i + 1] });

describe("tabs over HTTP/1.1", () => {
	test("share only there", () => {
		const cases = { "http/1.1": true, "http/1.0": true, h2: false, h3: false, "": false };
		for (const [protocol, expected] of Object.entries(cases)) {
			assert.equal(shares(protocol), expected, protocol);
		}
		assert.equal(shares(undefined), false);
		Object.assign(globalThis, { SharedWorker: undefined });
		assert.equal(shares("http/1.1"), false);
	});

	test("share the stream of equal views, with everything for a tab that comes later", async () => {
		const one = await tab();
		assert.equal(one.feed.status.phase, "connecting");
		Source.all[0].live();
		await settle();
		assert.deepEqual([one.heard(), one.feed.status.phase], [["A@1", "B@1"], "live"]);
		Source.all[0].send("", feature("A", 2));
		const two = await tab();
		assert.equal(two.feed.status.phase, "live");
		assert.deepEqual([one.heard(), two.heard()], [["A@2"], ["A@2", "B@1"]]);
		Source.all[0].send("late", feature("A", 1.5));
		Source.all[0].send("gone", { vehicle_id: "B", reason: "expired" });
		await pass(1);
		for (const { heard, feed } of [one, two]) {
			assert.deepEqual([heard(), [...feed.vehicles.keys()]], [["A late", "B expired"], ["A"]]);
		}
		await pass(4000);
		Source.all[0].send("ping", { time: Date.now() / 1000 + 9, quiet_from: 7 });
		mock.timers.tick(999);
		await settle();
		assert.deepEqual(
			[two.feed.clockOffset, two.feed.quietFrom, two.feed.current, Date.now() - two.feed.asOf],
			[9000, 7, true, 999],
		);
		assert.equal(two.feed.status.heard, two.feed.asOf);
		assert.deepEqual([Source.all.length, asked.length], [1, 1]);

		one.feed.close();
		await settle();
		assert.equal(Source.open.length, 1);
		two.feed.close();
		await settle();
		assert.equal(Source.open.length, 0, "the last tab closes the stream");
	});

	test("report the connection as the worker has it, and retry", async () => {
		const { feed } = await tab();
		Source.all[0].live();
		await settle();
		Source.all[0].send("frozen", {});
		await settle();
		assert.deepEqual([feed.status.phase, feed.current], ["frozen", false]);
		Source.all[0].send("bye", { reason: "too-many" });
		await settle();
		assert.deepEqual([feed.status.phase, feed.status.refusal], ["waiting", "too-many"]);
		feed.retry();
		await settle();
		Source.all[1].live();
		await settle();
		assert.deepEqual([feed.status.phase, feed.status.state], ["live", "resumed"]);
	});

	test("change their view without a gap", async () => {
		const { feed, heard } = await tab();
		Source.all[0].live();
		await settle();
		heard();
		snapshot = () => Response.json({ features: [feature("B"), feature("C")] });
		feed.view({ bbox: [0, 0, 1, 1] });
		await settle();
		assert.equal(Source.open.length, 2);
		Source.all[0].send("", feature("A", 2));
		await pass(1);
		assert.deepEqual([heard(), feed.status.phase], [["A@2"], "live"]);
		Source.all[1].live();
		await settle();
		assert.deepEqual(heard(), ["A left", "C@1"]);
		assert.equal(Source.open.length, 1);
	});

	test("end and begin anew with the sign-in of one of them", async () => {
		const one = await tab();
		const two = await tab({ interval: 2 });
		Source.all.forEach((source) => source.live());
		await settle();
		one.heard();
		two.heard();
		snapshot = () => Response.json({ detail: "a token is needed" }, { status: 401 });
		module.renew();
		await settle();
		for (const { feed } of [one, two]) {
			assert.deepEqual(
				[feed.status.phase, feed.status.refusal, feed.vehicles.size],
				["refused", "unauthorized", 2],
			);
			assert.ok(feed.asOf > 0);
		}
		assert.equal(Source.open.length, 0);
		snapshot = () => Response.json({ features: [feature("B", 3)] });
		module.renew();
		await settle();
		assert.equal(Source.open.length, 2);
		Source.open.forEach((source) => source.live());
		await settle();
		for (const { feed, heard } of [one, two]) {
			assert.deepEqual([feed.status.phase, heard()], ["live", ["A left", "B@3"]]);
		}
	});

	test("a sign-in before the first stream counts too", async () => {
		const { feed } = await tab();
		Source.all[0].live();
		const other = module;
		module = await import(`../src/shared/stream.js?${round}-other`);
		module.renew();
		await tab();
		assert.equal(Source.open.length, 1);
		assert.equal(Source.all.length, 2);
		assert.equal(feed.status.phase, "connecting");
		module = other;
	});

	test("stream four views, and poll the others until a stream is free", async () => {
		const tabs = [];
		for (let i = 0; i < 4; i++) {
			tabs.push(await tab(view(i)));
		}
		Source.all.forEach((source) => source.live());
		asked = [];
		const polled = await tab({ ...view(4), topics: ["depot:7"] });
		assert.deepEqual(asked, ["/snapshot?topic=depot%3A7&bbox=4%2C4%2C5%2C5"]);
		assert.deepEqual([polled.heard(), polled.feed.status.phase], [["A@1", "B@1"], "live"]);
		assert.equal(Source.open.length, 4);
		snapshot = () => Response.json({ features: [feature("B", 2), feature("C")] });
		await pass(6000);
		assert.deepEqual(polled.heard(), ["A left", "B@2", "C@1"]);
		assert.equal(polled.feed.current, true);

		Source.all[2].send("frozen", {});
		const { asOf } = polled.feed;
		await pass(6000);
		assert.deepEqual([polled.feed.status.phase, polled.feed.asOf], ["frozen", asOf]);
		Source.all[2].live();
		for (const [status, phase, refusal] of /** @type {[number, string, string][]} */ ([
			[403, "refused", "forbidden"],
			[401, "refused", "unauthorized"],
			[502, "waiting", ""],
		])) {
			snapshot = () => Response.json({ detail: "no" }, { status });
			await pass(6000);
			assert.deepEqual([polled.feed.status.phase, polled.feed.status.refusal], [phase, refusal]);
		}
		snapshot = () => Response.json({ features: [feature("B", 3)] });
		await pass(6000);
		assert.equal(polled.feed.status.phase, "live");
		polled.heard();

		tabs[0].feed.close();
		await settle();
		assert.deepEqual([Source.all.length, Source.open.length], [5, 4]);
		Source.all[4].live();
		Source.all[4].send("", feature("B", 4));
		await pass(1);
		assert.deepEqual(polled.heard(), ["B@4"]);
	});

	test("follow by themselves when the worker fails", async () => {
		const { feed, heard } = await tab();
		workers[0].onerror();
		await settle();
		const own = Source.open[Source.open.length - 1];
		own.live();
		assert.deepEqual([feed.status.phase, heard()], ["live", ["A@1", "B@1"]]);
		await tab();
		assert.equal(workers.length, 1, "and do not try again");
	});

	test("leave a worker that is silent, but not one that was asleep as they were", async () => {
		const { feed } = await tab();
		Source.all[0].live();
		await settle();
		const { now } = Date;
		const slept = 3_600_000;
		mock.method(Date, "now", () => now.call(Date) + slept);
		feed.retry(); // as `visibilitychange` does
		await settle();
		assert.equal(Source.all.length, 1);
		await pass(30_000);
		assert.equal(workers.length, 1);
		works = false;
		await pass(14_000);
		assert.equal(Source.open.length, 1);
		await pass(8000);
		assert.ok(Source.all.length > 1, "a stream of its own");
	});

	test("are forgotten when they are gone without a word, and come back when they were asleep", async () => {
		const one = await tab();
		Source.all[0].live();
		await pass(170_000);
		assert.equal(Source.all.length, 1, "signs of life");
		ports[0].listeners.close();
		await settle();
		assert.equal(Source.open.length, 0, "a browser that tells");
		await pass(20_000);
		assert.equal(Source.open.length, 1, "it asks again");
		Source.open[0].live();
		await settle();
		assert.equal(one.feed.status.phase, "live");

		const silent = new Worker();
		silent.port.postMessage({ ask: "follow", view: { interval: 9 }, ping: 5 });
		await settle();
		assert.equal(Source.open.length, 2);
		await pass(160_000);
		assert.equal(Source.open.length, 1);
	});
});
