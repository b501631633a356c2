import assert from "node:assert/strict";
import { test } from "node:test";
import { clustered, radius } from "../src/map/clusters.js";
import { boxAround, contains, Viewport } from "../src/map/viewport.js";

/** @typedef {import("../src/map/viewport.js").Box} Box */

test("from afar the whole fleet is followed, with the newest positions", () => {
	const viewport = new Viewport();
	const all = { topics: ["live_updates:all"], bbox: null, interval: 2 };
	assert.deepEqual(viewport.view(null, 1.5), all);
	assert.equal(viewport.next([-10, 40, 10, 50], 5), null);
	assert.equal(viewport.near, false);
});

test("every fix is streamed from near", () => {
	const viewport = new Viewport();
	assert.equal(viewport.view(null, 3).interval, 2);
	assert.equal(viewport.next(null, 3), null);
	assert.equal(viewport.next([10, 40, 10.2, 40.1], 12)?.interval, null);
	assert.equal(viewport.next([10, 40, 10.3, 40.15], 10.9)?.interval, 2);
	assert.equal(viewport.next([10, 40, 10.3, 40.15], 11)?.interval, null);
});

test("without the right to the topic of all vehicles the view names no topics", () => {
	const viewport = new Viewport();
	viewport.canRead = (topic) => topic !== "live_updates:all";
	assert.deepEqual(viewport.view(null, 1.5), { bbox: null, interval: 2 });
	assert.deepEqual(viewport.next([10, 40, 12, 41], 9), { bbox: [9, 39.5, 13, 41.5], interval: 2 });
	assert.deepEqual(viewport.topics, []);
});

test("chosen groups are followed instead of all vehicles", () => {
	const viewport = new Viewport();
	viewport.groups = ["depot:7", "depot:8"];
	const view = { topics: ["depot:7", "depot:8"], bbox: null, interval: 2 };
	assert.deepEqual(viewport.view(null, 3), view);
	viewport.canRead = (topic) => topic !== "live_updates:all";
	assert.deepEqual(viewport.view(null, 3), view);
});

test("from near a box beyond the view is followed, until the view leaves it", () => {
	const viewport = new Viewport();
	assert.deepEqual(viewport.next([10, 40, 12, 41], 9), {
		topics: ["live_updates:all"],
		bbox: [9, 39.5, 13, 41.5],
		interval: 2,
	});
	assert.equal(viewport.next([10.5, 40.2, 12.5, 41.2], 9), null);
	assert.deepEqual(viewport.next([11.5, 40, 13.5, 41], 9)?.bbox, [10.5, 39.5, 14.5, 41.5]);
	assert.equal(viewport.near, true);
	assert.deepEqual(viewport.next([11.5, 40, 13.5, 41], 7), {
		topics: ["live_updates:all"],
		bbox: null,
		interval: 2,
	});
});

test("the view may leave its box on any side", () => {
	for (const [lon, lat] of [
		[-1.5, 0],
		[1.5, 0],
		[0, -1],
		[0, 1],
	]) {
		const viewport = new Viewport();
		viewport.next([10, 40, 12, 41], 9);
		assert.notEqual(
			viewport.next([10 + lon, 40 + lat, 12 + lon, 41 + lat], 9),
			null,
			`${lon} ${lat}`,
		);
	}
});

test("the view is near from zoom 8 on", () => {
	const viewport = new Viewport();
	assert.notEqual(viewport.next([10, 40, 14, 42], 8)?.bbox, null);
	assert.equal(viewport.next([10, 40, 14, 42], 8), null);
	assert.equal(viewport.next([10, 40, 14, 42], 7.99)?.bbox, null);
});

test("a box that is far too wide is replaced", () => {
	const viewport = new Viewport();
	viewport.next([10, 40, 12, 41], 9);
	assert.equal(viewport.next([10.5, 40.2, 11.5, 40.7], 10), null, "four times is not");
	assert.deepEqual(viewport.next([11, 40.4, 11.8, 40.8], 10.4)?.bbox, [10.6, 40.2, 12.2, 41]);
	assert.deepEqual(viewport.next([11, 40.4, 11.2, 40.5], 12)?.bbox, [10.9, 40.35, 11.3, 40.55]);
});

test("a view over the antimeridian or a pole makes a box that the hub accepts", () => {
	assert.deepEqual(new Viewport().next([178, 84, 182, 89], 8)?.bbox, [176, 81.5, 184, 90]);
	assert.deepEqual(new Viewport().next([-182, -89, -178, -84], 8)?.bbox, [-184, -90, -176, -81.5]);
});

/**
 * @param {number} left
 * @param {number} top
 * @param {import("../src/fleet.js").State} [state]
 * @param {number} [world] CSS pixels of the whole world
 */
function marker(left, top, state = "moving", world = 512) {
	const vehicle = /** @type {any} */ ({});
	return { vehicle, state, x: left / world, y: top / world, copy: 0, course: 0, left, top, guess: false };
}

/** @param {number} n @param {number} left @param {number} top */
const crowd = (n, left, top) => Array.from({ length: n }, () => marker(left, top));

/**
 * The number of markers in each cluster.
 * @param {import("../src/map/clusters.js").Marker[]} markers
 * @param {number} zoom
 */
const sizes = (markers, zoom) => clustered(markers, zoom).clusters.map((c) => c.markers.length);

test("four in a cell are a cluster in their middle, three are not", () => {
	const three = [marker(10, 10), marker(20, 10, "parked"), marker(10, 20, "silent")];
	assert.deepEqual(clustered(three, 0), { single: three, clusters: [] });
	const { single, clusters } = clustered([...three, marker(20, 20), marker(400, 400)], 0);
	assert.equal(single.length, 1);
	assert.deepEqual(
		clusters.map((c) => [c.markers.length, c.left, c.top, c.radius]),
		[[4, 15, 15, radius(4)]],
	);
	assert.deepEqual(clusters[0].states, { moving: 2, parked: 1, unknown: 0, silent: 1 });
});

test("a cluster grows with its count, slowly", () => {
	assert.equal(radius(10), 17.5);
	assert.equal(radius(10_000), 31);
});

test("clusters that would overlap are one", () => {
	assert.deepEqual(sizes([...crowd(4, 70, 20), ...crowd(5, 98, 20)], 0), [9], "the grid's line is at 84");
	assert.deepEqual(sizes([...crowd(4, 65, 20), ...crowd(5, 103, 20)], 0), [5, 4], "the larger first");
	assert.deepEqual(sizes([...crowd(4, 20, 70), ...crowd(5, 20, 98)], 0), [9]);
	assert.deepEqual(
		sizes([...crowd(10, 83, 70), ...crowd(4, 100, 99), ...crowd(4, 100, 70)], 0),
		[18],
		"also one that overlaps only what two have become",
	);
});

test("the grid is the same over half a zoom, then finer", () => {
	const two = [...crowd(2, 10, 10), ...crowd(2, 75, 10)]; // in one cell of 84 pixels at zoom 0
	for (const zoom of [0, 0.2, 0.49]) {
		assert.deepEqual(sizes(two, zoom), [4], `${zoom}`);
	}
	assert.deepEqual(sizes(two, 0.5), []);
	assert.deepEqual(sizes([...crowd(2, 10, 10), ...crowd(2, 95, 10)], 0), [], "in two cells");
});

test("cells that are far apart never share a cluster", () => {
	const world = 512 * 2 ** 13;
	const cell = (/** @type {number} */ x, /** @type {number} */ y) =>
		[1, 2].map(() => marker((x + 0.5) * 84, (y + 0.5) * 84, "moving", world));
	for (const y of [256, 1000, 4096, 49_900]) {
		assert.deepEqual(sizes([...cell(1, 0), ...cell(0, y)], 13), [], `${y}`);
	}
});

test("a place is in a box, also over the antimeridian and in another copy of the world", () => {
	/** @type {[import("../src/map/viewport.js").Box, number, number, boolean][]} */
	const cases = [
		[[10, 50, 12, 52], 11, 51, true],
		[[10, 50, 12, 52], 10, 52, true],
		[[10, 50, 12, 52], 12.1, 51, false],
		[[10, 50, 12, 52], 9.9, 51, false],
		[[10, 50, 12, 52], 11, 49.9, false],
		[[10, 50, 12, 52], 11, 52.1, false],
		[[170, -20, 190, -10], -175, -17, true],
		[[170, -20, 190, -10], -165, -17, false],
		[[-190, -20, -170, -10], 175, -17, true],
		[[-190, -20, -170, -10], 165, -17, false],
		[[350, 0, 370, 10], 5, 5, true],
		[[-300, -90, 300, 90], 179, 0, true],
	];
	for (const [box, lon, lat, inside] of cases) {
		assert.equal(contains(box, { lon, lat }), inside, `${box} ${lon} ${lat}`);
	}
});

test("a box around places goes the short way around the world", () => {
	/** @param {number[]} lons */
	const box = (...lons) => boxAround(lons.map((lon, i) => ({ lon, lat: i })));
	assert.equal(box(), null);
	assert.deepEqual(box(10), [10, 0, 10, 0]);
	assert.deepEqual(box(10, 13, 12), [10, 0, 13, 2]);
	assert.deepEqual(box(179, -178), [179, 0, 182, 1]);
	assert.deepEqual(box(-178, 170, 179), [170, 0, 182, 2]);
});
