import assert from "node:assert/strict";
import { test } from "node:test";
import { clustered, radius } from "../src/clusters.js";
import { Viewport } from "../src/viewport.js";

/** @typedef {import("../src/viewport.js").Box} Box */

test("from afar the whole fleet is followed", () => {
	const viewport = new Viewport();
	assert.deepEqual(viewport.view(null, 1.5, "VAN-7"), { topics: ["live_updates:all"], bbox: null, interval: null });
	assert.equal(viewport.next([-10, 40, 10, 50], 5, "VAN-7"), null, "which holds the selected vehicle anyway");
});

test("from near a box beyond the view is followed, until the view leaves it", () => {
	const viewport = new Viewport();
	assert.deepEqual(viewport.next([10, 40, 12, 41], 9, null), { topics: ["live_updates:all"], bbox: [9, 39.5, 13, 41.5], interval: 2 });
	assert.equal(viewport.next([10.5, 40.2, 12.5, 41.2], 9, null), null);
	assert.deepEqual(viewport.next([11.5, 40, 13.5, 41], 9, null)?.bbox, [10.5, 39.5, 14.5, 41.5]);
	assert.deepEqual(viewport.next([11.5, 40, 13.5, 41], 7, null), { topics: ["live_updates:all"], bbox: null, interval: 2 });
});

test("a box that is far too wide is made narrower", () => {
	const viewport = new Viewport();
	viewport.next([10, 40, 12, 41], 9, null);
	assert.deepEqual(viewport.next([11, 40.4, 11.2, 40.5], 12, null)?.bbox, [10.9, 40.35, 11.3, 40.55]);
});

test("every fix is wanted from near, and of a selected vehicle", () => {
	const viewport = new Viewport();
	assert.equal(viewport.view(null, 3, null).interval, 2);
	assert.equal(viewport.next(null, 3, null), null);
	assert.equal(viewport.next(null, 3, "VAN-7")?.interval, null);
	assert.equal(viewport.next([10, 40, 10.2, 40.1], 12, null)?.interval, null);
	assert.equal(viewport.next([10, 40, 10.3, 40.15], 10.9, null)?.interval, 2);
});

test("the selected vehicle is followed beyond the box", () => {
	const viewport = new Viewport();
	viewport.next([10, 40, 12, 41], 9, null);
	assert.deepEqual(viewport.next([10, 40, 12, 41], 9, "VAN-7")?.topics, ["live_updates:all", "vehicle:VAN-7"]);
	assert.equal(viewport.next([10, 40, 12, 41], 9, "VAN-7"), null);
	assert.deepEqual(viewport.next([10, 40, 12, 41], 9, null)?.topics, ["live_updates:all"]);
});

test("a view over the antimeridian or a pole gives a box that the hub takes", () => {
	assert.deepEqual(new Viewport().next([178, 84, 182, 89], 8, null)?.bbox, [176, 81.5, 184, 90]);
});

/** @param {number} left @param {number} top */
function mark(left, top) {
	return { vehicle: /** @type {any} */ ({}), state: /** @type {const} */ ("moving"), x: left / 512, y: top / 512, left, top };
}

test("four in a cell are a cluster in their middle, three are not", () => {
	const three = [mark(10, 10), mark(20, 10), mark(10, 20)];
	assert.deepEqual(clustered(three, 0), { single: three, clusters: [] });
	const { single, clusters } = clustered([...three, mark(20, 20), mark(400, 400)], 0);
	assert.equal(single.length, 1);
	assert.deepEqual(clusters.map((c) => [c.marks.length, c.left, c.top, c.radius]), [[4, 15, 15, radius(4)]]);
});

test("clusters that would overlap are one", () => {
	const left = [1, 2, 3, 4].map((i) => mark(78 + i, 20)); // the grid's line is at 84
	const right = [1, 2, 3, 4, 5].map((i) => mark(85 + i, 20));
	const { clusters } = clustered([...left, ...right], 0);
	assert.deepEqual(clusters.map((c) => c.marks.length), [9]);
});
