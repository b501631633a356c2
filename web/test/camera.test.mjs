import assert from "node:assert/strict";
import { test } from "node:test";
import { Camera } from "../src/map/camera.js";

/** A camera with a view of 1000 × 600 pixels. @param {number} lon @param {number} lat @param {number} zoom */
function camera(lon, lat, zoom) {
	const one = new Camera();
	one.resize(1000, 600);
	one.moveTo([lon, lat], zoom);
	return one;
}

/** @param {number[]} a @param {number[]} b @param {number} [most] */
function near(a, b, most = 1e-6) {
	const far = a.length !== b.length || a.some((v, i) => Math.abs(v - b[i]) > most);
	assert.ok(!far, `${a} is not ${b}`);
}

test("a place is drawn where MapLibre draws it, and back", () => {
	const one = camera(13.4, 52.5, 10);
	assert.deepEqual(one.project([13.4, 52.5]), { x: 500, y: 300 });
	const { x, y } = one.project([13.5, 52.5]);
	near([x, y], [500 + (0.1 / 360) * 512 * 1024, 300]);
	near(one.unproject({ x, y }), [13.5, 52.5]);
	assert.ok(one.project([13.4, 52.6]).y < 300, "north is up");
});

test("the bounds go beyond ±180 where the view does", () => {
	const [west, south, east, north] = camera(179.9, 0, 10).bounds();
	assert.ok(west < 179.9 && east > 180 && east < 181, `${west} ${east}`);
	near([south + north], [0]);
});

test("zooming keeps the place under the pointer", () => {
	const one = camera(13.4, 52.5, 10);
	const at = { x: 200, y: 100 };
	const place = one.unproject(at);
	one.zoomBy(1.5, at);
	assert.equal(one.zoom, 11.5);
	near(one.unproject(at), place);
});

test("panning moves the ground with the pointer", () => {
	const one = camera(13.4, 52.5, 10);
	const place = one.unproject({ x: 500, y: 300 });
	one.panBy(-30, 40);
	const { x, y } = one.project([place[0], place[1]]);
	near([x, y], [470, 340]);
});

test("neither the poles nor a smaller or larger zoom than there is are shown", () => {
	const one = camera(0, 89, 3);
	near([one.project([0, 85.051129]).y], [0], 1e-3);
	one.panBy(0, -1e6);
	near([one.project([0, -85.051129]).y], [600], 1e-3);
	one.zoomBy(99);
	assert.equal(one.zoom, 20);
	one.zoomBy(-99);
	assert.equal(one.zoom, 0.5);
	one.resize(1000, 2048);
	assert.equal(one.zoom, 2, "the world fills the height");
});

test("the centre's longitude is within ±180", () => {
	const one = camera(179, 0, 5);
	one.panBy(-1000, 0);
	near(one.center, [179 + (1000 * 360) / (512 * 32) - 360, 0]);
});

test("a box fits with its padding, but no nearer than allowed", () => {
	const one = camera(0, 0, 2);
	one.fit([10, 40, 12, 40.5], { padding: 70, maxZoom: 14 });
	const [a, b] = [one.project([10, 40.5]), one.project([12, 40])];
	near([a.x, b.x], [70, 930], 1e-6);
	assert.ok(a.y > 70 && b.y < 530);
	near([a.y + b.y], [600]);
	one.fit([10, 40, 10, 40], { padding: 70, maxZoom: 14 });
	assert.equal(one.zoom, 14);
	near(one.center, [10, 40]);
	one.fit([170, -10, 190, 10], { padding: 70, maxZoom: 14 });
	near([Math.abs(one.center[0])], [180]);
});
