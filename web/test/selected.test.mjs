import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Selected } from "../src/selected.js";

/** @param {number} [timestamp] @param {string} [id] */
const feature = (timestamp = 1000, id = "VAN-7") =>
	/** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature",
		id,
		geometry: { type: "Point", coordinates: [1, 2] },
		properties: { vehicle_id: id, timestamp },
	});

/** @type {any[]} */ let feeds; // that were opened
/** @type {[string, any][]} */ let events;
/** @type {string[]} */ let asked;
/** @type {() => Response} */ let answer;
/** @type {(topic: string) => boolean} */ let canRead;
/** @type {Selected} */ let selected;

beforeEach(() => {
	mock.timers.enable({ apis: ["setTimeout"] });
	[feeds, events, asked, canRead] = [[], [], [], () => true];
	answer = () => Response.json(feature());
	mock.method(globalThis, "fetch", async (/** @type {string} */ url) => {
		asked.push(url);
		return answer();
	});
	/** @param {string} name */
	const note = (name) => (/** @type {any} */ about) => void events.push([name, about]);
	selected = new Selected(
		{
			canRead: (topic) => canRead(topic),
			onPosition: note("position"),
			onLate: note("late"),
			onGone: note("gone"),
			onLost: note("lost"),
		},
		/** @type {any} */ (
			(/** @type {any} */ options) => {
				const feed = { ...options, vehicles: new Map(), current: true, closed: 0, retried: 0 };
				feed.close = () => feed.closed++;
				feed.retry = () => feed.retried++;
				feeds.push(feed);
				return feed;
			}
		),
	);
});

afterEach(() => {
	mock.timers.reset();
	mock.restoreAll();
});

/** @param {number} ms */
async function pass(ms) {
	mock.timers.tick(ms);
	for (let i = 0; i < 5; i++) {
		await setImmediate();
	}
}

test("a selected vehicle has a stream of its own, which has every position and nothing else", () => {
	selected.show("VAN-7");
	selected.show("VAN-7");
	assert.deepEqual(feeds[0].topics, ["vehicle:VAN-7"]);
	assert.deepEqual([feeds.length, feeds[0].interval, feeds[0].bbox], [1, undefined, undefined]);
	feeds[0].onPosition("a");
	feeds[0].onLate("b");
	feeds[0].onGone("VAN-7", "left");
	feeds[0].onGone("VAN-7", "deleted");
	assert.deepEqual(events, [["position", "a"], ["late", "b"], ["gone", "VAN-7"]]);
	selected.show("VAN-8");
	assert.deepEqual([feeds[0].closed, feeds[1].topics], [1, ["vehicle:VAN-8"]]);
	assert.deepEqual(events.at(-1), ["lost", "VAN-7"], "only the map's stream may have it now");
	selected.again();
	assert.deepEqual([feeds[1].closed, feeds[2].topics], [1, ["vehicle:VAN-8"]], "as another reader");
	selected.retry();
	selected.show(null);
	assert.deepEqual([feeds[2].retried, feeds[2].closed, feeds.length], [1, 1, 3]);
});

test("its newest position is known while the stream is current", () => {
	assert.equal(selected.newest("VAN-7"), null);
	selected.show("VAN-7");
	assert.equal(selected.newest("VAN-7"), null);
	feeds[0].vehicles.set("VAN-7", feature());
	assert.equal(selected.newest("VAN-7")?.properties.timestamp, 1000);
	assert.equal(selected.newest("VAN-8"), null);
	feeds[0].onStatus({ phase: "connecting" });
	feeds[0].onStatus({ phase: "live" });
	assert.deepEqual(events, []);
	feeds[0].current = false;
	feeds[0].onStatus({ phase: "waiting" });
	assert.equal(selected.newest("VAN-7"), null);
	assert.deepEqual(events, [["lost", "VAN-7"]]);
	const old = feeds[0];
	selected.show("VAN-8");
	events = [];
	old.onStatus({ phase: "closed" });
	assert.deepEqual(events, [], "what is closed is lost no more");
});

test("a vehicle whose topic the hub rejects is read every other second", async () => {
	canRead = (topic) => topic === "live_updates:all";
	selected.show("VAN/7");
	await pass(0);
	assert.deepEqual([feeds.length, asked], [0, ["/vehicles/VAN%2F7"]]);
	assert.equal(events[0][0], "position");
	assert.equal(selected.newest("VAN/7")?.properties.timestamp, 1000);
	answer = () => Response.json({}, { status: 404 });
	await pass(2000);
	assert.deepEqual([asked.length, events.length], [2, 1]);
	selected.show(null);
	await pass(10_000);
	assert.equal(asked.length, 2);
	assert.equal(selected.newest("VAN/7"), null);

	canRead = () => true;
	for (const id of ["", " ", "a ", "\u00a0a", "a\u200bb", "a\u202eb", "a\nb", "a\u2028", "a*"]) {
		selected.show(id);
		assert.equal(feeds.length, 0, JSON.stringify(id));
	}
	for (const id of ["a", "a b", "*a", "卡车 7"]) {
		selected.show(id);
		assert.deepEqual(feeds.at(-1).topics, [`vehicle:${id}`]);
	}
	canRead = (topic) => topic === "depot:7";
	asked = [];
	selected.show("VAN-9");
	await pass(10_000);
	assert.deepEqual([feeds.length, asked], [4, []], "which this reader may not ask for");
});

test("an answer that comes after the next selection is dropped", async () => {
	canRead = (topic) => topic === "live_updates:all";
	selected.show("VAN-7");
	mock.timers.tick(0);
	selected.show("VAN-8");
	await pass(0);
	assert.deepEqual(events.filter(([name]) => name === "position").length, 1);
	assert.equal(selected.newest("VAN-7"), null);
});
