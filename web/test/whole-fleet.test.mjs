import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Fleet } from "../src/fleet.js";
import { WholeFleet } from "../src/whole-fleet.js";

/** @param {string} id @param {number} [timestamp] */
const feature = (id, timestamp = 1000) =>
	/** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature",
		id,
		geometry: { type: "Point", coordinates: [1, 2] },
		properties: { vehicle_id: id, timestamp, speed_kmh: 50 },
	});

/** @type {[string, any][]} */
let asked;
/** @type {() => Response | Promise<Response>} */
let answer;
/** @type {Fleet} */
let fleet;
let changes = 0;

/** @param {string} etag @param {...string} ids */
const holding =
	(etag, ...ids) =>
	() =>
		Response.json({ features: ids.map((id) => feature(id)) }, { headers: { ETag: etag } });

/** @param {number} ms */
async function pass(ms) {
	mock.timers.tick(ms);
	for (let i = 0; i < 5; i++) {
		await setImmediate();
	}
}

beforeEach(() => {
	mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
	asked = [];
	changes = 0;
	fleet = new Fleet(() => Date.now() / 1000);
	mock.method(globalThis, "fetch", async (/** @type {string} */ url, /** @type {any} */ init) => {
		asked.push([url, init.headers]);
		await setImmediate();
		init.signal.throwIfAborted();
		return answer();
	});
});

afterEach(() => {
	mock.timers.reset();
	mock.restoreAll();
});

const make = (topics = ["live_updates:all"]) => new WholeFleet(fleet, () => topics, () => changes++);

test("a stream of a part of the fleet is completed by the hub's snapshot, again and again", async () => {
	const whole = make();
	fleet.update(feature("NEAR"));
	answer = holding('"1"', "NEAR", "FAR");
	whole.streamed(true, false);
	assert.equal(whole.complete, false);
	await pass(0);
	assert.deepEqual(asked, [["/snapshot?topic=live_updates%3Aall", {}]]);
	assert.deepEqual([whole.complete, whole.asOf, changes], [true, 1000, 1]);
	assert.deepEqual([...fleet.vehicles.keys()], ["NEAR", "FAR"]);
	whole.streamed(true, false); // of another part
	await pass(9999);
	assert.equal(asked.length, 1);
	answer = () => new Response(null, { status: 304 });
	await pass(1);
	assert.deepEqual(asked[1][1], { "If-None-Match": '"1"' });
	assert.deepEqual([whole.asOf, fleet.vehicles.get("FAR")?.knownUntil], [1010, 1010]);
	answer = () => {
		throw new TypeError("fetch failed");
	};
	await pass(10_000);
	assert.deepEqual([whole.complete, whole.asOf, asked.length], [true, 1010, 3]);
	answer = holding('"2"', "NEAR");
	await pass(10_000);
	assert.deepEqual([whole.asOf, [...fleet.vehicles.keys()]], [1030, ["NEAR"]]);
});

test("a large fleet is read less often", async () => {
	const whole = make();
	answer = holding('"1"', ...Array.from({ length: 6000 }, (_, i) => `V-${i}`));
	whole.streamed(true, false);
	await pass(0);
	await pass(19_999);
	assert.equal(asked.length, 1);
	await pass(1);
	assert.equal(asked.length, 2);
});

test("nothing is read while the stream has the whole fleet, nor at once after that", async () => {
	const whole = make();
	fleet.update(feature("A"));
	whole.streamed(false, false);
	assert.deepEqual([whole.complete, whole.asOf], [true, null]);
	await pass(100_000);
	assert.equal(asked.length, 0);
	fleet.leave("A");
	whole.streamed(true, false);
	assert.deepEqual([whole.complete, whole.asOf], [true, 1100]);
	answer = holding('"1"', "A");
	await pass(0);
	assert.equal(asked.length, 0, "all is known already");
	whole.streamed(true, true);
	await pass(0);
	assert.equal(asked.length, 1, "but not when the hub has begun anew");
	whole.streamed(false, false);
	assert.equal(fleet.vehicles.size, 0, "A is not in the stream of all");
	await pass(100_000);
	assert.equal(asked.length, 1);
});

test("another reader sees nothing of what the one before could read", async () => {
	const whole = make([]);
	answer = holding('"1"', "SECRET");
	whole.streamed(true, false);
	await pass(0);
	assert.deepEqual([asked[0][0], fleet.vehicles.size], ["/snapshot?", 1]);
	await pass(10_000); // the next reading is under way
	whole.streamed(true, true);
	whole.reset();
	assert.deepEqual([fleet.vehicles.size, whole.complete], [0, false]);
	await pass(100_000);
	assert.equal(fleet.vehicles.size, 0, "its answer came too late");
	answer = () => Response.json({ detail: "no" }, { status: 403 });
	whole.streamed(true, false);
	await pass(0);
	assert.deepEqual(asked.at(-1)?.[1], {});
	assert.equal(whole.complete, false);
});
