import assert from "node:assert/strict";
import { test } from "node:test";
import { Fleet, project, unproject, Vehicle } from "../src/fleet.js";

const EAST = 90;

/**
 * A Feature at a time.
 * @param {number} timestamp
 * @param {number} lon
 * @param {Record<string, any>} [more]
 * @param {number} [lat]
 */
function fix(timestamp, lon, more = {}, lat = 0) {
	return /** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature",
		id: "VAN-7",
		geometry: { type: "Point", coordinates: [lon, lat] },
		properties: { vehicle_id: "VAN-7", timestamp, ...more },
	});
}

/** Metres east of the prime meridian, on the equator. @param {{x: number}} at */
const metres = ({ x }) => (x - 0.5) * 40_075_016.686;

test("project and unproject are inverse, and agree with the known corners", () => {
	assert.deepEqual(project(0, 0), { x: 0.5, y: 0.5 });
	assert.ok(Math.abs(project(180, 85.0511287798).y) < 1e-9);
	assert.ok(
		Math.abs(project(0, 90).y) < 1e-8 && Math.abs(project(0, -90).y - 1) < 1e-8,
		"the poles are at the edge",
	);
	for (const [lon, lat] of [
		[13.404954, 52.520008],
		[-179.9, -84],
		[0, 0],
	]) {
		const { x, y } = project(lon, lat);
		const [lon2, lat2] = unproject(x, y);
		assert.ok(Math.abs(lon - lon2) < 1e-9 && Math.abs(lat - lat2) < 1e-9);
	}
});

test("a vehicle is extrapolated along its speed and heading, up to a bound", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	assert.equal(Math.round(metres(vehicle.positionAt(100))), 0);
	assert.equal(Math.round(metres(vehicle.positionAt(104))), 80); // 20 m/s
	assert.equal(Math.round(metres(vehicle.positionAt(110))), 200);
	assert.equal(Math.round(metres(vehicle.positionAt(115))), 200, "no further than ten seconds");
});

test("the bound is the vehicle's own interval where that is shorter", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	vehicle.update(fix(102, 0, { speed_kmh: 72, heading: EAST }), 102);
	assert.equal(vehicle.interval, 2);
	assert.equal(Math.round(metres(vehicle.positionAt(105.5))), 60); // 1.5 intervals of 2 s
});

test("a vehicle without speed or heading stays at its fix", () => {
	for (const more of [{}, { speed_kmh: 72 }, { heading: EAST }, { speed_kmh: 2, heading: EAST }]) {
		const vehicle = new Vehicle(fix(100, 0, more), 100);
		assert.equal(metres(vehicle.positionAt(104)), 0, JSON.stringify(more));
	}
});

test("a silent vehicle returns to its last fix", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	assert.equal(vehicle.state(170), "silent");
	assert.equal(Math.round(metres(vehicle.positionAt(170))), 0);
	const seldom = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST, expect_within_s: 3600 }), 100);
	assert.equal(seldom.state(170), "moving");
	assert.equal(Math.round(metres(seldom.positionAt(170))), 0, "nor is a guess shown for an hour");
});

test("a correction glides, a jump is immediate", () => {
	const vehicle = new Vehicle(fix(100, 0), 100);
	vehicle.update(fix(110, 0.001), 110); // 111 m
	assert.equal(Math.round(metres(vehicle.positionAt(110))), 0);
	assert.ok(metres(vehicle.positionAt(110.3)) > 10 && metres(vehicle.positionAt(110.3)) < 100);
	assert.equal(Math.round(metres(vehicle.positionAt(115))), 111);
	vehicle.update(fix(120, 0.1), 120); // 11 km
	assert.equal(Math.round(metres(vehicle.positionAt(120))), 11_132);
	const north = new Vehicle(fix(100, 0), 100);
	north.update(fix(110, 0, {}, 0.001), 110);
	assert.equal(north.positionAt(110).y, 0.5);
	assert.ok(north.positionAt(110.3).y < 0.5 && north.positionAt(110.3).y > project(0, 0.001).y);
});

test("a state needs no history: two tabs agree, whenever they were opened", () => {
	const fast = (/** @type {number} */ t) => fix(t, 0, { speed_kmh: 50 });
	const old = new Vehicle(fast(100), 100);
	[101, 102, 103].forEach((t) => old.update(fast(t), t));
	const young = new Vehicle(fast(103), 103);
	for (const now of [104, 112, 163, 164, 1000]) {
		assert.equal(old.state(now), young.state(now), `${now}`);
	}
	assert.equal(young.state(163), "moving");
	assert.equal(young.state(163.1), "silent");
	const parked = new Vehicle(fix(103, 0, { speed_kmh: 0 }), 103);
	assert.equal(parked.state(403), "parked");
	assert.equal(parked.state(403.1), "silent");
});

test("a vehicle is silent when its hub or its publisher says so", () => {
	const learned = new Vehicle(fix(100, 0, { speed_kmh: 50, expect_within_s: 5, stale_after_s: 900 }), 100);
	assert.deepEqual([learned.state(1000), learned.state(1001)], ["moving", "silent"]);
	const expected = new Vehicle(fix(100, 0, { speed_kmh: 50, expect_within_s: 30 }), 100);
	assert.deepEqual([expected.state(160), expected.state(161)], ["moving", "silent"]);
	assert.equal(expected.state(161, 110), "moving", "not for a pause of the hub");
});

test("a vehicle's interval is known apart for driving and parked", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 50 }), 100);
	vehicle.update(fix(101, 0, { speed_kmh: 50 }), 101);
	vehicle.update(fix(102, 0, { speed_kmh: 0 }), 102);
	vehicle.update(fix(162, 0, { speed_kmh: 0 }), 162);
	assert.equal(vehicle.interval, 60);
	vehicle.update(fix(163, 0, { speed_kmh: 50 }), 163);
	assert.equal(vehicle.interval, 1, "its rhythm when driving is not forgotten");
	vehicle.update(fix(164, 0, { speed_kmh: 0 }), 164);
	assert.ok(Math.abs(Number(vehicle.interval) - 42.3) < 1e-9, "nor that when parked: 1 s after 60 s");
});

test("the interval is an average, which one long pause does not spoil", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 50 }), 100);
	vehicle.update(fix(102, 0, { speed_kmh: 50 }), 102);
	vehicle.update(fix(103, 0, { speed_kmh: 50 }), 103);
	assert.equal(vehicle.interval, 1.7); // 2 and 1
	vehicle.update(fix(5000, 0, { speed_kmh: 50 }), 5000);
	assert.ok(Math.abs(Number(vehicle.interval) - 3.23) < 1e-9, `${vehicle.interval}: as if four intervals`);
	vehicle.update(fix(5000, 0.001, { speed_kmh: 50 }), 5001);
	assert.ok(
		Math.abs(Number(vehicle.interval) - 3.23) < 1e-9,
		"a correction of the same moment is no interval",
	);
});

test("speed and course are derived from two fixes if not reported", () => {
	const vehicle = new Vehicle(fix(100, 0), 100);
	assert.deepEqual([vehicle.state(100), vehicle.speed, vehicle.course], ["unknown", null, null]);
	vehicle.update(fix(110, 0.001), 110); // 111 m in 10 s
	assert.equal(Math.round(Number(vehicle.speed)), 40);
	assert.deepEqual([vehicle.speedDerived, vehicle.courseDerived], [true, true]);
	assert.equal(vehicle.course, EAST);
	assert.equal(vehicle.state(110), "moving");
	assert.equal(Math.round(metres(vehicle.positionAt(118))), 111, "but nothing is carried on by them");
	vehicle.update(fix(110, 0.002), 111);
	assert.equal(Math.round(Number(vehicle.speed)), 40, "two fixes with the same timestamp have no speed");
	vehicle.update(fix(112, 0.002, { speed_kmh: 20, heading: 7 }), 112);
	assert.deepEqual([vehicle.speed, vehicle.speedDerived], [20, false]);
	assert.deepEqual([vehicle.course, vehicle.courseDerived], [7, false]);
	vehicle.update(fix(112.5, 0.002), 112.5);
	assert.equal(vehicle.speed, null, "what was reported is not guessed to hold");
});

test("a crossing of the antimeridian goes the short way, in both directions", () => {
	for (const [from, to, course] of [
		[179.999, -179.999, 90],
		[-179.999, 179.999, 270],
	]) {
		const vehicle = new Vehicle(fix(100, from), 100);
		vehicle.update(fix(110, to), 110); // 223 m
		assert.equal(Math.round(Number(vehicle.speed)), 80);
		assert.equal(Math.round(Number(vehicle.course)), course);
		const away = Math.abs(vehicle.positionAt(110).x - project(to, 0).x) * 40_075_016.686;
		assert.ok(away > 200 && away < 250, `glides ${away} m over the line, not through the world`);
	}
});

test("an implausible speed is unknown, and is no base for a guess", () => {
	for (const [name, time, lon] of /** @type {[string, number, number][]} */ ([
		["a jump", 110, 1], // 111 km in 10 s
		["an average of an hour", 3700, 0.01],
		["a clock that was set back", 50, 0.01],
	])) {
		const vehicle = new Vehicle(fix(100, 0), 100);
		vehicle.update(fix(time, lon), time);
		assert.deepEqual([vehicle.speed, vehicle.course, vehicle.state(time)], [null, null, "unknown"], name);
		vehicle.update(fix(time + 10, lon + 0.001), time + 10);
		assert.equal(Math.round(Number(vehicle.speed)), 40, `${name}: the next fix is compared with it`);
	}
	const close = new Vehicle(fix(100, 0), 100);
	close.update(fix(100.1, 0.0001), 100.1); // 11 m, which is 400 km/h
	assert.equal(close.speed, null, "fixes that are too close in time are noise");
	close.update(fix(101.1, 0.0001), 101.1);
	assert.equal(Math.round(Number(close.speed)), 36);
});

test("noise is no movement, and a crawl is", () => {
	const vehicle = new Vehicle(fix(100, 0), 100);
	for (let t = 101; t < 110; t++) {
		vehicle.update(fix(t, t % 2 ? 0.00005 : 0), t); // 6 m to and fro
		assert.equal(vehicle.state(t), "unknown");
	}
	vehicle.update(fix(110, 0.00005), 110);
	assert.deepEqual([vehicle.speed, vehicle.state(110)], [0, "parked"]);
	const vague = new Vehicle(fix(100, 0, { accuracy: 50 }), 100);
	vague.update(fix(110, 0.0004, { accuracy: 50 }), 110); // 45 m
	assert.deepEqual([vague.speed, vague.course], [0, null]);
	const slow = new Vehicle(fix(100, 0), 100);
	for (let t = 101; t < 110; t++) {
		slow.update(fix(t, (t - 100) * 0.00002), t); // 2.2 m/s
	}
	assert.equal(Math.round(Number(slow.speed)), 8);
});

test("a reported speed is shown whatever it is, and carries nothing through the world", () => {
	for (const speed_kmh of [1e308, 57_521_995]) {
		const vehicle = new Vehicle(fix(100, 0, { speed_kmh, heading: EAST }), 100);
		assert.equal(vehicle.speed, speed_kmh);
		assert.deepEqual(vehicle.positionAt(105), { x: 0.5, y: 0.5, turn: 0 });
		assert.equal(vehicle.drawnSpeed(105), 0);
	}
	const plane = new Vehicle(fix(100, 0, { speed_kmh: 1200, heading: EAST }), 100);
	assert.ok(metres(plane.positionAt(105)) > 1000);
	assert.ok(Math.abs(plane.extrapolation(105) * 40_075_016.686 - metres(plane.positionAt(105))) < 1e-6);
});

test("a course is derived from two fixes that are far enough apart", () => {
	for (const [lon, lat, course] of [
		[0.001, 0, 90],
		[0, -0.001, 180],
		[-0.001, 0, 270],
		[0, 0.001, 0],
	]) {
		const vehicle = new Vehicle(fix(100, 0), 100);
		vehicle.update(fix(110, lon, {}, lat), 110);
		assert.equal(Math.round(Number(vehicle.course)), course);
		vehicle.update(fix(120, lon + 0.00005, {}, lat), 120); // 6 m, as GPS noise has
		assert.equal(Math.round(Number(vehicle.course)), course, "it stands as it came");
	}
	const parked = new Vehicle(fix(100, 0, { heading: EAST }), 100);
	parked.update(fix(110, 0.00005), 110);
	assert.equal(parked.course, EAST, "a heading that was reported is known for as long");
	assert.equal(parked.courseDerived, true, "and may have changed since");
});

test("distances are right in the north as at the equator", () => {
	const vehicle = new Vehicle(fix(100, 10, { speed_kmh: 72, heading: 0 }, 60), 100);
	const [lon, lat] = unproject(vehicle.positionAt(105).x, vehicle.positionAt(105).y);
	assert.ok(Math.abs(lon - 10) < 1e-9);
	assert.ok(Math.abs((lat - 60) * 111_320 - 100) < 1, `${lat}: 100 m to the north`);
	const east = new Vehicle(fix(100, 10, {}, 60), 100);
	east.update(fix(110, 10.01, {}, 60), 110); // 557 m: half of what it is at the equator
	assert.equal(Math.round(Number(east.speed)), 200);
	assert.ok(Math.abs(east.positionAt(110).x - project(10, 60).x) < 1e-9, "it glides as far as it drove");
	east.update(fix(110.5, 10.02, {}, 60), 110.5); // 557 m in half a second
	assert.equal(east.positionAt(110.5).x, project(10.02, 60).x, "it cannot have driven so far");
	east.update(fix(120, 10.026, {}, 60), 120); // 334 m
	assert.ok(Math.abs(east.positionAt(120).x - project(10.02, 60).x) < 1e-9, "near enough");
});

test("a clock that is behind moves no vehicle backwards", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 95);
	assert.equal(vehicle.age(95), 0);
	assert.equal(metres(vehicle.positionAt(95)), 0);
	vehicle.update(fix(101, 0.001, { speed_kmh: 72, heading: EAST }), 101);
	assert.deepEqual(vehicle.positionAt(99), vehicle.positionAt(101), "nor does one that is set back");
});

test("a moving vehicle has a drawn speed, a standing one has none", () => {
	/** @param {number} pace */
	const metresPerSecond = (pace) => Math.round(pace * 40_075_016.686);
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	assert.equal(metresPerSecond(vehicle.drawnSpeed(101)), 20);
	assert.equal(vehicle.drawnSpeed(170), 0, "silent, and back at its fix");
	const parked = new Vehicle(fix(100, 0, { speed_kmh: 0 }), 100);
	assert.equal(parked.drawnSpeed(101), 0);
	parked.update(fix(110, 0.001, { speed_kmh: 0 }), 110); // 111 m, glided with a tau of 0.35 s
	assert.equal(metresPerSecond(parked.drawnSpeed(110)), 318);
	assert.equal(metresPerSecond(parked.drawnSpeed(115)), 0);
});

test("a fleet counts its states", () => {
	let now = 100;
	const fleet = new Fleet(() => now);
	fleet.update({ ...fix(100, 0, { speed_kmh: 50 }), id: "A" });
	fleet.update({ ...fix(100, 0, { speed_kmh: 0 }), id: "B" });
	assert.deepEqual(fleet.counts(), { all: 2, moving: 1, parked: 1, unknown: 0, silent: 0 });
	now = 180;
	assert.deepEqual(fleet.counts(), { all: 2, moving: 0, parked: 1, unknown: 0, silent: 1 });
	assert.equal(fleet.remove("A"), true);
	assert.equal(fleet.remove("A"), false);
	assert.equal(fleet.counts().all, 1);
});

test("a fleet updates known vehicles, and its version changes with its members", () => {
	let now = 100;
	const fleet = new Fleet(() => now);
	const vehicle = fleet.update(fix(100, 0, { speed_kmh: 50 }));
	assert.equal(vehicle.time, 100);
	const { version } = fleet;
	now = 102;
	assert.equal(fleet.update(fix(102, 0.001, { speed_kmh: 50 })), vehicle);
	assert.equal(vehicle.time, 102);
	assert.equal(vehicle.lon, 0.001);
	assert.equal(fleet.version, version, "the same");
	fleet.remove("VAN-7");
	assert.notEqual(fleet.version, version);
	const without = fleet.version;
	fleet.update(fix(103, 0));
	assert.notEqual(fleet.version, without);
});

test("a timestamp that is ahead stays so, the same at every reload", () => {
	const moving = { speed_kmh: 72, heading: EAST };
	const ahead = new Vehicle(fix(150, 0, moving), 100);
	ahead.update(fix(151, 0, moving), 101);
	const reloaded = new Vehicle(fix(151, 0, moving), 120);
	for (const vehicle of [ahead, reloaded]) {
		assert.deepEqual([vehicle.time, vehicle.age(121)], [151, 0]);
		assert.equal(metres(vehicle.positionAt(150)), 0, "it is not extrapolated before its time");
		assert.deepEqual([vehicle.state(211), vehicle.state(212)], ["moving", "silent"]);
	}
	const behind = new Vehicle(fix(100, 0, moving), 700);
	behind.update(fix(101, 0, moving), 701);
	assert.equal(behind.state(701), "silent", "its fix is ten minutes old");
});
test("a fleet's states hold for the time until which it is known", () => {
	let asOf = 150;
	let quietFrom = 0;
	const fleet = new Fleet(
		() => 1000,
		() => asOf,
		() => quietFrom,
	);
	fleet.update(fix(100, 0, { speed_kmh: 50 }));
	assert.equal(fleet.counts().moving, 1, "the connection was cut at 150");
	asOf = 161;
	assert.equal(fleet.counts().silent, 1);
	quietFrom = 110;
	assert.equal(fleet.counts().moving, 1, "and the hub was away until 110");
});

/** @param {string} id @param {number} timestamp @param {number} [speed] */
const vehicleAt = (id, timestamp, speed = 50) => ({ ...fix(timestamp, 0, { speed_kmh: speed }), id });

test("a fleet keeps vehicles that leave the stream, as of then", () => {
	let now = 100;
	const fleet = new Fleet(() => now);
	fleet.update(vehicleAt("A", 100));
	fleet.update(vehicleAt("B", 100));
	fleet.leave("B");
	fleet.leave("nobody");
	const b = /** @type {Vehicle} */ (fleet.vehicles.get("B"));
	assert.deepEqual([fleet.counts().all, b.streamed], [2, false]);
	now = 200;
	assert.deepEqual([fleet.counts().moving, fleet.counts().silent], [1, 1], "B was heard of until 100");
	fleet.confirm(161);
	assert.equal(fleet.counts().silent, 2, "and until 161 nothing came from it");
	fleet.confirm(120);
	assert.equal(fleet.counts().silent, 2);
	fleet.update(vehicleAt("B", 200));
	assert.deepEqual([b.streamed, fleet.counts().moving], [true, 1]);
	fleet.leave("A");
	fleet.keepStreamed();
	assert.deepEqual([...fleet.vehicles.keys()], ["B"]);
});

test("a fleet learns the vehicles that are not streamed, and forgets those that are gone", () => {
	const now = 200;
	const fleet = new Fleet(() => now);
	for (const id of ["STREAMED", "STAYS", "LEFT-SINCE", "GONE"]) {
		fleet.update(vehicleAt(id, 190));
	}
	for (const id of ["STAYS", "LEFT-SINCE", "GONE"]) {
		fleet.leave(id);
	}
	const { version } = fleet;
	fleet.learn([vehicleAt("STREAMED", 195, 1), vehicleAt("STAYS", 195, 60), vehicleAt("NEW", 130)], 250);
	fleet.learn([vehicleAt("STREAMED", 195, 1), vehicleAt("STAYS", 180, 70), vehicleAt("NEW", 130)], 260);
	assert.deepEqual([...fleet.vehicles.keys()], ["STREAMED", "STAYS", "NEW"]);
	assert.notEqual(fleet.version, version);
	const speed = (/** @type {string} */ id) => fleet.vehicles.get(id)?.speed;
	assert.equal(speed("STREAMED"), 50, "the stream knows better");
	assert.equal(speed("STAYS"), 60, "an older fix is none");
	assert.equal(fleet.vehicles.get("STREAMED")?.streamed, true);
	assert.equal(fleet.vehicles.get("NEW")?.streamed, false);
	fleet.leave("STREAMED"); // at 200
	fleet.learn([], 195); // which was read before
	assert.equal(fleet.vehicles.has("STREAMED"), true);
});

test("a fleet knows which ids look alike", () => {
	const fleet = new Fleet(() => 100);
	fleet.update(vehicleAt("VAN-1", 100));
	assert.equal(fleet.difference("VAN-1"), "");
	fleet.update(vehicleAt("V\u0410N-1", 100));
	assert.equal(fleet.difference("VAN-1"), "A Latin");
	assert.equal(fleet.difference("V\u0410N-1"), "\u0410 Cyrillic");
	fleet.remove("VAN-1");
	assert.equal(fleet.difference("V\u0410N-1"), "");
	fleet.remove("V\u0410N-1");
	assert.equal(fleet.difference("VAN-1"), "", "of nobody");
});

test("a fleet meets vehicles that are not streamed, as of when the hub had them", () => {
	let now = 200;
	const fleet = new Fleet(() => now);
	/** @param {string} id @param {number} time @param {number} lon */
	const at = (id, time, lon) => ({ ...fix(time, lon), id });
	fleet.update(at("STREAMED", 190, 0));
	fleet.meet([at("STREAMED", 195, 1), at("FAR", 150, 2)], 200);
	now = 260;
	fleet.meet([at("FAR", 255, 3)], 258);
	fleet.meet([at("FAR", 100, 4)], 240); // an answer that was overtaken
	const { STREAMED, FAR } = Object.fromEntries(fleet.vehicles);
	assert.deepEqual([STREAMED.lon, STREAMED.streamed], [0, true], "the stream knows better");
	assert.deepEqual([FAR.lon, FAR.time, FAR.knownUntil], [3, 255, 258]);
});
