import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Trail } from "../src/map/trail.js";

/** A map with only a trail. */
class Chart {
	/** @type {[number, number][]} */ places = [];

	/** @param {[number, number][]} line */
	showTrail(line) {
		this.places = line;
	}

	/** The longitudes of the drawn line. */
	get line() {
		return this.places.map(([lon]) => lon);
	}
}

/** What the hub answers. @type {() => Response | Promise<Response>} */
let answer;
/** @type {{url: string, signal: AbortSignal}[]} */
let asked;
/** @type {Chart} */
let chart;
/** @type {Trail} */
let trail;

/** Every vehicle's positions are at its Unix seconds' degrees. @param {...number} times */
const track =
	(...times) =>
	() =>
		Response.json({
			geometry:
				times.length === 1
					? { type: "Point", coordinates: [times[0], 0] }
					: times.length > 0
						? { type: "LineString", coordinates: times.map((t) => [t, 0]) }
						: null,
			properties: { timestamps: times.length === 1 ? times[0] : times },
		});

/** @param {number} timestamp @param {number} [lon] @param {string} [id] */
const fix = (timestamp, lon = timestamp, id = "VAN-7") =>
	/** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature",
		id,
		geometry: { type: "Point", coordinates: [lon, 0] },
		properties: { vehicle_id: id, timestamp },
	});

beforeEach(() => {
	answer = track(1, 2, 4);
	asked = [];
	chart = new Chart();
	trail = new Trail(chart);
	Object.assign(globalThis, {
		/** @param {string} url @param {{signal: AbortSignal}} init */
		async fetch(url, { signal }) {
			asked.push({ url, signal });
			await setImmediate();
			signal.throwIfAborted();
			return answer();
		},
	});
});

test("a trail is the log's positions and those that arrive", async () => {
	await trail.show("VAN 7/ä");
	assert.equal(asked[0].url, "/vehicles/VAN%207%2F%C3%A4/track");
	await trail.show("VAN-7");
	assert.deepEqual(chart.line, [1, 2, 4]);
	trail.add(fix(5));
	trail.add(fix(6, 6, "VAN-8"));
	assert.deepEqual(chart.line, [1, 2, 4, 5], "its own");
	trail.add(fix(3));
	trail.add(fix(0.5));
	assert.deepEqual(chart.line, [0.5, 1, 2, 3, 4, 5], "a late one in its place");
	trail.add(fix(3, 3.5));
	assert.deepEqual(chart.line, [0.5, 1, 2, 3.5, 4, 5], "the last of a moment counts");
	assert.equal(trail.length, 6);
});

test("positions that arrive during the request are kept", async () => {
	const reading = trail.show("VAN-7");
	trail.add(fix(5));
	trail.add(fix(3));
	await reading;
	assert.deepEqual(chart.line, [1, 2, 3, 4, 5]);
	answer = track(4, 5);
	await trail.show("VAN-7");
	assert.deepEqual(chart.line, [1, 2, 3, 4, 5], "nor what the log no longer holds");
});

test("one position makes no line, and neither does none", async () => {
	answer = track(1);
	await trail.show("VAN-7");
	assert.equal(trail.length, 1);
	assert.deepEqual(chart.line, []);
	trail.add(fix(2));
	assert.deepEqual(chart.line, [1, 2]);
	answer = track();
	await trail.show("VAN-8");
	assert.equal(trail.length, 0);
});

test("another vehicle has another trail, no vehicle has none", async () => {
	const first = trail.show("VAN-7");
	answer = track(7, 8);
	const second = trail.show("VAN-8");
	assert.equal(asked[0].signal.aborted, true);
	await Promise.all([first, second]);
	assert.deepEqual(chart.line, [7, 8]);
	const third = trail.show("VAN-9");
	assert.deepEqual(chart.line, [], "the one before is gone at once");
	await trail.show(null);
	await third;
	assert.equal(trail.length, 0);
	trail.add(fix(9, 9, "VAN-8"));
	assert.equal(trail.length, 0);
});

test("a trail keeps its newest five thousand positions", async () => {
	answer = track(...Array.from({ length: 5000 }, (_, i) => i + 1));
	await trail.show("VAN-7");
	trail.add(fix(5001));
	assert.equal(trail.length, 5000);
	trail.add(fix(0.5));
	assert.equal(trail.length, 5000);
	assert.equal(chart.line.length, 5000);
});

test("an unreachable hub or an unknown vehicle keeps the trail", async () => {
	await trail.show("VAN-7");
	answer = () => {
		throw new TypeError("fetch failed");
	};
	await trail.show("VAN-7");
	answer = () => Response.json({ detail: "no such vehicle" }, { status: 404 });
	await trail.show("VAN-7");
	answer = () => new Response("bad gateway", { status: 502 });
	await trail.show("VAN-7");
	assert.deepEqual(chart.line, [1, 2, 4]);
});

test("a trail continues beyond the antimeridian", async () => {
	await trail.show(null);
	answer = track();
	await trail.show("VAN-7");
	[179, -179, -178, 179.5, 178].forEach((lon, i) => trail.add(fix(i, lon)));
	assert.deepEqual(chart.line, [179, 181, 182, 179.5, 178]);
	[-179, 179, -179].forEach((lon, i) => trail.add(fix(10 + i, lon)));
	assert.deepEqual(chart.line.slice(5), [181, 179, 181]);
});
